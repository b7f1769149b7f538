"""Each setting appears in the definition wherever it must, and leaves nothing behind where it is not set.

Where it must is asked of botocore's model: every member of a step's request that could hold a key, a VPC or
an isolation holds the one of the settings.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from definitions import CODE, settings_of
from pipeline import definition, service_model
from pipeline.dag import Definition
from pipeline.lint import errors, lint
from pipeline.local.check import check
from pipeline.settings import Settings

JOBS = ("Preprocess", "Train", "Predict", "Evaluate")
OPERATIONS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "Transform": "CreateTransformJob",
    "Model": "CreateModel",
}
VPC = {"Subnets": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0c"]}
EVERYTHING: dict[str, Any] = {
    "subnets": VPC["Subnets"],
    "security_groups": VPC["SecurityGroupIds"],
    "inter_container_encryption": True,
    "volume_kms_key": "volume-key",
    "output_kms_key": "output-key",
    "processing_volume_gb": 40,
    "training_volume_gb": 50,
    "processing_max_seconds": 1000,
    "training_max_seconds": 2000,
    "spot": True,
    "spot_max_wait_seconds": 3000,
    "retry_attempts": 7,
    "retry_backoff": 1.5,
    "retry_seconds": 11,
    "cache_expiry": "P7D",
    "tags": {"team": "search", "cost-centre": "42"},
    "input_data": "s3://reviews/imdb",
    "endpoint_instance_count": 3,
    "prefix": "lab/sentiment",
}
NOTHING: dict[str, Any] = {
    "network_isolation": False,
    "inter_container_encryption": False,
    "spot": False,
    "keep_alive_seconds": 900,
}
WATCHED = {  # member of a request -> its value when everything is set
    "VpcConfig": VPC,
    "VolumeKmsKeyId": "volume-key",
    "KmsKeyId": "output-key",
    "EnableNetworkIsolation": True,
    "EnableInterContainerTrafficEncryption": True,
}


def compile_with(flags: dict[str, Any]) -> tuple[Settings, str]:
    config = settings_of("prod", **flags)
    return config, definition.compile(config, CODE)


@pytest.fixture(scope="module")
def full() -> Definition:
    return Definition.parse(compile_with(EVERYTHING)[1])


@pytest.fixture(scope="module")
def bare() -> Definition:
    return Definition.parse(compile_with(NOTHING)[1])


def watched(graph: Definition) -> dict[str, Any]:
    """{"Train.VpcConfig": its value, or None where a request could have it and has not}."""
    found = {}
    for step in graph.steps.values():
        if step.type in OPERATIONS:
            shape = service_model.service().operation_model(OPERATIONS[step.type]).input_shape
            found |= dict(_members(shape, step.arguments, step.name))
    return found


def _members(shape: Any, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _members(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            if name in WATCHED:
                yield f"{path}.{name}", value.get(name)
            elif name in value:
                yield from _members(member, value[name], f"{path}.{name}")


def test_every_request_that_can_hold_a_key_a_vpc_or_an_isolation_holds_it(full: Definition) -> None:
    found = watched(full)
    assert {path.partition(".")[0] for path in found} == {*JOBS, "CreateModel"}
    assert {path.rpartition(".")[2] for path in found} == set(WATCHED)
    wrong = {path: value for path, value in found.items() if value != WATCHED[path.rpartition(".")[2]]}
    assert wrong == {}


def test_what_is_not_set_leaves_nothing_behind(bare: Definition) -> None:
    kept = {path: value for path, value in watched(bare).items() if value}
    assert kept == {}
    train = bare.steps["Train"].arguments
    assert "EnableManagedSpotTraining" not in train
    assert train["StoppingCondition"] == {"MaxRuntimeInSeconds": 14400}
    deploy = bare.steps["Deploy"].arguments
    assert deploy["network_isolation"] is False
    assert not {"volume_kms_key", "subnets", "security_groups"} & set(deploy)


@pytest.mark.parametrize("flags", [EVERYTHING, NOTHING], ids=["everything", "nothing"])
def test_sagemaker_and_the_local_executor_would_take_it(flags: dict[str, Any]) -> None:
    config, text = compile_with(flags)
    assert errors(lint(text, config)) == []
    check(Definition.parse(text))


def test_spot_training_waits_and_resumes_from_a_checkpoint(full: Definition) -> None:
    train = full.steps["Train"].arguments
    assert train["EnableManagedSpotTraining"] is True
    assert train["StoppingCondition"] == {"MaxRuntimeInSeconds": 2000, "MaxWaitTimeInSeconds": 3000}
    bucket = "s3://sentiment-prod-111122223333"
    assert train["CheckpointConfig"]["S3Uri"] == f"{bucket}/lab/sentiment/checkpoints"


def test_a_warm_pool_is_kept_when_it_is_asked_for(full: Definition, bare: Definition) -> None:
    assert "KeepAlivePeriodInSeconds" not in full.steps["Train"].arguments["ResourceConfig"]
    assert bare.steps["Train"].arguments["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 900


def test_disks_and_runtimes(full: Definition) -> None:
    for name in ("Preprocess", "Evaluate"):
        arguments = full.steps[name].arguments
        assert arguments["ProcessingResources"]["ClusterConfig"]["VolumeSizeInGB"] == 40
        assert arguments["StoppingCondition"] == {"MaxRuntimeInSeconds": 1000}
    assert full.steps["Train"].arguments["ResourceConfig"]["VolumeSizeInGB"] == 50


def test_every_retry_keeps_the_pace_of_the_settings_and_every_cache_their_expiry(full: Definition) -> None:
    for name in (*JOBS, "CreateModel", "Register"):
        policies = full.steps[name].body["RetryPolicies"]
        assert policies
        for policy in policies:
            pace = policy["MaxAttempts"], policy["BackoffRate"], policy["IntervalSeconds"]
            assert pace == (7, 1.5, 11), name
    for name in JOBS:
        assert full.steps[name].body["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P7D"}


def test_jobs_and_models_are_tagged_with_whose_they_are_and_where_they_come_from(full: Definition) -> None:
    code = {"Preprocess": "preprocess.py", "Evaluate": "evaluate.py"}
    for name in (*JOBS, "CreateModel"):
        tags = {tag["Key"]: tag["Value"] for tag in full.steps[name].arguments["Tags"]}
        assert tags == {
            "team": "search",
            "cost-centre": "42",
            "project": "sentiment-prod",
            "environment": "prod",
            "commit": {"Get": "Parameters.Commit"},
            "definition": {"Get": "Parameters.DefinitionHash"},
            "data": {"Get": "Parameters.DataChecksum"},
            "code": f"sha256-of-{code.get(name, 'train.py')}",
        }


def test_a_version_says_where_it_comes_from(full: Definition) -> None:
    metadata = full.steps["Register"].arguments["CustomerMetadataProperties"]
    assert {"accuracy", "accuracy_threshold", "test_size"} < set(metadata)
    assert metadata["commit"] == {"Get": "Parameters.Commit"}
    assert metadata["definition"] == {"Get": "Parameters.DefinitionHash"}
    assert metadata["data"] == {"Get": "Parameters.DataChecksum"}
    assert metadata["input_data"] == {"Get": "Parameters.InputData"}
    assert metadata["execution"] == {"Get": "Execution.PipelineExecutionId"}
    assert metadata["training_code"] == "sha256-of-train.py"


def test_the_deploy_function_gets_what_the_endpoint_needs(full: Definition) -> None:
    event = full.steps["Deploy"].arguments
    assert event["subnets"] == "subnet-0a,subnet-0b"
    assert event["security_groups"] == "sg-0c"
    assert event["volume_kms_key"] == "volume-key"
    assert event["network_isolation"] is True
    assert event["tags"] == "team=search,cost-centre=42,project=sentiment-prod,environment=prod"
    assert event["instance_count"] == {"Get": "Parameters.EndpointInstanceCount"}
    flat = [value for value in event.values() if not isinstance(value, str | bool | dict)]
    assert flat == []
    assert all(set(value) == {"Get"} for value in event.values() if isinstance(value, dict))


def test_defaults_of_parameters_come_from_the_settings(full: Definition) -> None:
    defaults = {name: each["DefaultValue"] for name, each in full.parameters.items()}
    assert defaults["InputData"] == "s3://reviews/imdb"
    assert defaults["EndpointInstanceCount"] == 3
    assert defaults["AccuracyThreshold"] == 0.9
    assert defaults["ApprovalStatus"] == "PendingManualApproval"


def test_every_setting_is_read_by_the_definition_or_is_for_the_commands() -> None:
    read = set()

    class Recorded(Settings):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    config = Recorded(**settings_of("prod", **EVERYTHING).model_dump())
    read.clear()
    definition.compile(config, CODE)
    for_commands = {
        "concurrent_executions",
        "max_parallel_steps",
        "poll_seconds",
        "runner",
        "schedule_role",
        "studio_domain",
    }
    assert set(Settings.model_fields) - read == for_commands
