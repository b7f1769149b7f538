"""Each error of botocore has its operation, its code and a remedy, and none shows a secret."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from pipeline.aws_errors import explain, is_denied
from pipeline.cli.errors import reported
from pipeline.errors import AwsRefused

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY40"
TOKEN = "FwoGZXIvYXdzEBYaDHqa0AP/9xAmple" + "T0ken/+" * 40
WHO = "arn:aws:sts::123456789012:assumed-role/ci/run-7"
ROLE = "arn:aws:iam::123456789012:role/sentiment-pipeline"


def stubbed(code: str, message: str, operation: str = "create_pipeline", **request: Any) -> ClientError:
    """What botocore raises when SageMaker answers so."""
    client = boto3.client(
        "sagemaker", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stub:
        stub.add_client_error(operation, code, message)
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)(**(request or {"PipelineName": "p", "RoleArn": ROLE}))
    return caught.value


def explained(error: Exception) -> AwsRefused:
    found = explain(error)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        ("ExpiredTokenException", "The security token included in the request is expired", "aws sso login"),
        ("ExpiredToken", "The provided token has expired.", "aws sso login"),
        ("RequestExpired", "Request has expired.", "aws sso login"),
        ("UnrecognizedClientException", "The security token is invalid", "aws configure list"),
        ("InvalidClientTokenId", "The security token is invalid", "AWS_SESSION_TOKEN"),
        ("InvalidAccessKeyId", "The key does not exist in our records.", "aws configure list"),
        ("ThrottlingException", "Rate exceeded", "wait a minute"),
        ("TooManyRequestsException", "Rate exceeded", "wait a minute"),
        ("SlowDown", "Please reduce your request rate.", "wait a minute"),
        ("ResourceLimitExceeded", "The account-level service limit is 0", "higher quota"),
        ("ServiceQuotaExceededException", "too many", "higher quota"),
        ("ConflictException", "The pipeline is being updated", "run the same command again"),
        ("ResourceInUse", "It is in use", "run the same command again"),
        ("NoSuchBucket", "The specified bucket does not exist", "create the bucket"),
        ("PermanentRedirect", "Use the specified endpoint", "in another region"),
        ("AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong", "in another region"),
        ("KMS.NotFoundException", "Invalid arn", "`output_kms_key`"),
        ("OptInRequired", "not subscribed", "enable the service"),
        ("InternalFailure", "", "a fault of AWS's"),
        ("ServiceUnavailable", "", "a fault of AWS's"),
        ("503", "", "a fault of AWS's"),
    ],
)
def test_an_answer_of_aws_has_its_code_its_words_and_a_remedy(code: str, message: str, remedy: str) -> None:
    found = explained(stubbed(code, message))
    assert (found.operation, found.code, found.exit_code) == ("CreatePipeline", code, 3)
    assert str(found).startswith(f"CreatePipeline was refused, {code}: {message.rstrip('.')}")
    assert remedy in str(found)


def test_an_answer_that_nobody_foresaw_is_shown_as_it_is() -> None:
    found = explained(stubbed("ValidationException", "Step Train: no such thing."))
    assert str(found) == "CreatePipeline was refused, ValidationException: Step Train: no such thing"


def test_a_denial_names_the_action_and_who_may_not() -> None:
    message = (
        f"User: {WHO} is not authorized to perform: sagemaker:CreatePipeline on resource: "
        "arn:aws:sagemaker:us-east-1:123456789012:pipeline/sentiment because no identity-based policy allows "
        "the sagemaker:CreatePipeline action"
    )
    text = str(explained(stubbed("AccessDeniedException", message)))
    assert (
        f"allow {WHO} sagemaker:CreatePipeline on arn:aws:sagemaker:us-east-1:123456789012:pipeline" in text
    )


def test_a_role_that_cannot_be_passed_has_its_own_remedy() -> None:
    message = (
        f"User: {WHO} is not authorized to perform: iam:PassRole on resource: {ROLE} because no policy does"
    )
    text = str(explained(stubbed("AccessDeniedException", message)))
    assert f"allow {WHO} iam:PassRole on {ROLE} with iam:PassedToService" in text


@pytest.mark.parametrize("code", ["AccessDenied", "403"])
def test_a_denial_of_s3_may_be_a_bucket_of_another_account(code: str) -> None:
    found = explained(ClientError({"Error": {"Code": code, "Message": "Access Denied"}}, "PutObject"))
    assert "in another account" in str(found)
    assert "allow these credentials PutObject" in str(found)


def test_a_denial_that_says_nothing_names_the_operation() -> None:
    text = str(explained(stubbed("AccessDeniedException", "not you")))
    assert text.endswith(
        "allow these credentials CreatePipeline; whose they are: aws sts get-caller-identity"
    )


@pytest.mark.parametrize(
    ("code", "denied"), [("AccessDenied", True), ("AccessDeniedException", True), ("Throttling", False)]
)
def test_is_denied(code: str, denied: bool) -> None:
    assert is_denied(stubbed(code, "")) is denied
    assert not is_denied(exceptions.NoCredentialsError())


def client(**keywords: Any) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, proxies={})
    keywords = {"region_name": "us-east-1", "config": config, **keywords}
    return boto3.Session().client("sagemaker", **keywords)


def no_credentials() -> None:
    client().list_pipelines()


def half_of_the_credentials() -> None:
    client(aws_access_key_id="a").list_pipelines()


def no_such_profile() -> None:
    boto3.Session(profile_name="nobody")


def no_region() -> None:
    client(region_name=None)


def no_such_region() -> None:
    client(region_name="us east 1")


def unreachable() -> None:
    client(
        endpoint_url="http://127.0.0.1:9", aws_access_key_id="a", aws_secret_access_key="b"
    ).list_pipelines()


@pytest.mark.parametrize(
    ("act", "kind", "remedy"),
    [
        (no_credentials, exceptions.NoCredentialsError, "AWS_PROFILE"),
        (half_of_the_credentials, exceptions.PartialCredentialsError, "both halves"),
        (no_such_profile, exceptions.ProfileNotFound, "aws configure list-profiles"),
        (no_region, exceptions.NoRegionError, "`region`"),
        (no_such_region, exceptions.InvalidRegionError, "`region`"),
        (unreachable, exceptions.EndpointConnectionError, "the network and its proxy"),
    ],
)
def test_what_never_reached_aws(
    act: Callable[[], None], kind: type[Exception], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(kind) as caught:
        act()
    found = explained(caught.value)
    assert (found.code, found.exit_code) == (kind.__name__, 3)
    assert remedy in str(found)


def made_of(kind: type[exceptions.BotoCoreError]) -> exceptions.BotoCoreError:
    """One of botocore's exceptions, with something in each place of its message."""

    class Anything(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return f"some {key}"

    error = kind.__new__(kind)
    Exception.__init__(error, kind.fmt.format_map(Anything()))
    return error


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (exceptions.UnauthorizedSSOTokenError, "aws sso login"),
        (exceptions.SSOTokenLoadError, "aws sso login"),
        (exceptions.TokenRetrievalError, "aws sso login"),
        (exceptions.LoginRefreshRequired, "sign in again"),
        (exceptions.CredentialRetrievalError, "sign in again"),
        (exceptions.ConfigParseError, "correct the file"),
        (exceptions.ConnectTimeoutError, "the network"),
        (exceptions.ReadTimeoutError, "it may have been done all the same"),
        (exceptions.ConnectionClosedError, "it may have been done all the same"),
        (exceptions.ProxyConnectionError, "HTTPS_PROXY"),
        (exceptions.SSLError, "AWS_CA_BUNDLE"),
    ],
)
def test_what_botocore_itself_raises_has_a_remedy(kind: type[exceptions.BotoCoreError], remedy: str) -> None:
    assert remedy in str(explained(made_of(kind)))


