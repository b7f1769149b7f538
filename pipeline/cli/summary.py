"""What came of an execution as Markdown: for the summary page of a CI job, or a file.

Everything that is not ours (reasons, log lines) is escaped: it must not end a table or become markup.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.cli import report
from pipeline.errors import UsageError
from pipeline.outcome import NOT_RUN, WAITING, Outcome, StepOutcome
from pipeline.settings import Settings

GITHUB = "GITHUB_STEP_SUMMARY"  # the file that GitHub Actions shows
LINE = 500  # characters kept of a line of a log
_MARKDOWN = re.compile(r"([\\`*_\[\]#!|~<>&$])")


def check(file: Path | None) -> None:
    """Raises UsageError where --summary names a file that cannot be written; before a run, not after it."""
    if file and not (file.parent.is_dir() and os.access(file.parent, os.W_OK) and not file.is_dir()):
        raise UsageError(f"--summary {file}: name a file in a folder that exists and can be written to")


def write(
    result: Outcome, settings: Settings, file: Path | None, variables: Mapping[str, str] = os.environ
) -> None:
    """Append to $GITHUB_STEP_SUMMARY where it is set, and write `file`, whole or not at all.

    Raises OSError, naming the file.
    """
    text = markdown(result, settings)
    if page := variables.get(GITHUB):
        with Path(page).open("a", encoding="utf-8") as stream:
            stream.write(text)
    if file:
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)


def markdown(result: Outcome, settings: Settings) -> str:
    return "\n".join([*_lines(result, settings), "", ""])


def _lines(result: Outcome, settings: Settings) -> Iterator[str]:
    yield f"## {escaped(settings.pipeline)}: {escaped(result.status)}"
    yield ""
    yield from ("| | |", "| --- | --- |")
    for name, value in report.facts(result):
        yield f"| {name} | {_linked(value)} |"
    for name, value in result.lineage.items():
        yield f"| {name} | `{value}` |"
    yield ""
    yield from ("| step | state | time | |", "| --- | --- | ---: | --- |")
    for step in result.steps:
        yield f"| {_name(step)} | {_state(step)} | {_time(step)} | {_note(step)} |"
    for step in result.steps:
        if step.log_end:
            yield from ("", f"### The end of the log of {escaped(step.name)}", "", *_block(step.log_end))


def escaped(text: str) -> str:
    """ "a|b" -> "a\\|b"; one line, with nothing left that Markdown or HTML would take for its own."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _linked(text: str) -> str:
    return f"[open]({text})" if text.startswith("https://") else escaped(text)


def _name(step: StepOutcome) -> str:
    return f"[{escaped(step.name)}]({step.link})" if step.link else escaped(step.name)


def _state(step: StepOutcome) -> str:
    if step.cached:
        return "cached"
    return {NOT_RUN: "not run", WAITING: "waiting"}.get(step.status, step.status)


def _time(step: StepOutcome) -> str:
    return "" if step.seconds is None else f"{step.seconds:,.1f} s"


def _note(step: StepOutcome) -> str:
    """Why it failed, was cached, or ran."""
    note = escaped(
        step.reason.removeprefix("cached").removeprefix(", ") if step.cached else step.reason_beside_log
    )
    if step.status == "Failed" and step.log and step.log.startswith("https://"):
        note = f"{note} ([log]({step.log}))".strip()
    return note


def _block(lines: list[str]) -> Iterator[str]:
    """Lines of a log as they are, behind a fence that is longer than any in them."""
    longest = max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}text"
    yield from (line if len(line) <= LINE else f"{line[:LINE]}…" for line in lines)
    yield fence
