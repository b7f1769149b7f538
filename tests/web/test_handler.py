"""What the page's API answers, through both adapters: a sentiment, several, a correction, the limits."""

import json
import re

import pytest
import upstream as models
from pages import ENDPOINT

from tables import read_json_lines
from web import handler

REVIEW = "A bad film, but a good evening."


def test_a_review_is_answered_with_what_the_model_says_and_the_words_that_decided(page, upstream):
    answer = page.post("/api/sentiment", {"review": REVIEW})
    assert answer.status == 200
    content = answer.content
    assert content.pop("request_id") and content.pop("milliseconds") >= 0
    assert content == {
        "sentiment": "negative",
        "label": "negative",
        "probability": 0.04,
        "model_version": models.VERSION,
        "explanation": models.explanation(REVIEW),
        "model_package": models.PACKAGE,
    }
    assert upstream.asked == [{"review": REVIEW, "explain": True}]
    assert upstream.endpoints[-1] == ENDPOINT


@pytest.mark.parametrize(
    ("probability", "sentiment"),
    [
        (0, "negative"), (0.04, "negative"), (0.3, "negative"),
        (0.3001, "uncertain"), (0.4999, "uncertain"), (0.5, "uncertain"), (0.6999, "uncertain"),
        (0.7, "positive"), (0.96, "positive"), (1, "positive"),
    ],
)  # fmt: skip
def test_what_is_too_close_to_call_is_uncertain(page, probability, sentiment):
    review = f"p={probability}"
    answer = page.post("/api/sentiment", {"review": review}).content
    (of_batch,) = page.post("/api/batch", {"reviews": [review]}).content["answers"]
    label = "positive" if probability >= 0.5 else "negative"
    for found in (answer, of_batch):
        assert (found["sentiment"], found["label"], found["probability"]) == (sentiment, label, probability)


@pytest.mark.parametrize(
    "review",
    [
        "😀 a grand film 🎬",
        "פילם טוב",
        "<script>alert(1)</script>",
        "a\0b",
        "\u202eevil",
        "e\u0301",
        " x ",
        "\\u0041",
    ],
)
def test_a_text_reaches_the_model_as_it_was_typed(page, upstream, review):
    for body in (json.dumps({"review": review}), json.dumps({"review": review}, ensure_ascii=False)):
        answer = page.send("POST", "/api/sentiment", body.encode()).checked()
        assert answer.content["explanation"] == models.explanation(review)
    assert [each["review"] for each in upstream.asked] == [review, review]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
def test_content_types_that_are_json_in_utf8(page, content_type):
    body = json.dumps({"review": REVIEW}).encode()
    assert page.send("POST", "/api/sentiment", body, {"Content-Type": content_type}).checked().status == 200


@pytest.mark.parametrize(
    "explanation", [None, {"words": [], "located": False}, {"words": [], "skipped": [2, 9]}]
)
def test_an_answer_without_words_is_an_answer(page, upstream, explanation):
    upstream.answers = models.changed(explanation=explanation, model_package=None)
    content = page.post("/api/sentiment", {"review": REVIEW}).content
    assert (content["sentiment"], content["explanation"]) == ("negative", explanation)
    assert content["model_package"] is None


def test_every_request_has_an_id_of_its_own(page):
    ids = {page.post("/api/sentiment", {"review": REVIEW}).content["request_id"] for _ in range(5)}
    assert len(ids) == 5


def test_the_limits_are_told(page):
    answer = page.send("GET", "/api/health", headers={}).checked()
    assert answer.status == 200
    limits = {"characters": 20_000, "reviews": 50, "bytes": 1_000_000}
    assert answer.content["limits"] == limits


def test_the_longest_review_is_taken_and_counted_in_characters(page, upstream):
    longest = "😀" * handler.MAX_CHARACTERS
    assert page.post("/api/sentiment", {"review": longest}).status == 200
    asked = len(upstream.asked)
    answer = page.post("/api/sentiment", {"review": longest + "x"})
    assert (answer.status, len(upstream.asked)) == (413, asked)
    assert "20,001" in answer.content["error"]["message"]


# ---------------------------------------------------------------------- several


