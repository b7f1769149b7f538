"""The local executor runs pipelines that are not this project's: each test is a small pipeline made with the
SDK, driven by an unmodified boto3 client."""

import io
import json
import tarfile
import time
import uuid

import pytest

import zoo
from pipeline.local import LocalSageMaker
from pipeline.storage import FolderStorage
from shared import aws_client

# The SDK warns of its own doings while it compiles.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:sagemaker.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ECHO = """
def handler(event, context):
    print("asked", sorted(event))
    if event.get("break"):
        raise ValueError("the function is broken on purpose")
    return {"greeting": "hello " + event["name"], "count": 3}
"""
TRAIN = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--checkpoint-dir", default="")
arguments = parser.parse_args()
for epoch in range(arguments.epochs):
    print(f"epoch={epoch} loss={1 / (epoch + 1):.3f}", flush=True)
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "code").mkdir(parents=True, exist_ok=True)
(model / "weights.json").write_text(json.dumps({"epochs": arguments.epochs}))
(model / "code" / "inference.py").write_text(pathlib.Path(__file__).with_name("inference.py").read_text())
"""
INFERENCE = """
CONTENT_TYPES = ("text/plain", "application/jsonlines")
ACCEPTS = ("application/jsonlines",)
import json, pathlib

def model_fn(folder):
    return json.loads((pathlib.Path(folder) / "weights.json").read_text())
def input_fn(body, content_type):
    if content_type == "text/plain":
        return [body.decode()]
    return [json.loads(line)["text"] for line in body.decode().splitlines()]
def predict_fn(data, model):
    return [{"length": len(text), "epochs": model["epochs"]} for text in data]
def output_fn(prediction, accept):
    return "\\n".join(map(json.dumps, prediction)).encode(), accept
"""


@pytest.fixture
def service(home, tmp_path):
    echo = tmp_path / "echo.py"
    echo.write_text(ECHO)
    with LocalSageMaker(home, functions={"echo": echo}) as running:
        yield running


@pytest.fixture
def client(service):
    return aws_client("sagemaker", service.url)


@pytest.fixture
def storage(home, tmp_path):
    """The local S3, with the code of the zoo's training step in it."""
    made = FolderStorage(home / "s3")
    folder = tmp_path / "code"
    folder.mkdir()
    with tarfile.open(folder / "sourcedir.tar.gz", "w:gz") as archive:
        for name, text in (("train.py", TRAIN), ("inference.py", INFERENCE)):
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    made.put(folder, "s3://zoo/code/1")
    return made


def start(client, definition, name="zoo", **options):
    """Create the pipeline, or update it, and start it. Returns the execution's ARN."""
    try:
        client.create_pipeline(
            PipelineName=name,
            PipelineDefinition=definition,
            RoleArn=zoo.ROLE,
            ClientRequestToken=uuid.uuid4().hex,
        )
    except client.exceptions.ClientError:
        client.update_pipeline(PipelineName=name, PipelineDefinition=definition)
    return client.start_pipeline_execution(PipelineName=name, ClientRequestToken=uuid.uuid4().hex, **options)[
        "PipelineExecutionArn"
    ]


