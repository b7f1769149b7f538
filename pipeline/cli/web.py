"""web: the review page on loopback, in front of the endpoint."""

import sys
import threading
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from pipeline import corrections, sessions, settings
from pipeline.cli.invoke import check_deployed
from pipeline.errors import UsageError
from pipeline.local.service import Server
from pipeline.uploads import File
from web.corrections import Corrections
from web.handler import Handler
from web.local import application
from web.model import READ_SECONDS, Model
from web.refusal import Refusal
from web.throttle import TokenBucket

RATE, BURST = 20, 40  # requests a second, and at once


def serve(environment: str, flags: Mapping[str, Any], port: int, in_browser: bool, stream: TextIO) -> None:
    """Say where the page is, and serve it until Ctrl-C."""
    config = settings.load(environment, flags)
    with sessions.connect(config, sessions.state_folder(), answer_seconds=READ_SECONDS) as clients:
        check_deployed(clients.sagemaker, config, flags)
        kept = corrections.uri(config.root)

        def put(name: str, content: bytes) -> None:
            clients.storage.add([File.of(content, name)], kept)

        model = Model(clients.runtime, config.endpoint)
        bucket = TokenBucket(RATE, BURST)
        handler = Handler(model, Corrections(put).store, tell_failure, bucket.wait)
        server = _server(handler, port)
        server.start()
        try:
            with suppress(KeyboardInterrupt):
                print(
                    f"the review page: {server.url}\n"
                    f"it asks the endpoint {config.endpoint} ({environment}); corrections go to {kept}\n"
                    "Ctrl-C ends it",
                    file=stream,
                    flush=True,
                )
                threading.Thread(target=_warm_up, args=(model,), daemon=True).start()
                if in_browser:
                    webbrowser.open(server.url)
                threading.Event().wait()
        finally:
            server.stop()


def _server(handler: Handler, port: int) -> Server:
    try:
        return Server(application(handler), port)
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be listened on: {error.strerror}; name another with --port, or 0 for any"
        ) from error


def tell_failure(entry: Mapping[str, Any]) -> None:
    """What broke, in one line; who asks for what cannot be answered learns of it on the page."""
    if entry["status"] >= 500:
        print("{path}: {status}, {cause} (request {id})".format(**entry), file=sys.stderr, flush=True)


def _warm_up(model: Model) -> None:
    """The first answer of a local endpoint waits for its server to start: begin before a person asks."""
    with suppress(Refusal):
        model.explain("A first review.")
