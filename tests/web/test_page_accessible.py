"""axe-core finds nothing to complain of, in any state of the page, light and dark, wide and narrow."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import DESKTOP, PHONE, Visit, Visiting
from pages import LocalPage
from playwright.sync_api import expect
from upstream import Upstream, model_error

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
WINDOWS = pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["wide", "narrow"])


def sound(visit: Visit) -> None:
    visit.fits()
    results = Axe().run(visit.page)
    found = [
        (each["id"], [node["target"] for node in each["nodes"]]) for each in results.response["violations"]
    ]
    assert not found
    assert len(results.response["passes"]) > 15  # it has looked


@SCHEMES
@WINDOWS
def test_one_review(
    visiting: Visiting, local_page: LocalPage, upstream: Upstream, scheme: str, window: dict[str, int]
) -> None:
    visit = visiting(local_page.url, color_scheme=scheme, viewport=window).open()
    sound(visit)
    visit.find("#submit").click()
    expect(visit.find("#problem")).not_to_be_empty()
    sound(visit)
    for review in ("p=0.98 superb", "p=0.02 awful", "p=0.5", "superb " * 600):
        visit.ask(review)
        expect(visit.find("#verdict")).to_be_visible()
        sound(visit)
    visit.find("#wrong").click()
    sound(visit)
    visit.button("It is negative").click()
    expect(visit.find("#answer")).to_contain_text("Thank you")
    sound(visit)
    upstream.answers = model_error(500)
    visit.tolerated.append("Failed to load resource")
    visit.ask("superb")
    expect(visit.find("#status .failed")).to_be_visible()
    sound(visit)


@SCHEMES
@WINDOWS
def test_many_reviews(
    visiting: Visiting, local_page: LocalPage, upstream: Upstream, scheme: str, window: dict[str, int]
) -> None:
    visit = visiting(local_page.url, color_scheme=scheme, viewport=window).open("#many")
    sound(visit)
    visit.bring("broken.csv", b'review\n"open')
    expect(visit.find("#many-problem")).not_to_be_empty()
    sound(visit)
    visit.paste("\n".join(f"p={number / 120} superb" for number in range(120)))
    visit.find("#start").click()
    expect(visit.find("#progress-text")).to_contain_text("120 of 120 scored")
    sound(visit)
    visit.find("#filter").select_option("uncertain")
    sound(visit)