def ended(client, execution, limit=60):
    """The execution once it has ended, and its steps by name."""
    for _ in range(limit * 20):
        found = client.describe_pipeline_execution(PipelineExecutionArn=execution)
        if found["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            break
        time.sleep(0.05)
    steps = client.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    return found, {step["StepName"]: step for step in steps}


def run(client, steps, parameters=(), **options):
    return ended(client, start(client, zoo.compile_pipeline(steps, parameters), **options))


def events(service, execution):
    stream = execution["PipelineExecutionArn"].rpartition("/")[2]
    answer = aws_client("logs", service.url).get_log_events(
        logGroupName="/aws/sagemaker/Pipelines", logStreamName=stream, startFromHead=True
    )
    return [json.loads(event["message"]) for event in answer["events"]]


COPY = (
    "import shutil; shutil.copy('/opt/ml/processing/input/first/said.txt', '/opt/ml/processing/output/out')"
)
WRITE = "import os, sys; open('/opt/ml/processing/output/out/said.txt', 'w').write(sys.argv[1])"


def test_values_flow_through_parameters_properties_and_joins(client, storage):
    word = zoo.ParameterString("Word", default_value="good")
    count = zoo.ParameterInteger("Count", default_value=2)
    first = zoo.processing("First", WRITE, zoo.Join(on="-", values=[word, count, 0.5]))
    second = zoo.processing("Second", COPY, inputs={"first": zoo.output_uri(first)})
    execution, steps = run(
        client, [first, second], [word, count], PipelineParameters=[{"Name": "Count", "Value": "7"}]
    )
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution.get("FailureReason")
    job = client.describe_processing_job(
        ProcessingJobName=steps["Second"]["Metadata"]["ProcessingJob"]["Arn"].split("/")[1]
    )
    uri = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    assert storage.read(f"{uri}/said.txt") == b"good-7-0.5"
    assert execution["PipelineExecutionArn"].rpartition("/")[2] in uri
    listed = client.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=execution["PipelineExecutionArn"]
    )
    assert listed["PipelineParameters"] == [
        {"Name": "Count", "Value": "7"},
        {"Name": "Word", "Value": "good"},
    ]


def test_independent_steps_run_in_parallel_up_to_the_limit(client):
    wait = "import time; time.sleep(1)"
    steps = [zoo.processing(f"Wait{number}", wait, outputs=()) for number in range(4)]
    last = zoo.processing("Last", "pass", outputs=(), depends_on=[step.name for step in steps])
    limit = {"ParallelismConfiguration": {"MaxParallelExecutionSteps": 2}}
    execution, ran = run(client, [*steps, last], **limit)
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution.get("FailureReason")
    assert execution["ParallelismConfiguration"] == limit["ParallelismConfiguration"]
    moments = sorted(
        (moment, change)
        for step in steps
        for moment, change in ((ran[step.name]["StartTime"], 1), (ran[step.name]["EndTime"], -1))
    )
    at_once, most = 0, 0
    for _, change in moments:
        at_once += change
        most = max(most, at_once)
    assert most == 2
    assert ran["Last"]["StartTime"] >= max(ran[step.name]["EndTime"] for step in steps)


EVALUATION = (
    "import json; lengths = [{'value': 0.7}, {'value': 0.8}]; "
    "json.dump({'metrics': {'accuracy': {'value': 0.91}, 'lengths': lengths}}, "
    "open('/opt/ml/processing/output/out/evaluation.json', 'w'))"
)


def test_nested_conditions_run_only_the_taken_branches(client, service):
    file = zoo.PropertyFile(name="Evaluation", output_name="out", path="evaluation.json")
    evaluate = zoo.processing("Evaluate", EVALUATION, files=[file])
    threshold = zoo.ParameterFloat("Threshold", default_value=0.9)

    def metric(path):
        return zoo.JsonGet(step_name="Evaluate", property_file=file, json_path=path)

    inner = zoo.condition(
        "Inner",
        [
            zoo.ConditionOr(
                conditions=[
                    zoo.ConditionEquals(left=threshold, right=0.1),
                    zoo.ConditionIn(value=metric("metrics.lengths[1].value"), in_values=[0.7, 0.8]),
                ]
            ),
            zoo.ConditionNot(
                expression=zoo.ConditionLessThan(left=metric("metrics['lengths'][0].value"), right=0.5)
            ),
        ],
        [zoo.processing("Deep", "pass", outputs=())],
        [zoo.processing("NotDeep", "pass", outputs=())],
    )
    refused = zoo.processing("Refused", "pass", outputs=("out",))
    outer = zoo.condition(
        "Outer",
        [zoo.ConditionGreaterThanOrEqualTo(left=metric("metrics.accuracy.value"), right=threshold)],
        [inner],
        [refused],
    )
    after = zoo.processing("After", "pass", outputs=(), inputs={"refused": zoo.output_uri(refused)})
    execution, ran = run(client, [evaluate, outer, after], [threshold])
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution.get("FailureReason")
    assert sorted(ran) == ["Deep", "Evaluate", "Inner", "Outer"]
    assert ran["Outer"]["Metadata"]["Condition"]["Outcome"] == "True"
    skipped = {
        event["step"]: event["message"] for event in events(service, execution) if event["event"] == "skipped"
    }
    assert skipped == {
        "Refused": "not executed: Outer was True",
        "NotDeep": "not executed: Inner was True",
        "After": "not executed: step Refused was not executed",
    }


