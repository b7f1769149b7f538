"""Which features of a request these runners keep, written as a whitelist: what is not listed is named.

A tree mirrors the request. `FREE` is any value, kept or without effect on one machine (roles, keys, tags,
sizes of machines); a set is the values that are kept; a function answers what is wrong with a value. A
value that is still an expression of a pipeline is looked at again once it is known.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.local.jobs.job import ML
from pipeline.local.jobs.jsonpath import JsonPathError, parse

Check = Callable[[Any], str | None]
Tree = Check | frozenset[Any] | Mapping[str, Any] | list[Any]


def FREE(value: Any) -> None:
    return None


def only(*values: object) -> frozenset[object]:
    return frozenset(values)


def _local_path(value: Any) -> str | None:
    return None if str(value).startswith(f"{ML}/") else f"is not below {ML}"


def _regex(value: Any) -> str | None:
    try:
        groups = re.compile(str(value)).groups
    except re.error as error:
        return f"is not a regular expression ({error})"
    return None if groups else "has no group that says which part is the metric's value"


def _filter(value: Any) -> str | None:
    try:
        parse(str(value))
    except JsonPathError as error:
        return f"is not supported: {error}"
    return None


_COMMON = {"RoleArn": FREE, "Tags": FREE, "ExperimentConfig": FREE}
_ONE_HOST = {
    "InstanceCount": only(1, "1"),
    "InstanceType": FREE,
    "VolumeSizeInGB": FREE,
    "VolumeKmsKeyId": FREE,
    "KeepAlivePeriodInSeconds": FREE,
}
_S3_INPUT = {
    "S3Uri": FREE,
    "S3DataType": only("S3Prefix"),
    "S3DataDistributionType": only("FullyReplicated"),
}
_CONTAINER = {
    "Image": FREE,
    "ImageConfig": FREE,
    "ImageDigest": FREE,
    "ContainerHostname": FREE,
    "Mode": only("SingleModel"),
    "ModelDataUrl": FREE,
    "Environment": FREE,
}

PROCESSING = {
    **_COMMON,
    "ProcessingJobName": FREE,
    "AppSpecification": {"ImageUri": FREE, "ContainerEntrypoint": FREE, "ContainerArguments": FREE},
    "Environment": FREE,
    "ProcessingInputs": [
        {
            "InputName": FREE,
            "AppManaged": only(False),
            "S3Input": {
                **_S3_INPUT,
                "LocalPath": _local_path,
                "S3InputMode": only("File"),
                "S3CompressionType": only("None"),
            },
        }
    ],
    "ProcessingOutputConfig": {
        "KmsKeyId": FREE,
        "Outputs": [
            {
                "OutputName": FREE,
                "AppManaged": only(False),
                "S3Output": {"S3Uri": FREE, "LocalPath": _local_path, "S3UploadMode": only("EndOfJob")},
            }
        ],
    },
    "ProcessingResources": {"ClusterConfig": _ONE_HOST},
    "NetworkConfig": {
        "EnableNetworkIsolation": FREE,
        "EnableInterContainerTrafficEncryption": FREE,
        "VpcConfig": FREE,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": FREE},
}

TRAINING = {
    **_COMMON,
    "TrainingJobName": FREE,
    "AlgorithmSpecification": {
        "TrainingImage": FREE,
        "TrainingImageConfig": FREE,
        "TrainingInputMode": only("File", "FastFile"),
        "MetricDefinitions": [{"Name": FREE, "Regex": _regex}],
        "EnableSageMakerMetricsTimeSeries": FREE,
        "ContainerEntrypoint": FREE,
        "ContainerArguments": FREE,
    },
    "HyperParameters": FREE,
    "Environment": FREE,
    "InputDataConfig": [
        {
            "ChannelName": FREE,
            "ContentType": FREE,
            "InputMode": only("File", "FastFile"),
            "CompressionType": only("None"),
            "RecordWrapperType": only("None"),
            "DataSource": {"S3DataSource": _S3_INPUT},
        }
    ],
    "OutputDataConfig": {"S3OutputPath": FREE, "KmsKeyId": FREE, "CompressionType": only("GZIP")},
    "CheckpointConfig": {"S3Uri": FREE, "LocalPath": _local_path},
    "ResourceConfig": _ONE_HOST,
    "StoppingCondition": {
        "MaxRuntimeInSeconds": FREE,
        "MaxWaitTimeInSeconds": FREE,
        "MaxPendingTimeInSeconds": FREE,
    },
    "EnableNetworkIsolation": FREE,
    "EnableInterContainerTrafficEncryption": FREE,
    "EnableManagedSpotTraining": FREE,
    "RetryStrategy": FREE,
    "VpcConfig": FREE,
    "ProfilerConfig": {"DisableProfiler": only(True)},
}

TRANSFORM = {
    **_COMMON,
    "TransformJobName": FREE,
    "ModelName": FREE,
    "BatchStrategy": only("MultiRecord", "SingleRecord"),
    "MaxConcurrentTransforms": FREE,
    "MaxPayloadInMB": FREE,
    "ModelClientConfig": {"InvocationsTimeoutInSeconds": FREE, "InvocationsMaxRetries": FREE},
    "Environment": FREE,
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3Uri": FREE, "S3DataType": only("S3Prefix")}},
        "ContentType": FREE,
        "CompressionType": only("None", "Gzip"),
        "SplitType": only("None", "Line"),
    },
    "TransformOutput": {
        "S3OutputPath": FREE,
        "Accept": FREE,
        "AssembleWith": only("None", "Line"),
        "KmsKeyId": FREE,
    },
    "TransformResources": {
        key: _ONE_HOST[key] for key in ("InstanceCount", "InstanceType", "VolumeKmsKeyId")
    },
    "DataProcessing": {"InputFilter": _filter, "OutputFilter": _filter, "JoinSource": only("None", "Input")},
}

MODEL = {
    "ModelName": FREE,
    "ExecutionRoleArn": FREE,
    "PrimaryContainer": _CONTAINER,
    "EnableNetworkIsolation": FREE,
    "VpcConfig": FREE,
    "Tags": FREE,
}

REGISTER_MODEL = {
    "ModelPackageName": FREE,
    "ModelPackageGroupName": FREE,
    "ModelPackageDescription": FREE,
    "ModelApprovalStatus": FREE,
    "CertifyForMarketplace": only(False),
    "ClientToken": FREE,
    "CustomerMetadataProperties": FREE,
    "Domain": FREE,
    "DriftCheckBaselines": FREE,
    "MetadataProperties": FREE,
    "ModelCard": FREE,
    "ModelLifeCycle": FREE,
    "ModelMetrics": FREE,
    "SamplePayloadUrl": FREE,
    "SecurityConfig": FREE,
    "SkipModelValidation": FREE,
    "SourceUri": FREE,
    "Tags": FREE,
    "Task": FREE,
    "InferenceSpecification": {
        "Containers": [
            {
                **_CONTAINER,
                "Framework": FREE,
                "FrameworkVersion": FREE,
                "ModelInput": FREE,
                "NearestModelName": FREE,
                "ProductId": FREE,
            }
        ],
        "SupportedContentTypes": FREE,
        "SupportedResponseMIMETypes": FREE,
        "SupportedRealtimeInferenceInstanceTypes": FREE,
        "SupportedTransformInstanceTypes": FREE,
    },
}

TREES: dict[str, Mapping[str, Any]] = {
    "Processing": PROCESSING,
    "Training": TRAINING,
    "Transform": TRANSFORM,
    "Model": MODEL,
    "RegisterModel": REGISTER_MODEL,
}


def unsupported(step_type: str, arguments: dict[str, Any]) -> list[str]:
    """What of a step's arguments the local runners do not keep, one line each, naming its path.

    {"ProcessingResources": {"ClusterConfig": {"InstanceCount": 2}}} ->
    ["ProcessingResources.ClusterConfig.InstanceCount: 2 is not supported here; use 1"]
    """
    problems = list(_walk(TREES[step_type], arguments, ""))
    if step_type == "Processing" and not arguments.get("AppSpecification", {}).get("ContainerEntrypoint"):
        problems.append(
            "AppSpecification.ContainerEntrypoint: is needed here; the image's own command is unknown"
        )
    if step_type == "Training" and not (
        arguments.get("AlgorithmSpecification", {}).get("ContainerEntrypoint")
        or "sagemaker_program" in arguments.get("HyperParameters", {})
    ):
        problems.append(
            "AlgorithmSpecification.ContainerEntrypoint: is needed here, or the hyperparameter "
            "sagemaker_program; the image's own command is unknown"
        )
    containers = arguments.get("InferenceSpecification", {}).get("Containers", [])
    if len(containers) > 1:
        problems.append(
            f"InferenceSpecification.Containers: {len(containers)} containers are not supported here; use 1"
        )
    return problems


def _walk(tree: Tree, value: Any, path: str) -> Iterator[str]:
    if value is None or _is_expression(value):
        return
    if isinstance(tree, list):
        for index, item in enumerate(value):
            yield from _walk(tree[0], item, f"{path}[{index}]")
    elif isinstance(tree, Mapping):
        for name, member in value.items():
            inner = f"{path}.{name}" if path else name
            if name in tree:
                yield from _walk(tree[name], member, inner)
            elif member is not None:
                yield f"{inner}: is not supported here"
    elif isinstance(tree, frozenset):
        if isinstance(value, dict | list) or value not in tree:
            kept = " or ".join(sorted({str(each) for each in tree}))
            yield f"{path}: {value} is not supported here; use {kept}"
    elif problem := tree(value):
        yield f"{path}: {value} {problem}"


def _is_expression(value: Any) -> bool:
    """{"Get": "Parameters.Epochs"} or {"Std:Join": …}: a value of a pipeline that is not known yet."""
    return (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)) in ("Get", "Std:Join", "Std:JsonGet")
    )
