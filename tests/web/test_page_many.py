"""Many reviews on the page: brought in every way, and told why when they cannot be."""

import re

import pytest
from browser import Visit, counts, done, downloaded, score, sent, shown
from playwright.sync_api import expect
from upstream import Upstream


def test_each_pasted_line_is_a_review(visit: Visit, upstream: Upstream) -> None:
    visit.open("#many").paste("superb\n\n  \nbad, really\r\np=0.5")
    expect(visit.find("#found")).to_contain_text("3 reviews")
    score(visit)
    done(visit, 3)
    assert sent(upstream) == ["superb", "bad, really", "p=0.5"]
    assert shown(visit) == [
        ["1", "superb", "positive", "96 %"],
        ["2", "bad, really", "negative", "4 %"],
        ["3", "p=0.5", "uncertain", "50 %"],
    ]


FILES = {
    "quotes and newlines": (
        'id,review\n1,"superb, ""so""\nto say"\n2,bad\n',
        ['superb, "so"\nto say', "bad"],
    ),
    "Windows' line ends and a BOM": (
        '\ufeffreview,id\r\n"superb\r\nfilm",1\r\nbad,2\r\n',
        ["superb\r\nfilm", "bad"],
    ),
    "semicolons": ('id;text\n1;"superb; really"\n2;bad, too\n', ["superb; really", "bad, too"]),
    "tabs": ("id\tReview\n1\tsuperb, really\n2\tbad\n", ["superb, really", "bad"]),
    "a quoted header": ('"sentiment","Review"\n"1","superb"\n"0","bad"\n', ["superb", "bad"]),
    "no line end at the end": ("review\nsuperb\nbad", ["superb", "bad"]),
    "empty reviews among them": ('id,review\n1,superb\n2,\n3,"  "\n4,bad\n', ["superb", "bad"]),
    "emoji and accents": ('review\nsuperb 🎬\n"médiocre, bad"\n', ["superb 🎬", "médiocre, bad"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_csv_file_is_read_as_spreadsheets_write_it(visit: Visit, upstream: Upstream, name: str) -> None:
    content, reviews = FILES[name]
    visit.open("#many").bring("reviews.csv", content.encode())
    expect(visit.find("#found")).to_contain_text(f"{len(reviews)} reviews")
    expect(visit.find("#found")).to_contain_text("reviews.csv")
    score(visit)
    done(visit, len(reviews))
    assert sent(upstream) == reviews


REFUSED = {
    "an open quote": ("a.csv", b'review\n"superb\nbad\n', "quote"),
    "not UTF-8": ("a.csv", "review\nmédiocre\n".encode("latin-1"), "UTF-8"),
    "a picture": ("a.csv", b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "UTF-8"),
    "an empty file": ("a.txt", b"", "no review"),
    "blank lines": ("a.txt", b" \n\n\t\n", "no review"),
    "a header alone": ("a.csv", b"review,label\n", "no review"),
    "no column of reviews": ("a.csv", b"id,opinion\n1,superb\n", "review or text"),
    "a comma without quotes": ("a.csv", b"review\nsuperb, really\n", "quotes"),
    "5,001 reviews": ("a.txt", b"superb\n" * 5_001, "5,001 reviews; at most 5,000"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_taken_is_told_why_and_sends_nothing(visit: Visit, name: str) -> None:
    file, content, said = REFUSED[name]
    visit.open("#many").paste("superb")
    visit.bring(file, content)
    expect(visit.find("#many-problem")).to_contain_text(said)
    expect(visit.find("#start")).to_be_disabled()
    expect(visit.find("#found")).to_be_empty()
    visit.bring(file, b"review\nsuperb\n")  # the same one, mended
    expect(visit.find("#many-problem")).to_be_empty()
    expect(visit.find("#start")).to_be_enabled()
    assert visit.asked() == 0


@pytest.mark.parametrize("kind", ["file", "text"])
def test_what_is_dropped_is_read(visit: Visit, upstream: Upstream, kind: str) -> None:
    visit.open("#many")
    made = {
        "file": "data.items.add(new File(['text\\nsuperb\\nbad\\n'], 'dropped.csv', { type: 'text/csv' }))",
        "text": "data.setData('text/plain', 'superb\\nbad')",
    }
    data = visit.page.evaluate_handle(
        f"() => {{ const data = new DataTransfer(); {made[kind]}; return data; }}"
    )
    for event in ("dragover", "drop"):
        visit.find("#drop").dispatch_event(event, {"dataTransfer": data})
    expect(visit.find("#found")).to_contain_text("2 reviews")
    expect(visit.find("#drop")).not_to_have_class(re.compile("over"))
    score(visit)
    done(visit, 2)
    assert sent(upstream) == ["superb", "bad"]


def test_a_review_that_is_too_long_spoils_no_other(visit: Visit, upstream: Upstream) -> None:
    visit.open("#many").paste("superb\n" + "a" * 20_001 + "\nbad\n" + "🎬" * 20_000)
    score(visit)
    done(visit, 4)
    assert [row[2] for row in shown(visit)] == ["positive", "too long", "negative", "positive"]
    assert sent(upstream) == ["superb", "bad", "🎬" * 20_000]
    assert counts(visit) == {"positive": 2, "negative": 1, "not answered": 1}
    assert [row[4] for row in downloaded(visit)] == ["", "too long", "", ""]
