"""How a build gets the person's pip settings: as pip reads them, in a file, without local places."""

import configparser
import os
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.images import pip_settings

INDEX = "https://user:secret@index.example.com/simple"


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Of a person with no pip settings but those of the test."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # pip then reads no file
    return []


def read(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return dict(parser["global"])


def handed_over(notes: list[str]) -> tuple[dict[str, str], list[str]]:
    with pip_settings.secrets(notes.append) as arguments:
        file = Path(arguments[1].partition("src=")[2])
        return read(file.read_text()), arguments


def test_a_variable_wins_over_a_file_and_a_section_over_the_general_one(
    notes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://one.example.com\ntimeout = 5\nretries = 1\n"
        "[install]\ntimeout = 6\n[freeze]\ntimeout = 7\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_RETRIES", "9")
    found = pip_settings.settings(notes.append)
    assert (found["index-url"], found["timeout"], found["retries"]) == ("https://one.example.com", "6", "9")
    assert notes == []


def test_places_of_this_machine_are_left_out_and_said(
    notes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", INDEX)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///srv/simple https://extra.example.com")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path} https://wheels.example.com")
    monkeypatch.setenv("PIP_CONSTRAINT", "/etc/constraints.txt")
    found, _ = handed_over(notes)
    assert found == {
        "index-url": INDEX,
        "extra-index-url": "https://extra.example.com",
        "find-links": "https://wheels.example.com",
    }
    assert len(notes) == 2
    assert f"find-links {tmp_path} is a place of this machine" in notes[1]
    assert "secret" not in "".join(notes)


def test_pip_reads_what_a_build_is_given(
    notes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two indexes and two folders of links: pip itself says what it makes of the file."""
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://a.example.com https://b.example.com")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "180")
    text = pip_settings.conf(pip_settings.settings(notes.append), True, notes.append)
    (tmp_path / "pip.conf").write_text(text)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL")
    monkeypatch.delenv("PIP_DEFAULT_TIMEOUT")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    found = pip_settings.settings(notes.append)
    assert found["extra-index-url"].split() == ["https://a.example.com", "https://b.example.com"]
    assert (found["default-timeout"], found["cert"]) == ("180", "/run/secrets/ca.crt")


def test_the_file_is_the_users_alone_and_goes_with_the_build(notes: list[str]) -> None:
    with pip_settings.secrets(notes.append) as arguments:
        file = Path(arguments[1].partition("src=")[2])
        assert arguments[0] == "--secret" and arguments[1].startswith("id=pip,src=/")
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not file.parent.exists()


def test_the_ca_bundle_is_pips_else_that_of_openssl_else_none(
    notes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not [each for each in handed_over(notes)[1] if "id=ca" in each]
    for variable in ("SSL_CERT_FILE", "PIP_CERT"):
        bundle = tmp_path / variable
        bundle.write_text("-----BEGIN CERTIFICATE-----\n")
        monkeypatch.setenv(variable, str(bundle))
        found, arguments = handed_over(notes)
        assert f"id=ca,src={bundle}" in arguments
        assert found["cert"] == pip_settings.CA_IN_BUILD


def test_a_ca_bundle_that_is_not_there_is_named(notes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CERT", "/nowhere/ca.pem")
    with pytest.raises(UsageError, match="no CA bundle /nowhere/ca.pem; correct PIP_CERT"):
        handed_over(notes)


def test_settings_that_pip_cannot_read_are_an_error(
    notes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pip.conf").write_text("no section = 1\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(UsageError, match=r"pip cannot read its settings: .*pip config debug"):
        pip_settings.settings(notes.append)
