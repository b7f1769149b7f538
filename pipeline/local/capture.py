"""Data capture: what an endpoint was asked and what it answered, as the JSON Lines files that AWS writes.

Records are gathered for some seconds and written as one object, because an object here, as in S3, cannot
grow; a process that is killed loses those seconds. What cannot be written is logged: no request fails for it.
"""

import base64
import json
import logging
import tempfile
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.storage import FolderStorage

SECONDS = 5.0  # until a record is in the storage
log = logging.getLogger(__name__)


class Capture:
    """Of one variant of an endpoint, as its DataCaptureConfig says. Safe to share between threads."""

    def __init__(
        self,
        config: dict[str, Any],
        endpoint: str,
        variant: str,
        storage: FolderStorage,
        clock: Callable[[], float],
        seconds: float = SECONDS,
    ) -> None:
        self._config = config
        self._folder = f"{config['DestinationS3Uri'].rstrip('/')}/{endpoint}/{variant}"
        self._storage = storage
        self._clock = clock
        self._seconds = seconds
        self._asked = 0
        self._records: list[tuple[datetime, str]] = []
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        self._input = bool(modes & {"Input", "InputAndOutput"})
        self._output = bool(modes & {"Output", "InputAndOutput"})

    def add(
        self, asked: tuple[str, bytes], answered: tuple[str, bytes], inference_id: str | None = None
    ) -> None:
        """Keep a request and its answer, (content type, body) each, if it is one of the sample.

        The sample is counted, not drawn: of 25 % it is the 4th request, the 8th …
        """
        percent = self._config["InitialSamplingPercentage"]
        with self._lock:
            self._asked += 1
            if self._asked * percent // 100 == (self._asked - 1) * percent // 100:
                return
            now = datetime.fromtimestamp(self._clock(), UTC)
            self._records.append((now, json.dumps(self._record(asked, answered, inference_id, now))))
            if not self._timer:
                self._timer = threading.Timer(self._seconds, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def _record(
        self, asked: tuple[str, bytes], answered: tuple[str, bytes], inference_id: str | None, now: datetime
    ) -> dict[str, Any]:
        data = {}
        if self._input:
            data["endpointInput"] = self._data("INPUT", *asked)
        if self._output:
            data["endpointOutput"] = self._data("OUTPUT", *answered)
        event = {"eventId": str(uuid.uuid4()), "inferenceTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        if inference_id:
            event["inferenceId"] = inference_id
        return {"captureData": data, "eventMetadata": event, "eventVersion": "0"}

    def _data(self, mode: str, content_type: str, body: bytes) -> dict[str, str]:
        """As text for the content types that the configuration names, otherwise in base 64, as on AWS."""
        headers = self._config.get("CaptureContentTypeHeader", {})
        media_type = content_type.partition(";")[0].strip()
        encoding, text = "BASE64", base64.b64encode(body).decode()
        for name in ("Csv", "Json"):
            if media_type in headers.get(f"{name}ContentTypes", []):
                with suppress(UnicodeDecodeError):  # then it stays in base 64
                    text, encoding = body.decode(), name.upper()
        return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}

    def flush(self) -> None:
        """Write what has been gathered, to <uri>/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl."""
        with self._lock:
            records, self._records = self._records, []
            if self._timer:
                self._timer.cancel()
            self._timer = None
        hours: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for record in records:
            hours[f"{record[0]:%Y/%m/%d/%H}"].append(record)
        for hour, found in hours.items():
            first = found[0][0]
            name = f"{first:%M-%S}-{first.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"
            lines = "".join(f"{line}\n" for _, line in found)
            try:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, name)
                    path.write_text(lines)
                    self._storage.put(path, f"{self._folder}/{hour}/{name}")
            except (OSError, PipelineError) as error:
                log.warning("%d captured records could not be written: %s", len(found), error)
