"""Versions of a model for tests: registered as the pipeline does it, with evaluations that its step wrote."""

import json
from typing import Any

import numpy

from evaluate import Predictions, evaluate
from pipeline.settings import Settings
from pipeline.storage import FolderStorage
from pipeline.uploads import File

COMMIT = "1f0c4b7e9a3d5566778899aabbccddeeff001122"
DATA = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"


def report(right: int, total: int = 100, test_set: str = "a" * 64) -> dict[str, Any]:
    """What steps/evaluate.py writes of a model that answers `right` of `total` reviews right."""
    labels = numpy.arange(total) % 2
    correct = numpy.arange(total) < right
    probability = numpy.where(correct == (labels == 1), 0.9, 0.1)
    found = Predictions(list(range(total)), labels, probability, ["A film."] * total, ["v"])
    report: dict[str, Any] = evaluate(found, {"outputs": {"reviews/test.jsonl": test_set}})
    return report


def metadata(right: int = 90, total: int = 100, **changes: str | None) -> dict[str, str]:
    """As Register sets it; a change to None leaves one out."""
    known: dict[str, str | None] = {
        "accuracy": str(right / total),
        "accuracy_threshold": "0.88",
        "test_size": str(total),
        "input_data": f"s3://sentiment-local/sentiment/data/{DATA}",
        "commit": COMMIT,
        "definition": "e" * 64,
        "data": DATA,
        "training_code": "c" * 64,
        "execution": "abcdefghijkl",
        **changes,
    }
    return {key: value for key, value in known.items() if value is not None}


def group(sagemaker: Any, config: Settings) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName=config.model_package_group)


def register(
    sagemaker: Any,
    config: Settings,
    status: str = "Approved",
    properties: dict[str, str] | None = None,
    evaluation: str | None = None,
) -> str:
    """The ARN of a new version; `evaluation` is the URI of its report."""
    metrics = {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": evaluation}}}
    answer = sagemaker.create_model_package(
        ModelPackageGroupName=config.model_package_group,
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [{"Image": config.serving_image, "ModelDataUrl": f"{config.root}/x/model.tar.gz"}],
            "SupportedContentTypes": ["text/plain"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        CustomerMetadataProperties=metadata() if properties is None else properties,
        **({"ModelMetrics": metrics} if evaluation else {}),
    )
    return str(answer["ModelPackageArn"])


def put(storage: FolderStorage, uri: str, content: dict[str, Any] | bytes) -> str:
    """Write an evaluation, and return where it is."""
    folder, _, name = uri.rpartition("/")
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    storage.add([File.of(data, name)], folder)
    return uri


def deploy(sagemaker: Any, config: Settings, arn: str) -> None:
    """Bring up the endpoint with a configuration for the version, named as steps/deploy.py does it."""
    name = f"{config.endpoint}-{arn.rpartition('/')[2]}-0a1b2c3d"
    container = {"ModelPackageName": arn}
    sagemaker.create_model(ModelName=name, Containers=[container], ExecutionRoleArn=config.endpoint_role)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName=config.endpoint, EndpointConfigName=name)
