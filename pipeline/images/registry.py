"""Images in a registry. Of ECR, what the commands ask it; of any other, that it is one.

ECR's repositories are made with tags that cannot be moved, so that a tag is one content for good. Docker gets
the token of a login through its standard input, and forgets it when the block ends.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline import docker
from pipeline.errors import EngineFailed, UsageError
from pipeline.images.addresses import Image
from pipeline.settings import Settings

ATTEMPTS = 5  # of a call to AWS


@dataclass(frozen=True)
class Clients:
    ecr: Any
    sts: Any


@dataclass(frozen=True)
class Found:
    digest: str
    pushed: datetime


def connect(settings: Settings) -> Clients:
    """Credentials, profile and endpoints are the user's, found as the AWS CLI finds them."""
    import boto3
    from botocore.config import Config

    session = boto3.Session(region_name=settings.region)
    config = Config(
        connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": ATTEMPTS}
    )
    return Clients(session.client("ecr", config=config), session.client("sts", config=config))


def digest(ecr: Any, image: Image) -> str | None:
    """Of an image in ECR; None where it is not. Raises UsageError for one that SageMaker would refuse."""
    try:
        answer = ecr.batch_get_image(
            registryId=image.account, repositoryName=image.repository, imageIds=[_asked(image)]
        )
    except ecr.exceptions.RepositoryNotFoundException:
        return None
    for found in answer["images"]:
        kind = found.get("imageManifestMediaType", "")
        if kind.startswith("application/vnd.oci."):
            raise UsageError(
                f"{image.repository}:{image.tag} is in ECR as {kind}, which SageMaker refuses; push "
                f"again after: aws ecr batch-delete-image --registry-id {image.account} "
                f"--region {image.region} --repository-name {image.repository} "
                f"--image-ids imageTag={image.tag}"
            )
        return str(found["imageId"]["imageDigest"])
    return None


def find(ecr: Any, image: Image) -> Found | None:
    """Its digest, and when it was pushed."""
    try:
        (details,) = ecr.describe_images(
            registryId=image.account, repositoryName=image.repository, imageIds=[_asked(image)]
        )["imageDetails"]
    except (ecr.exceptions.RepositoryNotFoundException, ecr.exceptions.ImageNotFoundException):
        return None
    return Found(details["imageDigest"], details["imagePushedAt"])


def _asked(image: Image) -> dict[str, str]:
    return {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag or "latest"}


def check_account(sts: Any, settings: Settings) -> None:
    """Raises UsageError for credentials of another account than the settings'."""
    account = sts.get_caller_identity()["Account"]
    if account != settings.account:
        raise UsageError(
            f"these credentials are of account {account}, the settings of {settings.account}; set "
            f"AWS_PROFILE to a profile of that account, or `account` in config/{settings.environment}.yaml"
        )


def make_repository(ecr: Any, name: str, settings: Settings) -> bool:
    """False where it is there. Its tags cannot be moved, its images are scanned when they are pushed."""
    key = settings.output_kms_key
    encryption = {"encryptionType": "KMS", "kmsKey": key} if key else {"encryptionType": "AES256"}
    try:
        ecr.create_repository(
            registryId=settings.account,
            repositoryName=name,
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration=encryption,
        )
    except ecr.exceptions.RepositoryAlreadyExistsException:
        return False
    return True


@contextmanager
def logged_in(ecr: Any, host: str) -> Iterator[None]:
    """The engine may push to ECR within the block."""
    (granted,) = ecr.get_authorization_token()["authorizationData"]
    token = base64.b64decode(granted["authorizationToken"]).decode().partition(":")[2]
    try:
        docker.run("login", "--username", "AWS", "--password-stdin", host, given=token)
    except EngineFailed as error:
        raise EngineFailed(str(error).replace(token, "(hidden)")) from None
    try:
        yield
    finally:
        docker.run("logout", host)
