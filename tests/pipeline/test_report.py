"""The text that a run ends with, and the commands that it says to type next."""

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scenes import ARN, EVALUATED, REGISTERED, deployed, execution, ran, settings_of

from pipeline import outcome
from pipeline.cli import report
from pipeline.places import Console


def text(tmp_path: Path, status: str, steps: list[dict[str, Any]], where: str = "local", **more: Any) -> str:
    result = outcome.of(execution(tmp_path, status, steps, **more), ARN)
    return "\n".join([*report.steps(result), *report.lines(result, where)])


def commands(shown: str) -> list[str]:
    """What to type, without the interpreter."""
    return [line.partition(" -m ")[2] for line in shown.partition("next:\n")[2].splitlines()]


def test_a_run_that_deployed(tmp_path: Path) -> None:
    shown = text(tmp_path, "Succeeded", [EVALUATED, REGISTERED, deployed("Deployed")])
    for line in (
        "execution   abcdefghijkl: Succeeded, 2.0 s",
        "parameters  Epochs=3",
        "accuracy    0.9000 (95 % interval 0.8880 to 0.9110) on 2,500 test reviews",
        "gate        passed: the threshold is 0.88",
        "model       version 7, Approved",
        "endpoint    sentiment",
        f"logs        {tmp_path}/state/jobs",
        "TooLow    not run",
    ):
        assert line in shown.splitlines()
    assert commands(shown) == [
        'pipeline invoke "I laughed, I cried, I would see it again."',
        "pipeline web   # a page to type reviews",
        "pipeline runs show abcdefghijkl",
    ]


def test_on_aws_the_execution_has_a_page_and_each_command_its_environment(tmp_path: Path) -> None:
    places = Console(settings_of("prod", studio_domain="d-1"))
    steps = [EVALUATED, REGISTERED, deployed("Deployed")]
    shown = text(tmp_path, "Succeeded", steps, "prod", places=places)
    assert f"studio      {places.execution(ARN)}" in shown.splitlines()
    assert f"logs        {places.logs}" in shown.splitlines()
    assert commands(shown) == [
        'pipeline invoke "I laughed, I cried, I would see it again." --env prod',
        "pipeline web --env prod   # a page to type reviews",
        "pipeline runs show abcdefghijkl --env prod",
    ]


@pytest.mark.parametrize(
    ("status", "where", "hint"),
    [
        (
            "NotApproved",
            "local",
            "pipeline.run --local --set ApprovalStatus=Approved --set Epochs=3   # deploys the version",
        ),
        (
            "NotApproved",
            "dev",
            "pipeline.run --env dev --start --wait --set ApprovalStatus=Approved --set Epochs=3"
            "   # deploys the version",
        ),
        (
            "Superseded",
            "local",
            'pipeline invoke "I laughed, I cried, I would see it again."   # the newer version answers',
        ),
    ],
)
def test_a_version_that_was_not_deployed_has_the_reason_and_the_hint_that_fits(
    tmp_path: Path, status: str, where: str, hint: str
) -> None:
    steps = [EVALUATED, REGISTERED, deployed(status, "version 7 is not what you think")]
    shown = text(tmp_path, "Succeeded", steps, where)
    assert "endpoint    not deployed: version 7 is not what you think" in shown.splitlines()
    assert commands(shown)[0] == hint
    assert ("ApprovalStatus" in shown) == (status == "NotApproved")


@pytest.mark.parametrize("status", ["Executing", "Stopping"])
def test_of_a_run_that_goes_on_the_time_so_far_what_waits_and_how_to_wait_for_it_or_stop_it(
    tmp_path: Path, status: str
) -> None:
    started = datetime.now(UTC) - timedelta(seconds=100)
    shown = text(
        tmp_path, status, [{"StepName": "Evaluate", "StepStatus": "Executing", "StartTime": started}], "dev"
    )
    first, *waiting = shown.splitlines()[:4]
    assert re.fullmatch(r"Evaluate  Executing, 1\d\d\.\d s", first)
    assert waiting == ["Register  waiting", "Deploy    waiting", "TooLow    waiting"]
    assert commands(shown) == [
        "pipeline runs wait abcdefghijkl --env dev",
        "pipeline stop abcdefghijkl --env dev",
    ]


