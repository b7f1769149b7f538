"""What each type of step does: its resolved request in, its properties out.

Jobs go to the runners; Model and RegisterModel are the same operations that a client would call; Lambda calls
the function. Nothing here knows about order, retries or caching: that is `execution.py`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline import service_model
from pipeline.dag import Step
from pipeline.errors import ExpressionError, Fault, StepFailed
from pipeline.local import functions, jobs
from pipeline.local.backend import Backend, arn, new_id
from pipeline.local.expressions import Scope, holds, resolve
from pipeline.local.operations import hosting, registry
from pipeline.local.store import Document


@dataclass(frozen=True)
class Result:
    """properties: what later steps may refer to; metadata: the step's entry in ListPipelineExecutionSteps."""

    properties: Document
    metadata: Document
    property_files: dict[str, str] = field(default_factory=dict)  # name -> s3 URI


@dataclass(frozen=True)
class StepRun:
    """One attempt at one step."""

    backend: Backend
    step: Step
    execution: str  # its id
    scope: Scope
    stopping: Callable[[], bool]
    started: Callable[[Document], None]  # called with the metadata as soon as there is a job to look at

    def name(self) -> str:
        """As the service names them: pipelines-<execution>-<step>-<random>, at most 63 characters."""
        step = self.step.name[:28].replace("_", "-")  # a job's name may have no underscore
        return f"pipelines-{self.execution}-{step}-{new_id(10)}"


def request_of(run: StepRun, job_name: str) -> Document:
    """The step's arguments with every expression replaced. Raises StepFailed, naming the expression."""
    if run.step.type == "Condition":  # its operands are resolved where they are compared
        return {}
    execution = {**run.scope.execution, "TrainingJobName": job_name, "ProcessingJobName": job_name}
    scope = Scope(run.scope.parameters, execution, run.scope.steps, run.scope.read)
    try:
        resolved: Document = resolve(run.step.arguments, scope)
    except ExpressionError as error:
        raise StepFailed(str(error)) from error
    return resolved


def _checked(operation: str, request: Document, added: Document) -> Document:
    """The request, if SageMaker would take it."""
    whole = {**request, **added}
    if problems := service_model.validate(operation, whole):
        raise StepFailed(f"ClientError: {operation} would be refused: {'; '.join(problems)}")
    return whole


@dataclass(frozen=True)
class _JobType:
    kind: str  # ProcessingJob: the resource, and the key of the step's metadata
    times: tuple[str, str]  # the members of Describe* for its start and end
    arn: str

    @property
    def operation(self) -> str:
        return f"Create{self.kind}"


_JOBS = {
    "Processing": _JobType("ProcessingJob", ("ProcessingStartTime", "ProcessingEndTime"), "processing-job"),
    "Training": _JobType("TrainingJob", ("TrainingStartTime", "TrainingEndTime"), "training-job"),
    "Transform": _JobType("TransformJob", ("TransformStartTime", "TransformEndTime"), "transform-job"),
}
JOB_KINDS = tuple(job.kind for job in _JOBS.values())


def run_job(run: StepRun, name: str, request: Document) -> Result:
    """A processing, training or transform job, recorded from its first moment to its end."""
    job = _JOBS[run.step.type]
    _checked(job.operation, request, {f"{job.kind}Name": name})
    if problems := jobs.unsupported(run.step.type, request):
        raise StepFailed("not supported by the local executor: " + "; ".join(problems))
    store, now = run.backend.store, run.backend.store.clock
    document = {
        **request,
        f"{job.kind}Name": name,
        f"{job.kind}Arn": arn(job.arn, name),
        f"{job.kind}Status": "InProgress",
        "CreationTime": now(),
        "LastModifiedTime": now(),
        job.times[0]: now(),
    }
    if job.kind == "TrainingJob":
        document["SecondaryStatus"] = "Training"
    store.put(job.kind, name, document, parent=run.execution)
    metadata = {job.kind: {"Arn": document[f"{job.kind}Arn"]}}
    run.started(metadata)
    context = run.backend.job_context(run.stopping)
    if job.kind == "ProcessingJob":
        result = jobs.run_processing(name, request, context)
    elif job.kind == "TrainingJob":
        result = jobs.run_training(name, request, context)
    else:
        result = jobs.run_transform(
            name, request, hosting.model_container(run.backend, request["ModelName"]), context
        )
    document = store.update(
        job.kind,
        name,
        **{f"{job.kind}Status": result.status, job.times[1]: now(), "LastModifiedTime": now()},
        **result.description,
        FailureReason=result.failure_reason,
    )
    if result.status != "Completed":
        raise StepFailed(result.failure_reason or f"the job was {result.status.lower()}", result.error_type)
    return Result(document, metadata, _property_files(run.step, document))


