"""Selective execution: which steps run, and the execution that the others' results are taken from.

SageMaker's own: SelectedSteps and SourcePipelineExecutionArn of StartPipelineExecution. As AWS's guide has
it, all steps between two selected ones must be selected, and the source must have Succeeded or Failed. AWS
takes over results but no parameters: they are copied here, so that what runs fits what it takes over.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import control
from pipeline.dag import Definition
from pipeline.errors import NotFound, UsageError
from pipeline.parameters import Value, table
from pipeline.settings import Settings

SOURCES = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Selection:
    steps: tuple[str, ...]  # in the order of the definition
    source: str | None  # the ARN of an execution; none is needed where the steps start from nothing
    values: Mapping[str, Value]  # the parameters of the source

    def as_request(self) -> dict[str, Any]:
        """A SelectiveExecutionConfig."""
        source = {"SourcePipelineExecutionArn": self.source} if self.source else {}
        return {"SelectedSteps": [{"StepName": name} for name in self.steps], **source}

    def inherited(self, definition: Definition, given: Collection[str]) -> str:
        """ "with the results of execution abc, and its parameters Epochs=3": those other than the defaults,
        and not `given` anew."""
        defaults = {name: str(each.get("DefaultValue")) for name, each in definition.parameters.items()}
        own = [
            f"{name}={value}"
            for name, value in self.values.items()
            if name not in given and str(value) != defaults.get(name)
        ]
        parameters = f"its parameters {', '.join(own)}" if own else "the default parameters"
        return f"with the results of execution {control.execution_id(self.source or '')}, and {parameters}"


def steps(definition: Definition, only: Iterable[str], first: str | None) -> tuple[str, ...]:
    """The steps named by --only; or --from: a step and all that comes after it.

    Raises UsageError for a step that is not there, and for one that is left out between two that are chosen.
    """
    only = list(only)
    if only and first:
        raise UsageError("--only and --from both choose the steps; keep one")
    for name in [*only, *([first] if first else [])]:
        _known(definition, name)
    chosen = _after(definition, {first}) | {first} if first else set(only)
    before, after = _before(definition, chosen), _after(definition, chosen)
    between = [name for name in definition.order() if name in before & after and name not in chosen]
    if between:
        raise UsageError(
            f"{between[0]} lies between the chosen steps and must be chosen too; "
            f"add {' '.join(f'--only {name}' for name in between)}"
        )
    return tuple(name for name in definition.order() if name in chosen)


def select(
    clients: Any,
    settings: Settings,
    definition: Definition,
    only: Iterable[str],
    first: str | None,
    execution: str | None,
) -> Selection:
    """The steps, and the source: `execution` (an id), else the newest execution that has what they need.

    Raises NotFound when none has it, UsageError when the one that was named has not.
    """
    chosen, pipeline = steps(definition, only, first), settings.pipeline
    source = control.arn_of(clients.sagemaker, pipeline, execution) if execution else None
    needed = {name for step in chosen for name in definition.dependencies[step]} - set(chosen)
    if source:
        if missing := needed - _succeeded(clients, source):
            raise UsageError(
                f"the chosen steps need the result of {', '.join(sorted(missing))}, which did not succeed in "
                f"execution {control.execution_id(source)}; choose that too, or another --source"
            )
    elif needed:
        ended = (
            each["PipelineExecutionArn"]
            for each in control.executions(clients.sagemaker, pipeline)
            if each["PipelineExecutionStatus"] in SOURCES
        )
        source = next((arn for arn in ended if needed <= _succeeded(clients, arn)), None)
        if source is None:
            raise NotFound(
                f"the chosen steps need the result of {', '.join(sorted(needed))}, and there is no "
                f"execution of {pipeline} in which that succeeded; run the whole pipeline first"
            )
    return Selection(
        chosen, source, _values(clients.sagemaker, source, settings, definition) if source else {}
    )


def _succeeded(clients: Any, source: str) -> set[str]:
    status = control.describe(clients.sagemaker, source)["PipelineExecutionStatus"]
    if status not in SOURCES:
        raise UsageError(
            f"execution {control.execution_id(source)} is {status}; results are taken from one that is "
            f"{' or '.join(SOURCES)}"
        )
    return {step.name for step in control.steps(clients, source) if step.status == "Succeeded"}


def _values(sagemaker: Any, source: str, settings: Settings, definition: Definition) -> dict[str, Value]:
    """What the source ran with; parameters that the pipeline no longer has are left behind."""
    kept = [
        parameter
        for name, parameter in table(settings).items()
        if name in definition.parameters and not parameter.set_by_run
    ]
    given = control.parameters(sagemaker, source)
    return {each.name: each.parse(given[each.name]) for each in kept if each.name in given}


def _known(definition: Definition, name: str) -> None:
    if name in definition.steps:
        return
    lowered = {known.lower(): known for known in definition.steps}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    hint = f"did you mean {lowered[near[0]]}?" if near else f"there are {', '.join(definition.steps)}"
    raise UsageError(f"the pipeline has no step {name}; {hint}")


def _before(definition: Definition, names: Collection[str]) -> set[str]:
    """All that any of these steps depends on."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        new = definition.dependencies[waiting.pop()] - found
        found |= new
        waiting.extend(new)
    return found


def _after(definition: Definition, names: Collection[str]) -> set[str]:
    """All that depends on these steps."""
    return {name for name in definition.steps if _before(definition, {name}) & set(names)}
