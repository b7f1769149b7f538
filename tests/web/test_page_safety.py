"""What a review can do to the page, and the page to its visitor: nothing."""

import pytest
from browser import Visit, held
from playwright.sync_api import expect
from upstream import Upstream, explained

from web.security import HEADERS

ATTACKS = [
    "<script>globalThis.hurt = 1</script> superb",
    "<img src=x onerror=\"globalThis.hurt = 1; fetch('/hurt')\"> superb",
    '"><svg onload=alert(1)><iframe srcdoc="<script>parent.hurt = 1</script>"></iframe> superb',
    '<a href="javascript:globalThis.hurt = 1">superb</a><style>* { display: none }</style>',
    "&lt;b&gt; &amp; <b>superb</b> </p></textarea><base href=//example.org>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_html_in_a_review_is_text_wherever_it_is_shown(visit: Visit, upstream: Upstream, attack: str) -> None:
    start = attack.index("superb") - 1  # the mark begins within the markup
    upstream.answers = explained(lambda review: [[start, start + 7, 2.0]])
    visit.open()
    elements = _elements(visit)
    visit.ask(attack)
    assert visit.find("#decided").text_content() == attack
    expect(visit.find("#decided mark")).to_have_text(attack[start : start + 7])
    upstream.answers = lambda content: explained(lambda review: [])(content)
    visit.ask("another " + attack)
    expect(visit.find("#history-list .excerpt").first).to_have_text("another " + attack)
    assert _elements(visit) == elements
    _is_unhurt(visit)


@pytest.mark.parametrize("attack", ATTACKS)
def test_html_among_many_reviews_is_text(visit: Visit, attack: str) -> None:
    visit.open("#many")
    elements = _elements(visit)
    visit.bring(
        "<img src=x onerror=hurt=1>.csv", f'review\n"{attack.replace(chr(34), 2 * chr(34))}"\n'.encode()
    )
    expect(visit.find("#found")).to_contain_text("<img src=x onerror=hurt=1>.csv")
    visit.find("#start").click()
    expect(visit.find("#rows td").nth(1)).to_have_text(attack)
    assert _elements(visit) == elements
    _is_unhurt(visit)


def _elements(visit: Visit) -> int:
    """How many there are that a review might bring."""
    return visit.find("script, img, iframe, a, b, style, base, object, svg:not(#summary svg)").count()


def _is_unhurt(visit: Visit) -> None:
    assert visit.page.evaluate("globalThis.hurt") is None
    assert not visit.asked("hurt") and not visit.asked("/x")


@pytest.mark.parametrize(
    ("directive", "deed"),
    [
        (
            "script-src-elem",
            "const e = document.createElement('script'); e.textContent = 'globalThis.hurt = 1'",
        ),
        ("script-src-attr", "const e = document.createElement('b'); e.setAttribute('onclick', 'hurt = 1')"),
        (
            "style-src-elem",
            "const e = document.createElement('style'); e.textContent = '* { display: none }'",
        ),
        ("img-src", "const e = document.createElement('img'); e.src = 'http://127.0.0.2:9/pixel'"),
        ("script-src-elem", "const e = document.createElement('script'); e.src = 'http://127.0.0.2:9/s.js'"),
        ("frame-src", "const e = document.createElement('iframe'); e.src = '/'"),
        ("connect-src", "const e = document.createElement('b'); fetch('http://127.0.0.2:9/').catch(() => 0)"),
    ],
)
def test_the_browser_itself_would_stop_what_slips_in(visit: Visit, directive: str, deed: str) -> None:
    visit.open()
    visit.tolerated += ["Executing", "Applying", "Loading", "Connecting", "Framing", "Fetch API", "Refused"]
    stopped = visit.page.evaluate(
        """() => new Promise((resolve) => {
            addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
            DEED;
            document.body.append(e);
        })""".replace("DEED", deed)
    )
    assert stopped == directive
    assert visit.page.evaluate("globalThis.hurt") is None
    visit.requests = [
        url for url in visit.requests if url.startswith(visit.url)
    ]  # of those that were stopped


def test_every_file_of_the_page_says_so_to_the_browser(visit: Visit) -> None:
    visit.open("#many")
    assert {answer.url.rpartition("/")[2].partition("#")[0] for answer in visit.responses} >= {
        "",
        "page.js",
        "style.css",
        "many.js",
    }
    for answer in visit.responses:
        headers = answer.headers
        assert {name: headers.get(name.lower()) for name in HEADERS} == HEADERS, answer.url


def test_the_page_with_all_of_its_modules_is_less_than_50_kb(visit: Visit) -> None:
    visit.open()
    visit.find("#to-many").click()
    expect(visit.find("#many")).to_be_visible()
    visit.page.wait_for_load_state("networkidle")
    names = {answer.url.rpartition("/")[2].partition("#")[0] for answer in visit.responses}
    assert {"page.js", "api.js", "many.js", "csv.js", "style.css"} <= names
    assert sum(len(answer.body()) for answer in visit.responses) < 50_000


def test_this_visits_reviews_are_at_hand_and_kept_nowhere(visit: Visit, upstream: Upstream) -> None:
    visit.open()
    history = visit.find("#history")
    visit.ask("superb, the first")
    expect(visit.find("#verdict")).to_be_visible()
    visit.ask("bad, the second")
    expect(visit.find("#verdict")).to_contain_text("negative")
    expect(history.get_by_role("listitem")).to_have_count(2)
    history.get_by_role("button", name="the first").click()
    expect(visit.find("#verdict")).to_contain_text("positive")
    expect(visit.find("#decided")).to_have_text("superb, the first")
    expect(visit.find("#review")).to_have_value("superb, the first")
    assert len(upstream.asked) == 2, "what was answered is not asked again"
    kept = "[localStorage.length, sessionStorage.length, document.cookie.length]"
    assert visit.page.evaluate(kept) == [0, 0, 0]
    assert visit.page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
    assert visit.page.evaluate("caches.keys().then((all) => all.length)") == 0
    assert visit.context.cookies() == []
    assert "superb" not in visit.page.url
    visit.page.reload()
    expect(visit.find("#one")).to_be_visible()
    expect(history).to_be_hidden()
    visit.shows_no_sentiment()


def test_the_back_button_leads_through_the_views_and_loses_nothing(visit: Visit) -> None:
    visit.open().ask("superb, and more")
    expect(visit.find("#verdict")).to_be_visible()
    visit.find("#to-many").click()
    expect(visit.find("#many")).to_be_visible()
    expect(visit.find("#one")).to_be_hidden()
    visit.paste("one\ntwo")
    visit.page.go_back()
    expect(visit.find("#one")).to_be_visible()
    expect(visit.find("#many")).to_be_hidden()
    expect(visit.find("#review")).to_have_value("superb, and more")
    expect(visit.find("#verdict")).to_be_visible()
    visit.page.go_forward()
    expect(visit.find("#many")).to_be_visible()
    expect(visit.find("#pasted")).to_have_value("one\ntwo")


def test_who_leaves_while_it_asks_and_comes_back_finds_the_review_and_can_ask(
    visit: Visit, upstream: Upstream
) -> None:
    visit.open()
    with held(upstream):
        visit.ask("superb, and more")
        expect(visit.find("#submit")).to_contain_text("Asking")
        visit.page.goto(f"{visit.url}/icon.svg")
        visit.page.go_back()
        expect(visit.find("#review")).to_have_value("superb, and more")
        expect(visit.find("#submit")).to_have_text("Ask the model")
        visit.shows_no_sentiment()
    visit.find("#submit").click()
    expect(visit.find("#verdict")).to_contain_text("positive")


def test_who_comes_back_to_many_reviews_can_score_what_was_pasted(visit: Visit) -> None:
    visit.open("#many").paste("superb\nbad")
    visit.page.goto(f"{visit.url}/icon.svg")
    visit.page.go_back()
    expect(visit.find("#pasted")).to_have_value("superb\nbad")
    expect(visit.find("#found")).to_contain_text("2 reviews")
    expect(visit.find("#start")).to_be_enabled()
