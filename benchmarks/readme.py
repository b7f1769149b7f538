"""Writes the generated parts of the README: the pipeline's graph, a run's last lines, what each role may do,
the sizes of the images, and the measured figures.

python -m benchmarks.readme   No figure in the README is typed by hand; a test fails when a part is out of
date.
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks import explanation, page, plan, runners, serving
from benchmarks.local_run import PROMISES
from infra import template

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

PLAN_ROWS = {  # figure of plan.json
    "plan_seconds": "`--plan`, nothing compiled before, with AWS on loopback",
    "sdk_seconds": "of that the SageMaker SDK, imported and compiling",
    "aws_seconds": "of that AWS's clients and their calls",
    "own_seconds": "of that all the rest, Python's start included",
    "again_seconds": "the same again, compiled before",
}
SERVING_ROWS = {  # figure of serving.json: how the README says it, and its format
    "single_p50_ms": ("one raw review through HTTP, one client, p50", "{:.1f} ms"),
    "single_p99_ms": ("the same, p99", "{:.1f} ms"),
    "per_second_64_clients": ("single reviews a second, 64 clients", "{:,.0f}"),
    "errors_64_clients": ("errors among them", "{:.0f}"),
    "p50_64_clients_ms": ("their p50", "{:.0f} ms"),
    "p99_64_clients_ms": ("their p99", "{:.0f} ms"),
    "per_second_64_clients_unjoined": ("the same, each review in a pass of its own", "{:,.0f}"),
    "overload_per_second": ("overload: times what it can serve that it was sent, for 15 s", "{:.1f}"),
    "overload_answered": ("answers meanwhile", "{:,.0f}"),
    "overload_refused": ("refusals meanwhile (503, with when to come again)", "{:,.0f}"),
    "overload_wrong_answers": ("anything else", "{:.0f}"),
    "recovery_seconds": ("from the end of the overload to an answer as quick as ever", "{:.2f} s"),
    "memory_minutes": ("steady load of 400 reviews a second for", "{:.0f} min"),
    "memory_requests": ("reviews in that time", "{:,.0f}"),
    "memory_refused": ("refusals meanwhile", "{:,.0f}"),
    "memory_errors": ("requests lost meanwhile, on connections that had been idle for 75 s", "{:,.0f}"),
    "memory_mb": ("memory of the server at its end", "{:.0f} MB"),
    "memory_growth_mb": ("growth of the memory in that time", "{:.1f} MB"),
}
PAGE_ROWS = {  # figure of page.json or explanation.json: how the README says it, and its format
    "answer_p50_ms": ("from pressing the button to the answer on the page, p50", "{:.0f} ms"),
    "answer_p90_ms": ("the same, p90", "{:.0f} ms"),
    "model_p50_ms": ("of that asking the endpoint, p50", "{:.0f} ms"),
    "page_kb": ("the whole page, every file of it, uncompressed", "{:.0f} kB"),
    "plain_p50_ms": ("the model's own work for a review of 230 words, on one thread, p50", "{:.1f} ms"),
    "explained_p50_ms": ("the same, with the words that decided", "{:.1f} ms"),
    "naive_p50_ms": ("the same words by reading the review again for each", "{:.1f} ms"),
}
RUNNERS = {"process": "as a process", "container": "as a container", "sdk": "SDK's local mode"}
IMAGES = {  # what for
    "processing": "`preprocess.py`, `evaluate.py`",
    "training": "`train.py`, through SageMaker's training toolkit, as in AWS's own PyTorch images",
    "serving": "the model server, for endpoint and batch transform",
    "base": "what the three begin with, as it was when they were measured",
}
WHO = {  # assumes a role
    "sagemaker.amazonaws.com": "SageMaker",
    "lambda.amazonaws.com": "Lambda",
    "scheduler.amazonaws.com": "EventBridge Scheduler",
}


def roles() -> str:
    """A row for each role, and one for what the containers of jobs and endpoint both may."""
    lines, found = ["| role | assumed by | may |", "| --- | --- | --- |"], template.roles().values()
    for role in found:
        who = WHO.get(role.trust["Principal"].get("Service"), "a job of GitHub Actions on main")
        lines.append(f"| `{_dev(role.name)}` | {who} | {_may(role.own)} |")
    sharing = [role for role in found if role.shared]
    names = " and ".join(f"`{_dev(role.name)}`" for role in sharing)
    return "\n".join([*lines, f"| {names} | both besides | {_may(sharing[0].shared)} |"])


def _may(statements: tuple[template.Statement, ...]) -> str:
    """Each statement a line: sagemaker: CreateModel, DescribeModel on `model/pipelines-*`"""
    lines = []
    for statement in statements:
        service = statement.actions[0].partition(":")[0]
        verbs = ", ".join(action.partition(":")[2] for action in statement.actions)
        on = ", ".join(f"`{_dev(resource)}`" for resource in statement.resources)
        lines.append(f"{service}: {verbs} on {on}")
    return "<br>".join(lines)


def _dev(text: str) -> str:
    """ "${Bucket.Arn}/sentiment-${Environment}" -> "Bucket/sentiment-dev" """
    return re.sub(r"\$\{(\w+)(?:\.Arn)?\}", r"\1", text.replace("${Environment}", "dev"))


def figures(result: dict[str, Any], planned: dict[str, Any]) -> str:
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
    for key, label in PLAN_ROWS.items():
        figure = planned["figures"][key]
        promised = f"at most {plan.PROMISES[key]:.1f} s" if key in plan.PROMISES else ""
        lines.append(f"| {label} | {figure['median']:.2f} s | {figure['runs']} | {promised} |")
    return "\n".join(lines)


def served(result: dict[str, Any]) -> str:
    lines = ["| what | figure | promised |", "| --- | --- | --- |"]
    for key, (label, shape) in SERVING_ROWS.items():
        bound, limit = serving.PROMISES.get(key, ("", None))
        promised = f"{bound} {shape.format(limit)}" if bound else ""
        lines.append(f"| {label} | {shape.format(result['figures'][key])} | {promised} |")
    return "\n".join(lines)


def waited(result: dict[str, Any], explained: dict[str, Any]) -> str:
    found, promises = {**result["figures"], **explained["figures"]}, page.PROMISES | explanation.PROMISES
    lines = ["| what | figure | promised |", "| --- | --- | --- |"]
    for key, (label, shape) in PAGE_ROWS.items():
        promised = f"{promises[key][0]} {shape.format(promises[key][1])}" if key in promises else ""
        lines.append(f"| {label} | {shape.format(found[key])} | {promised} |")
    return "\n".join(lines)


def compared(result: dict[str, Any]) -> str:
    lines = [f"| step | {' | '.join(RUNNERS.values())} |", "| --- |" + " --- |" * len(RUNNERS)]
    for step in runners.STEPS:
        seconds = [result["figures"][f"{how}_{step.lower()}_seconds"]["min"] for how in RUNNERS]
        lines.append(f"| {step} | {' | '.join(f'{value:.1f} s' for value in seconds)} |")
    return "\n".join(lines)


def images(result: dict[str, Any]) -> str:
    lines = ["| image | on disk | for |", "| --- | --- | --- |"]
    for name, use in IMAGES.items():
        lines.append(f"| `{name}` | {result['image_bytes'][name] / 1e6:,.0f} MB | {use} |")
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
    kept = (RESULTS, plan.RESULTS, runners.RESULTS, serving.RESULTS, page.RESULTS, explanation.RESULTS)
    result, planned, run_by, server, shown, explained = (json.loads(file.read_text()) for file in kept)
    parts = {
        "graph": graph(),
        "example": example(result),
        "roles": roles(),
        "images": images(run_by),
        "runners": compared(run_by),
        "figures": figures(result, planned),
        "serving": served(server),
        "page": waited(shown, explained),
    }
    for name, part in parts.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        text = re.sub(
            f"{begin}.*{end}", lambda _, part=part, b=begin, e=end: f"{b}\n{part}\n{e}", text, flags=re.DOTALL
        )
    return text


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))
