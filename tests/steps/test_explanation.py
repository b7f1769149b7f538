"""The judge is the naive way: the review is read again, whole, with each word hidden in turn."""

import csv
import json
from dataclasses import replace

import pytest
import torch

from explanation import changes, explain
from inference import input_fn, join_fn, model_fn, output_fn, predict_fn, size_fn, split_fn
from model import INFREQUENT, SentimentModel, Sizes, pad
from text import RECIPES, Vocabulary, encode_review, tokenize

LENGTHS = [1, 3, 50, 51, 230, 400]


@pytest.fixture(scope="module")
def predictor(trained):
    return model_fn(str(trained))


@pytest.fixture(scope="module")
def reviews(small_reviews) -> list[str]:
    with small_reviews.open(encoding="utf-8", newline="") as stream:
        return [row["review"] for row in csv.DictReader(stream)]


@torch.inference_mode()
def naive(model: SentimentModel, ids: list[int]) -> list[float]:
    shown = model.log_odds(pad([ids]))
    hidden = [[*ids[:n], INFREQUENT, *ids[n + 1 :]] for n in range(len(ids))]
    return [(shown - model.log_odds(pad([each]))).item() for each in hidden]


def long_review(predictor, reviews: list[str], length: int) -> list[int]:
    """The first words of a real review that has as many."""
    encoded = (encode_review(review, predictor.vocabulary) for review in reviews)
    return next(ids for ids in encoded if len(ids) >= length)[:length]


@pytest.mark.parametrize("length", LENGTHS)
def test_changes_are_those_of_reading_the_review_again(predictor, reviews, length):
    ids = long_review(predictor, reviews, length)
    found = changes(predictor.model, ids)
    assert found == pytest.approx(naive(predictor.model, ids), abs=1e-4)
    assert len(found) == length and any(abs(change) > 1e-3 for change in found)


@pytest.mark.parametrize(
    "ids",
    [
        [7] * 120,  # hidden, the others stand for it
        [7, 8] * 60,
        [INFREQUENT] * 60,
        [INFREQUENT, 7, INFREQUENT, 7, INFREQUENT],  # hidden, a pair of infrequent words comes up
        [2, 3] + [INFREQUENT] * 97 + [2, 3],
    ],
    ids=["one word", "two words", "infrequent ones", "between infrequent ones", "far apart"],
)
def test_repeated_and_infrequent_words(predictor, ids):
    found = changes(predictor.model, ids)
    assert found == pytest.approx(naive(predictor.model, ids), abs=1e-4)
    assert all(change == 0 for id, change in zip(ids, found, strict=True) if id == INFREQUENT)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7])
def test_segments_of_any_length_and_weights_of_any_size(length):
    """With weights so large that each part of the answer counts."""
    torch.manual_seed(length)
    model = SentimentModel(Sizes(12, pairs=40, embedding_size=5, hidden_size=4, segment_length=3)).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_()
        model.pair_keys = torch.randperm(144)[:39].sort().values
        model.pair_keys = torch.cat([model.pair_keys, torch.tensor([144])])
        model.log_count_ratio.normal_()
    for _ in range(20):
        ids = torch.randint(1, 12, (length,)).tolist()
        assert changes(model, ids) == pytest.approx(naive(model, ids), abs=1e-4)


def ask(predictor, review: str) -> dict:
    body = json.dumps({"review": review, "explain": True}).encode()
    prediction = predict_fn(input_fn(body, "application/json"), predictor)
    return json.loads(output_fn(prediction, "application/json")[0])


def test_an_explained_answer_names_the_words_that_were_read(predictor):
    review = "😀 A <b>wonderful</b>, moving film &amp; I&#39;d see it again!"
    answer, plain = ask(predictor, review), predict_fn(input_fn(review.encode(), "text/plain"), predictor)
    assert answer["probability"] == plain[0][0]["probability"]
    explanation = answer["explanation"]
    assert explanation["method"] == "hidden_words"
    assert explanation["words_read"] == explanation["words_total"] == len(explanation["words"]) == 9
    assert "skipped" not in explanation
    stand = [review[start:end] for start, end, _ in explanation["words"]]
    assert stand == ["A", "wonderful", "moving", "film", "I&#39;d", "see", "it", "again", "!"]
    ids = encode_review(review, predictor.vocabulary)
    assert [change for *_, change in explanation["words"]] == pytest.approx(
        naive(predictor.model, ids), abs=2e-4
    )


def test_of_a_long_review_the_head_and_the_tail_are_explained(predictor):
    review = "start " * 300 + "middle " * 5000 + "end " * 400
    explanation = ask(predictor, review)["explanation"]
    assert (explanation["words_read"], explanation["words_total"]) == (400, 5700)
    stand = [review[start:end] for start, end, _ in explanation["words"]]
    assert stand == ["start"] * 100 + ["end"] * 300
    assert explanation["words"][100][0] == len(review) - len("end " * 300)
    skipped = review.split("start " * 100, 1)[1].removesuffix(" " + "end " * 300)
    assert explanation["skipped"] == [600, 600 + len(skipped)]


