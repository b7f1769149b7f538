"""The page's requests: JSON in, JSON out, every error in one shape. The same behind Lambda and Starlette.

    POST /api/sentiment    {"review": "…"}                -> the sentiment, and the words that decided
    POST /api/batch        {"reviews": ["…", …]}          -> the sentiment of each
    POST /api/corrections  {"review", "label", "answer"}  -> kept, for the next training set
    GET  /api/health                                      -> the limits of the above

What is too close to call is uncertain: neither sentiment. No text of a review is ever logged.
"""

import json
import os
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .model import Model, is_probability
from .refusal import Refusal, later
from .security import HEADERS

MAX_CHARACTERS = int(os.environ.get("MAX_CHARACTERS", 20_000))  # of a review; IMDb's longest has 13,704
MAX_REVIEWS = 50  # of a batch
MAX_BYTES = int(os.environ.get("MAX_BYTES", 1_000_000))  # of a body
CERTAIN = 0.7  # less probable is uncertain: of such answers to the test reviews, 6 in 10 are right
LABELS = ("negative", "positive")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes


class Handler:
    """store: keeps a correction. wait: 0, or the seconds until one more request may come.
    log: takes what can be told of a request: its id, path, status, milliseconds, and what failed."""

    def __init__(
        self,
        model: Model,
        store: Callable[[dict[str, Any]], None],
        log: Callable[[dict[str, Any]], None],
        wait: Callable[[], float] = lambda: 0,
    ) -> None:
        self._model, self._store, self._log, self._wait = model, store, log, wait
        self._routes = {
            "/api/sentiment": ("POST", 200, self._sentiment),
            "/api/batch": ("POST", 200, self._batch),
            "/api/corrections": ("POST", 201, self._correction),
            "/api/health": ("GET", 200, self._health),
        }

    def __call__(self, request: Request) -> Response:
        began = time.monotonic()
        cause = ""
        try:
            status, content = self._answer(request)
            response = respond(status, content, request.id)
        except Refusal as refusal:
            response, cause = refuse(refusal, request.id), refusal.cause
        except Exception as error:  # nothing of it reaches the client, and of its text nothing the log
            response, cause = refuse(Refusal("internal_error", "something broke"), request.id), _where(error)
        self._log(
            {
                "id": request.id,
                "path": request.path if request.path in self._routes else "",
                "status": response.status,
                "milliseconds": round(1000 * (time.monotonic() - began), 1),
                "cause": cause,
            }
        )
        return response

    def _answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        if request.path not in self._routes:
            raise Refusal("not_found", f"there is nothing here; there are {', '.join(self._routes)}")
        method, status, route = self._routes[request.path]
        if request.method != method:
            told = f"{request.path} takes {method}, not {request.method[:20]}"
            raise Refusal("method_not_allowed", told, Allow=method)
        if method == "GET":
            return status, route({})
        if (seconds := self._wait()) > 0:
            raise later("throttled", "too many reviews at once; try again in a moment", seconds)
        return status, route(_json(request))

    def _sentiment(self, content: dict[str, Any]) -> dict[str, Any]:
        review = _review(content.get("review"), "the review")
        began = time.monotonic()
        answer = self._model.explain(review)
        took = round(1000 * (time.monotonic() - began), 1)
        return {"sentiment": _sentiment(answer["probability"]), **answer, "milliseconds": took}

    def _batch(self, content: dict[str, Any]) -> dict[str, Any]:
        """A review that cannot be asked about has an error of its own, and spoils no other."""
        reviews = content.get("reviews")
        if not isinstance(reviews, list) or not 1 <= len(reviews) <= MAX_REVIEWS:
            raise Refusal("invalid_request", f'"reviews" is a list of 1 to {MAX_REVIEWS} texts')
        results: list[dict[str, Any]] = []
        asked: list[str] = []
        for number, review in enumerate(reviews, 1):
            try:
                asked.append(_review(review, f"review {number}"))
                results.append({})
            except Refusal as refusal:
                results.append({"error": _error(refusal)})
        answers = iter(self._model.score(asked) if asked else [])
        for result in results:
            if not result:
                answer = next(answers)
                result.update(sentiment=_sentiment(answer["probability"]), **answer)
        return {"answers": results}

    def _correction(self, content: dict[str, Any]) -> dict[str, Any]:
        review, label = _review(content.get("review"), "the review"), content.get("label")
        if label not in LABELS:
            raise Refusal("invalid_request", '"label" is "positive" or "negative"')
        answer = content.get("answer")
        answer = answer if isinstance(answer, dict) else {}
        version, probability = answer.get("model_version"), answer.get("probability")
        if not isinstance(version, str) or len(version) > 200 or not is_probability(probability):
            told = '"answer" is the one that is wrong, with its model_version and probability'
            raise Refusal("invalid_request", told)
        self._store({"review": review, "label": label, "probability": probability, "model_version": version})
        return {"stored": True}

    def _health(self, content: dict[str, Any]) -> dict[str, Any]:
        return {"limits": {"characters": MAX_CHARACTERS, "reviews": MAX_REVIEWS, "bytes": MAX_BYTES}}


def respond(status: int, content: Mapping[str, Any], request_id: str, **headers: str) -> Response:
    own = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Request-Id": request_id}
    body = json.dumps({"request_id": request_id, **content}, allow_nan=False).encode()
    return Response(status, {**HEADERS, **own, **headers}, body)


def refuse(refusal: Refusal, request_id: str) -> Response:
    """Every error has one shape: {"request_id": "…", "error": {"code": "…", "message": "…"}}"""
    return respond(refusal.status, {"error": _error(refusal)}, request_id, **refusal.headers)


def _error(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code, "message": str(refusal)}


def _where(error: Exception) -> str:
    """Type and place of a failure, without its text."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}, line {frame.lineno}"


def _sentiment(probability: float) -> str:
    if max(probability, 1 - probability) < CERTAIN:
        return "uncertain"
    return LABELS[probability >= 0.5]


def _json(request: Request) -> dict[str, Any]:
    if _media_type(request.headers.get("content-type", "")) != "application/json":
        raise Refusal("unsupported_media_type", "send application/json, in UTF-8")
    if len(request.body) > MAX_BYTES:
        raise Refusal("too_large", f"the body has more than {MAX_BYTES:,} bytes")
    try:
        content = json.loads(request.body.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise Refusal("invalid_request", f"the body is not UTF-8, at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid_request", "the body is not JSON with each key once") from error
    if not isinstance(content, dict):
        raise Refusal("invalid_request", "the body is not a JSON object")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two reviews, or two labels, none is the one that was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


def _media_type(header: str) -> str:
    """'Application/JSON; charset="UTF-8"' -> 'application/json'; nothing for another charset."""
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = {part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset")}
    return "" if charsets - {"utf-8", "utf8", "us-ascii"} else media_type


def _review(text: Any, name: str) -> str:
    if not isinstance(text, str):
        raise Refusal("invalid_request", f"{name} is no text")
    if len(text) > MAX_CHARACTERS:
        raise Refusal("too_large", f"{name} has {len(text):,} characters; at most {MAX_CHARACTERS:,}")
    if not text.strip():
        raise Refusal("invalid_request", f"{name} is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refusal("invalid_request", f"{name} holds half a character, at {error.start}") from error
    return text
