import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import save_file

import inference
from inference import input_fn, model_fn, output_fn, predict_fn
from model import ModelError, SentimentModel, Sizes
from text import RECIPES, Vocabulary, encode_review

REVIEWS = [
    "A wonderful, moving film. 9/10!",
    "Dull, dull, dull.",
    "Great acting<br />but the plot… " * 80,
    "好电影",
]


@pytest.fixture(scope="module")
def model(trained):
    return model_fn(str(trained))


def answers(model, body: bytes, content_type: str) -> list[dict]:
    return predict_fn(input_fn(body, content_type), model)[0]


def test_an_answer_has_label_probability_and_version(model, trained):
    (answer,) = answers(model, REVIEWS[0].encode(), "text/plain")
    assert sorted(answer) == ["label", "model_version", "probability"]
    assert answer["label"] == ("positive" if answer["probability"] >= 0.5 else "negative")
    assert answer["probability"] == round(answer["probability"], 6)
    assert answer["model_version"] == json.loads((trained / "model.json").read_text())["version"]


def bodies(model) -> list[tuple[str, str]]:
    encoded = [encode_review(review, model.vocabulary) for review in REVIEWS]
    return [
        ("application/json", json.dumps(REVIEWS)),
        ("application/json", json.dumps([{"review": review, "label": 1} for review in REVIEWS])),
        ("application/jsonlines", "\n".join(json.dumps(review) for review in REVIEWS)),
        (
            "application/jsonlines",
            "\r\n".join(json.dumps({"review": r}, ensure_ascii=False) for r in REVIEWS),
        ),
        (
            "application/jsonlines",
            "\ufeff" + json.dumps(REVIEWS[0]) + "\n\n" + "\n".join(map(json.dumps, REVIEWS[1:])),
        ),
        ("text/csv", "\n".join(",".join(map(str, [len(ids), *ids])) for ids in encoded)),
        ("text/csv", "\r\n".join(",".join(map(str, [len(ids), *ids, 0, 0])) for ids in encoded) + "\r\n"),
    ]


def test_every_content_type_gives_the_answers_of_the_raw_texts_in_order(model):
    single = [answers(model, review.encode(), "text/plain")[0] for review in REVIEWS]
    assert len({answer["probability"] for answer in single}) == len(REVIEWS)
    for content_type, body in bodies(model):
        found = answers(model, body.encode(), content_type)
        assert [answer["probability"] for answer in found] == pytest.approx(
            [answer["probability"] for answer in single], abs=2e-6
        )


def test_a_large_batch_keeps_its_order(model, small_reviews):
    reviews = pd.read_csv(small_reviews).review[:150].tolist()
    found = answers(model, json.dumps(reviews).encode(), "application/json")
    for row in (0, 77, 149):
        alone = answers(model, reviews[row].encode(), "text/plain")[0]
        assert found[row]["probability"] == pytest.approx(alone["probability"], abs=2e-6)


def test_a_label_in_the_record_changes_nothing(model):
    texts = [json.dumps({"review": REVIEWS[0], "label": label}).encode() for label in (0, 1)]
    first, second = (answers(model, body, "application/json") for body in texts)
    assert first == second


@pytest.mark.parametrize(
    "content_type, body, message",
    [
        ("text/plain", b"", "the review is empty"),
        ("text/plain", b" \n\t", "the review is empty"),
        ("text/plain", b"good \xff", "not UTF-8.*byte 5"),
        ("application/json", b"{", "not JSON"),
        ("application/json", b"[" * 100_000, "not JSON"),
        ("application/json", b"3", "a review is a string, not int"),
        ("application/json", b"null", "a review is a string, not NoneType"),
        ("application/json", b'{"text": "good"}', 'has no "review"'),
        ("application/json", b'{"review": null}', "a review is a string, not NoneType"),
        ("application/json", b'["good", {"review": ""}]', "item 2: the review is empty"),
        ("application/json", b"[]", "holds no review"),
        ("application/jsonlines", b'"good"\n{"review": 1}\n', "line 2: a review is a string, not int"),
        ("application/jsonlines", b'"good"\n\nbad\n', "line 3 is not JSON"),
        ("application/jsonlines", b"\n\n", "holds no review"),
        ("text/csv", b"2,5,9\n3,5,9\n", "line 2: the length is 3, and 2 ids follow"),
        ("text/csv", b"0,5\n", "line 1: the length is 0"),
        ("text/csv", b"1,good\n", "line 1 is not length,id,id"),
        ("text/csv", b"1,\x00\n", "line 1 is not length,id,id"),
        ("text/csv", b"", "holds no review"),
        ("image/png", b"x", "content type 'image/png' is not one of text/plain"),
    ],
)
def test_a_bad_body_is_the_clients_mistake(content_type, body, message):
    with pytest.raises(ValueError, match=message):
        input_fn(body, content_type)


