"""One started job: its launcher, its output as lines, its end.

The output is read by whoever waits, in small steps, so that a stop or a deadline is noticed within `STEP`
seconds and callbacks run in the waiting thread.
"""

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.local.jobs.files import naming
from pipeline.local.jobs.job import Outcome

STEP = 0.2  # seconds
LONGEST_LINE = 64 * 1024  # bytes; a longer one is cut into several
LAUNCHER = Path(__file__).with_name("launcher.py")


class JobProcess:
    """To be closed, whatever happens: that kills what is left of the job."""

    def __init__(
        self,
        prefix: list[str],
        spec: Mapping[str, Any],
        log: Path,
        on_line: Callable[[str], None],
        note: str | None,
    ) -> None:
        """prefix goes before the launcher's command line; note, if there is one, is the log's first line."""
        self._on_line = on_line
        self.socket = socket_in(spec["temporary"])
        self._temporary = spec["temporary"]
        self._rest = b""
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("ab", buffering=0)
        self._popen = subprocess.Popen(
            [*prefix, sys.executable, "-I", "-S", str(LAUNCHER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={},
            bufsize=0,
            start_new_session=True,  # Ctrl-C in a terminal is for the runner, which then stops its jobs
        )
        assert self._popen.stdin and self._popen.stdout
        self._control, self._output = self._popen.stdin, self._popen.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        try:
            if note:
                self._say(note)
            text = json.dumps(spec).encode()
            self._tell(len(text).to_bytes(4, "big") + text)
        except BaseException:
            self.close()
            raise

    def _tell(self, message: bytes) -> None:
        if self._control.closed:
            return
        try:
            while message:
                message = message[os.write(self._control.fileno(), message) :]
        except BrokenPipeError:  # the launcher has ended; its output says why
            pass

    def _say(self, line: str) -> None:
        with naming(self._log.name):
            self._log.write(f"{line}\n".encode())
        self._on_line(line)

    def read(self, timeout: float = STEP) -> bool:
        """Pass on the output that comes within `timeout` seconds; False once the output has ended."""
        if not self._selector.select(timeout):
            return True
        chunk = os.read(self._output.fileno(), LONGEST_LINE)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) >= LONGEST_LINE):
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._say(line.decode("utf-8", "replace").rstrip("\r"))
        return bool(chunk)

    def read_until(self, deadline: float) -> bool:
        """Pass on the output until it ends or the deadline has come; False once the output has ended."""
        while (left := deadline - time.monotonic()) > 0:
            if not self.read(min(left, STEP)):
                return False
        return True

    def terminate(self) -> None:
        self._tell(b"T")

    def kill(self) -> None:
        self._control.close()  # the launcher's sign

    def close(self) -> int:
        """Kill what is left of the job and answer its exit code. What has escaped cannot hold this up."""
        if self._output.closed:
            return self._code()
        try:
            self.kill()
            self.read_until(time.monotonic() + 2)
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            pass  # killed below
        finally:
            self._popen.kill()
            self._popen.wait()
            self._selector.close()
            self._output.close()
            self._log.close()
            shutil.rmtree(self._temporary, ignore_errors=True)  # in case the launcher was killed itself
        return self._code()

    def _code(self) -> int:
        code: int = self._popen.returncode
        return code if code >= 0 else 128 - code


def run_to_end(
    process: JobProcess, max_seconds: float, grace: float, stopping: Callable[[], bool]
) -> Outcome:
    """See a job to its end: it is asked to end when it is to stop or has had its time, and then killed."""
    stopped = timed_out = False
    try:
        deadline = time.monotonic() + max_seconds
        running = True
        while running and not stopped and not timed_out:
            running = process.read_until(min(time.monotonic() + STEP, deadline))
            if running:
                stopped, timed_out = stopping(), time.monotonic() >= deadline
        if running:
            process.terminate()
            process.read_until(time.monotonic() + grace)
    finally:
        code = process.close()
    return Outcome(code, stopped, timed_out)


def temporary_folder() -> str:
    """A job's own, removed with it: short, because a Unix socket's path may have about 100 characters."""
    folder = tempfile.mkdtemp(prefix="job-")
    if len(folder) <= 60:
        return folder
    Path(folder).rmdir()
    return tempfile.mkdtemp(prefix="job-", dir="/tmp")


def socket_in(temporary: str) -> Path:
    """Where a model server listens."""
    return Path(temporary, "model.sock")
