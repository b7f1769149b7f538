"""Executions of a pipeline: start, stop, retry, and what the service says of one.

Written once, against boto3's SageMaker and CloudWatch Logs clients. Nothing here waits; `watch.py` does.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.errors import NotFound, UsageError
from pipeline.parameters import Value

ENDED = ("Succeeded", "Failed", "Stopped", "CompletedWithFailures")
_LOG_GROUPS = {
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
    "TransformJob": "/aws/sagemaker/TransformJobs",
}


@dataclass(frozen=True)
class Step:
    """A step of an execution, as it is now."""

    name: str
    status: str
    started: datetime | None
    ended: datetime | None
    reason: str  # why it failed
    metadata: Mapping[str, Any]  # of its job, model, Lambda …
    cached_from: str = ""  # the execution whose result it took
    note: str = ""  # why it was cached, or why not

    @property
    def seconds(self) -> float | None:
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None

    @property
    def job(self) -> tuple[str, str] | None:
        """("TrainingJob", its name) of a step that has a job."""
        for kind in _LOG_GROUPS:
            if kind in self.metadata:
                return kind, self.metadata[kind]["Arn"].rpartition("/")[2]
        return None


def start(
    sagemaker: Any,
    name: str,
    values: Mapping[str, Value],
    token: str,
    *,
    display_name: str,
    description: str,
    selection: Mapping[str, Any] | None = None,
) -> str:
    """Start an execution and return its ARN. The same token starts one execution, however often sent.

    `selection` is a SelectiveExecutionConfig. Raises NotFound for a pipeline that does not exist.
    """
    try:
        answer = sagemaker.start_pipeline_execution(
            PipelineName=name,
            PipelineExecutionDisplayName=display_name,
            PipelineExecutionDescription=description,
            PipelineParameters=[{"Name": key, "Value": str(value)} for key, value in values.items()],
            ClientRequestToken=token,
            **({"SelectiveExecutionConfig": selection} if selection else {}),
        )
    except sagemaker.exceptions.ResourceNotFound as error:
        raise NotFound(
            f"there is no pipeline {name}; make it with: python -m pipeline.run --upsert"
        ) from error
    arn: str = answer["PipelineExecutionArn"]
    return arn


def token(pipeline: str, given: str | None, variables: Mapping[str, str]) -> str:
    """The client token of a start: of what the user gave, else of the CI run, else of no other start.

    Of the CI run and not of its attempt: a CI job that is run again finds the execution that it has started.
    """
    run = "/".join(
        variables.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    )
    text = given or (run if variables.get("GITHUB_RUN_ID") else uuid.uuid4().hex)
    return hashlib.sha256(f"{text}\0{pipeline}".encode()).hexdigest()


def executions(sagemaker: Any, name: str) -> Iterator[dict[str, Any]]:
    """Summaries, newest first; none of a pipeline that does not exist."""
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=name,
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 100},
    )
    try:
        for page in pages:
            yield from page.get("PipelineExecutionSummaries", [])
    except sagemaker.exceptions.ResourceNotFound:
        return


def retry(clients: Any, arn: str) -> frozenset[str]:
    """Go on with an execution that failed or was stopped. Returns the steps that had succeeded before, which
    do not run again.

    Raises NotFound for an execution that does not exist, UsageError for one that needs no retry.
    """
    status = describe(clients.sagemaker, arn)["PipelineExecutionStatus"]
    if status not in ("Failed", "Stopped"):
        raise UsageError(
            f"execution {execution_id(arn)} is {status}; only one that is Failed or Stopped can be retried"
        )
    done = frozenset(step.name for step in steps(clients, arn) if step.status == "Succeeded")
    clients.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    return done


def stop(sagemaker: Any, arn: str) -> None:
    """Ask an execution to stop; its running steps end as Stopped.

    Raises NotFound for an execution that does not exist, UsageError for one that has ended.
    """
    status = describe(sagemaker, arn)["PipelineExecutionStatus"]
    if status in ENDED:
        raise UsageError(f"execution {execution_id(arn)} is {status}; there is nothing to stop")
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)


def describe(sagemaker: Any, arn: str) -> dict[str, Any]:
    """Raises NotFound for an execution that does not exist."""
    try:
        found: dict[str, Any] = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    except sagemaker.exceptions.ResourceNotFound:
        raise NotFound(
            f"there is no execution {execution_id(arn)}; see: python -m pipeline runs list [--env NAME]"
        ) from None
    return found


def in_short(reason: str) -> str:
    """The first line of a reason: what follows is mostly the end of a log."""
    first, _, more = reason.partition("\n")
    return f"{first} …" if more else first


def execution_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def arn_of(sagemaker: Any, name: str, execution: str) -> str:
    """The ARN of an execution of a pipeline, of its id or its ARN. Raises NotFound when there is no such
    pipeline, or when the ARN is of another's."""
    if execution.startswith("arn:"):
        if f":pipeline/{name}/execution/".lower() not in execution.lower():  # AWS writes it in lower case
            raise NotFound(f"{execution} is no execution of {name}; name its environment with --env NAME")
        return execution
    try:
        found = sagemaker.describe_pipeline(PipelineName=name)
    except sagemaker.exceptions.ResourceNotFound:
        raise NotFound(
            f"there is no pipeline {name}, and so no execution {execution} of it; "
            "name another environment with --env NAME, or see: python -m pipeline.run --help"
        ) from None
    return f"{found['PipelineArn']}/execution/{execution}"


