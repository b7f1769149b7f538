import copy

import pytest

from pipeline.local.jobs import unsupported

PARAMETER = {"Get": "Parameters.Anything"}

PROCESSING = {
    "ProcessingResources": {
        "ClusterConfig": {
            "InstanceType": PARAMETER,
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
            "VolumeKmsKeyId": "k",
        }
    },
    "AppSpecification": {
        "ImageUri": "image",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/a.py"],
    },
    "ProcessingInputs": [
        {
            "InputName": "in",
            "AppManaged": False,
            "S3Input": {
                "S3Uri": PARAMETER,
                "LocalPath": "/opt/ml/processing/in",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
                "S3DataDistributionType": "FullyReplicated",
                "S3CompressionType": "None",
            },
        }
    ],
    "ProcessingOutputConfig": {
        "Outputs": [
            {
                "OutputName": "out",
                "S3Output": {
                    "S3Uri": {"Std:Join": {"On": "/", "Values": ["s3://b", PARAMETER]}},
                    "LocalPath": "/opt/ml/processing/out",
                    "S3UploadMode": "EndOfJob",
                },
            }
        ]
    },
    "NetworkConfig": {
        "EnableNetworkIsolation": True,
        "VpcConfig": {"Subnets": ["s"], "SecurityGroupIds": ["g"]},
    },
    "RoleArn": "role",
    "Tags": [{"Key": "a", "Value": "b"}],
    "ExperimentConfig": None,
}
TRAINING = {
    "AlgorithmSpecification": {
        "TrainingImage": "image",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
    },
    "HyperParameters": {"sagemaker_program": "train.py", "epochs": PARAMETER},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {"S3Uri": PARAMETER, "S3DataType": "S3Prefix"}},
            "InputMode": "File",
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://b/models"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": PARAMETER, "VolumeSizeInGB": 30},
    "EnableManagedSpotTraining": True,
    "MlflowConfig": None,
}
TRANSFORM = {
    "ModelName": PARAMETER,
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3Uri": PARAMETER, "S3DataType": "S3Prefix"}},
        "SplitType": "Line",
    },
    "TransformOutput": {"S3OutputPath": "s3://b/out", "AssembleWith": "Line"},
    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    "DataProcessing": {"InputFilter": "$.review", "JoinSource": "Input"},
}
MODEL = {"PrimaryContainer": {"Image": "image", "ModelDataUrl": PARAMETER}, "EnableNetworkIsolation": True}
PACKAGE = {
    "ModelPackageGroupName": "group",
    "InferenceSpecification": {
        "Containers": [{"Image": "image", "ModelDataUrl": PARAMETER}],
        "SupportedContentTypes": ["text/csv"],
    },
    "ModelMetrics": {"Bias": {}},
}
REQUESTS = {
    "Processing": PROCESSING,
    "Training": TRAINING,
    "Transform": TRANSFORM,
    "Model": MODEL,
    "RegisterModel": PACKAGE,
}


@pytest.mark.parametrize("step_type", REQUESTS)
def test_what_is_kept_or_has_no_effect_here_is_accepted(step_type):
    assert unsupported(step_type, REQUESTS[step_type]) == []


def changed(request, path, value):
    request = copy.deepcopy(request)
    *way, last = path
    inner = request
    for key in way:
        inner = inner[key] if isinstance(inner, list) else inner.setdefault(key, {})
    inner[last] = value
    return request


S3_INPUT = ("ProcessingInputs", 0, "S3Input")
CHANNEL = ("InputDataConfig", 0)


