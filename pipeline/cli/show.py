"""show: the compiled definition as text, and as a Mermaid diagram. In the order written: small diffs."""

import textwrap
from collections.abc import Iterator

from pipeline import code_bundle, definition, parameters, settings
from pipeline.dag import Definition, Step


def text(graph: Definition) -> Iterator[str]:
    for name in graph.order():
        step = graph.steps[name]
        after = ", ".join(sorted(graph.dependencies[name])) or "the start"
        yield f"{name}  [{step.type}]  after {after}{_condition(step)}"
        yield textwrap.indent(step.body.get("Description", ""), "    ")
    yield ""
    yield "Parameters (python -m pipeline.run --local --set NAME=VALUE):"
    table = parameters.table(settings.load("local")).values()
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


def compiled() -> Definition:
    config = settings.load("local")
    code = {script: bundle.uri(config.root) for script, bundle in code_bundle.bundles().items()}
    return Definition.parse(definition.compile(config, code))
