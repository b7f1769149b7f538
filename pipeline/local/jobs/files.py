"""Files of a job: what it gets, what it leaves, and what the disk has no room for."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import JobFailed

INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """An error of the disk says which file it was about."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def disk_failure(error: OSError) -> JobFailed:
    """OSError(ENOSPC, …, "a/b") -> "no space left on device writing a/b" """
    verb = "writing" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG) else "using"
    where = error.filename2 or error.filename or "the state folder"
    return JobFailed(f"{(error.strerror or str(error)).lower()} {verb} {where}", INTERNAL_ERROR)


def link_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=os.link, dirs_exist_ok=True)


def unlink_tree(path: Path) -> None:
    """Give every file below path (or path itself) an inode of its own: writing alters nothing else."""
    for file in [path] if path.is_file() else list(regular_files(path)):
        beside = file.with_name(f".{file.name}.copy")
        with naming(beside):
            shutil.copyfile(file, beside)
        beside.replace(file)


def regular_files(folder: Path) -> Iterator[Path]:
    """The files below a folder, sorted; links to a file among them count as files.

    Raises JobFailed for anything else: it can be no object of a storage.
    """
    inside = folder.resolve()

    def walk(below: Path) -> Iterator[Path]:
        for entry in sorted(below.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                yield from walk(entry)
            elif entry.is_file() and entry.resolve().is_relative_to(inside):
                yield entry
            else:
                kind = "a link that leads out of it" if entry.is_symlink() else "a special file"
                raise JobFailed(
                    f"{folder.name}/{entry.relative_to(folder)} is {kind}; write a regular file instead"
                )

    return walk(folder)


def note(log: Path, line: str) -> None:
    """Add a line to a job's log that is not the job's own."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with naming(log), log.open("a") as file:
        file.write(f"{line}\n")


def log_tail(log: Path, lines: int = 10, characters: int = 600) -> str:
    """The end of a log, as the end of a message: `; its log ends: …`, or nothing where the log is empty."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16 * 1024))
        end = file.read().decode("utf-8", "replace").strip().splitlines()[-lines:]
    return f"; its log ends: {chr(10).join(end)[-characters:]}" if end else ""
