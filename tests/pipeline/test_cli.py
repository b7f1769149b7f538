"""What a person sees: help without waiting, mistakes as messages, and a running execution."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted_aws import scripted

from pipeline import control, run, sessions, settings
from pipeline.cli import runs
from pipeline.cli.errors import reported
from pipeline.cli.follow import follow
from pipeline.cli.view import LiveView, PlainView, View, view
from pipeline.control import Step
from pipeline.dag import Definition
from pipeline.errors import AwsRefused, DataError, PipelineError, StateFolderError, WaitTimeout
from pipeline.storage import FolderStorage
from pipeline.watch import LogLine, StatusChanged, StepChanged, Watch

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


def test_run_as_a_verb_says_how_a_run_is_started() -> None:
    done = command("pipeline", "run", "--local", "--set", "Epochs=3")
    assert (done.returncode, done.stdout) == (2, "")
    assert "python -m pipeline.run --local" in done.stderr


def test_the_help_is_not_cut_and_both_commands_wait_as_long() -> None:
    commands = command("pipeline", "--help").stdout.partition("Commands:")[2]
    assert "  retry   Resume an execution" in commands
    assert "..." not in commands
    assert "[default: 43200;" in command("pipeline", "retry", "--help").stdout
    assert "[default: 43200;" in command("pipeline.run", "--help").stdout


def test_serve_prints_what_other_clients_export(tmp_path: Path) -> None:
    serving = [sys.executable, "-m", "pipeline", "local", "serve"]
    environment = {**os.environ, "PIPELINE_HOME": str(tmp_path / "state")}
    with subprocess.Popen(serving, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert lines[2].startswith("export AWS_ENDPOINT_URL_SAGEMAKER=http://127.0.0.1:")
    assert lines[4] == "export SAGEMAKER_VALIDATE_ROLE=false\n"


MISTAKES = [
    ((), "say where to run"),
    (("--local", "--set", "Epoch=3"), "did you mean Epochs"),
    (("--local", "--set", "Epochs=0"), "out of range"),
    (("--local", "--data", "absent.csv"), "absent.csv does not exist"),
    (("--local", "--data", "README.md", "--set", "InputData=s3://bucket/x"), "keep one"),
    (("--local", "--data", ""), "--data is empty"),
    (
        ("--local", "--set", "TrainingInstanceType=ml.c5.banana"),
        "correct --set TrainingInstanceType=ml.c5.banana",
    ),
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
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: not you"  # the service's words, without botocore's
    assert "https://x" in second


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


def test_on_a_terminal_the_epochs_stay_and_80_columns_hold_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    terminal, train = Terminal(), "AccuracyTooLow"  # as wide as the names of the pipeline's steps
    epoch = "epoch=10 train_loss=0.5312 validation_loss=0.4011 validation_accuracy=0.8421"
    left = "epoch 10/10, batch 421/623, 1500 s left"
    with view(
        terminal, Definition.parse(f'{{"Steps": [{{"Name": "{train}", "Type": "Training"}}]}}')
    ) as shown:
        shown.show(StepChanged(state(train, "Executing")))
        shown.show(LogLine(train, f"{epoch} seconds=31.2"))
        shown.show(LogLine(train, left))
    written = terminal.getvalue()
    assert written.count(f"{epoch}\n") == 1
    assert left in written[written.index(epoch) :]


PIPELINE = json.dumps(
    {"Version": "2020-12-01", "Steps": [{"Name": "No", "Type": "Fail", "Arguments": {"ErrorMessage": "why"}}]}
)


def test_the_list_shows_the_latest_and_says_how_many_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    monkeypatch.setattr(runs, "LATEST", 2)
    config = settings.load("local")
    with sessions.connect(config, tmp_path) as clients:
        control.upsert(clients.sagemaker, config.pipeline, PIPELINE, config.pipeline_role)
        for token in "abc":
            arn = control.start(clients.sagemaker, config.pipeline, {}, token * 32)
            list(Watch(clients, arn).events(0.05, 30))
    runs.list_all(everything=False, as_json=False)
    head, *rows, more = capsys.readouterr().out.splitlines()
    assert head.split() == ["execution", "started", "status", "accuracy", "version", "reason"]
    assert rows[0].startswith(control.execution_id(arn))
    for row in rows:
        assert re.fullmatch(r"\w{12}  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  Failed     - +- +Step No: why", row)
    assert len(rows) == 2
    assert more.startswith("and 1 more")
    runs.list_all(everything=True, as_json=False)
    assert len(capsys.readouterr().out.splitlines()) == 4
    runs.list_all(everything=False, as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [each["failure_reason"] for each in listed] == ["Step No: why"] * 3


def scene(statuses: list[str]) -> sessions.Clients:
    """An execution that goes on until it is stopped."""

    def stop(request: dict[str, Any]) -> dict[str, Any]:
        statuses[:] = ["Stopped"]
        return {}

    sagemaker = {
        "DescribePipelineExecution": lambda _: {"PipelineExecutionStatus": statuses[0]},
        "DescribePipelineDefinitionForExecution": lambda _: {"PipelineDefinition": PIPELINE},
        "ListPipelineExecutionSteps": lambda _: {"PipelineExecutionSteps": []},
        "ListPipelineParametersForExecution": lambda _: {"PipelineParameters": []},
        "StopPipelineExecution": stop,
    }
    logs = {"DescribeLogStreams": lambda _: {"logStreams": []}}
    return sessions.Clients(
        scripted("sagemaker", sagemaker, []), None, scripted("logs", logs, []), FolderStorage(Path("unused"))
    )


def test_what_is_not_done_in_time_is_stopped_and_can_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/sentiment/execution/abcdefghijkl"
    statuses = ["Executing"]
    code = follow(scene(statuses), arn, settings.load("local"), tmp_path, as_json=False, timeout=0.01)
    output, errors = capsys.readouterr()
    assert (code, statuses) == (1, ["Stopped"])
    assert errors == "not done after 0.01 s (--timeout): stopping …\n"
    assert "abcdefghijkl: Stopped" in output
    assert "-m pipeline retry abcdefghijkl" in output
