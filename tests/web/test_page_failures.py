"""The page when something fails: it says so, shows no sentiment, keeps the review, and goes on when it can.

Each visit begins with an answer, so that one which stays behind is found.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import FAILED_ANSWER, Visit, Visiting, begin, gateway, held
from pages import LocalPage
from playwright.sync_api import Browser, expect
from upstream import (
    NEVER,
    Answers,
    Upstream,
    changed,
    closed,
    cut_short,
    explained,
    fault,
    model_error,
    no_json,
    raw,
    score,
)

from web.handler import Request, Response

NOTHING_OF_THE_REVIEW = "says nothing about your review"


def fails(visit: Visit, *said: str) -> None:
    visit.tolerated.append(FAILED_ANSWER)
    visit.ask("not so bad")
    for words in said:
        expect(visit.find("#status")).to_contain_text(words)
    visit.shows_no_sentiment()
    expect(visit.find("#review")).to_have_value("not so bad")
    expect(visit.find("#submit")).to_have_text("Ask the model")
    expect(visit.find("#submit")).to_have_attribute("aria-disabled", "false")


def answers(visit: Visit) -> None:
    visit.ask("superb")
    expect(visit.find("#verdict")).to_contain_text("positive")
    expect(visit.find("#status")).to_be_empty()


FAULTS: dict[str, tuple[Answers, str]] = {
    "429 of the endpoint": (fault("ThrottlingException", 429), "Too many reviews at once. Try again in 1 s"),
    "429 of the model server": (model_error(429), "Too many reviews at once. Try again in 1 s"),
    "503 of the endpoint": (fault("ServiceUnavailable", 503), "busy. Try again in 1 s"),
    "503 of the model server": (model_error(503), "busy. Try again in 1 s"),
    "not deployed": (fault("ValidationError", 400), "No model is deployed"),
    "500 of the endpoint": (fault("InternalFailure", 500), NOTHING_OF_THE_REVIEW),
    "500 of the model server": (model_error(500), NOTHING_OF_THE_REVIEW),
    "not JSON": (no_json, NOTHING_OF_THE_REVIEW),
    "JSON of another shape": (raw(b'["positive"]'), NOTHING_OF_THE_REVIEW),
    "probability 2": (changed(probability=2), NOTHING_OF_THE_REVIEW),
    "no probability": (changed(probability=None), NOTHING_OF_THE_REVIEW),
    "a sentiment that is none": (changed(label="great"), NOTHING_OF_THE_REVIEW),
    "words outside the review": (explained(lambda review: [[0, 999, 1.0]]), NOTHING_OF_THE_REVIEW),
    "half an answer": (cut_short, NOTHING_OF_THE_REVIEW),
    "no answer": (closed, NOTHING_OF_THE_REVIEW),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_model_that_fails_is_told_of_as_that(visit: Visit, upstream: Upstream, name: str) -> None:
    answers(visit.open())
    good, (upstream.answers, said) = upstream.answers, FAULTS[name]
    fails(visit, said)
    upstream.answers = good
    answers(visit)


def test_a_model_that_does_not_answer_in_time_took_too_long(
    new_local_page: Callable[..., LocalPage], visiting: Visiting, upstream: Upstream
) -> None:
    visit = visiting(new_local_page(seconds=1).url)
    answers(visit.open())
    upstream.answers = lambda content: NEVER
    fails(visit, "took too long")


def test_a_page_that_asks_too_often_learns_when_to_come_again(
    new_local_page: Callable[..., LocalPage], visiting: Visiting, upstream: Upstream
) -> None:
    waits = iter([0, 7])
    visit = visiting(new_local_page(wait=lambda: next(waits)).url)
    answers(visit.open())
    fails(visit, "Too many reviews at once. Try again in 7 s")
    assert len(upstream.asked) == 1


# What comes between the page and the handler: gateways answer in shapes of their own.
GOOD = {"sentiment": "positive", "probability": 0.96, "model_version": "3f2a", "milliseconds": 7}
STRANGE: dict[str, tuple[int, Any, str]] = {
    "nothing": (200, b"", "failed"),
    "null": (200, None, "failed"),
    "HTML": (200, b"<html>positive</html>", "failed"),
    "a list": (200, ["positive"], "cannot be read"),
    "a text": (200, "positive", "cannot be read"),
    "a sentiment that is none": (200, {**GOOD, "sentiment": "great"}, "cannot be read"),
    "no sentiment": (200, {"probability": 0.96}, "cannot be read"),
    "no probability": (200, {"sentiment": "positive"}, "cannot be read"),
    "probability 2": (200, {**GOOD, "probability": 2}, "cannot be read"),
    "probability below none": (200, {**GOOD, "probability": -0.1}, "cannot be read"),
    "a gateway's 429": (429, {"message": "Too Many Requests"}, "Too many reviews at once. Try again in 1 s"),
    "a gateway's 503": (503, {"message": "Service Unavailable"}, "busy. Try again in 1 s"),
    "a gateway's 504": (504, {"message": "Endpoint request timed out"}, "took too long"),
    "a gateway's 500": (500, b"<html>Internal Server Error</html>", "failed"),
    "a proxy's 403": (403, b"<html>Forbidden</html>", "failed"),
    "an error with a sentiment": (502, {**GOOD, "error": {"code": "upstream_failed"}}, "failed"),
    "an error that is a text": (500, {"error": "it broke"}, "failed"),
}


@pytest.fixture(scope="module")
def strange(browser: Browser) -> Iterator[tuple[Visit, dict[str, Any]]]:
    """A visit through a gateway, and its answers: the good one, and the one to what is "not so bad"."""
    told: dict[str, Any] = {"good": (200, GOOD)}

    def answer(request: Request) -> Response:
        kind = "strange" if b"not so bad" in request.body else "good"
        status, content = told[kind]
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Response(status, {"Content-Type": "application/json"}, body)

    with gateway(answer) as url:
        visit = begin(browser, url)
        yield visit, told
        visit.context.close()


@pytest.mark.parametrize("name", STRANGE)
def test_an_answer_that_is_none_of_the_handlers_is_no_sentiment(
    strange: tuple[Visit, dict[str, Any]], name: str
) -> None:
    visit, told = strange
    visit.forget()
    *told["strange"], said = STRANGE[name]
    answers(visit.open())
    fails(visit, said)
    answers(visit)
    visit.check()


def test_offline_is_told_as_that(visit: Visit, upstream: Upstream) -> None:
    answers(visit.open())
    visit.context.set_offline(True)
    fails(visit, "offline", "still here")
    visit.context.set_offline(False)
    answers(visit)


def test_no_answer_at_all_is_given_up_on(
    visiting: Visiting, local_page: LocalPage, upstream: Upstream
) -> None:
    """In a hundredth of the time that the page waits for a person."""
    visit = visiting(local_page.url)
    shorter = (
        "const real = AbortSignal.timeout.bind(AbortSignal); AbortSignal.timeout = (ms) => real(ms / 100)"
    )
    visit.page.add_init_script(shorter)
    visit.open()
    with held(upstream):
        fails(visit, "No answer came in time")


def test_a_correction_that_is_not_kept_is_told_of_and_can_be_tried_again(
    new_local_page: Callable[..., LocalPage], visiting: Visiting, upstream: Upstream, tmp_path: Path
) -> None:
    page, folder = new_local_page(), tmp_path / "s3"
    folder.write_text("no folder")
    visit = visiting(page.url).open()
    visit.tolerated.append(FAILED_ANSWER)
    answers(visit)
    visit.button("Wrong?").click()
    visit.button("It is negative").click()
    expect(visit.find("#answer")).to_contain_text("Not kept")
    expect(visit.find("#verdict")).to_contain_text("positive")
    folder.unlink()
    visit.button("It is negative").click()
    expect(visit.find("#answer")).to_contain_text("Kept as negative")
    assert [json.loads(each)["label"] for each in page.corrections().values()] == ["negative"]
    assert score("superb")["label"] == "positive"
