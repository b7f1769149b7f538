"""How both programs run: mistakes are told as a person reads them, and nothing is collected in vain."""

import atexit
import gc

import typer

from pipeline.cli.errors import reported


def run(app: typer.Typer, name: str) -> None:
    """Run a program to its exit.

    What the SDK and AWS's models are made of is needed to the end. By default the cyclic collector goes
    through it again and again, and once more at the exit: measured, 2 of the 5 s of a plan.
    """
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    with reported():
        app(prog_name=name)
