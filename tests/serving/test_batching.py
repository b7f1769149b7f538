"""Requests that come at once share a pass of the model, and nobody can tell by the answers."""

import json
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from server_process import ask, serve

from shared import ROOT, imdb_rows

CLIENTS = 64


def passes(server) -> tuple[int, int]:
    """(passes of the model, requests in them)"""
    text = server.client.get("/metrics").text
    counts = dict(re.findall(r"^serving_batch_requests_(count|sum) ([\d.]+)$", text, re.MULTILINE))
    return int(counts["count"]), int(float(counts["sum"]))


def at_once(server, bodies, content_type="text/plain"):
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(lambda body: ask(server, body, content_type), bodies))


def test_answers_in_company_are_those_alone(model, tmp_path):
    texts = [row["text"] for row in imdb_rows(300)]
    with serve(model, tmp_path, "unix") as server:
        alone = [ask(server, text).json() for text in texts]
        before = passes(server)
        together = [answer.json() for answer in at_once(server, texts)]
        after = passes(server)
    assert after[1] - before[1] == 300 and after[0] - before[0] < 300, "some shared a pass"
    for one, other in zip(alone, together, strict=True):
        assert one["label"] == other["label"] and one["model_version"] == other["model_version"]
        assert one["probability"] == pytest.approx(other["probability"], abs=2e-6)  # of six decimals
    assert len({answer["probability"] for answer in alone}) > 250, "whose answer is whose can be seen"


def test_each_in_a_pass_of_its_own_where_that_is_wanted(model, tmp_path):
    with serve(model, tmp_path, "unix", SERVING_BATCH_SIZE="1") as server:
        at_once(server, [row["text"] for row in imdb_rows(100)])
        count, requests = passes(server)
        assert count == requests == 100


def test_a_mistake_is_its_clients_alone(model, tmp_path):
    bodies = [json.dumps({"review": f"a film of {number} acts"}) for number in range(200)]
    bodies[::20] = ["{", "[]", '{"review": 7}', '""', '"\\ud800 "', "null", "[[", "{}", '["good", 3]', "\x00"]
    with serve(model, tmp_path, "unix") as server:
        answers = at_once(server, bodies, "application/json")
    for number, answer in enumerate(answers):
        expected = 200 if number % 20 or bodies[number] == '"\\ud800 "' else 400
        assert answer.status_code == expected, (bodies[number], answer.text)


def test_ids_that_the_model_does_not_know_are_found_in_the_pass_and_fail_alone(model, tmp_path):
    bodies = ["3,5,9,7" if number % 10 else "1,999999" for number in range(100)]
    with serve(model, tmp_path, "unix") as server:
        statuses = [answer.status_code for answer in at_once(server, bodies, "text/csv")]
    assert statuses == [200 if number % 10 else 400 for number in range(100)]


FOUR_FUNCTIONS = """
def model_fn(folder): return "model"
def input_fn(body, content_type): return body.decode(), content_type
def predict_fn(request, model): return request
def output_fn(prediction, accept): return f"{prediction[0]} as {prediction[1]} for {accept}"
"""


def test_a_program_of_the_four_functions_alone_is_served(program, tmp_path):
    (program / "code" / "inference.py").write_text(FOUR_FUNCTIONS)
    with serve(program, tmp_path, "unix") as server:
        answers = [answer.text for answer in at_once(server, map(str, range(64)), "image/x-any")]
        assert answers == [f"{number} as image/x-any for application/json" for number in range(64)]
        answer = ask(server, "1", "image/x-any", accept="text/x-mine, */*")
        assert answer.headers["content-type"].startswith("text/x-mine") and answer.text.endswith(
            "for text/x-mine"
        )
        assert passes(server) == (65, 65)


JOINING = (
    FOUR_FUNCTIONS
    + """
def size_fn(request): return 1
def join_fn(requests): return [text for text, _ in requests], "joined"
def split_fn(prediction, requests): return [(text, prediction[1]) for text in prediction[0]]
def predict_fn(request, model):
    if isinstance(request[0], list) and "7" in request[0]: raise RuntimeError("not this one")
    if request[0] == "7": raise RuntimeError("nor alone")
    return request
"""
)


def test_a_pass_that_fails_is_made_again_with_each_alone(program, tmp_path):
    (program / "code" / "inference.py").write_text(JOINING)
    with serve(program, tmp_path, "unix", SERVING_THREADS="1") as server:
        answers = at_once(server, map(str, range(200)), "text/x-any")
        count, requests = passes(server)
    assert requests == 200 and count < 200, "some shared a pass"
    assert [answer.status_code for answer in answers] == [200] * 7 + [500] + [200] * 192
    assert [answer.text.split()[0] for answer in answers[8:]] == [str(number) for number in range(8, 200)]


def test_a_thread_may_wait_for_a_request_that_is_on_its_way(program, tmp_path):
    """It would wait for 20 seconds, and goes on as soon as the batch is full."""
    (program / "code" / "inference.py").write_text(JOINING)
    variables = {"SERVING_THREADS": "1", "SERVING_BATCH_SIZE": "2", "SERVING_BATCH_WAIT_MS": "20000"}
    with (
        serve(program, tmp_path, "unix", **variables) as server,
        socket.socket(socket.AF_UNIX) as slow,
        ThreadPoolExecutor(1) as pool,
    ):
        slow.settimeout(30)
        slow.connect(str(tmp_path / "socket"))
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        slow.sendall(head + b"Content-Length: 4\r\n\r\nha")
        for _ in range(20):  # the event loop has come round, so it has read this half
            server.client.get("/ping")
        other = pool.submit(ask, server, "other", "text/x-any")
        while not re.search("^serving_waiting_requests 1$", server.client.get("/metrics").text, re.MULTILINE):
            pass
        slow.sendall(b"lf")
        assert other.result().text.startswith("other ")
        answer = b""
        while chunk := slow.recv(65536):
            answer += chunk
        assert b"half as " in answer
        assert passes(server) == (1, 2)


@pytest.mark.parametrize("name", ["model_fn", "input_fn", "predict_fn", "output_fn"])
def test_a_program_that_lacks_a_function_is_not_served(program, tmp_path, name):
    (program / "code" / "inference.py").write_text(FOUR_FUNCTIONS.replace(f"def {name}", "def another"))
    command = [sys.executable, "-m", "containers.serving", "serve"]
    variables = {"SM_MODEL_DIR": str(program), "SERVING_SOCKET": str(tmp_path / "socket"), "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and f"inference.py has no {name}" in json.loads(line)["message"]
