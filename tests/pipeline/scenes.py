"""Executions that tests play, over clients that botocore's model of the service holds to its shapes."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scripted_aws import Refused, scripted

from pipeline.places import Folders, Places
from pipeline.sessions import Clients
from pipeline.settings import Settings
from pipeline.storage import FolderStorage

ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/sentiment/execution/abcdefghijkl"
EARLIER = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/sentiment/execution/earlier00000"
JOB = "arn:aws:sagemaker:us-east-1:000000000000:processing-job/job-1"
TRAINING_JOB = "arn:aws:sagemaker:us-east-1:000000000000:training-job/job-1"
PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/sentiment/7"
COMMIT = "1f0c4b7e9a3d5566778899aabbccddeeff001122-dirty"
START = datetime(2026, 11, 25, 12, tzinfo=UTC)
STEPS = [("Evaluate", "Processing"), ("Register", "RegisterModel"), ("Deploy", "Lambda"), ("TooLow", "Fail")]
GRAPH = {
    "Parameters": [
        {"Name": "AccuracyThreshold", "Type": "Float", "DefaultValue": 0.88},
        {"Name": "Epochs", "Type": "Integer", "DefaultValue": 2},
    ],
    "Steps": [{"Name": name, "Type": kind, "Arguments": {}} for name, kind in STEPS],
}
EVALUATION = {
    "dataset": {"item_count": 2500},
    "binary_classification_metrics": {"accuracy": {"value": 0.9, "lower": 0.888, "upper": 0.911}},
}


def settings_of(environment: str = "dev", **flags: Any) -> Settings:
    """Of an environment's file, whatever variables the machine has."""
    from pipeline import settings

    return settings.load(environment, flags, {})


def ran(
    name: str, status: str = "Succeeded", begin: float = 0, seconds: float | None = 2, **more: Any
) -> dict[str, Any]:
    """A row of ListPipelineExecutionSteps; without seconds it still runs."""
    start = START + timedelta(seconds=begin)
    ended = {} if seconds is None else {"EndTime": start + timedelta(seconds=seconds)}
    return {"StepName": name, "StepStatus": status, "StartTime": start, **ended, **more}


EVALUATED = ran("Evaluate", Metadata={"ProcessingJob": {"Arn": JOB}})
REGISTERED = ran("Register", Metadata={"RegisterModel": {"Arn": PACKAGE}})


def deployed(status: str, message: str = "so it is") -> dict[str, Any]:
    answer = {"status": status, "endpoint_name": "sentiment", "message": message}
    output = [{"Name": name, "Value": value} for name, value in answer.items()]
    return ran("Deploy", Metadata={"Lambda": {"Arn": "function", "OutputParameters": output}})


