"""The model registry: groups of model packages, numbered versions, approval."""

from pipeline.errors import Fault
from pipeline.local.backend import Backend, arn, between, name_of, page
from pipeline.local.store import Document

GROUP = "ModelPackageGroup"
PACKAGE = "ModelPackage"
CREATOR: Document = {}  # CreatedBy: no user profile made it


def create_group(backend: Backend, request: Document) -> Document:
    name = request["ModelPackageGroupName"]
    with backend.store.transaction():
        if backend.store.get(GROUP, name):
            raise Fault(
                "ValidationException",
                f"Model Package Group already exists: {arn('model-package-group', name)}",
            )
        backend.store.put(
            GROUP,
            name,
            {
                **request,
                "ModelPackageGroupArn": arn("model-package-group", name),
                "ModelPackageGroupStatus": "Completed",
                "CreationTime": backend.store.clock(),
                "CreatedBy": CREATOR,
                "LastVersion": 0,
            },
        )
    return {"ModelPackageGroupArn": arn("model-package-group", name)}


def describe_group(backend: Backend, request: Document) -> Document:
    """AWS answers ValidationException here, where other operations answer ResourceNotFound."""
    name = name_of(request["ModelPackageGroupName"])
    found = backend.store.get(GROUP, name)
    if found is None:
        raise Fault(
            "ValidationException", f"ModelPackageGroup {arn('model-package-group', name)} does not exist."
        )
    return found


def list_groups(backend: Backend, request: Document) -> Document:
    rows = between(
        backend.store.all(GROUP), request, "CreationTime", "CreationTimeAfter", "CreationTimeBefore"
    )
    rows = [row for row in rows if request.get("NameContains", "") in row["ModelPackageGroupName"]]
    if request.get("SortBy") == "Name":
        rows.sort(key=lambda row: row["ModelPackageGroupName"])
    return page("ModelPackageGroupSummaryList", rows, request, order="Ascending")


def delete_group(backend: Backend, request: Document) -> Document:
    with backend.store.transaction():
        name = backend.find(GROUP, request["ModelPackageGroupName"])["ModelPackageGroupName"]
        if backend.store.all(PACKAGE, parent=name):
            raise Fault(
                "ConflictException", f"Model Package Group {name} still has versions; delete them first."
            )
        backend.store.delete(GROUP, name)
    return {}


def create_package(backend: Backend, request: Document) -> Document:
    """A new version of a group; versions count up and a number is never given twice."""
    if "ModelPackageGroupName" not in request:
        raise Fault(
            "ValidationException",
            "the local registry holds versioned packages only: name a ModelPackageGroupName",
        )

    def insert() -> Document:
        group = backend.find(GROUP, request["ModelPackageGroupName"])
        name, version = group["ModelPackageGroupName"], group["LastVersion"] + 1
        now = backend.store.clock()
        document = {
            **{member: value for member, value in request.items() if member not in ("ClientToken", "Tags")},
            "ModelPackageName": name,
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelPackageArn": arn("model-package", f"{name}/{version}"),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        backend.store.update(GROUP, name, LastVersion=version)
        backend.store.put(PACKAGE, f"{name}/{version}", document, parent=name)
        return {"ModelPackageArn": document["ModelPackageArn"]}

    if "ClientToken" in request:
        group, token = request["ModelPackageGroupName"], request["ClientToken"]
        return backend.idempotent(
            "CreateModelPackage", group, token, insert, lambda answer: _there(backend, answer)
        )
    with backend.store.transaction():
        return insert()


def _there(backend: Backend, answer: Document) -> bool:
    return backend.store.get(PACKAGE, name_of(answer["ModelPackageArn"])) is not None


def describe_package(backend: Backend, request: Document) -> Document:
    return backend.find(PACKAGE, request["ModelPackageName"], "ModelPackage")


def list_packages(backend: Backend, request: Document) -> Document:
    group = request.get("ModelPackageGroupName")
    kind = request.get("ModelPackageType", "Versioned" if group else "Unversioned")
    rows = backend.store.all(PACKAGE, parent=name_of(group) if group else None)
    if kind == "Unversioned":  # every package here is a version of a group
        rows = []
    rows = between(rows, request, "CreationTime", "CreationTimeAfter", "CreationTimeBefore")
    rows = [
        row
        for row in rows
        if request.get("NameContains", "") in row["ModelPackageName"]
        and row["ModelApprovalStatus"] == request.get("ModelApprovalStatus", row["ModelApprovalStatus"])
    ]
    return page("ModelPackageSummaryList", rows, request, order="Ascending")


def update_package(backend: Backend, request: Document) -> Document:
    with backend.store.transaction():
        package = backend.find(PACKAGE, request["ModelPackageArn"], "ModelPackage")
        members = ("ModelApprovalStatus", "ApprovalDescription", "CustomerMetadataProperties")
        changes = {member: request[member] for member in members if member in request}
        if unknown := set(request) - {*members, "ModelPackageArn"}:
            raise Fault(
                "ValidationException",
                f"UpdateModelPackage of {', '.join(sorted(unknown))} is not implemented here",
            )
        name = name_of(package["ModelPackageArn"])
        backend.store.update(PACKAGE, name, LastModifiedTime=backend.store.clock(), **changes)
    return {"ModelPackageArn": package["ModelPackageArn"]}


def delete_package(backend: Backend, request: Document) -> Document:
    package = backend.find(PACKAGE, request["ModelPackageName"], "ModelPackage")
    backend.store.delete(PACKAGE, name_of(package["ModelPackageArn"]))
    return {}
