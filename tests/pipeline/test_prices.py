"""Prices: the shipped table, and an estimate that is unknown rather than guessed."""

import json
from datetime import date
from pathlib import Path

import pytest

from definitions import compiled, settings_of
from pipeline import prices
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
SECONDS = {"Preprocess": 100, "Train": 1000, "Predict": 200, "Evaluate": 50}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text(TABLE)
    return path


def row(estimate: prices.Estimate, name: str) -> prices.Row:
    return next(row for row in estimate.rows if row.name == name)


def test_a_run_like_the_last_costs_seconds_times_price(table: Path) -> None:
    estimate = prices.estimate(settings_of("prod"), SECONDS, table)
    assert [(each.name, each.cost) for each in estimate.rows] == [
        ("Preprocess", pytest.approx(0.01)),
        ("Train", pytest.approx(0.2)),
        ("Predict", pytest.approx(0.01)),
        ("Evaluate", pytest.approx(0.005)),
    ]
    assert estimate.total == pytest.approx(0.225)


def test_the_most_is_each_limit_times_price_without_the_job_that_has_none(table: Path) -> None:
    config = settings_of("dev", processing_max_seconds=3600, training_max_seconds=7200)
    estimate = prices.estimate(config, {}, table)
    assert (row(estimate, "Train").most, row(estimate, "Evaluate").most) == (1.44, 0.36)
    assert row(estimate, "Predict").most is None
    assert estimate.most == pytest.approx(0.36 + 1.44 + 0.36)
    assert "Predict" in estimate.note


def test_a_warm_pool_is_billed_after_training(table: Path) -> None:
    config = settings_of("dev", spot=False, training_max_seconds=3600, keep_alive_seconds=1800)
    assert row(prices.estimate(config, {}, table), "Train").most == pytest.approx(0.72 * 1.5)


def test_an_endpoint_costs_what_all_its_instances_cost(table: Path) -> None:
    assert prices.estimate(settings_of("prod"), {}, table).endpoint_per_hour == pytest.approx(0.2)


def test_a_step_that_did_not_run_makes_the_total_unknown(table: Path) -> None:
    estimate = prices.estimate(settings_of("prod"), {"Train": 1000}, table)
    assert (row(estimate, "Train").cost, row(estimate, "Evaluate").cost) == (pytest.approx(0.2), None)
    assert estimate.total is None


def test_an_instance_that_the_table_lacks_is_unknown_and_named(table: Path) -> None:
    config = settings_of("prod", training_instance_type="ml.c5.4xlarge")
    estimate = prices.estimate(config, SECONDS, table)
    train = row(estimate, "Train")
    assert (train.price_per_hour, train.cost, train.most) == (None, None, None)
    assert (estimate.total, estimate.most) == (None, None)
    assert "the training price of ml.c5.4xlarge is not known" in estimate.note


def test_a_price_for_another_use_is_none(table: Path) -> None:
    config = settings_of("prod", training_instance_type="ml.m5.xlarge")  # has prices, but not for training
    assert row(prices.estimate(config, SECONDS, table), "Train").price_per_hour is None


def test_another_region_is_unknown_throughout(table: Path) -> None:
    estimate = prices.estimate(settings_of("prod", region="eu-west-1"), SECONDS, table)
    assert {each.price_per_hour for each in estimate.rows} == {None}
    assert (estimate.total, estimate.most, estimate.endpoint_per_hour) == (None, None, None)
    assert "eu-west-1" in estimate.note and "us-east-1" in estimate.note


@pytest.mark.parametrize("spot", [True, False])
def test_the_note_names_date_and_region_and_that_spot_costs_less(table: Path, spot: bool) -> None:
    note = prices.estimate(settings_of("dev", spot=spot), {}, table).note
    assert "us-east-1" in note and "2026-07-30" in note
    assert ("spot" in note) is spot


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_jobs_are_those_of_the_definition_with_its_instance_types_and_limits(environment: str) -> None:
    definition = json.loads(compiled(environment))
    defaults = {each["Name"]: each["DefaultValue"] for each in definition["Parameters"]}
    found = {}
    for step in definition["Steps"]:
        arguments = step["Arguments"]
        cluster = arguments.get("ProcessingResources", {}).get("ClusterConfig")
        resources = cluster or arguments.get("ResourceConfig") or arguments.get("TransformResources")
        if step["Type"] in ("Processing", "Training", "Transform"):
            parameter = resources["InstanceType"]["Get"].removeprefix("Parameters.")
            limit = arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
            found[step["Name"]] = (defaults[parameter], limit)
    rows = prices.estimate(settings_of(environment), {}).rows
    assert {each.name: (each.instance_type, each.most_seconds) for each in rows} == found


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
