"""Many reviews scored: in groups, cancelled, gone on with, counted, downloaded."""

import json
from typing import Any

import pytest
from browser import FAILED_ANSWER, Visit, counts, done, downloaded, held, score, sent, shown
from playwright.sync_api import expect
from upstream import VERSION, Reply, Upstream, fault, good, model_error, probability


def test_5000_reviews_are_taken_and_none_is_lost_or_doubled(visit: Visit, upstream: Upstream) -> None:
    reviews = [f"p={place / 5_000:.4f} film {place}" for place in range(5_000)]
    visit.open("#many").bring("reviews.txt", "\n".join(reviews).encode())
    score(visit)
    done(visit, 5_000)
    assert sent(upstream) == reviews
    rows = downloaded(visit)
    assert [row[0] for row in rows] == reviews
    assert [float(row[2]) for row in rows] == [probability(review) for review in reviews]
    assert sum(counts(visit).values()) == 5_000
    visit.find("#more").click()
    expect(visit.find("#rows tr")).to_have_count(200)


def test_2000_reviews_are_cancelled_in_the_middle_and_gone_on_with(visit: Visit, upstream: Upstream) -> None:
    reviews = [f"{'superb' if place % 3 else 'bad'} {place}" for place in range(2_000)]
    visit.open("#many").bring("reviews.txt", "\n".join(reviews).encode())
    with held(upstream, after=10):
        score(visit)
        expect(visit.find("#progress-text")).to_contain_text("500 of 2,000")
        assert visit.find("#progress").evaluate("e => [e.value, e.max]") == [500, 2_000]
        expect(visit.find("#pasted, #file, #start").and_(visit.find(":disabled"))).to_have_count(3)
        visit.button("Cancel").click()
        expect(visit.find("#progress-text")).to_contain_text("Cancelled. 500 of 2,000")
        expect(visit.find("#cancel")).to_be_hidden()
        assert [row[0] for row in downloaded(visit)] == reviews[:500]
    visit.button("Go on with the other 1,500").click()
    done(visit, 2_000)
    rows = downloaded(visit)
    assert [row[0] for row in rows] == reviews
    assert {row[1] for row in rows[::3]} == {"negative"} and {row[1] for row in rows[1::3]} == {"positive"}
    assert counts(visit) == {"positive": 1_333, "negative": 667}


@pytest.mark.parametrize("failing", [fault("ThrottlingException", 429), model_error(503)], ids=["429", "503"])
def test_told_to_come_later_it_goes_on_by_itself(visit: Visit, upstream: Upstream, failing: Any) -> None:
    visit.tolerated.append(FAILED_ANSWER)
    reviews = [f"superb {place}" for place in range(150)]
    upstream.answers = lambda content: failing(content) if len(upstream.asked) == 2 else good(content)
    visit.open("#many").paste("\n".join(reviews))
    score(visit)
    done(visit, 150)
    assert sent(upstream) == reviews[:50] + reviews[50:100] + reviews[50:]
    assert [row[:2] for row in downloaded(visit)] == [[review, "positive"] for review in reviews]


@pytest.mark.parametrize(
    ("failing", "said"),
    [(model_error(500), "The model failed"), (fault("ValidationError", 400), "No model is deployed"),
     (lambda content: Reply(json.dumps([]).encode()), "The model failed")],
    ids=["500", "not deployed", "another shape"],
)  # fmt: skip
def test_when_the_model_fails_in_the_middle_what_is_done_is_kept(
    visit: Visit, upstream: Upstream, failing: Any, said: str
) -> None:
    visit.tolerated.append(FAILED_ANSWER)
    reviews = [f"superb {place}" for place in range(150)]
    upstream.answers = lambda content: failing(content) if len(upstream.asked) == 2 else good(content)
    visit.open("#many").paste("\n".join(reviews))
    score(visit)
    expect(visit.find("#progress-text")).to_contain_text(said)
    expect(visit.find("#progress-text")).to_contain_text("50 of 150")
    assert counts(visit) == {"positive": 50} and len(downloaded(visit)) == 50
    visit.button("Go on with the other 100").click()
    done(visit, 150)
    assert [row[0] for row in downloaded(visit)] == reviews


def test_offline_in_the_middle_is_told_and_gone_on_with(visit: Visit, upstream: Upstream) -> None:
    visit.tolerated.append(FAILED_ANSWER)
    visit.open("#many").paste("\n".join(f"superb {place}" for place in range(120)))
    with held(upstream, after=1) as let_go:
        score(visit)
        expect(visit.find("#progress-text")).to_contain_text("50 of 120")
        visit.context.set_offline(True)
        let_go()
        expect(visit.find("#progress-text")).to_contain_text("offline")
    visit.context.set_offline(False)
    visit.find("#start").click()
    done(visit, 120)


def test_the_filter_the_summary_the_chart_and_the_file_tell_the_same(visit: Visit) -> None:
    reviews = [f"p={place / 59:.3f}" for place in range(60)] + ["a" * 20_001]
    visit.open("#many").paste("\n".join(reviews))
    score(visit)
    done(visit, 61)
    table = shown(visit)
    found = counts(visit)
    assert sum(found.values()) == 61 and found["not answered"] == 1
    for name, count in found.items():
        visit.find("#filter").select_option(name)
        expect(visit.find("#rows tr")).to_have_count(count)
        assert shown(visit) == [
            row for row in table if row[2] == ("too long" if name == "not answered" else name)
        ]
    rows = downloaded(visit)
    assert len(rows) == 61, "a filter hides, and drops nothing"
    bins = [0] * 20
    for row in rows[:60]:
        bins[min(19, int(float(row[2]) * 20))] += 1
    titles = visit.find("#summary rect title").all_text_contents()
    assert [int(title.split()[0]) for title in titles] == bins
    visit.find("#filter").select_option("")
    expect(visit.find("#rows tr")).to_have_count(61)


def test_a_spreadsheet_finds_no_formula_in_the_file(visit: Visit) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://example.org", "superb")']
    harmless = ["superb = 1", "a - b", '"quoted"', "comma, and; more"]
    visit.open("#many").paste("\n".join(formulas + harmless))
    score(visit)
    done(visit, len(formulas + harmless))
    rows = downloaded(visit)
    assert [row[0] for row in rows] == [f"'{each}" for each in formulas] + harmless
    assert {row[3] for row in rows} == {VERSION}


def test_pressed_twice_it_scores_once(visit: Visit, upstream: Upstream) -> None:
    visit.open("#many").paste("superb\nbad")
    with held(upstream) as let_go:
        visit.find("#start").dblclick()
        visit.find("#load").evaluate("form => form.requestSubmit()")
        let_go()
        done(visit, 2)
    assert visit.asked() == 1


def test_results_are_gone_after_a_reload(visit: Visit) -> None:
    visit.open("#many").paste("superb\nbad")
    score(visit)
    done(visit, 2)
    visit.page.reload()
    expect(visit.find("#many")).to_be_visible()
    expect(visit.find("#results")).to_be_hidden()
