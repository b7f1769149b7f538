"""What CreatePipeline would reject, and what nobody checks before a job fails, found before it is called.

A definition is judged as it would run: with its defaults, or with the values of `--set`. Nothing is called;
what only the account can tell is asked by `preflight`.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.dag import Definition
from pipeline.errors import DefinitionError
from pipeline.finding import Finding, errors
from pipeline.lint import arns, gate, jobs, machines, requests, shape, structure
from pipeline.settings import Settings

__all__ = ["Finding", "errors", "lint"]

_REMEDY = "correct pipeline/definition.py"


def lint(text: str, settings: Settings, values: Mapping[str, Any] | None = None) -> list[Finding]:
    """Every fault of a definition, as it would run with these parameter values (else with its defaults)."""
    try:
        definition = Definition.parse(text)
    except DefinitionError as error:  # what is not a graph has no further faults to find
        return [Finding("", "", str(error), _REMEDY)]
    if misshapen := list(shape.check(definition)):
        return misshapen
    given = values or {}
    refused = list(requests.check(definition, settings, given))
    found = [*structure.check(text, definition, given), *refused]
    if not errors(refused):  # what follows reads requests, and takes them to be sound
        found += jobs.check(definition, given)
        found += machines.check(definition, settings, given)
        found += gate.check(definition)
    return [*found, *arns.check(settings)]
