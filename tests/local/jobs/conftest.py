"""Everything about jobs is tested in namespaces of their own, with /opt/ml rewritten, and in containers."""

import subprocess
import textwrap
import uuid
from pathlib import Path

import pytest

from engine import build_images
from pipeline import docker
from pipeline.local.jobs import ContainerRunner, Job, JobContext, ProcessRunner
from pipeline.storage import FolderStorage
from shared import need_namespaces

# The training image, with the toolkit in it, and a model server for tests.
IMAGE = """
FROM sentiment/training:local
COPY tiny_server.py /tests/
ENTRYPOINT ["sh", "-c", "[ $1 = serve ] && exec python3 /tests/tiny_server.py; exec $@", "sh"]
"""


@pytest.fixture(scope="session")
def best_isolation():
    return ProcessRunner().isolation


@pytest.fixture(scope="session")
def image():
    """The engine's image for jobs of the image `image`."""
    build_images()
    tags = ["--tag", "image", "--tag", "image:local"]
    command = [docker.command(), "build", "--quiet", "--file", "-", *tags, Path(__file__).parent]
    subprocess.run(command, input=IMAGE, text=True, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(params=["namespace", "prefix", "container"])
def isolation(request, best_isolation):
    need_namespaces(request.param, best_isolation)
    return request.param


@pytest.fixture
def runner(isolation, request):
    if isolation == "container":
        request.getfixturevalue("image")
        return ContainerRunner(grace=1, memory=2 * 10**9)
    return ProcessRunner(isolation=isolation, grace=1)


@pytest.fixture
def context(tmp_path, runner):
    storage = FolderStorage(tmp_path / "s3")
    return JobContext(storage, tmp_path / "jobs", tmp_path / "models", runner)


@pytest.fixture
def upload(context, tmp_path):
    """upload("s3://bucket/in", {"a.txt": "…"}) makes objects; a string alone makes one object."""

    def upload(uri: str, content: "dict[str, str | bytes] | str | bytes") -> str:
        if isinstance(content, dict):
            for name, each in content.items():
                upload(f"{uri}/{name}", each)
            return uri
        file = tmp_path / uuid.uuid4().hex
        file.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        context.storage.put(file, uri)
        file.unlink()
        return uri

    return upload


@pytest.fixture
def make_job(tmp_path):
    """A job that runs a piece of Python, or any command."""

    def make_job(code: str = "", *, command: tuple[str, ...] = (), **changes) -> Job:
        folder: Path = tmp_path / "job" / "ml"
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "name": "job",
            "folder": folder,
            "image": "image",
            "command": command or ("python3", "-c", textwrap.dedent(code)),
            "environment": {},
            "network": False,
            "max_seconds": 60,
            "log": tmp_path / "job" / "log.txt",
        }
        return Job(**{**settings, **changes})

    return make_job
