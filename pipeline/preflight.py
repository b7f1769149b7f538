"""What only the account can tell, asked before anything is changed: credentials, bucket, roles, images.

Read-only calls only. What these credentials may not look at is a warning ("not checked"), never an error.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.lint import Finding
from pipeline.settings import Settings


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
    return []
