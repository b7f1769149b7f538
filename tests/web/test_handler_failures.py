"""A model server that fails: a failure is shown, never a sentiment, and of the review nothing is logged."""

import json
import logging
import socket

import pytest
import upstream as models
from pages import LambdaPage

from web import lambda_function

SECRET = "a film about marzipan locomotives"
ASKED = [("/api/sentiment", {"review": SECRET}), ("/api/batch", {"reviews": ["A good film.", SECRET]})]

REFUSED = {  # name: (what the runtime answers, status, code)
    "throttled": (models.fault("ThrottlingException", 429), 429, "throttled"),
    "throttled in the old way": (models.fault("ThrottlingException:http://a.com/", 400), 429, "throttled"),
    "too many requests": (models.fault("TooManyRequestsException", 429), 429, "throttled"),
    "model throttled": (models.model_error(429), 429, "throttled"),
    "model busy": (models.model_error(503), 503, "busy"),
    "unavailable": (models.fault("ServiceUnavailable", 503), 503, "busy"),
    "model not ready": (models.fault("ModelNotReadyException", 429), 429, "throttled"),
    "no endpoint": (models.fault("ValidationError", 400), 503, "not_deployed"),
    "model broke": (models.model_error(500), 502, "upstream_failed"),
    "model refused": (models.model_error(400), 502, "upstream_failed"),
    "runtime broke": (models.fault("InternalFailure", 500), 502, "upstream_failed"),
    "no permission": (models.fault("AccessDeniedException", 403), 502, "upstream_failed"),
    "token expired": (models.fault("ExpiredTokenException", 403), 502, "upstream_failed"),
    "error without a code": (lambda content: models.Reply(b"<html>", 500), 502, "upstream_failed"),
    "gateway": (lambda content: models.Reply(b"<html>", 503), 503, "busy"),
}  # fmt: skip
MALFORMED = {
    "empty": models.raw(b""),
    "no JSON": models.no_json,
    "half of JSON": models.raw(b'{"label": "positive", "probabil'),
    "no UTF-8": models.raw(b'{"label": "positive\xff"}'),
    "deep": models.raw(b"[" * 100_000),
    "null": models.raw(b"null"),
    "a text": models.raw(b'"positive"'),
    "a list": models.raw(b"[]"),
    "an empty object": models.raw(b"{}"),
    "an empty object each": models.raw(b"[{}, {}]"),
    "a text each": models.raw(b'["positive", "positive"]'),
    "half a body": models.cut_short,
    "closed": models.closed,
    "no probability": models.changed(probability=None),
    "a probability that is a text": models.changed(probability="0.04"),
    "a probability that is true": models.changed(probability=True),
    "a probability over 1": models.changed(probability=1.01),
    "a probability under 0": models.changed(probability=-0.01),
    "NaN": models.changed(probability=float("nan")),
    "infinity": models.changed(probability=float("inf")),
    "another label": models.changed(label="negative"),
    "a label of its own": models.changed(label="POSITIVE"),
    "no label": models.changed(label=None),
    "no version": models.changed(model_version=None),
}
WORDS = {
    "after the end": lambda review: [[0, len(review) + 1, 0.1]],
    "before the start": lambda review: [[-1, 2, 0.1]],
    "empty": lambda review: [[2, 2, 0.1]],
    "backwards": lambda review: [[3, 1, 0.1]],
    "overlapping": lambda review: [[0, 3, 0.1], [2, 4, 0.1]],
    "out of order": lambda review: [[3, 5, 0.1], [0, 1, 0.1]],
    "of two members": lambda review: [[0, 1]],
    "of no list": lambda review: ["film"],
    "from half a character": lambda review: [[0.5, 1.5, 0.1]],
    "at a float": lambda review: [[0.0, 1, 0.1]],
    "with infinity": lambda review: [[0, 1, float("inf")]],
    "of a true": lambda review: [[False, True, 0.1]],
    "with no number": lambda review: [[0, 1, "0.1"]],
    "with NaN": lambda review: [[0, 1, float("nan")]],
    "no list": lambda review: {"film": 0.1},
    "nothing": lambda review: None,
}


@pytest.fixture
def logged(capfd, caplog):
    """(what was written, what went to a logger) since the test began, but for its own client and S3."""
    caplog.set_level(logging.INFO)

    def read():
        written = capfd.readouterr()
        records = [each for each in caplog.records if each.name not in ("httpx", "werkzeug")]
        return written.out + written.err, "".join(each.getMessage() for each in records)

    return read


