"""The part of JSONPath that DataProcessing's filters use: names, indexes, slices, and lists of them.

Our own forty lines rather than a library: the SDK brings one, but it is not a dependency of ours, and of
its language only this part exists on SageMaker. Steps: `.name`, `['name']`, `[2]`, `[-1]`, `[1:]`,
`[0,5:]`, `['id','SageMakerOutput']`.
"""

import re
from typing import Any

from pipeline.errors import UsageError

_STEP = re.compile(r"\.([\w-]+)|\[([^\[\]]*)\]")
_INDEX = re.compile(r"-?\d+")
_SLICE = re.compile(r"(-?\d*):(-?\d*)")
_NAME = re.compile(r"'([^']*)'|\"([^\"]*)\"")

Key = str | int | slice
Path = tuple[tuple[Key, ...], ...]


class JsonPathError(UsageError):
    pass


def parse(text: str) -> Path:
    """Raises JsonPathError for what is none, or lies outside this part of the language."""
    if not text.startswith("$"):
        raise JsonPathError(f"{text!r} does not start with $")
    steps: list[tuple[Key, ...]] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if not match:
            raise JsonPathError(f"{text!r} is not understood from {text[position:]!r} on")
        if match[1] is not None:
            steps.append((match[1],))
        else:
            steps.append(tuple(_key(part.strip(), text) for part in match[2].split(",")))
        position = match.end()
    return tuple(steps)


def _key(part: str, text: str) -> Key:
    if _INDEX.fullmatch(part):
        return int(part)
    if name := _NAME.fullmatch(part):
        return name[1] if name[1] is not None else name[2]
    if bounds := _SLICE.fullmatch(part):
        return slice(*(int(bound) if bound else None for bound in bounds.groups()))
    raise JsonPathError(f"[{part}] in {text!r} is not a name in quotes, an index or a slice")


def select(path: Path, value: Any) -> Any:
    """What the path selects: several names give an object, several indexes or a slice a list.

    select(parse("$['id','label']"), {"id": 7, "review": "…", "label": 1}) -> {"id": 7, "label": 1}
    Raises LookupError, saying what is missing, where there is no such part.
    """
    for keys in path:
        several = len(keys) > 1 or isinstance(keys[0], slice)
        found = [(key, _get(key, value)) for key in keys]
        if not several:
            value = found[0][1]
        elif all(isinstance(key, str) for key in keys):
            value = dict(found)
        else:
            value = [item for key, part in found for item in (part if isinstance(key, slice) else [part])]
    return value


def _get(key: Key, value: Any) -> Any:
    if isinstance(key, str):
        if not isinstance(value, dict) or key not in value:
            raise LookupError(f"it has no member {key!r}")
        return value[key]
    if not isinstance(value, list):
        raise LookupError("it is not a list")
    if isinstance(key, int) and not -len(value) <= key < len(value):
        raise LookupError(f"it has no item {key}")
    return value[key]
