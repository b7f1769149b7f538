"""A training job: channels in, one command, a model archive out.

The contract is that of the SageMaker documentation's page "How Amazon SageMaker AI Runs Your Training
Image". The command is ContainerEntrypoint, or in script mode what the framework image's toolkit would run
(script_mode.py). As on AWS a stopped job's model is kept, and a failed one's output data but not its model.
"""

import math
import re
import time
from pathlib import Path
from typing import Any

from pipeline.errors import JobFailed
from pipeline.local.jobs import script_mode
from pipeline.local.jobs.archives import pack
from pipeline.local.jobs.files import note
from pipeline.local.jobs.folders import job_folder
from pipeline.local.jobs.job import ML, Job, JobContext, JobResult
from pipeline.local.jobs.staging import (
    CLIENT_ERROR,
    HOST,
    MAX_RUNTIME_EXCEEDED,
    failed,
    failure_of,
    inside_ml,
    max_seconds,
    overtime,
    place,
    result_of,
    write_json,
)


class Metrics:
    """MetricDefinitions over the lines of a log: the last value of each name."""

    def __init__(self, definitions: list[dict[str, str]]) -> None:
        self._patterns = [(each["Name"], re.compile(each["Regex"])) for each in definitions]
        self._last: dict[str, dict[str, Any]] = {}

    def see(self, line: str) -> None:
        for name, pattern in self._patterns:
            match = pattern.search(line)
            if match and pattern.groups and (value := _number(match[1])) is not None:
                self._last[name] = {"MetricName": name, "Value": value, "Timestamp": time.time()}

    def final(self) -> list[dict[str, Any]]:
        return list(self._last.values())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def run_training(name: str, request: dict[str, Any], context: JobContext) -> JobResult:
    """Run a CreateTrainingJob request whose values are all resolved."""
    result = result_of(lambda: _run(name, request, context))
    result.description.setdefault("SecondaryStatus", result.status)
    return result


def _run(name: str, request: dict[str, Any], context: JobContext) -> JobResult:
    algorithm = request["AlgorithmSpecification"]
    channels = request.get("InputDataConfig", [])
    with job_folder(name, context) as folder:
        for inside in ("input/config", "input/data", "model", "output/data"):
            (folder / inside).mkdir(parents=True)
        for channel in channels:
            channel_name = channel["ChannelName"]
            inside_ml(f"{ML}/input/data/{channel_name}")  # the API's pattern for a name allows ".."
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            place(uri, folder / "input" / "data" / channel_name, f"channel {channel_name!r}", context)
        resources = _resources(request)
        inputs = {channel["ChannelName"]: _described(channel) for channel in channels}
        write_json(folder / "input" / "config" / "hyperparameters.json", request.get("HyperParameters", {}))
        write_json(folder / "input" / "config" / "inputdataconfig.json", inputs)
        write_json(folder / "input" / "config" / "resourceconfig.json", resources)
        command: tuple[str, ...] = ()
        script_environment: dict[str, str] = {}
        if algorithm.get("ContainerEntrypoint") or not context.runner.starts_images:
            command, script_environment = _command(name, request, folder, resources, inputs, context)
        job = Job(
            name=name,
            folder=folder,
            image=algorithm.get("TrainingImage", ""),
            command=command,
            arguments=("train",),  # as SageMaker starts an image: the toolkit in it knows script mode
            environment={
                "AWS_REGION": context.region,
                "TRAINING_JOB_NAME": name,
                "TRAINING_JOB_ARN": context.arn("training-job", name),
                **request.get("Environment", {}),
                **script_environment,
            },
            network=not request.get("EnableNetworkIsolation", False),
            max_seconds=max_seconds(request),
            log=context.folder(name) / "log.txt",
            working_directory=script_mode.CODE if script_environment else ML,
            inputs=tuple(f"{ML}/input/data/{channel}" for channel in inputs),
            shared=_checkpoints(request, context),
        )
        metrics = Metrics(algorithm.get("MetricDefinitions", []))
        outcome = context.runner.run(job, metrics.see, context.stopping)

        description: dict[str, Any] = {"FinalMetricDataList": metrics.final()}
        destination = f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output"
        if any((folder / "output" / "data").iterdir()):
            _publish(folder / "output" / "data", f"{destination}/output.tar.gz", folder.parent, context)
        if outcome.exit_code and not (outcome.stopped or outcome.timed_out):
            failure = failed(failure_of(job, outcome))
            return JobResult("Failed", description, failure.failure_reason, failure.error_type)
        if outcome.exit_code == 0 or any((folder / "model").iterdir()):
            model = f"{destination}/model.tar.gz"
            _publish(folder / "model", model, folder.parent, context)
            description["ModelArtifacts"] = {"S3ModelArtifacts": model}
        if outcome.timed_out:
            description["SecondaryStatus"] = MAX_RUNTIME_EXCEEDED
            return JobResult("Stopped", description, overtime(request), MAX_RUNTIME_EXCEEDED)
        return JobResult("Stopped" if outcome.stopped else "Completed", description)


