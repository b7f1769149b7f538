"""What the local service takes of a request about hosting, and AWS's rules for it. The rest is refused."""

from collections.abc import Mapping

from pipeline.errors import Fault
from pipeline.local.alarms import Alarm
from pipeline.local.store import Document
from pipeline.local.traffic import stages
from pipeline.storage import split_uri

KEPT = {  # members that are honoured, or have no effect on one machine
    "CreateModel": "ModelName PrimaryContainer Containers ExecutionRoleArn EnableNetworkIsolation VpcConfig "
    "Tags",
    "CreateEndpointConfig": "EndpointConfigName ProductionVariants DataCaptureConfig ExecutionRoleArn "
    "KmsKeyId VpcConfig Tags",
    "ProductionVariants": "VariantName ModelName InitialInstanceCount InstanceType InitialVariantWeight "
    "ServerlessConfig VolumeSizeInGB ModelDataDownloadTimeoutInSeconds "
    "ContainerStartupHealthCheckTimeoutInSeconds",
    "CreateEndpoint": "EndpointName EndpointConfigName Tags",
    "UpdateEndpoint": "EndpointName EndpointConfigName DeploymentConfig",
}


def refuse_unknown(place: str, request: Document) -> None:
    if unknown := sorted(request.keys() - set(KEPT[place].split())):
        _refuse(f"{place}: {', '.join(unknown)} is not supported by the local service")


def check_config(request: Document) -> None:
    """Of CreateEndpointConfig."""
    refuse_unknown("CreateEndpointConfig", request)
    if len(request["ProductionVariants"]) != 1:
        _refuse("a local endpoint has one production variant")
    variant = request["ProductionVariants"][0]
    refuse_unknown("ProductionVariants", variant)
    capture = request.get("DataCaptureConfig")
    if capture:
        split_uri(capture["DestinationS3Uri"])  # raises for what is none
    if "ServerlessConfig" not in variant:
        return
    for member in ("InitialInstanceCount", "InstanceType"):
        if member in variant:
            _refuse(f"{member}: a serverless variant has no instances; leave it out, or the ServerlessConfig")
    if capture:
        _refuse("DataCaptureConfig: a serverless variant has no data capture")


def check_deployment(deployment: Document, config: Document, alarms: Mapping[str, Alarm]) -> None:
    """Of UpdateEndpoint with a DeploymentConfig."""
    variant = config["ProductionVariants"][0]
    if deployment and "ServerlessConfig" in variant:
        _refuse("DeploymentConfig: a serverless variant is updated all at once; leave it out")
    stages(deployment, variant.get("InitialInstanceCount", 1))
    for each in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", []):
        if each["AlarmName"] not in alarms:
            known = ", ".join(sorted(alarms)) or "none"
            _refuse(f"DeploymentConfig: alarm {each['AlarmName']} does not exist; there is {known}")


def check_change(live: Document | None, config: Document) -> None:
    """Of UpdateEndpoint: an endpoint with instances does not become serverless."""
    if (
        live
        and "ServerlessConfig" in config["ProductionVariants"][0]
        and "ServerlessConfig" not in live["ProductionVariants"][0]
    ):
        _refuse("an endpoint with instances cannot be updated to a serverless one; delete it, and create it")


def _refuse(message: str) -> None:
    raise Fault("ValidationException", message)
