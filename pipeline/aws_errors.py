"""Every error of botocore as an AwsRefused: the operation, AWS's code and message, and what to do.

AWS's message is shown, for it names the resource; except where it repeats the request's signature, which
holds the session token. Whatever else looks like a secret is blotted out.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from pipeline.errors import AwsRefused

_SIGN_IN = (
    "set AWS_PROFILE to a profile of `aws configure list-profiles`, and sign in: aws sso login"
    " (in GitHub Actions: permissions: id-token: write, and the step that assumes the role)"
)
_SIGN_IN_AGAIN = "sign in again: aws sso login, or fresh AWS_… variables"
_LOST = "it may have been done all the same: run the same command again, or see: python -m pipeline runs list"
_REACH = "see that the region is right, and that the network and its proxy let this through"

_OF_BOTOCORE: tuple[tuple[tuple[type[Exception], ...], str], ...] = (  # the first that fits
    ((botocore.NoCredentialsError,), _SIGN_IN),
    ((botocore.PartialCredentialsError,), "set both halves of the key, or neither"),
    ((botocore.ProfileNotFound,), "choose one of: aws configure list-profiles"),
    ((botocore.ConfigParseError, botocore.ConfigNotFound), "correct the file, or AWS_CONFIG_FILE"),
    (
        (botocore.SSOError, botocore.TokenRetrievalError, botocore.LoginError, botocore.NoAuthTokenError),
        _SIGN_IN_AGAIN,
    ),
    ((botocore.CredentialRetrievalError, botocore.MetadataRetrievalError), _SIGN_IN_AGAIN),
    ((botocore.NoRegionError, botocore.InvalidRegionError, botocore.UnknownRegionError), "correct `region`"),
    ((botocore.ProxyConnectionError,), "see HTTPS_PROXY and NO_PROXY"),
    ((botocore.SSLError,), "see AWS_CA_BUNDLE: a proxy may have a certificate of its own"),
    ((botocore.ReadTimeoutError, botocore.ConnectionClosedError), _LOST),
    ((botocore.ConnectionError, botocore.HTTPClientError), _REACH),
)

_OF_AWS: tuple[tuple[str, str], ...] = (  # the code's pattern; the first that fits
    (r"ExpiredToken.*|RequestExpired|TokenRefreshRequired", _SIGN_IN_AGAIN),
    (
        r"InvalidClientTokenId|UnrecognizedClient.*|InvalidAccessKeyId|InvalidToken|AuthFailure",
        "see which keys are used: aws configure list; temporary ones need AWS_SESSION_TOKEN too, and a "
        "region that is not enabled in the account answers the same",
    ),
    (
        r"ResourceLimitExceeded|.*Quota.*|LimitExceeded.*|TooManyBuckets",
        "wait until what runs has ended, choose another instance type, or ask for a higher quota: "
        "aws service-quotas request-service-quota-increase",
    ),
    (
        r".*Throttl.*|TooManyRequests.*|RequestLimitExceeded|BandwidthLimitExceeded|SlowDown"
        r"|ProvisionedThroughputExceeded.*|RequestTimeout.*|PriorRequestNotComplete",
        "it was tried several times; wait a minute, then run the same command again",
    ),
    (
        r"Conflict.*|ResourceInUse.*|ResourceConflict.*|Concurrent.*|OperationAborted",
        "something else is changing it; run the same command again",
    ),
    (r"NoSuchBucket", "create the bucket, or set `bucket` to one that exists"),
    (
        r"PermanentRedirect|301|AuthorizationHeaderMalformed|IllegalLocationConstraint.*",
        "the bucket is in another region; set `region` to it",
    ),
    (r"KMS.*", "see `volume_kms_key`, `output_kms_key` and the key's policy"),
    (r"OptInRequired|SubscriptionRequired.*", "enable the service, or the region, in this account"),
    (
        r"Internal.*|Service(Unavailable|Exception|Failure).*|ServerException|50\d",
        "a fault of AWS's; run the same command again later",
    ),
)
_DENIED = re.compile(
    r"AccessDenied.*|Unauthorized.*|NotAuthorized.*|AuthorizationError.*|Forbidden|403|KMSAccessDenied.*"
)
_ON_S3 = re.compile(r".*(Object|Bucket|Multipart|Parts?)")
_WHO = re.compile(r"(?:User: )?(?P<who>arn:\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)")
_RESOURCE = re.compile(r"on resource: (?P<resource>\S+)")

_SIGNED = re.compile(r"(SignatureDoesNotMatch|InvalidSignature|IncompleteSignature|RequestTimeTooSkewed).*")
_CLOCK = re.compile(r"expired|not yet current|skew|too large", re.IGNORECASE)
_SECRETS = (
    re.compile(r"(?<=token)([\"']?\s*[:=]\s*[\"']?)[^\s\"'&,;]+", re.IGNORECASE),  # x-amz-security-token:…
    re.compile(r"(?<=signature)([\"']?\s*[:=]\s*[\"']?)[^\s\"'&,;]+", re.IGNORECASE),
    re.compile(r"(?<=key)([\"']?\s*[:=]\s*[\"']?)[A-Za-z0-9/+=]{40}\b", re.IGNORECASE),  # secretAccessKey=…
    re.compile(r"()[A-Za-z0-9/+=_%-]{150,}"),  # whatever is encoded
)
_LONGEST = 600  # characters of AWS's message


def explain(error: Exception) -> AwsRefused | None:
    """None for an error that is not botocore's.

    ClientError AccessDeniedException of CreatePipeline -> "CreatePipeline was refused, AccessDeniedException:
    … is not authorized to perform: …; let … do …"
    """
    if isinstance(error, botocore.ClientError):
        return _answered(error)
    if isinstance(error, botocore.BotoCoreError):
        kind = type(error).__name__
        remedy = next((text for kinds, text in _OF_BOTOCORE if isinstance(error, kinds)), "")
        what = "AWS's answer did not come" if remedy == _LOST else "AWS was not asked"
        return AwsRefused(_sentence(f"{what}, {kind}: {_safe(str(error))}", remedy), code=kind)
    if isinstance(error, ResponseParserError):
        remedy = "see what answers in AWS's place: a proxy, a sign-in page, AWS_ENDPOINT_URL"
        return AwsRefused(f"the answer is not AWS's; {remedy}", code=type(error).__name__)
    return None


def check_answer(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
    """botocore's before-parse event. Raises ResponseParserError for a success that is not JSON, such as the
    sign-in page of a network, of which botocore makes an answer without members."""
    told = operation_model.output_shape and operation_model.output_shape.members
    json_only = operation_model.service_model.protocol == "json"
    if json_only and told and response_dict["status_code"] < 300 and not _is_object(response_dict["body"]):
        raise ResponseParserError("not JSON")


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def is_denied(error: Exception) -> bool:
    """Is it these credentials' lack of a permission?"""
    return isinstance(error, botocore.ClientError) and bool(_DENIED.fullmatch(_code(error)))


