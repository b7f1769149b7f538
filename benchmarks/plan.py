"""What --plan costs before anything is done on AWS: compiling, and comparing with the live pipeline.

python -m benchmarks.plan [--runs N]   (or: make bench)

Each run is the real command in a process of its own, against the AWS account of the tests: moto's server on
loopback, where the pipeline exists. benchmarks.clocked takes the share of the SageMaker SDK and that of AWS's
clients; all the rest, Python's start included, counts as the project's own. Real AWS answers more slowly than
loopback.
Writes benchmarks/results/plan.json and exits with 1, naming the figure, when a median breaks its promise.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.record import FOLDER, ROOT, faulty, record, spread

RESULTS = FOLDER / "plan.json"
PROMISES = {"plan_seconds": 10.0, "own_seconds": 0.5, "again_own_seconds": 0.5}  # at most


def plan(variables: dict[str, str], folder: Path) -> dict[str, float]:
    """Seconds of one --plan: {"all": 5.1, "sdk": 4.0, "aws": 0.7, "own": 0.4}."""
    spent = folder / "spent.json"
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.clocked", spent, "--plan", "--env", "dev"],
        cwd=ROOT,
        env=variables,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - began
    shares: dict[str, float] = json.loads(spent.read_text())
    return {"all": seconds, **shares, "own": seconds - sum(shares.values())}


def measure(runs: int) -> dict[str, list[float]]:
    sys.path.insert(0, str(ROOT / "tests"))
    from aws_account import Account, command

    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, Account().serving() as account:
        account.furnish()
        variables = account.variables(Path(name) / "upsert")
        upserted = command(variables, "--upsert", "--env", "dev")
        if upserted.returncode:
            sys.exit(f"the pipeline could not be made: {upserted.stderr}")
        for number in range(runs):
            variables["PIPELINE_HOME"] = str(Path(name) / str(number))  # nothing is kept from before
            first, again = plan(variables, Path(name)), plan(variables, Path(name))
            figures = {
                "plan_seconds": first["all"],
                "sdk_seconds": first["sdk"],
                "aws_seconds": first["aws"],
                "own_seconds": first["own"],
                "again_seconds": again["all"],
                "again_own_seconds": again["own"],
            }
            for key, value in figures.items():
                found.setdefault(key, []).append(value)
    return found


def broken(result: dict[str, Any]) -> list[str]:
    """The promises that a result does not keep."""
    medians = {figure: result["figures"][figure]["median"] for figure in PROMISES}
    return [
        f"{figure} is {median:.3f}; promised is at most {PROMISES[figure]:g}"
        for figure, median in medians.items()
        if median > PROMISES[figure]
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7, help="(%(default)s)")
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error(f"--runs is {runs}; it must be at least 1")
    result = record(RESULTS, {key: spread(values) for key, values in measure(runs).items()})
    table = Table("figure", "median", "promised", "min", "max", "runs")
    for key, value in result["figures"].items():
        promised = f"at most {PROMISES[key]:g}" if key in PROMISES else ""
        median, low, high = (f"{value[column]:.3f}" for column in ("median", "min", "max"))
        table.add_row(key, median, promised, low, high, str(value["runs"]))
    Console().print(table)
    return faulty(broken(result))


if __name__ == "__main__":
    sys.exit(main())
