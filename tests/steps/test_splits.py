from collections import Counter

import pytest

from records import DataError, Review
from splits import split, text_key

SHARES = {"seed": 3, "validation_share": 0.1, "test_share": 0.2}


def made(labels: dict[str, int], split_name: str = "") -> list[Review]:
    return [Review(text, label, text, split_name, 0) for text, label in labels.items()]


def divide(reviews, **settings):
    chosen = split(reviews, [text_key(review.text) for review in reviews], **{**SHARES, **settings})
    texts = {
        name: [reviews[i].text for i in getattr(chosen, name)] for name in ("train", "validation", "test")
    }
    return chosen, texts


MANY = made({f"review {n}": n % 3 == 0 for n in range(300)})  # 100 positive, 200 negative


def test_each_split_has_the_classes_in_the_proportion_of_the_whole():
    chosen, texts = divide(MANY)
    assert {name: len(part) for name, part in texts.items()} == {"train": 210, "validation": 30, "test": 60}
    for name in texts:
        labels = Counter(MANY[i].label for i in getattr(chosen, name))
        assert labels[0] == 2 * labels[1]
    assert len(set().union(*texts.values())) == 300


def test_the_split_depends_on_texts_and_seed_and_not_on_rows():
    _, texts = divide(MANY)
    assert divide(MANY[::-1])[1] == texts
    assert divide(MANY, seed=4)[1] != texts
    labels = [review.label for review in MANY]
    in_order = [MANY[i].label for i in divide(MANY)[0].train]
    assert in_order != sorted(in_order) and in_order != labels[: len(in_order)]  # the classes are mixed


@pytest.mark.parametrize(
    "copy",
    ["A good, long film.", "a GOOD<br /><br />long   film!", " a good long film\n", "a-good_long film"],
)
def test_the_same_words_are_the_same_text(copy):
    assert text_key(copy) == text_key("A good, long film.")
    assert text_key(copy) != text_key("A good, longer film.")


def test_duplicates_are_dropped_and_texts_labelled_both_ways_too():
    copies = made({"Review 1!": 0, "review   2": 0, "<b>review</b> 2": 0, "review 3?": 0})
    both_ways = made({"good or bad": 0}) + made({"good or bad": 1})
    chosen, texts = divide([*MANY, *copies, *both_ways])
    assert sum(map(len, texts.values())) == 299
    assert not {"good or bad", "review 3", "review 3?"} & set().union(*texts.values())
    assert (chosen.duplicates, chosen.contradictory, chosen.repeats_of_test) == (3, 4, 0)


def test_a_test_split_of_its_own_stays_as_published_and_cleans_the_rest():
    test = made({f"test {n}": n % 2 for n in range(50)}, "test")
    test += test[:1]  # the official one holds duplicates
    train = made({f"train {n}": n % 2 for n in range(100)} | {"Test 1": 1, "test 2!": 1}, "train")
    chosen, texts = divide(train + test)
    assert sorted(texts["test"]) == sorted(review.text for review in test)
    assert (len(texts["train"]), len(texts["validation"])) == (90, 10)
    assert (chosen.duplicates, chosen.contradictory, chosen.repeats_of_test) == (0, 0, 2)


@pytest.mark.parametrize("limit", [60, 61, 100])
def test_a_limit_takes_a_sample_of_just_that_size(limit):
    chosen, texts = divide(MANY, limit=limit)
    assert sum(map(len, texts.values())) == limit
    labels = Counter(MANY[i].label for i in chosen.train + chosen.validation + chosen.test)
    assert abs(labels[1] - limit / 3) < 1
    assert divide(MANY, limit=1000)[1] == divide(MANY)[1]


def test_too_few_for_the_shares():
    with pytest.raises(
        DataError, match="the validation split would lack a class: 300 reviews, 0 of them dupl"
    ):
        divide(MANY, validation_share=0.001)
    with pytest.raises(DataError, match="and this limit"):
        divide(MANY, limit=5)
