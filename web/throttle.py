"""The rate limit of the local server; on AWS the gateway has it (infra/web.yaml)."""

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """rate requests a second for long, burst at once. 20 and 40: the 41st at once waits 0.05 s."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._since = float(burst), clock()
        self._lock = threading.Lock()

    def wait(self) -> float:
        """0 and one token taken, or the seconds until there is one."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate)
            self._since = now
            if self._tokens < 1:
                return (1 - self._tokens) / self._rate
            self._tokens -= 1
            return 0
