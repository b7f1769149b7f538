"""How far an upload is: a bar on a terminal, elsewhere (a CI log) a line at its start and one at its end.

On stderr: stdout belongs to the result.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from pipeline.uploads import Progress, Upload, nothing


@contextmanager
def uploading(
    upload: Upload, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Progress]:
    """Yields what is to be called with the number of further bytes, as `Storage.add` does."""
    from rich.filesize import decimal

    stream = stream or sys.stderr
    if stream.isatty():
        yield from _bar(upload, stream)
        return
    files = f"{len(upload.files)} file{'s' if len(upload.files) > 1 else ''}"
    print(
        f"uploading {upload.what} to {upload.uri}: {files}, {decimal(upload.size)}", file=stream, flush=True
    )
    start = clock()
    yield nothing
    print(f"uploaded {upload.what} in {clock() - start:,.0f} s", file=stream, flush=True)


def _bar(upload: Upload, stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("uploading {task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(file=stream),
    ) as bars:
        task = bars.add_task(upload.what, total=upload.size)
        yield lambda sent: bars.advance(task, sent)
        bars.update(task, completed=upload.size)  # another process may have sent a part of it