def all_of_botocore() -> Iterator[type[exceptions.BotoCoreError]]:
    for each in vars(exceptions).values():
        if isinstance(each, type) and issubclass(each, exceptions.BotoCoreError):
            yield each


def test_every_exception_of_botocore_is_explained() -> None:
    kinds = list(all_of_botocore())
    assert len(kinds) > 50
    for kind in kinds:
        found = explained(made_of(kind))
        assert found.code == kind.__name__
        assert "\n" not in str(found)


@pytest.mark.parametrize("error", [ValueError("x"), OSError(2, "x"), AwsRefused("x")])
def test_what_is_not_of_aws_is_left_alone(error: Exception) -> None:
    assert explain(error) is None


# What S3, STS and SageMaker answer to a wrong signature: the request as they read it, session token included.
CANONICAL = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method.\n\nThe Canonical String for this request should have been\n'POST\n/\n\n"
    f"host:api.sagemaker.us-east-1.amazonaws.com\nx-amz-date:20261125T000000Z\nx-amz-security-token:{TOKEN}\n"
)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("SignatureDoesNotMatch", CANONICAL),
        ("InvalidSignatureException", CANONICAL),
        ("IncompleteSignature", f"Authorization=AWS4-HMAC-SHA256 Credential=AKIA/x, Signature={SECRET}"),
        ("InvalidTokenThing", f"X-Amz-Security-Token={TOKEN}&X-Amz-Signature={SECRET}"),
        ("InternalFailure", f'{{"SecretAccessKey": "{SECRET}", "SessionToken": "{TOKEN}"}}'),
        ("ValidationException", f"aws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}"),
        ("AccessDenied", f"Encoded authorization failure message: {TOKEN}"),
    ],
)
def test_no_secret_is_in_any_message(code: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, reported():
        raise stubbed(code, message)
    shown = capsys.readouterr().err
    assert ended.value.code == 3
    assert code in shown
    for secret in (SECRET, TOKEN, TOKEN[:40], TOKEN[-40:]):
        assert secret not in shown


def test_a_process_that_prints_its_keys_is_not_repeated() -> None:
    error = exceptions.CredentialRetrievalError(
        provider="custom-process", error_msg=f'{{"SecretAccessKey": "{SECRET}", "SessionToken": "{TOKEN}"}}'
    )
    text = str(explained(error))
    assert "custom-process" in text
    assert SECRET not in text
    assert TOKEN[:40] not in text


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        (CANONICAL, "the secret key or the session token is wrong"),
        ("Signature expired: 20261124T000000Z is now earlier than 20261125T000000Z", "the clock is wrong"),
        ("Signature not yet current: 20261126T000000Z", "the clock is wrong"),
    ],
)
def test_a_wrong_signature_is_of_a_wrong_key_or_a_wrong_clock(message: str, wrong: str) -> None:
    assert wrong in str(explained(stubbed("InvalidSignatureException", message)))


def test_resource_names_survive() -> None:
    message = f"{ROLE}/{'p' * 64} and s3://bucket/sentiment/code/{'0a' * 32}/sourcedir.tar.gz cannot be used"
    assert message in str(explained(stubbed("ValidationException", message)))


def test_a_long_message_is_cut() -> None:
    assert len(str(explained(stubbed("ValidationException", "word " * 1000)))) < 700


def test_without_botocore_nothing_of_it_is_loaded_for_an_error() -> None:
    program = (
        "import sys\nfrom pipeline.cli.errors import _known\nassert _known(ValueError()) is None\n"
        "assert 'botocore' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_an_answer_that_is_not_awss_is_told_as_such() -> None:
    refused = explain(ResponseParserError("Unable to parse response (no element found)"))
    assert refused is not None
    assert "the answer is not AWS's; see what answers in AWS's place: a proxy" in str(refused)
