"""What an upsert would do, decided before anything is done.

`make` asks the account with read-only calls; `against` asks nothing, for a pull request has no credentials,
and compares with a definition at hand. A plan is frozen and holds the very requests that `upsert.execute`
sends: what a person has read is what happens. The price: an account that changes in between is met as it was
planned, and the call that then fails says to run the command again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline import code_bundle, data, diff, live, prices, reruns
from pipeline.code_bundle import Bundle
from pipeline.dag import INLINE_BYTES, Definition
from pipeline.data import Data
from pipeline.diff import Change, Part
from pipeline.errors import DefinitionError
from pipeline.live import Live
from pipeline.parameters import Value
from pipeline.prices import Estimate
from pipeline.reruns import Rerun
from pipeline.settings import Settings
from pipeline.storage import Storage
from pipeline.uploads import File, Upload

DESCRIPTION = "Movie reviews to a deployed sentiment model. Made by python -m pipeline.run: change it there."


@dataclass(frozen=True)
class Call:
    """A request that changes something, such as ("UpdatePipeline", {"PipelineName": …})."""

    operation: str
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    settings: Settings
    text: str  # the definition
    compared: Literal["live", "file"]  # with what
    action: Literal["create", "update", "keep"]  # what becomes of the pipeline
    uploads: tuple[Upload, ...]  # before the first call
    calls: tuple[Call, ...]  # in this order
    changes: tuple[Change, ...]  # of the pipeline itself: role, parallelism, tags …
    parameters: tuple[Part, ...]
    steps: tuple[Part, ...]
    reruns: tuple[Rerun, ...]
    price: Estimate
    note: str = ""
    live: Live | None = None  # the pipeline as it was when this was planned

    @property
    def nothing_to_do(self) -> bool:
        return self.action == "keep" and not self.uploads and not self.calls

    @property
    def new_group(self) -> bool:
        return any(call.operation == "CreateModelPackageGroup" for call in self.calls)

    def as_json(self) -> dict[str, Any]:
        """For machines: every value whole; of uploads and calls only what they are."""
        return {
            "pipeline": self.settings.pipeline,
            "environment": self.settings.environment,
            "account": self.settings.account,
            "region": self.settings.region,
            "compared": self.compared,
            "nothing_to_do": self.nothing_to_do,
            "action": self.action,
            "uploads": [
                {"what": each.what, "uri": each.uri, "files": len(each.files), "bytes": each.size}
                for each in self.uploads
            ],
            "calls": [call.operation for call in self.calls],
            "changes": [asdict(change) for change in self.changes],
            "parameters": [asdict(part) for part in self.parameters],
            "steps": [asdict(part) for part in self.steps],
            "reruns": [asdict(rerun) for rerun in self.reruns],
            "price": asdict(self.price),
            "note": self.note,
        }


def make(
    clients: Any,
    settings: Settings,
    text: str,
    bundles: Mapping[str, Bundle],
    reviews: Data | None,
    values: Mapping[str, Value] | None = None,
) -> Plan:
    """Compare with the live pipeline. Raises NotOurs for one of this name that something else made."""
    found = live.read(clients.sagemaker, settings.pipeline)
    if found:
        live.check_ours(found, settings)
    old, note = _readable(found.text) if found else (_NO_PIPELINE, "")
    new = Definition.parse(text)
    inner, outer, (add, remove) = diff.between(old, new), _outer(found, settings), _tags(found, settings)

    uploads = [code_bundle.upload(bundle, clients.storage, settings.root) for bundle in bundles.values()]
    uploads.append(data.upload(reviews, clients.storage, settings.root) if reviews else None)
    calls: list[Call] = []
    if not live.group_exists(clients.sagemaker, settings.model_package_group):
        calls.append(_create_group(settings))
    if found is None or inner or outer:
        calls.append(_create_or_update(settings, text, new=found is None))
        if _is_large(text):
            uploads.append(_definition_upload(settings, text, clients.storage))
    if found and add:
        calls.append(Call("AddTags", {"ResourceArn": found.arn, "Tags": _listed(add)}))
    if found and remove:
        calls.append(Call("DeleteTags", {"ResourceArn": found.arn, "TagKeys": remove}))

    # Of SageMaker's machines only: how long this one took says nothing of what those cost.
    seconds, unknown = _last_seconds(clients, settings) if found and clients.outlives else ({}, "")
    return Plan(
        settings=settings,
        text=text,
        compared="live",
        action="create" if found is None else "update" if inner or outer or add or remove else "keep",
        uploads=tuple(upload for upload in uploads if upload),
        calls=tuple(calls),
        changes=(*outer, *_tag_changes(found, add, remove), *(inner.rest if found else ())),
        parameters=inner.parameters,
        steps=inner.steps,
        reruns=reruns.between(old, new),
        price=prices.estimate(new, settings, seconds, values),
        note=" ".join(part for part in (note, unknown) if part),
        live=found,
    )


def _last_seconds(clients: Any, settings: Settings) -> tuple[dict[str, float], str]:
    """What each step took last, or why that is not known: a plan without it is better than none."""
    from botocore.exceptions import ClientError

    from pipeline import aws_errors

    try:
        return live.last_seconds(clients, settings.pipeline), ""
    except ClientError as error:
        if not aws_errors.is_denied(error):
            raise
        return {}, f"What a run like the last costs is not known: {error.operation_name} was refused."


def against(
    old_text: str | None, settings: Settings, text: str, values: Mapping[str, Value] | None = None
) -> Plan:
    """Compare with a definition at hand, or (None) with no pipeline; what the account has is not known.

    Raises DefinitionError when either is none.
    """
    old = _NO_PIPELINE if old_text is None else Definition.parse(old_text)
    new = Definition.parse(text)
    inner = diff.between(old, new)
    return Plan(
        settings=settings,
        text=text,
        compared="file",
        action="create" if old_text is None else "update" if inner else "keep",
        uploads=(),
        calls=(),
        changes=() if old_text is None else inner.rest,
        parameters=inner.parameters,
        steps=inner.steps,
        reruns=reruns.between(old, new),
        price=prices.estimate(new, settings, {}, values),
    )


_NO_PIPELINE = Definition({}, {}, {})


def _readable(text: str) -> tuple[Definition, str]:
    """A live definition that is none (something wrote it by hand) is replaced, and the plan says so."""
    try:
        return Definition.parse(text), ""
    except DefinitionError as error:
        return _NO_PIPELINE, f"the live definition cannot be read and is replaced as a whole: {error}"


def _outer(found: Live | None, settings: Settings) -> tuple[Change, ...]:
    before = {
        "role": found.role if found else None,
        "parallel steps": found.parallelism if found else None,
        "description": (found.description if found else None) or None,
    }
    after = {
        "role": settings.pipeline_role,
        "parallel steps": settings.max_parallel_steps,
        "description": DESCRIPTION,
    }
    return diff.changes(before, after)


def _tags(found: Live | None, settings: Settings) -> tuple[dict[str, str], list[str]]:
    """Those to set, and those to remove, which an earlier version gave to pipeline and jobs.

    Other tags of the pipeline are somebody else's and stay.
    """
    there, given = (found.tags, found.job_tags) if found else ({}, {})
    wanted = settings.all_tags
    add = {key: value for key, value in wanted.items() if there.get(key) != value}
    return add, [key for key, value in there.items() if key not in wanted and given.get(key) == value]


def _tag_changes(found: Live | None, add: Mapping[str, str], remove: Sequence[str]) -> tuple[Change, ...]:
    there = found.tags if found else {}
    return diff.changes(
        {f"tag {key}": there[key] for key in (*add, *remove) if key in there},
        {f"tag {key}": value for key, value in add.items()},
    )


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _create_group(settings: Settings) -> Call:
    name, tags = settings.model_package_group, _listed(settings.all_tags)
    return Call("CreateModelPackageGroup", {"ModelPackageGroupName": name, "Tags": tags})


def _create_or_update(settings: Settings, text: str, new: bool) -> Call:
    request: dict[str, Any] = {
        "PipelineName": settings.pipeline,
        "PipelineDescription": DESCRIPTION,
        "RoleArn": settings.pipeline_role,
        "ParallelismConfiguration": {"MaxParallelExecutionSteps": settings.max_parallel_steps},
    }
    if _is_large(text):
        key = f"{settings.prefix}/{_DEFINITIONS}/{_name_of(text)}"
        request["PipelineDefinitionS3Location"] = {"Bucket": settings.bucket, "ObjectKey": key}
    else:
        request["PipelineDefinition"] = text
    if not new:
        return Call("UpdatePipeline", request)
    return Call("CreatePipeline", {**request, "Tags": _listed(settings.all_tags)})


_DEFINITIONS = "definitions"


def _is_large(text: str) -> bool:
    return len(text.encode()) > INLINE_BYTES


def _name_of(text: str) -> str:
    return f"{hashlib.sha256(text.encode()).hexdigest()}.json"


def _definition_upload(settings: Settings, text: str, storage: Storage) -> Upload | None:
    folder = f"{settings.root}/{_DEFINITIONS}"
    file = File.of(text.encode(), _name_of(text))
    return None if storage.exists(f"{folder}/{file.name}") else Upload("the definition", folder, (file,))
