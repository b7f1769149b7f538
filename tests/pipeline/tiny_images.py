"""Images that take no time: a checkout whose Dockerfile copies files, and a registry on loopback."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import docker
from pipeline.images import sources
from pipeline.images.sources import TARGETS, Checkout

DOCKERFILE = """
ARG BASE=scratch
FROM ${BASE} AS program
COPY containers/install /

FROM program AS processing
COPY containers/processing.lock /

FROM program AS training
COPY containers/training.lock /
ENTRYPOINT ["/train"]

FROM program AS serving
COPY containers/serving /program
"""


@contextmanager
def checkout(folder: Path, dockerfile: str = DOCKERFILE) -> Iterator[Checkout]:
    """Its images have names of their own, and go when the block ends."""
    containers = folder / "containers"
    (containers / "serving").mkdir(parents=True)
    for name in ("install", "torch.lock", *(f"{target}.lock" for target in TARGETS)):
        (containers / name).write_text(f"{name} {uuid.uuid4()}\n")
    (containers / "serving" / "server.py").write_text("print('hello')\n")
    (containers / "Dockerfile").write_text(dockerfile)
    found = Checkout(folder, prefix=f"tiny-{uuid.uuid4().hex[:12]}")
    try:
        yield found
    finally:
        listed = docker.run("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
        if mine := [name for name in listed if f"{found.prefix}/" in name]:
            docker.run("image", "rm", "--force", *mine)


def lock(found: Checkout, target: str) -> Path:
    return found.root / "containers" / f"{target}.lock"


def labels(image: str) -> str:
    return docker.run("image", "inspect", "--format", "{{json .Config.Labels}}", image)


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """ "127.0.0.1:40123", where Debian's docker-registry listens; an engine speaks plain HTTP to loopback."""
    program = shutil.which("docker-registry")
    if program is None:
        assert "CI" not in os.environ, "CI needs the program docker-registry: apt-get install docker-registry"
        pytest.skip("this machine has no docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{host}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'registry'}}}}}\n"
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait_for(f"http://{host}/v2/", process)
        yield host
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the registry has ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"no registry answers at {url}")


def address(host: str, found: Checkout, target: str) -> str:
    """Under which the image of this checkout belongs into that registry."""
    return f"{host}/{sources.name(target, None, found)}"
