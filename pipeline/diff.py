"""What differs between two definitions, part by part and path by path, as a person reads it.

Expressions are shown as what they mean ("s3://bucket/{Execution.PipelineExecutionId}/Train"). The items of a
list go by their names where they have any, so that an item put in front changes one line and not all.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.dag import Definition, Step

# In a list of AWS's, what the items are called by.
NAMES = ("Name", "InputName", "OutputName", "ChannelName", "MetricName", "PropertyFileName", "ParameterName")


Action = Literal["add", "change", "remove"]


@dataclass(frozen=True)
class Change:
    """A value at a path. Without `before` it is new, without `after` it goes."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Part:
    """A parameter or a step that differs."""

    name: str
    kind: str  # its type
    action: Action
    changes: tuple[Change, ...]
    description: str = ""


@dataclass(frozen=True)
class Difference:
    """Steps and parameters in the order of the new definition; what is gone comes last."""

    parameters: tuple[Part, ...]
    steps: tuple[Part, ...]
    rest: tuple[Change, ...]  # of what is neither: Version, Metadata …; or the order, where that is all

    def __bool__(self) -> bool:
        return bool(self.parameters or self.steps or self.rest)


def between(old: Definition, new: Definition) -> Difference:
    """No difference is found exactly where the two are the same JSON."""
    found = Difference(
        parameters=_parts(_parameters(old), _parameters(new)),
        steps=_parts(_steps(old), _steps(new)),
        rest=changes(_rest(old), _rest(new)),
    )
    if not found and not same(old.body, new.body):
        return Difference((), (), (Change("definition", "as it is", "the same in another order"),))
    return found


_Described = tuple[str, str, Mapping[str, Any]]  # type, description, content


def _parameters(definition: Definition) -> dict[str, _Described]:
    return {name: (str(body.get("Type", "")), "", body) for name, body in definition.parameters.items()}


def _steps(definition: Definition) -> dict[str, _Described]:
    return {name: _step(step) for name, step in definition.steps.items()}


def _rest(definition: Definition) -> dict[str, Any]:
    return {key: value for key, value in definition.body.items() if key not in ("Parameters", "Steps")}


def _step(step: Step) -> _Described:
    body = {key: value for key, value in step.body.items() if key not in ("Name", "Arguments")}
    branch = step.branch and f"{step.branch.condition} is {str(step.branch.outcome).lower()}"
    content = {**step.arguments, **body, "runs if": branch}
    return step.type, str(step.body.get("DisplayName", "")), content


def _parts(old: Mapping[str, _Described], new: Mapping[str, _Described]) -> tuple[Part, ...]:
    found = []
    for name in [*new, *(name for name in old if name not in new)]:
        kind, description, _ = new[name] if name in new else old[name]
        action: Action = "add" if name not in old else "remove" if name not in new else "change"
        differs = changes(old[name][2] if name in old else {}, new[name][2] if name in new else {})
        if differs or action != "change":
            found.append(Part(printable(name), printable(kind), action, differs, printable(description)))
    return tuple(found)


def changes(old: Any, new: Any) -> tuple[Change, ...]:
    """changes({"HyperParameters": {"epochs": "2"}}, {"HyperParameters": {"epochs": "3"}}) ->
    (Change("HyperParameters.epochs", "2", "3"),)
    """
    before, after = dict(leaves(old)), dict(leaves(new))
    return tuple(
        _change(path, before, after)
        for path in [*after, *(path for path in before if path not in after)]
        if not (path in before and path in after and same(before[path], after[path]))
        if not (_filled(path, before, after) or _filled(path, after, before))
    )


def _filled(path: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Is it an empty object here and has members there? They say it all."""
    return one.get(path) in ({}, []) and any(each.startswith((f"{path}.", f"{path}[")) for each in other)


def _change(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    old = readable(before[path]) if path in before else None
    new = readable(after[path]) if path in after else None
    if old == new:  # "3" became 3
        old, new = json.dumps(before[path]), json.dumps(after[path])
    return Change(printable(path), old, new)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: 1, 1.0 and true are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its path. An expression is one value, and so is a list of values."""
    if isinstance(value, dict) and value and not is_expression(value):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and (items := _named(value)):
        for name, item in items.items():
            yield from leaves(item, f"{path}[{name}]")
    elif value is not None and (path or value != {}):
        yield path, value


def _named(items: list[Any]) -> dict[str, Any] | None:
    """The items by their names, else by their places; None for plain values, which are read together."""
    if any(isinstance(item, str) and item.startswith("--") for item in items):
        return _options(items)
    if not all(isinstance(item, dict) and not is_expression(item) for item in items):
        return None
    if all(set(item) == {"Key", "Value"} for item in items):  # tags
        named = {str(item["Key"]): item["Value"] for item in items}
    else:
        member = next((name for name in NAMES if all(name in item for item in items)), "")
        named = {
            str(item.get(member, place)): {key: each for key, each in item.items() if key != member} or item
            for place, item in enumerate(items)
        }
    return named if len(named) == len(items) else {str(place): item for place, item in enumerate(items)}


def _options(items: list[Any]) -> dict[str, Any] | None:
    """["--seed", "1", "--fast"] -> {"--seed": "1", "--fast": True}"""
    found: dict[str, Any] = {}
    option = ""
    for item in items:
        if isinstance(item, str) and item.startswith("--"):
            if item in found:
                return None
            option = item
            found[option] = True
        elif option and found[option] is True:
            found[option] = item
        else:
            return None
    return found


def is_expression(value: Any) -> bool:
    """{"Get": …}, {"Std:Join": {"On": …, "Values": […]}} or {"Std:JsonGet": {…, "Path": …}}"""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((kind, body),) = value.items()
    if kind == "Get":
        return isinstance(body, str)
    wanted = {"Std:Join": ("Values", list), "Std:JsonGet": ("Path", str)}.get(kind)
    return wanted is not None and isinstance(body, dict) and isinstance(body.get(wanted[0]), wanted[1])


def readable(value: Any) -> str:
    """{"Std:Join": {"On": "/", "Values": ["s3://b", {"Get": "Parameters.Folder"}]}} -> s3://b/{Parameters.Folder}

    On one line, and without a character that a terminal would obey.
    """
    return printable(_text(value))


def printable(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if not is_expression(value):
        return json.dumps(value)
    ((kind, body),) = value.items()
    if kind == "Get":
        return f"{{{body}}}"
    if kind == "Std:Join":
        return str(body.get("On", "")).join(_text(item) if item != "" else "" for item in body["Values"])
    at = body.get("PropertyFile", body.get("S3Uri"))
    return f"{{{_text(at).strip('{}')}: {body['Path']}}}"
