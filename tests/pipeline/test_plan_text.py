"""A plan as a person reads it: whole texts, for they are what is reviewed."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from accounts import Account

from definitions import compiled, settings_of
from pipeline import plan
from pipeline.cli import plan_text
from pipeline.plan import Plan
from pipeline.prices import Estimate, Row
from pipeline.uploads import File, Upload

PRICE = Estimate(
    rows=(
        Row("Train", "ml.c5.2xlarge", 0.408, 100.0, 14400, 0.0113, 1.632),
        Row("Predict", "ml.m5.xlarge", None, 31.0, None, None, None),
        Row("Evaluate", "ml.m5.xlarge", 0.23, None, 3600, None, 0.23),
    ),
    total=None,
    most=1.862,
    endpoint_per_hour=0.115,
    note="on-demand prices of us-east-1, of 2026-07-30 or later; storage comes on top",
)


def planned(**members: Any) -> Plan:
    """Nothing to do, but for these."""
    nothing: dict[str, Any] = {
        "settings": settings_of("dev"),
        "text": compiled("dev"),
        "compared": "live",
        "action": "keep",
        "price": PRICE,
    }
    empty = dict.fromkeys(("uploads", "calls", "changes", "parameters", "steps", "reruns"), ())
    return Plan(**{**nothing, **empty, **members})


def text(made: Plan) -> str:
    return "\n".join(plan_text.lines(made))


HEAD = "Pipeline sentiment-dev (environment dev, account 111122223333, us-east-1)"
COST = """\
Price of a run on SageMaker
                                    $ an hour  like the last    at most
  Train     ml.c5.2xlarge           0.408      $0.01 in 100 s   $1.63 in 4 h
  Predict   ml.m5.xlarge            unknown    unknown in 31 s  no limit
  Evaluate  ml.m5.xlarge            0.230      unknown          $0.23 in 60 min
  All jobs                                     unknown          $1.86, without Predict
  Endpoint  as long as it is there  0.115
  on-demand prices of us-east-1, of 2026-07-30 or later; storage comes on top"""


def test_of_nothing_to_do_only_the_price_is_left() -> None:
    done = "Nothing to do: the pipeline sentiment-dev is what these sources make."
    assert text(planned()) == f"{HEAD}\n\n{COST}\n\n{done}"
    done = "Nothing to do: the definition at hand is what these sources make."
    assert text(planned(compared="file")) == f"{HEAD}\n\n{COST}\n\n{done}"


HASH = "0123456789abcdef" * 4


def definition(parameters: dict[str, Any], steps: list[dict[str, Any]]) -> str:
    declared = [
        {"Name": name, "Type": "Integer", "DefaultValue": value} for name, value in parameters.items()
    ]
    return json.dumps({"Version": "2020-12-01", "Parameters": declared, "Steps": steps})


def training(code: str, **arguments: Any) -> dict[str, Any]:
    channel = {
        "ChannelName": "code",
        "DataSource": {"S3DataSource": {"S3Uri": f"s3://bucket/some/code/{code}"}},
    }
    epochs = {"epochs": {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Epochs"}]}}}
    return {
        "Name": "Train",
        "Type": "Training",
        "DisplayName": "Train the LSTM",
        "Arguments": {"HyperParameters": epochs, "InputDataConfig": [channel], **arguments},
        "CacheConfig": {"Enabled": True},
    }


MODEL = {
    "Name": "CreateModel",
    "Type": "Model",
    "DisplayName": "Create the model",
    "Arguments": {
        "PrimaryContainer": {"ModelDataUrl": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}}
    },
}
TRANSFORM = {"Name": "Predict", "Type": "Transform", "CacheConfig": {"Enabled": True}}
BEFORE = definition(
    {"Epochs": 5, "Warmup": 0},
    [
        training(HASH, ResourceConfig={"KeepAlivePeriodInSeconds": 600}, RoleArn="old"),
        {**TRANSFORM, "Arguments": {"ModelName": "a-model"}},
        {"Name": "Notify", "Type": "Lambda", "DisplayName": "Tell the team"},
    ],
)
AFTER = definition(
    {"Epochs": 2, "Patience": 3},
    [
        training(HASH[::-1], EnableManagedSpotTraining=True, RoleArn="new"),
        MODEL,
        {**TRANSFORM, "Arguments": {"ModelName": {"Get": "Steps.CreateModel.ModelName"}}},
    ],
)
WHOLE = f"""\
{HEAD}

Uploads
  + code of train.py  1 file   4 bytes  s3://bucket/some/code/fedcba987654…
  + the reviews       2 files  2.0 MB   s3://bucket/some/data/0123456789ab…

Model package group
  + sentiment-dev

The pipeline itself
  ~ role:
         arn:aws:iam::111122223333:role/old-pipeline
      -> arn:aws:iam::111122223333:role/sentiment-dev-pipeline
  ~ tag team: x -> search

Parameters
  ~ Epochs: default 5 -> 2
  + Patience: Integer, default 3
  - Warmup

