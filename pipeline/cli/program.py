"""How both programs run: mistakes are told as a person reads them, and nothing is collected in vain."""

import atexit
import gc
import sys
from typing import cast

import typer

from pipeline.cli.errors import end, reported

INTERRUPTED = 130  # 128 + SIGINT: what Typer makes of Ctrl-C, without a word
_WrongOptions = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])  # not exported by Typer


def run(app: typer.Typer, name: str) -> None:
    """Run a program to its exit.

    What the SDK and AWS's models are made of is needed to the end. By default the cyclic collector goes
    through it again and again, and once more at the exit: measured, 2 of the 5 s of a plan.
    """
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    with reported():
        try:
            code = app(prog_name=name, standalone_mode=False)
        except _WrongOptions as error:
            error.show()
            end(error.format_message(), error.exit_code)
        if code == INTERRUPTED:
            print("interrupted", file=sys.stderr)
        sys.exit(code)
