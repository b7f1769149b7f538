"""What the server does not start with: it ends with one line that names what is wrong, and never listens.

Archives are damaged with and without the hashes that training writes: what is behind the hashes holds alone.
"""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from server_process import listens

from shared import ROOT

WEIGHTS = "model.safetensors"


def refusal(model: Path, **variables: str) -> str:
    """The message of a server that did not start; no connection was taken while it tried."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"SAGEMAKER_BIND_TO_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "containers.serving", "serve"],
        cwd=ROOT,
        env={**os.environ, "SM_MODEL_DIR": str(model), **place, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None:
            assert not listens(socket.AF_INET, ("127.0.0.1", port)), "it serves"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        output, errors = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1 and output == ""
    (line,) = errors.splitlines()
    content = json.loads(line)
    assert sorted(content) == ["event", "message"] and content["event"] == "cannot start"
    assert "Traceback" not in content["message"]
    return content["message"]


@pytest.fixture
def archive(model, tmp_path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(model, tmp_path / "model")


def describe(archive: Path, **changes: object) -> None:
    path = archive / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """One bit of its last byte, which is a weight, or the end of a word."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
@pytest.mark.parametrize("name", [WEIGHTS, "vocabulary.txt"])
def test_a_file_that_is_not_the_one_that_was_trained_is_named(archive, name, damage):
    damage(archive / name)
    assert f"{archive / name}: altered or cut short; its sha256 is" in refusal(archive)


@pytest.mark.parametrize("name", [WEIGHTS, "vocabulary.txt"])
def test_a_file_that_was_cut_is_named_where_no_hash_was_kept(archive, name):
    describe(archive, sha256={})
    cut(archive / name)
    assert f"{archive / name}" in refusal(archive)


@pytest.mark.parametrize("name", [WEIGHTS, "vocabulary.txt", "model.json", "code/inference.py"])
def test_a_file_that_is_missing_is_named(archive, name):
    (archive / name).unlink()
    assert f"{archive / name}" in refusal(archive)


@pytest.mark.parametrize("content", ['{"format": 7}', '{"format": null}', "[1]", "{", "\x80PK\x03"])
def test_a_description_of_another_format_is_named(archive, content):
    (archive / "model.json").write_text(content)
    assert f"{archive / 'model.json'}: " in refusal(archive)


def test_a_model_of_other_sizes_than_its_weights_is_named(archive):
    sizes = json.loads((archive / "model.json").read_text())["sizes"]
    describe(archive, sizes={**sizes, "hidden_size": sizes["hidden_size"] + 1})
    assert f"{archive / WEIGHTS}: does not fit model.json" in refusal(archive)


class Opens:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_in_place_of_the_weights_is_refused_and_not_executed(archive, tmp_path):
    planted = pickle.dumps({"embedding.weight": Opens(tmp_path / "executed")}, protocol=2)
    pickle.loads(planted)["embedding.weight"].close()  # noqa: S301 (it works where pickles are read)
    (tmp_path / "executed").unlink()
    describe(archive, sha256={})
    for name in (WEIGHTS, "model.pth", "pytorch_model.bin"):
        (archive / name).write_bytes(planted)
    assert f"{archive / WEIGHTS}: not a safetensors file" in refusal(archive)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "name, value",
    [
        ("SERVING_THREADS", "0"),
        ("SERVING_THREADS", "two"),
        ("SERVING_BATCH_SIZE", "-1"),
        ("SERVING_BATCH_WAIT_MS", "nan"),
        ("SERVING_QUEUE", ""),
        ("SERVING_QUEUE_MB", "1MB"),
        ("SERVING_TIMEOUT_SECONDS", "0"),
        ("SERVING_BODY_SECONDS", "-5"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "six"),
    ],
)
def test_a_variable_that_is_wrong_is_named_with_its_value(program, name, value):
    assert f"{name} is {value!r}; it has to be a number" in refusal(program, **{name: value})


def test_a_model_that_cannot_answer_is_not_served(program):
    path = program / "code" / "inference.py"
    path.write_text(
        path.read_text().replace("{text}", "a sample").replace('"broken": False', '"broken": True')
    )
    assert refusal(program) == "no answer for a sample"


def test_a_port_that_is_taken_is_not_served_on(program):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables = {"SAGEMAKER_BIND_TO_PORT": str(taken.getsockname()[1])}
        assert "in use" in refusal(program, **variables)
