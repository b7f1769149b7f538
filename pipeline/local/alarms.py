"""Alarms over the requests that a new model server gets while an endpoint is updated.

An alarm goes by CloudWatch's names and counts single requests, where CloudWatch counts periods of a minute
or more: it is in ALARM after as few requests as it asks for, in a bake as short as one likes, and not before.
A request without an answer counts towards the latency once it has waited for longer than the threshold, so
that a server which hangs is found out too.
"""

import math
import operator
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.errors import UsageError

METRICS = {"Invocation4XXErrors": "", "Invocation5XXErrors": "", "ModelLatency": " microseconds"}
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Sum": sum,
    "Minimum": min,
    "Maximum": max,
}
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


@dataclass(eq=False)
class Request:
    started: float = field(default_factory=time.perf_counter)  # seconds
    latency: float | None = None  # microseconds; None while there is no answer
    status: int | None = None  # of the model's answer; None if it gave none


class Requests:
    """The requests that went to one server. Safe to share between threads."""

    def __init__(self) -> None:
        self._all: list[Request] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Request]:
        """A request, to be asked inside, where its status is set."""
        request = Request()
        with self._lock:
            self._all.append(request)
        try:
            yield request
        finally:
            request.latency = (time.perf_counter() - request.started) * 1e6

    def values(self, metric: str, threshold: float) -> list[float]:
        """One value a request: its latency in microseconds, or 1 for an error of that kind and 0 for none."""
        with self._lock:
            found = list(self._all)
        ended = [request for request in found if request.latency is not None]
        if metric == "ModelLatency":
            now = time.perf_counter()
            waiting = [(now - request.started) * 1e6 for request in found if request.latency is None]
            known = [request.latency for request in ended if request.latency is not None]
            return known + [latency for latency in waiting if latency > threshold]
        family = int(metric[len("Invocation")])
        return [float((request.status or 500) // 100 == family) for request in ended]


@dataclass(frozen=True)
class Alarm:
    """Alarm("ModelLatency", 500_000, statistic="p99", minimum_requests=20): too slow at the 99th percentile.

    The Average of Invocation5XXErrors is the share of requests that failed: an answer of 5XX, or none.
    """

    metric_name: str
    threshold: float
    statistic: str = "Average"  # CloudWatch's Statistic, or ExtendedStatistic: p99, p99.9 …
    comparison_operator: str = "GreaterThanThreshold"
    minimum_requests: int = 1  # with fewer there is no alarm

    def __post_init__(self) -> None:
        for value, known in (
            (self.metric_name, METRICS),
            (self.comparison_operator, OPERATORS),
        ):
            if value not in known:
                raise UsageError(f"an alarm knows no {value!r}; use one of {', '.join(known)}")
        if self.statistic not in STATISTICS and not _PERCENTILE.fullmatch(self.statistic):
            raise UsageError(
                f"an alarm knows no statistic {self.statistic!r}; use {', '.join(STATISTICS)} or p99"
            )
        if self.minimum_requests < 1:
            raise UsageError(
                f"minimum_requests is {self.minimum_requests}; an alarm needs at least 1 request"
            )

    def tripped(self, requests: Requests) -> str | None:
        """Why it is in ALARM, or None: "p99 of ModelLatency is 812345 microseconds over 20 requests …"."""
        values = requests.values(self.metric_name, self.threshold)
        if len(values) < self.minimum_requests:
            return None
        value = self._reduce(values)
        if not OPERATORS[self.comparison_operator](value, self.threshold):
            return None
        return (
            f"{self.statistic} of {self.metric_name} is {value:.6g}{METRICS[self.metric_name]} over "
            f"{len(values)} requests ({self.comparison_operator} {self.threshold:.6g})"
        )

    def _reduce(self, values: list[float]) -> float:
        if self.statistic in STATISTICS:
            return STATISTICS[self.statistic](values)
        rank = math.ceil(float(self.statistic[1:]) / 100 * len(values))
        return sorted(values)[max(rank, 1) - 1]
