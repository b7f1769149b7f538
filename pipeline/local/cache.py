"""Step caching: when a job's result of an earlier execution stands, and, when none does, what changed.

The key is what AWS documents (cache_keys.py), with one difference that helps: an input counts by its content
rather than by its URI, so does a container's image, and a transform's model by what it was made of. (On AWS
a transform after CreateModel always misses, because the model's name is new: sagemaker-python-sdk#3392.)
Looking costs one pass over the inputs, to hash them.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import cache_keys, durations
from pipeline.dag import Step
from pipeline.errors import ObjectNotFound
from pipeline.local.store import Document, Store
from pipeline.storage import FolderStorage

_ENTRY = "CacheEntry"
MOST_CHANGES = 5  # named of a miss
_INPUT = re.compile(r"(?:ProcessingInputs|InputDataConfig|TransformInput)(?:\[(.+?)\])?\..*S3Uri")
_ARGUMENT = re.compile(r"AppSpecification\.ContainerArguments\[(\d+)\]")


@dataclass(frozen=True)
class Lookup:
    """found: the stored result, or None; message: why, in one line; key: to store a new result under."""

    found: Document | None
    message: str
    key: dict[str, str]


class Cache:
    def __init__(
        self,
        store: Store,
        storage: FolderStorage,
        container_of: Callable[[str], Document],
        identify: Callable[[str], str | None],
    ) -> None:
        self._store = store
        self._storage = storage
        self._container_of = container_of  # name of a model -> its container
        self._identify = identify  # name of an image -> what it holds

    def look(self, pipeline: str, step: Step, request: Document) -> Lookup | None:
        """None for a step that is not to be cached."""
        config = step.body.get("CacheConfig") or {}
        if not cache_keys.is_cached(step.type, step.body):
            return None
        key = self._key(step.type, request)
        entry = self._store.get(_ENTRY, _name(pipeline, step.name, key))
        if entry is None:
            return Lookup(None, self._what_changed(pipeline, step.name, key), key)
        since = datetime.fromtimestamp(entry["Time"]).strftime("%Y-%m-%d %H:%M:%S")
        expiry = config.get("ExpireAfter")
        if expiry and self._store.clock() - entry["Time"] > durations.seconds(expiry):
            return Lookup(None, f"the result of {since} is older than {expiry}", key)
        if gone := [uri for uri in entry["Outputs"] if not self._storage.exists(uri)]:
            return Lookup(None, f"the result of {since} is no longer in storage: {gone[0]}", key)
        return Lookup(entry["Result"], f"cached since {since}", key)

    def add(self, pipeline: str, step: Step, key: dict[str, str], result: Document) -> None:
        """Keep the result of a job that succeeded; the newest is the one that is found."""
        name = _name(pipeline, step.name, key)
        entry = {
            "Key": key,
            "Result": result,
            "Outputs": sorted(filter(self._storage.exists, _outputs(step.type, result["Properties"]))),
            "Time": self._store.clock(),
        }
        with self._store.transaction():
            self._store.delete(_ENTRY, name)
            self._store.put(_ENTRY, name, entry, parent=f"{pipeline}/{step.name}")

    def _key(self, kind: str, request: Document) -> dict[str, str]:
        """The key as a flat mapping, so that two keys can be compared member by member."""
        members = cache_keys.key_of(kind, request)
        if "ModelName" in members:
            container = self._container_of(members.pop("ModelName"))
            members["Model"] = {**container, "ModelDataUrl": self._content(container["ModelDataUrl"])}
        if content := self._identify(_image(members)):
            members["image"] = content
        return dict(_flat(self._by_content(members), ""))

    def _by_content(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._by_content(item) for item in value]
        if isinstance(value, dict):
            return {
                key: self._content(item)
                if key == "S3Uri" and self._is_input(value)
                else self._by_content(item)
                for key, item in value.items()
            }
        return value

    @staticmethod
    def _is_input(source: Document) -> bool:
        return "S3DataType" in source  # CheckpointConfig has an S3Uri as well, and its content is no input

    def _content(self, uri: str) -> str:
        try:
            return content_digest(self._storage.path(uri))
        except (ObjectNotFound, OSError):
            return f"missing: {uri}"

    def _what_changed(self, pipeline: str, step: str, key: dict[str, str]) -> str:
        entries = self._store.all(_ENTRY, parent=f"{pipeline}/{step}")
        if not entries:
            return "no earlier result to reuse"
        entries.sort(key=lambda entry: -entry["Time"])
        nearest = min(entries, key=lambda entry: len(_differing(entry["Key"], key)))
        since = "last result"
        if nearest is not entries[0]:
            since = f"nearest result, of {datetime.fromtimestamp(nearest['Time']):%Y-%m-%d %H:%M:%S}"
        changed = _differing(nearest["Key"], key)
        changed.sort(key=lambda name: (_is_content(key.get(name)), name))  # settings first, then contents
        changes = [_change(name, nearest["Key"].get(name), key) for name in changed]
        more = f" and {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
        return f"changed since the {since}: {'; '.join(changes[:MOST_CHANGES])}{more}"


def _differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]


def _image(members: Document) -> str:
    """The image that a key names: of a processing or training job, or of a transform's model."""
    application, algorithm = members.get("AppSpecification", {}), members.get("AlgorithmSpecification", {})
    found = (
        application.get("ImageUri") or algorithm.get("TrainingImage") or members.get("Model", {}).get("Image")
    )
    return found or ""


def _name(pipeline: str, step: str, key: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return f"{pipeline}/{step}/{digest}"


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """{"HyperParameters": {"epochs": "3"}} -> ("HyperParameters.epochs", "3"); named items of a list go by
    their name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            name = item.get("InputName") or item.get("ChannelName") if isinstance(item, dict) else None
            yield from _flat(item, f"{path}[{name or index}]")
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _label(name: str, key: dict[str, str]) -> str:
    """How a person calls a member of a key: "input raw", "argument --seed", else the member's own path."""
    if match := _INPUT.fullmatch(name):
        return f"input {match[1]}" if match[1] else "the input"
    if match := _ARGUMENT.fullmatch(name):
        option = key.get(f"AppSpecification.ContainerArguments[{int(match[1]) - 1}]", "")
        return f"argument {option}" if option.startswith("--") else f"argument {match[1]}"
    return "the model" if name == "Model.ModelDataUrl" else name


def _is_content(value: str | None) -> bool:
    return value is not None and value.startswith("sha256:")


def _change(name: str, before: str | None, key: dict[str, str]) -> str:
    """HyperParameters.epochs: '2' -> '3', or for what counts by its content: input train: other content"""
    now, label = key.get(name), _label(name, key)
    return f"{label}: other content" if _is_content(now) else f"{label}: {_short(before)} -> {_short(now)}"


def _short(value: str | None) -> str:
    return "none" if value is None else repr(value if len(value) <= 60 else value[:57] + "...")


def content_digest(path: Path) -> str:
    """The hash of a file's name and content, or of a folder's relative names and contents in sorted order."""
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    if not files:
        raise FileNotFoundError(path)
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        name = file.name if file == path else file.relative_to(path).as_posix()
        digest.update(f"{name}\0{content}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _outputs(kind: str, properties: Document) -> Iterator[str]:
    if kind == "Processing":
        for output in (properties.get("ProcessingOutputConfig") or {}).get("Outputs", []):
            yield output["S3Output"]["S3Uri"]
    elif kind == "Training":
        yield properties["ModelArtifacts"]["S3ModelArtifacts"]
    else:
        yield properties["TransformOutput"]["S3OutputPath"]
