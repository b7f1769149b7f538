"""Clients that no one here wrote, pointed at the local service: the AWS CLI and the SageMaker SDK.

The CLI is installed from PyPI into an environment of its own (.cache/awscli), once.
"""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest

from shared import ROOT, aws_client
from test_end_to_end import JOBS, ORDER, environment, run

AWSCLI = "awscli==1.46.3"
ENVIRONMENT = ROOT / ".cache" / "awscli"


@pytest.fixture(scope="module")
def aws():
    program = ENVIRONMENT / "bin" / "aws"
    mark = ENVIRONMENT / AWSCLI
    if not mark.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        pip = [
            str(ENVIRONMENT / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, AWSCLI], check=True)
        mark.touch()
    return program


@contextmanager
def serving(home):
    """`python -m pipeline local serve`, as a person would open it for other clients; yields its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "local", "serve", "--port", "0"],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                break
        else:
            raise AssertionError("the service did not say where it listens")
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def served(tmp_path_factory, small_reviews):
    """A state folder with one finished run, and the service open over it."""
    home = tmp_path_factory.mktemp("clients") / "state"
    answer = run(home, small_reviews)
    with serving(home) as url:
        yield answer, url


def arn_of(answer):
    return f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/sentiment/execution/{answer['execution']}"


def variables(url):
    return {
        **os.environ,
        "AWS_ENDPOINT_URL_SAGEMAKER": url,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_the_aws_cli_reads_the_run_and_asks_the_endpoint(aws, served, tmp_path):
    answer, url = served

    def call(*arguments):
        result = subprocess.run(
            [str(aws), *arguments], env=variables(url), capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    found = call("sagemaker", "list-pipeline-execution-steps", "--pipeline-execution-arn", arn_of(answer))
    assert {step["StepName"] for step in found["PipelineExecutionSteps"]} == set(ORDER)
    assert {step["StepStatus"] for step in found["PipelineExecutionSteps"]} == {"Succeeded"}
    packages = call("sagemaker", "list-model-packages", "--model-package-group-name", "sentiment")
    assert [each["ModelPackageVersion"] for each in packages["ModelPackageSummaryList"]] == [1]
    endpoint = call("sagemaker", "describe-endpoint", "--endpoint-name", answer["endpoint"])
    assert endpoint["EndpointStatus"] == "InService"
    review = tmp_path / "review.txt"
    review.write_text("A wonderful film, superb acting and a great story.")
    said = tmp_path / "answer.json"
    call(
        *("sagemaker-runtime", "invoke-endpoint", "--endpoint-name", answer["endpoint"]),
        *("--content-type", "text/plain", "--body", f"fileb://{review}", str(said)),
    )
    assert json.loads(said.read_text())["label"] in ("positive", "negative")


SDK = """
import json, sys, time
import boto3
from pipeline import code_bundle, settings
from pipeline.definition import _pipeline
from pipeline.sdk import offline
from sagemaker.core.helper.session_helper import Session

config = settings.load("local")
code = {script: bundle.uri(config.root) for script, bundle in code_bundle.bundles().items()}
with offline(config.region):
    pipeline = _pipeline(config, code)
    pipeline.sagemaker_session = Session(sagemaker_client=boto3.client("sagemaker", endpoint_url=sys.argv[1]))
    arn = pipeline.upsert(role_arn=config.pipeline_role)["PipelineArn"]
    execution = pipeline.start(parameters=json.loads(sys.argv[2]))
    while (status := execution.describe()["PipelineExecutionStatus"]) in ("Executing", "Stopping"):
        time.sleep(0.2)
    cached = {step["StepName"]: "CacheHitResult" in step for step in execution.list_steps()}
print(json.dumps({"arn": arn, "status": status, "cached": cached}))
"""


def test_the_sdks_own_upsert_and_start_run_the_pipeline(served):
    """The project's own Pipeline object, given nothing but a session that finds the service. With the
    parameters of the finished run its four jobs are taken from the cache: the SDK sends what we compile."""
    answer, url = served
    client = aws_client("sagemaker", url)
    listed = client.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn_of(answer))
    given = {each["Name"]: each["Value"] for each in listed["PipelineParameters"]}
    result = subprocess.run(
        [sys.executable, "-c", SDK, url, json.dumps(given)],
        cwd=ROOT,
        env=variables(url),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["arn"].endswith(":pipeline/sentiment")
    assert said["status"] == "Succeeded"
    assert said["cached"] == {name: name in JOBS for name in ORDER}
