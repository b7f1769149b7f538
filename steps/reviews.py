"""The data sets that the pipeline accepts, behind one function: load(path) -> reviews and a summary.

A data set is held in memory as text once (70 MB for 50,000 reviews), because a split needs every review
before the first is written. `check` is for whoever wants to know before a run. What is wrong is a DataError.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import stanford
from records import MAX_BYTES, MAX_REVIEWS, DataError, Review
from tables import read_csv, read_json_lines, read_parquet

__all__ = ["DataError", "Review", "Summary", "check", "load"]

READERS = {".csv": read_csv, ".jsonl": read_json_lines, ".json": read_json_lines, ".parquet": read_parquet}
ARCHIVES = (".tar.gz", ".tgz")
ACCEPTED = f"{', '.join(READERS)}, {' or '.join(ARCHIVES)} (the Stanford archive), or its folder"

MINIMUM = 20  # reviews of each class, in each split that the data brings along
UNDECODABLE_SHARE = 0.01  # of the reviews may hold bytes that are not UTF-8


@dataclass(frozen=True)
class Summary:
    """What a data set holds, before duplicates are dropped."""

    kind: str  # csv, jsonl, json, parquet, "archive" or "folder" (the last two: Stanford's layout)
    file: str  # its name
    sha256: str  # of the file; of a folder: over its sorted names and contents
    reviews: int
    positive: int
    negative: int
    own_test: int  # reviews in its own test split; 0: it has none
    undecodable_bytes: int  # replaced by U+FFFD
    undecodable_reviews: int


def check(path: str | Path) -> Summary:
    """Read a data set whole and say what it holds. DataError where it cannot be used."""
    return load(path)[1]


def load(path: str | Path) -> tuple[list[Review], Summary]:
    """The reviews of a file, of a folder that holds one such file, or of the Stanford layout."""
    try:
        return _load(Path(path))
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error


def _load(path: Path) -> tuple[list[Review], Summary]:
    path = _locate(path)
    if path.is_dir():
        kind = "folder"
        reviews, sha256 = stanford.read_folder(path)
    else:
        kind = "archive" if path.name.endswith(ARCHIVES) else path.suffix[1:]
        if (size := path.stat().st_size) > MAX_BYTES:
            raise DataError(f"{path} has {size:,} bytes, over {MAX_BYTES:,}; use a smaller one")
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        reviews = stanford.read_archive(path) if kind == "archive" else list(READERS[path.suffix](path))
    _refuse(reviews, path)
    labels = Counter(review.label for review in reviews)
    return reviews, Summary(
        kind=kind,
        file=path.name,
        sha256=sha256,
        reviews=len(reviews),
        positive=labels[1],
        negative=labels[0],
        own_test=sum(review.split == "test" for review in reviews),
        undecodable_bytes=sum(review.replaced for review in reviews),
        undecodable_reviews=sum(review.replaced > 0 for review in reviews),
    )


def _locate(path: Path) -> Path:
    """The data file, or the root of the Stanford layout."""
    if not path.exists():
        raise DataError(f"{path} does not exist; give a {ACCEPTED}")
    if path.is_dir():
        if root := stanford.root_of(path):
            return root
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        known = [file for file in files if _is_known(file)]
        if len(known) > 1:
            names = ", ".join(file.name for file in known[:5])
            raise DataError(f"{path} holds more than one data file ({names}); leave one, or name it")
        if not files:
            raise DataError(f"{path} is empty; put one data file into it: {ACCEPTED}")
        path = known[0] if known else files[0]
    if not _is_known(path):
        raise DataError(f"{path} is of no known kind; give a {ACCEPTED}")
    return path


def _is_known(file: Path) -> bool:
    return file.suffix in READERS or file.name.endswith(ARCHIVES)


def _refuse(reviews: list[Review], path: Path) -> None:
    """What only the whole data set shows: too large or too few, one class, not UTF-8."""
    if len(reviews) > MAX_REVIEWS:
        raise DataError(f"{path} holds {len(reviews):,} reviews, over {MAX_REVIEWS:,}; use fewer")
    broken = [review for review in reviews if review.replaced]
    if len(broken) > UNDECODABLE_SHARE * len(reviews):
        raise DataError(
            f"{broken[0].where} is not UTF-8, as are {len(broken):,} of {len(reviews):,} reviews "
            f"(over {UNDECODABLE_SHARE:.0%}); save the data as UTF-8"
        )
    counts = Counter((review.split, review.label) for review in reviews)
    for split in ("train", "test") if any(review.split for review in reviews) else ("",):
        for label, name in enumerate(("negative", "positive")):
            if counts[split, label] < MINIMUM:
                raise DataError(
                    f"{path} holds {counts[split, label]} {name} reviews{' to ' * bool(split)}{split}; "
                    f"at least {MINIMUM} of each class are needed"
                )
