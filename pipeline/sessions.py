"""The AWS clients. The one place that knows this machine from AWS: the rest talks to what it is handed.

Locally the clients are boto3's too, pointed at the service of pipeline/local, which lives as long as the
block. They take nothing from the user's AWS configuration: a profile or a proxy that is set there must not
change a local run.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.code_bundle import STEPS
from pipeline.errors import StateFolderError, UsageError
from pipeline.finding import Finding
from pipeline.places import Console, Folders, Places
from pipeline.settings import Settings
from pipeline.storage import FolderStorage, S3Storage, Storage

DATA_COPIES = 5  # a finished run holds 2.3 times its data (measured); jobs need some more while they run
SPARE_BYTES = 200_000_000  # models, checkpoints, logs
ATTEMPTS = 5  # of a call to AWS, with a growing pause between them


def _nothing_to_find(settings: Settings) -> list[Finding]:
    return []


@dataclass(frozen=True)
class Clients:
    sagemaker: Any
    runtime: Any
    logs: Any
    storage: Storage
    places: Places  # where a person finds jobs and logs
    scheduler: Any | None = None  # EventBridge Scheduler; this machine has none
    outlives: bool = False  # an execution goes on when this process ends
    preflight: Callable[[Settings], list[Finding]] = _nothing_to_find  # what only the account can tell


def state_folder() -> Path:
    """$PIPELINE_HOME, or .pipeline beside the sources."""
    home = os.environ.get("PIPELINE_HOME")
    return Path(home).absolute() if home else Path(__file__).parent.parent / ".pipeline"


@contextmanager
def connect(
    settings: Settings, home: Path, data_bytes: int | None = None, answer_seconds: int | None = None
) -> Iterator[Clients]:
    """Clients for one command. `data_bytes`: the size of the reviews that it is about to bring, for a run.
    `answer_seconds`: how long an endpoint may take, asked once, where a person waits for the answer.

    Raises StateFolderError when the state folder cannot be used, or is too small for them.
    """
    if settings.environment != "local":
        yield _on_aws(settings, answer_seconds)
        return
    if data_bytes is not None:
        _check_space(home, data_bytes)
    with local_service(settings, home) as url:
        yield _on_this_machine(settings, home, url, answer_seconds)


@contextmanager
def local_service(settings: Settings, home: Path, port: int = 0) -> Iterator[str]:
    """The local service alone, for other clients; yields its URL."""
    from pipeline.local import LocalSageMaker
    from pipeline.local.jobs import ContainerRunner

    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateFolderError(
            f"cannot make the state folder {home}: {error.strerror}; set PIPELINE_HOME to another"
        ) from error
    with LocalSageMaker(
        home,
        functions={settings.deploy_function: STEPS / "deploy.py"},
        runner=ContainerRunner() if settings.runner == "container" else None,
        port=port,
    ) as service:
        yield service.url


def _check_space(home: Path, data_bytes: int) -> None:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free, needed = shutil.disk_usage(existing).free, DATA_COPIES * data_bytes + SPARE_BYTES
    if free < needed:
        raise StateFolderError(
            f"{home} has {free / 1e6:,.0f} MB free and the run needs about {needed / 1e6:,.0f} MB; "
            "free some space, or set PIPELINE_HOME to another folder"
        )


def _on_aws(settings: Settings, answer_seconds: int | None) -> Clients:
    """Credentials, profile and endpoints are the user's, found as the AWS CLI finds them. What is throttled
    or lost on the way is sent again, with the same client token."""
    import boto3

    session = boto3.Session(region_name=settings.region)
    return Clients(
        _client(session, "sagemaker"),
        _client(session, "sagemaker-runtime", **_waiting(answer_seconds)),
        _client(session, "logs"),
        S3Storage(_client(session, "s3"), settings.account, settings.output_kms_key),
        Console(settings),
        scheduler=_client(session, "scheduler"),
        outlives=True,
        preflight=lambda asked: _preflight(session, asked),
    )


def _client(session: Any, service: str, **changes: Any) -> Any:
    from botocore.config import Config

    from pipeline import aws_errors

    config = Config(
        connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": ATTEMPTS}
    )
    try:
        client = session.client(service, config=config.merge(Config(**changes)))
        _ = urlsplit(client.meta.endpoint_url).port  # read only when the first request is sent
    except ValueError as error:
        raise UsageError(f"{error}; see AWS_ENDPOINT_URL, which is for stand-ins of AWS") from error
    client.meta.events.register("before-parse", aws_errors.check_answer)
    return client


def _waiting(answer_seconds: int | None) -> dict[str, Any]:
    """The configuration of a client that somebody waits for."""
    if answer_seconds is None:
        return {}
    once = {"total_max_attempts": 1}
    return {"read_timeout": answer_seconds, "connect_timeout": 3, "retries": once, "max_pool_connections": 50}


def _preflight(session: Any, settings: Settings) -> list[Finding]:
    from pipeline.preflight import Account, check

    services = ("sts", "s3", "iam", "ecr", "lambda")
    return check(Account(*(_client(session, service) for service in services)), settings)


def _on_this_machine(settings: Settings, home: Path, url: str, answer_seconds: int | None) -> Clients:
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
    sagemaker, logs = (
        session.client(name, endpoint_url=url, config=config) for name in ("sagemaker", "logs")
    )
    asking = config.merge(Config(**_waiting(answer_seconds)))
    runtime = session.client("sagemaker-runtime", endpoint_url=url, config=asking)
    return Clients(sagemaker, runtime, logs, FolderStorage(home / "s3"), Folders(home))
