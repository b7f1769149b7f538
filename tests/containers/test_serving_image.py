"""The serving image as SageMaker runs it: `docker run IMAGE serve`, its own user, asked over TCP."""

import json
import shutil
import socket
import subprocess
import time

import httpx
import pytest

import small_model
from pipeline import docker

SECRET = "a film about marzipan locomotives"


@pytest.fixture(scope="module")
def model(small_reviews, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    small_model.train(small_model.prepare(small_reviews, folder / "data-in"), folder, "--epochs", "1")
    return folder / "model"


@pytest.fixture
def run():
    """run(model folder) -> (name of a started container, its URL)"""
    started = []

    def run(model):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        name = f"test-serving-{port}"
        started.append(name)
        place = ["--env", "SAGEMAKER_BIND_TO_HOST=127.0.0.1", "--env", f"SAGEMAKER_BIND_TO_PORT={port}"]
        limits = ["--network", "host", "--read-only", "--cap-drop", "ALL", "--memory", "2g"]
        mount = ["--mount", f"type=bind,source={model},target=/opt/ml/model,readonly"]
        docker.run(
            "run", "--detach", "--name", name, *place, *limits, *mount, "sentiment/serving:local", "serve"
        )
        return name, f"http://127.0.0.1:{port}"

    yield run
    for name in started:
        docker.run("rm", "--force", name)


def ended(name) -> tuple[int, str]:
    """The exit code of a container that ends by itself, and its log."""
    code = int(docker.run("wait", name))
    done = subprocess.run([docker.command(), "logs", name], capture_output=True, text=True, check=True)
    return code, done.stdout + done.stderr


def test_it_serves_and_ends_when_it_is_asked_to(run, model):
    name, url = run(model)
    with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=10), timeout=30) as client:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert client.get("/ping").status_code == 200, "it listens, so it has loaded"
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        answer = client.post("/invocations", content=SECRET, headers={"Content-Type": "text/plain"})
        assert answer.status_code == 200 and answer.json()["label"] in ("positive", "negative")
    docker.run("stop", "--time", "30", name)
    code, log = ended(name)
    assert code == 0
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["started", "stopping", "stopped"]
    assert "marzipan" not in log


@pytest.mark.parametrize("file", ["model.safetensors", "vocabulary.txt", "model.json", "code/inference.py"])
def test_a_model_that_lacks_a_file_is_not_served(run, model, tmp_path, file):
    broken = shutil.copytree(model, tmp_path / "model")
    (broken / file).unlink()
    name, url = run(broken)
    code, log = ended(name)
    assert code == 1
    (line,) = log.splitlines()
    assert json.loads(line)["event"] == "cannot start" and file in line
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/ping")
