"""Builds what the engine has not got: one image of the Dockerfile under the tag of its content.

An image that is there under that tag is not built again; only its second name, `local`, is set anew, by which
a local run knows an image that a definition names in a registry.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from pipeline import docker
from pipeline.errors import UsageError
from pipeline.images import engine, pip_settings, sources
from pipeline.images.sources import HERE, Checkout
from pipeline.lineage import commit_of

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"  # the CPU build of torch, which PyPI has not got
PLATFORM = "linux/amd64"  # the processors that SageMaker's instances of config/ have


@dataclass(frozen=True)
class Options:
    base: str | None = None  # the image to build on, instead of the Dockerfile's own
    network: str | None = None  # docker's --network
    torch_index: str = TORCH_INDEX  # "": none

    def __post_init__(self) -> None:
        if re.match(r"\w+://[^/]*@", self.torch_index):
            raise UsageError(
                "--torch-index holds a user or a password, and would stay in the image's history; "
                "put it into pip's settings instead, as PIP_EXTRA_INDEX_URL"
            )


@dataclass(frozen=True)
class Built:
    target: str
    image: str  # sentiment/serving:3f2a90c1d4e5b687
    bytes: int
    built: bool  # False: it was there


def build(
    target: str,
    options: Options,
    progress: TextIO,
    note: Callable[[str], None],
    checkout: Checkout = HERE,
) -> Built:
    """One image of the Dockerfile. Raises EngineFailed, and UsageError for pip's settings."""
    image = sources.name(target, options.base, checkout)
    with engine.advised():
        there = docker.image_id(image) is not None
        if there:
            docker.run("tag", image, sources.local(target, checkout))
        else:
            with pip_settings.secrets(note) as secrets:
                command = arguments(target, image, options, checkout)
                engine.stream(progress, "build", *command, *secrets, str(checkout.root))
        return Built(target, image, engine.size(image), not there)


def arguments(target: str, image: str, options: Options, checkout: Checkout) -> list[str]:
    """Of `docker build`, but for the secrets and the folder."""
    labels = {
        "org.opencontainers.image.revision": commit_of(checkout.root),
        "sentiment.lock": sources.lock_hash(target, checkout),
    }
    given = {"TORCH_INDEX": options.torch_index, **({"BASE": options.base} if options.base else {})}
    return [
        *("--file", str(checkout.root / sources.DOCKERFILE)),
        *("--target", target),
        *("--platform", PLATFORM),
        *(("--network", options.network) if options.network else ()),
        *(word for name in (image, sources.local(target, checkout)) for word in ("--tag", name)),
        *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
        *(word for key, value in given.items() for word in ("--build-arg", f"{key}={value}")),
    ]
