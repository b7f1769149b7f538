"""The compiled definition, kept in the state folder: importing the SDK and compiling take 3 s.

Compiling is pure, so the text depends only on the sources that compile, the SDK's version, the settings and
the hashes of the code; all of them make up the file's name, and a kept file is never stale.
"""

import hashlib
import inspect
import json
import os
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from pipeline import definition, parameters, sdk
from pipeline.settings import Settings


def file_of(settings: Settings, code: Mapping[str, str], home: Path) -> Path:
    """Where the definition of these settings and this code is kept, if it is."""
    digest = hashlib.sha256(version("sagemaker").encode())
    for module in (definition, parameters, sdk):
        digest.update(inspect.getsource(module).encode())
    digest.update(settings.model_dump_json().encode())
    digest.update(json.dumps(code, sort_keys=True).encode())
    return home / "definitions" / f"{digest.hexdigest()}.json"


def keep(text: str, file: Path) -> None:
    """Whole or not at all: another run may be reading, and this one may be killed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{uuid.uuid4().hex}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, file)
