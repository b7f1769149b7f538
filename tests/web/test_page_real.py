"""The page as a person has it: python -m pipeline web, the local endpoint, and a model of 600 real reviews.

The model is small, so what it says is compared with what it answers, and not with what is right.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import FAILED_ANSWER, Visit, Visiting, counts, done, downloaded, score
from playwright.sync_api import Browser, expect

from benchmarks import page
from docs import screenshots
from shared import ROOT

QUICK = {"Epochs": 8, "VocabularySize": 2000, "EmbeddingSize": 16, "HiddenSize": 16, "LearningRate": 0.005}


def variables(home: Path) -> dict[str, str]:
    return {**os.environ, "PIPELINE_HOME": str(home), "NO_COLOR": "1"}


@contextmanager
def served(home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its URL, and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "web", "--port", "0"],
        cwd=ROOT,
        env=variables(home),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield found[0], process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@dataclass
class Site:
    url: str
    home: Path
    answers: dict[str, dict[str, Any]]  # to the first reviews

    def review_of(self, sentiment: str) -> str:
        return next(review for review, answer in self.answers.items() if answer["sentiment"] == sentiment)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, small_reviews: Path) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site") / "state"
    chosen = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "pipeline.run", "--local", "--data", str(small_reviews), *chosen]
    command += ["--set", "AccuracyThreshold=0.5"]
    ran = subprocess.run(command, cwd=ROOT, env=variables(home), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    with small_reviews.open(encoding="utf-8", newline="") as stream:
        reviews = [row["review"] for row in csv.DictReader(stream)][:200]
    with served(home) as (url, _), httpx.Client(base_url=url, timeout=60) as client:
        answers: dict[str, dict[str, Any]] = {}
        for first in range(0, len(reviews), 50):
            group = reviews[first : first + 50]
            answered = client.post("/api/batch", json={"reviews": group}).json()["answers"]
            answers.update(zip(group, answered, strict=True))
        yield Site(url, home, answers)


def explained(site: Site, review: str) -> dict[str, Any]:
    return httpx.post(f"{site.url}/api/sentiment", json={"review": review}, timeout=60).json()


def marked(visit: Visit) -> list[str]:
    return visit.find("#decided mark").all_text_contents()


def strong(review: str, answer: dict[str, Any]) -> list[str]:
    """The words whose change is 15 % of the strongest's or more, cut from the review by Python."""
    words = answer["explanation"]["words"]
    most = max(0.5, *(abs(change) for _, _, change in words))
    return [review[start:end] for start, end, change in words if abs(change) / most >= 0.15]


@pytest.mark.parametrize("sentiment", ["positive", "negative", "uncertain"])
def test_a_real_review_is_answered_with_the_words_that_decided(
    visiting: Visiting, site: Site, sentiment: str
) -> None:
    review = site.review_of(sentiment)
    answer = explained(site, review)
    visit = visiting(site.url).open()
    visit.ask(review)
    expect(visit.find("#verdict")).to_have_class(f"verdict {sentiment}")
    if sentiment == "uncertain":
        expect(visit.find("#verdict")).not_to_have_text(re.compile("positive|negative", re.I))
    else:
        expect(visit.find("#verdict")).to_contain_text(sentiment)
    assert visit.find("#decided").text_content() == review
    assert marked(visit) == strong(review, answer) != []
    about = visit.find("#about")
    expect(about).to_contain_text(f"Model version 1 ({answer['model_version']})")
    expect(about).to_contain_text(re.compile(r"right on [5-9]\d\.\d % of 60 test reviews"))


@pytest.mark.parametrize(
    "review",
    [
        "🎬 Wonderful 👩‍👩‍👧, a great cafe\N{COMBINING ACUTE ACCENT} scene; awful, the worst 𝒢reat ending",
        "<b>Wonderful</b><br /><br />It's the worst<script>great</script> film",
        "סרט נפלא wonderful וגם awful משעמם",
        "wonderful great excellent " * 300 + "boring awful",
    ],
    ids=["emoji", "HTML", "right to left", "longer than the model reads"],
)
def test_the_marks_are_on_the_words_that_the_model_means(visiting: Visiting, site: Site, review: str) -> None:
    answer = explained(site, review)
    visit = visiting(site.url).open()
    visit.ask(review)
    expect(visit.find("#verdict")).to_be_visible()
    assert visit.find("#decided").text_content() == review
    assert marked(visit) == strong(review, answer)
    skipped = answer["explanation"].get("skipped")
    assert visit.find("#decided .skipped").all_text_contents() == (
        [review[slice(*skipped)]] if skipped else []
    )
    assert (answer["explanation"]["words_total"] > 500) == bool(skipped)


def test_two_hundred_real_reviews_are_scored_as_the_model_scores_them(visiting: Visiting, site: Site) -> None:
    stream = ["review\n", *('"' + review.replace('"', '""') + '"\n' for review in site.answers)]
    visit = visiting(site.url).open("#many")
    visit.bring("reviews.csv", "".join(stream).encode())
    score(visit)
    done(visit, len(site.answers))
    rows = {row[0]: row for row in downloaded(visit)}
    sentiments = [answer["sentiment"] for answer in site.answers.values()]
    assert [row[1] for row in rows.values()] == sentiments
    assert [float(row[2]) for row in rows.values()] == [each["probability"] for each in site.answers.values()]
    assert counts(visit) == {name: sentiments.count(name) for name in sentiments}


def test_a_correction_lies_where_the_command_says(visiting: Visiting, site: Site) -> None:
    review = site.review_of("uncertain")
    visit = visiting(site.url).open()
    visit.ask(review)
    visit.button("Wrong?").click()
    visit.button("It is positive").click()
    expect(visit.find("#answer")).to_contain_text("Kept as positive")
    (file,) = (site.home / "s3").glob("*/sentiment/corrections/*/*/*/*.jsonl")
    record = json.loads(file.read_text())
    assert (record["review"], record["label"]) == (review, "positive")
    assert record["probability"] == pytest.approx(site.answers[review]["probability"], abs=1e-5)


def test_the_benchmark_and_the_pictures_are_of_the_page_as_it_is(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    figures = page.measure(browser, site.url, site.review_of("positive"), runs=2)
    assert figures.keys() == json.loads(page.RESULTS.read_text())["figures"].keys()
    assert figures["answer_p50_ms"] > figures["model_p50_ms"] > 0
    screenshots.take(browser, site.url, tmp_path)
    made = {each.name for each in tmp_path.iterdir()}
    assert made == {each.name for each in (ROOT / "docs").glob("*.png")}


def test_a_server_that_is_killed_while_it_is_asked_and_one_that_is_gone(
    visiting: Visiting, site: Site
) -> None:
    """It is frozen first, so that the request is on its way when it dies."""
    with served(site.home) as (url, process):
        visit = visiting(url).open()
        visit.tolerated.append(FAILED_ANSWER)
        visit.ask("A wonderful film")
        expect(visit.find("#verdict")).to_be_visible()
        process.send_signal(signal.SIGSTOP)
        visit.ask("The worst film")
        expect(visit.find("#status")).to_contain_text("Asking")
        visit.shows_no_sentiment()
        process.kill()
        for _ in ("on its way", "gone"):
            expect(visit.find("#status")).to_contain_text("cannot be reached")
            visit.shows_no_sentiment()
            expect(visit.find("#review")).to_have_value("The worst film")
            visit.find("#submit").click()
        visit.find("#to-many").click()
        expect(visit.find("#many-problem")).to_contain_text("cannot be reached")
