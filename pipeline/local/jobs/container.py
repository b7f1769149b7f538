"""Jobs as containers: each runs the image that its request names, with its folder at /opt/ml.

A container gets what a job of SageMaker's gets and no more: no network unless the job may have one, no
capabilities, a root that it cannot write, limits on memory, cores and processes. It is removed at its end,
whatever ends it: by its launcher, which outlives a runner that is killed, or else by the next runner.
"""

import csv
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from pipeline import docker
from pipeline.errors import EngineFailed, UsageError
from pipeline.images.addresses import registry
from pipeline.local.jobs.job import ML, Job, Outcome
from pipeline.local.jobs.model_server import ServedModel
from pipeline.local.jobs.process import JobProcess, run_to_end, socket_in, temporary_folder
from pipeline.local.jobs.staging import HOST
from pipeline.local.store import is_alive, process_identity

GRACE = 10.0  # seconds between SIGTERM and SIGKILL; SageMaker gives a training job 120
LOCAL_TAG = "local"
OWNER = "local-sagemaker.runner"  # a label: the process that runs the container
SOCKETS = "/run/serving"
SHARED_MEMORY = "1g"
MOST_PROCESSES = 4096


class ContainerRunner:
    """memory: bytes that a container may use; half of the machine's unless given."""

    starts_images = True

    def __init__(self, *, memory: int | None = None, grace: float = GRACE) -> None:
        docker.check()
        self.memory = memory or psutil.virtual_memory().total // 2
        self.grace = grace
        remove_abandoned()

    def identify(self, image: str) -> str:
        """The id of the image that stands for this name. Raises UsageError when the engine has none."""
        for name in local_names(image):
            if found := docker.image_id(name):
                return found
        raise UsageError(
            f"the container engine has no image {' or '.join(local_names(image))}; "
            "the project's own are made with: python -m pipeline images build"
        )

    def run(self, job: Job, on_line: Callable[[str], None], stopping: Callable[[], bool]) -> Outcome:
        return run_to_end(self._start(job, on_line), job.max_seconds, self.grace, stopping)

    def serve(self, job: Job, stopping: Callable[[], bool]) -> ServedModel:
        return ServedModel(self._start_serving, job, self.grace, stopping)

    def _start_serving(self, job: Job, on_line: Callable[[str], None]) -> JobProcess:
        temporary = temporary_folder()
        socket = {"SERVING_SOCKET": f"{SOCKETS}/{socket_in(temporary).name}"}
        job = replace(job, environment={**socket, **job.environment})
        return self._start(job, on_line, temporary, [_mount(Path(temporary), SOCKETS)])

    def _start(
        self,
        job: Job,
        on_line: Callable[[str], None],
        temporary: str | None = None,
        mounts: Sequence[str] = (),
    ) -> JobProcess:
        temporary = temporary or temporary_folder()
        name = f"local-sagemaker-{Path(temporary).name}"
        engine = docker.command()
        needed_more = f"the container was killed: it needed more than {self.memory / 1e9:.1f} GB of memory"
        try:
            image = self.identify(job.image)
            spec = {
                "namespace": False,
                "command": [engine, *self._arguments(job, name, image, [*mounts, *_mounts(job)])],
                "environment": _own_environment(),
                "working_directory": "/",
                "temporary": temporary,
                "report": [
                    *(engine, "container", "inspect", name, "--format"),
                    f"{{{{if .State.OOMKilled}}}}{needed_more}{{{{end}}}}",
                ],
                "remove": [engine, "container", "rm", "--force", "--volumes", name],
            }
            return JobProcess([], spec, job.log, on_line, None)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def _arguments(self, job: Job, name: str, image: str, mounts: Sequence[str]) -> list[str]:
        """Of `docker`."""
        process, started = process_identity()
        environment = {"HOME": "/tmp", **job.environment}  # noqa: S108 (the container's own)
        command = [image, *job.arguments]
        if job.command:
            command = [
                "--workdir",
                job.working_directory,
                "--entrypoint",
                job.command[0],
                image,
                *job.command[1:],
            ]
        return [
            *("run", "--name", name, "--label", f"{OWNER}={process:.0f}:{started}"),
            *("--pull", "never", "--init", "--log-driver", "none"),
            *("--read-only", "--tmpfs", "/tmp:rw,exec"),  # noqa: S108
            *("--network", "host" if job.network else "none"),
            *("--hostname", HOST, "--add-host", f"{HOST}:127.0.0.1"),
            *("--user", f"{os.getuid()}:{os.getgid()}"),  # what a job writes is this user's
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--memory", str(self.memory), "--memory-swap", str(self.memory), "--shm-size", SHARED_MEMORY),
            *("--cpus", str(os.cpu_count() or 1), "--pids-limit", str(MOST_PROCESSES)),
            *(part for mount in mounts for part in ("--mount", mount)),
            *(part for variable in environment.items() for part in ("--env", "=".join(variable))),
            *command,
        ]


def local_names(image: str) -> list[str]:
    """What an image may be called here. One of a registry goes without that too, or by the tag `local`.

    localhost/a/b:1 -> localhost/a/b:1, a/b:1, a/b:local
    """
    host = registry(image)
    if host is None:
        return [image]
    rest = image.removeprefix(f"{host}/")
    repository = re.sub(r"(:[^:/@]+)?(@.+)?$", "", rest)
    return [image, rest, f"{repository}:{LOCAL_TAG}"]


def remove_abandoned() -> None:
    """Remove the containers whose runner is gone, and whose launcher was killed with it."""
    owner = f'{{{{.ID}}}} {{{{.Label "{OWNER}"}}}}'
    listed = docker.run("ps", "--all", "--filter", f"label={OWNER}", "--format", owner)
    for line in listed.splitlines():
        container, _, owner = line.partition(" ")
        process, _, started = owner.partition(":")
        if not is_alive([float(process), float(started)]):
            with suppress(EngineFailed):  # someone else was quicker
                docker.run("container", "rm", "--force", "--volumes", container)


def _mounts(job: Job) -> Iterator[str]:
    """The job's folder; over it, not to be written, its inputs; and what it shares with the storage."""
    folder = job.folder.resolve()
    yield _mount(folder, ML)
    for inside in job.inputs:
        yield _mount(job.path(inside).resolve(), inside, "readonly")
    for inside, shared in job.shared.items():
        job.path(inside).mkdir(parents=True, exist_ok=True)
        yield _mount(shared.resolve(), inside)


def _mount(source: Path, target: str, *options: str) -> str:
    """A value of --mount, which is a line of CSV."""
    line = io.StringIO()
    fields = ["type=bind", f"source={source}", f"target={target}", *options]
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def _own_environment() -> dict[str, str]:
    """Docker's command's own, which says where the engine is; nothing of it reaches a container."""
    kept = ("PATH", "HOME", "XDG_RUNTIME_DIR")
    return {name: value for name, value in os.environ.items() if name in kept or name.startswith("DOCKER_")}
