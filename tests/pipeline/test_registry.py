"""Versions are found, described, approved and rejected: over the local service and over moto's server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from registered import COMMIT, deploy, group, metadata, put, register, report
from scripted_aws import Refused, scripted

import deploy as deploy_step
from aws_account import Account
from pipeline import registry, sessions, settings
from pipeline.errors import NotFound, UsageError
from pipeline.registry import Version
from pipeline.settings import Settings
from pipeline.storage import FolderStorage

ARN = "arn:aws:sagemaker:us-east-1:111122223333:model-package/sentiment/7"
LOCAL = settings.load("local", variables={})
Backend = tuple[Any, Settings]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with Account().serving() as account:
        yield account


@pytest.fixture(params=["local", "moto"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A client of SageMaker."""
    if request.param == "local":
        with sessions.connect(LOCAL, tmp_path / "state") as clients:
            yield clients.sagemaker, LOCAL
    else:
        account = request.getfixturevalue("account")
        account.reset()
        yield account.client("sagemaker"), LOCAL


def test_the_newest_is_the_newest_over_all_pages(backend: Backend) -> None:
    """120 versions: one of them approved, on the second page of a listing."""
    sagemaker, config = backend
    group(sagemaker, config)
    for number in range(1, 121):
        register(sagemaker, config, "Approved" if number == 3 else "PendingManualApproval")
    name = config.model_package_group
    numbers = [int(arn.rpartition("/")[2]) for arn in registry.arns(sagemaker, name)]
    assert numbers == list(range(120, 0, -1))
    newest, approved = registry.newest(sagemaker, name), registry.newest(sagemaker, name, "Approved")
    assert newest and newest.number == 120
    assert approved and (approved.number, approved.status) == (3, "Approved")
    assert registry.newest(sagemaker, name, "Rejected") is None


def test_a_version_says_what_was_registered(backend: Backend) -> None:
    sagemaker, config = backend
    group(sagemaker, config)
    register(sagemaker, config, properties=metadata(81, commit=f"{COMMIT}-dirty"), evaluation="s3://b/e.json")
    found = registry.version(sagemaker, config.model_package_group, 1)
    assert (found.group, found.number, found.status) == (config.model_package_group, 1, "Approved")
    assert found.package_status == registry.COMPLETED and found.failures == ()
    assert (found.accuracy, found.test_size, found.threshold) == (0.81, 100, 0.88)
    assert found.metadata["commit"] == f"{COMMIT}-dirty"
    assert (found.report, found.model_data) == ("s3://b/e.json", f"{config.root}/x/model.tar.gz")
    assert found.image == config.serving_image
    assert found.created and abs((datetime.now(UTC) - found.created).total_seconds()) < 600


def test_what_is_not_there_is_said_with_the_remedy(backend: Backend) -> None:
    sagemaker, config = backend
    name = config.model_package_group
    assert list(registry.arns(sagemaker, name)) == [] and registry.newest(sagemaker, name) is None
    with pytest.raises(NotFound, match=r"no model package group sentiment yet; .*pipeline\.run --local"):
        registry.version(sagemaker, name, 1)
    group(sagemaker, config)
    assert registry.newest(sagemaker, name) is None
    with pytest.raises(NotFound, match=r"sentiment has no version yet; .*pipeline\.run --local"):
        registry.version(sagemaker, name, 1)
    register(sagemaker, config)
    with pytest.raises(NotFound, match="no version 2 of sentiment; the newest is 1; see: .*models list"):
        registry.version(sagemaker, name, 2)


def test_a_decision_is_kept_with_its_reason_and_made_once(backend: Backend) -> None:
    sagemaker, config = backend
    group(sagemaker, config)
    register(sagemaker, config, "PendingManualApproval")

    def now() -> Version:
        return registry.version(sagemaker, config.model_package_group, 1)

    assert registry.decide(sagemaker, now(), "Approved", "it reads\n  well")
    assert (now().status, now().note) == ("Approved", "it reads well")
    assert not registry.decide(sagemaker, now(), "Approved", "again")
    assert now().note == "it reads well"
    assert registry.decide(sagemaker, now(), "Rejected", "no, it does not")
    assert (now().status, now().note) == ("Rejected", "no, it does not")


def test_the_live_version_is_the_one_that_the_endpoints_configuration_was_made_for(account: Account) -> None:
    account.reset()
    sagemaker = account.client("sagemaker")
    assert registry.live(sagemaker, LOCAL.endpoint) is None
    group(sagemaker, LOCAL)
    arns = [register(sagemaker, LOCAL) for _ in range(12)]
    deploy(sagemaker, LOCAL, arns[10])
    assert registry.live(sagemaker, LOCAL.endpoint) == 11


@pytest.mark.parametrize(
    ("configuration", "status", "live"),
    [
        ("sentiment-3-1f0c4b7e", "InService", 3),
        ("sentiment-3-1f0c4b7e", "Updating", 3),
        ("sentiment-3-1f0c4b7e", "RollingBack", 3),
        ("sentiment-3-1f0c4b7e", "Creating", None),
        ("sentiment-3-1f0c4b7e", "Failed", None),
        ("made-by-hand", "InService", None),
    ],
)
def test_live_is_only_what_answers(configuration: str, status: str, live: int | None) -> None:
    answer = {
        "EndpointName": "sentiment",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:111122223333:endpoint/sentiment",
        "EndpointConfigName": configuration,
        "EndpointStatus": status,
        "CreationTime": datetime.now(UTC),
        "LastModifiedTime": datetime.now(UTC),
    }
    client = scripted("sagemaker", {"DescribeEndpoint": lambda _: answer}, [])
    assert registry.live(client, "sentiment") == live


