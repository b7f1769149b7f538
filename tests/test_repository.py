"""What is true of the whole repository: the README's generated parts, the direction of imports."""

import ast
import sys
from pathlib import Path

import pytest

from benchmarks.readme import README, rendered
from shared import ROOT

# What each image of a step has besides Python; deploy.py is a Lambda function, whose image has boto3.
IN_IMAGES = {"numpy", "pandas", "pyarrow", "torch", "safetensors", "nltk", "bs4", "boto3", "botocore"}
STEPS = sorted((ROOT / "steps").glob("*.py"))


def test_the_generated_parts_of_the_readme_are_up_to_date():
    text = README.read_text()
    assert rendered(text) == text, "run: python -m benchmarks.readme"


def imported(path: Path) -> set[str]:
    """The top-level names of all that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", STEPS, ids=lambda path: path.name)
def test_a_step_imports_only_what_its_image_has(path):
    siblings = {step.stem for step in STEPS}
    outside = {name.partition(".")[0] for name in imported(path)} - siblings - set(sys.stdlib_module_names)
    assert outside <= IN_IMAGES


def test_the_local_service_knows_nothing_of_this_pipeline():
    allowed = (
        "pipeline.local",
        "pipeline.cache_keys",
        "pipeline.dag",
        "pipeline.docker",
        "pipeline.durations",
        "pipeline.errors",
        "pipeline.images.addresses",
    )
    for path in (ROOT / "pipeline" / "local").rglob("*.py"):
        for name in imported(path):
            if name.startswith(("pipeline", "steps", "containers")):
                assert name == "pipeline" or name.startswith(
                    (*allowed, "pipeline.service_model", "pipeline.storage")
                ), f"{path} imports {name}"
        for word in ("Preprocess", "AccuracyGate", "sentiment", "evaluation.json"):
            assert word not in path.read_text(), f"{path} names {word}"
