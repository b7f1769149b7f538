"""A transform job: every object below a prefix through a model, each to one named the same with `.out`.

One model server, started once; MaxConcurrentTransforms requests at a time, answers in the order of the
records. Nothing is published unless every record was answered (AWS would keep the objects that were done).
"""

import gzip
import shutil
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import JobFailed, ModelServerFailed, Stopped
from pipeline.local.jobs.files import naming
from pipeline.local.jobs.invocations import MEGABYTES, InvocationClient
from pipeline.local.jobs.job import JobContext, JobResult
from pipeline.local.jobs.model_server import serve_model
from pipeline.local.jobs.records import assemble, batches
from pipeline.local.jobs.staging import CLIENT_ERROR, result_of

STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}


def run_transform(
    name: str, request: dict[str, Any], model: dict[str, Any], context: JobContext
) -> JobResult:
    """Run a CreateTransformJob request with resolved values on a CreateModel container.

    model is {"Image", "ModelDataUrl", "Environment"} and the model's "EnableNetworkIsolation".
    """
    return result_of(lambda: _run(name, request, model, context))


def _run(name: str, request: dict[str, Any], model: dict[str, Any], context: JobContext) -> JobResult:
    uri = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    objects = context.storage.list(uri)
    if not objects:
        raise JobFailed(f"TransformInput: there is no object at {uri}", CLIENT_ERROR)
    output = context.folder(name) / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    container = {**model, "Environment": {**model.get("Environment", {}), **request.get("Environment", {})}}
    try:
        with serve_model(name, container, context, _announcements(request), keep_log=True) as served:
            client = InvocationClient(served, request)
            for each in objects:
                target = output / f"{_relative(each, uri)}.out"
                target.parent.mkdir(parents=True, exist_ok=True)
                lines = _lines(context.storage.path(each), request["TransformInput"].get("CompressionType"))
                asked = client.answers(batches(lines, client.rules), context.stopping)
                with _naming_object(each), naming(target), target.open("wb") as file, closing(asked):
                    for batch, answer in asked:
                        file.write(assemble(batch, answer, client.rules))
        context.storage.put(output, request["TransformOutput"]["S3OutputPath"], link=True)
    except ModelServerFailed as error:
        raise JobFailed(str(error)) from error
    except Stopped:
        return JobResult("Stopped")
    finally:
        shutil.rmtree(output, ignore_errors=True)
    return JobResult("Completed")


def _announcements(request: dict[str, Any]) -> dict[str, str]:
    """The variables by which SageMaker tells a container about its transform job."""
    return {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(request.get("MaxPayloadInMB", MEGABYTES)),
        "SAGEMAKER_BATCH_STRATEGY": STRATEGIES[request.get("BatchStrategy", "MultiRecord")],
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms", 1)),
    }


def _relative(uri: str, prefix: str) -> str:
    """("s3://b/in/a/x.csv", "s3://b/in") -> "a/x.csv"; ("s3://b/in/x.csv", "s3://b/in/x.csv") -> "x.csv" """
    prefix = prefix.rstrip("/")
    return PurePosixPath(uri).name if uri == prefix else uri.removeprefix(f"{prefix}/")


def _lines(path: Path, compression: str | None) -> Iterator[bytes]:
    try:
        with gzip.open(path) if compression == "Gzip" else path.open("rb") as file:
            yield from file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise JobFailed(f"it is truncated or not Gzip: {error}", CLIENT_ERROR) from error


@contextmanager
def _naming_object(uri: str) -> Iterator[None]:
    try:
        yield
    except JobFailed as error:
        raise JobFailed(f"{uri}: {error}", error.error_type) from error
