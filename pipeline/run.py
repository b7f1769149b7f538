"""python -m pipeline.run: plan, upsert, start and wait, on this machine (--local) or on AWS (--env dev).

What the command needs is imported when it runs, so that --help answers at once.
"""

from typing import Annotated

import typer

from pipeline.cli import options, program
from pipeline.cli.options import Env, Json, SettingsGiven, Summary, Timeout
from pipeline.cli.request import Request
from pipeline.errors import UsageError

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
Runner = Annotated[
    str | None,
    typer.Option(metavar="KIND", help="Of --local: jobs as a process (the default), or as a container."),
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
    runner: Runner = None,
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
    everything = environment == "local" and not (plan or upsert or start or wait)
    request = Request(
        environment=environment,
        plan=plan,
        upsert=upsert or everything,
        start=start or wait or everything,
        wait=wait or everything,
        settings=options.flags([*(setting or []), *([f"runner={runner}"] if runner else [])]),
        data=data,
        assignments=tuple(assignments or ()),
        only=tuple(only or ()),
        first=first,
        source=source,
        token=token,
        timeout=timeout,
        summary=summary,
        against=against,
        as_json=as_json,
    )
    request.check()

    from pipeline.cli.perform import perform

    raise typer.Exit(perform(request))


def main() -> None:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(run)
    program.run(app, "python -m pipeline.run")


if __name__ == "__main__":
    main()
