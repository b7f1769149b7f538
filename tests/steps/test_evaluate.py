import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

import evaluate
import small_model


def record(label: int, probability: float, **more: object) -> dict:
    answer = {"label": "…", "probability": probability, "model_version": "0123456789ab"}
    return {"id": 1, "review": "a film of some words", "label": label, "SageMakerOutput": answer, **more}


def write(folder: Path, records: list[dict], name: str = "test.jsonl.out") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(each) + "\n" for each in records))
    return folder


def report(tmp_path: Path, records: list[dict], *more: str) -> dict:
    predictions = write(tmp_path / "predictions", records)
    assert evaluate.main(["--predictions", str(predictions), "--output", str(tmp_path / "out"), *more]) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((tmp_path / "out" / "evaluation.json").read_text(), parse_constant=refuse)


def test_metrics_by_hand(tmp_path, capsys):
    # Predicted positive: 0.9 (right), 0.5 (wrong), 0.7 (right); negative: 0.2 (right), 0.4 (wrong).
    found = report(tmp_path, [record(1, 0.9), record(0, 0.5), record(1, 0.7), record(0, 0.2), record(1, 0.4)])
    block = found["binary_classification_metrics"]
    assert found["dataset"]["item_count"] == 5
    assert block["confusion_matrix"] == {"0": {"0": 1, "1": 1}, "1": {"0": 1, "1": 2}}
    values = {name: entry["value"] for name, entry in block.items() if "value" in entry}
    assert values == pytest.approx(
        {
            "accuracy": 3 / 5,
            "precision": 2 / 3,
            "recall": 2 / 3,
            "f1": 2 / 3,
            "true_positive_rate": 2 / 3,
            "true_negative_rate": 1 / 2,
            "false_positive_rate": 1 / 2,
            "false_negative_rate": 1 / 3,
            "auc": 5
            / 6,  # of the six pairs of a positive and a negative review, only (0.4, 0.5) is the wrong way
            "log_loss": -math.log(0.9 * 0.5 * 0.7 * 0.8 * 0.4) / 5,
            "brier": (0.1**2 + 0.5**2 + 0.3**2 + 0.2**2 + 0.6**2) / 5,
        }
    )
    assert block["accuracy"]["standard_deviation"] == pytest.approx(math.sqrt(0.6 * 0.4 / 5))
    assert capsys.readouterr().out.startswith("accuracy=0.6000 lower=0.2307 upper=0.8824 reviews=5")