class Moments:
    """An execution that goes on by a moment at each sleep. A moment: status, steps, lines of the log."""

    def __init__(
        self,
        *moments: tuple[str, list[dict[str, Any]], list[str]],
        reason: str = "",
        places: Places | None = None,
        outlives: bool = False,
    ) -> None:
        self.moments, self.at, self.reason = moments, 0, reason
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.notes: list[str] = []  # of the service, as JSON
        sagemaker = {
            "DescribePipelineExecution": self._describe,
            "DescribePipelineDefinitionForExecution": lambda _: {"PipelineDefinition": json.dumps(GRAPH)},
            "ListPipelineExecutionSteps": self._list_steps,
            "ListPipelineParametersForExecution": lambda _: {"PipelineParameters": []},
            "StopPipelineExecution": self._go_on({"PipelineExecutionArn": ARN}),
            "RetryPipelineExecution": self._go_on({"PipelineExecutionArn": ARN}),
        }
        logs = {"DescribeLogStreams": self._streams, "GetLogEvents": self._log}
        self.clients = Clients(
            scripted("sagemaker", sagemaker, self.calls),
            None,
            scripted("logs", logs, self.calls),
            FolderStorage(Path("unused")),
            places or Folders(Path("unused")),
            outlives=outlives,
        )

    def called(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.calls)

    def sleep(self, seconds: float) -> None:
        self.at += 1

    def _go_on(self, answer: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def go_on(request: dict[str, Any]) -> dict[str, Any]:
            self.at += 1
            return answer

        return go_on

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        reason = {"FailureReason": self.reason} if self.reason else {}
        return {"PipelineExecutionStatus": self.moments[self.at][0], **reason}

    def _list_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        """Two steps a page."""
        if request["PipelineExecutionArn"] == EARLIER:
            return {"PipelineExecutionSteps": [ran("Train", seconds=60)]}
        rows, first = self.moments[self.at][1], int(request.get("NextToken", 0))
        more = {"NextToken": str(first + 2)} if first + 2 < len(rows) else {}
        return {"PipelineExecutionSteps": rows[first : first + 2], **more}

    def _streams(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["logGroupName"] == "/aws/sagemaker/Pipelines":
            if not self.notes:
                raise Refused("ResourceNotFoundException")
            return {"logStreams": [{"logStreamName": "abcdefghijkl"}]}
        return {"logStreams": [{"logStreamName": f"{request['logStreamNamePrefix']}algo-1"}]}

    def _log(self, request: dict[str, Any]) -> dict[str, Any]:
        """One line an answer; at the end the same token again, as CloudWatch does."""
        lines = self.notes if request["logStreamName"] == "abcdefghijkl" else self.moments[self.at][2]
        first = int(request.get("nextToken", "f/0")[2:])
        shown = lines[first : first + 1] if request["startFromHead"] else lines[-request["limit"] :]
        return {
            "events": [{"message": line} for line in shown],
            "nextForwardToken": f"f/{first + len(shown)}",
        }


def execution(
    tmp_path: Path,
    status: str,
    steps: list[dict[str, Any]],
    reason: str = "",
    threshold: str = "0.88",
    log: list[str] | None = None,
    places: Places | None = None,
) -> Clients:
    """An execution of the four STEPS as it stands, with its evaluation in storage. `log`: of its jobs."""
    storage = FolderStorage(tmp_path / "s3")
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    storage.put(tmp_path / "evaluation.json", "s3://bucket/evaluation/evaluation.json")
    failure = {"FailureReason": reason} if reason else {}
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
    values = {"AccuracyThreshold": threshold, "Epochs": "3", "Commit": COMMIT, "DataChecksum": "unknown"}
    parameters = [{"Name": name, "Value": value} for name, value in values.items()]

    def streams(request: dict[str, Any]) -> dict[str, Any]:
        if log is None or request["logGroupName"] != "/aws/sagemaker/ProcessingJobs":
            raise Refused("ResourceNotFoundException")
        return {"logStreams": [{"logStreamName": "job-1/algo-1"}]}

    def events(request: dict[str, Any]) -> dict[str, Any]:
        lines = [] if "nextToken" in request else log or []
        return {"events": [{"message": line} for line in lines], "nextForwardToken": "f/end"}

    sagemaker = {
        "DescribePipelineExecution": lambda _: {"PipelineExecutionStatus": status, **failure},
        "DescribePipelineDefinitionForExecution": lambda _: {"PipelineDefinition": json.dumps(GRAPH)},
        "ListPipelineExecutionSteps": lambda _: {"PipelineExecutionSteps": steps},
        "ListPipelineParametersForExecution": lambda _: {"PipelineParameters": parameters},
        "DescribeProcessingJob": lambda _: job,
        "DescribeModelPackage": lambda _: package,
    }
    logs = {"DescribeLogStreams": streams, "GetLogEvents": events}
    return Clients(
        scripted("sagemaker", sagemaker, []),
        None,
        scripted("logs", logs, []),
        storage,
        places or Folders(tmp_path / "state"),
    )
