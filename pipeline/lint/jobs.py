"""What every job needs to be safe and cheap, and the facts of retries, spot capacity and warm pools.

Sources: AWS's pages "Retry Policy for Pipeline Steps" and "Managed Warm Pools"; CreateTrainingJob of the API
reference.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.clusters import cluster
from pipeline.dag import Definition, Step
from pipeline.finding import Finding
from pipeline.images import addresses
from pipeline.lint.examples import resolved

_FAULTS = ("Step.SERVICE_FAULT", "Step.THROTTLING")
_JOB_FAULTS = ("SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT")
_RETRIED = (
    "Processing",
    "Training",
    "Tuning",
    "AutoML",
    "Model",
    "RegisterModel",
    "Transform",
    "NotebookJob",
)
_HIGHEST = {"IntervalSeconds": 43_200, "MaxAttempts": 20, "ExpireAfterMin": 14_400}
_ENDS = {  # step type -> the member of its request that keeps it from running for ever
    "Processing": ("StoppingCondition", "MaxRuntimeInSeconds"),
    "Training": ("StoppingCondition", "MaxRuntimeInSeconds"),
    "Transform": ("ModelClientConfig", "InvocationsTimeoutInSeconds"),
}
_REMEDY = "correct pipeline/definition.py"


def check(definition: Definition, values: Mapping[str, Any]) -> Iterator[Finding]:
    for step in definition.steps.values():
        yield from _policies(step)
        if step.type in _ENDS:
            arguments = resolved(step.arguments, definition, values)
            yield from _retries(step)
            yield from _limits(step, arguments)
            yield from _tags(step, arguments)
            yield from _volume_key(step, arguments)
            if step.type == "Training":
                yield from _spot(step, arguments)


def _policies(step: Step) -> Iterator[Finding]:
    policies = step.body.get("RetryPolicies") or []
    if policies and step.type not in _RETRIED:
        yield Finding(step.name, "RetryPolicies", f"a {step.type} step is never retried", "remove them")
        return
    allowed = _FAULTS if step.type in ("Model", "RegisterModel") else _FAULTS + _JOB_FAULTS
    for number, policy in enumerate(policies):
        path = f"RetryPolicies[{number}]"
        for kind in policy.get("ExceptionType") or [None]:
            if kind not in allowed:
                yield Finding(
                    step.name, f"{path}.ExceptionType", f"{kind!r} is none of {', '.join(allowed)}", _REMEDY
                )
        if ("MaxAttempts" in policy) == ("ExpireAfterMin" in policy):
            problem = "it needs one of MaxAttempts and ExpireAfterMin, and not both"
            yield Finding(step.name, path, problem, _REMEDY)
        for member, most in _HIGHEST.items():
            if policy.get(member, 0) > most:
                yield Finding(step.name, f"{path}.{member}", f"{policy[member]} is more than {most}", _REMEDY)


def _retries(step: Step) -> Iterator[Finding]:
    policies = step.body.get("RetryPolicies") or []
    retried = {kind for policy in policies for kind in policy.get("ExceptionType") or []}
    if missing := [kind for kind in (*_FAULTS, *_JOB_FAULTS[:2]) if kind not in retried]:
        problem = f"it is not retried after {', '.join(missing)}"
        yield Finding(step.name, "RetryPolicies", problem, "add them to its retry policies")


def _limits(step: Step, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    outer, inner = _ENDS[step.type]
    if (arguments.get(outer) or {}).get(inner) is None:
        yield Finding(step.name, f"{outer}.{inner}", "nothing ends a job that hangs", "set it")


def _tags(step: Step, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    keys = [tag.get("Key", "") for tag in arguments.get("Tags") or []]
    if not keys:
        yield Finding(step.name, "Tags", "nothing tells whose job it is and what it costs", "tag it")
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield Finding(step.name, "Tags", f"the tag {key} is there {keys.count(key)} times", "keep one")
    for key in keys:
        if key.lower().startswith("aws:"):
            yield Finding(step.name, "Tags", f"{key}: aws: is reserved", "choose another key in `tags`")


def _volume_key(step: Step, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    """What has a disk of its own encrypts it in hardware, and refuses a key."""
    machines = cluster(step.type, arguments)
    kind = machines.get("InstanceType")
    if machines.get("VolumeKmsKeyId") and isinstance(kind, str) and addresses.has_local_storage(kind):
        yield Finding(
            step.name,
            "VolumeKmsKeyId",
            f"{kind} encrypts its own disk, and takes no key",
            "choose another instance type, or remove volume_kms_key",
        )


def _spot(step: Step, arguments: Mapping[str, Any]) -> Iterator[Finding]:
    ends = arguments.get("StoppingCondition") or {}
    runs, waits = ends.get("MaxRuntimeInSeconds"), ends.get("MaxWaitTimeInSeconds")
    if not arguments.get("EnableManagedSpotTraining"):
        if waits is not None:
            problem = "only spot training waits for capacity"
            yield Finding(
                step.name, "StoppingCondition.MaxWaitTimeInSeconds", problem, "remove it, or set spot"
            )
        return
    if cluster(step.type, arguments).get("KeepAlivePeriodInSeconds"):
        yield Finding(
            step.name,
            "ResourceConfig.KeepAlivePeriodInSeconds",
            "spot capacity is not kept in a warm pool",
            "set keep_alive_seconds to 0, or spot to false",
        )
    if waits is None or (runs is not None and waits < runs):
        yield Finding(
            step.name,
            "StoppingCondition.MaxWaitTimeInSeconds",
            f"spot training waits {waits} seconds, its run of {runs} included",
            "set spot_max_wait_seconds to at least training_max_seconds",
        )
    if not arguments.get("CheckpointConfig"):
        yield Finding(
            step.name,
            "CheckpointConfig",
            "what spot capacity interrupts begins anew without a checkpoint",
            "set it, or spot to false",
            severity="warning",
        )
