"""python -m pipeline.run --local: compile the pipeline, publish what it needs, start it, watch it to its end.

The order is: whatever can be wrong with the request first (parameters, data, disk, definition), then the
first write.
"""

import shutil
import uuid
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import DefinitionError, StateFolderError, UsageError

WAIT_SECONDS = 43200  # 12 hours
DATA_COPIES = 5  # a finished run holds 2.3 times its data (measured); jobs need some more while they run
SPARE_BYTES = 200_000_000  # models, checkpoints, logs


Local = Annotated[bool, typer.Option("--local", help="On this machine: no AWS account, no Docker.")]
DataPath = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="PATH", help="Labelled reviews: CSV, JSON Lines, Parquet or the Stanford set."
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A parameter of: python -m pipeline show. May be repeated."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, progress on stderr.")]
Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", help="What is not done by then is stopped.", min=1)
]


def run(
    local: Local = False,
    data: DataPath = None,
    assignments: Assignments = None,
    as_json: Json = False,
    timeout: Timeout = WAIT_SECONDS,
) -> None:
    """Run the whole pipeline: preprocess, train, predict, evaluate, and deploy what passes the gate."""
    from pipeline import code_bundle, compiled, control, definition, lint, parameters, sessions, settings
    from pipeline import data as reviews
    from pipeline.cli.follow import follow

    if not local:
        raise UsageError(
            "say where to run; this version runs on this machine: python -m pipeline.run --local"
        )
    config = settings.load("local")
    values = parameters.parse(assignments or [], parameters.table(config))
    if data is not None and not data.strip():
        raise UsageError("--data is empty; name a file or a folder of labelled reviews")
    if data and "InputData" in values:
        raise UsageError("--data and --set InputData=… name the reviews twice; keep one")
    found = None if "InputData" in values else reviews.find(Path(data) if data else None)
    home = sessions.state_folder()
    _check_space(home, found.size if found else 0)

    bundles = code_bundle.bundles()
    code = {script: bundle.uri(config.root) for script, bundle in bundles.items()}
    kept = compiled.file_of(config, code, home)
    text = kept.read_text("utf-8") if kept.is_file() else definition.compile(config, code)
    if faults := lint.errors(lint.lint(text, values, config.pipeline)):
        raise DefinitionError("the pipeline would be refused:\n  " + "\n  ".join(map(str, faults)))

    with sessions.connect(config, home) as clients:
        if not kept.is_file():
            compiled.keep(text, kept)
        for bundle in bundles.values():
            code_bundle.publish(bundle, clients.storage, config.root)
        if found:
            values["InputData"] = reviews.publish(found, clients.storage, config.root)
        control.upsert(clients.sagemaker, config.pipeline, text, config.pipeline_role)
        arn = control.start(clients.sagemaker, config.pipeline, values, token=str(uuid.uuid4()))
        exit_code = follow(clients, arn, config, home, as_json, timeout)
    raise typer.Exit(exit_code)


def _check_space(home: Path, data_bytes: int) -> None:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free, needed = shutil.disk_usage(existing).free, DATA_COPIES * data_bytes + SPARE_BYTES
    if free < needed:
        raise StateFolderError(
            f"{home} has {free / 1e6:,.0f} MB free and the run needs about {needed / 1e6:,.0f} MB; "
            "free some space, or set PIPELINE_HOME to another folder"
        )


def main() -> None:
    from pipeline.cli.errors import reported

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(run)
    with reported():
        app(prog_name="python -m pipeline.run")


if __name__ == "__main__":
    main()
