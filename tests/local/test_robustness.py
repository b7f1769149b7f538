"""What the local service does with the unusual: malformed definitions, full disks, races, repeated tokens."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time
import uuid

import pytest

from pipeline.dag import Step
from pipeline.errors import Fault, StepFailed
from pipeline.local import LocalSageMaker
from pipeline.local.cache import Cache, content_digest
from pipeline.local.execution import RETRIES, _retry_delay
from pipeline.local.store import Store, is_alive, process_identity
from pipeline.storage import FolderStorage
from shared import ROOT, aws_client

ROLE = "arn:aws:iam::000000000000:role/Test"


def job(name, script="pass", *, outputs=(), inputs=(), **members):
    """A Processing step as the definition's JSON has it; an output is (name, s3 URI)."""
    arguments = {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", "-c", script]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": key,
                    "S3Output": {
                        "S3Uri": uri,
                        "LocalPath": f"/opt/ml/processing/output/{key}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for key, uri in outputs
            ]
        },
    }
    if not outputs:
        del arguments["ProcessingOutputConfig"]
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **members}


def definition(*steps, parameters=()):
    return json.dumps({"Version": "2020-12-01", "Parameters": list(parameters), "Steps": list(steps)})


@pytest.fixture
def service(home):
    with LocalSageMaker(home) as running:
        yield running


@pytest.fixture
def client(service):
    return aws_client("sagemaker", service.url)


def create(client, text, name="p", token=None):
    return client.create_pipeline(
        PipelineName=name,
        PipelineDefinition=text,
        RoleArn=ROLE,
        ClientRequestToken=token or uuid.uuid4().hex,
    )


def start(client, name="p", **options):
    answer = client.start_pipeline_execution(
        PipelineName=name, ClientRequestToken=uuid.uuid4().hex, **options
    )
    return answer["PipelineExecutionArn"]


def end(client, arn):
    while True:
        found = client.describe_pipeline_execution(PipelineExecutionArn=arn)
        if found["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            steps = client.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
            return found, {step["StepName"]: step for step in steps}
        time.sleep(0.05)


def gate(path="a.b", **members):
    value = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Measure.PropertyFiles.File"}, "Path": path}}
    condition = {"Type": "GreaterThan", "LeftValue": value, "RightValue": 1}
    arguments = {"Conditions": [condition], "IfSteps": [job("Yes")], "ElseSteps": [job("No")]}
    return {"Name": "Gate", "Type": "Condition", "Arguments": arguments, **members}


def measure(script):
    file = {"PropertyFileName": "File", "OutputName": "out", "FilePath": "f.json"}
    return job("Measure", script, outputs=[("out", "s3://robust/out")], PropertyFiles=[file])


def wrote(text):
    return f"open('/opt/ml/processing/output/out/f.json', 'w').write({text!r})"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("pass", "cannot read s3://robust/out/f.json"),
        (wrote("no JSON"), "cannot read s3://robust/out/f.json"),
        (wrote('{"a": {"c": 1}}'), "there is no 'b'; there are: c"),
        (wrote('{"a": {"b": null}}'), "None is not one"),
        (wrote('{"a": {"b": NaN}}'), "nan is not one"),
    ],
)
def test_a_gate_without_a_metric_fails_by_name_and_passes_nothing(client, script, reason):
    create(client, definition(measure(script), gate()))
    execution, steps = end(client, start(client))
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert steps["Gate"]["StepStatus"] == "Failed"
    assert reason in steps["Gate"]["FailureReason"] and reason in execution["FailureReason"]
    assert steps.keys() == {"Measure", "Gate"}


def test_a_step_name_may_have_underscores(client):
    create(client, definition(job("my_first_step")))
    assert end(client, start(client))[0]["PipelineExecutionStatus"] == "Succeeded"


def json_get(path):
    return {"Std:JsonGet": {"S3Uri": "s3://robust/f.json", "Path": path}}