@pytest.mark.parametrize(
    ("step_type", "path", "value", "expected"),
    [
        ("Processing", ("ProcessingResources", "ClusterConfig", "InstanceCount"), 2,
         "ProcessingResources.ClusterConfig.InstanceCount: 2 is not supported here; use 1"),
        ("Processing", (*S3_INPUT, "S3InputMode"), "Pipe",
         "ProcessingInputs[0].S3Input.S3InputMode: Pipe is not supported here; use File"),
        ("Processing", (*S3_INPUT, "S3DataType"), "ManifestFile",
         "ProcessingInputs[0].S3Input.S3DataType: ManifestFile is not supported here; use S3Prefix"),
        ("Processing", (*S3_INPUT, "S3DataDistributionType"), "ShardedByS3Key",
         "ProcessingInputs[0].S3Input.S3DataDistributionType: ShardedByS3Key is not supported here"),
        ("Processing", (*S3_INPUT, "S3CompressionType"), "Gzip",
         "ProcessingInputs[0].S3Input.S3CompressionType: Gzip is not supported here; use None"),
        ("Processing", (*S3_INPUT, "LocalPath"), "/data",
         "ProcessingInputs[0].S3Input.LocalPath: /data is not below /opt/ml"),
        ("Processing", ("ProcessingInputs", 0, "DatasetDefinition"), {"LocalPath": "/opt/ml/x"},
         "ProcessingInputs[0].DatasetDefinition: is not supported here"),
        ("Processing", ("AppSpecification", "ContainerEntrypoint"), None,
         "AppSpecification.ContainerEntrypoint: is needed here; the image's own command is unknown"),
        ("Training", ("AlgorithmSpecification", "TrainingInputMode"), "Pipe",
         "AlgorithmSpecification.TrainingInputMode: Pipe is not supported here; use FastFile or File"),
        ("Training", ("AlgorithmSpecification", "MetricDefinitions", 0, "Regex"), "(",
         "AlgorithmSpecification.MetricDefinitions[0].Regex: ( is not a regular expression"),
        ("Training", ("AlgorithmSpecification", "MetricDefinitions", 0, "Regex"), "loss",
         "AlgorithmSpecification.MetricDefinitions[0].Regex: loss has no group"),
        ("Training", (*CHANNEL, "RecordWrapperType"), "RecordIO",
         "InputDataConfig[0].RecordWrapperType: RecordIO is not supported here; use None"),
        ("Training", (*CHANNEL, "ShuffleConfig"), {"Seed": 1},
         "InputDataConfig[0].ShuffleConfig: is not supported here"),
        ("Training", (*CHANNEL, "DataSource", "S3DataSource", "S3DataType"), "AugmentedManifestFile",
         "InputDataConfig[0].DataSource.S3DataSource.S3DataType: AugmentedManifestFile is not"),
        ("Training", ("HyperParameters",), {},
         "AlgorithmSpecification.ContainerEntrypoint: is needed here, or"),
        ("Training", ("DebugHookConfig",), {"S3OutputPath": "s3://b/d"},
         "DebugHookConfig: is not supported here"),
        ("Transform", ("TransformInput", "SplitType"), "RecordIO",
         "TransformInput.SplitType: RecordIO is not supported here; use Line or None"),
        ("Transform", ("DataProcessing", "InputFilter"), "$..a",
         "DataProcessing.InputFilter: $..a is not supported"),
        ("Transform", ("TransformResources", "InstanceCount"), 3,
         "TransformResources.InstanceCount: 3 is not supported here; use 1"),
        ("Model", ("Containers",), [{}, {}], "Containers: is not supported here"),
        ("Model", ("PrimaryContainer", "Mode"), "MultiModel",
         "PrimaryContainer.Mode: MultiModel is not supported here; use SingleModel"),
        ("RegisterModel", ("InferenceSpecification", "Containers"), [{"Image": "a"}, {"Image": "b"}],
         "InferenceSpecification.Containers: 2 containers are not supported here; use 1"),
        ("RegisterModel", ("ValidationSpecification",), {}, "ValidationSpecification: is not supported here"),
    ],
)  # fmt: skip
def test_what_is_not_kept_is_named_by_its_path(step_type, path, value, expected):
    (problem,) = unsupported(step_type, changed(REQUESTS[step_type], path, value))
    assert problem.startswith(expected)
