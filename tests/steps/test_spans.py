from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts_of

from shared import imdb_rows
from spans import locate
from text import RECIPES, tokenize

DEFAULT, SEED = RECIPES["default"], RECIPES["seed"]
anything = st.text(st.characters(exclude_categories=()), max_size=200)  # lone surrogates too
pieces = [
    *("<b>", "<br />", "</", "<", ">", "&lt;b&gt;", "&amp;", "&amp", "&ampgood,bad", "&eacute", "&eacute;"),
    *(
        "&#39;",
        "&#5",
        "&#x80;",
        "&#0;",
        "&#57;/10",
        "&NotEqualTilde;",
        "&fjlig;",
        "&unknown,words;",
        "&",
        ";",
    ),
    *(
        "İ",
        "Σ",
        "ΑΣ",
        "ß",
        "Ǆ",
        "’",
        "'",
        "don’t",
        "!",
        "!!!",
        "?",
        "9/10",
        "_",
        " ",
        ":",
        "😀",
        "e\u0301",
        "good",
    ),
]
markup = st.lists(st.sampled_from(pieces)).map("".join)


@pytest.mark.parametrize(
    ("review", "places"),
    [
        ("Good film.", ["Good", "film"]),
        ("<b>Don&#39;t!</b>", ["Don&#39;t", "!"]),
        ("a<br /><br />b", ["a", "b"]),
        ("caf&eacute; caf&eacute au", ["caf&eacute;", "caf&eacute", "au"]),
        ("&ampgood,bad Q&A,however", ["good", "bad", "Q", "A", "however"]),
        ("&lt;i&gt; &#57;/10", ["i", "&#57;/10"]),
        ("İstanbul İ", ["İ", "stanbul", "İ"]),
        ("ΟΔΟΣ ΣΟΣ", ["ΟΔΟΣ", "ΣΟΣ"]),
        ("It’s great!!!", ["It’s", "great", "!!", "!"]),
        ("😀 good 😀", ["good"]),
        ("...", []),
        ("", []),
    ],
)
def test_places_of_words(review, places):
    spans = locate(review, DEFAULT)
    assert [review[start:end] for _, start, end in spans] == places


def check(review: str, recipe) -> None:
    """The words are those that are read, they follow one another, and each is what its place reads as."""
    spans = locate(review, recipe)
    assert [word for word, _, _ in spans] == tokenize(review, recipe)
    ends = [0, *(end for _, _, end in spans)]
    assert all(before <= start < end for before, (_, start, end) in zip(ends, spans, strict=False))
    for word, start, end in spans:
        # A sigma is final or not by what is around the word, too.
        stand = [each.replace("ς", "σ") for each in tokenize(review[start:end], recipe)]
        assert stand == [word.replace("ς", "σ")]


@given(review=anything | markup)
def test_every_word_of_any_text_is_located(review):
    check(review, DEFAULT)


@given(review=(anything | markup).map(lambda text: text.replace("<", "").replace("&", "")))
def test_the_seed_recipe_locates_its_words_where_there_is_no_markup(review):
    check(review, SEED)


@given(review=anything | markup)
def test_of_the_seed_recipe_there_are_right_places_or_none(review):
    if locate(review, SEED) is None:
        assert "<" in review or "&" in review
    else:
        check(review, SEED)


def test_real_reviews(small_reviews):
    found = Counter()
    for review in texts_of(small_reviews):
        check(review, DEFAULT)
        found["<br />"] += "<br />" in review
        if "<" not in review and "&" not in review:
            check(review, SEED)
            found["plain"] += 1
    assert found["<br />"] > 100 and found["plain"] > 100


def test_every_real_review_is_located():
    assert all(locate(row["text"], DEFAULT) is not None for row in imdb_rows())
