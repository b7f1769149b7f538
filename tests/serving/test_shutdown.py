"""SIGTERM under load: nothing that a client has sent is lost."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from server_process import ask, listens, serve

from shared import ROOT, imdb_rows

CLIENTS = 32


class Client:
    """Asks again and again on one connection, until the server closes it."""

    def __init__(self, texts: list[str], pause: float) -> None:
        self._pause = pause  # seconds between an answer and the next request
        self.answers = 0
        self.end = "none"
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        bodies = [text.encode() for text in texts]
        self._requests = [head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies]

    async def run(self, path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        with contextlib.closing(writer):
            await self._ask(reader, writer)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(self._requests[self.answers % len(self._requests)])
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.end = f"lost: {type(error).__name__}"
                return
            self.answers += 1
            if not head.startswith(b"HTTP/1.1 200"):
                self.end = head.decode()
                return
            if b"connection: close" in head.lower():
                self.end = "closed with an answer"
                return
            await asyncio.sleep(self._pause)


@pytest.mark.parametrize("after", [0.3, 0.7, 1.1])
def test_every_request_that_was_sent_is_answered(model, tmp_path, after):
    texts = [row["text"] for row in imdb_rows(200)]
    pauses = [0.05 * (number % 2) for number in range(CLIENTS)]  # half of them are idle for most of the time
    clients = [Client(texts[number:] + texts[:number], pause) for number, pause in enumerate(pauses)]

    async def load(process):
        tasks = [asyncio.create_task(client.run(str(tmp_path / "socket"))) for client in clients]
        await asyncio.sleep(after)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*tasks), 60)

    with serve(model, tmp_path, "unix") as server:
        asyncio.run(load(server.process))
        assert server.process.wait(30) == 0
        events = [json.loads(line)["event"] for line in server.log.read_text().splitlines()]
    assert {client.end for client in clients} == {"closed with an answer"}
    assert min(client.answers for client in clients) > 1
    assert events == ["started", "stopping", "stopped"]


def test_connections_that_are_idle_do_not_hold_it_up_and_new_ones_are_not_taken(model, tmp_path):
    with serve(model, tmp_path, "tcp") as server:
        assert server.client.get("/ping").status_code == 200  # and stays connected
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        with pytest.raises(httpx.ConnectError):
            server.client.get("/ping")


WAITING = """
import pathlib, time
CONTENT_TYPES, ACCEPTS = ("text/x-path",), ("text/plain",)
def model_fn(folder): return None
def input_fn(body, content_type): return pathlib.Path(body.decode())
def output_fn(prediction, accept): return prediction, accept
def predict_fn(path, model):
    path.with_suffix(".begun").touch()
    while not path.with_suffix(".end").exists(): time.sleep(0.01)
    return path.name
"""


def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_half_sent_or_half_done_is_answered_and_no_new_connection_taken(program, tmp_path):
    (program / "code" / "inference.py").write_text(WAITING)
    with serve(program, tmp_path, "tcp", SERVING_THREADS="1") as server, ThreadPoolExecutor(1) as pool:
        address = ("127.0.0.1", server.client.base_url.port)
        (tmp_path / "half.end").touch()
        half = socket.create_connection(address, 30)
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/x-path\r\n"
        body = str(tmp_path / "half").encode()
        half.sendall(head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body[:3]))
        asked = pool.submit(ask, server, str(tmp_path / "whole"), "text/x-path")
        until((tmp_path / "whole.begun").exists)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not listens(socket.AF_INET, address))
        assert server.process.poll() is None and not asked.done()
        half.sendall(body[3:])
        (tmp_path / "whole.end").touch()
        assert asked.result().text == "whole" and asked.result().headers["connection"] == "close"
        with half:
            answer = b""
            while chunk := half.recv(65536):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"half")
        assert b"connection: close" in answer.lower()
        assert server.process.wait(20) == 0


def test_while_the_model_loads_it_ends_at_once(program, tmp_path):
    (program / "code" / "inference.py").write_text("import time\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "containers.serving"]
    variables = {"SM_MODEL_DIR": str(program), "SERVING_SOCKET": str(tmp_path / "socket"), "PATH": ""}
    log = tmp_path / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "socket").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert log.read_text() == ""
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("after", [0.3, 0.6, 0.9])
def test_a_connection_that_was_made_is_answered_also_where_each_request_makes_one(model, tmp_path, after):
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    request = head + b"Content-Length: 4\r\n\r\ngood"
    answered, lost = [], []

    def ask_until_refused(port: int) -> None:
        while True:
            with socket.socket() as client:
                client.settimeout(30)
                try:
                    client.connect(("127.0.0.1", port))
                except OSError:  # nobody listens any more
                    return
                try:
                    client.sendall(request)
                    (answered if client.recv(65536) else lost).append(1)
                except OSError as error:
                    lost.append(error)

    with serve(model, tmp_path, "tcp") as server, ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(ask_until_refused, server.client.base_url.port) for _ in range(CLIENTS)]
        time.sleep(after)
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.result(60)
        assert server.process.wait(30) == 0
    assert lost == [] and len(answered) > CLIENTS
