"""An example in place of each expression, so that a request can be judged before there is an execution.

A parameter stands for the value that was set, else its default. A property of another step gets the type that
its Describe operation answers. The type of what a JsonGet reads is unknown until it is read; it counts as a
number here, which is what gates and metrics read.
"""

import re
from collections.abc import Mapping
from typing import Any

from pipeline import service_model
from pipeline.dag import Definition, Reference, parse_get
from pipeline.service_model import AnyText

_DESCRIBES = {  # step type -> the operation whose answer its properties have the shape of
    "Processing": "DescribeProcessingJob",
    "Training": "DescribeTrainingJob",
    "Transform": "DescribeTransformJob",
    "Model": "DescribeModel",
    "RegisterModel": "DescribeModelPackage",
}


def resolved(value: Any, definition: Definition, values: Mapping[str, Any]) -> Any:
    """The value with an example in place of each expression."""
    if isinstance(value, list):
        return [resolved(item, definition, values) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Std:Join"}:
        join = value["Std:Join"]
        parts = [resolved(item, definition, values) for item in join["Values"]]
        text = str(join.get("On", "")).join(map(str, parts))
        return AnyText(text) if any(isinstance(part, AnyText) for part in parts) else text
    if set(value) == {"Std:JsonGet"}:
        return 0.5
    if set(value) == {"Get"}:
        return _example(parse_get(value["Get"]), definition, values)
    return {key: resolved(item, definition, values) for key, item in value.items()}


def _example(reference: Reference, definition: Definition, values: Mapping[str, Any]) -> Any:
    if reference.source == "Parameters":
        declared = definition.parameters.get(reference.name, {})
        by_type = {"Integer": 1, "Float": 0.5, "Boolean": True}.get(declared.get("Type", ""), "text")
        return values.get(reference.name, declared.get("DefaultValue", by_type))
    if reference.source == "Execution":
        return "a1b2c3d4e5f6"
    return property_of(reference, definition)


def property_of(reference: Reference, definition: Definition) -> Any:
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
