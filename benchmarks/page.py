"""How long a person waits: from pressing the button to the answer on the page, in a real browser.

PYTHONPATH=.:tests python -m benchmarks.page

The page is served as `python -m pipeline web` serves it, with the model of the newest local run
(python -m pipeline.run --local), and chromium shows it, all on this machine. The review is a real one of 230
words, explained each time. Writes benchmarks/results/page.json, and exits with 1, naming the figure, when a
promise is broken.
"""

import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.record import FOLDER, ROOT, judge, record

RESULTS = FOLDER / "page.json"
PROMISES = {"answer_p50_ms": ("at most", 150.0), "page_kb": ("at most", 50.0)}
WORDS, RUNS, PAUSE = 230, 60, 100  # the pause, in milliseconds, keeps within the rate limit
PRESS = """() => new Promise((resolve) => {
  const began = performance.now();
  new MutationObserver((_, observer) => {
    if (!document.querySelector("#answer:not([hidden]) #verdict")) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began))); // it has been painted
  }).observe(document.querySelector("#answer"), { attributes: true, childList: true });
  document.querySelector("#submit").click();
})"""
LOADED = "() => performance.getEntries().reduce((sum, entry) => sum + (entry.decodedBodySize ?? 0), 0)"


@contextmanager
def page_server() -> Iterator[str]:
    """The page's URL."""
    command = [sys.executable, "-m", "pipeline", "web", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                sys.exit("the page is not served; see above")
            yield found[0]
        finally:
            process.terminate()


def real_review() -> str:
    from shared import imdb_rows

    return next(row["text"] for row in imdb_rows() if len(row["text"].split()) == WORDS)


def measure(browser: Any, url: str, review: str, runs: int = RUNS) -> dict[str, float]:
    """browser: Playwright's."""
    page = browser.new_page()
    page.goto(f"{url}/#many")  # loads every module
    page.wait_for_load_state("networkidle")
    size = page.evaluate(LOADED)
    page.goto(f"{url}/#one")
    page.fill("#review", review)
    waited, model = [], []
    for _ in range(runs + 5):
        waited.append(page.evaluate(PRESS))
        about = page.locator("#about").inner_text()
        model.append(float(re.search(r"answered in (\d+)\sms", about)[1]))
        page.wait_for_timeout(PAUSE)
    page.close()
    waited, model = waited[5:], model[5:]  # the first start the model server
    return {
        "answer_p50_ms": statistics.median(waited),
        "answer_p90_ms": statistics.quantiles(waited, n=10)[-1],
        "model_p50_ms": statistics.median(model),
        "page_kb": size / 1000,
    }


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def main() -> int:
    with page_server() as url, chromium() as browser:
        figures = measure(browser, url, real_review())
    record(RESULTS, figures)
    return judge(figures, PROMISES)


if __name__ == "__main__":
    sys.exit(main())
