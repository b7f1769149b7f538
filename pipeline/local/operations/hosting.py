"""Models, endpoint configurations and endpoints. The servers behind the endpoints are `endpoints.py`'s."""

from typing import Any

from pipeline.errors import Fault
from pipeline.local import jobs
from pipeline.local.backend import Backend, arn, between, page
from pipeline.local.operations import hosting_rules
from pipeline.local.operations.hosting_rules import refuse_unknown
from pipeline.local.store import Document, process_identity

MODEL = "Model"
CONFIG = "EndpointConfig"
ENDPOINT = "Endpoint"
BUSY = ("Creating", "Updating", "RollingBack", "Deleting")


def _insert(backend: Backend, kind: str, name: str, document: Document) -> Document:
    """Create a named resource, or fail as AWS does when the name is taken. Returns its ARN."""
    the_arn = arn({MODEL: "model", CONFIG: "endpoint-config", ENDPOINT: "endpoint"}[kind], name)
    with backend.store.transaction():
        if backend.store.get(kind, name):
            raise Fault("ValidationException", f'Cannot create already existing {kind.lower()} "{the_arn}".')
        backend.store.put(
            kind, name, {**document, f"{kind}Arn": the_arn, "CreationTime": backend.store.clock()}
        )
    return {f"{kind}Arn": the_arn}


def _found(backend: Backend, kind: str, name: str) -> Document:
    """AWS answers ValidationException here, where other operations answer ResourceNotFound."""
    document = backend.store.get(kind, name)
    if document is None:
        raise Fault("ValidationException", f'Could not find {kind.lower()} "{name}".')
    return document


def _list(backend: Backend, kind: str, request: Document, member: str) -> Document:
    rows = between(
        backend.store.all(kind), request, "CreationTime", "CreationTimeAfter", "CreationTimeBefore"
    )
    rows = [row for row in rows if request.get("NameContains", "") in row[f"{kind}Name"]]
    if status := request.get("StatusEquals"):
        rows = [row for row in rows if row["EndpointStatus"] == status]
    if request.get("SortBy") == "Name":
        rows.sort(key=lambda row: row[f"{kind}Name"])
    return page(member, rows, request, order="Descending")


def create_model(backend: Backend, request: Document) -> Document:
    refuse_unknown("CreateModel", request)
    containers = request.get("Containers") or [
        request[member] for member in ["PrimaryContainer"] if member in request
    ]
    if len(containers) != 1:
        raise Fault("ValidationException", f"a model has one container here; this one has {len(containers)}")
    if problems := jobs.unsupported("Model", {"PrimaryContainer": container_of(backend, containers[0])}):
        raise Fault("ValidationException", "; ".join(problems))
    return _insert(backend, MODEL, request["ModelName"], request)


def container_of(backend: Backend, container: Document) -> Document:
    """The container with its image and data: its own, or those of the model package it names."""
    if "ModelPackageName" not in container:
        return container
    package = backend.find("ModelPackage", container["ModelPackageName"], "ModelPackage")
    if package["ModelApprovalStatus"] != "Approved":
        raise Fault(
            "ValidationException",
            f"{package['ModelPackageArn']} is {package['ModelApprovalStatus']}; approve it first.",
        )
    inside: Document = package["InferenceSpecification"]["Containers"][0]
    return {**inside, "Environment": {**inside.get("Environment", {}), **container.get("Environment", {})}}


def model_container(backend: Backend, name: str) -> Document:
    """{"Image", "ModelDataUrl", "Environment", "EnableNetworkIsolation"} of a model, packages resolved."""
    model = _found(backend, MODEL, name)
    container = model.get("PrimaryContainer") or model["Containers"][0]
    return {
        **container_of(backend, container),
        "EnableNetworkIsolation": model.get("EnableNetworkIsolation", False),
    }


def describe_model(backend: Backend, request: Document) -> Document:
    return _found(backend, MODEL, request["ModelName"])


def list_models(backend: Backend, request: Document) -> Document:
    return _list(backend, MODEL, request, "Models")


def delete_model(backend: Backend, request: Document) -> Document:
    _found(backend, MODEL, request["ModelName"])
    backend.store.delete(MODEL, request["ModelName"])
    return {}


