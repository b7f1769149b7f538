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


def ran(name: str, status: str = "Succeeded", **more: Any) -> dict[str, Any]:
    end = START + timedelta(seconds=2)
    return {"StepName": name, "StepStatus": status, "StartTime": START, "EndTime": end, **more}


def execution(tmp_path: Path, status: str, steps: list[dict[str, Any]], reason: str = "") -> Clients:
    """An execution of four steps, with its evaluation in storage."""
    storage = FolderStorage(tmp_path / "s3")
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    storage.put(tmp_path / "evaluation.json", "s3://bucket/evaluation/evaluation.json")
    times = {"CreationTime": START, "LastModifiedTime": START + timedelta(seconds=30)}
    failure = {"FailureReason": reason} if reason else {}
    graph = {"Steps": [{"Name": name, "Type": kind, "Arguments": {}} for name, kind in STEPS]}
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
    parameters = [{"Name": "AccuracyThreshold", "Value": "0.88"}]

    def no_log(request: dict[str, Any]) -> dict[str, Any]:
        raise Refused("ResourceNotFoundException")

    sagemaker = {
        "DescribePipelineExecution": lambda _: {"PipelineExecutionStatus": status, **times, **failure},
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


def deployed(status: str) -> dict[str, Any]:
    answer = [{"Name": "status", "Value": status}, {"Name": "endpoint_name", "Value": "sentiment"}]
    return ran("Deploy", Metadata={"Lambda": {"Arn": "function", "OutputParameters": answer}})


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
        "model_package_version": 7,
        "approval_status": "Approved",
        "endpoint": "sentiment",
        "seconds": 30.0,
        "steps": [
            *(
                {
                    "name": name,
                    "type": kind,
                    "status": "Succeeded",
                    "seconds": 2.0,
                    "cached": False,
                    "reason": "",
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
            },
        ],
    }
    shown = text(result)
    assert "0.9000 (95 % interval 0.8880 to 0.9110) on 2,500 test reviews" in shown
    assert "passed: the threshold is 0.88" in shown
    assert "version 7, Approved" in shown
    assert "endpoint    sentiment" in shown
    assert "TooLow    not run" in shown
    assert len([line for line in shown.splitlines() if re.match(r"  \S*python\S* -m pipeline", line)]) == 2


def test_a_version_that_waits_for_approval_is_not_said_to_be_deployed(tmp_path: Path) -> None:
    result = outcome.of(
        execution(tmp_path, "Succeeded", [EVALUATED, REGISTERED, deployed("NotApproved")]), ARN
    )
    assert result.endpoint is None
    assert "endpoint    not deployed" in text(result)


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
    result = Outcome("Failed", None, "x", accuracy, None, 10, 0.88, None, None, None, 1.0, steps=[])
    assert f"gate        {gate}: the threshold is 0.88" in list(report.lines(result, Path("logs")))
