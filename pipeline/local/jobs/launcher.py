"""Runs one job's command and outlives nothing: the process between the runner and the job.

Started as `python -I -S launcher.py` with the job's description on its standard input; further bytes there
mean "terminate", and its end (also that of a runner killed with SIGKILL) means "kill". Under `unshare` it
is process 1 of the job's own namespaces and first makes the job's /opt/ml; the kernel then lets nothing of
the job survive it. A job that is a container is removed at its end, which no kernel does. It imports little,
because its start is part of every job's, and nothing of the project.
"""

import ctypes
import json
import os
import shutil
import signal
import sys
import threading
from typing import Any

MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_RELATIME = 1, 32, 4096, 16384, 1 << 21


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(
        os.fsencode(source), os.fsencode(target), kind and kind.encode(), ctypes.c_ulong(flags), None
    ):
        number = ctypes.get_errno()
        raise OSError(number, f"mount: {os.strerror(number)}", target)


def mount_ml(folder: str, read_only: list[str]) -> None:
    """Make /opt/ml the job's folder, in this mount namespace only.

    The host has no /opt/ml to mount on, and must not get one: a temporary /opt, with the entries of the real
    one, goes over it.
    """
    job = os.open(folder, os.O_PATH)
    if not os.path.isdir("/opt/ml"):
        opt = os.open("/opt", os.O_PATH)
        entries = os.listdir("/opt")
        mount("tmpfs", "/opt", "tmpfs", 0)
        for name in entries:
            original, here = f"/proc/self/fd/{opt}/{name}", f"/opt/{name}"
            if os.path.islink(original):
                os.symlink(os.readlink(original), here)
                continue
            _mount_point(here, os.path.isdir(original))
            mount(original, here, None, MS_BIND | MS_REC)
        os.mkdir("/opt/ml")
        os.close(opt)
    mount(f"/proc/self/fd/{job}", "/opt/ml", None, MS_BIND | MS_REC)
    os.close(job)
    for path in read_only:
        mount(path, path, None, MS_BIND)
        mount(path, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | _flags(path))


def _flags(path: str) -> int:
    """The flags that the mount came with, which a remount may not drop."""
    same = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME
    found = os.statvfs(path).f_flag
    return (found & same) | (MS_RELATIME if found & os.ST_RELATIME else 0)


def _mount_point(path: str, folder: bool) -> None:
    if folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT))


def raise_loopback() -> None:
    """A new network namespace has a loopback interface that is down; a container's is up."""
    import fcntl
    import socket
    import struct

    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name, flags = struct.unpack("16sh", fcntl.ioctl(control, get_flags, struct.pack("16sh", b"lo", 0)))
        fcntl.ioctl(control, set_flags, struct.pack("16sh", name, flags | up))


def start(spec: dict[str, Any]) -> int:
    """Fork the command, in a session of its own, and return its process id."""
    job = os.fork()
    if job:
        return job
    try:
        os.setsid()
        signal.signal(
            signal.SIGPIPE, signal.SIG_DFL
        )  # Python ignores these two; a program expects the defaults
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(spec["working_directory"])
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606
    except OSError as error:
        os.write(
            2, f"cannot start {spec['command'][0]!r}: {os.strerror(error.errno or 0).lower()}\n".encode()
        )
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
    finally:
        os._exit(126)  # never back into the launcher's own code


def obey(job: int, spec: dict[str, Any]) -> None:
    """Follow the runner's word until it has no more."""
    while os.read(0, 1):
        os.kill(job, signal.SIGTERM)
    if "remove" in spec:
        call(spec, "remove")  # the engine's command then ends too, once it has passed on all output
    else:
        kill_all(job)


def kill_all(job: int) -> None:
    try:
        if os.getpid() == 1:
            os.kill(-1, signal.SIGKILL)  # everything in this process namespace but this process
        else:
            os.killpg(job, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it has ended; macOS answers PermissionError for a zombie
        pass


def call(spec: dict[str, Any], command: str) -> bytes:
    """What one of the description's own commands says."""
    import subprocess

    done = subprocess.run(spec[command], capture_output=True, env=spec["environment"], check=False)
    return done.stdout.strip()


def read_spec() -> Any:
    """The job's description: its length in four bytes, then that much JSON."""
    size = int.from_bytes(os.read(0, 4), "big")
    text = b""
    while len(text) < size and (chunk := os.read(0, size - len(text))):
        text += chunk
    return json.loads(text)


def main() -> int:
    spec = read_spec()
    try:
        if spec["namespace"]:
            mount_ml(spec["folder"], spec["read_only"])
            if not spec["network"]:
                raise_loopback()
        job = start(spec)
        threading.Thread(target=obey, args=(job, spec), daemon=True).start()
        while True:
            ended, status = os.wait()  # process 1 also gets the orphans
            if ended == job:
                break
        kill_all(job)
        if "remove" in spec:
            if report := call(spec, "report"):
                os.write(1, report + b"\n")
            call(spec, "remove")
    except OSError as error:
        print(f"cannot prepare the job: {error}", file=sys.stderr)
        return 125
    finally:
        shutil.rmtree(spec["temporary"], ignore_errors=True)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # at once: the thread that reads the standard input may hold its lock
