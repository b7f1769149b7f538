"""The definition of each environment, compiled once for all tests: the SDK takes seconds."""

from functools import cache
from typing import Any

from pipeline import definition, settings
from pipeline.code_bundle import SCRIPTS
from pipeline.settings import Settings

ENVIRONMENTS = settings.environments()
# Placeholders for the hashes: a changed step is no change of the definition's shape.
CODE = {script: f"s3://code-bucket/code/sha256-of-{script}" for script in SCRIPTS}


def settings_of(environment: str, **flags: Any) -> Settings:
    return settings.load(environment, flags, variables={})


@cache
def compiled(environment: str) -> str:
    return definition.compile(settings_of(environment), CODE)
