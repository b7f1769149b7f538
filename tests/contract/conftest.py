"""The backends that one body of tests runs over: the local service, moto in this process, moto's server.

Each is reached as the commands reach it, through sessions.connect; what is sent is noted on the way. Where
moto does not do as AWS does, it is put right here, or the name of the test that leaves moto out says so.
"""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from moto import mock_aws
from moto.server import ThreadedMotoServer

from definitions import compiled, settings_of
from pipeline import code_bundle, data, plan, sessions, upsert
from pipeline.data import Data
from pipeline.plan import Plan
from pipeline.sessions import Clients
from pipeline.settings import Settings
from pipeline.storage import S3Storage

BACKENDS = ("local", "moto", "moto-server")
ACCOUNT = "123456789012"  # moto's
READING = ("Describe", "List", "Get", "Head")


@dataclass
class Backend:
    clients: Clients
    settings: Settings
    text: str
    reviews: Data
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def plan(self, text: str = "", settings: Settings | None = None) -> Plan:
        bundles = code_bundle.bundles()
        return plan.make(self.clients, settings or self.settings, text or self.text, bundles, self.reviews)

    def upsert(self, text: str = "", settings: Settings | None = None) -> tuple[str, ...]:
        done = upsert.execute(self.clients, self.plan(text, settings))
        return (*done.uploaded, *done.called)

    def mutations(self) -> list[str]:
        """What was asked since the last look that could change something."""
        found = [name for name, _ in self.calls if not name.startswith(READING)]
        self.calls.clear()
        return found

    def live(self) -> dict[str, Any]:
        found: dict[str, Any] = self.clients.sagemaker.describe_pipeline(PipelineName=self.settings.pipeline)
        return found

    def tags(self) -> dict[str, str]:
        found = self.clients.sagemaker.list_tags(ResourceArn=self.live()["PipelineArn"])["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found}


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture(params=BACKENDS)
def backend(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    small_reviews: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Backend]:
    reviews = data.find(small_reviews)
    if request.param == "local":
        settings = settings_of("local")
        with sessions.connect(settings, tmp_path / "state") as clients:
            yield _noted(Backend(clients, settings, compiled("local"), reviews))
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    settings = settings_of("dev", account=ACCOUNT)
    if request.param == "moto":
        with mock_aws():
            yield _on_moto(settings, tmp_path, reviews)
        return
    url = request.getfixturevalue("server")
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    httpx.post(f"{url}/moto-api/reset").raise_for_status()
    yield _on_moto(settings, tmp_path, reviews)


def _on_moto(settings: Settings, home: Path, reviews: Data) -> Backend:
    boto3.client("s3", "us-east-1").create_bucket(Bucket=settings.bucket)
    with sessions.connect(settings, home) as clients:
        clients.sagemaker.meta.events.register("after-call.sagemaker.DescribePipeline", _as_aws_answers)
        return _noted(Backend(clients, settings, compiled("dev"), reviews))


def _as_aws_answers(parsed: dict[str, Any], **_: Any) -> None:
    """What is not there is a ResourceNotFound, as the model of AWS says (moto: ValidationException), and a
    definition that came through S3 is the text that lies there (moto: Python's way to write it)."""
    if "Could not find pipeline" in parsed.get("Error", {}).get("Message", ""):
        parsed["Error"]["Code"] = "ResourceNotFound"
    if parsed.get("PipelineDefinition", "").startswith("{'"):
        parsed["PipelineDefinition"] = json.dumps(ast.literal_eval(parsed["PipelineDefinition"]))


def _noted(backend: Backend) -> Backend:
    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        backend.calls.append((model.name, dict(params)))

    storage = backend.clients.storage
    for client in (backend.clients.sagemaker, *([storage.client] if isinstance(storage, S3Storage) else [])):
        client.meta.events.register("provide-client-params", note)
    return backend
