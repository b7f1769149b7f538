"""config: every setting of an environment, and where its value came from."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import settings
from pipeline.settings import Loaded

_FIRST = {  # of a group, in the order of the model; a blank line goes before it
    "pipeline",
    "pipeline_role",
    "processing_image",
    "retry_seconds",
    "network_isolation",
    "input_data",
}


def show(environment: str, flags: Mapping[str, Any], as_json: bool) -> None:
    loaded = settings.trace(environment, flags)
    if as_json:
        print(json.dumps(as_dict(loaded)))
    else:
        for line in lines(loaded):
            print(line)


def lines(loaded: Loaded) -> Iterator[str]:
    """spot    config/prod.yaml    true: the value last, for some are long"""
    rows = [(key, _text(value), loaded.origins[key]) for key, value in loaded.settings]
    names = max(len(key) for key, _, _ in rows)
    origins = max(len(origin) for _, _, origin in rows)
    for key, text, origin in rows:
        if key in _FIRST:
            yield ""
        yield f"{key:<{names}}  {origin:<{origins}}  {text}"


def as_dict(loaded: Loaded) -> dict[str, dict[str, Any]]:
    values = loaded.settings.model_dump(mode="json")
    return {key: {"value": value, "from": loaded.origins[key]} for key, value in values.items()}


def _text(value: Any) -> str:
    """As a flag or a variable would have it: true, a,b and k=v; "-" where nothing is set."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        value = [f"{key}={text}" for key, text in value.items()]
    if isinstance(value, list | tuple):
        value = ",".join(value)
    return "-" if value in (None, "") else str(value)
