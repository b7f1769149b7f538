"""The model server as SageMaker runs it: a process, asked over TCP and over a Unix socket."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from server_process import SECRET, Server, ask, serve

from containers.serving.server import bind


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(request, model, tmp_path_factory) -> Iterator[Server]:
    with serve(model, tmp_path_factory.mktemp("server"), request.param) as running:
        yield running


def test_ping(server):
    answer = server.client.get("/ping")
    assert answer.status_code == 200 and answer.content == b""


def test_one_review(server):
    answer = ask(server, "A wonderful film")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json()["label"] in ("positive", "negative")


def test_json_lines_as_a_batch_transform_sends_them(server):
    lines = "".join(json.dumps({"review": f"film {n}", "id": n, "label": 1}) + "\n" for n in range(300))
    answer = ask(server, lines, "application/jsonlines", accept="application/jsonlines")
    assert answer.headers["content-type"] == "application/jsonlines"
    assert [sorted(json.loads(line)) for line in answer.text.splitlines()] == [
        ["label", "model_version", "probability"]
    ] * 300


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "text/html, application/json;q=0.8", "Application/JSON"]
)
def test_accept_is_understood(server, accept):
    assert ask(server, "good", accept=accept).headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "content_type", ["Text/Plain", "text/plain; charset=UTF-8", 'text/plain;charset="utf-8"']
)
def test_content_type_is_understood(server, content_type):
    assert ask(server, "good", content_type).status_code == 200


def test_execution_parameters(server):
    assert server.client.get("/execution-parameters").json() == {
        "BatchStrategy": "MULTI_RECORD",
        "MaxConcurrentTransforms": len(os.sched_getaffinity(0)),
        "MaxPayloadInMB": 6,
    }


@pytest.mark.parametrize(
    "method, path, content_type, accept, body, status, code",
    [
        ("POST", "/invocations", "text/plain", "*/*", b"", 400, "invalid_request"),
        ("POST", "/invocations", "text/plain", "*/*", b"\xff\xfe", 400, "invalid_request"),
        ("POST", "/invocations", "application/json", "*/*", b"{", 400, "invalid_request"),
        ("POST", "/invocations", "application/json", "*/*", b'{"review": 3}', 400, "invalid_request"),
        ("POST", "/invocations", "text/csv", "*/*", b"1,999999", 400, "invalid_request"),
        ("POST", "/invocations", "image/png", "*/*", b"x", 415, "unsupported_media_type"),
        ("POST", "/invocations", "", "*/*", b"x", 415, "unsupported_media_type"),
        ("POST", "/invocations", "text/plain; charset=latin-1", "*/*", b"x", 415, "unsupported_media_type"),
        ("POST", "/invocations", "text/plain", "text/html", b"good", 406, "not_acceptable"),
        ("POST", "/invocations", "text/plain", "*/*", b"x" * (6 * 1024 * 1024 + 1), 413, "body_too_large"),
        ("GET", "/invocations", "text/plain", "*/*", b"", 405, "method_not_allowed"),
        ("POST", "/ping", "text/plain", "*/*", b"", 405, "method_not_allowed"),
        ("GET", "/", "text/plain", "*/*", b"", 404, "not_found"),
    ],
)
def test_a_clients_mistake_gets_one_shape_of_answer(
    server, method, path, content_type, accept, body, status, code
):
    headers = {"content-type": content_type, "accept": accept}
    answer = server.client.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"] and sorted(answer.json()["error"]) == ["code", "message"]
    assert answer.json()["error"]["code"] == code and "Traceback" not in answer.text
    assert server.client.get("/ping").status_code == 200


def test_a_body_at_the_limit_is_read(server):
    assert ask(server, b"good " * (6 * 1024 * 1024 // 5)).status_code == 200


def test_a_body_in_chunks_is_limited_too(server):
    answer = ask(server, (b"x" * 65536 for _ in range(100)))
    assert answer.status_code == 413 and str(100 * 65536) in answer.json()["error"]["message"]


def test_reviews_are_never_logged(server):
    ask(server, SECRET)
    ask(server, json.dumps({"text": SECRET}), "application/json")
    ask(server, f'{{"review": "{SECRET}', "application/json")
    assert '"started"' in server.log.read_text() and "marzipan" not in server.log.read_text()


def test_the_listener_names_its_protocol():
    """asyncio turns Nagle's algorithm off only then; with it on, every answer takes 40 ms more."""
    with bind({"SAGEMAKER_BIND_TO_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": "0"}) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_requests_at_once_are_all_answered_and_agree(server):
    alone = ask(server, "A wonderful film").json()
    found: list[dict] = []
    threads = [
        threading.Thread(target=lambda: found.append(ask(server, "A wonderful film").json()))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone] * 16


def test_sigterm_lets_a_request_in_flight_finish(program, tmp_path):
    with serve(program, tmp_path, "tcp") as running:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(ask(running, "slow")))
        thread.start()
        time.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        thread.join()
        assert answers[0].status_code == 200 and answers[0].json() == "done"
        assert running.process.wait(10) == 0


def test_a_failure_inside_is_a_500_that_tells_and_logs_no_text(program, tmp_path):
    with serve(program, tmp_path, "unix") as running:
        answer = ask(running, f"fail {SECRET}")
        assert answer.status_code == 500 and answer.json()["error"]["code"] == "internal_error"
        log = running.log.read_text()
        assert "RuntimeError" in log and "predict_fn" in log
        assert "marzipan" not in log + answer.text
        assert running.client.get("/ping").status_code == 200, "one poisonous request does not end the server"


def test_ping_tells_that_the_model_is_broken(program, tmp_path):
    with serve(program, tmp_path, "unix") as running:
        assert ask(running, "break").status_code == 500
        answer = running.client.get("/ping")
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "model_broken"
        assert ask(running, "mend").status_code == 200
        assert running.client.get("/ping").status_code == 200


def test_a_batch_transform_sets_the_body_limit(program, tmp_path):
    with serve(program, tmp_path, "tcp", SAGEMAKER_MAX_PAYLOAD_IN_MB="8") as running:
        assert running.client.get("/execution-parameters").json()["MaxPayloadInMB"] == 8
        assert ask(running, b"x" * (7 * 1024 * 1024)).status_code == 200
