"""The expressions of a pipeline definition: Get, Std:Join, Std:JsonGet, and the conditions.

Resolving is pure but for the property file that a JsonGet reads. What cannot be resolved is an error with the
whole reference in it; a comparison with something that is not a number (NaN, null, text) is an error too and
never false, because `not (NaN < threshold)` would otherwise let a broken metric pass a gate.
"""

import json
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.dag import Reference, parse_get, path_tokens
from pipeline.errors import ExpressionError, PipelineError, StepNotExecuted

# In a list of AWS's, ['train'] picks the item whose name is train.
_NAME_KEYS = ("OutputName", "InputName", "ChannelName", "MetricName", "Name")


@dataclass(frozen=True)
class Scope:
    """What references may see: parameter values, execution variables, the properties of steps that have ended
    (the shape that Describe* answers, plus PropertyFiles: name -> s3 URI), and a reader of s3 URIs."""

    parameters: Mapping[str, Any]
    execution: Mapping[str, Any]
    steps: Mapping[str, Mapping[str, Any]]
    read: Callable[[str], bytes]


def resolve(value: Any, scope: Scope) -> Any:
    """A value of the definition with every expression in it replaced.

    {"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.Bucket"}]}} -> "s3://reviews"
    """
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"}:
        return _get(parse_get(value["Get"]), scope)
    if set(value) == {"Std:Join"}:
        join = value["Std:Join"]
        return str(join.get("On", "")).join(_text(resolve(item, scope)) for item in join["Values"])
    if set(value) == {"Std:JsonGet"}:
        return _json_get(value["Std:JsonGet"], scope)
    return {key: resolve(item, scope) for key, item in value.items()}


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        raise ExpressionError(f"Std:Join takes strings and numbers, not {json.dumps(value)[:80]}")
    return value if isinstance(value, str) else json.dumps(value)


def _get(reference: Reference, scope: Scope) -> Any:
    if reference.source == "Steps":
        if reference.name not in scope.steps:
            raise StepNotExecuted(reference.name)
        return _walk(scope.steps[reference.name], reference.path, str(reference))
    names = scope.parameters if reference.source == "Parameters" else scope.execution
    if reference.name not in names:
        raise ExpressionError(f"{reference} has no value; known are: {', '.join(sorted(names))}")
    return _walk(names[reference.name], reference.path, str(reference))


def _json_get(body: dict[str, Any], scope: Scope) -> Any:
    uri = resolve(body["S3Uri"] if "S3Uri" in body else body["PropertyFile"], scope)
    try:
        document = json.loads(scope.read(uri))
    except (OSError, ValueError, PipelineError) as error:
        raise ExpressionError(f"Std:JsonGet cannot read {uri}: {error}") from error
    return _walk(document, path_tokens(body["Path"].removeprefix("$")), f"{body['Path']} in {uri}")


def _walk(value: Any, path: tuple[str | int, ...], whole: str) -> Any:
    for token in path:
        try:
            if isinstance(value, list) and isinstance(token, str):
                value = next(item for item in value if any(item.get(key) == token for key in _NAME_KEYS))
            else:
                value = value[token]
        except (KeyError, IndexError, TypeError, AttributeError, StopIteration):
            found = f"; there are: {', '.join(sorted(map(str, value)))}" if isinstance(value, Mapping) else ""
            raise ExpressionError(f"{whole}: there is no {token!r}{found}") from None
    return value


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
CONDITIONS = frozenset([*_COMPARISONS, "Equals", "In", "Not", "Or"])


def holds(condition: dict[str, Any], scope: Scope) -> bool:
    """Whether one condition is true. Several in a Condition step are joined with "and" by the caller."""
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition"], scope)
    if kind == "Or":
        return any(holds(each, scope) for each in condition["Conditions"])
    if kind == "In":
        query = resolve(condition["QueryValue"], scope)
        return any(_same(query, resolve(each, scope)) for each in condition["Values"])
    left, right = resolve(condition["LeftValue"], scope), resolve(condition["RightValue"], scope)
    if kind == "Equals":
        return _same(left, right)
    return _COMPARISONS[kind](_number(left, condition), _number(right, condition))


def _same(left: Any, right: Any) -> bool:
    for value in (left, right):
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            raise ExpressionError(f"a condition compares {value!r}, which is no value")
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _number(value: Any, condition: dict[str, Any]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ExpressionError(
            f"{condition['Type']} compares numbers, and {value!r} is not one: {json.dumps(condition)[:200]}"
        )
    return value
