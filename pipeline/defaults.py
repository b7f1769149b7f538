"""A value of a definition with its parameters filled in: what `--set` gives them, else their defaults."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline import diff
from pipeline.dag import Definition


def filled(value: Any, definition: Definition, values: Mapping[str, Any] | None = None) -> Any:
    """filled({"Get": "Parameters.Epochs"}, …) -> 2

    Any other expression stays; a Std:Join of which all is known becomes its text.
    """
    if isinstance(value, list):
        return [filled(item, definition, values) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"}:
        source, _, name = str(value["Get"]).partition(".")
        declared = definition.parameters.get(name) if source == "Parameters" else None
        return value if declared is None else (values or {}).get(name, declared.get("DefaultValue"))
    found = {key: filled(item, definition, values) for key, item in value.items()}
    if not (diff.is_expression(found) and "Std:Join" in found):
        return found
    join = found["Std:Join"]
    if any(isinstance(part, dict | list) for part in join["Values"]):
        return found
    parts = [part if isinstance(part, str) else json.dumps(part) for part in join["Values"]]
    return str(join.get("On", "")).join(parts)
