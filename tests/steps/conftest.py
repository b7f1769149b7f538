"""Real reviews, and a Python of its own for what a script imports or how it ends."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = Path(__file__).parents[2] / "steps"


@pytest.fixture(scope="session")
def imdb_sample(small_reviews) -> list[str]:
    """The text of 600 real reviews, negative and positive in turn."""
    with small_reviews.open(encoding="utf-8", newline="") as stream:
        return [row["review"] for row in csv.DictReader(stream)]


@pytest.fixture
def run_python():
    """Run code with steps/ as its folder, as in a job; what it printed."""

    def run(code: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(STEPS)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
