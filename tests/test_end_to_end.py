"""The real command on real reviews, as a person runs it. Small data here; test_real_reviews.py runs all
25,000."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time

import pandas
import pytest

from pipeline import settings
from pipeline.cli import show
from pipeline.local import LocalSageMaker
from pipeline.local.execution import EXECUTION, STEP
from pipeline.local.store import Store
from shared import ROOT, aws_client, imdb_rows

QUICK = ["Epochs=3", "VocabularySize=2000", "EmbeddingSize=8", "HiddenSize=8", "AccuracyThreshold=0.5"]
JOBS = ["Preprocess", "Train", "Predict", "Evaluate"]
ORDER = [*JOBS[:2], "CreateModel", *JOBS[2:], "AccuracyGate", "Register", "Deploy"]


def environment(home):
    return {**os.environ, "PIPELINE_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"}


def pipeline(home, *arguments, module="pipeline"):
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=500,
    )


def start(home, *arguments):
    """A command that goes on while the test does, in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def assignments(*more):
    chosen = {setting.partition("=")[0]: setting for setting in [*QUICK, *more]}
    return [word for setting in chosen.values() for word in ("--set", setting)]


def run(home, data, *more, code=0):
    """The run's JSON. `more` are further parameter settings."""
    result = pipeline(home, "--local", "--json", "--data", data, *assignments(*more), module="pipeline.run")
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def steps(answer):
    return {step["name"]: step for step in answer["steps"]}


@pytest.fixture(scope="module")
def first(tmp_path_factory, small_reviews):
    """A state folder after one run, and that run's answer."""
    home = tmp_path_factory.mktemp("first") / "state"
    return home, run(home, small_reviews)


def registered(home):
    with LocalSageMaker(home) as service:
        client = aws_client("sagemaker", service.url)
        groups = client.list_model_package_groups()["ModelPackageGroupSummaryList"]
        return [
            package["ModelPackageVersion"]
            for group in groups
            for package in client.list_model_packages(ModelPackageGroupName=group["ModelPackageGroupName"])[
                "ModelPackageSummaryList"
            ]
        ]


def test_one_command_runs_the_pipeline_to_a_deployed_model(first):
    home, answer = first
    assert answer["status"] == "Succeeded" and answer["failure_reason"] is None
    assert [step["name"] for step in answer["steps"] if step["status"] == "Succeeded"] == ORDER
    assert steps(answer)["AccuracyTooLow"]["status"] not in ("Succeeded", "Failed")
    low, high = answer["accuracy_interval"]
    assert 0.5 <= low < answer["accuracy"] < high <= 1
    assert answer["threshold"] == 0.5
    assert (answer["model_package_version"], answer["approval_status"]) == (1, "Approved")
    assert not any(step["cached"] for step in answer["steps"])
    assert answer["seconds"] >= max(step["seconds"] or 0 for step in answer["steps"])
    evaluation = next((home / "s3").rglob("evaluation.json"))
    assert json.loads(evaluation.read_text())["dataset"]["item_count"] == answer["test_size"]


def test_the_deployed_endpoint_answers(first):
    home, _ = first
    good = pipeline(
        home, "invoke", "--json", "A wonderful film, superb acting and a great story. I loved it!"
    )
    assert good.returncode == 0, good.stderr
    answer = json.loads(good.stdout)
    assert answer["label"] in ("positive", "negative") and 0 <= answer["probability"] <= 1
    bad = pipeline(home, "invoke", "--json", "The worst film ever, awful, boring and a waste of time.")
    assert json.loads(bad.stdout)["probability"] < answer["probability"]


def test_what_did_not_change_is_not_run_again(first, small_reviews):
    home, before = first
    answer = run(home, small_reviews)
    cached = {step["name"] for step in answer["steps"] if step["cached"]}
    assert cached == set(JOBS)
    assert answer["accuracy"] == before["accuracy"]
    assert answer["model_package_version"] == before["model_package_version"] + 1
    for name in JOBS:
        assert re.fullmatch(r"cached, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", steps(answer)[name]["reason"])
    changed = run(home, small_reviews, "LearningRate=0.002")
    assert {step["name"] for step in changed["steps"] if step["cached"]} == {"Preprocess"}
    assert "learning-rate" in steps(changed)["Train"]["reason"]
    assert "'0.002'" in steps(changed)["Train"]["reason"]


