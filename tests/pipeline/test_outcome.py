"""What came of an execution, put together from what the service says of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from scenes import ARN, COMMIT, EVALUATED, JOB, REGISTERED, STEPS, deployed, execution, ran, settings_of

from pipeline import outcome
from pipeline.places import Console
from pipeline.storage import FolderStorage


def test_a_run_that_deployed(tmp_path: Path) -> None:
    result = outcome.of(execution(tmp_path, "Succeeded", [EVALUATED, REGISTERED, deployed("Deployed")]), ARN)
    step = {
        "status": "Succeeded",
        "seconds": 2.0,
        "cached": False,
        "reason": "",
        "link": None,
        "log": None,
        "log_end": [],
    }
    assert json.loads(result.as_json()) == {
        "status": "Succeeded",
        "failure_reason": None,
        "execution": "abcdefghijkl",
        "accuracy": 0.9,
        "accuracy_interval": [0.888, 0.911],
        "test_size": 2500,
        "threshold": 0.88,
        "parameters": {"Epochs": "3"},
        "lineage": {"commit": COMMIT, "data": "unknown"},
        "model_package_version": 7,
        "approval_status": "Approved",
        "endpoint": "sentiment",
        "deployment": {"status": "Deployed", "endpoint_name": "sentiment", "message": "so it is"},
        "seconds": 2.0,
        "link": None,
        "logs": str(tmp_path / "state" / "jobs"),
        "steps": [
            *(
                {**step, "name": name, "type": kind, "job": "job-1" if name == "Evaluate" else None}
                for name, kind in STEPS[:3]
            ),
            {**step, "name": "TooLow", "type": "Fail", "status": "NotRun", "seconds": None, "job": None},
        ],
    }


def test_of_a_run_that_goes_on_the_time_so_far_and_what_waits(tmp_path: Path) -> None:
    started = datetime.now(UTC) - timedelta(seconds=100)
    running = {"StepName": "Evaluate", "StepStatus": "Executing", "StartTime": started}
    result = outcome.of(execution(tmp_path, "Executing", [running]), ARN)
    assert 100 <= result.seconds < 200
    assert [step.status for step in result.steps] == ["Executing", "Waiting", "Waiting", "Waiting"]


def test_the_log_of_the_step_that_failed_is_named(tmp_path: Path) -> None:
    clients = execution(tmp_path, "Failed", [{**EVALUATED, "StepStatus": "Failed"}])
    jobs = tmp_path / "state" / "jobs"
    assert outcome.of(clients, ARN).logs == str(jobs)  # it failed before it wrote one
    log = jobs / "job-1" / "log.txt"
    log.parent.mkdir(parents=True)
    log.touch()
    assert outcome.of(clients, ARN).logs == str(log)


def test_on_aws_an_execution_and_its_jobs_have_pages(tmp_path: Path) -> None:
    steps = [{**EVALUATED, "StepStatus": "Failed"}, REGISTERED]
    clients = execution(tmp_path, "Failed", steps, places=Console(settings_of(studio_domain="d-1")))
    result = outcome.of(clients, ARN)
    evaluate, register, *_ = result.steps
    assert result.link is not None
    assert result.link.endswith("/executions/abcdefghijkl/graph")
    assert evaluate.link is not None
    assert evaluate.link.endswith("#/processing-jobs/job-1")
    assert result.logs == evaluate.log != clients.places.logs
    assert (register.link, register.log) == (None, None)


def test_a_failed_step_and_no_other_has_the_end_of_its_log(tmp_path: Path) -> None:
    log = [str(number) for number in range(30)]
    failed = {**EVALUATED, "StepStatus": "Failed"}
    (evaluate, *others) = outcome.of(execution(tmp_path, "Failed", [failed], log=log), ARN).steps
    assert evaluate.log_end == log[10:]
    assert [step.log_end for step in others] == [[], [], []]
    (evaluate, *_) = outcome.of(execution(tmp_path, "Succeeded", [EVALUATED], log=log), ARN).steps
    assert evaluate.log_end == []


def test_a_list_has_accuracy_and_version_of_an_execution(tmp_path: Path) -> None:
    steps = [EVALUATED, REGISTERED, deployed("Deployed")]
    assert outcome.headline(execution(tmp_path, "Succeeded", steps), ARN) == (0.9, 7)
    assert outcome.headline(execution(tmp_path, "Executing", []), ARN) == (None, None)


@pytest.mark.parametrize(
    ("intervals", "seconds"),
    [
        ([], 0),
        ([(0, 60), (60, 30), (90, 9.5)], 99.5),  # one after the other
        ([(0, 60), (10, 20), (50, 20)], 70),  # at the same time
        ([(0, 60), (500_000, 5)], 65),  # retried days later
    ],
)
def test_the_seconds_of_an_execution_are_those_in_which_steps_ran(
    tmp_path: Path, intervals: list[tuple[float, float]], seconds: float
) -> None:
    names = [name for name, _ in STEPS]
    steps = [
        ran(name, begin=begin, seconds=length)
        for name, (begin, length) in zip(names, intervals, strict=False)
    ]
    result = outcome.of(execution(tmp_path, "Succeeded", steps), ARN)
    assert result.seconds == seconds
    assert result.seconds >= max((step.seconds or 0 for step in result.steps), default=0)


def test_a_failed_run_gives_its_reason_and_no_numbers(tmp_path: Path) -> None:
    failed = ran("Evaluate", "Failed", FailureReason="it broke", Metadata={"ProcessingJob": {"Arn": JOB}})
    result = outcome.of(execution(tmp_path, "Failed", [failed], reason="Step Evaluate: it broke"), ARN)
    assert (result.accuracy, result.accuracy_interval, result.test_size) == (None, None, None)
    assert (result.failure_reason, result.steps[0].reason) == ("Step Evaluate: it broke", "it broke")


def test_an_evaluation_that_is_no_longer_in_storage_is_no_error(tmp_path: Path) -> None:
    clients = execution(tmp_path, "Succeeded", [EVALUATED])
    assert outcome.of(clients, ARN).accuracy == 0.9
    empty = replace(clients, storage=FolderStorage(tmp_path / "empty"))
    assert outcome.of(empty, ARN).accuracy is None
