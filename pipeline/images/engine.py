"""What the engine is asked to do for images: build, tag, push, and say what it has. Its output streams.

A failure has the engine's last lines and, where they are known, what to do about them.
"""

import json
import os
import re
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from pipeline import docker
from pipeline.errors import EngineFailed

_REMEDIES = (  # what the engine says; the first that fits
    (
        r"cannot connect to the docker daemon|is the docker daemon running",
        "start it, or set DOCKER_HOST to one",
    ),
    (
        r"permission denied.*(docker\.sock|daemon)",
        "let this user use it: the group docker, or a rootless one",
    ),
    (r"no space left on device", "free some space: docker builder prune, docker image prune"),
    (
        r"requires BuildKit|unknown flag: --secret",
        "images are built with BuildKit, which Docker 20.10 or newer has",
    ),
    (r"network bridge not found|bridge.*not found", "this engine has no bridge; build with --network host"),
    (r"immutable", "somebody else has pushed it meanwhile: run the same command again"),
    (r"toomanyrequests", "the registry limits pulls without an account: docker login, or wait"),
    (
        r"no basic auth credentials|unauthorized|authentication required|access (to the resource )?is denied",
        "sign in to the registry: docker login; and see that this account may use the repository",
    ),
    (
        r"no matching distribution|could not find a version",
        "see which index pip uses (python -m pip config list), and --torch-index",
    ),
    (
        r"no such host|i/o timeout|name resolution|TLS handshake|connection refused",
        "see the network, its proxy and --network",
    ),
)

_PLAIN = {  # one image and no index of it with attestations, which SageMaker refuses
    "DOCKER_BUILDKIT": "1",
    "BUILDKIT_PROGRESS": "plain",
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
}


@contextmanager
def advised() -> Iterator[None]:
    """An EngineFailed with what to do."""
    try:
        yield
    except EngineFailed as error:
        remedy = next((text for said, text in _REMEDIES if re.search(said, str(error), re.IGNORECASE)), "")
        raise EngineFailed(f"{error}; {remedy}" if remedy else str(error)) from error


def stream(progress: TextIO, *arguments: str) -> None:
    """`docker ARGUMENTS`, whose output goes to `progress` line by line. Raises EngineFailed."""
    variables = {**os.environ, **_PLAIN}
    last: deque[str] = deque(maxlen=docker.LINES)
    with subprocess.Popen(
        [docker.command(), *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                progress.write(line)
                progress.flush()
                if line.strip():
                    last.append(line.rstrip())
        except BaseException:  # Ctrl-C; what is built so far stays in the engine's cache
            process.terminate()
            raise
    if process.returncode:
        said = "\n  ".join(last) or "it said nothing"
        raise EngineFailed(f"docker {arguments[0]} failed: {said}")


def size(image: str) -> int:
    """Bytes of an image that the engine has."""
    return int(docker.run("image", "inspect", "--format", "{{.Size}}", image))


def digest(image: str) -> str:
    """sha256:… by which the registry knows an image that was pushed to it."""
    repository = image.rpartition(":")[0]
    listed = docker.run("image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', image)
    found = [each.partition("@")[2] for each in listed.splitlines() if each.startswith(f"{repository}@")]
    if not found:
        raise EngineFailed(f"the engine names no digest of {image}, which it has pushed")
    return found[-1]


def check_manifest(image: str) -> None:
    """Raises EngineFailed where a push would make an image with a manifest of OCI's, which SageMaker refuses
    (aws/amazon-sagemaker-feedback#180): an engine does so that keeps images in containerd's store."""
    described = json.loads(docker.run("image", "inspect", "--format", "{{json .}}", image))
    kind = (described.get("Descriptor") or {}).get("mediaType", "")  # an engine without that store tells none
    if kind.startswith("application/vnd.oci."):
        raise EngineFailed(
            f"SageMaker takes images with Docker's own manifests, and this engine keeps {image} as {kind}; "
            'set {"features": {"containerd-snapshotter": false}} in its daemon.json, restart it and try again'
        )
