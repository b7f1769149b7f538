"""The model servers behind the local endpoints.

An endpoint is state that outlives the command; its server is a process that does not. So a server is started
when an endpoint is created or updated, and again, in any later command, by the first request to the endpoint.
An update starts the new server before the old one goes, and keeps the old configuration when the new one does
not come up.
"""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import Fault, PipelineError
from pipeline.local.backend import name_of, new_id
from pipeline.local.jobs import ServedModel, serve_model
from pipeline.local.operations import hosting
from pipeline.local.store import is_alive

if TYPE_CHECKING:
    from pipeline.local.backend import Backend


@dataclass
class Answer:
    body: bytes
    content_type: str
    variant: str


class Endpoints:
    """Servers by endpoint name, one each, shared by all threads of this process."""

    def __init__(self, backend: "Backend") -> None:
        self._backend = backend
        self._servers: dict[tuple[str, str], ServedModel] = {}  # (endpoint, endpoint config) -> its server
        self._lock = threading.Lock()
        self._starting: dict[str, threading.Lock] = {}
        self._changes: list[threading.Thread] = []
        self._closing = threading.Event()

    def change(self, endpoint: str, config: str) -> None:
        """Bring an endpoint that is Creating or Updating to a configuration, in the background."""
        thread = threading.Thread(target=self._change, args=(endpoint, config), name=f"endpoint-{endpoint}")
        self._changes = [each for each in self._changes if each.is_alive()] + [thread]
        thread.start()

    def _change(self, endpoint: str, config: str) -> None:
        store = self._backend.store
        try:
            self._server(endpoint, config)
        except Exception as error:  # whatever it is, the endpoint must not stay in change for ever
            with store.transaction():
                document = store.get(hosting.ENDPOINT, endpoint) or {}
                status = (
                    "InService" if "EndpointConfigName" in document else "Failed"
                )  # the old server is still there
                self._settle(endpoint, EndpointStatus=status, FailureReason=str(error)[:1024])
        else:
            self._settle(endpoint, EndpointStatus="InService", EndpointConfigName=config, FailureReason=None)
            self._retire(endpoint, keep=config)

    def _settle(self, endpoint: str, **changes: str | None) -> None:
        store = self._backend.store
        store.update(hosting.ENDPOINT, endpoint, LastModifiedTime=store.clock(), Owner=None, **changes)

    def _server(self, endpoint: str, config: str) -> tuple[ServedModel, str]:
        """The live server of an endpoint's configuration, started if need be, and the name of its variant;
        one start at a time an endpoint."""
        document = hosting.describe_endpoint_config(self._backend, {"EndpointConfigName": config})
        variant = document["ProductionVariants"][0]
        with self._lock:
            starting = self._starting.setdefault(endpoint, threading.Lock())
        with starting:
            server = self._servers.get((endpoint, config))
            if not server or not server.alive:
                container = hosting.model_container(self._backend, variant["ModelName"])
                name = f"endpoint-{endpoint}-{new_id(6)}"
                context = self._backend.job_context(self._closing.is_set)
                server = self._servers[endpoint, config] = serve_model(name, container, context)
            return server, variant["VariantName"]

    def _retire(self, endpoint: str, keep: str | None = None) -> None:
        """Stop the servers of an endpoint's other configurations; they finish the requests they have."""
        for key in [key for key in list(self._servers) if key[0] == endpoint and key[1] != keep]:
            if server := self._servers.pop(key, None):
                server.close()

    def invoke(self, endpoint: str, body: bytes, content_type: str, accept: str) -> Answer:
        """Ask the endpoint. Raises the Fault that InvokeEndpoint would answer."""
        document = self._backend.store.get(hosting.ENDPOINT, name_of(endpoint))
        if document is None:
            raise Fault("ValidationError", f"Endpoint {endpoint} of account not found.")
        if "EndpointConfigName" not in document:
            raise Fault(
                "ValidationError", f"Endpoint {endpoint} is {document['EndpointStatus']}, not InService."
            )
        import httpx

        try:
            name, config = document["EndpointName"], document["EndpointConfigName"]
            known = (name, config) in self._servers
            server, variant = self._server(name, config)
            if not known:  # another process has changed the endpoint: what this one had goes
                self._retire(name, keep=config)
            answer = server.client.post(
                "/invocations",
                content=body,
                headers={"Content-Type": content_type, "Accept": accept},
                timeout=60,
            )
        except (PipelineError, httpx.HTTPError) as error:
            raise Fault(
                "InternalFailure", f"the model server of {endpoint} does not answer: {error}", 500
            ) from error
        if answer.status_code != 200:
            raise Fault(
                "ModelError",
                f'Received error ({answer.status_code}) from the model with message "{answer.text[:1024]}".',
                424,
                OriginalStatusCode=answer.status_code,
                OriginalMessage=answer.text[:1024],
            )
        media_type = answer.headers.get("content-type", "application/octet-stream")
        return Answer(answer.content, media_type, variant)

    def recover(self) -> None:
        """Settle what a process that is gone left: a creation has failed, an update has not happened."""
        store = self._backend.store
        with store.transaction():
            for document in store.all(hosting.ENDPOINT):
                if document["EndpointStatus"] in hosting.BUSY and not is_alive(document.get("Owner")):
                    status = "InService" if "EndpointConfigName" in document else "Failed"
                    reason = "interrupted: the process that was changing the endpoint ended"
                    self._settle(document["EndpointName"], EndpointStatus=status, FailureReason=reason)

    def close(self, endpoint: str | None = None) -> None:
        """Stop the servers of one endpoint, or of all; a change under way fails."""
        if endpoint is None:
            self._closing.set()
            for thread in self._changes:
                thread.join()
        for name in [endpoint] if endpoint else {name for name, _ in list(self._servers)}:
            self._retire(name)
