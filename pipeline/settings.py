"""What differs from one environment to the next (local, dev, prod), read once into one frozen object.

    flag  >  environment (SENTIMENT_BUCKET)  >  config/<environment>.yaml  >  default

The keys are flat, so that a flag, a variable and a line of the file have the same name. An unknown one is
an error: a misspelt key that is silently ignored costs an hour. AWS credentials have no place here; boto3
finds them.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import SettingsError

CONFIG = Path(__file__).parent.parent / "config"
PREFIX = "SENTIMENT_"

Role = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$")]
InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9]){0,62}$")]
ApprovalStatus = Literal["Approved", "PendingManualApproval"]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    region: str = "us-east-1"
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")] = "sentiment"

    pipeline: Annotated[Name, Field(max_length=82)] = "sentiment"
    model_package_group: Name = "sentiment"
    endpoint: Name = "sentiment"
    deploy_function: Name = "sentiment-deploy"

    pipeline_role: Role  # runs the pipeline: creates the jobs
    job_role: Role  # what a job may read and write
    endpoint_role: Role  # what the endpoint's container may read

    processing_image: str
    training_image: str
    serving_image: str
    processing_instance_type: InstanceType = "ml.m5.xlarge"
    training_instance_type: InstanceType = "ml.c5.2xlarge"
    transform_instance_type: InstanceType = "ml.m5.xlarge"
    endpoint_instance_type: InstanceType = "ml.m5.large"
    processing_max_seconds: Annotated[int, Field(ge=60, le=777600)] = 3600
    training_max_seconds: Annotated[int, Field(ge=60, le=2419200)] = 4 * 3600
    retry_seconds: Annotated[int, Field(ge=1, le=3600)] = 60  # before a job is tried again
    network_isolation: bool = True  # processing, training and models

    accuracy_threshold: Annotated[float, Field(ge=0, le=1)] = 0.88
    approval_status: ApprovalStatus = "PendingManualApproval"
    poll_seconds: Annotated[float, Field(gt=0, le=300)] = 10

    @property
    def root(self) -> str:
        """Where everything of this pipeline lies: s3://bucket/prefix"""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def deploy_function_arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.deploy_function}"


def load(
    environment: str, flags: Mapping[str, Any] | None = None, variables: Mapping[str, str] = os.environ
) -> Settings:
    """Raises SettingsError, naming the key, where it was set, and for an unknown one the nearest name."""
    sources = {
        f"config/{environment}.yaml": _read(CONFIG / f"{environment}.yaml"),
        "the environment": {
            name.removeprefix(PREFIX).lower(): value
            for name, value in variables.items()
            if name.startswith(PREFIX)
        },
        "the flags": dict(flags or {}),
    }
    merged: dict[str, Any] = {"environment": environment}
    for source, values in sources.items():  # a later source wins
        for key in values:
            if key not in Settings.model_fields:
                raise SettingsError(
                    f"{source}: unknown setting {_name(source, key)!r}{_nearest(source, key)}"
                )
        merged |= values
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise SettingsError(_explain(error, sources)) from error


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
    near = difflib.get_close_matches(key, Settings.model_fields, n=1)
    return f"; did you mean {_name(source, near[0])!r}?" if near else ""


def _explain(error: ValidationError, sources: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for fault in error.errors():
        key = str(fault["loc"][0])
        source = next((name for name, values in reversed(list(sources.items())) if key in values), None)
        if source is None:
            lines.append(f"setting {key!r} is missing and has no default; set it in {next(iter(sources))}")
        else:
            lines.append(f"{source}: {_name(source, key)} = {fault['input']!r}: {fault['msg']}")
    return "\n".join(lines)
