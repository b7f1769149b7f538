"""A model server that is up: started on an unpacked model, asked over a Unix socket.

A socket in the file system, not a port: it crosses network namespaces, so an isolated model is served too,
and two servers never fight for a number.
"""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from pipeline.errors import ModelServerFailed, Stopped
from pipeline.local.jobs.archives import unpack_model
from pipeline.local.jobs.files import disk_failure, link_tree, log_tail
from pipeline.local.jobs.folders import job_folder
from pipeline.local.jobs.job import ML, Job, JobContext
from pipeline.local.jobs.process import JobProcess

STARTUP_SECONDS = 300.0
PING_SECONDS = 2.0  # that an answer to /ping may take, as on AWS
CONNECTIONS = 100  # requests at once; MaxConcurrentTransforms times MaxPayloadInMB is at most 100 MB


class ServedModel:
    """Use it as a context manager, or close() it; requests under way get the grace time to finish."""

    def __init__(
        self,
        start: Callable[[Job, Callable[[str], None]], JobProcess],
        job: Job,
        grace: float,
        stopping: Callable[[], bool],
    ) -> None:
        """Returns once the server answers. Raises Stopped if it is no longer wanted before."""
        self.log = job.log
        self.died = False  # before it was closed
        self.afterwards = ExitStack()  # what is to be done once it is closed
        self._grace = grace
        self._closing = threading.Lock()
        self._closed = False
        self._process = start(job, lambda line: None)
        self._reader = threading.Thread(target=self._read, name=f"log-{job.name}", daemon=True)
        self._reader.start()
        transport = httpx.HTTPTransport(
            uds=str(self._process.socket), limits=httpx.Limits(max_connections=CONNECTIONS)
        )
        self.client = httpx.Client(transport=transport, base_url="http://model", trust_env=False)
        try:
            self._wait(job.max_seconds, stopping)
        except BaseException:
            self.close()
            raise

    def _read(self) -> None:
        while not self._closed and self._process.read():
            pass

    def _wait(self, seconds: float, stopping: Callable[[], bool]) -> None:
        """Until /ping answers 200. Raises ModelServerFailed if the server ends before, or takes too long."""
        answer = "it does not listen"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.alive:
                raise ModelServerFailed(f"the model server ended before it was ready{log_tail(self.log)}")
            if stopping():
                raise Stopped("the model server was stopped before it was ready")
            try:
                if _is_listening(self._process.socket):
                    status = self.client.get("/ping", timeout=PING_SECONDS).status_code
                    if status == 200:
                        return
                    answer = f"status {status}"
            except httpx.TransportError as error:
                answer = str(error) or type(error).__name__
            time.sleep(0.02)
        raise ModelServerFailed(
            f"the model server did not answer /ping within {seconds:g} seconds ({answer}){log_tail(self.log)}"
        )

    @property
    def alive(self) -> bool:
        return self._reader.is_alive()

    def ended(self, within: float) -> bool:
        """Whether the server ends within some seconds."""
        self._reader.join(within)
        return not self.alive

    def close(self) -> None:
        with self._closing:
            self.died |= not (self.alive or self._closed)
            self._process.terminate()
            self._reader.join(self._grace)
            self._process.kill()
            self._reader.join(2)
            self._closed = True  # ends the reader even if something that escaped holds the output open
            self._reader.join()
            self._process.close()
            self.client.close()
            self.afterwards.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_listening(path: Path) -> bool:
    """Asked of the socket itself: httpx leaks one for each Unix socket that it cannot connect to."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def serve_model(
    name: str,
    container: Mapping[str, Any],
    context: JobContext,
    environment: Mapping[str, str] | None = None,
    *,
    keep_log: bool = False,
) -> ServedModel:
    """Serve a CreateModel container, {"Image", "ModelDataUrl", "Environment"} and "EnableNetworkIsolation".

    Without keep_log a server that came up, and lived until it was closed, leaves nothing.
    Raises ModelServerFailed, ObjectNotFound for a missing archive, ArchiveError for a bad one, Stopped.
    """
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(job_folder(name, context))
            inputs = []
            if "ModelDataUrl" in container:
                link_tree(unpack_model(container["ModelDataUrl"], context), folder / "model")
                inputs.append(f"{ML}/model")
            job = Job(
                name=name,
                folder=folder,
                image=container.get("Image", ""),
                command=(),
                arguments=("serve",),
                environment={
                    "AWS_REGION": context.region,
                    "SM_MODEL_DIR": f"{ML}/model",
                    **(environment or {}),
                    **container.get("Environment", {}),
                },
                network=not container.get("EnableNetworkIsolation", False),
                max_seconds=STARTUP_SECONDS,
                log=context.folder(name) / "log.txt",
                inputs=tuple(inputs),
            )
            served = context.runner.serve(job, context.stopping)
            if not keep_log:
                stack.callback(_forget, served)
            served.afterwards.push(stack.pop_all())
            return served
    except OSError as error:
        raise disk_failure(error) from error


def _forget(served: ServedModel) -> None:
    if not served.died:
        shutil.rmtree(served.log.parent, ignore_errors=True)
