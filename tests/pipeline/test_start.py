"""A start: one execution at a time, one for each token, with values and lineage that fit what runs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from scripted_aws import Refused, scripted

from pipeline import start
from pipeline.dag import Definition
from pipeline.errors import ParameterError, UsageError
from pipeline.lineage import Lineage
from pipeline.selection import Selection
from pipeline.settings import Settings, load

PIPELINE = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/sentiment-dev"
NEW, OLD = f"{PIPELINE}/execution/newexecution", f"{PIPELINE}/execution/oldexecution"
TOKEN = "0123456789abcdef" * 4
ORIGIN = Lineage("c" * 40, "d" * 64, "e" * 64, "f" * 64, "s3://bucket/data")
NAME = "cccccccccccc-0123456789ab"
CONFIG = load("dev", variables={})
DEFINITION = Definition.parse(
    '{"Parameters": [{"Name": "Epochs", "Type": "Integer", "DefaultValue": 2}, {"Name": "Commit", "Type":'
    ' "String"}, {"Name": "Seed", "Type": "Integer", "DefaultValue": 1}], "Steps": []}'
)


def execution(arn: str, status: str, name: str = "another") -> dict[str, Any]:
    return {
        "PipelineExecutionArn": arn,
        "PipelineExecutionStatus": status,
        "PipelineExecutionDisplayName": name,
        "StartTime": datetime(2026, 11, 25, 12, tzinfo=UTC),
    }


class Service:
    def __init__(self, *executions: dict[str, Any]) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        answers = {
            "ListPipelineExecutions": lambda _: {"PipelineExecutionSummaries": list(executions)},
            "StartPipelineExecution": lambda _: {"PipelineExecutionArn": NEW},
            "ListPipelineParametersForExecution": lambda _: {
                "PipelineParameters": [
                    {"Name": "Epochs", "Value": "2"},
                    {"Name": "Seed", "Value": "1"},
                    {"Name": "Commit", "Value": "a" * 40},
                ]
            },
        }
        self.client = scripted("sagemaker", answers, self.calls)

    def run(self, config: Settings = CONFIG, selection: Selection | None = None, **values: Any) -> str:
        made = start.make(self.client, config, DEFINITION, values, ORIGIN, TOKEN, selection)
        return start.execute(self.client, made, config)

    @property
    def started(self) -> list[dict[str, Any]]:
        return [request for name, request in self.calls if name == "StartPipelineExecution"]


def test_a_start_tells_where_it_comes_from() -> None:
    service = Service(execution(OLD, "Succeeded"))
    assert service.run(Epochs=3) == NEW
    (request,) = service.started
    assert request["PipelineExecutionDisplayName"] == NAME
    assert request["ClientRequestToken"] == TOKEN
    assert "commit " + "c" * 40 in request["PipelineExecutionDescription"]
    # Commit is declared by what runs; DefinitionHash is not, and AWS would refuse it
    assert request["PipelineParameters"] == [
        {"Name": "Epochs", "Value": "3"},
        {"Name": "Commit", "Value": "c" * 40},
    ]


@pytest.mark.parametrize("status", ["Executing", "Stopping"])
def test_another_execution_that_runs_is_named_and_nothing_is_started(status: str) -> None:
    service = Service(execution(OLD, status), execution(f"{OLD}1", "Succeeded"))
    with pytest.raises(UsageError) as error:
        service.run()
    for part in (
        f"oldexecution of sentiment-dev is {status} since",
        "runs wait oldexecution --env dev",
        "stop oldexecution --env dev",
        "concurrent_executions",
    ):
        assert part in str(error.value)
    assert service.started == []


def test_where_the_settings_allow_it_several_run_at_once() -> None:
    service = Service(execution(OLD, "Executing"))
    assert service.run(CONFIG.model_copy(update={"concurrent_executions": True})) == NEW


@pytest.mark.parametrize("status", ["Executing", "Succeeded", "Failed"])
def test_a_start_that_was_made_before_is_recognised_and_not_made_again(status: str) -> None:
    """By its name, which holds commit and token: however long AWS remembers a token."""
    service = Service(execution(f"{OLD}2", "Executing"), execution(OLD, status, NAME))
    assert service.run() == OLD
    assert service.started == []


def test_what_is_selected_and_its_source_are_sent() -> None:
    service = Service()
    service.run(selection=Selection(("Train", "Predict"), OLD, {}))
    (request,) = service.started
    assert request["SelectiveExecutionConfig"] == {
        "SelectedSteps": [{"StepName": "Train"}, {"StepName": "Predict"}],
        "SourcePipelineExecutionArn": OLD,
    }


def test_a_value_that_the_pipeline_as_it_is_does_not_take_is_named() -> None:
    service = Service()
    with pytest.raises(ParameterError, match="sentiment-dev has no parameter Dropout as it is; add --upsert"):
        service.run(Dropout=0.1)
    assert service.calls == []


def test_a_refusal_of_aws_is_not_taken_for_something_else() -> None:
    def refuse(request: dict[str, Any]) -> dict[str, Any]:
        raise Refused("ConflictException", "busy")

    answers = {
        "ListPipelineExecutions": lambda _: {"PipelineExecutionSummaries": []},
        "StartPipelineExecution": refuse,
    }
    client = scripted("sagemaker", answers, [])
    made = start.make(client, CONFIG, DEFINITION, {}, ORIGIN, TOKEN)
    with pytest.raises(client.exceptions.ConflictException, match="busy"):
        start.execute(client, made, CONFIG)


def test_a_token_that_has_started_something_else_is_not_taken_for_the_same() -> None:
    service = Service(execution(OLD, "Succeeded", NAME))
    with pytest.raises(
        UsageError, match=r"has started execution oldexecution, with Epochs=2 and not 7.*--token"
    ):
        service.run(Epochs=7)
    assert service.run(Epochs=2) == OLD
    assert service.started == []


def test_an_execution_that_began_while_the_data_was_uploaded_is_not_overlooked() -> None:
    running: list[dict[str, Any]] = []
    service = Service()
    answers = {
        "ListPipelineExecutions": lambda _: {"PipelineExecutionSummaries": running},
        "StartPipelineExecution": lambda _: {"PipelineExecutionArn": NEW},
    }
    service.client = scripted("sagemaker", answers, service.calls)
    made = start.make(service.client, CONFIG, DEFINITION, {}, ORIGIN, TOKEN)
    running.append(execution(OLD, "Executing"))
    with pytest.raises(UsageError, match="oldexecution of sentiment-dev is Executing"):
        start.execute(service.client, made, CONFIG)
    assert service.started == []
