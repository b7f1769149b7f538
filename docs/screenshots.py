"""Takes the pictures of the README from the real page, with the model of the newest local run.

PYTHONPATH=.:tests python docs/screenshots.py    # writes docs/*.png
"""

from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.page import chromium, page_server
from shared import imdb_rows

DESKTOP = {"width": 820, "height": 640}
PHONE = {"width": 360, "height": 640}


def ask(page: Page, example: str) -> None:
    for _ in range(2):  # the first answer waits for the model server to start
        page.get_by_role("button", name=example).click()
        page.locator("#verdict").wait_for()
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)  # until nothing moves any more


def score(page: Page) -> None:
    page.get_by_role("link", name="Many reviews").click()
    reviews = "\n".join(" ".join(row["text"].split()) for row in imdb_rows(1000))
    page.locator("#file").set_input_files(
        {"name": "reviews.txt", "mimeType": "text/plain", "buffer": reviews.encode()}
    )
    page.locator("#start").click()
    page.locator("#progress-text", has_text="1,000 of 1,000 scored").wait_for()
    page.mouse.move(0, 0)


def take(browser: Browser, url: str, folder: Path) -> None:
    for name, viewport, scheme, act in (
        ("page", DESKTOP, "light", lambda page: ask(page, "Mixed")),
        ("page-dark", DESKTOP, "dark", lambda page: ask(page, "A pan")),
        ("page-phone", PHONE, "light", lambda page: ask(page, "Irony")),
        ("page-many", DESKTOP, "light", score),
    ):
        page = browser.new_page(viewport=viewport, color_scheme=scheme)
        page.goto(url)
        act(page)
        clip = {"x": 0, "y": 0, "width": viewport["width"], "height": min(_height(page), 1150)}
        page.screenshot(path=folder / f"{name}.png", full_page=True, clip=clip)
        page.close()


def _height(page: Page) -> int:
    return page.evaluate("document.scrollingElement.scrollHeight")


if __name__ == "__main__":
    with page_server() as url, chromium() as browser:
        take(browser, url, Path(__file__).parent)
