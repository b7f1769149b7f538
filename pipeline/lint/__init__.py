"""What CreatePipeline would reject, and what nobody checks before a job fails, found before it is called.

A definition is judged as it would run: with its defaults, or with the values of `--set`. Nothing is called;
what only the account can tell is asked by `preflight`.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.dag import Definition
from pipeline.errors import DefinitionError
from pipeline.finding import Finding, errors
from pipeline.lint import arns, gate, jobs, machines, requests, structure
from pipeline.settings import Settings

__all__ = ["Finding", "errors", "lint"]

_REMEDY = "correct pipeline/definition.py"


def lint(text: str, settings: Settings, values: Mapping[str, Any] | None = None) -> list[Finding]:
    """Every fault of a definition, as it would run with these parameter values (else with its defaults)."""
    try:
        definition = Definition.parse(text)
    except DefinitionError as error:  # what is not a graph has no further faults to find
        return [Finding("", "", str(error), _REMEDY)]
    given = values or {}
    found: list[Finding] = []
    for what, findings in {
        "structure": structure.check(text, definition, settings, given),
        "requests": requests.check(definition, settings, given),
        "jobs": jobs.check(definition, given),
        "machines": machines.check(definition, settings, given),
        "gate": gate.check(definition),
        "ARNs": arns.check(settings),
    }.items():
        try:
            found.extend(findings)
        except (AttributeError, KeyError, TypeError) as error:  # text where an object should be, or such
            problem = f"its {what} cannot be read, a member has another shape than it should: {error!r}"
            found.append(Finding("", "", problem, _REMEDY))
    return found
