"""Lint finds each planted fault, in the step where it is, and says what to do: documents and requests."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from definitions import ENVIRONMENTS, compiled, settings_of
from pipeline.cli import lint as command
from pipeline.lint import errors, lint
from sound_definition import (
    SETTINGS,
    Plant,
    arguments,
    definition,
    findings,
    nothing,
    step,
)


def test_a_sound_definition_has_no_findings() -> None:
    assert findings(nothing) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_definition_of_each_environment_has_none_but_the_account_to_be_filled_in(
    environment: str,
) -> None:
    found = lint(compiled(environment), settings_of(environment))
    to_fill_in = [] if environment == "local" else [("account", "warning")]
    assert [(each.path, each.severity) for each in found] == to_fill_in


def undeclared(body: dict[str, Any]) -> None:
    del body["Parameters"][0]


def unused(body: dict[str, Any]) -> None:
    body["Parameters"].append({"Name": "Forgotten", "Type": "String", "DefaultValue": ""})


def wrong_default(body: dict[str, Any]) -> None:
    body["Parameters"][0]["DefaultValue"] = "3"


def default_that_is_no_choice(body: dict[str, Any]) -> None:
    body["Parameters"][1]["EnumValues"] = ["ml.m5.xlarge"]


def unknown_type(body: dict[str, Any]) -> None:
    body["Parameters"][0]["Type"] = "Int"


def too_many_parameters(body: dict[str, Any]) -> None:
    names = [f"P{number}" for number in range(200)]
    body["Parameters"] += [{"Name": name, "Type": "String", "DefaultValue": "x"} for name in names]
    arguments(body, "Train")["Environment"] = {name: {"Get": f"Parameters.{name}"} for name in names[:100]}


def cycle(body: dict[str, Any]) -> None:
    step(body, "Prepare")["DependsOn"] = ["Create"]


def unknown_step(body: dict[str, Any]) -> None:
    step(body, "Train")["DependsOn"] = ["Prepair"]


def long_step_name(body: dict[str, Any]) -> None:
    step(body, "Create")["Name"] = "C" * 65


def step_name_with_a_blank(body: dict[str, Any]) -> None:
    step(body, "Create")["Name"] = "Create it"


def long_display_name(body: dict[str, Any]) -> None:
    step(body, "Create")["DisplayName"] = "C" * 257


def long_description(body: dict[str, Any]) -> None:
    step(body, "Create")["Description"] = "C" * 3073


def bad_expiry(body: dict[str, Any]) -> None:
    step(body, "Prepare")["CacheConfig"]["ExpireAfter"] = "30 days"


def long_argument(body: dict[str, Any]) -> None:
    arguments(body, "Prepare")["AppSpecification"]["ContainerArguments"] = ["--name", "x" * 257]


def unconverted_hyperparameter(body: dict[str, Any]) -> None:
    arguments(body, "Train")["HyperParameters"]["epochs"] = {"Get": "Parameters.Epochs"}


def missing_image(body: dict[str, Any]) -> None:
    del arguments(body, "Prepare")["AppSpecification"]["ImageUri"]


def misspelt_member(body: dict[str, Any]) -> None:
    arguments(body, "Train")["StoppingCondition"] = {"MaxRuntimeInSecond": 3600}


def no_such_property(body: dict[str, Any]) -> None:
    arguments(body, "Create")["PrimaryContainer"]["ModelDataUrl"] = {
        "Get": "Steps.Train.ModelArtifact.S3ModelArtifacts"
    }


def no_such_property_file(body: dict[str, Any]) -> None:
    condition = arguments(body, "Gate")["Conditions"][0]
    condition["LeftValue"]["Std:JsonGet"]["PropertyFile"] = {"Get": "Steps.Prepare.PropertyFiles.Reprot"}


def no_such_variable(body: dict[str, Any]) -> None:
    target = arguments(body, "Train")["OutputDataConfig"]["S3OutputPath"]["Std:Join"]["Values"]
    target[1] = {"Get": "Execution.ExecutionId"}


FAULTS: list[tuple[Plant, str, str]] = [
    (undeclared, "Train", "parameter Epochs is not declared"),
    (unused, "", "no step uses this parameter"),
    (wrong_default, "", "its default '3' is no Integer"),
    (default_that_is_no_choice, "", "its default 'ml.m5.large' is none of ml.m5.xlarge"),
    (unknown_type, "", "its type 'Int' is none of String, Integer, Float, Boolean"),
    (too_many_parameters, "", "there are 202 parameters"),
    (cycle, "", "in a circle: Prepare -> Create -> Train -> Prepare"),
    (unknown_step, "", "refers to a step Prepair"),
    (long_step_name, "", "a name has 1 to 64 letters"),
    (step_name_with_a_blank, "", "step 'Create it': a name has 1 to 64 letters"),
    (long_display_name, "Create", "it has 257 characters"),
    (long_description, "Create", "it has 3073 characters"),
    (bad_expiry, "Prepare", "'30 days' is no duration"),
    (long_argument, "Prepare", "ContainerArguments[1]: 257 is more than the 256 allowed"),
    (unconverted_hyperparameter, "Train", "HyperParameters.epochs"),
    (missing_image, "Prepare", "ImageUri"),
    (misspelt_member, "Train", "MaxRuntimeInSecond"),
    (no_such_property, "Create", "a Training step has no such property"),
    (no_such_property_file, "Gate", "Steps.Prepare.PropertyFiles.Reprot"),
    (no_such_variable, "Train", "Execution.ExecutionId: an execution has no such variable"),
]


@pytest.mark.parametrize(
    ("plant", "place", "problem"), FAULTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_planted_fault_is_found(plant: Plant, place: str, problem: str) -> None:
    found = findings(plant)
    assert [each.step for each in found if problem in each.problem] == [place], found
    assert all(each.remedy for each in found)


def test_only_an_unused_parameter_is_no_more_than_a_warning() -> None:
    harmless = {plant.__name__ for plant, _, _ in FAULTS if not errors(findings(plant))}
    assert harmless == {"unused"}


def test_a_value_that_was_set_is_checked_as_the_request_would_be() -> None:
    (found,) = findings(nothing, {"InstanceType": "ml.m5.enormous"})
    assert found.step == "Prepare"
    assert "'ml.m5.enormous' is none of the" in found.problem
    assert "the nearest are ml.m5." in found.problem
    assert found.remedy.endswith("correct --set InstanceType=ml.m5.enormous")


def no_such_instance_type(body: dict[str, Any]) -> None:
    arguments(body, "Train")["ResourceConfig"]["InstanceType"] = "ml.m5.enormous"


def test_what_was_set_beside_a_fault_of_the_definition_is_not_blamed() -> None:
    (found,) = findings(no_such_instance_type, {"InstanceType": "ml.m5.large", "Epochs": 4})
    assert found.step == "Train"
    assert found.remedy.endswith("correct pipeline/definition.py or the settings")


def test_a_value_has_1024_characters_at_most() -> None:
    assert findings(nothing, {"InputData": "s3://" + "x" * 1019}) == []
    (found,) = findings(nothing, {"InputData": "s3://" + "x" * 1020})
    assert "1025 characters" in found.problem


@pytest.mark.parametrize(("size", "severity"), [(100_000, None), (100_001, "note"), (1_048_577, "error")])
def test_a_long_definition_goes_through_s3_and_a_longer_one_nowhere(size: int, severity: str | None) -> None:
    text = json.dumps(definition())
    found = lint(text + " " * (size - len(text)), SETTINGS)
    assert [each.severity for each in found] == ([severity] if severity else [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Steps": 1}', '{"Steps": [{"Name": "x"}]}'])
def test_what_is_no_definition_is_one_finding(text: str) -> None:
    assert len(lint(text, SETTINGS)) == 1


@pytest.mark.parametrize("kind", ["Lambda", "EMR"])
@pytest.mark.parametrize("joined", [False, True])
def test_a_text_that_only_the_run_will_know_is_not_held_against_a_pattern(kind: str, joined: bool) -> None:
    def plant(body: dict[str, Any]) -> None:
        place = {"Get": "Steps.Where.OutputParameters['place']"}
        output = arguments(body, "Prepare")["ProcessingOutputConfig"]["Outputs"][0]
        output["S3Output"]["S3Uri"] = {"Std:Join": {"On": "/", "Values": [place, "x"]}} if joined else place
        outputs = [{"OutputName": "place"}]
        body["Steps"].append({"Name": "Where", "Type": kind, "Arguments": {}, "OutputParameters": outputs})

    assert findings(plant) == []


@pytest.mark.parametrize(("key", "role"), [("job_role", "arn:aws:iam::999999999999:role/Job")])
def test_a_role_of_another_account_cannot_be_passed(key: str, role: str) -> None:
    (found,) = findings(nothing, **{key: role})
    assert found.path == key
    assert "999999999999" in found.problem
    assert "123456789012" in found.problem


def test_a_key_of_another_region_is_an_error_and_an_alias_or_one_of_here_is_none() -> None:
    key = "arn:aws:kms:{}:123456789012:key/1234abcd"
    assert findings(nothing, output_kms_key=key.format("us-east-1"), volume_kms_key="alias/ours") == []
    (found,) = findings(nothing, output_kms_key=key.format("eu-west-1"))
    assert found.path == "output_kms_key"
    assert "eu-west-1" in found.problem


def test_the_command_prints_findings_and_ends_with_2_on_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    assert command.run("dev", {}, as_json=False) == 0
    placeholder, summary = capsys.readouterr().out.splitlines()
    assert placeholder.startswith("warning: account: 111122223333 is the account of AWS's own examples")
    assert summary == "dev: 1 other finding"
    own = {"account": "123456789012"}
    assert command.run("dev", own, as_json=False) == 0
    assert capsys.readouterr().out == "dev: no findings\n"
    assert command.run("dev", {**own, "serving_image": "server:1"}, as_json=True) == 2
    found = json.loads(capsys.readouterr().out)
    assert {(each["step"], each["severity"]) for each in found} == {
        ("CreateModel", "error"),
        ("Register", "error"),
    }
    assert command.run("dev", {**own, "serving_image": "server:1"}, as_json=False) == 2
    assert capsys.readouterr().out.splitlines()[-1] == "dev: 2 errors"


def test_a_defect_of_lint_is_no_finding() -> None:
    with pytest.raises(AttributeError, match="split"):
        findings(nothing, job_role=3)  # no settings have such a role


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in nested objects and lists."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*path, key))


@pytest.mark.parametrize("wrong", [None, "x", 3, [], {}, ["x"], [{}]], ids=json.dumps)
def test_whatever_stands_in_the_wrong_place_is_no_stack_trace(wrong: Any) -> None:
    found = 0
    for path in places(definition()):

        def plant(body: dict[str, Any], path: tuple[Any, ...] = path) -> None:
            for key in path[:-1]:
                body = body[key]
            body[path[-1]] = wrong

        found += bool(findings(plant))
    assert found > 50