def test_the_gate_shuts_with_the_numbers_and_registers_nothing(first, small_reviews):
    home, before = first
    versions = registered(home)
    answer = run(home, small_reviews, "AccuracyThreshold=0.99", code=1)
    assert answer["status"] == "Failed"
    assert {step["name"] for step in answer["steps"] if step["cached"]} == set(JOBS)
    for number in (str(before["accuracy"]), "0.99", str(before["test_size"])):
        assert number in answer["failure_reason"]
    assert answer["model_package_version"] is None
    assert steps(answer)["Register"]["status"] not in ("Succeeded", "Failed")
    assert registered(home) == versions


def test_chosen_steps_go_on_from_the_results_of_an_earlier_run(first, small_reviews):
    """--from goes on from the newest run that has what it needs, with that run's parameters; --only runs one
    step; --source names another run."""
    home, before = first
    go = ["--local", "--start", "--wait", "--json"]
    again = pipeline(
        home, *go, "--from", "AccuracyGate", "--set", "AccuracyThreshold=0.99", module="pipeline.run"
    )
    answer = json.loads(again.stdout)
    assert (again.returncode, answer["status"]) == (1, "Failed")
    assert "0.99" in answer["failure_reason"]
    assert {name for name, step in steps(answer).items() if step["status"] != "NotRun"} == {
        "AccuracyGate",
        "AccuracyTooLow",
    }
    assert answer["parameters"]["VocabularySize"] == "2000"  # of the run that is gone on from
    (told,) = (
        line for line in again.stderr.splitlines() if line.startswith("with the results of execution ")
    )
    assert "VocabularySize=2000" in told and "AccuracyThreshold" not in told
    only = pipeline(
        home,
        *go,
        "--only",
        "Train",
        "--set",
        "Seed=7",
        "--source",
        before["execution"],
        module="pipeline.run",
    )
    answer = json.loads(only.stdout)
    assert only.returncode == 0, only.stderr
    assert [name for name, step in steps(answer).items() if step["status"] == "Succeeded"] == ["Train"]
    assert "seed" in steps(answer)["Train"]["reason"]

    between = pipeline(home, *go, "--only", "Preprocess", "--only", "Predict", module="pipeline.run")
    assert between.returncode == 2
    assert "add --only Train --only CreateModel" in between.stderr
    unknown = pipeline(home, *go, "--from", "Evaluat", module="pipeline.run")
    assert (unknown.returncode, "did you mean Evaluate?" in unknown.stderr) == (2, True)
    nowhere = pipeline(home, *go, "--from", "Evaluate", "--source", "abcdefghijkl", module="pipeline.run")
    assert (nowhere.returncode, "there is no execution abcdefghijkl" in nowhere.stderr) == (2, True)
    for verb in (["runs", "show"], ["runs", "wait"], ["retry"], ["stop"]):
        absent = pipeline(home, *verb, "abcdefghijkl")
        assert (absent.returncode, "there is no execution abcdefghijkl" in absent.stderr) == (2, True)


def test_plan_upsert_start_and_wait_one_by_one(tmp_path, small_reviews):
    """What --local does at once, as on AWS; each part but --start changes nothing when it is done again."""
    home, data = tmp_path / "state", ["--data", small_reviews]
    plan = json.loads(pipeline(home, "--local", "--plan", "--json", *data, module="pipeline.run").stdout)
    assert plan["action"] == "create"
    assert "no executions yet" in pipeline(home, "runs", "list").stdout
    upsert = pipeline(home, "--local", "--upsert", *data, module="pipeline.run")
    assert "created the pipeline" in upsert.stdout
    assert (
        "nothing to upload or to change"
        in pipeline(home, "--local", "--upsert", *data, module="pipeline.run").stdout
    )
    unwatched = pipeline(home, "--local", "--start", module="pipeline.run")
    assert (unwatched.returncode, "add --wait" in unwatched.stderr) == (2, True)
    assert "no executions yet" in pipeline(home, "runs", "list").stdout
    start = ["--local", "--start", "--wait", "--token", "monday", "--only", "Preprocess", "--json"]
    started = pipeline(home, *start, *data, "--upsert", module="pipeline.run")
    assert started.returncode == 0, started.stderr
    again = pipeline(home, *start, *data, "--upsert", module="pipeline.run")
    execution = json.loads(started.stdout)["execution"]
    assert json.loads(again.stdout)["execution"] == execution
    assert "started before" in again.stderr
    waited = pipeline(home, "runs", "wait", execution, "--summary", tmp_path / "summary.md")
    assert (waited.returncode, f"{execution}: Succeeded" in waited.stdout) == (0, True)
    assert execution in (tmp_path / "summary.md").read_text()
    for verb, reason in (
        ("stop", "there is nothing to stop"),
        ("retry", "only one that is Failed or Stopped"),
    ):
        refused = pipeline(home, verb, execution)
        assert (refused.returncode, f"{execution} is Succeeded; {reason}" in refused.stderr) == (2, True)


