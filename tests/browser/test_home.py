"""The home page by keyboard, on a phone and in the dark; titles and descriptions of all pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.visiting import PHONE, Visit, chapters, open_page, watch

OWN_STACK = "your_own_stack.html" if "book/your_own_stack" in chapters() else "index.html#your-own-cells"
PATHS = {
    "Read: the whole method on one page": "whole_method.html",
    "Run: three ways to run a chapter": "index.html#run-it",
    "Teach: the teaching guide": "teaching_guide.html",
    "Use it on my data: from clicks to labels": OWN_STACK,
}
BOOK = "The paper you can run: BFS-Net"


@pytest.fixture
def page(browser: Browser, server: str) -> Page:
    with browser.new_context(viewport=PHONE, color_scheme="dark") as context:
        yield open_page(watch(context, server), f"{server}/book/index.html").page


@pytest.mark.parametrize("name", PATHS)
def test_each_path_opens_by_keyboard(page: Page, name: str) -> None:
    link = page.get_by_role("link", name=name)
    link.focus()
    card = page.locator(".bfs-paths .sd-card", has=link)
    assert card.evaluate("card => getComputedStyle(card).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{PATHS[name]}")
    if "#" in page.url:
        expect(page.locator(f"#{page.url.partition('#')[2]}")).to_be_in_viewport()


def test_the_result_keeps_its_white_card_in_the_dark(page: Page) -> None:
    figure = page.locator("figure.bfs-result")
    styles = figure.evaluate(
        "f => [getComputedStyle(f).backgroundColor, getComputedStyle(f.querySelector('img')).filter,"
        " getComputedStyle(f.querySelector('figcaption p')).color]"
    )
    assert styles == ["rgb(255, 255, 255)", "none", "rgb(31, 35, 40)"]


def test_every_page_has_a_title_of_its_own_and_a_description(visit: Visit) -> None:
    heading = visit.page.locator("article h1").first.evaluate("h => h.firstChild.textContent")
    assert visit.page.title() == (BOOK if heading == BOOK else f"{heading} — {BOOK}")
    about = visit.page.locator("meta[name=description]")
    assert about.count() == 1 and 30 < len(about.get_attribute("content")) <= 200
    shared = visit.page.locator("meta[property='og:title'], meta[property='og:description']")
    assert [entry.get_attribute("content") for entry in shared.all()] == [heading, about.get_attribute("content")]


def test_the_top_page_says_which_book_it_is(browser: Browser, server: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        answer = context.request.get(f"{server}/index.html")
        assert f"<title>{BOOK}</title>" in answer.text()
        assert context.request.get(f"{server}/favicon.ico").ok
