"""What a careful visitor finds: nothing stale, the focus kept, an answer in sight, and no half answer."""

import json

import pytest
from browser import FAILED_ANSWER, PHONE, Visit, Visiting, done, gateway, held, score
from pages import LocalPage
from playwright.sync_api import expect
from upstream import Upstream, model_error

from web.handler import Response


def test_results_of_other_reviews_do_not_stay(visit: Visit, upstream: Upstream) -> None:
    visit.open("#many").paste("superb\nbad")
    score(visit)
    done(visit, 2)
    visit.paste("another\nand another\nand one more")
    expect(visit.find("#results")).to_be_hidden()
    expect(visit.find("#progress-row")).to_be_hidden()


def test_scored_again_and_failing_no_earlier_result_stays(visit: Visit, upstream: Upstream) -> None:
    visit.tolerated.append(FAILED_ANSWER)
    visit.open("#many").paste("superb\nbad")
    score(visit)
    done(visit, 2)
    upstream.answers = model_error(500)
    score(visit)
    expect(visit.find("#progress-text")).to_contain_text("0 of 2")
    expect(visit.find("#results")).to_be_hidden()


def test_text_that_is_dropped_while_it_scores_is_not_taken(visit: Visit, upstream: Upstream) -> None:
    visit.open("#many").paste("superb\nbad")
    with held(upstream) as let_go:
        score(visit)
        expect(visit.find("#cancel")).to_be_visible()
        visit.page.evaluate(
            "const data = new DataTransfer(); data.setData('text/plain', 'another');"
            "document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data }))"
        )
        let_go()
        done(visit, 2)
    expect(visit.find("#pasted")).to_have_value("superb\nbad")


def test_a_spreadsheet_is_told_that_the_file_is_utf_8(visit: Visit) -> None:
    """By a byte order mark: else Excel reads it in the encoding of its machine."""
    visit.open("#many").paste("médiocre 🎬")
    score(visit)
    done(visit, 1)
    with visit.page.expect_download() as download:
        visit.button("Download as CSV").click()
    assert download.value.path().read_bytes().startswith("\ufeffreview,".encode())


def test_the_focus_goes_to_the_rows_that_are_asked_for(visit: Visit) -> None:
    visit.open("#many").bring("reviews.txt", b"superb\n" * 150)
    score(visit)
    done(visit, 150)
    visit.find("#more").press("Enter")
    expect(visit.find("#rows tr")).to_have_count(150)
    assert visit.focused().startswith("tr 101")


@pytest.mark.parametrize("failing", [False, True], ids=["an answer", "a failure"])
def test_a_phone_shows_what_came_of_it_without_being_scrolled(
    visiting: Visiting, local_page: LocalPage, upstream: Upstream, failing: bool
) -> None:
    phone = visiting(local_page.url, viewport=PHONE, has_touch=True).open()
    phone.tolerated.append(FAILED_ANSWER)
    if failing:
        upstream.answers = model_error(500)
    phone.ask("superb")
    expect(phone.find("#status .failed" if failing else "#verdict")).to_be_in_viewport(ratio=1)


def test_a_review_that_is_not_taken_leaves_no_earlier_answer(visit: Visit) -> None:
    for review in ("", "a" * 100_000):
        visit.open().ask("superb")
        expect(visit.find("#verdict")).to_be_visible()
        visit.ask(review)
        expect(visit.find("#problem")).not_to_be_empty()
        visit.shows_no_sentiment()


def test_the_colours_are_explained_only_where_there_are_some(visit: Visit) -> None:
    visit.open().ask("p=0.55 film")
    expect(visit.find("#verdict")).to_be_visible()
    assert visit.find("#decided mark").count() == 0
    expect(visit.find("#answer")).not_to_contain_text("Colour")
    expect(visit.find("#answer")).to_contain_text("No single word")


@pytest.mark.parametrize("field", ["#review", "#pasted"])
def test_right_to_left_text_is_written_from_the_right(visit: Visit, field: str) -> None:
    visit.open("#many" if field == "#pasted" else "")
    visit.find(field).fill("סרט נפלא")
    expect(visit.find(field)).to_have_css("direction", "rtl")


@pytest.mark.parametrize(
    "changes",
    [{"probability": "0.96"}, {"explanation": {"words": "superb"}}, {"explanation": {"words": [7]}}],
)
def test_half_an_answer_is_none(visiting: Visiting, changes: dict) -> None:
    answer = {
        "sentiment": "positive",
        "probability": 0.96,
        "model_version": "3f2a",
        "milliseconds": 7,
        **changes,
    }
    with gateway(lambda request: Response(200, {}, json.dumps(answer).encode())) as url:
        visit = visiting(url).open()
        visit.tolerated.append("TypeError")
        visit.ask("superb")
        expect(visit.find("#status")).to_contain_text("says nothing about your review")
        visit.shows_no_sentiment()


def test_a_correction_that_fails_leaves_the_focus_where_it_was(visit: Visit, upstream: Upstream) -> None:
    visit.tolerated.append(FAILED_ANSWER)
    visit.open().ask("superb")
    visit.button("Wrong?").click()
    visit.context.set_offline(True)
    visit.page.keyboard.press("Enter")
    expect(visit.find("#answer")).to_contain_text("Not kept")
    assert visit.focused() == "button It is negative"
