"""Where a person's "wrong?" goes: the review with its right label, as JSON Lines that the pipeline reads.

A correction is one person's word. It is kept apart from the data sets, and who trains says whether it counts.
"""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any


class Corrections:
    """put: makes an object of a name and its content. One for each correction, in a folder for each day:
    2026/11/25/3f2a….jsonl"""

    def __init__(self, put: Callable[[str, bytes], None], clock: Callable[[], float] = time.time) -> None:
        self._put, self._clock = put, clock

    def store(self, record: dict[str, Any]) -> None:
        """{"review", "label", …}: the two columns of a data set, and whatever says more about them."""
        day = time.strftime("%Y/%m/%d", time.gmtime(self._clock()))
        self._put(f"{day}/{uuid.uuid4().hex}.jsonl", (json.dumps(record) + "\n").encode())
