"""Where each word of a review stands in the review as it was sent, in code points.

Before it looks for words, text.py takes out tags, resolves character references and lowers the case. Here the
same is done with the place of each character kept beside it: slower, so it is not how reviews are read. Where
it finds other words than those that are read, it tells no places: better none than a wrong one.
"""

import html
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile

from text import TAG, WORD, Recipe, stem, stop_words, tokenize

REFERENCE = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")  # as html.unescape has it
GROWS = re.compile("İ")  # the one character that is two in lower case
ASCII_WORD = re.compile(r"[a-z0-9]+")

Span = tuple[str, int, int]  # a word, and its place: review[start:end]


def locate(review: str, recipe: Recipe) -> list[Span] | None:
    """The words of tokenize(review, recipe) with their places; None where these cannot be told.

    "<b>Don&#39;t!</b>" -> [("don't", 3, 12), ("!", 12, 13)]
    """
    if recipe.tokenizer == "words":
        spans = _lowered(_plain(review)).found(WORD)
    elif "<" in review or "&" in review:  # BeautifulSoup tells no places
        return None
    else:
        found = _lowered(_as_sent(review)).found(ASCII_WORD)
        spans = [(stem(word), start, end) for word, start, end in found if word not in stop_words()]
    return spans if [word for word, _, _ in spans] == tokenize(review, recipe) else None


@dataclass(frozen=True)
class Placed:
    """A text that was made of a review: its character i stands for review[starts[i]:ends[i]]."""

    text: str
    starts: "array[int]"
    ends: "array[int]"

    def put(self, pattern: re.Pattern[str], new: Callable[[str], str]) -> "Placed":
        """What pattern.sub(new) makes of it. What is put stands where that stood which it is put for."""
        text: list[str] = []
        starts, ends, done = array("I"), array("I"), 0
        for match in pattern.finditer(self.text):
            put, (first, last) = new(match[0]), match.span()
            same = _same_end(put, match[0])  # "&ampfilm" -> "&film": "film" stays where it is
            put, last = put[: len(put) - same], last - same
            text += self.text[done:first], put
            starts += self.starts[done:first] + self.starts[first : first + 1] * len(put)
            ends += self.ends[done:first] + self.ends[last - 1 : last] * len(put)
            done = last
        text.append(self.text[done:])
        return Placed("".join(text), starts + self.starts[done:], ends + self.ends[done:])

    def found(self, pattern: re.Pattern[str]) -> list[Span]:
        return [
            (match[0], self.starts[match.start()], self.ends[match.end() - 1])
            for match in pattern.finditer(self.text)
        ]


def _same_end(one: str, other: str) -> int:
    """How many characters the two end with alike. ("&film", "&ampfilm") -> 4"""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(reversed(one), reversed(other), strict=False))
    return sum(1 for _ in alike)


def _as_sent(review: str) -> Placed:
    return Placed(review, array("I", range(len(review))), array("I", range(1, len(review) + 1)))


def _plain(review: str) -> Placed:
    return _as_sent(review).put(TAG, lambda tag: " ").put(REFERENCE, html.unescape)


def _lowered(placed: Placed) -> Placed:
    placed = placed.put(GROWS, str.lower)  # now lower() changes no length: the places hold
    return replace(placed, text=placed.text.lower().replace("’", "'"))