@pytest.mark.parametrize("count", [1, 2, 50])
def test_each_review_of_a_batch_has_its_answer_in_its_place(page, upstream, count):
    reviews = [f"p={number / 100}" for number in range(count)]
    answers = page.post("/api/batch", {"reviews": reviews}).content["answers"]
    assert [each["probability"] for each in answers] == [number / 100 for number in range(count)]
    assert upstream.asked == [reviews]


@pytest.mark.parametrize("reviews", [[], ["x"] * 51, None, "x", {"0": "x"}, 1])
def test_a_batch_has_from_1_to_50_reviews(page, upstream, reviews):
    answer = page.post("/api/batch", {"reviews": reviews})
    assert (answer.status, upstream.asked) == (400, [])
    assert "1 to 50" in answer.content["error"]["message"]


def test_a_review_that_cannot_be_asked_about_spoils_no_other(page, upstream):
    wrong = ["", " \n", None, 7, ["x"], "x" * 20_001, "\ud800"]
    reviews = ["p=0.9", *wrong, "p=0.1"]
    answers = page.post("/api/batch", {"reviews": reviews}).content["answers"]
    assert [answers[0]["sentiment"], answers[-1]["sentiment"]] == ["positive", "negative"]
    assert [each.keys() for each in answers[1:-1]] == [{"error"}] * len(wrong)
    codes = [each["error"]["code"] for each in answers[1:-1]]
    assert codes == ["invalid_request"] * 5 + ["too_large", "invalid_request"]
    assert upstream.asked == [["p=0.9", "p=0.1"]]


def test_a_batch_of_nothing_but_empty_reviews_asks_no_model(page, upstream):
    answers = page.post("/api/batch", {"reviews": ["", " "]}).content["answers"]
    assert [each["error"]["code"] for each in answers] == ["invalid_request"] * 2
    assert upstream.asked == []


# ---------------------------------------------------------------------- corrections

ANSWER = {"label": "positive", "probability": 0.96, "model_version": models.VERSION}
CORRECTION = {"review": "Not good, “schön” or 😀\nat all.", "label": "negative", "answer": ANSWER}


@pytest.mark.parametrize("label", ["positive", "negative"])
def test_a_correction_is_stored_as_the_pipeline_reads_reviews(page, tmp_path, label):
    before = page.corrections()
    answer = page.post("/api/corrections", {**CORRECTION, "label": label})
    assert (answer.status, answer.content["stored"]) == (201, True)
    ((name, content),) = page.corrections().items() - before.items()
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/[0-9a-f]{32}\.jsonl", name)
    (tmp_path / "corrections.jsonl").write_bytes(content)
    (review,) = read_json_lines(tmp_path / "corrections.jsonl")
    assert (review.text, review.label) == (CORRECTION["review"], label == "positive")
    assert json.loads(content)["model_version"] == models.VERSION


def test_corrections_of_many_are_one_data_set(page, tmp_path):
    before = page.corrections()
    for number in range(3):
        page.post("/api/corrections", {**CORRECTION, "review": f"Review\u2028{number}."})
    stored = dict(page.corrections().items() - before.items())
    (tmp_path / "all.jsonl").write_bytes(b"".join(stored.values()))
    found = {review.text for review in read_json_lines(tmp_path / "all.jsonl")}
    assert found == {f"Review\u2028{number}." for number in range(3)}


@pytest.mark.parametrize(
    "change",
    [
        {"review": ""}, {"review": " "}, {"review": None}, {"review": 1}, {"review": "\udcff"},
        {"review": "x" * 20_001},
        {"label": "uncertain"}, {"label": "Positive"}, {"label": 1}, {"label": None}, {"label": ["positive"]},
        {"answer": None}, {"answer": "positive"}, {"answer": []}, {"answer": {}},
        {"answer": {**ANSWER, "probability": None}}, {"answer": {**ANSWER, "probability": 1.1}},
        {"answer": {**ANSWER, "probability": True}}, {"answer": {**ANSWER, "probability": float("nan")}},
        {"answer": {**ANSWER, "probability": 10**400}}, {"answer": {**ANSWER, "probability": "0.9"}},
        {"answer": {**ANSWER, "model_version": None}}, {"answer": {**ANSWER, "model_version": "x" * 201}},
    ],
)  # fmt: skip
def test_a_correction_that_is_none_is_refused_and_not_stored(page, change):
    before = page.corrections()
    assert page.post("/api/corrections", {**CORRECTION, **change}).status in (400, 413)
    assert page.corrections() == before
