"""One review on the page: what is shown for an answer, and what never leaves the page."""

import json
import re

import pytest
from browser import Visit, held
from pages import LocalPage
from playwright.sync_api import expect
from upstream import PACKAGE, VERSION, Upstream, changed, explained

FAMILY = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"  # five code points, one sign
CAFE = "cafe\N{COMBINING ACUTE ACCENT}"


@pytest.mark.parametrize(
    ("probability", "sentiment", "said", "share"),
    [
        (0.999, "positive", "Very likely positive", "over 99 %"),
        (0.9, "positive", "Likely positive", "90 %"),
        (0.7, "positive", "Probably positive", "70 %"),
        (0.3, "negative", "Probably negative", "70 %"),
        (0.12, "negative", "Likely negative", "88 %"),
        (0.0, "negative", "Very likely negative", "over 99 %"),
    ],
)
def test_a_sentiment_is_said_in_words_with_its_probability(
    visit: Visit, probability: float, sentiment: str, said: str, share: str
) -> None:
    visit.open().ask(f"p={probability}")
    expect(visit.find("#verdict")).to_have_text(said)
    expect(visit.find("#verdict")).to_have_class(f"verdict {sentiment}")
    expect(visit.find("#answer .detail")).to_contain_text(f"{share} to {sentiment}")
    bar = visit.page.get_by_role("meter", name="Probability of positive")
    expect(bar).to_have_attribute("aria-valuenow", str(round(100 * probability)))
    expect(visit.find("#told")).to_contain_text(said)  # to a screen reader
    expect(visit.find("#status")).to_be_empty()


@pytest.mark.parametrize(("probability", "side"), [(0.31, "negative"), (0.5, "positive"), (0.69, "positive")])
def test_an_uncertain_score_is_shown_as_neither(visit: Visit, probability: float, side: str) -> None:
    visit.open().ask(f"p={probability}")
    expect(visit.find("#verdict")).to_have_class("verdict uncertain")
    expect(visit.find("#verdict")).not_to_have_text(re.compile("positive|negative", re.I))
    expect(visit.find("#answer .detail")).to_contain_text(f"leans towards {side}")
    expect(visit.find("#answer .mark")).to_have_class("mark uncertain")


def test_an_answer_tells_who_gave_it(visit: Visit) -> None:
    visit.open().ask("superb")
    about = visit.find("#about")
    expect(about).to_contain_text(f"version {PACKAGE['version']} ({VERSION})")
    expect(about).to_contain_text("91.5 % of 2,490 test reviews")
    expect(about).to_contain_text(re.compile(r"in \d+\sms"))


def test_a_model_that_was_told_nothing_of_itself_has_its_version_only(
    visit: Visit, upstream: Upstream
) -> None:
    upstream.answers = changed(model_package=None, explanation=None)
    visit.open().ask("superb")
    expect(visit.find("#about")).to_contain_text(VERSION)
    expect(visit.find("#about")).not_to_contain_text("%")
    expect(visit.find("#decided")).to_have_text("superb")
    assert visit.find("#decided mark").count() == 0


@pytest.mark.parametrize("review", ["", " ", "\n\t \u00a0\u3000\n"])
def test_an_empty_review_is_asked_for_and_not_sent(visit: Visit, review: str) -> None:
    visit.open().ask(review)
    expect(visit.find("#problem")).to_contain_text("Write a review")
    expect(visit.find("#review")).to_have_attribute("aria-invalid", "true")
    expect(visit.find("#review")).to_be_focused()
    visit.shows_no_sentiment()
    assert visit.asked() == 0
    visit.write("superb")
    expect(visit.find("#problem")).to_be_empty()
    expect(visit.find("#review")).not_to_have_attribute("aria-invalid", "true")


def test_100000_characters_are_told_and_not_sent(visit: Visit) -> None:
    visit.open().ask("a" * 100_000)
    expect(visit.find("#problem")).to_contain_text("100,000 characters")
    expect(visit.find("#problem")).to_contain_text("20,000")
    expect(visit.find("#count")).to_have_class(re.compile("over"))
    visit.shows_no_sentiment()
    assert visit.asked() == 0


def test_the_limit_counts_characters_as_the_handler_does(visit: Visit, upstream: Upstream) -> None:
    """An emoji is two of JavaScript's units, and one character."""
    visit.open().ask("\N{CLAPPER BOARD}" * 20_000)
    expect(visit.find("#verdict")).to_be_visible()
    assert len(upstream.asked[-1]["review"]) == 20_000
    visit.ask("\N{CLAPPER BOARD}" * 20_001)
    expect(visit.find("#problem")).to_contain_text("20,001 characters")
    assert len(upstream.asked) == 1


def test_the_words_that_decided_are_marked_by_side_and_strength(visit: Visit, upstream: Upstream) -> None:
    changes = {"superb": 2.0, "weak": -1.2, "slow": -0.4, "the": 0.1}
    upstream.answers = explained(lambda review: _places(review, changes))
    review = "superb acting, the weak and slow story"
    visit.open().ask(review)
    expect(visit.find("#decided")).to_have_text(review)
    assert _marks(visit) == [
        ("superb", "positive level-4"),
        ("weak", "negative level-3"),
        ("slow", "negative level-1"),
    ]
    expect(visit.find("#answer .sides")).to_contain_text("towards positive superb")
    expect(visit.find("#answer .sides")).to_contain_text("towards negative weak, slow")


