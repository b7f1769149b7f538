"""What a plan finds: the account's side of it. What differs between definitions is test_diff's."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from accounts import ARN, Account
from botocore.exceptions import ClientError
from scripted_aws import Refused

from pipeline import code_bundle, data, plan
from pipeline.dag import INLINE_BYTES
from pipeline.errors import DefinitionError, NotOurs
from pipeline.lint import lint
from pipeline.live import last_seconds, tags_of
from pipeline.plan import Plan

START = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def planned(account: Account, text: str = "") -> Plan:
    return plan.make(account.clients, account.settings, text or account.text, code_bundle.bundles(), None)


def ran(name: str, seconds: float, cached_from: str = "") -> dict[str, Any]:
    row = {"StepName": name, "StepStatus": "Succeeded", "StartTime": START}
    row["EndTime"] = START + timedelta(seconds=seconds)
    return row | ({"CacheHitResult": {"SourcePipelineExecutionArn": cached_from}} if cached_from else {})


def test_reviews_are_uploaded_where_the_run_will_read_them(account: Account, small_reviews: Path) -> None:
    found = data.find(small_reviews)
    made = plan.make(account.clients, account.settings, account.text, {}, found)
    (upload,) = made.uploads
    assert (upload.what, upload.uri, upload.size) == (
        "the reviews",
        found.uri(account.settings.root),
        found.size,
    )


@pytest.mark.parametrize("size", [INLINE_BYTES, INLINE_BYTES + 1])
def test_a_definition_that_lint_notes_as_long_goes_through_s3(account: Account, size: int) -> None:
    text = account.text + " " * (size - len(account.text.encode()))
    noted = "note" in [finding.severity for finding in lint(text, account.settings)]
    uploaded = "the definition" in [upload.what for upload in planned(account, text).uploads]
    assert noted == uploaded == (size > INLINE_BYTES)


def test_a_pipeline_of_an_earlier_version_is_ours_by_the_tags_of_its_jobs(account: Account) -> None:
    account.holds(account.text)
    account.tags = {}
    made = planned(account)
    assert [(change.path, change.after) for change in made.changes] == [
        ("tag project", "sentiment-dev"),
        ("tag environment", "dev"),
    ]
    assert [call.operation for call in made.calls] == ["AddTags"]
    assert made.action == "update"


def test_a_pipeline_of_another_environment_is_not_ours(account: Account) -> None:
    account.holds(account.text)
    account.tags["environment"] = "prod"
    with pytest.raises(NotOurs) as refused:
        planned(account)
    message = str(refused.value)
    assert "it has project=sentiment-dev and environment=prod, not" in message
    assert "config/dev.yaml" in message
    add = f"aws sagemaker add-tags --region us-east-1 --resource-arn {ARN} --tags"
    assert message.endswith(f"{add} Key=project,Value=sentiment-dev Key=environment,Value=dev")
    assert refused.value.exit_code == 2
    assert account.mutations() == []


@pytest.mark.parametrize(
    "text", ["not JSON", '{"Steps": [{"Name": "A", "Type": "Fail", "DependsOn": ["B"]}]}']
)
def test_a_live_definition_that_cannot_be_read_is_replaced(account: Account, text: str) -> None:
    account.holds(text)
    made = planned(account)
    assert "cannot be read and is replaced as a whole" in made.note
    assert [call.operation for call in made.calls] == ["UpdatePipeline"]
    assert {part.action for part in made.steps} == {"add"}


def test_whatever_is_set_is_what_the_pipeline_is_compared_with(account: Account) -> None:
    account.holds(account.text, PipelineDescription="by hand")
    del account.live["ParallelismConfiguration"]
    assert [(change.path, change.before, change.after) for change in planned(account).changes] == [
        ("parallel steps", None, "4"),
        ("description", "by hand", plan.DESCRIPTION),
    ]


def test_the_price_is_that_of_the_last_run_that_succeeded(account: Account) -> None:
    account.holds(account.text)
    account.executions = {
        f"{ARN}/execution/first": ("Succeeded", [ran("Train", 100), ran("Evaluate", 9)]),
        f"{ARN}/execution/second": (
            "Succeeded",
            [ran("Train", 0, cached_from=f"{ARN}/execution/first"), ran("Evaluate", 7)],
        ),
        f"{ARN}/execution/third": ("Failed", [ran("Train", 1)]),
    }
    assert last_seconds(account.clients, account.settings.pipeline) == {"Train": 100, "Evaluate": 7}
    rows = {row.name: row.seconds for row in planned(account).price.rows}
    assert rows == {"Preprocess": None, "Train": 100, "Predict": None, "Evaluate": 7}


def test_how_long_a_run_on_this_machine_took_is_no_price(account: Account) -> None:
    account.holds(account.text)
    account.executions = {f"{ARN}/execution/only": ("Succeeded", [ran("Train", 100)])}
    account.clients = replace(account.clients, outlives=False)
    price = planned(account).price
    assert {row.seconds for row in price.rows} == {None}
    assert price.total is None
    assert price.most is not None  # of the limits, which hold on SageMaker


def test_a_cached_step_whose_execution_is_gone_has_no_time(account: Account) -> None:
    account.executions = {
        f"{ARN}/execution/second": ("Succeeded", [ran("Train", 0, cached_from=f"{ARN}/execution/gone")])
    }
    assert last_seconds(account.clients, account.settings.pipeline) == {}


def test_without_a_run_that_succeeded_no_time_is_known(account: Account) -> None:
    account.executions = {f"{ARN}/execution/only": ("Failed", [ran("Train", 1)])}
    assert last_seconds(account.clients, account.settings.pipeline) == {}


def test_a_definition_at_hand_is_compared_without_any_client(account: Account) -> None:
    changed = json.dumps({**json.loads(account.text), "Metadata": {"Owner": "search"}})
    made = plan.against(account.text, account.settings, changed)
    assert (made.compared, made.action, made.uploads, made.calls) == ("file", "update", (), ())
    assert [change.path for change in made.changes] == ["Metadata.Owner"]
    assert plan.against(account.text, account.settings, account.text).nothing_to_do
    created = plan.against(None, account.settings, account.text)
    assert created.action == "create"
    assert len(created.steps) == 9
    assert not created.nothing_to_do


def test_what_is_no_definition_is_refused(account: Account) -> None:
    with pytest.raises(DefinitionError, match="not JSON"):
        plan.against("{", account.settings, account.text)


def test_the_json_of_a_plan_is_whole_and_can_be_written(account: Account) -> None:
    account.holds(account.text.replace("sha256-of-train.py", "a" * 64))
    shown = json.loads(json.dumps(planned(account).as_json()))
    assert (shown["pipeline"], shown["environment"], shown["action"]) == ("sentiment-dev", "dev", "update")
    assert shown["nothing_to_do"] is False
    assert shown["calls"] == ["UpdatePipeline"]
    assert {upload["what"] for upload in shown["uploads"]} == {
        "code of preprocess.py",
        "code of train.py",
        "code of evaluate.py",
    }
    train = next(part for part in shown["steps"] if part["name"] == "Train")
    assert f"s3://code-bucket/code/{'a' * 64}" in [change["before"] for change in train["changes"]]
    assert shown["reruns"][0] == {"step": "Train", "reasons": ["input code changed"], "always": False}
    assert shown["price"]["rows"][1]["name"] == "Train"


@pytest.mark.parametrize(
    "tags", [[3], ["text"], [{"Key": {}, "Value": "x"}], [{"Value": "x"}], [{"Key": "x", "Value": 3}]]
)
def test_tags_of_a_live_definition_that_are_none_are_passed_over(tags: list[Any]) -> None:
    assert tags_of([*tags, {"Key": "team", "Value": "search"}]) == {"team": "search"}


@pytest.mark.parametrize("operation", ["ListPipelineExecutions", "ListPipelineExecutionSteps"])
def test_who_may_not_see_executions_gets_a_plan_without_what_the_last_one_took(
    tmp_path: Path, operation: str
) -> None:
    account = Account(tmp_path)
    account.holds(account.text)
    account.executions = {f"{ARN}/execution/abc": ("Succeeded", [])}
    account.failing[operation] = Refused("AccessDeniedException")
    planned = plan.make(account.clients, account.settings, account.text, {}, None)
    assert planned.action == "keep"
    assert planned.note == f"What a run like the last costs is not known: {operation} was refused."
    account.failing[operation] = Refused("ThrottlingException")
    with pytest.raises(ClientError):
        plan.make(account.clients, account.settings, account.text, {}, None)
