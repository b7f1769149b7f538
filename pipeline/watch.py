"""Watching an execution until it ends.

It polls, because the service pushes nothing; each change is reported once, in the order in which things
happened. Time and sleep are handed in.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pipeline import control
from pipeline.control import ENDED, LogTail, Step
from pipeline.errors import WaitTimeout


@dataclass(frozen=True)
class StepChanged:
    step: Step
    before: bool = False  # it had succeeded before the execution was retried


@dataclass(frozen=True)
class JobStarted:
    """A step has a job, which a retry policy may follow by another."""

    step: Step


@dataclass(frozen=True)
class LogLine:
    step: str
    line: str


@dataclass(frozen=True)
class StatusChanged:
    status: str
    reason: str  # of a failure


Event = StepChanged | JobStarted | LogLine | StatusChanged


class Watch:
    """What has been reported of an execution, so that one who looks again after a break gets only the rest.

    `done` are the steps that succeeded before a retry: each is reported once, as such, and without its log.
    """

    def __init__(self, clients: Any, arn: str, done: Iterable[str] = ()) -> None:
        self.clients, self.arn, self.done = clients, arn, frozenset(done)
        self._known: dict[str, str] = {}  # step -> its status when last seen
        self._tails: dict[str, LogTail] = {}
        self._status = ""

    def events(
        self,
        poll_seconds: float,
        timeout: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Iterator[Event]:
        """Yield each change once until the execution has ended. Raises WaitTimeout after `timeout`
        seconds."""
        deadline = clock() + timeout
        while True:
            # Before the steps: when the execution has ended, they are final.
            described = control.describe(self.clients.sagemaker, self.arn)
            before, self._status = self._status, described["PipelineExecutionStatus"]
            if self._status != before and self._status not in ENDED:
                yield StatusChanged(self._status, "")
            for step in control.steps(self.clients, self.arn):
                yield from self._changes(step)
            if self._status in ENDED:
                yield StatusChanged(self._status, described.get("FailureReason", ""))
                return
            if clock() >= deadline:
                execution = control.execution_id(self.arn)
                raise WaitTimeout(f"execution {execution} was still {self._status} after {timeout:g} s")
            sleep(poll_seconds)

    def _changes(self, step: Step) -> Iterator[Event]:
        seen, self._known[step.name] = self._known.get(step.name), step.status
        if step.name in self.done:
            if seen is None:
                yield StepChanged(step, before=True)
            return
        if step.status != seen and step.status not in ENDED:
            yield StepChanged(step)
        if step.job and not step.cached_from and seen not in ENDED:
            if step.job[1] not in self._tails:
                self._tails[step.job[1]] = control.log_of(self.clients, step.job)
                yield JobStarted(step)
            yield from (LogLine(step.name, line) for line in self._tails[step.job[1]].read())
        if step.status != seen and step.status in ENDED:
            yield StepChanged(_explained(self.clients, self.arn, step))


def _explained(clients: Any, arn: str, step: Step) -> Step:
    if step.cached_from:
        return replace(step, note=control.cached_since(clients, step))
    return replace(step, note=control.notes(clients, arn).get(step.name, ""))