@pytest.mark.parametrize("row", ["1,-1", "2,5,0", "1,2000"])
def test_ids_outside_the_vocabulary_are_the_clients_mistake(model, row):
    with pytest.raises(ValueError, match="ids are from 1 to 1999, not"):
        answers(model, row.encode(), "text/csv")


def test_shapes_of_the_answer(model):
    one = predict_fn(input_fn(b"good", "text/plain"), model)
    several = predict_fn(input_fn(b'["good"]', "application/json"), model)
    assert isinstance(json.loads(output_fn(one, "application/json")[0]), dict)
    assert isinstance(json.loads(output_fn(several, "application/json")[0]), list)
    body, content_type = output_fn(several, "application/jsonlines")
    assert (
        content_type == "application/jsonlines" and json.loads(body) == several[0][0] and body.endswith("}\n")
    )
    with pytest.raises(ValueError, match="accept 'text/html' is not one of"):
        output_fn(one, "text/html")


@pytest.mark.parametrize("name", ["model.safetensors", "vocabulary.txt"])
@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:-1] + b"!"])
def test_a_file_that_is_altered_or_cut_short_is_named(trained, tmp_path, name, damage):
    folder = shutil.copytree(trained, tmp_path / "model")
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(ModelError, match=f"{name}: altered or cut short; its sha256 is"):
        model_fn(str(folder))


def test_a_vocabulary_of_another_model_is_refused(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "model")
    description = json.loads((folder / "model.json").read_text())
    del description["sha256"]
    (folder / "model.json").write_text(json.dumps(description))
    lines = (folder / "vocabulary.txt").read_text().splitlines(keepends=True)
    (folder / "vocabulary.txt").write_text("".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"vocabulary\.txt has 1999 ids, the model 2000"):
        model_fn(str(folder))


def test_a_model_folder_without_weights_is_named(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        model_fn(str(folder))


def with_seed_recipe(trained: Path, folder: Path) -> Path:
    """A model whose vocabulary is of stems, which takes NLTK, BeautifulSoup and the stop words."""
    shutil.copytree(trained, folder)
    description = json.loads((folder / "model.json").read_text())
    Vocabulary(["good", "film"], RECIPES["seed"]).save(folder / "vocabulary.txt")
    del description["sha256"]
    description["sizes"] |= {"vocabulary_size": 4, "pairs": 1}
    (folder / "model.json").write_text(json.dumps(description))
    save_file(SentimentModel(Sizes(**description["sizes"])).state_dict(), folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("recipe", ["default", "seed"])
def test_the_archive_answers_with_its_own_code_alone(trained, tmp_path, recipe):
    folder = trained if recipe == "default" else with_seed_recipe(trained, tmp_path / "model")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1] + '/code'); import inference as i;"
        "m = i.model_fn(sys.argv[1]); r = i.input_fn(b'A good <b>film</b>.', 'text/plain');"
        "print(i.output_fn(i.predict_fn(r, m), i.ACCEPTS[0])[0]); print(i.__file__)"
    )
    command = [sys.executable, "-I", "-c", code, str(folder)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    answer, module = done.stdout.splitlines()
    assert json.loads(answer)["label"] in ("positive", "negative")
    assert module == str(folder / "code" / "inference.py") != inference.__file__
