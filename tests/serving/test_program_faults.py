"""A program that does what no program should: the server tells it, and lives."""

import pytest
from server_process import ask, serve

STRANGE = """
class Panic(BaseException): pass
def model_fn(folder): return None
def input_fn(body, content_type):
    text = body.decode()
    if text == "mistake": raise ValueError("no \\ud800 here")
    return text
def predict_fn(text, model):
    if text.startswith("panic"): raise Panic(text)
    return text
def output_fn(text, accept):
    return {"a dict": {}, "a surrogate": "\\ud800", "three": ("a", "b", "c"), "nothing": None}.get(text, text)
"""


def test_a_panic_loses_no_thread_and_logs_no_text(program, tmp_path):
    (program / "code" / "inference.py").write_text(STRANGE)
    with serve(program, tmp_path, "unix", SERVING_THREADS="1", SERVING_TIMEOUT_SECONDS="2") as server:
        assert ask(server, "panic marzipan", "text/x").status_code == 500
        assert ask(server, "good", "text/x").status_code == 200
        assert "marzipan" not in server.log.read_text()


@pytest.mark.parametrize(
    "text, status",
    [("a dict", 500), ("a surrogate", 500), ("three", 500), ("nothing", 500), ("mistake", 400)],
)
def test_what_a_program_answers_wrongly_is_told_in_the_one_shape(program, tmp_path, text, status):
    (program / "code" / "inference.py").write_text(STRANGE)
    with serve(program, tmp_path, "unix") as server:
        answer = ask(server, text, "text/x")
        assert answer.status_code == status and list(answer.json()) == ["error"]
