"""Each change of an execution is told once, in the order in which things happened."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from scenes import ARN, EARLIER, START, TRAINING_JOB, Moments, ran, settings_of

from pipeline import control
from pipeline.errors import WaitTimeout
from pipeline.places import Console
from pipeline.watch import Event, JobStarted, LogLine, StatusChanged, StepChanged, Watch

TRAINING = {"Metadata": {"TrainingJob": {"Arn": TRAINING_JOB}}}


def watched(scene: Moments, timeout: float = 100, done: Iterable[str] = ()) -> list[Event]:
    watch = Watch(scene.clients, ARN, done)
    return list(watch.events(10, timeout, scene.sleep, clock=lambda: 10.0 * scene.at))


def short(events: list[Event]) -> list[Any]:
    def one(event: Event) -> Any:
        if isinstance(event, StepChanged):
            return event.step.name, "before" if event.before else event.step.status
        if isinstance(event, JobStarted):
            return event.step.name, event.step.job
        return event.line if isinstance(event, LogLine) else event.status

    return [one(event) for event in events]


def test_each_change_is_reported_once_and_in_order() -> None:
    prepared = ran("Preprocess", seconds=5)
    training = ran("Train", "Executing", seconds=None, **TRAINING)
    scene = Moments(
        ("Executing", [], []),
        ("Executing", [ran("Preprocess", "Executing", seconds=None)], []),
        ("Executing", [prepared, ran("Train", "Starting", seconds=None)], []),
        ("Executing", [prepared, training], ["epoch=1"]),
        ("Executing", [prepared, training], ["epoch=1"]),
        ("Executing", [prepared, training], ["epoch=1", "epoch=2"]),
        (
            "Succeeded",
            [prepared, ran("Train", seconds=9, **TRAINING), ran("Gate", seconds=9)],
            ["epoch=1", "epoch=2", "saved"],
        ),
    )
    assert short(watched(scene)) == [
        "Executing",
        ("Preprocess", "Executing"),
        ("Preprocess", "Succeeded"),
        ("Train", "Starting"),
        ("Train", "Executing"),
        ("Train", ("TrainingJob", "job-1")),
        "epoch=1",
        "epoch=2",
        "saved",
        ("Train", "Succeeded"),
        ("Gate", "Succeeded"),
        "Succeeded",
    ]


def test_the_job_that_a_retry_policy_starts_is_told_with_its_own_log() -> None:
    again = {"Metadata": {"TrainingJob": {"Arn": f"{TRAINING_JOB}-again"}}}
    scene = Moments(
        ("Executing", [ran("Train", "Executing", seconds=None, **TRAINING)], ["first"]),
        ("Executing", [ran("Train", "Executing", seconds=None, **again)], ["second"]),
        ("Succeeded", [ran("Train", **again)], ["second"]),
    )
    assert [event for event in short(watched(scene)) if "Executing" not in event] == [
        ("Train", ("TrainingJob", "job-1")),
        "first",
        ("Train", ("TrainingJob", "job-1-again")),
        "second",
        ("Train", "Succeeded"),
        "Succeeded",
    ]


def test_after_a_break_only_the_rest_is_reported() -> None:
    """As when Ctrl-C ends the first look and a second one sees the execution stop."""
    prepared = ran("Preprocess", seconds=5)
    scene = Moments(
        ("Executing", [prepared, ran("Train", "Executing", seconds=None, **TRAINING)], ["one"]),
        ("Stopped", [prepared, ran("Train", "Stopped", seconds=9, **TRAINING)], ["one", "two"]),
    )

    def interrupted(seconds: float) -> None:
        scene.at += 1
        raise KeyboardInterrupt

    watch, events = Watch(scene.clients, ARN), list[Event]()
    with pytest.raises(KeyboardInterrupt):
        events.extend(watch.events(10, 100, interrupted))
    job = ("Train", ("TrainingJob", "job-1"))
    assert short(events) == ["Executing", ("Preprocess", "Succeeded"), ("Train", "Executing"), job, "one"]
    assert short(list(watch.events(10, 100, scene.sleep))) == ["two", ("Train", "Stopped"), "Stopped"]


def test_what_succeeded_before_a_retry_is_said_once_and_without_its_log() -> None:
    trained = ran("Train", seconds=9, **TRAINING)
    scene = Moments(
        ("Failed", [trained, ran("Predict", "Failed", seconds=12)], ["epoch=1"]),
        ("Executing", [trained], ["epoch=1"]),
        ("Succeeded", [trained, ran("Predict", seconds=90)], ["epoch=1"]),
    )
    done = control.retry(scene.clients, ARN)
    assert done == {"Train"}
    assert short(watched(scene, done=done)) == [
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
    scene = Moments(*((status, [], []) for status in statuses), reason="why")
    events = watched(scene)
    assert short(events) == reported
    last = events[-1]
    assert isinstance(last, StatusChanged)
    assert last.reason == "why"


def test_watching_gives_up_after_the_timeout() -> None:
    scene = Moments(*[("Executing", [], [])] * 20)
    with pytest.raises(WaitTimeout, match="abcdefghijkl was still Executing after 50 s"):
        watched(scene, timeout=50)
    assert scene.at == 5


def test_a_cached_step_says_since_when() -> None:
    cached = ran("Train", seconds=0, CacheHitResult={"SourcePipelineExecutionArn": EARLIER})
    (change, _) = watched(Moments(("Succeeded", [cached], [])))
    assert isinstance(change, StepChanged)
    made = (START + timedelta(seconds=60)).astimezone()
    assert change.step.note == f"cached, since {made:%Y-%m-%d %H:%M:%S}"


def noted() -> list[str]:
    return [json.dumps({"step": "Train", "event": "cache-miss", "message": "epochs changed"})]


def test_a_step_that_ran_although_it_could_have_been_cached_says_why() -> None:
    scene = Moments(("Succeeded", [ran("Train", seconds=9)], []))
    scene.notes = noted()
    (change, _) = watched(scene)
    assert isinstance(change, StepChanged)
    assert change.step.note == "epochs changed"


def test_where_the_service_keeps_no_notes_nobody_asks_for_them() -> None:
    scene = Moments(("Succeeded", [ran("Train", seconds=9)], []), places=Console(settings_of()))
    scene.notes = noted()
    (change, _) = watched(scene)
    assert isinstance(change, StepChanged)
    assert change.step.note == ""
    assert scene.called("DescribeLogStreams") == 0
