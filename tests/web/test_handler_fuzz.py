"""Ten thousand requests that no page sends: 5,200, each to both adapters, which answer with the same status.

A 2xx or a 4xx, in the shape that pages.py checks, and nothing of any request is in an answer or in the log.
"""

import json
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse
from urllib.parse import quote

from pages import Answer, LambdaPage
from test_local_server import has_security_headers

from web import handler

REQUESTS = 5_200
SEED = 20261125
MARK = "marzipan"
ROUTES = ("/api/sentiment", "/api/batch", "/api/corrections", "/api/health")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "MARZIPAN")
ANSWER = {"label": "positive", "probability": 0.9, "model_version": "3f2a"}
KEYS = ("review", "reviews", "label", "answer", "probability", "model_version", "explain", "", MARK)
ENTRY = {"id", "path", "status", "milliseconds", "cause"}  # what Lambda's log has of a request


class Dice(random.Random):
    def often(self, *usual, **rare):
        """Mostly one of the first, and sometimes one of the others."""
        return self.choice(usual if self.random() < 0.8 else list(rare.values()))

    def text(self) -> str:
        kinds = (
            lambda: MARK,
            lambda: f"{MARK} " * self.randrange(1, 300),
            lambda: MARK + "".join(chr(self.randrange(0x110000)) for _ in range(self.randrange(40))),
            lambda: "".join(map(chr, self.choices(range(0x20), k=5))),
            lambda: f"{MARK}😀\u202e\u0000\ufeff<script>",
            lambda: " " * self.randrange(4),
            lambda: MARK * self.choice([2500, 2501, 20_000]),
        )
        return self.choices(kinds, (9, 3, 3, 1, 2, 1, 1))[0]()

    def number(self) -> float:
        huge = int("9" * self.randrange(1, 4000))
        return self.choice([0, 1, 0.5, -1, 1e308, float("nan"), float("inf"), -0.0, huge, -huge, 10**400])

    def value(self, depth: int = 0):
        """Any JSON."""
        leaves = (None, True, False, "positive", "negative", self.text(), self.number())
        if depth > 3 or self.random() < 0.6:
            return self.choice(leaves)
        if self.random() < 0.5:
            return [self.value(depth + 1) for _ in range(self.randrange(4))]
        return {self.choice(KEYS): self.value(depth + 1) for _ in range(self.randrange(4))}

    def content(self):
        """What a page would send, or nearly: a member is of another value, or is not there."""
        review = self.text()
        found = self.choice(
            [
                {"review": review},
                {"reviews": [self.text() for _ in range(self.choice([0, 1, 2, 5, 50, 51]))]},
                {"review": review, "label": self.choice(["positive", "negative"]), "answer": dict(ANSWER)},
            ]
        )
        if self.random() < 0.4:
            target = found["answer"] if "answer" in found and self.random() < 0.5 else found
            target[self.choice(KEYS)] = self.value()
        if self.random() < 0.1:
            found.pop(self.choice(list(found)))
        return found

    def mutated(self, text: bytes) -> bytes:
        """Some bytes of it are others, gone, or there twice."""
        found = bytearray(text)
        for _ in range(self.randrange(1, 5)):
            at = self.randrange(len(found) + 1)
            part = found[at : at + self.randrange(20)]
            change = self.choice(
                [b"", self.randbytes(3), part + part, b'"', b"{", b"\\u", b"\xed\xa0\x80", b"\0"]
            )
            found[at : at + len(part)] = change
        return bytes(found)

    def body(self) -> bytes:
        text = json.dumps(self.content(), ensure_ascii=self.random() < 0.5).encode("utf-8", "surrogatepass")
        kinds = (
            lambda: text,
            lambda: self.mutated(text),
            lambda: json.dumps(self.value()).encode(),
            lambda: self.randbytes(self.randrange(500)),
            lambda: text.decode("utf-8", "replace").encode("utf-16"),
            lambda: b"\xef\xbb\xbf" + text,
            lambda: text + text,
            lambda: self.choice([b"[", b"{", b'{"review":', b"[[],"]) * self.randrange(1, 60_000),
            lambda: b'{"review": ' + b"9" * self.randrange(1, 9000) + b"}",
            lambda: text[:-1] + b', "review": "again"}',
            lambda: text.ljust(handler.MAX_BYTES + self.choice([-1, 0, 1])),
        )
        return self.choices(kinds, (12, 12, 6, 3, 1, 1, 1, 2, 1, 1, 0.1))[0]()

    def path(self) -> str:
        if self.random() < 0.9:
            return self.choice(ROUTES)
        part = "".join(self.choice(["/", "..", "%", "?", "#", "é", "\0", " ", "x", MARK]) for _ in range(6))
        return self.choice(["/api/", "/api/sentiment", "/"]) + part

    def content_type(self) -> str | None:
        right = ("application/json", "Application/JSON", 'application/json; charset="utf-8"')
        return self.often(*right, **dict(enumerate_names(self.odd_content_types())))

    def odd_content_types(self) -> list[str | None]:
        parameter = "".join(self.choices("charset=utf-8;*0'\" %x/,é", k=self.randrange(30)))
        pieces = (
            "charset*=utf-8''x",
            "charset*0=utf",
            "charset*1*=8",
            "charset*",
            "x*0=a",
            'charset="',
            "charset=é",
        )
        several = "; ".join(self.choices(pieces, k=3))
        types = [
            f"application/json; {several}",
            "",
            MARK,
            "text/plain",
            f"application/{MARK}",
            "*/*",
            "a" * 4000,
        ]
        return [None, *types, f"application/json;{parameter}", f"application/json; charset{parameter}"]

    def headers(self) -> dict[str, str]:
        found = {} if (kind := self.content_type()) is None else {"Content-Type": kind.strip()}
        more = {
            "Accept": self.choice(["*/*", "text/html", MARK, ""]),
            "Origin": "https://evil.example",
            "Content-Encoding": "gzip",
            "X-Request-Id": MARK,
            "X-Forwarded-Host": "evil.example",
            "Cookie": MARK * 200,
        }
        return found | {name: more[name] for name in self.sample(list(more), self.randrange(3))}


