"""Executions of pipelines: start, stop, retry, describe, list. What runs them is `engine.py`."""

from pipeline.dag import Definition
from pipeline.errors import Fault, PipelineError
from pipeline.images.addresses import named_in
from pipeline.local.backend import Backend, arn, between, name_of, new_id, page
from pipeline.local.engine import request_stop
from pipeline.local.execution import EXECUTION, STEP
from pipeline.local.operations import pipelines
from pipeline.local.parameters import bind
from pipeline.local.store import Document, process_identity

_ENDED = ("Succeeded", "Failed", "Stopped")


def start(backend: Backend, request: Document) -> Document:
    """A new execution of the pipeline's present definition; the same client token starts it once."""
    for member in ("PipelineVersionId", "PipelineVersionAlias", "MlflowExperimentName"):
        if member in request:
            raise Fault(
                "ValidationException", f"StartPipelineExecution with {member} is not implemented here"
            )
    pipeline = backend.find(pipelines.KIND, request["PipelineName"])
    definition = Definition.parse(pipeline["PipelineDefinition"])
    bind(definition.parameters, request.get("PipelineParameters", []))
    _check_functions(backend, definition)
    _check_images(backend, definition)
    if "SelectiveExecutionConfig" in request:
        _check_selection(backend, pipeline, definition, request["SelectiveExecutionConfig"])
    made: list[str] = []

    def insert() -> Document:
        execution = new_id()
        now = backend.store.clock()
        kept = ("PipelineExecutionDescription", "PipelineParameters", "SelectiveExecutionConfig", "RoleArn")
        document = {
            **{member: request[member] for member in kept if member in request},
            "PipelineName": pipeline["PipelineName"],
            "PipelineArn": pipeline["PipelineArn"],
            "PipelineExecutionArn": arn("pipeline", f"{pipeline['PipelineName']}/execution/{execution}"),
            "PipelineExecutionDisplayName": request.get(
                "PipelineExecutionDisplayName", f"execution-{execution}"
            ),
            "PipelineExecutionStatus": "Executing",
            "PipelineDefinition": pipeline["PipelineDefinition"],
            "ParallelismConfiguration": request.get(
                "ParallelismConfiguration", pipeline.get("ParallelismConfiguration")
            ),
            "CreationTime": now,
            "LastModifiedTime": now,
            "Owner": process_identity(),
        }
        document = {member: value for member, value in document.items() if value is not None}
        backend.store.put(EXECUTION, execution, document, parent=pipeline["PipelineName"])
        backend.store.update(pipelines.KIND, pipeline["PipelineName"], LastRunTime=now)
        made.append(execution)
        return {"PipelineExecutionArn": document["PipelineExecutionArn"]}

    name, token = pipeline["PipelineName"], request["ClientRequestToken"]
    answer = backend.idempotent("StartPipelineExecution", name, token, insert)
    for execution in made:
        backend.engine.start(execution)
    return answer


def _check_functions(backend: Backend, definition: Definition) -> None:
    for step in definition.steps.values():
        function = step.body.get("FunctionArn")
        if isinstance(function, str) and (name := function.rpartition(":")[2]) not in backend.functions:
            there = ", ".join(sorted(backend.functions)) or "none"
            raise Fault(
                "ValidationException",
                f"step {step.name}: there is no function {name} here; there are: {there}",
            )


def _check_images(backend: Backend, definition: Definition) -> None:
    """Has the runner each image that the definition names? One that a parameter names fails its step."""
    missing = []
    steps = definition.steps.values()
    for image in sorted({image for step in steps for _, image in named_in(step.type, step.arguments)}):
        try:
            backend.runner.identify(image)
        except PipelineError as error:
            missing.append(str(error))
    if missing:
        raise Fault("ValidationException", "; ".join(missing))


