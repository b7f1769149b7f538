"""Which steps run and from whose results; what AWS would refuse is refused before it is asked."""

import json
from typing import Any

import pytest
from scripted_aws import scripted

from pipeline import selection
from pipeline.dag import Definition
from pipeline.errors import NotFound, UsageError
from pipeline.places import Folders
from pipeline.selection import Selection
from pipeline.sessions import Clients
from pipeline.settings import load
from pipeline.storage import FolderStorage

PIPELINE = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/sentiment-dev"
GRAPH = Definition.parse(
    json.dumps(
        {
            "Parameters": [{"Name": name, "Type": "String"} for name in ("Epochs", "Commit", "Retired")],
            "Steps": [
                {"Name": "Preprocess", "Type": "Processing"},
                {"Name": "Train", "Type": "Training", "DependsOn": ["Preprocess"]},
                {"Name": "Evaluate", "Type": "Processing", "DependsOn": ["Train", "Preprocess"]},
                {
                    "Name": "Gate",
                    "Type": "Condition",
                    "DependsOn": ["Evaluate"],
                    "Arguments": {
                        "Conditions": [],
                        "IfSteps": [{"Name": "Register", "Type": "RegisterModel", "DependsOn": ["Train"]}],
                        "ElseSteps": [{"Name": "TooLow", "Type": "Fail"}],
                    },
                },
            ],
        }
    )
)
CONFIG = load("dev", variables={})


def arn(execution: str) -> str:
    return f"{PIPELINE}/execution/{execution}"


def clients(tmp_path: Any, *executions: tuple[str, str, list[str]]) -> Clients:
    """Executions, newest first: (id, status, the steps that succeeded)."""
    found = {arn(name): (status, steps) for name, status, steps in executions}
    ran = {"Epochs": "7", "Seed": "3", "Commit": "c" * 40, "Retired": "1"}
    answers = {
        "DescribePipeline": lambda _: {"PipelineArn": PIPELINE},
        "ListPipelineExecutions": lambda _: {
            "PipelineExecutionSummaries": [
                {"PipelineExecutionArn": each, "PipelineExecutionStatus": found[each][0]} for each in found
            ]
        },
        "DescribePipelineExecution": lambda asked: {
            "PipelineExecutionStatus": found[asked["PipelineExecutionArn"]][0]
        },
        "ListPipelineExecutionSteps": lambda asked: {
            "PipelineExecutionSteps": [
                {"StepName": step, "StepStatus": "Succeeded"}
                for step in found[asked["PipelineExecutionArn"]][1]
            ]
        },
        "ListPipelineParametersForExecution": lambda _: {
            "PipelineParameters": [{"Name": name, "Value": value} for name, value in ran.items()]
        },
    }
    sagemaker = scripted("sagemaker", answers, [])
    return Clients(sagemaker, None, None, FolderStorage(tmp_path), Folders(tmp_path))


def select(found: Clients, *steps: str, source: str | None = None) -> Selection:
    return selection.select(found, CONFIG, GRAPH, steps, None, source)


@pytest.mark.parametrize(
    ("only", "first", "chosen"),
    [
        (["Train"], None, ("Train",)),
        (["Evaluate", "Train"], None, ("Train", "Evaluate")),
        ([], "Evaluate", ("Evaluate", "Gate", "Register", "TooLow")),
        ([], "TooLow", ("TooLow",)),
        ([], "Preprocess", tuple(GRAPH.steps)),
    ],
)
def test_steps_are_chosen_one_by_one_or_from_one_on(
    only: list[str], first: str | None, chosen: tuple[str, ...]
) -> None:
    assert selection.steps(GRAPH, only, first) == chosen


@pytest.mark.parametrize(
    ("only", "first", "message"),
    [
        (["Trian"], None, "no step Trian; did you mean Train?"),
        ([], "evaluate", "no step evaluate; did you mean Evaluate?"),
        (["xyzzy"], None, "no step xyzzy; there are Preprocess, Train, "),
        (["Train"], "Train", "keep one"),
        (["Preprocess", "Evaluate"], None, "Train lies between the chosen steps .*; add --only Train"),
    ],
)
def test_a_choice_that_cannot_be_is_named_with_what_to_type(
    only: list[str], first: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        selection.steps(GRAPH, only, first)


def test_the_source_is_the_newest_that_ended_and_has_what_is_needed(tmp_path: Any) -> None:
    found = clients(
        tmp_path,
        ("running", "Executing", ["Preprocess", "Train"]),
        ("stopped", "Stopped", ["Preprocess", "Train"]),
        ("partial", "Succeeded", ["Evaluate"]),  # itself a selection: it has no Preprocess
        ("failed", "Failed", ["Preprocess", "Train"]),
        ("older", "Succeeded", ["Preprocess", "Train", "Evaluate"]),
    )
    chosen = select(found, "Evaluate")
    assert chosen == Selection(("Evaluate",), arn("failed"), {"Epochs": 7})  # Seed is not declared any more


def test_what_a_choice_takes_over_is_said(tmp_path: Any) -> None:
    chosen = select(clients(tmp_path, ("there", "Succeeded", ["Preprocess", "Train"])), "Evaluate")
    there = "with the results of execution there, and "
    assert chosen.inherited(GRAPH, {}) == f"{there}its parameters Epochs=7"
    assert chosen.inherited(GRAPH, {"Epochs": 9}) == f"{there}the default parameters"


def test_steps_that_start_from_nothing_need_no_source(tmp_path: Any) -> None:
    chosen = select(clients(tmp_path), "Preprocess", "Train")
    assert chosen == Selection(("Preprocess", "Train"), None, {})
    assert chosen.as_request() == {"SelectedSteps": [{"StepName": "Preprocess"}, {"StepName": "Train"}]}


def test_without_an_execution_that_has_the_results_the_command_says_what_is_missing(tmp_path: Any) -> None:
    found = clients(tmp_path, ("failed", "Failed", ["Preprocess"]))
    with pytest.raises(NotFound, match="need the result of Preprocess, Train, and there is no execution"):
        select(found, "Evaluate")


@pytest.mark.parametrize(
    ("status", "steps", "message"),
    [
        ("Executing", ["Preprocess"], "named is Executing; .* Succeeded or Failed"),
        ("Failed", [], "need the result of Preprocess, which did not succeed in execution named"),
    ],
)
def test_a_source_that_was_named_must_have_ended_and_have_the_results(
    tmp_path: Any, status: str, steps: list[str], message: str
) -> None:
    found = clients(tmp_path, ("named", status, steps))
    with pytest.raises(UsageError, match=message):
        select(found, "Train", source="named")
