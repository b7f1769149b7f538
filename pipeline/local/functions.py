"""Lambda functions: a Python file with handler(event, context), called in a process of its own.

Its AWS clients find the local service through the environment, as they would find AWS; what it prints is its
log. It sees the interpreter's packages and this disk: the isolation is that of the jobs, and no more.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import StepFailed
from pipeline.local import jobs, lambda_runtime
from pipeline.local.backend import ACCOUNT, REGION, Backend
from pipeline.local.store import Document

MOST_SECONDS = 600  # of a function that a Lambda step calls, as on AWS


def invoke(
    backend: Backend, name: str, function: str, event: Document, stopping: Callable[[], bool]
) -> Document:
    """The object that the function answers; name is the call's, under jobs/. Raises StepFailed with what the
    function raised, or why its answer is none."""
    with jobs.job_folder(name, backend.job_context(stopping)) as files:
        (files / "event.json").write_text(json.dumps(event))
        job = jobs.Job(
            name=name,
            folder=files,
            image=function,
            command=("python3", lambda_runtime.__file__, str(backend.functions[function]), "/opt/ml"),
            environment=_environment(backend, function),
            network=True,
            max_seconds=MOST_SECONDS,
            log=files.parent / "log.txt",
        )
        outcome = backend.function_runner.run(job, lambda line: None, stopping)
        answer = _read(files / "answer.json")
    if outcome.timed_out:
        raise StepFailed(f"{function} did not end within {MOST_SECONDS} seconds, the limit of a Lambda step")
    if outcome.exit_code == 0 and isinstance(answer, dict):
        return answer
    unclear = f"it answered {answer!r} (exit code {outcome.exit_code}), not an object"
    raise StepFailed(
        f"{function}: {answer.get('errorMessage', unclear) if isinstance(answer, dict) else unclear}"
    )


def _environment(backend: Backend, function: str) -> dict[str, str]:
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ACCOUNT_ID": ACCOUNT,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_SAGEMAKER": backend.url,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": backend.url,
    }


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
