"""Every page read by axe-core, in the light, in the dark and on a phone, and what becomes of it on paper.

Bar: no serious and no critical finding. Everything that a reader can unfold is unfolded first. A tool finds a part of
what hinders readers; the pages are looked at by people as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.visiting import LAPTOP, PHONE, Visit, open_page, watch

SERIOUS = {"serious", "critical"}
COLOURS = ("color-contrast", "link-in-text-block")  # the rules that a theme can change
SMALL_SCREEN = ("scrollable-region-focusable", "target-size")
MARK_REPEATS = """() => {
    const seen = new Set();
    for (const block of document.querySelectorAll(".highlight pre, .sig")) {
        const tokens = [...block.querySelectorAll("span[class]")].filter(token => token.textContent.length > 1);
        const kinds = tokens.map(token => token.className + Boolean(token.closest(".cell_input")));
        if (kinds.every(kind => seen.has(kind))) block.dataset.repeats = "";
        kinds.forEach(kind => seen.add(kind));
    }
}"""  # code in which no token is of a new kind shows no new colour; it would take most of the time
A4 = {"width": 794, "height": 1123}
SERVED = pytest.mark.parametrize("home", ["http"], indirect=True)  # the same document as from the disk: once is enough
NOT_ON_PAPER = ", ".join([
    ".bd-sidebar-primary",
    ".bd-sidebar-secondary",
    ".bd-header-article",
    ".prev-next-footer",
    "button.copybtn",
    "a.headerlink",
    "details.hide:not([open])",
    ".bfs-controls input",
])  # fmt: skip

CUT_LINKS = """() => [...document.querySelectorAll(".prev-next-area a")]
    .filter(link => link.scrollWidth > link.clientWidth).map(link => link.textContent.trim())"""


def findings(page: Page, rules: tuple[str, ...] = (), *, leave_out: str = "") -> list[str]:
    """Return what axe holds to be serious or critical, by the named rules or by all of its usual ones but COLOURS."""
    only = {"runOnly": {"type": "rule", "values": rules}}
    options = only if rules else {"rules": {rule: {"enabled": False} for rule in COLOURS}}
    options |= {"resultTypes": ["violations"], "preload": False}  # preloading asks for style sheets at wrong addresses
    context = {"exclude": [[leave_out]]} if leave_out else None
    return [
        f"{found['id']}: {node['html'][:160]} {[why['message'] for why in node['any'] + node['all'] + node['none']]}"
        for found in Axe().run(page, context=context, options=options).response["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


def settle(page: Page) -> None:
    """End all fading of colours and unfolding at once."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => {"
        " document.getAnimations().forEach(moving => moving.finish()); done() }))"
    )


@contextmanager
def unfolded(page: Page) -> Iterator[None]:
    """Open all that is folded, and close it again."""
    page.evaluate(
        "() => document.querySelectorAll('details:not([open])').forEach(d => { d.dataset.shut = d.open = true })"
    )
    settle(page)
    yield
    page.evaluate("() => document.querySelectorAll('details[data-shut]').forEach(d => { d.open = false })")


def theme(page: Page, name: str) -> None:
    page.evaluate("name => { document.documentElement.dataset.theme = name }", name)
    settle(page)


@SERVED
def test_axe_finds_nothing_serious(visit: Visit) -> None:
    with unfolded(visit.page):
        assert findings(visit.page) == []


@SERVED
def test_contrast_holds_in_both_themes(visit: Visit) -> None:
    visit.page.evaluate(MARK_REPEATS)
    found = {}
    with unfolded(visit.page):
        for name in ("dark", "light"):
            theme(visit.page, name)
            found[name] = findings(visit.page, COLOURS, leave_out="[data-repeats]")
    assert found == {"dark": [], "light": []}


@SERVED
def test_a_phone_can_scroll_and_touch_everything(visit: Visit) -> None:
    visit.page.set_viewport_size(PHONE)
    with unfolded(visit.page):
        visit.page.wait_for_timeout(400)  # the theme waits for the end of a change of size
        found = findings(visit.page, SMALL_SCREEN)
        cut = visit.page.evaluate(CUT_LINKS)
    visit.page.set_viewport_size(LAPTOP)
    assert found == [] and cut == []


@SERVED
@pytest.mark.parametrize("name", ["genindex", "search"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_pages_made_by_sphinx(browser: Browser, home: str, name: str, scheme: str) -> None:
    with browser.new_context(color_scheme=scheme) as context:
        page = open_page(watch(context, home), f"{home}/{name}.html").page
        assert findings(page) + findings(page, COLOURS) == []


@SERVED
def test_paper_shows_what_can_be_read_and_no_more(visit: Visit) -> None:
    """No side bars, buttons or folded lines; dark ink whatever the theme; nothing too wide; figures in one piece."""
    page = visit.page
    theme(page, "dark")
    page.set_viewport_size(A4)
    page.emulate_media(media="print")
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    left = page.eval_on_selector_all(
        NOT_ON_PAPER, "all => all.filter(e => e.checkVisibility()).map(e => e.outerHTML.slice(0, 100))"
    )
    ink = page.eval_on_selector("article p", "p => getComputedStyle(p).color.match(/[0-9]+/g).map(Number)")
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    breaks = page.eval_on_selector_all("article figure", "all => all.map(f => getComputedStyle(f).breakInside)")
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    again = page.evaluate("() => document.documentElement.dataset.theme")
    page.emulate_media(media="screen")
    page.set_viewport_size(LAPTOP)
    theme(page, "light")
    assert left == []
    assert max(ink[:3]) < 100
    assert wide <= A4["width"]
    assert set(breaks) <= {"avoid"}
    assert again == "dark"


def test_axe_sees_a_bad_page(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(
            "<html lang=en><title>Bad</title><main><h1>Bad</h1><p style='color: #aaa'>pale</p><input>"
            "<details><summary>More</summary><img src='data:,'></details>"
        )
        assert {found.partition(":")[0] for found in findings(page)} == {"label"}
        assert [found.partition(":")[0] for found in findings(page, COLOURS)] == ["color-contrast"]
        assert findings(page, COLOURS, leave_out="p") == []
        with unfolded(page):
            assert any(found.startswith("image-alt") for found in findings(page))
        assert page.locator("details[open]").count() == 0
