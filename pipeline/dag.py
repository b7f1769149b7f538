"""A pipeline definition's JSON as a graph: its steps, what each refers to, and the order that follows.

Knows the definition language and nothing of any one pipeline or of where it runs. The branches of a Condition
are flattened: each of their steps remembers the condition and the outcome it belongs to. `lint`, `show` and
the local executor read the same graph, so that they cannot disagree about it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import DefinitionError

INLINE_BYTES = 100_000  # a longer definition is put in S3, and CreatePipeline told where
_TOKEN = re.compile(r"\.?([A-Za-z0-9_-]+)|\[['\"]([^'\"]+)['\"]\]|\[(\d+)\]")


@dataclass(frozen=True)
class Reference:
    """One `Get`: {"Get": "Steps.Train.ModelArtifacts.S3Uri"} -> Steps, Train, and the rest as a path."""

    source: str  # Parameters, Steps or Execution
    name: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return ".".join([self.source, self.name, *map(str, self.path)])


@dataclass(frozen=True)
class Branch:
    """The arm of a Condition that a step stands in."""

    condition: str
    outcome: bool


@dataclass(frozen=True)
class Step:
    name: str
    type: str
    body: dict[str, Any]
    branch: Branch | None

    @property
    def arguments(self) -> dict[str, Any]:
        """The step's request; of a Condition only the conditions, for the steps of its arms are steps too."""
        arguments: dict[str, Any] = self.body.get("Arguments", {})
        if self.type != "Condition":
            return arguments
        return {key: value for key, value in arguments.items() if key not in ("IfSteps", "ElseSteps")}


@dataclass(frozen=True)
class Definition:
    """steps in the order written; dependencies[name] = the steps that must have ended before it starts."""

    body: dict[str, Any]
    parameters: dict[str, dict[str, Any]]
    steps: dict[str, Step]
    dependencies: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Definition":
        """Read a definition. Raises DefinitionError for JSON or structure that is not one, a reference to a
        step that is not there, and for a cycle."""
        try:
            body = json.loads(text)
        except json.JSONDecodeError as error:
            raise DefinitionError(f"the pipeline definition is not JSON: {error}") from error
        if not isinstance(body, dict) or not isinstance(body.get("Steps"), list):
            raise DefinitionError('the pipeline definition has no list "Steps"')
        parameters = {}
        for parameter in _objects(body.get("Parameters") or [], "Parameters"):
            if not isinstance(parameter.get("Name"), str):
                raise DefinitionError(f"a parameter needs a Name; found {json.dumps(parameter)[:80]}")
            if parameter["Name"] in parameters:
                raise DefinitionError(f"parameter {parameter['Name']} is declared twice")
            parameters[parameter["Name"]] = parameter
        steps: dict[str, Step] = {}
        for step in _flatten(body["Steps"], None):
            if step.name in steps:
                raise DefinitionError(
                    f"two steps are named {step.name}; a step's name is unique in its pipeline"
                )
            steps[step.name] = step
        dependencies = {name: frozenset(_dependencies(step)) for name, step in steps.items()}
        for name, needed in dependencies.items():
            for missing in sorted(needed - steps.keys()):
                raise DefinitionError(
                    f"step {name} refers to a step {missing}, which is not in the definition"
                )
        definition = cls(body, parameters, steps, dependencies)
        definition.order()
        return definition

    def order(self) -> list[str]:
        """Step names, each after all it depends on, else as written. Raises DefinitionError for a cycle."""
        done: list[str] = []
        waiting = list(self.steps)
        while waiting:
            ready = next((name for name in waiting if self.dependencies[name] <= set(done)), None)
            if ready is None:
                raise DefinitionError(
                    f"the steps depend on each other in a circle: {' -> '.join(self._cycle(waiting))}"
                )
            waiting.remove(ready)
            done.append(ready)
        return done

    def _cycle(self, waiting: list[str]) -> list[str]:
        path = [waiting[0]]
        while path.count(path[-1]) == 1:
            path.append(min(self.dependencies[path[-1]] & set(waiting)))
        return path[path.index(path[-1]) :]


_STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MEMBER_TYPES = {
    "Arguments": dict,
    "CacheConfig": dict,
    "DependsOn": list,
    "RetryPolicies": list,
    "PropertyFiles": list,
    "OutputParameters": list,
}


def _objects(values: Any, place: str) -> list[dict[str, Any]]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise DefinitionError(f"{place} is {json.dumps(values)[:80]}, not a list of objects")
    return values


def _flatten(steps: Any, branch: Branch | None) -> Iterator[Step]:
    for body in _objects(steps, "a list of steps"):
        name = body.get("Name")
        if not isinstance(name, str) or not isinstance(body.get("Type"), str):
            raise DefinitionError(f"a step needs a Name and a Type; found {json.dumps(body)[:80]}")
        if not _STEP_NAME.fullmatch(name):
            raise DefinitionError(
                f"step {name!r}: a name has 1 to 64 letters, digits, hyphens and underscores"
            )
        for member, kind in _MEMBER_TYPES.items():
            if not isinstance(body.get(member, kind()), kind):
                wanted = "an object" if kind is dict else "a list"
                raise DefinitionError(
                    f"step {name}: {member} is {json.dumps(body[member])[:80]}, not {wanted}"
                )
        for member in ("RetryPolicies", "PropertyFiles", "OutputParameters"):
            _objects(body.get(member, []), f"step {name}: {member}")
        if not all(isinstance(needed, str) for needed in body.get("DependsOn", [])):
            raise DefinitionError(f"step {name}: DependsOn is not a list of step names")
        yield Step(body["Name"], body["Type"], body, branch)
        if body["Type"] == "Condition":
            arguments = body.get("Arguments", {})
            yield from _flatten(arguments.get("IfSteps") or [], Branch(body["Name"], True))
            yield from _flatten(arguments.get("ElseSteps") or [], Branch(body["Name"], False))


def _dependencies(step: Step) -> Iterator[str]:
    yield from (
        ref.name
        for ref in references([step.arguments, step.body.get("FunctionArn")])
        if ref.source == "Steps"
    )
    yield from step.body.get("DependsOn") or []
    if step.branch:
        yield step.branch.condition


def references(value: Any) -> Iterator[Reference]:
    """Every `Get` inside a value, at any depth."""
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            yield parse_get(value["Get"])
        else:
            for item in value.values():
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def parse_get(text: Any) -> Reference:
    """'Steps.Prepare.Outputs['x'].S3Uri' -> Reference('Steps', 'Prepare', ('Outputs', 'x', 'S3Uri'))"""
    source, _, rest = text.partition(".") if isinstance(text, str) else ("", "", "")
    tokens = path_tokens(rest)
    if source not in ("Parameters", "Steps", "Execution") or not tokens:
        raise DefinitionError(
            f'{{"Get": {json.dumps(text)}}} is none of Parameters.NAME, Steps.NAME.PROPERTY, Execution.NAME'
        )
    return Reference(source, str(tokens[0]), tokens[1:])


def path_tokens(text: str) -> tuple[str | int, ...]:
    """ "a.b[0]['c']" -> ('a', 'b', 0, 'c')"""
    tokens: list[str | int] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise DefinitionError(f"cannot read the property path {text!r} at {text[position:]!r}")
        name, key, index = match.groups()
        tokens.append(int(index) if index else key or name)
        position = match.end()
    return tuple(tokens)
