"""From a started execution to the exit code: show it running, hear Ctrl-C, say what came of it.

An execution on AWS, or of another process, goes on when nobody watches it: there Ctrl-C asks before it
stops anything, and a timeout stops nothing. One that this process runs ends with it, and both stop it in good
order.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from pipeline import control, outcome
from pipeline.cli import report
from pipeline.cli.summary import write as write_summary
from pipeline.cli.view import View, view
from pipeline.errors import WaitTimeout
from pipeline.sessions import Clients
from pipeline.settings import Settings
from pipeline.watch import Watch

STOP_SECONDS = 300.0  # SageMaker gives a job two minutes to end by itself


def follow(
    clients: Clients,
    arn: str,
    settings: Settings,
    as_json: bool,
    timeout: float,
    done: Iterable[str] = (),
    summary: Path | None = None,
    started: bool = True,
) -> int:
    """0 when the execution succeeded, else 1.

    With `as_json` stdout gets one JSON object and nothing else. `done`: the steps that succeeded before a
    retry. `started`: by this process, with which a local execution ends. Raises WaitTimeout when an execution
    that was told to stop goes on.
    """
    progress: TextIO = sys.stderr if as_json else sys.stdout
    shown = view(progress, outcome.definition_of(clients.sagemaker, arn), clients.places)
    if link := clients.places.execution(arn):
        print(link, file=progress, flush=True)
    goes_on = clients.outlives or not started
    _watch(clients, arn, settings, shown, Watch(clients, arn, done), timeout, goes_on)
    result = outcome.of(clients, arn)
    if as_json:
        print(result.as_json())
    else:
        show(result, settings, progress)
    try:
        write_summary(result, settings, summary)
    except OSError as error:  # what came of the execution counts, not whether it could be written down
        print(f"the summary could not be written to {error.filename}: {error.strerror}", file=sys.stderr)
    return 0 if result.status == "Succeeded" else 1


def show(result: outcome.Outcome, settings: Settings, stream: TextIO, *, with_details: bool = True) -> None:
    """with_details: name the command that shows an execution, for those who have not just typed it."""
    for line in ("", *report.steps(result), "", *report.lines(result, settings.environment, with_details)):
        print(line, file=stream)


def _watch(
    clients: Clients, arn: str, settings: Settings, shown: View, watch: Watch, timeout: float, goes_on: bool
) -> None:
    """Show the execution until it has ended. `goes_on`: also when nobody watches it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _show_events(shown, watch, settings.poll_seconds, timeout)
    except (KeyboardInterrupt, WaitTimeout) as error:
        late = f"not done after {timeout:g} s (--timeout): " if isinstance(error, WaitTimeout) else ""
        if goes_on and (late or not _asked_to_stop()):
            _say_that_it_goes_on(late, arn, settings)
            return
        print(f"{late}stopping …", file=sys.stderr, flush=True)
        with suppress(clients.sagemaker.exceptions.ConflictException):  # it has just ended
            control.stop(clients.sagemaker, arn)
        _show_events(shown, watch, settings.poll_seconds, STOP_SECONDS)
    except (BotoCoreError, ClientError):  # such as credentials that expired meanwhile
        if goes_on:
            _say_that_it_goes_on("", arn, settings)
        raise


def _show_events(shown: View, watch: Watch, poll_seconds: float, timeout: float) -> None:
    with shown:
        for event in watch.events(poll_seconds, timeout):
            shown.show(event)


def _asked_to_stop() -> bool:
    """Nobody is asked without a terminal. A second Ctrl-C means no, as Enter does."""
    if not sys.stdin.isatty():
        return False
    try:
        print("stop the execution? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return False


def _say_that_it_goes_on(why: str, arn: str, settings: Settings) -> None:
    execution, environment = control.execution_id(arn), settings.environment
    print(
        f"{why}execution {execution} goes on",
        f"  wait for it: {report.command(environment, 'runs', 'wait', execution)}",
        f"  stop it:     {report.command(environment, 'stop', execution)}",
        sep="\n",
        file=sys.stderr,
        flush=True,
    )