@pytest.mark.parametrize(
    "right, total, lower, upper",
    [(80, 100, 0.7112, 0.8666), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_wilson_interval_as_published_tables_have_it(right, total, lower, upper):
    assert evaluate.wilson_interval(right, total) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize("decimals", [1, 2, 6])  # one decimal: many ties
def test_metrics_agree_with_scikit_learn(decimals):
    draw = np.random.default_rng(decimals)
    labels = draw.integers(0, 2, 500)
    probability = np.clip(labels * 0.3 + draw.uniform(0, 0.7, 500), 0, 1).round(decimals)
    block = evaluate.classification_metrics(labels, probability)
    predicted = probability >= 0.5
    for name, expected in {
        "auc": metrics.roc_auc_score(labels, probability),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted),
        "recall": metrics.recall_score(labels, predicted),
        "f1": metrics.f1_score(labels, predicted),
        "brier": metrics.brier_score_loss(labels, probability),
        "log_loss": metrics.log_loss(labels, np.clip(probability, 1e-7, 1 - 1e-7)),
    }.items():
        assert block[name]["value"] == pytest.approx(expected), name
    expected_false, expected_true, _ = metrics.roc_curve(labels, probability, drop_intermediate=False)
    false, true = evaluate.roc_curve(labels, probability)
    assert false == pytest.approx(expected_false) and true == pytest.approx(expected_true)


def test_the_curve_in_the_file_is_short_and_whole():
    draw = np.random.default_rng(0)
    block = evaluate.classification_metrics(draw.integers(0, 2, 3000), draw.uniform(0, 1, 3000))
    curve = block["receiver_operating_characteristic_curve"]
    for rates in curve.values():
        assert len(rates) == 101 and rates[0] == 0 and rates[-1] == 1 and rates == sorted(rates)


@pytest.mark.parametrize("label, lacking", [(1, "negative"), (0, "positive")])
def test_with_one_class_what_cannot_be_computed_is_null_with_a_reason(tmp_path, label, lacking):
    block = report(tmp_path, [record(label, 0.4), record(label, 0.3)])["binary_classification_metrics"]
    reason = f"there is no {lacking} review"
    assert block["auc"] == {"value": None, "standard_deviation": None, "reason": reason}
    assert block["accuracy"]["value"] == (0.0 if label else 1.0)
    assert block["precision"]["value"] is None and block["precision"]["reason"]
    assert "receiver_operating_characteristic_curve" not in block


def test_calibration_counts_each_review_in_one_bin(tmp_path):
    probabilities = [0.0, 0.05, 0.1, 0.55, 0.95, 1.0]
    block = report(tmp_path, [record(int(p > 0.5), p) for p in probabilities])["sentiment"]
    counts = {entry["from"]: entry["count"] for entry in block["calibration"]}
    assert counts == {0.0: 2, 0.1: 1, 0.5: 1, 0.9: 2}
    assert block["expected_calibration_error"] == pytest.approx((0.05 + 0.1 + 0.45 + 0.05) / 6)


def test_the_worst_mistakes_are_the_surest_wrong_answers(tmp_path):
    records = [record(1, 0.1), record(0, 0.95), record(1, 0.99), record(0, 0.6)]
    numbered = [each | {"id": number} for number, each in enumerate(records)]
    block = report(tmp_path, numbered)["sentiment"]
    assert [(entry["id"], entry["probability"]) for entry in block["worst_mistakes"]] == [
        (1, 0.95),
        (0, 0.1),
        (3, 0.6),
    ]


def test_accuracy_by_length_in_words(tmp_path):
    records = [record(1, 0.9, review="word " * n) for n in (5, 99, 100, 600)] + [
        record(1, 0.1, review="word " * 7)
    ]
    groups = report(tmp_path, records)["sentiment"]["accuracy_by_length"]
    assert [(g["words_from"], g["words_below"], g["count"]) for g in groups] == [
        (0, 100, 3),
        (100, 200, 1),
        (500, None, 1),
    ]
    assert groups[0]["accuracy"] == pytest.approx(2 / 3)


def test_the_order_of_the_records_changes_no_metric(tmp_path):
    records = [record(n % 2, (n * 37 % 100) / 100) for n in range(60)]
    first = report(tmp_path, records)["binary_classification_metrics"]
    random.Random(1).shuffle(records)
    second = report(tmp_path, records)["binary_classification_metrics"]
    assert first["auc"] == second["auc"] and first["accuracy"] == second["accuracy"]


def test_the_data_report_travels_along(tmp_path):
    (tmp_path / "data_report.json").write_text('{"input": {"sha256": "ab"}}')
    found = report(tmp_path, [record(1, 0.9)], "--data-report", str(tmp_path / "data_report.json"))
    assert found["sentiment"]["data"] == {"input": {"sha256": "ab"}}


GOOD = json.dumps(record(1, 0.9))


@pytest.mark.parametrize(
    "line, message",
    [
        (GOOD.replace("0.9", "NaN"), "line 2: the probability is nan, not a number from 0 to 1"),
        (GOOD.replace("0.9", "Infinity"), "line 2: the probability is inf"),
        (GOOD.replace("0.9", "1.2"), "line 2: the probability is 1.2"),
        (GOOD.replace("0.9", '"0.9"'), "line 2: the probability is '0.9'"),
        (GOOD.replace("0.9", "null"), "line 2: the probability is None"),
        (GOOD.replace("0.9", "true"), "line 2: the probability is True"),
        (GOOD.replace("probability", "p"), "line 2: the probability is None"),
        (GOOD.replace("SageMakerOutput", "Output"), 'line 2 has no answer under "SageMakerOutput"'),
        (GOOD.replace('"label": 1', '"label": 2'), "line 2: the label is 2, not 0 or 1"),
        (GOOD.replace('"label": 1', '"label": null'), "line 2: the label is None"),
        (GOOD.replace('"review"', '"text"'), "line 2: the review is NoneType, not text"),
        ("[1]", "line 2 has no answer"),
        ('{"id": 1', "line 2 is not JSON"),
        ("", "line 2 is not JSON"),
    ],
)
def test_an_unreadable_prediction_is_named_with_its_line(tmp_path, capsys, line, message):
    folder = write(tmp_path / "predictions", [])
    (folder / "test.jsonl.out").write_text(f"{GOOD}\n{line}\n{GOOD}\n")
    assert_fails(tmp_path, capsys, folder, message)


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "holds no \\*.out file"),
        ({"a.out": b""}, "no prediction in it"),
        ({"a.out": b"\xff"}, "cannot be read"),
    ],
)
def test_no_predictions_is_an_error(tmp_path, capsys, files, message):
    folder = write(tmp_path / "predictions", [], name="other")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert_fails(tmp_path, capsys, folder, message)


def assert_fails(tmp_path, capsys, predictions, message):
    job = tmp_path / "ml"
    (job / "output").mkdir(parents=True)
    output = job / "processing" / "evaluation"
    assert evaluate.main(["--predictions", str(predictions), "--output", str(output)]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert (job / "output" / "message").read_text() and not output.exists()


def test_the_job_needs_no_torch(tmp_path):
    predictions = write(tmp_path / "predictions", [record(1, 0.9), record(0, 0.2)])
    code = (
        "import sys, runpy; sys.modules['torch'] = None; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    arguments = [
        small_model.STEPS / "evaluate.py",
        "--predictions",
        predictions,
        "--output",
        tmp_path / "out",
    ]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0 and "accuracy=1.0000" in done.stdout, done.stderr
