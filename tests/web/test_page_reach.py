"""The page by keyboard alone, on a phone, and in the dark."""

from collections.abc import Iterator

import pytest
from browser import FAILED_ANSWER, PHONE, Visit, Visiting, done, held, score
from pages import LocalPage
from playwright.sync_api import expect
from upstream import Upstream, model_error

FOCUSABLE = "a[href], button, textarea, select, input, [tabindex='0']"


@pytest.fixture
def phone(visiting: Visiting, local_page: LocalPage, upstream: Upstream) -> Visit:
    return visiting(local_page.url, viewport=PHONE, has_touch=True)


def tab_to(visit: Visit, element: str) -> None:
    for _ in range(40):
        if visit.focused() == element:
            return
        visit.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {element}")


def reached(visit: Visit) -> Iterator[str]:
    """What Tab reaches, from the top of the page to its end; after which it begins at the top."""
    while visit.focused() != "body":
        visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Tab")
    while (found := visit.focused()) != "body":
        yield found
        visit.page.keyboard.press("Tab")


def focusable(visit: Visit) -> list[str]:
    """Whatever is to be used, in the order in which it is read."""
    return visit.find(FOCUSABLE).evaluate_all(
        "all => all.filter((e) => e.checkVisibility() && !e.disabled)"
        ".map((e) => e.localName + (e.id ? '#' + e.id : ' ' + e.textContent))"
    )


def test_tab_reaches_everything_in_its_order(visit: Visit) -> None:
    visit.open()
    for review in ("superb", "bad " * 1_000):
        visit.ask(review)
        expect(visit.find("#answer")).to_be_visible()
    everything = focusable(visit)
    assert {"a#to-many", "textarea#review", "button#submit", "button Praise", "p#decided"} < set(everything)
    assert list(reached(visit)) == everything


def test_tab_reaches_everything_among_many_reviews(visit: Visit) -> None:
    visit.open("#many").bring("reviews.txt", b"superb\n" * 150)
    score(visit)
    done(visit, 150)
    everything = focusable(visit)
    assert {"input#file", "button#start", "select#filter", "button#download", "button#more"} < set(everything)
    assert list(reached(visit)) == everything


@pytest.mark.parametrize("keys", ["Control+Enter", "Meta+Enter"])
def test_a_review_is_written_asked_about_and_marked_as_wrong_by_keyboard(
    visit: Visit, local_page: LocalPage, keys: str
) -> None:
    before = len(local_page.corrections())
    visit.open()
    tab_to(visit, "textarea#review")
    visit.page.keyboard.type("superb")
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.type("film")
    assert visit.asked() == 0, "Enter alone is a new line"
    visit.page.keyboard.press(keys)
    expect(visit.find("#decided")).to_have_text("superb\nfilm", use_inner_text=True)
    assert visit.focused() == "textarea#review"
    tab_to(visit, "button#wrong")
    visit.page.keyboard.press("Enter")
    assert visit.focused() == "button It is negative"
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")  # Never mind
    assert visit.focused() == "button#wrong"
    visit.page.keyboard.press("Space")
    visit.page.keyboard.press("Enter")
    expect(visit.find("#answer")).to_contain_text("Kept as negative")
    assert "Thank you" in visit.focused(), "a screen reader reads it, and the next Tab goes on from here"
    assert len(local_page.corrections()) == before + 1


def test_the_focus_is_never_lost_while_many_reviews_are_scored(visit: Visit, upstream: Upstream) -> None:
    visit.open("#many").bring("reviews.txt", b"superb\n" * 150)
    tab_to(visit, "button#start")
    with held(upstream, after=1):
        visit.page.keyboard.press("Enter")
        expect(visit.find("#progress-text")).to_contain_text("50 of 150")
        assert visit.focused() == "button#cancel"
        visit.page.keyboard.press("Enter")
        expect(visit.find("#progress-text")).to_contain_text("Cancelled")
        assert visit.focused() == "button#start"
    visit.page.keyboard.press("Enter")
    done(visit, 150)
    assert visit.focused() == "button#start"


def test_a_screen_reader_is_told_what_happens(visit: Visit, upstream: Upstream) -> None:
    """Through regions that are there from the beginning: what is said in new ones is not read."""
    visit.tolerated.append(FAILED_ANSWER)
    visit.open()
    visit.page.evaluate(
        "globalThis.said = []; new MutationObserver((all) => all.forEach(({ target }) => {"
        "const live = target.closest?.('[role=status], [role=alert]');"
        "if (live?.textContent) said.push(live.textContent); }))"
        ".observe(document.body, { subtree: true, childList: true })"
    )
    visit.ask("")
    visit.ask("bad")
    expect(visit.find("#verdict")).to_be_visible()
    upstream.answers = model_error(500)
    visit.ask("superb")
    expect(visit.find("#status")).to_contain_text("failed")
    said = visit.page.evaluate("said")
    expected = ["Write a review", "Asking", "Very likely negative", "Asking", "The model failed"]
    heard = iter(said)
    assert all(any(words in text for text in heard) for words in expected), said


def test_dark_is_dark_and_light_is_light(
    visiting: Visiting, local_page: LocalPage, upstream: Upstream
) -> None:
    brightness = "[document.body, document.getElementById('answer')].map((e) => getComputedStyle(e))"
    brightness += (
        ".map((s) => [s.backgroundColor, s.color].map((c) => Math.max(...c.match(/\\d+/g).map(Number))))"
    )
    seen = {}
    for scheme in ("light", "dark"):
        visit = visiting(local_page.url, color_scheme=scheme).open()
        visit.ask("superb")
        expect(visit.find("#answer")).to_be_visible()
        seen[scheme] = visit.page.evaluate(brightness)
    assert all(paper > 200 and ink < 100 for paper, ink in seen["light"])
    assert all(paper < 60 and ink > 200 for paper, ink in seen["dark"])


@pytest.mark.parametrize("review", ["wonderful " * 30, "w" * 19_000, "https://example.org/" + "a-b_" * 200])
def test_a_phone_never_scrolls_sideways(phone: Visit, review: str) -> None:
    phone.open().ask(review)
    expect(phone.find("#verdict")).to_be_visible()
    phone.ask(f"another {review}"[:20_000])
    expect(phone.find("#history-list li")).to_have_count(2)
    phone.fits()
    phone.ask(review * 700 if len(review) < 1_000 else review + review)
    expect(phone.find("#problem")).not_to_be_empty()
    phone.fits()
    phone.open("#many").bring("a-long-name-" * 15 + ".txt", f"{review}\nbad\n{'a' * 20_001}".encode())
    phone.fits()
    score(phone)
    done(phone, 3)
    phone.fits()


@pytest.mark.parametrize("element", ["#submit", ".example", "#wrong", "#start", "#to-many"])
def test_a_finger_hits_what_is_to_be_pressed(phone: Visit, element: str) -> None:
    """24 pixels at least (WCAG 2.2, 2.5.8)."""
    phone.open()
    phone.ask("superb")
    expect(phone.find("#verdict")).to_be_visible()
    if element == "#start":
        phone.open("#many")
    box = phone.find(element).first.bounding_box()
    assert box and min(box["width"], box["height"]) >= 24
