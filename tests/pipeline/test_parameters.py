"""The table of parameters, and the values that --set may give."""

import pytest

import text
import train
from pipeline import parameters, settings
from pipeline.errors import ParameterError
from pipeline.parameters import Parameter

TABLE = parameters.table(settings.load("local", variables={}))


@pytest.mark.parametrize("parameter", TABLE.values(), ids=lambda parameter: parameter.name)
def test_every_default_is_a_value_that_could_be_set(parameter: Parameter) -> None:
    assert parameter.parse(str(parameter.default)) == parameter.default
    assert parameter.description


def test_the_training_parameters_have_the_defaults_and_ranges_of_the_script() -> None:
    for option, (default, lowest, highest, _) in train.HYPERPARAMETERS.items():
        name = "".join(word.title() for word in option.split("-"))
        if name in TABLE:
            assert TABLE[name].default == default, name
            assert TABLE[name].minimum >= lowest, name
            assert TABLE[name].maximum <= highest, name


def test_values_get_the_type_of_their_parameter() -> None:
    given = ["Epochs=3", "LearningRate=1e-3", "ApprovalStatus=Approved", "InputData=s3://bucket/a=b"]
    values = parameters.parse(given, TABLE)
    assert values == {
        "Epochs": 3,
        "LearningRate": 0.001,
        "ApprovalStatus": "Approved",
        "InputData": "s3://bucket/a=b",
    }


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("Epoch=3", "there is no parameter Epoch; did you mean Epochs"),
        ("epochs=3", "did you mean Epochs"),
        ("Zzz=3", "python -m pipeline show"),
        ("spot=false", "it is a setting: --setting spot=false"),
        ("Epochs", "write it as NAME=VALUE"),
        ("Epochs=three", "Epochs=three: a whole number is needed"),
        ("Epochs=2.5", "a whole number is needed"),
        ("Epochs=", "a whole number is needed"),
        ("Epochs=0", "out of range; 1 to 1,000"),
        ("AccuracyThreshold=1.5", "out of range; 0 to 1"),
        ("AccuracyThreshold=nan", "out of range"),
        ("LearningRate=inf", "out of range"),
        ("Recipe=fancy", "Recipe=fancy is none of default, seed"),
        ("TrainingInstanceType=m5.large", "write it like ml.m5.xlarge"),
        ("InputData=/home/me", "write it like s3://bucket/folder"),
        (f"InputData=s3://bucket/{'a' * 256}", "with at most 256 letters"),
        ("InputData=s3://bucket/it's", "with at most 256 letters"),
        ("Commit=1234", "Commit is set by the run itself; leave it out"),
        ("DefinitionHash=1234", "is set by the run itself"),
        ("DataChecksum=1234", "is set by the run itself"),
    ],
)
def test_an_unusable_value_is_named(assignment: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        parameters.parse([assignment], TABLE)


def test_a_recipe_brings_its_sizes_unless_they_are_set_too() -> None:
    assert parameters.parse(["Recipe=seed"], TABLE) == {
        "Recipe": "seed",
        "VocabularySize": 5000,
        "MaxLength": 500,
    }
    assert parameters.parse(["MaxLength=100", "Recipe=seed"], TABLE)["MaxLength"] == 100


def test_the_sizes_of_the_recipes_are_those_of_the_script() -> None:
    assert {
        name: {"VocabularySize": recipe.vocabulary_size, "MaxLength": recipe.max_length}
        for name, recipe in text.RECIPES.items()
    } == parameters.RECIPES
    for name, default in parameters.RECIPES["default"].items():
        assert TABLE[name].default == default


def test_a_parameter_is_set_once() -> None:
    with pytest.raises(ParameterError, match="Epochs is set twice"):
        parameters.parse(["Epochs=3", "Epochs=4"], TABLE)
