"""The settings as objects of the SageMaker SDK, so that `definition.py` shows the steps and not the settings.

What is not set is None, and the SDK leaves it out of the request. Importing this imports the SDK, which takes
3 s, so only the definition does, when it is compiled.
"""

from typing import Any

from sagemaker.core.network import NetworkConfig
from sagemaker.core.shapes import StoppingCondition
from sagemaker.core.training.configs import Compute, Networking
from sagemaker.core.workflow.parameters import Parameter, ParameterFloat, ParameterInteger, ParameterString
from sagemaker.mlops.workflow import (
    CacheConfig,
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)

from pipeline import parameters
from pipeline.settings import Settings

_KINDS = {"Integer": ParameterInteger, "Float": ParameterFloat, "String": ParameterString}


def parameters_of(settings: Settings) -> dict[str, Parameter]:
    """The table of parameters, as what a step's argument may be."""
    found = {}
    for name, row in parameters.table(settings).items():
        choices = {"enum_values": list(row.choices)} if row.choices else {}
        found[name] = _KINDS[row.type](name, row.default, **choices)
    return found


def lineage(given: dict[str, Parameter]) -> dict[str, Parameter]:
    """{"commit": Commit, …}: what a run says of itself."""
    return {key: given[name] for key, name in parameters.LINEAGE.items()}


def tags(settings: Settings, given: dict[str, Parameter], code: str) -> list[dict[str, Any]]:
    """Of a job or a model: whose it is, and where it comes from. `code` is the hash of what it runs."""
    whole = {**settings.all_tags, **lineage(given), "code": code}
    return [{"Key": key, "Value": value} for key, value in whole.items()]


def service_retries(settings: Settings) -> StepRetryPolicy:
    """Of every step that calls SageMaker."""
    kinds = [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING]
    return StepRetryPolicy(exception_types=kinds, **_pace(settings))


def job_retries(settings: Settings) -> SageMakerJobStepRetryPolicy:
    """Of a step that has a job, beside the service's."""
    kinds = [SageMakerJobExceptionTypeEnum.CAPACITY_ERROR, SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT]
    return SageMakerJobStepRetryPolicy(
        exception_types=kinds,
        failure_reason_types=[SageMakerJobExceptionTypeEnum.INTERNAL_ERROR],
        **_pace(settings),
    )


def _pace(settings: Settings) -> dict[str, Any]:
    return {
        "interval_seconds": settings.retry_seconds,
        "backoff_rate": settings.retry_backoff,
        "max_attempts": settings.retry_attempts,
    }


def cache(settings: Settings) -> CacheConfig:
    return CacheConfig(enable_caching=True, expire_after=settings.cache_expiry)


def processing_network(settings: Settings) -> NetworkConfig:
    return NetworkConfig(
        enable_network_isolation=settings.network_isolation,
        subnets=list(settings.subnets) or None,
        security_group_ids=list(settings.security_groups) or None,
        encrypt_inter_container_traffic=settings.inter_container_encryption or None,
    )


def networking(settings: Settings) -> Networking:
    """Of training and of models, which have no traffic between containers and leave that member out."""
    return Networking(
        enable_network_isolation=settings.network_isolation,
        subnets=list(settings.subnets) or None,
        security_group_ids=list(settings.security_groups) or None,
        enable_inter_container_traffic_encryption=settings.inter_container_encryption or None,
    )


def training_compute(settings: Settings, instance_type: Parameter) -> Compute:
    return Compute(
        instance_type=instance_type,
        instance_count=1,
        volume_size_in_gb=settings.training_volume_gb,
        volume_kms_key_id=settings.volume_kms_key,
        keep_alive_period_in_seconds=settings.keep_alive_seconds or None,
        enable_managed_spot_training=settings.spot or None,
    )


def training_limits(settings: Settings) -> StoppingCondition:
    """The wait for spot capacity counts the run in; without spot there is none."""
    longest = {"max_runtime_in_seconds": settings.training_max_seconds}
    wait = {"max_wait_time_in_seconds": settings.spot_max_wait_seconds} if settings.spot else {}
    return StoppingCondition(**longest, **wait)


def endpoint(settings: Settings) -> dict[str, Any]:
    """What the deploy function gets beside the parameters: flat, as the inputs of a Lambda step are."""
    inputs = {
        "endpoint_name": settings.endpoint,
        "role_arn": settings.endpoint_role,
        "network_isolation": settings.network_isolation,
        "subnets": ",".join(settings.subnets),
        "security_groups": ",".join(settings.security_groups),
        "volume_kms_key": settings.volume_kms_key,
        "tags": ",".join(f"{key}={value}" for key, value in settings.all_tags.items()),
    }
    return {name: value for name, value in inputs.items() if value not in ("", None)}
