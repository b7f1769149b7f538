"""A sound pipeline, into which the tests of lint plant faults: two jobs, a model, a gate, a deployment."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from pipeline import settings
from pipeline.lint import Finding, lint

SETTINGS = settings.load("dev", {"account": "123456789012"}, variables={})
ROLE = "arn:aws:iam::123456789012:role/Job"
OWN_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sentiment/own:1"
AWS_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13-cpu-amzn2023-sagemaker"
PREPARED = "Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"
TAGS = [{"Key": "project", "Value": "sentiment"}]
RETRIES = [
    {
        "ExceptionType": [
            "Step.SERVICE_FAULT",
            "Step.THROTTLING",
            "SageMaker.JOB_INTERNAL_ERROR",
            "SageMaker.CAPACITY_ERROR",
        ],
        "IntervalSeconds": 60,
        "MaxAttempts": 3,
    }
]

Plant = Callable[[dict[str, Any]], None]


def definition() -> dict[str, Any]:
    return {
        "Version": "2020-12-01",
        "Parameters": [
            {"Name": "Epochs", "Type": "Integer", "DefaultValue": 3},
            {"Name": "InstanceType", "Type": "String", "DefaultValue": "ml.m5.large"},
        ],
        "Steps": [
            {
                "Name": "Prepare",
                "Type": "Processing",
                "Arguments": {
                    "AppSpecification": {
                        "ImageUri": OWN_IMAGE,
                        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/evaluate.py"],
                    },
                    "ProcessingResources": {
                        "ClusterConfig": {
                            "InstanceType": {"Get": "Parameters.InstanceType"},
                            "InstanceCount": 1,
                            "VolumeSizeInGB": 30,
                        }
                    },
                    "ProcessingOutputConfig": {
                        "Outputs": [
                            {
                                "OutputName": "train",
                                "S3Output": {
                                    "S3Uri": "s3://bucket/train",
                                    "LocalPath": "/opt/ml/processing/train",
                                    "S3UploadMode": "EndOfJob",
                                },
                            }
                        ]
                    },
                    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
                    "RoleArn": ROLE,
                    "Tags": TAGS,
                },
                "RetryPolicies": RETRIES,
                "CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"},
                "PropertyFiles": [
                    {"PropertyFileName": "Report", "OutputName": "train", "FilePath": "evaluation.json"}
                ],
            },
            {
                "Name": "Train",
                "Type": "Training",
                "Arguments": {
                    "AlgorithmSpecification": {"TrainingImage": AWS_IMAGE, "TrainingInputMode": "File"},
                    "HyperParameters": {
                        "epochs": {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Epochs"}]}}
                    },
                    "InputDataConfig": [
                        {
                            "ChannelName": "train",
                            "DataSource": {
                                "S3DataSource": {
                                    "S3DataType": "S3Prefix",
                                    "S3Uri": {"Get": PREPARED},
                                }
                            },
                        }
                    ],
                    "OutputDataConfig": {
                        "S3OutputPath": {
                            "Std:Join": {
                                "On": "/",
                                "Values": ["s3://bucket", {"Get": "Execution.PipelineExecutionId"}],
                            }
                        }
                    },
                    "ResourceConfig": {
                        "InstanceType": "ml.m5.large",
                        "InstanceCount": 1,
                        "VolumeSizeInGB": 30,
                    },
                    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
                    "RoleArn": ROLE,
                    "Tags": TAGS,
                },
                "RetryPolicies": RETRIES,
            },
            {
                "Name": "Create",
                "Type": "Model",
                "Arguments": {
                    "ExecutionRoleArn": ROLE,
                    "PrimaryContainer": {
                        "Image": OWN_IMAGE,
                        "ModelDataUrl": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"},
                    },
                },
            },
            {
                "Name": "Gate",
                "Type": "Condition",
                "Arguments": {
                    "Conditions": [
                        {
                            "Type": "GreaterThan",
                            "LeftValue": {
                                "Std:JsonGet": {
                                    "PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Report"},
                                    "Path": "dataset.item_count",
                                }
                            },
                            "RightValue": 1,
                        }
                    ],
                    "IfSteps": [
                        {
                            "Name": "Deploy",
                            "Type": "Lambda",
                            "FunctionArn": SETTINGS.deploy_function_arn,
                            "Arguments": {
                                "instance_type": "ml.m5.large",
                                "model": {"Get": "Steps.Create.ModelName"},
                            },
                        }
                    ],
                    "ElseSteps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "too few"}}],
                },
            },
        ],
    }


def step(body: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in body["Steps"] if each["Name"] == name)


def arguments(body: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = step(body, name)["Arguments"]
    return found


def findings(plant: Plant, values: Mapping[str, Any] | None = None, **flags: Any) -> list[Finding]:
    """What lint finds once `plant` has changed the sound definition."""
    body = copy.deepcopy(definition())
    plant(body)
    return lint(json.dumps(body), SETTINGS.model_copy(update=flags), values)


def nothing(body: dict[str, Any]) -> None:
    """Leave it sound."""
