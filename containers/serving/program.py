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
from collections.abc import Mapping, Sequence
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


class Program:
    """A loaded model. A ValueError is the client's mistake, every other exception a fault of the program."""

    def __init__(self, module: Any, model: Any) -> None:
        self._module = module
        self._model = model
        self.content_types: tuple[str, ...] = tuple(getattr(module, "CONTENT_TYPES", ()))
        self.accepts: tuple[str, ...] = tuple(getattr(module, "ACCEPTS", ()))
        self.joins = all(hasattr(module, name) for name in ("size_fn", "join_fn", "split_fn"))
        if self.sample:
            self.answer(self.sample)  # a model that cannot answer is not served

    @property
    def sample(self) -> Query | None:
        """What the server can ask the model itself, if the program reads it."""
        body, content_type = SAMPLE
        return Query(body, content_type, self.accepts[0]) if content_type in self.content_types else None

    def parse(self, query: Query) -> Any:
        return self._module.input_fn(query.body, query.content_type)

    def size(self, request: Any) -> int:
        """In records, where that is known."""
        return int(self._module.size_fn(request)) if self.joins else 1

    def predict(self, requests: Sequence[Any]) -> list[Any]:
        """A prediction for each; several in one pass, if they can be joined."""
        if len(requests) == 1:
            return [self._module.predict_fn(requests[0], self._model)]
        prediction = self._module.predict_fn(self._module.join_fn(requests), self._model)
        return list(self._module.split_fn(prediction, requests))

    def write(self, prediction: Any, accept: str) -> tuple[str | bytes, str]:
        """(body, content type)"""
        written = self._module.output_fn(prediction, accept)
        return written if isinstance(written, tuple) else (written, accept)

    def answer(self, query: Query) -> tuple[str | bytes, str]:
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
    module = importlib.import_module(path.stem)
    if missing := [name for name in FUNCTIONS if not callable(getattr(module, name, None))]:
        raise ImportError(f"{path} has no {' and no '.join(missing)}")
    return Program(module, module.model_fn(str(folder)))
