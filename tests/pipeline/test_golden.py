"""The definition of each environment as reviewed text. After a change that is meant, write them again with:

PYTHONPATH=.:tests python tests/pipeline/test_golden.py
"""

import json
from pathlib import Path

import pytest

from definitions import ENVIRONMENTS, compiled

GOLDEN = Path(__file__).parent / "golden"
REWRITE = str(__doc__).splitlines()[-1]


def golden(environment: str) -> str:
    """Sorted, so that a diff shows what changed and no more; only lists keep their order."""
    return json.dumps(json.loads(compiled(environment)), indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_definition_is_the_one_that_was_reviewed(environment: str) -> None:
    reviewed = (GOLDEN / f"{environment}.json").read_text("utf-8")
    assert golden(environment) == reviewed, f"read the difference; if it is meant: {REWRITE}"


def test_there_is_no_golden_file_without_an_environment() -> None:
    assert sorted(file.stem for file in GOLDEN.iterdir()) == ENVIRONMENTS


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in ENVIRONMENTS:
        (GOLDEN / f"{each}.json").write_text(golden(each), encoding="utf-8")
