"""Which steps SageMaker will run again after a change of the definition, and why.

Judged from the two definitions alone, with the defaults of their parameters: what `--set` or `--data` changes
for one execution is not known yet. On the safe side: a step that reads what another step writes runs again
when that one does, although the local cache, which knows contents, may still keep its result.
"""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import cache_keys, defaults, diff
from pipeline.dag import Definition, Step, references

_ITEM = re.compile(r"(?:ProcessingInputs|InputDataConfig|ContainerArguments)\[(.+?)\](.*)")
_SHORT = 60  # characters of a value that are shown with a reason


@dataclass(frozen=True)
class Rerun:
    """A step whose earlier result will not be taken."""

    step: str
    reasons: tuple[str, ...]
    always: bool = False  # whether or not the definition changes


def between(old: Definition, new: Definition) -> tuple[Rerun, ...]:
    """In the order in which the steps run; not those that are new, nor those that never have a cache."""
    found: dict[str, Rerun] = {}
    for name in new.order():
        step = new.steps[name]
        if step.type not in cache_keys.MEMBERS:
            found[name] = Rerun(name, (), always=True)  # a model, a gate: made anew each time
        elif always := tuple(_each_time(step, found)):
            found[name] = Rerun(name, always, always=True)
        elif lost := tuple(_lost(old, new, step, found)):
            found[name] = Rerun(name, lost)
    return tuple(
        rerun
        for name, rerun in found.items()
        if name in old.steps and new.steps[name].type in cache_keys.MEMBERS
    )


def _each_time(step: Step, found: Mapping[str, Rerun]) -> Iterator[str]:
    if not cache_keys.is_cached(step.type, step.body):
        yield "its cache is off"
        return
    for path, reference in _references(step):
        if reference.source == "Execution":
            yield f"{label(path)} names the execution, which is another each time"
    made_anew = {name for name, rerun in found.items() if rerun.always}
    yield from _from(step, made_anew, "runs every time")


def _lost(old: Definition, new: Definition, step: Step, found: Mapping[str, Rerun]) -> Iterator[str]:
    before = old.steps.get(step.name)
    if before is None:
        yield "it is new"
        return
    if before.type != step.type or not cache_keys.is_cached(before.type, before.body):
        yield "it was not cached before"
        return
    for change in diff.changes(_key(old, before), _key(new, step)):
        if _is_content(change.path):
            yield f"{label(change.path)} changed"
        else:
            yield f"{label(change.path)}: {_short(change.before)} -> {_short(change.after)}"
    yield from _from(step, found, "runs again")


def _from(step: Step, sources: Container[str], why: str) -> Iterator[str]:
    """ "inputs train and vocabulary come from Preprocess, which runs again" """
    read: dict[str, list[str]] = {}
    for path, reference in _references(step):
        if reference.source == "Steps" and reference.name in sources:
            read.setdefault(reference.name, []).append(label(path))
    for source, labels in read.items():
        yield f"{_joined(labels)} from {source}, which {why}"


def _joined(labels: list[str]) -> str:
    """["input train", "input test"] -> "inputs train and test come" """
    if len(labels) == 1:
        return f"{labels[0]} comes"
    if all(each.startswith("input ") for each in labels):
        labels = [f"inputs {labels[0][6:]}", *(each[6:] for each in labels[1:])]
    return f"{', '.join(labels[:-1])} and {labels[-1]} come"


def _key(definition: Definition, step: Step) -> Any:
    """The cache key of a step, with the defaults of the parameters in it."""
    return defaults.filled(cache_keys.key_of(step.type, step.arguments), definition)


def _references(step: Step) -> Iterator[tuple[str, Any]]:
    for path, value in diff.leaves(cache_keys.key_of(step.type, step.arguments)):
        for reference in references(value):
            yield path, reference


def label(path: str) -> str:
    """How a person calls a member of a key.

    "InputDataConfig[train].DataSource.S3DataSource.S3Uri" -> "input train"
    "AppSpecification.ContainerArguments[--seed]" -> "argument --seed"
    """
    match = _ITEM.search(path)
    if not match:
        return path
    if match[1].startswith("--"):
        return f"argument {match[1]}"
    return f"input {match[1]}" if _is_content(path) else f"{match[2].lstrip('.')} of input {match[1]}"


def _is_content(path: str) -> bool:
    return path.endswith("S3Uri") and not path.startswith("CheckpointConfig")


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    return value if len(value) <= _SHORT else f"{value[: _SHORT - 3]}..."
