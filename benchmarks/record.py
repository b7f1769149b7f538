"""Where figures are kept: a JSON file each, with the machine and the commit that they are of."""

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).parent / "results"


def faulty(faults: list[str]) -> int:
    """Names the promises that are broken; the exit code."""
    for fault in faults:
        print(f"promise broken: {fault}", file=sys.stderr)
    return 1 if faults else 0


Promises = dict[str, tuple[str, float]]  # figure: "at most" or "at least", and the limit


def broken(figures: dict[str, float], promises: Promises) -> list[str]:
    """The promises that are not kept; a figure that was not measured breaks none."""
    return [
        f"{name} is {figures[name]:.2f}; promised is {bound} {limit:g}"
        for name, (bound, limit) in promises.items()
        if name in figures and (figures[name] > limit if bound == "at most" else figures[name] < limit)
    ]


def judge(figures: dict[str, float], promises: Promises) -> int:
    """Print figures beside what is promised of them; the exit code."""
    for name, value in sorted(figures.items()):
        print(f"{name:34} {value:12.2f}  {' '.join(map(str, promises.get(name, ())))}")
    return faulty(broken(figures, promises))


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def record(file: Path, figures: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What is written to the file."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    result = {
        "machine": {
            "cpu_count": os.cpu_count(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        "commit": commit.stdout.strip(),
        "figures": figures,
        **more,
    }
    file.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    return result
