"""SageMaker's runtime on loopback, with an endpoint that answers as a test tells it to.

Errors have AWS's form for this API: the code in the header x-amzn-errortype, fields in JSON. Each of them
repeats the review, as a careless model server would, so that whoever passes it on is found out.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "3f2a9c"
PACKAGE = {"version": 3, "test_accuracy": 0.9153, "test_reviews": 2490}


@dataclass(frozen=True)
class Reply:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None  # bytes of the body, before the connection is closed


NEVER = Reply(b"", sent=-1)  # no answer, until the server ends
Answers = Callable[[Any], Reply]  # from the request's JSON


class Upstream:
    """answers: what comes of a request. asked: the requests' JSON, in their order."""

    def __init__(self) -> None:
        self.answers: Answers = good
        self.asked: list[Any] = []
        self.endpoints: list[str] = []
        self._ended = threading.Event()

    @contextmanager
    def serving(self) -> Iterator["Upstream"]:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # head and body in one packet

            def do_POST(self) -> None:
                upstream._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass  # the client has gone, which is its right

        server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def _answer(self, http: BaseHTTPRequestHandler) -> None:
        body = http.rfile.read(int(http.headers["content-length"]))
        content = json.loads(body)
        self.asked.append(content)
        self.endpoints.append(http.path.split("/")[2])
        reply = self.answers(content)
        if reply is NEVER:
            self._ended.wait()
            http.close_connection = True
            return
        http.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            http.send_header(name, value)
        http.send_header("Content-Length", str(len(reply.body)))
        http.end_headers()
        http.wfile.write(reply.body[: reply.sent])
        http.wfile.flush()
        if reply.sent is not None:
            http.connection.shutdown(socket.SHUT_RDWR)
            http.close_connection = True


def probability(review: str) -> float:
    """ "p=0.42" -> 0.42; else by whether it says bad."""
    if found := re.search(r"p=([\d.]+)", review):
        return float(found[1])
    return 0.04 if "bad" in review.lower() else 0.96


def score(review: str) -> dict[str, Any]:
    found = probability(review)
    label = "positive" if found >= 0.5 else "negative"
    return {"label": label, "probability": found, "model_version": VERSION}


def explanation(review: str) -> dict[str, Any]:
    """Every word, the sign of its change that of the sentiment."""
    change = probability(review) - 0.5
    words = [[word.start(), word.end(), change] for word in re.finditer(r"\w+", review)]
    return {"method": "hidden_words", "words": words, "words_read": len(words), "words_total": len(words)}


def as_json(content: Any) -> Reply:
    return Reply(json.dumps(content).encode())


def good(content: Any) -> Reply:
    """As containers/serving answers: a list with a list, a review with what was asked for."""
    if isinstance(content, list):
        return as_json([score(review) for review in content])
    review = content["review"]
    explained = {"explanation": explanation(review), "model_package": PACKAGE} if content["explain"] else {}
    return as_json({**score(review), **explained})


def changed(**changes: Any) -> Answers:
    """A good answer with members of another value; of a list, the last answer's."""

    def answers(content: Any) -> Reply:
        found = json.loads(good(content).body)
        (found[-1] if isinstance(found, list) else found).update(changes)
        return as_json(found)

    return answers


def explained(words: Callable[[str], Any]) -> Answers:
    """A good answer whose words are what is made of the review."""

    def answers(content: Any) -> Reply:
        review = content["review"]
        return changed(explanation={**explanation(review), "words": words(review)})(content)

    return answers


def fault(code: str, status: int, **fields: Any) -> Answers:
    """An error of the runtime."""

    def answers(content: Any) -> Reply:
        body = {"message": f"failed at {json.dumps(content)}", **fields}
        return Reply(json.dumps(body).encode(), status, {"x-amzn-errortype": code})

    return answers


def model_error(status: int) -> Answers:
    """What the runtime makes of a model server's own status."""

    def answers(content: Any) -> Reply:
        fields = {
            "OriginalStatusCode": status,
            "OriginalMessage": f"failed at {json.dumps(content)}",
            "LogStreamArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/e",
        }
        return fault("ModelError", 424, **fields)(content)

    return answers


def raw(body: bytes) -> Answers:
    return lambda content: Reply(body)


def cut_short(content: Any) -> Reply:
    body = good(content).body
    return Reply(body, sent=len(body) // 2)


def closed(content: Any) -> Reply:
    """A status line, and no more."""
    return Reply(b"{}", sent=0)


def no_json(content: Any) -> Reply:
    return Reply(f"<html>{json.dumps(content)}</html>".encode(), headers={"Content-Type": "text/html"})
