"""config: every setting of an environment, and where its value came from."""

from collections.abc import Mapping
from typing import Any


def show(environment: str, flags: Mapping[str, Any], as_json: bool) -> None:
    raise NotImplementedError
