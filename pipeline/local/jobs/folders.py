"""A job's folder in the state folder: made, held while it is in use, removed; and what a kill leaves, swept.

The kernel drops a lock with the process that holds it, however that ends. So a folder that is locked is in
use, for how many days ever, and one that is not was left behind.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.local.jobs.job import JobContext
from pipeline.storage import INCOMING

DAY = 86_400


@contextmanager
def job_folder(name: str, context: JobContext) -> Iterator[Path]:
    """The folder that becomes /opt/ml: empty at first, whatever an interrupted job left; gone afterwards."""
    job = context.folder(name)
    job.mkdir(parents=True, exist_ok=True)
    folder = job / "ml"
    with _opened(job) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed is worth no failure


def sweep(home: Path, seconds: float = DAY) -> None:
    """Remove what killed processes left in a state folder, once it has not changed for so many seconds.

    Of a job its log remains; of models and objects those that were never finished go.
    """
    for job in _unchanged(home / "jobs", "*", seconds):
        with suppress(BlockingIOError), _opened(job) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused: it is in use
            for left in job.iterdir():
                if left.name != "log.txt":
                    _remove(left)
    for left in (
        *_unchanged(home / "models", ".*", seconds),
        *_unchanged(home / "s3" / INCOMING, "*", seconds),
    ):
        _remove(left)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unchanged(folder: Path, pattern: str, seconds: float) -> list[Path]:
    """By the time of the last change, which a link, unlike a copy, does not bring along from its file."""
    found = []
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):  # it has just been removed by its owner
            if time.time() - path.lstat().st_ctime >= seconds:
                found.append(path)
    return found


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
