"""Mistakes and failures as a person reads them: a message and an exit code, never a stack trace.

What is not listed here is a defect of the program, and its stack trace is wanted.
"""

import errno
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from pipeline.errors import PipelineError, StateFolderError


@contextmanager
def reported() -> Iterator[None]:
    """Turn an exception that a person can act on into a line on stderr and an exit code; with --json also
    into one object on stdout."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        print(f"error: {known}", file=sys.stderr)
        end(str(known), known.exit_code)


def end(message: str, exit_code: int) -> NoReturn:
    """After the words for people on stderr: with --json the same for machines, and the exit."""
    if "--json" in sys.argv:
        print(json.dumps({"error": {"message": message, "exit_code": exit_code}}))
    sys.exit(exit_code)


def _known(error: Exception) -> PipelineError | None:
    if isinstance(error, PipelineError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return StateFolderError(
            f"{error.strerror}: {error.filename or 'the state folder'}; free some space, or set PIPELINE_HOME"
        )
    if "botocore.exceptions" not in sys.modules:  # then the error is none of its
        return None
    from pipeline import aws_errors

    return aws_errors.explain(error)