def test_without_a_word_there_is_none_to_explain(predictor):
    assert ask(predictor, "...")["explanation"] == {
        "method": "hidden_words",
        "words": [],
        "words_read": 0,
        "words_total": 0,
    }


def test_words_that_cannot_be_located_are_not_shown(predictor):
    """BeautifulSoup, which the seed recipe takes, tells no places."""
    vocabulary = Vocabulary(["film", "love"], replace(RECIPES["seed"], vocabulary_size=2000))
    found = explain("I <b>loved</b> the film", [3, 2], predictor.model, vocabulary)
    assert found == {
        "method": "hidden_words",
        "words": [],
        "words_read": 2,
        "words_total": 2,
        "located": False,
    }
    found = explain("I loved the film", [3, 2], predictor.model, vocabulary)
    assert [word[:2] for word in found["words"]] == [[2, 7], [12, 16]] and "located" not in found


@pytest.mark.parametrize("explain", [1, 0, None, "true", [], {}])
def test_explain_is_true_or_false(explain):
    body = json.dumps({"review": "good", "explain": explain}).encode()
    with pytest.raises(ValueError, match='"explain" is true or false, not of type'):
        input_fn(body, "application/json")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'[{"review": "good", "explain": true}]'),
        ("application/json", b'["bad", {"review": "good", "explain": false}]'),
        ("application/jsonlines", b'{"review": "good", "explain": true}'),
    ],
)
def test_only_a_review_alone_is_explained(content_type, body):
    with pytest.raises(ValueError, match="only a review that is asked about alone can be explained"):
        input_fn(body, content_type)


def test_a_review_may_be_too_long_to_be_explained(predictor):
    ask(predictor, "x" * 100_000)
    with pytest.raises(ValueError, match="the body: 100001 characters are too many to be explained; 100000"):
        ask(predictor, "x" * 100_001)


def test_not_to_be_explained_is_to_be_answered_as_ever(predictor):
    plain = predict_fn(input_fn(b'{"review": "good"}', "application/json"), predictor)
    told = predict_fn(input_fn(b'{"review": "good", "explain": false}', "application/json"), predictor)
    assert told == plain and list(plain[0][0]) == ["label", "probability", "model_version"]


def test_explained_and_plain_requests_are_answered_in_one_pass(predictor, reviews):
    bodies = [
        json.dumps({"review": reviews[0], "explain": True}).encode(),
        json.dumps(reviews[1:4]).encode(),
        json.dumps({"review": reviews[4]}).encode(),
        json.dumps({"review": reviews[5], "explain": True}).encode(),
    ]
    requests = [input_fn(body, "application/json") for body in bodies]
    found = split_fn(predict_fn(join_fn(requests), predictor), requests)
    for request, (answers, single) in zip(requests, found, strict=True):
        alone, was_single = predict_fn(request, predictor)
        assert single is was_single and len(answers) == len(alone)
        for one, other in zip(answers, alone, strict=True):
            assert one.pop("probability") == pytest.approx(other.pop("probability"), abs=2e-6)
            assert one == other
    assert [size_fn(request) for request in requests] == [20, 3, 1, 20]
    assert size_fn(join_fn(requests)) == 44


TOLD = {"MODEL_PACKAGE_VERSION": "3", "MODEL_TEST_ACCURACY": "0.9153", "MODEL_TEST_REVIEWS": "2490"}


@pytest.mark.parametrize(
    ("variables", "package"),
    [
        (TOLD, {"version": 3, "test_accuracy": 0.9153, "test_reviews": 2490}),
        ({**TOLD, "MODEL_TEST_ACCURACY": "nan"}, {"version": 3, "test_accuracy": None, "test_reviews": 2490}),
        (
            {**TOLD, "MODEL_TEST_REVIEWS": "many"},
            {"version": 3, "test_accuracy": 0.9153, "test_reviews": None},
        ),
        ({"MODEL_PACKAGE_VERSION": "3"}, {"version": 3, "test_accuracy": None, "test_reviews": None}),
        ({}, None),
        ({"MODEL_PACKAGE_VERSION": "three"}, None),
    ],
)
def test_the_model_package_is_the_one_that_the_container_was_told(trained, monkeypatch, variables, package):
    for name in TOLD:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ask(model_fn(str(trained)), "good")["model_package"] == package


def test_each_place_holds_the_word_whose_change_it_has(predictor, reviews):
    vocabulary = predictor.vocabulary
    for review in reviews[:200]:
        ids = encode_review(review, vocabulary)
        places = explain(review, ids, predictor.model, vocabulary)["words"]
        stand = [word for start, end, _ in places for word in tokenize(review[start:end], vocabulary.recipe)]
        assert vocabulary.encode(stand) == ids
