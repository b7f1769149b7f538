"""SageMaker's serving contract over one model: GET /ping, POST /invocations, GET /execution-parameters.

One process: the event loop reads and answers, a thread for each core predicts (torch lets go of the lock
while it computes). The work is done by model_fn, input_fn, predict_fn and output_fn of the program in the
archive of the model. The model is loaded and has answered once before the server listens. A review is never
logged, not even by way of an exception's text: only the type of the exception and where it was raised.
"""

import asyncio
import functools
import importlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MEGABYTE = 1024 * 1024
CODES = {  # HTTP status: the code in the answer's JSON
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    500: "internal_error",
    503: "model_broken",
}


class Service:
    """A loaded model behind HTTP."""

    def __init__(self, program: Any, model: Any, payload_mb: int) -> None:
        self.program = program  # the module of the model's code
        self.model = model
        self.payload_mb = payload_mb
        self.threads = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="predict")
        self.suspect = False  # a prediction failed and none has worked since: the next ping tries one
        self.answer(b"A good film.", "text/plain", program.ACCEPTS[0])

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[str, str]:
        request = self.program.input_fn(body, content_type)
        return self.program.output_fn(self.program.predict_fn(request, self.model), accept)

    async def predict(self, body: bytes, content_type: str, accept: str) -> tuple[str, str]:
        """An answer from the pool. ValueError is the client's mistake; all else makes the model suspect."""
        work = functools.partial(self.answer, body, content_type, accept)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self.pool, work)
        except ValueError:
            raise
        except Exception as error:
            self.suspect = True
            where = "".join(traceback.format_tb(error.__traceback__))
            print(f"prediction failed: {type(error).__name__}\n{where}", file=sys.stderr, flush=True)
            raise HTTPException(500, "the prediction failed; the server's log says where") from None
        self.suspect = False
        return answer

    async def ping(self, request: Request) -> Response:
        if self.suspect:
            try:
                await self.predict(b"A good film.", "text/plain", self.program.ACCEPTS[0])
            except (ValueError, HTTPException):
                raise HTTPException(503, "the model does not answer") from None
        return Response()

    async def invocations(self, request: Request) -> Response:
        content_type = request_type(request.headers, self.program.CONTENT_TYPES)
        accept = answer_type(request.headers, self.program.ACCEPTS)
        body = bytearray()
        size = 0
        async for (
            chunk
        ) in request.stream():  # to its end even when too large, so that the client sees the answer
            size += len(chunk)
            if size <= self.payload_mb * MEGABYTE:
                body += chunk
        if size > self.payload_mb * MEGABYTE:
            raise HTTPException(413, f"the body has {size} bytes; the limit is {self.payload_mb} MB")
        try:
            answer, media_type = await self.predict(bytes(body), content_type, accept)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return Response(answer, media_type=media_type)

    async def execution_parameters(self, request: Request) -> Response:
        """What a batch transform asks for where its request leaves these open."""
        limits = {"MaxConcurrentTransforms": self.threads, "MaxPayloadInMB": self.payload_mb}
        return JSONResponse({"BatchStrategy": "MULTI_RECORD", **limits})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/ping", self.ping),
                Route("/invocations", self.invocations, methods=["POST"]),
                Route("/execution-parameters", self.execution_parameters),
            ],
            exception_handlers={HTTPException: refuse, ClientDisconnect: gone},
        )


def refuse(request: Request, error: Exception) -> Response:
    """Every error has one shape: {"error": {"code": "...", "message": "..."}}"""
    assert isinstance(error, HTTPException)
    content = {"error": {"code": CODES.get(error.status_code, "error"), "message": error.detail}}
    return JSONResponse(content, error.status_code, headers=error.headers)


def gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # the client hung up while it sent: nobody reads this


def request_type(headers: Mapping[str, str], known: tuple[str, ...]) -> str:
    """'Text/Plain; charset=utf-8' -> 'text/plain'; only UTF-8 is read."""
    media_type, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    charsets = [part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")]
    if media_type not in known or any(charset not in ("utf-8", "utf8", "us-ascii") for charset in charsets):
        found = headers.get("content-type", "none")
        raise HTTPException(415, f"content type {found}: send one of {', '.join(known)} in UTF-8")
    return media_type


def answer_type(headers: Mapping[str, str], known: tuple[str, ...]) -> str:
    """The first media type of the Accept header that is known; the default for any and for none."""
    wanted = [part.partition(";")[0].strip().lower() for part in headers.get("accept", "*/*").split(",")]
    for media_type in wanted:
        if media_type in known:
            return media_type
        if media_type in ("*/*", "application/*", ""):
            return known[0]
    raise HTTPException(406, f"accept {', '.join(wanted)}: the answer is one of {', '.join(known)}")


def bind(environment: Mapping[str, str]) -> socket.socket:
    """A socket, bound and not yet listening: a Unix socket where $SERVING_SOCKET names one, else TCP."""
    if path := environment.get("SERVING_SOCKET"):
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        return listener
    host = environment.get("SAGEMAKER_BIND_TO_HOST", "0.0.0.0")  # noqa: S104 (the image's network decides)
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(environment.get("SAGEMAKER_BIND_TO_PORT", "8080"))))
    return listener


def load(environment: Mapping[str, str]) -> Service:
    folder = Path(environment.get("SM_MODEL_DIR", "/opt/ml/model"))
    code = Path(environment.get("SAGEMAKER_SUBMIT_DIRECTORY") or folder / "code")
    program = code / (environment.get("SAGEMAKER_PROGRAM") or "inference.py")
    if not program.is_file():
        raise FileNotFoundError(f"{program} is missing: a model archive carries its code")
    sys.path.insert(0, str(code))
    module = importlib.import_module(program.stem)
    # A batch transform sets the payload; 0 there means that it sends files of any size.
    payload_mb = int(environment.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", "6")) or 100
    return Service(module, module.model_fn(str(folder)), payload_mb)


def main() -> int:
    # In force until the server runs, and again when it has finished what was in flight.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        listener = bind(os.environ)
        service = load(os.environ)
    except Exception as error:  # the model's own code may raise anything
        print(f"the model server cannot start: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return 1
    print(f"serving on {listener.getsockname()} with {service.threads} threads", flush=True)
    limits = {"timeout_keep_alive": 75, "timeout_graceful_shutdown": 25}  # SageMaker kills after 30 s
    config = uvicorn.Config(service.app(), log_level="warning", access_log=False, **limits)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
