"""The page's CSV, read and written in the browser, against Python's csv module."""

import csv
import io
import itertools
import random
from pathlib import Path

import pytest
from browser import Visit

ALPHABET = [
    "a",
    "é",
    "🎬",
    "e\N{COMBINING ACUTE ACCENT}",
    " ",
    '"',
    ",",
    ";",
    "\t",
    "\n",
    "\r\n",
    "'",
    "=",
    "-",
    "@",
]
TABLES = 300


@pytest.fixture
def tables() -> list[list[list[str]]]:
    """Of all sizes; no row is one empty cell, which no one can tell from an empty line."""
    chance = random.Random(5)

    def cell() -> str:
        return "".join(chance.choices(ALPHABET, k=chance.choice([0, 1, 2, 5, 20])))

    return [
        [
            [cell() or "x" for _ in range(columns)] if columns == 1 else [cell() for _ in range(columns)]
            for _ in range(rows)
        ]
        for rows, columns in ((chance.randint(1, 6), chance.randint(1, 4)) for _ in range(TABLES))
    ]


def test_what_python_writes_the_page_reads(visit: Visit, tables: list[list[list[str]]]) -> None:
    visit.open()
    for separator, line_end in itertools.product([",", ";", "\t"], ["\r\n", "\n"]):
        texts = []
        for table in tables:
            stream = io.StringIO(newline="")
            csv.writer(stream, delimiter=separator, lineterminator=line_end).writerows(table)
            texts.append(stream.getvalue())
        read = visit.page.evaluate(
            "async ([texts, separator]) => { const { parse } = await import('/csv.js');"
            "return texts.map((text) => parse(text, separator)); }",
            [texts, separator],
        )
        assert read == tables


def test_what_the_page_writes_python_reads(visit: Visit, tables: list[list[list[str]]]) -> None:
    written = visit.open().page.evaluate(
        "async (tables) => { const { format } = await import('/csv.js'); return tables.map(format); }", tables
    )
    for table, text in zip(tables, written, strict=True):
        guarded = [
            [f"'{cell}" if cell.startswith(("=", "-", "@", "\t", "\r")) else cell for cell in row]
            for row in table
        ]
        assert list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))) == guarded


def test_a_quote_that_stays_open_is_an_error(visit: Visit) -> None:
    visit.open()
    for text in ('a,"b', '"', 'a\n"b""', '"a"\n"b\n'):
        told = visit.page.evaluate(
            "async (text) => { const { parse } = await import('/csv.js');"
            "try { return parse(text); } catch (error) { return error.message; } }",
            text,
        )
        assert "quote" in told


def test_the_real_reviews_are_read_as_python_reads_them(visit: Visit, small_reviews: Path) -> None:
    with small_reviews.open(encoding="utf-8", newline="") as stream:
        expected = [row["review"] for row in csv.DictReader(stream)]
    assert reviews_of(visit.open(), small_reviews.read_bytes().decode()) == (expected, "review")


def test_prose_is_a_review_a_line(visit: Visit) -> None:
    visit.open()
    for text in (
        "Reviewed twice, and superb\nbad",
        '"Superb", they said\nbad',
        "A text, a film\nbad",
        'a;b\tc,d\n"open',
        "superb",
        "one\r\ntwo\r\n",
    ):
        assert reviews_of(visit, text) == (text.splitlines(), None)


def reviews_of(visit: Visit, text: str) -> tuple[list[str], str | None]:
    read = visit.page.evaluate("async (text) => (await import('/csv.js')).reviewsOf(text)", text)
    return read["reviews"], read["column"]
