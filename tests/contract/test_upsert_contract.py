"""Plan, upsert, start, describe and list: one body of tests over every backend."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import control
from pipeline.errors import NotOurs

if TYPE_CHECKING:
    from conftest import Backend

FIRST = ["CreateModelPackageGroup", "CreatePipeline"]


def changed(text: str, **members: Any) -> str:
    return json.dumps({**json.loads(text), **members})


def large(text: str) -> str:
    return changed(text, Metadata={"Notes": "x" * 110_000})


def sagemaker_only(calls: list[str]) -> list[str]:
    return [name for name in calls if name not in ("PutObject", "CreateMultipartUpload")]


def test_a_plan_changes_nothing(backend: "Backend") -> None:
    planned = backend.plan()
    assert planned.action == "create"
    assert [call.operation for call in planned.calls] == FIRST
    assert {upload.what for upload in planned.uploads} == {
        "code of preprocess.py",
        "code of train.py",
        "code of evaluate.py",
        "the reviews",
    }
    assert backend.mutations() == []
    assert backend.plan() == planned


def test_an_upsert_makes_what_the_plan_says_and_a_second_one_calls_nothing(backend: "Backend") -> None:
    planned = backend.plan()
    done = backend.upsert()
    assert sagemaker_only(backend.mutations()) == FIRST
    assert done == (
        *(f"uploaded {upload.what}" for upload in planned.uploads),
        "created the model package group",
        "created the pipeline",
    )
    storage = backend.clients.storage
    for upload in planned.uploads:
        sizes = storage.sizes(upload.uri)
        assert sizes == {f"{upload.uri}/{file.name}": file.size for file in upload.files}

    again = backend.plan()
    assert again.nothing_to_do
    assert (again.action, again.uploads, again.calls) == ("keep", (), ())
    assert backend.upsert() == ()
    assert backend.mutations() == []


def test_the_live_pipeline_is_as_the_settings_say(backend: "Backend") -> None:
    backend.upsert()
    live = backend.live()
    assert json.loads(live["PipelineDefinition"]) == json.loads(backend.text)
    assert live["RoleArn"] == backend.settings.pipeline_role
    assert live["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 4}
    assert backend.tags() == backend.settings.all_tags
    listed = backend.clients.sagemaker.list_pipelines()["PipelineSummaries"]
    assert [each["PipelineName"] for each in listed] == [backend.settings.pipeline]
    group = backend.settings.model_package_group
    found = backend.clients.sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    assert found["ModelPackageGroupName"] == group


def test_a_change_of_the_settings_alone_is_one_update(backend: "Backend") -> None:
    backend.upsert()
    backend.mutations()
    role = "arn:aws:iam::123456789012:role/other"
    other = backend.settings.model_copy(update={"pipeline_role": role, "max_parallel_steps": 2})
    planned = backend.plan(settings=other)
    assert [(change.path, change.before, change.after) for change in planned.changes] == [
        ("role", backend.settings.pipeline_role, role),
        ("parallel steps", "4", "2"),
    ]
    assert backend.upsert(settings=other) == ("updated the pipeline",)
    assert backend.mutations() == ["UpdatePipeline"]
    assert backend.live()["RoleArn"] == role
    assert backend.live()["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 2}
    assert json.loads(backend.live()["PipelineDefinition"]) == json.loads(backend.text)
    assert backend.plan(settings=other).nothing_to_do


def test_a_change_of_the_definition_is_one_update(backend: "Backend") -> None:
    backend.upsert()
    backend.mutations()
    text = changed(backend.text, Metadata={"Owner": "search"})
    assert backend.upsert(text) == ("updated the pipeline",)
    assert backend.mutations() == ["UpdatePipeline"]
    assert json.loads(backend.live()["PipelineDefinition"]) == json.loads(text)
    assert backend.plan(text).nothing_to_do


def test_another_way_to_write_the_same_definition_is_no_change(backend: "Backend") -> None:
    backend.upsert()
    reordered = json.dumps(dict(reversed(json.loads(backend.text).items())), indent=4)
    assert backend.plan(reordered).nothing_to_do


def test_a_large_definition_goes_through_s3_once(backend: "Backend") -> None:
    text = large(backend.text)
    done = backend.upsert(text)
    assert "uploaded the definition" in done
    call = next((params for name, params in backend.calls if name == "CreatePipeline"), {})
    assert "PipelineDefinition" not in call
    location = call["PipelineDefinitionS3Location"]
    assert location["ObjectKey"].startswith("sentiment/definitions/")
    stored = backend.clients.storage.read("s3://{Bucket}/{ObjectKey}".format(**location))
    assert stored.decode() == text
    assert json.loads(backend.live()["PipelineDefinition"]) == json.loads(text)
    backend.mutations()
    assert backend.plan(text).nothing_to_do
    assert backend.upsert(text) == ()
    assert backend.mutations() == []


def test_tags_are_kept_in_step_and_those_of_others_stay(backend: "Backend") -> None:
    with_team = backend.settings.model_copy(update={"tags": {"team": "search"}})
    backend.upsert(settings=with_team)
    arn = backend.live()["PipelineArn"]
    backend.clients.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "cost", "Value": "7"}])
    backend.mutations()
    moved = backend.settings.model_copy(update={"tags": {"team": "lab", "stage": "try"}})
    planned = backend.plan(settings=moved)
    assert [(change.path, change.before, change.after) for change in planned.changes] == [
        ("tag team", "search", "lab"),
        ("tag stage", None, "try"),
    ]
    assert backend.upsert(settings=moved) == ("set its tags",)
    assert backend.mutations() == ["AddTags"]
    assert backend.tags() == {"cost": "7", **moved.all_tags}
    assert backend.plan(settings=moved).nothing_to_do


def test_a_tag_that_went_from_the_settings_goes_from_the_pipeline(backend: "Backend") -> None:
    tagged = backend.text.replace(
        '{\n      "Key": "project"', '{"Key": "team", "Value": "search"}, {"Key": "project"'
    )
    assert tagged.count('"team"') >= 4  # each job has it
    backend.upsert(tagged, backend.settings.model_copy(update={"tags": {"team": "search"}}))
    backend.mutations()
    planned = backend.plan()
    assert ("tag team", "search", None) in [(each.path, each.before, each.after) for each in planned.changes]
    assert backend.upsert() == ("updated the pipeline", "removed tags")
    assert backend.mutations() == ["UpdatePipeline", "DeleteTags"]
    assert backend.tags() == backend.settings.all_tags
    assert backend.plan().nothing_to_do


@pytest.mark.parametrize(
    "tags",
    [{}, {"team": "search"}, {"project": "other"}, {"project": "sentiment", "environment": "elsewhere"}],
)
def test_a_pipeline_that_something_else_made_is_left_as_it_is(
    backend: "Backend", tags: dict[str, str]
) -> None:
    theirs = json.dumps({"Version": "2020-12-01", "Steps": []})
    arn = backend.clients.sagemaker.create_pipeline(
        PipelineName=backend.settings.pipeline,
        PipelineDefinition=theirs,
        RoleArn=backend.settings.pipeline_role,
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )["PipelineArn"]
    backend.mutations()
    with pytest.raises(NotOurs) as refused:
        backend.upsert()
    message = str(refused.value)
    assert backend.settings.pipeline in message
    assert f"aws sagemaker add-tags --region us-east-1 --resource-arn {arn}" in message
    assert backend.mutations() == []
    assert backend.live()["PipelineDefinition"] == theirs

    ours = backend.settings.all_tags
    wanted = [{"Key": key, "Value": ours[key]} for key in ("project", "environment")]
    backend.clients.sagemaker.add_tags(ResourceArn=arn, Tags=wanted)  # the remedy of the message
    assert "updated the pipeline" in backend.upsert()


def start(backend: "Backend", token: str) -> str:
    return control.start(
        backend.clients.sagemaker,
        backend.settings.pipeline,
        {"Epochs": 3, "InputData": "s3://bucket/folder"},
        token,
        display_name="by-hand",
        description="commit unknown",
    )


def test_what_is_started_is_described_and_listed_with_its_values(backend: "Backend") -> None:
    backend.upsert()
    arn = start(backend, "a" * 32)
    found = control.describe(backend.clients.sagemaker, arn)
    assert found["PipelineExecutionDisplayName"] == "by-hand"
    assert found["PipelineExecutionDescription"] == "commit unknown"
    listed = control.executions(backend.clients.sagemaker, backend.settings.pipeline)
    assert [each["PipelineExecutionArn"] for each in listed] == [arn]
    answer = backend.clients.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
    values = {each["Name"]: each["Value"] for each in answer["PipelineParameters"]}
    assert (values["Epochs"], values["InputData"]) == ("3", "s3://bucket/folder")


MOTO_STARTS_ANOTHER = "moto starts another execution for the same token"


@pytest.mark.parametrize("backend", ["local"], ids=[f"local ({MOTO_STARTS_ANOTHER})"], indirect=True)
def test_the_same_token_starts_one_execution(backend: "Backend") -> None:
    backend.upsert()
    first = start(backend, "a" * 32)
    assert start(backend, "a" * 32) == first
    assert start(backend, "b" * 32) != first
    listed = control.executions(backend.clients.sagemaker, backend.settings.pipeline)
    assert len(list(listed)) == 2


@pytest.mark.parametrize("backend", ["moto", "moto-server"], indirect=True)
def test_moto_still_starts_another_execution_for_the_same_token(backend: "Backend") -> None:
    """When this fails, moto has learned it: let the test above run over all backends."""
    backend.upsert()
    assert start(backend, "a" * 32) != start(backend, "a" * 32)
