"""The pipeline as the account has it: its definition and settings, its tags, and whether it is ours.

Ours is what carries the tags project and environment of these settings. A pipeline that an earlier version
made carries none, but its jobs do: that counts as well. Everything here only reads.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import control
from pipeline.dag import Definition
from pipeline.errors import DefinitionError, NotOurs
from pipeline.settings import Settings


@dataclass(frozen=True)
class Live:
    arn: str
    text: str  # of the definition
    role: str
    parallelism: int | None  # None: as many steps as SageMaker allows
    description: str
    tags: Mapping[str, str]

    @property
    def job_tags(self) -> dict[str, str]:
        """The tags that every job of the definition gets, with the same text."""
        try:
            steps = Definition.parse(self.text).steps.values()
        except DefinitionError:
            return {}
        tagged = [step.arguments["Tags"] for step in steps if isinstance(step.arguments.get("Tags"), list)]
        shared = [set(tags_of(tags).items()) for tags in tagged]
        return dict(sorted(set.intersection(*shared))) if shared else {}


def read(sagemaker: Any, name: str) -> Live | None:
    """None: there is no such pipeline."""
    try:
        found = sagemaker.describe_pipeline(PipelineName=name)
    except sagemaker.exceptions.ResourceNotFound:
        return None
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=found["PipelineArn"])
    return Live(
        arn=found["PipelineArn"],
        text=found["PipelineDefinition"],
        role=found["RoleArn"],
        parallelism=(found.get("ParallelismConfiguration") or {}).get("MaxParallelExecutionSteps"),
        description=found.get("PipelineDescription", ""),
        tags=tags_of(tag for page in pages for tag in page["Tags"]),
    )


def tags_of(items: Iterable[Any]) -> dict[str, str]:
    """[{"Key": "team", "Value": "search"}] -> {"team": "search"}; without those that only a run knows."""
    tags = (tag for tag in items if isinstance(tag, Mapping))
    return {
        tag["Key"]: tag["Value"]
        for tag in tags
        if isinstance(tag.get("Key"), str) and isinstance(tag.get("Value"), str)
    }


def check_ours(live: Live, settings: Settings) -> None:
    """Raises NotOurs when something else made the pipeline: it is not to be overwritten by accident."""
    ours = {key: settings.all_tags[key] for key in ("project", "environment")}
    owner = {key: live.tags[key] for key in ours if key in live.tags} or {
        key: value for key, value in live.job_tags.items() if key in ours
    }
    if owner == ours:
        return
    found = _spoken(owner) if owner else "no tags project and environment"
    add = [
        *("aws", "sagemaker", "add-tags", "--region", settings.region, "--resource-arn", live.arn),
        *("--tags", *(f"Key={key},Value={value}" for key, value in ours.items())),
    ]
    raise NotOurs(
        f"the pipeline {settings.pipeline} was made by something else: it has {found}, not {_spoken(ours)}; "
        f"set another name (pipeline: …) in config/{settings.environment}.yaml, "
        f"or, to let this project overwrite it, first run: {shlex.join(add)}"
    )


def _spoken(tags: Mapping[str, str]) -> str:
    return " and ".join(f"{key}={value}" for key, value in tags.items())


def group_exists(sagemaker: Any, name: str) -> bool:
    """Whether there is a model package group of that name."""
    try:
        sagemaker.describe_model_package_group(ModelPackageGroupName=name)
    except sagemaker.exceptions.ClientError as error:
        # AWS answers "ValidationException: ModelPackageGroup arn:… does not exist."
        if "does not exist" not in error.response["Error"]["Message"]:
            raise
        return False
    return True


def last_seconds(clients: Any, name: str) -> dict[str, float]:
    """How long each step took in the newest execution that succeeded; of a cached step, when it last ran."""
    for execution in control.executions(clients.sagemaker, name):
        if execution.get("PipelineExecutionStatus") == "Succeeded":
            break
    else:
        return {}
    found = {step.name: step for step in control.steps(clients, execution["PipelineExecutionArn"])}
    for source in {step.cached_from for step in found.values() if step.cached_from}:
        try:
            originals = control.steps(clients, source)
        except clients.sagemaker.exceptions.ResourceNotFound:
            originals = []  # that execution is gone, and its times with it
        known = {step.name: step for step in originals}
        found |= {
            name: known[name] for name, step in found.items() if step.cached_from == source and name in known
        }
    return {
        name: step.seconds
        for name, step in found.items()
        if step.seconds is not None and not step.cached_from
    }
