"""The sentiment model, and how it is read back: weights in safetensors, the rest in JSON, no pickle anywhere.

Two readers share a review. An LSTM reads the order of the words; a linear term reads which words and word
pairs occur, starting from their naive-Bayes log-count ratios (Wang & Manning 2012). They err differently, and
their mean beats both. The LSTM reads a review in segments side by side, not from end to end: several times
faster on a CPU, at the price of its memory across the cuts.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

FORMAT = 1  # of the model folder; raised when an older reader could not make sense of it
PADDING, INFREQUENT = 0, 1  # ids that stand for no word of their own


class ModelError(Exception):
    """A model folder that cannot be used: the message names the file and what was found in it."""


@dataclass(frozen=True)
class Sizes:
    """What fixes the shape of every tensor."""

    vocabulary_size: int  # number of ids, padding and infrequent included
    pairs: int  # word pairs with a weight of their own
    embedding_size: int = 100
    hidden_size: int = 64  # for each direction
    segment_length: int = 50  # words that the LSTM reads in one go


class SentimentModel(nn.Module):
    """ids (batch, words), padded with 0 -> log-odds of "positive" from the LSTM and from the linear term."""

    def __init__(self, sizes: Sizes, dropout: float = 0.5, word_dropout: float = 0.2) -> None:
        super().__init__()
        self.sizes = sizes
        self.word_dropout = word_dropout  # share of words that training shows as infrequent
        self.embedding = nn.Embedding(sizes.vocabulary_size, sizes.embedding_size, padding_idx=PADDING)
        nn.init.normal_(self.embedding.weight, std=0.1)  # (vocabulary, embedding)
        self.embedding_dropout = nn.Dropout(dropout / 2)
        self.lstm = nn.LSTM(sizes.embedding_size, sizes.hidden_size, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * sizes.hidden_size, 1)  # max and mean, of two directions
        features = sizes.vocabulary_size + sizes.pairs
        no_pair = torch.full((sizes.pairs,), sizes.vocabulary_size**2)  # (pairs,)
        self.register_buffer("pair_keys", no_pair)  # (pairs,) ascending; the last is above that of any pair
        self.register_buffer("log_count_ratio", torch.zeros(features))  # (features,)
        self.trust = nn.Parameter(torch.full((features,), 0.1))  # (features,) weight of each ratio
        self.bias = nn.Parameter(torch.zeros(()))
        with torch.no_grad():
            self.embedding.weight[PADDING] = 0.0

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        return self.read_order(ids), self.read_presence(ids)  # each (batch,)

    def log_odds(self, ids: Tensor) -> Tensor:
        order, presence = self(ids)  # each (batch,)
        return (order + presence) / 2  # (batch,) above 0: positive

    def read_order(self, ids: Tensor) -> Tensor:
        """The LSTM. Segments begin at word 0 whatever the batch, so padding never changes an answer."""
        length = self.sizes.segment_length
        ids = functional.pad(ids, (0, -ids.shape[1] % length))  # (batch, segments * length)
        is_word = ids != PADDING  # (batch, segments * length)
        if self.training:
            hide = torch.rand(ids.shape, device=ids.device) < self.word_dropout  # (batch, segments * length)
            ids = ids.masked_fill(hide & is_word, INFREQUENT)  # (batch, segments * length)
        words = self.embedding_dropout(self.embedding(ids))  # (batch, segments * length, embedding)
        segments = words.view(-1, length, words.shape[2])  # (batch * segments, length, embedding)
        states, _ = self.lstm(segments)  # (batch * segments, length, 2 * hidden)
        states = states.reshape(*ids.shape, -1)  # (batch, segments * length, 2 * hidden)
        is_word = is_word.unsqueeze(2)  # (batch, segments * length, 1)
        highest = states.masked_fill(~is_word, -1.0).amax(1)  # (batch, 2 * hidden); a state is never below -1
        mean = (states * is_word).sum(1) / is_word.sum(1).clamp(min=1)  # (batch, 2 * hidden)
        pooled = torch.cat([highest, mean], 1)  # (batch, 4 * hidden)
        return self.head(self.dropout(pooled)).squeeze(1)  # (batch,)

    def read_presence(self, ids: Tensor) -> Tensor:
        weights = (self.trust * self.log_count_ratio).unsqueeze(1)  # (features, 1)
        return functional.embedding(self.features(ids), weights).sum((1, 2)) + self.bias  # (batch,)

    def features(self, ids: Tensor) -> Tensor:
        """Each word and each known pair of neighbours once, in any order; 0 fills the gaps.

        vocabulary of 10, pair_keys [23, 100]: ids [2, 3, 3, 0] -> [0, 0, 0, 2, 3, 0, 10]
        """
        first, second = ids[:, :-1], ids[:, 1:]  # each (batch, words - 1)
        keys = first * self.sizes.vocabulary_size + second  # (batch, words - 1)
        places = torch.searchsorted(self.pair_keys, keys)  # (batch, words - 1)
        known = self.pair_keys[places] == keys  # (batch, words - 1)
        pairs = torch.where(known, places + self.sizes.vocabulary_size, PADDING)  # (batch, words - 1)
        found = torch.cat([ids, pairs], 1).sort(1).values  # (batch, 2 * words - 1)
        repeated = torch.zeros_like(found, dtype=torch.bool)  # (batch, 2 * words - 1)
        repeated[:, 1:] = found[:, 1:] == found[:, :-1]
        return found.masked_fill(repeated, PADDING)  # (batch, 2 * words - 1)

    def start_from_counts(self, pairs: Tensor, reviews: Sequence[np.ndarray], labels: Tensor) -> None:
        """Set what learning leaves alone: pairs, and log P(feature | positive) / P(feature | negative)."""
        self.pair_keys = pairs  # (pairs,)
        counts = torch.ones(2, len(self.log_count_ratio))  # (labels, features); the one smooths
        for start in range(0, len(reviews), 256):
            found = self.features(pad(reviews[start : start + 256]))  # (batch, 2 * words - 1)
            for label in (0, 1):
                rows = found[labels[start : start + 256] == label]  # (rows of that label, 2 * words - 1)
                counts[label] += torch.bincount(rows.flatten(), minlength=counts.shape[1])
        counts[:, PADDING] = 1.0
        share = counts / counts.sum(1, keepdim=True)  # (labels, features)
        self.log_count_ratio = torch.log(share[1] / share[0])  # (features,)
        self.log_count_ratio[PADDING] = 0.0


def pad(reviews: Sequence[Sequence[int] | np.ndarray]) -> Tensor:
    """[[5, 9], [7]] -> tensor [[5, 9], [7, 0]]; at least one word wide."""
    width = max([1, *(len(review) for review in reviews)])
    ids = np.zeros((len(reviews), width), dtype=np.int64)
    for row, review in zip(ids, reviews, strict=True):
        row[: len(review)] = review
    return torch.from_numpy(ids)  # (reviews, words of the longest)


def batches_by_length(lengths: Iterable[float], size: int) -> list[np.ndarray]:
    """Positions of reviews, those of like length together: little padding. [9, 1, 8], 2 -> [[1, 2], [0]]"""
    order = np.argsort(np.asarray(list(lengths)), kind="stable")
    return [order[start : start + size] for start in range(0, len(order), size)]


def frequent_pairs(reviews: Sequence[np.ndarray], vocabulary_size: int, least: int = 3) -> Tensor:
    """Keys of the neighbours that stand in `least` reviews or more: first * vocabulary_size + second.

    The last key is above that of any pair, so that a search always ends on a key.
    """
    wide = [review.astype(np.int64) for review in reviews]
    found = [np.unique(review[:-1] * vocabulary_size + review[1:]) for review in wide]
    keys, counts = np.unique(np.concatenate(found), return_counts=True)
    return torch.from_numpy(np.append(keys[counts >= least], vocabulary_size**2))  # (pairs,) ascending


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def load_model(folder: Path) -> tuple[SentimentModel, dict]:
    """The model of a folder that training wrote, ready to predict, and its model.json."""
    description_path, weights_path = folder / "model.json", folder / "model.safetensors"
    try:
        description = json.loads(description_path.read_text(encoding="utf-8"))
        found = description.get("format")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{description_path}: not a model description ({error})") from error
    if found != FORMAT:
        raise ModelError(f"{description_path}: format {found!r}; this code reads format {FORMAT}")
    for name, digest in dict(description.get("sha256", {})).items():
        if (found := _sha256(folder / name)) != digest:
            told = f"its sha256 is {found[:12]}…, and was {digest[:12]}… when it was trained"
            raise ModelError(f"{folder / name}: altered or cut short; {told}")
    try:
        model = SentimentModel(Sizes(**description["sizes"]))
        model.load_state_dict(load_file(weights_path))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{weights_path}: not a safetensors file ({error})") from error
    except (KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{weights_path}: does not fit {description_path.name} ({error})") from error
    return model.eval(), description
