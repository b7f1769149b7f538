"""lint: the findings in the definition of an environment."""

from collections.abc import Mapping
from typing import Any


def run(environment: str, flags: Mapping[str, Any], as_json: bool) -> int:
    """Print the findings; 2 when there is an error among them."""
    return 0