def test_the_name_of_a_configuration_is_read_as_the_deploy_function_reads_it() -> None:
    assert registry.CONFIG_NAME.pattern == deploy_step.CONFIG_NAME.pattern


def package(**members: Any) -> dict[str, Any]:
    """What DescribeModelPackage answers, at the least; of a package that something else made."""
    return {
        "ModelPackageName": "sentiment",
        "ModelPackageArn": ARN,
        "CreationTime": datetime(2026, 11, 25, 12, tzinfo=UTC),
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        **members,
    }


def described(**members: Any) -> Version:
    client = scripted("sagemaker", {"DescribeModelPackage": lambda _: package(**members)}, [])
    return registry.describe(client, ARN)


def test_a_version_that_something_else_registered_has_gaps_and_no_fault() -> None:
    found = described()
    assert (found.group, found.number, found.status, found.approver) == ("sentiment", 7, "", "")
    assert (found.accuracy, found.threshold, found.test_size) == (None, None, None)
    assert (found.report, found.model_data, found.image) == (None, None, None)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1.5", "high", " ", "\x1b[31m", "1e999"])
def test_numbers_in_metadata_that_make_no_sense_are_none(text: str) -> None:
    found = described(
        CustomerMetadataProperties={"accuracy": text, "accuracy_threshold": text, "test_size": text}
    )
    assert (found.accuracy, found.threshold, found.test_size) == (None, None, None)


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"UserProfileName": "jane", "DomainId": "d-1"}, "jane"),
        ({"IamIdentity": {"Arn": "arn:aws:sts::111122223333:assumed-role/admin/jane"}}, "admin/jane"),
        ({"IamIdentity": {"Arn": "arn:aws:sts::1:assumed-role/ci/x", "SourceIdentity": "jane"}}, "jane"),
        ({}, ""),
    ],
)
def test_who_approved_is_who_changed_it_last(user: dict[str, Any], name: str) -> None:
    assert described(ModelApprovalStatus="Approved", LastModifiedBy=user).approver.endswith(name)
    assert described(ModelApprovalStatus="PendingManualApproval", LastModifiedBy=user).approver == ""


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Failed", "Deleting"])
def test_what_cannot_be_deployed_cannot_be_approved_but_rejected(status: str) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    client = scripted("sagemaker", {"UpdateModelPackage": lambda _: {"ModelPackageArn": ARN}}, calls)
    why = {"ValidationStatuses": [{"Name": "x", "Status": "Failed", "FailureReason": "no image"}]}
    found = described(ModelPackageStatus=status, ModelPackageStatusDetails=why)
    assert found.failures == ("no image",)
    with pytest.raises(
        UsageError, match=f"version 7 is {status} and cannot be approved; see: .*models show 7"
    ):
        registry.decide(client, found, "Approved", "good")
    assert calls == []
    assert registry.decide(client, found, "Rejected", "it was never made")
    assert [name for name, _ in calls] == ["UpdateModelPackage"]


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ("", "--note is empty"),
        (" \n\t ", "--note is empty"),
        ("x" * 1025, "1,025 characters; the registry keeps 1,024"),
        ("\x1b[2Jgone", "cannot be printed"),
        ("\udcff", "cannot be printed"),
    ],
)
def test_a_note_that_is_none_changes_nothing(note: str, message: str) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    client = scripted("sagemaker", {}, calls)
    with pytest.raises(UsageError, match=message):
        registry.decide(client, described(ModelApprovalStatus="PendingManualApproval"), "Approved", note)
    assert calls == []


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "latest", "٣", "100000", "1\n", "01", " 1"])
def test_what_is_no_version_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="is no version, which is a number such as 3; see: .*models list"):
        registry.number(text)


def test_a_refusal_is_no_absence() -> None:
    def refuse(_: Any) -> dict[str, Any]:
        raise Refused("AccessDeniedException", "User does not exist or may not")

    operations = ("ListModelPackages", "DescribeModelPackage", "DescribeModelPackageGroup")
    client = scripted("sagemaker", dict.fromkeys(operations, refuse), [])
    for ask in (
        lambda: list(registry.arns(client, "sentiment")),
        lambda: registry.describe(client, ARN),
        lambda: registry.version(client, "sentiment", 1),
    ):
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            ask()


def test_where_the_evaluation_is_gone_the_registry_repeats_its_numbers(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    uri = "s3://bucket/evaluation.json"
    metrics = {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": uri}}}
    found = described(CustomerMetadataProperties=metadata(81), ModelMetrics=metrics)
    gone = registry.tested(storage, found)
    assert (gone.accuracy, gone.test_size, gone.interval) == (0.81, 100, None)
    assert uri in gone.fault
    put(storage, "s3://bucket/x/evaluation.json", report(82))
    there = described(
        CustomerMetadataProperties=metadata(81),
        ModelMetrics={
            "ModelQuality": {"Statistics": {"ContentType": "x", "S3Uri": "s3://bucket/x/evaluation.json"}}
        },
    )
    assert (registry.tested(storage, there).accuracy, registry.tested(storage, there).fault) == (0.82, "")
    assert registry.tested(storage, described()).fault == "it names no evaluation"
