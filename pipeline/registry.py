"""Versions of the model: find, describe, approve, reject.

Written against boto3's SageMaker client. A version may have been registered by something else than this
pipeline: what it does not have is None or empty, and an error only where a command cannot go on without it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pipeline import evaluation
from pipeline.errors import NotFound, UsageError
from pipeline.evaluation import Evaluation
from pipeline.storage import Storage

APPROVED, REJECTED = "Approved", "Rejected"
COMPLETED = "Completed"  # of a package that can be deployed
NOTE_LENGTH = 1024  # of an ApprovalDescription
CONFIG_NAME = re.compile(r".*-(\d+)-[0-9a-f]{8}")  # as steps/deploy.py names them: endpoint, version, hash
SERVES = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")
RUN = "a run registers one: python -m pipeline.run --local (or --env NAME --upsert --start --wait)"


@dataclass(frozen=True)
class Version:
    """A version of a model package group, as the registry has it."""

    group: str
    number: int
    arn: str
    status: str  # Approved, Rejected or PendingManualApproval
    package_status: str  # Completed, or why it cannot be deployed: Pending, InProgress, Failed, Deleting
    failures: tuple[str, ...]  # why the package Failed, where the service says
    created: datetime | None
    created_by: str
    changed: datetime | None
    changed_by: str  # who changed the version last: a person's name or ARN; no more is known of who approved
    note: str  # of the approval or the rejection
    metadata: Mapping[str, str]
    report: str | None  # URI of the evaluation
    model_data: str | None
    image: str | None

    @property
    def accuracy(self) -> float | None:
        return evaluation.share(self.metadata.get("accuracy"))

    @property
    def threshold(self) -> float | None:
        return evaluation.share(self.metadata.get("accuracy_threshold"))

    @property
    def test_size(self) -> int | None:
        return evaluation.count(self.metadata.get("test_size"))

    @property
    def approver(self) -> str:
        """Of a version that is pending, nobody."""
        return self.changed_by if self.status in (APPROVED, REJECTED) else ""


def number(text: str) -> int:
    """ "3" -> 3. Raises UsageError for what names no version."""
    if not re.fullmatch("[1-9][0-9]{0,4}", text):
        raise UsageError(
            f"{text!r} is no version, which is a number such as 3; "
            "see: python -m pipeline models list [--env NAME]"
        )
    return int(text)


def arns(sagemaker: Any, group: str, status: str | None = None) -> Iterator[str]:
    """Of a group's versions, newest first; none of a group that does not exist."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group,
        SortBy="CreationTime",
        SortOrder="Descending",
        **({"ModelApprovalStatus": status} if status else {}),
        PaginationConfig={"PageSize": 100},
    )
    try:
        for page in pages:
            yield from (found["ModelPackageArn"] for found in page.get("ModelPackageSummaryList", []))
    except sagemaker.exceptions.ClientError as error:
        if not _absent(error):
            raise


def newest(sagemaker: Any, group: str, status: str | None = None) -> Version | None:
    """The newest version, or the newest with that approval status."""
    arn = next(arns(sagemaker, group, status), None)
    return describe(sagemaker, arn) if arn else None


def version(sagemaker: Any, group: str, number: int) -> Version:
    """Raises NotFound: no such group, no version in it, or none of that number."""
    try:
        found = sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    except sagemaker.exceptions.ClientError as error:
        if not _absent(error):
            raise
        raise NotFound(f"there is no model package group {group} yet; {RUN}") from None
    arn = found["ModelPackageGroupArn"].replace(":model-package-group/", ":model-package/", 1)
    try:
        return describe(sagemaker, f"{arn}/{number}")
    except NotFound:
        latest = newest(sagemaker, group)
    if latest is None:
        raise NotFound(f"{group} has no version yet; {RUN}")
    raise NotFound(
        f"there is no version {number} of {group}; the newest is {latest.number}; "
        "see: python -m pipeline models list [--env NAME]"
    )


