"""More than the server can do: the surplus is refused, the rest answered, and then all is as before."""

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from server_process import SECRET, ask, serve

PROGRAM = """
import time
CONTENT_TYPES, ACCEPTS = ("text/plain",), ("application/json",)
def model_fn(folder): return None
def input_fn(body, content_type): return body.decode()
def output_fn(prediction, accept): return prediction, accept
def predict_fn(text, model):
    if text[:5].isdigit(): time.sleep(int(text[:5]) / 1000)
    return '"done"'
"""


@pytest.fixture
def sleepy(program):
    """A model that sleeps for as many milliseconds as the first five digits of its text say."""
    (program / "code" / "inference.py").write_text(PROGRAM)
    return program


def waiting(server) -> int:
    text = server.client.get("/metrics").text
    return int(re.findall(r"^serving_waiting_requests (\d+)$", text, re.MULTILINE)[0])


def test_the_surplus_is_refused_and_told_when_to_come_again(sleepy, tmp_path):
    with serve(sleepy, tmp_path, "unix", SERVING_QUEUE="8", SERVING_THREADS="2") as server:
        with ThreadPoolExecutor(60) as pool:
            futures = [pool.submit(ask, server, f"00100 {SECRET}") for _ in range(300)]
            pings = []
            while not all(future.done() for future in futures):
                pings.append(server.client.get("/ping").status_code)
        answers = [future.result() for future in futures]
        assert {answer.status_code for answer in answers} == {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "1"
                assert answer.json()["error"]["code"] == "busy"
        assert set(pings) == {200}
        assert ask(server, "00000").status_code == 200 and waiting(server) == 0
        counted = dict(re.findall(r'answers_total{status="(\d+)"} (\d+)', server.client.get("/metrics").text))
        refused = sum(answer.status_code == 503 for answer in answers)
        assert counted == {"200": str(301 - refused), "503": str(refused)}
        log = server.log.read_text()
        assert log.count('"overloaded"') == 1 and "marzipan" not in log


def test_bodies_that_are_large_together_are_too_much_and_one_of_any_size_is_not(sleepy, tmp_path):
    variables = {"SERVING_QUEUE_MB": "1", "SERVING_THREADS": "1", "SERVING_BATCH_SIZE": "1"}
    with serve(sleepy, tmp_path, "unix", **variables) as server, ThreadPoolExecutor(8) as pool:
        assert ask(server, "00000".ljust(3_000_000)).status_code == 200
        answers = list(pool.map(lambda _: ask(server, "00300".ljust(600_000)).status_code, range(8)))
        assert answers.count(200) in (2, 3) and answers.count(503) == 8 - answers.count(200)
        small = list(pool.map(lambda _: ask(server, "00050").status_code, range(8)))
        assert small == [200] * 8, "what was answered counts no more"


IN_TURN = """
import itertools, pathlib, time
turn = itertools.count()
CONTENT_TYPES, ACCEPTS = ("text/x-path",), ("text/plain",)
def model_fn(folder): return None
def input_fn(body, content_type): return pathlib.Path(body.decode())
def output_fn(prediction, accept): return prediction, accept
def predict_fn(gate, model):
    gate.with_suffix(".begun").touch()
    while not gate.exists(): time.sleep(0.01)
    return str(next(turn))
"""


def test_who_came_first_is_answered_first(program, tmp_path):
    (program / "code" / "inference.py").write_text(IN_TURN)
    variables = {"SERVING_THREADS": "1", "SERVING_BATCH_SIZE": "1"}
    with serve(program, tmp_path, "unix", **variables) as server, ThreadPoolExecutor(8) as pool:
        gate = tmp_path / "gate"
        answers = [pool.submit(ask, server, str(gate), "text/x-path")]
        while not (tmp_path / "gate.begun").exists():
            time.sleep(0.01)
        for number in range(1, 8):
            answers.append(pool.submit(ask, server, str(gate), "text/x-path"))
            deadline = time.monotonic() + 20
            while waiting(server) != number:
                assert time.monotonic() < deadline
        gate.touch()
        assert [answer.result().text for answer in answers] == [str(number) for number in range(8)]


def test_a_batch_transform_is_not_refused(sleepy, tmp_path):
    with serve(sleepy, tmp_path, "unix", SAGEMAKER_BATCH="true") as server, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(server, "00050".ljust(5_000_000)).status_code, range(16)))
    assert answers == [200] * 16


def test_who_has_waited_too_long_is_told_and_a_ping_tells_of_threads_that_are_stuck(sleepy, tmp_path):
    with serve(sleepy, tmp_path, "unix", SERVING_TIMEOUT_SECONDS="0.5", SERVING_THREADS="1") as server:
        with ThreadPoolExecutor(4) as pool:
            slow = pool.submit(ask, server, "03000")
            time.sleep(0.2)
            behind = pool.submit(ask, server, "00000")
            for future in (slow, behind):
                assert future.result().status_code == 503
                assert future.result().headers["retry-after"] == "1"
            answer = server.client.get("/ping")
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "model_broken"
        deadline = time.monotonic() + 20
        while server.client.get("/ping").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert ask(server, "00000").status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(sleepy, tmp_path):
    with serve(sleepy, tmp_path, "unix", SERVING_BODY_SECONDS="0.3") as server:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(tmp_path / "socket"))
            head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            client.sendall(head + b"Content-Length: 100\r\n\r\nhalf")
            answer = b""
            while chunk := client.recv(65536):  # to the end: the server closes the connection
                answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408") and b"connection: close" in head.lower()
        assert json.loads(body)["error"]["code"] == "body_too_slow"
        assert ask(server, "00000").status_code == 200