def parameters(sagemaker: Any, arn: str) -> dict[str, str]:
    """What an execution runs with, defaults included."""
    pages = sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(
        PipelineExecutionArn=arn
    )
    return {found["Name"]: found["Value"] for page in pages for found in page.get("PipelineParameters", [])}


def steps(clients: Any, arn: str) -> list[Step]:
    """The steps that have started, in that order, each with what is known of its cache."""
    pages = clients.sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    return [
        Step(
            name=found["StepName"],
            status=found["StepStatus"],
            started=found.get("StartTime"),
            ended=found.get("EndTime"),
            reason=found.get("FailureReason", ""),
            metadata=found.get("Metadata", {}),
            cached_from=found.get("CacheHitResult", {}).get("SourcePipelineExecutionArn", ""),
        )
        for page in pages
        for found in page.get("PipelineExecutionSteps", [])
    ]


def notes(clients: Any, arn: str) -> dict[str, str]:
    """What the service says of each step beside its status: {"Train": "HyperParameters.epochs changed …"}."""
    if clients.places.notes is None:
        return {}
    lines = LogTail(clients.logs, clients.places.notes, execution_id(arn)).read()
    events = [json.loads(line) for line in lines]
    return {event["step"]: event["message"] for event in events if event["event"] != "cache-hit"}


def cached_since(clients: Any, step: Step) -> str:
    """When the result that a cached step took was made; nothing when its execution is gone."""
    try:
        original = {found.name: found for found in steps(clients, step.cached_from)}.get(step.name)
    except clients.sagemaker.exceptions.ResourceNotFound:
        original = None
    if original is None or original.ended is None:
        return "cached"
    return f"cached, since {original.ended.astimezone():%Y-%m-%d %H:%M:%S}"


class LogTail:
    """The lines of a log that have come since the last look. A log that is not there (yet) has none."""

    def __init__(self, logs: Any, group: str, prefix: str) -> None:
        self.logs, self.group, self.prefix = logs, group, prefix
        self._tokens: dict[str, str] = {}  # stream -> where to go on

    def read(self) -> list[str]:
        absent = self.logs.exceptions.ResourceNotFoundException
        try:
            found = self.logs.describe_log_streams(logGroupName=self.group, logStreamNamePrefix=self.prefix)
            return [line for stream in found["logStreams"] for line in self._stream(stream["logStreamName"])]
        except absent:
            return []

    def end(self, count: int) -> list[str]:
        """The last lines, without those before them."""
        absent = self.logs.exceptions.ResourceNotFoundException
        try:
            found = self.logs.describe_log_streams(logGroupName=self.group, logStreamNamePrefix=self.prefix)
            names = [stream["logStreamName"] for stream in found["logStreams"]]
            return [line for name in names for line in self._last(name, count)][-count:]
        except absent:
            return []

    def _last(self, name: str, count: int) -> list[str]:
        answer = self.logs.get_log_events(
            logGroupName=self.group, logStreamName=name, startFromHead=False, limit=count
        )
        lines = [event["message"] for event in answer["events"]]
        return lines or list(self._stream(name))  # the last page may be empty, and the log not

    def _stream(self, name: str) -> Iterator[str]:
        # A page may be empty and not the last; the last one answers the token that it was asked with.
        while True:
            before = self._tokens.get(name)
            token = {"nextToken": before} if before else {}
            answer = self.logs.get_log_events(
                logGroupName=self.group, logStreamName=name, startFromHead=True, **token
            )
            yield from (event["message"] for event in answer["events"])
            self._tokens[name] = answer["nextForwardToken"]
            if self._tokens[name] == before:
                return


def log_of(clients: Any, job: tuple[str, str]) -> LogTail:
    """The log of a job, as Step.job names it."""
    kind, name = job
    return LogTail(clients.logs, _LOG_GROUPS[kind], f"{name}/")


def log_end(clients: Any, step: Step, count: int) -> list[str]:
    """The last lines of the log of a step's job."""
    return log_of(clients, step.job).end(count) if step.job else []
