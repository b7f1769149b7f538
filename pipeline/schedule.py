"""Executions that start by the clock, with EventBridge Scheduler: one schedule, named as the pipeline.

The service takes a wrong expression apart only when it is sent, so it is read here first. The price: a form
that AWS adds is refused until it is added here. What a person has set on the schedule beside (a dead-letter
queue, a key, an end date) is kept.
"""

import re
from datetime import UTC, datetime
from typing import Any

from pipeline import live
from pipeline.errors import NotFound, UsageError
from pipeline.settings import Settings

EXAMPLES = "rate(7 days), cron(0 6 ? * MON *) or at(2030-01-31T06:00:00), in UTC"
_ANSWERED = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")  # what nobody can set
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_CRON = (  # field, least, most, names, and what else may stand there alone
    ("minutes", 0, 59, None, None),
    ("hours", 0, 23, None, None),
    ("day of month", 1, 31, None, r"\?|L|LW|\d{1,2}W"),
    ("month", 1, 12, _MONTHS, None),
    ("day of week", 1, 7, _DAYS, rf"\?|L|([1-7]|{_DAYS})L|([1-7]|{_DAYS})#[1-5]"),
    ("year", 1970, 2199, None, None),
)


def put(clients: Any, settings: Settings, expression: str) -> str:
    """ "created", "updated", or "unchanged" when nothing had to be called.

    Raises UsageError for an expression or a role that will not do, or a schedule of that name that starts
    something else; NotFound for a pipeline that does not exist, NotOurs for one that something else made.
    """
    check(expression, datetime.now(UTC))
    if settings.schedule_role is None:
        raise UsageError(
            f"schedule_role is not set in config/{settings.environment}.yaml; name the role that lets "
            "EventBridge Scheduler start the pipeline (the stack makes one: README.md, On AWS)"
        )
    pipeline = live.read(clients.sagemaker, settings.pipeline)
    if pipeline is None:
        raise NotFound(
            f"there is no pipeline {settings.pipeline} to start; make it with: "
            f"python -m pipeline.run --upsert --env {settings.environment}"
        )
    live.check_ours(pipeline, settings)
    target = {
        "Arn": pipeline.arn,
        "RoleArn": settings.schedule_role,
        "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 10},
    }
    wanted = {
        "Name": settings.pipeline,
        "Description": f"Starts the pipeline {settings.pipeline}",
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": "UTC",
        "State": "ENABLED",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    found = find(clients, settings)
    if found is None:
        clients.scheduler.create_schedule(**wanted)
        return "created"
    _refuse_another_s(found, settings)
    request = {**found, **wanted, "Target": {**found["Target"], **target}}
    if request == found:
        return "unchanged"
    clients.scheduler.update_schedule(**request)
    return "updated"


def find(clients: Any, settings: Settings) -> dict[str, Any] | None:
    """The schedule as UpdateSchedule takes it; None where there is none."""
    try:
        answer = clients.scheduler.get_schedule(Name=settings.pipeline)
    except clients.scheduler.exceptions.ResourceNotFoundException:
        return None
    return {key: value for key, value in answer.items() if key not in _ANSWERED}


def remove(clients: Any, settings: Settings) -> bool:
    """False when there was none. Raises UsageError for a schedule that starts something else."""
    found = find(clients, settings)
    if found is None:
        return False
    _refuse_another_s(found, settings)
    clients.scheduler.delete_schedule(Name=settings.pipeline)
    return True


def _refuse_another_s(found: dict[str, Any], settings: Settings) -> None:
    target = found["Target"]["Arn"]
    if not target.lower().endswith(f":pipeline/{settings.pipeline}".lower()):
        raise UsageError(
            f"the schedule {found['Name']} starts {target}, not this pipeline, and was left as it is; "
            "rename that schedule, or this pipeline (the setting pipeline)"
        )


def check(expression: str, now: datetime) -> None:
    """Raises UsageError for what is not rate(…), cron(…) or at(…) as the service reads them."""
    kind, _, rest = expression.partition("(")
    problem = (
        _CHECKS[kind](rest[:-1], now) if kind in _CHECKS and rest.endswith(")") else "it is of no known kind"
    )
    if problem:
        raise UsageError(f"{expression!r} is no schedule: {problem}; write {EXAMPLES}")


def often(expression: str) -> bool:
    """Whether it starts executions more than once an hour: they take about as long, and each costs."""
    kind, _, rest = expression.partition("(")
    first = rest.split()[0]
    if kind == "rate":
        return "minute" in rest and int(first) < 60
    return kind == "cron" and not first.isdigit()


def _rate(text: str, now: datetime) -> str | None:
    match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)(s?)", text)
    if not match:
        return "a rate is a whole number above 0 and minutes, hours or days"
    count, unit, plural = match.groups()
    if (count == "1") == bool(plural):
        return f"say rate({count} {unit}{'' if plural else 's'})"
    return None


def _at(text: str, now: datetime) -> str | None:
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return "a moment is written yyyy-mm-ddThh:mm:ss"
    return None if moment > now else f"that has passed; it is {now:%Y-%m-%dT%H:%M:%S}"


def _cron(text: str, now: datetime) -> str | None:
    fields = text.split()
    if len(fields) != len(_CRON):
        return f"cron has six fields ({', '.join(name for name, *_ in _CRON)}), here are {len(fields)}"
    for field, (name, least, most, names, alone) in zip(fields, _CRON, strict=True):
        if not (alone and re.fullmatch(alone, field)) and not all(
            _cron_part(part, least, most, names) for part in field.split(",")
        ):
            return f"the {name} cannot be {field}"
    if (fields[2] == "?") == (fields[4] == "?"):
        return "exactly one of day of month and day of week is ?"
    return None


def _cron_part(part: str, least: int, most: int, names: str | None) -> bool:
    """Whether one of a list is *, 5, 1-5, MON-FRI, */10 or 0/10, within its bounds."""
    value = rf"\d{{1,4}}|{names}" if names else r"\d{1,4}"
    match = re.fullmatch(rf"(?:\*|({value})(?:-({value}))?)(?:/([1-9]\d*))?", part)
    numbers = [int(number) for number in match.groups()[:2] if number and number.isdigit()] if match else []
    return match is not None and all(least <= number <= most for number in numbers)


_CHECKS = {"rate": _rate, "cron": _cron, "at": _at}
