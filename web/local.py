"""The page on this machine: its files and the handler, in Starlette, on loopback.

Only requests whose Host is this machine are answered, so that a page elsewhere cannot reach it through a
name of its own; and what a page elsewhere may send without asking first is no JSON.
"""

import asyncio
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Mount, request_response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .handler import MAX_BYTES, Handler, Request, refuse
from .refusal import Refusal
from .security import HEADERS

STATIC = Path(__file__).with_name("static")
BODY_SECONDS = 10.0


def application(handler: Handler) -> Starlette:
    async def api(http: HttpRequest) -> HttpResponse:
        request = Request(http.method, http.url.path, http.headers, b"")
        try:
            request = Request(http.method, http.url.path, http.headers, await _body(http))
        except Refusal as refusal:
            response = refuse(refusal, request.id)
        except ClientDisconnect:
            return HttpResponse(status_code=400)  # nobody reads it
        else:
            response = await run_in_threadpool(handler, request)
        return HttpResponse(response.body, response.status, response.headers)

    return Starlette(
        routes=[
            Mount("/api", request_response(api)),  # of every method
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
        ],
    )


async def _body(http: HttpRequest) -> bytes:
    """Raises a Refusal for one that is too large, or too slow to come."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in http.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    told = f"the body has more than {MAX_BYTES:,} bytes"
                    raise Refusal("too_large", told, Connection="close")
    except TimeoutError:
        told = f"the body did not come within {BODY_SECONDS:g} seconds"
        raise Refusal("body_too_slow", told, Connection="close") from None
    return bytes(body)


class SecurityHeaders:
    """Every answer has them: files, and refusals of Starlette's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "Cache-Control": "no-cache"}.items():
                    found.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)