def check(page, path, content, logged, status, code, says=""):
    answer = page.post(path, content)
    assert (answer.status, answer.code) == (status, code)
    for word in ("sentiment", "label", "probability", "positive", "negative", "Error", SECRET):
        assert word not in answer.body.decode(), "an error tells of the error"
    written, log = logged()
    assert "marzipan" not in written + log and says in written
    if status >= 500:  # locally what is not a failure is not logged
        assert answer.content["request_id"] in written


@pytest.mark.parametrize(("path", "content"), ASKED, ids=["one", "batch"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_runtime_that_refuses(page, upstream, logged, name, path, content):
    upstream.answers, status, code = REFUSED[name]
    check(page, path, content, logged, status, code)
    assert len(upstream.asked) == 1, "asked once: who waits decides whether to ask again"


@pytest.mark.parametrize(("path", "content"), ASKED, ids=["one", "batch"])
@pytest.mark.parametrize("name", MALFORMED)
def test_an_answer_that_is_none(page, upstream, logged, name, path, content):
    upstream.answers = MALFORMED[name]
    check(page, path, content, logged, 502, "upstream_failed")


@pytest.mark.parametrize("name", WORDS)
def test_words_that_are_not_in_the_review(page, upstream, logged, name):
    upstream.answers = models.explained(WORDS[name])
    check(page, *ASKED[0], logged, 502, "upstream_failed", "malformed answer: ")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", ["model_package", "explanation"])
def test_a_number_that_is_none_anywhere_in_an_answer(page, upstream, logged, name, number):
    members = {
        **models.score(SECRET),
        "explanation": {"words": [], "more": 0.5},
        "model_package": {"more": 0.5},
    }
    body = json.dumps({"explanation": None, "model_package": None, **members, name: members[name]})
    at = body.index('"more": 0.5', body.index(name))
    upstream.answers = models.raw(f"{body[:at]}{body[at:].replace('0.5', number, 1)}".encode())
    check(page, *ASKED[0], logged, 502, "upstream_failed", "malformed answer: ")


@pytest.mark.parametrize(
    "skipped", [None, [], [0], [0, 99], [3, 1], [-1, 2], [0, 1, 2], ["0", "1"], [0, 1.5], True]
)
def test_a_part_that_is_not_in_the_review(page, upstream, logged, skipped):
    upstream.answers = models.changed(explanation={"words": [[0, 1, 0.1]], "skipped": skipped})
    check(page, *ASKED[0], logged, 502, "upstream_failed", "a part that is not in the review")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_with_another_number_of_answers(page, upstream, logged, count):
    upstream.answers = lambda content: models.as_json([models.score("A good film.")] * count)
    check(page, *ASKED[1], logged, 502, "upstream_failed", "not one answer for each review")


def test_nothing_but_numbers_of_a_good_answer_is_logged(page, logged):
    for path, content in ASKED:
        assert page.post(path, content).status == 200
    answer = {"label": "positive", "probability": 0.96, "model_version": models.VERSION}
    assert (
        page.post("/api/corrections", {"review": SECRET, "label": "negative", "answer": answer}).status == 201
    )
    text = json.dumps({"review": SECRET}).encode()
    assert page.send("POST", "/api/marzipan?review=marzipan", text).checked().status == 404
    assert page.send("POST", "/api/sentiment", text + b"}").checked().status == 400
    assert page.send("POST", "/api/sentiment", text, {"Content-Type": "marzipan/*"}).checked().status == 415
    written, log = logged()
    assert "marzipan" not in written + log
    if page.name == "local":
        assert written == ""
    else:
        entries = [json.loads(line) for line in written.splitlines()]
        assert [each["status"] for each in entries] == [200, 200, 201, 404, 400, 415]
        assert all(each.keys() == {"id", "path", "status", "milliseconds", "cause"} for each in entries)
        assert entries[3]["path"] == ""


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(("path", "content"), ASKED, ids=["one", "batch"])
@pytest.mark.parametrize("adapter", ["local", "lambda"])
@pytest.mark.parametrize(
    ("never", "status", "code"), [(True, 504, "upstream_timeout"), (False, 502, "upstream_failed")]
)
def test_a_model_server_that_is_silent_or_gone(
    adapter,
    never,
    status,
    code,
    path,
    content,
    upstream,
    logged,
    new_local_page,
    fresh_function,
    bucket,
    monkeypatch,
):
    upstream.answers = lambda content: models.NEVER
    url = upstream.url if never else closed_port()
    if adapter == "local":
        page = new_local_page(url, seconds=0.3)
    else:
        monkeypatch.setattr(lambda_function, "READ_SECONDS", 0.3)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        page = LambdaPage(bucket, in_base64=False)
    check(page, path, content, logged, status, code)
    upstream.answers = models.good
    if never:
        assert page.post("/api/sentiment", {"review": SECRET}).status == 200, "the next is answered"
