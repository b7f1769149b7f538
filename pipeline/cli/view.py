"""How a running execution is shown: a table that changes on a terminal, a line for each change elsewhere."""

import re
import time
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

from pipeline.control import ENDED, Step, in_short
from pipeline.dag import Definition
from pipeline.places import Places
from pipeline.watch import Event, JobStarted, LogLine, StatusChanged, StepChanged

if TYPE_CHECKING:
    from rich.table import Table

_EPOCH = re.compile(r"epoch=\d+ ")


class View(Protocol):
    def show(self, event: Event) -> None: ...

    def __enter__(self) -> "View": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def view(stream: TextIO, definition: Definition, places: Places) -> View:
    return LiveView(stream, definition, places) if stream.isatty() else PlainView(stream, places)


def describe(step: Step) -> str:
    """ "Succeeded in 12.3 s", "cached, since …", "Failed after 3.1 s: out of memory"."""
    if step.cached_from:
        return step.note
    if step.status not in ENDED or step.seconds is None:
        return step.status
    word = "in" if step.status == "Succeeded" else "after"
    return f"{step.status} {word} {step.seconds:.1f} s" + (
        f": {in_short(step.reason)}" if step.reason else ""
    )


class PlainView:
    def __init__(self, stream: TextIO, places: Places) -> None:
        self._stream, self._places = stream, places

    def show(self, event: Event) -> None:
        if isinstance(event, StatusChanged):
            self._line(f"execution {event.status}")
        elif isinstance(event, JobStarted):
            if link := self._places.job(event.step):
                self._line(f"{event.step.name}: {link}")
        elif isinstance(event, LogLine):
            if _EPOCH.match(event.line):
                self._line(f"{event.step}: {event.line}")
        elif event.before:
            self._line(f"{event.step.name}: done before")
        else:
            step = event.step
            self._line(f"{step.name}: {describe(step)}")
            if step.note and not step.cached_from and step.status in ENDED:
                self._line(f"{step.name}: it ran, because: {step.note}")

    def _line(self, text: str) -> None:
        print(f"{datetime.now():%H:%M:%S}  {text}", file=self._stream, flush=True)

    def __enter__(self) -> "PlainView":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class LiveView:
    """One row a step: name, state, time, and the last line of its log while it runs. It goes when the
    execution ends; the epochs stay, and what came of the steps is in the text that a run ends with."""

    def __init__(self, stream: TextIO, definition: Definition, places: Places) -> None:
        from rich.console import Console
        from rich.live import Live

        self._names, self._places = list(definition.steps), places
        self._steps: dict[str, Step] = {}
        self._lines: dict[str, str] = {}
        self._links: dict[str, str] = {}  # step -> the page of its job
        self._seen: dict[str, float] = {}  # step -> when it was first seen, on this machine's clock
        self._console = Console(file=stream)
        self._live = Live(
            get_renderable=self._table, console=self._console, refresh_per_second=4, transient=True
        )

    def show(self, event: Event) -> None:
        if isinstance(event, LogLine):
            if _EPOCH.match(event.line):
                line = event.line.partition(" seconds=")[0]  # the rest fits 80 columns
                self._console.print(line, markup=False, highlight=False)
            elif event.line.strip():
                self._lines[event.step] = event.line.strip()
        elif isinstance(event, JobStarted):
            if link := self._places.job(event.step):
                self._links[event.step.name] = link
        elif isinstance(event, StepChanged):
            self._steps[event.step.name] = event.step
            self._seen.setdefault(event.step.name, time.monotonic())

    def _table(self) -> "Table":
        from rich.table import Table
        from rich.text import Text

        # Room for the ^C that a terminal echoes behind the last row: on a line of its own it would put Live
        # out of step.
        table = Table(box=None, padding=(0, 2, 0, 0), width=self._console.width - 2)
        table.add_column("Step", no_wrap=True, width=max(map(len, self._names)))
        table.add_column("State", no_wrap=True, width=9)
        table.add_column("Time", no_wrap=True, width=8)
        table.add_column("", no_wrap=True, ratio=1)  # gets the rest of the line, and is cut to it
        for name in self._names:
            step = self._steps.get(name)
            if step is None:
                table.add_row(Text(name, style="dim"), Text("-", style="dim"), "", "")
                continue
            running = step.status not in ENDED
            seconds = time.monotonic() - self._seen[name] if running else step.seconds or 0
            detail = self._lines.get(name, "") if running else in_short(step.reason) or step.note
            state = "Cached" if step.cached_from else step.status
            style = {"Succeeded": "green", "Cached": "cyan", "Failed": "red", "Stopped": "yellow"}.get(
                state, "bold"
            )
            title = Text(name, style=f"link {self._links[name]}" if name in self._links else "")
            table.add_row(title, Text(state, style=style), f"{seconds:.1f} s", Text(detail))
        return table

    def __enter__(self) -> "LiveView":
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)
