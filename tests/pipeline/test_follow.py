"""From a started execution to the exit code; Ctrl-C as a person types it, on a terminal of its own."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from scenes import ARN, EVALUATED, REGISTERED, Moments, deployed, execution, ran, settings_of
from scripted_aws import Refused, scripted

from pipeline.cli.follow import follow
from pipeline.places import Console

ROOT = Path(__file__).parent.parent.parent
FOLLOWED = str(Path(__file__).with_name("followed.py"))
DEADLINE = 60
WAIT = "-m pipeline runs wait abcdefghijkl --env dev"
STOP = "-m pipeline stop abcdefghijkl --env dev"


def environment() -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return {**os.environ, "PYTHONPATH": paths, "TERM": "xterm", "COLUMNS": "100"}


class Terminal:
    """The screen and the keyboard of a command."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.shown = descriptor, ""

    def type(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + DEADLINE
        while text not in self.shown and time.monotonic() < end and self._read():
            pass
        assert text in self.shown

    def read_to_the_end(self) -> str:
        while self._read():
            pass
        return self.shown

    def _read(self) -> bool:
        if not select.select([self.descriptor], [], [], DEADLINE)[0]:
            return False
        try:
            found = os.read(self.descriptor, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += found.decode(errors="replace")
        return bool(found)


@contextmanager
def on_a_terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    ours, theirs = pty.openpty()
    command = [sys.executable, FOLLOWED, *arguments]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield process, Terminal(ours)
        finally:
            process.kill()
            os.close(ours)


def test_ctrl_c_on_a_terminal_asks_and_y_stops_the_execution() -> None:
    with on_a_terminal("dev") as (process, terminal):
        terminal.wait_for("Executing")
        terminal.type("\x03")
        terminal.wait_for("stop the execution? [y/N] ")
        terminal.type("y\n")
        shown = terminal.read_to_the_end()
        assert process.wait(DEADLINE) == 1
    assert "stopping …" in shown
    assert "abcdefghijkl: Stopped" in shown
    assert "stopped 1 times" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("answer", ["\n", "n\n", "what?\n", "\x03", "\x04"])
def test_any_other_answer_leaves_it_running_and_says_how_to_come_back(answer: str) -> None:
    with on_a_terminal("dev") as (process, terminal):
        terminal.wait_for("Executing")
        terminal.type("\x03")
        terminal.wait_for("stop the execution? [y/N] ")
        terminal.type(answer)
        shown = terminal.read_to_the_end()
        assert process.wait(DEADLINE) == 1
    assert "stopped 0 times" in shown
    assert "execution abcdefghijkl goes on" in shown
    assert WAIT in shown
    assert STOP in shown
    assert "Traceback" not in shown


def test_where_it_ends_with_the_process_ctrl_c_stops_it_without_a_question() -> None:
    with on_a_terminal("local") as (process, terminal):
        terminal.wait_for("Executing")
        terminal.type("\x03")
        shown = terminal.read_to_the_end()
        assert process.wait(DEADLINE) == 1
    assert "[y/N]" not in shown
    assert "stopped 1 times" in shown


def test_without_a_terminal_an_interrupt_leaves_it_running() -> None:
    command = [sys.executable, FOLLOWED, "dev"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "execution Executing" in first
    assert "[y/N]" not in output + errors
    assert "stopped 0 times" in output
    assert errors.startswith("execution abcdefghijkl goes on\n")
    assert WAIT in errors
    assert STOP in errors


def endless(*more: tuple[str, list[dict[str, Any]], list[str]], outlives: bool) -> Moments:
    places = Console(settings_of()) if outlives else None
    return Moments(("Executing", [], []), *more, places=places, outlives=outlives)


def test_what_is_not_done_in_time_is_stopped_where_it_ends_with_the_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene = endless(("Stopped", [], []), outlives=False)
    code = follow(scene.clients, ARN, settings_of("local"), as_json=False, timeout=0.01)
    output, errors = capsys.readouterr()
    assert (code, scene.called("StopPipelineExecution")) == (1, 1)
    assert errors == "not done after 0.01 s (--timeout): stopping …\n"
    assert "abcdefghijkl: Stopped" in output
    assert "-m pipeline retry abcdefghijkl" in output


def test_what_is_not_done_in_time_goes_on_where_it_can(capsys: pytest.CaptureFixture[str]) -> None:
    scene = endless(outlives=True)
    settings = settings_of().model_copy(update={"poll_seconds": 0.01})
    code = follow(scene.clients, ARN, settings, as_json=True, timeout=0.05)
    output, errors = capsys.readouterr()
    assert (code, scene.called("StopPipelineExecution")) == (1, 0)
    assert json.loads(output)["status"] == "Executing"
    assert "not done after 0.05 s (--timeout): execution abcdefghijkl goes on" in errors
    assert WAIT in errors


def test_what_another_process_runs_is_not_stopped_by_who_watches_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene = endless(outlives=False)
    settings = settings_of("local").model_copy(update={"poll_seconds": 0.01})
    code = follow(scene.clients, ARN, settings, as_json=False, timeout=0.05, started=False)
    errors = capsys.readouterr().err
    assert (code, scene.called("StopPipelineExecution")) == (1, 0)
    assert "not done after 0.05 s (--timeout): execution abcdefghijkl goes on" in errors


@pytest.mark.parametrize("outlives", [True, False])
def test_losing_sight_of_an_execution_says_whether_it_goes_on(
    outlives: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def expired(request: dict[str, Any]) -> dict[str, Any]:
        raise Refused("ExpiredTokenException", "The security token included in the request is expired")

    scene = endless(outlives=outlives)
    answers = {
        "DescribePipelineDefinitionForExecution": lambda _: {"PipelineDefinition": '{"Steps": []}'},
        "DescribePipelineExecution": expired,
    }
    clients = scene.clients.__class__(
        **{**scene.clients.__dict__, "sagemaker": scripted("sagemaker", answers, [])}
    )
    with pytest.raises(ClientError, match="ExpiredToken"):
        follow(clients, ARN, settings_of(), as_json=False, timeout=10)
    assert (WAIT in capsys.readouterr().err) == outlives


def test_the_exit_code_the_json_and_the_summary_of_one_that_succeeded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page, file = tmp_path / "page.md", tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    clients = execution(tmp_path, "Succeeded", [EVALUATED, REGISTERED, deployed("Deployed")])
    assert follow(clients, ARN, settings_of("local"), as_json=True, timeout=10, summary=file) == 0
    output, errors = capsys.readouterr()
    assert json.loads(output)["model_package_version"] == 7
    assert "execution Succeeded" in errors
    assert file.read_text() == page.read_text()
    assert "0.9000" in file.read_text()


def test_a_summary_that_cannot_be_written_does_not_change_what_came_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clients = execution(tmp_path, "Succeeded", [EVALUATED])
    file = tmp_path / "absent" / "summary.md"
    assert follow(clients, ARN, settings_of("local"), as_json=False, timeout=10, summary=file) == 0
    assert f"the summary could not be written to {file.parent}" in capsys.readouterr().err


def test_a_failed_execution_shows_the_end_of_the_log_that_tells_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {**EVALUATED, "StepStatus": "Failed", "FailureReason": "AlgorithmError: exit code 1"}
    log = [f"line {number}" for number in range(30)]
    steps = [failed, ran("TooLow", "Failed")]
    clients = execution(tmp_path, "Failed", steps, reason="Step Evaluate failed", log=log)
    assert follow(clients, ARN, settings_of("local"), as_json=False, timeout=10) == 1
    output = capsys.readouterr().out
    assert "\nthe end of the log of Evaluate:\n  line 10\n" in output
    assert "  line 29\n" in output
    assert "line 9\n" not in output
