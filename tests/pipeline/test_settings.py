"""Settings: precedence, and what a mistake is told."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline import settings
from pipeline.errors import SettingsError

ROLE = "arn:aws:iam::123456789012:role/some"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config folder with one environment, `lab`."""
    monkeypatch.setattr(settings, "CONFIG", tmp_path)
    (tmp_path / "lab.yaml").write_text(
        f'account: "123456789012"\nbucket: from-file\npipeline_role: {ROLE}\njob_role: {ROLE}\n'
        f"endpoint_role: {ROLE}\nprocessing_image: i\ntraining_image: i\nserving_image: i\n"
    )
    return tmp_path


@pytest.mark.parametrize("path", sorted(settings.CONFIG.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_files_are_valid(path: Path) -> None:
    assert settings.load(path.stem, variables={}).environment == path.stem


@pytest.mark.parametrize(
    ("variables", "flags", "bucket"),
    [
        ({}, {}, "from-file"),
        ({"SENTIMENT_BUCKET": "from-variable"}, {}, "from-variable"),
        ({"SENTIMENT_BUCKET": "from-variable"}, {"bucket": "from-flag"}, "from-flag"),
    ],
)
def test_flag_beats_variable_beats_file(
    config: Path, variables: dict[str, str], flags: dict[str, str], bucket: str
) -> None:
    assert settings.load("lab", flags, variables).bucket == bucket


def test_what_no_one_sets_has_its_default(config: Path) -> None:
    assert settings.load("lab", variables={}).region == "us-east-1"


def test_a_variable_is_read_as_the_type_of_its_setting(config: Path) -> None:
    assert settings.load("lab", variables={"SENTIMENT_ACCURACY_THRESHOLD": "0.5"}).accuracy_threshold == 0.5


def test_settings_cannot_be_changed(config: Path) -> None:
    with pytest.raises(ValidationError):
        settings.load("lab", variables={}).bucket = "other"  # type: ignore[misc]


def test_an_unknown_key_is_named_with_its_file_and_the_nearest_key(config: Path) -> None:
    with open(config / "lab.yaml", "a") as file:
        file.write("buckte: x\n")
    with pytest.raises(
        SettingsError, match=r"config/lab.yaml: unknown setting 'buckte'; did you mean 'bucket'"
    ):
        settings.load("lab", variables={})


def test_an_unknown_variable_is_named_with_the_nearest_one(config: Path) -> None:
    with pytest.raises(SettingsError, match="'SENTIMENT_ENDPONT'; did you mean 'SENTIMENT_ENDPOINT'"):
        settings.load("lab", variables={"SENTIMENT_ENDPONT": "x"})


def test_a_bad_value_is_named_with_where_it_was_set(config: Path) -> None:
    with pytest.raises(SettingsError, match="^SENTIMENT_ACCURACY_THRESHOLD = '2': "):
        settings.load("lab", variables={"SENTIMENT_ACCURACY_THRESHOLD": "2"})


def test_a_missing_value_is_named_with_where_to_set_it(config: Path) -> None:
    text = (config / "lab.yaml").read_text()
    (config / "lab.yaml").write_text(text.replace("bucket: from-file\n", ""))
    with pytest.raises(
        SettingsError, match="'bucket' is missing and has no default; set it in config/lab.yaml"
    ):
        settings.load("lab", variables={})


@pytest.mark.parametrize("content", ["a: [", "- a\n"])
def test_a_file_that_is_no_mapping_is_refused(config: Path, content: str) -> None:
    (config / "lab.yaml").write_text(content)
    with pytest.raises(SettingsError, match=r"lab\.yaml"):
        settings.load("lab", variables={})


def test_an_unknown_environment_is_told_which_there_are(config: Path) -> None:
    with pytest.raises(SettingsError, match="no environment 'prd'.*there is lab"):
        settings.load("prd", variables={})
