import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from model import (
    FORMAT,
    ModelError,
    SentimentModel,
    Sizes,
    batches_by_length,
    frequent_pairs,
    load_model,
    pad,
)

SIZES = Sizes(vocabulary_size=10, pairs=2, embedding_size=4, hidden_size=3, segment_length=3)


def small_model() -> SentimentModel:
    torch.manual_seed(0)
    model = SentimentModel(SIZES)
    reviews = [np.array([2, 3, 3, 5]), np.array([2, 3, 4])]
    model.start_from_counts(torch.tensor([23, 100]), reviews, torch.tensor([1.0, 0.0]))
    return model.eval()


def write_model(folder: Path, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(small_model().state_dict(), folder / "model.safetensors")
    description = {"format": FORMAT, "version": "0123456789ab", "sizes": vars(SIZES), **changes}
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def test_padding_to_equal_width():
    assert pad([[5, 9], [7]]).tolist() == [[5, 9], [7, 0]]
    assert pad([[]]).tolist() == [[0]]


def test_batches_hold_reviews_of_like_length():
    assert [batch.tolist() for batch in batches_by_length([9, 1, 8], 2)] == [[1, 2], [0]]


def test_frequent_pairs_count_reviews_not_occurrences():
    reviews = [np.array([2, 3, 2, 3, 2, 3]), np.array([2, 3]), np.array([3, 2, 3])]
    assert frequent_pairs(reviews, 10, least=3).tolist() == [23, 100]
    assert frequent_pairs(reviews, 10, least=2).tolist() == [23, 32, 100]


def test_features_are_words_and_known_pairs_once_each():
    assert small_model().features(torch.tensor([[2, 3, 3, 0]])).tolist() == [[0, 0, 0, 2, 3, 0, 10]]
    assert sorted(small_model().features(torch.tensor([[3, 2, 3, 2, 3]])).tolist()[0]) == [0] * 6 + [2, 3, 10]


def test_log_count_ratios_by_hand():
    # Positive: words 2, 3, 5 and pair 10; negative: words 2, 3, 4 and pair 10. All 12 features get one more.
    ratio = small_model().log_count_ratio
    assert ratio[5].item() == pytest.approx(math.log((2 / 16) / (1 / 16)))
    assert ratio[4].item() == pytest.approx(math.log((1 / 16) / (2 / 16)))
    assert ratio[[0, 2, 3, 10]].tolist() == pytest.approx([0, 0, 0, 0])


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7])
def test_an_answer_does_not_depend_on_the_batch_around_it(length):
    model, review = small_model(), [2, 3, 5, 9, 4, 1, 3][:length]
    alone = model.log_odds(pad([review]))
    together = model.log_odds(pad([[4], review, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3]]))[1]
    assert together.item() == pytest.approx(alone.item(), abs=1e-6)


def test_the_lstm_reads_the_order_of_words():
    model = small_model()
    assert model.read_order(pad([[2, 5]])).item() != model.read_order(pad([[5, 2]])).item()


def test_a_saved_model_comes_back(tmp_path):
    model, description = load_model(write_model(tmp_path))
    ids = torch.tensor([[2, 3, 5, 9]])
    assert description["version"] == "0123456789ab"
    assert torch.equal(model.log_odds(ids), small_model().log_odds(ids))


@pytest.mark.parametrize("found", [2, None, "1"])
def test_another_format_is_named(tmp_path, found):
    write_model(tmp_path, format=found)
    with pytest.raises(ModelError, match=rf"model\.json: format {found!r}; this code reads format 1"):
        load_model(tmp_path)


class Planted:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


def test_a_pickle_in_place_of_weights_is_refused_and_not_executed(tmp_path):
    write_model(tmp_path)
    witness = tmp_path / "executed"
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Planted(witness)))
    with pytest.raises(ModelError, match=r"model\.safetensors: not a safetensors file"):
        load_model(tmp_path)
    assert not witness.exists()
    pickle.loads((tmp_path / "model.safetensors").read_bytes())
    assert witness.exists(), "the planted pickle must be one that acts when it is loaded"


def test_a_pickle_beside_the_weights_is_never_opened(tmp_path):
    write_model(tmp_path)
    for name in ("model.pt", "model.pth", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(pickle.dumps(Planted(tmp_path / "executed")))
    load_model(tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "damage, named",
    [
        (lambda folder: (folder / "model.json").unlink(), r"model\.json"),
        (lambda folder: (folder / "model.json").write_text("{"), r"model\.json"),
        (lambda folder: (folder / "model.json").write_text("[]"), r"model\.json"),
        (lambda folder: (folder / "model.json").write_text('{"format": 1}'), r"model\.safetensors.*sizes"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"model\.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x00" * 50), r"model\.safetensors"),
        (
            lambda folder: write_model(folder, sizes={**vars(SIZES), "hidden_size": 4}),
            r"model\.safetensors.*lstm",
        ),
        (lambda folder: write_model(folder, sizes={**vars(SIZES), "layers": 4}), r"layers"),
    ],
)
def test_a_damaged_model_folder_is_named(tmp_path, damage, named):
    damage(write_model(tmp_path))
    with pytest.raises(ModelError, match=named.replace(".*", r"[\s\S]*")):
        load_model(tmp_path)
