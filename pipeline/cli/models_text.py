"""What is told of a version: a row of a list, all of it, beside another. For people and for --json.

Metadata, notes and names may be a stranger's: for people they are made harmless, JSON escapes them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.cli.report import command
from pipeline.cli.text import shown
from pipeline.evaluation import METRICS, Comparison, Evaluation
from pipeline.lineage import UNKNOWN
from pipeline.registry import APPROVED, COMPLETED, Version

HEAD = ["version", "status", "live", "accuracy", "reviews", "data", "commit", "created", "approver"]
SHORT = 8  # characters of a hash
NAME = 20  # of whom or what has one
_EXECUTION = re.compile(r"[a-z0-9]{1,64}")
_DIRTY = "-dirty"
_OWN_LINE = {"accuracy", "accuracy_threshold", "test_size", "input_data", "commit", "definition", "data"}
_OWN_LINE |= {"training_code", "execution"}


@dataclass(frozen=True)
class Known:
    """All that is known of a version."""

    version: Version
    tested: Evaluation
    live: bool


def brief(known: Known) -> dict[str, Any]:
    """A row of `models list --json`."""
    version, tested = known.version, known.tested
    return {
        "version": version.number,
        "arn": version.arn,
        "status": version.status,
        "package_status": version.package_status,
        "live": known.live,
        "accuracy": tested.accuracy,
        "accuracy_interval": tested.interval,
        "test_size": tested.test_size,
        "data": version.metadata.get("data"),
        "commit": version.metadata.get("commit"),
        "created": _iso(version.created),
        "approver": version.approver or None,
        "note": version.note or None,
    }


def whole(known: Known) -> dict[str, Any]:
    """The object of `models show --json`."""
    version, tested = known.version, known.tested
    return {
        **brief(known),
        "group": version.group,
        "threshold": version.threshold,
        "test_set": tested.test_set,
        "metrics": dict(tested.metrics),
        "evaluation": version.report,
        "evaluation_fault": tested.fault or None,
        "model_data": version.model_data,
        "image": version.image,
        "execution": version.metadata.get("execution"),
        "created_by": version.created_by or None,
        "changed": _iso(version.changed),
        "failures": list(version.failures),
        "metadata": dict(version.metadata),
    }


def cells(known: Known) -> list[str]:
    """A row of the table under HEAD."""
    version, tested = known.version, known.tested
    return [
        str(version.number),
        status(version),
        "live" if known.live else "-",
        _accuracy(tested),
        _counted(tested),
        data(version),
        commit(version),
        _when(version.created),
        approver(version),
    ]


def facts(known: Known, endpoint: str, environment: str) -> Iterator[tuple[str, str]]:
    """("accuracy", "0.9153 (0.9039-0.9256) on 2,500 test reviews"), and so on: whatever there is to say."""
    version, tested, metadata = known.version, known.tested, known.version.metadata
    yield "version", f"{version.number} of {version.group}" + (f", live on {endpoint}" if known.live else "")
    if version.package_status != COMPLETED:
        yield "package", f"{version.package_status}: it cannot be deployed"
        for reason in version.failures:
            yield "reason", shown(reason)
    yield "approval", _approval(version)
    if tested.accuracy is not None:
        tests = f" on {tested.test_size:,} test reviews" if tested.test_size is not None else ""
        yield "accuracy", _accuracy(tested) + tests
        if version.threshold is not None:
            gate = "passed" if tested.accuracy >= version.threshold else "not passed"
            yield "gate", f"{gate}: the threshold was {version.threshold:g}"
    if tested.metrics:
        values = (f"{name} {tested.metrics[name]:.4f}" for name in METRICS if name in tested.metrics)
        yield "metrics", ", ".join(values)
    if tested.test_set:
        yield "test set", shown(tested.test_set)
    if tested.fault:
        yield "warning", f"no evaluation: {shown(tested.fault)}"
    for name, value in (
        ("evaluation", version.report),
        ("model", version.model_data),
        ("image", version.image),
        ("data", metadata.get("data")),
        ("from", metadata.get("input_data")),
        ("commit", metadata.get("commit")),
        ("definition", metadata.get("definition")),
        ("code", metadata.get("training_code")),
    ):
        if value:
            yield name, shown(value)
    others = (f"{key}={value}" for key, value in sorted(metadata.items()) if key not in _OWN_LINE)
    if more := ", ".join(others):
        yield "metadata", shown(more)
    by = f" by {shown(version.created_by)}" if version.created_by else ""
    yield "created", _when(version.created) + by
    if execution := metadata.get("execution"):
        known_id = _EXECUTION.fullmatch(execution)
        see = f"; see: {command(environment, 'runs', 'show', execution)}" if known_id else ""
        yield "execution", shown(execution) + see


def beside(one: Known, other: Known) -> list[list[str]]:
    """The rows of a table: what is compared, of the one, of the other."""
    return [
        [name, first, second]
        for (name, first), (_, second) in zip(_column(one), _column(other), strict=True)
        if {first, second} != {"-"}
    ]


def _column(known: Known) -> list[tuple[str, str]]:
    version, tested = known.version, known.tested
    return [
        ("version", str(version.number)),
        ("status", status(version)),
        ("live", "live" if known.live else "no"),
        ("accuracy", _accuracy(tested)),
        ("test reviews", _counted(tested)),
        *((name, f"{tested.metrics[name]:.4f}" if name in tested.metrics else "-") for name in METRICS),
        ("test set", shown(tested.test_set or "-", SHORT)),
        ("threshold", "-" if version.threshold is None else f"{version.threshold:g}"),
        ("data", data(version)),
        ("commit", commit(version)),
        ("training code", shown(version.metadata.get("training_code", "-"), SHORT)),
        ("created", _when(version.created)),
        ("approver", approver(version)),
    ]


def verdict(first: int, second: int, found: Comparison) -> Iterator[str]:
    """What the numbers of two versions say, in sentences."""
    if found.same_test_set:
        yield "Both were tested on the same reviews."
    elif found.same_test_set is False:
        yield (
            "They were tested on different reviews: a difference of accuracy may be one of the reviews, and "
            "says little of the models."
        )
    else:
        yield (
            "Whether they were tested on the same reviews is not known: the evaluation of at least one does "
            "not say it."
        )
    if found.difference is None:
        yield "The accuracy of at least one is not known: they cannot be compared."
        return
    if found.difference == 0:
        yield f"{second} is as accurate as {first}."
        return
    more = "more" if found.difference > 0 else "less"
    points = (
        f"{abs(found.difference) * 100:.2f} points {more} accurate than {first} ({found.difference:+.4f})"
    )
    chance = {
        True: "the 95 % intervals overlap, so that may be chance.",
        False: "the 95 % intervals do not overlap, so that is hardly chance.",
        None: "without both intervals, whether that is chance cannot be said.",
    }
    yield f"{second} is {points}; {chance[found.overlap]}"


def after(known: Known, live: int | None, environment: str) -> list[str]:
    """The commands to type next."""
    number = str(known.version.number)
    if known.version.package_status != COMPLETED:
        return [command(environment, "models", "list")]
    if known.live:
        return [command(environment, "invoke", "I laughed, I cried, I would see it again.")]
    with_live = [command(environment, "models", "compare", str(live), number)] if live else []
    if known.version.status == APPROVED:
        return [*with_live, command(environment, "endpoint", "deploy", number)]
    approve = command(environment, "models", "approve", number, "--note", "why it is good")
    reject = command(environment, "models", "reject", number, "--note", "what is wrong with it")
    pending = known.version.status != "Rejected"
    return [*with_live, approve, *([reject] if pending else [])]


def status(version: Version) -> str:
    """Approved, Rejected, Pending; of a package that cannot be deployed, why."""
    if version.package_status != COMPLETED:
        return version.package_status
    return version.status.removesuffix("ManualApproval") or "-"


def data(version: Version) -> str:
    """The start of the checksum, or the last part of where the reviews were."""
    checksum = version.metadata.get("data", UNKNOWN)
    if checksum != UNKNOWN:
        return shown(checksum)[:SHORT] or "-"
    return shown(version.metadata.get("input_data", "").rstrip("/").rpartition("/")[2], NAME) or "-"


def commit(version: Version) -> str:
    """The start of it, with * where the work tree had other content."""
    text = shown(version.metadata.get("commit", ""))
    return text.removesuffix(_DIRTY)[:SHORT] + "*" * text.endswith(_DIRTY) or "-"


def approver(version: Version) -> str:
    """A name: of an ARN, its last part."""
    return shown(version.approver.rpartition("/")[2], NAME) or "-"


def _approval(version: Version) -> str:
    """ "Approved by jane, 2026-11-25 12:00: it reads well"."""
    if version.approver or version.note:
        by = f" by {shown(version.approver)}" if version.approver else ""
        said = f": {shown(version.note)}" if version.note else ""
        return f"{version.status}{by}, {_when(version.changed)}{said}"
    return version.status or "-"


def _accuracy(tested: Evaluation) -> str:
    if tested.accuracy is None:
        return "-"
    interval = f" ({tested.interval[0]:.4f}-{tested.interval[1]:.4f})" if tested.interval else ""
    return f"{tested.accuracy:.4f}{interval}"


def _counted(tested: Evaluation) -> str:
    return "-" if tested.test_size is None else f"{tested.test_size:,}"


def _when(time: datetime | None) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time else "-"


def _iso(time: datetime | None) -> str | None:
    return time.astimezone().isoformat(timespec="seconds") if time else None
