"""How an update shifts an endpoint's requests to its new model server, as AWS's DeploymentConfig says.

What AWS gives as a share of a fleet of instances is here a share of the requests, because each configuration
has one server. The share is kept to the request, not drawn: of 10 % it is each tenth.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import Fault
from pipeline.local.alarms import Requests

SIZES = {"CANARY": ("CanarySize", 1, 50), "LINEAR": ("LinearStepSize", 10, 50)}  # least, most percent


@dataclass(frozen=True)
class Stage:
    percent: int  # of the requests, to the new server
    seconds: int  # in which its alarms are watched
    why: str  # the member of the DeploymentConfig that says how long


@dataclass
class Shift:
    """An update under way. Used by one thread at a time."""

    config: str  # the new endpoint configuration
    percent: int = 0
    asked: int = 0  # requests since the share changed
    requests: Requests = field(default_factory=Requests)  # to the new server, since it is there

    def move(self, percent: int) -> None:
        self.percent, self.asked = percent, 0

    def goes_over(self) -> bool:
        """Whether the next request goes to the new server: at 25 % the 4th, the 8th …"""
        self.asked += 1
        return self.asked * self.percent // 100 > (self.asked - 1) * self.percent // 100


def stages(deployment: dict[str, Any], instances: int) -> list[Stage]:
    """What a DeploymentConfig says to do once the new server is up. Without one: all at once, no wait.

    {"Type": "CANARY", "CanarySize": 10 %, "WaitIntervalInSeconds": 60} and TerminationWaitInSeconds 30 ->
    10 % for 60 s, 100 % for 60 s, 100 % for 30 s. Raises the Fault that UpdateEndpoint answers.
    """
    if "RollingUpdatePolicy" in deployment:
        _refuse("RollingUpdatePolicy is not supported by the local service; use BlueGreenUpdatePolicy")
    policy = deployment.get("BlueGreenUpdatePolicy")
    if not policy:
        return [Stage(100, 0, "no wait")]
    routing = policy["TrafficRoutingConfiguration"]
    wait, last = routing["WaitIntervalInSeconds"], policy.get("TerminationWaitInSeconds", 0)
    found = [Stage(percent, wait, "WaitIntervalInSeconds") for percent in _shares(routing, instances)]
    if last:
        found.append(Stage(100, last, "TerminationWaitInSeconds"))
    limit, needed = policy.get("MaximumExecutionTimeoutInSeconds"), sum(stage.seconds for stage in found)
    if limit is not None and limit <= needed:
        _refuse(
            f"MaximumExecutionTimeoutInSeconds is {limit}, and the waits alone take {needed} seconds; "
            "allow more, or wait less"
        )
    return found


def _shares(routing: dict[str, Any], instances: int) -> list[int]:
    """The new server's percentages, step by step, up to 100."""
    kind = routing["Type"]
    for other, (member, _, _) in SIZES.items():
        if other != kind and member in routing:
            _refuse(f"{member} is for {other}, and the Type of the traffic routing is {kind}")
    if kind not in SIZES:
        return [100]
    member, least, most = SIZES[kind]
    if member not in routing:
        _refuse(f"{kind} traffic routing needs {member}")
    size = routing[member]
    percent = size["Value"] if size["Type"] == "CAPACITY_PERCENT" else 100 * size["Value"] // instances
    if not least <= percent <= most:
        _refuse(f"{member} is {percent} percent of {instances} instance(s); use {least} to {most} percent")
    return [percent, 100] if kind == "CANARY" else [*range(percent, 100, percent), 100]


def _refuse(message: str) -> None:
    raise Fault("ValidationException", f"DeploymentConfig: {message}")
