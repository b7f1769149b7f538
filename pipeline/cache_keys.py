"""What SageMaker compares to decide whether a step's earlier result still stands.

AWS's page "Default cache key attributes by pipeline step type". Outputs, roles, instance types, networks and
tags are no part of a key: changing them runs nothing again. The local cache and the plan of an upsert read
the same table, so that they cannot disagree about what a change costs.
"""

from collections.abc import Mapping
from typing import Any

MEMBERS: dict[str, tuple[str, ...]] = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
    "Transform": ("ModelName", "Environment", "DataProcessing", "TransformInput"),
}


def key_of(kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a step's request that is its cache key.

    key_of("Transform", {"ModelName": "m-1", "MaxPayloadInMB": 1}) -> {"ModelName": "m-1"}
    """
    return {member: arguments[member] for member in MEMBERS[kind] if member in arguments}


def is_cached(kind: str, body: Mapping[str, Any]) -> bool:
    """Whether a step of this type, with this CacheConfig, may take an earlier result."""
    return kind in MEMBERS and bool((body.get("CacheConfig") or {}).get("Enabled"))
