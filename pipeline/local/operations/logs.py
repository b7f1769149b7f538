"""The two calls of CloudWatch Logs that show a log, over the log files of the state folder.

A group is named as on AWS (/aws/sagemaker/TrainingJobs, /aws/lambda/NAME …) and its streams start with the
job's name. The events of an execution (cache hits and misses, retries, skipped steps) are a stream of the
group /aws/sagemaker/Pipelines, one JSON object a line. A line has no time of its own: all carry the file's
last change.
"""

from pathlib import Path

from pipeline.errors import Fault
from pipeline.local.backend import Backend
from pipeline.local.store import Document

EXECUTIONS = "/aws/sagemaker/Pipelines"
MOST_EVENTS = 10_000  # of one answer, as on AWS


def describe_log_streams(backend: Backend, request: Document) -> Document:
    """The streams of a group whose names start with the prefix; without one, none: there are many."""
    prefix = request.get("logStreamNamePrefix", "")
    path = _file(backend, request["logGroupName"], prefix) if prefix else None
    if path is None or not path.is_file():
        return {"logStreams": []}
    changed = int(path.stat().st_mtime * 1000)
    name = _job(prefix) if request["logGroupName"] == EXECUTIONS else f"{_job(prefix)}/log"
    return {
        "logStreams": [{"logStreamName": name, "lastEventTimestamp": changed, "lastIngestionTime": changed}]
    }


def get_log_events(backend: Backend, request: Document) -> Document:
    """Lines of a stream: the last ones, or all from the start or from a token on. The token counts lines."""
    path = _file(backend, request.get("logGroupName", ""), request["logStreamName"])
    if not path.is_file():
        raise Fault("ResourceNotFoundException", "The specified log stream does not exist.")
    lines = path.read_text("utf-8", "replace").splitlines()
    limit = min(request.get("limit", MOST_EVENTS), MOST_EVENTS)
    token = request.get("nextToken", "")
    if token:
        direction, _, count = token.partition("/")
        if direction != "f" or not count.isdigit():
            raise Fault("InvalidParameterException", f"nextToken {token!r} is not one that this service gave")
        start = int(count)
    else:
        start = 0 if request.get("startFromHead") else max(0, len(lines) - limit)
    shown = lines[start : start + limit]
    time = int(path.stat().st_mtime * 1000)
    events = [{"timestamp": time, "ingestionTime": time, "message": line} for line in shown]
    return {
        "events": events,
        "nextForwardToken": f"f/{start + len(shown)}",
        "nextBackwardToken": f"b/{start}",
    }


def _job(stream: str) -> str:
    return stream.partition("/")[0]


def _file(backend: Backend, group: str, stream: str) -> Path:
    job = _job(stream)
    if job in ("", ".", "..") or "\\" in job:
        raise Fault("InvalidParameterException", f"{stream!r} names no log stream")
    if group == EXECUTIONS:
        return backend.home / "events" / f"{job}.jsonl"
    return backend.home / "jobs" / job / "log.txt"
