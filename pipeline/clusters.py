"""The machines that a job step runs on, under the name that each kind of request has for them."""

from collections.abc import Mapping
from typing import Any

MEMBERS = {  # type of a job step -> the way to the member with InstanceType, InstanceCount and the volume
    "Processing": ("ProcessingResources", "ClusterConfig"),
    "Training": ("ResourceConfig",),
    "Transform": ("TransformResources",),
}


def cluster(step_type: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """cluster("Training", {"ResourceConfig": {"InstanceType": "ml.m5.large"}}) -> {"InstanceType": …}

    Empty for a step that runs no job, and where the member is not set.
    """
    if step_type not in MEMBERS:
        return {}
    found = arguments
    for member in MEMBERS[step_type]:
        found = found.get(member) or {}
    return found
