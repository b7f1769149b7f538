"""Runs pipeline.run with a clock around what is not this project's, for benchmarks.plan.

python -m benchmarks.clocked FILE [OPTIONS of pipeline.run]   Writes {"sdk": seconds, "aws": seconds} to FILE:
the SageMaker SDK, imported and compiling; AWS's clients, imported, made and called. Imports nothing that the
command itself does not.
"""

import json
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

spent = {"sdk": 0.0, "aws": 0.0}
running: list[str] = []  # the SDK makes clients of AWS too: the outermost clock counts


@contextmanager
def clock(whose: str) -> Iterator[None]:
    began = time.perf_counter()
    running.append(whose)
    try:
        yield
    finally:
        running.pop()
        if not running:
            spent[whose] += time.perf_counter() - began


def main(file: str, *arguments: str) -> None:
    from pipeline import definition

    with clock("aws"):
        import boto3
        from botocore.client import BaseClient

    definition.compile = clock("sdk")(definition.compile)
    boto3.Session.client = clock("aws")(boto3.Session.client)
    BaseClient._make_api_call = clock("aws")(BaseClient._make_api_call)
    sys.argv = ["pipeline.run", *arguments]
    with suppress(SystemExit):
        runpy.run_module("pipeline.run", run_name="__main__", alter_sys=True)
    Path(file).write_text(json.dumps(spent))


if __name__ == "__main__":
    main(*sys.argv[1:])
