"""The definition of each environment, compiled once for all tests: the SDK takes seconds."""

from functools import cache
from typing import Any

from pipeline import definition, settings
from pipeline.code_bundle import SCRIPTS
from pipeline.images.sources import TARGETS
from pipeline.settings import Settings

ENVIRONMENTS = settings.environments()
# Placeholders for the hashes: a changed step is no change of the definition's shape.
CODE = {script: f"s3://code-bucket/code/sha256-of-{script}" for script in SCRIPTS}
# And for what the images are made of: a changed lock is none either.
ECR = "111122223333.dkr.ecr.us-east-1.amazonaws.com/"
IMAGES = {f"{target}_image": f"sentiment/{target}:content-of-{target}" for target in TARGETS}


def settings_of(environment: str, **flags: Any) -> Settings:
    return settings.load(environment, flags, variables={})


@cache
def compiled(environment: str) -> str:
    registry = "" if environment == "local" else ECR
    images = {key: registry + image for key, image in IMAGES.items()}
    return definition.compile(settings_of(environment, **images), CODE)