def test_fail_ends_the_execution_with_its_joined_message(client):
    file = zoo.PropertyFile(name="Evaluation", output_name="out", path="evaluation.json")
    evaluate = zoo.processing("Evaluate", EVALUATION, files=[file])
    accuracy = zoo.JsonGet(step_name="Evaluate", property_file=file, json_path="metrics.accuracy.value")
    gate = zoo.condition(
        "Gate",
        [zoo.ConditionGreaterThan(left=accuracy, right=0.95)],
        [zoo.processing("Never", "pass", outputs=())],
        [
            zoo.FailStep(
                name="TooLow", error_message=zoo.Join(on=" ", values=["accuracy", accuracy, "is below", 0.95])
            )
        ],
    )
    execution, ran = run(client, [evaluate, gate])
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step TooLow: accuracy 0.91 is below 0.95"
    assert ran["TooLow"]["Metadata"]["Fail"]["ErrorMessage"] == "accuracy 0.91 is below 0.95"
    assert "Never" not in ran


def test_a_retry_succeeds_the_second_time(client, service, tmp_path):
    """The job is killed by a signal once (an internal error), and leaves a mark outside its own folder."""
    mark = tmp_path / "tried"
    die_once = (
        "import os, pathlib, signal, sys\n"
        "mark = pathlib.Path(sys.argv[1])\n"
        "if not mark.exists():\n"
        "    mark.touch(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    step = zoo.processing("Shaky", die_once, str(mark), outputs=(), retry_policies=zoo.retry(attempts=2))
    execution, ran = run(client, [step])
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution.get("FailureReason")
    assert ran["Shaky"]["AttemptCount"] == 2
    assert [event["event"] for event in events(service, execution)] == ["retry"]


def test_retries_end_and_ordinary_failures_are_not_retried(client):
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    execution, ran = run(
        client, [zoo.processing("Dies", kill, outputs=(), retry_policies=zoo.retry(attempts=2))]
    )
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert ran["Dies"]["AttemptCount"] == 3
    execution, ran = run(
        client, [zoo.processing("Errs", "1/0", outputs=(), retry_policies=zoo.retry(attempts=2))]
    )
    assert ran["Errs"]["AttemptCount"] == 1
    assert "exit code: 1" in ran["Errs"]["FailureReason"]
    assert "ZeroDivisionError: division by zero" in execution["FailureReason"]


def test_a_failed_job_says_what_it_wrote_and_stops_what_follows(client, storage):
    storage.put(_text(storage, "raise SystemExit('never read')"), "s3://zoo/none/x")
    code = "import pathlib; pathlib.Path('/opt/ml/output/failure').write_text('row 7 has no label'); exit(3)"
    step = zoo.training("Train", {"epochs": "2"}, {"code": "s3://zoo/bad"})
    _publish_code(storage, "s3://zoo/bad", code)
    later = zoo.processing("Later", "pass", outputs=(), depends_on=["Train"])
    execution, ran = run(client, [step, later])
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "row 7 has no label" in ran["Train"]["FailureReason"]
    assert "row 7 has no label" in execution["FailureReason"]
    assert "Later" not in ran


def _text(storage, text):
    path = storage.root.parent / "scratch.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _publish_code(storage, uri, train):
    buffer = storage.root.parent / "bundle" / "sourcedir.tar.gz"
    buffer.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(buffer, "w:gz") as archive:
        member = tarfile.TarInfo("train.py")
        member.size = len(train.encode())
        archive.addfile(member, io.BytesIO(train.encode()))
    storage.put(buffer.parent, uri)


def whole(epochs="2"):
    """Train, create a model, score a file with it, register it, call a function: every other step type."""
    train = zoo.training("Train", {"epochs": epochs}, {"code": "s3://zoo/code/1"}, cached=True)
    artifacts = train.properties.ModelArtifacts.S3ModelArtifacts
    model = zoo.create_model("CreateModel", artifacts)
    scored = zoo.transform("Score", model.properties.ModelName, "s3://zoo/texts", join_source="Input")
    registered = zoo.register("Register", artifacts)
    called = zoo.function(
        "Call", "echo", {"name": "zoo", "package": registered.properties.ModelPackageArn}, ["greeting"]
    )
    greeting = called.properties.Outputs["greeting"]
    said = zoo.processing("Say", WRITE, zoo.Join(on="", values=[greeting, "!"]))
    return [train, model, scored, registered, called, said]


@pytest.fixture
def texts(storage, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "good"}\n{"text": "terrible"}\n')
    storage.put(path, "s3://zoo/texts/texts.jsonl")


def test_training_model_transform_register_and_lambda(client, service, storage, texts):
    execution, ran = run(client, whole())
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution.get("FailureReason")
    job = client.describe_transform_job(
        TransformJobName=ran["Score"]["Metadata"]["TransformJob"]["Arn"].split("/")[1]
    )
    lines = storage.read(job["TransformOutput"]["S3OutputPath"] + "/texts.jsonl.out").decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"text": "good", "SageMakerOutput": {"length": 4, "epochs": 2}},
        {"text": "terrible", "SageMakerOutput": {"length": 8, "epochs": 2}},
    ]
    (package,) = client.list_model_packages(ModelPackageGroupName="zoo")["ModelPackageSummaryList"]
    assert package["ModelPackageArn"] == ran["Register"]["Metadata"]["RegisterModel"]["Arn"]
    assert package["ModelApprovalStatus"] == "Approved"
    assert ran["Call"]["Metadata"]["Lambda"]["OutputParameters"] == [
        {"Name": "greeting", "Value": "hello zoo"}
    ]
    job = client.describe_processing_job(
        ProcessingJobName=ran["Say"]["Metadata"]["ProcessingJob"]["Arn"].split("/")[1]
    )
    uri = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    assert storage.read(f"{uri}/said.txt") == b"hello zoo!"


