"""A gate, or a message, that reads a number which no step writes: found now, not after an hour of training.

What each script writes is listed here, because running it takes a job's libraries; a test runs evaluate.py
and compares.
"""

import difflib
from collections.abc import Iterator
from typing import Any

from pipeline.dag import Definition, Step, parse_get, path_tokens
from pipeline.errors import DefinitionError
from pipeline.finding import Finding

_METRICS = (
    "accuracy",
    "auc",
    "brier",
    "f1",
    "false_negative_rate",
    "false_positive_rate",
    "log_loss",
    "precision",
    "recall",
    "true_negative_rate",
    "true_positive_rate",
)
WRITES = {  # script -> file -> the numbers in it
    "evaluate.py": {
        "evaluation.json": {
            "version",
            "dataset.item_count",
            "binary_classification_metrics.accuracy.lower",
            "binary_classification_metrics.accuracy.upper",
            *(
                f"binary_classification_metrics.{metric}.{number}"
                for metric in _METRICS
                for number in ("value", "standard_deviation")
            ),
            *(
                f"binary_classification_metrics.confusion_matrix.{actual}.{predicted}"
                for actual in (0, 1)
                for predicted in (0, 1)
            ),
            "sentiment.expected_calibration_error",
        }
    }
}


def check(definition: Definition) -> Iterator[Finding]:
    for step in definition.steps.values():
        for read in {str(each): each for each in _reads(step.arguments)}.values():
            yield from _read(step, read, definition)


def _reads(value: Any) -> Iterator[dict[str, Any]]:
    """The JsonGets in a value, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("Std:JsonGet"), dict):
            yield value["Std:JsonGet"]
        for item in value.values():
            yield from _reads(item)
    elif isinstance(value, list):
        for item in value:
            yield from _reads(item)


def _read(step: Step, read: dict[str, Any], definition: Definition) -> Iterator[Finding]:
    source, name, path = _source(read, definition)
    if source is None or path is None:
        problem = f"Std:JsonGet: {read} names no property file of a step and no path in it"
        yield Finding(step.name, "", problem, "correct pipeline/definition.py")
        return
    file = next(
        (each for each in source.body.get("PropertyFiles") or [] if each.get("PropertyFileName") == name),
        None,
    )
    if file is None or source.type != "Processing":
        return  # said by requests.py, of every reference; only a processing job writes such files
    outputs = (source.arguments.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    if file.get("OutputName") not in [output.get("OutputName") for output in outputs]:
        problem = f"property file {name} lies in {file.get('OutputName')!r}, which is no output of the step"
        yield Finding(source.name, "PropertyFiles", problem, "name one of its outputs")
    script = _script(source)
    if script not in WRITES:
        return  # no script of this repository
    numbers = WRITES[script].get(file.get("FilePath", ""))
    if numbers is None:
        problem = f"{script} writes no {file.get('FilePath')}"
        yield Finding(source.name, "PropertyFiles", problem, f"it writes {', '.join(WRITES[script])}")
    elif path not in numbers:
        near = difflib.get_close_matches(path, sorted(numbers), n=1, cutoff=0)
        problem = f"it reads {path}, which {script} does not write into {file['FilePath']}"
        yield Finding(step.name, "", problem, f"did you mean {near[0]}?")


def _source(read: dict[str, Any], definition: Definition) -> tuple[Step | None, str | int | None, str | None]:
    """The step, the name of its property file, and the path in it that a JsonGet names."""
    try:
        reference = parse_get((read.get("PropertyFile") or {}).get("Get"))
        path = ".".join(map(str, path_tokens(read.get("Path", "").removeprefix("$"))))
    except (DefinitionError, AttributeError):
        return None, None, None
    if reference.source != "Steps" or reference.path[:1] != ("PropertyFiles",) or len(reference.path) != 2:
        return None, None, None
    return definition.steps[reference.name], reference.path[1], path


def _script(step: Step) -> str:
    """["python3", "/opt/ml/processing/input/code/evaluate.py"] -> "evaluate.py" """
    entrypoint = (step.arguments.get("AppSpecification") or {}).get("ContainerEntrypoint") or [""]
    return str(entrypoint[-1]).rpartition("/")[2]
