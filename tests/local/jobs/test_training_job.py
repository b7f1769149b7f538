import io
import json
import tarfile
import time
from dataclasses import replace

import pytest

from pipeline.local.jobs import run_training

ARTIFACTS = "s3://bucket/models/job/output"


@pytest.fixture
def train(context, upload):
    """Run train.py in script mode, its code in the channel `code`."""

    def train(script, context=context, hyperparameters=None, channels=(), metrics=(), name="job", **changes):
        upload("s3://bucket/code", {"train.py": script})
        request = {
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in metrics],
            },
            "HyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "/opt/ml/input/data/code",
                **(hyperparameters or {}),
            },
            "InputDataConfig": [
                {"ChannelName": channel, "DataSource": {"S3DataSource": {"S3Uri": uri}}}
                for channel, uri in [("code", "s3://bucket/code"), *channels]
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/models/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            "EnableNetworkIsolation": True,
            **changes,
        }
        return run_training(name, request, context)

    return train


SAVE = """
import os
open(os.environ["SM_MODEL_DIR"] + "/weights", "w").write("w")
open(os.environ["SM_OUTPUT_DATA_DIR"] + "/curves.json", "w").write("c")
"""


def members(storage, uri):
    with tarfile.open(fileobj=io.BytesIO(storage.read(uri))) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def test_a_model_and_output_data_become_archives(train, context):
    result = train(SAVE)
    assert result.status == "Completed"
    assert result.description["ModelArtifacts"] == {"S3ModelArtifacts": f"{ARTIFACTS}/model.tar.gz"}
    assert result.description["SecondaryStatus"] == "Completed"
    assert members(context.storage, f"{ARTIFACTS}/model.tar.gz") == {"weights": b"w"}
    assert members(context.storage, f"{ARTIFACTS}/output.tar.gz") == {"curves.json": b"c"}


def test_the_same_model_gives_the_same_archive(train, context):
    train(SAVE)
    first = context.storage.read(f"{ARTIFACTS}/model.tar.gz")
    time.sleep(1.1)  # another second, the resolution of an archive's times
    train(SAVE, name="again")
    assert context.storage.read("s3://bucket/models/again/output/model.tar.gz") == first


def test_a_failed_training_keeps_its_output_data_but_has_no_model(train, context):
    result = train(
        SAVE
        + """
open(os.environ["SM_OUTPUT_DIR"] + "/failure", "w").write("loss is not a number")
raise SystemExit(1)
"""
    )
    assert result.failure_reason == "AlgorithmError: loss is not a number, exit code: 1"
    assert (result.status, result.description["SecondaryStatus"]) == ("Failed", "Failed")
    assert "ModelArtifacts" not in result.description
    assert context.storage.list(ARTIFACTS) == [f"{ARTIFACTS}/output.tar.gz"]


def test_a_training_that_is_stopped_keeps_its_model(train, context):
    log = context.jobs / "job" / "log.txt"
    stopping = replace(context, stopping=lambda: log.exists() and "saved" in log.read_text())
    result = train(SAVE + "import time; print('saved', flush=True); time.sleep(60)", context=stopping)
    assert (result.status, result.description["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert members(context.storage, f"{ARTIFACTS}/model.tar.gz") == {"weights": b"w"}


def test_a_training_that_runs_too_long_is_stopped(train):
    result = train("import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (result.status, result.description["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert result.error_type == "MaxRuntimeExceeded"


def test_metrics_are_the_last_values_of_the_log(train):
    before = time.time()
    result = train(
        """
        print("epoch=1 loss=0.5 accuracy=0.7")
        print("epoch=2 loss=2.5e-1 accuracy=nan")
        """,
        metrics=[("loss", r"loss=(\S+)"), ("accuracy", r"accuracy=(\S+)"), ("none", r"none=(\d)")],
    )
    metrics = {each["MetricName"]: each for each in result.description["FinalMetricDataList"]}
    assert {name: each["Value"] for name, each in metrics.items()} == {"loss": 0.25, "accuracy": 0.7}
    assert before <= metrics["loss"]["Timestamp"] <= time.time()


def test_channels_and_configuration_files(train, upload, context):
    upload("s3://bucket/train.csv", "1")
    train(
        """
        import json, os
        config = os.environ["SM_INPUT_CONFIG_DIR"]
        assert os.listdir(os.environ["SM_CHANNEL_TRAIN"]) == ["train.csv"]
        print(json.dumps([json.load(open(f"{config}/{name}.json")) for name in
                          ("hyperparameters", "inputdataconfig", "resourceconfig")]))
        """,
        hyperparameters={"epochs": "3"},
        channels=[("train", "s3://bucket/train.csv")],
    )
    lines = (context.jobs / "job" / "log.txt").read_text().splitlines()
    parameters, channels, resources = json.loads(next(line for line in lines if line.startswith("[{")))
    assert parameters["epochs"] == "3" and parameters["sagemaker_program"] == "train.py"
    assert channels["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    assert (resources["current_host"], resources["current_instance_type"]) == ("algo-1", "ml.m5.large")


def test_a_missing_channel_is_named(train):
    result = train("", channels=[("train", "s3://bucket/none")])
    assert result.failure_reason.startswith("ClientError: channel 'train': ")
    assert "s3://bucket/none" in result.failure_reason


def test_checkpoints_are_in_the_storage_at_once(train, context):
    log = context.jobs / "job" / "log.txt"
    seen = []

    def stopping():
        if log.exists() and "written" in log.read_text():
            seen.extend(context.storage.list("s3://bucket/checkpoints"))
        return bool(seen)

    checkpoints = {"CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints"}}
    code = """
        import os, sys, time
        folder = sys.argv[2]
        print(os.listdir(folder))
        open(f"{folder}/{len(os.listdir(folder))}", "w")
        print("written", flush=True)
        time.sleep(float(sys.argv[4]))
    """
    arguments = {"a-folder": "/opt/ml/checkpoints"}
    train(
        code,
        context=replace(context, stopping=stopping),
        hyperparameters={**arguments, "b-sleep": "60"},
        **checkpoints,
    )
    assert seen == ["s3://bucket/checkpoints/0"]
    train(code, hyperparameters={**arguments, "b-sleep": "0"}, **checkpoints)  # finds what the first left
    assert context.storage.list("s3://bucket/checkpoints") == [
        "s3://bucket/checkpoints/0",
        "s3://bucket/checkpoints/1",
    ]


def test_an_entrypoint_of_its_own_comes_before_script_mode(train, context):
    result = train(
        "raise SystemExit('not this')",
        AlgorithmSpecification={
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c"],
            "ContainerArguments": [
                "import os; print(os.environ['TRAINING_JOB_NAME'], 'SM_HPS' in os.environ)"
            ],
        },
    )
    assert result.status == "Completed"
    assert (context.jobs / "job" / "log.txt").read_text().splitlines()[-1] == "job False"
