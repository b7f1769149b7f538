"""The command on AWS, against moto's server: what it asks for, in which order, and what it leaves alone.

Waiting is tested elsewhere: nothing runs in moto.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Response

from aws_account import Account, command

CI = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "someone/sentiment",
    "GITHUB_RUN_ID": "4711",
}
DATA = "s3://reviews-of-mine/folder"  # nothing to upload but code


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder for all: it keeps the compiled definitions."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def account() -> Iterator[Account]:
    with Account().serving() as account:
        account.reset()
        account.furnish()
        yield account


@pytest.fixture
def run(account: Account, home: Path) -> Any:
    def run(*arguments: Any, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        account.forget()
        done = command(account.variables(home, **variables), *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def test_a_plan_changes_nothing_and_an_upsert_does_what_it_says(account: Account, run: Any) -> None:
    plan = json.loads(run("--plan", "--json").stdout)
    assert account.writes() == []
    done = run("--upsert")
    writes = account.writes()
    assert [call for call in writes if not call.startswith(("PUT /", "POST /"))] == [
        "CreateModelPackageGroup",
        "CreatePipeline",
    ]
    assert "created the pipeline" in done.stdout
    assert "uploading the reviews to s3://sentiment-dev-123456789012/sentiment/data/" in done.stderr
    objects = account.client("s3").list_objects_v2(Bucket="sentiment-dev-123456789012")["Contents"]
    folders = Counter(f"s3://sentiment-dev-123456789012/{each['Key'].rpartition('/')[0]}" for each in objects)
    assert folders == {upload["uri"]: upload["files"] for upload in plan["uploads"]}

    again = run("--upsert")
    assert account.writes() == []
    assert again.stdout == "nothing to upload or to change\n"
    assert "Nothing to do" in run("--plan").stdout
    assert account.writes() == []


def test_the_reviews_that_are_given_are_uploaded_and_used(
    account: Account, run: Any, small_reviews: Path
) -> None:
    done = run("--upsert", "--start", "--json", "--data", small_reviews, "--set", "Epochs=3")
    execution = json.loads(done.stdout)
    (request,) = account.sent("StartPipelineExecution")
    values = {each["Name"]: each["Value"] for each in request["PipelineParameters"]}
    assert values["Epochs"] == "3"
    bucket, _, key = values["InputData"].removeprefix("s3://").partition("/")
    assert key.endswith(values["DataChecksum"])
    body = account.client("s3").get_object(Bucket=bucket, Key=f"{key}/reviews.csv")["Body"].read()
    assert body == small_reviews.read_bytes()
    described = account.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=execution["arn"])
    assert values["Commit"] in described["PipelineExecutionDescription"]
    assert execution["arn"].endswith(f"/execution/{execution['execution']}")


def test_a_ci_job_that_is_run_again_starts_nothing_new(account: Account, run: Any) -> None:
    first = json.loads(run("--upsert", "--start", "--json", "--data", DATA, **CI).stdout)
    again = run("--upsert", "--start", "--json", "--data", DATA, **CI, GITHUB_RUN_ATTEMPT="2")
    assert json.loads(again.stdout) == first
    assert "started before" in again.stderr
    assert account.writes() == []
    other = json.loads(run("--start", "--json", "--data", DATA, **{**CI, "GITHUB_RUN_ID": "4712"}).stdout)
    assert other["execution"] != first["execution"]
    (request,) = account.sent("StartPipelineExecution")
    assert len(request["ClientRequestToken"]) == 64


def test_what_is_started_without_an_upsert_is_the_pipeline_as_it_is(account: Account, run: Any) -> None:
    assert "there is no pipeline sentiment-dev" in run("--start", code=2).stderr
    run("--upsert", "--data", DATA)
    done = run("--start", "--setting", "training_volume_gb=99")
    assert "sentiment-dev is not what these sources make; it starts as it is" in done.stderr
    assert account.writes() == ["StartPipelineExecution"]
    (request,) = account.sent("StartPipelineExecution")
    values = {each["Name"]: each["Value"] for each in request["PipelineParameters"]}
    assert values["Commit"] == "unknown"
    done = run("--start")
    assert "not what these sources make" not in done.stderr
    (request,) = account.sent("StartPipelineExecution")
    values = {each["Name"]: each["Value"] for each in request["PipelineParameters"]}
    assert values["Commit"] != "unknown"
    assert f"runs wait {done.stdout.split('execution ')[1][:12]} --env dev" in done.stdout


def test_steps_that_start_from_nothing_are_selected_without_a_source(account: Account, run: Any) -> None:
    run("--upsert", "--data", DATA)
    run("--start", "--only", "Preprocess", "--only", "Train")
    (request,) = account.sent("StartPipelineExecution")
    assert request["SelectiveExecutionConfig"] == {
        "SelectedSteps": [{"StepName": "Preprocess"}, {"StepName": "Train"}]
    }
    assert "did you mean Train?" in run("--start", "--only", "Trian", code=2).stderr
    refused = run("--start", "--from", "Evaluate", code=2).stderr  # moto's executions have no steps
    assert "need the result of" in refused and "run the whole pipeline first" in refused
    assert account.writes() == []


def test_a_plan_against_a_file_asks_nobody(account: Account, run: Any, home: Path, tmp_path: Path) -> None:
    """As for a pull request: no credentials, no account."""
    variables = account.variables(home)
    del variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
    account.forget()
    shown = command(variables, "show", "--env", "dev", "--json", module="pipeline")
    (tmp_path / "old.json").write_text(shown.stdout)
    same = command(variables, "--plan", "--against", tmp_path / "old.json")
    assert (same.returncode, same.stderr) == (0, "")
    assert "Nothing to do" in same.stdout
    changed = command(variables, "--plan", "--against", tmp_path / "old.json", "--setting", "spot=false")
    assert "Train" in changed.stdout and "EnableManagedSpotTraining" in changed.stdout
    new = command(variables, "--plan", "--against", "-", "--json")
    assert json.loads(new.stdout)["action"] == "create"
    assert account.calls == []


@pytest.mark.parametrize(("status", "code"), [("Succeeded", 0), ("Failed", 1), ("Stopped", 1)])
def test_the_exit_code_is_what_came_of_it(
    account: Account, run: Any, home: Path, tmp_path: Path, status: str, code: int
) -> None:
    """Of the run, and of each verb that looks at its execution again."""
    answer = {
        "PipelineExecutionStatus": status,
        **({"FailureReason": "no room"} if status == "Failed" else {}),
    }
    account.faults["DescribePipelineExecution"] = lambda _: Response(
        json.dumps(answer), mimetype="application/json"
    )
    summary = tmp_path / "summary.md"
    done = run("--upsert", "--start", "--wait", "--data", DATA, "--summary", summary, code=code)
    execution = done.stdout.partition("started: execution ")[2][:12]
    assert f"{execution}: {status}" in done.stdout
    assert f"runs show {execution} --env dev" in done.stdout
    assert f"## sentiment-dev: {status}" in summary.read_text()
    assert ("no room" in summary.read_text()) == (status == "Failed")

    variables = account.variables(home, SENTIMENT_ENVIRONMENT="dev")
    again = command(variables, "runs", "wait", execution, "--json", module="pipeline")
    assert (again.returncode, json.loads(again.stdout)["status"]) == (code, status)
    shown = command(variables, "runs", "show", execution, "--json", module="pipeline")
    assert (shown.returncode, json.loads(shown.stdout)["execution"]) == (0, execution)
    listed = command(variables, "runs", "list", "--json", module="pipeline")
    assert [each["execution"] for each in json.loads(listed.stdout)] == [execution]
    stopped = command(variables, "stop", execution, module="pipeline")
    assert (stopped.returncode, "nothing to stop" in stopped.stderr) == (2, True)


def test_without_credentials_every_verb_says_how_to_sign_in(account: Account, home: Path) -> None:
    variables = account.variables(home)
    del variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
    account.forget()
    for verb in (
        ["runs", "list"],
        ["runs", "wait", "abcdefghijkl"],
        ["stop", "abcdefghijkl"],
        ["retry", "abcdefghijkl"],
        ["invoke", "good"],
        ["schedule", "show"],
    ):
        done = command(variables, *verb, "--env", "dev", module="pipeline")
        assert done.returncode == 3, verb
        assert "aws sso login" in done.stderr and "Traceback" not in done.stderr
    assert account.calls == []
