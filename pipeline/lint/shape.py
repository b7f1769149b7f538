"""What the other checks read, beside the requests of the steps: is it of the right type?

A request is judged by botocore's model, in requests.py. The language of the definition around it has no model
that is published; the parts of it that are read here stand below, and whatever else a step has may stay.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.dag import Definition
from pipeline.finding import Finding

_EXPRESSIONS = {"Get", "Std:Join", "Std:JsonGet"}
_REMEDY = "correct pipeline/definition.py"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Parameter(_Strict):
    Type: str
    EnumValues: list[Any] | None = None


class _RetryPolicy(_Strict):
    ExceptionType: list[str]
    IntervalSeconds: float = 1
    MaxAttempts: int = 1
    ExpireAfterMin: int = 1


class _Cache(_Strict):
    ExpireAfter: str | None = None


class _PropertyFile(_Strict):
    PropertyFileName: str
    OutputName: str
    FilePath: str


class _Output(_Strict):
    OutputName: str


class _Step(_Strict):
    DisplayName: str = ""
    Description: str = ""
    RetryPolicies: list[_RetryPolicy] = []
    CacheConfig: _Cache = _Cache()
    PropertyFiles: list[_PropertyFile] = []
    OutputParameters: list[_Output] = []


def check(definition: Definition) -> Iterator[Finding]:
    for name, body in definition.parameters.items():
        yield from _faults(_Parameter, body, "", name)
    for step in definition.steps.values():
        yield from _faults(_Step, step.body, step.name, "")
        if _EXPRESSIONS & step.arguments.keys():
            yield Finding(step.name, "Arguments", "it is an expression, not an object", _REMEDY)
        for join in _joins(step.arguments):
            if not isinstance(join, dict) or not isinstance(join.get("Values"), list):
                yield Finding(step.name, "", f"Std:Join: {join!r} has no list of Values", _REMEDY)


def _faults(model: type[BaseModel], body: dict[str, Any], step: str, place: str) -> Iterator[Finding]:
    try:
        model.model_validate(body)
    except ValidationError as error:
        for fault in error.errors():
            path = ".".join(str(part) for part in (place, *fault["loc"]) if part != "")
            yield Finding(step, path, fault["msg"], _REMEDY)


def _joins(value: Any) -> Iterator[Any]:
    """What stands behind each Std:Join in a value, at any depth."""
    if isinstance(value, dict):
        if "Std:Join" in value:
            yield value["Std:Join"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _joins(item)
