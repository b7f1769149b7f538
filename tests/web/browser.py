"""The page in the system's chromium, as a person has it; and what must hold of every visit.

A visit's requests and console are watched from its first byte to its last: whatever a test is about, the page
asks no other origin, opens no dialog, and the console stays clean unless the test says why it is not.
"""

import csv
import io
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pages import LocalPage
from playwright.sync_api import Browser, BrowserContext, Locator, expect, sync_playwright
from playwright.sync_api import Response as HttpResponse
from upstream import Reply, Upstream

from pipeline.local.service import Server
from web.handler import Request, Response
from web.local import application

PHONE = {"width": 360, "height": 640}
DESKTOP = {"width": 1280, "height": 800}
SENTIMENTS = ("positive", "negative", "uncertain")
HEADER = ["review", "sentiment", "probability_positive", "model_version", "error"]  # of a download
FAILED_ANSWER = "Failed to load resource"  # how chromium's console tells of a status that is an error
expect.set_options(timeout=20_000)


def chromium() -> str:
    """Where it is. Without it the tests that need it are skipped, and say so; CI must have it."""
    found = shutil.which("chromium")
    if found is None:
        assert "CI" not in os.environ, "CI needs chromium (on Debian: apt-get install chromium)"
        pytest.skip("no chromium (on Debian: apt-get install chromium)")
    return found


class Visit:
    """One tab of one visitor."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context, self.page, self.url = context, context.new_page(), url
        self.forget()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", lambda response: self.responses.append(response))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._console.append(f"uncaught: {error}"))
        self.page.on("dialog", self._refuse)

    def forget(self) -> None:
        """What has been seen so far."""
        self.tolerated: list[str] = []  # beginnings of console errors that the test brings about
        self.requests: list[str] = []
        self.responses: list[HttpResponse] = []
        self._console: list[str] = []
        self._dialogs: list[str] = []

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self._console.append(message.text)

    def _refuse(self, dialog: Any) -> None:
        self._dialogs.append(dialog.message)
        dialog.dismiss()

    def open(self, view: str = "") -> "Visit":
        self.page.goto("about:blank")  # else another view of the same page is not loaded anew
        self.page.goto(f"{self.url}/{view}")
        expect(self.page.locator("#many" if view == "#many" else "#one")).to_be_visible()
        return self

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def write(self, review: str) -> None:
        self.find("#review").fill(review)

    def ask(self, review: str) -> None:
        self.write(review)
        self.find("#submit").click()

    def asked(self, path: str = "/api/") -> int:
        """How many requests have left the page for the API."""
        return sum(path in url for url in self.requests)

    def paste(self, text: str) -> None:
        self.find("#pasted").fill(text)

    def bring(self, name: str, content: bytes) -> None:
        """A file, as one chosen in the dialog."""
        self.find("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})

    def focused(self) -> str:
        """'button#submit', or 'body' where the focus is lost."""
        return self.page.evaluate(
            "(e => e.localName + (e.id ? '#' + e.id : e.localName === 'body' ? '' : ' ' + e.textContent))"
            "(document.activeElement)"
        )

    def shows_no_sentiment(self) -> None:
        """Neither a verdict, nor words that decided, nor a bar."""
        expect(self.find("#answer")).to_be_hidden()
        assert self.find("#verdict, #decided, [role=meter]").count() == 0
        expect(self.find("#told")).to_be_empty()  # which a screen reader reads

    def fits(self) -> None:
        """Nobody has to scroll sideways."""
        wide, window = self.page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        assert wide <= window, f"{wide} pixels in a window of {window}"

    def check(self) -> None:
        """What holds of every visit."""
        elsewhere = [url for url in self.requests if not url.startswith((self.url + "/", "blob:" + self.url))]
        assert not elsewhere, f"another origin was asked: {elsewhere}"
        assert not self._dialogs, f"a dialog was opened: {self._dialogs}"
        unexpected = [text for text in self._console if not text.startswith(tuple(self.tolerated))]
        assert not unexpected, f"the console is not clean: {unexpected}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])  # root, in CI
        yield running
        running.close()


Visiting = Callable[..., Visit]


def begin(browser: Browser, url: str, **options: Any) -> Visit:
    context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
    context.set_default_timeout(20_000)
    return Visit(context, url)


@pytest.fixture
def visiting(browser: Browser) -> Iterator[Visiting]:
    """Makes a visit to a URL by a new visitor, in a window that the test chooses."""
    visits: list[Visit] = []

    def visit(url: str, **options: Any) -> Visit:
        visits.append(begin(browser, url, **options))
        return visits[-1]

    yield visit
    for each in visits:
        each.context.close()
    for each in visits:
        each.check()


@pytest.fixture(scope="session")
def tab(browser: Browser, local_page: LocalPage) -> Iterator[Visit]:
    visit = begin(browser, local_page.url)
    yield visit
    visit.context.close()


@pytest.fixture
def visit(tab: Visit, upstream: Upstream) -> Iterator[Visit]:
    """The page in front of the model server that the test can make fail.

    The tab has seen other tests: that is much faster than a new one, and a page that is loaded anew knows
    nothing of them.
    """
    tab.forget()
    yield tab
    tab.context.set_offline(False)
    tab.page.goto("about:blank")
    tab.check()


@contextmanager
def gateway(answers: Callable[[Request], Response]) -> Iterator[str]:
    """The page's files, and for its API whatever a gateway between it and the handler may answer; its URL."""
    server = Server(application(answers), 0)  # type: ignore[arg-type]  # of a handler only the call is used
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def held(upstream: Upstream, after: int = 0) -> Iterator[Callable[[], None]]:
    """The model server answers that many requests, and no other until the test lets it, or ends."""
    gate, answers, first = threading.Event(), upstream.answers, len(upstream.asked)

    def wait(content: Any) -> Reply:
        if len(upstream.asked) > first + after:
            gate.wait()
        return answers(content)

    upstream.answers = wait
    try:
        yield gate.set
    finally:
        gate.set()


# The view of many reviews.


def sent(upstream: Upstream) -> list[str]:
    """The reviews that have come to the model server, in their order."""
    return [review for group in upstream.asked for review in group]


def score(visit: Visit) -> None:
    visit.find("#start").click()


def done(visit: Visit, count: int) -> None:
    expect(visit.find("#progress-text")).to_have_text(f"{count:,} of {count:,} scored")


def downloaded(visit: Visit) -> list[list[str]]:
    """The rows of the file, as a spreadsheet reads them."""
    with visit.page.expect_download() as download:
        visit.button("Download as CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    text = download.value.path().read_bytes().decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == HEADER
    return rows


def shown(visit: Visit) -> list[list[str]]:
    cells = "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    return visit.find("#rows tr").evaluate_all(cells)


def counts(visit: Visit) -> dict[str, int]:
    """{"positive": 2, …} of the summary."""
    text = " ".join(visit.find("#summary li").all_text_contents())
    return {
        name: int(count.replace(",", "")) for name, count in re.findall(r"([a-z][a-z ]+): ([\d,]+)", text)
    }
