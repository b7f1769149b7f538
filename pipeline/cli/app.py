"""The verbs of python -m pipeline. Thin: parse, call one function, print.

What a command needs is imported when it runs, so that --help answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import options, program
from pipeline.cli.options import Env, ExecutionId, Json, SettingsGiven, Summary, Timeout
from pipeline.errors import UsageError
from pipeline.images.sources import TARGETS

__all__ = ["app", "main"]


def _group(text: str) -> typer.Typer:
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


app = _group("The sentiment pipeline. Run it with: python -m pipeline.run --local")
runs = _group("Executions of the pipeline.")
schedule = _group("Executions that start by the clock, on AWS.")
images = _group("Container images of the steps and the server.")
local = _group("The local service.")
for name, group in (("runs", runs), ("schedule", schedule), ("images", images), ("local", local)):
    app.add_typer(group, name=name)


def main() -> None:
    program.run(app, "python -m pipeline")


def where(env: str | None, setting: list[str] | None) -> tuple[str, dict[str, str]]:
    """The environment and the settings that differ from its file."""
    return options.environment(env, "local"), options.flags(setting)


@app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run() -> None:
    raise UsageError("a run is started with: python -m pipeline.run --local")


@app.command()
def show(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid diagram.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The compiled definition itself.")] = False,
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """The pipeline as text: its steps and its parameters."""
    from pipeline.cli import show as command

    command.show(*where(env, setting), mermaid, as_json)


@app.command()
def config(as_json: Json = False, env: Env = None, setting: SettingsGiven = None) -> None:
    """Every setting, and where its value came from."""
    from pipeline.cli import config as command

    command.show(*where(env, setting), as_json)


@app.command()
def lint(as_json: Json = False, env: Env = None, setting: SettingsGiven = None) -> None:
    """What AWS would refuse, found without asking it."""
    from pipeline.cli import lint as command

    raise typer.Exit(command.run(*where(env, setting), as_json))


@runs.command("list")
def list_runs(
    everything: Annotated[bool, typer.Option("--all", help="Not only the latest 20.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON list on stdout.")] = False,
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """Past and present executions, newest first."""
    from pipeline.cli import runs as command

    command.list_all(*where(env, setting), everything, as_json)


@runs.command("show")
def show_run(
    execution: ExecutionId, as_json: Json = False, env: Env = None, setting: SettingsGiven = None
) -> None:
    """What came of an execution, step by step."""
    from pipeline.cli import runs as command

    command.show(*where(env, setting), execution, as_json)


@runs.command()
def wait(
    execution: ExecutionId,
    as_json: Json = False,
    timeout: Timeout = options.WAIT_SECONDS,
    summary: Summary = None,
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """Watch an execution to its end."""
    from pipeline.cli import runs as command

    raise typer.Exit(command.wait(*where(env, setting), execution, as_json, timeout, summary))


@app.command()
def retry(
    execution: ExecutionId,
    as_json: Json = False,
    timeout: Timeout = options.WAIT_SECONDS,
    summary: Summary = None,
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """Resume an execution that failed or was stopped.

    What succeeded does not run again.
    """
    from pipeline.cli import runs as command

    raise typer.Exit(command.retry(*where(env, setting), execution, as_json, timeout, summary))


@app.command()
def stop(execution: ExecutionId, env: Env = None, setting: SettingsGiven = None) -> None:
    """Stop an execution, wherever it was started."""
    from pipeline.cli import runs as command

    command.stop(*where(env, setting), execution)


@app.command()
def invoke(
    review: Annotated[str, typer.Argument(metavar="TEXT", help="The text of a review.")],
    as_json: Json = False,
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """Ask the deployed endpoint for the sentiment of a review."""
    from pipeline.cli import invoke as command

    command.invoke(*where(env, setting), review, as_json)


@app.command()
def web(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On loopback; 0: any free port.")] = 8080,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    endpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another endpoint than the settings'.")
    ] = None,
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """A page to type a review and see its sentiment, until Ctrl-C."""
    from pipeline.cli import web as command

    environment, settings = where(env, setting)
    if endpoint is not None:
        settings = {**settings, "endpoint": endpoint}
    command.serve(environment, settings, port, open_, sys.stdout)


@app.command()
def corrections(
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a data set with them, as JSON Lines, for --data."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Of these reviews; else of the default ones.")
    ] = None,
    as_json: Json = False,
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """What people said on the page about answers that were wrong."""
    from pipeline.cli import corrections as command

    command.run(*where(env, setting), data, to, as_json)


@schedule.command("set")
def set_schedule(
    expression: Annotated[str, typer.Argument(help='Such as "rate(7 days)".')],
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """Start an execution by the clock."""
    from pipeline.cli import schedule as command

    command.set_(*where(env, setting), expression)


@schedule.command("show")
def show_schedule(as_json: Json = False, env: Env = None, setting: SettingsGiven = None) -> None:
    """The schedule as it is."""
    from pipeline.cli import schedule as command

    command.show(*where(env, setting), as_json)


@schedule.command("remove")
def remove_schedule(env: Env = None, setting: SettingsGiven = None) -> None:
    """No more executions by the clock."""
    from pipeline.cli import schedule as command

    command.remove(*where(env, setting))


Targets = Annotated[
    list[str] | None, typer.Argument(metavar="TARGET", help=f"{', '.join(TARGETS)}; else all of them.")
]
Base = Annotated[str | None, typer.Option(metavar="IMAGE", help="Build on this image: of a GPU, say.")]
Network = Annotated[str | None, typer.Option(metavar="NAME", help="docker build's --network, such as host.")]
TorchIndex = Annotated[
    str | None, typer.Option(metavar="URL", help='Where the CPU build of torch is; "" for pip\'s own index.')
]


@images.command("build")
def build_images(
    targets: Targets = None,
    base: Base = None,
    network: Network = None,
    torch_index: TorchIndex = None,
    as_json: Json = False,
) -> None:
    """Build what the engine of this machine has not got yet."""
    from pipeline.cli import images as command

    command.build(targets, command.options(base, network, torch_index), as_json)


@images.command("push")
def push_images(
    targets: Targets = None,
    base: Base = None,
    network: Network = None,
    torch_index: TorchIndex = None,
    as_json: Json = False,
    env: Env = None,
    setting: SettingsGiven = None,
) -> None:
    """Bring the images that the settings name into their registry.

    What ECR has already is neither built nor pushed.
    """
    from pipeline.cli import images as command

    options = command.options(base, network, torch_index)
    command.push(*where(env, setting), targets, options, as_json)


@images.command("list")
def list_images(as_json: Json = False, env: Env = None, setting: SettingsGiven = None) -> None:
    """Where each image is: built here, and in ECR."""
    from pipeline.cli import images as command

    command.list_(*where(env, setting), as_json)


@local.command()
def serve(port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0) -> None:
    """The local service for other clients (the AWS CLI, a notebook), until Ctrl-C."""
    from pipeline.cli.serve import serve as run

    run(port, sys.stdout)
