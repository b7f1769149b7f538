"""The queue between the event loop and the threads that predict, and how a thread takes its work.

A free thread takes its share of what waits and answers it in one pass of the model. A request that is alone
does not wait for others: under load they gather by themselves while the threads are busy. The queue is
bounded, in requests and in bytes; what does not fit is refused at once, so that an overload costs only its
refusals.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .program import Program, ProgramFailed, Query

Answer = tuple[bytes, str]  # body, content type
JOINED_BYTES = 65_536  # of the bodies of one pass: what is larger is a batch already


class Full(Exception):
    """The queue takes no more."""


class TooLate(Exception):
    """The request has waited for longer than its client does."""


@dataclass(frozen=True)
class Limits:
    threads: int  # that predict
    batch: int  # records in one pass of the model
    wait: float  # seconds that a thread gives requests which are still being read to join those it has
    queue: int  # requests
    queue_bytes: int  # of their bodies, which is about how long they take; one of any size fits
    patience: float  # seconds from a request's last byte to its answer


@dataclass(eq=False)
class Work:
    query: Query
    answer: "asyncio.Future[Answer]"
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """To be made in the event loop. After each pass `done` is called there, with each request's outcome."""

    def __init__(
        self, program: Program, limits: Limits, done: Callable[[Sequence[Answer | Exception]], None]
    ) -> None:
        self.reading = 0  # requests whose bodies are on their way
        self._program, self._limits, self._done = program, limits, done
        self._queue: deque[Work] = deque()
        self._bytes = 0
        self._ready = threading.Condition()
        self._busy: dict[int, float] = {}  # thread: since when it has worked on what it took
        self._loop = asyncio.get_running_loop()
        for number in range(limits.threads):
            threading.Thread(
                target=self._serve, args=(number,), name=f"predict-{number}", daemon=True
            ).start()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        return len(self._queue) >= self._limits.queue

    @property
    def stuck(self) -> bool:
        """Has every thread worked for longer than a client waits?"""
        busy, latest = list(self._busy.values()), time.monotonic() - self._limits.patience
        return len(busy) == self._limits.threads and max(busy) < latest

    async def ask(self, query: Query) -> Answer:
        """Raises Full, TooLate, ProgramFailed, and ValueError for what the client did wrong."""
        work, size = Work(query, self._loop.create_future()), len(query.body)
        with self._ready:
            if self.full or (self._queue and self._bytes + size > self._limits.queue_bytes):
                raise Full
            self._queue.append(work)
            self._bytes += size
            self._ready.notify()
        try:
            return await asyncio.wait_for(work.answer, self._limits.patience)
        except TimeoutError:
            raise TooLate from None

    def _serve(self, thread: int) -> None:
        while True:
            try:
                for group in self._groups(self._take(thread)):
                    outcomes = self._answer(group)
                    self._loop.call_soon_threadsafe(self._deliver, [work for work, _ in group], outcomes)
            finally:
                self._busy.pop(thread, None)

    def _take(self, thread: int) -> list[Work]:
        """A fair share of what waits, the oldest first; one at least."""
        with self._ready:
            while not self._queue:
                self._ready.wait()
            if self.reading and self._limits.wait:
                self._ready.wait_for(lambda: len(self._queue) >= self._limits.batch, self._limits.wait)
            free = self._limits.threads - len(self._busy)
            most = min(self._limits.batch, math.ceil(len(self._queue) / free))
            taken: list[Work] = []
            size = 0
            while self._queue and len(taken) < most and (not taken or size <= JOINED_BYTES):
                work = self._queue.popleft()
                self._bytes -= len(work.query.body)
                if not work.answer.done():  # else nobody waits for it any more
                    taken.append(work)
                    size += len(work.query.body)
            self._busy[thread] = time.monotonic()
            return taken

    def _groups(self, taken: list[Work]) -> Iterator[list[tuple[Work, Any]]]:
        """What was taken, parsed, in the passes of the model that answer it."""
        group: list[tuple[Work, Any]] = []
        records = 0
        for work in taken:
            try:
                request = self._program.parse(work.query)
                size = self._program.size(request)
            except (ValueError, ProgramFailed) as error:
                self._loop.call_soon_threadsafe(self._deliver, [work], [error])
                continue
            if group and (records + size > self._limits.batch or not self._program.joins):
                yield group
                group, records = [], 0
            group.append((work, request))
            records += size
        if group:
            yield group

    def _answer(self, group: list[tuple[Work, Any]]) -> list[Answer | Exception]:
        """An outcome for each. A pass that fails is made again with each alone: the fault is of one."""
        try:
            predictions = self._program.predict([request for _, request in group])
            if len(predictions) != len(group):
                raise ProgramFailed("split_fn gives another number of predictions than of requests")
            return [
                self._program.write(prediction, work.query.accept)
                for (work, _), prediction in zip(group, predictions, strict=True)
            ]
        except (ValueError, ProgramFailed) as error:
            return [error] if len(group) == 1 else [self._answer([each])[0] for each in group]

    def _deliver(self, works: Sequence[Work], outcomes: Sequence[Answer | Exception]) -> None:
        for work, outcome in zip(works, outcomes, strict=True):
            if work.answer.done():  # nobody waits for it any more
                continue
            if isinstance(outcome, Exception):
                work.answer.set_exception(outcome)
            else:
                work.answer.set_result(outcome)
        self._done(outcomes)
