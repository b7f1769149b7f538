"""The page's stack: what it lets in, what its function may do, and how long each part waits for the next."""

import json
import re
from typing import Any

import pytest

from infra import template
from shared import ROOT
from test_infra import called
from web import handler, model, security

TEMPLATE = template.load(template.WEB)
RESOURCES = TEMPLATE["Resources"]
PARAMETERS = TEMPLATE["Parameters"]
ROLE = template.roles()["WebRole"]
ROUTES = {"POST /api/sentiment", "POST /api/batch", "POST /api/corrections", "GET /api/health"}


def properties(resource: str) -> dict[str, Any]:
    return RESOURCES[resource]["Properties"]


DISTRIBUTION = properties("Distribution")["DistributionConfig"]


# ---------------------------------------------------------------------- the role


def test_the_function_may_ask_one_endpoint_and_store_corrections_and_nothing_else():
    assert {each.sid: (each.actions, each.resources) for each in ROLE.own} == {
        "Endpoint": (("sagemaker:InvokeEndpoint",), ("endpoint/sentiment-${Environment}",)),
        "Corrections": (("s3:PutObject",), ("sentiment-${Environment}-AccountId/sentiment/corrections/*",)),
        "Log": (("logs:CreateLogStream", "logs:PutLogEvents"), ("FunctionLog",)),
        "OutputKey": (("kms:GenerateDataKey",), ("OutputKmsKey",)),  # with which S3 encrypts a correction
    }
    assert ROLE.shared == ()


def test_the_function_may_what_it_calls():
    beside = {"kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents"}
    assert ROLE.actions == called(*(ROOT / "web").glob("*.py")) | beside


# ---------------------------------------------------------------------- what comes in


def test_the_api_has_the_routes_of_the_handler_and_no_other():
    routes = [each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::ApiGatewayV2::Route"]
    assert {each["RouteKey"] for each in routes} == ROUTES
    documented = re.findall(r"^    (GET|POST) +(/api/\w+)", handler.__doc__, re.MULTILINE)
    assert {" ".join(route) for route in documented} == ROUTES


def test_requests_are_throttled():
    throttled = properties("Stage")["DefaultRouteSettings"]
    assert throttled == {
        "ThrottlingRateLimit": {"Ref": "RequestsPerSecond"},
        "ThrottlingBurstLimit": {"Ref": "RequestBurst"},
    }
    for name in ("RequestsPerSecond", "RequestBurst"):
        assert PARAMETERS[name]["Type"] == "Number"
        assert 1 == PARAMETERS[name]["MinValue"] <= PARAMETERS[name]["Default"] <= 100


@pytest.mark.parametrize(
    "origin", ["*", "https://*", "https://a.example,https://b.example", "null", "https://a/b"]
)
def test_cors_takes_no_more_than_one_origin(origin):
    _, cors, otherwise = properties("Api")["CorsConfiguration"]["Fn::If"]
    assert cors["AllowOrigins"] == [{"Ref": "CorsOrigin"}]
    assert otherwise == {"Ref": "AWS::NoValue"}  # no header: a browser lets no other origin read an answer
    pattern = re.compile(PARAMETERS["CorsOrigin"]["AllowedPattern"])
    assert pattern.fullmatch("https://reviews.example.com") and pattern.fullmatch(
        PARAMETERS["CorsOrigin"]["Default"]
    )
    assert not pattern.fullmatch(origin)


def test_the_access_log_holds_nothing_that_somebody_typed():
    (variables,) = [re.findall(r"\$context\.([\w.]+)", properties("Stage")["AccessLogSettings"]["Format"])]
    assert set(variables) == {
        "requestId", "requestTime", "routeKey", "status", "responseLatency", "integration.status",
        "integration.latency",
    }  # fmt: skip
    json.loads(properties("Stage")["AccessLogSettings"]["Format"])


# ---------------------------------------------------------------------- timeouts


def seconds(file: str, pattern: str) -> float:
    """The one number that a pattern finds in a file."""
    (found,) = re.findall(pattern, (ROOT / file).read_text())
    return float(found.replace("_", ""))


def test_whoever_waits_waits_longer_than_what_it_waits_for():
    (api,) = [each for each in DISTRIBUTION["Origins"] if each["Id"] == "api"]
    cloudfront = api["ResponseCompletionTimeout"]
    gateway = properties("Integration")["TimeoutInMillis"] / 1000
    function = properties("Function")["Timeout"]
    connect = seconds("web/lambda_function.py", r"connect_timeout=(\d+)")
    page = seconds("web/static/api.js", r"TIMEOUT = ([\d_]+)") / 1000
    assert page > cloudfront > gateway > function > model.READ_SECONDS + connect
    assert api["CustomOriginConfig"]["OriginReadTimeout"] == cloudfront
    assert seconds("web/lambda_function.py", r"total_max_attempts\": (\d+)") == 1


# ---------------------------------------------------------------------- the static files


def test_the_files_are_read_by_the_distribution_alone_and_by_tls():
    bucket = properties("Bucket")
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["NoncurrentVersionExpiration"]) == ("Enabled", {"NoncurrentDays": 30})
    tls_only, cloudfront = properties("BucketPolicy")["PolicyDocument"]["Statement"]
    assert (tls_only["Effect"], tls_only["Principal"]) == ("Deny", "*")
    assert tls_only["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert cloudfront["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert (cloudfront["Effect"], cloudfront["Action"]) == ("Allow", "s3:GetObject")
    arn = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Distribution}"
    assert cloudfront["Condition"] == {"StringEquals": {"aws:SourceArn": {"Fn::Sub": arn}}}
    (files,) = [each for each in DISTRIBUTION["Origins"] if each["Id"] == "files"]
    assert files["OriginAccessControlId"] == {"Ref": "OriginAccess"}
    access = properties("OriginAccess")["OriginAccessControlConfig"]
    assert (access["SigningBehavior"], access["OriginAccessControlOriginType"]) == ("always", "s3")


def test_page_and_api_are_one_origin_with_the_headers_of_the_local_server():
    behaviors = {"*": DISTRIBUTION["DefaultCacheBehavior"]}
    behaviors |= {each["PathPattern"]: each for each in DISTRIBUTION["CacheBehaviors"]}
    assert {path: each["TargetOriginId"] for path, each in behaviors.items()} == {
        "*": "files",
        "/api/*": "api",
    }
    assert {each["ViewerProtocolPolicy"] for each in behaviors.values()} == {
        "redirect-to-https",
        "https-only",
    }
    assert {str(each["ResponseHeadersPolicyId"]) for each in behaviors.values()} == {
        "{'Ref': 'SecurityHeaders'}"
    }
    headers = properties("SecurityHeaders")["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert all(each["Override"] for each in headers.values())
    assert headers["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000  # TLS is on AWS alone
    assert {
        "Content-Security-Policy": headers["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "Referrer-Policy": headers["ReferrerPolicy"]["ReferrerPolicy"],
        "X-Content-Type-Options": "nosniff" if "ContentTypeOptions" in headers else "",
        "X-Frame-Options": headers["FrameOptions"]["FrameOption"],
    } == security.HEADERS
