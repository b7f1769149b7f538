"""Small real data and models for tests, made by the scripts themselves, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

STEPS = Path(__file__).parent.parent / "steps"
SMALL = ("--embedding-size", "16", "--hidden-size", "8", "--batch-size", "64", "--threads", "1")


def prepare(reviews: Path, folder: Path, *more: str) -> Path:
    """What preprocess.py makes of a file of reviews."""
    arguments = ["--input", reviews, "--output", folder, "--workers", "1", "--vocabulary-size", "2000", *more]
    subprocess.run([sys.executable, STEPS / "preprocess.py", *arguments], check=True, capture_output=True)
    return folder


def training_command(data: Path, folder: Path, *more: str) -> list[str]:
    """A call of train.py that writes folder/{model,data} and keeps its checkpoints in folder/checkpoints."""
    channels = [
        part for name in ("train", "validation", "vocabulary") for part in (f"--{name}", str(data / name))
    ]
    results = ["--model-dir", str(folder / "model"), "--output-data-dir", str(folder / "data")]
    checkpoints = ["--checkpoint-dir", str(folder / "checkpoints")]
    return [sys.executable, str(STEPS / "train.py"), *channels, *results, *checkpoints, *SMALL, *more]


def train(data: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SM_OUTPUT_DIR": str(folder)}
    command = training_command(data, folder, *more)
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
