"""The deployed model, asked through SageMaker's runtime. Whatever is no sentiment of it becomes a Refusal.

An answer is taken only when it is whole: a label that its probability does not bear out, or words outside the
review, are a failure of the model server, and no guess is made in its place.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, TypeGuard

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from .refusal import Refusal, later

READ_SECONDS = 15  # that the endpoint may take: less than the function, which has less than the gateway
THROTTLED = ("ThrottlingException", "TooManyRequestsException", "LimitExceededException")
BUSY = ("ServiceUnavailable", "ServiceUnavailableException", "ModelNotReadyException")
Answer = dict[str, Any]


class Model:
    """runtime: a sagemaker-runtime client that waits READ_SECONDS and tries once."""

    def __init__(self, runtime: Any, endpoint: str) -> None:
        self._runtime, self._endpoint = runtime, endpoint

    def explain(self, review: str) -> Answer:
        """The answer to one review, with the words that decided."""
        answer = self._ask({"review": review, "explain": True})
        return {**_checked(answer), **_explained(answer, len(review))}

    def score(self, reviews: Sequence[str]) -> list[Answer]:
        """The answers to several, in their order."""
        answers = self._ask(list(reviews))
        if not isinstance(answers, list) or len(answers) != len(reviews):
            raise malformed("not one answer for each review")
        return [_checked(answer) for answer in answers]

    def _ask(self, content: object) -> Any:
        try:
            answer = self._runtime.invoke_endpoint(
                EndpointName=self._endpoint,
                ContentType="application/json",
                Accept="application/json",
                Body=json.dumps(content).encode(),
            )
            body = answer["Body"].read()
        except ClientError as error:
            raise self._refusal(error) from error
        except (ReadTimeoutError, ConnectTimeoutError) as error:
            raise Refusal(
                "upstream_timeout",
                f"the model has not answered within {READ_SECONDS} seconds",
                cause=type(error).__name__,
            ) from error
        except BotoCoreError as error:
            raise Refusal(
                "upstream_failed", "the model cannot be reached", cause=type(error).__name__
            ) from error
        try:
            return json.loads(body, parse_float=_finite, parse_constant=_finite)
        except (ValueError, RecursionError) as error:
            raise malformed("not JSON") from error

    def _refusal(self, error: ClientError) -> Refusal:
        code = error.response["Error"]["Code"]
        status = error.response.get("OriginalStatusCode")
        http = error.response["ResponseMetadata"]["HTTPStatusCode"]
        cause = f"{code} {status or http}"
        if code in THROTTLED or 429 in (status, http):
            return later("throttled", "too many reviews at once; try again in a moment", cause=cause)
        if code in BUSY or 503 in (status, http):
            return later("busy", "the model has more to do than it can; try again in a moment", cause=cause)
        if code in ("ValidationError", "ValidationException", "ResourceNotFound"):
            return Refusal("not_deployed", f"no model is deployed as {self._endpoint}", cause=cause)
        return Refusal("upstream_failed", "the model failed at this review", cause=cause)


def malformed(what: str) -> Refusal:
    return Refusal("upstream_failed", "the model's answer cannot be read", cause=f"malformed answer: {what}")


def _finite(text: str) -> float:
    """A number of JSON. Raises ValueError for NaN and 1e999, which no page can read."""
    if not math.isfinite(number := float(text)):
        raise ValueError("a number that is none")
    return number


def is_probability(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _checked(answer: Any) -> Answer:
    """{"label", "probability", "model_version"} of an answer, or a Refusal."""
    if not isinstance(answer, dict):
        raise malformed("not an object")
    label, probability, version = (answer.get(key) for key in ("label", "probability", "model_version"))
    if not is_probability(probability):
        raise malformed("no probability")
    if label != ("positive" if probability >= 0.5 else "negative"):
        raise malformed("a label that is not the probability's")
    if not isinstance(version, str):
        raise malformed("no model version")
    return {"label": label, "probability": probability, "model_version": version}


def _explained(answer: Answer, length: int) -> Answer:
    """{"explanation", "model_package"} of an answer: null where the model server knows none."""
    explanation, package = answer.get("explanation"), answer.get("model_package")
    if explanation is not None:
        words = explanation.get("words") if isinstance(explanation, dict) else None
        if not isinstance(words, list) or not _in_order(words, length):
            raise malformed("words that are not in the review")
        if "skipped" in explanation and not _in_order([explanation["skipped"]], length, size=2):
            raise malformed("a part that is not in the review")
    return {"explanation": explanation, "model_package": package if isinstance(package, dict) else None}


def _in_order(words: list[Any], length: int, size: int = 3) -> bool:
    """Are these [start, end, change], one after the other, within a text of that many characters?"""
    position = 0
    for word in words:
        if not isinstance(word, list) or len(word) != size:
            return False
        start, end, *change = word
        if not (type(start) is type(end) is int and position <= start < end <= length):
            return False
        if any(type(each) not in (int, float) for each in change):
            return False
        position = end
    return True
