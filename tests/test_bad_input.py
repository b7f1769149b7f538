"""What bad input gets from the real command: a message that names it, exit code 2, nothing registered."""

import csv
import json
import os
import sqlite3
import subprocess
import sys
import tarfile

import pytest

from pipeline import code_bundle, compiled, definition, settings
from pipeline.storage import FolderStorage
from shared import ROOT
from test_end_to_end import archive, environment, imdb_file, labelled, pipeline, registered


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "no/such/file.csv"], "no/such/file.csv"),
        (["--set", "Epoch=3"], "Epochs"),
        (["--set", "Epochs=many"], "many"),
        (["--set", "Epochs=0"], "Epochs=0"),
        (["--set", "AccuracyThreshold=1.5"], "1.5"),
        (["--set", "AccuracyThreshold=nan"], "nan"),
        (["--set", "ApprovalStatus=Maybe"], "Approved"),
        (["--set", "Epochs"], "NAME=VALUE"),
        (["--colour"], "--colour"),
    ],
)
def test_a_mistake_on_the_command_line_is_named_and_changes_nothing(tmp_path, arguments, named):
    home = tmp_path / "state"
    result = pipeline(home, "--local", *arguments, module="pipeline.run")
    assert result.returncode == 2, result.stderr
    assert named in result.stderr
    assert "Traceback" not in result.stderr
    assert not (home / "state.db").exists() or registered(home) == []


def _csv(path, rows, header=("review", "sentiment")):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


BAD_DATA = {
    "empty review": (lambda path: _csv(path, [*labelled(), ["  ", "1"]]), "82"),
    "label": (lambda path: _csv(path, [*labelled(), ["A film.", "meh"]]), "meh"),
    "one class": (lambda path: _csv(path, [row for row in labelled() if row[1] == "1"]), "negative"),
    "too few": (lambda path: _csv(path, labelled(4)), "at least 20 of each class"),
    "column": (lambda path: _csv(path, labelled(), ("words", "stars")), "words"),
    "not text": (lambda path: path.write_bytes(os.urandom(20_000)) and path, "reviews.csv"),
}


def _link(name):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member, b""


def _truncated(path):
    whole = archive(path, *(imdb_file(f"aclImdb/train/pos/{n}_9.txt", os.urandom(3000)) for n in range(40)))
    whole.write_bytes(whole.read_bytes()[:-30_000])
    return whole


BAD_ARCHIVES = {
    "truncated": (_truncated, "truncated"),
    "traversal": (lambda path: archive(path, imdb_file("aclImdb/../../evil.txt")), "evil.txt"),
    "link": (lambda path: archive(path, _link("aclImdb/train/pos/1_9.txt")), "1_9.txt"),
    "bomb": (
        lambda path: archive(path, imdb_file("aclImdb/train/pos/1_9.txt", bytes(200_000_000))),
        "1_9.txt",
    ),
    "not IMDb": (lambda path: archive(path, imdb_file("holiday/beach.txt")), "not the IMDb archive"),
    "no archive": (lambda path: path.write_bytes(os.urandom(5000)) and path, "reviews.tar.gz"),
}


@pytest.mark.parametrize("case", [*BAD_DATA, *BAD_ARCHIVES])
def test_bad_data_is_named_and_changes_nothing(tmp_path, case):
    make, named = {**BAD_DATA, **BAD_ARCHIVES}[case]
    path = make(tmp_path / ("reviews.csv" if case in BAD_DATA else "reviews.tar.gz"))
    home = tmp_path / "state"
    result = pipeline(home, "--local", "--data", path, module="pipeline.run")
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert named in result.stderr and path.name in result.stderr
    assert "Traceback" not in result.stderr
    assert not (home / "state.db").exists() or registered(home) == []
    assert not FolderStorage(home / "s3").exists("s3://sentiment-local/sentiment/data")


def test_a_state_folder_of_a_newer_version_is_left_alone(tmp_path, small_reviews):
    home = tmp_path / "state"
    home.mkdir()
    connection = sqlite3.connect(home / "state.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    result = pipeline(home, "--local", "--data", small_reviews, module="pipeline.run")
    assert result.returncode == 2
    assert "newer version" in result.stderr and "Traceback" not in result.stderr


def test_a_full_disk_is_named_and_registers_nothing(tmp_path, small_reviews):
    """On a file system of 16 MB, in a private mount namespace."""
    home = tmp_path / "small"
    home.mkdir()
    command = (
        'mount -t tmpfs -o size=16m tmpfs "$PIPELINE_HOME" && '
        'cd "$0" && "$1" -m pipeline.run --local --data "$2"; code=$?; ls "$PIPELINE_HOME"; exit $code'
    )
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, str(ROOT), sys.executable, str(small_reviews)],
        env=environment(home),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2, result.stderr
    assert "space" in result.stderr and "Traceback" not in result.stderr


def _cycle(body):
    body["Steps"][0]["DependsOn"] = ["Evaluate"]


def _undeclared(body):
    body["Parameters"] = [each for each in body["Parameters"] if each["Name"] != "Epochs"]


def _unsupported(body):
    body["Steps"][0] = {"Name": "Preprocess", "Type": "EMR", "Arguments": {}}


@pytest.fixture(scope="module")
def good_definition():
    """The project's own definition, and the file in a state folder that the command reads it from once it is
    compiled."""
    config = settings.load("local", variables={})
    code = {script: bundle.uri(config.root) for script, bundle in code_bundle.bundles().items()}
    return definition.compile(config, code), lambda home: compiled.file_of(config, code, home)


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (_cycle, ["in a circle", "Preprocess -> Evaluate"]),
        (_undeclared, ["Train", "Epochs"]),
        (_unsupported, ["Preprocess", "EMR is not supported"]),
    ],
)
def test_a_definition_that_cannot_run_is_named_and_not_started(
    tmp_path, small_reviews, good_definition, plant, named
):
    home, (text, file_in) = tmp_path / "state", good_definition
    body = json.loads(text)
    plant(body)
    file = file_in(home)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(body))
    result = pipeline(home, "--local", "--data", small_reviews, module="pipeline.run")
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert all(word in result.stderr for word in named), result.stderr
    assert "Traceback" not in result.stderr
    assert "no executions" in pipeline(home, "runs", "list").stdout
    assert registered(home) == []
