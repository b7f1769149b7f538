"""Preflight: what an account lacks is found, what may not be looked at is said, and nothing is changed.

moto plays the account. It ignores ExpectedBucketOwner, refuses nobody, and knows no SimulatePrincipalPolicy:
those calls are answered before they are sent, at the event where botocore's Stubber does it too.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.stub import Stubber
from moto import mock_aws
from moto.server import ThreadedMotoServer

from pipeline import preflight
from pipeline.lint import Finding, errors
from pipeline.preflight import Account
from pipeline.settings import Settings, load

ACCOUNT = "123456789012"  # moto's
SCHEDULER = f"arn:aws:iam::{ACCOUNT}:role/sentiment-prod-schedule"
AWS_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13-cpu-amzn2023-sagemaker"
SETTINGS = load(
    "prod", {"account": ACCOUNT, "schedule_role": SCHEDULER, "training_image": AWS_IMAGE}, variables={}
)
FUNCTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/sentiment-prod-deploy"
USER = f"arn:aws:sts::{ACCOUNT}:user/moto"
IMAGES = ("processing_image", "training_image", "serving_image")
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 1,
        "digest": f"sha256:{'a' * 64}",
    },
    "layers": [],
}

Request = dict[str, Any]


def clients(**options: Any) -> Account:
    keys = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    made = [boto3.client(name, **keys, **options) for name in ("sts", "s3", "iam", "ecr", "lambda")]
    return Account(*made)


def on_call(client: Any, operation: str, answer: Callable[[Request], Request]) -> None:
    """Answer an operation here: with AWS's answer, or with {"Error": …}."""

    def handler(params: Request, **_: Any) -> tuple[AWSResponse, Request]:
        found = answer(params["body"] if isinstance(params["body"], dict) else {})
        status = 403 if "Error" in found else 200
        return AWSResponse("", status, {}, None), {**found, "ResponseMetadata": {"HTTPStatusCode": status}}

    event = f"before-call.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.unregister(event, unique_id=operation)  # an earlier answer
    client.meta.events.register_first(event, handler, unique_id=operation)


def denied(_: Request) -> Request:
    return {"Error": {"Code": "AccessDenied", "Message": "is not authorized to perform it"}}


def passing(*refused: str) -> Callable[[Request], Request]:
    """A simulation in which all may pass the role that they ask for, but for those named."""

    def answer(request: Request) -> Request:
        assert request["ActionNames.member.1"] == "iam:PassRole"
        decision = "implicitDeny" if request["PolicySourceArn"] in refused else "allowed"
        return {"EvaluationResults": [{"EvalActionName": "iam:PassRole", "EvalDecision": decision}]}

    return answer


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def furnish(account: Account, settings: Settings) -> None:
    """All that a run needs."""
    account.s3.create_bucket(Bucket=settings.bucket)
    for role in {settings.pipeline_role, settings.job_role, settings.endpoint_role}:
        name = role.rpartition("/")[2]
        account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("sagemaker.amazonaws.com"))
    name = SCHEDULER.rpartition("/")[2]
    account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("scheduler.amazonaws.com"))
    name = FUNCTION_ROLE.rpartition("/")[2]
    account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    for key in IMAGES:
        push(account, getattr(settings, key))
    account.lambda_.create_function(
        FunctionName=settings.deploy_function,
        Runtime="python3.13",
        Role=FUNCTION_ROLE,
        Handler="deploy.handler",
        Code={"ZipFile": b"-"},
    )


def push(account: Account, uri: str) -> str:
    """Put an image where its address says. The digest."""
    registry, _, name = uri.partition("/")
    repository, _, tag = name.partition(":")
    put = {"registryId": registry.partition(".")[0], "repositoryName": repository}
    account.ecr.create_repository(**put)
    digest: str = account.ecr.put_image(**put, imageManifest=json.dumps(MANIFEST), imageTag=tag or "latest")[
        "image"
    ]["imageId"]["imageDigest"]
    return digest


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws(config={"lambda": {"use_docker": False}}):
        made = clients()
        furnish(made, SETTINGS)
        on_call(made.iam, "SimulatePrincipalPolicy", passing())
        yield made


def check(account: Account, /, **flags: Any) -> list[Finding]:
    return preflight.check(account, SETTINGS.model_copy(update=flags))


def test_an_account_that_has_everything_has_no_findings(account: Account) -> None:
    assert check(account) == []


