"""Local clients reach the local service whatever the user has configured; those of AWS try again."""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from pipeline import control, sessions, settings
from pipeline.errors import StateFolderError
from pipeline.local import LocalSageMaker
from pipeline.storage import S3Storage

PIPELINE = (
    '{"Version": "2020-12-01",'
    ' "Steps": [{"Name": "No", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}]}'
)
DEV = settings.load("dev", variables={})


def test_a_profile_a_proxy_or_an_endpoint_of_the_user_does_not_reach_a_local_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-does-not-exist")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:1")
    local = settings.load("local", variables={})
    with sessions.connect(local, home) as clients:
        assert clients.sagemaker.list_pipelines()["PipelineSummaries"] == []
        assert clients.storage.list("s3://sentiment-local") == []
        assert clients.preflight(local) == []
        assert clients.scheduler is None and not clients.outlives


def test_the_state_folder_is_where_pipeline_home_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path / "elsewhere"))
    assert sessions.state_folder() == tmp_path / "elsewhere"
    monkeypatch.delenv("PIPELINE_HOME")
    assert sessions.state_folder() == Path(sessions.__file__).parent.parent / ".pipeline"


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StateFolderError, match=r"cannot make the state folder .*file/state"),
        sessions.connect(settings.load("local", variables={}), tmp_path / "file" / "state"),
    ):
        pass


def test_too_full_a_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    more_than_there_is = shutil.disk_usage(tmp_path).free
    with (
        pytest.raises(StateFolderError, match="MB free and the run needs about .* MB; free some space"),
        sessions.connect(settings.load("local", variables={}), tmp_path / "state", more_than_there_is),
    ):
        pass
    assert not (tmp_path / "state").exists()


@contextmanager
def losing(url: str, operation: bytes, losses: int) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy on loopback that lets every request through to `url`, and loses the first `losses` answers to
    `operation`: the connection breaks after the service has done what it was asked. Yields its URL and the
    requests for that operation."""
    host, _, port = url.removeprefix("http://").partition(":")
    seen: list[bytes] = []

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection((host, int(port))) as service:
            while request := _message(client):
                service.sendall(request)
                answer = _message(service)
                if operation in request:
                    seen.append(request)
                    if len(seen) <= losses:
                        return
                client.sendall(answer)

    def accept() -> None:
        with suppress(OSError):  # closed
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        listener.shutdown(socket.SHUT_RDWR)


def _message(connection: socket.socket) -> bytes:
    """One HTTP/1.1 message with a Content-Length; nothing when the other side has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0].partition(b":")[2]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")


def start(clients: sessions.Clients) -> str:
    token = control.token("sentiment", "monday", {})
    return control.start(clients.sagemaker, "sentiment", {}, token, display_name="a", description="b")


@pytest.mark.usefixtures("credentials")
def test_a_lost_answer_to_a_start_is_asked_for_again_with_the_same_token_and_one_execution_runs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        LocalSageMaker(home) as service,
        losing(service.url, b"SageMaker.StartPipelineExecution", losses=2) as (url, seen),
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        with sessions.connect(DEV, home) as clients:
            clients.sagemaker.create_pipeline(
                PipelineName="sentiment", PipelineDefinition=PIPELINE, RoleArn=DEV.pipeline_role
            )
            arn = start(clients)
            assert len(seen) == 3
            assert len({request.partition(b"\r\n\r\n")[2] for request in seen}) == 1
            (only,) = control.executions(clients.sagemaker, "sentiment")
            assert only["PipelineExecutionArn"] == arn
            assert start(clients) == arn  # and so does whoever runs the command again


@pytest.mark.usefixtures("credentials")
def test_what_is_throttled_is_sent_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    from aws_account import Account, json_error

    with Account().serving() as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
        account.faults["ListPipelines"] = lambda _: json_error("ThrottlingException", "Rate exceeded")
        with (
            sessions.connect(DEV, Path("unused")) as clients,
            pytest.raises(ClientError, match="Rate exceeded"),
        ):
            clients.sagemaker.list_pipelines()
        assert account.calls == ["ListPipelines"] * sessions.ATTEMPTS


def test_uploads_are_of_the_account_and_encrypted_with_the_key_of_the_settings(tmp_path: Path) -> None:
    config = settings.load("dev", {"output_kms_key": "alias/mine"}, variables={})
    with sessions.connect(config, tmp_path) as clients:
        assert isinstance(clients.storage, S3Storage)
        assert clients.storage.owner == config.account
        assert clients.storage.encryption["SSEKMSKeyId"] == "alias/mine"