def test_marks_cover_exactly_the_words_among_emoji_and_combining_characters(
    visit: Visit, upstream: Upstream
) -> None:
    changes = {"großartig": 2.0, CAFE: -2.0, "𝒢reat": 2.0, FAMILY: -2.0, "end": 2.0}
    upstream.answers = explained(lambda review: _places(review, changes))
    review = f"🎬🎬 großartig, {CAFE}! 𝒢reat: {FAMILY} 🇫🇷 end"
    visit.open().ask(review)
    assert visit.find("#decided").text_content() == review
    assert [text for text, _ in _marks(visit)] == list(changes)


def test_right_to_left_text_reads_from_the_right(visit: Visit, upstream: Upstream) -> None:
    review = "סרט נפלא, superb, משחק מצוין"
    upstream.answers = explained(lambda review: _places(review, {"נפלא": 2.0, "מצוין": -2.0}))
    visit.open().ask(review)
    expect(visit.find("#decided")).to_have_css("direction", "rtl")
    assert visit.find("#decided").text_content() == review
    assert [text for text, _ in _marks(visit)] == ["נפלא", "מצוין"]
    visit.ask("superb")
    expect(visit.find("#decided")).to_have_css("direction", "ltr")


def test_what_the_model_did_not_read_is_shown_as_such(visit: Visit, upstream: Upstream) -> None:
    review = "superb " * 3 + "unread " * 4 + "weak"
    unread = [review.index("unread"), review.index(" weak")]
    found = {
        "method": "hidden_words",
        "words": [[0, 6, 2.0], [len(review) - 4, len(review), -2.0]],
        "words_read": 4,
        "words_total": 8,
        "skipped": unread,
    }
    upstream.answers = changed(explanation=found)
    visit.open().ask(review)
    assert visit.find("#decided").text_content() == review
    assert visit.find("#decided .skipped").text_content() == review[slice(*unread)]
    expect(visit.find("#answer")).to_contain_text("reads 4 of the 8 words")


def test_an_example_is_asked_about_at_once(visit: Visit, upstream: Upstream) -> None:
    visit.open()
    examples = visit.find("#example-buttons button")
    for place in range(examples.count()):
        examples.nth(place).click()
        expect(visit.find("#verdict")).to_be_visible()
        expect(visit.find("#decided")).to_have_text(visit.find("#review").input_value())
    assert len(upstream.asked) == examples.count() > 2


@pytest.mark.parametrize("again", ["double click", "double Ctrl+Enter", "click and Ctrl+Enter"])
def test_asked_twice_at_once_is_asked_once(visit: Visit, upstream: Upstream, again: str) -> None:
    visit.open().write("superb")
    with held(upstream) as let_go:
        if again == "double click":
            visit.find("#submit").dblclick()
        elif again == "double Ctrl+Enter":
            visit.find("#review").press("Control+Enter")
            visit.find("#review").press("Control+Enter")
        else:
            visit.find("#submit").click()
            visit.find("#review").press("Control+Enter")
        expect(visit.find("#status")).to_contain_text("Asking")
        let_go()
        expect(visit.find("#verdict")).to_be_visible()
    assert visit.asked() == len(upstream.asked) == 1


def test_a_slow_answer_is_waited_for_and_said_so(visit: Visit, upstream: Upstream) -> None:
    visit.open()
    with held(upstream) as let_go:
        visit.ask("superb")
        expect(visit.find("#status")).to_contain_text("Still waiting")
        visit.shows_no_sentiment()
        let_go()
        expect(visit.find("#verdict")).to_contain_text("positive")
    expect(visit.find("#status")).to_be_empty()


@pytest.mark.parametrize(
    ("probability", "choice", "others"),
    [(0.96, "negative", 1), (0.04, "positive", 1), (0.5, "negative", 2), (0.55, "positive", 2)],
)
def test_a_correction_is_kept_as_a_record_of_the_next_training_set(
    visit: Visit, local_page: LocalPage, probability: float, choice: str, others: int
) -> None:
    review = f"Not the film for me 🎬, p={probability}\nEnd"
    before = local_page.corrections().keys()
    visit.open().ask(review)
    visit.button("Wrong?").click()
    assert visit.page.get_by_role("button", name="It is").count() == others
    assert local_page.corrections().keys() == before, "not before a label is chosen"
    visit.button(f"It is {choice}").click()
    expect(visit.find("#answer")).to_contain_text(f"Kept as {choice}")
    stored = local_page.corrections()
    (name,) = stored.keys() - before
    assert json.loads(stored[name]) == {
        "review": review,
        "label": choice,
        "probability": probability,
        "model_version": VERSION,
    }


def test_a_correction_can_be_thought_better_of(visit: Visit, local_page: LocalPage) -> None:
    before = local_page.corrections()
    visit.open().ask("superb")
    visit.button("Wrong?").click()
    visit.button("Never mind").click()
    expect(visit.find("#wrong")).to_be_focused()
    assert visit.asked("corrections") == 0 and local_page.corrections() == before


def _places(review: str, changes: dict[str, float]) -> list[list[float]]:
    """In the order of the review, in Python's characters, which are code points."""
    starts = {word: review.index(word) for word in changes if word in review}
    return [
        [starts[word], starts[word] + len(word), changes[word]] for word in sorted(starts, key=starts.get)
    ]


def _marks(visit: Visit) -> list[tuple[str, str]]:
    expect(visit.find("#verdict")).to_be_visible()
    marks = visit.find("#decided mark")
    return [tuple(each) for each in marks.evaluate_all("all => all.map(e => [e.textContent, e.className])")]
