"""What a runner is given, what it answers, and what the three kinds of jobs share.

`Runner` is the seam: a process on this machine, or a container. A job is described in the terms
of its container (its folder is /opt/ml there), so that a runner needs to know nothing about SageMaker's
requests.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pipeline.errors import UsageError
from pipeline.storage import FolderStorage

if TYPE_CHECKING:
    from pipeline.local.jobs.model_server import ServedModel

ML = "/opt/ml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Job:
    name: str
    folder: Path  # becomes /opt/ml
    image: str
    command: tuple[str, ...]  # empty: the image's own
    environment: Mapping[str, str]
    network: bool  # False: no network but the job's own loopback
    max_seconds: float  # of run(); of serve(), until /ping answers
    log: Path
    working_directory: str = ML  # of the command
    arguments: tuple[str, ...] = ()  # of the image's own command: train, serve
    inputs: tuple[
        str, ...
    ] = ()  # paths below /opt/ml that hold links to stored objects: never to be written through
    shared: Mapping[str, Path] = field(
        default_factory=dict
    )  # path below /opt/ml -> the folder it is, writable

    def path(self, inside: str) -> Path:
        """Where a path of the job lies on this machine: /opt/ml/model -> folder/model."""
        return self.folder / PurePosixPath(inside).relative_to(ML)


@dataclass(frozen=True)
class Outcome:
    exit_code: int  # as docker's: 128 + n if signal n ended it, 125 to 127 if it did not start
    stopped: bool = False
    timed_out: bool = False


class Runner(Protocol):
    starts_images: bool  # whether the programs of a job's image can be run, or its command alone

    def identify(self, image: str) -> str | None:
        """What an image holds, as a hash that changes with it; None where no image is used.

        Raises UsageError, saying what to do, for an image that is not there.
        """

    def run(self, job: Job, on_line: Callable[[str], None], stopping: Callable[[], bool]) -> Outcome:
        """Run the command to its end; every line of its output goes to the job's log and to on_line."""

    def serve(self, job: Job, stopping: Callable[[], bool]) -> "ServedModel":
        """Start the image's model server and return once it answers /ping.

        Raises ModelServerFailed if it never does, Stopped if it is no longer wanted before.
        """


@dataclass(frozen=True)
class JobContext:
    storage: FolderStorage
    jobs: Path  # <job name>/log.txt and, while the job runs, <job name>/ml
    models: Path  # unpacked model archives, by digest
    runner: Runner
    stopping: Callable[[], bool] = lambda: False
    region: str = "us-east-1"
    account: str = "000000000000"

    def folder(self, name: str) -> Path:
        """Where a job has its log and its files. Raises UsageError for a name that could lead elsewhere."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"a job cannot be named {name!r}; use letters, digits, '-', '_' and '.'")
        return self.jobs / name

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"


@dataclass(frozen=True)
class JobResult:
    status: Literal["Completed", "Failed", "Stopped"]
    description: dict[str, Any] = field(default_factory=dict)  # further fields of the Describe*Job answer
    failure_reason: str | None = None
    error_type: str | None = (
        None  # AlgorithmError, ClientError, SageMaker.JOB_INTERNAL_ERROR, MaxRuntimeExceeded …
    )
