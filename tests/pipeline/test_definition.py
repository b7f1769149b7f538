"""The definition of every environment: pure, deterministic, and complete."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from definitions import CODE, ENVIRONMENTS, compiled, settings_of
from pipeline import definition, parameters
from pipeline.dag import Definition
from pipeline.lint import errors, lint
from pipeline.local.check import check
from pipeline.settings import Settings
from shared import ROOT

# Compiles in a process of its own, where any use of the network is recorded, and the clock is another.
COMPILE = """
import sys
import socket, time
attempts = []
def refuse(*arguments, **keywords):
    attempts.append(arguments)
    raise OSError("no network here")
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = refuse
shift = float(sys.argv[1])
clock = time.time
time.time = lambda: clock() + shift
import json
from definitions import ENVIRONMENTS, compiled
print(json.dumps({environment: compiled(environment) for environment in ENVIRONMENTS}))
assert not attempts, attempts
"""


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def config(request: pytest.FixtureRequest) -> Settings:
    return settings_of(request.param)


@pytest.fixture(scope="module")
def text(config: Settings) -> str:
    return compiled(config.environment)


@pytest.fixture(scope="module")
def graph(text: str) -> Definition:
    return Definition.parse(text)


def compile_elsewhere(folder: Path, hash_seed: str, days: int) -> dict[str, str]:
    run = subprocess.run(
        [sys.executable, "-c", COMPILE, str(days * 86_400)],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "PYTHONHASHSEED": hash_seed,
            "AWS_PROFILE": "a-profile-that-does-not-exist",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""  # the SDK is quiet
    found: dict[str, str] = json.loads(run.stdout)
    return found


def test_it_compiles_offline_to_the_same_bytes_whatever_folder_hash_seed_and_day(tmp_path: Path) -> None:
    here = {environment: compiled(environment) for environment in ENVIRONMENTS}
    assert compile_elsewhere(tmp_path, hash_seed="1", days=400) == here


def test_compiling_leaves_the_process_as_it_was() -> None:
    environment, session, handlers = dict(os.environ), boto3.DEFAULT_SESSION, logging.root.handlers[:]
    definition.compile(settings_of("local"), CODE)
    assert dict(os.environ) == environment
    assert logging.root.handlers == handlers
    assert boto3.DEFAULT_SESSION is session


def test_the_steps_run_in_the_order_of_the_design(graph: Definition) -> None:
    after = {name: sorted(needed) for name, needed in graph.dependencies.items()}
    assert after == {
        "Preprocess": [],
        "Train": ["Preprocess"],
        "CreateModel": ["Train"],
        "Predict": ["CreateModel", "Preprocess"],
        "Evaluate": ["Predict", "Preprocess"],
        "AccuracyGate": ["Evaluate"],
        "Register": ["AccuracyGate", "Evaluate", "Train"],
        "Deploy": ["AccuracyGate", "Register"],
        "AccuracyTooLow": ["AccuracyGate", "Evaluate"],
    }
    outcomes = {name: step.branch.outcome for name, step in graph.steps.items() if step.branch}
    assert outcomes == {"Register": True, "Deploy": True, "AccuracyTooLow": False}


def test_it_has_no_fault_that_lint_knows(text: str, config: Settings) -> None:
    assert errors(lint(text, config)) == []


def test_the_local_executor_takes_it_whatever_its_environment(graph: Definition) -> None:
    check(graph)  # raises for what it could not honour


def test_its_parameters_are_those_of_the_table(graph: Definition, config: Settings) -> None:
    declared = [
        (name, each["Type"], each["DefaultValue"], tuple(each.get("EnumValues", ())))
        for name, each in graph.parameters.items()
    ]
    table = parameters.table(config).values()
    assert declared == [(each.name, each.type, each.default, each.choices) for each in table]


def test_every_step_says_what_it_is(graph: Definition) -> None:
    for step in graph.steps.values():
        assert step.body["DisplayName"]
        assert "\n" not in step.body["Description"]


JOBS = ("Preprocess", "Train", "Predict", "Evaluate")


@pytest.mark.parametrize("name", JOBS)
def test_every_job_is_retried_cached_and_tagged(graph: Definition, config: Settings, name: str) -> None:
    body = graph.steps[name].body
    retried = {kind for policy in body["RetryPolicies"] for kind in policy["ExceptionType"]}
    assert retried >= {
        "Step.SERVICE_FAULT",
        "Step.THROTTLING",
        "SageMaker.CAPACITY_ERROR",
        "SageMaker.JOB_INTERNAL_ERROR",
    }
    assert body["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P30D"}
    assert {"Key": "environment", "Value": config.environment} in body["Arguments"]["Tags"]


def test_every_job_ends_and_has_no_network(graph: Definition) -> None:
    arguments = {name: step.arguments for name, step in graph.steps.items()}
    for name in ("Preprocess", "Train", "Evaluate"):
        assert arguments[name]["StoppingCondition"]["MaxRuntimeInSeconds"] > 0
    assert arguments["Predict"]["ModelClientConfig"]["InvocationsTimeoutInSeconds"] > 0
    for name in ("Preprocess", "Evaluate"):
        assert arguments[name]["NetworkConfig"]["EnableNetworkIsolation"] is True
    for name in ("Train", "CreateModel"):
        assert arguments[name]["EnableNetworkIsolation"] is True


def values_of(value: Any, key: str) -> list[Any]:
    """Every value of `key`, at any depth."""
    if isinstance(value, dict):
        own = [value[key]] if key in value else []
        return own + [found for item in value.values() for found in values_of(item, key)]
    return [found for item in value for found in values_of(item, key)] if isinstance(value, list) else []


def test_outputs_are_told_apart_by_the_execution_and_checkpoints_are_not(
    graph: Definition, config: Settings
) -> None:
    for name in ("Preprocess", "Evaluate"):
        for target in values_of(graph.steps[name].arguments["ProcessingOutputConfig"], "S3Uri"):
            assert {"Get": "Execution.PipelineExecutionId"} in target["Std:Join"]["Values"]
    for name in ("Train", "Predict"):
        (target,) = values_of(graph.steps[name].arguments, "S3OutputPath")
        assert {"Get": "Execution.PipelineExecutionId"} in target["Std:Join"]["Values"]
    checkpoints = graph.steps["Train"].arguments["CheckpointConfig"]
    assert checkpoints["S3Uri"] == f"{config.root}/checkpoints"
    assert checkpoints["LocalPath"] == graph.steps["Train"].arguments["HyperParameters"]["checkpoint-dir"]


def test_every_path_that_a_script_is_told_is_one_that_the_job_has(graph: Definition) -> None:
    for name in ("Preprocess", "Evaluate"):
        arguments = graph.steps[name].arguments
        there = values_of(arguments, "LocalPath")
        application = arguments["AppSpecification"]
        told = [each for each in application["ContainerArguments"] if str(each).startswith("/opt/ml")]
        assert len(told) >= 2
        for path in [*told, application["ContainerEntrypoint"][1]]:
            assert any(path.startswith(each) or each.startswith(f"{path}/") for each in there), path


def test_the_metric_definitions_read_the_line_that_training_prints(graph: Definition) -> None:
    line = "epoch=1 train_loss=0.5312 validation_loss=0.4011 validation_accuracy=0.8421 seconds=31.2"
    found = {
        each["Name"]: re.findall(each["Regex"], line)
        for each in graph.steps["Train"].arguments["AlgorithmSpecification"]["MetricDefinitions"]
    }
    assert found == {
        "train_loss": ["0.5312"],
        "validation_loss": ["0.4011"],
        "validation_accuracy": ["0.8421"],
    }


def test_hyperparameters_are_strings_when_they_reach_the_job(graph: Definition) -> None:
    for name, value in graph.steps["Train"].arguments["HyperParameters"].items():
        assert isinstance(value, str) or set(value) == {"Std:Join"}, name


def test_the_transform_never_shows_the_label_to_the_model(graph: Definition) -> None:
    processing = graph.steps["Predict"].arguments["DataProcessing"]
    assert processing == {"InputFilter": "$.review", "JoinSource": "Input"}


def test_the_gate_and_its_message_read_the_same_numbers(graph: Definition) -> None:
    (condition,) = graph.steps["AccuracyGate"].arguments["Conditions"]
    assert condition["Type"] == "GreaterThanOrEqualTo"
    message = json.dumps(graph.steps["AccuracyTooLow"].arguments)
    assert json.dumps(condition["LeftValue"]) in message
    assert json.dumps(condition["RightValue"]) in message
    assert "dataset.item_count" in message


def test_what_serves_is_what_was_trained(graph: Definition) -> None:
    (container,) = graph.steps["Register"].arguments["InferenceSpecification"]["Containers"]
    created = graph.steps["CreateModel"].arguments["PrimaryContainer"]
    for key in ("Image", "ModelDataUrl"):
        assert container[key] == created[key]
    assert created["Environment"].items() <= container["Environment"].items()
