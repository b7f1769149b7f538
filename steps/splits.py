"""Which review is for training, validation or test.

A review's place depends on its text and the seed alone, never on its row: the same reviews in another order
or another format give the same splits. What that costs is a hash for every review.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from records import DataError, Review
from text import TAG

NOT_A_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Splits:
    """Indices of reviews, each split in a seeded order, and how many reviews are in none and why."""

    train: list[int]
    validation: list[int]
    test: list[int]
    duplicates: int  # repeat the text of a review that was kept
    contradictory: int  # all copies of a text that is labelled both ways
    repeats_of_test: int  # of the data's own training split, the text of one of its test reviews


def text_key(text: str) -> bytes:
    """Equal for reviews with the same words: tags, punctuation, white space and case do not count."""
    words = NOT_A_WORD.sub(" ", TAG.sub(" ", text).lower()).strip()
    return hashlib.blake2b(words.encode(), digest_size=16).digest()


def split(
    reviews: Sequence[Review],
    keys: Sequence[bytes],
    *,
    seed: int,
    validation_share: float,
    test_share: float,
    limit: int | None = None,
) -> Splits:
    """Split by label: each split has the classes in the proportion of the whole.

    keys[i] is the text_key of reviews[i]. Where the data has its own test split, that is the test set, as it
    was published, and test_share counts for nothing.
    """
    own_test = [i for i, review in enumerate(reviews) if review.split == "test"]
    kept, dropped = _without_duplicates(reviews, keys, {keys[i] for i in own_test})

    def order(i: int) -> tuple[bytes, int]:
        return hashlib.sha256(b"%d:" % seed + keys[i]).digest(), i

    def by_label(indices: Sequence[int]) -> list[list[int]]:
        return [sorted((i for i in indices if reviews[i].label == label), key=order) for label in (0, 1)]

    groups = by_label(kept) + by_label(own_test)
    if limit is not None:
        groups = _sample(groups, limit)
    parts: dict[str, list[int]] = {"test": groups[2] + groups[3], "validation": [], "train": []}
    for group in groups[:2]:
        tested = 0 if own_test else round(test_share * len(group))
        validated = tested + round(validation_share * len(group))
        parts["test"] += group[:tested]
        parts["validation"] += group[tested:validated]
        parts["train"] += group[validated:]
    for name, part in parts.items():
        if len({reviews[i].label for i in part}) < 2:
            raise DataError(
                f"the {name} split would lack a class: {len(reviews):,} reviews, {sum(dropped.values()):,} "
                f"of them duplicates, are too few for these shares{' and this limit' * (limit is not None)}"
            )
    return Splits(**{name: sorted(part, key=order) for name, part in parts.items()}, **dropped)


def _without_duplicates(
    reviews: Sequence[Review], keys: Sequence[bytes], test_keys: set[bytes]
) -> tuple[list[int], dict[str, int]]:
    """The first review of each text outside the own test split, and what was dropped."""
    dropped = {"duplicates": 0, "contradictory": 0, "repeats_of_test": 0}
    copies = defaultdict(list)
    for i, review in enumerate(reviews):
        if review.split != "test":
            copies[keys[i]].append(i)
    kept = []
    for key, indices in copies.items():
        if key in test_keys:
            dropped["repeats_of_test"] += len(indices)
        elif len({reviews[i].label for i in indices}) > 1:
            dropped["contradictory"] += len(indices)
        else:
            dropped["duplicates"] += len(indices) - 1
            kept.append(indices[0])
    return kept, dropped


def _sample(groups: list[list[int]], limit: int) -> list[list[int]]:
    """The first of each group, `limit` in all, in the proportion of the groups' sizes."""
    total = sum(map(len, groups))
    taken, before, sampled = min(limit, total), 0, []
    for group in groups:
        after = before + len(group)
        count = round(taken * after / total) - round(taken * before / total)
        sampled.append(group[:count])
        before = after
    return sampled
