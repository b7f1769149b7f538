"""Killed at any point: a pipeline's process is killed after each of its writes to the state in turn.

Every time the execution can be retried, what had succeeded does not run again, and one version is registered.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid

import pytest

import zoo
from pipeline.local import LocalSageMaker
from shared import ROOT, aws_client

# The SDK warns of its own doings while it compiles.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:sagemaker.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PIPELINE = """
import itertools, os, pathlib, signal, sys, time
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
from shared import aws_client
from pipeline.local import LocalSageMaker
from pipeline.local.store import Store

home, definition, writes = pathlib.Path(sys.argv[2]), open(sys.argv[3]).read(), int(sys.argv[4])
whole_put = Store.put
count = itertools.count(1)

def put(self, *arguments, **named):
    number = next(count)
    whole_put(self, *arguments, **named)
    if number == writes:
        os.kill(os.getpid(), signal.SIGKILL)

Store.put = put
with LocalSageMaker(home) as service:
    client = aws_client("sagemaker", service.url)
    client.create_pipeline(
        PipelineName="zoo",
        PipelineDefinition=definition,
        RoleArn=sys.argv[5],
        ClientRequestToken="c" * 32,
    )
    started = client.start_pipeline_execution(PipelineName="zoo", ClientRequestToken="s" * 32)
    arn = started["PipelineExecutionArn"]
    describe = client.describe_pipeline_execution
    while describe(PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Executing":
        time.sleep(0.02)
print(next(count) - 1)
"""


@pytest.fixture(scope="module")
def definition(tmp_path_factory):
    write = "import sys; open('/opt/ml/processing/output/out/mark', 'w').write('x')"
    first = zoo.processing("First", write, cached=True)
    registered = zoo.register("Register", "s3://zoo/model.tar.gz")
    gate = zoo.condition("Gate", [zoo.ConditionEquals(left=1, right=1)], [registered], depends_on=["First"])
    last = zoo.processing("Last", "pass", inputs={"first": zoo.output_uri(first)}, outputs=())
    path = tmp_path_factory.mktemp("definition") / "definition.json"
    path.write_text(zoo.compile_pipeline([first, gate, last]))
    return path


def attempt(home, definition, writes):
    return subprocess.run(
        [sys.executable, "-c", PIPELINE, str(ROOT), str(home), str(definition), str(writes), zoo.ROLE],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_execution_killed_after_any_write_is_resumed(definition, tmp_path):
    unbroken = attempt(tmp_path / "unbroken", definition, 0)
    assert unbroken.returncode == 0, unbroken.stderr
    writes = int(unbroken.stdout)
    assert writes > 15
    for number in range(1, writes + 1):
        home = tmp_path / str(number)
        killed = attempt(home, definition, number)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        _resumes(home, definition)


def _resumes(home, definition):
    with LocalSageMaker(home) as service:
        client = aws_client("sagemaker", service.url)
        if not client.list_pipelines()["PipelineSummaries"]:
            return  # killed before there was a pipeline
        executions = client.list_pipeline_executions(PipelineName="zoo")["PipelineExecutionSummaries"]
        if not executions:
            return
        arn = executions[0]["PipelineExecutionArn"]
        status, before = _state(client, arn)
        assert status in ("Failed", "Succeeded")
        if status == "Failed":
            reason = client.describe_pipeline_execution(PipelineExecutionArn=arn)["FailureReason"]
            assert f"python -m pipeline retry {arn.rpartition('/')[2]}" in reason
            client.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex)
        while (state := _state(client, arn))[0] == "Executing":
            time.sleep(0.02)
        status, after = state
        assert status == "Succeeded", json.dumps(after, default=str)
        assert sorted(after) == ["First", "Gate", "Last", "Register"]
        for name, step in before.items():
            if step["StepStatus"] == "Succeeded":
                assert after[name]["StartTime"] == step["StartTime"], f"{name} ran again"
        versions = client.list_model_packages(ModelPackageGroupName="zoo")["ModelPackageSummaryList"]
        assert [version["ModelPackageVersion"] for version in versions] == [1]


def _state(client, arn):
    status = client.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
    found = client.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    return status, {step["StepName"]: step for step in found}
