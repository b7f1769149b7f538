"""Train the sentiment model: encoded reviews in, a model folder out that carries all that serving needs.

Everything random is drawn from (seed, epoch), so a checkpoint is the weights, the optimiser and the curve,
and a training that was killed ends with the same weights as one that was not. The price: a kill loses up to
one epoch of work. Sums depend on the number of threads, so that is set here and recorded.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

# Read when torch loads: waiting threads sleep. Where they spin, one busy neighbour slows training thirtyfold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as loss_of
from torch.optim import AdamW, Optimizer

from checkpoint import Checkpoint, Curve, Weights
from model import FORMAT, SentimentModel, Sizes, batches_by_length, frequent_pairs, pad
from text import Vocabulary

# Travels with the model: what was trained is what serves.
CODE = ("explanation.py", "inference.py", "model.py", "spans.py", "stop_words.txt", "text.py")


class TrainingError(Exception):
    """Training cannot go on; the message is for the person who started it."""

    exit_code = 1


class TrainingUsageError(TrainingError):
    exit_code = 2


FOLDERS = {  # argument: variable that a job sets, meaning
    "train": ("SM_CHANNEL_TRAIN", "holds train.parquet: label, length, review (ids)"),
    "validation": ("SM_CHANNEL_VALIDATION", "holds validation.parquet, the same"),
    "vocabulary": ("SM_CHANNEL_VOCABULARY", "holds vocabulary.txt"),
    "model-dir": ("SM_MODEL_DIR", "where the model goes"),
    "output-data-dir": ("SM_OUTPUT_DATA_DIR", "where training.json, the curve, goes"),
}
HYPERPARAMETERS = {  # argument: default, lowest, highest, meaning
    "epochs": (2, 1, 1000, "the learning rate's one cycle spans them"),
    "batch-size": (32, 1, 65536, "reviews"),
    "learning-rate": (0.003, 0.0, 1.0, "at the top of the cycle"),
    "embedding-size": (100, 1, 4096, "numbers for each word"),
    "hidden-size": (64, 1, 4096, "of the LSTM, for each direction"),
    "segment-length": (50, 1, 10000, "words that the LSTM reads in one go"),
    "dropout": (0.5, 0.0, 0.95, "before the last layer; half of it on the words"),
    "word-dropout": (0.2, 0.0, 0.95, "share of words shown as infrequent"),
    "weight-decay": (0.01, 0.0, 10.0, "of AdamW"),
    "patience": (2, 1, 1000, "epochs in a row that may be no better before it stops"),
    "seed": (1, 0, 2**31 - 1, "of all that is random"),
}


@dataclass(frozen=True)
class Split:
    reviews: list[np.ndarray]  # ids, unpadded
    labels: Tensor  # (reviews,) 0.0 or 1.0


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise TrainingUsageError(f"{message}; see --help")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(description=(__doc__ or "").partition("\n")[0])
    folders = parser.add_argument_group("folders (a SageMaker job sets them)")
    for name, (variable, meaning) in FOLDERS.items():
        folders.add_argument(
            f"--{name}", type=Path, default=os.environ.get(variable), help=f"{meaning} [${variable}]"
        )
    folders.add_argument("--checkpoint-dir", type=Path, help="keeps each epoch until the model is written")
    settings = parser.add_argument_group("hyperparameters")
    for name, (default, _, _, meaning) in HYPERPARAMETERS.items():
        settings.add_argument(f"--{name}", type=type(default), default=default, help=f"{meaning} [{default}]")
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: CUDA if there is"
    )
    machine.add_argument("--threads", type=int, default=cores(), help="of the CPU [the cores it may use]")
    options = parser.parse_args(arguments)
    values = {name.replace("_", "-"): value for name, value in vars(options).items()}
    for name, (_, lowest, highest, _) in {**HYPERPARAMETERS, "threads": (1, 1, 1024, "")}.items():
        if not lowest <= values[name] <= highest:
            parser.error(f"--{name} is {values[name]}; it must be from {lowest} to {highest}")
    for name, (variable, _) in FOLDERS.items():
        if values[name] is None:
            parser.error(f"--{name} is missing, and so is ${variable}")
    return options


def cores() -> int:
    """The CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_split(folder: Path, name: str, ids: int) -> Split:
    """The reviews of <folder>/<name>.parquet, checked against the number of ids of the vocabulary."""
    path = folder / f"{name}.parquet"
    try:
        rows = pd.read_parquet(path, columns=["label", "length", "review"])
    except FileNotFoundError:
        raise TrainingError(f"{path} does not exist; preprocess.py writes it") from None
    except (OSError, ValueError) as error:  # pyarrow's errors are of these types
        raise TrainingError(f"{path} is no Parquet file of label, length, review: {error}") from error
    if rows.empty:
        raise TrainingError(f"{path}: holds no review")
    if not rows["label"].isin([0, 1]).all():
        raise TrainingError(f"{path}: a label is not 0 or 1")
    reviews = [review[:length] for review, length in zip(rows["review"], rows["length"], strict=True)]
    found = np.concatenate(reviews)
    if len(found) and not 0 <= found.min() <= found.max() < ids:
        raise TrainingError(
            f"{path} has ids {found.min()} to {found.max()}; the vocabulary ends at {ids - 1}"
        )
    return Split(reviews, torch.tensor(rows["label"].to_numpy(), dtype=torch.float32))


