"""The text that a run ends with: the numbers, what did not run and why, and the commands to type next."""

import math
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.control import ENDED, in_short
from pipeline.outcome import NOT_RUN, WAITING, Outcome, StepOutcome

FEW = 100  # test reviews, with which the interval is some 10 points wide or more
_PLAIN = re.compile(r"[\w,.()?* ]+ [\w,.()?* ]+")  # words that double quotes keep as they are


def lines(outcome: Outcome, environment: str, with_details: bool = True) -> Iterator[str]:
    for name, value in facts(outcome):
        yield f"{name:<10}  {value}"
    details = [f"  {command(environment, 'runs', 'show', outcome.execution)}"] if with_details else []
    commands = list(_next(outcome, environment))
    gated = outcome.accuracy is not None and outcome.accuracy < (outcome.threshold or 0)
    typed = [*details, *commands] if gated else [*commands, *details]  # first look, then lower a threshold
    if outcome.status not in ENDED:
        typed = commands
    if typed:
        yield from ("", "next:", *typed)


def facts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """("accuracy", "0.9153 (95 % interval …"), and so on: whatever there is to say."""
    yield "execution", f"{outcome.execution}: {outcome.status}, {outcome.seconds:.1f} s"
    if outcome.failure_reason:
        logged = any(step.log_end for step in outcome.steps)  # and its end is told elsewhere
        yield "reason", in_short(outcome.failure_reason) if logged else outcome.failure_reason
    if outcome.parameters:
        yield "parameters", ", ".join(f"{name}={value}" for name, value in outcome.parameters.items())
    if outcome.accuracy is not None:
        yield "accuracy", _accuracy(outcome)
        if outcome.threshold is not None:
            gate = "passed" if outcome.accuracy >= outcome.threshold else "not passed"
            yield "gate", f"{gate}: the threshold is {outcome.threshold:g}"
    if outcome.test_size is not None and outcome.test_size < FEW:
        yield "warning", f"{outcome.test_size} test reviews tell little: see how wide the interval is"
    if outcome.model_package_version is not None:
        yield "model", f"version {outcome.model_package_version}, {outcome.approval_status}"
    if outcome.endpoint:
        yield "endpoint", outcome.endpoint
    elif outcome.deployment:
        yield "endpoint", f"not deployed: {outcome.deployment.get('message', 'no reason was given')}"
    if outcome.link:
        yield "studio", outcome.link
    yield "logs", outcome.logs


def steps(outcome: Outcome) -> Iterator[str]:
    """A line a step, and the end of the log of one that failed."""
    width = max(len(step.name) for step in outcome.steps)
    for step in outcome.steps:
        yield f"{step.name:<{width}}  {state(step, outcome.failure_reason or '')}"
    for step in outcome.steps:
        if step.log_end:
            yield from ("", f"the end of the log of {step.name}:", *(f"  {line}" for line in step.log_end))


def state(step: StepOutcome, told: str = "") -> str:
    """ "Succeeded, 3.2 s". A reason that was `told` before is not told again."""
    if step.status == WAITING:
        return "waiting"
    if step.status == NOT_RUN:
        return "not run" + (f"; {step.reason.removeprefix('not executed: ')}" if step.reason else "")
    if step.cached:
        return step.reason
    seconds = f", {step.seconds:.1f} s" if step.seconds is not None else ""
    told_before = not step.reason or step.reason in told
    return f"{step.status}{seconds}" + ("" if told_before else f"; {step.reason_beside_log}")


def _accuracy(outcome: Outcome) -> str:
    text = f"{outcome.accuracy:.4f}"
    if outcome.accuracy_interval:
        low, high = outcome.accuracy_interval
        text += f" (95 % interval {low:.4f} to {high:.4f})"
    return text + (f" on {outcome.test_size:,} test reviews" if outcome.test_size is not None else "")


def _next(outcome: Outcome, environment: str) -> Iterator[str]:
    def line(*words: str, comment: str = "") -> str:
        return f"  {command(environment, *words)}" + (f"   # {comment}" if comment else "")

    execution, deployment = outcome.execution, (outcome.deployment or {}).get("status")
    if outcome.status not in ENDED:
        yield line("runs", "wait", execution)
        yield line("stop", execution)
        return
    if outcome.endpoint or deployment == "Superseded":
        comment = "" if outcome.endpoint else "the newer version answers"
        yield line("invoke", "I laughed, I cried, I would see it again.", comment=comment)
        yield line("web", comment="a page to type reviews")
    elif deployment == "NotApproved":
        yield _again(outcome, environment, "ApprovalStatus", "Approved") + "   # deploys the version"
    elif outcome.accuracy is not None and outcome.accuracy < (outcome.threshold or 0):
        reached = f"{math.floor(outcome.accuracy * 100) / 100:g}"
        yield _again(outcome, environment, "AccuracyThreshold", reached) + "   # deploys it all the same"
    elif outcome.status != "Succeeded" and not _refused(outcome):
        yield line("retry", execution, comment="what succeeded does not run again")
        if failed := [step.name for step in outcome.steps if step.status == "Failed"]:
            yield _from(outcome, environment, failed[0]) + "   # the same with the code as it is now"


def command(environment: str, *words: str) -> str:
    """ "python -m pipeline runs show abc --env dev": what to type."""
    where = [] if environment == "local" else ["--env", environment]
    return f"{_python()} -m pipeline {_quoted(*words, *where)}"


def run(environment: str, *options: str) -> str:
    """ "python -m pipeline.run --env dev --start": what to type."""
    where = ["--local"] if environment == "local" else ["--env", environment]
    return f"{_python()} -m pipeline.run {_quoted(*where, *options)}"


def _again(outcome: Outcome, environment: str, name: str, value: str) -> str:
    """The same run, but for one parameter: all that it has in common is cached."""
    values = {name: value, **{key: text for key, text in outcome.parameters.items() if key != name}}
    options = [] if environment == "local" else ["--start", "--wait"]
    for key, text in values.items():
        options += ["--set", f"{key}={text}"]
    return f"  {run(environment, *options)}"


def _from(outcome: Outcome, environment: str, step: str) -> str:
    """The run from a step on, with the sources as they are."""
    go = [] if environment == "local" else ["--upsert", "--start", "--wait"]
    return f"  {run(environment, *go, '--from', step, '--source', outcome.execution)}"


def _quoted(*words: str) -> str:
    """Double quotes where they will do: a person reads them more easily."""
    return " ".join(f'"{word}"' if _PLAIN.fullmatch(word) else shlex.quote(word) for word in words)


def _refused(outcome: Outcome) -> bool:
    """A step failed because of what it was asked: the same request would fail again."""
    return any(step.status == "Failed" and step.reason.startswith("ClientError") for step in outcome.steps)


def _python() -> str:
    """What to type for this interpreter: "python" where its environment is active, else its path."""
    if os.environ.get("VIRTUAL_ENV") == sys.prefix:
        return "python"
    path, here = Path(sys.executable), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
