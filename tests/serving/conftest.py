"""A small real model, and a program that a test can make slow or break."""

from pathlib import Path

import pytest

import small_model


@pytest.fixture(scope="session")
def model(small_reviews, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    small_model.train(small_model.prepare(small_reviews, folder / "data-in"), folder, "--epochs", "1")
    return folder / "model"


SLOW_PROGRAM = """
import time
CONTENT_TYPES, ACCEPTS = ("text/plain",), ("application/json",)
def model_fn(folder): return {"broken": False}
def input_fn(body, content_type): return body.decode()
def output_fn(prediction, accept): return prediction, accept
def predict_fn(text, model):
    if text == "slow": time.sleep(1.5)
    if text == "break": model["broken"] = True
    if text == "mend": model["broken"] = False
    if model["broken"] or text.startswith("fail"): raise RuntimeError(f"no answer for {text}")
    return '"done"'
"""


@pytest.fixture
def program(tmp_path) -> Path:
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "model" / "code" / "inference.py").write_text(SLOW_PROGRAM)
    return tmp_path / "model"
