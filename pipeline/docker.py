"""The container engine, through its own command: docker, or podman under that name.

The command and not a library: it alone knows of BuildKit, of contexts, and of the credential helpers that a
person has set up. What it is told is a list of arguments, never a shell's line.
"""

import shutil
import subprocess
from collections.abc import Sequence

from pipeline.errors import EngineFailed

LINES = 15  # of what the engine said that a message repeats


def command() -> str:
    """The path of docker. Raises EngineFailed where there is none."""
    found = shutil.which("docker")
    if found is None:
        raise EngineFailed("there is no docker on this machine's PATH; install Docker, or podman's docker")
    return found


def check() -> None:
    """Raises EngineFailed when no engine answers."""
    run("version", "--format", "{{.Server.Version}}")


def run(*arguments: str, given: str | None = None) -> str:
    """What `docker ARGUMENTS` prints; `given` goes to its standard input. Raises EngineFailed."""
    done = _call(arguments, given)
    if done.returncode:
        raise EngineFailed(f"docker {arguments[0]} failed: {_end(done.stderr)}")
    return done.stdout.strip()


def image_id(image: str) -> str | None:
    """sha256:… of an image that the engine has; None for one that it has not."""
    done = _call(("image", "inspect", "--format", "{{.Id}}", image))
    if done.returncode and "no such image" not in done.stderr.lower():
        raise EngineFailed(f"docker image inspect {image} failed: {_end(done.stderr)}")
    return None if done.returncode else done.stdout.strip()


def _call(arguments: Sequence[str], given: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([command(), *arguments], input=given, capture_output=True, text=True, check=False)


def _end(text: str) -> str:
    lines = text.strip().splitlines()[-LINES:]
    return "\n  ".join(lines) or "it said nothing"