def test_a_broken_function_fails_its_step_with_what_it_raised(client):
    execution, ran = run(client, [zoo.function("Call", "echo", {"name": "x", "break": "yes"})])
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "the function is broken on purpose" in ran["Call"]["FailureReason"]


def test_a_function_that_is_not_there_is_refused_before_anything_runs(client):
    with pytest.raises(
        client.exceptions.ClientError, match="there is no function ghost here; there are: echo"
    ):
        start(client, zoo.compile_pipeline([zoo.processing("A", "pass"), zoo.function("Call", "ghost", {})]))
    assert client.list_pipeline_executions(PipelineName="zoo")["PipelineExecutionSummaries"] == []


def test_a_cached_step_is_not_run_again_and_a_miss_is_explained(client, service, storage):
    def steps(epochs):
        return [zoo.training("Train", {"epochs": epochs}, {"code": "s3://zoo/code/1"}, cached=True)]

    first, _ = run(client, steps("2"))
    second, ran = run(client, steps("2"))
    assert ran["Train"]["CacheHitResult"]["SourcePipelineExecutionArn"] == first["PipelineExecutionArn"]
    (event,) = events(service, second)
    assert event["event"] == "cache-hit"
    third, ran = run(client, steps("3"))
    assert "CacheHitResult" not in ran["Train"]
    (event,) = events(service, third)
    assert event["message"] == "changed since the last result: HyperParameters.epochs: '2' -> '3'"
    _publish_code(storage, "s3://zoo/code/1", TRAIN + "# changed\n")
    fourth, ran = run(client, steps("3"))
    assert "CacheHitResult" not in ran["Train"]
    (event,) = events(service, fourth)
    assert event["message"] == "changed since the last result: input code: other content"