MALFORMED = {
    "name that leaves the folder": (job("/../../escaped"), "a name has 1 to 64"),
    "arguments": ({**job("A"), "Arguments": []}, "Arguments is [], not an object"),
    "null arguments": ({**job("A"), "Arguments": None}, "Arguments is null, not an object"),
    "no object": ({"Name": "A", "Type": "Processing", "Arguments": {"AppSpecification": []}}, "Arguments"),
    "depends on text": (job("A", DependsOn="B"), "DependsOn is"),
    "depends on numbers": (job("A", DependsOn=[1]), "DependsOn is not a list of step names"),
    "policies": (job("A", RetryPolicies=[1]), "RetryPolicies is [1], not a list of objects"),
    "policy without type": (job("A", RetryPolicies=[{"MaxAttempts": 1}]), "ExceptionType is needed"),
    "property file": (job("A", PropertyFiles=[{"OutputName": "x"}]), "the step has no output 'x'"),
    "path": (
        {"Name": "F", "Type": "Fail", "Arguments": {"ErrorMessage": json_get("a[-1]")}},
        "cannot read the property path",
    ),
    "operand": (
        {"Name": "G", "Type": "Condition", "Arguments": {"Conditions": [{"Type": "Equals"}]}},
        "needs LeftValue and RightValue",
    ),
    "no function": ({"Name": "L", "Type": "Lambda", "Arguments": {}}, "FunctionArn is needed, as text"),
    "function expression": (
        {"Name": "L", "Type": "Lambda", "Arguments": {}, "FunctionArn": {"Get": "Parameters.F"}},
        "FunctionArn is needed, as text",
    ),
    "no message": ({"Name": "F", "Type": "Fail", "Arguments": {}}, "ErrorMessage is needed"),
    "no step": (1, "not a list of objects"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_definition_is_a_validation_error(client, case):
    step, message = MALFORMED[case]
    with pytest.raises(client.exceptions.ClientError) as error:
        create(client, definition(step))
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert message in error.value.response["Error"]["Message"]


@pytest.mark.parametrize("parameters", [[1], [{}], [{"Name": "A", "Type": "Date"}], [{"Name": "A"}] * 2])
def test_malformed_parameters_are_a_validation_error(client, parameters):
    with pytest.raises(client.exceptions.ClientError, match="ValidationException"):
        create(client, definition(job("A"), parameters=parameters))


def test_selected_steps_need_what_they_depend_on(client):
    steps = [job("A", "import sys; sys.exit(1)"), job("B", DependsOn=["A"])]
    create(client, definition(*steps))
    failed, _ = end(client, start(client))
    selected = {"SelectedSteps": [{"StepName": "B"}]}
    source = {"SourcePipelineExecutionArn": failed["PipelineExecutionArn"]}
    for config in (selected, {**selected, **source}):
        with pytest.raises(client.exceptions.ClientError, match="step B needs A, which is not selected"):
            start(client, SelectiveExecutionConfig=config)
    with pytest.raises(client.exceptions.ClientError, match="the pipeline has no step C"):
        start(client, SelectiveExecutionConfig={"SelectedSteps": [{"StepName": "C"}]})


def test_a_selected_step_of_the_branch_not_taken_is_refused(client):
    create(client, definition(measure(wrote('{"a": {"b": 2}}')), gate()))
    done, steps = end(client, start(client))
    assert "Yes" in steps
    config = {
        "SourcePipelineExecutionArn": done["PipelineExecutionArn"],
        "SelectedSteps": [{"StepName": "No"}],
    }
    with pytest.raises(client.exceptions.ClientError, match="branch that was not taken: Gate was True"):
        start(client, SelectiveExecutionConfig=config)


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        ({}, [1, 2, 4, 8, 16]),
        ({"MaxAttempts": 2, "IntervalSeconds": 3, "BackoffRate": 1.5}, [3, 4.5]),
        ({"ExpireAfterMin": 1, "BackoffRate": 1.0, "MaxAttempts": 3}, [1, 1, 1]),
    ],
)
def test_retries_wait_longer_each_time_and_end(policy, delays):
    kind = "SageMaker.JOB_INTERNAL_ERROR"
    step = Step("A", "Processing", {"RetryPolicies": [{"ExceptionType": [kind], **policy}]}, None)
    used: dict[int, int] = {}
    found = [_retry_delay(step, StepFailed("x", kind), used, 0) for _ in range(RETRIES + 1)]
    assert [delay for delay in found if delay is not None] == delays
    assert _retry_delay(step, StepFailed("x", "AlgorithmError"), {}, 0) is None
    if "ExpireAfterMin" in policy:
        assert _retry_delay(step, StepFailed("x", kind), {}, 61) is None


