"""Tags of whatever can have them here: list, add, delete. A resource keeps its own."""

from pipeline.errors import Fault
from pipeline.local.backend import Backend, name_of, page
from pipeline.local.operations import hosting, pipelines, registry
from pipeline.local.store import Document

_KINDS = {  # in an ARN -> in the store
    "pipeline": pipelines.KIND,
    "model-package-group": registry.GROUP,
    "model": hosting.MODEL,
    "endpoint-config": hosting.CONFIG,
    "endpoint": hosting.ENDPOINT,
}


def list_all(backend: Backend, request: Document) -> Document:
    _, _, resource = _found(backend, request)
    return page("Tags", resource.get("Tags", []), request, order="Ascending")


def add(backend: Backend, request: Document) -> Document:
    """A tag that is there gets the new value."""
    with backend.store.transaction():
        kind, name, resource = _found(backend, request)
        tags = {tag["Key"]: tag for tag in [*resource.get("Tags", []), *request["Tags"]]}
        backend.store.update(kind, name, Tags=list(tags.values()))
    return {"Tags": list(tags.values())}


def delete(backend: Backend, request: Document) -> Document:
    with backend.store.transaction():
        kind, name, resource = _found(backend, request)
        kept = [tag for tag in resource.get("Tags", []) if tag["Key"] not in request["TagKeys"]]
        backend.store.update(kind, name, Tags=kept)
    return {}


def _found(backend: Backend, request: Document) -> tuple[str, str, Document]:
    arn = request["ResourceArn"]
    kind = arn.split(":", 5)[-1].partition("/")[0]
    if kind not in _KINDS or "/execution/" in arn:
        raise Fault("ValidationException", f"tags of {arn} are not implemented by the local service")
    return _KINDS[kind], name_of(arn), backend.find(_KINDS[kind], arn)
