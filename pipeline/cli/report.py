"""The text that a run ends with: the numbers, what did not run and why, and the commands to type next."""

import math
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.outcome import NOT_RUN, WAITING, Outcome, StepOutcome


def lines(outcome: Outcome, log_folder: Path) -> Iterator[str]:
    yield f"execution   {outcome.execution}: {outcome.status}, {outcome.seconds:.1f} s"
    if outcome.failure_reason:
        yield f"reason      {outcome.failure_reason}"
    if outcome.parameters:
        yield f"parameters  {', '.join(f'{name}={value}' for name, value in outcome.parameters.items())}"
    if outcome.accuracy is not None:
        yield f"accuracy    {_accuracy(outcome)}"
        if outcome.threshold is not None:
            gate = "passed" if outcome.accuracy >= outcome.threshold else "not passed"
            yield f"gate        {gate}: the threshold is {outcome.threshold:g}"
    if outcome.model_package_version is not None:
        yield f"model       version {outcome.model_package_version}, {outcome.approval_status}"
    if outcome.endpoint:
        yield f"endpoint    {outcome.endpoint}"
    elif outcome.deployment:
        yield f"endpoint    not deployed: {outcome.deployment.get('message', 'no reason was given')}"
    yield f"logs        {_log(outcome, log_folder)}"
    yield ""
    yield from _next(outcome)


def steps(outcome: Outcome) -> Iterator[str]:
    width = max(len(step.name) for step in outcome.steps)
    for step in outcome.steps:
        yield f"{step.name:<{width}}  {_state(step, outcome.failure_reason or '')}"


def _state(step: StepOutcome, told: str) -> str:
    if step.status == WAITING:
        return "waiting"
    if step.status == NOT_RUN:
        return "not run" + (f"; {step.reason.removeprefix('not executed: ')}" if step.reason else "")
    if step.cached:
        return step.reason
    seconds = f", {step.seconds:.1f} s" if step.seconds is not None else ""
    return f"{step.status}{seconds}" + (f"; {step.reason}" if step.reason and step.reason not in told else "")


def _accuracy(outcome: Outcome) -> str:
    text = f"{outcome.accuracy:.4f}"
    if outcome.accuracy_interval:
        low, high = outcome.accuracy_interval
        text += f" (95 % interval {low:.4f} to {high:.4f})"
    return text + (f" on {outcome.test_size:,} test reviews" if outcome.test_size is not None else "")


def _log(outcome: Outcome, folder: Path) -> Path:
    """Of the step that failed; without one, the folder of them all."""
    failed = (folder / step.job / "log.txt" for step in outcome.steps if step.status == "Failed" and step.job)
    return next((log for log in failed if log.is_file()), folder)


def _next(outcome: Outcome) -> Iterator[str]:
    pipeline, execution = f"  {_python()} -m pipeline", outcome.execution
    deployment = (outcome.deployment or {}).get("status")
    yield "next:"
    if outcome.status == "Executing":
        yield f"{pipeline} stop {execution}"
        return
    if outcome.endpoint or deployment == "Superseded":
        whose = "" if outcome.endpoint else "   # the newer version answers"
        yield f'{pipeline} invoke "I laughed, I cried, I would see it again."{whose}'
    elif deployment == "NotApproved":
        yield f"{pipeline}.run {_again(outcome, 'ApprovalStatus', 'Approved')}   # deploys the version"
    elif outcome.accuracy is not None and outcome.accuracy < (outcome.threshold or 0):
        reached = f"{math.floor(outcome.accuracy * 100) / 100:g}"
        yield f"{pipeline}.run {_again(outcome, 'AccuracyThreshold', reached)}"
    elif outcome.status in ("Failed", "Stopped") and not _refused(outcome):
        yield f"{pipeline} retry {execution}   # what succeeded does not run again"
    yield f"{pipeline} runs show {execution}"


def _again(outcome: Outcome, name: str, value: str) -> str:
    """The options of the same run, but for one parameter: all that it has in common is cached."""
    values = {name: value, **{key: text for key, text in outcome.parameters.items() if key != name}}
    return " ".join(["--local", *(f"--set {shlex.quote(f'{key}={text}')}" for key, text in values.items())])


def _refused(outcome: Outcome) -> bool:
    """A step failed because of what it was asked: the same request would fail again."""
    return any(step.status == "Failed" and step.reason.startswith("ClientError") for step in outcome.steps)


def _python() -> str:
    """What to type for this interpreter: "python" where its environment is active, else its path."""
    if os.environ.get("VIRTUAL_ENV") == sys.prefix:
        return "python"
    path, here = Path(sys.executable), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
