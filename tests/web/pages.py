"""The two adapters of the page's handler as a test asks them: HTTP on loopback, and events of Lambda.

Whatever is answered is checked here against what holds for every answer, so that no test can forget it.
"""

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import boto3
import httpx
from botocore.config import Config

from pipeline.cli.web import tell_failure
from pipeline.local.service import Server
from pipeline.storage import FolderStorage
from pipeline.uploads import File
from web import lambda_function
from web.corrections import Corrections
from web.handler import Handler
from web.local import application
from web.model import Model
from web.security import HEADERS

ENDPOINT = "reviews-of-the-test"
BUCKET, PREFIX = "corrections-of-the-test", "sentiment/corrections"
JSON = {"content-type": "application/json"}
CODES = {
    400: {"invalid_request"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    408: {"body_too_slow"},
    413: {"too_large"},
    415: {"unsupported_media_type"},
    429: {"throttled"},
    500: {"internal_error"},
    502: {"upstream_failed"},
    503: {"busy", "not_deployed"},
    504: {"upstream_timeout"},
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error."""
        return self.content["error"]["code"]

    def checked(self) -> "Answer":
        """Itself, if it is an answer of the API: the headers, the request's id, and one shape for errors."""
        assert {name: self.headers.get(name.lower()) for name in HEADERS} == HEADERS
        assert self.headers["content-type"] == "application/json"
        assert self.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in self.headers  # of the page's own origin alone
        content = json.loads(self.body, parse_constant=_refuse_constant)
        assert content["request_id"] == self.headers["x-request-id"] != ""
        if self.status < 300:
            assert "error" not in content
            return self
        assert content.keys() == {"request_id", "error"}, "never a sentiment"
        assert content["error"].keys() == {"code", "message"}
        assert content["error"]["code"] in CODES[self.status]
        assert content["error"]["message"] and "Traceback" not in content["error"]["message"]
        assert ("retry-after" in self.headers) == (self.code in ("throttled", "busy"))
        assert ("allow" in self.headers) == (self.status == 405)
        return self


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


class Page(Protocol):
    name: str

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] = JSON) -> Answer: ...

    def post(self, path: str, content: Any) -> Answer:
        return self.send("POST", path, json.dumps(content).encode()).checked()

    def corrections(self) -> dict[str, bytes]:
        """What is stored, by its name below the folder of corrections."""


class LocalPage(Page):
    """In uvicorn, as python -m pipeline web serves it."""

    name = "local"

    def __init__(
        self, runtime_url: str, folder: Path, seconds: float = 15, wait: Callable[[], float] = lambda: 0
    ) -> None:
        once = Config(read_timeout=seconds, connect_timeout=3, retries={"total_max_attempts": 1})
        self._runtime = client("sagemaker-runtime", runtime_url, once)
        self._storage, self._uri = FolderStorage(folder), f"s3://{BUCKET}/{PREFIX}"

        def put(name: str, content: bytes) -> None:
            self._storage.add([File.of(content, name)], self._uri)

        handler = Handler(Model(self._runtime, ENDPOINT), Corrections(put).store, tell_failure, wait)
        self._server = Server(application(handler), 0)
        self._server.start()
        self.url = self._server.url
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] = JSON) -> Answer:
        answer = self.client.request(method, path, content=body, headers=headers)
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    def corrections(self) -> dict[str, bytes]:
        found = self._storage.list(self._uri)
        return {uri.removeprefix(self._uri + "/"): self._storage.read(uri) for uri in found}

    def close(self) -> None:
        self.client.close()
        self._server.stop()
        self._runtime.close()


class LambdaPage(Page):
    """The function, handed what an HTTP API makes of a request (payload format 2.0)."""

    def __init__(self, s3: Any, in_base64: bool) -> None:
        self.name = "lambda-base64" if in_base64 else "lambda"
        self._s3, self._in_base64 = s3, in_base64

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] = JSON) -> Answer:
        answer = lambda_function.handler(event(method, path, body, headers, self._in_base64), None)
        assert answer.keys() == {"statusCode", "headers", "body"}
        json.dumps(answer)  # Lambda hands it on as JSON
        named = {name.lower(): value for name, value in answer["headers"].items()}
        return Answer(answer["statusCode"], named, answer["body"].encode())

    def corrections(self) -> dict[str, bytes]:
        listed = self._s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            each["Key"].removeprefix(PREFIX + "/"): self._s3.get_object(Bucket=BUCKET, Key=each["Key"])[
                "Body"
            ].read()
            for each in listed
        }


def event(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] = JSON, in_base64: bool = False
) -> dict[str, Any]:
    """A body that is no text comes as base64 in any case."""
    path, _, query = path.partition("?")
    found: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "content-length": str(len(body)),
            "host": "abcdef1234.execute-api.us-east-1.amazonaws.com",
            "user-agent": "Mozilla/5.0",
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            **{name.lower(): value for name, value in headers.items()},
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef1234",
            "domainName": "abcdef1234.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abcdef1234",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "Mozilla/5.0",
            },
            "requestId": f"{uuid.uuid4().hex[:15]}=",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": "25/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795608000000,
        },
        "isBase64Encoded": False,
    }
    try:
        text = body.decode()
    except UnicodeDecodeError:
        in_base64, text = True, ""
    if body:
        found["body"] = base64.b64encode(body).decode() if in_base64 else text
        found["isBase64Encoded"] = in_base64
    return found


def client(service: str, url: str, config: Config | None = None) -> Any:
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    return boto3.client(service, "us-east-1", endpoint_url=url, config=config, **keys)
