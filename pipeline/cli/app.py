"""The verbs of python -m pipeline. Thin: parse, call one function, print.

What a command needs is imported when it runs, so that --help answers at once.
"""

import json
import sys
from typing import Annotated

import typer

from pipeline.cli.errors import reported
from pipeline.errors import UsageError
from pipeline.run import WAIT_SECONDS, Timeout

__all__ = ["app", "main"]

app = typer.Typer(
    help="The sentiment pipeline. Run it with: python -m pipeline.run --local",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs = typer.Typer(help="Executions of the pipeline.", no_args_is_help=True, rich_markup_mode=None)
local = typer.Typer(help="The local service.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(runs, name="runs")
app.add_typer(local, name="local")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="An execution, from: runs list")]


def main() -> None:
    with reported():
        app(prog_name="python -m pipeline")


@app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run() -> None:
    raise UsageError("a run is started with: python -m pipeline.run --local")


@app.command()
def show(mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid diagram.")] = False) -> None:
    """The pipeline as text: its steps, in order, and its parameters."""
    from pipeline.cli import show as text

    graph = text.compiled()
    for line in text.mermaid(graph) if mermaid else text.text(graph):
        print(line)


@runs.command("list")
def list_runs(
    everything: Annotated[bool, typer.Option("--all", help="Not only the latest 20.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All, as one JSON list on stdout.")] = False,
) -> None:
    """Past and present executions, newest first."""
    from pipeline.cli import runs as commands

    commands.list_all(everything, as_json)


@runs.command("show")
def show_run(execution: ExecutionId, as_json: Json = False) -> None:
    """What came of an execution, step by step."""
    from pipeline.cli import runs as commands

    commands.show(execution, as_json)


@app.command()
def retry(
    execution: ExecutionId,
    as_json: Json = False,
    timeout: Timeout = WAIT_SECONDS,
) -> None:
    """Resume an execution that failed or was stopped.

    What succeeded does not run again.
    """
    from pipeline.cli import runs as commands

    raise typer.Exit(commands.retry(execution, as_json, timeout))


@app.command()
def stop(execution: ExecutionId) -> None:
    """Stop an execution, wherever it was started."""
    from pipeline.cli import runs as commands

    commands.stop(execution)


@app.command()
def invoke(
    review: Annotated[str, typer.Argument(metavar="TEXT", help="The text of a review.")],
    as_json: Json = False,
) -> None:
    """Ask the deployed endpoint for the sentiment of a review."""
    from pipeline.cli.invoke import ask

    answer = ask(review)
    if as_json:
        print(json.dumps(answer))
    else:
        print("{label}  (probability of positive {probability:.4f}, model {model_version})".format(**answer))


@local.command()
def serve(port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0) -> None:
    """The local service for other clients (the AWS CLI, a notebook), until Ctrl-C."""
    from pipeline.cli.serve import serve as run

    run(port, sys.stdout)
