"""One finished epoch of training on disk: a safetensors file with the curve in its metadata, no pickle.

The file is written beside and renamed: a kill at any moment leaves the epoch before or the one after, whole.
Two trainings of the same fingerprint may run at once in one folder: both write the same epochs.
"""

import json
import os
import uuid
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

Curve = list[dict[str, float]]  # one entry for each finished epoch
Weights = dict[str, Tensor]


class Checkpoint:
    """The checkpoint of the training that `fingerprint` names; no other training finds it."""

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self.path = folder / f"{fingerprint}.safetensors" if folder else None  # None: keep nothing

    def save(self, model: nn.Module, best: Weights, optimizer: Optimizer, curve: Curve) -> None:
        if not self.path:
            return
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in best.items()}
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(f".{uuid.uuid4().hex}.partial")
        save_file(tensors, beside, metadata={"curve": json.dumps(curve)})
        os.replace(beside, self.path)

    def load(self, model: nn.Module, optimizer: Optimizer) -> tuple[Curve, Weights]:
        """Put model and optimiser back; the curve and the best weights, both empty if nothing is there."""
        path = self.path
        if not path or not path.exists():
            return [], {}
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
                curve = json.loads(file.metadata()["curve"])
        except (OSError, SafetensorError) as error:
            print(f"{path} cannot be read ({error}): starting from the first epoch", flush=True)
            return [], {}
        model.load_state_dict(_under("model.", tensors))
        state: dict[int, Weights] = {}
        for name, value in _under("optimizer.", tensors).items():
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        print(f"resumed after epoch {len(curve)} from {path}", flush=True)
        return curve, _under("best.", tensors)

    def remove(self) -> None:
        if self.path:
            self.path.unlink(missing_ok=True)


def _under(prefix: str, tensors: Weights) -> Weights:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
