"""Jobs as processes of this machine, each seeing its folder as /opt/ml.

Where Linux lets us make namespaces, a job has /opt/ml, its process tree and (without network) its network
to itself. Elsewhere the prefix /opt/ml in its arguments, its environment and its configuration files
becomes the real path: a script that spells /opt/ml itself does not work there. Both keep accidents apart,
not attackers: a job still reads this disk.
"""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from pipeline.local.jobs.files import unlink_tree
from pipeline.local.jobs.job import Job, Outcome
from pipeline.local.jobs.model_server import ServedModel
from pipeline.local.jobs.process import JobProcess, run_to_end, socket_in, temporary_folder

Isolation = Literal["namespace", "prefix"]

CHECKOUT = Path(__file__).resolve().parents[3]
SERVE = (sys.executable, "-m", "containers.serving")
GRACE = 10.0  # seconds between SIGTERM and SIGKILL; SageMaker gives a training job 120
UNSHARE = ["--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
NO_ISOLATION = "This machine allows no namespaces: the job has a network, although it asks for none."
_ML = re.compile(r"(?<![\w.-])/opt/ml(?![\w.-])")
_PYTHON = re.compile(r"python(3(\.\d+)?)?")


class ProcessRunner:
    """serve_command stands for the serving image's own command; it runs in the checkout's root."""

    starts_images = False

    def __init__(
        self,
        *,
        serve_command: tuple[str, ...] = SERVE,
        grace: float = GRACE,
        isolation: Isolation | None = None,
    ) -> None:
        self.serve_command = serve_command
        self.grace = grace
        if isolation:
            self.isolation = isolation

    @cached_property
    def isolation(self) -> Isolation:
        """What this machine allows, found out by running a job that does nothing."""
        if not _unshare():
            return "prefix"
        folder = Path(tempfile.mkdtemp(prefix="probe-"))
        try:
            probe = Job(
                "probe",
                folder / "ml",
                "",
                ("true",),
                {},
                network=False,
                max_seconds=30,
                log=folder / "log.txt",
            )
            probe.folder.mkdir()
            outcome = ProcessRunner(isolation="namespace").run(probe, lambda line: None, lambda: False)
            return "prefix" if outcome.exit_code else "namespace"
        finally:
            shutil.rmtree(folder)

    def identify(self, image: str) -> None:
        """All images are this machine's Python environment."""

    def run(self, job: Job, on_line: Callable[[str], None], stopping: Callable[[], bool]) -> Outcome:
        return run_to_end(self._start(job, on_line), job.max_seconds, self.grace, stopping)

    def serve(self, job: Job, stopping: Callable[[], bool]) -> ServedModel:
        return ServedModel(self._start, job, self.grace, stopping)

    def _start(self, job: Job, on_line: Callable[[str], None]) -> JobProcess:
        namespace = self.isolation == "namespace"
        job = replace(job, folder=job.folder.resolve())
        _prepare(job, namespace)
        temporary = temporary_folder()
        environment = {**_environment(temporary), **job.environment}
        command, working_directory = list(job.command), job.working_directory
        if not command:
            command, working_directory = list(self.serve_command), str(CHECKOUT)
            environment["SERVING_SOCKET"] = str(socket_in(temporary))
        if _PYTHON.fullmatch(command[0]):
            command[0] = sys.executable
        if not namespace:
            command = [_rewrite(each, job.folder) for each in command]
            environment = {name: _rewrite(value, job.folder) for name, value in environment.items()}
            working_directory = _rewrite(working_directory, job.folder)
        spec = {
            "namespace": namespace,
            "folder": str(job.folder),
            "read_only": list(job.inputs),
            "network": job.network,
            "command": command,
            "environment": environment,
            "working_directory": working_directory,
            "temporary": temporary,
        }
        prefix = [_unshare(), *UNSHARE, *([] if job.network else ["--net"])] if namespace else []
        note = None if namespace or job.network else NO_ISOLATION
        try:
            return JobProcess(prefix, spec, job.log, on_line, note)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _unshare() -> str:
    return shutil.which("unshare") or ""


def _prepare(job: Job, namespace: bool) -> None:
    for inside, folder in job.shared.items():
        link = job.path(inside)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder.resolve(), target_is_directory=True)
    if namespace:
        return  # inputs are mounted read-only there
    for inside in job.inputs:
        unlink_tree(job.path(inside))
    escaped = Path(json.dumps(str(job.folder))[1:-1])
    for file in [*job.folder.glob("input/config/*.json"), *job.folder.glob("config/*.json")]:
        file.write_text(_rewrite(file.read_text(), escaped))


def _rewrite(text: str, folder: Path) -> str:
    return _ML.sub(lambda _: str(folder), text)


def _environment(temporary: str) -> dict[str, str]:
    """What a job finds besides its own variables: nothing of the user's variables, which may hold secrets."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": temporary,
        "TMPDIR": temporary,
        "PYTHONUNBUFFERED": "1",
    }
