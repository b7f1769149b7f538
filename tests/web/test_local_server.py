"""What the server on this machine does beside the handler: files, Host, bodies, the rate limit."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPResponse

import httpx
import psutil
import pytest
from pages import JSON, Answer
from test_handler import CORRECTION

from web import local
from web.security import HEADERS
from web.throttle import TokenBucket

BODY = json.dumps({"review": "A good film."}).encode()


def exchange(url: str, sent: bytes) -> Answer:
    """What comes of bytes on a connection of their own."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(sent)
        with closing(HTTPResponse(connection, method=sent.split()[0].decode())) as response:
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())


def has_security_headers(answer: Answer) -> bool:
    return {name: answer.headers.get(name.lower()) for name in HEADERS} == HEADERS


# ---------------------------------------------------------------------- who is answered


def test_it_listens_on_loopback_alone(local_page):
    port = int(local_page.url.rpartition(":")[2])
    listening = [each for each in psutil.Process().net_connections("inet") if each.status == "LISTEN"]
    assert {each.laddr.ip for each in listening if each.laddr.port == port} == {"127.0.0.1"}
    with socket.socket() as other:  # another of this machine's addresses
        assert other.connect_ex(("127.0.0.2", port)) != 0


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:8080", "0.0.0.0",
     "[::1]", "",
     "127.0.0.1:[", "127.0.0.1/x", "127.0.0.1@evil.example"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/api/health"), ("POST", "/api/sentiment")]
)
def test_another_host_is_refused(local_page, upstream, host, method, path):
    answer = local_page.send(method, path, BODY, {**JSON, "Host": host})
    assert answer.status == 400 and has_security_headers(answer)
    assert b"sentiment" not in answer.body and upstream.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "localhost:8080"])
def test_this_machine_is_answered_by_either_name(local_page, host):
    answer = local_page.send("POST", "/api/sentiment", BODY, {**JSON, "Host": host})
    assert answer.checked().status == 200


# ---------------------------------------------------------------------- files


def test_every_file_of_the_page_is_served_with_the_headers(local_page):
    for path in local.STATIC.rglob("*"):
        if path.is_file():
            answer = local_page.send("GET", f"/{path.relative_to(local.STATIC)}", headers={})
            assert (answer.status, answer.body) == (200, path.read_bytes()), path
            assert has_security_headers(answer) and answer.headers["cache-control"] == "no-cache"


def test_the_page_is_at_the_root_and_is_not_sent_again(local_page):
    answer = local_page.send("GET", "/", headers={})
    assert (answer.status, answer.body) == (200, (local.STATIC / "index.html").read_bytes())
    again = local_page.send("GET", "/", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"") and has_security_headers(again)


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/index.html/x", "/../handler.py", "/..%2fhandler.py", "/%2e%2e/handler.py", "//etc/passwd",
     "/%2fetc/passwd",
     "/..%5chandler.py", "/%00", "/index.html%00.js", "/%ff", "/" + "x" * 5000, "/static/"],
    ids=lambda path: path[:20],
)  # fmt: skip
def test_no_file_but_the_pages_is_served(local_page, path):
    sent = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = exchange(local_page.url, sent.encode())  # a client would tidy the path up
    assert (answer.status, answer.body) == (404, b"Not Found") and has_security_headers(answer)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_files_are_only_read(local_page, method):
    answer = local_page.send(method, "/", BODY)
    assert answer.status == 405 and has_security_headers(answer)


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/nothing", 404), ("/api/health", 405)])
def test_a_head_has_no_body(local_page, path, status):
    answer = local_page.send("HEAD", path, headers={})
    assert (answer.status, answer.body) == (status, b"") and has_security_headers(answer)


# ---------------------------------------------------------------------- bodies


