"""What the function does beside the handler: events that are odd, variables, an S3 that is not there."""

import json
import subprocess
import sys

import pytest
from pages import ENDPOINT, LambdaPage, event
from test_handler import CORRECTION

from shared import ROOT
from web import lambda_function

BODY = json.dumps({"review": "A good film."}).encode()


@pytest.fixture
def function(lambda_variables, bucket, upstream):
    return LambdaPage(bucket, in_base64=False)


def ask(**changes):
    answer = lambda_function.handler({**event("POST", "/api/sentiment", BODY), **changes}, None)
    return answer["statusCode"], json.loads(answer["body"])


def test_a_request_has_the_id_that_the_gateway_gave_it(function, capfd):
    asked = event("POST", "/api/sentiment", BODY)
    asked["requestContext"]["requestId"] = "JKJaXmPLvHcESHA="
    answer = lambda_function.handler(asked, None)
    assert json.loads(answer["body"])["request_id"] == "JKJaXmPLvHcESHA="
    assert answer["headers"]["X-Request-Id"] == "JKJaXmPLvHcESHA="
    assert json.loads(capfd.readouterr().err)["id"] == "JKJaXmPLvHcESHA="


@pytest.mark.parametrize("body", ["no base64!", "é", "A", "AAA", "=", json.dumps({"review": "A good film."})])
def test_a_body_that_is_said_to_be_base64_and_is_not(function, upstream, body):
    status, content = ask(body=body, isBase64Encoded=True)
    assert (status, content["error"]["code"], upstream.asked) == (400, "invalid_request", [])


def test_half_a_character_in_an_event(function):
    assert ask(body='{"review": "\ud800"}')[0] == 400


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"body": None}, 400), ({"body": ""}, 400), ({"headers": None}, 415), ({"headers": {}}, 415)],
)
def test_what_an_event_may_lack(function, changes, status):
    assert ask(**changes)[0] == status


def test_an_event_without_a_body_and_headers(function):
    found = event("GET", "/api/health", headers={})
    del found["headers"]
    assert "body" not in found
    assert lambda_function.handler(found, None)["statusCode"] == 200


def test_its_clients_are_kept(function, fresh_function):
    for _ in range(3):
        function.post("/api/sentiment", {"review": "A good film."})
    assert lambda_function._handler.cache_info().misses == 1


def test_the_endpoint_is_the_variables(function, upstream, fresh_function, monkeypatch):
    function.post("/api/sentiment", {"review": "A good film."})
    monkeypatch.setenv("ENDPOINT_NAME", "another")
    lambda_function._handler.cache_clear()
    function.post("/api/sentiment", {"review": "A good film."})
    assert upstream.endpoints[-2:] == [ENDPOINT, "another"]


def test_nothing_is_made_when_it_is_imported():
    code = "import web.lambda_function, sys; print(web.lambda_function._handler.cache_info().currsize)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "0\n"), ran.stderr


@pytest.mark.parametrize(
    "uri", ["s3://a-bucket-that-is-not-there/corrections", "s3://corrections-of-the-test"]
)
def test_where_corrections_go_is_the_variables(function, fresh_function, monkeypatch, bucket, capfd, uri):
    monkeypatch.setenv("CORRECTIONS_URI", uri)
    before = len(function.corrections())
    answer = function.post("/api/corrections", {**CORRECTION, "review": "marzipan"})
    written = capfd.readouterr()
    assert "marzipan" not in written.out + written.err
    if "not-there" in uri:
        assert answer.status >= 500 and "stored" not in answer.content
        assert answer.content["request_id"] in written.err
    else:
        assert answer.status == 201 and len(function.corrections()) == before + 1
