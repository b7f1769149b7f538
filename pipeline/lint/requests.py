"""What CreatePipeline, or the first job, would reject; found before anything is called.

The requests are checked with botocore's own shapes: each step's arguments with every reference replaced by
a value of the right type, as the request that SageMaker will make of them. The type of what a JsonGet reads
is unknown until it is read; it counts as a number here, which is what gates and metrics read.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import durations, service_model
from pipeline.dag import Definition, Reference, Step, parse_get, references
from pipeline.lint.finding import Finding
from pipeline.service_model import AnyText

_CREATES = {  # step type -> the operation that its arguments become, and the name that the service adds
    "Processing": ("CreateProcessingJob", {"ProcessingJobName": "name"}),
    "Training": ("CreateTrainingJob", {"TrainingJobName": "name"}),
    "Transform": ("CreateTransformJob", {"TransformJobName": "name"}),
    "Model": ("CreateModel", {"ModelName": "name"}),
    "RegisterModel": ("CreateModelPackage", {}),
}
_DESCRIBES = {  # step type -> the operation whose answer its properties have the shape of
    "Processing": "DescribeProcessingJob",
    "Training": "DescribeTrainingJob",
    "Transform": "DescribeTransformJob",
    "Model": "DescribeModel",
    "RegisterModel": "DescribeModelPackage",
}
_LONGEST_PIPELINE_NAME = 82
_LONGEST_DISPLAY_NAME = 256
_LONGEST_DESCRIPTION = 3072


def check(definition: Definition, name: str, values: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _names(definition, name)
    yield from _parameters(definition)
    yield from _caches(definition)
    for step in definition.steps.values():
        yield from _references(step, definition)
        yield from _request(step, definition, values)


def _names(definition: Definition, name: str) -> Iterator[Finding]:
    if len(name) > _LONGEST_PIPELINE_NAME:
        yield Finding("", "", f"the pipeline's name has {len(name)} characters", "use 82 at most")
    for step in definition.steps.values():
        for key, most in (("DisplayName", _LONGEST_DISPLAY_NAME), ("Description", _LONGEST_DESCRIPTION)):
            if len(step.body.get(key, "")) > most:
                yield Finding(
                    step.name, key, f"it has {len(step.body[key])} characters", f"use {most} at most"
                )


def _parameters(definition: Definition) -> Iterator[Finding]:
    unused = set(definition.parameters)
    for step in definition.steps.values():
        used = {
            found.name
            for found in references([step.arguments, step.body.get("FunctionArn")])
            if found.source == "Parameters"
        }
        unused -= used
        for name in sorted(used - definition.parameters.keys()):
            yield Finding(
                step.name, "", f"parameter {name} is not declared", "add it to pipeline/parameters.py"
            )
    for name in sorted(unused):
        yield Finding("", name, "no step uses this parameter", "use it or remove it", severity="warning")


def _caches(definition: Definition) -> Iterator[Finding]:
    for step in definition.steps.values():
        expiry = (step.body.get("CacheConfig") or {}).get("ExpireAfter")
        if expiry is None:
            continue
        try:
            durations.seconds(expiry)
        except ValueError as error:
            yield Finding(step.name, "CacheConfig.ExpireAfter", str(error), "write an ISO 8601 duration")


def _references(step: Step, definition: Definition) -> Iterator[Finding]:
    """References to a property that the step referred to will not have."""
    for reference in references(step.arguments):
        if reference.source == "Steps" and _property(reference, definition) is None:
            yield Finding(
                step.name,
                "",
                f"{reference}: a {definition.steps[reference.name].type} step has no such property",
                "see the Describe operation of its job in AWS's API reference",
            )


def _request(step: Step, definition: Definition, values: Mapping[str, Any]) -> Iterator[Finding]:
    if step.type not in _CREATES:
        return
    operation, added = _CREATES[step.type]

    def problems(given: Mapping[str, Any]) -> list[str]:
        return service_model.validate(operation, _resolved(step.arguments, definition, given) | added)

    for problem in problems(values):
        causes = [
            f"--set {name}={value}"
            for name, value in values.items()
            if problem not in problems({key: values[key] for key in values if key != name})
        ]
        place = " and ".join(causes) or "pipeline/definition.py"
        yield Finding(step.name, "Arguments", problem, f"{operation} would be refused; correct {place}")


def _resolved(value: Any, definition: Definition, values: Mapping[str, Any]) -> Any:
    """The value with an example in place of each expression."""
    if isinstance(value, list):
        return [_resolved(item, definition, values) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Std:Join"}:
        join = value["Std:Join"]
        parts = [_resolved(item, definition, values) for item in join["Values"]]
        text = str(join.get("On", "")).join(map(str, parts))
        return AnyText(text) if any(isinstance(part, AnyText) for part in parts) else text
    if set(value) == {"Std:JsonGet"}:
        return 0.5
    if set(value) == {"Get"}:
        return _example(parse_get(value["Get"]), definition, values)
    return {key: _resolved(item, definition, values) for key, item in value.items()}


def _example(reference: Reference, definition: Definition, values: Mapping[str, Any]) -> Any:
    if reference.source == "Parameters":
        declared = definition.parameters.get(reference.name, {})
        by_type = {"Integer": 1, "Float": 0.5, "Boolean": True}.get(declared.get("Type", ""), "text")
        return values.get(reference.name, declared.get("DefaultValue", by_type))
    if reference.source == "Execution":
        return "a1b2c3d4e5f6"
    return _property(reference, definition)


def _property(reference: Reference, definition: Definition) -> Any:
    """An example of the property, by the shape that describes its step; None when there is none such."""
    step = definition.steps[reference.name]
    if reference.path[:1] == ("PropertyFiles",):
        files = {file["PropertyFileName"] for file in step.body.get("PropertyFiles") or []}
        return "s3://bucket/key" if reference.path[1:] and reference.path[1] in files else None
    if step.type == "Lambda":
        outputs = {output["OutputName"] for output in step.body.get("OutputParameters") or []}
        return AnyText("text") if reference.path[1:] and reference.path[1] in outputs else None
    if step.type not in _DESCRIBES:
        return AnyText("text") if reference.path else None
    shape = service_model.service().operation_model(_DESCRIBES[step.type]).output_shape
    for token in reference.path:
        shape = _member(shape, token)
        if shape is None:
            return None
    return _of_type(shape)


def _member(shape: Any, token: str | int) -> Any:
    if shape.type_name == "structure":
        return shape.members.get(token)
    if shape.type_name == "list":
        return shape.member
    return shape.value if shape.type_name == "map" else None


def _of_type(shape: Any) -> Any:
    if shape.type_name in ("integer", "long"):
        return 1
    if shape.type_name in ("float", "double"):
        return 0.5
    if shape.type_name == "boolean":
        return True
    if shape.name.endswith("Arn"):
        return "arn:aws:sagemaker:us-east-1:123456789012:model-package/name/1"
    return "s3://bucket/key" if re.search("Uri|Url|S3", shape.name) else "name"
