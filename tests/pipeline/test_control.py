"""Control and watching, against clients whose requests and answers botocore's model holds to the service's
shapes."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from scripted_aws import Refused, scripted

from pipeline import control
from pipeline.errors import DefinitionError, NotFound, WaitTimeout
from pipeline.sessions import Clients
from pipeline.storage import FolderStorage
from pipeline.watch import Event, LogLine, StatusChanged, StepChanged, Watch

ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/sentiment/execution/abcdefghijkl"
EARLIER = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/sentiment/execution/earlier00000"
JOB = "arn:aws:sagemaker:us-east-1:000000000000:training-job/job-1"
ROLE = "arn:aws:iam::123456789012:role/pipeline-role"
OTHER_ROLE = "arn:aws:iam::123456789012:role/other-role"
START = datetime(2026, 11, 25, 12, tzinfo=UTC)


def step(name: str, status: str, seconds: float | None = None, **more: Any) -> dict[str, Any]:
    ended = {} if seconds is None else {"EndTime": START + timedelta(seconds=seconds)}
    return {"StepName": name, "StepStatus": status, "StartTime": START, **ended, **more}


class Scene:
    """An execution that goes on by a moment at each sleep. A moment: status, steps, lines of the log."""

    def __init__(self, *moments: tuple[str, list[dict[str, Any]], list[str]], reason: str = "") -> None:
        self.moments, self.at, self.reason = moments, 0, reason
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.events: list[str] = []
        sagemaker = {
            "DescribePipelineExecution": self.describe,
            "ListPipelineExecutionSteps": self.list_steps,
            "RetryPipelineExecution": self.retry,
        }
        logs = {"DescribeLogStreams": self.streams, "GetLogEvents": self.log}
        self.clients = Clients(
            scripted("sagemaker", sagemaker, self.calls),
            None,
            scripted("logs", logs, self.calls),
            FolderStorage(Path("unused")),
        )

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["PipelineExecutionArn"] != ARN:
            raise Refused("ResourceNotFound")
        reason = {"FailureReason": self.reason} if self.reason else {}
        return {"PipelineExecutionStatus": self.moments[self.at][0], **reason}

    def list_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        """Two steps a page."""
        if request["PipelineExecutionArn"] == EARLIER:
            return {"PipelineExecutionSteps": [step("Train", "Succeeded", 60)]}
        rows, first = self.moments[self.at][1], int(request.get("NextToken", 0))
        more = {"NextToken": str(first + 2)} if first + 2 < len(rows) else {}
        return {"PipelineExecutionSteps": rows[first : first + 2], **more}

    def retry(self, request: dict[str, Any]) -> dict[str, Any]:
        self.at += 1
        return {"PipelineExecutionArn": request["PipelineExecutionArn"]}

    def streams(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["logGroupName"] == "/aws/sagemaker/Pipelines":
            if not self.events:
                raise Refused("ResourceNotFoundException")
            return {"logStreams": [{"logStreamName": "abcdefghijkl"}]}
        return {"logStreams": [{"logStreamName": "job-1/log"}]}

    def log(self, request: dict[str, Any]) -> dict[str, Any]:
        """One line an answer; at the end the same token again, as CloudWatch does."""
        lines = self.events if request["logStreamName"] == "abcdefghijkl" else self.moments[self.at][2]
        first = int(request.get("nextToken", "f/0")[2:])
        shown = lines[first : first + 1]
        return {
            "events": [{"message": line} for line in shown],
            "nextForwardToken": f"f/{first + len(shown)}",
        }

    def sleep(self, seconds: float) -> None:
        assert seconds == 10
        self.at += 1

    def watch(self, timeout: float = 100, done: Iterable[str] = ()) -> list[Event]:
        watch = Watch(self.clients, ARN, done)
        return list(watch.events(10, timeout, self.sleep, clock=lambda: 10.0 * self.at))


def short(events: list[Event]) -> list[Any]:
    def one(event: Event) -> Any:
        if isinstance(event, StepChanged):
            return event.step.name, "before" if event.before else event.step.status
        return event.line if isinstance(event, LogLine) else event.status

    return [one(event) for event in events]


def test_each_change_is_reported_once_and_in_order() -> None:
    training = {"Metadata": {"TrainingJob": {"Arn": JOB}}}
    prepared = step("Preprocess", "Succeeded", 5)
    scene = Scene(
        ("Executing", [], []),
        ("Executing", [step("Preprocess", "Executing")], []),
        ("Executing", [prepared, step("Train", "Executing", **training)], ["epoch=1"]),
        ("Executing", [prepared, step("Train", "Executing", **training)], ["epoch=1"]),
        ("Executing", [prepared, step("Train", "Executing", **training)], ["epoch=1", "epoch=2"]),
        (
            "Succeeded",
            [prepared, step("Train", "Succeeded", 9, **training), step("Gate", "Succeeded", 9)],
            ["epoch=1", "epoch=2", "saved"],
        ),
    )
    assert short(scene.watch()) == [
        "Executing",
        ("Preprocess", "Executing"),
        ("Preprocess", "Succeeded"),
        ("Train", "Executing"),
        "epoch=1",
        "epoch=2",
        "saved",
        ("Train", "Succeeded"),
        ("Gate", "Succeeded"),
        "Succeeded",
    ]


def test_after_a_break_only_the_rest_is_reported() -> None:
    """As when Ctrl-C ends the first look and a second one sees the execution stop."""
    training = {"Metadata": {"TrainingJob": {"Arn": JOB}}}
    scene = Scene(
        ("Executing", [step("Preprocess", "Succeeded", 5), step("Train", "Executing", **training)], ["one"]),
        (
            "Stopped",
            [step("Preprocess", "Succeeded", 5), step("Train", "Stopped", 9, **training)],
            ["one", "two"],
        ),
    )

    def interrupted(seconds: float) -> None:
        scene.at += 1
        raise KeyboardInterrupt

    watch, events = Watch(scene.clients, ARN), list[Event]()
    with pytest.raises(KeyboardInterrupt):
        events.extend(watch.events(10, 100, interrupted))
    assert short(events) == ["Executing", ("Preprocess", "Succeeded"), ("Train", "Executing"), "one"]
    assert short(list(watch.events(10, 100, scene.sleep))) == ["two", ("Train", "Stopped"), "Stopped"]


def test_what_succeeded_before_a_retry_is_said_once_and_without_its_log() -> None:
    training = {"Metadata": {"TrainingJob": {"Arn": JOB}}}
    trained = step("Train", "Succeeded", 9, **training)
    scene = Scene(
        ("Failed", [trained, step("Predict", "Failed", 12)], ["epoch=1"]),
        ("Executing", [trained], ["epoch=1"]),
        ("Succeeded", [trained, step("Predict", "Succeeded", 90)], ["epoch=1"]),
    )
    done = control.retry(scene.clients, ARN)
    assert done == {"Train"}
    assert short(scene.watch(done=done)) == [
        "Executing",
        ("Train", "before"),
        ("Predict", "Succeeded"),
        "Succeeded",
    ]


@pytest.mark.parametrize(
    ("statuses", "reported"),
    [
        (["Executing", "Failed"], ["Executing", "Failed"]),
        (["Executing", "Stopping", "Stopping", "Stopped"], ["Executing", "Stopping", "Stopped"]),
        (["CompletedWithFailures"], ["CompletedWithFailures"]),
    ],
)
def test_watching_ends_with_every_final_status(statuses: list[str], reported: list[str]) -> None:
    scene = Scene(*((status, [], []) for status in statuses), reason="why")
    events = scene.watch()
    assert short(events) == reported
    last = events[-1]
    assert isinstance(last, StatusChanged)
    assert last.reason == "why"


def test_watching_gives_up_after_the_timeout() -> None:
    scene = Scene(*[("Executing", [], [])] * 20)
    with pytest.raises(
        WaitTimeout, match=r"abcdefghijkl was still Executing after 50 s.*runs show abcdefghijkl"
    ):
        scene.watch(timeout=50)
    assert scene.at == 5


def test_a_cached_step_says_since_when() -> None:
    scene = Scene(
        (
            "Succeeded",
            [step("Train", "Succeeded", 0, CacheHitResult={"SourcePipelineExecutionArn": EARLIER})],
            [],
        )
    )
    change = scene.watch()[0]
    assert isinstance(change, StepChanged)
    made = (START + timedelta(seconds=60)).astimezone()
    assert change.step.note == f"cached, since {made:%Y-%m-%d %H:%M:%S}"


def test_a_step_that_ran_although_it_could_have_been_cached_says_why() -> None:
    scene = Scene(("Succeeded", [step("Train", "Succeeded", 9)], []))
    scene.events = [
        json.dumps({"step": "Train", "event": "cache-miss", "message": "epochs changed"}),
        json.dumps({"step": "Deploy", "event": "skipped", "message": "not executed"}),
    ]
    change = scene.watch()[0]
    assert isinstance(change, StepChanged)
    assert change.step.note == "epochs changed"
    assert control.notes(scene.clients, ARN) == {"Train": "epochs changed", "Deploy": "not executed"}


def test_the_log_of_a_failed_step_can_be_read_whole() -> None:
    failed = step("Train", "Failed", 9, FailureReason="no", Metadata={"TrainingJob": {"Arn": JOB}})
    scene = Scene(("Failed", [failed], ["one", "two", "three"]))
    (found,) = control.steps(scene.clients, ARN)
    assert (found.reason, found.seconds) == ("no", 9)
    assert control.log(scene.clients, found) == ["one", "two", "three"]


def test_an_execution_that_does_not_exist_is_named() -> None:
    scene = Scene(("Executing", [], []))
    with pytest.raises(NotFound, match="there is no execution absent"):
        control.describe(scene.clients.sagemaker, f"{ARN[:-12]}absent")


def test_upsert_creates_then_changes_only_what_differs() -> None:
    stored: dict[str, Any] = {}
    calls: list[tuple[str, dict[str, Any]]] = []

    def describe(request: dict[str, Any]) -> dict[str, Any]:
        if not stored:
            raise Refused("ResourceNotFound")
        return {key: stored[key] for key in ("PipelineDefinition", "RoleArn")}

    def store(request: dict[str, Any]) -> dict[str, Any]:
        stored.update(request)
        return {"PipelineArn": ARN[:-12]}

    answers = {"DescribePipeline": describe, "CreatePipeline": store, "UpdatePipeline": store}
    sagemaker = scripted("sagemaker", answers, calls)
    for definition, role, outcome in (
        ('{"Version": "1", "Steps": []}', ROLE, "created"),
        ('{"Version": "1", "Steps": []}', ROLE, "unchanged"),
        ('{ "Steps": [],\n "Version": "1" }', ROLE, "unchanged"),
        ('{"Version": "2", "Steps": []}', ROLE, "updated"),
        ('{"Version": "2", "Steps": []}', OTHER_ROLE, "updated"),
        ('{"Version": "2", "Steps": []}', OTHER_ROLE, "unchanged"),
    ):
        assert control.upsert(sagemaker, "sentiment", definition, role) == outcome
        assert json.loads(stored["PipelineDefinition"]) == json.loads(definition)
        assert stored["RoleArn"] == role
    mutations = [name for name, _ in calls if name != "DescribePipeline"]
    assert mutations == ["CreatePipeline", "UpdatePipeline", "UpdatePipeline"]


def test_two_runs_that_create_the_pipeline_at_once_both_go_on() -> None:
    stored: dict[str, Any] = {}

    def describe(request: dict[str, Any]) -> dict[str, Any]:
        if not stored:
            raise Refused("ResourceNotFound")
        return {key: stored[key] for key in ("PipelineDefinition", "RoleArn")}

    def create(request: dict[str, Any]) -> dict[str, Any]:
        stored.update(request)  # the other run was faster
        raise Refused("ValidationException", "Pipeline names must be unique")

    sagemaker = scripted("sagemaker", {"DescribePipeline": describe, "CreatePipeline": create}, [])
    assert control.upsert(sagemaker, "sentiment", "{}", ROLE) == "unchanged"


def test_a_definition_that_the_service_refuses_is_a_mistake_of_the_definition() -> None:
    def refuse(code: str) -> Any:
        def answer(request: dict[str, Any]) -> dict[str, Any]:
            raise Refused(code, "step Tune: its type Tuning is not supported")

        return answer

    for code, error in (("ValidationException", DefinitionError), ("ConflictException", ClientError)):
        answers = {"DescribePipeline": refuse("ResourceNotFound"), "CreatePipeline": refuse(code)}
        with pytest.raises(error, match="its type Tuning is not supported"):
            control.upsert(scripted("sagemaker", answers, []), "sentiment", "{}", ROLE)


def test_start_sends_values_as_text_and_the_token_it_was_given() -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    client = scripted("sagemaker", {"StartPipelineExecution": lambda _: {"PipelineExecutionArn": ARN}}, calls)
    values = {"Epochs": 3, "LearningRate": 1e-07, "Recipe": "seed"}
    assert control.start(client, "sentiment", values, token="t" * 36) == ARN
    assert calls == [
        (
            "StartPipelineExecution",
            {
                "PipelineName": "sentiment",
                "PipelineParameters": [
                    {"Name": "Epochs", "Value": "3"},
                    {"Name": "LearningRate", "Value": "1e-07"},
                    {"Name": "Recipe", "Value": "seed"},
                ],
                "ClientRequestToken": "t" * 36,
            },
        )
    ]
