"""The AWS clients. The one place that knows this machine from AWS: the rest talks to what it is handed.

Locally the clients are boto3's too, pointed at the service of pipeline/local, which lives as long as the
block. They take nothing from the user's AWS configuration: a profile or a proxy that is set there must not
change a local run.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.code_bundle import STEPS
from pipeline.errors import StateFolderError
from pipeline.settings import Settings
from pipeline.storage import FolderStorage, S3Storage, Storage


@dataclass(frozen=True)
class Clients:
    sagemaker: Any
    runtime: Any
    logs: Any
    storage: Storage


def state_folder() -> Path:
    """$PIPELINE_HOME, or .pipeline beside the sources."""
    home = os.environ.get("PIPELINE_HOME")
    return Path(home).absolute() if home else Path(__file__).parent.parent / ".pipeline"


@contextmanager
def connect(settings: Settings, home: Path) -> Iterator[Clients]:
    """Raises StateFolderError when the state folder cannot be used."""
    if settings.environment != "local":
        yield _on_aws(settings)
        return
    with local_service(settings, home) as url:
        yield _on_this_machine(settings, home, url)


@contextmanager
def local_service(settings: Settings, home: Path, port: int = 0) -> Iterator[str]:
    """The local service alone, for other clients; yields its URL."""
    from pipeline.local import LocalSageMaker

    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateFolderError(
            f"cannot make the state folder {home}: {error.strerror}; set PIPELINE_HOME to another"
        ) from error
    with LocalSageMaker(
        home, functions={settings.deploy_function: STEPS / "deploy.py"}, port=port
    ) as service:
        yield service.url


def _on_aws(settings: Settings) -> Clients:
    import boto3

    session = boto3.Session(region_name=settings.region)
    return Clients(
        session.client("sagemaker"),
        session.client("sagemaker-runtime"),
        session.client("logs"),
        S3Storage(session.client("s3")),
    )


def _on_this_machine(settings: Settings, home: Path, url: str) -> Clients:
    import boto3
    import botocore.session
    from botocore.config import Config

    # (config key, environment variable, default, conversion): neither file nor variable is read
    core = botocore.session.Session(
        {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    session = boto3.Session("none", "none", region_name=settings.region, botocore_session=core)
    config = Config(proxies={}, connect_timeout=5, read_timeout=70, retries={"total_max_attempts": 1})
    sagemaker, runtime, logs = (
        session.client(name, endpoint_url=url, config=config)
        for name in ("sagemaker", "sagemaker-runtime", "logs")
    )
    return Clients(sagemaker, runtime, logs, FolderStorage(home / "s3"))
