"""Models, endpoint configurations and endpoints. The servers behind the endpoints are `endpoints.py`'s."""

from typing import Any

from pipeline.errors import Fault
from pipeline.local import jobs
from pipeline.local.backend import Backend, arn, between, page
from pipeline.local.store import Document, process_identity

MODEL = "Model"
CONFIG = "EndpointConfig"
ENDPOINT = "Endpoint"
BUSY = ("Creating", "Updating", "Deleting")
KEPT = {  # members that are honoured, or have no effect on one machine; others are refused
    "CreateModel": "ModelName PrimaryContainer Containers ExecutionRoleArn EnableNetworkIsolation VpcConfig "
    "Tags",
    "CreateEndpointConfig": "EndpointConfigName ProductionVariants ExecutionRoleArn KmsKeyId VpcConfig Tags",
    "ProductionVariants": "VariantName ModelName InitialInstanceCount InstanceType InitialVariantWeight "
    "VolumeSizeInGB ModelDataDownloadTimeoutInSeconds ContainerStartupHealthCheckTimeoutInSeconds",
    "CreateEndpoint": "EndpointName EndpointConfigName Tags",
    "UpdateEndpoint": "EndpointName EndpointConfigName",
}


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


def _refuse_unknown(place: str, request: Document) -> None:
    if unknown := sorted(request.keys() - set(KEPT[place].split())):
        raise Fault(
            "ValidationException", f"{place}: {', '.join(unknown)} is not supported by the local service"
        )


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
    _refuse_unknown("CreateModel", request)
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
    _refuse_unknown("CreateEndpointConfig", request)
    if len(request["ProductionVariants"]) != 1:
        raise Fault("ValidationException", "a local endpoint has one production variant")
    for variant in request["ProductionVariants"]:
        _refuse_unknown("ProductionVariants", variant)
        _found(backend, MODEL, variant["ModelName"])
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
    _refuse_unknown("CreateEndpoint", request)
    _found(backend, CONFIG, request["EndpointConfigName"])
    document = {
        "EndpointName": request["EndpointName"],
        "EndpointStatus": "Creating",
        "LastModifiedTime": backend.store.clock(),
        "Owner": process_identity(),
    }
    answer = _insert(backend, ENDPOINT, request["EndpointName"], document)
    backend.endpoints.change(request["EndpointName"], request["EndpointConfigName"])
    return answer


def update_endpoint(backend: Backend, request: Document) -> Document:
    _refuse_unknown("UpdateEndpoint", request)
    _found(backend, CONFIG, request["EndpointConfigName"])
    with backend.store.transaction():
        endpoint = _found(backend, ENDPOINT, request["EndpointName"])
        _refuse_busy(endpoint)
        backend.store.update(
            ENDPOINT,
            request["EndpointName"],
            EndpointStatus="Updating",
            FailureReason=None,
            LastModifiedTime=backend.store.clock(),
            Owner=process_identity(),
        )
    backend.endpoints.change(request["EndpointName"], request["EndpointConfigName"])
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
    endpoint["ProductionVariants"] = [
        {
            "VariantName": variant["VariantName"],
            "CurrentInstanceCount": 1,
            "DesiredInstanceCount": 1,
            "CurrentWeight": variant.get("InitialVariantWeight", 1.0),
            "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
        }
        for variant in config["ProductionVariants"]
    ]
    return endpoint


def list_endpoints(backend: Backend, request: Document) -> Document:
    return _list(backend, ENDPOINT, request, "Endpoints")


def delete_endpoint(backend: Backend, request: Document) -> Document:
    with backend.store.transaction():
        _refuse_busy(_found(backend, ENDPOINT, request["EndpointName"]))
        backend.store.delete(ENDPOINT, request["EndpointName"])
    backend.endpoints.close(request["EndpointName"])
    return {}
