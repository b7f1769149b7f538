"""What SageMaker would say of a request, asked of botocore's own service model.

botocore's validator knows types, required members, unknown members and minimum lengths; SageMaker also
rejects values outside an enum, a pattern or a maximum. Both are checked here, so that `lint` finds before an
upsert, and the local service answers, what AWS would. Importing botocore costs a quarter of a second: import
this late.
"""

import difflib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.loaders
import botocore.model
from botocore.validate import ParamValidator


@cache
def service(name: str = "sagemaker") -> botocore.model.ServiceModel:
    """The model of a service as botocore ships it."""
    loader = botocore.loaders.Loader()
    return botocore.model.ServiceModel(loader.load_service_model(name, "service-2"), name)


def validate(operation: str, request: dict[str, Any], service_name: str = "sagemaker") -> list[str]:
    """Every fault of a request, one sentence each; an empty list when SageMaker would accept its shape.

    validate("DescribePipeline", {}) -> ['Missing required parameter in input: "PipelineName"']
    """
    shape = service(service_name).operation_model(operation).input_shape
    if shape is None:
        return []
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        return sorted(report.generate_report().splitlines())
    return list(_constraint_faults(request, shape, ""))


def _constraint_faults(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Breaches of enum, pattern and length, which botocore leaves to the service."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                yield from _constraint_faults(member, shape.members[name], f"{path}.{name}" if path else name)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _constraint_faults(item, shape.member, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _constraint_faults(key, shape.key, f"{path} (key {key!r})")
            yield from _constraint_faults(item, shape.value, f"{path}[{key!r}]")
    if fault := _fault(value, shape):
        yield f"{path}: {fault}"


class AnyText(str):
    """A text that is not known yet: `validate` takes it to fit whatever enum, pattern and length is asked."""


def _fault(value: Any, shape: Any) -> str | None:
    if isinstance(value, AnyText):
        return None
    rules = shape.metadata
    if shape.type_name == "string" and isinstance(value, str):
        if "enum" in rules and value not in rules["enum"]:
            return f"{value!r} is none of {_choices(value, rules['enum'])}"
        pattern = _pattern(rules["pattern"]) if "pattern" in rules else None
        if pattern and not pattern.fullmatch(value):
            return f"{value!r} does not match the pattern {rules['pattern']}"
    size = value if shape.type_name in ("integer", "long", "float", "double") else _length(value)
    if size is not None and "max" in rules and size > rules["max"]:
        return f"{size} is more than the {rules['max']} allowed"
    return None


def _choices(value: str, choices: list[str]) -> str:
    if len(choices) <= 12:
        return ", ".join(choices)
    near = difflib.get_close_matches(value, choices, n=5, cutoff=0)
    return f"the {len(choices)} allowed; the nearest are {', '.join(near)}"


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str | list | dict | bytes) else None


@cache
def _pattern(text: str) -> re.Pattern[str] | None:
    """None for the few patterns in Java's dialect (\\p{L}: any letter of any script) that Python cannot
    read."""
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        return None
