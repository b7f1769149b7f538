"""From the body of a request to a sentiment, and on demand the words that decided: the four functions that a
SageMaker model server calls, and three by which this project's server answers several requests at once.

It runs from the code/ folder of the model archive, beside the text.py and model.py of the training, so a
review is read exactly as it was there. Labels are unknown here: of a record only "review" is looked at. Torch
gets one thread: an answer takes about a millisecond on it, requests run side by side, and the number of cores
changes no answer.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from explanation import explain
from model import SentimentModel, batches_by_length, load_model, pad
from text import Vocabulary, encode_review

BATCH = 64  # reviews in one pass
EXPLAINED = 20  # reviews whose answers take as long as one with an explanation
LONGEST_EXPLAINED = 100_000  # characters: to find the places of words takes memory
TEXT, JSON, JSON_LINES, CSV = "text/plain", "application/json", "application/jsonlines", "text/csv"
CONTENT_TYPES = (TEXT, JSON, JSON_LINES, CSV)  # of requests
ACCEPTS = (JSON, JSON_LINES)  # content types of answers, the default first


@dataclass(frozen=True)
class Predictor:
    model: SentimentModel
    vocabulary: Vocabulary
    version: str
    package: dict | None  # what is told of the model package that is served; None where nothing is


@dataclass(frozen=True)
class Request:
    reviews: list[str | list[int]]  # raw texts, or ids that were encoded before
    single: bool  # asked as one review, so answered as one object
    explained: frozenset[int] = frozenset()  # rows of those whose words are asked about: texts


def model_fn(model_dir: str) -> Predictor:
    """Load a model folder; the error names the file that is wrong."""
    torch.set_num_threads(1)
    model, description = load_model(Path(model_dir))
    vocabulary = Vocabulary.load(Path(model_dir) / "vocabulary.txt")
    if len(vocabulary) != model.sizes.vocabulary_size:
        raise ValueError(
            f"{model_dir}/vocabulary.txt has {len(vocabulary)} ids, the model {model.sizes.vocabulary_size}"
        )
    return Predictor(model, vocabulary, description["version"], _package(os.environ))


def _package(variables: Mapping[str, str]) -> dict | None:
    """What deploy.py told the container. What is absent, or no number, is null in the answer."""

    def told(name: str, kind: type) -> float | None:
        try:
            value = kind(variables[name])
            return value if 0 <= value < math.inf else None
        except (KeyError, ValueError):
            return None

    package = {
        "version": told("MODEL_PACKAGE_VERSION", int),
        "test_accuracy": told("MODEL_TEST_ACCURACY", float),
        "test_reviews": told("MODEL_TEST_REVIEWS", int),
    }
    return package if set(package.values()) != {None} else None


def input_fn(body: bytes, content_type: str) -> Request:
    """Parse a body; ValueError tells the client what is wrong with it."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    reviews: list[str | list[int]]
    if content_type == TEXT:
        return Request([_review(text, "the body")], single=True)
    if content_type == JSON:
        content = _json(text, "the body")
        if not isinstance(content, list):
            explained = _explained(content, "the body")
            return Request([_review(content, "the body")], True, frozenset({0} if explained else ()))
        reviews = [_review(item, f"item {number}") for number, item in enumerate(content, 1)]
    elif content_type == JSON_LINES:
        reviews = [_review(_json(line, place), place) for place, line in _lines(text)]
    elif content_type == CSV:
        reviews = [_ids(line, place) for place, line in _lines(text)]
    else:
        raise ValueError(f"content type {content_type!r} is not one of {', '.join(CONTENT_TYPES)}")
    if not reviews:
        raise ValueError("the body holds no review")
    return Request(reviews, single=False)


