"""python -m pipeline.run: plan, upsert, start and wait, on this machine (--local) or on AWS (--env dev).

The order is: whatever can be wrong with the request first (parameters, data, definition, account), then the
plan, then the first write. --plan stops before it, and --upsert does what the plan says.
"""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from pipeline.cli import options
from pipeline.cli.options import Env, Json, SettingsGiven, Summary, Timeout
from pipeline.errors import DefinitionError, PipelineError, UsageError

if TYPE_CHECKING:
    from pipeline.lint import Finding
    from pipeline.plan import Plan

Local = Annotated[bool, typer.Option("--local", help="On this machine: no AWS account, no Docker.")]
PlanIt = Annotated[bool, typer.Option("--plan", help="Show what --upsert would do; change nothing.")]
UpsertIt = Annotated[
    bool, typer.Option("--upsert", help="Upload code and data, create or update the pipeline.")
]
StartIt = Annotated[bool, typer.Option("--start", help="Start an execution.")]
Wait = Annotated[bool, typer.Option("--wait", help="Start an execution and watch it to its end.")]
DataPath = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Labelled reviews: CSV, JSON Lines, Parquet, the Stanford set, or s3://…",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of: python -m pipeline show. Repeatable."),
]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="STEP", help="Run this step alone. Repeatable.")
]
From = Annotated[str | None, typer.Option("--from", metavar="STEP", help="Run this step and all after it.")]
Source = Annotated[
    str | None, typer.Option(metavar="ID", help="Of --only and --from: whose results the steps go on from.")
]
Token = Annotated[str | None, typer.Option(metavar="TEXT", help="The same text starts one execution.")]
Against = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Plan against the definition in FILE (-: none), without AWS."),
]


