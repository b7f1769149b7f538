"""show: the compiled definition, as text or as a Mermaid diagram. In the order written: small diffs."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import code_bundle, compiled, parameters, sessions, settings
from pipeline.dag import Definition, Step
from pipeline.settings import Settings


def show(environment: str, flags: Mapping[str, Any], as_mermaid: bool, as_json: bool) -> None:
    config = settings.load(environment, flags)
    written = definition_of(config)
    graph = Definition.parse(written)
    for line in [written] if as_json else mermaid(graph) if as_mermaid else text(graph, config):
        print(line)


def definition_of(config: Settings) -> str:
    return compiled.load(config, code_bundle.bundles(), sessions.state_folder())


def text(graph: Definition, config: Settings) -> Iterator[str]:
    for name in graph.order():
        step = graph.steps[name]
        after = ", ".join(sorted(graph.dependencies[name])) or "the start"
        yield f"{name}  [{step.type}]  after {after}{_condition(step)}"
        yield textwrap.indent(step.body.get("Description", ""), "    ")
    yield ""
    where = "--local" if config.environment == "local" else f"--env {config.environment} --start"
    yield f"Parameters (python -m pipeline.run {where} --set NAME=VALUE):"
    table = [each for each in parameters.table(config).values() if not each.set_by_run]
    width = max(len(parameter.name) for parameter in table)
    for parameter in table:
        span = f"  [{parameter.range()}]" if parameter.range() else ""
        yield f"  {parameter.name:<{width}}  {parameter.default}  {parameter.description}{span}"


def mermaid(graph: Definition) -> Iterator[str]:
    yield "flowchart TD"
    for step in graph.steps.values():
        label = f"{step.body.get('DisplayName', step.name)}<br/><small>{step.name}, {step.type}</small>"
        yield f'    {step.name}{{"{label}"}}' if step.type == "Condition" else f'    {step.name}["{label}"]'
    for name in graph.order():
        branch = graph.steps[name].branch
        for needed in sorted(graph.dependencies[name]):
            if branch and needed == branch.condition:
                yield f"    {needed} -- {'yes' if branch.outcome else 'no'} --> {name}"
            else:
                yield f"    {needed} --> {name}"


def _condition(step: Step) -> str:
    return f", if {'yes' if step.branch.outcome else 'no'}" if step.branch else ""
