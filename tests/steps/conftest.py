"""A small model that is really trained, once for all tests of what serves it."""

from pathlib import Path

import pytest

import small_model


@pytest.fixture(scope="session")
def trained(small_reviews, tmp_path_factory) -> Path:
    """The model folder."""
    folder = tmp_path_factory.mktemp("trained")
    small_model.train(small_model.prepare(small_reviews, folder / "data-in"), folder, "--epochs", "2")
    return folder / "model"