def load_vocabulary(path: Path) -> Vocabulary:
    try:
        return Vocabulary.load(path)
    except (OSError, ValueError) as error:
        raise TrainingError(f"vocabulary {path} cannot be used: {error}") from error


def hyperparameters(options: argparse.Namespace) -> dict[str, float]:
    return {name: getattr(options, name.replace("-", "_")) for name in HYPERPARAMETERS}


def fingerprint(options: argparse.Namespace) -> str:
    """Names a training by all that decides its result, so that no other resumes from its checkpoint."""
    settings = json.dumps({**hyperparameters(options), "torch": torch.__version__}, sort_keys=True)
    digest = hashlib.sha256(settings.encode())
    code = Path(__file__).parent
    for path in (
        options.train / "train.parquet",
        options.validation / "validation.parquet",
        options.vocabulary / "vocabulary.txt",
        *(code / name for name in ("train.py", "model.py", "checkpoint.py", "text.py")),
    ):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def learning_rate(step: int, steps: int, highest: float) -> float:
    """One cycle (Smith 2018): up a fifth of the way, then down along a cosine. Steps from 0."""
    rising = max(1, steps // 5)
    if step < rising:
        return highest * (step + 1) / rising
    return highest * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def epoch_batches(split: Split, size: int, draw: torch.Generator) -> Iterator[np.ndarray]:
    """Every review once, those of roughly equal length together, the batches in random order."""
    noise = torch.rand(len(split.reviews), generator=draw).numpy() * 40  # words; else batches never change
    lengths = np.array([len(review) for review in split.reviews]) + noise
    batches = batches_by_length(lengths, size)
    for position in torch.randperm(len(batches), generator=draw).tolist():
        yield batches[position]


def train_epoch(
    model: SentimentModel, optimizer: Optimizer, split: Split, options: argparse.Namespace, epoch: int
) -> float:
    """One pass over the training split; the mean loss of the two readers, each of which learns by itself."""
    model.train()
    torch.manual_seed(options.seed * 1_000_003 + epoch)  # dropout
    draw = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)  # order
    batches = list(epoch_batches(split, options.batch_size, draw))
    device, total = model.bias.device, 0.0
    began = told = time.monotonic()
    for number, batch in enumerate(batches):
        ids = pad([split.reviews[row] for row in batch]).to(device)  # (batch, words)
        labels = split.labels[batch].to(device)  # (batch,)
        order, presence = model(ids)  # each (batch,)
        loss = loss_of(order, labels) + loss_of(presence, labels)  # ()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(
                epoch * len(batches) + number, options.epochs * len(batches), options.learning_rate
            )
        optimizer.step()
        total += loss.item() / 2 * len(batch)
        if time.monotonic() - told > 10:
            told = time.monotonic()
            to_do = (options.epochs - epoch) * len(batches) - (number + 1)
            left = (told - began) / (number + 1) * to_do
            place = f"epoch {epoch + 1}/{options.epochs}, batch {number + 1}/{len(batches)}"
            print(f"{place}, {left:.0f} s left", flush=True)
    return total / len(split.reviews)


@torch.inference_mode()
def validate(model: SentimentModel, split: Split) -> tuple[float, float]:
    """(mean loss, accuracy) of the answers that serving would give."""
    model.eval()
    log_odds = torch.zeros(len(split.reviews))  # (reviews,)
    for batch in batches_by_length([len(review) for review in split.reviews], 256):
        ids = pad([split.reviews[row] for row in batch]).to(model.bias.device)  # (batch, words)
        log_odds[batch] = model.log_odds(ids).cpu()
    accuracy = ((log_odds > 0) == split.labels.bool()).float().mean()  # ()
    return loss_of(log_odds, split.labels).item(), accuracy.item()


