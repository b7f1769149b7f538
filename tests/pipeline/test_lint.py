"""Lint finds each planted fault, in the step where it is, and says what to do."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.lint import errors, lint

ROLE = "arn:aws:iam::123456789012:role/Job"
PREPARED = "Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"


def definition() -> dict[str, Any]:
    """A sound pipeline: two jobs, of which one reads the other's output, a model, a gate."""
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
                    "AppSpecification": {"ImageUri": "image"},
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
                    "RoleArn": ROLE,
                },
                "CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"},
                "PropertyFiles": [
                    {"PropertyFileName": "Report", "OutputName": "train", "FilePath": "report.json"}
                ],
            },
            {
                "Name": "Train",
                "Type": "Training",
                "Arguments": {
                    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
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
                },
            },
            {
                "Name": "Create",
                "Type": "Model",
                "Arguments": {
                    "ExecutionRoleArn": ROLE,
                    "PrimaryContainer": {
                        "Image": "image",
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
                                    "Path": "rows",
                                }
                            },
                            "RightValue": 1,
                        }
                    ],
                    "IfSteps": [],
                    "ElseSteps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "too few"}}],
                },
            },
        ],
    }


def test_a_sound_definition_has_no_findings() -> None:
    assert lint(json.dumps(definition())) == []


def undeclared(body: dict[str, Any]) -> None:
    del body["Parameters"][0]


def unused(body: dict[str, Any]) -> None:
    body["Parameters"].append({"Name": "Forgotten", "Type": "String", "DefaultValue": ""})


def cycle(body: dict[str, Any]) -> None:
    body["Steps"][0]["DependsOn"] = ["Create"]


def unknown_step(body: dict[str, Any]) -> None:
    body["Steps"][1]["DependsOn"] = ["Prepair"]


def long_step_name(body: dict[str, Any]) -> None:
    body["Steps"][2]["Name"] = "C" * 65


def step_name_with_a_blank(body: dict[str, Any]) -> None:
    body["Steps"][2]["Name"] = "Create it"


def long_display_name(body: dict[str, Any]) -> None:
    body["Steps"][2]["DisplayName"] = "C" * 257


def bad_expiry(body: dict[str, Any]) -> None:
    body["Steps"][0]["CacheConfig"]["ExpireAfter"] = "30 days"


def unconverted_hyperparameter(body: dict[str, Any]) -> None:
    body["Steps"][1]["Arguments"]["HyperParameters"]["epochs"] = {"Get": "Parameters.Epochs"}


def missing_image(body: dict[str, Any]) -> None:
    del body["Steps"][0]["Arguments"]["AppSpecification"]["ImageUri"]


def misspelt_member(body: dict[str, Any]) -> None:
    body["Steps"][1]["Arguments"]["StoppingCondition"] = {"MaxRuntimeInSecond": 3600}


def no_such_instance_type(body: dict[str, Any]) -> None:
    body["Steps"][1]["Arguments"]["ResourceConfig"]["InstanceType"] = "ml.m5.enormous"


def no_such_property(body: dict[str, Any]) -> None:
    body["Steps"][2]["Arguments"]["PrimaryContainer"]["ModelDataUrl"] = {
        "Get": "Steps.Train.ModelArtifact.S3ModelArtifacts"
    }


def no_such_property_file(body: dict[str, Any]) -> None:
    condition = body["Steps"][3]["Arguments"]["Conditions"][0]
    condition["LeftValue"]["Std:JsonGet"]["PropertyFile"] = {"Get": "Steps.Prepare.PropertyFiles.Reprot"}


FAULTS: list[tuple[Callable[[dict[str, Any]], None], str, str]] = [
    (undeclared, "Train", "parameter Epochs is not declared"),
    (unused, "", "no step uses this parameter"),
    (cycle, "", "in a circle: Prepare -> Create -> Train -> Prepare"),
    (unknown_step, "", "refers to a step Prepair"),
    (long_step_name, "", "a name has 1 to 64 letters"),
    (step_name_with_a_blank, "", "step 'Create it': a name has 1 to 64 letters"),
    (long_display_name, "Create", "it has 257 characters"),
    (bad_expiry, "Prepare", "'30 days' is no duration"),
    (unconverted_hyperparameter, "Train", "HyperParameters.epochs"),
    (missing_image, "Prepare", "ImageUri"),
    (misspelt_member, "Train", "MaxRuntimeInSecond"),
    (no_such_instance_type, "Train", "'ml.m5.enormous' is none of"),
    (no_such_property, "Create", "a Training step has no such property"),
    (no_such_property_file, "Gate", "Steps.Prepare.PropertyFiles.Reprot"),
]


@pytest.mark.parametrize(("plant", "step", "problem"), FAULTS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_planted_fault_is_found(plant: Callable[[dict[str, Any]], None], step: str, problem: str) -> None:
    body = definition()
    plant(body)
    findings = lint(json.dumps(body))
    assert [finding.step for finding in findings if problem in finding.problem] == [step], findings
    assert all(finding.remedy for finding in findings)


def test_only_an_unused_parameter_is_no_more_than_a_warning() -> None:
    severities = set()
    for plant, _, _ in FAULTS:
        body = definition()
        plant(body)
        if not errors(lint(json.dumps(body))):
            severities.add(plant.__name__)
    assert severities == {"unused"}


def test_a_value_that_was_set_is_checked_as_the_request_would_be() -> None:
    (finding,) = lint(json.dumps(definition()), {"InstanceType": "ml.m5.enormous"})
    assert finding.step == "Prepare"
    assert "'ml.m5.enormous' is none of the" in finding.problem
    assert "the nearest are ml.m5." in finding.problem
    assert finding.remedy.endswith("correct --set InstanceType=ml.m5.enormous")


def test_what_was_set_beside_a_fault_of_the_definition_is_not_blamed() -> None:
    body = definition()
    no_such_instance_type(body)
    (finding,) = lint(json.dumps(body), {"InstanceType": "ml.m5.large", "Epochs": 4})
    assert finding.remedy.endswith("correct pipeline/definition.py")


def test_a_pipeline_name_has_82_characters_at_most() -> None:
    assert lint(json.dumps(definition()), name="p" * 82) == []
    (finding,) = lint(json.dumps(definition()), name="p" * 83)
    assert "83 characters" in finding.problem


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Steps": 1}', '{"Steps": [{"Name": "x"}]}'])
def test_what_is_no_definition_is_one_finding(text: str) -> None:
    assert len(lint(text)) == 1


@pytest.mark.parametrize("kind", ["Lambda", "EMR"])
@pytest.mark.parametrize("joined", [False, True])
def test_a_text_that_only_the_run_will_know_is_not_held_against_a_pattern(kind: str, joined: bool) -> None:
    body = definition()
    place = {"Get": "Steps.Where.OutputParameters['place']"}
    step = {"Name": "Where", "Type": kind, "Arguments": {}, "OutputParameters": [{"OutputName": "place"}]}
    output = body["Steps"][0]["Arguments"]["ProcessingOutputConfig"]["Outputs"][0]
    output["S3Output"]["S3Uri"] = {"Std:Join": {"On": "/", "Values": [place, "x"]}} if joined else place
    body["Steps"].append(step)
    assert lint(json.dumps(body)) == []
