"""The built book as a reader meets it: every page in headless Chromium, from a local web server and from the disk."""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.visiting import LAPTOP, PHONE, Visit, open_page, watch

COUNT_COLOURS = """images => images.map(image => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 200, height: 100});
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0, 200, 100);
    return new Set(new Uint32Array(pen.getImageData(0, 0, 200, 100).data.buffer)).size;
})"""
LEFTOVERS = (":::", "```", "$$", "{cite", "{doc}", "{eq}", "{math}", "{numref}", "{ref}", "{term}")


def formulas_left(page: Page) -> list[str]:
    """Return the text of formulas that MathJax did not typeset or marked as wrong."""
    return page.eval_on_selector_all(
        ".math, mjx-merror",
        "found => found.filter(e => e.matches('mjx-merror') || !e.querySelector('mjx-container'))"
        ".map(e => e.textContent)",
    )


def faulty_images(page: Page) -> list[str]:
    """Return the images that did not load or that have no alt text; the logo needs none, the title is beside it."""
    return page.eval_on_selector_all(
        "img:not(.logo__image)",
        "all => all.filter(i => !i.alt.trim() || !i.complete || !i.naturalWidth).map(i => i.outerHTML.slice(0, 200))",
    )


def markup_left(page: Page) -> list[str]:
    """Return the pieces of MyST syntax that stand in the prose of the page."""
    prose = page.eval_on_selector(
        "article",
        "a => { const copy = a.cloneNode(true);"
        " copy.querySelectorAll('pre, code, script, mjx-container').forEach(e => e.remove());"
        " return copy.textContent }",
    )
    return [piece for piece in LEFTOVERS if piece in prose]


@lru_cache
def targets(file: Path) -> set[str]:
    """Return every id and name in a built page: where a link with a # may lead."""
    return {unescape(found) for found in re.findall(r'\s(?:id|name)="([^"]*)"', file.read_text(encoding="utf-8"))}


def dead_links(page: Page, home: str, site: Path) -> list[str]:
    """Return the links into the book that lead to no file, or to no place in a page."""
    dead = []
    for link in page.eval_on_selector_all("a[href]", "all => [...new Set(all.map(a => a.href))]"):
        path, _, place = link.partition("#")
        file = site / unquote(path.removeprefix(home).partition("?")[0].lstrip("/"))
        if not link.startswith(home):
            continue
        if not file.is_file() or (place and file.suffix == ".html" and unquote(place) not in targets(file)):
            dead.append(link.removeprefix(home))
    return dead


def cut_off(page: Page) -> list[str]:
    """Return the parts of the article that begin left of the screen, or end right of it and cannot be scrolled to."""
    return page.eval_on_selector_all(
        "article :is(p, h1, h2, h3, pre, table, img, figure, button, input, mjx-container)",
        """all => all.filter(part => {
            const {left, right} = part.getBoundingClientRect();
            if (left < -1) return true;
            if (right <= innerWidth + 1) return false;
            for (let box = part.parentElement; box; box = box.parentElement) {
                const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
                if (scrolls && box.getBoundingClientRect().right <= innerWidth + 1) return false;
            }
            return !["auto", "scroll"].includes(getComputedStyle(part).overflowX);
        }).map(part => part.outerHTML.slice(0, 200))""",
    )


def test_asks_no_other_host(visit: Visit) -> None:
    assert visit.outside == []
    hints = "link[href^='http'][rel^='pre'], link[href^='http'][rel='dns-prefetch'], script[src^='http']"
    assert visit.page.locator(hints).count() == 0


def test_loads_without_an_error(visit: Visit) -> None:
    assert visit.errors == []


def test_typesets_every_formula(visit: Visit) -> None:
    assert formulas_left(visit.page) == []


def test_every_image_loads_and_has_alt_text(visit: Visit) -> None:
    assert faulty_images(visit.page) == []


def test_leaves_no_markup_in_the_prose(visit: Visit) -> None:
    assert markup_left(visit.page) == []


def test_has_one_main_heading(visit: Visit) -> None:
    assert visit.page.locator("h1:visible").count() == 1  # the theme has a hidden second one, for print


def test_links_inside_the_book_lead_somewhere(visit: Visit, site: Path, home: str) -> None:
    assert visit.page.locator("article a[href], nav a[href]").count() > 1, "the page links to no other page"
    assert dead_links(visit.page, home, site) == []


def test_fits_a_phone(visit: Visit) -> None:
    """No page scrolls sideways; what is wider than the screen scrolls in its own box."""
    visit.page.set_viewport_size(PHONE)
    width, cut = visit.page.evaluate("() => document.documentElement.scrollWidth"), cut_off(visit.page)
    visit.page.set_viewport_size(LAPTOP)
    assert width <= PHONE["width"]
    assert cut == []


