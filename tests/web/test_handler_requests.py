"""Requests that no page sends: a 4xx each, in one shape (pages.py checks it), and no model is asked."""

import json

import pytest

from web import handler

ROUTES = {
    "/api/sentiment": {"review": "A good film."},
    "/api/batch": {"reviews": ["A good film."]},
    "/api/corrections": {"review": "A good film.", "label": "negative"},
}


@pytest.fixture(autouse=True)
def the_model_is_not_asked(upstream):
    yield
    assert upstream.asked == []


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"}", b"null", b"7", b'"text"', b"[]", b'[{"review": "x"}]', b"review=good",
        b"{'review': 'x'}",
        b'{"review": "x"} trailing', b'{"review": "x",}', b'{"review": "a\tb"}',
        b'{"review": "\\x"}',
        b'\xef\xbb\xbf{"review": "x"}', b'{"review": "\xff"}', b'{"review": "\xc3"}',
        b'{"review": "\xed\xa0\x80"}',
        '{"review": "x"}'.encode("utf-16"), b"\x1f\x8b\x08\x00", b"\x00" * 100, b"NaN", b"1" * 5000,
        b'{"review": ' + b"9" * 5000 + b"}",
        b"[" * 100_000, b'{"review":' * 50_000, b"[" * 400_000 + b"]" * 400_000,
    ],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
def test_a_body_that_is_no_json_object(page, path, body):
    assert page.send("POST", path, body).checked().status == 400


@pytest.mark.parametrize(
    "review",
    [
        None, "", " ", "\n\t", "\u00a0\u2003", 1, 1.5, True, [], ["x"], {}, {"text": "x"},
        float("nan"), float("inf"),
        "\ud800", "a\udc00b", "\udc00\ud800", "😀\ud83d",
    ],
    ids=repr,
)  # fmt: skip
def test_a_review_that_is_no_text(page, review):
    answer = page.post("/api/sentiment", {"review": review})
    assert answer.status == 400 and "the review" in answer.content["error"]["message"]


@pytest.mark.parametrize("content", [{}, {"Review": "x"}, {"text": "x"}, {"reviews": ["x"]}])
def test_a_review_that_is_missing(page, content):
    assert page.post("/api/sentiment", content).status == 400


@pytest.mark.parametrize(
    ("status", "size"), [(413, handler.MAX_CHARACTERS + 1), (413, 100_000), (413, 990_000), (413, 1_000_001)]
)
def test_a_review_that_is_too_long(page, status, size):
    assert page.post("/api/sentiment", {"review": "x" * size}).status == status


def test_a_body_of_the_most_bytes_is_read_and_of_one_more_is_not(page):
    body = json.dumps({"review": ""}).encode()
    most = body + b" " * (handler.MAX_BYTES - len(body))
    assert page.send("POST", "/api/sentiment", most).checked().code == "invalid_request"
    answer = page.send("POST", "/api/sentiment", most + b" ").checked()
    assert answer.code == "too_large" and "1,000,000" in answer.content["error"]["message"]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "content_type",
    [
        None, "", ";", "json", "text/plain", "text/html", "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonlines", "application/json, text/plain", "application/json; charset=utf-16",
        "application/json; charset=latin-1", "application/json; charset=nonsense", "text/json",
        "*/*", "a" * 3000, "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset*=utf-8; charset*0=x", "application/json; charset*=utf-8''%ff",
        "application/json; charset*" + "9" * 5000 + "=x",
    ],
)  # fmt: skip
def test_a_content_type_that_is_not_json_in_utf8(page, path, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = page.send("POST", path, json.dumps(ROUTES[path]).encode(), headers)
    assert answer.checked().code == "unsupported_media_type"


@pytest.mark.parametrize(
    "body",
    [
        '{"review": "good", "review": "bad"}', '{"review": "good", "\\u0072eview": "good"}',
        '{"review": "x", "label": "positive", "label": "negative", "answer": {}}',
        '{"reviews": ["x"], "reviews": []}',
        '{"review": "x", "label": "positive", "answer": {"probability": 1, "probability": 0}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ROUTES)
def test_a_key_that_is_there_twice(page, path, body):
    answer = page.send("POST", path, body.encode()).checked()
    assert answer.status == 400 and "once" in answer.content["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "X" * 99])
@pytest.mark.parametrize("path", ROUTES)
def test_a_method_that_a_route_does_not_take(page, path, method):
    answer = page.send(method, path, json.dumps(ROUTES[path]).encode()).checked()
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_health_is_only_read(page, method):
    answer = page.send(method, "/api/health", b"{}").checked()
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "path",
    [
        "/api/", "/api/nothing", "/api/sentiment/", "/api/Sentiment", "/api/sentiment/x", "/api//sentiment",
        "/api/%00",
        "/api/health%20", "/api/é", "/api/..%2fsentiment", "/api/" + "x" * 5000, "/api/<script>",
    ],
    ids=lambda path: path[:30],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_leads_nowhere(page, method, path):
    assert page.send(method, path, b"{}").checked().status == 404


def test_what_a_page_elsewhere_may_ask_first_is_not_granted(page):
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = page.send("OPTIONS", "/api/sentiment", headers=asked).checked()
    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
