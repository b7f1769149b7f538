"""The sagemaker-training toolkit, in the training image, is the judge of what a script gets.

Each job runs twice: in a container, which the toolkit starts, and as a process, which the project's own
reading of the toolkit starts. What the two scripts saw is compared.
"""

import io
import json
import tarfile

import pytest

from pipeline.local.jobs import ContainerRunner, JobContext, ProcessRunner, run_training
from pipeline.storage import FolderStorage

LOOK = """
import json, os, pathlib, sys
variables = {name: value for name, value in os.environ.items() if name.startswith("SM_")}
config = pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"])
seen = {
    "arguments": sys.argv, "folder": os.getcwd(), "variables": variables,
    "config": {path.name: json.loads(path.read_text()) for path in sorted(config.glob("*.json"))},
    "files": sorted(str(path) for path in pathlib.Path(os.environ["SM_INPUT_DIR"], "data").rglob("*")),
    "code": sorted(os.listdir()),
}
pathlib.Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
"""

AS_JSON = {"SM_TRAINING_ENV", "SM_RESOURCE_CONFIG", "SM_HPS"}  # whose members may come in any order


@pytest.fixture
def both(tmp_path):
    """both(script, hyperparameters) -> the results in a container and as a process, with their contexts."""

    def both(script, hyperparameters=None, **changes):
        found = []
        for name, runner in (("container", ContainerRunner()), ("process", ProcessRunner())):
            storage = FolderStorage(tmp_path / name / "s3")
            source = tmp_path / name / "train.py"
            source.parent.mkdir()
            source.write_text(script)
            storage.put(source, "s3://bucket/code/train.py")
            storage.put(source, "s3://bucket/data/a/b.txt")
            request = {
                "AlgorithmSpecification": {
                    "TrainingImage": "sentiment/training:local",
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=([0-9.]+)"}],
                },
                "HyperParameters": {
                    "sagemaker_program": "train.py",
                    "sagemaker_submit_directory": "/opt/ml/input/data/code",
                    **(hyperparameters or {}),
                },
                "InputDataConfig": [
                    {"ChannelName": channel, "DataSource": {"S3DataSource": {"S3Uri": uri}}}
                    for channel, uri in [("code", "s3://bucket/code"), ("train-set", "s3://bucket/data")]
                ],
                "OutputDataConfig": {"S3OutputPath": "s3://bucket/models/"},
                "CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints"},
                "ResourceConfig": {"InstanceType": "ml.c5.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 300},
                "EnableNetworkIsolation": True,
                **changes,
            }
            context = JobContext(storage, tmp_path / name / "jobs", tmp_path / name / "models", runner)
            found.append((run_training("job", request, context), context))
        return found

    return both


def seen(context) -> dict:
    archive = context.storage.read("s3://bucket/models/job/output/model.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = json.load(tar.extractfile("seen.json"))
    variables = found["variables"]
    found["variables"] = {
        key: json.loads(text) if key in AS_JSON else text for key, text in variables.items()
    }
    return found


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {},
        {"epochs": "3", "learning-rate": "0.003", "b": "x", "checkpoint-dir": "/opt/ml/checkpoints"},
        {"on": "true", "nothing": "null", "sizes": '{"z": 1, "a": 2}', "list": '[1, "a"]', "text": '"7"'},
        {"sagemaker_container_log_level": "10", "sagemaker_mpi_enabled": "false", "spaces": "a b 'c' \"d\""},
    ],
    ids=["none", "of this project", "of every type", "of the toolkit"],
)
def test_arguments_variables_files_and_folder_are_the_same(both, hyperparameters):
    (one, here), (other, there) = both(LOOK, hyperparameters)
    assert (one.status, other.status) == ("Completed", "Completed"), (one, other)
    container, process = seen(here), seen(there)
    ours, theirs = process.pop("variables"), container.pop("variables")
    differ = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    assert {name: (theirs.get(name), ours.get(name)) for name in differ} == {}
    assert container == process


def test_metrics_output_data_and_checkpoints_are_the_same(both):
    script = """
import os, pathlib
print("epoch=1 loss=0.5")
print("epoch=2 loss=0.25")
pathlib.Path("/opt/ml/checkpoints/last").write_text("2")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "curve.json").write_text("[]")
pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text("w")
"""
    results = both(script)
    for result, context in results:
        assert [metric["Value"] for metric in result.description["FinalMetricDataList"]] == [0.25]
        assert context.storage.read("s3://bucket/checkpoints/last") == b"2"
    listed = [context.storage.list("s3://bucket/models") for _, context in results]
    assert listed[0] == listed[1] != []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit(7)", "7"),
        ("raise ValueError('no such column: rating')", "no such column: rating"),
        (
            "open('/opt/ml/output/failure', 'w').write('no reviews in train'); raise SystemExit(2)",
            "no reviews in train",
        ),
    ],
    ids=["exit code", "exception", "failure file"],
)
def test_a_failure_is_a_failure_that_says_why(both, script, said):
    for result, context in both(script):
        assert result.status == "Failed"
        assert result.failure_reason.startswith("AlgorithmError: ") and "exit code: " in result.failure_reason
        log = (context.jobs / "job" / "log.txt").read_text()
        assert said in result.failure_reason or said in log, result.failure_reason
        assert not context.storage.exists("s3://bucket/models/job/output/model.tar.gz")
