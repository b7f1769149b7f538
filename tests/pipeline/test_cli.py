"""What a person sees: help without waiting, mistakes as messages, and a running execution."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import run
from pipeline.cli.errors import reported
from pipeline.cli.view import LiveView, PlainView, View, view
from pipeline.control import Step
from pipeline.dag import Definition
from pipeline.errors import AwsRefused, DataError, PipelineError, StateFolderError, WaitTimeout
from pipeline.watch import LogLine, StatusChanged, StepChanged

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("boto3", "botocore", "sagemaker", "torch", "pandas", "uvicorn", "rich", "pydantic")


def command(module: str, *arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PIPELINE_HOME": str(home or "/dev/null/none")}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", ["pipeline", "pipeline.run"])
def test_help_imports_nothing_that_takes_time(module: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['x', '--help']\n"
        "try:\n"
        f"    runpy.run_module({module!r}, run_name='__main__')\n"
        "except SystemExit as exit:\n"
        "    assert not exit.code\n"
        f"print('IMPORTED', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Usage:" in done.stdout
    assert done.stdout.splitlines()[-1] == "IMPORTED []"


MISTAKES = [
    ((), "say where to run"),
    (("--local", "--set", "Epoch=3"), "did you mean Epochs"),
    (("--local", "--set", "Epochs=0"), "out of range"),
    (("--local", "--data", "absent.csv"), "absent.csv does not exist"),
    (("--local", "--data", "README.md", "--set", "InputData=s3://bucket/x"), "keep one"),
    (("--locale",), "No such option"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda each: " ".join(each))
def test_a_mistake_is_a_message_and_exit_code_2_before_anything_is_written(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = command("pipeline.run", *arguments, home=tmp_path / "state")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "state").exists()


def test_a_data_file_with_a_fault_is_named(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("review,sentiment\ngood,2\n")
    done = command(
        "pipeline.run", "--local", "--data", str(tmp_path / "reviews.csv"), home=tmp_path / "state"
    )
    assert done.returncode == 2
    assert "reviews.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_full_a_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SPARE_BYTES", 10**18)
    with pytest.raises(StateFolderError, match="free and the run needs about 1,000,000,000,000 MB"):
        run._check_space(tmp_path / "state", 0)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("what"), 2),
        (StateFolderError("what"), 2),
        (AwsRefused("what"), 3),
        (WaitTimeout("what"), 1),
        (PipelineError("what"), 1),
        (OSError(28, "what", "file"), 2),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_a_person_can_act_on_is_a_message_with_an_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit, reported():
        raise error
    assert exit.value.code == code
    assert capsys.readouterr().err.startswith("error: what")


def test_what_aws_refuses_is_a_message_with_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    from botocore.exceptions import ClientError, EndpointConnectionError

    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribePipeline")
    for error in (refused, EndpointConnectionError(endpoint_url="https://x")):
        with pytest.raises(SystemExit) as exit, reported():
            raise error
        assert exit.value.code == 3
    assert "not you" in capsys.readouterr().err


def test_a_defect_keeps_its_stack_trace() -> None:
    with pytest.raises(ZeroDivisionError), reported():
        raise ZeroDivisionError


START = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEFINITION = Definition.parse(
    '{"Steps": [{"Name": "Fetch", "Type": "Processing"}, {"Name": "Prepare", "Type": "Processing"},'
    ' {"Name": "Train", "Type": "Training"}]}'
)


def state(name: str, status: str, seconds: float | None = None, **more: str) -> Step:
    ended = None if seconds is None else START + timedelta(seconds=seconds)
    return Step(
        name, status, START, ended, more.get("reason", ""), {}, more.get("cached", ""), more.get("note", "")
    )


EVENTS = [
    StatusChanged("Executing", ""),
    StepChanged(state("Fetch", "Succeeded", 7.6), before=True),
    StepChanged(state("Prepare", "Succeeded", 0, cached="arn", note="cached, since 2026-11-24 10:00:00")),
    StepChanged(state("Train", "Executing")),
    LogLine("Train", "loading"),
    LogLine("Train", "epoch=1 train_loss=0.5"),
    StepChanged(state("Train", "Failed", 12.34, reason="out of memory", note="epochs changed")),
    StatusChanged("Failed", "why"),
]


def play(shown: View) -> Iterator[None]:
    with shown:
        for event in EVENTS:
            shown.show(event)
            yield


def test_elsewhere_than_on_a_terminal_each_change_is_a_line() -> None:
    stream = io.StringIO()
    shown = view(stream, DEFINITION)
    assert isinstance(shown, PlainView)
    list(play(shown))
    assert [line.partition("  ")[2] for line in stream.getvalue().splitlines()] == [
        "execution Executing",
        "Fetch: done before",
        "Prepare: cached, since 2026-11-24 10:00:00",
        "Train: Executing",
        "Train: epoch=1 train_loss=0.5",
        "Train: Failed after 12.3 s: out of memory",
        "Train: it ran, because: epochs changed",
        "execution Failed",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_row_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    shown = view(terminal, DEFINITION)
    assert isinstance(shown, LiveView)
    list(play(shown))
    last = terminal.getvalue()[terminal.getvalue().rindex("Step") :]
    assert "7.6 s" in last
    assert "Cached" in last
    assert "12.3 s" in last
    assert "out of memory" in last
