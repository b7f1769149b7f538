"""SageMaker's wire protocol on loopback: JSON 1.1 for control, REST-JSON for the runtime, so that any AWS
client fits.

Requests are checked with botocore's own service model before an operation sees them, and answers are cut to
that model's shapes, so that what the store keeps for itself never leaves. Bound to 127.0.0.1, and only
requests whose Host is this machine are answered: a web page elsewhere cannot reach it through a name of its
own.
"""

import json
import logging
import socket
import threading
import time
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline import service_model
from pipeline.errors import Fault, PipelineError
from pipeline.local.backend import Backend
from pipeline.local.operations import LOGS, SAGEMAKER
from pipeline.local.store import Document

MOST_REQUEST_BYTES = 6 * 1024 * 1024  # what InvokeEndpoint takes, and more than any control request needs
_TARGETS = {"SageMaker": ("sagemaker", SAGEMAKER), "Logs_20140328": ("logs", LOGS)}
log = logging.getLogger(__name__)


def application(backend: Backend) -> Starlette:
    async def control(http: Request) -> Response:
        try:
            answer = await run_in_threadpool(
                _control, backend, http.headers.get("x-amz-target", ""), await _body(http)
            )
            return Response(json.dumps(answer), media_type="application/x-amz-json-1.1")
        except Exception as error:
            fault = _as_fault(error)
            body = {"__type": fault.code, "message": str(fault), **fault.fields}
            return Response(json.dumps(body), fault.status, media_type="application/x-amz-json-1.1")

    async def invoke(http: Request) -> Response:
        content_type = http.headers.get("content-type", "application/json")
        accept = http.headers.get("accept", "application/json")
        inference_id = http.headers.get("x-amzn-sagemaker-inference-id")
        name = http.path_params["name"]
        try:
            answer = await run_in_threadpool(
                backend.endpoints.invoke, name, await _body(http), content_type, accept, inference_id
            )
        except Exception as error:
            fault = _as_fault(error)
            body = json.dumps({"message": str(fault), **fault.fields})
            headers = {"x-amzn-errortype": fault.code}
            return Response(body, fault.status, headers, media_type="application/json")
        return Response(
            answer.body, 200, {"x-Amzn-Invoked-Production-Variant": answer.variant}, answer.content_type
        )

    return Starlette(
        routes=[
            Route("/", control, methods=["POST"]),
            Route("/endpoints/{name}/invocations", invoke, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


async def _body(http: Request) -> bytes:
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > MOST_REQUEST_BYTES:
            raise Fault("ValidationException", f"the request is larger than {MOST_REQUEST_BYTES} bytes", 413)
    return bytes(body)


def _control(backend: Backend, target: str, body: bytes) -> Document:
    prefix, _, name = target.partition(".")
    service, operations = _TARGETS.get(prefix, ("sagemaker", {}))
    if name not in operations:
        raise Fault(
            "UnknownOperationException",
            f"{target or 'a request without X-Amz-Target'} is not implemented by the local service",
        )
    try:
        request = json.loads(body or b"{}")
    except ValueError as error:
        raise Fault("SerializationException", f"the request is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise Fault("SerializationException", "the request is not a JSON object")
    if problems := service_model.validate(name, request, service):
        raise Fault("ValidationException", "; ".join(problems))
    answer = operations[name](backend, request)
    shape = service_model.service(service).operation_model(name).output_shape
    return _cut(answer, shape) if shape else {}


def _cut(value: Any, shape: Any) -> Any:
    """The value without the members that its shape does not have."""
    if shape.type_name == "structure" and isinstance(value, dict):
        return {
            name: _cut(value[name], member)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_cut(item, shape.member) for item in value]
    return value


def _as_fault(error: Exception) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, PipelineError):
        return Fault("ValidationException", str(error))
    log.error("the local service failed", exc_info=error)
    return Fault("InternalFailure", f"the local service failed: {type(error).__name__}: {error}", 500)


class Server:
    """uvicorn in a thread, on a loopback port that is free."""

    def __init__(self, app: Starlette, port: int) -> None:
        # With proto left at 0 asyncio does not set TCP_NODELAY, and every answer waits 40 ms for a delayed
        # ACK.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="local-sagemaker", daemon=True
        )

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
