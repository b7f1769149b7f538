"""Ten thousand requests that no client should send: refused, each and all, and the server is as it was."""

import json
import random
import socket

import psutil
import pytest
from server_process import ask, serve

REQUESTS = 10_000
SEED = 20261125
MARK = "marzipan"  # stands in every text, and must not stand in the log
GROWTH = 10e6  # bytes of memory over the second half; the first warms up
EXPLAIN = [True, True, False, None, 1, "true", [], {"a": True}]
TYPES = ["text/plain", "application/json", "application/jsonlines", "text/csv"]


def body(dice: random.Random) -> bytes:
    text = f"{MARK} {dice.randrange(10**9)}"
    return dice.choice(
        [
            lambda: b"",
            lambda: b" \n\t" * dice.randrange(1, 100),
            lambda: dice.randbytes(dice.randrange(1, 2000)),
            lambda: text.encode("utf-16"),
            lambda: text.encode()[:-1] + b"\xff\xfe\xc3",
            lambda: b"\xef\xbb\xbf" + text.encode(),
            lambda: b"[" * dice.randrange(1, 100_000),
            lambda: b'{"review":' * dice.randrange(1, 30_000) + b"1" + b"}" * dice.randrange(3),
            lambda: json.dumps(
                {"review": dice.choice([None, 1, 1.5, True, [], {}, [text], {"a": text}])}
            ).encode(),
            lambda: json.dumps({"text": text, "reviews": [text]}).encode(),
            lambda: json.dumps(
                {"review": dice.choice([text, "&" * 99, text * 50, 7]), "explain": dice.choice(EXPLAIN)}
            ).encode(),
            lambda: json.dumps([{"review": text, "explain": dice.choice(EXPLAIN)}]).encode(),
            lambda: json.dumps([{"review": text}, text, dice.choice([7, None, "", {}])]).encode(),
            lambda: b'{"review": "' + b"\\ud800\\u0000" * dice.randrange(1, 50) + b'"}',
            lambda: b"[NaN, Infinity, -Infinity, 1e999, " + b"9" * dice.randrange(1, 6000) + b"]",
            lambda: b'{"review": "a", "review": ' + str(dice.random()).encode() + b"}",
            lambda: (json.dumps({"review": text}) + "\n{\n").encode() * dice.randrange(1, 20),
            lambda: ",".join(
                str(dice.randrange(-5, 10 ** dice.randrange(1, 30))) for _ in range(dice.randrange(1, 60))
            ).encode(),
            lambda: b"9" * 5000 + b",1",
            lambda: b"1," + b"1" * 5000,
            lambda: f"{dice.randrange(2, 2000)},{text}".encode(),
            lambda: b"0,0\n" * dice.randrange(1, 500),
            lambda: text.encode() * dice.randrange(1, 200),
        ]
    )()


def request(dice: random.Random) -> tuple[bytes, bool]:
    """(what is sent, whether an answer can be expected on the connection)"""
    content = body(dice)
    kind = dice.choice(
        [*TYPES, *TYPES, "", "image/png", f"text/{MARK}", "text/plain; charset=utf-7", "a" * 3000]
    )
    accept = dice.choice(
        ["*/*", "application/json", "application/jsonlines", "text/html", ";;,,", "x" * 2000]
    )
    head = [f"Content-Type: {kind}", f"Accept: {accept}", "Host: x"]
    lines = ["POST /invocations HTTP/1.1"] * 12
    lines += ["POST /invocations HTTP/1.0", "PUT /invocations HTTP/1.1", "POST /%2e%2e/ HTTP/1.1"]
    line = dice.choice(lines)
    shape = dice.randrange(20)
    if shape == 0:  # half of it, and gone
        text = "\r\n".join([line, *head, f"Content-Length: {len(content) + 10}"])
        return text.encode() + b"\r\n\r\n" + content, False
    if shape == 1:
        return "\r\n".join([line, *head])[: dice.randrange(5, 60)].encode(), False
    if shape == 2:
        wrong = dice.choice(["-1", "1e3", "9" * 40, MARK, "5, 6"])
        return "\r\n".join([line, *head, f"Content-Length: {wrong}", "", ""]).encode() + content, True
    if shape == 3:  # not HTTP at all
        return dice.randbytes(dice.randrange(1, 500)) + b"\r\n\r\n", True
    if shape == 4:  # in chunks
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (content[:7], content[7:]) if part)
        return "\r\n".join(
            [line, *head, "Transfer-Encoding: chunked", "", ""]
        ).encode() + chunks + b"0\r\n\r\n", True
    return "\r\n".join([line, *head, f"Content-Length: {len(content)}", "", ""]).encode() + content, True


