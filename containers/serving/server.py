"""The model server of the serving image: one process, one event loop, a thread for each core.

It is configured by SageMaker's variables and by its own (SERVING_…); the defaults are measured
(benchmarks/serving.py). The model is loaded and has answered once before the server listens. On SIGTERM it
takes no new connections, answers what it has been sent, and ends.
"""

import asyncio
import ctypes
import math
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn

from . import program
from .app import MEGABYTE, Service, log
from .batching import Limits

QUIET = 0.5  # seconds without a request, after which a server that is to end closes idle connections
LONGEST_DRAIN = 20.0  # SageMaker kills 30 seconds after SIGTERM
CONNECTIONS = 4096
SO_ATTACH_FILTER = 26  # of Linux; Python has no name for it


class Server(uvicorn.Server):
    """When it is to end it first answers what clients are sending on the connections that they have."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log("stopping", open=self._service.open)
        self._service.draining = True
        for server in self.servers:
            for listener in server.sockets:
                _refuse_more(listener)
            await _accepted(server)
            server.close()
        began = last = time.monotonic()
        while (now := time.monotonic()) - last < QUIET and now - began < LONGEST_DRAIN:
            await asyncio.sleep(0.02)
            if self._service.open:
                last = now
        await super().shutdown(sockets)


def _refuse_more(listener: Any) -> None:
    """Let the kernel make no further connection: one that nobody takes is lost when the listener closes.

    On Linux by a socket filter of one instruction, "drop"; connections that are made are not filtered.
    """
    if sys.platform != "linux" or listener.family != socket.AF_INET:
        return
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF_RET, 0 bytes
    program = struct.pack("HP", 1, ctypes.addressof(drop))  # struct sock_fprog
    with suppress(OSError):  # where a sandbox forbids filters
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


async def _accepted(server: asyncio.Server) -> None:
    """Until no client stands in the kernel's queue whose connection it has made and nobody has taken."""
    deadline = time.monotonic() + 1
    while select.select(server.sockets, [], [], 0)[0] and time.monotonic() < deadline:
        await asyncio.sleep(0)
    for _ in range(10):  # asyncio loses a connection that it has taken and given no transport yet
        await asyncio.sleep(0)


def bind(environment: Mapping[str, str]) -> socket.socket:
    """A socket, bound and not yet listening: a Unix socket where $SERVING_SOCKET names one, else TCP."""
    if path := environment.get("SERVING_SOCKET"):
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        return listener
    host = environment.get("SAGEMAKER_BIND_TO_HOST", "0.0.0.0")  # noqa: S104 (the image's network decides)
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = int(number(environment, "SAGEMAKER_BIND_TO_PORT", 8080, 0))
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ValueError(f"cannot listen on {host}, port {port} (SAGEMAKER_BIND_TO_…): {error}") from error
    return listener


def cores() -> int:
    """Those that this process may use: also a container's share counts."""
    found = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    for file in ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"):
        try:
            quota, *period = Path(file).read_text().split()
        except OSError:
            continue
        if quota not in ("max", "-1"):
            found = min(found, max(1, int(quota) // int(period[0] if period else 100_000)))
    return found


def number(environment: Mapping[str, str], name: str, default: float, least: float) -> float:
    """The value of a variable. Raises ValueError for one that is no number, or too small."""
    try:
        value = float(environment.get(name, default))
    except ValueError:
        value = float("nan")
    if not least <= value < math.inf:
        raise ValueError(f"{name} is {environment[name]!r}; it has to be a number, {least:g} at least")
    return value


def limits(environment: Mapping[str, str]) -> Limits:
    # An endpoint that is a second behind is overloaded. A batch transform never is: it is sent as many
    # requests at once as SageMaker was told to, of 100 MB together at most.
    most_mb = 100 if environment.get("SAGEMAKER_BATCH") == "true" else 4
    return Limits(
        threads=int(number(environment, "SERVING_THREADS", cores(), 1)),
        batch=int(number(environment, "SERVING_BATCH_SIZE", 32, 1)),
        wait=number(environment, "SERVING_BATCH_WAIT_MS", 0, 0) / 1000,
        queue=int(number(environment, "SERVING_QUEUE", 256, 1)),
        queue_bytes=int(number(environment, "SERVING_QUEUE_MB", most_mb, 1) * MEGABYTE),
        patience=number(environment, "SERVING_TIMEOUT_SECONDS", 60, 0.1),  # as long as SageMaker waits
    )


def service(environment: Mapping[str, str]) -> Service:
    found, slowest = limits(environment), number(environment, "SERVING_BODY_SECONDS", 20, 0.1)
    # A batch transform sets the payload; 0 there means that it sends files of any size.
    payload_mb = int(number(environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB", 6, 0)) or 100
    return Service(program.load(environment), found, payload_mb, slowest)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))  # in force until the server runs
    try:
        listener = bind(os.environ)
        loaded = service(os.environ)
    except Exception as error:  # the model's own code may raise anything
        log("cannot start", message=" ".join(str(error).split()) or type(error).__name__)
        return 1
    options: dict[str, Any] = {"log_level": "critical", "access_log": False, "server_header": False}
    timeouts = {"timeout_keep_alive": 75, "timeout_graceful_shutdown": 5}
    config = uvicorn.Config(loaded.app(), limit_concurrency=CONNECTIONS, backlog=1024, **options, **timeouts)
    log("started", address=listener.getsockname(), threads=limits(os.environ).threads)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # uvicorn raises again what ended it
    try:
        Server(config, loaded).run(sockets=[listener])
    finally:
        log("stopped")
    return 0
