"""What came of an execution: the numbers, the version, the endpoint, each step. For people and for --json.

Put together from what the service says of the execution, never from what a run remembers, so that `runs
show` says of an old execution what its run said.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline import control
from pipeline.control import ENDED, Step, execution_id
from pipeline.dag import Definition
from pipeline.errors import ObjectNotFound
from pipeline.parameters import LINEAGE

NOT_RUN = "NotRun"
WAITING = "Waiting"  # not run yet, in an execution that goes on
LOG_LINES = 20
EVALUATION = ("Evaluate", "evaluation", "evaluation.json")  # step, output, file


@dataclass(frozen=True)
class StepOutcome:
    name: str
    type: str
    status: str
    seconds: float | None  # up to now, while it runs
    cached: bool
    reason: str  # why it failed, was cached, was not, or was not run
    job: str | None  # the name of its job
    link: str | None  # its page in the console
    log: str | None  # the path or the page of its log
    log_end: list[str]  # the last lines, of a step that failed

    @property
    def reason_beside_log(self) -> str:
        """A reason may end with the very lines that log_end has."""
        return control.in_short(self.reason) if self.log_end else self.reason


@dataclass(frozen=True)
class Outcome:
    status: str
    failure_reason: str | None
    execution: str
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None  # 95 %
    test_size: int | None
    threshold: float | None
    parameters: dict[str, str]  # those that differ from the defaults of the definition
    lineage: dict[str, str]  # commit, definition, data: what the run said of itself
    model_package_version: int | None
    approval_status: str | None
    endpoint: str | None  # that serves the version; none where the deployment was refused or failed
    deployment: dict[str, str] | None  # what Deploy answered: status, endpoint_name, message
    seconds: float  # in which steps ran, up to now
    link: str | None  # its page in SageMaker Studio
    logs: str  # the log of the step that failed, else where they all are
    steps: list[StepOutcome]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


def of(clients: Any, arn: str) -> Outcome:
    """Raises NotFound for an execution that does not exist."""
    described = control.describe(clients.sagemaker, arn)
    status = described["PipelineExecutionStatus"]
    definition = definition_of(clients.sagemaker, arn)
    defaults = {name: str(found.get("DefaultValue")) for name, found in definition.parameters.items()}
    parameters = {**defaults, **control.parameters(clients.sagemaker, arn)}
    ran = {step.name: step for step in control.steps(clients, arn)}
    evaluation = _evaluation(clients, ran.get(EVALUATION[0]))
    metrics = evaluation.get("binary_classification_metrics", {}).get("accuracy", {})
    package = _package(clients.sagemaker, ran.values())
    deployment = _deployment(ran.values())
    live = deployment.get("status") in ("Deployed", "AlreadyLive")
    interval = (metrics.get("lower"), metrics.get("upper"))
    steps = _steps(clients, arn, definition, ran, waiting=status not in ENDED)
    failed = (step.log for step in steps if step.status == "Failed" and step.log)
    return Outcome(
        status=status,
        failure_reason=described.get("FailureReason"),
        execution=execution_id(arn),
        accuracy=metrics.get("value"),
        accuracy_interval=None if None in interval else interval,
        test_size=evaluation.get("dataset", {}).get("item_count"),
        threshold=float(parameters["AccuracyThreshold"]) if "AccuracyThreshold" in parameters else None,
        parameters={
            name: value
            for name, value in parameters.items()
            if value != defaults.get(name) and name not in LINEAGE.values()
        },
        lineage={key: parameters[name] for key, name in LINEAGE.items() if name in parameters},
        model_package_version=package.get("ModelPackageVersion"),
        approval_status=package.get("ModelApprovalStatus"),
        endpoint=deployment.get("endpoint_name") if live else None,
        deployment=deployment or None,
        seconds=round(_seconds(ran.values()), 1),
        link=clients.places.execution(arn),
        logs=next(failed, clients.places.logs),
        steps=steps,
    )


def headline(clients: Any, arn: str) -> tuple[float | None, int | None]:
    """(accuracy, version of the model): what a list has room for, for fewer calls than `of`."""
    ran = {step.name: step for step in control.steps(clients, arn)}
    metrics = _evaluation(clients, ran.get(EVALUATION[0])).get("binary_classification_metrics", {})
    registered = (step.metadata.get("RegisterModel") for step in ran.values() if step.status == "Succeeded")
    versions = [int(found["Arn"].rpartition("/")[2]) for found in registered if found]
    return metrics.get("accuracy", {}).get("value"), versions[0] if versions else None


def definition_of(sagemaker: Any, arn: str) -> Definition:
    """The definition that an execution runs, whatever the pipeline's is by now."""
    answer = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    return Definition.parse(answer["PipelineDefinition"])


def _steps(
    clients: Any, arn: str, definition: Definition, ran: dict[str, Step], waiting: bool
) -> list[StepOutcome]:
    notes = control.notes(clients, arn)
    outcomes = []
    for name, step in definition.steps.items():
        found = ran.get(name)
        if found is None:
            status = WAITING if waiting and name not in notes else NOT_RUN
            note = notes.get(name, "")
            outcomes.append(StepOutcome(name, step.type, status, None, False, note, None, None, None, []))
            continue
        note = control.cached_since(clients, found) if found.cached_from else notes.get(name, "")
        outcomes.append(
            StepOutcome(
                name=name,
                type=step.type,
                status=found.status,
                seconds=round(_seconds([found]), 1) if found.started else None,
                cached=bool(found.cached_from),
                reason=found.reason or note,
                job=found.job[1] if found.job else None,
                link=clients.places.job(found),
                log=clients.places.log(found),
                log_end=control.log_end(clients, found, LOG_LINES) if found.status == "Failed" else [],
            )
        )
    return outcomes


def _evaluation(clients: Any, step: Step | None) -> dict[str, Any]:
    if step is None or step.status != "Succeeded" or step.job is None:
        return {}
    job = clients.sagemaker.describe_processing_job(ProcessingJobName=step.job[1])
    outputs = {output["OutputName"]: output for output in job["ProcessingOutputConfig"]["Outputs"]}
    try:
        text = clients.storage.read(f"{outputs[EVALUATION[1]]['S3Output']['S3Uri']}/{EVALUATION[2]}")
    except ObjectNotFound:  # cleaned up since
        return {}
    evaluation: dict[str, Any] = json.loads(text)
    return evaluation


def _package(sagemaker: Any, ran: Iterable[Step]) -> dict[str, Any]:
    for step in ran:
        if step.status == "Succeeded" and "RegisterModel" in step.metadata:
            try:
                found: dict[str, Any] = sagemaker.describe_model_package(
                    ModelPackageName=step.metadata["RegisterModel"]["Arn"]
                )
            except sagemaker.exceptions.ResourceNotFound:
                return {}
            return found
    return {}


def _deployment(ran: Iterable[Step]) -> dict[str, str]:
    for step in ran:
        if step.status == "Succeeded" and "Lambda" in step.metadata:
            return {
                found["Name"]: found["Value"] for found in step.metadata["Lambda"].get("OutputParameters", [])
            }
    return {}


def _seconds(ran: Iterable[Step]) -> float:
    """How long steps ran; those that ran at the same time count once, and the days before a retry not at
    all."""
    total, until, now = timedelta(), None, datetime.now(UTC)
    for began, ended in sorted((step.started, step.ended or now) for step in ran if step.started):
        if until is None or ended > until:
            total += ended - (began if until is None else max(began, until))
            until = ended
    return total.total_seconds()