def _command(
    name: str,
    request: dict[str, Any],
    folder: Path,
    resources: dict[str, Any],
    inputs: dict[str, Any],
    context: JobContext,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """What to run, and in script mode the variables for it."""
    algorithm = request["AlgorithmSpecification"]
    if algorithm.get("ContainerEntrypoint"):
        return (*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", [])), {}
    hyperparameters = script_mode.decode(request.get("HyperParameters", {}))
    if "sagemaker_program" not in hyperparameters:
        raise JobFailed(
            "neither ContainerEntrypoint nor the hyperparameter sagemaker_program says what to run",
            CLIENT_ERROR,
        )
    directory = str(hyperparameters.get("sagemaker_submit_directory", script_mode.CODE))
    code = folder / "code"
    code.mkdir()
    if directory.startswith("s3://"):
        if request.get("EnableNetworkIsolation"):
            raise JobFailed(
                f"an isolated job cannot fetch its code from sagemaker_submit_directory {directory}; "
                "give the code as a channel, and its path there",
                CLIENT_ERROR,
            )
        place(directory, folder / "input" / "code", "sagemaker_submit_directory", context)
        directory = f"{ML}/input/code/{directory.rpartition('/')[2]}"
    script_mode.unpack_code(directory, folder, code)
    if (code / "requirements.txt").exists():
        note(context.folder(name) / "log.txt", "requirements.txt: nothing is installed for a local job.")
    _, own = script_mode.split(hyperparameters)
    program = str(hyperparameters["sagemaker_program"])
    return (
        script_mode.command(program, code, script_mode.script_arguments(own)),
        script_mode.environment(name, hyperparameters, resources, inputs),
    )


def _resources(request: dict[str, Any]) -> dict[str, Any]:
    """The contents of resourceconfig.json."""
    kind = request.get("ResourceConfig", {}).get("InstanceType", "local")
    group = {"instance_group_name": script_mode.GROUP, "instance_type": kind, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": kind,
        "current_group_name": script_mode.GROUP,
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "eth0",
    }


def _described(channel: dict[str, Any]) -> dict[str, str]:
    """A channel's entry in inputdataconfig.json."""
    entry = {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    return entry | ({"ContentType": channel["ContentType"]} if "ContentType" in channel else {})


def _checkpoints(request: dict[str, Any], context: JobContext) -> dict[str, Path]:
    """The checkpoint folder is the storage's own: what is written is kept at once, also if it is killed."""
    config = request.get("CheckpointConfig")
    if not config:
        return {}
    folder = context.storage.path(config["S3Uri"])
    folder.mkdir(parents=True, exist_ok=True)
    return {inside_ml(config.get("LocalPath", f"{ML}/checkpoints")): folder}


def _publish(folder: Path, uri: str, beside: Path, context: JobContext) -> None:
    archive = beside / uri.rpartition("/")[2]
    try:
        pack(folder, archive)
        context.storage.put(archive, uri, link=True)
    finally:
        archive.unlink(missing_ok=True)
