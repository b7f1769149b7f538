"""What every kind of job does around its command: its inputs, and its end as AWS reports it."""

import json
import signal
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import EngineFailed, JobFailed, ObjectNotFound, UsageError
from pipeline.local.jobs.files import INTERNAL_ERROR, disk_failure, log_tail
from pipeline.local.jobs.folders import DAY
from pipeline.local.jobs.job import ML, Job, JobContext, JobResult, Outcome

CLIENT_ERROR = "ClientError"
MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"
REASON_LENGTH = 1024  # of FailureReason and ExitMessage
HOST = "algo-1"  # the one host of a job


def result_of(work: Callable[[], JobResult]) -> JobResult:
    """What the work answers, or the failure that it raises."""
    try:
        return work()
    except JobFailed as error:
        return failed(error)
    except (ObjectNotFound, UsageError) as error:
        return failed(JobFailed(str(error), CLIENT_ERROR))
    except EngineFailed as error:
        return failed(JobFailed(str(error), INTERNAL_ERROR))
    except OSError as error:
        return failed(disk_failure(error))


def failed(error: JobFailed) -> JobResult:
    label = "InternalServerError" if error.error_type == INTERNAL_ERROR else error.error_type
    return JobResult(
        "Failed", failure_reason=f"{label}: {error}"[:REASON_LENGTH], error_type=error.error_type
    )


def inside_ml(path: str) -> str:
    """A LocalPath, checked. Raises JobFailed for one that is not below /opt/ml."""
    parts = PurePosixPath(path)
    if ".." in parts.parts or not parts.is_relative_to(ML) or str(parts) == ML:
        raise JobFailed(f"the local path {path!r} does not lie below {ML}", CLIENT_ERROR)
    return str(parts)


def place(uri: str, target: Path, label: str, context: JobContext) -> None:
    """Bring the objects of an input to a folder: those below the URI, or the one that it names."""
    try:
        if not context.storage.exists(uri):
            raise ObjectNotFound(f"there is no object at {uri}")
        source = context.storage.path(uri)
        target.mkdir(parents=True, exist_ok=True)
        context.storage.get(uri, target / source.name if source.is_file() else target)
    except (ObjectNotFound, UsageError) as error:
        raise JobFailed(f"{label}: {error}", CLIENT_ERROR) from error


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True))


def max_seconds(request: dict[str, Any]) -> float:
    return float(request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY))


def message(path: Path) -> str | None:
    """What a job wrote for people in one of its output files, cut to what the API has room for."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(4 * REASON_LENGTH).decode("utf-8", "replace").strip()[:REASON_LENGTH] or None


def failure_of(job: Job, outcome: Outcome) -> JobFailed:
    """Why a command failed: in its own words where it wrote them, else the end of its log."""
    code = outcome.exit_code
    if code == 125:
        return JobFailed(f"the job did not start{log_tail(job.log)}", INTERNAL_ERROR)
    said = message(job.folder / "output" / "failure")
    if code > 128:
        by = signal.Signals(code - 128).name if code - 128 in set(signal.Signals) else f"signal {code - 128}"
        return JobFailed(
            f"{said or 'the command'} was ended by {by}{'' if said else log_tail(job.log)}", INTERNAL_ERROR
        )
    if said:
        return JobFailed(f"{said[: REASON_LENGTH - 50]}, exit code: {code}")
    return JobFailed(f"exit code: {code}{log_tail(job.log)}")


def overtime(request: dict[str, Any]) -> str:
    return (
        f"{MAX_RUNTIME_EXCEEDED}: the job ran longer than its MaxRuntimeInSeconds, {max_seconds(request):g}"
    )
