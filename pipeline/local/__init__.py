"""A SageMaker small enough to read: it runs compiled pipeline definitions here and speaks AWS's protocol.

    with LocalSageMaker(Path(".pipeline")) as service:
        client = boto3.client("sagemaker", endpoint_url=service.url, …)

It knows nothing of any one pipeline. State lives in the folder it is given, and lasts; the service itself
lives as long as the `with` block: executions that still run at its end are stopped, and can be retried; an
endpoint that is being updated goes back to what it was.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

from pipeline.errors import UsageError
from pipeline.local.alarms import Alarm
from pipeline.local.backend import ACCOUNT, REGION, Backend
from pipeline.local.endpoints import Endpoints
from pipeline.local.engine import Engine
from pipeline.local.jobs import ProcessRunner, Runner, sweep
from pipeline.local.service import Server, application
from pipeline.local.store import Store
from pipeline.storage import FolderStorage

__all__ = ["ACCOUNT", "REGION", "Alarm", "LocalSageMaker"]


class LocalSageMaker:
    """functions: the Lambda functions there are, by name, each a Python file with handler(event, context).
    alarms: what an update of an endpoint may name for its rollback. clock: seconds, for its waits."""

    def __init__(
        self,
        home: Path,
        functions: Mapping[str, Path] = MappingProxyType({}),
        runner: Runner | None = None,
        port: int = 0,
        alarms: Mapping[str, Alarm] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        home = home.resolve()
        processes = ProcessRunner()
        self._backend = Backend(
            home=home,
            store=Store(home),
            storage=FolderStorage(home / "s3"),
            runner=runner or processes,
            function_runner=processes,
            functions=functions,
            alarms=alarms,
            clock=clock,
        )
        self._backend.endpoints = Endpoints(self._backend)
        self._backend.engine = Engine(self._backend)
        self._port = port

    @property
    def url(self) -> str:
        return self._backend.url

    def __enter__(self) -> "LocalSageMaker":
        self._backend.engine.recover()
        self._backend.endpoints.recover()
        sweep(self._backend.home)
        try:
            self._server = Server(application(self._backend), self._port)
        except OSError as error:
            self._backend.store.close()
            raise UsageError(
                f"cannot listen on 127.0.0.1:{self._port}: {error.strerror}; choose another --port"
            ) from error
        self._backend.url = self._server.url
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.engine.close()
        self._backend.endpoints.close()
        self._server.stop()
        self._backend.store.close()
