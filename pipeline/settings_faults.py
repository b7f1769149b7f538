"""What is wrong with a setting, in plain words: pydantic's own are for programmers.

A fault that is not listed keeps pydantic's words. What a text must look like is said where it is declared, in
settings.py.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from pipeline.settings_sources import PREFIX

_WORDS = {  # pydantic's names of a fault
    "value_error": "{error}",
    "int_parsing": "it must be a whole number",
    "int_type": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_parsing": "it must be a number",
    "float_type": "it must be a number",
    "bool_parsing": "it must be true or false",
    "bool_type": "it must be true or false",
    "greater_than": "it must be more than {gt:g}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
    "literal_error": "it must be {expected}",
    "string_type": "it must be a text",
    "string_too_short": "it must not be empty",
    "string_too_long": "it must have at most {max_length} characters",
    "too_long": "it must have at most {max_length} items",
    "tuple_type": "it must be a list: [a, b] in the file, a,b elsewhere",
    "dict_type": "it must be pairs: {{key: value}} in the file, key=value elsewhere",
}


def explain(error: ValidationError, origins: Mapping[str, str], environment: str) -> list[str]:
    """A line a fault: where the value was set, the value, and what it must be."""
    lines = []
    for fault in error.errors():
        key = str(fault["loc"][0]) if fault["loc"] else ""
        words = _WORDS.get(fault["type"])
        problem = words.format(**fault.get("ctx", {})) if words else fault["msg"]
        if fault["type"] == "string_type" and isinstance(fault["input"], int | float):
            problem += "; put it in quotes"
        if not key:  # of several settings together
            lines.append(f"the settings of {environment}: {problem}")
        elif fault["type"] == "missing":
            lines.append(
                f"setting {key!r} is missing and has no default; set it in config/{environment}.yaml"
            )
        else:
            place = origins[key] if origins[key].startswith(PREFIX) else f"{origins[key]}: {key}"
            lines.append(f"{place} = {fault['input']!r}: {problem}")
    return lines