def describe(sagemaker: Any, arn: str) -> Version:
    """Raises NotFound."""
    try:
        found = sagemaker.describe_model_package(ModelPackageName=arn)
    except sagemaker.exceptions.ClientError as error:
        if not _absent(error):
            raise
        raise NotFound(f"there is no model package {arn}") from None
    details = found.get("ModelPackageStatusDetails", {})
    statuses = [*details.get("ValidationStatuses", []), *details.get("ImageScanStatuses", [])]
    containers = found.get("InferenceSpecification", {}).get("Containers") or [{}]
    statistics = found.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    group, _, number = found["ModelPackageArn"].partition(":model-package/")[2].partition("/")
    return Version(
        group=found.get("ModelPackageGroupName", group),
        number=found.get("ModelPackageVersion") or int(number),
        arn=found["ModelPackageArn"],
        status=found.get("ModelApprovalStatus", ""),
        package_status=found["ModelPackageStatus"],
        failures=tuple(each["FailureReason"] for each in statuses if each.get("FailureReason")),
        created=found.get("CreationTime"),
        created_by=_name(found.get("CreatedBy", {})),
        changed=found.get("LastModifiedTime"),
        changed_by=_name(found.get("LastModifiedBy", {})),
        note=found.get("ApprovalDescription", ""),
        metadata=found.get("CustomerMetadataProperties", {}),
        report=statistics.get("S3Uri"),
        model_data=containers[0].get("ModelDataUrl"),
        image=containers[0].get("Image"),
    )


def live(sagemaker: Any, endpoint: str) -> int | None:
    """The version that the endpoint's configuration was made for; None where nothing answers, or where
    something else than the deploy function made it."""
    try:
        found = sagemaker.describe_endpoint(EndpointName=endpoint)
    except sagemaker.exceptions.ClientError as error:
        if "Could not find" not in str(error):  # how AWS says that there is none
            raise
        return None
    match = CONFIG_NAME.fullmatch(found.get("EndpointConfigName", ""))
    return int(match[1]) if match and found["EndpointStatus"] in SERVES else None


def tested(storage: Storage, found: Version) -> Evaluation:
    """How a version was tested: its evaluation, and what the registry repeats of it where that is gone."""
    if found.report is None:
        said = Evaluation(fault="it names no evaluation")
    else:
        said = evaluation.read(storage, found.report)
    if said.accuracy is None:
        said = replace(said, accuracy=found.accuracy, test_size=said.test_size or found.test_size)
    return said


def decide(sagemaker: Any, found: Version, status: str, note: str) -> bool:
    """Approve or reject, with a reason. False: it was so already, and nothing is changed.

    Raises UsageError for a note that is none, and for approving what cannot be deployed.
    """
    note = checked(note)
    if status == APPROVED and found.package_status != COMPLETED:
        raise UsageError(
            f"version {found.number} is {found.package_status} and cannot be approved; "
            f"see: python -m pipeline models show {found.number} [--env NAME]"
        )
    if found.status == status:
        return False
    sagemaker.update_model_package(
        ModelPackageArn=found.arn, ModelApprovalStatus=status, ApprovalDescription=note
    )
    return True


def checked(note: str) -> str:
    """The note on one line, as the registry keeps it. Raises UsageError for one that it cannot keep."""
    note = " ".join(note.split())
    if not note:
        raise UsageError('--note is empty; say why, such as --note "read its worst mistakes"')
    if len(note) > NOTE_LENGTH:
        raise UsageError(
            f"--note has {len(note):,} characters; the registry keeps {NOTE_LENGTH:,}: shorten it"
        )
    if not note.isprintable():
        raise UsageError("--note holds characters that cannot be printed; write it in plain text")
    return note


def _absent(error: Any) -> bool:
    """Operations of the registry say that something does not exist with different codes."""
    told = error.response["Error"]
    missing = re.search(r"not exist|not found", told.get("Message", ""), re.IGNORECASE)
    return told["Code"] == "ResourceNotFound" or (told["Code"].startswith("Validation") and bool(missing))


def _name(user: Mapping[str, Any]) -> str:
    """Of a UserContext: a profile of Studio, or who signed the request."""
    identity = user.get("IamIdentity", {})
    names = user.get("UserProfileName"), identity.get("SourceIdentity"), identity.get("Arn")
    return next((name for name in names if name), "")
