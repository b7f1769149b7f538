"""What the local service refuses before the first step runs: features it does not have, parameters that do
not fit. The definitions are the SDK's."""

import json

import pytest

import zoo
from pipeline.local import LocalSageMaker
from shared import aws_client
from test_zoo import pytestmark, start

__all__ = ["pytestmark"]


@pytest.fixture
def client(home):
    with LocalSageMaker(home) as service:
        yield aws_client("sagemaker", service.url)


BAD = [
    ("Type", lambda step: step.update(Type="Tuning"), "its type Tuning is not supported"),
    ("DependsOn", lambda step: step.update(DependsOn=["A"]), "in a circle: A -> A"),
    (
        "unknown step",
        lambda step: step.update(DependsOn=["B"]),
        "refers to a step B, which is not in the definition",
    ),
    ("member", lambda step: step.update(Colour="red"), "Colour is not supported"),
    (
        "parameter",
        lambda step: step["Arguments"].update(Environment={"A": {"Get": "Parameters.Nope"}}),
        "refers to a parameter Nope, which the definition does not declare",
    ),
    (
        "function",
        lambda step: step["Arguments"].update(Environment={"A": {"Std:Upper": "a"}}),
        "the function Std:Upper is not supported",
    ),
    (
        "instances",
        lambda step: step["Arguments"]["ProcessingResources"]["ClusterConfig"].update(InstanceCount=2),
        "InstanceCount",
    ),
    (
        "expiry",
        lambda step: step.update(CacheConfig={"Enabled": True, "ExpireAfter": "a month"}),
        "'a month' is no duration",
    ),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_not_supported_is_an_error_before_the_first_step(client, change, message):
    body = json.loads(zoo.compile_pipeline([zoo.processing("A", "pass", outputs=())]))
    change(body["Steps"][0])
    with pytest.raises(client.exceptions.ClientError, match="ValidationException") as error:
        client.create_pipeline(
            PipelineName="zoo",
            PipelineDefinition=json.dumps(body),
            RoleArn=zoo.ROLE,
            ClientRequestToken="t" * 32,
        )
    assert message in str(error.value)
    assert client.list_pipelines()["PipelineSummaries"] == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Epoch", "3", "did you mean Epochs"),
        ("Epochs", "many", "is of type Integer"),
        ("Rate", "nan", "is of type Float"),
        ("Fast", "maybe", "is of type Boolean"),
        ("Size", "huge", "none of small, large"),
    ],
)
def test_parameters_are_checked_by_type_and_choice(client, name, value, message):
    parameters = [
        zoo.ParameterInteger("Epochs", default_value=3),
        zoo.ParameterFloat("Rate", default_value=0.5),
        zoo.ParameterBoolean("Fast", default_value=True),
        zoo.ParameterString("Size", default_value="small", enum_values=["small", "large"]),
    ]
    script = "pass"
    definition = zoo.compile_pipeline(
        [zoo.processing("A", script, *[each.to_string() for each in parameters], outputs=())], parameters
    )
    with pytest.raises(client.exceptions.ClientError, match=message):
        start(client, definition, PipelineParameters=[{"Name": name, "Value": value}])
    assert client.list_pipeline_executions(PipelineName="zoo")["PipelineExecutionSummaries"] == []
