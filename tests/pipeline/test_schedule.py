"""Executions that start by the clock: against moto's EventBridge Scheduler, the calls asserted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from scenes import settings_of
from scripted_aws import Refused, scripted

from pipeline import schedule
from pipeline.cli import schedule as command
from pipeline.errors import NotFound, NotOurs, UsageError
from pipeline.places import Console
from pipeline.sessions import Clients
from pipeline.storage import FolderStorage

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SETTINGS = settings_of(account="123456789012")  # moto's
WEEKLY = "rate(7 days)"


class Scene:
    def __init__(self) -> None:
        self.calls: list[str] = []
        scheduler, sagemaker = boto3.client("scheduler", "us-east-1"), boto3.client("sagemaker", "us-east-1")
        for client in (scheduler, sagemaker):
            client.meta.events.register("before-call.*", self._note)
        self.clients = Clients(
            sagemaker, None, None, FolderStorage(Path("unused")), Console(SETTINGS), scheduler, outlives=True
        )

    def _note(self, model: Any, **_: Any) -> None:
        self.calls.append(model.name)

    def changes(self) -> list[str]:
        """The calls since the last look that change anything."""
        changes = [name for name in self.calls if not name.startswith(("Get", "Describe", "List"))]
        self.calls.clear()
        return changes


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with mock_aws():
        scene = Scene()
        scene.clients.sagemaker.create_pipeline(
            PipelineName=SETTINGS.pipeline,
            PipelineDefinition="{}",
            ClientRequestToken="t" * 32,
            RoleArn=SETTINGS.pipeline_role,
            Tags=[{"Key": key, "Value": value} for key, value in SETTINGS.all_tags.items()],
        )
        scene.calls.clear()
        yield scene


def test_it_is_created_left_alone_and_updated(scene: Scene) -> None:
    assert schedule.put(scene.clients, SETTINGS, WEEKLY) == "created"
    assert scene.changes() == ["CreateSchedule"]
    found = scene.clients.scheduler.get_schedule(Name="sentiment-dev")
    assert found["ScheduleExpression"] == WEEKLY
    assert found["Target"]["Arn"] == "arn:aws:sagemaker:us-east-1:123456789012:pipeline/sentiment-dev"
    assert found["Target"]["RoleArn"] == SETTINGS.schedule_role
    assert (found["State"], found["FlexibleTimeWindow"]) == ("ENABLED", {"Mode": "OFF"})

    assert schedule.put(scene.clients, SETTINGS, WEEKLY) == "unchanged"
    assert scene.changes() == []

    for expression, role in (
        ("cron(0 6 ? * MON *)", SETTINGS.schedule_role),
        ("cron(0 6 ? * MON *)", "arn:aws:iam::123456789012:role/another"),
    ):
        settings = SETTINGS.model_copy(update={"schedule_role": role})
        assert schedule.put(scene.clients, settings, expression) == "updated"
        assert scene.changes() == ["UpdateSchedule"]
        found = scene.clients.scheduler.get_schedule(Name="sentiment-dev")
        assert (found["ScheduleExpression"], found["Target"]["RoleArn"]) == (expression, role)


def test_what_a_person_has_set_beside_is_kept(scene: Scene) -> None:
    schedule.put(scene.clients, SETTINGS, WEEKLY)
    found = schedule.find(scene.clients, SETTINGS)
    assert found is not None
    queue, end = "arn:aws:sqs:us-east-1:123456789012:lost", datetime(2030, 1, 1, tzinfo=UTC)
    target = {**found["Target"], "DeadLetterConfig": {"Arn": queue}}
    scene.clients.scheduler.update_schedule(**{**found, "Target": target, "EndDate": end})
    assert schedule.put(scene.clients, SETTINGS, "rate(1 day)") == "updated"
    found = scene.clients.scheduler.get_schedule(Name="sentiment-dev")
    assert found["Target"]["DeadLetterConfig"] == {"Arn": queue}
    assert found["EndDate"].astimezone(UTC) == end
    scene.calls.clear()
    assert schedule.put(scene.clients, SETTINGS, "rate(1 day)") == "unchanged"
    assert scene.changes() == []


@pytest.mark.parametrize(
    ("expression", "often"),
    [
        ("rate(1 minute)", True),
        ("rate(59 minutes)", True),
        ("rate(60 minutes)", False),
        ("rate(1 hour)", False),
        ("cron(* 6 ? * MON *)", True),
        ("cron(0/10 * * * ? *)", True),
        ("cron(0 6 ? * MON *)", False),
        ("at(2030-01-31T06:00:00)", False),
    ],
)
def test_more_than_once_an_hour_is_often(expression: str, often: bool) -> None:
    schedule.check(expression, NOW)
    assert schedule.often(expression) == often


def test_it_is_removed_once(scene: Scene) -> None:
    schedule.put(scene.clients, SETTINGS, WEEKLY)
    scene.calls.clear()
    assert schedule.remove(scene.clients, SETTINGS)
    assert scene.changes() == ["DeleteSchedule"]
    assert schedule.find(scene.clients, SETTINGS) is None
    assert not schedule.remove(scene.clients, SETTINGS)
    assert scene.changes() == []


def test_a_schedule_of_that_name_that_starts_something_else_is_left_alone(scene: Scene) -> None:
    other = "arn:aws:lambda:us-east-1:123456789012:function:theirs"
    scene.clients.scheduler.create_schedule(
        Name="sentiment-dev",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": other, "RoleArn": SETTINGS.schedule_role},
    )
    scene.calls.clear()
    for change in (
        lambda: schedule.put(scene.clients, SETTINGS, WEEKLY),
        lambda: schedule.remove(scene.clients, SETTINGS),
    ):
        with pytest.raises(UsageError, match=f"starts {other}, not this pipeline"):
            change()
    assert scene.changes() == []


def test_a_pipeline_that_does_not_exist_is_named_with_what_makes_it(scene: Scene) -> None:
    def absent(request: dict[str, Any]) -> dict[str, Any]:  # moto answers a ValidationException here
        raise Refused("ResourceNotFound")

    clients = replace(scene.clients, sagemaker=scripted("sagemaker", {"DescribePipeline": absent}, []))
    with pytest.raises(NotFound, match=r"no pipeline sentiment-dev .* --upsert --env dev"):
        schedule.put(clients, SETTINGS, WEEKLY)
    assert scene.changes() == []


def test_a_pipeline_that_something_else_made_is_not_started(scene: Scene) -> None:
    settings = SETTINGS.model_copy(update={"environment": "prod"})
    with pytest.raises(NotOurs):
        schedule.put(scene.clients, settings, WEEKLY)
    assert scene.changes() == []


def test_without_a_role_nothing_is_called(scene: Scene) -> None:
    with pytest.raises(UsageError, match=r"schedule_role is not set in config/dev\.yaml"):
        schedule.put(scene.clients, SETTINGS.model_copy(update={"schedule_role": None}), WEEKLY)
    assert scene.calls == []


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 day)",
        "rate(12 hours)",
        "rate(90 minutes)",
        "cron(0 6 ? * MON *)",
        "cron(15 10 ? * 6L 2022-2030)",
        "cron(0/10 0-5,12 ? JAN-MAR,12 MON-FRI *)",
        "cron(0 8 1 * ? *)",
        "cron(0 8 L * ? *)",
        "cron(0 8 3W * ? 2027)",
        "cron(30 8 ? * TUE#2 *)",
        "at(2026-11-25T12:00:01)",
    ],
)
def test_what_the_service_documents_is_taken(expression: str) -> None:
    schedule.check(expression, NOW)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("every day", "of no known kind"),
        ("rate(7 days", "of no known kind"),
        ("rate(0 days)", "a whole number above 0"),
        ("rate(1.5 hours)", "a whole number above 0"),
        ("rate(1 week)", "minutes, hours or days"),
        ("rate(1 days)", r"say rate\(1 day\)"),
        ("rate(7 day)", r"say rate\(7 days\)"),
        ("cron(0 6 * * MON)", "six fields .* here are 5"),
        ("cron(0 6 * * MON *)", r"exactly one of day of month and day of week is \?"),
        ("cron(0 6 ? * ? *)", r"exactly one of day of month and day of week is \?"),
        ("cron(60 6 ? * MON *)", "the minutes cannot be 60"),
        ("cron(0 24 ? * MON *)", "the hours cannot be 24"),
        ("cron(0 6 32 * ? *)", "the day of month cannot be 32"),
        ("cron(0 6 ? 13 MON *)", "the month cannot be 13"),
        ("cron(0 6 ? * 0 *)", "the day of week cannot be 0"),
        ("cron(0 6 ? * MONDAY *)", "the day of week cannot be MONDAY"),
        ("cron(0 6 ? * 3#6 *)", "the day of week cannot be 3#6"),
        ("cron(0 6 ? * MON 1969)", "the year cannot be 1969"),
        ("cron(*/0 6 ? * MON *)", r"the minutes cannot be \*/0"),
        ("cron(0,, 6 ? * MON *)", "the minutes cannot be 0,,"),
        ("at(2026-11-25 12:00:01)", "yyyy-mm-ddThh:mm:ss"),
        ("at(2026-02-30T12:00:01)", "yyyy-mm-ddThh:mm:ss"),
        ("at(2026-11-25T12:00:00)", "that has passed; it is 2026-11-25T12:00:00"),
    ],
)
def test_what_is_no_schedule_is_explained_with_examples(expression: str, problem: str) -> None:
    with pytest.raises(UsageError, match=rf"is no schedule: .*{problem}.*; write rate\(7 days\), cron"):
        schedule.check(expression, NOW)


@pytest.fixture
def account(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The commands' own clients, in moto's account."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return scene


def test_the_commands(account: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    flags = {"account": "123456789012"}
    command.show("dev", flags, as_json=False)
    assert 'schedule set "rate(7 days)" --env dev' in capsys.readouterr().out
    command.set_("dev", flags, WEEKLY)
    assert capsys.readouterr().out == "created: sentiment-dev starts at rate(7 days), UTC\n"
    command.set_("dev", flags, "rate(1 minute)")
    assert capsys.readouterr().err.startswith("warning: rate(1 minute) is more than once an hour")
    command.set_("dev", flags, WEEKLY)
    assert capsys.readouterr().err == ""
    command.show("dev", flags, as_json=False)
    shown = capsys.readouterr().out
    assert "schedule  rate(7 days), UTC\nstate     ENABLED\n" in shown
    assert "pipeline/sentiment-dev" in shown
    command.show("dev", flags, as_json=True)
    assert '"ScheduleExpression": "rate(7 days)"' in capsys.readouterr().out
    command.remove("dev", flags)
    command.remove("dev", flags)
    assert capsys.readouterr().out == (
        "sentiment-dev has no schedule any more\nsentiment-dev has no schedule to remove\n"
    )


def test_this_machine_has_no_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="environment local has no scheduler; .*--env dev"):
        command.set_("local", {}, WEEKLY)