def _property_files(step: Step, job: Document) -> dict[str, str]:
    outputs = {
        output["OutputName"]: output["S3Output"]["S3Uri"]
        for output in (job.get("ProcessingOutputConfig") or {}).get("Outputs", [])
    }
    return {
        file["PropertyFileName"]: f"{outputs[file['OutputName']].rstrip('/')}/{file['FilePath']}"
        for file in step.body.get("PropertyFiles") or []
        if file["OutputName"] in outputs
    }


def _model(run: StepRun, name: str, request: Document) -> Result:
    whole = _checked("CreateModel", request, {"ModelName": name})
    hosting.create_model(run.backend, whole)
    document = hosting.describe_model(run.backend, {"ModelName": name})
    return Result(document, {"Model": {"Arn": document["ModelArn"]}})


def _register_model(run: StepRun, name: str, request: Document) -> Result:
    """A version in the registry. The token makes a repeated step, after a kill, find the version it made
    before."""
    token = hashlib.sha256(f"{run.execution}/{run.step.name}".encode()).hexdigest()[:36]
    whole = _checked("CreateModelPackage", request, {"ClientToken": token})
    group = whole.get("ModelPackageGroupName")
    if group and run.backend.store.get(registry.GROUP, group) is None:
        registry.create_group(run.backend, {"ModelPackageGroupName": group})
    made = registry.create_package(run.backend, whole)["ModelPackageArn"]
    return Result(
        registry.describe_package(run.backend, {"ModelPackageName": made}), {"RegisterModel": {"Arn": made}}
    )


def _condition(run: StepRun, name: str, request: Document) -> Result:
    try:
        outcome = all(holds(condition, run.scope) for condition in run.step.arguments["Conditions"])
    except ExpressionError as error:
        raise StepFailed(str(error)) from error
    return Result({"Outcome": outcome}, {"Condition": {"Outcome": str(outcome)}})


def _fail(run: StepRun, name: str, request: Document) -> Result:
    message = str(request["ErrorMessage"])
    run.started({"Fail": {"ErrorMessage": message}})
    raise StepFailed(message)


def _lambda(run: StepRun, name: str, request: Document) -> Result:
    arn_of_function = str(run.step.body["FunctionArn"])
    function = arn_of_function.rpartition(":")[2]
    run.started({"Lambda": {"Arn": arn_of_function, "OutputParameters": []}})
    answer = functions.invoke(run.backend, name, function, request, run.stopping)
    values = {}
    for output in run.step.body.get("OutputParameters") or []:
        if output["OutputName"] not in answer:
            raise StepFailed(
                f"{function} answered no {output['OutputName']}, which the step declares as an output"
            )
        values[output["OutputName"]] = answer[output["OutputName"]]
    shown = [{"Name": key, "Value": str(value)} for key, value in values.items()]
    metadata = {"Lambda": {"Arn": arn_of_function, "OutputParameters": shown}}
    return Result({"OutputParameters": values}, metadata)


_OTHERS: dict[str, Callable[[StepRun, str, Document], Result]] = {
    "Model": _model,
    "RegisterModel": _register_model,
    "Condition": _condition,
    "Fail": _fail,
    "Lambda": _lambda,
}


def run_step(run: StepRun, name: str, request: Document) -> Result:
    """Do the step. Raises StepFailed with the reason, and the type of error that retry policies go by."""
    try:
        return (
            run_job(run, name, request)
            if run.step.type in _JOBS
            else _OTHERS[run.step.type](run, name, request)
        )
    except Fault as fault:
        raise StepFailed(f"{fault.code}: {fault}") from fault