def test_a_cached_result_expires(home, tmp_path):
    now = [1_000_000.0]
    store, storage = Store(home, clock=lambda: now[0]), FolderStorage(tmp_path / "s3")
    cache = Cache(store, storage, lambda model: {}, lambda image: None)
    step = Step("A", "Processing", {"CacheConfig": {"Enabled": True, "ExpireAfter": "PT1H"}}, None)
    request = {"AppSpecification": {"ImageUri": "image"}}
    first = cache.look("p", step, request)
    assert first is not None and first.found is None and "no earlier result" in first.message
    cache.add("p", step, first.key, {"Properties": {}, "Execution": "arn"})
    now[0] += 3599
    assert cache.look("p", step, request).found == {"Properties": {}, "Execution": "arn"}
    now[0] += 2
    late = cache.look("p", step, request)
    assert late.found is None and "older than PT1H" in late.message
    store.close()


def test_a_miss_is_told_in_a_persons_words(home, tmp_path):
    store, storage = Store(home), FolderStorage(tmp_path / "s3")
    cache = Cache(store, storage, lambda model: {}, lambda image: None)
    step = Step("A", "Processing", {"CacheConfig": {"Enabled": True}}, None)

    def look(seed, text):
        (tmp_path / "raw").write_text(text)
        storage.put(tmp_path / "raw", f"s3://robust/{text}/raw")
        source = {"S3Uri": f"s3://robust/{text}", "S3DataType": "S3Prefix"}
        specification = {"ContainerArguments": ["--quick", "--seed", seed]}
        inputs = [{"InputName": "raw", "S3Input": source}]
        return cache.look("p", step, {"AppSpecification": specification, "ProcessingInputs": inputs})

    cache.add("p", step, look("1", "one").key, {"Properties": {}, "Execution": "arn"})
    message = look("2", "two").message
    assert message == "changed since the last result: argument --seed: '1' -> '2'; input raw: other content"
    cache.add("p", step, look("2", "two").key, {"Properties": {}, "Execution": "arn"})
    message = look("3", "one").message  # the last result differs in two things, the one before in one
    assert re.fullmatch(
        r"changed since the nearest result, of [\d :-]+: argument --seed: '1' -> '3'", message
    )
    store.close()


def test_a_step_that_writes_nothing_is_cached_too(client):
    step = job("A", outputs=[("out", "s3://robust/empty")], CacheConfig={"Enabled": True})
    create(client, definition(step))
    end(client, start(client))
    assert "CacheHitResult" in end(client, start(client))[1]["A"]


