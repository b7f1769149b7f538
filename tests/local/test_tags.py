"""Tags of the local service's resources, through boto3."""

import json

import pytest

from pipeline.local import LocalSageMaker
from shared import aws_client

ROLE = "arn:aws:iam::000000000000:role/Test"
EMPTY = json.dumps({"Version": "2020-12-01", "Steps": []})


@pytest.fixture
def client(home):
    with LocalSageMaker(home) as running:
        yield aws_client("sagemaker", running.url)


def listed(pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def tags(client, arn):
    pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def pipeline(client, **members):
    return client.create_pipeline(PipelineName="p", PipelineDefinition=EMPTY, RoleArn=ROLE, **members)[
        "PipelineArn"
    ]


def group(client, **members):
    made = client.create_model_package_group(ModelPackageGroupName="g", **members)
    return made["ModelPackageGroupArn"]


@pytest.mark.parametrize("create", [pipeline, group])
def test_tags_are_added_replaced_and_deleted(client, create):
    arn = create(client, Tags=listed({"team": "search", "stage": "lab"}))
    assert tags(client, arn) == {"team": "search", "stage": "lab"}
    answer = client.add_tags(ResourceArn=arn, Tags=listed({"team": "ads", "cost": "7"}))
    assert answer["Tags"] == listed({"team": "ads", "stage": "lab", "cost": "7"})
    client.delete_tags(ResourceArn=arn, TagKeys=["stage", "absent"])
    assert tags(client, arn) == {"team": "ads", "cost": "7"}


def test_what_has_no_tags_has_none(client):
    assert tags(client, pipeline(client)) == {}


def test_an_update_of_a_pipeline_leaves_its_tags(client):
    arn = pipeline(client, Tags=listed({"team": "search"}))
    client.update_pipeline(PipelineName="p", RoleArn=ROLE)
    assert tags(client, arn) == {"team": "search"}


@pytest.mark.parametrize(
    ("resource", "error", "message"),
    [
        ("pipeline/absent", "ResourceNotFound", "does not exist"),
        ("training-job/job", "ValidationException", "not implemented by the local service"),
        ("pipeline/p/execution/abc", "ValidationException", "not implemented by the local service"),
    ],
)
def test_tags_of_what_has_none_are_an_error(client, resource, error, message):
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:{resource}"
    for call in (
        lambda: client.list_tags(ResourceArn=arn),
        lambda: client.add_tags(ResourceArn=arn, Tags=listed({"a": "b"})),
        lambda: client.delete_tags(ResourceArn=arn, TagKeys=["a"]),
    ):
        with pytest.raises(client.exceptions.ClientError, match=message) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == error


def test_a_group_that_is_not_there_is_answered_as_aws_does(client):
    with pytest.raises(
        client.exceptions.ClientError, match="model-package-group/g does not exist"
    ) as refused:
        client.describe_model_package_group(ModelPackageGroupName="g")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    arn = group(client)
    for name in ("g", arn):
        found = client.describe_model_package_group(ModelPackageGroupName=name)
        assert found["ModelPackageGroupArn"] == arn
