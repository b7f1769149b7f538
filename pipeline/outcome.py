"""What came of an execution: the numbers, the version, the endpoint, each step. For people and for --json.

Put together from what the service says of the execution, never from what a run remembers, so that `runs
show` says of an old execution what its run said.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from pipeline import control
from pipeline.control import Step, execution_id
from pipeline.dag import Definition
from pipeline.errors import ObjectNotFound

NOT_RUN = "NotRun"
EVALUATION = ("Evaluate", "evaluation", "evaluation.json")  # step, output, file


@dataclass(frozen=True)
class StepOutcome:
    name: str
    type: str
    status: str
    seconds: float | None
    cached: bool
    reason: str  # why it failed, was cached, was not, or was not run


@dataclass(frozen=True)
class Outcome:
    status: str
    failure_reason: str | None
    execution: str
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None  # 95 %
    test_size: int | None
    threshold: float | None
    model_package_version: int | None
    approval_status: str | None
    endpoint: str | None  # that serves the version; none where the deployment was refused or failed
    deployment: dict[str, str] | None  # what Deploy answered: status, endpoint_name, message
    seconds: float  # in which steps ran
    steps: list[StepOutcome]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


def of(clients: Any, arn: str) -> Outcome:
    """Raises NotFound for an execution that does not exist."""
    described = control.describe(clients.sagemaker, arn)
    definition = definition_of(clients.sagemaker, arn)
    ran = {step.name: step for step in control.steps(clients, arn)}
    evaluation = _evaluation(clients, ran.get(EVALUATION[0]))
    metrics = evaluation.get("binary_classification_metrics", {}).get("accuracy", {})
    package = _package(clients.sagemaker, ran.values())
    deployment = _deployment(ran.values())
    live = deployment.get("status") in ("Deployed", "AlreadyLive")
    interval = (metrics.get("lower"), metrics.get("upper"))
    return Outcome(
        status=described["PipelineExecutionStatus"],
        failure_reason=described.get("FailureReason"),
        execution=execution_id(arn),
        accuracy=metrics.get("value"),
        accuracy_interval=None if None in interval else interval,
        test_size=evaluation.get("dataset", {}).get("item_count"),
        threshold=_threshold(clients.sagemaker, arn),
        model_package_version=package.get("ModelPackageVersion"),
        approval_status=package.get("ModelApprovalStatus"),
        endpoint=deployment.get("endpoint_name") if live else None,
        deployment=deployment or None,
        seconds=round(_seconds(ran.values()), 1),
        steps=_steps(clients, arn, definition, ran),
    )


def definition_of(sagemaker: Any, arn: str) -> Definition:
    """The definition that an execution runs, whatever the pipeline's is by now."""
    answer = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    return Definition.parse(answer["PipelineDefinition"])


def _steps(clients: Any, arn: str, definition: Definition, ran: dict[str, Step]) -> list[StepOutcome]:
    notes = control.notes(clients, arn)
    outcomes = []
    for name, step in definition.steps.items():
        found = ran.get(name)
        if found is None:
            outcomes.append(StepOutcome(name, step.type, NOT_RUN, None, False, notes.get(name, "")))
            continue
        note = control.cached_since(clients, found) if found.cached_from else notes.get(name, "")
        seconds = None if found.seconds is None else round(found.seconds, 1)
        outcomes.append(
            StepOutcome(name, step.type, found.status, seconds, bool(found.cached_from), found.reason or note)
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


def _threshold(sagemaker: Any, arn: str) -> float | None:
    pages = sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(
        PipelineExecutionArn=arn
    )
    values = {found["Name"]: found["Value"] for page in pages for found in page["PipelineParameters"]}
    return float(values["AccuracyThreshold"]) if "AccuracyThreshold" in values else None


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
    total, until = timedelta(), None
    for began, ended in sorted((step.started, step.ended) for step in ran if step.started and step.ended):
        if until is None or ended > until:
            total += ended - (began if until is None else max(began, until))
            until = ended
    return total.total_seconds()
