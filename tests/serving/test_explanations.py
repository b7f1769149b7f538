"""The words that decided, asked for over HTTP."""

import json
import threading
from collections.abc import Iterator

import pytest
from server_process import Server, ask, serve

from shared import imdb_rows

TOLD = {"MODEL_PACKAGE_VERSION": "3", "MODEL_TEST_ACCURACY": "0.9153", "MODEL_TEST_REVIEWS": "2490"}


@pytest.fixture(scope="module")
def server(model, tmp_path_factory) -> Iterator[Server]:
    with serve(model, tmp_path_factory.mktemp("server"), "unix", **TOLD) as running:
        yield running


def explained(server: Server, review: str) -> dict:
    answer = ask(server, json.dumps({"review": review, "explain": True}), "application/json")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_explained_answer(server):
    answer = explained(server, "A wonderful film")
    assert list(answer) == ["label", "probability", "model_version", "explanation", "model_package"]
    assert answer["model_package"] == {"version": 3, "test_accuracy": 0.9153, "test_reviews": 2490}
    explanation = answer["explanation"]
    assert explanation["method"] == "hidden_words"
    assert [word[:2] for word in explanation["words"]] == [[0, 1], [2, 11], [12, 16]]
    assert all(isinstance(change, float) for *_, change in explanation["words"])
    assert (explanation["words_read"], explanation["words_total"]) == (3, 3)


def test_who_does_not_ask_for_it_is_answered_as_before(server):
    plain = ask(server, "A wonderful film").content
    for body in ({"review": "A wonderful film"}, {"review": "A wonderful film", "explain": False}):
        assert ask(server, json.dumps(body), "application/json").content == plain
    answer = explained(server, "A wonderful film")
    del answer["explanation"], answer["model_package"]
    assert json.dumps(answer).encode() == plain


@pytest.mark.parametrize(
    ("review", "words"),
    [
        ("good", ["good"]),
        ("...", []),
        ("👩‍👩‍👧 good 😀 film", ["good", "film"]),
        ("<p>It&#39;s<br />İstanbul &amp; caf&eacute;", ["It&#39;s", "İ", "stanbul", "caf&eacute;"]),
    ],
)
def test_places_are_code_points_of_the_review_as_sent(server, review, words):
    places = explained(server, review)["explanation"]["words"]
    assert [review[start:end] for start, end, _ in places] == words


def test_a_review_of_twenty_thousand_characters(server):
    review = "wonderful <br />" * 1250
    explanation = explained(server, review)["explanation"]
    assert (explanation["words_read"], explanation["words_total"]) == (400, 1250)
    assert {review[start:end] for start, end, _ in explanation["words"]} == {"wonderful"}


@pytest.mark.parametrize(
    ("content", "content_type", "message"),
    [
        ({"review": "good", "explain": 1}, "application/json", "not of type int"),
        ({"review": "good", "explain": "true"}, "application/json", "not of type str"),
        ({"review": "good", "explain": None}, "application/json", "not of type NoneType"),
        ({"review": "", "explain": True}, "application/json", "the review is empty"),
        ({"explain": True}, "application/json", 'has no "review"'),
        ({"review": "x" * 100_001, "explain": True}, "application/json", "too many to be explained"),
        ([{"review": "good", "explain": True}], "application/json", "item 1: only a review that is asked"),
        ({"review": "good", "explain": True}, "application/jsonlines", "line 1: only a review that is asked"),
    ],
)
def test_what_cannot_be_explained_is_the_clients_mistake(server, content, content_type, message):
    answer = ask(server, json.dumps(content), content_type)
    assert answer.status_code == 400 and message in answer.json()["error"]["message"]


def test_explained_and_plain_requests_at_once_get_each_its_own_answer(server):
    reviews = [row["text"] for row in imdb_rows(24)]
    bodies = [{"review": review, "explain": n % 2 == 0} for n, review in enumerate(reviews)]
    alone = [ask(server, json.dumps(body), "application/json").json() for body in bodies]
    found: dict[int, dict] = {}

    def one(n: int) -> None:
        found[n] = ask(server, json.dumps(bodies[n]), "application/json").json()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, expected in enumerate(alone):
        assert found[n].pop("probability") == pytest.approx(expected.pop("probability"), abs=2e-6)
        assert found[n] == expected
