"""Fixtures for every test."""

import csv
from pathlib import Path

import pytest

from shared import imdb_rows


@pytest.fixture(autouse=True)
def no_aws_account(monkeypatch, tmp_path):
    """No test may reach an account or read a configuration that the machine happens to have."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def home(tmp_path):
    """A state folder of the test's own."""
    return tmp_path / "state"


@pytest.fixture(scope="session")
def small_reviews(tmp_path_factory) -> Path:
    """600 real reviews as a CSV file."""
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["review", "sentiment"])
        writer.writerows([row["text"], row["label"]] for row in imdb_rows(600))
    return path
