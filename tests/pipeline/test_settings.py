"""Settings: precedence, and what a mistake is told."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from definitions import compiled
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


@pytest.mark.parametrize("environment", settings.environments())
def test_the_shipped_files_are_valid(environment: str) -> None:
    assert settings.load(environment, variables={}).environment == environment


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


def test_a_parameter_among_the_flags_is_told_how_it_is_set(config: Path) -> None:
    with pytest.raises(
        SettingsError, match="'Epochs'; see: .*; a parameter of the pipeline is --set Epochs=…"
    ):
        settings.load("lab", {"Epochs": "3"}, variables={})


def test_a_key_that_stands_twice_is_named_with_its_line(config: Path) -> None:
    lines = (config / "lab.yaml").read_text().splitlines()
    (config / "lab.yaml").write_text("\n".join([*lines, "bucket: another"]))
    with pytest.raises(
        SettingsError, match=rf"lab.yaml, line {len(lines) + 1}: the key 'bucket' stands twice"
    ):
        settings.load("lab", variables={})


@pytest.mark.parametrize("content", ["a: [", "- a\n", "? [a]\n: b\n"])
def test_a_file_that_is_no_mapping_is_refused(config: Path, content: str) -> None:
    (config / "lab.yaml").write_text(content)
    with pytest.raises(SettingsError, match=r"lab\.yaml"):
        settings.load("lab", variables={})


@pytest.mark.parametrize("environment", ["prd", "../config/lab", ""])
def test_an_unknown_environment_is_told_which_there_are(config: Path, environment: str) -> None:
    with pytest.raises(SettingsError, match=f"no environment '{environment}'; there is lab"):
        settings.load(environment, variables={})


def test_each_value_is_traced_to_where_it_was_set(config: Path) -> None:
    loaded = settings.trace("lab", {"spot": "true"}, {"SENTIMENT_REGION": "eu-west-1"})
    assert {key: loaded.origins[key] for key in ("environment", "bucket", "region", "spot", "prefix")} == {
        "environment": "config/lab.yaml",
        "bucket": "config/lab.yaml",
        "region": "SENTIMENT_REGION",
        "spot": "the flags",
        "prefix": "default",
    }
    assert loaded.origins.keys() == settings.Settings.model_fields.keys()


def test_an_empty_variable_sets_nothing(config: Path) -> None:
    loaded = settings.trace("lab", variables={"SENTIMENT_BUCKET": "", settings.CHOICE: "prod"})
    assert (loaded.settings.bucket, loaded.settings.environment) == ("from-file", "lab")


def test_a_text_names_the_account_region_and_environment(config: Path) -> None:
    flags = {"bucket": "b-{environment}-{account}", "tags": {"where": "{region}"}, "account": "210987654321"}
    found = settings.load("lab", flags, {"SENTIMENT_REGION": "eu-west-1"})
    assert (found.bucket, found.tags) == ("b-lab-210987654321", {"where": "eu-west-1"})


def test_a_text_names_the_region_that_is_the_default(config: Path) -> None:
    assert settings.load("lab", {"bucket": "b-{region}"}, variables={}).bucket == "b-us-east-1"


def test_a_placeholder_that_there_is_not_is_named(config: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"^the flags: serving_image = '\{acount\}\.dkr': there is no \{acount\}"
    ):
        settings.load("lab", {"serving_image": "{acount}.dkr"}, variables={})


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        ({"subnets": "a, b", "security_groups": "c"}, "subnets", ("a", "b")),
        ({"subnets": ["a"], "security_groups": ["c"]}, "subnets", ("a",)),
        ({"tags": "team=search, stage=lab"}, "tags", {"team": "search", "stage": "lab"}),
        ({"tags": "formula=a=b"}, "tags", {"formula": "a=b"}),
        ({"tags": {"team": "search"}}, "tags", {"team": "search"}),
    ],
)
def test_lists_and_pairs_are_read_from_a_file_or_from_a_text(
    config: Path, flags: dict[str, object], key: str, value: object
) -> None:
    assert getattr(settings.load("lab", flags, variables={}), key) == value


def test_the_tags_say_whose_they_are(config: Path) -> None:
    found = settings.load("lab", {"tags": "team=search", "pipeline": "mine"}, variables={})
    assert found.all_tags == {"team": "search", "project": "mine", "environment": "lab"}


def test_the_tags_that_nobody_may_set_are_those_that_the_definition_sets() -> None:
    steps = json.loads(compiled("dev"))["Steps"]  # dev has no tags of its own
    assert {tag["Key"] for step in steps for tag in step["Arguments"].get("Tags", [])} == settings.OWN_TAGS


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"tags": "project=x"}, "tags = 'project=x': project: the pipeline sets that tag itself"),
        ({"tags": "AWS:team=x"}, "AWS:team: AWS keeps tags that begin with aws: to itself"),
        ({"tags": "team"}, "tags = 'team': 'team' is no key=value"),
        ({"tags": {"a,b": "c"}}, "tags = 'a,b': "),
        ({"account": 123456789012}, "account = 123456789012: .*; put it in quotes"),
        ({"account": "12"}, "account = '12': it must be the 12 digits of an account: 123456789012"),
        ({"region": "us-east"}, "region = 'us-east': it must be a region such as us-east-1"),
        ({"input_data": "reviews.csv"}, "input_data = 'reviews.csv': it must be in S3: s3://bucket/folder"),
        ({"pipeline_role": "me"}, "it must be a role's ARN: arn:aws:iam::123456789012:role/name"),
        ({"bucket": "s3://mine"}, "it must be a bucket's name alone: my-bucket"),
        ({"training_instance_type": "m5"}, "it must be an instance type such as ml.m5.xlarge"),
        ({"pipeline": "a b"}, "letters and digits, with hyphens between them: sentiment-dev"),
        ({"retry_attempts": "many"}, "retry_attempts = 'many': it must be a whole number$"),
        ({"retry_attempts": "21"}, "retry_attempts = '21': it must be at most 20$"),
        ({"retry_attempts": "0"}, "retry_attempts = '0': it must be at least 1$"),
        ({"poll_seconds": "0"}, "poll_seconds = '0': it must be more than 0$"),
        ({"poll_seconds": "soon"}, "poll_seconds = 'soon': it must be a number$"),
        ({"spot": "maybe"}, "spot = 'maybe': it must be true or false$"),
        ({"runner": "docker"}, "runner = 'docker': it must be 'process' or 'container'$"),
        ({"serving_image": ""}, "serving_image = '': it must not be empty$"),
        ({"bucket": ["a"]}, r"bucket = \['a'\]: it must be a text$"),
        ({"subnets": 5}, r"subnets = 5: it must be a list: \[a, b\] in the file, a,b elsewhere$"),
        ({"tags": 5}, "tags = 5: it must be pairs: {key: value} in the file, key=value elsewhere$"),
        ({"security_groups": "a,b,c,d,e,f"}, "it must have at most 5 items"),
        ({"pipeline": "p" * 83}, "pipeline = 'ppp.*at most 82"),
        ({"endpoint": "e" * 64}, "endpoint = 'eee.*at most 63"),
        ({"accuracy_threshold": "nan"}, "accuracy_threshold = 'nan': "),
        ({"subnets": "a"}, "the settings of lab: subnets and security_groups belong together"),
        (
            {"spot": True, "keep_alive_seconds": 60},
            "the settings of lab: spot and keep_alive_seconds exclude",
        ),
        (
            {"spot": True, "spot_max_wait_seconds": 100, "training_max_seconds": 200},
            r"spot_max_wait_seconds \(100\) is less than training_max_seconds \(200\)",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_the_reason(
    config: Path, flags: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        settings.load("lab", flags, variables={})


def test_all_mistakes_are_told_at_once(config: Path) -> None:
    with pytest.raises(SettingsError, match=r"(?s)bucket.*\n.*accuracy_threshold"):
        settings.load("lab", {"bucket": "B", "accuracy_threshold": 2}, variables={})


def test_what_follows_from_the_settings(config: Path) -> None:
    roles = dict.fromkeys(("pipeline_role", "job_role", "endpoint_role"), ROLE.replace("aws", "aws-cn"))
    found = settings.load("lab", {**roles, "region": "cn-north-1"}, variables={})
    assert found.partition == "aws-cn"
    assert found.root == "s3://from-file/sentiment"
    assert found.deploy_function_arn == "arn:aws-cn:lambda:cn-north-1:123456789012:function:sentiment-deploy"
