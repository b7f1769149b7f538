"""The definition as a document: its size, its names, its parameters, the durations in it."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import durations
from pipeline.dag import INLINE_BYTES, Definition, references
from pipeline.finding import Finding

_MOST_BYTES = 1_048_576  # of PipelineDefinition in CreatePipeline
_LONGEST = {"DisplayName": 256, "Description": 3072}
_LONGEST_VALUE = 1024  # of a parameter in StartPipelineExecution
_MOST_PARAMETERS = 200  # in StartPipelineExecution
_TYPES: dict[str, type | tuple[type, ...]] = {
    "String": str,
    "Integer": int,
    "Float": (int, float),
    "Boolean": bool,
}


def check(text: str, definition: Definition, values: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _size(len(text.encode()))
    yield from _names(definition)
    yield from _declarations(definition)
    yield from _uses(definition)
    yield from _values(values)
    yield from _caches(definition)


def _size(size: int) -> Iterator[Finding]:
    if size > _MOST_BYTES:
        problem = f"it has {size:,} bytes, and CreatePipeline takes {_MOST_BYTES:,} at most"
        yield Finding("", "", problem, "split the pipeline, or move what is long into a file of a step")
    elif size > INLINE_BYTES:
        problem = f"it has {size:,} bytes, more than the {INLINE_BYTES:,} that fit in the request"
        yield Finding("", "", problem, "nothing to do: it goes through S3", severity="note")


def _names(definition: Definition) -> Iterator[Finding]:
    for step in definition.steps.values():
        for key, most in _LONGEST.items():
            if (found := len(step.body.get(key, ""))) > most:
                yield Finding(step.name, key, f"it has {found} characters", f"use {most} at most")


def _declarations(definition: Definition) -> Iterator[Finding]:
    remedy = "correct pipeline/parameters.py"
    if (count := len(definition.parameters)) > _MOST_PARAMETERS:
        yield Finding("", "", f"there are {count} parameters", f"declare {_MOST_PARAMETERS} at most")
    for name, declared in definition.parameters.items():
        kind, choices = declared.get("Type"), declared.get("EnumValues")
        if kind not in _TYPES:
            yield Finding("", name, f"its type {kind!r} is none of {', '.join(_TYPES)}", remedy)
            continue
        if (default := declared.get("DefaultValue")) is None:
            continue
        if not isinstance(default, _TYPES[kind]) or (isinstance(default, bool) and kind != "Boolean"):
            yield Finding("", name, f"its default {default!r} is no {kind}", remedy)
        elif choices and default not in choices:
            yield Finding(
                "", name, f"its default {default!r} is none of {', '.join(map(str, choices))}", remedy
            )


def _uses(definition: Definition) -> Iterator[Finding]:
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


def _values(values: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in values.items():
        if (found := len(str(value))) > _LONGEST_VALUE:
            yield Finding("", name, f"its value has {found} characters", f"set {_LONGEST_VALUE} at most")


def _caches(definition: Definition) -> Iterator[Finding]:
    for step in definition.steps.values():
        expiry = (step.body.get("CacheConfig") or {}).get("ExpireAfter")
        if expiry is None:
            continue
        try:
            durations.seconds(expiry)
        except ValueError as error:
            yield Finding(step.name, "CacheConfig.ExpireAfter", str(error), "write an ISO 8601 duration")
