"""An update of an endpoint, as AWS's deployment guardrails do it: start, shift in stages, watch, or go back.

The live configuration stays the old one until the new server has all the requests and has kept its alarms
quiet; the state folder holds how far it is. Whatever ends the update early ends it with the old
configuration: an alarm, a server that dies, too long a time, the end of this process.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.local.operations import hosting
from pipeline.local.traffic import Shift, Stage, stages

if TYPE_CHECKING:
    from pipeline.local.backend import Backend
    from pipeline.local.servers import Server, Servers

INTERRUPTED = "interrupted: the process that was changing the endpoint ended"
STEP = 0.05  # seconds between two looks at the alarms


@dataclass
class Deployment:
    backend: "Backend"
    servers: "Servers"
    endpoint: str
    shift: Shift
    request: dict[str, Any]  # the DeploymentConfig, {} where there is none

    def run(self) -> str | None:
        """Bring all requests to the new server. Returns what speaks against it: the caller goes back, then.

        Raises what a server that does not come up raises.
        """
        policy = self.request.get("BlueGreenUpdatePolicy", {})
        clock = self.backend.clock
        deadline = clock() + policy.get("MaximumExecutionTimeoutInSeconds", float("inf"))
        document = hosting.describe_endpoint_config(self.backend, {"EndpointConfigName": self.shift.config})
        variant = hosting.variant_summary(document["ProductionVariants"][0])
        started = self.backend.store.clock()

        def tell(status: str, message: str) -> None:
            now = self.backend.store.clock()
            detail = {"Status": status, "StatusMessage": message, "StartTime": now}
            summary = {
                "EndpointConfigName": self.shift.config,
                "StartTime": started,
                "ProductionVariants": [{**variant, "VariantStatus": [detail]}],
            }
            self.backend.store.update(hosting.ENDPOINT, self.endpoint, PendingDeploymentSummary=summary)

        tell("Creating", "Launching the new model server.")
        server = self.servers.start(self.endpoint, self.shift.config)
        assert server
        self.servers.give_back(server)
        for stage in stages(self.request, variant["DesiredInstanceCount"]):
            with self.servers.lock:
                if stage.percent != self.shift.percent:
                    self.shift.move(stage.percent)
            if stage.seconds:
                tell(
                    "Baking",
                    f"Baking for {stage.seconds} seconds ({stage.why}) with {stage.percent} percent "
                    "of the traffic.",
                )
            if reason := self._watch(server, stage, deadline):
                return reason
        return None

    def _watch(self, server: "Server", stage: Stage, deadline: float) -> str | None:
        end = self.backend.clock() + stage.seconds
        while True:
            now = self.backend.clock()  # before the alarms: they are looked at once more at the end
            if self.servers.closing.is_set():
                return INTERRUPTED
            if not server.model.alive:
                return f"the model server of {self.shift.config} died"
            if reason := self._alarm():
                return reason
            if now >= deadline:
                return "the update took longer than its MaximumExecutionTimeoutInSeconds"
            if now >= end:
                return None
            self.servers.closing.wait(STEP)

    def _alarm(self) -> str | None:
        for each in self.request.get("AutoRollbackConfiguration", {}).get("Alarms", []):
            name = each["AlarmName"]
            if reason := self.backend.alarms[name].tripped(self.shift.requests):
                return f"alarm {name}: {reason}"
        return None
