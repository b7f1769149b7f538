"""A plan as a person reads it.

    + is added   ~ changes   - is removed

The text depends on the plan alone, so that two of them can be compared. Hashes are cut to what tells them
apart; as_json has them whole. Colour comes on top, and only on a terminal.
"""

import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TextIO

from pipeline.diff import Change, Part
from pipeline.plan import Plan
from pipeline.prices import Estimate
from pipeline.reruns import Rerun

WIDTH = 100  # a longer change takes two lines
_INDENT = "  "
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")
_SIGNS = {"add": "+", "change": "~", "remove": "-"}
_COLOURS = {"+ ": "32", "~ ": "33", "- ": "31"}  # green, yellow, red


def show(plan: Plan, stream: TextIO) -> None:
    coloured = stream.isatty() and not os.environ.get("NO_COLOR")
    for line in lines(plan):
        colour = _COLOURS.get(line.lstrip()[:2]) if coloured and line.startswith(_INDENT) else None
        print(f"\033[{colour}m{line}\033[0m" if colour else line, file=stream)


def lines(plan: Plan) -> Iterator[str]:
    settings = plan.settings
    place = f"environment {settings.environment}, account {settings.account}, {settings.region}"
    yield f"Pipeline {settings.pipeline} ({place})"
    if plan.note:
        yield f"Note: {plan.note}"
    new = plan.action == "create"
    sections: list[tuple[str, Iterable[str]]] = [
        ("Uploads", _uploads(plan)),
        ("Model package group", [f"+ {settings.model_package_group}"] if plan.new_group else []),
        ("The pipeline itself", _changes(plan.changes)),
        ("Parameters", _parameters(plan.parameters)),
        ("Steps", _steps(plan.steps, whole=not new)),
        ("Steps that run again: their earlier results no longer fit", _reruns(plan.reruns, always=False)),
    ]
    if not plan.nothing_to_do and not new:
        sections.append(("Steps that run every time on SageMaker", _reruns(plan.reruns, always=True)))
    sections.append(("Price of a run on SageMaker", _price(plan.price)))
    for title, found in sections:
        if body := [f"{_INDENT}{line}" for line in found]:
            yield from ("", title, *body)
    yield from ("", summary(plan))


def summary(plan: Plan) -> str:
    """In one line: "Plan: 2 uploads (66.2 MB); update the pipeline (steps: 1 to add, 2 to change)." """
    at_hand = plan.compared == "file"
    if plan.nothing_to_do:
        same = "the definition at hand" if at_hand else f"the pipeline {plan.settings.pipeline}"
        return f"Nothing to do: {same} is what these sources make."
    parts = []
    if plan.uploads:
        parts.append(
            f"{_count(len(plan.uploads), 'upload')} ({_size(sum(each.size for each in plan.uploads))})"
        )
    if plan.new_group:
        parts.append("create the model package group")
    if plan.action == "create":
        parts.append(f"create the pipeline with {_count(len(plan.steps), 'step')}")
    elif plan.action == "update":
        parts.append(f"update the pipeline ({_tally(plan)})")
    asked = " No account was asked: this compares with a definition at hand." if at_hand else ""
    return f"Plan: {'; '.join(parts)}.{asked}"


def _tally(plan: Plan) -> str:
    """ "steps: 1 to add, 2 to change; settings: 1 to change" """
    found = {
        "steps": [_SIGNS[part.action] for part in plan.steps],
        "parameters": [_SIGNS[part.action] for part in plan.parameters],
        "settings": [_sign_of(change) for change in plan.changes],
    }
    return "; ".join(
        f"{what}: "
        + ", ".join(f"{signs.count(sign)} to {verb}" for verb, sign in _SIGNS.items() if sign in signs)
        for what, signs in found.items()
        if signs
    )


def _uploads(plan: Plan) -> Iterator[str]:
    yield from _table(
        (f"+ {each.what}", _count(len(each.files), "file"), _size(each.size), _short(each.uri))
        for each in plan.uploads
    )


def _sign_of(change: Change) -> str:
    return "+" if change.before is None else "-" if change.after is None else "~"


def _changes(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        yield from _change(f"{_sign_of(change)} {change.path}:", change)


def _change(start: str, change: Change) -> Iterator[str]:
    values = [_short(value) for value in (change.before, change.after) if value is not None]
    line = f"{start} {' -> '.join(values)}"
    if len(line) <= WIDTH or len(values) == 1:
        yield line
    else:
        yield from (start, f"       {values[0]}", f"    -> {values[1]}")


def _parameters(parts: Iterable[Part]) -> Iterator[str]:
    """+ Warmup: Integer, default 0    ~ Epochs: default 2 -> 3    - Patience"""
    for part in parts:
        start = f"{_SIGNS[part.action]} {part.name}"
        default = next((change for change in part.changes if change.path == "DefaultValue"), None)
        if part.action == "remove":
            yield start
        elif part.action == "add":
            yield f"{start}: {part.kind}" + (f", default {_short(default.after or '')}" if default else "")
        else:
            for change in part.changes:
                yield from _change(f"{start}: {'default' if change is default else change.path}", change)


def _steps(parts: Iterable[Part], whole: bool) -> Iterator[str]:
    """`whole`: with the content of the steps that are added; of a new pipeline that is everything."""
    for part in parts:
        yield f"{_SIGNS[part.action]} {part.name} ({part.kind})" + (
            f": {part.description}" if part.description else ""
        )
        if part.action == "change" or (whole and part.action == "add"):
            said = ("Type", "DisplayName") if part.action == "add" else ()
            shown = [change for change in part.changes if change.path not in said]
            yield from (f"{_INDENT * 2}{line}" for line in _changes(shown))


def _reruns(reruns: Iterable[Rerun], always: bool) -> Iterator[str]:
    shown = [rerun for rerun in reruns if rerun.always == always]
    width = max((len(rerun.step) for rerun in shown), default=0)
    for rerun in shown:
        for name, reason in zip_longest((rerun.step,), rerun.reasons, fillvalue=""):
            yield f"{name:<{width}}  {_short(reason)}"


def _price(price: Estimate) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("", "", "$ an hour", "like the last", "at most")]
    for row in price.rows:
        cost = f"{_dollars(row.cost)} in {_time(row.seconds)}" if row.seconds is not None else "unknown"
        most = (
            f"{_dollars(row.most)} in {_time(row.most_seconds)}"
            if row.most_seconds is not None
            else "no limit"
        )
        rows.append((row.name, row.instance_type, _hourly(row.price_per_hour), cost, most))
    endless = [row.name for row in price.rows if row.most_seconds is None]
    most = _dollars(price.most) + (f", without {' and '.join(endless)}" if endless else "")
    rows.append(("All jobs", "", "", _dollars(price.total), most))
    rows.append(("Endpoint", "as long as it is there", _hourly(price.endpoint_per_hour), "", ""))
    if all(row.seconds is None for row in price.rows):  # nothing has run yet, or it was not asked
        rows = [(*row[:3], *row[4:]) for row in rows]
    yield from _table(rows)
    yield from textwrap.wrap(price.note, WIDTH)


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _size(count: int) -> str:
    from rich.filesize import decimal

    return decimal(count)


def _hourly(price: float | None) -> str:
    return "unknown" if price is None else f"{price:.3f}"


def _dollars(cost: float | None) -> str:
    """0.0019 -> "under $0.01": nothing is free."""
    if cost is None:
        return "unknown"
    return f"${cost:,.2f}" if cost >= 0.01 else "under $0.01"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h".replace(".0 h", " h")


def _short(text: str) -> str:
    return _HASH.sub("\\1…", text)