def test_the_same_over_the_wire() -> None:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        made = clients(endpoint_url=f"http://{host}:{port}", config=Config(proxies={}))
        on_call(made.iam, "SimulatePrincipalPolicy", passing())
        assert {found.path for found in check(made)} == {
            "bucket",
            "pipeline_role",
            "job_role",
            "endpoint_role",
            "schedule_role",
            *IMAGES,
            "deploy_function",
        }
        furnish(made, SETTINGS)
        assert check(made) == []
    finally:
        server.stop()


def test_it_calls_nothing_that_changes_anything(account: Account) -> None:
    calls = []
    for each in (account.sts, account.s3, account.iam, account.ecr, account.lambda_):
        each.meta.events.register("provide-client-params", lambda model, **_: calls.append(model.name))
    check(account)
    assert set(calls) == {
        "GetCallerIdentity",
        "HeadBucket",
        "GetRole",
        "SimulatePrincipalPolicy",
        "BatchGetImage",
        "GetFunctionConfiguration",
    }


def test_credentials_of_another_account_are_the_only_finding(account: Account) -> None:
    (found,) = check(account, account="999999999999")
    assert f"of account {ACCOUNT}, the settings of 999999999999" in found.problem
    assert "AWS_PROFILE" in found.remedy
    (found,) = check(account, account="111122223333")  # as config/ is shipped
    assert found.remedy == (
        "that is the account of AWS's own examples; write yours into config/prod.yaml: `account`"
    )


def test_a_bucket_that_does_not_exist(account: Account) -> None:
    (found,) = check(account, bucket="sentiment-nowhere")
    assert (found.path, found.problem) == ("bucket", "there is no bucket sentiment-nowhere")
    assert "make stack" in found.remedy


def test_a_bucket_in_another_region(account: Account) -> None:
    account.s3.create_bucket(
        Bucket="sentiment-west", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    (found,) = check(account, bucket="sentiment-west")
    assert found.problem == "sentiment-west is in eu-west-1, and the pipeline in us-east-1"


def test_a_bucket_of_another_account(account: Account) -> None:
    with Stubber(account.s3) as stub:
        owner = {"Bucket": SETTINGS.bucket, "ExpectedBucketOwner": ACCOUNT}
        stub.add_client_error("head_bucket", "403", "Forbidden", http_status_code=403, expected_params=owner)
        (found,) = check(account)
    assert (found.path, found.severity) == ("bucket", "error")
    assert f"is not account {ACCOUNT}'s" in found.problem
    assert "set `bucket` to one of this account" in found.remedy


def test_what_s3_cannot_answer_is_no_finding(account: Account) -> None:
    with Stubber(account.s3) as stub, pytest.raises(ClientError, match="503"):
        stub.add_client_error("head_bucket", "503", "Slow Down", http_status_code=503)
        check(account)


@pytest.mark.parametrize("key", ["pipeline_role", "job_role", "endpoint_role", "schedule_role"])
def test_a_role_that_does_not_exist(account: Account, key: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    (found,) = check(account, **{key: role})
    assert (found.path, found.problem, found.severity) == (key, f"there is no role {role}", "error")


def test_a_role_with_a_path_is_named_with_it(account: Account) -> None:
    account.iam.create_role(
        Path="/ml/", RoleName="jobs", AssumeRolePolicyDocument=trust("sagemaker.amazonaws.com")
    )
    (found,) = check(account, job_role=f"arn:aws:iam::{ACCOUNT}:role/jobs")
    assert found.remedy == f"did you mean arn:aws:iam::{ACCOUNT}:role/ml/jobs?"
    assert check(account, job_role=f"arn:aws:iam::{ACCOUNT}:role/ml/jobs") == []


@pytest.mark.parametrize(
    ("key", "role", "service"),
    [
        ("job_role", FUNCTION_ROLE, "sagemaker.amazonaws.com"),
        ("schedule_role", SETTINGS.job_role, "scheduler.amazonaws.com"),
    ],
)
def test_a_role_that_does_not_trust_who_takes_it(account: Account, key: str, role: str, service: str) -> None:
    (found,) = check(account, **{key: role})
    assert (found.path, found.problem) == (key, f"{role} does not trust {service}")


@pytest.mark.parametrize(
    ("passer", "keys"),
    [
        (USER, ["pipeline_role", "schedule_role"]),
        (SETTINGS.pipeline_role, ["job_role"]),
        (FUNCTION_ROLE, ["endpoint_role"]),
    ],
)
def test_a_role_that_may_not_be_passed(account: Account, passer: str, keys: list[str]) -> None:
    on_call(account.iam, "SimulatePrincipalPolicy", passing(passer))
    found = check(account)
    assert [each.path for each in found] == keys
    for each in found:
        assert f"{passer} may not pass {getattr(SETTINGS, each.path)}" in each.problem
        assert "iam:PassRole" in each.remedy


def asked_about(account: Account, caller: str) -> list[str]:
    """Whose permission to pass the pipeline's role is asked for, when `caller` calls."""
    on_call(account.sts, "GetCallerIdentity", lambda _: {"Account": ACCOUNT, "Arn": caller})
    asked = []

    def answer(request: Request) -> Request:
        if request["ResourceArns.member.1"] == SETTINGS.pipeline_role:
            assert request["ContextEntries.member.1.ContextKeyName"] == "iam:PassedToService"
            assert request["ContextEntries.member.1.ContextKeyValues.member.1"] == "sagemaker.amazonaws.com"
            asked.append(request["PolicySourceArn"])
        return passing()(request)

    on_call(account.iam, "SimulatePrincipalPolicy", answer)
    assert check(account) == []
    return asked


def test_a_session_is_asked_about_as_the_role_that_it_is_of(account: Account) -> None:
    account.iam.create_role(Path="/ci/", RoleName="main", AssumeRolePolicyDocument=trust("x.amazonaws.com"))
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/main/run-7"
    assert asked_about(account, session) == [f"arn:aws:iam::{ACCOUNT}:role/ci/main"]


def test_the_root_of_an_account_may_do_everything(account: Account) -> None:
    assert asked_about(account, f"arn:aws:iam::{ACCOUNT}:root") == []


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("{account}.dkr.ecr.us-east-1.amazonaws.com/sentiment/serving:2", "is not in ECR (ImageNotFound)"),
        ("{account}.dkr.ecr.us-east-1.amazonaws.com/nowhere:1", "there is no repository nowhere in ECR"),
        (
            "{account}.dkr.ecr.us-east-1.amazonaws.com/sentiment/serving@sha256:" + "b" * 64,
            "is not in ECR (ImageNotFound)",
        ),
    ],
)
def test_an_image_that_is_not_in_ecr(account: Account, image: str, problem: str) -> None:
    for key in IMAGES:
        (found,) = check(account, **{key: image.format(account=ACCOUNT)})
        assert (found.path, found.severity) == (key, "error")
        assert problem in found.problem
        assert f"set `{key}`" in found.remedy


