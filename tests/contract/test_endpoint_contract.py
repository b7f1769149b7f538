"""Models and endpoint configurations: one body of tests over every backend."""

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from conftest import Backend

INSTANCES = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 2, "InitialVariantWeight": 1.0}
SERVERLESS = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
CAPTURE = {
    "DataCaptureConfig": {
        "EnableCapture": True,
        "InitialSamplingPercentage": 20,
        "DestinationS3Uri": "s3://sentiment-capture/endpoints",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
}


def make(backend: "Backend", name: str, variant: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """A model and an endpoint configuration of that name. Returns the one variant."""
    backend.clients.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=backend.settings.pipeline_role,
        PrimaryContainer={"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"},
    )
    only = {"VariantName": "AllTraffic", "ModelName": name, **variant}
    backend.clients.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[only], **config
    )
    return only


@pytest.mark.parametrize(
    ("variant", "config"),
    [(INSTANCES, {}), (INSTANCES, CAPTURE), (SERVERLESS, {})],
    ids=["instances", "data capture", "serverless"],
)
def test_a_configuration_is_described_as_it_was_made(
    backend: "Backend", variant: dict[str, Any], config: dict[str, Any]
) -> None:
    only = make(backend, "v1", variant, config)
    found = backend.clients.sagemaker.describe_endpoint_config(EndpointConfigName="v1")
    (described,) = found["ProductionVariants"]
    assert {name: described[name] for name in only} == only
    assert {name: found[name] for name in config} == config
    listed = backend.clients.sagemaker.list_endpoint_configs()["EndpointConfigs"]
    assert [each["EndpointConfigName"] for each in listed] == ["v1"]
    backend.clients.sagemaker.delete_endpoint_config(EndpointConfigName="v1")
    assert backend.clients.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("describe_endpoint", {"EndpointName": "absent"}),
        ("describe_endpoint_config", {"EndpointConfigName": "absent"}),
        ("delete_endpoint", {"EndpointName": "absent"}),
        ("create_endpoint", {"EndpointName": "sentiment", "EndpointConfigName": "absent"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_there_is_a_validation_exception(
    backend: "Backend", operation: str, request_: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="Could not find") as refused:
        getattr(backend.clients.sagemaker, operation)(**request_)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
