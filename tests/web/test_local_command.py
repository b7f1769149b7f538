"""python -m pipeline web as a person starts it: a process, its port, Ctrl-C, what it says and never says.

The endpoint is one of AWS (moto's control plane, a scripted runtime), and once a real model on this machine.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import upstream as models
from pages import JSON, Answer
from test_handler_failures import MALFORMED, REFUSED, SECRET
from test_local_server import exchange, has_security_headers

import small_model
from aws_account import ACCOUNT, Account, command
from pipeline.local import LocalSageMaker
from shared import ROOT, aws_client
from tables import read_json_lines

NAME = "reviews-of-mine"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/endpoint"
OTHER = ("--env", "dev", "--endpoint", NAME)


@dataclass
class Running:
    process: subprocess.Popen[str]
    client: httpx.Client
    said: list[str]

    def post(self, path: str, content: object) -> Answer:
        """As often as the rate limit says to come later."""
        while (answer := self.send("POST", path, json.dumps(content).encode())).status == 429:
            pass
        return answer

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str] = JSON) -> Answer:
        answer = self.client.request(method, path, content=body, headers=headers)
        return Answer(answer.status_code, dict(answer.headers), answer.content).checked()

    def end(self) -> tuple[int, str, str]:
        """Ctrl-C; (exit status, stdout, stderr)"""
        self.process.send_signal(signal.SIGINT)
        rest, errors = self.process.communicate(timeout=60)
        return self.process.returncode, "".join(self.said) + rest, errors


@contextmanager
def web(variables: dict[str, str], *arguments: str) -> Iterator[Running]:
    program = [sys.executable, "-m", "pipeline", "web", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, cwd=ROOT, env=variables, text=True, **pipes) as process:
        try:
            said = [process.stdout.readline() for _ in range(3)]
            assert said[0].startswith("the review page: http://127.0.0.1:"), process.communicate()
            with httpx.Client(base_url=said[0].split()[-1], timeout=60) as client:
                yield Running(process, client, said)
        finally:
            process.kill()


def deploy(sagemaker, **container: str) -> None:
    """An endpoint, without a pipeline."""
    variant = {"VariantName": "one", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_model(
        ModelName="m", PrimaryContainer={"Image": "image", **container}, ExecutionRoleArn=ROLE
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName="c", ProductionVariants=[{**variant, "ModelName": "m"}]
    )
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName="c")


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    account = Account()
    with account.serving():
        account.client("s3").create_bucket(Bucket=f"sentiment-dev-{ACCOUNT}")
        deploy(account.client("sagemaker"))
        yield account


@pytest.fixture
def variables(account, upstream, home) -> dict[str, str]:
    return account.variables(home, AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=upstream.url)


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "there is no endpoint sentiment; this deploys it: "),
        ((), "python -m pipeline.run --local\n"),
        (("--env", "dev"), "python -m pipeline.run --env dev --upsert --start --wait\n"),
        (("--env", "dev", "--endpoint", "nowhere"), "there is no endpoint nowhere"),
        (("--endpoint", "nowhere"), "python -m pipeline.run --local --setting endpoint=nowhere\n"),
        (("--endpoint", ""), "endpoint"),
        (("--port", "70000"), "--port"),
        (("--port", "x"), "--port"),
        (("--env", "nowhere"), "there is dev, local, prod"),
    ],
)
def test_a_mistake_is_told_in_a_line(variables, upstream, arguments, says):
    done = command(variables, "web", *arguments, module="pipeline")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr and "Traceback" not in done.stderr
    assert upstream.asked == []


def test_a_port_that_is_taken_is_named(variables):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command(variables, "web", *OTHER, "--port", port, module="pipeline")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} cannot be listened on" in done.stderr and "--port" in done.stderr


# ---------------------------------------------------------------------- a process


def test_it_says_where_it_is_and_ends_with_ctrl_c_though_a_connection_is_open(variables, upstream):
    with web(variables, *OTHER, "--port", "0") as page:
        assert f"the endpoint {NAME} (dev)" in page.said[1] and "Ctrl-C" in page.said[2]
        assert page.post("/api/sentiment", {"review": "A good film."}).status == 200
        assert page.client.get("/").text.startswith("<!doctype html>")
        stalled = socket.create_connection(("127.0.0.1", page.client.base_url.port))
        with stalled:
            stalled.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            status, _, errors = page.end()
    assert (status, errors) == (0, "")
    assert set(upstream.endpoints[-2:]) == {NAME}


def test_ctrl_c_as_soon_as_it_is_offered(variables):
    with web(variables, *OTHER, "--port", "0") as page:
        assert page.end() == (0, "".join(page.said), "")


def test_the_port_that_is_named_is_the_port(variables):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with web(variables, *OTHER, "--port", str(port)) as page:
        assert page.client.base_url.port == port
        assert page.post("/api/sentiment", {"review": "A good film."}).status == 200
        assert page.end()[0] == 0


def test_of_what_is_asked_and_fails_it_says_no_word(variables, upstream, account):
    account.forget()
    with web(variables, *OTHER, "--port", "0") as page:
        refused = [answers for answers, status, _ in REFUSED.values() if status != 429]
        failed = []
        for upstream.answers in (*refused, *MALFORMED.values()):
            failed.append(page.post("/api/sentiment", {"review": SECRET}))
        for content in ({"review": SECRET * 1000}, {"review": [SECRET]}, {SECRET: SECRET}, SECRET):
            assert page.post("/api/sentiment", content).status in (400, 413)
        upstream.answers = models.good
        answer = {"label": "positive", "probability": 0.96, "model_version": models.VERSION}
        correction = {"review": SECRET, "label": "negative", "answer": answer}
        assert page.post("/api/corrections", correction).status == 201
        assert page.send("GET", f"/api/{SECRET}?review={SECRET}", b"").status == 404
        text = json.dumps({"review": SECRET}).encode()
        assert page.send("POST", "/api/sentiment", text, {"Content-Type": SECRET}).status == 415
        evil = b"GET /api/health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        assert exchange(str(page.client.base_url).rstrip("/"), evil).status == 400
        status, said, errors = page.end()
    assert status == 0 and {each.status for each in failed} == {502, 503}
    assert "marzipan" not in said + errors and "Traceback" not in errors
    assert [each.content["request_id"] in errors for each in failed] == [True] * len(failed)
    (stored,) = [call for call in account.calls if call.startswith("PUT ")]
    assert f"/sentiment-dev-{ACCOUNT}/sentiment/corrections/" in stored


def test_many_at_once_are_throttled_and_it_goes_on(variables):
    with web(variables, *OTHER, "--port", "0") as page:
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(page.send, "POST", "/api/sentiment", b"{}") for _ in range(300)]
        assert {each.result().status for each in asked} == {400, 429}
        assert page.post("/api/sentiment", {"review": "A good film."}).status == 200
        assert page.end() == (0, "".join(page.said), "")


def test_the_files_have_the_headers(variables):
    with web(variables, *OTHER, "--port", "0") as page:
        for path in ("/", "/nothing", "/api"):
            answer = page.client.get(path)
            assert has_security_headers(Answer(answer.status_code, dict(answer.headers), b"")), path


# ---------------------------------------------------------------------- a real model


def test_a_real_model_on_this_machine(small_reviews, home, tmp_path):
    """Trained on 600 reviews: what it says is its own, and where the words are can be read off the review."""
    small_model.train(small_model.prepare(small_reviews, tmp_path / "data"), tmp_path, "--epochs", "1")
    (home / "s3" / "models").mkdir(parents=True)
    with tarfile.open(home / "s3" / "models" / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "model", ".")
    with LocalSageMaker(home) as service:
        sagemaker = aws_client("sagemaker", service.url)
        deploy(sagemaker, ModelDataUrl="s3://models/model.tar.gz")
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=NAME, WaiterConfig={"Delay": 1})
    review = "A dull film about marzipan locomotives, and the worst of the year."
    with web({**os.environ, "PIPELINE_HOME": str(home)}, "--endpoint", NAME, "--port", "0") as page:
        answer = page.post("/api/sentiment", {"review": review})
        assert answer.status == 200, answer.content
        found = answer.content
        words = [review[start:end] for start, end, _ in found["explanation"]["words"]]
        assert {"film", "worst"} <= {word.lower() for word in words}
        (other,) = page.post("/api/batch", {"reviews": [review]}).content["answers"]
        assert other["probability"] == pytest.approx(found["probability"], abs=1e-5)
        wrong = {"review": review, "label": "negative", "answer": found}
        assert page.post("/api/corrections", wrong).status == 201
        status, said, errors = page.end()
    assert (status, errors) == (0, "")
    assert "marzipan" not in said
    holding = [path for path in home.rglob("*") if path.is_file() and b"marzipan" in path.read_bytes()]
    (stored,) = holding  # and nowhere else: no log of the endpoint, no database
    assert "corrections" in stored.parts
    assert [(each.text, each.label) for each in read_json_lines(Path(stored))] == [(review, 0)]
