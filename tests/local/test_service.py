"""The wire protocol of the local service, as an unmodified client and a raw HTTP request meet it."""

import http.client
import json
import uuid

import pytest

from pipeline.local import LocalSageMaker
from pipeline.local.operations import LOGS, SAGEMAKER
from pipeline.service_model import service as service_shapes
from shared import aws_client

ROLE = "arn:aws:iam::000000000000:role/Test"
EMPTY = json.dumps({"Version": "2020-12-01", "Steps": []})


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with LocalSageMaker(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture
def client(service):
    return aws_client("sagemaker", service.url)


def create(client, name):
    return client.create_pipeline(
        PipelineName=name, PipelineDefinition=EMPTY, RoleArn=ROLE, ClientRequestToken=uuid.uuid4().hex
    )


def post(service, body, headers, path="/"):
    connection = http.client.HTTPConnection(service.url.removeprefix("http://"))
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content.startswith(b"{") else content.decode()


def test_every_operation_in_the_tables_is_one_of_aws():
    assert SAGEMAKER.keys() <= set(service_shapes("sagemaker").operation_names)
    assert LOGS.keys() <= set(service_shapes("logs").operation_names)


def test_errors_are_the_clients_typed_exceptions(client):
    with pytest.raises(client.exceptions.ResourceNotFound, match="Pipeline 'absent' does not exist"):
        client.describe_pipeline(PipelineName="absent")


def test_an_operation_that_is_not_implemented_is_never_a_made_up_success(client):
    with pytest.raises(client.exceptions.ClientError, match="SageMaker.ListApps is not implemented"):
        client.list_apps()


@pytest.mark.parametrize(
    ("body", "target", "code"),
    [
        (b"{", "SageMaker.DescribePipeline", "SerializationException"),
        (b"[]", "SageMaker.DescribePipeline", "SerializationException"),
        (b"\xff\xfe", "SageMaker.DescribePipeline", "SerializationException"),
        (b"{}", "SageMaker.DescribePipeline", "ValidationException"),
        (b'{"PipelineName": 3}', "SageMaker.DescribePipeline", "ValidationException"),
        (b'{"PipelineName": "a", "Colour": "red"}', "SageMaker.DescribePipeline", "ValidationException"),
        (b'{"SortOrder": "Sideways"}', "SageMaker.ListPipelines", "ValidationException"),
        (b'{"NextToken": "soon"}', "SageMaker.ListPipelines", "ValidationException"),
        (b"{}", "Elsewhere.ListPipelines", "UnknownOperationException"),
        (b"{}", "", "UnknownOperationException"),
    ],
)
def test_a_malformed_request_gets_the_error_of_aws(service, body, target, code):
    status, answer = post(service, body, {"X-Amz-Target": target})
    assert (status, answer["__type"]) == (400, code)
    assert "Traceback" not in answer["message"]


def test_another_host_and_a_huge_body_are_refused(service):
    assert post(service, b"{}", {"X-Amz-Target": "SageMaker.ListPipelines", "Host": "evil.example"})[0] == 400
    huge = b"x" * (6 * 1024 * 1024 + 1)
    assert post(service, huge, {"X-Amz-Target": "SageMaker.ListPipelines"})[0] == 413


def test_listings_come_in_pages_both_ways(client):
    names = [f"page-{number}" for number in range(7)]
    for name in names:
        create(client, name)
    pages = client.get_paginator("list_pipelines").paginate(
        PipelineNamePrefix="page", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 3}
    )
    sizes = [[each["PipelineName"] for each in page["PipelineSummaries"]] for page in pages]
    assert sizes == [names[:3], names[3:6], names[6:]]
    newest = client.list_pipelines(PipelineNamePrefix="page", MaxResults=1)["PipelineSummaries"]
    assert newest[0]["PipelineName"] == "page-6"


def test_a_pipeline_is_created_updated_and_deleted(client):
    create(client, "life")
    with pytest.raises(client.exceptions.ClientError, match="must be unique"):
        create(client, "life")
    client.update_pipeline(PipelineName="life", PipelineDescription="short")
    described = client.describe_pipeline(PipelineName="life")
    assert described["PipelineDescription"] == "short"
    assert described["PipelineDefinition"] == EMPTY
    assert described["LastModifiedTime"] > described["CreationTime"]
    client.delete_pipeline(PipelineName="life", ClientRequestToken=uuid.uuid4().hex)
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.describe_pipeline(PipelineName="life")


@pytest.mark.parametrize("definition", ["no JSON", "{}", '{"Version": "1", "Steps": []}'])
def test_a_definition_that_is_none_is_refused(client, definition):
    with pytest.raises(client.exceptions.ClientError, match="Unable to parse pipeline definition"):
        client.create_pipeline(
            PipelineName="bad",
            PipelineDefinition=definition,
            RoleArn=ROLE,
            ClientRequestToken=uuid.uuid4().hex,
        )


def package(client, group, approval="PendingManualApproval"):
    return client.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus=approval,
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"}],
            "SupportedContentTypes": ["text/plain"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]


def test_versions_count_up_are_approved_and_never_reuse_a_number(client):
    client.create_model_package_group(ModelPackageGroupName="group")
    arns = [package(client, "group") for _ in range(3)]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1", "2", "3"]
    client.update_model_package(
        ModelPackageArn=arns[1], ModelApprovalStatus="Approved", ApprovalDescription="good"
    )
    approved = client.list_model_packages(ModelPackageGroupName="group", ModelApprovalStatus="Approved")
    assert [each["ModelPackageVersion"] for each in approved["ModelPackageSummaryList"]] == [2]
    assert client.describe_model_package(ModelPackageName=arns[1])["ApprovalDescription"] == "good"
    ascending = client.list_model_packages(ModelPackageGroupName="group")["ModelPackageSummaryList"]
    assert [each["ModelPackageVersion"] for each in ascending] == [
        1,
        2,
        3,
    ]  # AWS's default, a trap for "the latest"
    with pytest.raises(client.exceptions.ConflictException):
        client.delete_model_package_group(ModelPackageGroupName="group")
    client.delete_model_package(ModelPackageName=arns[2])
    assert package(client, "group").endswith("/4")


def test_a_package_that_is_not_approved_cannot_become_a_model(client):
    client.create_model_package_group(ModelPackageGroupName="pending")
    arn = package(client, "pending")
    with pytest.raises(client.exceptions.ClientError, match="PendingManualApproval; approve it first"):
        client.create_model(ModelName="m", ExecutionRoleArn=ROLE, Containers=[{"ModelPackageName": arn}])


def test_an_endpoint_that_is_not_there(client, service):
    with pytest.raises(client.exceptions.ClientError, match="Could not find"):
        client.describe_endpoint(EndpointName="absent")
    runtime = aws_client("sagemaker-runtime", service.url)
    with pytest.raises(runtime.exceptions.ClientError, match="Endpoint absent of account not found"):
        runtime.invoke_endpoint(EndpointName="absent", Body=b"good")


def test_a_log_that_is_not_there_and_a_path_for_a_name(service):
    logs = aws_client("logs", service.url)
    for stream in ("absent/log", "../../state.db", "..\\x/log"):
        with pytest.raises(logs.exceptions.ClientError):
            logs.get_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream)
    group = "/aws/sagemaker/TrainingJobs"
    assert logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="absent")["logStreams"] == []
