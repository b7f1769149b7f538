"""config: every setting with its value and where that came from."""

import json
import re

import pytest

from pipeline import settings
from pipeline.cli import config
from pipeline.errors import SettingsError


def shown(**flags: str) -> dict[str, str]:
    """key -> where its value came from and the value, of prod: each at its column, however long."""
    loaded = settings.trace("prod", flags, variables={"SENTIMENT_REGION": "eu-west-1"})
    lines = [line for line in config.lines(loaded) if line]
    (origins,) = {line.index(loaded.origins[line.split()[0]]) for line in lines}
    (values,) = {re.search(r"\S  +(\S*)$", line).start(1) for line in lines}  # type: ignore[union-attr]
    return {line.split()[0]: f"{line[origins:values].strip()}|{line[values:]}" for line in lines}


def test_every_setting_is_shown_once_in_the_order_of_the_model() -> None:
    assert list(shown()) == list(settings.Settings.model_fields)


@pytest.mark.parametrize(
    ("key", "value", "origin"),
    [
        ("spot", "false", "the flags"),
        ("region", "eu-west-1", "SENTIMENT_REGION"),
        ("bucket", "sentiment-prod-111122223333", "config/prod.yaml"),
        ("retry_attempts", "3", "default"),
        ("subnets", "subnet-1,subnet-2", "the flags"),
        ("tags", "team=search,stage=lab", "the flags"),
        ("volume_kms_key", "-", "default"),
    ],
)
def test_a_line_has_the_value_and_where_it_came_from(key: str, value: str, origin: str) -> None:
    flags = {
        "spot": "false",
        "subnets": "subnet-1, subnet-2",
        "security_groups": "sg-1",
        "tags": "team=search,stage=lab",
    }
    assert shown(**flags)[key] == f"{origin}|{value}"


def test_what_is_shown_can_be_given_as_a_flag() -> None:
    flags = {"subnets": "a,b", "security_groups": "c", "tags": "team=search", "spot": "false"}
    loaded = settings.trace("prod", flags, variables={})
    lines = [line.split() for line in config.lines(loaded) if line]
    again = {key: value for key, *_, value in lines if value != "-" and key != "environment"}
    assert settings.load("prod", again, variables={}) == loaded.settings


def test_the_groups_begin_at_settings_that_exist() -> None:
    lines = list(config.lines(settings.trace("prod", variables={})))
    after = {line.split()[0] for blank, line in zip(lines, lines[1:], strict=False) if not blank}
    assert len(after) == 6 and after <= settings.Settings.model_fields.keys()


def test_the_columns_are_aligned() -> None:
    lines = [line for line in config.lines(settings.trace("local", variables={})) if line]
    assert len({len(line) - len(line.split()[-1]) for line in lines}) == 1


def test_json_has_values_of_their_own_types(capsys: pytest.CaptureFixture[str]) -> None:
    config.show("prod", {"subnets": "a,b", "security_groups": "c"}, as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["subnets"] == {"value": ["a", "b"], "from": "the flags"}
    assert answer["spot"] == {"value": True, "from": "config/prod.yaml"}
    assert answer["output_kms_key"] == {"value": None, "from": "default"}
    assert answer.keys() == settings.Settings.model_fields.keys()


def test_a_wrong_key_is_told_the_nearest() -> None:
    with pytest.raises(SettingsError, match="the flags: unknown setting 'Bukket'; did you mean 'bucket'"):
        config.show("prod", {"Bukket": "x"}, as_json=False)
