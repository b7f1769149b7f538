"""What differs between two definitions, as a person reads it."""

import json
from typing import Any

import pytest

from definitions import ENVIRONMENTS, compiled
from pipeline import diff
from pipeline.dag import Definition
from pipeline.diff import Change
from pipeline.errors import DefinitionError


def definition(**members: Any) -> Definition:
    return Definition.parse(json.dumps({"Version": "2020-12-01", "Steps": [], **members}))


def job(name: str, kind: str = "Training", **members: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, **members}


def get(reference: str) -> dict[str, str]:
    return {"Get": reference}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ml.m5.large", "ml.m5.large"),
        ("", '""'),
        (3, "3"),
        (True, "true"),
        (["a", get("Parameters.B"), 3], "[a, {Parameters.B}, 3]"),
        (get("Steps.Train.ModelArtifacts.S3Uri"), "{Steps.Train.ModelArtifacts.S3Uri}"),
        ({"Std:Join": {"On": "/", "Values": ["s3:/", get("Parameters.B"), 3]}}, "s3://{Parameters.B}/3"),
        ({"Std:Join": {"On": "", "Values": [get("Parameters.Seed")]}}, "{Parameters.Seed}"),
        (
            {
                "Std:JsonGet": {
                    "PropertyFile": get("Steps.Evaluate.PropertyFiles.E"),
                    "Path": "accuracy.value",
                }
            },
            "{Steps.Evaluate.PropertyFiles.E: accuracy.value}",
        ),
        ("two\nlines \x1b[31mred", r"two\nlines \x1b[31mred"),
    ],
)
def test_a_value_is_one_line_that_says_what_it_means(value: Any, shown: str) -> None:
    assert diff.readable(value) == shown


def test_values_are_told_apart_by_path() -> None:
    old = {"HyperParameters": {"epochs": "2", "seed": "1"}, "VolumeSizeInGB": 30}
    new = {"HyperParameters": {"epochs": "3", "dropout": "0.5"}, "VolumeSizeInGB": 30}
    assert set(diff.changes(old, new)) == {
        Change("HyperParameters.epochs", "2", "3"),
        Change("HyperParameters.dropout", None, "0.5"),
        Change("HyperParameters.seed", "1", None),
    }


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({}, {"a": 1}, (Change("a", None, "1"),)),
        ({"m": {}}, {"m": {"a": 1}}, (Change("m.a", None, "1"),)),
        ({"m": [{"Name": "x", "a": 1}]}, {"m": []}, (Change("m[x].a", "1", None),)),
        ({}, {"m": {}}, (Change("m", None, "{}"),)),
        ({"m": None}, {}, ()),
    ],
)
def test_an_empty_object_says_no_more_than_what_is_in_it(
    old: Any, new: Any, found: tuple[Change, ...]
) -> None:
    assert diff.changes(old, new) == found


def test_another_type_is_a_change_that_can_be_seen() -> None:
    assert diff.changes({"epochs": "3"}, {"epochs": 3}) == (Change("epochs", '"3"', "3"),)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            [{"InputName": "raw", "S3Uri": "s3://a"}],
            [{"InputName": "code", "S3Uri": "s3://c"}, {"InputName": "raw", "S3Uri": "s3://a"}],
            Change("[code].S3Uri", None, "s3://c"),
        ),
        ([{"Key": "team", "Value": "a"}], [{"Key": "team", "Value": "b"}], Change("[team]", "a", "b")),
        (
            ["--seed", "1", "--fast", "--epochs", "2"],
            ["--epochs", "3", "--seed", "1", "--fast"],
            Change("[--epochs]", "2", "3"),
        ),
        ([{"MaxAttempts": 3}], [{"MaxAttempts": 5}], Change("[0].MaxAttempts", "3", "5")),
        (["text/csv"], ["text/csv", "text/plain"], Change("", "[text/csv]", "[text/csv, text/plain]")),
        (["-v", "--seed", "1"], ["-v", "--seed", "2"], Change("", "[-v, --seed, 1]", "[-v, --seed, 2]")),
        (
            [{"Name": "a", "X": 1}, {"Name": "a", "X": 2}],
            [{"Name": "a", "X": 1}, {"Name": "a", "X": 3}],
            Change("[1].X", "2", "3"),
        ),
    ],
)
def test_items_of_a_list_go_by_their_names(old: list[Any], new: list[Any], change: Change) -> None:
    assert diff.changes(old, new) == (change,)


