"""What a review can do to the page, and the page to its visitor: nothing."""

from browser import Visit, Visiting, held
from pages import LocalPage
from playwright.sync_api import expect
from upstream import Upstream, explained

from web.local import STATIC
from web.security import HEADERS

ATTACKS = [
    "<script>globalThis.hurt = 1</script> superb",
    "<img src=x onerror=\"globalThis.hurt = 1; fetch('/hurt')\"> superb",
    '"><svg onload=alert(1)><iframe srcdoc="<script>parent.hurt = 1</script>"></iframe> superb',
    '<a href="javascript:globalThis.hurt = 1">superb</a><style>* { display: none }</style>',
    "&lt;b&gt; &amp; <b>superb</b> </p></textarea><base href=//example.org>",
]


def test_html_in_a_review_is_text_wherever_it_is_shown(visit: Visit, upstream: Upstream) -> None:
    visit.open()
    elements = _elements(visit)
    for attack in ATTACKS:
        start = attack.index("superb") - 1  # the mark begins within the markup
        upstream.answers = explained(lambda review, start=start: [[start, start + 7, 2.0]])
        visit.ask(attack)
        expect(visit.find("#decided")).to_have_text(attack)
        expect(visit.find("#decided mark")).to_have_text(attack[start : start + 7])
    expect(visit.find("#history-list .excerpt")).to_have_text(ATTACKS[::-1])
    assert _elements(visit) == elements
    _is_unhurt(visit)


def test_html_among_many_reviews_is_text(visit: Visit) -> None:
    visit.open("#many")
    elements = _elements(visit)
    visit.bring("<img src=x onerror=hurt=1>.txt", "\n".join(ATTACKS).encode())
    expect(visit.find("#found")).to_contain_text("<img src=x onerror=hurt=1>.txt")
    visit.find("#start").click()
    expect(visit.find("#rows td:nth-child(2)")).to_have_text(ATTACKS)
    assert _elements(visit) == elements
    _is_unhurt(visit)


def _elements(visit: Visit) -> int:
    """How many there are that a review might bring."""
    return visit.find("script, img, iframe, a, b, style, base, object, svg:not(#summary svg)").count()


def _is_unhurt(visit: Visit) -> None:
    assert visit.page.evaluate("globalThis.hurt") is None
    assert not visit.asked("hurt") and not visit.asked("/x")


DEEDS = [
    ("script-src-elem", "const e = document.createElement('script'); e.textContent = 'globalThis.hurt = 1'"),
    ("script-src-elem", "const e = document.createElement('script'); e.src = 'http://127.0.0.2:9/s.js'"),
    ("script-src-attr", "const e = document.createElement('b'); e.setAttribute('onclick', 'hurt = 1')"),
    ("style-src-elem", "const e = document.createElement('style'); e.textContent = '* { display: none }'"),
    ("img-src", "const e = document.createElement('img'); e.src = 'http://127.0.0.2:9/pixel'"),
    ("frame-src", "const e = document.createElement('iframe'); e.src = '/'"),
    ("connect-src", "const e = document.createElement('b'); fetch('http://127.0.0.2:9/').catch(() => 0)"),
]


def test_the_browser_itself_would_stop_what_slips_in(visit: Visit) -> None:
    visit.open()
    visit.tolerated += ["Executing", "Applying", "Loading", "Connecting", "Framing", "Fetch API", "Refused"]
    for directive, deed in DEEDS:
        stopped = visit.page.evaluate(
            """() => new Promise((resolve) => {
                addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective),
                                 { once: true });
                DEED;
                document.body.append(e);
            })""".replace("DEED", deed)
        )
        assert stopped == directive, deed
    assert visit.page.evaluate("globalThis.hurt") is None
    visit.requests = [
        url for url in visit.requests if url.startswith(visit.url)
    ]  # of those that were stopped


def test_the_page_is_less_than_50_kb_and_every_file_of_it_says_what_a_browser_may_do(
    visiting: Visiting, local_page: LocalPage
) -> None:
    """For a visitor who comes first: with all of its modules, and nothing compressed."""
    visit = visiting(local_page.url)
    visit.open().find("#to-many").click()
    expect(visit.find("#many")).to_be_visible()
    visit.page.wait_for_load_state("networkidle")
    names = {answer.url.rpartition("/")[2].partition("#")[0] for answer in visit.responses}
    assert {file.name for file in STATIC.iterdir()} - names <= {"index.html"}, "it has loaded them all"
    assert sum(len(answer.body()) for answer in visit.responses) < 50_000
    for answer in visit.responses:
        assert {name: answer.headers.get(name.lower()) for name in HEADERS} == HEADERS, answer.url


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
        visit.page.goto("about:blank")
        visit.page.go_back()
        expect(visit.find("#review")).to_have_value("superb, and more")
        expect(visit.find("#submit")).to_have_text("Ask the model")
        visit.shows_no_sentiment()
    visit.find("#submit").click()
    expect(visit.find("#verdict")).to_contain_text("positive")


def test_who_comes_back_to_many_reviews_can_score_what_was_pasted(visit: Visit) -> None:
    visit.open("#many").paste("superb\nbad")
    visit.page.goto("about:blank")
    visit.page.go_back()
    expect(visit.find("#pasted")).to_have_value("superb\nbad")
    expect(visit.find("#found")).to_contain_text("2 reviews")
    expect(visit.find("#start")).to_be_enabled()