def _lines(text: str) -> list[tuple[str, str]]:
    """Lines that are not blank, with their places. Only \\n ends one: JSON strings may hold the others."""
    return [(f"line {number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _json(text: str, place: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is not JSON: {error}") from error


def _explained(item: object, place: str) -> bool:
    """Whether {"review": "...", "explain": true} asks for the words that decided; takes that out of it."""
    explained = item.pop("explain", False) if isinstance(item, dict) else False
    if not isinstance(explained, bool):
        raise ValueError(f'{place}: "explain" is true or false, not of type {type(explained).__name__}')
    if explained and len(review := _review(item, place)) > LONGEST_EXPLAINED:
        told = f"{len(review)} characters are too many to be explained; {LONGEST_EXPLAINED} at most"
        raise ValueError(f"{place}: {told}")
    return explained


def _review(item: object, place: str) -> str:
    """The raw text of {"review": "..."} or of a bare string."""
    if isinstance(item, dict):
        if "review" not in item:
            raise ValueError(f'{place} has no "review"')
        if "explain" in item:
            raise ValueError(f"{place}: only a review that is asked about alone can be explained")
        item = item["review"]
    if not isinstance(item, str):
        raise ValueError(f"{place}: a review is a string, not {type(item).__name__}")
    if not item.strip():
        raise ValueError(f"{place}: the review is empty")
    return item


def _ids(line: str, place: str) -> list[int]:
    """The ids of "2,5,9,0" (length, then ids, padded or not): [5, 9]"""
    try:
        length, *ids = (int(cell) for cell in line.split(","))
    except ValueError as error:
        raise ValueError(f"{place} is not length,id,id… in whole numbers") from error
    if not 0 < length <= len(ids):
        raise ValueError(f"{place}: the length is {length}, and {len(ids)} ids follow")
    return ids[:length]


@torch.inference_mode()
def predict_fn(data: Request, model: Predictor) -> tuple[list[dict], bool]:
    """(an answer for each review in the order asked, whether one was asked); ValueError as in input_fn."""
    encoded = [_encode(review, model.vocabulary) for review in data.reviews]
    probability = torch.zeros(len(encoded))  # (reviews,)
    for batch in batches_by_length([len(ids) for ids in encoded], BATCH):
        log_odds = model.model.log_odds(pad([encoded[row] for row in batch]))  # (batch,)
        probability[batch] = torch.sigmoid(log_odds)
    answers = [
        {
            "label": "positive" if positive >= 0.5 else "negative",
            "probability": round(positive, 6),
            "model_version": model.version,
        }
        for positive in probability.tolist()
    ]
    for row in data.explained:
        explanation = explain(data.reviews[row], encoded[row], model.model, model.vocabulary)
        answers[row] |= {"explanation": explanation, "model_package": model.package}
    return answers, data.single


def size_fn(request: Request) -> int:
    """How many reviews are asked about; one that is to be explained counts as the many that it costs."""
    return len(request.reviews) + (EXPLAINED - 1) * len(request.explained)


def join_fn(requests: Sequence[Request]) -> Request:
    """One request of several: a server that has many at once answers them in one pass of the model."""
    reviews: list[str | list[int]] = []
    explained: list[int] = []
    for request in requests:
        explained += [len(reviews) + row for row in request.explained]
        reviews += request.reviews
    return Request(reviews, single=False, explained=frozenset(explained))


def split_fn(
    prediction: tuple[list[dict], bool], requests: Sequence[Request]
) -> list[tuple[list[dict], bool]]:
    """The prediction of a joined request, cut into those of its parts."""
    answers = iter(prediction[0])
    return [(list(islice(answers, len(request.reviews))), request.single) for request in requests]


def _encode(review: str | list[int], vocabulary: Vocabulary) -> list[int]:
    if isinstance(review, str):
        return encode_review(review, vocabulary)
    if not 0 < min(review) <= max(review) < len(vocabulary):
        raise ValueError(f"ids are from 1 to {len(vocabulary) - 1}, not {min(review)} to {max(review)}")
    return review


def output_fn(prediction: tuple[list[dict], bool], accept: str) -> tuple[str, str]:
    """(body, content type). One review asked as JSON is answered with one object, several with a list."""
    answers, single = prediction
    if accept == JSON_LINES:
        return "".join(json.dumps(answer) + "\n" for answer in answers), JSON_LINES
    if accept == JSON:
        return json.dumps(answers[0] if single else answers), JSON
    raise ValueError(f"accept {accept!r} is not one of {', '.join(ACCEPTS)}")
