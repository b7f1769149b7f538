"""schedule set, schedule show, schedule remove."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline import schedule, sessions, settings
from pipeline.cli.report import command
from pipeline.errors import UsageError
from pipeline.settings import Settings


def set_(environment: str, flags: Mapping[str, Any], expression: str) -> None:
    with _scheduler(environment, flags) as (clients, config):
        done = schedule.put(clients, config, expression)
    print(f"{done}: {config.pipeline} starts at {expression}, UTC")
    if schedule.often(expression):
        print(
            f"warning: {expression} is more than once an hour: runs overlap, and each costs what "
            "pipeline.run --plan says; a usual one is rate(7 days)",
            file=sys.stderr,
        )


def show(environment: str, flags: Mapping[str, Any], as_json: bool) -> None:
    with _scheduler(environment, flags) as (clients, config):
        found = schedule.find(clients, config)
    if as_json:
        print(json.dumps(found, indent=1, default=str))  # dates
    elif found is None:
        hint = command(environment, "schedule", "set", "rate(7 days)")
        print(f"{config.pipeline} has no schedule; set one with: {hint}")
    else:
        print(f"schedule  {found['ScheduleExpression']}, {found.get('ScheduleExpressionTimezone', 'UTC')}")
        print(f"state     {found['State']}")
        print(f"starts    {found['Target']['Arn']}")
        print(f"role      {found['Target']['RoleArn']}")


def remove(environment: str, flags: Mapping[str, Any]) -> None:
    with _scheduler(environment, flags) as (clients, config):
        removed = schedule.remove(clients, config)
    print(f"{config.pipeline} has no schedule {'any more' if removed else 'to remove'}")


@contextmanager
def _scheduler(environment: str, flags: Mapping[str, Any]) -> Iterator[tuple[sessions.Clients, Settings]]:
    config = settings.load(environment, flags)
    with sessions.connect(config, sessions.state_folder()) as clients:
        if clients.scheduler is None:
            raise UsageError(
                f"environment {environment} has no scheduler; name one on AWS with --env, such as --env dev"
            )
        yield clients, config