def _code(error: botocore.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _answered(error: botocore.ClientError) -> AwsRefused:
    code, message = _code(error), str(error.response.get("Error", {}).get("Message") or "")
    operation = error.operation_name
    if _SIGNED.fullmatch(code):
        wrong = "the clock" if _CLOCK.search(message) else "the secret key or the session token"
        message = "AWS computes another signature of the request (its message holds the session token)"
        remedy = f"{wrong} is wrong; set {'it' if wrong == 'the clock' else 'them, and their key id,'} anew"
    elif _DENIED.fullmatch(code):
        remedy = _permission(operation, message)
    else:
        remedy = next((text for pattern, text in _OF_AWS if re.fullmatch(pattern, code)), "")
    return AwsRefused(
        _sentence(f"{operation} was refused, {code}: {_safe(message)}", remedy), operation, code
    )


def _permission(operation: str, message: str) -> str:
    """What to allow, to whom."""
    found, resource = _WHO.search(message), _RESOURCE.search(message)
    on = resource["resource"].rstrip(".,") if resource else ""
    if found and found["action"] == "iam:PassRole":
        return (
            f"allow {found['who']} iam:PassRole on {on or 'that role'} with iam:PassedToService "
            "sagemaker.amazonaws.com (scheduler.amazonaws.com for a schedule), or correct the role's setting"
        )
    if found:
        where = f" on {on}" if on else ""
        return (
            f"allow {found['who']} {found['action']}{where} "
            "(the stack's CI role may do all of it: README.md, Roles)"
        )
    if _ON_S3.match(operation):
        return (
            f"allow these credentials {operation} on the bucket and its KMS key; or the bucket is in another "
            "account than `account`, and then set `bucket` to one of yours"
        )
    return f"allow these credentials {operation}; whose they are: aws sts get-caller-identity"


def _safe(message: str) -> str:
    """One line, of bearable length, without secrets."""
    for pattern in _SECRETS:
        message = pattern.sub(r"\1(hidden)", message)
    line = " ".join(message.split()).rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _sentence(what: str, remedy: str) -> str:
    return f"{what}; {remedy}" if remedy else what
