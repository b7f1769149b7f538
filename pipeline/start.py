"""A start, decided before anything is written and made after it: what runs, with which values and token.

Decided from what is there: another execution that runs, the execution that this very start has made before
(a CI job that is run again), and, where nothing is upserted, the pipeline as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipeline import control
from pipeline.dag import Definition
from pipeline.errors import ParameterError, UsageError
from pipeline.lineage import Lineage
from pipeline.parameters import LINEAGE, Value
from pipeline.selection import Selection
from pipeline.settings import Settings

RECENT = 1000  # executions that are looked at, the newest first: ten calls


@dataclass(frozen=True)
class Start:
    pipeline: str
    values: Mapping[str, Value]
    token: str
    display_name: str  # tells the commit and the token
    description: str
    selection: Selection | None = None
    earlier: str | None = None  # the ARN of the execution that this start has made before


def make(
    sagemaker: Any,
    settings: Settings,
    definition: Definition,
    values: Mapping[str, Value],
    lineage: Lineage,
    token: str,
    selection: Selection | None = None,
) -> Start:
    """A start of `definition`, which the pipeline has, or will have by then.

    Raises UsageError when another execution runs, unless the settings allow that; ParameterError for a value
    of a parameter that the definition does not declare.
    """
    if unknown := sorted(values.keys() - definition.parameters.keys()):
        raise ParameterError(
            f"{settings.pipeline} has no parameter {unknown[0]} as it is; add --upsert to bring it up to date"
        )
    name = f"{lineage.short}-{token[:12]}"
    known = recent(sagemaker, settings)
    earlier = [each for each in known if each.get("PipelineExecutionDisplayName") == name]
    given = {**values, **lineage.parameters()}
    if earlier:
        _check_same(sagemaker, earlier[0]["PipelineExecutionArn"], definition, values)
    else:
        check_alone(known, settings)
    return Start(
        settings.pipeline,
        {name: value for name, value in given.items() if name in definition.parameters},
        token,
        name,
        lineage.description(),
        selection,
        earlier[0]["PipelineExecutionArn"] if earlier else None,
    )


def execute(sagemaker: Any, start: Start, settings: Settings) -> str:
    """The ARN of the execution, which is one however often it is started.

    Uploads may have taken long: raises UsageError when another execution has started meanwhile. Two that
    start at the very same moment do not see each other.
    """
    if start.earlier:
        return start.earlier
    check_alone(recent(sagemaker, settings), settings)
    return control.start(
        sagemaker,
        start.pipeline,
        start.values,
        start.token,
        display_name=start.display_name,
        description=start.description,
        selection=start.selection.as_request() if start.selection else None,
    )


def recent(sagemaker: Any, settings: Settings) -> list[dict[str, Any]]:
    """Summaries of the newest executions."""
    return list(islice(control.executions(sagemaker, settings.pipeline), RECENT))


def _check_same(sagemaker: Any, arn: str, definition: Definition, values: Mapping[str, Value]) -> None:
    """Raises UsageError where the execution that has this token runs with other parameters."""
    ran = control.parameters(sagemaker, arn)
    for name, declared in definition.parameters.items():
        wanted = str(values.get(name, declared.get("DefaultValue")))
        if name in ran and name not in LINEAGE.values() and ran[name] != wanted:
            raise UsageError(
                f"this token has started execution {control.execution_id(arn)}, with {name}={ran[name]} "
                f"and not {wanted}; to start another one give --token another text"
            )


def check_alone(executions: Iterable[Mapping[str, Any]], settings: Settings) -> None:
    """Raises UsageError when one of them runs, unless the settings allow several at once."""
    running = [each for each in executions if each["PipelineExecutionStatus"] not in control.ENDED]
    if not running or settings.concurrent_executions:
        return
    since = running[0]["StartTime"].astimezone()
    identity = control.execution_id(running[0]["PipelineExecutionArn"])
    where = f"{identity} --env {settings.environment}"
    raise UsageError(
        f"execution {identity} of {settings.pipeline} is {running[0]['PipelineExecutionStatus']} since "
        f"{since:%Y-%m-%d %H:%M:%S}; wait with: python -m pipeline runs wait {where}, or stop it: "
        f"python -m pipeline stop {where}; concurrent_executions: true allows several at once"
    )
