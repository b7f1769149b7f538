"""What an evaluation.json says of a model, and two models compared by it.

The file may be gone, or another program's: what is missing, or is no number that makes sense, is None, with
the fault in words. Only what steps/evaluate.py writes is looked for.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import PipelineError
from pipeline.storage import Storage

METRICS = ("precision", "recall", "f1", "auc", "log_loss")
TEST_SET = "reviews/test.jsonl"  # among the outputs of the preprocessing


@dataclass(frozen=True)
class Evaluation:
    accuracy: float | None = None
    interval: tuple[float, float] | None = None  # 95 %
    test_size: int | None = None
    test_set: str | None = None  # sha256 of the test reviews
    metrics: Mapping[str, float] = field(default_factory=dict)  # of METRICS, those that are known
    fault: str = ""  # why no accuracy is known


@dataclass(frozen=True)
class Comparison:
    difference: float | None  # accuracy of the second less that of the first
    overlap: bool | None  # of the intervals; None: one is not known
    same_test_set: bool | None  # None: one is not known


def read(storage: Storage, uri: str) -> Evaluation:
    """The evaluation at `uri`; one with nothing but a fault where it cannot be read."""
    from botocore.exceptions import ClientError

    try:
        said = json.loads(storage.read(uri))
    except ClientError as error:  # in a bucket that is gone, or another's
        return Evaluation(fault=f"{uri} cannot be read: {error.response['Error']['Code']}")
    except (PipelineError, OSError) as error:  # on this machine a key may be no possible path
        return Evaluation(fault=str(error))
    except (ValueError, RecursionError):
        return Evaluation(fault=f"{uri} is not JSON")
    metrics = _at(said, "binary_classification_metrics")
    accuracy, low, high = (share(_at(metrics, "accuracy", key)) for key in ("value", "lower", "upper"))
    test_set = _at(said, "sentiment", "data", "outputs", TEST_SET)
    values = {name: _number(_at(metrics, name, "value")) for name in METRICS}
    return Evaluation(
        accuracy=accuracy,
        interval=None if low is None or high is None else (low, high),
        test_size=count(_at(said, "dataset", "item_count")),
        test_set=test_set if isinstance(test_set, str) else None,
        metrics={name: value for name, value in values.items() if value is not None},
        fault=f"{uri} holds no accuracy" if accuracy is None else "",
    )


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Intervals that touch overlap."""
    difference = overlap = same = None
    if first.accuracy is not None and second.accuracy is not None:
        difference = second.accuracy - first.accuracy
    if first.interval and second.interval:
        overlap = first.interval[0] <= second.interval[1] and second.interval[0] <= first.interval[1]
    if first.test_set and second.test_set:
        same = first.test_set == second.test_set
    return Comparison(difference, overlap, same)


def share(value: object) -> float | None:
    """0.9 -> 0.9, "0.9" -> 0.9; None for what is no number from 0 to 1."""
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def count(value: object) -> int | None:
    """2500 -> 2500, "2500" -> 2500; None for what is no whole number."""
    number = _number(value)
    return int(number) if number is not None and number >= 0 and number.is_integer() else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):  # no number; an integer beyond what a float holds
        return None
    return number if math.isfinite(number) else None


def _at(document: Any, *path: str) -> Any:
    """_at({"a": {"b": 1}}, "a", "b") -> 1; None where the document is not made so."""
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document