def test_one_object_is_known_by_its_name_too(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("same")
    assert content_digest(tmp_path / "a") != content_digest(tmp_path / "b")


def test_a_token_stands_for_one_request_about_one_resource(client):
    text = definition(job("A"))
    token = "t" * 32
    first, again = (create(client, text, "one", token)["PipelineArn"] for _ in range(2))
    assert first == again
    create(client, text, "two", token)
    assert {each["PipelineName"] for each in client.list_pipelines()["PipelineSummaries"]} == {"one", "two"}
    client.delete_pipeline(PipelineName="one", ClientRequestToken=uuid.uuid4().hex)
    create(client, text, "one", token)
    assert client.describe_pipeline(PipelineName="one")["PipelineStatus"] == "Active"
    arns = {
        client.start_pipeline_execution(PipelineName=name, ClientRequestToken=token)["PipelineExecutionArn"]
        for name in ("one", "two")
    }
    assert len(arns) == 2
    for arn in arns:
        end(client, arn)


def test_a_service_that_closes_starts_nothing(home):
    service = LocalSageMaker(home)
    with service:
        pass
    with pytest.raises(Fault, match="closing"):
        service._backend.engine.start("x")


def test_a_killed_process_that_nobody_has_waited_for_is_not_alive():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    identity = [process.pid, time.time()]
    assert is_alive(identity)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    assert not is_alive(identity)
    process.wait()
    assert is_alive(process_identity())


def test_features_of_endpoints_that_are_not_there_are_refused(client):
    model = {"Image": "image", "ModelDataUrl": "s3://robust/model.tar.gz"}
    with pytest.raises(client.exceptions.ClientError, match="Mode: MultiModel is not supported"):
        client.create_model(
            ModelName="many", ExecutionRoleArn=ROLE, PrimaryContainer={**model, "Mode": "MultiModel"}
        )
    client.create_model(ModelName="one", ExecutionRoleArn=ROLE, PrimaryContainer=model)
    variant = {"VariantName": "blue", "ModelName": "one"}
    with pytest.raises(client.exceptions.ClientError, match="CoreDumpConfig is not supported"):
        client.create_endpoint_config(
            EndpointConfigName="c",
            ProductionVariants=[{**variant, "CoreDumpConfig": {"DestinationS3Uri": "s3://x"}}],
        )
    with pytest.raises(client.exceptions.ClientError, match="ShadowProductionVariants is not supported"):
        client.create_endpoint_config(
            EndpointConfigName="c", ProductionVariants=[variant], ShadowProductionVariants=[variant]
        )
    assert client.list_endpoint_configs()["EndpointConfigs"] == []


def test_a_listing_of_packages_without_a_group_is_of_unversioned_ones(client):
    client.create_model_package_group(ModelPackageGroupName="g")
    client.create_model_package(
        ModelPackageGroupName="g",
        InferenceSpecification={"Containers": [{"Image": "i", "ModelDataUrl": "s3://b/m.tar.gz"}]},
    )
    assert client.list_model_packages()["ModelPackageSummaryList"] == []
    assert len(client.list_model_packages(ModelPackageType="Versioned")["ModelPackageSummaryList"]) == 1
    assert len(client.list_model_packages(ModelPackageGroupName="g")["ModelPackageSummaryList"]) == 1


FULL = """
import json, os, pathlib, sys, time
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests", sys.argv[1] + "/tests/local"]
from shared import aws_client
from pipeline.local import LocalSageMaker
from test_robustness import create, definition, end, job, start

home = pathlib.Path(sys.argv[2])
with LocalSageMaker(home) as service:
    client = aws_client("sagemaker", service.url)
    create(client, definition(job("Wait", "import time; time.sleep(1)"), job("After", DependsOn=["Wait"])))
    arn = start(client)
    time.sleep(0.5)
    with open(home / "filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
    execution, steps = end(client, arn)
    print(json.dumps([execution["PipelineExecutionStatus"], execution.get("FailureReason")]))
"""


def test_a_disk_that_fills_up_in_the_middle_ends_the_execution_and_says_so(tmp_path):
    home = tmp_path / "small"
    home.mkdir()
    command = 'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$1" -c "$2" "$3" "$0"'
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, str(home), sys.executable, textwrap.dedent(FULL), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    status, reason = json.loads(result.stdout.splitlines()[-1])
    assert status == "Failed"
    assert "full" in reason or "space" in reason
