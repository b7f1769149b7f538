"""Prices: the shipped table, and an estimate that is unknown rather than guessed."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from definitions import compiled, settings_of
from pipeline import prices
from pipeline.dag import Definition
from pipeline.errors import SettingsError

TABLE = """\
region: us-east-1
date: 2026-07-30
source: https://example.org/prices
processing: {ml.m5.xlarge: 0.36}
training: {ml.c5.2xlarge: 0.72}
transform: {ml.m5.xlarge: 0.18}
endpoint: {ml.m5.large: 0.1}
"""
SETTINGS = settings_of("prod")
SECONDS = {"Preprocess": 100, "Train": 1000, "Predict": 200, "Evaluate": 50}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text(TABLE)
    return path


def jobs(train: dict[str, Any] | None = None, **machines: Any) -> Definition:
    """A pipeline with a job of each kind; `train` and `machines` are set in Train and in its machines."""
    kinds = {
        "Preprocess": "Processing",
        "Train": "Training",
        "Predict": "Transform",
        "Evaluate": "Processing",
    }
    arguments: dict[str, dict[str, Any]] = {
        "Processing": {
            "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
        "Training": {
            "ResourceConfig": {"InstanceType": {"Get": "Parameters.Machine"}, "InstanceCount": 1, **machines},
            "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
            **(train or {}),
        },
        "Transform": {"TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}},
    }
    steps = [{"Name": name, "Type": kind, "Arguments": arguments[kind]} for name, kind in kinds.items()]
    steps.append({"Name": "Stop", "Type": "Fail", "Arguments": {}})
    parameters = [{"Name": "Machine", "Type": "String", "DefaultValue": "ml.c5.2xlarge"}]
    return Definition.parse(json.dumps({"Parameters": parameters, "Steps": steps}))


def row(estimate: prices.Estimate, name: str) -> prices.Row:
    return next(row for row in estimate.rows if row.name == name)


def test_a_run_like_the_last_costs_seconds_times_price(table: Path) -> None:
    estimate = prices.estimate(jobs(), SETTINGS, SECONDS, table=table)
    assert [(each.name, each.cost) for each in estimate.rows] == [
        ("Preprocess", pytest.approx(0.01)),
        ("Train", pytest.approx(0.2)),
        ("Predict", pytest.approx(0.01)),
        ("Evaluate", pytest.approx(0.005)),
    ]
    assert estimate.total == pytest.approx(0.225)


def test_the_most_is_each_limit_times_price_without_the_job_that_has_none(table: Path) -> None:
    estimate = prices.estimate(jobs(), SETTINGS, {}, table=table)
    assert (row(estimate, "Train").most, row(estimate, "Evaluate").most) == (1.44, 0.36)
    assert row(estimate, "Predict").most is None
    assert estimate.most == pytest.approx(0.36 + 1.44 + 0.36)
    assert "the limit of Predict is not known" in estimate.note


def test_a_warm_pool_is_billed_after_training(table: Path) -> None:
    estimate = prices.estimate(jobs(KeepAlivePeriodInSeconds=1800), SETTINGS, {}, table=table)
    assert row(estimate, "Train").most == pytest.approx(0.72 * 2.5)


def test_each_instance_of_a_job_costs(table: Path) -> None:
    train = row(prices.estimate(jobs(InstanceCount=3), SETTINGS, SECONDS, table=table), "Train")
    assert (train.price_per_hour, train.cost) == (pytest.approx(2.16), pytest.approx(0.6))


def test_an_endpoint_costs_what_all_its_instances_cost(table: Path) -> None:
    config = settings_of("prod", endpoint_instance_count=2)
    assert prices.estimate(jobs(), config, {}, table=table).endpoint_per_hour == pytest.approx(0.2)


def test_a_step_that_did_not_run_makes_the_total_unknown(table: Path) -> None:
    estimate = prices.estimate(jobs(), SETTINGS, {"Train": 1000}, table=table)
    assert (row(estimate, "Train").cost, row(estimate, "Evaluate").cost) == (pytest.approx(0.2), None)
    assert estimate.total is None


def test_an_instance_that_the_table_lacks_is_unknown_and_named(table: Path) -> None:
    estimate = prices.estimate(jobs(InstanceType="ml.c5.4xlarge"), SETTINGS, SECONDS, table=table)
    train = row(estimate, "Train")
    assert (train.price_per_hour, train.cost, train.most) == (None, None, None)
    assert (estimate.total, estimate.most) == (None, None)
    assert "the training price of ml.c5.4xlarge is not known" in estimate.note


def test_a_price_for_another_use_is_none(table: Path) -> None:
    estimate = prices.estimate(jobs(InstanceType="ml.m5.xlarge"), SETTINGS, SECONDS, table=table)
    assert row(estimate, "Train").price_per_hour is None  # it has prices, but none for training


def test_another_region_is_unknown_throughout(table: Path) -> None:
    estimate = prices.estimate(jobs(), settings_of("prod", region="eu-west-1"), SECONDS, table=table)
    assert {each.price_per_hour for each in estimate.rows} == {None}
    assert (estimate.total, estimate.most, estimate.endpoint_per_hour) == (None, None, None)
    assert "eu-west-1" in estimate.note and "us-east-1" in estimate.note


@pytest.mark.parametrize("spot", [True, False])
def test_the_note_names_date_and_region_and_that_spot_costs_less(table: Path, spot: bool) -> None:
    note = prices.estimate(jobs({"EnableManagedSpotTraining": spot}), SETTINGS, {}, table=table).note
    assert "us-east-1" in note and "2026-07-30" in note
    assert ("spot" in note) is spot


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_jobs_of_an_environment_have_the_machines_and_limits_of_its_settings(environment: str) -> None:
    config = settings_of(environment)
    processing = (config.processing_instance_type, config.processing_max_seconds)
    rows = prices.estimate(Definition.parse(compiled(environment)), config, {}).rows
    assert [(each.name, each.instance_type, each.most_seconds) for each in rows] == [
        ("Preprocess", *processing),
        ("Train", config.training_instance_type, config.training_max_seconds),
        ("Predict", config.transform_instance_type, None),
        ("Evaluate", *processing),
    ]


def test_the_shipped_table_says_where_and_when_its_figures_are_from() -> None:
    table = prices.load()
    assert table.source.startswith("https://pricing.us-east-1.amazonaws.com/")
    assert table.date <= date(2026, 9, 25)
    assert table.per_hour("endpoint", "ml.m5.large", table.region) == 0.115


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("trainig: {}", "trainig"),
        ("transform: {ml.m5.large: -1}", "transform.ml.m5.large"),
        ("endpoint: {ml.m5.large: soon}", "endpoint.ml.m5.large"),
        ("date: soon", "date"),
    ],
)
def test_a_mistake_in_the_table_is_named_with_the_file(table: Path, line: str, named: str) -> None:
    key = line.partition(":")[0]
    kept = [each for each in TABLE.splitlines() if not each.startswith(f"{key}:")]
    table.write_text("\n".join([*kept, line]))
    with pytest.raises(SettingsError, match=f"prices.yaml: .*{named}"):
        prices.load(table)


def test_what_is_set_has_its_own_price(table: Path) -> None:
    given = {"Machine": "ml.m5.xlarge", "EndpointInstanceType": "ml.unheard-of.xlarge"}
    estimate = prices.estimate(jobs(), SETTINGS, SECONDS, given, table)
    assert row(estimate, "Train").instance_type == "ml.m5.xlarge"
    assert estimate.endpoint_per_hour is None
    assert "the endpoint price of ml.unheard-of.xlarge is not known" in estimate.note
