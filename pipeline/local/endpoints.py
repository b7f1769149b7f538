"""The local endpoints: which configuration is live, who answers a request, and the changes under way.

An endpoint is state that outlives the command; its server is a process that does not. So a server is started
when an endpoint is created or updated, and again, in any later command, by the first request to the endpoint.
While one process updates an endpoint, the requests of the others go on to the live configuration.
"""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.errors import Fault, PipelineError
from pipeline.local.alarms import Request
from pipeline.local.backend import name_of
from pipeline.local.deployments import INTERRUPTED, Deployment
from pipeline.local.operations import hosting
from pipeline.local.servers import Server, Servers
from pipeline.local.store import Document, is_alive
from pipeline.local.traffic import Shift

if TYPE_CHECKING:
    from pipeline.local.backend import Backend

ANSWER_SECONDS = 60  # that a model may take, as on AWS


@dataclass
class Answer:
    body: bytes
    content_type: str
    variant: str


class Endpoints:
    """Shared by all threads of this process."""

    def __init__(self, backend: "Backend") -> None:
        self._backend = backend
        self._servers = Servers(backend)
        self._shifts: dict[str, Shift] = {}  # by endpoint; under the servers' lock
        self._threads: list[threading.Thread] = []

    def create(self, endpoint: str, config: str) -> None:
        """Bring an endpoint that is Creating to its configuration, in the background."""
        self._start(self._create, endpoint, config)

    def update(self, endpoint: str, config: str, deployment: Document) -> None:
        """Bring an endpoint that is Updating to a configuration as the DeploymentConfig says, likewise."""
        self._start(self._update, endpoint, config, deployment)

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, name=f"endpoint-{work.__name__}")
        with self._servers.lock:
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def _create(self, endpoint: str, config: str) -> None:
        try:
            server = self._servers.start(endpoint, config)
            assert server
            self._servers.give_back(server)
        except Exception as error:  # whatever it is, the endpoint must not stay in change for ever
            self._settle(endpoint, EndpointStatus="Failed", FailureReason=self._reason(error))
        else:
            self._settle(endpoint, EndpointStatus="InService", EndpointConfigName=config)

    def _update(self, endpoint: str, config: str, deployment: Document) -> None:
        shift = Shift(config)
        with self._servers.lock:
            self._shifts[endpoint] = shift
        try:
            reason = Deployment(self._backend, self._servers, endpoint, shift, deployment).run()
        except Exception as error:
            reason = self._reason(error)
        if reason:
            reason = f"the update to {config} was rolled back: {reason}"[:1024]
        change = {"EndpointStatus": "RollingBack"} if reason else {"EndpointConfigName": config}
        document = self._backend.store.update(hosting.ENDPOINT, endpoint, FailureReason=reason, **change)
        with self._servers.lock:
            del self._shifts[endpoint]
        self._servers.stop(self._servers.retire(endpoint, {document["EndpointConfigName"]}))
        told = {"LastDeploymentConfig": deployment} if deployment else {}
        self._settle(endpoint, EndpointStatus="InService", **told)

    def _reason(self, error: Exception) -> str:
        return INTERRUPTED if self._servers.closing.is_set() else (str(error) or type(error).__name__)[:1024]

    def _settle(self, endpoint: str, **changes: Any) -> None:
        store = self._backend.store
        changes |= {"LastModifiedTime": store.clock(), "Owner": None, "PendingDeploymentSummary": None}
        store.update(hosting.ENDPOINT, endpoint, **changes)

    def invoke(
        self, endpoint: str, body: bytes, content_type: str, accept: str, inference_id: str | None = None
    ) -> Answer:
        """Ask the endpoint. Raises the Fault that InvokeEndpoint would answer."""
        import httpx

        server, shift = self._lease(name_of(endpoint))
        try:
            with shift.requests.one() if shift else nullcontext(Request()) as request:
                answer = server.model.client.post(
                    "/invocations",
                    content=body,
                    headers={"Content-Type": content_type, "Accept": accept},
                    timeout=ANSWER_SECONDS,
                )
                request.status = answer.status_code
        except httpx.HTTPError as error:
            raise _no_answer(endpoint, error) from error
        finally:
            self._servers.give_back(server)
        if answer.status_code != 200:
            raise Fault(
                "ModelError",
                f'Received error ({answer.status_code}) from the model with message "{answer.text[:1024]}".',
                424,
                OriginalStatusCode=answer.status_code,
                OriginalMessage=answer.text[:1024],
            )
        media_type = answer.headers.get("content-type", "application/octet-stream")
        if server.capture:
            server.capture.add((content_type, body), (media_type, answer.content), inference_id)
        return Answer(answer.content, media_type, server.variant)

    def _lease(self, endpoint: str) -> tuple[Server, Shift | None]:
        """The server of the next request, to be given back; and the update that it is the new server of."""
        while True:
            live = self._live(endpoint)
            with self._servers.lock:
                shift = self._shifts.get(endpoint)
                if shift and shift.goes_over() and (new := self._servers.lease(endpoint, shift.config)):
                    return new, shift
                if server := self._servers.lease(endpoint, live):
                    return server, None
            try:
                server = self._servers.start(endpoint, live, partial(self._is_live, endpoint, live))
            except PipelineError as error:
                raise _no_answer(endpoint, error) from error
            if server:
                with self._servers.lock:
                    shift = self._shifts.get(endpoint)
                    kept = {live, shift.config} if shift else {live}
                    others = self._servers.retire(endpoint, kept)  # of what another process has changed since
                if others:
                    self._start(self._servers.stop, others)
                return server, None

    def _live(self, endpoint: str) -> str:
        document = self._backend.store.get(hosting.ENDPOINT, endpoint)
        if document is None:
            raise Fault("ValidationError", f"Endpoint {endpoint} of account not found.")
        if "EndpointConfigName" not in document:
            raise Fault(
                "ValidationError", f"Endpoint {endpoint} is {document['EndpointStatus']}, not InService."
            )
        live: str = document["EndpointConfigName"]
        return live

    def _is_live(self, endpoint: str, config: str) -> bool:
        return self._live(endpoint) == config

    def recover(self) -> None:
        """Settle what a process that is gone left: a creation has failed, an update has not happened."""
        store = self._backend.store
        with store.transaction():
            for document in store.all(hosting.ENDPOINT):
                if document["EndpointStatus"] not in hosting.BUSY or is_alive(document.get("Owner")):
                    continue
                live = document.get("EndpointConfigName")
                changes: Document = {"EndpointStatus": "InService" if live else "Failed"}
                pending = document.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
                done = live and pending == live  # but for the old server's last requests
                if not done and "FailureReason" not in document:
                    changes["FailureReason"] = INTERRUPTED
                self._settle(document["EndpointName"], **changes)

    def delete(self, endpoint: str) -> None:
        """Stop the servers of an endpoint that is no longer there."""
        self._servers.stop(self._servers.retire(endpoint, keep=set()))

    def close(self) -> None:
        """Stop all servers; a change under way fails."""
        self._servers.close()
        for thread in self._threads:
            thread.join()
        for endpoint in {name for name, _ in self._servers}:
            self.delete(endpoint)


def _no_answer(endpoint: str, error: Exception) -> Fault:
    return Fault("InternalFailure", f"the model server of {endpoint} does not answer: {error}", 500)
