"""A container engine for tests, and in it the images of the checkout."""

import contextlib
import functools
import importlib.metadata
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline import docker
from pipeline.errors import EngineFailed
from pipeline.images import sources
from shared import ROOT

WHEELS = ROOT / ".cache" / "wheels"


def need_engine() -> None:
    """Without a container engine the tests that need one are skipped, and say so; CI must have one."""
    try:
        docker.check()
    except EngineFailed as error:
        assert "CI" not in os.environ, f"CI needs a container engine: {error}"
        pytest.skip(f"no container engine: {error}")


def build_images() -> None:
    """The three images, built unless the engine has them. Torch is the build that this environment has: an
    image must not pull gigabytes of another."""
    need_engine()
    missing = [each for each in sources.TARGETS if not docker.image_id(sources.name(each))]
    with _torch() if missing else contextlib.nullcontext("") as url:
        command = ["-m", "pipeline", "images", "build", "--network", "host", "--torch-index", ""]
        links = f"{url} {os.environ.get('PIP_FIND_LINKS', '')}".strip()
        variables = {**os.environ, "PIP_FIND_LINKS": links}
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr[-5000:]


@contextlib.contextmanager
def _torch() -> Iterator[str]:
    """The wheel of torch on a loopback port, where a build with the host's network finds it."""
    version = importlib.metadata.version("torch")
    if not list(WHEELS.glob(f"torch-{version}-*.whl")):
        command = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(WHEELS),
            f"torch=={version}",
        ]
        subprocess.run([sys.executable, *command], check=True)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(WHEELS))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
