"""The model servers that run in this process, by endpoint and endpoint configuration.

A request leases the server that it goes to. One that is no longer wanted can first no longer be leased, and
stops when the last lease is given back, so that no request meets a server that is going away.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.local.backend import new_id
from pipeline.local.capture import Capture
from pipeline.local.jobs import ServedModel, serve_model
from pipeline.local.operations import hosting

if TYPE_CHECKING:
    from pipeline.local.backend import Backend


@dataclass(eq=False)
class Server:
    model: ServedModel
    variant: str
    capture: Capture | None
    leases: int = 0  # requests that it has


class Servers:
    def __init__(self, backend: "Backend") -> None:
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self._backend = backend
        self._returned = threading.Condition(self.lock)
        self._running: dict[tuple[str, str], Server] = {}  # (endpoint, endpoint config) -> its server
        self._starting: dict[tuple[str, str], threading.Lock] = {}

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(endpoint, endpoint config) of each."""
        return iter(list(self._running))

    def lease(self, endpoint: str, config: str) -> Server | None:
        """The server, to be given back; None if it does not run."""
        with self.lock:
            server = self._running.get((endpoint, config))
            if server is None or not server.model.alive:
                return None
            server.leases += 1
            return server

    def give_back(self, server: Server) -> None:
        with self._returned:
            server.leases -= 1
            self._returned.notify_all()

    def start(self, endpoint: str, config: str, wanted: Callable[[], bool] = lambda: True) -> Server | None:
        """The server, started if need be, to be given back; None if it is no longer wanted when its turn
        comes. Raises what serve_model raises."""
        with self.lock:
            starting = self._starting.setdefault((endpoint, config), threading.Lock())
        with starting:
            if not wanted():
                return None
            if running := self.lease(endpoint, config):
                return running
            server = self._serve(endpoint, config)
            with self.lock:
                dead = self._running.get((endpoint, config))
                self._running[endpoint, config] = server
        if dead:
            self._close(dead)
        return server

    def _serve(self, endpoint: str, config: str) -> Server:
        document = hosting.describe_endpoint_config(self._backend, {"EndpointConfigName": config})
        variant = document["ProductionVariants"][0]
        container = hosting.model_container(self._backend, variant["ModelName"])
        context = self._backend.job_context(self.closing.is_set)
        model = serve_model(f"endpoint-{endpoint}-{new_id(6)}", container, context)
        capture = None
        settings = document.get("DataCaptureConfig", {"EnableCapture": False})
        if settings.get("EnableCapture", True):
            storage, clock = self._backend.storage, self._backend.store.clock
            capture = Capture(settings, endpoint, variant["VariantName"], storage, clock)
        return Server(model, variant["VariantName"], capture, leases=1)

    def retire(self, endpoint: str, keep: set[str]) -> list[Server]:
        """From now on no request gets the servers of an endpoint's other configurations: to be stopped."""
        with self.lock:
            keys = [key for key in self._running if key[0] == endpoint and key[1] not in keep]
            return [self._running.pop(key) for key in keys]

    def stop(self, servers: list[Server]) -> None:
        """Once they have answered the requests they have; at close(), at once, with the grace of SIGTERM."""
        for server in servers:
            with self._returned:
                while server.leases and not self.closing.is_set():
                    self._returned.wait()
            self._close(server)

    def close(self) -> None:
        """No server starts any more, and what is stopping does not wait."""
        with self._returned:
            self.closing.set()
            self._returned.notify_all()

    def _close(self, server: Server) -> None:
        server.model.close()
        if server.capture:
            server.capture.flush()
