"""Images and the instance types that they run on: what ECR's addresses say, and what AWS publishes where.

The list of AWS's images is the one that the SageMaker SDK carries, read as JSON: importing the SDK for it
takes seconds. It tells regions, accounts and repositories for certain. Of tags it lists one spelling each, so
an unknown one is no more than a doubt.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/"
    r"(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_GRAVITON = re.compile(r"[a-z]+\d+g([dn][a-z]*)?|g5g")  # m6g, c6gd, c7gn; but g4dn and g5 have a GPU
_LOCAL_STORAGE = re.compile(r".*d.*|(g5|g6|g7e|p5|p6-b200|trn1|trn2).*")  # as the SDK has it
_NOT_PLAIN = re.compile("huggingface|neuron|graviton|arm64")  # whose tags are made in ways of their own


@dataclass(frozen=True)
class Image:
    """An image in ECR."""

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, uri: str) -> "Image | None":
        """None for what is not in ECR, which is where SageMaker pulls from."""
        match = _ECR.fullmatch(uri)
        return cls(**match.groupdict()) if match else None

    @property
    def processor(self) -> str:
        """cpu, gpu, arm or neuron, as far as the address tells; else nothing."""
        words = re.split(r"[^a-z0-9]+", f"{self.repository}-{self.tag or ''}".lower())
        if {"graviton", "arm64"} & set(words):
            return "arm"
        if any(word.startswith("neuron") for word in words):
            return "neuron"
        if any(word == "gpu" or re.fullmatch(r"cu\d+", word) for word in words):
            return "gpu"
        return "cpu" if "cpu" in words else ""


def registry(uri: str) -> str | None:
    """ "127.0.0.1:5000/a/b:1" -> "127.0.0.1:5000"; None for a name that is known to an engine only."""
    host, slash, _ = uri.partition("/")
    return host if slash and (set(".:") & set(host) or host == "localhost") else None


def named_in(step_type: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(where it stands, the image), for each image that a step's request names as text."""
    found: list[tuple[str, Any]] = []
    if step_type == "Processing":
        found = [("AppSpecification.ImageUri", (arguments.get("AppSpecification") or {}).get("ImageUri"))]
    elif step_type == "Training":
        algorithm = arguments.get("AlgorithmSpecification") or {}
        found = [("AlgorithmSpecification.TrainingImage", algorithm.get("TrainingImage"))]
    elif step_type == "Model":
        found = [("PrimaryContainer.Image", (arguments.get("PrimaryContainer") or {}).get("Image"))]
    elif step_type == "RegisterModel":
        containers = (arguments.get("InferenceSpecification") or {}).get("Containers") or []
        found = [
            (f"InferenceSpecification.Containers[{number}].Image", container.get("Image"))
            for number, container in enumerate(containers)
        ]
    yield from ((path, uri) for path, uri in found if isinstance(uri, str))


def processor(instance_type: str) -> str:
    """ "ml.g5.xlarge" -> "gpu"; cpu, gpu, arm or neuron"""
    family = _family(instance_type)
    if _GRAVITON.fullmatch(family):
        return "arm"
    if family.startswith(("inf", "trn")):
        return "neuron"
    return "gpu" if re.match(r"[gp]\d", family) else "cpu"


def has_local_storage(instance_type: str) -> bool:
    """Has it a disk of its own, which no volume size and no KMS key applies to?"""
    return bool(_LOCAL_STORAGE.fullmatch(_family(instance_type)))


def _family(instance_type: str) -> str:
    return instance_type.split(".")[1] if instance_type.count(".") == 2 else ""


@dataclass(frozen=True)
class Published:
    """A repository of AWS's: the account that holds it in each region, and the tags that are known."""

    accounts: Mapping[str, frozenset[str]]
    tags: frozenset[str]  # empty: not known


@cache
def published() -> dict[str, Published]:
    """AWS's repositories by name."""
    accounts: dict[str, dict[str, set[str]]] = {}
    tags: dict[str, set[str]] = {}
    folder = Path(str(distribution("sagemaker-core").locate_file("sagemaker/core/image_uri_config")))
    for file in sorted(folder.glob("*.json")):
        for version, body in _versions(json.loads(file.read_text("utf-8")), "", {}):
            name = body["repository"]
            for region, account in body["registries"].items():
                accounts.setdefault(name, {}).setdefault(region, set()).add(account)
            tags.setdefault(name, set()).update(() if _NOT_PLAIN.search(name) else _tags(version, body))
    return {
        name: Published({region: frozenset(each) for region, each in regions.items()}, frozenset(tags[name]))
        for name, regions in accounts.items()
    }


def _versions(
    table: Mapping[str, Any], key: str, above: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each version with the members that it has from what it stands in."""
    body = {**above, **{name: table[name] for name in ("processors", "py_versions") if name in table}}
    if "repository" in table and "registries" in table:
        yield key, {**body, **table}
    versions = table.get("versions", {})
    aliases = {
        short: versions[full] for short, full in table.get("version_aliases", {}).items() if full in versions
    }
    for name, inner in {**table, **aliases}.items():
        if isinstance(inner, dict):
            yield from _versions(inner, name, body)


def _tags(version: str, body: Mapping[str, Any]) -> Iterator[str]:
    """("2.10.0", …) -> "2.10.0-cpu-py313": put together as the SDK does."""
    for kind in body.get("processors") or [None]:
        for python in body.get("py_versions") or [None]:
            parts = (
                body.get("tag_prefix", version),
                kind if body.get("processor_in_tag", True) else None,
                python,
                (body.get("container_version") or {}).get(kind),
            )
            yield "-".join(part for part in parts if part)
