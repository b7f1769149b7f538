"""A processing job: objects in, one command, objects out.

The contract is that of the SageMaker documentation's page "Build Your Own Processing Container": inputs and
outputs at their LocalPath, the request and the hosts in /opt/ml/config, a last word in
/opt/ml/output/message.
"""

from typing import Any

from pipeline.errors import JobFailed
from pipeline.local.jobs.files import regular_files
from pipeline.local.jobs.folders import job_folder
from pipeline.local.jobs.job import Job, JobContext, JobResult
from pipeline.local.jobs.staging import (
    CLIENT_ERROR,
    HOST,
    MAX_RUNTIME_EXCEEDED,
    failed,
    failure_of,
    inside_ml,
    max_seconds,
    message,
    overtime,
    place,
    result_of,
    write_json,
)


def run_processing(name: str, request: dict[str, Any], context: JobContext) -> JobResult:
    """Run a CreateProcessingJob request with resolved values. Outputs are published if it completes."""
    return result_of(lambda: _run(name, request, context))


def _run(name: str, request: dict[str, Any], context: JobContext) -> JobResult:
    application = request["AppSpecification"]
    command = (*application.get("ContainerEntrypoint", []), *application.get("ContainerArguments", []))
    if not command:
        raise JobFailed(
            "AppSpecification has no ContainerEntrypoint, and the image's own is unknown here",
            CLIENT_ERROR,
        )
    outputs = [output["S3Output"] for output in request.get("ProcessingOutputConfig", {}).get("Outputs", [])]
    with job_folder(name, context) as folder:
        job = Job(
            name=name,
            folder=folder,
            image=application["ImageUri"],
            command=command,
            environment={"AWS_REGION": context.region, **request.get("Environment", {})},
            network=not request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
            max_seconds=max_seconds(request),
            log=context.folder(name) / "log.txt",
            inputs=tuple(
                inside_ml(each["S3Input"]["LocalPath"]) for each in request.get("ProcessingInputs", [])
            ),
        )
        for each in request.get("ProcessingInputs", []):
            source = each["S3Input"]
            place(source["S3Uri"], job.path(source["LocalPath"]), f"input {each['InputName']!r}", context)
        for output in outputs:
            job.path(inside_ml(output["LocalPath"])).mkdir(parents=True, exist_ok=True)
        (folder / "output").mkdir(exist_ok=True)
        arn = context.arn("processing-job", name)
        config = {"ProcessingJobArn": arn, "ProcessingJobName": name, **request}
        write_json(folder / "config" / "processingjobconfig.json", config)
        write_json(folder / "config" / "resourceconfig.json", {"current_host": HOST, "hosts": [HOST]})

        outcome = context.runner.run(job, lambda line: None, context.stopping)
        said = message(folder / "output" / "message")
        description = {"ExitMessage": said} if said else {}
        if outcome.timed_out:
            return JobResult("Stopped", description, overtime(request), MAX_RUNTIME_EXCEEDED)
        if outcome.stopped:
            return JobResult("Stopped", description)
        if outcome.exit_code:
            failure = failed(failure_of(job, outcome))
            return JobResult("Failed", description, failure.failure_reason, failure.error_type)
        for output in outputs:
            list(
                regular_files(job.path(output["LocalPath"]))
            )  # all outputs are sound before the first is published
        for output in outputs:
            context.storage.put(job.path(output["LocalPath"]), output["S3Uri"], link=True)
        return JobResult("Completed", description)