@pytest.mark.parametrize(("where", "options"), [("local", "--local"), ("prod", "--env prod --start --wait")])
def test_the_last_hint_after_the_gate_is_the_same_run_with_a_threshold_that_it_passes(
    tmp_path: Path, where: str, options: str
) -> None:
    message = "test accuracy 0.9 is below the threshold 0.95"
    steps = [EVALUATED, ran("TooLow", "Failed", FailureReason=message)]
    shown = text(tmp_path, "Failed", steps, where, reason=f"Step TooLow: {message}", threshold="0.95")
    assert shown.count(message) == 1
    assert "TooLow    Failed, 2.0 s\n" in shown
    first, second = commands(shown)
    assert first.startswith("pipeline runs show abcdefghijkl")
    again = f"pipeline.run {options} --set AccuracyThreshold=0.9 --set Epochs=3"
    assert second == f"{again}   # deploys it all the same"
    assert "retry" not in shown


@pytest.mark.parametrize("status", ["Failed", "Stopped", "CompletedWithFailures"])
def test_what_did_not_succeed_is_resumed_by_retry(tmp_path: Path, status: str) -> None:
    failed = ran("Evaluate", "Failed", FailureReason="it broke")
    shown = text(tmp_path, status, [failed], "dev", reason="Step Evaluate: it broke")
    assert "reason      Step Evaluate: it broke" in shown.splitlines()
    assert commands(shown)[0] == (
        "pipeline retry abcdefghijkl --env dev   # what succeeded does not run again"
    )
    assert commands(shown)[1] == (
        "pipeline.run --env dev --upsert --start --wait --from Evaluate --source abcdefghijkl"
        "   # the same with the code as it is now"
    )
    assert "accuracy" not in shown


def test_who_looks_at_a_run_is_not_told_how_to_look_at_it(tmp_path: Path) -> None:
    result = outcome.of(execution(tmp_path, "Succeeded", [EVALUATED]), ARN)
    assert "runs show" in "\n".join(report.lines(result, "local"))
    shown = "\n".join(report.lines(result, "local", with_details=False))
    assert "runs show" not in shown and "next:" not in shown


def test_a_request_that_was_refused_is_not_to_be_retried(tmp_path: Path) -> None:
    failed = ran("Evaluate", "Failed", FailureReason="ClientError: CreateProcessingJob would be refused")
    assert commands(text(tmp_path, "Failed", [failed])) == ["pipeline runs show abcdefghijkl"]


def test_the_end_of_the_log_stands_under_the_steps(tmp_path: Path) -> None:
    failed = {**EVALUATED, "StepStatus": "Failed"}
    shown = text(tmp_path, "Failed", [failed], log=["Traceback", "ValueError: no reviews"])
    assert (
        "TooLow    not run\n\nthe end of the log of Evaluate:\n  Traceback\n  ValueError: no reviews\n"
        in shown
    )


def test_the_end_of_a_log_is_told_once_though_the_reasons_hold_it_too(tmp_path: Path) -> None:
    reason = "AlgorithmError: exit code: 1; its log ends:\nTraceback\nValueError: no reviews"
    failed = {**EVALUATED, "StepStatus": "Failed", "FailureReason": reason}
    log = ["Traceback", "ValueError: no reviews"]
    shown = text(tmp_path, "Failed", [failed], log=log, reason=f"Step Evaluate: {reason}")
    assert shown.count("ValueError") == 1
    assert "reason      Step Evaluate: AlgorithmError: exit code: 1; its log ends: …\n" in shown
    without = text(tmp_path, "Failed", [failed], reason=f"Step Evaluate: {reason}")
    assert without.count("ValueError") == 1  # then the reason is all there is


@pytest.mark.parametrize(
    "words",
    [
        ("invoke", "I laughed, I cried."),
        ("invoke", 'what a "film"; $HOME `ls`'),
        ("invoke", "it's good!"),
        ("x", "--set", "InputData=s3://bucket/a b", "--set", "Epochs=3"),
    ],
)
def test_a_command_means_in_a_shell_what_it_says(words: tuple[str, ...]) -> None:
    typed = shlex.split(report.command("dev", *words))
    assert typed[1:] == ["-m", "pipeline", *words, "--env", "dev"]


@pytest.mark.parametrize(("threshold", "gate"), [("0.9", "passed"), ("0.9001", "not passed")])
def test_the_gate_passes_at_the_threshold(tmp_path: Path, threshold: str, gate: str) -> None:
    shown = text(tmp_path, "Failed", [EVALUATED], threshold=threshold)
    assert f"gate        {gate}: the threshold is {threshold}" in shown.splitlines()


@pytest.mark.parametrize(("size", "told"), [(99, True), (100, False)])
def test_of_few_test_reviews_the_reader_is_warned(tmp_path: Path, size: int, told: bool) -> None:
    result = replace(outcome.of(execution(tmp_path, "Succeeded", [EVALUATED]), ARN), test_size=size)
    assert (
        ("warning", f"{size} test reviews tell little: see how wide the interval is") in report.facts(result)
    ) == told