def run(
    local: Local = False,
    env: Env = None,
    plan: PlanIt = False,
    upsert: UpsertIt = False,
    start: StartIt = False,
    wait: Wait = False,
    data: DataPath = None,
    assignments: Assignments = None,
    setting: SettingsGiven = None,
    only: Only = None,
    first: From = None,
    source: Source = None,
    timeout: Timeout = options.WAIT_SECONDS,
    summary: Summary = None,
    token: Token = None,
    against: Against = None,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline: preprocess, train, predict, evaluate, and deploy what passes the gate."""
    if local and env:
        raise UsageError(f"--local is --env local; --env {env} says another, keep one")
    environment = options.environment("local" if local else env, "dev")
    if environment == "local" and not (plan or upsert or start or wait):
        upsert = wait = True
    start = start or wait
    if not (plan or upsert or start):
        raise UsageError(f"say what to do in {environment}: --plan, --upsert, --start or --wait")
    for name, given, needed, there in (
        ("--only", only, "--start", start),
        ("--from", first, "--start", start),
        ("--source", source, "--only or --from", only or first),
        ("--token", token, "--start", start),
        ("--summary", summary, "--wait", wait),
        ("--against", against, "--plan and nothing else", plan and not (upsert or start)),
    ):
        if given and not there:
            raise UsageError(f"{name} goes with {needed}; add that, or leave out {name}")

    from pipeline import code_bundle, compiled, control, lineage, lint, parameters, sessions, settings
    from pipeline import data as reviews
    from pipeline import plan as planning
    from pipeline import selection as selecting
    from pipeline import start as starting
    from pipeline import upsert as upserting
    from pipeline.cli import summary as summaries
    from pipeline.cli.follow import follow
    from pipeline.cli.progress import uploading
    from pipeline.cli.report import command
    from pipeline.dag import Definition

    summaries.check(summary)
    config, home = settings.load(environment, options.flags(setting)), sessions.state_folder()
    table = parameters.table(config)
    values = parameters.parse(_with_data(assignments or [], data), table)
    found = None
    if data and not data.startswith("s3://"):
        if not (plan or upsert):
            raise UsageError(
                f"--data {data} is uploaded by --upsert; add that, or name reviews in S3: s3://…"
            )
        found = reviews.find(Path(data))
    elif (plan or upsert) and not (config.input_data or "InputData" in values or only or first):
        found = reviews.find(None)
    if found:
        values["InputData"] = found.uri(config.root)

    bundles = code_bundle.bundles()
    text = compiled.load(config, {name: each.uri(config.root) for name, each in bundles.items()}, home)
    _refuse(lint.lint(text, config, values), DefinitionError("the pipeline would be refused"))
    if against:
        _show(planning.against(_definition_in(against), config, text), as_json, sys.stdout)
        return

    told = sys.stderr if as_json else sys.stdout  # what happens on the way to the result
    with sessions.connect(config, home, found.size if found else 0) as clients:
        _refuse(clients.preflight(config), UsageError(f"this would fail in account {config.account}"))
        planned = planning.make(clients, config, text, bundles, found)
        if plan:
            _show(planned, as_json, told if upsert or start else sys.stdout)
        if start:
            runs = text if upsert else control.definition(clients.sagemaker, config.pipeline)
            graph, chosen = Definition.parse(runs), None
            if only or first:
                chosen = selecting.select(clients, config, graph, only or (), first, source)
                values = {**chosen.values, **values}
            reviews_at = str(values.get("InputData", table["InputData"].default))
            origin = lineage.of(runs, bundles, found, reviews_at)
            if graph != Definition.parse(text):
                print(
                    f"{config.pipeline} is not what these sources make; it starts as it is", file=sys.stderr
                )
                origin = replace(origin, commit=lineage.UNKNOWN, code=lineage.UNKNOWN)
            key = control.token(config.pipeline, token, os.environ)
            to_start = starting.make(clients.sagemaker, config, graph, values, origin, key, chosen)
        if upsert:
            done = upserting.execute(clients, planned, uploading).steps
            made = done[len(planned.uploads) :] if done else ["nothing to upload or to change"]
            print(*made, sep="\n", end="\n" if made else "", file=told, flush=True)
            if as_json and not start:
                print(json.dumps({"pipeline": config.pipeline, "done": done}))
        if start:
            arn = starting.execute(clients.sagemaker, to_start)
            execution = control.execution_id(arn)
            again = " before" if to_start.earlier else ""
            print(f"started{again}: execution {execution}", file=told, flush=True)
            if wait:
                raise typer.Exit(follow(clients, arn, config, as_json, timeout, summary=summary))
            print(f"watch it with: {command(environment, 'runs', 'wait', execution)}", file=told)
            if as_json:
                print(json.dumps({"execution": execution, "arn": arn}))


def _with_data(assignments: list[str], data: str | None) -> list[str]:
    """--data s3://… is --set InputData=s3://…"""
    if data is None:
        return assignments
    if not data.strip():
        raise UsageError("--data is empty; name a file or a folder of labelled reviews")
    if any(each.startswith("InputData=") for each in assignments):
        raise UsageError("--data and --set InputData=… name the reviews twice; keep one")
    return [*assignments, f"InputData={data}"] if data.startswith("s3://") else assignments


def _definition_in(file: str) -> str | None:
    from pipeline.dag import Definition

    if file == "-":
        return None
    try:
        text = Path(file).read_text("utf-8")
        Definition.parse(text)
    except (OSError, UnicodeDecodeError, DefinitionError) as error:
        raise UsageError(f"cannot read --against {file}: {error}") from error
    return text


def _refuse(findings: "Iterable[Finding]", refusal: PipelineError) -> None:
    """Warnings are said; with an error among the findings, nothing goes on."""
    found = list(findings)
    errors = [finding for finding in found if finding.severity == "error"]
    if errors:
        raise type(refusal)(f"{refusal}:\n  " + "\n  ".join(map(str, errors)))
    for finding in found:
        if finding.severity == "warning":
            print(finding, file=sys.stderr)


def _show(plan: "Plan", as_json: bool, stream: TextIO) -> None:
    from pipeline.cli import plan_text

    if as_json:
        print(json.dumps(plan.as_json(), indent=1), file=stream)
    else:
        plan_text.show(plan, stream)


def main() -> None:
    from pipeline.cli.errors import reported

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(run)
    with reported():
        app(prog_name="python -m pipeline.run")


if __name__ == "__main__":
    main()
