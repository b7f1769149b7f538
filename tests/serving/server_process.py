"""A model server as a process of its own, and how a test asks it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared import ROOT

SECRET = "a film about marzipan locomotives"


@dataclass
class Server:
    process: subprocess.Popen[str]
    client: httpx.Client
    log: Path


@contextlib.contextmanager
def serve(model: Path, folder: Path, transport: str, **variables: str) -> Iterator[Server]:
    """A running model server; its output goes to folder/log.txt."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"SAGEMAKER_BIND_TO_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(port)}
    if transport == "unix":
        place = {"SERVING_SOCKET": str(folder / "socket")}
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "containers.serving"],
            cwd=ROOT,
            env={**os.environ, "SM_MODEL_DIR": str(model), **place, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    family, address = socket.AF_INET, ("127.0.0.1", port)
    if transport == "unix":
        family, address = socket.AF_UNIX, place["SERVING_SOCKET"]
    try:
        deadline = time.monotonic() + 60
        while not listens(family, address):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        connection = httpx.HTTPTransport(uds=place.get("SERVING_SOCKET"))
        with httpx.Client(transport=connection, base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert client.get("/ping").status_code == 200, "it listens, so it has loaded"
            yield Server(process, client, log)
    finally:
        process.kill()
        process.wait()


def listens(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def ask(
    server: Server, body: str | bytes, content_type: str = "text/plain", **headers: str
) -> httpx.Response:
    return server.client.post("/invocations", content=body, headers={"content-type": content_type, **headers})
