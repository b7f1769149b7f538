"""Images that exist for the region, and instances that they fit."""

from typing import Any

import pytest

from definitions import settings_of
from sound_definition import AWS_IMAGE, OWN_IMAGE, arguments, findings, nothing

GPU_IMAGE = AWS_IMAGE.replace("2.13-cpu", "2.13-cu133")


def training_on(image: str, instance_type: str = "ml.m5.large") -> Any:
    def plant(body: dict[str, Any]) -> None:
        arguments(body, "Train")["AlgorithmSpecification"]["TrainingImage"] = image
        arguments(body, "Train")["ResourceConfig"]["InstanceType"] = instance_type

    return plant


@pytest.mark.parametrize(
    ("image", "problem", "remedy"),
    [
        (
            "pytorch:2.13",
            "is not in ECR",
            "write it like 123456789012.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13",
        ),
        ("docker.io/library/python:3.13", "is not in ECR", "amazonaws.com/python:3.13"),
        (OWN_IMAGE.replace("us-east-1", "eu-west-1"), "is in eu-west-1", "push it to ECR in us-east-1"),
        (AWS_IMAGE.replace("us-east-1", "eu-west-1"), "not AWS's registry for us-east-1", "of 763104351884"),
        (
            AWS_IMAGE.replace("763104351884", "763104351885"),
            "not AWS's registry",
            "of 763104351884.dkr.ecr.us-east",
        ),
    ],
)
def test_an_image_that_does_not_exist_there_is_an_error(image: str, problem: str, remedy: str) -> None:
    (found,) = findings(training_on(image))
    assert (found.step, found.path, found.severity) == (
        "Train",
        "AlgorithmSpecification.TrainingImage",
        "error",
    )
    assert problem in found.problem
    assert remedy in found.remedy


def test_a_region_has_a_registry_of_its_own() -> None:
    there = AWS_IMAGE.replace("763104351884", "692866216735").replace("us-east-1", "eu-south-1")
    own = {"region": "eu-south-1"}
    found = [each for each in findings(training_on(there), **own) if each.step == "Train"]
    assert found == []
    found = [each for each in findings(training_on(AWS_IMAGE), **own) if each.step == "Train"]
    assert ["692866216735.dkr.ecr.eu-south-1" in each.remedy for each in found] == [True]


def test_an_image_that_aws_does_not_publish_in_a_region() -> None:
    found = [each for each in findings(training_on(AWS_IMAGE), region="xx-north-1") if each.step == "Train"]
    assert ["AWS does not publish pytorch in xx-north-1" in each.problem for each in found] == [True]


@pytest.mark.parametrize(
    ("image", "problem", "remedy"),
    [
        (AWS_IMAGE.replace("2.13", "2.31"), "knows no tag 2.31-cpu", "2.13-cpu-amzn2023-sagemaker"),
        (
            OWN_IMAGE.replace("123456789012", "999999999999"),
            "is in account 999999999999",
            "repository policy",
        ),
        (GPU_IMAGE, "is made for gpu, and ml.m5.large has cpu", "choose the cpu image"),
    ],
)
def test_a_doubt_is_a_warning(image: str, problem: str, remedy: str) -> None:
    (found,) = findings(training_on(image))
    assert (found.step, found.severity) == ("Train", "warning")
    assert problem in found.problem
    assert remedy in found.remedy


def test_a_gpu_image_fits_a_gpu_instance_and_a_cpu_image_leaves_it_idle() -> None:
    assert findings(training_on(GPU_IMAGE, "ml.g5.xlarge")) == []
    (found,) = findings(training_on(AWS_IMAGE, "ml.g5.xlarge"))
    assert "is made for cpu, and ml.g5.xlarge has gpu" in found.problem


def test_the_model_of_an_endpoint_is_checked_against_the_endpoints_instances() -> None:
    def plant(body: dict[str, Any]) -> None:
        image = AWS_IMAGE.replace("pytorch:2.13-cpu-amzn2023-sagemaker", "pytorch-inference:2.6.0-cpu-py312")
        arguments(body, "Create")["PrimaryContainer"]["Image"] = image
        gate = arguments(body, "Gate")
        gate["IfSteps"][0]["Arguments"]["instance_type"] = "ml.c7g.large"

    (found,) = findings(plant)
    assert (found.step, found.severity) == ("Create", "error")
    assert "is for cpu, and ml.c7g.large is arm" in found.problem


def test_an_endpoints_instance_type_is_one_that_sagemaker_knows() -> None:
    def plant(body: dict[str, Any]) -> None:
        arguments(body, "Gate")["IfSteps"][0]["Arguments"]["instance_type"] = "ml.m5.enormous"

    (found,) = findings(plant)
    assert found.step == "Deploy"
    assert "'ml.m5.enormous' is none of the" in found.problem
    assert "CreateEndpointConfig" in found.remedy


def test_the_account_of_a_local_run_has_no_ecr() -> None:
    account = settings_of("local").account
    roles = dict.fromkeys(("pipeline_role", "job_role", "endpoint_role"), f"arn:aws:iam::{account}:role/r")
    flags = {**roles, "schedule_role": None, "account": account}
    found = [
        each for each in findings(training_on("sentiment/training:local"), **flags) if each.step == "Train"
    ]
    assert found == []


def test_an_image_named_by_its_digest() -> None:
    digest = f"@sha256:{'0' * 64}"
    assert findings(training_on(OWN_IMAGE.removesuffix(":1") + digest)) == []
    assert findings(training_on(OWN_IMAGE + digest)) == []
    assert findings(nothing) == []
