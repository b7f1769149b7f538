import argparse
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import small_model
import train
from checkpoint import Checkpoint
from model import SentimentModel, Sizes
from text import RECIPES, Vocabulary

METRICS = re.compile(
    r"^epoch=(\d+) train_loss=([\d.]+) validation_loss=([\d.]+) "
    r"validation_accuracy=([\d.]+) seconds=([\d.]+)$",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def prepared(small_reviews, tmp_path_factory) -> Path:
    return small_model.prepare(small_reviews, tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def unbroken(prepared, tmp_path_factory) -> tuple[Path, str]:
    """(folder, what was printed) of a training of three epochs that ran through."""
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, small_model.train(prepared, folder, "--epochs", "3").stdout


def test_the_model_folder_carries_all_that_serving_needs(unbroken, prepared):
    folder, _ = unbroken
    model = folder / "model"
    names = sorted(str(path.relative_to(model)) for path in model.rglob("*") if path.is_file())
    code = ("explanation.py", "inference.py", "model.py", "spans.py", "stop_words.txt", "text.py")
    assert names == [*(f"code/{name}" for name in code), "model.json", "model.safetensors", "vocabulary.txt"]
    assert (model / "code" / "text.py").read_bytes() == (small_model.STEPS / "text.py").read_bytes()
    assert (model / "vocabulary.txt").read_bytes() == (prepared / "vocabulary/vocabulary.txt").read_bytes()
    description = json.loads((model / "model.json").read_text())
    assert description["format"] == 1 and description["recipe"] == "default" and description["threads"] == 1
    assert re.fullmatch("[0-9a-f]{12}", description["version"])


def test_each_epoch_prints_one_line_that_a_metric_definition_reads(unbroken):
    folder, printed = unbroken
    lines = METRICS.findall(printed)
    assert [int(line[0]) for line in lines] == [1, 2, 3]
    curve = json.loads((folder / "data" / "training.json").read_text())["epochs"]
    assert [f"{entry['validation_loss']:.4f}" for entry in curve] == [line[2] for line in lines]
    assert all(0 <= float(line[3]) <= 1 for line in lines)


def test_it_learns(unbroken):
    folder, _ = unbroken
    curve = json.loads((folder / "data" / "training.json").read_text())["epochs"]
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    assert curve[-1]["validation_accuracy"] > 0.6


def test_the_checkpoint_is_removed_when_the_model_is_written(unbroken):
    folder, _ = unbroken
    assert list((folder / "checkpoints").iterdir()) == []


def test_killed_and_run_again_it_ends_with_the_weights_of_an_unbroken_run(unbroken, prepared, tmp_path):
    command = small_model.training_command(prepared, tmp_path, "--epochs", "3")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch=1 "):
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "model").exists()
    printed = small_model.train(prepared, tmp_path, "--epochs", "3").stdout
    assert "resumed after epoch 1" in printed and [line[0] for line in METRICS.findall(printed)] == ["2", "3"]
    folder, _ = unbroken
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "model" / name).read_bytes() == (folder / "model" / name).read_bytes()


def test_another_seed_gives_other_weights(unbroken, prepared, tmp_path):
    small_model.train(prepared, tmp_path, "--epochs", "1", "--seed", "2")
    folder, _ = unbroken
    ours, theirs = (
        json.loads((path / "model" / "model.json").read_text())["version"] for path in (tmp_path, folder)
    )
    assert ours != theirs


def options(data: Path, *more: str) -> argparse.Namespace:
    folders = [
        part for name in ("train", "validation", "vocabulary") for part in (f"--{name}", str(data / name))
    ]
    return train.parse([*folders, "--model-dir", "unused", "--output-data-dir", "unused", *more])


def test_a_fingerprint_names_settings_data_and_code_but_no_place(prepared, tmp_path):
    copy = shutil.copytree(prepared, tmp_path / "copy")
    name = train.fingerprint(options(prepared))
    assert train.fingerprint(options(copy, "--threads", "7", "--checkpoint-dir", "x")) == name
    assert train.fingerprint(options(prepared, "--dropout", "0.4")) != name
    (copy / "vocabulary" / "vocabulary.txt").write_bytes(b"# other\n")
    assert train.fingerprint(options(copy)) != name


def test_a_pickle_in_place_of_a_checkpoint_is_not_executed(tmp_path, capsys):
    model = SentimentModel(Sizes(10, 1, 4, 3))
    optimizer = torch.optim.AdamW(model.parameters())
    (tmp_path / "name").mkdir()
    (tmp_path / "name.safetensors").write_bytes(pickle.dumps(PlantedFile(tmp_path / "executed")))
    assert Checkpoint(tmp_path, "name").load(model, optimizer) == ([], {})
    assert "cannot be read" in capsys.readouterr().out and not (tmp_path / "executed").exists()


class PlantedFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_the_learning_rate_rises_for_a_fifth_and_falls_to_nothing():
    rates = [train.learning_rate(step, 100, 0.01) for step in range(100)]
    assert max(rates) == rates[19] == pytest.approx(0.01)
    assert rates[:20] == sorted(rates[:20]) and rates[19:] == sorted(rates[19:], reverse=True)
    assert rates[-1] < 0.0001


def test_an_epoch_holds_every_review_once_and_each_epoch_another_order():
    reviews = [np.zeros(length, dtype=np.int32) for length in range(1, 101)]
    split = train.Split(reviews, torch.zeros(100))
    orders = [
        [batch.tolist() for batch in train.epoch_batches(split, 8, torch.Generator().manual_seed(seed))]
        for seed in (1, 1, 2)
    ]
    assert sorted(row for batch in orders[0] for row in batch) == list(range(100))
    assert orders[0] == orders[1] != orders[2]
    assert max(max(batch) - min(batch) for batch in orders[0]) < 60  # words apart; 99 at random


@pytest.mark.parametrize(
    "losses, best, over",
    [
        ([], 0, False),
        ([0.5], 1, False),
        ([0.5, 0.6], 1, False),
        ([0.5, 0.6, 0.7], 1, True),
        ([0.5, 0.6, 0.4], 3, False),
        ([0.5, 0.5, 0.5], 1, True),
        ([0.9, 0.8, 0.7, 0.6, 0.5], 5, True),
    ],
)
def test_early_stopping_with_a_patience_of_two_of_five_epochs(losses, best, over):
    curve = [{"validation_loss": loss} for loss in losses]
    assert train.best_epoch(curve) == best
    assert train.finished(curve, 5, 2) is over


def damage_parquet(data: Path) -> None:
    (data / "train" / "train.parquet").write_bytes(b"PAR1 and no more")


def ids_beyond_the_vocabulary(data: Path) -> None:
    Vocabulary(["good", "bad"], RECIPES["default"]).save(data / "vocabulary" / "vocabulary.txt")


def other_vocabulary_format(data: Path) -> None:
    (data / "vocabulary" / "vocabulary.txt").write_text('# vocabulary 2 {"recipe": {}}\ngood\n')


def other_labels(data: Path) -> None:
    path = data / "validation" / "validation.parquet"
    pd.read_parquet(path).assign(label=2).to_parquet(path)


def no_reviews(data: Path) -> None:
    path = data / "validation" / "validation.parquet"
    pd.read_parquet(path).head(0).to_parquet(path)


def missing_column(data: Path) -> None:
    path = data / "train" / "train.parquet"
    pd.read_parquet(path).drop(columns="length").to_parquet(path)


@pytest.mark.parametrize(
    "damage, message",
    [
        (damage_parquet, r"train\.parquet is no Parquet file"),
        (lambda data: (data / "train" / "train.parquet").unlink(), r"train\.parquet"),
        (missing_column, r"train\.parquet.*length"),
        (no_reviews, r"validation\.parquet: holds no review"),
        (other_labels, r"validation\.parquet: a label is not 0 or 1"),
        (other_vocabulary_format, r"vocabulary\.txt.*vocabulary 2"),
        (lambda data: (data / "vocabulary" / "vocabulary.txt").unlink(), r"vocabulary\.txt"),
        (ids_beyond_the_vocabulary, r"train\.parquet has ids 1 to \d+; the vocabulary ends at 3"),
    ],
)
def test_bad_data_is_named_on_one_line_and_in_the_failure_file(
    prepared, tmp_path, monkeypatch, capsys, damage, message
):
    data = shutil.copytree(prepared, tmp_path / "data")
    damage(data)
    assert_fails(data, tmp_path, monkeypatch, capsys, [], 1, message)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--epochs", "0"], "--epochs is 0; it must be from 1 to 1000"),
        (["--dropout", "nan"], "--dropout is nan"),
        (["--learning-rate", "fast"], "--learning-rate.*fast"),
        (["--layers", "2"], "--layers"),
        (["--device", "tpu"], "--device.*tpu"),
    ],
)
def test_wrong_usage_ends_with_2(prepared, tmp_path, monkeypatch, capsys, arguments, message):
    assert_fails(prepared, tmp_path, monkeypatch, capsys, arguments, 2, message)


def test_a_missing_channel_ends_with_2(tmp_path, monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("SM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SM_OUTPUT_DIR", str(tmp_path))
    assert train.main([]) == 2
    assert "--train is missing, and so is $SM_CHANNEL_TRAIN" in capsys.readouterr().err
    assert "SM_CHANNEL_TRAIN" in (tmp_path / "failure").read_text()


def assert_fails(data, tmp_path, monkeypatch, capsys, arguments, exit_code, message):
    monkeypatch.setenv("SM_OUTPUT_DIR", str(tmp_path / "output"))
    command = small_model.training_command(data, tmp_path, *arguments)
    assert train.main(command[2:]) == exit_code
    errors = capsys.readouterr().err
    assert re.search(message, errors) and errors.count("\n") == 1
    assert re.search(message, (tmp_path / "output" / "failure").read_text())
    assert not (tmp_path / "model").exists()
