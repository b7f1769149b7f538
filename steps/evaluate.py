"""Judge predictions: evaluation.json in the layout of SageMaker's model quality reports, which Studio draws.

It reads the output of the batch transform, where a line is the input record with the answer under
"SageMakerOutput". A record without a label, or with a probability that is missing or no number, is an error
that names its line: a metric over what happened to be readable would let a broken model pass the gate. What
cannot be computed is null with a reason, never NaN. No torch: this job needs numpy only.
"""

import argparse
import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution: intervals of 95 %
BINS = 10  # of the calibration
LENGTHS = (100, 200, 300, 500)  # words: where the groups of the accuracy by length end
WORST = 10  # mistakes listed
EXCERPT = 300  # characters of a review shown there


class EvaluationError(Exception):
    """Predictions that cannot be judged; the message names the file and the line."""


@dataclass(frozen=True)
class Predictions:
    ids: list[object]
    labels: np.ndarray  # (reviews,) 0 or 1
    probability: np.ndarray  # (reviews,) of positive
    reviews: list[str]
    versions: list[str]  # of the models that answered


def read_predictions(folder: Path) -> Predictions:
    """All *.jsonl.out files of a folder, in the order of their names."""
    files = sorted(folder.glob("**/*.out")) if folder.is_dir() else []
    if not files:
        raise EvaluationError(f"{folder} holds no *.out file of a batch transform")
    rows = [_record(line, f"{path}, line {n}") for path in files for n, line in enumerate(_lines(path), 1)]
    if not rows:
        raise EvaluationError(f"{', '.join(map(str, files))}: no prediction in it")
    ids, labels, probability, reviews, versions = zip(*rows, strict=True)
    return Predictions(
        list(ids), np.array(labels), np.array(probability), list(reviews), sorted(set(versions))
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n") if path.stat().st_size else []
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read: {error}") from error


def _record(line: str, place: str) -> tuple[object, int, float, str, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{place} is not JSON: {error}") from error
    answer = record.get("SageMakerOutput") if isinstance(record, dict) else None
    if not isinstance(answer, dict):
        raise EvaluationError(f'{place} has no answer under "SageMakerOutput"')
    label, probability = record.get("label"), answer.get("probability")
    if isinstance(label, bool) or label not in (0, 1):
        raise EvaluationError(f"{place}: the label is {label!r}, not 0 or 1")
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise EvaluationError(f"{place}: the probability is {probability!r}, not a number from 0 to 1")
    review = record.get("review")
    if not isinstance(review, str):
        raise EvaluationError(f"{place}: the review is {type(review).__name__}, not text")
    return record.get("id"), int(label), float(probability), review, str(answer.get("model_version"))


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927, JASA 22:209): 80 of 100 -> (0.7112, 0.8666)"""
    share, shrink = right / total, 1 + Z**2 / total
    middle = (share + Z**2 / (2 * total)) / shrink
    half = Z / shrink * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def roc_curve(labels: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(false positive rates, true positive rates): from (0, 0), a point for each distinct probability."""
    order = np.argsort(-probability, kind="stable")
    labels, probability = labels[order], probability[order]
    last = np.append(np.flatnonzero(np.diff(probability)), len(labels) - 1)  # equals are passed together
    false, true = np.cumsum(1 - labels)[last], np.cumsum(labels)[last]
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def classification_metrics(labels: np.ndarray, probability: np.ndarray) -> dict:
    """The block binary_classification_metrics; positive is the class of interest."""
    predicted = (probability >= 0.5).astype(int)
    counts = {(t, p): int(((labels == t) & (predicted == p)).sum()) for t in (0, 1) for p in (0, 1)}
    f1_whole = 2 * counts[1, 1] + counts[0, 1] + counts[1, 0]
    right, total = counts[0, 0] + counts[1, 1], len(labels)
    lower, upper = wilson_interval(right, total)
    clipped = np.clip(probability, 1e-7, 1 - 1e-7)
    loss = -np.where(labels == 1, np.log(clipped), np.log(1 - clipped)).mean()
    missing = [name for name, value in (("negative", 0), ("positive", 1)) if not (labels == value).any()]
    one_class = f"there is no {missing[0]} review" if missing else None
    metrics = {
        "confusion_matrix": {str(t): {str(p): counts[t, p] for p in (0, 1)} for t in (0, 1)},
        "accuracy": _share(right, total) | {"lower": lower, "upper": upper},
        "precision": _share(counts[1, 1], counts[1, 1] + counts[0, 1], "no review is predicted positive"),
        "recall": _share(counts[1, 1], counts[1, 1] + counts[1, 0], one_class),
        "true_positive_rate": _share(counts[1, 1], counts[1, 1] + counts[1, 0], one_class),
        "true_negative_rate": _share(counts[0, 0], counts[0, 0] + counts[0, 1], one_class),
        "false_positive_rate": _share(counts[0, 1], counts[0, 0] + counts[0, 1], one_class),
        "false_negative_rate": _share(counts[1, 0], counts[1, 1] + counts[1, 0], one_class),
        "f1": _metric(2 * counts[1, 1] / f1_whole if f1_whole else None, "nothing is positive"),
        "log_loss": _metric(float(loss)),
        "brier": _metric(float(((probability - labels) ** 2).mean())),
    }
    if one_class:
        return metrics | {"auc": _metric(None, one_class)}
    false, true = roc_curve(labels, probability)
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))  # trapezoids: half a point for a tie
    shown = np.unique(np.linspace(0, len(false) - 1, 101).round().astype(int))
    return metrics | {
        "auc": _metric(area),
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": false[shown].tolist(),
            "true_positive_rates": true[shown].tolist(),
        },
    }


