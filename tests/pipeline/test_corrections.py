"""What is kept on the page comes back here, and into a data set that preprocessing reads."""

import csv
import json

import pytest

from pipeline import corrections, data
from pipeline.cli import corrections as command
from pipeline.errors import DataError, UsageError
from pipeline.storage import FolderStorage
from pipeline.uploads import File
from web.corrections import Corrections

ROOT = "s3://bucket/sentiment"
DAY = 1_790_000_000  # 2026-09-21


@pytest.fixture
def storage(tmp_path):
    return FolderStorage(tmp_path / "s3")


@pytest.fixture
def say(storage):
    """say(review, label): what the page does when somebody marks an answer as wrong."""

    def put(name: str, content: bytes) -> None:
        storage.add([File.of(content, name)], corrections.uri(ROOT))

    def say(review: str, label: str, **changes) -> None:
        record = {"review": review, "label": label, "probability": 0.25, "model_version": "v1", **changes}
        Corrections(put, clock=lambda: DAY).store(record)

    return say


def test_what_the_page_keeps_is_read_again(storage, say):
    say("Good.\n“Really” 🎬", "positive")
    (found,) = corrections.read(storage, ROOT)
    assert found == corrections.Correction("2026-09-21", "Good.\n“Really” 🎬", "positive", 0.25, "v1")


def test_nothing_kept_is_no_correction(storage):
    assert corrections.read(storage, ROOT) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"review": "x", "label": "negative"}'])
def test_what_is_no_correction_is_named(storage, content):
    storage.add([File.of(content, "2026/09/21/x.jsonl")], corrections.uri(ROOT))
    with pytest.raises(DataError, match=f"{ROOT}/corrections/2026/09/21/x.jsonl is not a correction"):
        corrections.read(storage, ROOT)


def test_a_data_set_with_corrections(storage, say, small_reviews, tmp_path):
    with small_reviews.open(encoding="utf-8", newline="") as file:
        known = list(csv.DictReader(file))
    first, second, third = (row["review"] for row in known[:3])
    other = {"0": "positive", "1": "negative"}
    say(first, other[known[0]["sentiment"]])  # changes its label
    say(second, "positive")
    say(second, "negative")  # contradicts: stays as it was
    say("A review that nobody has seen before.", "negative")
    target = tmp_path / "reviews.jsonl"
    merged = corrections.write(corrections.read(storage, ROOT), small_reviews, target)
    assert merged == corrections.Merged(len(known) + 1, changed=1, added=1, contradictory=1)
    written = [json.loads(line) for line in target.read_text().splitlines()]
    assert written[0] == {"review": first, "label": other[known[0]["sentiment"]]}
    names = {"0": "negative", "1": "positive"}
    assert written[1:-1] == [{"review": row["review"], "label": names[row["sentiment"]]} for row in known[1:]]
    assert written[-1] == {"review": "A review that nobody has seen before.", "label": "negative"}
    reviews, summary = data.load(target)  # as preprocessing reads it
    assert (len(reviews), summary.reviews) == (len(known) + 1, len(known) + 1)


def test_a_file_that_exists_is_left_alone(storage, tmp_path):
    target = tmp_path / "mine.jsonl"
    target.write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.jsonl exists; name a new file"):
        corrections.write([], None, target)
    assert target.read_text() == "mine"


def test_a_folder_that_is_not_there_is_named(storage, tmp_path):
    with pytest.raises(UsageError, match="nowhere is no folder; make it, or name a file elsewhere"):
        corrections.write([], None, tmp_path / "nowhere" / "reviews.jsonl")


def test_a_strangers_text_does_not_drive_the_terminal(storage, say, capsys):
    say("\x1b]0;title\x07\x1b[2J\nBad\r\n" + "very " * 100, "negative", model_version="\x1b[31m" + "x" * 100)
    command.show(corrections.read(storage, ROOT), "local", as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "\x1b" not in "".join(lines) and "\x07" not in "".join(lines)
    assert lines[1].startswith("2026-09-21  negative  25.0% positive   [31mxxxxxxx…  ]0;title [2J Bad very")
    assert lines[-1].endswith("python -m pipeline corrections --to reviews.jsonl")
