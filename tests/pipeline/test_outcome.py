"""What is said of an execution that has ended: as an object, and as the text that a run ends with."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted_aws import Refused, scripted

from pipeline import outcome
from pipeline.cli import report
from pipeline.outcome import Outcome
from pipeline.sessions import Clients
from pipeline.storage import FolderStorage

ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/sentiment/execution/abcdefghijkl"
JOB = "arn:aws:sagemaker:us-east-1:000000000000:processing-job/job-1"
PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/sentiment/7"
START = datetime(2026, 11, 25, 12, tzinfo=UTC)
STEPS = [("Evaluate", "Processing"), ("Register", "RegisterModel"), ("Deploy", "Lambda"), ("TooLow", "Fail")]
EVALUATION = {
    "dataset": {"item_count": 2500},
    "binary_classification_metrics": {"accuracy": {"value": 0.9, "lower": 0.888, "upper": 0.911}},
}


def ran(
    name: str, status: str = "Succeeded", begin: float = 0, seconds: float = 2, **more: Any
) -> dict[str, Any]:
    start = START + timedelta(seconds=begin)
    end = start + timedelta(seconds=seconds)
    return {"StepName": name, "StepStatus": status, "StartTime": start, "EndTime": end, **more}


def execution(
    tmp_path: Path, status: str, steps: list[dict[str, Any]], reason: str = "", threshold: str = "0.88"
) -> Clients:
    """An execution of four steps, with its evaluation in storage."""
    storage = FolderStorage(tmp_path / "s3")
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    storage.put(tmp_path / "evaluation.json", "s3://bucket/evaluation/evaluation.json")
    failure = {"FailureReason": reason} if reason else {}
    graph = {
        "Parameters": [
            {"Name": "AccuracyThreshold", "Type": "Float", "DefaultValue": 0.88},
            {"Name": "Epochs", "Type": "Integer", "DefaultValue": 2},
        ],
        "Steps": [{"Name": name, "Type": kind, "Arguments": {}} for name, kind in STEPS],
    }
    output = {
        "S3Uri": "s3://bucket/evaluation",
        "LocalPath": "/opt/ml/processing/evaluation",
        "S3UploadMode": "EndOfJob",
    }
    job = {
        "ProcessingJobName": "job-1",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
        "AppSpecification": {"ImageUri": "image"},
        "ProcessingJobArn": JOB,
        "ProcessingJobStatus": "Completed",
        "CreationTime": START,
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "evaluation", "S3Output": output}]},
    }
    package = {
        "ModelPackageName": "sentiment",
        "ModelPackageArn": PACKAGE,
        "ModelPackageVersion": 7,
        "ModelApprovalStatus": "Approved",
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "CreationTime": START,
    }
    parameters = [{"Name": "AccuracyThreshold", "Value": threshold}, {"Name": "Epochs", "Value": "3"}]

    def no_log(request: dict[str, Any]) -> dict[str, Any]:
        raise Refused("ResourceNotFoundException")

    sagemaker = {
        "DescribePipelineExecution": lambda _: {"PipelineExecutionStatus": status, **failure},
        "DescribePipelineDefinitionForExecution": lambda _: {"PipelineDefinition": json.dumps(graph)},
        "ListPipelineExecutionSteps": lambda _: {"PipelineExecutionSteps": steps},
        "ListPipelineParametersForExecution": lambda _: {"PipelineParameters": parameters},
        "DescribeProcessingJob": lambda _: job,
        "DescribeModelPackage": lambda _: package,
    }
    logs = {"DescribeLogStreams": no_log}
    return Clients(scripted("sagemaker", sagemaker, []), None, scripted("logs", logs, []), storage)


EVALUATED = ran("Evaluate", Metadata={"ProcessingJob": {"Arn": JOB}})
REGISTERED = ran("Register", Metadata={"RegisterModel": {"Arn": PACKAGE}})


def deployed(status: str, message: str = "so it is") -> dict[str, Any]:
    answer = {"status": status, "endpoint_name": "sentiment", "message": message}
    output = [{"Name": name, "Value": value} for name, value in answer.items()]
    return ran("Deploy", Metadata={"Lambda": {"Arn": "function", "OutputParameters": output}})


def text(result: Outcome) -> str:
    return "\n".join([*report.steps(result), *report.lines(result, Path("logs"))])


def test_a_run_that_deployed(tmp_path: Path) -> None:
    result = outcome.of(execution(tmp_path, "Succeeded", [EVALUATED, REGISTERED, deployed("Deployed")]), ARN)
    assert json.loads(result.as_json()) == {
        "status": "Succeeded",
        "failure_reason": None,
        "execution": "abcdefghijkl",
        "accuracy": 0.9,
        "accuracy_interval": [0.888, 0.911],
        "test_size": 2500,
        "threshold": 0.88,
        "parameters": {"Epochs": "3"},
        "model_package_version": 7,
        "approval_status": "Approved",
        "endpoint": "sentiment",
        "deployment": {"status": "Deployed", "endpoint_name": "sentiment", "message": "so it is"},
        "seconds": 2.0,
        "steps": [
            *(
                {
                    "name": name,
                    "type": kind,
                    "status": "Succeeded",
                    "seconds": 2.0,
                    "cached": False,
                    "reason": "",
                    "job": "job-1" if name == "Evaluate" else None,
                }
                for name, kind in STEPS[:3]
            ),
            {
                "name": "TooLow",
                "type": "Fail",
                "status": "NotRun",
                "seconds": None,
                "cached": False,
                "reason": "",
                "job": None,
            },
        ],
    }
    shown = text(result)
    assert "0.9000 (95 % interval 0.8880 to 0.9110) on 2,500 test reviews" in shown
    assert "passed: the threshold is 0.88" in shown
    assert "parameters  Epochs=3" in shown
    assert "version 7, Approved" in shown
    assert "endpoint    sentiment" in shown
    assert "TooLow    not run" in shown
    assert len([line for line in shown.splitlines() if re.match(r"  \S*python\S* -m pipeline", line)]) == 2


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (
            "NotApproved",
            "-m pipeline.run --local --set ApprovalStatus=Approved --set Epochs=3   # deploys the version",
        ),
        (
            "Superseded",
            '-m pipeline invoke "I laughed, I cried, I would see it again."   # the newer version',
        ),
    ],
)
def test_a_version_that_was_not_deployed_has_the_reason_and_the_hint_that_fits(
    tmp_path: Path, status: str, hint: str
) -> None:
    steps = [EVALUATED, REGISTERED, deployed(status, "version 7 is not what you think")]
    result = outcome.of(execution(tmp_path, "Succeeded", steps), ARN)
    assert result.endpoint is None
    shown = text(result)
    assert "endpoint    not deployed: version 7 is not what you think" in shown.splitlines()
    assert hint in shown
    assert ("ApprovalStatus" in shown) == (status == "NotApproved")


def test_of_a_run_that_goes_on_the_time_so_far_what_waits_and_how_to_stop_it(tmp_path: Path) -> None:
    started = datetime.now(UTC) - timedelta(seconds=100)
    running = {"StepName": "Evaluate", "StepStatus": "Executing", "StartTime": started}
    result = outcome.of(execution(tmp_path, "Executing", [running]), ARN)
    assert 100 <= result.seconds < 200
    shown = text(result).splitlines()
    assert re.fullmatch(r"Evaluate  Executing, 1\d\d\.\d s", shown[0])
    assert shown[1:4] == ["Register  waiting", "Deploy    waiting", "TooLow    waiting"]
    assert re.fullmatch(r"  \S+ -m pipeline stop abcdefghijkl", shown[-1])
    assert shown[-2] == "next:"


def test_the_first_hint_after_the_gate_is_the_same_run_with_a_threshold_that_it_passes(
    tmp_path: Path,
) -> None:
    message = "test accuracy 0.9 is below the threshold 0.95"
    steps = [EVALUATED, ran("TooLow", "Failed", FailureReason=message)]
    clients = execution(tmp_path, "Failed", steps, f"Step TooLow: {message}", threshold="0.95")
    shown = text(outcome.of(clients, ARN))
    assert shown.count(message) == 1
    assert "TooLow    Failed, 2.0 s\n" in shown
    first = shown.partition("next:\n")[2].splitlines()[0]
    assert first.endswith("-m pipeline.run --local --set AccuracyThreshold=0.9 --set Epochs=3")
    assert "retry" not in shown


def test_a_request_that_was_refused_is_not_to_be_retried(tmp_path: Path) -> None:
    failed = ran("Evaluate", "Failed", FailureReason="ClientError: CreateProcessingJob would be refused")
    shown = text(outcome.of(execution(tmp_path, "Failed", [failed]), ARN))
    assert "retry" not in shown
    assert "-m pipeline runs show abcdefghijkl" in shown


def test_the_log_of_the_step_that_failed_is_named(tmp_path: Path) -> None:
    failed = {**EVALUATED, "StepStatus": "Failed"}
    result = outcome.of(execution(tmp_path, "Failed", [failed]), ARN)
    assert f"logs        {tmp_path}" in report.lines(result, tmp_path)  # it failed before it wrote one
    log = tmp_path / "job-1" / "log.txt"
    log.parent.mkdir()
    log.touch()
    assert f"logs        {log}" in report.lines(result, tmp_path)


def test_a_list_has_accuracy_and_version_of_an_execution(tmp_path: Path) -> None:
    steps = [EVALUATED, REGISTERED, deployed("Deployed")]
    assert outcome.headline(execution(tmp_path, "Succeeded", steps), ARN) == (0.9, 7)
    assert outcome.headline(execution(tmp_path, "Executing", []), ARN) == (None, None)


@pytest.mark.parametrize(
    ("intervals", "seconds"),
    [
        ([], 0),
        ([(0, 60), (60, 30), (90, 9.5)], 99.5),  # one after the other
        ([(0, 60), (10, 20), (50, 20)], 70),  # at the same time
        ([(0, 60), (500_000, 5)], 65),  # retried days later
    ],
)
def test_the_seconds_of_an_execution_are_those_in_which_steps_ran(
    tmp_path: Path, intervals: list[tuple[float, float]], seconds: float
) -> None:
    names = [name for name, _ in STEPS]
    steps = [
        ran(name, begin=begin, seconds=length)
        for name, (begin, length) in zip(names, intervals, strict=False)
    ]
    result = outcome.of(execution(tmp_path, "Succeeded", steps), ARN)
    assert result.seconds == seconds
    assert result.seconds >= max((step.seconds or 0 for step in result.steps), default=0)


def test_a_failed_run_gives_its_reason_and_the_command_that_resumes_it(tmp_path: Path) -> None:
    failed = ran("Evaluate", "Failed", FailureReason="it broke")
    result = outcome.of(execution(tmp_path, "Failed", [failed], reason="Step Evaluate: it broke"), ARN)
    assert (result.accuracy, result.accuracy_interval, result.test_size) == (None, None, None)
    assert result.steps[0].reason == "it broke"
    shown = text(result)
    assert "reason      Step Evaluate: it broke" in shown
    assert "python -m pipeline retry abcdefghijkl" in shown
    assert "accuracy" not in shown


def test_an_evaluation_that_is_no_longer_in_storage_is_no_error(tmp_path: Path) -> None:
    clients = execution(tmp_path, "Succeeded", [EVALUATED])
    FolderStorage(tmp_path / "s3").path("s3://bucket/evaluation/evaluation.json").unlink()
    assert outcome.of(clients, ARN).accuracy is None


@pytest.mark.parametrize(("accuracy", "gate"), [(0.88, "passed"), (0.8799, "not passed")])
def test_the_gate_passes_at_the_threshold(accuracy: float, gate: str) -> None:
    result = Outcome("Failed", None, "x", accuracy, None, 10, 0.88, {}, None, None, None, None, 1.0, steps=[])
    assert f"gate        {gate}: the threshold is 0.88" in list(report.lines(result, Path("logs")))
