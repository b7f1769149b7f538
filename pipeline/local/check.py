"""What of a definition the local executor does not support, found before the first step runs.

Everything is checked against what is known to be honoured; a member that this page has never heard of is an
error. The features inside a job's request are the job runners' to know (`jobs.unsupported`).
"""

from collections.abc import Iterator
from typing import Any

from pipeline import durations
from pipeline.dag import Definition, Step, path_tokens, references
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
    for reference in references(step.arguments):
        if reference.source == "Parameters" and reference.name not in definition.parameters:
            yield f"it refers to a parameter {reference.name}, which the definition does not declare"
        if reference.source == "Execution" and reference.name not in _EXECUTION_VARIABLES:
            yield f"{reference} is no execution variable that is supported"
    yield from _policy_problems(step.body.get("RetryPolicies") or [])
    yield from _cache_problems(step)
    if step.type == "Condition":
        yield from _condition_problems(step.arguments.get("Conditions"))
    elif step.type == "Lambda":
        if not isinstance(step.body.get("FunctionArn"), str):
            yield "FunctionArn is needed, as text; an expression is not supported here"
    elif step.type == "Fail":
        if "ErrorMessage" not in step.arguments:
            yield "Arguments.ErrorMessage is needed"
    else:
        try:
            yield from jobs.unsupported(step.type, step.arguments)
        except (AttributeError, TypeError) as error:  # a list where the request has an object, or the like
            yield f"Arguments is not a request of this type: {error}"
    outputs = {output.get("OutputName") for output in _outputs(step)}
    for file in step.body.get("PropertyFiles") or []:
        if file.get("OutputName") not in outputs:
            yield f"PropertyFiles: the step has no output {file.get('OutputName')!r}"


def _outputs(step: Step) -> list[dict[str, Any]]:
    outputs = (step.arguments.get("ProcessingOutputConfig") or {}).get("Outputs")
    return [output for output in outputs if isinstance(output, dict)] if isinstance(outputs, list) else []


def _policy_problems(policies: list[dict[str, Any]]) -> Iterator[str]:
    for policy in policies:
        for member in sorted(policy.keys() - _RETRY_POLICY):
            yield f"RetryPolicies.{member} is not supported"
        if not isinstance(policy.get("ExceptionType"), list):
            yield "RetryPolicies.ExceptionType is needed, a list"


def _cache_problems(step: Step) -> Iterator[str]:
    config = step.body.get("CacheConfig") or {}
    if not config.get("Enabled"):
        return
    if step.type == "Lambda":
        yield "CacheConfig is not supported for a Lambda step: it runs every time"
    elif expiry := config.get("ExpireAfter"):
        try:
            durations.seconds(expiry)
        except ValueError as error:
            yield f"CacheConfig.ExpireAfter: {error}"


def _expression_problems(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key.startswith("Std:") and key not in _EXPRESSIONS:
                yield f"the function {key} is not supported; supported are {', '.join(sorted(_EXPRESSIONS))}"
            if key == "Std:JsonGet":
                try:
                    path_tokens(item["Path"].removeprefix("$"))
                except (DefinitionError, KeyError, TypeError, AttributeError) as error:
                    yield f"Std:JsonGet: {error}"
            yield from _expression_problems(item)
    elif isinstance(value, list):
        for item in value:
            yield from _expression_problems(item)


_OPERANDS = {"In": ("QueryValue", "Values"), "Not": ("Condition",), "Or": ("Conditions",)}


def _condition_problems(conditions: Any) -> Iterator[str]:
    if not isinstance(conditions, list) or not conditions:
        yield "a Condition step needs at least one condition"
        return
    for condition in conditions:
        kind = condition.get("Type") if isinstance(condition, dict) else None
        if kind not in CONDITIONS:
            known = ", ".join(sorted(CONDITIONS))
            yield f"the condition {kind!r} is not supported; supported are {known}"
            continue
        operands = _OPERANDS.get(kind, ("LeftValue", "RightValue"))
        if missing := [name for name in operands if name not in condition]:
            yield f"the condition {kind} needs {' and '.join(missing)}"
        elif kind in ("Not", "Or"):
            yield from _condition_problems(
                [condition["Condition"]] if kind == "Not" else condition["Conditions"]
            )
