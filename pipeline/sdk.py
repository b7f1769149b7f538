"""Keeping the SageMaker SDK quiet, offline and quick while it compiles a definition.

Left alone it looks for credentials on the network while it is imported, validates roles with IAM, checks
the bucket with S3, sends telemetry, logs to stderr and warns. All of that is switched by process-wide
state, so this changes it for the length of a block and puts it back.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CONFIG = """SchemaVersion: "1.0"
SageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}
"""


@contextmanager
def offline(region: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(_CONFIG, encoding="utf-8")
        with _environment(region, config), _silence(), _config_taken_as_valid():
            yield


@contextmanager
def _environment(region: str, config: Path) -> Iterator[None]:
    import boto3

    environment, session = dict(os.environ), boto3.DEFAULT_SESSION
    for name in environment:
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(
        AWS_DEFAULT_REGION=region,  # importing the SDK makes a client
        AWS_ACCESS_KEY_ID="none",
        AWS_SECRET_ACCESS_KEY="none",  # noqa: S106 - a placeholder
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        SAGEMAKER_VALIDATE_ROLE="false",
        SAGEMAKER_USER_CONFIG_OVERRIDE=str(config),
        SAGEMAKER_ADMIN_CONFIG_OVERRIDE=str(config),
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        boto3.DEFAULT_SESSION = session


@contextmanager
def _silence() -> Iterator[None]:
    """No warnings and no log, and none of the handlers that the SDK adds to the root logger."""
    root = logging.root
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)


@contextmanager
def _config_taken_as_valid() -> Iterator[None]:
    """The SDK checks the two lines above against its schema, and that schema too, ninety times: 4 s."""
    from sagemaker.core.config.config_manager import SageMakerConfig

    validate = SageMakerConfig.validate_sagemaker_config
    SageMakerConfig.validate_sagemaker_config = staticmethod(lambda config=None: None)
    try:
        yield
    finally:
        SageMakerConfig.validate_sagemaker_config = staticmethod(validate)


def session(region: str, bucket: str) -> Any:
    import boto3
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    made = PipelineSession(boto_session=boto3.Session(region_name=region), default_bucket=bucket)
    made._default_bucket = bucket  # the public way checks the bucket with S3
    return made
