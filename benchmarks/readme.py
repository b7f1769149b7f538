"""Writes the generated parts of the README: the pipeline's graph, a run's last lines, and the measured
figures.

python -m benchmarks.readme   No figure in the README is typed by hand; a test fails when a part is out of
date.
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.local_run import PROMISES

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results" / "local_run.json"

ROWS = {  # figure of local_run.json: how the README says it, and its format
    "seconds": ("whole run from an empty state, 25,000 reviews", "{:.0f} s"),
    "peak_memory_gb": ("peak memory of all its processes", "{:.1f} GB"),
    "accuracy": ("test accuracy", "{:.4f}"),
    "preprocess_seconds": ("the Preprocess step", "{:.1f} s"),
    "train_seconds": ("the Train step", "{:.0f} s"),
    "transform_seconds": ("the Predict step (batch transform of the test reviews)", "{:.1f} s"),
    "again_seconds": ("the same command again, every job cached", "{:.1f} s"),
    "gated_seconds": ("the same with a threshold of 0.99, which fails", "{:.1f} s"),
    "executor_added_seconds_a_step": (
        "what the executor adds to a step, over the same process alone",
        "{:.2f} s",
    ),
    "help_seconds": ("`python -m pipeline --help`", "{:.2f} s"),
}


def figures(result: dict[str, Any]) -> str:
    machine = result["machine"]
    lines = [
        f"On {machine['cpu_count']} cores, Python {machine['python']}; of several runs the median:",
        "",
        "| what | figure | runs | promised |",
        "| --- | --- | --- | --- |",
    ]
    for key, (label, shape) in ROWS.items():
        figure, (bound, limit) = result["figures"][key], PROMISES.get(key, ("", None))
        promised = f"{bound} {shape.format(limit)}" if bound else ""
        lines.append(f"| {label} | {shape.format(figure['median'])} | {figure['runs']} | {promised} |")
    return "\n".join(lines)


def example(result: dict[str, Any]) -> str:
    return "```\n" + "\n".join(result["last_lines"]) + "\n```"


def graph() -> str:
    from pipeline import settings
    from pipeline.cli import show
    from pipeline.dag import Definition

    compiled = Definition.parse(show.definition_of(settings.load("local", variables={})))
    return "```mermaid\n" + "\n".join(show.mermaid(compiled)) + "\n```"


def rendered(text: str) -> str:
    """The README's text with every generated part made anew."""
    result = json.loads(RESULTS.read_text())
    for name, part in {"figures": figures(result), "example": example(result), "graph": graph()}.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        text = re.sub(
            f"{begin}.*{end}", lambda _, part=part, b=begin, e=end: f"{b}\n{part}\n{e}", text, flags=re.DOTALL
        )
    return text


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))