def test_figures_keep_their_colours_in_the_dark(visit: Visit) -> None:
    visit.page.evaluate("() => { document.documentElement.dataset.theme = 'dark' }")
    styles = visit.page.eval_on_selector_all(
        "figure.bfs-figure",
        "all => all.map(f => [getComputedStyle(f).backgroundColor, getComputedStyle(f.querySelector('img')).filter,"
        " getComputedStyle(f.parentElement).backgroundColor])",
    )
    visit.page.evaluate("() => { document.documentElement.dataset.theme = 'light' }")
    assert styles == [["rgb(255, 255, 255)", "none", "rgba(0, 0, 0, 0)"]] * len(styles)


@pytest.mark.parametrize("page", ["genindex", "search"])
def test_pages_made_by_sphinx_are_clean_too(browser: Browser, home: str, site: Path, page: str) -> None:
    with browser.new_context() as context:
        visit = open_page(watch(context, home), f"{home}/{page}.html")
        assert (visit.outside, visit.errors) == ([], [])
        assert dead_links(visit.page, home, site) == []


def test_the_top_page_leads_to_the_book(browser: Browser, home: str) -> None:
    with browser.new_context() as context:
        visit = watch(context, home)
        visit.page.goto(f"{home}/index.html")
        visit.page.wait_for_url(f"{home}/book/index.html")
        assert (visit.outside, visit.errors) == ([], [])


def test_search_finds_a_chapter_without_a_network(browser: Browser, home: str) -> None:
    with browser.new_context() as context:
        visit = open_page(watch(context, home), f"{home}/search.html?q=equation")
        visit.page.locator("#search-results li a[href*='whole_method']").first.wait_for(timeout=10_000)
        assert visit.outside == []
        if home.startswith("http"):  # from the disk, no browser lets a page fetch the excerpts that Sphinx adds
            assert visit.errors == []


def test_the_whole_method_is_there_to_see(browser: Browser, home: str) -> None:
    """Real embryos with instance outlines, formulas, and tables with the competitors: not only clean, also full."""
    with browser.new_context(viewport=LAPTOP) as context:
        page = open_page(watch(context, home), f"{home}/book/whole_method.html").page
        assert "real stacks: mouse embryos" in page.locator("article").inner_text()
        assert page.locator("mjx-container").count() >= 10
        figures = page.locator("figure.bfs-figure img")
        assert figures.count() >= 6
        assert page.get_by_alt_text("BFS-Net's nuclei and the experts' nuclei").count() == 1
        colours = figures.evaluate_all(COUNT_COLOURS)
        assert min(colours) > 30, f"a figure is almost blank: {colours} colours"
        first = page.locator("table.bfs-table").first
        rows = first.locator("tbody th").all_inner_texts()
        assert {"BFS-Net, L_class", "Ball at each centre", "Threshold + watershed"} <= set(rows)
        assert first.locator("thead th").all_inner_texts()[1:] == ["IoU", "SEG", "MUCov"]


def test_the_checks_see_a_bad_page(browser: Browser, tmp_path: Path) -> None:
    bad = """<title>Bad</title><h1>One</h1><script>console.error("broken")</script><script>missing.classList</script>
        <script src="http://elsewhere.invalid/widget.js"></script>
        <article>See {cite}`nobody` <code>:::</code> <span class="math">x^2</span> <img src="gone.png" alt="A cell">
        <img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt=" ">
        <div style="overflow: hidden"><table style="width: 500px"><tr><td>cut</table></div>
        <div style="overflow: auto"><table style="width: 500px"><tr><td>scrolls</table></div>
        <div style="display: flex; flex-flow: row-reverse; overflow: auto"><p style="min-width: 500px">late</p></div>
        </article>
        <a href="bad.html#here" id="here">A</a> <a href="bad.html#gone">B</a> <a href="no.html">C</a>
        <div style="width: 500px">wide</div>"""
    (tmp_path / "bad.html").write_text(bad, encoding="utf-8")
    with browser.new_context(viewport=PHONE) as context:
        visit = open_page(watch(context, tmp_path.as_uri()), f"{tmp_path.as_uri()}/bad.html")
        assert visit.outside == ["http://elsewhere.invalid/widget.js"]
        for expected in ("broken", "missing is not defined", "gone.png", "widget.js"):
            assert any(expected in error for error in visit.errors)
        assert formulas_left(visit.page) == ["x^2"]
        assert len(faulty_images(visit.page)) == 2
        assert markup_left(visit.page) == ["{cite"]
        assert visit.page.evaluate("() => document.documentElement.scrollWidth") > PHONE["width"]
        assert dead_links(visit.page, tmp_path.as_uri(), tmp_path) == ["/bad.html#gone", "/no.html"]
        assert [part.partition(" ")[0] for part in cut_off(visit.page)] == ["<table", "<p"]
