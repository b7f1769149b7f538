"""What a script gets from the process runner is what the sagemaker-training toolkit, 5.1.4, gives it.

tests/containers/test_toolkit.py asks the toolkit itself.
"""

import io
import json
import tarfile

import pytest

from pipeline.local.jobs import run_training, script_mode
from pipeline.local.jobs.training import _resources
from shared import need_namespaces


def test_hyperparameters_are_read_as_json_where_they_are():
    decoded = script_mode.decode(
        {"n": "3", "rate": "1e-3", "name": "adam", "quoted": '"x"', "on": "true", "none": "null"}
    )
    assert decoded == {"n": 3, "rate": 0.001, "name": "adam", "quoted": "x", "on": True, "none": None}


def test_hyperparameters_become_arguments():
    arguments = script_mode.script_arguments(
        {
            "learning-rate": 0.001,
            "b": "x",
            "on": True,
            "nothing": None,
            "sizes": {"z": 1, "a": 2},
            "list": [1, "a"],
        }
    )
    assert arguments == [
        "-b", "x", "--learning-rate", "0.001", "--list", "[1, 'a']",
        "--nothing", "", "--on", "True", "--sizes", "a=2,z=1",
    ]  # fmt: skip


def test_variables():
    resources = _resources({"ResourceConfig": {"InstanceType": "ml.m5.large"}})
    hyperparameters = {
        "sagemaker_program": "train.py",
        "epochs": 3,
        "name": "x",
        "sagemaker_mpi_enabled": True,
    }
    variables = script_mode.environment("job", hyperparameters, resources, {"train": {}, "code": {}})
    expected = {
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_OUTPUT_DIR": "/opt/ml/output",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
        "SM_CHANNELS": '["code","train"]',
        "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
        "SM_HPS": '{"epochs":3,"name":"x"}',
        "SM_HP_EPOCHS": "3",
        "SM_HP_NAME": "x",
        "SM_USER_ARGS": '["--epochs","3","--name","x"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_HOSTS": '["algo-1"]',
        "SM_FRAMEWORK_PARAMS": '{"sagemaker_mpi_enabled":true}',
        "SM_MODULE_NAME": "train",
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_LOG_LEVEL": "20",
        "SM_FRAMEWORK_MODULE": "",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert json.loads(variables["SM_TRAINING_ENV"])["hyperparameters"] == {"epochs": 3, "name": "x"}


@pytest.fixture(params=["namespace", "prefix"])
def isolation(request, best_isolation):
    need_namespaces(request.param, best_isolation)
    return request.param


def archive(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def train(context):
    def train(directory, program="train.py", isolated=False):
        request = {
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
            "HyperParameters": {"sagemaker_program": program, "sagemaker_submit_directory": directory},
            "InputDataConfig": [
                {"ChannelName": "code", "DataSource": {"S3DataSource": {"S3Uri": "s3://bucket/code"}}}
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
            "EnableNetworkIsolation": isolated,
        }
        return run_training("job", request, context)

    return train


IMPORTS = "import os, helper; assert os.path.basename(os.getcwd()) == 'code', os.getcwd()"


@pytest.mark.parametrize(
    "directory", ["/opt/ml/input/data/code/sourcedir.tar.gz", "s3://bucket/code/sourcedir.tar.gz"]
)
def test_code_comes_from_an_archive(train, upload, directory):
    upload("s3://bucket/code/sourcedir.tar.gz", archive(train_py=IMPORTS, helper_py=""))
    assert train(directory).failure_reason is None


def test_code_comes_from_a_folder(train, upload):
    upload("s3://bucket/code", {"train.py": IMPORTS, "helper.py": ""})
    assert train("/opt/ml/input/data/code").failure_reason is None


def test_packages_are_not_installed_and_the_log_says_so(train, upload, context):
    upload("s3://bucket/code", {"train.py": "", "requirements.txt": "no-such-package"})
    assert train("/opt/ml/input/data/code").status == "Completed"
    log = (context.jobs / "job" / "log.txt").read_text()
    assert "requirements.txt: nothing is installed" in log


def test_a_shell_script_is_run_by_the_shell(train, upload):
    upload("s3://bucket/code", {"train.sh": "exit 7"})
    assert (
        train("/opt/ml/input/data/code", program="train.sh").failure_reason == "AlgorithmError: exit code: 7"
    )


def test_an_isolated_job_cannot_fetch_its_code_as_on_aws(train, upload):
    upload("s3://bucket/code/sourcedir.tar.gz", archive(train_py=""))
    reason = train("s3://bucket/code/sourcedir.tar.gz", isolated=True).failure_reason
    assert reason.startswith("ClientError: an isolated job cannot fetch its code")


@pytest.mark.parametrize("program", ["missing.py", "../train.py"])
def test_a_program_that_is_not_in_the_code_is_named(train, upload, program):
    upload("s3://bucket/code", {"train.py": ""})
    reason = train("/opt/ml/input/data/code", program=program).failure_reason
    assert reason == f"ClientError: sagemaker_program {program!r} is not in the code, which holds train.py"


def test_a_hostile_code_archive_is_refused(train, upload):
    upload("s3://bucket/code/sourcedir.tar.gz", archive(**{"../evil": ""}))
    reason = train("/opt/ml/input/data/code/sourcedir.tar.gz").failure_reason
    assert reason.startswith("ClientError: /opt/ml/input/data/code/sourcedir.tar.gz: ../evil")
