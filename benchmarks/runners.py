"""What a step takes as a process, as a container, and in the local mode of SageMaker's own SDK.

python -m benchmarks.runners [--runs N]   Needs docker-compose, and an engine with the project's images.

Preprocess and Train on 3,000 real reviews, the same scripts in the same images, in turn in one call. The
SDK's version 2 is installed into .cache/sdk; its S3 is a stand-in on loopback. Writes
benchmarks/results/runners.json and, of the last run, what the SDK's local mode said: sdk_local_mode.log.
"""

import argparse
import csv
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.local_run import command
from benchmarks.record import FOLDER, ROOT, record, spread
from pipeline import docker
from pipeline.images import engine, sources

RESULTS = FOLDER / "runners.json"
LOG = RESULTS.with_name("sdk_local_mode.log")
SDK = ROOT / ".cache" / "sdk"
VERSION = "sagemaker[local]==2.257.7"
REVIEWS = 3000
STEPS = ("Preprocess", "Train")
NO_TELEMETRY = "SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n"


def ours(runner: str, data: Path, home: Path) -> dict[str, float]:
    arguments = (
        "--local",
        "--json",
        "--runner",
        runner,
        "--data",
        str(data),
        "--set",
        "AccuracyThreshold=0.5",
    )
    answer, _, _ = command(home, *arguments)
    if "error" in answer:
        sys.exit(answer["error"]["message"])
    return {step["name"]: step["seconds"] for step in answer["steps"] if step["name"] in STEPS}


def install_sdk() -> Path:
    """The interpreter of the SDK's environment."""
    python = SDK / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", SDK], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", VERSION], check=True)
    return python


@contextmanager
def stand_in() -> Iterator[str]:
    """The URL of an S3 on loopback."""
    sys.path.insert(0, str(ROOT / "tests"))
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def of_the_sdk(python: Path, data: Path, folder: Path) -> dict[str, float]:
    from pipeline import code_bundle

    for name in ("preprocess", "train", "reviews", "results"):
        (folder / name).mkdir(parents=True)
    for script, bundle in code_bundle.bundles().items():
        if (target := folder / script.removesuffix(".py")).is_dir():
            contents = {file.name: file.read_bytes() for file in bundle.files}
            for name, content in contents.items():
                (target / name).write_bytes(content)
            (target / code_bundle.ARCHIVE).write_bytes(code_bundle.archive(contents))
    shutil.copy(data, folder / "reviews")
    (folder / "sdk.yaml").write_text(NO_TELEMETRY)
    with stand_in() as url:
        variables = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(folder / "sdk.yaml"),
        }
        folders = [str(folder / name) for name in ("preprocess", "train", "reviews", "results")]
        done = subprocess.run(
            [python, Path(__file__).with_name("sdk_local_mode.py"), *folders],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
    left = docker.run("ps", "--all", "--quiet", "--filter", "name=-algo-1-").split()  # which the SDK keeps
    docker.run("container", "rm", "--force", *left)
    lines = done.stdout.splitlines()
    steps = json.loads(lines[-1])["steps"] if done.returncode == 0 else {}
    if [step["status"] for step in steps.values()] != ["Succeeded"] * len(STEPS):
        sys.exit(f"the SDK's local mode failed:\n{(done.stdout + done.stderr)[-3000:]}")
    LOG.write_text("".join(f"{line}\n" for line in map(_plain, lines) if line))
    return {name: step["seconds"] for name, step in steps.items()}


def _plain(line: str) -> str:
    """What a container said, without colours and the container's random name; or nothing."""
    match = re.fullmatch(r"\x1b\[\d+m\S+ \|\x1b\[0m (.*)", line)
    return match[1].rstrip() if match else ""


def measure(runs: int) -> dict[str, list[float]]:
    sys.path.insert(0, str(ROOT / "tests"))
    from shared import imdb_rows

    python = install_sdk()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "reviews.csv"
        with data.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["review", "sentiment"])
            writer.writerows([row["text"], row["label"]] for row in imdb_rows(REVIEWS))
        for number in range(runs):
            folder = Path(name) / str(number)
            seconds = {
                "process": ours("process", data, folder / "process"),
                "container": ours("container", data, folder / "container"),
                "sdk": of_the_sdk(python, data, folder / "sdk"),
            }
            for how, steps in seconds.items():
                for step, value in steps.items():
                    found.setdefault(f"{how}_{step.lower()}_seconds", []).append(value)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3, help="(%(default)s)")
    figures: dict[str, Any] = {
        key: spread(values) for key, values in measure(parser.parse_args().runs).items()
    }
    sizes = {target: engine.size(sources.local(target)) for target in sources.TARGETS}
    dockerfile = (ROOT / sources.DOCKERFILE).read_text()
    sizes["base"] = engine.size(re.findall(r"^ARG BASE=(\S+)", dockerfile, re.MULTILINE)[0])
    record(RESULTS, figures, image_bytes=sizes)
    for name, value in sorted(figures.items()):
        print(f"{name:32} {value['median']:8.2f}  ({value['min']:.2f} to {value['max']:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
