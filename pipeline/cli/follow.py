"""From a started execution to the exit code: show it running, stop it on Ctrl-C, say what came of it."""

import sys
from pathlib import Path
from typing import Any, TextIO

from pipeline import control, outcome
from pipeline.cli import report
from pipeline.cli.view import View, view
from pipeline.settings import Settings

LOG_LINES = 20  # of a failed step's log
STOP_SECONDS = 60.0


def follow(clients: Any, arn: str, settings: Settings, home: Path, as_json: bool, timeout: float) -> int:
    """0 when the execution succeeded, else 1. With `as_json` stdout gets one JSON object and nothing else."""
    progress: TextIO = sys.stderr if as_json else sys.stdout
    definition = outcome.definition_of(clients.sagemaker, arn)
    with view(progress, definition) as shown:
        try:
            _show(clients, arn, settings, timeout, shown)
        except KeyboardInterrupt:
            print("stopping; Ctrl-C again leaves at once", file=sys.stderr)
            clients.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
            _show(clients, arn, settings, STOP_SECONDS, shown)
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


def _show(clients: Any, arn: str, settings: Settings, timeout: float, shown: View) -> None:
    for event in control.watch(clients, arn, settings.poll_seconds, timeout):
        shown.show(event)


def _show_logs(clients: Any, arn: str, stream: TextIO) -> None:
    for step in control.steps(clients, arn):
        if step.status == "Failed" and (lines := control.log(clients, step)[-LOG_LINES:]):
            print(f"\nthe end of the log of {step.name}:", *lines, sep="\n  ", file=stream)
