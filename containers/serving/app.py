"""The routes of SageMaker's serving contract, and /metrics; every error in one shape of JSON.

A review is never logged, not even by way of an exception's text: only the type of an exception and where it
was raised. 503 asks a client to come again, and says when.
"""

import asyncio
import json
import sys
import time
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .batching import Answer, Batcher, Full, Limits, TooLate
from .metrics import Metrics
from .program import DEFAULT, Program, ProgramFailed, Query

MEGABYTE = 1024 * 1024
DISCARDED = 10  # times the limit: so much of a too large body is read, for its client to see the answer
OVERLOAD_SECONDS = 10  # between two lines in the log that tell of it
PING_SECONDS = 1.5  # SageMaker waits for two
CLOSE = {"Connection": "close"}
LATER = {"Retry-After": "1"}  # second
CODES = {  # HTTP status: the code in the answer's JSON
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "body_too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
    500: "internal_error",
    503: "busy",
}


def log(event: str, **fields: object) -> None:
    """{"event": "started", "threads": 2}, a line on standard error."""
    print(json.dumps({"event": event, **fields}), file=sys.stderr, flush=True)


class Service:
    """A loaded model behind HTTP. payload_mb: the most of a body; slowest: seconds for it to come."""

    def __init__(self, program: Program, limits: Limits, payload_mb: int, slowest: float) -> None:
        self.open = 0  # requests to /invocations that have no answer yet
        self.draining = False  # the server is about to end: a connection is closed with its next answer
        self._program, self._limits = program, limits
        self._payload_mb, self._slowest = payload_mb, slowest
        self._metrics = Metrics()
        self._suspect = False  # a prediction failed and none has worked since: the next ping tries one
        self._told_overload = float("-inf")

    def app(self) -> Starlette:
        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            self._batcher = Batcher(self._program, self._limits, self._passed)
            yield

        app = Starlette(
            routes=[
                Route("/ping", self._ping),
                Route("/invocations", self._invocations, methods=["POST"]),
                Route("/execution-parameters", self._execution_parameters),
                Route("/metrics", self._metrics_text),
            ],
            exception_handlers={HTTPException: _refuse},
            lifespan=lifespan,
        )
        app.router.redirect_slashes = False
        return app

    async def _ping(self, request: Request) -> Response:
        sample = self._program.sample
        if self._suspect and sample and not self._batcher.stuck:
            try:
                await asyncio.wait_for(self._batcher.ask(sample), PING_SECONDS)
            except Exception:  # also that the queue is full: none of those in it has been answered
                return _error(503, "the model does not answer", "model_broken")
        if self._batcher.stuck:
            return _error(503, "the model has not answered for a long time", "model_broken")
        return Response()

    async def _execution_parameters(self, request: Request) -> Response:
        """What a batch transform asks for where its request leaves these open."""
        limits = {"MaxConcurrentTransforms": self._limits.threads, "MaxPayloadInMB": self._payload_mb}
        return JSONResponse({"BatchStrategy": "MULTI_RECORD", **limits})

    async def _metrics_text(self, request: Request) -> Response:
        return Response(self._metrics.text(self._batcher.waiting), media_type="text/plain; version=0.0.4")

    async def _invocations(self, request: Request) -> Response:
        began = time.monotonic()
        self.open += 1
        try:
            response = await self._respond(request)
        except HTTPException as error:
            response = _refuse(request, error)
        except ClientDisconnect:
            response = Response(status_code=400)  # it hung up while it sent: nobody reads this
        finally:
            self.open -= 1
        if self.draining:
            response.headers.update(CLOSE)
        self._metrics.seen(response.status_code, time.monotonic() - began)
        return response

    async def _respond(self, request: Request) -> Response:
        content_type = _content_type(request.headers, self._program.content_types)
        accept = _accept(request.headers, self._program.accepts)
        if self._batcher.full:
            raise self._busy()
        self._batcher.reading += 1
        try:
            body = await self._body(request)
        finally:
            self._batcher.reading -= 1
        try:
            answer, media_type = await self._batcher.ask(Query(body, content_type, accept))
        except Full:
            raise self._busy() from None
        except TooLate:
            raise HTTPException(
                503,
                f"no answer within {self._limits.patience:g} seconds; ask for less at once, or later",
                LATER,
            ) from None
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        except ProgramFailed:  # the log has it
            raise HTTPException(500, "the prediction failed; the server's log says where") from None
        return Response(answer, media_type=media_type)

    async def _body(self, request: Request) -> bytes:
        most = self._payload_mb * MEGABYTE
        body = bytearray()
        size = int(request.headers.get("content-length", 0))
        if size <= most * DISCARDED:
            size = 0
            try:
                async with asyncio.timeout(self._slowest):
                    async for chunk in request.stream():
                        size += len(chunk)
                        if size <= most:
                            body += chunk
                        elif size > most * DISCARDED:
                            break
            except TimeoutError:
                told = f"the body did not come within {self._slowest:g} seconds"
                raise HTTPException(408, told, CLOSE) from None
        if size > most:
            told = f"the body has {size} bytes; the limit is {self._payload_mb} MB"
            raise HTTPException(413, told, CLOSE if size > most * DISCARDED else None)
        return bytes(body)

    def _busy(self) -> HTTPException:
        now = time.monotonic()
        if now - self._told_overload > OVERLOAD_SECONDS:
            self._told_overload = now
            log("overloaded", waiting=self._batcher.waiting)
        return HTTPException(503, "the server has more to do than it can; try again", LATER)

    def _passed(self, outcomes: Sequence[Answer | Exception]) -> None:
        """A pass of the model is over."""
        self._metrics.batches.see(len(outcomes))
        for outcome in outcomes:
            if not isinstance(outcome, Exception):
                self._suspect = False
            elif not isinstance(outcome, ValueError):
                self._suspect = True
                fault = outcome.__cause__ or outcome
                where = "".join(traceback.format_tb(fault.__traceback__))
                log("prediction failed", type=type(fault).__name__, where=where)


def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, headers=error.headers)


def _error(status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Every error has one shape: {"error": {"code": "...", "message": "..."}}"""
    message = message.encode("utf-8", "replace").decode()  # a lone surrogate is no text to send
    content = {"error": {"code": code or CODES.get(status, "error"), "message": message}}
    return JSONResponse(content, status, headers)


def _content_type(headers: Mapping[str, str], known: tuple[str, ...]) -> str:
    """'Text/Plain; charset=utf-8' -> 'text/plain'; only UTF-8 is read. Any, for a program that names none."""
    found = headers.get("content-type", "" if known else DEFAULT)
    media_type, *parameters = (part.strip().lower() for part in found.split(";"))
    charsets = [part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")]
    if known and (media_type not in known or set(charsets) - {"utf-8", "utf8", "us-ascii"}):
        raise HTTPException(415, f"content type {found or 'none'}: send one of {', '.join(known)} in UTF-8")
    return media_type


def _accept(headers: Mapping[str, str], known: tuple[str, ...]) -> str:
    """The first media type of the Accept header that is known; the default for any and for none."""
    wanted = [part.partition(";")[0].strip().lower() for part in headers.get("accept", "*/*").split(",")]
    for media_type in wanted:
        if media_type in known:
            return media_type
        if media_type in ("*/*", "application/*", ""):
            return known[0] if known else DEFAULT
        if not known:
            return media_type
    raise HTTPException(406, f"accept {', '.join(wanted)}: the answer is one of {', '.join(known)}")
