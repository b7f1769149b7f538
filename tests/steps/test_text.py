import re
from collections import Counter
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from nltk.stem.porter import PorterStemmer
from support import run_python, texts_of

from text import INFREQUENT, RECIPES, Vocabulary, cut, encode_review, stop_words, tokenize

DEFAULT, SEED = RECIPES["default"], RECIPES["seed"]
anything = st.text(st.characters(exclude_categories=()), max_size=300)  # lone surrogates too
pieces = ["<b>", "</", "<!--", "-->", "<![", "<?xml", "&amp;", "&#5", "'", "!", "9/10", "don't", "a.txt"]
markup = st.lists(st.sampled_from(pieces)).map("".join)


@pytest.mark.parametrize(
    ("review", "words"),
    [
        ("Didn't I<br /><br />love it?! 9/10", ["didn't", "i", "love", "it", "?!", "9/10"]),
        ("It’s great!!!", ["it's", "great", "!!", "!"]),
        ("I <3 this & that > those", ["i", "3", "this", "that", "those"]),
        ("caf&eacute; &lt;i&gt;", ["café", "i"]),
        ("...", []),
    ],
)
def test_default_words(review, words):
    assert tokenize(review, DEFAULT) == words


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=str)
@given(review=anything | markup)
def test_any_text_has_ids_in_range(recipe, review):
    tokens = tokenize(review, recipe)
    "".join(tokens).encode()  # the vocabulary file is UTF-8
    counts = Counter([*tokens[::2], "good", "good"])
    vocabulary = Vocabulary.build(counts, replace(recipe, vocabulary_size=20))
    ids = encode_review(review, vocabulary)
    assert 1 <= len(ids) <= recipe.max_length
    assert all(1 <= id < len(vocabulary) <= 20 for id in ids)


@given(items=st.lists(st.integers()), length=st.integers(1, 50), head=st.floats(0, 1))
def test_cut_keeps_the_head_and_the_tail(items, length, head):
    recipe = replace(DEFAULT, max_length=length, head=head)
    kept = cut(items, recipe)
    assert len(kept) == min(len(items), length)
    if len(items) > length:
        first = round(length * head)
        last = length - first
        assert kept[:first] == items[:first]
        assert not last or kept[-last:] == items[-last:]


def test_ties_in_frequency_break_alphabetically():
    counts = {"pear": 2, "fig": 2, "apple": 3, "zoo": 1}
    assert Vocabulary.build(counts, DEFAULT).words == ("apple", "fig", "pear")
    assert Vocabulary.build(counts, replace(DEFAULT, vocabulary_size=4)).words == ("apple", "fig")


def test_the_word_on_line_n_has_id_n(tmp_path):
    vocabulary = Vocabulary.build({"good": 5, "café": 4, "9/10": 3}, DEFAULT)
    vocabulary.save(tmp_path / "vocabulary.txt")
    lines = (tmp_path / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    assert vocabulary.encode(["good", "café", "9/10", "bad"]) == [2, 3, 4, INFREQUENT]
    assert [lines[n - 1] for n in (2, 3, 4)] == ["good", "café", "9/10"]
    assert [file.name for file in tmp_path.iterdir()] == ["vocabulary.txt"]

    loaded = Vocabulary.load(tmp_path / "vocabulary.txt")
    assert (loaded.words, loaded.recipe, len(loaded)) == (vocabulary.words, DEFAULT, 5)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-4], "truncated"),
        (lambda text: text.replace("vocabulary 1", "vocabulary 2"), "begins with"),
        (lambda text: text.replace('"words"', '"letters"'), "letters"),
        (lambda text: text.replace('"head"', '"tail"'), "tail"),
        (lambda text: text + "good\n", "each word once"),
        (lambda text: "", "begins with|truncated|not a vocabulary"),
    ],
)
def test_a_vocabulary_that_is_not_whole_is_named(tmp_path, damage, message):
    path = tmp_path / "vocabulary.txt"
    Vocabulary.build({"good": 2, "bad": 2}, DEFAULT).save(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=message) as caught:
        Vocabulary.load(path)
    assert str(path) in str(caught.value)


def test_the_seed_recipe_is_the_one_of_the_work_it_comes_from(small_reviews):
    """An independent statement of it: review_to_words, build_dict, convert_and_pad of the Udacity project."""
    stemmer, ignored = PorterStemmer(), stop_words()
    sample = texts_of(small_reviews)

    def review_to_words(review):
        text = BeautifulSoup(review + "\n", "html.parser").get_text()
        words = re.sub(r"[^a-zA-Z0-9]", " ", text.lower()).split()
        return [stemmer.stem(word) for word in words if word not in ignored]

    counts = Counter(word for review in sample for word in review_to_words(review))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[: 5000 - 2]
    word_dict = {word: rank + 2 for rank, word in enumerate(ranked)}

    vocabulary = Vocabulary.build(Counter(w for r in sample for w in tokenize(r, SEED)), SEED)
    assert len(word_dict) == 4998 and len(vocabulary) == 5000
    for review in sample:
        expected = [word_dict.get(word, 1) for word in review_to_words(review)[:500]]
        assert encode_review(review, vocabulary) == expected


def test_the_default_recipe_imports_neither_nltk_nor_beautiful_soup():
    code = "import sys, text; text.tokenize('a <br /> &amp; b', text.RECIPES['default']); print(*sys.modules)"
    loaded = run_python(code).stdout.split()
    assert "text" in loaded and not {"nltk", "bs4", "numpy", "torch"} & set(loaded)
