"""Carrying out a plan: every call in its order, what breaks off half-way, who was faster."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from accounts import Account
from scripted_aws import Refused

from pipeline import code_bundle, plan, upsert
from pipeline.errors import AwsRefused, DefinitionError, Interrupted, NotOurs
from pipeline.plan import Plan
from pipeline.uploads import Progress, Upload


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


@pytest.fixture
def other(account: Account) -> str:
    """Another definition than the account's."""
    return json.dumps({**json.loads(account.text), "Metadata": {"Owner": "search"}})


def planned(account: Account, text: str = "") -> Plan:
    return plan.make(account.clients, account.settings, text or account.text, code_bundle.bundles(), None)


def test_the_calls_are_those_of_the_plan(account: Account) -> None:
    made = planned(account)
    assert account.mutations() == []
    account.calls.clear()
    upsert.execute(account.clients, made)
    for (name, request), call in zip(account.calls, made.calls, strict=True):
        assert name == call.operation
        assert call.request.items() <= request.items()  # a client token comes on top


def test_each_upload_is_shown_with_its_progress(account: Account) -> None:
    made, shown = planned(account), dict[str, int]()

    @contextmanager
    def show(upload: Upload) -> Iterator[Progress]:
        shown[upload.what] = 0

        def sent(count: int) -> None:
            shown[upload.what] += count

        yield sent

    upsert.execute(account.clients, made, show)
    assert shown == {upload.what: upload.size for upload in made.uploads}
    assert len(shown) == 3


@pytest.mark.parametrize("code", ["ConflictException", "AccessDeniedException", "ThrottlingException"])
def test_what_breaks_off_says_what_was_done_and_the_same_command_does_the_rest(
    account: Account, code: str
) -> None:
    account.failing["CreatePipeline"] = Refused(code, "not now")
    with pytest.raises(AwsRefused) as refused:
        upsert.execute(account.clients, planned(account))
    message = str(refused.value)
    assert code in message
    assert "CreatePipeline" in message
    assert "uploaded code of train.py" in message
    assert "created the model package group; the same command does the rest" in message
    assert refused.value.exit_code == 3

    account.failing.clear()
    rest = planned(account)
    assert [call.operation for call in rest.calls] == ["CreatePipeline"]
    assert rest.uploads == ()
    assert upsert.execute(account.clients, rest).called == ("created the pipeline",)
    assert planned(account).nothing_to_do


def test_a_refusal_of_the_first_call_leaves_everything_as_it_was(account: Account, other: str) -> None:
    upsert.execute(account.clients, planned(account))
    account.failing["UpdatePipeline"] = Refused("AccessDeniedException", "not allowed")
    with pytest.raises(AwsRefused, match="nothing was changed"):
        upsert.execute(account.clients, planned(account, other))
    assert account.live is not None
    assert account.live["PipelineDefinition"] == account.text


def test_a_definition_that_the_service_refuses_is_a_mistake_of_the_definition(account: Account) -> None:
    account.failing["CreatePipeline"] = Refused("ValidationException", "step Tune: its type is not supported")
    with pytest.raises(DefinitionError, match="its type is not supported"):
        upsert.execute(account.clients, planned(account))


def test_two_runs_that_make_the_same_at_once_both_go_on(account: Account) -> None:
    made = planned(account)
    account.before["CreateModelPackageGroup"] = lambda: account.groups.add("sentiment-dev")
    account.before["CreatePipeline"] = lambda: account.holds(account.text)
    upsert.execute(account.clients, made)
    assert account.mutations() == ["CreateModelPackageGroup", "CreatePipeline"]


@pytest.mark.parametrize(
    ("same", "tags", "error"),
    [(False, None, AwsRefused), (True, {"project": "other"}, NotOurs)],
    ids=["another definition", "another owner"],
)
def test_a_run_that_made_something_else_in_between_is_not_overlooked(
    account: Account, other: str, same: bool, tags: dict[str, str] | None, error: type[Exception]
) -> None:
    theirs = account.text if same else other

    def make() -> None:
        account.holds(theirs)
        account.tags = tags if tags is not None else account.tags

    made = planned(account)
    account.before["CreatePipeline"] = make
    with pytest.raises(error, match="run the same command again|made by something else"):
        upsert.execute(account.clients, made)
    assert account.live is not None
    assert account.live["PipelineDefinition"] == theirs


@pytest.mark.parametrize("what", ["the definition", "the owner", "the role", "nothing is left"])
def test_a_pipeline_that_was_changed_since_it_was_planned_is_not_overwritten(
    account: Account, other: str, what: str
) -> None:
    account.holds(other)
    made = planned(account)
    assert account.live is not None
    if what == "the definition":
        account.live["PipelineDefinition"] = '{"Version": "2020-12-01", "Steps": []}'
    elif what == "the owner":
        account.tags = {"project": "theirs"}
    elif what == "the role":
        account.live["RoleArn"] = account.live["RoleArn"] + "-2"
    else:
        account.live = None
    before = dict(account.live or {})
    with pytest.raises(AwsRefused, match="changed since it was planned; run the same command again"):
        upsert.execute(account.clients, made)
    assert (account.live or {}) == before


def test_an_interrupt_says_what_was_done(account: Account) -> None:
    made = planned(account)

    def interrupt() -> None:
        raise KeyboardInterrupt

    account.before["CreatePipeline"] = interrupt
    with pytest.raises(Interrupted, match="interrupted; done before that: .*the same command does the rest"):
        upsert.execute(account.clients, made)


def test_tags_come_last(account: Account, other: str) -> None:
    account.holds(other)
    account.settings = account.settings.model_copy(update={"tags": {"team": "search"}})
    done = upsert.execute(account.clients, planned(account)).called
    assert done[-2:] == ("updated the pipeline", "set its tags")
    assert account.tags == account.settings.all_tags