def enumerate_names(values) -> Iterator[tuple[str, object]]:
    return ((str(number), value) for number, value in enumerate(values))


class Wire:
    """Requests as bytes, on one connection for as long as it stays."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._address, self._connection = (host, int(port)), None

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=60)
        target = quote(path, safe="/?")
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        with closing(HTTPResponse(self._connection, method=method)) as response:
            response.begin()
            named = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, named, response.read())
        if named.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    found = Wire(url)
    try:
        yield found
    finally:
        found.close()


def test_ten_thousand_requests(local_page, lambda_variables, bucket, upstream, capfd):
    dice = Dice(SEED)
    function = LambdaPage(bucket, in_base64=False)
    statuses: Counter[int] = Counter()
    with wire(local_page.url) as local:
        for number in range(REQUESTS):
            path, body, headers = dice.path(), dice.body(), dice.headers()
            method = (
                dice.choice(METHODS) if dice.random() < 0.1 else "GET" if path.endswith("health") else "POST"
            )
            request = f"{number}: {method} {path[:50]!r} {headers!r:.100} {body[:60]!r}"
            answer = local.send(method, path, body, headers)
            statuses[answer.status] += 1
            assert 200 <= answer.status < 300 or 400 <= answer.status < 500, request
            assert MARK.encode() not in answer.body, request
            if not path.startswith("/api/"):
                assert has_security_headers(answer), request
                continue
            if method != "HEAD":
                answer.checked()
            function._in_base64 = dice.random() < 0.5
            other = function.send(method, path, body, headers).checked()
            statuses[other.status] += 1
            if (
                len(body) > handler.MAX_BYTES
            ):  # locally the first thing to see; the gateway has read it already
                assert (answer.status, other.status // 100 in (2, 4)) == (413, True), request
                continue
            assert other.status == answer.status, request
            assert MARK.encode() not in other.body, request
            if method != "HEAD" and answer.status >= 400:
                assert other.content["error"] == answer.content["error"], request
    assert sum(statuses.values()) > 10_000
    assert min(statuses[status] for status in (200, 201, 400, 404, 405, 413, 415)) > 20, statuses
    check_log(*capfd.readouterr())


def check_log(output: str, errors: str) -> None:
    """Nothing but what can be told of any request; of the local server nothing, for nothing failed."""
    assert MARK not in output + errors and "/api/" not in re.sub(r'"path": "/api/\w+"', "", errors)
    entries = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert len(entries) > 4_900
    for entry in entries:
        assert entry.keys() == ENTRY and entry["path"] in ("", *ROUTES) and entry["cause"] == "", entry
        assert re.fullmatch(r"[0-9a-f]{15}=", entry["id"])
