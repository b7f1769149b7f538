"""The model's own program, code/inference.py of the archive, and the model that it loads.

Its four functions are those of SageMaker's own model servers: model_fn(folder), input_fn(body, content_type),
predict_fn(request, model), output_fn(prediction, accept). What it may add, it adds beside them:

    CONTENT_TYPES, ACCEPTS   what it reads and writes, the default first; without them it is asked
    size_fn(request)         how many records a request holds
    join_fn(requests)        one request of several, whose prediction
    split_fn(prediction, requests)   is cut into one for each: without these, requests are not joined
"""

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")
DEFAULT = "application/json"  # of both types, where neither the program nor the request names one
SAMPLE = (b"A good film.", "text/plain")  # what the server asks itself


@dataclass(frozen=True)
class Query:
    """One request as it came."""

    body: bytes
    content_type: str
    accept: str


class ProgramFailed(Exception):
    """What the program raised is its cause; whose text is not repeated, for it may hold a review."""


@contextmanager
def _faults(of_client: tuple[type[Exception], ...] = (ValueError,)) -> Iterator[None]:
    """Whatever the program raises is its fault, sys.exit and a panic of an extension too, but for these."""
    try:
        yield
    except of_client:
        raise
    except BaseException as error:
        raise ProgramFailed(type(error).__name__) from error


class Program:
    """A loaded model. A ValueError of input_fn or predict_fn is the client's mistake; all else that goes
    wrong is a ProgramFailed."""

    def __init__(self, module: Any, model: Any) -> None:
        self._module = module
        self._model = model
        self.content_types: tuple[str, ...] = tuple(getattr(module, "CONTENT_TYPES", ()))
        self.accepts: tuple[str, ...] = tuple(getattr(module, "ACCEPTS", ()))
        self.joins = all(hasattr(module, name) for name in ("size_fn", "join_fn", "split_fn"))
        if self.sample:  # a model that cannot answer is not served
            try:
                self.answer(self.sample)
            except ProgramFailed as error:
                raise RuntimeError(str(error.__cause__)) from error

    @property
    def sample(self) -> Query | None:
        """What the server can ask the model itself, if the program reads it."""
        body, content_type = SAMPLE
        return Query(body, content_type, self.accepts[0]) if content_type in self.content_types else None

    def parse(self, query: Query) -> Any:
        with _faults():
            return self._module.input_fn(query.body, query.content_type)

    def size(self, request: Any) -> int:
        """In records, where that is known."""
        with _faults(()):
            return int(self._module.size_fn(request)) if self.joins else 1

    def predict(self, requests: Sequence[Any]) -> list[Any]:
        """A prediction for each; several in one pass, if they can be joined."""
        with _faults():
            if len(requests) == 1:
                return [self._module.predict_fn(requests[0], self._model)]
            prediction = self._module.predict_fn(self._module.join_fn(requests), self._model)
            return list(self._module.split_fn(prediction, requests))

    def write(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        """(body, content type)"""
        with _faults(()):
            written = self._module.output_fn(prediction, accept)
            body, content_type = written if isinstance(written, tuple) else (written, accept)
            content_type.encode("latin-1")  # as a header has to be
            return body if isinstance(body, bytes) else body.encode(), content_type

    def answer(self, query: Query) -> tuple[bytes, str]:
        return self.write(self.predict([self.parse(query)])[0], query.accept)


def load(environment: Mapping[str, str]) -> Program:
    """Raises whatever keeps the model from being served; the message names the file."""
    folder = Path(environment.get("SM_MODEL_DIR", "/opt/ml/model"))
    code = Path(environment.get("SAGEMAKER_SUBMIT_DIRECTORY") or folder / "code")
    path = code / (environment.get("SAGEMAKER_PROGRAM") or "inference.py")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: a model archive carries its code")
    sys.path.insert(0, str(code))
    sys.dont_write_bytecode = True  # the archive is mounted to be read
    try:
        module = importlib.import_module(path.stem)
    except BaseException as error:  # sys.exit among them
        raise ImportError(f"{path}: {type(error).__name__}: {error}") from error
    if missing := [name for name in FUNCTIONS if not callable(getattr(module, name, None))]:
        raise ImportError(f"{path} has no {' and no '.join(missing)}")
    try:
        model = module.model_fn(str(folder))
    except BaseException as error:
        told = str(error) if str(folder) in str(error) else f"{folder}: {type(error).__name__}: {error}"
        raise RuntimeError(told) from error
    return Program(module, model)