def test_parameters_and_steps_are_added_removed_and_changed() -> None:
    old = definition(
        Parameters=[
            {"Name": "Epochs", "Type": "Integer", "DefaultValue": 2},
            {"Name": "Old", "Type": "String"},
        ],
        Steps=[job("Train", Arguments={"RoleArn": "a"}, DisplayName="Train it"), job("Gone", "Model")],
    )
    new = definition(
        Parameters=[
            {"Name": "Epochs", "Type": "Integer", "DefaultValue": 3},
            {"Name": "New", "Type": "Float", "DefaultValue": 0.5},
        ],
        Steps=[job("First", "Processing"), job("Train", Arguments={"RoleArn": "b"}, DisplayName="Train it")],
    )
    found = diff.between(old, new)
    assert [(part.action, part.name, part.kind) for part in found.parameters] == [
        ("change", "Epochs", "Integer"),
        ("add", "New", "Float"),
        ("remove", "Old", "String"),
    ]
    assert found.parameters[0].changes == (Change("DefaultValue", "2", "3"),)
    assert [(part.action, part.name, part.kind) for part in found.steps] == [
        ("add", "First", "Processing"),
        ("change", "Train", "Training"),
        ("remove", "Gone", "Model"),
    ]
    assert found.steps[1].changes == (Change("RoleArn", "a", "b"),)
    assert found.steps[1].description == "Train it"
    assert found.rest == ()


def gate(yes: list[dict[str, Any]], no: list[dict[str, Any]]) -> dict[str, Any]:
    return job("Gate", "Condition", Arguments={"Conditions": [], "IfSteps": yes, "ElseSteps": no})


def test_a_step_of_a_branch_is_a_step_of_its_own() -> None:
    old = definition(Steps=[gate([job("Deploy", "Lambda", FunctionArn="a")], [])])
    new = definition(Steps=[gate([job("Deploy", "Lambda", FunctionArn="b")], [])])
    (part,) = diff.between(old, new).steps
    assert (part.name, part.changes) == ("Deploy", (Change("FunctionArn", "a", "b"),))


def test_a_step_that_moves_to_the_other_branch_says_so() -> None:
    old = definition(Steps=[gate([job("Deploy", "Lambda")], [])])
    new = definition(Steps=[gate([], [job("Deploy", "Lambda")])])
    (part,) = diff.between(old, new).steps
    assert part.changes == (Change("runs if", "Gate is true", "Gate is false"),)


def test_where_order_is_all_that_differs_that_is_the_difference() -> None:
    steps = [job("A"), job("B")]
    found = diff.between(definition(Steps=steps), definition(Steps=steps[::-1]))
    assert (found.steps, found.rest) == ((), (Change("definition", "as it is", "the same in another order"),))


def test_what_is_neither_step_nor_parameter_counts() -> None:
    found = diff.between(definition(), definition(Metadata={"Owner": "search"}))
    assert found.rest == (Change("Metadata.Owner", None, "search"),)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_definition_does_not_differ_from_itself(environment: str) -> None:
    text = compiled(environment)
    again = json.dumps(json.loads(text), sort_keys=True)
    assert not diff.between(Definition.parse(text), Definition.parse(again))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of a definition are."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def test_no_change_of_a_definition_goes_unseen() -> None:
    """Whatever else is put in the place of a value, below a step or a parameter."""
    text = compiled("dev")
    old, seen = Definition.parse(text), 0
    for place in places(json.loads(text)):
        holder = new = json.loads(text)
        for key in place[:-1]:
            holder = holder[key]
        if place:
            holder[place[-1]] = "something else"
        try:
            parsed = Definition.parse(json.dumps(new))
        except DefinitionError:  # that is no graph any more
            continue
        assert bool(diff.between(old, parsed)) == bool(place), place
        seen += 1
    assert seen > 400
