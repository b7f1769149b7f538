"""lint: the findings in the definition of an environment. Nothing is called."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline import settings
from pipeline.cli.show import definition_of
from pipeline.lint import errors, lint


def run(environment: str, flags: Mapping[str, Any], as_json: bool) -> int:
    """Print the findings; 2 when there is an error among them."""
    config = settings.load(environment, flags)
    findings = lint(definition_of(config), config)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(finding)
        print(_summary(environment, len(errors(findings)), len(findings)))
    return 2 if errors(findings) else 0


def _summary(environment: str, wrong: int, found: int) -> str:
    """("dev", 1, 3) -> "dev: 1 error, 2 other findings" """
    if not found:
        return f"{environment}: no findings"
    parts = [(wrong, "error"), (found - wrong, "other finding")]
    return f"{environment}: " + ", ".join(
        f"{count} {word}{'' if count == 1 else 's'}" for count, word in parts if count
    )
