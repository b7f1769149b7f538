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
    import boto3

    environment, default_session, logged = (
        dict(os.environ),
        boto3.DEFAULT_SESSION,
        logging.root.manager.disable,
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        config = Path(folder) / "config.yaml"
        config.write_text(_CONFIG, encoding="utf-8")
        try:
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
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)
            with _config_taken_as_valid():
                yield
        finally:
            logging.disable(logged)
            os.environ.clear()
            os.environ.update(environment)
            boto3.DEFAULT_SESSION = default_session


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
