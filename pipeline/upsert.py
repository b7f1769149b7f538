"""Carry a plan out: its uploads, then its calls, in its order and nothing else.

Whatever is done stays done, and can be done again: a run that breaks off half-way is taken up by the same
command, whose plan then holds the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from pipeline import aws_errors, diff, live
from pipeline.dag import Definition
from pipeline.errors import AwsRefused, DefinitionError, Interrupted, PipelineError
from pipeline.plan import Call, Plan
from pipeline.uploads import Progress, Upload, nothing

Shown = Callable[[Upload], AbstractContextManager[Progress]]

_SAID = {
    "CreateModelPackageGroup": "created the model package group",
    "CreatePipeline": "created the pipeline",
    "UpdatePipeline": "updated the pipeline",
    "AddTags": "set its tags",
    "DeleteTags": "removed tags",
}


@contextmanager
def unseen(upload: Upload) -> Iterator[Progress]:
    yield nothing


@dataclass(frozen=True)
class Done:
    """In words. Both empty: nothing was to do."""

    uploaded: tuple[str, ...]  # "uploaded code of train.py"
    called: tuple[str, ...]  # "updated the pipeline"


def execute(clients: Any, plan: Plan, progress: Shown = unseen) -> Done:
    """Raises DefinitionError for a definition that SageMaker refuses, else AwsRefused; either says what was
    done before."""
    uploaded: list[str] = []
    called: list[str] = []
    try:
        for upload in plan.uploads:
            with progress(upload) as sent:
                clients.storage.add(upload.files, upload.uri, sent)
            uploaded.append(f"uploaded {upload.what}")
        for call in plan.calls:
            _send(clients.sagemaker, call, plan)
            called.append(_SAID[call.operation])
    except (ClientError, BotoCoreError, AwsRefused) as error:
        raise _broken_off(error, [*uploaded, *called]) from error
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {_so_far([*uploaded, *called])}") from None
    return Done(tuple(uploaded), tuple(called))


def _send(sagemaker: Any, call: Call, plan: Plan) -> None:
    if call.operation == "UpdatePipeline" and live.read(sagemaker, plan.settings.pipeline) != plan.live:
        changed = "the pipeline has been changed since it was planned; run the same command again"
        raise AwsRefused(changed, call.operation, "ConflictException")
    try:
        getattr(sagemaker, xform_name(call.operation))(**call.request)
    except ClientError as error:
        if not (
            call.operation.startswith("Create") and "already exists" in error.response["Error"]["Message"]
        ):
            raise
        if call.operation == "CreatePipeline" and not _as_planned(sagemaker, plan):
            conflict = (
                "another run has made the pipeline in between, and not as it was planned here; "
                "run the same command again"
            )
            raise AwsRefused(conflict, call.operation, "ConflictException") from error


def _as_planned(sagemaker: Any, plan: Plan) -> bool:
    """Has another run, which was faster, made the very pipeline that was to be made?"""
    found = live.read(sagemaker, plan.settings.pipeline)
    if found is None or found.role != plan.settings.pipeline_role:
        return False
    live.check_ours(found, plan.settings)
    return diff.same(Definition.parse(found.text).body, Definition.parse(plan.text).body)


def _broken_off(error: Exception, done: Sequence[str]) -> PipelineError:
    refused = error if isinstance(error, AwsRefused) else aws_errors.explain(error)
    assert refused is not None
    message = f"{refused}; {_so_far(done)}"
    if refused.code == "ValidationException" and refused.operation in ("CreatePipeline", "UpdatePipeline"):
        return DefinitionError(message)
    return AwsRefused(message, refused.operation, refused.code)


def _so_far(done: Sequence[str]) -> str:
    if not done:
        return "nothing was changed"
    return f"done before that: {', '.join(done)}; the same command does the rest"
