"""The local clients reach the local service, whatever AWS configuration the user has."""

from pathlib import Path

import pytest

from pipeline import sessions, settings
from pipeline.errors import StateFolderError


def test_a_profile_a_proxy_or_an_endpoint_of_the_user_does_not_reach_a_local_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-does-not-exist")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:1")
    with sessions.connect(settings.load("local", variables={}), home) as clients:
        assert clients.sagemaker.list_pipelines()["PipelineSummaries"] == []
        assert clients.storage.list("s3://sentiment-local") == []


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
