"""What people said on the review page about answers that were wrong, and a data set with that in it.

A correction is one person's word, from a page that anyone may reach. None is ever trained on unasked: whoever
trains looks at them, writes a data set with them in it, and gives that to a run.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import data
from pipeline.errors import DataError, UsageError
from pipeline.storage import Storage


@dataclass(frozen=True)
class Correction:
    day: str  # 2026-11-25
    review: str
    label: str  # what the person said: negative or positive
    probability: float  # of positive, as the model had it
    model_version: str


@dataclass(frozen=True)
class Merged:
    reviews: int
    changed: int  # reviews of the data set that have another label now
    added: int
    contradictory: int  # texts that were corrected both ways: left as they were


def uri(root: str) -> str:
    """Where the page keeps them, below what the settings call `root`."""
    return f"{root}/corrections"


def read(storage: Storage, root: str) -> list[Correction]:
    """All of them, by day. Raises DataError for an object that is none."""
    found = []
    for name in storage.list(uri(root)):
        try:
            record = json.loads(storage.read(name))
            day = "-".join(name.split("/")[-4:-1])
            members = (record[key] for key in ("review", "label", "probability", "model_version"))
            found.append(Correction(day, *members))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{name} is not a correction ({error}); remove it") from error
    return found


def write(corrections: Sequence[Correction], base: Path | None, target: Path) -> Merged:
    """A data set as JSON Lines: the reviews of `base`, or the default ones, with the corrections' labels, and
    the corrected reviews that are not among them. Raises DataError, and UsageError where `target` exists."""
    if target.exists():
        raise UsageError(f"{target} exists; name a new file")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no folder; make it, or name a file elsewhere")
    known, summary = data.load(data.find(base).path)
    if summary.own_test:
        raise DataError(f"{base} has a test split of its own, which one file of reviews cannot say")
    said: dict[str, set[str]] = {}
    for correction in corrections:
        said.setdefault(correction.review.strip(), set()).add(correction.label)
    agreed = {text: min(labels) for text, labels in said.items() if len(labels) == 1}
    changed = 0
    beside = target.with_name(f".{target.name}.partial")
    with beside.open("w", encoding="ascii") as file:
        for review in known:
            before = ("negative", "positive")[review.label]
            label = agreed.pop(review.text.strip(), before)
            changed += label != before
            file.write(json.dumps({"review": review.text, "label": label}) + "\n")
        for text, label in agreed.items():
            file.write(json.dumps({"review": text, "label": label}) + "\n")
    os.replace(beside, target)
    contradictory = sum(len(labels) > 1 for labels in said.values())
    return Merged(len(known) + len(agreed), changed, len(agreed), contradictory)