def test_an_image_may_be_named_by_its_digest(account: Account) -> None:
    uri = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/sentiment/other"
    assert check(account, serving_image=f"{uri}@{push(account, uri)}") == []


def test_an_image_of_aws_is_asked_for_in_awss_registry(account: Account) -> None:
    asked = []
    event = "provide-client-params.ecr.BatchGetImage"
    account.ecr.meta.events.register(event, lambda params, **_: asked.append(params))
    check(account)
    by_account = {each["registryId"]: each["repositoryName"] for each in asked}
    assert by_account["763104351884"] == "pytorch"


def test_a_deploy_function_that_does_not_exist(account: Account) -> None:
    (found,) = check(account, deploy_function="nothing")
    assert found.path == "deploy_function"
    assert f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:nothing" in found.problem


@pytest.mark.parametrize(
    ("client", "operation", "paths"),
    [
        ("iam", "GetRole", ["pipeline_role", "job_role", "endpoint_role", "schedule_role"]),
        (
            "iam",
            "SimulatePrincipalPolicy",
            ["pipeline_role", "job_role", "schedule_role", "endpoint_role"],
        ),
        ("ecr", "BatchGetImage", list(IMAGES)),
        ("lambda_", "GetFunctionConfiguration", ["deploy_function"]),
    ],
)
def test_what_may_not_be_looked_at_is_not_checked(
    account: Account, client: str, operation: str, paths: list[str]
) -> None:
    on_call(getattr(account, client), operation, denied)
    found = check(account)
    assert [each.path for each in found] == paths
    assert {(each.problem, each.severity) for each in found} == {("not checked", "warning")}
    assert errors(found) == []
    assert all(operation in each.remedy for each in found)


@pytest.mark.parametrize(
    ("client", "operation"),
    [
        ("iam", "GetRole"),
        ("iam", "SimulatePrincipalPolicy"),
        ("ecr", "BatchGetImage"),
        ("lambda_", "GetFunctionConfiguration"),
    ],
)
def test_any_other_refusal_is_raised(account: Account, client: str, operation: str) -> None:
    throttled = {"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}
    on_call(getattr(account, client), operation, lambda _: throttled)
    with pytest.raises(ClientError, match="Throttling"):
        check(account)


def test_without_credentials_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    session = boto3.Session(region_name="us-east-1")
    names = ("sts", "s3", "iam", "ecr", "lambda")
    with pytest.raises(NoCredentialsError):
        check(Account(*(session.client(name) for name in names)))
