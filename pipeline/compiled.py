"""The compiled definition, kept in the state folder: importing the SDK and compiling take 3 s.

Compiling is pure: the text follows from the modules that compile, the versions of the SDK's distributions,
the settings and the hashes of the code. All of these make up the file's name, so that a change of any of them
compiles anew; only an SDK that was edited in place would go unseen.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pipeline import definition
from pipeline.code_bundle import Bundle
from pipeline.settings import Settings

MODULES = ("definition", "parameters", "sdk", "sdk_settings", "settings")  # of pipeline/
DISTRIBUTIONS = ("sagemaker", "sagemaker-core", "sagemaker-mlops", "sagemaker-serve", "sagemaker-train")


def load(config: Settings, bundles: Mapping[str, Bundle], home: Path) -> str:
    """What definition.compile makes of these, from where it is kept, else compiled and kept."""
    code = {script: bundle.uri(config.root) for script, bundle in bundles.items()}
    file = file_of(config, code, home)
    with suppress(OSError):
        return file.read_text("utf-8")
    text = definition.compile(config, code)
    with suppress(OSError):  # nobody but the next run needs it
        keep(text, file)
    return text


def file_of(config: Settings, code: Mapping[str, str], home: Path) -> Path:
    """Where the definition of these settings and this code is kept, if it is."""
    inputs = {
        "modules": [Path(__file__).with_name(f"{name}.py").read_text("utf-8") for name in MODULES],
        "versions": [version(name) for name in DISTRIBUTIONS],
        "settings": config.model_dump(mode="json"),
        "code": dict(code),
    }
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    return home / "definitions" / f"{digest.hexdigest()}.json"


def keep(text: str, file: Path) -> None:
    """Whole or not at all: another run may be reading, and this one may be killed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{uuid.uuid4().hex}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, file)
