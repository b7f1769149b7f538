"""What CI shows of an execution: Markdown that nothing in a log or a reason can break."""

import re
from pathlib import Path
from typing import Any

import pytest
from scenes import (
    ARN,
    COMMIT,
    EARLIER,
    EVALUATED,
    JOB,
    REGISTERED,
    START,
    deployed,
    execution,
    ran,
    settings_of,
)

from pipeline import outcome
from pipeline.cli import summary
from pipeline.errors import UsageError
from pipeline.outcome import Outcome
from pipeline.places import Console

SETTINGS = settings_of(region="us-east-1", studio_domain="d-1")
CACHED = ran("Deploy", seconds=0, CacheHitResult={"SourcePipelineExecutionArn": EARLIER})


def of(tmp_path: Path, status: str, steps: list[dict[str, Any]], **more: Any) -> Outcome:
    return outcome.of(execution(tmp_path, status, steps, places=Console(SETTINGS), **more), ARN)


def cells(line: str) -> list[str]:
    """Of a row of a table, split as Markdown splits it."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_of_a_run_that_deployed(tmp_path: Path) -> None:
    result = of(tmp_path, "Succeeded", [EVALUATED, REGISTERED, deployed("Deployed")])
    text = summary.markdown(result, SETTINGS)
    assert text.startswith("## sentiment-dev: Succeeded\n")
    assert "| accuracy | 0.9000 (95 % interval 0.8880 to 0.9110) on 2,500 test reviews |" in text
    assert "| gate | passed: the threshold is 0.88 |" in text
    assert "| model | version 7, Approved |" in text
    assert f"| commit | `{COMMIT}` |" in text
    assert f"| studio | [open]({result.link}) |" in text
    assert f"| [Evaluate]({result.steps[0].link}) | Succeeded | 2.0 s |  |" in text
    assert "| TooLow | not run |  |  |" in text
    assert text.endswith("|\n\n")  # the summary of the next step of a CI job follows


def test_a_cached_step_says_so(tmp_path: Path) -> None:
    text = summary.markdown(of(tmp_path, "Succeeded", [CACHED]), SETTINGS)
    since = START.astimezone()
    assert f"| Deploy | cached | 0.0 s | since {since:%Y-%m-%d %H:%M:%S} |" in text


def test_of_a_failure_the_reason_the_log_s_page_and_its_end(tmp_path: Path) -> None:
    failed = {**EVALUATED, "StepStatus": "Failed", "FailureReason": "AlgorithmError: exit code 1"}
    log = [f"line {number}" for number in range(21)]
    result = of(tmp_path, "Failed", [failed], reason="Step Evaluate failed", log=log)
    text = summary.markdown(result, SETTINGS)
    assert "| reason | Step Evaluate failed |" in text
    assert f"| Failed | 2.0 s | AlgorithmError: exit code 1 ([log]({result.steps[0].log})) |" in text
    assert "### The end of the log of Evaluate\n\n```text\nline 1\n" in text
    assert "line 20\n```\n" in text


HOSTILE = "a|b\n| c | <script>alert(1)</script> [x](http://x) `rm` **b** $x$ \\| #1"


def test_a_reason_cannot_end_a_cell_or_become_markup(tmp_path: Path) -> None:
    failed = ran("Evaluate", "Failed", FailureReason=HOSTILE)
    text = summary.markdown(of(tmp_path, "Failed", [failed], reason=HOSTILE), SETTINGS)
    facts = next(line for line in text.splitlines() if line.startswith("| reason "))
    step = next(line for line in text.splitlines() if line.startswith("| Evaluate "))
    for line, width in ((facts, 2), (step, 4)):
        assert len(cells(line)) == width
        bare = re.sub(r"\\.", "", cells(line)[-1])  # what is left to Markdown
        assert not set("|<>[]`*$\\#") & set(bare)
        assert "script" in bare
    assert re.sub(r"\\(.)", r"\1", cells(facts)[-1]) == HOSTILE.replace("\n", " ")


def test_a_log_cannot_end_its_block_and_a_long_line_is_cut(tmp_path: Path) -> None:
    log = ["```", "````` </details>", "x" * 5000]
    failed = {**EVALUATED, "StepStatus": "Failed"}
    text = summary.markdown(of(tmp_path, "Failed", [failed], log=log), SETTINGS)
    block = text[text.index("``````text") :].splitlines()
    assert block[1:3] == log[:2]
    assert block[3] == "x" * summary.LINE + "…"
    assert block[4] == "``````"


def test_it_is_appended_to_the_page_of_github_and_replaces_a_file(tmp_path: Path) -> None:
    result = of(tmp_path, "Succeeded", [EVALUATED])
    page, file = tmp_path / "page.md", tmp_path / "summary.md"
    page.write_text("before\n")
    file.write_text("of an earlier run")
    summary.write(result, SETTINGS, file, {"GITHUB_STEP_SUMMARY": str(page)})
    text = summary.markdown(result, SETTINGS)
    assert page.read_text(encoding="utf-8") == f"before\n{text}"
    assert file.read_text(encoding="utf-8") == text
    names = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert names == {"page.md", "summary.md", "evaluation.json"}


def test_without_either_nothing_is_written(tmp_path: Path) -> None:
    result = of(tmp_path, "Succeeded", [EVALUATED])
    before = sorted(tmp_path.iterdir())
    summary.write(result, SETTINGS, None, {"GITHUB_STEP_SUMMARY": ""})
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_cannot_be_written_is_named_before_the_run(tmp_path: Path) -> None:
    for file in (tmp_path / "absent" / "summary.md", tmp_path):
        with pytest.raises(UsageError, match=f"--summary {file}: name a file"):
            summary.check(file)
    summary.check(tmp_path / "summary.md")
    summary.check(None)
    assert list(tmp_path.iterdir()) == []


def test_a_summary_of_a_step_that_still_runs_has_no_empty_numbers(tmp_path: Path) -> None:
    running = ran("Evaluate", "Executing", seconds=None, Metadata={"ProcessingJob": {"Arn": JOB}})
    text = summary.markdown(of(tmp_path, "Executing", [running]), SETTINGS)
    assert "| Register | waiting |  |  |" in text
    assert "None" not in text
