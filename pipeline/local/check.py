"""What of a definition the local executor does not support, found before the first step runs.

Everything is checked against what is known to be honoured; a member that this page has never heard of is an
error. The features inside a job's request are the job runners' to know (`jobs.unsupported`).
"""

from collections.abc import Iterator
from typing import Any

from pipeline import durations
from pipeline.dag import Definition, Step, references
from pipeline.errors import DefinitionError
from pipeline.local import jobs
from pipeline.local.expressions import CONDITIONS
from pipeline.local.parameters import TYPES

_TOP = {"Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps"}
_STEP = {"Name", "Type", "Arguments", "DependsOn", "DisplayName", "Description"}
_JOB = _STEP | {"CacheConfig", "RetryPolicies"}
_MEMBERS = {
    "Processing": _JOB | {"PropertyFiles"},
    "Training": _JOB | {"PropertyFiles"},
    "Transform": _JOB,
    "Model": _STEP | {"RetryPolicies"},
    "RegisterModel": _STEP | {"RetryPolicies"},
    "Condition": _STEP,
    "Lambda": _STEP | {"FunctionArn", "OutputParameters", "CacheConfig"},
    "Fail": _STEP,
}
_EXECUTION_VARIABLES = {
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "PipelineName",
    "PipelineArn",
    "StartDateTime",
    "CurrentDateTime",
    "TrainingJobName",
    "ProcessingJobName",
}
_RETRY_POLICY = {"ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin"}
_EXPRESSIONS = {"Std:Join", "Std:JsonGet"}


def check(definition: Definition) -> None:
    """Raises DefinitionError with every thing in the definition that could not be honoured here."""
    problems = list(_problems(definition))
    if problems:
        raise DefinitionError("the local executor cannot run this definition:\n  " + "\n  ".join(problems))


def _problems(definition: Definition) -> Iterator[str]:
    if definition.body.get("Version") != "2020-12-01":
        yield f"Version is {definition.body.get('Version')!r}; supported is '2020-12-01'"
    for member in sorted(definition.body.keys() - _TOP):
        yield f"{member}: not supported"
    for name, parameter in definition.parameters.items():
        if parameter.get("Type") not in TYPES:
            yield f"parameter {name}: type {parameter.get('Type')!r} is none of {', '.join(sorted(TYPES))}"
    for step in definition.steps.values():
        yield from (f"step {step.name}: {problem}" for problem in _step_problems(step, definition))


def _step_problems(step: Step, definition: Definition) -> Iterator[str]:
    if step.type not in _MEMBERS:
        yield f"its type {step.type} is not supported; supported are {', '.join(sorted(_MEMBERS))}"
        return
    for member in sorted(step.body.keys() - _MEMBERS[step.type]):
        yield f"{member} is not supported for a {step.type} step"
    yield from _expression_problems(step.arguments)
    for reference in references([step.arguments, step.body.get("FunctionArn")]):
        if reference.source == "Parameters" and reference.name not in definition.parameters:
            yield f"it refers to a parameter {reference.name}, which the definition does not declare"
        if reference.source == "Execution" and reference.name not in _EXECUTION_VARIABLES:
            yield f"{reference} is no execution variable that is supported"
    for policy in step.body.get("RetryPolicies") or []:
        for member in sorted(policy.keys() - _RETRY_POLICY):
            yield f"RetryPolicies.{member} is not supported"
    if (step.body.get("CacheConfig") or {}).get("Enabled"):
        if step.type == "Lambda":
            yield "CacheConfig is not supported for a Lambda step: it runs every time"
        elif expiry := step.body["CacheConfig"].get("ExpireAfter"):
            try:
                durations.seconds(expiry)
            except ValueError as error:
                yield f"CacheConfig.ExpireAfter: {error}"
    if step.type == "Condition":
        yield from _condition_problems(step.arguments.get("Conditions") or [])
    elif step.type not in ("Lambda", "Fail"):  # their arguments are free
        yield from jobs.unsupported(step.type, step.arguments)


def _expression_problems(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key.startswith("Std:") and key not in _EXPRESSIONS:
                yield f"the function {key} is not supported; supported are {', '.join(sorted(_EXPRESSIONS))}"
            yield from _expression_problems(item)
    elif isinstance(value, list):
        for item in value:
            yield from _expression_problems(item)


def _condition_problems(conditions: list[dict[str, Any]]) -> Iterator[str]:
    if not conditions:
        yield "a Condition step needs at least one condition"
    for condition in conditions:
        if condition.get("Type") not in CONDITIONS:
            known = ", ".join(sorted(CONDITIONS))
            yield f"the condition {condition.get('Type')!r} is not supported; supported are {known}"
        nested = condition.get("Conditions") or [condition[key] for key in ["Condition"] if key in condition]
        if nested:
            yield from _condition_problems(nested)
