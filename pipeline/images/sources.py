"""What an image is made of, and the tag that says so.

A tag is a hash of the files that go into an image, computed without asking an engine. The settings name
images by it: a plan shows an image's change, and what is there already is not built again. What the files do
not say, such as Debian's packages of the day, is not in it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError

ROOT = Path(__file__).parents[2]
TARGETS = ("processing", "training", "serving")  # of the Dockerfile
DOCKERFILE = "containers/Dockerfile"
DIGITS = 16  # of the hash, in a tag

_COMMON = (DOCKERFILE, "containers/install")
_LOCKS = {  # what the stages of a target install
    "processing": ("containers/processing.lock",),
    "training": ("containers/torch.lock", "containers/training.lock"),
    "serving": ("containers/torch.lock", "containers/serving.lock"),
}
_PROGRAM = {"serving": ("containers/serving", "**/*.py")}  # what they copy besides


@dataclass(frozen=True)
class Checkout:
    """A folder with containers/Dockerfile in it, and what the engine's names of its images begin with."""

    root: Path = ROOT
    prefix: str = "sentiment"


HERE = Checkout()


def tag(target: str, base: str | None = None, checkout: Checkout = HERE) -> str:
    """tag("serving") -> "3f2a90c1d4e5b687". `base`: what it is built on, if not the Dockerfile's own.

    Raises UsageError where a file is missing.
    """
    found = hashlib.sha256()
    for part in (target.encode(), (base or "").encode()):
        _add(found, part)
    for path in files(target, checkout):
        _add(found, path.relative_to(checkout.root).as_posix().encode())
        _add(found, _read(path))
    return found.hexdigest()[:DIGITS]


def name(target: str, base: str | None = None, checkout: Checkout = HERE) -> str:
    """What the engine of this machine calls it: "sentiment/serving:3f2a90c1d4e5b687"."""
    return f"{checkout.prefix}/{target}:{tag(target, base, checkout)}"


def local(target: str, checkout: Checkout = HERE) -> str:
    """What the one that was built last is called besides."""
    return f"{checkout.prefix}/{target}:local"


def files(target: str, checkout: Checkout = HERE) -> Iterator[Path]:
    """The files that go into it, in an order of their own."""
    yield from (checkout.root / name for name in (*_COMMON, *_LOCKS[target]))
    if target in _PROGRAM:
        folder, pattern = _PROGRAM[target]
        yield from sorted((checkout.root / folder).glob(pattern))


def lock_hash(target: str, checkout: Checkout = HERE) -> str:
    """Of the versions that it has: the sha256 of its locks."""
    found = hashlib.sha256()
    for lock in _LOCKS[target]:
        _add(found, _read(checkout.root / lock))
    return found.hexdigest()


def _add(found: "hashlib._Hash", part: bytes) -> None:
    """With its length, so that no two lists of parts are the same bytes."""
    found.update(len(part).to_bytes(8, "big") + part)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; an image is made of it: use a complete checkout, from git"
        ) from error
