"""What is read of an evaluation, and two models compared by it."""

import json
from pathlib import Path
from typing import Any

import pytest
from registered import put, report

from pipeline import evaluation
from pipeline.evaluation import Evaluation
from pipeline.storage import FolderStorage, S3Storage

URI = "s3://bucket/evaluation/evaluation.json"


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "s3")


def test_what_the_evaluation_step_writes_is_read(storage: FolderStorage) -> None:
    found = evaluation.read(storage, put(storage, URI, report(80)))
    assert found.accuracy == 0.8 and found.test_size == 100
    assert found.interval == pytest.approx((0.7112, 0.8666), abs=5e-5)  # Wilson's, of 80 of 100
    assert found.test_set == "a" * 64
    assert set(found.metrics) == set(evaluation.METRICS)
    assert found.metrics["recall"] == 0.8
    assert found.fault == ""


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "holds no accuracy"),
        (b'{"binary_classification_metrics": 3}', "holds no accuracy"),
        *(
            (
                f'{{"binary_classification_metrics": {{"accuracy": {{"value": {value}}}}}}}'.encode(),
                "no accuracy",
            )
            for value in ("NaN", "1e999", "-0.1", "91.5", "true", "null", '"high"', "[0.9]", "9" * 400)
        ),
    ],
)
def test_what_is_no_evaluation_is_a_fault_in_words(
    storage: FolderStorage, content: bytes, fault: str
) -> None:
    found = evaluation.read(storage, put(storage, URI, content))
    assert (found.accuracy, found.interval) == (None, None)
    assert URI in found.fault and fault in found.fault


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        "https://example.com/evaluation.json",
        "s3://bucket/../../etc/passwd",
        "s3://bucket/" + "x" * 1000,
        "s3://bucket/a\0b",
        "nothing",
    ],
)
def test_what_is_not_there_is_a_fault_in_words(storage: FolderStorage, uri: str) -> None:
    found = evaluation.read(storage, uri)
    assert found.fault and found == Evaluation(fault=found.fault)


def test_a_bucket_that_may_not_be_read_is_a_fault_in_words() -> None:
    from botocore.exceptions import ClientError

    class Refusing:
        class exceptions:
            class NoSuchKey(Exception):
                pass

        def get_object(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "GetObject")

    found = evaluation.read(S3Storage(Refusing(), "123456789012"), URI)
    assert found.fault == f"{URI} cannot be read: AccessDenied"


def test_parts_that_make_no_sense_are_left_out(storage: FolderStorage) -> None:
    said: dict[str, Any] = report(80)
    said["dataset"]["item_count"] = 99.5
    said["binary_classification_metrics"]["accuracy"]["lower"] = "NaN"
    said["binary_classification_metrics"]["auc"] = {"value": None, "reason": "one class"}
    said["sentiment"]["data"]["outputs"]["reviews/test.jsonl"] = 3
    found = evaluation.read(storage, put(storage, URI, json.dumps(said).encode()))
    assert (found.accuracy, found.interval, found.test_size, found.test_set) == (0.8, None, None, None)
    assert "auc" not in found.metrics and "f1" in found.metrics


def of(right: int, total: int = 100, test_set: str = "a" * 64) -> Evaluation:
    low, high = (
        report(right, total)["binary_classification_metrics"]["accuracy"][key] for key in ("lower", "upper")
    )
    return Evaluation(right / total, (low, high), total, test_set)


def test_a_small_difference_may_be_chance_and_a_large_one_not() -> None:
    near, far = evaluation.compare(of(80), of(85)), evaluation.compare(of(90), of(60))
    assert near.difference == pytest.approx(0.05) and near.overlap is True
    assert far.difference == pytest.approx(-0.3) and far.overlap is False
    assert evaluation.compare(of(8000, 10_000), of(8500, 10_000)).overlap is False


def test_the_test_sets_are_the_same_only_if_both_are_known() -> None:
    assert evaluation.compare(of(80), of(90)).same_test_set is True
    assert evaluation.compare(of(80), of(90, test_set="b" * 64)).same_test_set is False
    unknown = Evaluation(fault="gone")
    nothing = evaluation.compare(of(80), unknown)
    assert (nothing.difference, nothing.overlap, nothing.same_test_set) == (None, None, None)
