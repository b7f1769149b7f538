"""A review as the model sees it: text -> words -> ids. One copy for preprocessing, batch and serving.

Speed was chosen over linguistics: the default recipe is one regular expression. The "seed" recipe repeats,
word for word, the preprocessing of the work this project grew from, so that results can be compared with it;
what only that one needs (NLTK, BeautifulSoup) is imported when it is used.
"""

import html
import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar

PADDING = 0  # no word
INFREQUENT = 1  # any word outside the vocabulary
FIRST_WORD = 2  # the most frequent word

T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """How a review becomes ids. It travels in the vocabulary file: serving repeats what training did."""

    name: str
    tokenizer: str  # a key of TOKENIZERS
    vocabulary_size: int  # ids, with padding and infrequent
    minimum_count: int  # a word seen less often in the training split is infrequent
    max_length: int  # ids kept of a review
    head: float  # share of them taken from its start; the rest is its end, where the verdict stands
    padded: bool  # preprocessing fills rows up to max_length (otherwise padding belongs to the batch)


RECIPES = {
    "default": Recipe("default", "words", 30_000, 2, 400, 0.25, False),
    "seed": Recipe("seed", "stems", 5_000, 1, 500, 1.0, True),
}

TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
# A rating (7/10), a word with its contraction (doesn't), or at most two marks that carry feeling (!!).
WORD = re.compile(r"\d+/\d+|[^\W_]+(?:'[^\W_]+)*|[!?]{1,2}")
NOT_ASCII_WORD = re.compile(r"[^a-z0-9]")


def words(review: str) -> list[str]:
    """The words of a review. "Didn't I<br />love it?! 9/10" -> ["didn't", "i", "love", "it", "?!", "9/10"]"""
    if "<" in review:
        review = TAG.sub(" ", review)
    if "&" in review:
        review = html.unescape(review)
    return WORD.findall(review.lower().replace("’", "'"))


def stems(review: str) -> list[str]:
    """Stems without stop words. "The movies weren't <b>loved</b>" -> ["movi", "love"]"""
    ignored = stop_words()
    found = NOT_ASCII_WORD.sub(" ", _without_html(review).lower()).split()
    return [stem(word) for word in found if word not in ignored]


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"words": words, "stems": stems}


def tokenize(review: str, recipe: Recipe) -> list[str]:
    """All words of a review, uncut, as the recipe wants them. Never fails, whatever the text."""
    return TOKENIZERS[recipe.tokenizer](review)


def cut(items: list[T], recipe: Recipe) -> list[T]:
    """The head and the tail of a long review. max_length=4, head=0.25: [1, 2, 3, 4, 5, 6] -> [1, 4, 5, 6]"""
    if len(items) <= recipe.max_length:
        return items
    head = round(recipe.max_length * recipe.head)
    return items[:head] + items[len(items) - (recipe.max_length - head) :]


@cache
def stop_words() -> frozenset[str]:
    lines = Path(__file__).with_name("stop_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _without_html(review: str) -> str:
    """The text of a review as BeautifulSoup gives it."""
    if "<" not in review and "&" not in review:
        return review  # nothing to parse; and most of the time goes into parsing
    from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
    from bs4.exceptions import ParserRejectedMarkup

    try:
        with warnings.catch_warnings(action="ignore", category=XMLParsedAsHTMLWarning):
            # The line end changes no word; without one a short review is checked for being a file name.
            return BeautifulSoup(f"{review}\n", "html.parser").get_text()
    except ParserRejectedMarkup:  # an unfinished declaration such as "<![x"
        return TAG.sub(" ", review)


@cache
def _stemmer() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer().stem


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    return _stemmer()(word)


class Vocabulary:
    """The frequent words and their ids. `words[0]` has id 2: 0 is padding, 1 is every infrequent word.

    Its file is text: `# vocabulary 1 {"recipe": {...}}`, then one word a line: the word on line n has id n.
    """

    def __init__(self, words: Iterable[str], recipe: Recipe) -> None:
        self.words = tuple(words)
        self.recipe = recipe
        self.ids = {word: id for id, word in enumerate(self.words, FIRST_WORD)}
        if len(self.ids) != len(self.words):
            raise ValueError("a vocabulary holds each word once")
        if len(self) > recipe.vocabulary_size:
            raise ValueError(f"{len(self)} ids are more than the recipe's {recipe.vocabulary_size}")

    def __len__(self) -> int:
        """The number of ids, with padding and infrequent: the rows of an embedding."""
        return len(self.words) + FIRST_WORD

    @classmethod
    def build(cls, counts: Mapping[str, int], recipe: Recipe) -> "Vocabulary":
        """The most frequent words first, equally frequent ones in alphabetical order."""
        frequent = [word for word, count in counts.items() if count >= recipe.minimum_count]
        frequent.sort(key=lambda word: (-counts[word], word))
        return cls(frequent[: recipe.vocabulary_size - FIRST_WORD], recipe)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """["good", "qwertz"] -> [57, 1]"""
        return [self.ids.get(token, INFREQUENT) for token in tokens]

    def save(self, path: str | Path) -> None:
        """Written beside the file and renamed: a reader sees the whole file or none."""
        header = "# vocabulary 1 " + json.dumps({"recipe": asdict(self.recipe)}, sort_keys=True)
        beside = Path(f"{path}.partial")
        beside.write_bytes("".join(f"{line}\n" for line in (header, *self.words)).encode())
        os.replace(beside, path)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read what `save` wrote. ValueError names the file and what is wrong with it."""
        try:
            header, *words = Path(path).read_bytes().decode().split("\n")
            if words.pop() != "":
                raise ValueError("its last line has no end: it is truncated")
            kind, _, settings = header.partition(" 1 ")
            if kind != "# vocabulary":
                raise ValueError(f"it begins with {header[:40]!r}, not with '# vocabulary 1'")
            return cls(words, _recipe(json.loads(settings)["recipe"]))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{path} is not a vocabulary that this code reads: {error}") from error


def _recipe(settings: Mapping[str, object]) -> Recipe:
    known = {field.name: field.type for field in fields(Recipe)}
    if settings.keys() != known.keys():
        raise ValueError(f"its recipe has the keys {sorted(settings)}, not {sorted(known)}")
    recipe = Recipe(**settings)
    if recipe.tokenizer not in TOKENIZERS:
        raise ValueError(f"its tokenizer is {recipe.tokenizer!r}, not one of {sorted(TOKENIZERS)}")
    return recipe


def encode_review(review: str, vocabulary: Vocabulary) -> list[int]:
    """Ids of a raw review: 1 to max_length, unpadded. A review without any word is one infrequent word."""
    tokens = cut(tokenize(review, vocabulary.recipe), vocabulary.recipe)
    return vocabulary.encode(tokens) or [INFREQUENT]
