"""What the model server can do: latency, throughput with and without joining, overload, memory.

python -m benchmarks.serving [--minutes N]

The model is that of the newest local run (python -m pipeline.run --local). Server and load generator are
processes of their own on the same machine, real reviews go through HTTP on loopback, and both sides of a
comparison are measured in one call. Writes benchmarks/results/serving.json, and exits with 1, naming the
figure, when a promise is broken. --minutes measures the memory under a steady load instead, and leaves the
other figures as they are.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.record import FOLDER, ROOT, judge, record
from pipeline.sessions import state_folder

RESULTS = FOLDER / "serving.json"
PROMISES = {
    "single_p50_ms": ("at most", 8.0),
    "single_p99_ms": ("at most", 40.0),
    "per_second_64_clients": ("at least", 400.0),
    "errors_64_clients": ("at most", 0.0),
    "overload_per_second": ("at least", 10.0),  # times what it can serve
    "overload_refused": ("at least", 1.0),
    "overload_wrong_answers": ("at most", 0.0),
    "recovery_seconds": ("at most", 2.0),
    "memory_growth_mb": ("at most", 30.0),
}
BATCH = 50  # reviews of a request of the overload, so that ten times the load can be made at all
OVERLOAD = 12  # times what it can serve is sent; somewhat less arrives
STEADY = 400  # requests a second of the long run
SETTLING = 60  # seconds of overload before its memory is first looked at


@contextmanager
def server(model: Path, **variables: str) -> Iterator[tuple[int, psutil.Process]]:
    """(port, process) of a server that is up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {
        "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SM_MODEL_DIR": str(model),
    }
    command = [sys.executable, "-m", "containers.serving", "serve"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **place, **variables}, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/ping")
                break
            except httpx.ConnectError:
                if process.poll() is not None:
                    sys.exit("the model server did not start")
                time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def load(port: int, seconds: float, *how: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load", str(port), "--seconds", str(seconds), *how]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def besides(result: dict[str, Any], *expected: str) -> int:
    """Answers of another status, and requests without an answer."""
    return sum(count for status, count in result["statuses"].items() if status not in expected)


def recovery(port: int) -> float:
    """Seconds until one review is answered as fast as promised."""
    began = time.perf_counter()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        while True:
            asked = time.perf_counter()
            answer = client.post(
                "/invocations", content="A good film.", headers={"Content-Type": "text/plain"}
            )
            if (
                answer.status_code == 200
                and (time.perf_counter() - asked) * 1000 <= PROMISES["single_p99_ms"][1]
            ):
                return time.perf_counter() - began


def measure(model: Path) -> dict[str, float]:
    with server(model) as (port, _):
        load(port, 2, "--clients", "4")  # warm
        single, many = load(port, 10, "--clients", "1"), load(port, 15, "--clients", "64")
        capacity = load(port, 10, "--clients", "4", "--reviews", str(BATCH))["per_second"]
        flood = load(port, 15, "--rate", str(OVERLOAD * capacity), "--reviews", str(BATCH))
        recovered = recovery(port)
    with server(model, SERVING_BATCH_SIZE="1") as (port, _):
        load(port, 2, "--clients", "4")
        alone = load(port, 15, "--clients", "64")
    return {
        "single_p50_ms": single["p50_ms"],
        "single_p99_ms": single["p99_ms"],
        "per_second_64_clients": many["per_second"],
        "p50_64_clients_ms": many["p50_ms"],
        "p99_64_clients_ms": many["p99_ms"],
        "errors_64_clients": besides(many, "200"),
        "per_second_64_clients_unjoined": alone["per_second"],
        "overload_per_second": flood["per_second"] / capacity,
        "overload_answered": flood["statuses"].get("200", 0),
        "overload_refused": flood["statuses"].get("503", 0),
        "overload_wrong_answers": besides(flood, "200", "503"),
        "recovery_seconds": recovered,
    }


def memory(model: Path, minutes: float) -> dict[str, float]:
    """The server's memory under a steady load: once it has had its most to do, and at the end."""
    with server(model) as (port, process):
        load(port, SETTLING, "--clients", "512")  # twice what fits into the queue
        before = process.memory_info().rss
        result = load(port, minutes * 60, "--rate", str(STEADY))
        after = process.memory_info().rss
    return {
        "memory_minutes": minutes,
        "memory_requests": result["statuses"].get("200", 0),
        "memory_refused": result["statuses"].get("503", 0),
        "memory_errors": besides(result, "200", "503"),
        "memory_mb": after / 1e6,
        "memory_growth_mb": (after - before) / 1e6,
    }


def newest_model(home: Path) -> Path:
    found = sorted(
        home.glob("s3/*/*/executions/*/Train/*/output/model.tar.gz"), key=lambda path: path.stat().st_mtime
    )
    if not found:
        sys.exit("there is no model yet; make one with: python -m pipeline.run --local")
    return found[-1]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=0, help="of steady load, for the memory (%(default)s)"
    )
    minutes = parser.parse_args().minutes
    kept = json.loads(RESULTS.read_text())["figures"] if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(newest_model(state_folder())) as archive:
            archive.extractall(folder, filter="data")
        if minutes:
            figures = {**kept, **memory(Path(folder), minutes)}
        else:
            figures = {
                **{key: kept[key] for key in kept if key.startswith("memory")},
                **measure(Path(folder)),
            }
    record(RESULTS, figures)
    return judge(figures, PROMISES)


if __name__ == "__main__":
    sys.exit(main())