def test_killed_in_every_job_the_run_resumes_to_the_same_model(first, tmp_path, small_reviews):
    """SIGKILL while each job runs, in training after its first epoch; `retry` goes on. Finished steps stay,
    training resumes from its checkpoint, and the weights are those of the unbroken run."""
    home = tmp_path / "killed"
    command = ["pipeline.run", "--local", "--data", small_reviews, *assignments()]
    finished = {}
    for name in [*JOBS, "Deploy"]:
        process = start(home, *command)
        identity = _wait_for(home, name, process, "epoch=1 " if name == "Train" else "")
        time.sleep({"Preprocess": 0.3, "Predict": 1}.get(name, 0))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        command = ["pipeline", "retry", identity]
        for step, started in finished.items():
            assert _records(home)[1][step]["StartTime"] == started, f"{step} ran again"
        finished = {
            step: record["StartTime"]
            for step, record in _records(home)[1].items()
            if record["StepStatus"] == "Succeeded"
        }
    listed = pipeline(home, "runs", "list")
    assert identity in listed.stdout and "Failed" in listed.stdout
    result = pipeline(home, "retry", identity)
    assert result.returncode == 0, result.stderr + result.stdout
    assert "Train: done before" in result.stdout and "epoch=" not in result.stdout
    assert re.search(r"^resumed after epoch [12] ", _log(home, "Train"), re.MULTILINE)
    execution, records = _records(home)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert all(records[step]["StartTime"] == started for step, started in finished.items())
    assert registered(home) == [1]
    assert _weights(home) == _weights(first[0])


def test_a_run_that_is_stopped_registers_nothing_and_goes_on_when_retried(tmp_path):
    """By `stop` in another terminal, and by Ctrl-C in its own. The reviews are JSON Lines."""
    home, data = tmp_path / "state", tmp_path / "reviews.jsonl"
    pandas.DataFrame(labelled(400), columns=["text", "label"]).to_json(data, orient="records", lines=True)
    command = ["pipeline.run", "--local", "--data", data]

    endless = start(home, *command, "--json", *assignments("Epochs=1000", "Patience=1000"))
    identity = _wait_for(home, "Train", endless, "epoch=1 ")
    stop = pipeline(home, "stop", identity)
    assert stop.returncode == 0, stop.stderr
    output, errors = endless.communicate(timeout=60)
    assert endless.returncode == 1, errors
    answer = json.loads(output)
    assert (answer["status"], answer["execution"]) == ("Stopped", identity)
    assert steps(answer)["Train"]["status"] == "Stopped"
    assert steps(answer)["Predict"]["status"] == "NotRun"
    assert registered(home) == []

    interrupted = start(home, *command, *assignments())
    identity = _wait_for(home, "Train", interrupted)
    os.killpg(interrupted.pid, signal.SIGINT)  # what a terminal does: to every process of the group
    output, errors = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 1, errors
    assert f"{identity}: Stopped" in output and f"pipeline retry {identity}" in output
    assert "Traceback" not in errors + _log(home, "Train")
    assert registered(home) == []

    retried = pipeline(home, "retry", identity)
    assert retried.returncode == 0, retried.stderr
    assert "Preprocess: done before" in retried.stdout
    assert registered(home) == [1]


def _records(home):
    """The newest execution and its steps, read from the state file of a process that may be running."""
    store = Store(home)
    try:
        execution = store.all(EXECUTION)[-1]
        identity = execution["PipelineExecutionArn"].rpartition("/")[2]
        return execution, {record["StepName"]: record for record in store.all(STEP, parent=identity)}
    finally:
        store.close()


