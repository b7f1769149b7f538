"""What only the account can tell, asked before anything is changed: credentials, bucket, roles, images.

Read-only calls only. What these credentials may not look at is a warning ("not checked"), never an error:
whoever may upsert need not be allowed to read IAM.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline.aws_errors import is_denied
from pipeline.finding import Finding
from pipeline.images.addresses import Image
from pipeline.lint.arns import EXAMPLE_ACCOUNT
from pipeline.settings import Settings

_SAGEMAKER = "sagemaker.amazonaws.com"
_SCHEDULER = "scheduler.amazonaws.com"
_STACK = (
    "`make stack`, then `aws cloudformation deploy --template-file .cache/stack.yaml …`, makes it"
    " (README.md, On AWS)"
)


@dataclass(frozen=True)
class Account:
    """boto3 clients of settings.region."""

    sts: Any
    s3: Any
    iam: Any
    ecr: Any
    lambda_: Any


def check(account: Account, settings: Settings) -> list[Finding]:
    """Every reason why a run in this account would fail. Raises botocore's exceptions when it cannot be
    asked at all."""
    caller = account.sts.get_caller_identity()
    if caller["Account"] != settings.account:  # of another account nothing else is worth knowing
        problem = f"these credentials are of account {caller['Account']}, the settings of {settings.account}"
        file = f"config/{settings.environment}.yaml"
        remedy = f"set AWS_PROFILE to a profile of that account, or `account` in {file}"
        if settings.account == EXAMPLE_ACCOUNT:
            remedy = f"that is the account of AWS's own examples; write yours into {file}: `account`"
        return [Finding("", "account", problem, remedy)]
    groups: list[Callable[[], Iterator[Finding]]] = [
        lambda: _bucket(account.s3, settings),
        lambda: _roles(account.iam, _principal(account.iam, caller["Arn"]), settings),
        lambda: _images(account.ecr, settings),
        lambda: _deploy_function(account, settings),
    ]
    with ThreadPoolExecutor(len(groups)) as pool:  # each waits for AWS, one call after the other
        return [finding for found in pool.map(lambda group: list(group()), groups) for finding in found]


def _not_checked(path: str, call: str) -> Finding:
    return Finding("", path, "not checked", f"allow these credentials {call} to have it checked", "warning")


def _bucket(s3: Any, settings: Settings) -> Iterator[Finding]:
    """An answer to a HEAD request has a status and no words."""
    try:
        found = s3.head_bucket(Bucket=settings.bucket, ExpectedBucketOwner=settings.account)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            yield Finding("", "bucket", f"there is no bucket {settings.bucket}", f"{_STACK}, or set `bucket`")
        elif status == 403:
            problem = f"{settings.bucket} is not account {settings.account}'s, or may not be listed"
            remedy = "set `bucket` to one of this account, or allow these credentials s3:ListBucket on it"
            yield Finding("", "bucket", problem, remedy)
        else:
            raise
        return
    region = found.get("BucketRegion", settings.region)
    if region != settings.region:
        problem = f"{settings.bucket} is in {region}, and the pipeline in {settings.region}"
        yield Finding("", "bucket", problem, f"set `region` to {region}, or `bucket` to one there")


# ---------------------------------------------------------------------- roles


def _roles(iam: Any, caller: str | None, settings: Settings) -> Iterator[Finding]:
    """Each role is there, trusts the service that takes it, and may be passed by whoever passes it."""
    used = [  # setting, who takes it, who passes it (the function that deploys passes the endpoint's)
        ("pipeline_role", _SAGEMAKER, caller),
        ("job_role", _SAGEMAKER, settings.pipeline_role),
        ("endpoint_role", _SAGEMAKER, None),
        ("schedule_role", _SCHEDULER, caller),
    ]
    for key, service, passer in used:
        arn = getattr(settings, key)
        if arn is None:
            continue
        missing = list(_role(iam, key, arn, service))
        yield from missing
        if passer and not any(finding.severity == "error" for finding in missing):
            yield from _passed(iam, key, arn, service, passer)


def _role(iam: Any, key: str, arn: str, service: str) -> Iterator[Finding]:
    try:
        role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
    except iam.exceptions.NoSuchEntityException:
        yield Finding("", key, f"there is no role {arn}", f"{_STACK}, or set `{key}`")
        return
    except ClientError as error:
        if not is_denied(error):
            raise
        yield _not_checked(key, "iam:GetRole")
        return
    if role["Arn"] != arn:  # it has a path
        yield Finding("", key, f"there is no role {arn}", f"did you mean {role['Arn']}?")
    elif not _trusts(role["AssumeRolePolicyDocument"], service):
        problem = f"{arn} does not trust {service}"
        yield Finding("", key, problem, f"let its trust policy allow {service} sts:AssumeRole")


def _trusts(policy: Any, service: str) -> bool:
    """Does a statement allow this service?"""
    statements = (json.loads(policy) if isinstance(policy, str) else policy)["Statement"]
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else service
        if statement["Effect"] == "Allow" and service in (
            [services] if isinstance(services, str) else services
        ):
            return True
    return False


def _passed(iam: Any, key: str, arn: str, service: str, passer: str) -> Iterator[Finding]:
    to = {
        "ContextKeyName": "iam:PassedToService",
        "ContextKeyValues": [service],
        "ContextKeyType": "string",
    }
    try:
        answer = iam.simulate_principal_policy(
            PolicySourceArn=passer, ActionNames=["iam:PassRole"], ResourceArns=[arn], ContextEntries=[to]
        )
    except iam.exceptions.NoSuchEntityException:
        return  # the passer is said to be missing itself, or has a path that its session does not tell
    except ClientError as error:
        if not is_denied(error):
            raise
        yield _not_checked(key, "iam:SimulatePrincipalPolicy")
        return
    decisions = [each["EvalDecision"] for each in answer["EvaluationResults"]]
    if denied := [decision for decision in decisions if decision != "allowed"]:
        problem = f"{passer} may not pass {arn} to {service} ({denied[0]})"
        yield Finding("", key, problem, f"allow it iam:PassRole on {arn}")


def _principal(iam: Any, arn: str) -> str | None:
    """Whose policies count: arn:aws:sts::1:assumed-role/ci/session -> arn:aws:iam::1:role/ci, with its path.

    None for the root of an account, who may do everything.
    """
    prefix, _, name = arn.rpartition(":")
    if name == "root":
        return None
    if not name.startswith("assumed-role/"):
        return arn
    role = name.split("/")[1]
    try:
        return str(iam.get_role(RoleName=role)["Role"]["Arn"])
    except ClientError as error:
        if not is_denied(error):
            raise
        return f"{prefix.replace(':sts:', ':iam:')}:role/{role}"


# ---------------------------------------------------------------------- images, deploy function


def _images(ecr: Any, settings: Settings) -> Iterator[Finding]:
    """By the call that a pull makes: it is the one that AWS's own registries allow to other accounts."""
    keys: dict[str, str] = {}
    for key in ("processing_image", "training_image", "serving_image"):
        keys.setdefault(getattr(settings, key), key)
    for uri, key in keys.items():
        image = Image.parse(uri)
        if image is None or image.region != settings.region:
            continue  # lint says so
        wanted = {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag or "latest"}
        try:
            answer = ecr.batch_get_image(
                registryId=image.account, repositoryName=image.repository, imageIds=[wanted]
            )
        except ecr.exceptions.RepositoryNotFoundException:
            problem = f"there is no repository {image.repository} in ECR of account {image.account}"
            yield Finding("", key, problem, f"push the image there, or set `{key}`")
            continue
        except ClientError as error:
            if not is_denied(error):
                raise
            yield _not_checked(key, f"ecr:BatchGetImage on {image.repository} of account {image.account}")
            continue
        if not answer["images"]:
            reason = answer["failures"][0]["failureCode"] if answer["failures"] else "no image"
            yield Finding("", key, f"{uri} is not in ECR ({reason})", f"push it, or set `{key}`")


def _deploy_function(account: Account, settings: Settings) -> Iterator[Finding]:
    arn, lambda_ = settings.deploy_function_arn, account.lambda_
    try:
        function = lambda_.get_function_configuration(FunctionName=arn)
    except lambda_.exceptions.ResourceNotFoundException:
        yield Finding("", "deploy_function", f"there is no function {arn}", f"{_STACK}, or set it")
        return
    except ClientError as error:
        if not is_denied(error):
            raise
        yield _not_checked("deploy_function", "lambda:GetFunctionConfiguration")
        return
    yield from _passed(account.iam, "endpoint_role", settings.endpoint_role, _SAGEMAKER, function["Role"])