def _metric(value: float | None, reason: str | None = None, deviation: float | None = None) -> dict:
    """AWS writes the string "NaN" for a standard deviation that nothing gives; here it is null."""
    found = {"value": value, "standard_deviation": deviation}
    return found if value is not None else found | {"reason": reason}


def _share(part: int, whole: int, reason: str | None = None) -> dict:
    """part / whole with its binomial standard deviation, or the reason why there is none."""
    if not whole:
        return _metric(None, reason)
    share = part / whole
    return _metric(share, deviation=math.sqrt(share * (1 - share) / whole))


def sentiment_block(found: Predictions) -> dict:
    """What model quality reports have no room for: calibration, the worst mistakes, accuracy by length."""
    right = (found.probability >= 0.5) == (found.labels == 1)
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.clip(np.digitize(found.probability, edges) - 1, 0, BINS - 1)
    calibration = [
        {
            "from": round(float(edges[n]), 3),
            "to": round(float(edges[n + 1]), 3),
            "count": int((bins == n).sum()),
            "mean_probability": float(found.probability[bins == n].mean()),
            "share_positive": float(found.labels[bins == n].mean()),
        }
        for n in range(BINS)
        if (bins == n).any()
    ]
    gaps = [
        entry["count"] * abs(entry["mean_probability"] - entry["share_positive"]) for entry in calibration
    ]
    lengths = np.array([len(review.split()) for review in found.reviews])
    groups = np.digitize(lengths, LENGTHS)
    error = np.abs(found.probability - found.labels)
    worst = [n for n in np.argsort(-error, kind="stable")[:WORST] if not right[n]]
    return {
        "model_versions": found.versions,
        "calibration": calibration,
        "expected_calibration_error": sum(gaps) / len(right),  # Naeini et al. 2015
        "worst_mistakes": [
            {
                "id": found.ids[n],
                "label": int(found.labels[n]),
                "probability": float(found.probability[n]),
                "excerpt": found.reviews[n][:EXCERPT],
            }
            for n in worst
        ],
        "accuracy_by_length": [
            {
                "words_from": (0, *LENGTHS)[n],
                "words_below": (*LENGTHS, None)[n],
                "count": int((groups == n).sum()),
                "accuracy": float(right[groups == n].mean()),
            }
            for n in range(len(LENGTHS) + 1)
            if (groups == n).any()
        ],
    }


def evaluate(found: Predictions, data_report: dict | None = None) -> dict:
    report = {
        "version": 0.0,  # of the layout, as SageMaker Model Monitor writes it
        "dataset": {"item_count": len(found.labels)},
        "binary_classification_metrics": classification_metrics(found.labels, found.probability),
        "sentiment": sentiment_block(found),
    }
    if data_report is not None:
        report["sentiment"]["data"] = data_report
    return report


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--predictions", type=Path, required=True, help="folder of the transform's *.out files"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for evaluation.json")
    parser.add_argument(
        "--data-report", type=Path, help="data_report.json of the preprocessing, to be included"
    )
    options = parser.parse_args(arguments)
    try:
        data_report = read_data_report(options.data_report) if options.data_report else None
        found = read_predictions(options.predictions)
        text = json.dumps(evaluate(found, data_report), indent=2, allow_nan=False) + "\n"
    except EvaluationError as error:
        return fail(str(error), options.output)
    options.output.mkdir(parents=True, exist_ok=True)
    beside = options.output / "evaluation.json.partial"
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, options.output / "evaluation.json")
    accuracy = json.loads(text)["binary_classification_metrics"]["accuracy"]
    print(
        f"accuracy={accuracy['value']:.4f} lower={accuracy['lower']:.4f} upper={accuracy['upper']:.4f} "
        f"reviews={len(found.labels)}",
        flush=True,
    )
    return 0


def fail(message: str, output: Path) -> int:
    """Say what is wrong; in a job also where SageMaker takes the ExitMessage from (at most 1 kB)."""
    print(f"evaluate.py: {message}", file=sys.stderr, flush=True)
    job = output.absolute().parent.parent  # /opt/ml of /opt/ml/processing/evaluation
    if output.absolute().parent.name == "processing" and (job / "output").is_dir():
        (job / "output" / "message").write_bytes(message.encode()[:1024])
    return 1


def read_data_report(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path} is not a JSON file: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
