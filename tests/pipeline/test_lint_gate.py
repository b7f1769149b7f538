"""A gate reads what evaluate.py really writes."""

from typing import Any

import numpy as np
import pytest

import evaluate
from pipeline.lint import gate
from sound_definition import arguments, findings, step


def numbers(value: Any, path: str = "") -> set[str]:
    """The paths of all numbers in nested objects."""
    if isinstance(value, dict):
        return {
            each for key, item in value.items() for each in numbers(item, f"{path}.{key}" if path else key)
        }
    return {path} if value is None or isinstance(value, int | float) else set()


def test_what_evaluate_writes_is_what_lint_says_it_writes() -> None:
    labels, probability = np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.4, 0.6])
    report = evaluate.evaluate(evaluate.Predictions([1, 2, 3, 4], labels, probability, ["a"] * 4, ["v"]))
    assert numbers(report) == gate.WRITES["evaluate.py"]["evaluation.json"]


def read(path: str) -> Any:
    def plant(body: dict[str, Any]) -> None:
        arguments(body, "Gate")["Conditions"][0]["LeftValue"]["Std:JsonGet"]["Path"] = path

    return plant


@pytest.mark.parametrize("prefix", ["", "$."])
def test_a_number_that_it_writes_may_be_read(prefix: str) -> None:
    assert findings(read(f"{prefix}binary_classification_metrics.accuracy.lower")) == []


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("binary_classification_metrics.acuracy.value", "binary_classification_metrics.accuracy.value"),
        ("dataset.items_count", "dataset.item_count"),
        ("binary_classification_metrics.accuracy", "binary_classification_metrics.accuracy.value"),
    ],
)
def test_a_number_that_no_step_writes_has_a_nearest_one(path: str, nearest: str) -> None:
    (found,) = findings(read(path))
    assert found.step == "Gate"
    assert f"it reads {path}, which evaluate.py does not write into evaluation.json" in found.problem
    assert nearest.rpartition(".")[0] in found.remedy


def test_the_message_of_a_fail_step_is_read_too() -> None:
    def plant(body: dict[str, Any]) -> None:
        get = {"PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Report"}, "Path": "dataset.count"}
        (stop,) = arguments(body, "Gate")["ElseSteps"]
        stop["Arguments"]["ErrorMessage"] = {
            "Std:Join": {"On": "", "Values": ["it is ", {"Std:JsonGet": get}]}
        }

    (found,) = findings(plant)
    assert found.step == "Stop"


def test_a_file_that_the_script_does_not_write() -> None:
    def plant(body: dict[str, Any]) -> None:
        step(body, "Prepare")["PropertyFiles"][0]["FilePath"] = "metrics.json"

    (found,) = findings(plant)
    assert (found.step, found.path) == ("Prepare", "PropertyFiles")
    assert "evaluate.py writes no metrics.json" in found.problem
    assert "evaluation.json" in found.remedy


def test_a_file_in_an_output_that_the_step_does_not_have() -> None:
    def plant(body: dict[str, Any]) -> None:
        step(body, "Prepare")["PropertyFiles"][0]["OutputName"] = "trian"

    (found,) = findings(plant)
    assert "'trian', which is no output of the step" in found.problem


@pytest.mark.parametrize(
    "get", [{}, {"PropertyFile": {"Get": "Parameters.Epochs"}, "Path": "x"}, {"Path": "x"}]
)
def test_a_read_that_names_no_file(get: dict[str, Any]) -> None:
    def plant(body: dict[str, Any]) -> None:
        arguments(body, "Gate")["Conditions"][0]["LeftValue"]["Std:JsonGet"] = get

    assert "names no property file" in findings(plant)[0].problem


def test_a_script_of_another_kind_writes_what_it_likes() -> None:
    def plant(body: dict[str, Any]) -> None:
        read("anything.at.all")(body)
        arguments(body, "Prepare")["AppSpecification"]["ContainerEntrypoint"] = ["python3", "/code/other.py"]

    assert findings(plant) == []
