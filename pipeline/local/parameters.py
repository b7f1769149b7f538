"""The values of an execution's parameters: what the caller gave, checked against what the definition
declares."""

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any

from pipeline.errors import Fault


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


_READ: dict[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": int,
    "Float": _finite,
    "Boolean": _boolean,
}
TYPES = frozenset(_READ)


def bind(declared: dict[str, dict[str, Any]], given: Iterable[dict[str, str]]) -> dict[str, Any]:
    """bind({"Epochs": {"Type": "Integer", "DefaultValue": 3}}, [{"Name": "Epochs", "Value": "5"}]) ->
    {"Epochs": 5}

    Raises the ValidationException that StartPipelineExecution answers.
    """
    texts = {each["Name"]: each["Value"] for each in given}
    for name in texts:
        if name not in declared:
            near = difflib.get_close_matches(name, declared, 1)
            hint = (
                f"; did you mean {near[0]}?"
                if near
                else f"; there are: {', '.join(sorted(declared)) or 'none'}"
            )
            raise Fault("ValidationException", f"the pipeline has no parameter {name}{hint}")
    return {name: _value(parameter, texts.get(name)) for name, parameter in declared.items()}


def _value(parameter: dict[str, Any], text: str | None) -> Any:
    name, kind = parameter["Name"], parameter["Type"]
    if text is None:
        if "DefaultValue" not in parameter:
            raise Fault("ValidationException", f"parameter {name} has no default and was given no value")
        text = str(parameter["DefaultValue"])
    try:
        value = _READ[kind](text)
    except (ValueError, KeyError):
        raise Fault(
            "ValidationException", f"parameter {name} is of type {kind}, and {text!r} is not"
        ) from None
    choices = parameter.get("EnumValues")
    if choices and value not in choices:
        raise Fault(
            "ValidationException",
            f"parameter {name} is {text!r}, which is none of {', '.join(map(str, choices))}",
        )
    return value
