"""A data set as words: tokenised once, on all cores, and kept as numbers.

Splitting and counting need the words of all reviews before the first can be encoded. Keeping each chunk's own
numbering of its words costs 4 bytes a word, and spares tokenising everything a second time.
"""

import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np

from splits import text_key
from text import INFREQUENT, Recipe, Vocabulary, cut, tokenize

CHUNK = 500  # reviews a worker tokenises at a time


@dataclass(frozen=True)
class Chunk:
    """Some reviews, tokenised. `ids` index `words`, which are this chunk's own."""

    words: list[str]
    ids: np.ndarray  # (all words of all reviews,) int32
    ends: np.ndarray  # (reviews,) int64: where each review ends in ids
    keys: list[bytes]  # (reviews,) equal for equal texts


def tokenize_chunk(texts: Sequence[str], recipe: Recipe) -> Chunk:
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # an unseen word gets the next number
    ids = [np.fromiter(map(numbers.__getitem__, tokenize(text, recipe)), np.int32) for text in texts]
    ends = np.cumsum([len(each) for each in ids])
    return Chunk(list(numbers), np.concatenate(ids), ends, [text_key(text) for text in texts])


def tokenize_all(
    texts: Sequence[str], recipe: Recipe, workers: int, progress: Callable[[int], None]
) -> list[Chunk]:
    """The chunks in the order of the texts, whoever tokenised them. `progress` is told how many are done."""
    starts = range(0, len(texts), CHUNK)
    workers = min(workers, len(starts))
    work = partial(tokenize_chunk, recipe=recipe)
    # Spawned workers are the same on every system. They import the main script: hence no pyarrow at its top.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context) if workers > 1 else nullcontext() as pool:
        done = (pool.map if pool else map)(work, (texts[start : start + CHUNK] for start in starts))
        chunks = []
        for start, chunk in zip(starts, done, strict=True):
            chunks.append(chunk)
            progress(min(start + CHUNK, len(texts)))
    return chunks


def count_words(chunks: Sequence[Chunk], indices: Sequence[int]) -> Counter[str]:
    """How often each word occurs in the reviews with these indices."""
    counts: Counter[str] = Counter()
    chosen = np.zeros(len(chunks) * CHUNK, bool)
    chosen[indices] = True
    for number, chunk in enumerate(chunks):
        of_review = chosen[number * CHUNK :][: len(chunk.ends)]
        of_word = np.repeat(of_review, np.diff(chunk.ends, prepend=0))
        found = np.bincount(chunk.ids[of_word], minlength=len(chunk.words)).tolist()
        counts.update({word: count for word, count in zip(chunk.words, found, strict=True) if count})
    return counts


class Encoded:
    """The ids that `text.encode_review` gives, of reviews that are tokenised already."""

    def __init__(self, chunks: Sequence[Chunk], vocabulary: Vocabulary) -> None:
        self.recipe = vocabulary.recipe
        self.chunks = chunks
        self.ids = [np.array(vocabulary.encode(chunk.words), np.int32)[chunk.ids] for chunk in chunks]

    def words(self, index: int) -> int:
        """The number of words of a review, before it is cut."""
        chunk, row = self.chunks[index // CHUNK], index % CHUNK
        return int(chunk.ends[row] - (chunk.ends[row - 1] if row else 0))

    def __getitem__(self, index: int) -> list[int]:
        end = self.chunks[index // CHUNK].ends[index % CHUNK]
        ids = self.ids[index // CHUNK][end - self.words(index) : end].tolist()
        return cut(ids, self.recipe) or [INFREQUENT]