def test_a_body_that_does_not_come_is_not_waited_for(local_page, upstream, monkeypatch):
    monkeypatch.setattr(local, "BODY_SECONDS", 0.2)
    head = "POST /api/sentiment HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    sent = f"{head}Content-Length: 99\r\n\r\n".encode() + BODY
    answer = exchange(local_page.url, sent).checked()
    assert (answer.code, answer.headers["connection"], upstream.asked) == ("body_too_slow", "close", [])


@pytest.mark.parametrize("megabytes", [2, 20])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_is_told_to_be_too_large(local_page, upstream, megabytes, chunked):
    content = b"x" * 1_000_000 * megabytes
    with httpx.Client(base_url=local_page.url, timeout=60) as client:
        answer = client.post("/api/sentiment", content=iter([content]) if chunked else content, headers=JSON)
    answer = Answer(answer.status_code, dict(answer.headers), answer.content).checked()
    assert (answer.code, answer.headers["connection"], upstream.asked) == ("too_large", "close", [])


def test_a_body_in_chunks_is_a_body(local_page):
    answer = local_page.client.post("/api/sentiment", content=iter([BODY[:7], BODY[7:]]), headers=JSON)
    assert Answer(answer.status_code, dict(answer.headers), answer.content).checked().status == 200


@pytest.mark.parametrize(
    "length", [10, 40, 130, 170]
)  # in the first line, a header, the last header, the body
def test_a_client_that_goes_away_leaves_no_trace(local_page, upstream, capfd, length):
    head = f"POST /api/sentiment HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON['content-type']}\r\n"
    sent = f"{head}X-Filler: {'x' * 30}\r\nContent-Length: 5000\r\n\r\n".encode() + BODY
    host, port = local_page.url.removeprefix("http://").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(sent[:length])
    assert local_page.send("GET", "/api/health").checked().status == 200
    assert upstream.asked == []
    written = capfd.readouterr()
    assert "Traceback" not in written.err and "good film" not in written.err + written.out


def test_many_at_once_have_each_their_own_answer(local_page):
    def ask(number: int) -> tuple[float, str]:
        answer = local_page.post("/api/sentiment", {"review": f"p=0.{number:03}"}).content
        return answer["probability"], answer["request_id"]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(100, 400)))
    assert [probability for probability, _ in answers] == [number / 1000 for number in range(100, 400)]
    assert len({request_id for _, request_id in answers}) == 300


# ---------------------------------------------------------------------- the rate limit


def test_more_than_the_rate_is_told_to_come_later_and_may(new_local_page, upstream):
    now = [100.0]
    page = new_local_page(wait=TokenBucket(rate=0.1, burst=3, clock=lambda: now[0]).wait)
    content = {"review": "A good film."}
    assert [page.post("/api/sentiment", content).status for _ in range(4)] == [200, 200, 200, 429]
    refused = page.post("/api/sentiment", content)
    assert (refused.code, refused.headers["retry-after"], len(upstream.asked)) == ("throttled", "10", 3)
    assert page.post("/api/batch", {"reviews": ["x"]}).status == 429
    assert page.post("/api/corrections", CORRECTION).status == 429 and page.corrections() == {}
    assert page.send("GET", "/api/health").checked().status == 200, "the limits are told at any time"
    assert page.send("GET", "/", headers={}).status == 200
    now[0] += 9.9
    assert page.post("/api/sentiment", content).headers["retry-after"] == "1"
    now[0] += 0.2
    assert [page.post("/api/sentiment", content).status for _ in range(2)] == [200, 429]
    now[0] += 1000
    assert [page.post("/api/sentiment", content).status for _ in range(4)] == [200, 200, 200, 429]


def test_a_correction_that_cannot_be_stored_is_not_said_to_be(new_local_page, tmp_path, capfd):
    page = new_local_page()
    (tmp_path / "s3").write_text("no folder")
    answer = page.post("/api/corrections", {**CORRECTION, "review": "marzipan"})
    assert answer.status >= 500
    written = capfd.readouterr()
    assert answer.content["request_id"] in written.err and "marzipan" not in written.err + written.out