def _check_selection(
    backend: Backend, pipeline: Document, definition: Definition, selection: Document
) -> None:
    """What the selected steps need must be selected too, or have succeeded in the source execution."""
    chosen = {each["StepName"] for each in selection["SelectedSteps"]}
    for name in sorted(chosen - definition.steps.keys()):
        raise Fault("ValidationException", f"SelectedSteps: the pipeline has no step {name}")
    succeeded: dict[str, Document] = {}
    if "SourcePipelineExecutionArn" in selection:
        source = backend.find(EXECUTION, selection["SourcePipelineExecutionArn"], "Pipeline execution")
        if source["PipelineName"] != pipeline["PipelineName"]:
            raise Fault(
                "ValidationException", "SourcePipelineExecutionArn is an execution of another pipeline"
            )
        records = backend.store.all(STEP, parent=name_of(source["PipelineExecutionArn"]))
        succeeded = {each["StepName"]: each for each in records if each["StepStatus"] == "Succeeded"}
    for name in sorted(chosen):
        for needed in sorted(definition.dependencies[name] - chosen - succeeded.keys()):
            reason = f"step {name} needs {needed}, which is not selected and did not succeed in the source"
            raise Fault("ValidationException", f"SelectedSteps: {reason} execution")
        branch = definition.steps[name].branch
        if branch and branch.condition not in chosen:
            outcome = succeeded[branch.condition]["Properties"]["Outcome"]
            if outcome != branch.outcome:
                reason = f"step {name} is on the branch that was not taken: {branch.condition} was {outcome}"
                raise Fault("ValidationException", f"SelectedSteps: {reason}")


def stop(backend: Backend, request: Document) -> Document:
    execution = _found(backend, request)
    if execution["PipelineExecutionStatus"] in _ENDED:
        raise Fault("ConflictException", f"the execution is {execution['PipelineExecutionStatus']} already")
    request_stop(backend, name_of(execution["PipelineExecutionArn"]))
    return {"PipelineExecutionArn": execution["PipelineExecutionArn"]}


def retry(backend: Backend, request: Document) -> Document:
    """Go on with an execution that failed or was stopped: what succeeded stays, the rest runs (again)."""
    execution = _found(backend, request)
    identity = name_of(execution["PipelineExecutionArn"])
    made: list[str] = []

    def resume() -> Document:
        status = _found(backend, request)["PipelineExecutionStatus"]
        if status not in ("Failed", "Stopped"):
            raise Fault(
                "ConflictException",
                f"only a Failed or Stopped execution can be retried; this one is {status}",
            )
        for step in backend.store.all(STEP, parent=identity):
            if step["StepStatus"] != "Succeeded":
                backend.store.delete(STEP, f"{identity}/{step['StepName']}")
        parallelism = request.get("ParallelismConfiguration", execution.get("ParallelismConfiguration"))
        backend.store.update(
            EXECUTION,
            identity,
            PipelineExecutionStatus="Executing",
            FailureReason=None,
            LastModifiedTime=backend.store.clock(),
            ParallelismConfiguration=parallelism,
            Owner=process_identity(),
        )
        made.append(identity)
        return {"PipelineExecutionArn": execution["PipelineExecutionArn"]}

    answer = backend.idempotent("RetryPipelineExecution", identity, request["ClientRequestToken"], resume)
    for each in made:
        backend.engine.start(each)
    return answer


def _found(backend: Backend, request: Document) -> Document:
    return backend.find(EXECUTION, request["PipelineExecutionArn"], "Pipeline execution")


def describe(backend: Backend, request: Document) -> Document:
    return _found(backend, request)


def list_all(backend: Backend, request: Document) -> Document:
    pipeline = backend.find(pipelines.KIND, request["PipelineName"])
    rows = backend.store.all(EXECUTION, parent=pipeline["PipelineName"])
    rows = between(rows, request, "CreationTime", "CreatedAfter", "CreatedBefore")
    for row in rows:
        row["StartTime"] = row["CreationTime"]
        if "FailureReason" in row:
            row["PipelineExecutionFailureReason"] = row["FailureReason"]
    return page("PipelineExecutionSummaries", rows, request, order="Descending")


def list_steps(backend: Backend, request: Document) -> Document:
    execution = _found(backend, request)
    rows = backend.store.all(STEP, parent=name_of(execution["PipelineExecutionArn"]))
    rows.sort(key=lambda row: row["StartTime"])
    return page("PipelineExecutionSteps", rows, request, order="Descending")


def list_parameters(backend: Backend, request: Document) -> Document:
    """Every parameter with the value it had, defaults included, as text."""
    execution = _found(backend, request)
    values = bind(
        Definition.parse(execution["PipelineDefinition"]).parameters, execution.get("PipelineParameters", [])
    )
    rows = [{"Name": name, "Value": str(value)} for name, value in sorted(values.items())]
    return page("PipelineParameters", rows, request, order="Ascending")


def describe_definition(backend: Backend, request: Document) -> Document:
    execution = _found(backend, request)
    return {"PipelineDefinition": execution["PipelineDefinition"], "CreationTime": execution["CreationTime"]}