Steps
  ~ Train (Training): Train the LSTM
      ~ InputDataConfig[code].DataSource.S3DataSource.S3Uri:
             s3://bucket/some/code/0123456789ab…
          -> s3://bucket/some/code/fedcba987654…
      + EnableManagedSpotTraining: true
      ~ RoleArn: old -> new
      - ResourceConfig.KeepAlivePeriodInSeconds: 600
  + CreateModel (Model): Create the model
      + PrimaryContainer.ModelDataUrl: {{Steps.Train.ModelArtifacts.S3ModelArtifacts}}
  ~ Predict (Transform)
      ~ ModelName: a-model -> {{Steps.CreateModel.ModelName}}
  - Notify (Lambda): Tell the team

Steps that run again: their earlier results no longer fit
  Train  HyperParameters.epochs: 5 -> 2
         input code changed

Steps that run every time on SageMaker
  Predict  ModelName comes from CreateModel, which runs every time

{COST}

Plan: 2 uploads (2.0 MB); create the model package group; update the pipeline (steps: 1 to add, 2 to change, \
1 to remove; parameters: 1 to add, 1 to change, 1 to remove; settings: 2 to change)."""


def test_every_kind_of_change_is_said_where_it_happens(tmp_path: Path) -> None:
    account = Account(tmp_path)
    account.holds(BEFORE, RoleArn="arn:aws:iam::111122223333:role/old-pipeline")
    account.groups.clear()
    account.tags["team"] = "x"
    settings = account.settings.model_copy(update={"tags": {"team": "search"}})
    made = plan.make(account.clients, settings, AFTER, {}, None)
    uploads = (
        Upload("code of train.py", f"s3://bucket/some/code/{HASH[::-1]}", (File.of(b"code", "train.py"),)),
        Upload(
            "the reviews",
            f"s3://bucket/some/data/{HASH}",
            (File.of(b"x" * 1_999_000, "a.csv"), File.of(b"y" * 1000, "b.csv")),
        ),
    )
    assert text(replace(made, uploads=uploads, price=PRICE)) == WHOLE


def test_a_new_pipeline_is_listed_and_not_spelt_out() -> None:
    shown = text(plan.against(None, settings_of("dev"), compiled("dev"))).splitlines()
    assert "  + Epochs: Integer, default 2" in shown
    start = shown.index("Steps") + 1
    assert shown[start : start + 3] == [
        "  + Preprocess (Processing): Preprocess the reviews",
        "  + Train (Training): Train the LSTM",
        "  + CreateModel (Model): Create the model",
    ]
    assert "Plan: create the pipeline with 9 steps." in shown[-1]
    assert "No account was asked" in shown[-1]
    assert not any("run again" in line or "every time" in line for line in shown)


def test_the_text_is_the_same_every_time() -> None:
    settings = settings_of("dev")
    once = text(plan.against(BEFORE, settings, AFTER))
    assert text(plan.against(BEFORE, settings, AFTER)) == once
    assert text(plan.against(json.dumps(json.loads(BEFORE), indent=4), settings, AFTER)) == once


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "no_colour", "coloured"),
    [(io.StringIO, "", False), (Terminal, "", True), (Terminal, "1", False)],
    ids=["a file", "a terminal", "a terminal with NO_COLOR"],
)
def test_colour_is_for_terminals_only(
    stream: type[io.StringIO], no_colour: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    made = plan.against(BEFORE, settings_of("dev"), AFTER)
    shown = stream()
    plan_text.show(made, shown)
    plain = shown.getvalue()
    for code in ("\033[32m", "\033[33m", "\033[31m", "\033[0m"):
        assert (code in plain) == coloured
        plain = plain.replace(code, "")
    assert plain == text(made) + "\n"


def test_nothing_in_a_live_definition_can_write_to_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b[2Jgone\n\u202e"
    account = Account(tmp_path)
    step = {"Name": "Notify", "Type": evil, "DisplayName": evil, "Arguments": {evil: evil}}
    account.holds(definition({}, [step, {**MODEL, "Arguments": {evil: evil}}]))
    step = {"Name": "Train", "Type": "Training", "Arguments": {}}
    made = plan.make(
        account.clients, account.settings, definition({}, [step, {**MODEL, "Arguments": {}}]), {}, None
    )
    shown = text(replace(made, price=PRICE))
    escaped = r"\x1b[2Jgone\n\u202e"
    assert f"  - Notify ({escaped}): {escaped}" in shown.splitlines()
    assert f"      - {escaped}: {escaped}" in shown.splitlines()
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("seconds", "shown"), [(31.4, "31 s"), (119, "119 s"), (3600, "60 min"), (14400, "4 h"), (9000, "2.5 h")]
)
def test_times_are_short(seconds: float, shown: str) -> None:
    made = planned(
        price=Estimate((Row("Train", "ml.x", 1.0, seconds, None, 0.0, None),), 0.0, None, None, "")
    )
    assert f" in {shown} " in text(made)