def test_a_lost_output_is_a_cache_miss(client, service, storage):
    step = zoo.processing("Write", WRITE, "x", cached=True)
    _, ran = run(client, [step])
    job = client.describe_processing_job(
        ProcessingJobName=ran["Write"]["Metadata"]["ProcessingJob"]["Arn"].split("/")[1]
    )
    path = storage.path(job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"])
    path.rename(path.with_name("gone"))
    execution, ran = run(client, [step])
    assert "CacheHitResult" not in ran["Write"]
    assert "no longer in storage" in events(service, execution)[0]["message"]


def test_stop_ends_the_job_and_retry_goes_on(client, tmp_path):
    mark = tmp_path / "go"
    wait = (
        "import pathlib, sys, time\n"
        "for _ in range(600):\n"
        "    if pathlib.Path(sys.argv[1]).exists(): break\n"
        "    time.sleep(0.1)\n"
    )
    steps = [
        zoo.processing("First", "pass", outputs=()),
        zoo.processing("Wait", wait, str(mark), outputs=(), depends_on=["First"]),
    ]
    arn = start(client, zoo.compile_pipeline(steps))
    for _ in range(200):
        found = client.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        if any(step["StepName"] == "Wait" and "Metadata" in step for step in found):
            break
        time.sleep(0.05)
    client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex)
    execution, ran = ended(client, arn)
    assert execution["PipelineExecutionStatus"] == "Stopped"
    assert ran["Wait"]["StepStatus"] == "Stopped"
    first_start = ran["First"]["StartTime"]
    mark.touch()
    client.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex)
    execution, ran = ended(client, arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution.get("FailureReason")
    assert ran["First"]["StartTime"] == first_start  # it did not run again
    with pytest.raises(client.exceptions.ClientError, match="only a Failed or Stopped execution"):
        client.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex)


def test_selected_steps_run_on_what_the_source_execution_made(client, storage):
    word = zoo.ParameterString("Word", default_value="good")
    first = zoo.processing("First", WRITE, word)
    second = zoo.processing("Second", COPY, inputs={"first": zoo.output_uri(first)})
    source, _ = run(client, [first, second], [word])
    execution, ran = run(
        client,
        [first, second],
        [word],
        SelectiveExecutionConfig={
            "SourcePipelineExecutionArn": source["PipelineExecutionArn"],
            "SelectedSteps": [{"StepName": "Second"}],
        },
    )
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution.get("FailureReason")
    assert list(ran) == ["Second"]
    job = client.describe_processing_job(
        ProcessingJobName=ran["Second"]["Metadata"]["ProcessingJob"]["Arn"].split("/")[1]
    )
    assert (
        storage.read(job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"] + "/said.txt")
        == b"good"
    )


def test_one_client_token_starts_one_execution(client):
    definition = zoo.compile_pipeline([zoo.processing("A", "pass", outputs=())])
    client.create_pipeline(
        PipelineName="zoo", PipelineDefinition=definition, RoleArn=zoo.ROLE, ClientRequestToken="t" * 32
    )
    arns = {
        client.start_pipeline_execution(PipelineName="zoo", ClientRequestToken="s" * 32)[
            "PipelineExecutionArn"
        ]
        for _ in range(3)
    }
    assert len(arns) == 1
    assert len(client.list_pipeline_executions(PipelineName="zoo")["PipelineExecutionSummaries"]) == 1
    ended(client, arns.pop())
