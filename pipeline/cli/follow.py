"""From a started execution to the exit code: show it running, stop it on Ctrl-C, say what came of it."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from pipeline import control, outcome
from pipeline.cli import report
from pipeline.cli.view import view
from pipeline.errors import WaitTimeout
from pipeline.settings import Settings
from pipeline.watch import Watch

LOG_LINES = 20  # of a failed step's log
STOP_SECONDS = 60.0


def follow(
    clients: Any,
    arn: str,
    settings: Settings,
    home: Path,
    as_json: bool,
    timeout: float,
    done: Iterable[str] = (),
) -> int:
    """0 when the execution succeeded, else 1. What has not ended in time is stopped, as by Ctrl-C.

    With `as_json` stdout gets one JSON object and nothing else. `done`: the steps that succeeded before a
    retry.
    """
    progress: TextIO = sys.stderr if as_json else sys.stdout
    definition = outcome.definition_of(clients.sagemaker, arn)
    watch = Watch(clients, arn, done)
    with view(progress, definition) as shown:
        try:
            for event in watch.events(settings.poll_seconds, timeout):
                shown.show(event)
        except (KeyboardInterrupt, WaitTimeout) as error:
            late = f"not done after {timeout:g} s (--timeout): " if isinstance(error, WaitTimeout) else ""
            print(f"{late}stopping …", file=sys.stderr, flush=True)
            with suppress(clients.sagemaker.exceptions.ConflictException):  # it has just ended
                control.stop(clients.sagemaker, arn)
            for event in watch.events(settings.poll_seconds, STOP_SECONDS):
                shown.show(event)
    result = outcome.of(clients, arn)
    if as_json:
        print(result.as_json())
    else:
        show(result, home, progress)
    if result.status == "Failed":
        _show_logs(clients, arn, progress)
    return 0 if result.status == "Succeeded" else 1


def show(result: outcome.Outcome, home: Path, stream: TextIO) -> None:
    for line in ("", *report.steps(result), "", *report.lines(result, home / "jobs")):
        print(line, file=stream)


def _show_logs(clients: Any, arn: str, stream: TextIO) -> None:
    for step in control.steps(clients, arn):
        if step.status == "Failed" and (lines := control.log(clients, step)[-LOG_LINES:]):
            print(f"\nthe end of the log of {step.name}:", *lines, sep="\n  ", file=stream)
