"""One review as it was read, the one exception for bad data, and the limits that keep reading bounded."""

import re
from typing import NamedTuple

LABELS = {"0": 0, "1": 1, "negative": 0, "positive": 1}
MAX_CHARACTERS = 1_000_000  # of one review
MAX_REVIEWS = 1_000_000
MAX_BYTES = 1 << 30  # of one data set, unpacked

# What decoding with errors="surrogateescape" makes of a byte that is not UTF-8 (or JSON of half a pair).
UNDECODABLE = re.compile("[\ud800-\udfff]")


class DataError(ValueError):
    """The reviews that were given cannot be used: the message names the file, the row and what to do."""


class Review(NamedTuple):
    text: str
    label: int  # 1 is positive
    where: str  # the file and row, for messages
    split: str  # "train" or "test" where the data has its own split, else ""
    replaced: int  # bytes that are not UTF-8, now U+FFFD


def make_review(text: object, label: object, where: str, split: str = "") -> Review:
    """Check one record. ("Good.", "positive", "a.csv, row 2") -> Review("Good.", 1, "a.csv, row 2", "", 0)"""
    if not isinstance(text, str) or not text.strip():
        shown = "empty" if text is None or isinstance(text, str) else f"{text!r:.60}, which is not text"
        raise DataError(f"{where}: the review is {shown}; give it text or remove it")
    if len(text) > MAX_CHARACTERS:
        size = f"{len(text):,} characters, over {MAX_CHARACTERS:,}"
        raise DataError(f"{where}: the review has {size}; shorten or remove it")
    known = LABELS.get(str(label).strip().lower())
    if known is None:
        raise DataError(f"{where}: the label is {label!r:.60}; use 0 or 1, negative or positive")
    replaced = 0
    if not text.isascii():
        text, replaced = UNDECODABLE.subn("\ufffd", text)
    return Review(text, known, where, split, replaced)
