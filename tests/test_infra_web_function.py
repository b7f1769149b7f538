"""The page's stack in an account on loopback: what is made, and the function as it lies there, asked."""

import io
import json
import os
import re
import subprocess
import sys
import warnings
import zipfile
from contextlib import contextmanager
from importlib.metadata import packages_distributions as installed
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from aws_account import ACCOUNT, Account
from infra import template, web_code
from test_infra_web import PARAMETERS, RESOURCES, ROUTES, properties
from web import handler

BUCKET = f"sentiment-dev-{ACCOUNT}"
VALUES = {
    "Environment": "dev",
    "CodeKey": "sentiment/code/web-0.zip",
    "OutputKmsKey": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
    "CorsOrigin": "https://reviews.example.com",
}


NAMES = VALUES | {  # what the template's parts are called once they are made
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": ACCOUNT,
    "RequestsPerSecond": PARAMETERS["RequestsPerSecond"]["Default"],
    "RequestBurst": PARAMETERS["RequestBurst"]["Default"],
    "Function.Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:sentiment-dev-web",
    "FunctionLog.Arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/sentiment-dev-web",
    "AccessLog.Arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/vendedlogs/sentiment-dev-web",
}
OF_LAMBDA = {"boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"}


def resolved(value: Any, names: dict[str, str]) -> Any:
    """A part of the template with what its functions stand for. Conditions hold."""
    if isinstance(value, list):
        return [resolved(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": name}:
            return names[name]
        case {"Fn::GetAtt": parts}:
            return names[".".join(parts)]
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: names[found[1]], text)
        case {"Fn::If": [_, chosen, _]}:
            return resolved(chosen, names)
    return {key: resolved(each, names) for key, each in value.items()}


@pytest.fixture(scope="module")
def account():
    """One with the stack in it, of which moto's CloudFormation makes the function, its role and the logs."""
    account = Account()
    with account.serving(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tried to parse AWS::")  # what it cannot make
        account.client("s3").create_bucket(Bucket=BUCKET)
        account.client("s3").put_object(Bucket=BUCKET, Key=VALUES["CodeKey"], Body=web_code.archive())
        account.client("cloudformation").create_stack(
            StackName="sentiment-dev-web",
            TemplateBody=template.WEB.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in VALUES.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        yield account


def test_the_function_is_made_as_the_template_says(account):
    made = account.client("lambda").get_function(FunctionName="sentiment-dev-web")
    assert made["Configuration"]["Handler"] == "web.lambda_function.handler"
    assert made["Configuration"]["Role"] == f"arn:aws:iam::{ACCOUNT}:role/sentiment-dev-web"
    assert made["Configuration"]["Environment"]["Variables"] == {
        "ENDPOINT_NAME": "sentiment-dev",
        "CORRECTIONS_URI": f"s3://{BUCKET}/sentiment/corrections",
        "MAX_CHARACTERS": str(handler.MAX_CHARACTERS),
        "MAX_BYTES": str(handler.MAX_BYTES),
    }
    assert made["Concurrency"] == {"ReservedConcurrentExecutions": 10}
    groups = account.client("logs").describe_log_groups()["logGroups"]
    assert {each["logGroupName"]: each["retentionInDays"] for each in groups} == {
        "/aws/lambda/sentiment-dev-web": 90,
        "/aws/vendedlogs/sentiment-dev-web": 90,
    }


def test_the_api_is_taken_by_its_service(account):
    """What moto's CloudFormation cannot make, its API Gateway makes of the same properties."""
    gateway = account.client("apigatewayv2")
    names = dict(NAMES)
    names["Api"] = gateway.create_api(**resolved(properties("Api"), names))["ApiId"]
    names["Integration"] = gateway.create_integration(**resolved(properties("Integration"), names))[
        "IntegrationId"
    ]
    for resource in RESOURCES.values():
        if resource["Type"] == "AWS::ApiGatewayV2::Route":
            gateway.create_route(**resolved(resource["Properties"], names))
    gateway.create_stage(**resolved(properties("Stage"), names))
    made = {"ApiId": names["Api"]}
    assert gateway.get_api(**made)["CorsConfiguration"]["AllowOrigins"] == ["https://reviews.example.com"]
    (integration,) = gateway.get_integrations(**made)["Items"]
    assert (integration["PayloadFormatVersion"], integration["TimeoutInMillis"]) == ("2.0", 25_000)
    assert {
        each["RouteKey"]: each["Target"] for each in gateway.get_routes(**made)["Items"]
    } == dict.fromkeys(ROUTES, f"integrations/{integration['IntegrationId']}")
    (stage,) = gateway.get_stages(**made)["Items"]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 20.0, "ThrottlingBurstLimit": 40}


ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from web.lambda_function import handler
answers = [handler(event, None) for event in json.load(sys.stdin)]
modules = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
json.dump({"answers": answers, "modules": sorted(modules)}, sys.stdout)
"""


def event(route: str, content: Any = None) -> dict[str, Any]:
    """A request as an HTTP API hands it over, of payload format 2.0."""
    method, path = route.split()
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"requestId": "id-of-the-gateway", "http": {"method": method, "path": path}},
        "body": json.dumps(content),
        "isBase64Encoded": False,
    }


@pytest.fixture(scope="module")
def credentials(account):
    """A user's with the role's policy: of roles moto judges none whose policy is in it."""
    (policy,) = [each["PolicyDocument"] for each in properties("WebRole")["Policies"]]
    policy = resolved(policy, NAMES)
    iam = account.client("iam")
    iam.create_user(UserName="web")
    iam.put_user_policy(UserName="web", PolicyName="web", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName="web")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


@pytest.fixture
def ask(account, credentials, tmp_path):
    """Hands events to the function as it lies in S3, alone, with its variables."""
    made = account.client("lambda").get_function(FunctionName="sentiment-dev-web")["Configuration"]
    archive = tmp_path / "web.zip"
    account.client("s3").download_file(BUCKET, VALUES["CodeKey"], str(archive))
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": account.url, **credentials}

    def ask(*events: dict[str, Any]) -> tuple[list[dict[str, Any]], set[str]]:
        ran = subprocess.run(
            [sys.executable, "-I", "-c", ASK, archive],
            input=json.dumps(events),
            capture_output=True,
            text=True,
            env=environment | made["Environment"]["Variables"],
            cwd=tmp_path,
        )
        assert ran.returncode == 0, ran.stderr
        told = json.loads(ran.stdout)
        return told["answers"], set(told["modules"])

    return ask


@contextmanager
def judged(account):
    """moto lets nobody do what no policy of theirs allows."""
    requests.post(f"{account.url}/moto-api/reset-auth", data="0", timeout=60).raise_for_status()
    try:
        yield
    finally:
        requests.post(f"{account.url}/moto-api/reset-auth", data="inf", timeout=60).raise_for_status()


CORRECTION = {
    "review": "It was all right.",
    "label": "negative",
    "answer": {"label": "positive", "probability": 0.9, "model_version": "3f2a"},
}


def test_the_function_stores_a_correction_with_what_its_role_allows(account, ask):
    def corrections() -> set[str]:
        listed = account.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="sentiment/corrections/")
        return {each["Key"] for each in listed.get("Contents", [])}

    before = corrections()  # moto's accounts are one in a process: those of other tests
    with judged(account):
        (answer,), _ = ask(event("POST /api/corrections", CORRECTION))
    assert answer["statusCode"] == 201, answer
    (stored,) = corrections() - before
    text = account.client("s3").get_object(Bucket=BUCKET, Key=stored)["Body"].read()
    assert json.loads(text)["label"] == "negative"


@pytest.mark.parametrize(
    ("operation", "key"),
    [
        ("get_object", "sentiment/corrections/2026/11/25/0.jsonl"),
        ("put_object", "sentiment/data/0.csv"),
        ("put_object", "sentiment/code/web-0.zip"),
        ("delete_object", "sentiment/corrections/2026/11/25/0.jsonl"),
    ],
)
def test_whoever_gets_hold_of_the_role_may_not(account, credentials, operation, key):
    s3 = boto3.client(
        "s3",
        "us-east-1",
        endpoint_url=account.url,
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
    )
    with judged(account), pytest.raises(ClientError, match="AccessDenied"):
        getattr(s3, operation)(Bucket=BUCKET, Key=key)


def test_the_archive_needs_no_more_than_lambda_has(ask):
    answers, modules = ask(*(event(route, {}) for route in sorted(ROUTES)))
    assert {each["statusCode"] for each in answers} == {200, 400}  # each is a route of the handler
    loaded = {name for name in modules & installed().keys() if not name.startswith("_")}
    assert loaded - {"certifi"} <= OF_LAMBDA  # botocore takes certifi where it finds it


def test_a_request_that_is_too_large_is_refused(account, ask):
    account.forget()
    (answer,), _ = ask(event("POST /api/sentiment", {"review": "x" * handler.MAX_BYTES}))
    assert answer["statusCode"] == 413 and account.calls == []


def test_the_function_asks_the_endpoint_of_its_environment(account, ask):
    account.forget()
    (answer,), _ = ask(event("POST /api/sentiment", {"review": "It was all right."}))
    assert account.calls == ["POST /endpoints/sentiment-dev/invocations"]
    assert answer["statusCode"] == 502  # of a review moto knows nothing, and the page says no sentiment
    assert json.loads(answer["body"]).keys() == {"request_id", "error"}


def test_the_same_code_is_the_same_archive(tmp_path):
    for name in ("b.py", "a.py", "page.html"):
        (tmp_path / name).write_text(name)
    first = web_code.archive(tmp_path)
    os.utime(tmp_path / "a.py", (0, 0))
    (tmp_path / "a.py").chmod(0o600)
    assert web_code.archive(tmp_path) == first
    with zipfile.ZipFile(io.BytesIO(first)) as packed:
        assert packed.namelist() == ["web/a.py", "web/b.py"]
        assert {member.external_attr >> 16 for member in packed.infolist()} == {
            0o100644
        }  # Lambda's user reads it
    (tmp_path / "a.py").write_text("other")
    assert web_code.archive(tmp_path) != first
