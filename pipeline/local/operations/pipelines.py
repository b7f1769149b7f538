"""Pipelines: create, update, describe, list, delete. A definition that could not run here is refused on the
way in."""

from pipeline.dag import Definition
from pipeline.errors import Fault, PipelineError
from pipeline.local.backend import Backend, arn, between, page
from pipeline.local.check import check
from pipeline.local.store import Document

KIND = "Pipeline"


def create(backend: Backend, request: Document) -> Document:
    def insert() -> Document:
        if backend.store.get(KIND, name):
            raise Fault(  # in AWS's words: clients look for them
                "ValidationException",
                "Pipeline names must be unique within an AWS account and region. "
                f"Pipeline with name ({name}) already exists.",
            )
        now = backend.store.clock()
        document = {
            **_kept(request),
            "PipelineName": name,
            "PipelineArn": arn("pipeline", name),
            "PipelineDisplayName": request.get("PipelineDisplayName", name),
            "PipelineDefinition": _definition(backend, request),
            "PipelineStatus": "Active",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        backend.store.put(KIND, name, document)
        return {"PipelineArn": document["PipelineArn"]}

    name = request["PipelineName"]
    token = request["ClientRequestToken"]
    return backend.idempotent("CreatePipeline", name, token, insert, lambda _: backend.store.get(KIND, name))


def update(backend: Backend, request: Document) -> Document:
    with backend.store.transaction():
        pipeline = backend.find(KIND, request["PipelineName"])
        changes = _kept(request)
        if "PipelineDefinition" in request or "PipelineDefinitionS3Location" in request:
            changes["PipelineDefinition"] = _definition(backend, request)
        backend.store.update(
            KIND, pipeline["PipelineName"], LastModifiedTime=backend.store.clock(), **changes
        )
    return {"PipelineArn": pipeline["PipelineArn"]}


def _kept(request: Document) -> Document:
    members = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration", "Tags")
    return {member: request[member] for member in members if member in request}


def _definition(backend: Backend, request: Document) -> str:
    """The definition's text, given or read from storage. Raises a Fault for one that cannot run here."""
    location = request.get("PipelineDefinitionS3Location")
    if not location and "PipelineDefinition" not in request:
        raise Fault("ValidationException", "give PipelineDefinition or PipelineDefinitionS3Location")
    try:
        text: str = (
            backend.storage.read(f"s3://{location['Bucket']}/{location['ObjectKey']}").decode()
            if location
            else request["PipelineDefinition"]
        )
        check(Definition.parse(text))
    except PipelineError as error:
        raise Fault("ValidationException", f"Unable to parse pipeline definition: {error}") from error
    return text


def describe(backend: Backend, request: Document) -> Document:
    return backend.find(KIND, request["PipelineName"])


def list_all(backend: Backend, request: Document) -> Document:
    rows = between(backend.store.all(KIND), request, "CreationTime", "CreatedAfter", "CreatedBefore")
    rows = [row for row in rows if row["PipelineName"].startswith(request.get("PipelineNamePrefix", ""))]
    if request.get("SortBy") == "Name":
        rows.sort(key=lambda row: row["PipelineName"])
    for row in rows:
        row["LastExecutionTime"] = row.get("LastRunTime")
    return page("PipelineSummaries", rows, request, order="Descending")


def delete(backend: Backend, request: Document) -> Document:
    """The executions stay in the state folder, as their history."""
    with backend.store.transaction():
        pipeline = backend.find(KIND, request["PipelineName"])
        running = [
            execution["PipelineExecutionArn"]
            for execution in backend.store.all("PipelineExecution", parent=pipeline["PipelineName"])
            if execution["PipelineExecutionStatus"] in ("Executing", "Stopping")
        ]
        if running:
            raise Fault(
                "ConflictException",
                f"Pipeline {pipeline['PipelineName']} is executing: stop {running[0]} first.",
            )
        backend.store.delete(KIND, pipeline["PipelineName"])
    return {"PipelineArn": pipeline["PipelineArn"]}
