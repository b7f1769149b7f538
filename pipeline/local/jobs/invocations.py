"""Asking a model server for a transform: several requests at a time, retried where that can help, in order.

A refusal (4xx) is final: it is about the record. An answer 429 or 5xx, a timeout or a broken connection is
tried again as ModelClientConfig says, unless the server has died.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import httpx

from pipeline.errors import JobFailed, Stopped
from pipeline.local.jobs.files import INTERNAL_ERROR, log_tail
from pipeline.local.jobs.model_server import CONNECTIONS, ServedModel
from pipeline.local.jobs.process import STEP
from pipeline.local.jobs.records import Batch, rules
from pipeline.local.jobs.staging import CLIENT_ERROR

MEGABYTES = 6  # MaxPayloadInMB, unless the request or the server says otherwise
TIMEOUT = 600  # InvocationsTimeoutInSeconds
RETRIES = 3  # InvocationsMaxRetries
PAUSE = 0.2  # seconds before the first retry; doubled before each further one
MESSAGE_LENGTH = 500  # of a server's answer that becomes part of a message


class InvocationClient:
    def __init__(self, served: ServedModel, request: dict[str, Any]) -> None:
        """What a CreateTransformJob request leaves open, the server sets, or else SageMaker's defaults."""
        self._served = served
        self._given_up = False
        own = _execution_parameters(served)
        config = request.get("ModelClientConfig", {})
        concurrent = request.get("MaxConcurrentTransforms") or own.get("MaxConcurrentTransforms") or 1
        self._concurrent = min(int(concurrent), CONNECTIONS)
        self._timeout = float(config.get("InvocationsTimeoutInSeconds", TIMEOUT))
        self._retries = int(config.get("InvocationsMaxRetries", RETRIES))
        self.rules = rules(
            request,
            strategy=request.get("BatchStrategy") or own.get("BatchStrategy", "MultiRecord"),
            megabytes=int(request.get("MaxPayloadInMB", own.get("MaxPayloadInMB", MEGABYTES))),
        )
        source, target = request["TransformInput"], request["TransformOutput"]
        headers = {"Content-Type": source.get("ContentType"), "Accept": target.get("Accept")}
        self._headers = {name: value for name, value in headers.items() if value}

    def answers(
        self, requests: Iterator[Batch], stopping: Callable[[], bool]
    ) -> Generator[tuple[Batch, bytes], None, None]:
        """Each batch with its answer, in order; few batches are in memory at a time. To be closed at the end.

        Raises JobFailed at the first that has no answer, Stopped when the job is to stop.
        """
        self._given_up = False
        pool = ThreadPoolExecutor(self._concurrent, thread_name_prefix="transform")
        waiting: deque[tuple[Batch, Future[bytes]]] = deque()
        try:
            for batch in requests:
                waiting.append((batch, pool.submit(self._ask, batch)))
                if len(waiting) > self._concurrent:
                    yield _first(waiting, stopping)
            while waiting:
                yield _first(waiting, stopping)
        finally:
            self._given_up = True
            pool.shutdown(wait=False, cancel_futures=True)
            wait(
                [future for _, future in waiting if not future.cancelled()], STEP
            )  # what takes longer ends with the server

    def _ask(self, batch: Batch) -> bytes:
        for attempt in range(self._retries + 1):
            if self._given_up:
                raise Stopped("nobody waits for an answer any more")
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                answer = self._served.client.post(
                    "/invocations", content=batch.body, headers=self._headers, timeout=self._timeout
                )
            except httpx.TimeoutException:
                failure = f"the model server did not answer within {self._timeout:g} seconds"
            except httpx.TransportError as error:
                if self._served.ended(within=1):
                    tail = log_tail(self._served.log)
                    raise JobFailed(f"{batch.label}: the model server died{tail}", INTERNAL_ERROR) from error
                failure = f"the connection to the model server broke ({error})"
            else:
                if answer.status_code == 200:
                    return answer.content
                failure = (
                    f"the model server answered {answer.status_code}: {answer.text[:MESSAGE_LENGTH].strip()}"
                )
                if answer.status_code < 500 and answer.status_code != 429:
                    raise JobFailed(f"{batch.label}: {failure}", CLIENT_ERROR)
        raise JobFailed(f"{batch.label}: {failure} ({self._retries + 1} attempts)")


def _first(waiting: deque[tuple[Batch, Future[bytes]]], stopping: Callable[[], bool]) -> tuple[Batch, bytes]:
    batch, future = waiting.popleft()
    while True:
        if stopping():
            raise Stopped("the job was asked to stop")
        with suppress(TimeoutError):
            return batch, future.result(STEP)


def _execution_parameters(served: ServedModel) -> dict[str, Any]:
    """What the server says about itself; it need not say anything."""
    answer = served.client.get("/execution-parameters")
    found = answer.json() if answer.status_code == 200 else {}
    return found if isinstance(found, dict) else {}
