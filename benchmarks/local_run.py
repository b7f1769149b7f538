"""What one local run costs, and what the next ones: time, memory, accuracy, and the executor's share of a
step; each beside what the project promises on 2 cores.

python -m benchmarks.local_run [--runs N]   (or: make bench)

Every run is the real command on the real 25,000 reviews in a state folder of its own. Where two things are
compared, both are measured in this one call, in turn. Writes benchmarks/results/local_run.json, prints the
same as a table, and exits with 1, naming the figure, when a median breaks its promise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.record import FOLDER, ROOT, faulty, record, spread

RESULTS = FOLDER / "local_run.json"
PROMISES = {  # figure: what its median must be
    "seconds": ("at most", 240.0),
    "peak_memory_gb": ("at most", 3.0),
    "accuracy": ("at least", 0.88),
    "preprocess_seconds": ("at most", 15.0),
    "again_seconds": ("at most", 10.0),
    "executor_added_seconds_a_step": ("at most", 0.5),
    "help_seconds": ("at most", 0.5),
}
JOBS = ["Evaluate", "Predict", "Preprocess", "Train"]  # which are cached when a run is repeated


def command(home: Path, *arguments: str, module: str = "pipeline.run") -> tuple[dict[str, Any], float, float]:
    """Run a command of the project. Returns its JSON (if any), its seconds, and the peak memory of its
    processes, in GB."""
    environment = {**os.environ, "PIPELINE_HOME": str(home)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peak))
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    seconds = time.perf_counter() - began
    return (json.loads(output) if output.startswith(b"{") else {}), seconds, peak[0]


def _watch(process: subprocess.Popen[bytes], peak: list[float]) -> None:
    root = psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        for each in [root, *_children(root)]:
            try:
                total += each.memory_info().rss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total / 1e9)
        time.sleep(0.1)


def _children(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.Error:
        return []


def whole_run(folder: Path) -> dict[str, Any]:
    """From an empty state folder; then the same again, and a failed gate, both on that state."""
    home = folder / "state"
    first, seconds, gigabytes = command(home, "--local", "--json")
    if first.get("status") != "Succeeded":
        sys.exit(f"the run did not succeed: {first.get('failure_reason', 'it said nothing')}")
    again, again_seconds, _ = command(home, "--local", "--json")
    gated, gated_seconds, _ = command(home, "--local", "--json", "--set", "AccuracyThreshold=0.99")
    steps = {step["name"]: step for step in first["steps"]}
    return {
        "accuracy": first["accuracy"],
        "seconds": seconds,
        "peak_memory_gb": gigabytes,
        "preprocess_seconds": steps["Preprocess"]["seconds"],
        "train_seconds": steps["Train"]["seconds"],
        "transform_seconds": steps["Predict"]["seconds"],
        "again_seconds": again_seconds,
        "again_cached": sorted(step["name"] for step in again["steps"] if step["cached"]),
        "gated_status": gated["status"],
        "gated_seconds": gated_seconds,
        "last_lines": last_lines(home, first["execution"]),
    }


def last_lines(home: Path, execution: str) -> list[str]:
    """What `runs show` prints of a run, which is what the run itself ended with; the state folder under its
    usual name."""
    environment = {**os.environ, "PIPELINE_HOME": str(home)}
    show = [sys.executable, "-m", "pipeline", "runs", "show", execution]
    output = subprocess.run(
        show, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    return output.replace(str(home), ".pipeline").strip().splitlines()


SCRIPT = "import sys; sys.exit(0)"


def executor_share(folder: Path, steps: int = 10) -> dict[str, float]:
    """Seconds that the executor adds to a step: steps of one idle Python each, against the same processes
    alone."""
    import boto3

    from pipeline.local import LocalSageMaker

    definition = {
        "Version": "2020-12-01",
        "Steps": [
            {
                "Name": f"Idle{number}",
                "Type": "Processing",
                "DependsOn": [f"Idle{number - 1}"] if number else [],
                "Arguments": {
                    "RoleArn": "arn:aws:iam::000000000000:role/Benchmark",
                    "AppSpecification": {
                        "ImageUri": "none",
                        "ContainerEntrypoint": ["python3", "-c", SCRIPT],
                    },
                    "ProcessingResources": {
                        "ClusterConfig": {
                            "InstanceCount": 1,
                            "InstanceType": "ml.m5.large",
                            "VolumeSizeInGB": 1,
                        }
                    },
                    "NetworkConfig": {"EnableNetworkIsolation": True},
                },
            }
            for number in range(steps)
        ],
    }
    began = time.perf_counter()
    for _ in range(steps):
        subprocess.run([sys.executable, "-c", SCRIPT], check=True)
    alone = time.perf_counter() - began
    with LocalSageMaker(folder / "idle") as service:
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
        client = boto3.client("sagemaker", endpoint_url=service.url, **keys)
        client.create_pipeline(
            PipelineName="idle",
            PipelineDefinition=json.dumps(definition),
            RoleArn="arn:aws:iam::000000000000:role/Benchmark",
            ClientRequestToken="b" * 32,
        )
        began = time.perf_counter()
        arn = client.start_pipeline_execution(PipelineName="idle", ClientRequestToken="c" * 32)[
            "PipelineExecutionArn"
        ]
        while (
            client.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
            == "Executing"
        ):
            time.sleep(0.02)
        inside = time.perf_counter() - began
    return {"alone": alone / steps, "in_a_pipeline": inside / steps, "added": (inside - alone) / steps}


def help_seconds() -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pipeline", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - began


def broken(result: dict[str, Any]) -> list[str]:
    """The promises that a result does not keep."""
    lines = []
    for figure, (bound, limit) in PROMISES.items():
        median = result["figures"][figure]["median"]
        if median > limit if bound == "at most" else median < limit:
            lines.append(f"{figure} is {median:.3f}; promised is {bound} {limit:g}")
    if result["again_cached"] != JOBS:
        lines.append(f"a repeated run takes {result['again_cached']} from the cache; promised is {JOBS}")
    if result["gated_statuses"] != ["Failed"]:
        lines.append(f"a run below its threshold ends as {result['gated_statuses']}; promised is Failed")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=int, default=1, help="whole runs from an empty state, minutes each (%(default)s)"
    )
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error(f"--runs is {runs}; it must be at least 1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shares = [executor_share(folder / str(number)) for number in range(5)]
        helps = [help_seconds() for _ in range(7)]
        wholes = [whole_run(folder / f"whole-{number}") for number in range(runs)]
    figures = {
        key: spread([run[key] for run in wholes]) for key in wholes[0] if isinstance(wholes[0][key], float)
    }
    figures["executor_added_seconds_a_step"] = spread([share["added"] for share in shares])
    figures["help_seconds"] = spread(helps)
    result = record(
        RESULTS,
        figures,
        last_lines=wholes[0]["last_lines"],
        again_cached=sorted(set.intersection(*(set(run["again_cached"]) for run in wholes))),
        gated_statuses=sorted({run["gated_status"] for run in wholes}),
    )
    table = Table("figure", "median", "promised", "min", "max", "runs")
    for key, value in sorted(figures.items()):
        bound, limit = PROMISES.get(key, ("", ""))
        median, low, high = (f"{value[column]:.3f}" for column in ("median", "min", "max"))
        table.add_row(key, median, f"{bound} {limit}", low, high, str(value["runs"]))
    Console().print(table)
    return faulty(broken(result))


if __name__ == "__main__":
    sys.exit(main())
