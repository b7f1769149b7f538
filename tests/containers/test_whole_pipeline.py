"""The whole pipeline on real reviews, its jobs in containers; and the same as processes, to compare.

Both have the same interpreter version, the same packages and the same number of cores, and the project
computes nothing that depends on more: so the results are equal to the byte, and no tolerance is needed.
"""

import csv
import json
import re

import pytest

from pipeline import docker
from pipeline.local.jobs.container import OWNER
from shared import imdb_rows
from test_end_to_end import JOBS, ORDER, assignments, pipeline

REVIEWS = 3000
RUNNERS = ("container", "process")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, images):
    """runner -> (its state folder, the run's JSON)"""
    folder = tmp_path_factory.mktemp("runs")
    data = folder / "reviews.csv"
    with data.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["review", "sentiment"])
        writer.writerows([row["text"], row["label"]] for row in imdb_rows(REVIEWS))
    found = {}
    for runner in RUNNERS:
        chosen = ["--runner", runner, "--data", data, *assignments("Epochs=2")]
        result = pipeline(folder / runner, "--local", "--json", *chosen, module="pipeline.run")
        assert result.returncode == 0, result.stderr
        found[runner] = folder / runner, json.loads(result.stdout)
    return found


def results(runs, pattern):
    """runner -> the contents of the files of that name in its storage, by their path below the execution's"""
    found = {}
    for runner, (home, answer) in runs.items():
        (folder,) = home.glob(f"s3/*/*/executions/{answer['execution']}")
        files = sorted(folder.rglob(pattern))
        assert files, f"{runner} left no {pattern}"
        found[runner] = [path.read_bytes() for path in files]
    return found


def test_every_step_succeeds_in_containers_and_none_is_left(runs):
    _, answer = runs["container"]
    assert [step["name"] for step in answer["steps"] if step["status"] == "Succeeded"] == ORDER
    assert docker.run("ps", "--all", "--quiet", "--filter", f"label={OWNER}") == ""


def test_the_toolkit_trained_and_its_log_is_kept(runs):
    home, _ = runs["container"]
    (log,) = home.glob("jobs/*-Train-*/log.txt")
    assert "sagemaker-training-toolkit INFO     Invoking user script" in log.read_text()


@pytest.mark.parametrize(
    "pattern",
    ["*.out", "evaluation.json", "vocabulary.txt", "train.parquet"],
    ids=lambda pattern: pattern.strip("*."),
)
def test_results_are_equal_to_the_byte(runs, pattern):
    found = results(runs, pattern)
    assert found["container"] == found["process"]


def test_the_same_again_runs_no_job_and_another_runner_is_another_result(runs):
    home, _ = runs["container"]
    data = home.parent / "reviews.csv"
    chosen = ["--data", data, *assignments("Epochs=2")]
    again = pipeline(home, "--local", "--runner", "container", *chosen, module="pipeline.run")
    assert re.findall(r"^(\w+) +cached, since", again.stdout, re.MULTILINE) == JOBS, again.stdout
    other = pipeline(home, "--local", *chosen, module="pipeline.run")
    assert other.returncode == 0 and "changed since the last result: image: 'sha256:" in other.stdout


def test_the_endpoint_of_containers_answers(runs):
    home, _ = runs["container"]
    asked = pipeline(home, "invoke", "--setting", "runner=container", "--json", "A wonderful, superb film.")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["label"] == "positive"
