"""What the server counts, in Prometheus's text format: https://prometheus.io/docs/instrumenting/exposition_formats/

Written by the event loop alone, so nothing is locked. A few lines instead of the client library, which would
be one more package in an image that loads a model.
"""

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Histogram:
    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        self._name, self._text, self._bounds = name, text, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def see(self, value: float) -> None:
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self._name} {self._text}"
        yield f"# TYPE {self._name} histogram"
        below = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            below += count
            yield f'{self._name}_bucket{{le="{bound}"}} {below}'
        yield f"{self._name}_sum {self._sum:.6f}"
        yield f"{self._name}_count {below}"


class Metrics:
    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()  # to /invocations, by HTTP status
        self.seconds = Histogram("serving_seconds", "From a request's first byte to its answer.", SECONDS)
        self.batches = Histogram(
            "serving_batch_requests", "Requests that one pass of the model answered.", SIZES
        )

    def seen(self, status: int, seconds: float) -> None:
        self.answers[status] += 1
        self.seconds.see(seconds)

    def text(self, waiting: int) -> str:
        """waiting: requests that no thread has taken yet."""
        lines = [
            "# HELP serving_answers_total Answers to /invocations, by status.",
            "# TYPE serving_answers_total counter",
            *(
                f'serving_answers_total{{status="{status}"}} {n}'
                for status, n in sorted(self.answers.items())
            ),
            "# HELP serving_waiting_requests Requests that wait for a thread.",
            "# TYPE serving_waiting_requests gauge",
            f"serving_waiting_requests {waiting}",
            *self.seconds.lines(),
            *self.batches.lines(),
        ]
        return "\n".join(lines) + "\n"
