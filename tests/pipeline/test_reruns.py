"""Which steps run again after a change of the definition, and why: of the real definition of dev."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from definitions import compiled
from pipeline import reruns
from pipeline.dag import Definition
from pipeline.reruns import Rerun

EVERY_TIME = (
    Rerun("Predict", ("ModelName comes from CreateModel, which runs every time",), always=True),
    Rerun("Evaluate", ("input predictions comes from Predict, which runs every time",), always=True),
)
INPUTS = "inputs train, validation and vocabulary come from Preprocess, which runs again"


def dev() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(compiled("dev"))
    return found


def step(body: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in body["Steps"] if each["Name"] == name)
    return found


def after(change: Callable[[dict[str, Any]], object]) -> tuple[Rerun, ...]:
    body = dev()
    change(body)
    return reruns.between(Definition.parse(compiled("dev")), Definition.parse(json.dumps(body)))


def lost(change: Callable[[dict[str, Any]], object]) -> dict[str, tuple[str, ...]]:
    found = after(change)
    assert tuple(rerun for rerun in found if rerun.always) == EVERY_TIME
    return {rerun.step: rerun.reasons for rerun in found if not rerun.always}


def test_without_a_change_only_what_follows_a_new_model_runs() -> None:
    assert lost(lambda body: None) == {}


def default(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        next(each for each in body["Parameters"] if each["Name"] == name)["DefaultValue"] = value

    return change


def code(name: str) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        body["Steps"] = json.loads(json.dumps(body["Steps"]).replace(f"sha256-of-{name}", "sha256-of-other"))

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (code("preprocess.py"), {"Preprocess": ("input code changed",), "Train": (INPUTS,)}),
        (code("train.py"), {"Train": ("input code changed",)}),
        (default("Epochs", 3), {"Train": ("HyperParameters.epochs: 2 -> 3",)}),
        (
            default("Seed", 2),
            {"Preprocess": ("argument --seed: 1 -> 2",), "Train": ("HyperParameters.seed: 1 -> 2", INPUTS)},
        ),
        (default("InputData", "s3://b/c"), {"Preprocess": ("input raw changed",), "Train": (INPUTS,)}),
        (default("TrainingInstanceType", "ml.g5.xlarge"), {}),
        (default("AccuracyThreshold", 0.5), {}),
    ],
    ids=["code", "code of train", "a default", "a default of two", "data", "an instance type", "the gate"],
)
def test_a_step_runs_again_when_its_key_changes_or_what_it_reads_does(
    change: Callable[[dict[str, Any]], None], expected: dict[str, tuple[str, ...]]
) -> None:
    assert lost(change) == expected


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("AlgorithmSpecification", {"TrainingImage": "other"}, "AlgorithmSpecification.TrainingImage"),
        ("Environment", {"X": "1"}, "Environment.X: none -> 1"),
        ("CheckpointConfig", {"S3Uri": "s3://b/other"}, "CheckpointConfig.S3Uri"),
        ("RoleArn", "arn:aws:iam::111122223333:role/other", None),
        ("Tags", [{"Key": "a", "Value": "b"}], None),
        ("StoppingCondition", {"MaxRuntimeInSeconds": 60}, None),
        ("OutputDataConfig", {"S3OutputPath": "s3://b/other"}, None),
        ("VpcConfig", {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}, None),
    ],
)
def test_only_what_sagemaker_compares_counts(member: str, value: object, reason: str | None) -> None:
    found = lost(lambda body: step(body, "Train")["Arguments"].update({member: value}))
    if reason is None:
        assert found == {}
    else:
        assert any(each.startswith(reason) for each in found["Train"])


def test_a_step_whose_cache_was_off_or_is_off_says_so() -> None:
    def off(body: dict[str, Any]) -> None:
        step(body, "Train").pop("CacheConfig")

    assert Rerun("Train", ("its cache is off",), always=True) in after(off)
    body = dev()
    off(body)
    found = reruns.between(Definition.parse(json.dumps(body)), Definition.parse(compiled("dev")))
    assert Rerun("Train", ("it was not cached before",)) in found


def test_a_key_that_names_the_execution_never_fits() -> None:
    def name_it(body: dict[str, Any]) -> None:
        step(body, "Train")["Arguments"]["Environment"] = {"RUN": {"Get": "Execution.PipelineExecutionId"}}

    reason = "Environment.RUN names the execution, which is another each time"
    assert Rerun("Train", (reason,), always=True) in after(name_it)


def test_a_new_step_has_no_result_to_lose_but_what_reads_it_does() -> None:
    def rename(body: dict[str, Any]) -> None:
        text = json.dumps(body["Steps"]).replace("Steps.Preprocess.", "Steps.Prepare.")
        body["Steps"] = json.loads(text.replace('"Name": "Preprocess"', '"Name": "Prepare"'))

    found = lost(rename)
    assert list(found) == ["Train"]
    assert "inputs train, validation and vocabulary come from Prepare, which runs again" in found["Train"]


def test_of_a_new_pipeline_nothing_runs_again() -> None:
    assert reruns.between(Definition({}, {}, {}), Definition.parse(compiled("dev"))) == ()