def answer(connection: socket.socket) -> tuple[int, bytes, bool]:
    """(status, body, whether the connection stays)"""
    found = b""
    while b"\r\n\r\n" not in found:
        chunk = connection.recv(65536)
        if not chunk:
            return 0, found, False
        found += chunk
    head, _, content = found.partition(b"\r\n\r\n")
    lower = head.lower()
    _, named, rest = lower.partition(b"content-length: ")
    length = int(rest.split(b"\r\n")[0]) if named else None
    while length is None or len(content) < length:
        chunk = connection.recv(65536)
        if not chunk:
            break
        content += chunk
    return int(head[9:12]), content, length is not None and b"connection: close" not in lower


@pytest.fixture(scope="module")
def fuzzed(model, tmp_path_factory):
    """(answers by status, bodies of errors, memory at half and at the end, log, whether it still answers)"""
    dice = random.Random(SEED)
    folder = tmp_path_factory.mktemp("fuzz")
    statuses: dict[int, int] = {}
    errors, memory = [], []
    with serve(model, folder, "unix") as server:
        process = psutil.Process(server.process.pid)
        connection = None
        for number in range(REQUESTS):
            if number == REQUESTS // 2:
                memory.append(process.memory_info().rss)
            if connection is None:
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(30)
                connection.connect(str(folder / "socket"))
            sent, expects = request(dice)
            stays = False
            try:
                connection.sendall(sent)
                if expects:
                    status, content, stays = answer(connection)
                    statuses[status] = statuses.get(status, 0) + 1
                    if status != 200:
                        errors.append((status, content))
            except (BrokenPipeError, ConnectionResetError):  # refused before it had read all of it
                statuses[0] = statuses.get(0, 0) + 1
            if not stays:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()
        memory.append(process.memory_info().rss)
        pong = server.client.get("/ping").status_code, ask(server, "A good film.").status_code
        return statuses, errors, memory, server.log.read_text(), pong


def test_all_that_is_wrong_is_refused_as_the_clients_mistake(fuzzed):
    statuses = fuzzed[0]
    assert sum(statuses.values()) > 0.85 * REQUESTS and statuses[200] > 100 and statuses[400] > 1000
    assert set(statuses) <= {0, 200, 400, 404, 405, 406, 413, 415}, statuses
    assert statuses.get(0, 0) < 0.02 * REQUESTS, "without an answer"


def test_no_answer_tells_of_the_inside(fuzzed):
    for status, content in fuzzed[1]:
        assert b"Traceback" not in content and b".py" not in content, (status, content)


def test_its_log_says_nothing_of_them(fuzzed):
    log = fuzzed[3]
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["started"]
    assert MARK not in log


def test_requests_in_one_packet_are_answered_in_their_order(model, tmp_path):
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: "
    good = head + b"text/plain\r\nContent-Length: 4\r\n\r\ngood"
    bad = head + b"text/csv\r\nContent-Length: 3\r\n\r\n9,9"
    last = good.replace(b"Host: x", b"Host: x\r\nConnection: close")
    with serve(model, tmp_path, "unix"), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(tmp_path / "socket"))
        connection.sendall(good + bad + bad + good + last)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
    statuses = [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 400, 400, 200, 200]


@pytest.mark.parametrize("content_type", TYPES)
def test_bodies_as_large_as_they_may_be_and_larger(model, tmp_path, content_type):
    with serve(model, tmp_path, "unix") as server:
        for part in (b"[", b'{"a":', b"9", b"1,", b"\n", b"x ", b"\xff", b'{"review": 7}\n'):
            content = part * (6 * 1024**2 // len(part) + 1)
            readable = 200 if content_type == "text/plain" and part not in (b"\n", b"\xff") else 400
            assert ask(server, content[: 6 * 1024**2], content_type).status_code == readable, part
            assert ask(server, content, content_type).status_code == 413, part
        assert server.client.get("/ping").status_code == 200
        assert [json.loads(line)["event"] for line in server.log.read_text().splitlines()] == ["started"]


def test_it_answers_as_before_and_its_memory_is_flat(fuzzed):
    assert fuzzed[4] == (200, 200)
    half, end = fuzzed[2]
    assert end - half < GROWTH, f"{half / 1e6:.0f} MB -> {end / 1e6:.0f} MB"