def create_endpoint_config(backend: Backend, request: Document) -> Document:
    hosting_rules.check_config(request)
    _found(backend, MODEL, request["ProductionVariants"][0]["ModelName"])
    return _insert(backend, CONFIG, request["EndpointConfigName"], request)


def describe_endpoint_config(backend: Backend, request: Document) -> Document:
    return _found(backend, CONFIG, request["EndpointConfigName"])


def list_endpoint_configs(backend: Backend, request: Document) -> Document:
    return _list(backend, CONFIG, request, "EndpointConfigs")


def delete_endpoint_config(backend: Backend, request: Document) -> Document:
    _found(backend, CONFIG, request["EndpointConfigName"])
    backend.store.delete(CONFIG, request["EndpointConfigName"])
    return {}


def create_endpoint(backend: Backend, request: Document) -> Document:
    refuse_unknown("CreateEndpoint", request)
    _found(backend, CONFIG, request["EndpointConfigName"])
    document = {
        "EndpointName": request["EndpointName"],
        "EndpointStatus": "Creating",
        "LastModifiedTime": backend.store.clock(),
        "Owner": process_identity(),
    }
    answer = _insert(backend, ENDPOINT, request["EndpointName"], document)
    backend.endpoints.create(request["EndpointName"], request["EndpointConfigName"])
    return answer


def update_endpoint(backend: Backend, request: Document) -> Document:
    refuse_unknown("UpdateEndpoint", request)
    config = _found(backend, CONFIG, request["EndpointConfigName"])
    deployment = request.get("DeploymentConfig", {})
    hosting_rules.check_deployment(deployment, config, backend.alarms)
    with backend.store.transaction():
        endpoint = _found(backend, ENDPOINT, request["EndpointName"])
        _refuse_busy(endpoint)
        if endpoint["EndpointStatus"] != "InService":
            raise Fault(
                "ValidationException",
                f"Cannot update endpoint {endpoint['EndpointArn']}: it is {endpoint['EndpointStatus']}; "
                "delete it, and create it again.",
            )
        hosting_rules.check_change(backend.store.get(CONFIG, endpoint["EndpointConfigName"]), config)
        backend.store.update(
            ENDPOINT,
            request["EndpointName"],
            EndpointStatus="Updating",
            FailureReason=None,
            LastModifiedTime=backend.store.clock(),
            Owner=process_identity(),
        )
    backend.endpoints.update(request["EndpointName"], request["EndpointConfigName"], deployment)
    return {"EndpointArn": endpoint["EndpointArn"]}


def _refuse_busy(endpoint: Document) -> None:
    if endpoint["EndpointStatus"] in BUSY:
        raise Fault(
            "ValidationException",
            f"Cannot update in-progress endpoint {endpoint['EndpointArn']}: {endpoint['EndpointStatus']}.",
        )


def describe_endpoint(backend: Backend, request: Document) -> Document:
    endpoint = _found(backend, ENDPOINT, request["EndpointName"])
    name = endpoint.get("EndpointConfigName")
    config: dict[str, Any] = (backend.store.get(CONFIG, name) if name else None) or {"ProductionVariants": []}
    endpoint["ProductionVariants"] = [variant_summary(each) for each in config["ProductionVariants"]]
    if capture := config.get("DataCaptureConfig"):
        enabled = capture.get("EnableCapture", True)
        endpoint["DataCaptureConfig"] = {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        }
    return endpoint


def variant_summary(variant: Document) -> Document:
    """What DescribeEndpoint tells of a variant: the instances asked for, for which one server stands."""
    serverless = variant.get("ServerlessConfig")
    count = 0 if serverless else variant.get("InitialInstanceCount", 1)
    weight = variant.get("InitialVariantWeight", 1.0)
    return {
        "VariantName": variant["VariantName"],
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentServerlessConfig": serverless,
        "DesiredServerlessConfig": serverless,
    }


def list_endpoints(backend: Backend, request: Document) -> Document:
    return _list(backend, ENDPOINT, request, "Endpoints")


def delete_endpoint(backend: Backend, request: Document) -> Document:
    with backend.store.transaction():
        _refuse_busy(_found(backend, ENDPOINT, request["EndpointName"]))
        backend.store.delete(ENDPOINT, request["EndpointName"])
    backend.endpoints.delete(request["EndpointName"])
    return {}
