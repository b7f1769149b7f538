"""Claim 5, and the facts of retries, spot capacity, warm pools and disks."""

from typing import Any

import pytest

from sound_definition import RETRIES, Plant, arguments, findings, step


def no_policies(body: dict[str, Any]) -> None:
    del step(body, "Train")["RetryPolicies"]


def no_capacity_error(body: dict[str, Any]) -> None:
    kinds = ["Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR"]
    step(body, "Prepare")["RetryPolicies"] = [{"ExceptionType": kinds, "MaxAttempts": 3}]


def misspelt_exception(body: dict[str, Any]) -> None:
    step(body, "Train")["RetryPolicies"] = [*RETRIES, {"ExceptionType": ["Step.FAULT"], "MaxAttempts": 3}]


def both_limits(body: dict[str, Any]) -> None:
    step(body, "Train")["RetryPolicies"] = [{**RETRIES[0], "ExpireAfterMin": 60}]


def no_limit(body: dict[str, Any]) -> None:
    step(body, "Train")["RetryPolicies"] = [{"ExceptionType": RETRIES[0]["ExceptionType"]}]


def many_attempts(body: dict[str, Any]) -> None:
    step(body, "Train")["RetryPolicies"] = [{**RETRIES[0], "MaxAttempts": 21}]


def long_interval(body: dict[str, Any]) -> None:
    step(body, "Train")["RetryPolicies"] = [{**RETRIES[0], "IntervalSeconds": 43_201}]


def job_faults_of_a_model(body: dict[str, Any]) -> None:
    step(body, "Create")["RetryPolicies"] = [
        {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "MaxAttempts": 3}
    ]


def retried_gate(body: dict[str, Any]) -> None:
    step(body, "Gate")["RetryPolicies"] = RETRIES


def endless(body: dict[str, Any]) -> None:
    del arguments(body, "Prepare")["StoppingCondition"]


def untagged(body: dict[str, Any]) -> None:
    del arguments(body, "Train")["Tags"]


def tagged_twice(body: dict[str, Any]) -> None:
    arguments(body, "Train")["Tags"] = [{"Key": "project", "Value": value} for value in "ab"]


def reserved_tag(body: dict[str, Any]) -> None:
    arguments(body, "Train")["Tags"] = [{"Key": "aws:project", "Value": "a"}]


def spot(body: dict[str, Any], **limits: int) -> dict[str, Any]:
    train = arguments(body, "Train")
    train["EnableManagedSpotTraining"] = True
    train["CheckpointConfig"] = {"S3Uri": "s3://bucket/checkpoints"}
    train["StoppingCondition"] = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200, **limits}
    return train


def sound_spot(body: dict[str, Any]) -> None:
    spot(body)


def spot_that_cannot_wait(body: dict[str, Any]) -> None:
    spot(body, MaxWaitTimeInSeconds=3599)


def spot_without_a_wait(body: dict[str, Any]) -> None:
    del spot(body)["StoppingCondition"]["MaxWaitTimeInSeconds"]


def spot_without_checkpoints(body: dict[str, Any]) -> None:
    del spot(body)["CheckpointConfig"]


def spot_in_a_warm_pool(body: dict[str, Any]) -> None:
    spot(body)["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 600


def wait_without_spot(body: dict[str, Any]) -> None:
    arguments(body, "Train")["StoppingCondition"]["MaxWaitTimeInSeconds"] = 7200


def warm_for_an_hour(body: dict[str, Any]) -> None:
    arguments(body, "Train")["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 3600


def key_for_a_disk_of_its_own(body: dict[str, Any]) -> None:
    arguments(body, "Train")["ResourceConfig"] |= {
        "InstanceType": "ml.r5d.large",
        "VolumeKmsKeyId": "1234abcd",
    }


FAULTS: list[tuple[Plant, str, str, str]] = [
    (
        no_policies,
        "Train",
        "RetryPolicies",
        "not retried after Step.SERVICE_FAULT, Step.THROTTLING, SageMaker.JOB_",
    ),
    (no_capacity_error, "Prepare", "RetryPolicies", "not retried after SageMaker.CAPACITY_ERROR"),
    (misspelt_exception, "Train", "RetryPolicies[1].ExceptionType", "'Step.FAULT' is none of"),
    (both_limits, "Train", "RetryPolicies[0]", "one of MaxAttempts and ExpireAfterMin"),
    (no_limit, "Train", "RetryPolicies[0]", "one of MaxAttempts and ExpireAfterMin"),
    (many_attempts, "Train", "RetryPolicies[0].MaxAttempts", "21 is more than 20"),
    (long_interval, "Train", "RetryPolicies[0].IntervalSeconds", "43201 is more than 43200"),
    (
        job_faults_of_a_model,
        "Create",
        "RetryPolicies[0].ExceptionType",
        "'SageMaker.CAPACITY_ERROR' is none of",
    ),
    (retried_gate, "Gate", "RetryPolicies", "a Condition step is never retried"),
    (endless, "Prepare", "StoppingCondition.MaxRuntimeInSeconds", "nothing ends a job that hangs"),
    (untagged, "Train", "Tags", "nothing tells whose job it is"),
    (tagged_twice, "Train", "Tags", "the tag project is there 2 times"),
    (reserved_tag, "Train", "Tags", "aws: is reserved"),
    (spot_that_cannot_wait, "Train", "StoppingCondition.MaxWaitTimeInSeconds", "waits 3599 seconds"),
    (spot_without_a_wait, "Train", "StoppingCondition.MaxWaitTimeInSeconds", "waits None seconds"),
    (spot_without_checkpoints, "Train", "CheckpointConfig", "begins anew"),
    (spot_in_a_warm_pool, "Train", "ResourceConfig.KeepAlivePeriodInSeconds", "not kept in a warm pool"),
    (wait_without_spot, "Train", "StoppingCondition.MaxWaitTimeInSeconds", "only spot training waits"),
    (key_for_a_disk_of_its_own, "Train", "VolumeKmsKeyId", "ml.r5d.large encrypts its own disk"),
]


@pytest.mark.parametrize(
    ("plant", "place", "path", "problem"), FAULTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_planted_fault_is_found(plant: Plant, place: str, path: str, problem: str) -> None:
    (found,) = findings(plant)
    assert (found.step, found.path) == (place, path)
    assert problem in found.problem
    assert found.remedy
    assert found.severity == ("warning" if plant is spot_without_checkpoints else "error")


@pytest.mark.parametrize("plant", [sound_spot, warm_for_an_hour])
def test_what_is_allowed_is_no_finding(plant: Plant) -> None:
    assert findings(plant) == []
