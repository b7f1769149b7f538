"""Real reviews as text, and a Python of its own for what a script imports."""

import csv
import os
import subprocess
import sys
from pathlib import Path

STEPS = Path(__file__).parents[2] / "steps"


def texts_of(table: Path) -> list[str]:
    with table.open(encoding="utf-8", newline="") as stream:
        return [row["review"] for row in csv.DictReader(stream)]


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code with steps/ as its folder, as in a job."""
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(STEPS)}
    return subprocess.run(command, env=environment, capture_output=True, text=True)
