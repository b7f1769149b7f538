"""Mistakes and failures as a person reads them: a message and an exit code, never a stack trace.

What is not listed here is a defect of the program, and its stack trace is wanted.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import AwsRefused, PipelineError, StateFolderError


@contextmanager
def reported() -> Iterator[None]:
    """Turn an exception that a person can act on into a line on stderr and an exit code."""
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
        sys.exit(known.exit_code)


def _known(error: Exception) -> PipelineError | None:
    if isinstance(error, PipelineError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return StateFolderError(
            f"{error.strerror}: {error.filename or 'the state folder'}; free some space, or set PIPELINE_HOME"
        )
    exceptions = sys.modules.get("botocore.exceptions")  # when it is not loaded, the error is none of its
    if exceptions and isinstance(error, exceptions.ClientError):  # without botocore's wrapping
        return AwsRefused(error.response["Error"].get("Message") or str(error))
    if exceptions and isinstance(error, exceptions.BotoCoreError):
        return AwsRefused(str(error))
    return None
