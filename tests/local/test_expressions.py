"""Expressions and conditions, resolved over properties of the shape that Describe* answers."""

import json
import math

import pytest

from pipeline.errors import DefinitionError, ExpressionError, StepNotExecuted
from pipeline.local.expressions import Scope, holds, resolve

FILES = {
    "s3://reviews/evaluation.json": {
        "metrics": {
            "accuracy": {"value": 0.91},
            "broken": math.nan,
            "by length": [{"upto": 100, "value": 0.8}],
        },
    }
}
SCOPE = Scope(
    parameters={"Epochs": 3, "Rate": 0.001, "Bucket": "reviews", "Fast": True},
    execution={"PipelineExecutionId": "abc123"},
    steps={
        "Prepare": {
            "ProcessingOutputConfig": {
                "Outputs": [
                    {"OutputName": "train", "S3Output": {"S3Uri": "s3://reviews/train"}},
                    {"OutputName": "test", "S3Output": {"S3Uri": "s3://reviews/test"}},
                ]
            },
            "PropertyFiles": {"Evaluation": "s3://reviews/evaluation.json"},
        },
        "Train": {"FinalMetricDataList": [{"MetricName": "loss", "Value": 0.25}]},
    },
    read=lambda uri: json.dumps(FILES[uri]).encode(),
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Get": "Parameters.Epochs"}, 3),
        ({"Get": "Execution.PipelineExecutionId"}, "abc123"),
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri"}, "s3://reviews/test"),
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs[0].OutputName"}, "train"),
        ({"Get": "Steps.Train.FinalMetricDataList['loss'].Value"}, 0.25),
        (
            {"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.Bucket"}, "a", 7]}},
            "s3://reviews/a/7",
        ),
        ({"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Rate"}]}}, "0.001"),
        ({"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Fast"}]}}, "true"),
        ([{"a": {"b": {"Get": "Parameters.Epochs"}}}], [{"a": {"b": 3}}]),
    ],
)
def test_resolves(expression, value):
    assert resolve(expression, SCOPE) == value


def json_get(path):
    return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Evaluation"}, "Path": path}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metrics.accuracy.value", 0.91),
        ("$.metrics.accuracy.value", 0.91),
        ("metrics['by length'][0].value", 0.8),
    ],
)
def test_json_get_reads_nested_paths_and_lists(path, value):
    assert resolve(json_get(path), SCOPE) == value


def test_json_get_from_a_joined_uri():
    uri = {"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.Bucket"}, "evaluation.json"]}}
    assert resolve({"Std:JsonGet": {"S3Uri": uri, "Path": "metrics.accuracy.value"}}, SCOPE) == 0.91


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ({"Get": "Parameters.Epoch"}, "Epochs"),
        ({"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs['tset'].S3Output"}, "tset"),
        (json_get("metrics.f1.value"), "there are: accuracy"),
        ({"Std:Join": {"On": "", "Values": [{"Get": "Steps.Prepare.PropertyFiles"}]}}, "strings and numbers"),
    ],
)
def test_what_has_no_value_is_named(expression, named):
    with pytest.raises(ExpressionError, match=named):
        resolve(expression, SCOPE)


def test_a_step_that_was_not_executed_is_told_apart():
    with pytest.raises(StepNotExecuted, match="Deploy"):
        resolve({"Get": "Steps.Deploy.OutputParameters['status']"}, SCOPE)


@pytest.mark.parametrize("text", ["Parameters", "Step.A.b", "Steps.", 3, "Steps.A.b[", "Steps.A.b[x]"])
def test_a_malformed_get_is_an_error_of_the_definition(text):
    with pytest.raises(DefinitionError):
        resolve({"Get": text}, SCOPE)


def compare(kind, left, right):
    return {"Type": kind, "LeftValue": left, "RightValue": right}


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        (compare("Equals", {"Get": "Parameters.Bucket"}, "reviews"), True),
        (compare("Equals", 1, True), False),
        (compare("GreaterThan", {"Get": "Parameters.Epochs"}, 3), False),
        (compare("GreaterThanOrEqualTo", json_get("metrics.accuracy.value"), 0.91), True),
        (compare("LessThan", 2, {"Get": "Parameters.Epochs"}), True),
        (compare("LessThanOrEqualTo", 3.0, {"Get": "Parameters.Epochs"}), True),
        (
            {
                "Type": "In",
                "QueryValue": {"Get": "Parameters.Epochs"},
                "Values": [1, 2, {"Get": "Parameters.Epochs"}],
            },
            True,
        ),
        ({"Type": "In", "QueryValue": "x", "Values": []}, False),
        ({"Type": "Not", "Condition": compare("Equals", 1, 2)}, True),
        ({"Type": "Or", "Conditions": [compare("Equals", 1, 2), compare("Equals", 2, 2)]}, True),
    ],
)
def test_conditions(condition, outcome):
    assert holds(condition, SCOPE) is outcome


@pytest.mark.parametrize("kind", ["GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"])
@pytest.mark.parametrize("broken", [math.nan, math.inf, None, "0.99", True, [1]])
def test_a_metric_that_is_no_number_never_passes_a_gate(kind, broken):
    with pytest.raises(ExpressionError):
        holds(compare(kind, broken, 0.5), SCOPE)
    with pytest.raises(ExpressionError):
        holds({"Type": "Not", "Condition": compare(kind, 0.5, broken)}, SCOPE)


def test_a_nan_in_a_property_file_is_no_number():
    with pytest.raises(ExpressionError, match="nan"):
        holds({"Type": "Not", "Condition": compare("LessThan", json_get("metrics.broken"), 0.5)}, SCOPE)