def save_model(sizes: Sizes, best: Weights, options: argparse.Namespace, recipe: str) -> str:
    """Write the model folder; its version is a hash of weights and vocabulary."""
    code = Path(__file__).parent
    target = options.model_dir
    (target / "code").mkdir(parents=True, exist_ok=True)
    for name in CODE:
        shutil.copyfile(code / name, target / "code" / name)
    shutil.copyfile(options.vocabulary / "vocabulary.txt", target / "vocabulary.txt")
    save_file(best, target / "model.safetensors")
    (target / "model.safetensors").chmod(0o644)  # a server may be another user
    sums = {
        name: hashlib.sha256((target / name).read_bytes()).hexdigest()
        for name in ("model.safetensors", "vocabulary.txt")
    }
    version = hashlib.sha256(" ".join(sums.values()).encode()).hexdigest()[:12]
    description = {
        "format": FORMAT,
        "version": version,
        "sha256": sums,
        "sizes": asdict(sizes),
        "recipe": recipe,
        "threads": options.threads,
        "torch": torch.__version__,
    }
    write_json(target / "model.json", description)
    return version


def train(options: argparse.Namespace) -> None:
    started = time.monotonic()
    torch.set_num_threads(options.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA is not deterministic without
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a fifth of the time, to find bugs
    if options.device == "cuda" and not torch.cuda.is_available():
        raise TrainingUsageError("--device cuda: no CUDA device here; use --device auto or cpu")
    cuda = options.device != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")

    vocabulary = load_vocabulary(options.vocabulary / "vocabulary.txt")
    training = read_split(options.train, "train", len(vocabulary))
    validation = read_split(options.validation, "validation", len(vocabulary))
    print(
        f"{len(training.reviews)} reviews to learn from, {len(validation.reviews)} to validate, "
        f"{len(vocabulary)} ids, {options.threads} threads, device {device.type}",
        flush=True,
    )

    torch.manual_seed(options.seed)  # initial weights
    pairs = frequent_pairs(training.reviews, len(vocabulary))  # (pairs,)
    sizes = Sizes(
        len(vocabulary), len(pairs), options.embedding_size, options.hidden_size, options.segment_length
    )
    model = SentimentModel(sizes, options.dropout, options.word_dropout)
    model.start_from_counts(pairs, training.reviews, training.labels)
    model.to(device)
    optimizer = AdamW(model.parameters(), lr=0.0, weight_decay=options.weight_decay, fused=True)

    checkpoint = Checkpoint(options.checkpoint_dir, fingerprint(options))
    curve, best = checkpoint.load(model, optimizer)
    while not finished(curve, options.epochs, options.patience):
        epoch_started = time.monotonic()
        train_loss = train_epoch(model, optimizer, training, options, len(curve))
        loss, accuracy = validate(model, validation)
        seconds = time.monotonic() - epoch_started
        curve.append(
            {
                "epoch": len(curve) + 1,
                "train_loss": train_loss,
                "validation_loss": loss,
                "validation_accuracy": accuracy,
                "seconds": round(seconds, 1),
            }
        )
        if best_epoch(curve) == len(curve):
            best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        checkpoint.save(model, best, optimizer, curve)
        print(
            f"epoch={len(curve)} train_loss={train_loss:.4f} validation_loss={loss:.4f} "
            f"validation_accuracy={accuracy:.4f} seconds={seconds:.1f}",
            flush=True,
        )

    version = save_model(sizes, best, options, vocabulary.recipe.name)
    options.output_data_dir.mkdir(parents=True, exist_ok=True)
    curves = {
        "model_version": version,
        "best_epoch": best_epoch(curve),
        "epochs": curve,
        "hyperparameters": hyperparameters(options),
        "device": device.type,
        "threads": options.threads,
    }
    write_json(options.output_data_dir / "training.json", curves)
    checkpoint.remove()
    print(f"model {version}: epoch {best_epoch(curve)} of {len(curve)}", end=", ")
    print(f"{time.monotonic() - started:.0f} s in all", flush=True)


def finished(curve: Curve, epochs: int, patience: int) -> bool:
    """Whether all epochs are done, or the last `patience` of them have brought nothing better."""
    return len(curve) >= epochs or len(curve) - best_epoch(curve) >= patience


def best_epoch(curve: Curve) -> int:
    """The epoch (from 1) of the lowest validation loss, which is less of a lottery than accuracy; or 0."""
    losses = [entry["validation_loss"] for entry in curve]
    return losses.index(min(losses)) + 1 if losses else 0


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    try:
        train(parse(arguments))
    except TrainingError as error:
        return fail(str(error), error.exit_code)
    except OSError as error:  # a full disk, a folder that may not be written
        return fail(str(error), 1)
    except Exception as error:
        fail(f"{type(error).__name__}: {error}", 1)
        raise
    return 0


def fail(message: str, exit_code: int) -> int:
    """Tell the person on stderr and SageMaker through the failure file, where a job has its folder."""
    message = " ".join(message.split())  # some libraries tell more than a line
    print(f"train.py: {message}", file=sys.stderr, flush=True)
    folder = Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
    if "SM_OUTPUT_DIR" in os.environ or folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "failure").write_text(message, encoding="utf-8")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
