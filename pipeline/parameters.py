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
from pipeline.settings import Settings

Value = int | float | str


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
        """ "1 to 100", "Approved or Rejected", or nothing."""
        if self.choices:
            return " or ".join(self.choices)
        if self.type == "String":
            return ""
        return f"{self.minimum:g} to {self.maximum:g}"


def table(settings: Settings) -> dict[str, Parameter]:
    def instance(name: str, default: str, description: str) -> Parameter:
        return Parameter(
            name,
            "String",
            default,
            description,
            pattern=r"ml\.[a-z0-9-]+\.[a-z0-9-]+",
            example="ml.m5.xlarge",
        )

    parameters = [
        Parameter(
            "InputData",
            "String",
            f"{settings.root}/data/reviews",
            "The labelled reviews: a folder with one CSV, JSON Lines or Parquet file or archive",
            pattern=r"s3://[a-z0-9.-]+/.+",
            example="s3://bucket/folder",
        ),
        Parameter("Recipe", "String", "default", "How a review becomes words", choices=("default", "seed")),
        Parameter(
            "VocabularySize", "Integer", 25_000, "Word ids, the two special ones included", 100, 1_000_000
        ),
        Parameter("MaxLength", "Integer", 400, "Ids kept of a review", 10, 10_000),
        Parameter("Seed", "Integer", 0, "Of the split, the weights and the batches", 0, 2**31 - 1),
        Parameter("Epochs", "Integer", 6, "Passes over the training split, at most", 1, 1000),
        Parameter("BatchSize", "Integer", 64, "Reviews to a gradient step", 1, 65_536),
        Parameter("LearningRate", "Float", 0.001, "Step size of the optimizer", 1e-7, 10),
        Parameter("EmbeddingSize", "Integer", 64, "Numbers to a word", 1, 4096),
        Parameter("HiddenSize", "Integer", 64, "Units of the LSTM, in each direction", 1, 4096),
        Parameter("Dropout", "Float", 0.5, "Share of activations dropped in training", 0, 0.95),
        Parameter(
            "Patience", "Integer", 2, "Epochs without a better validation before training ends", 1, 1000
        ),
        Parameter(
            "AccuracyThreshold",
            "Float",
            settings.accuracy_threshold,
            "Test accuracy from which a model is registered and deployed",
            0,
            1,
        ),
        Parameter(
            "ApprovalStatus",
            "String",
            settings.approval_status,
            "Status of the registered version; only an Approved one is deployed",
            choices=("Approved", "PendingManualApproval"),
        ),
        instance(
            "ProcessingInstanceType", settings.processing_instance_type, "Preprocess and Evaluate run on it"
        ),
        instance("TrainingInstanceType", settings.training_instance_type, "Train runs on it"),
        instance("TransformInstanceType", settings.transform_instance_type, "Predict runs on it"),
        instance("EndpointInstanceType", settings.endpoint_instance_type, "The endpoint runs on it"),
        # The jobs have one instance each: a second would read the same input and write the same output.
        Parameter("EndpointInstanceCount", "Integer", 1, "Instances of the endpoint", 1, 100),
    ]
    return {parameter.name: parameter for parameter in parameters}


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
            raise ParameterError(f"--set {assignment}: there is no parameter {name}; {hint}")
        if name in values:
            raise ParameterError(f"--set {assignment}: {name} is set twice")
        values[name] = known[name].parse(text)
    return values
