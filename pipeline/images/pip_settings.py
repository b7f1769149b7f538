"""How a build reaches packages: the person's own pip settings, as secrets of the build.

Secrets and not build arguments, for an index's address may hold a password, and arguments stay in an image's
history. Places of this machine (a folder of wheels) cannot be seen inside a build; they are left out, which a
note says.
"""

import ast
import configparser
import importlib.util
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UsageError

CA_IN_BUILD = "/run/secrets/ca.crt"  # where the Dockerfile mounts the secret "ca"

_SECTIONS = ("global", "install", ":env:")  # a later one wins, as in pip itself
_PLACES = ("index-url", "extra-index-url", "find-links")
_URL = re.compile("https?://", re.IGNORECASE)
_TAKEN = (*_PLACES, "no-index", "trusted-host", "timeout", "default-timeout", "retries", "proxy")


@contextmanager
def secrets(note: Callable[[str], None]) -> Iterator[list[str]]:
    """The arguments of `docker build` that hand the settings over; the file lasts as long as the block.

    Raises UsageError for settings that pip itself cannot read, and for a CA bundle that is not there.
    """
    found = settings(note)
    bundle = ca(found)
    with tempfile.TemporaryDirectory(prefix="images-") as folder:
        file = os.open(Path(folder) / "pip.conf", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(conf(found, bundle is not None, note))
        arguments = ["--secret", f"id=pip,src={folder}/pip.conf"]
        yield [*arguments, "--secret", f"id=ca,src={bundle}"] if bundle else arguments


def settings(note: Callable[[str], None]) -> dict[str, str]:
    """What `pip config list` says, variables included: {"index-url": "https://…"}."""
    if importlib.util.find_spec("pip") is None:
        note("this Python has no pip, whose settings a build would use; it uses pip's defaults")
        return {}
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        reason = (listed.stderr.strip() or listed.stdout.strip()).splitlines()[-1:]
        raise UsageError(f"pip cannot read its settings: {' '.join(reason)}; see: python -m pip config debug")
    by_section: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listed.stdout.splitlines():  # global.index-url='https://…'
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in by_section:
            by_section[section][key] = str(ast.literal_eval(value))
    return {key: value for section in _SECTIONS for key, value in by_section[section].items()}


def ca(found: Mapping[str, str], variables: Mapping[str, str] = os.environ) -> Path | None:
    """The CA bundle of the person's pip, else of $SSL_CERT_FILE; none: that of the image."""
    named = found.get("cert") or variables.get("SSL_CERT_FILE")
    if not named:
        return None
    path = Path(named).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"there is no CA bundle {named}; correct PIP_CERT, pip's `cert`, or SSL_CERT_FILE")
    return path


def conf(found: Mapping[str, str], has_ca: bool, note: Callable[[str], None]) -> str:
    """The text of the pip.conf that the build gets."""
    written = configparser.RawConfigParser()
    written["global"] = {}
    for key in _TAKEN:
        values = found.get(key, "").split()
        for hidden in [each for each in values if key in _PLACES and not _URL.match(each)]:
            note(f"pip's {key} {hidden} is a place of this machine, which no build sees: left out")
            values.remove(hidden)
        if values:
            written["global"][key] = "\n".join(values)
    if has_ca:
        written["global"]["cert"] = CA_IN_BUILD
    text = io.StringIO()
    written.write(text)
    return text.getvalue()
