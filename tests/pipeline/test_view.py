"""How an execution looks while it runs: a table that changes on a terminal, a line a change elsewhere."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from scenes import START, TRAINING_JOB, settings_of

from pipeline.cli.view import LiveView, PlainView, View, view
from pipeline.control import Step
from pipeline.dag import Definition
from pipeline.places import Console, Folders
from pipeline.watch import JobStarted, LogLine, StatusChanged, StepChanged

DEFINITION = Definition.parse(
    '{"Steps": [{"Name": "Fetch", "Type": "Processing"}, {"Name": "Prepare", "Type": "Processing"},'
    ' {"Name": "Train", "Type": "Training"}]}'
)
HERE, THERE = Folders(Path("unused")), Console(settings_of(region="eu-west-1"))
JOB_PAGE = "https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1#/jobs/job-1"


def state(name: str, status: str, seconds: float | None = None, **more: str) -> Step:
    ended = None if seconds is None else START + timedelta(seconds=seconds)
    metadata = {"TrainingJob": {"Arn": TRAINING_JOB}} if name == "Train" else {}
    return Step(
        name,
        status,
        START,
        ended,
        more.get("reason", ""),
        metadata,
        cached_from=more.get("cached", ""),
        note=more.get("note", ""),
    )


EVENTS = [
    StatusChanged("Executing", ""),
    StepChanged(state("Fetch", "Succeeded", 7.6), before=True),
    StepChanged(state("Prepare", "Succeeded", 0, cached="arn", note="cached, since 2026-11-24 10:00:00")),
    StepChanged(state("Train", "Executing")),
    JobStarted(state("Train", "Executing")),
    LogLine("Train", "loading"),
    LogLine("Train", "epoch=1 train_loss=0.5"),
    StepChanged(state("Train", "Failed", 12.34, reason="out of memory\nTraceback", note="epochs changed")),
    StatusChanged("Failed", "why"),
]
LINES = [
    "execution Executing",
    "Fetch: done before",
    "Prepare: cached, since 2026-11-24 10:00:00",
    "Train: Executing",
    "Train: epoch=1 train_loss=0.5",
    "Train: Failed after 12.3 s: out of memory …",
    "Train: it ran, because: epochs changed",
    "execution Failed",
]


def play(shown: View) -> Iterator[None]:
    with shown:
        for event in EVENTS:
            shown.show(event)
            yield


@pytest.mark.parametrize(
    ("places", "lines"), [(HERE, LINES), (THERE, [*LINES[:4], f"Train: {JOB_PAGE}", *LINES[4:]])]
)
def test_elsewhere_than_on_a_terminal_each_change_is_a_line(
    places: Folders | Console, lines: list[str]
) -> None:
    stream = io.StringIO()
    shown = view(stream, DEFINITION, places)
    assert isinstance(shown, PlainView)
    list(play(shown))
    assert [line.partition("  ")[2] for line in stream.getvalue().splitlines()] == lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("places", [HERE, THERE])
def test_on_a_terminal_there_is_a_row_for_each_step(
    places: Folders | Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    shown = view(terminal, DEFINITION, places)
    assert isinstance(shown, LiveView)
    list(play(shown))
    last = terminal.getvalue()[terminal.getvalue().rindex("Step") :]
    assert "7.6 s" in last
    assert "Cached" in last
    assert "12.3 s" in last
    assert "out of memory" in last
    assert (f";{JOB_PAGE}\x1b\\Train" in last) == (places is THERE)  # a link behind the name


def test_on_a_terminal_the_epochs_stay_and_80_columns_hold_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    terminal, train = Terminal(), "AccuracyTooLow"  # as wide as the names of the pipeline's steps
    epoch = "epoch=10 train_loss=0.5312 validation_loss=0.4011 validation_accuracy=0.8421"
    left = "epoch 10/10, batch 421/623, 1500 s left"
    definition = Definition.parse(f'{{"Steps": [{{"Name": "{train}", "Type": "Training"}}]}}')
    with view(terminal, definition, HERE) as shown:
        shown.show(StepChanged(state(train, "Executing")))
        shown.show(LogLine(train, f"{epoch} seconds=31.2"))
        shown.show(LogLine(train, left))
    written = terminal.getvalue()
    assert written.count(f"{epoch}\n") == 1
    assert left in written[written.index(epoch) :]


def test_a_view_that_was_left_can_be_entered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when Ctrl-C asks, and the answer is that the execution is to be stopped."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    shown = view(terminal, DEFINITION, HERE)
    with shown:
        shown.show(StepChanged(state("Train", "Executing")))
    between = len(terminal.getvalue())
    with shown:
        shown.show(StepChanged(state("Train", "Stopped", 3)))
    assert "Stopped" in terminal.getvalue()[between:]
