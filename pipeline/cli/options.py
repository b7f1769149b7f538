"""The options that several commands share, and what they mean.

No setting is read here: --help must answer at once.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import SettingsError, UsageError
from pipeline.settings_sources import CHOICE

WAIT_SECONDS = 43200  # 12 hours

Env = Annotated[
    str | None,
    typer.Option("--env", metavar="NAME", help=f"Which of config/*.yaml; else ${CHOICE}."),
]
SettingsGiven = Annotated[
    list[str] | None,
    typer.Option("--setting", metavar="KEY=VALUE", help="Instead of what config/*.yaml says. Repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, progress on stderr.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for the end.", min=1)]
Summary = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write what came of it as Markdown; $GITHUB_STEP_SUMMARY gets it too."),
]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="An execution, from: runs list")]


def environment(named: str | None, otherwise: str) -> str:
    """--env, else $SENTIMENT_ENVIRONMENT, else what the command takes without either."""
    if named is not None and not named.strip():
        raise UsageError("--env is empty; name one of config/*.yaml, such as --env dev")
    return named or os.environ.get(CHOICE) or otherwise


def flags(given: Iterable[str] | None) -> dict[str, str]:
    """["spot=false"] -> {"spot": "false"}. Raises SettingsError for what is no KEY=VALUE, or twice there."""
    found: dict[str, str] = {}
    for assignment in given or ():
        key, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(
                f"--setting {assignment}: write it as KEY=VALUE, such as --setting spot=false"
            )
        if key in found:
            raise SettingsError(f"--setting {assignment}: {key} is set twice")
        found[key] = value
    return found