def _log(home, step):
    """The log of the step's job in the newest execution, so far."""
    (job,) = _records(home)[1][step]["Metadata"].values()
    log = home / "jobs" / job["Arn"].rpartition("/")[2] / "log.txt"
    return log.read_text() if log.exists() else ""


def _wait_for(home, step, process, line=""):
    """Until a job of the step that this process has started runs, and its log has the line. Returns the
    execution's id. Looks at the folders without a pause to speak of: some jobs take a tenth of a second."""
    pattern = f"pipelines-*-{step}-*/log.txt"
    before = set((home / "jobs").glob(pattern))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the run ended before {step} began"
        for log in set((home / "jobs").glob(pattern)) - before:
            if line in log.read_text():
                return log.parent.name.split("-")[1]
        time.sleep(0.002)
    raise AssertionError(f"{step} never began")


def _weights(home):
    """The digest of the weights in the oldest model archive of a state folder."""
    archives = sorted((home / "s3").rglob("model.tar.gz"), key=lambda path: path.stat().st_mtime)
    with tarfile.open(archives[0]) as archive:
        member = archive.extractfile("model.safetensors")
        assert member is not None
        return hashlib.sha256(member.read()).hexdigest()


def test_two_runs_at_once_in_one_state_folder_both_finish(first, tmp_path, small_reviews):
    """And what they trained is, to the bit, what a run in another state folder with the same seed trained."""
    home = tmp_path / "shared"
    command = [
        sys.executable,
        "-m",
        "pipeline.run",
        "--local",
        "--json",
        "--data",
        str(small_reviews),
        *assignments(),
    ]
    both = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    found = [json.loads(output) for output, _ in answers]
    assert {answer["status"] for answer in found} == {"Succeeded"}
    assert sorted(answer["model_package_version"] for answer in found) == [1, 2]
    assert found[0]["accuracy"] == found[1]["accuracy"]
    assert _weights(home) == _weights(first[0])


def archive(path, *members):
    """A .tar.gz of (TarInfo, content) pairs."""
    with tarfile.open(path, "w:gz") as file:
        for member, content in members:
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def imdb_file(name, content=b"A film."):
    return tarfile.TarInfo(name), content


def _parquet(path):
    pandas.DataFrame(labelled(400), columns=["review", "sentiment"]).to_parquet(path)


def _stanford(path):
    """300 reviews to train with and 100 to test with."""
    reviews = [
        imdb_file(
            f"aclImdb/{'train' if number < 300 else 'test'}/{('neg', 'pos')[int(label)]}/{number}_5.txt",
            text.encode(),
        )
        for number, (text, label) in enumerate(labelled(400))
    ]
    archive(path, *reviews)


@pytest.mark.parametrize(
    ("name", "make", "test_size"), [("aclImdb.tar.gz", _stanford, 100), ("reviews.parquet", _parquet, 40)]
)
def test_other_kinds_of_data_run_too(tmp_path, name, make, test_size):
    """The Stanford archive with its own test split; of the other kinds a tenth is for the test."""
    make(tmp_path / name)
    answer = run(tmp_path / "state", tmp_path / name, "Epochs=1")
    assert answer["status"] == "Succeeded"
    assert answer["test_size"] == test_size


def labelled(count=80):
    return [[row["text"], row["label"]] for row in imdb_rows(count)]


def test_show_prints_the_graph(tmp_path):
    text = pipeline(tmp_path, "show")
    assert text.returncode == 0, text.stderr
    positions = [text.stdout.index(name) for name in ORDER]
    assert positions == sorted(positions)
    mermaid = pipeline(tmp_path, "show", "--mermaid")
    assert mermaid.stdout.startswith(("graph", "flowchart"))
    assert "AccuracyGate" in mermaid.stdout


def test_no_endpoint_yet_says_which_command_makes_one(tmp_path):
    result = pipeline(tmp_path / "state", "invoke", "good")
    assert result.returncode == 2
    assert "make run" in result.stderr or "pipeline.run --local" in result.stderr


def test_the_definition_that_runs_here_is_the_one_for_aws(first):
    """What ran is what compiles, and names no path of this machine."""
    home, _ = first
    ran = _records(home)[0]["PipelineDefinition"]
    compiled = show.definition_of(settings.load("local", variables={}))
    assert json.loads(ran) == json.loads(compiled)
    assert str(ROOT) not in ran and str(home) not in ran
