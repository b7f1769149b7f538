"""What a person sees: help without waiting, mistakes as messages, a list of executions."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import control, sessions, settings
from pipeline.cli import options, runs
from pipeline.cli.errors import reported
from pipeline.errors import AwsRefused, DataError, PipelineError, StateFolderError, WaitTimeout
from pipeline.watch import Watch

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
    assert re.search(r"  retry +Resume an execution", commands)
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
    ((), "say what to do in dev: --plan, --upsert, --start or --wait"),
    (("--local", "--env", "prod"), "keep one"),
    (("--env", ""), "--env is empty"),
    (("--env", "dev", "--start", "--from", ""), "--from is empty"),
    (("--env", "dev", "--start", "--token", " "), "--token is empty"),
    (("--env", "dev", "--plan", "--against", ""), "--against is empty"),
    (("--local", "--only", "Train", "--source", ""), "--source is empty"),
    (("--env", "stage", "--plan"), "there is dev, local, prod"),
    (("--env", "dev", "--set", "Epochs=3"), "say what to do in dev"),
    (("--local", "--setting", "spot"), "KEY=VALUE"),
    (("--local", "--setting", "bukcet=x"), "did you mean 'bucket'"),
    (("--local", "--setting", "bucket=a-bucket", "--setting", "bucket=b-bucket"), "set twice"),
    (("--local", "--set", "Epoch=3"), "did you mean Epochs"),
    (("--local", "--set", "Epochs=0"), "out of range"),
    (("--local", "--set", "Commit=abc"), "set by the run itself"),
    (("--local", "--data", "absent.csv"), "absent.csv does not exist"),
    (("--local", "--data", "README.md", "--set", "InputData=s3://bucket/x"), "keep one"),
    (("--local", "--data", ""), "--data is empty"),
    (("--local", "--data", "s3://bucket"), "write it like s3://bucket/folder"),
    (("--local", "--start", "--data", "README.md"), "uploaded by --upsert"),
    (("--local", "--plan", "--upsert"), "type it without --upsert, then --upsert without it"),
    (("--env", "dev", "--plan", "--start"), "type it without --start, then --start without it"),
    (("--env", "dev", "--plan", "--upsert", "--wait"), "then --upsert --wait without it"),
    (("--local", "--plan", "--only", "Train"), "--only goes with --start"),
    (("--local", "--plan", "--from", "Train"), "--from goes with --start"),
    (("--local", "--start", "--source", "abc"), "--source goes with --only or --from"),
    (("--local", "--upsert", "--token", "monday"), "--token goes with --start"),
    (("--local", "--start", "--summary", "summary.md"), "--summary goes with --wait"),
    (("--local", "--summary", "no/such/folder/summary.md"), "no/such/folder/summary.md"),
    (("--local", "--upsert", "--against", "-"), "--against goes with --plan and nothing else"),
    (("--local", "--plan", "--against", "absent.json"), "cannot read --against absent.json"),
    (("--local", "--plan", "--against", "README.md"), "--against README.md: "),
    (
        ("--local", "--set", "TrainingInstanceType=ml.c5.banana"),
        "correct --set TrainingInstanceType=ml.c5.banana",
    ),
    (("--locale",), "No such option"),
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder that holds the compiled definitions and nothing else: compiling takes seconds."""
    home = tmp_path_factory.mktemp("compiled")
    for environment in ("local", "dev"):
        assert command("pipeline", "show", "--env", environment, home=home).returncode == 0
    return home


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(each) for each, _ in MISTAKES])
def test_a_mistake_is_a_message_and_exit_code_2_before_anything_is_written(
    arguments: tuple[str, ...], message: str, compiled: Path
) -> None:
    done = command("pipeline.run", *arguments, home=compiled)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert {file.name for file in compiled.iterdir()} == {"definitions"}


def test_reviews_in_s3_that_are_not_there_are_named(compiled: Path, tmp_path: Path) -> None:
    home = tmp_path / "state"
    shutil.copytree(compiled, home)
    done = command("pipeline.run", "--local", "--data", "s3://nowhere/reviews.csv", home=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: there is nothing at s3://nowhere/reviews.csv; see: ls {home / 's3'}\n"


def test_a_data_file_with_a_fault_is_named(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("review,sentiment\ngood,2\n")
    done = command(
        "pipeline.run", "--local", "--data", str(tmp_path / "reviews.csv"), home=tmp_path / "state"
    )
    assert done.returncode == 2
    assert "reviews.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_environment_is_what_the_flag_says_else_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.CHOICE, "prod")
    assert options.environment("dev", "local") == "dev"
    assert options.environment(None, "local") == "prod"
    monkeypatch.delenv(settings.CHOICE)
    assert options.environment(None, "local") == "local"


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


def test_with_json_a_mistake_is_an_object_too() -> None:
    done = command("pipeline.run", "--local", "--set", "Epochs=0", "--json")
    assert done.returncode == 2 and done.stderr.startswith("error: Epochs=0 is out of range")
    told = json.loads(done.stdout)["error"]
    assert told["exit_code"] == 2 and told["message"].startswith("Epochs=0 is out of range")


def test_with_json_options_that_do_not_exist_are_an_object_too() -> None:
    done = command("pipeline", "runs", "list", "--jsn", "--json")
    assert done.returncode == 2 and "Usage: python -m pipeline runs list" in done.stderr
    told = json.loads(done.stdout)["error"]
    assert told == {"message": "No such option: --jsn (Possible options: --env, --json)", "exit_code": 2}


def test_an_interrupt_is_said() -> None:
    code = (
        "import os, signal, time, typer\n"
        "from pipeline.cli import program\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def long() -> None:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "program.run(app, 'x')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_what_aws_refuses_is_a_message_with_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    from botocore.exceptions import ClientError, EndpointConnectionError

    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribePipeline")
    for error in (refused, EndpointConnectionError(endpoint_url="https://x")):
        with pytest.raises(SystemExit) as exit, reported():
            raise error
        assert exit.value.code == 3
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: DescribePipeline was refused, AccessDenied: not you; ")
    assert "https://x" in second


def test_a_defect_keeps_its_stack_trace() -> None:
    with pytest.raises(ZeroDivisionError), reported():
        raise ZeroDivisionError


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
        clients.sagemaker.create_pipeline(
            PipelineName=config.pipeline, PipelineDefinition=PIPELINE, RoleArn=config.pipeline_role
        )
        for token in "abc":
            arn = control.start(
                clients.sagemaker, config.pipeline, {}, token * 32, display_name=token, description=""
            )
            list(Watch(clients, arn).events(0.05, 30))
    runs.list_all("local", {}, everything=False, as_json=False)
    head, *rows, more = capsys.readouterr().out.splitlines()
    assert head.split() == ["execution", "started", "status", "accuracy", "version", "reason"]
    assert rows[0].startswith(control.execution_id(arn))
    for row in rows:
        assert re.fullmatch(r"\w{12}  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  Failed     - +- +Step No: why", row)
    assert len(rows) == 2
    assert more.startswith("and 1 more")
    runs.list_all("local", {}, everything=True, as_json=False)
    assert len(capsys.readouterr().out.splitlines()) == 4
    runs.list_all("local", {}, everything=True, as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [each["failure_reason"] for each in listed] == ["Step No: why"] * 3
