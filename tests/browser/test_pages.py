"""The built book as a reader meets it: every page in headless Chromium, from a local web server and from the disk.

Needs the built pages (`make book`) and Chromium or Chrome. Where one is missing the tests are skipped; with CI=true
they fail.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 360, "height": 800}
LAPTOP = {"width": 1280, "height": 900}
COUNT_COLOURS = """images => images.map(image => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 200, height: 100});
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0, 200, 100);
    return new Set(new Uint32Array(pen.getImageData(0, 0, 200, 100).data.buffer)).size;
})"""
LEFTOVERS = (":::", "```", "$$", "{cite", "{doc}", "{eq}", "{math}", "{numref}", "{ref}", "{term}")


def chapters() -> list[str]:
    """Return the document names in the table of contents: book/index first."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def unavailable(reason: str) -> NoReturn:
    """Fail where everything must be there, skip elsewhere."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line of log for each."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Path:
    if not (SITE / "book" / "index.html").is_file():
        unavailable("the book is not built: run `make book` first")
    return SITE


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[str]:
    """The address at which the built book is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        unavailable(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """An open page, and what happened while it loaded."""

    page: Page
    outside: list[str] = field(default_factory=list)  # addresses asked for that are not ours; none was let through
    errors: list[str] = field(default_factory=list)  # console errors and warnings, exceptions, files not found


def watch(context: BrowserContext, home: str) -> Visit:
    """Return a page that records what goes wrong and lets no request out of `home`."""
    visit = Visit(context.new_page())

    def guard(route) -> None:
        if route.request.url.startswith(home):
            route.continue_()
        else:
            visit.outside.append(route.request.url)
            route.abort()

    def console(message) -> None:
        if message.type in {"error", "warning"}:
            visit.errors.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    context.route(lambda url: not url.startswith(("data:", "blob:")), guard)
    visit.page.on("console", console)
    visit.page.on("pageerror", lambda error: visit.errors.append(f"exception: {error}"))
    visit.page.on("requestfailed", lambda request: visit.errors.append(f"failed: {request.url}"))
    return visit


def open_page(visit: Visit, url: str) -> Visit:
    """Load the page, wait for its formulas, and scroll through it once, which starts the theme's observers."""
    visit.page.goto(url)
    visit.page.evaluate("() => window.MathJax?.startup?.promise.then(() => null)")
    visit.page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
    visit.page.wait_for_timeout(150)
    visit.page.evaluate("() => window.scrollTo(0, 0)")
    return visit


@pytest.fixture(scope="module", params=["http", "file"])
def home(request: pytest.FixtureRequest) -> str:
    """The start of every address of the book, served and from the disk."""
    return request.getfixturevalue("server") if request.param == "http" else request.getfixturevalue("site").as_uri()


@pytest.fixture(scope="module", params=chapters())
def visit(request: pytest.FixtureRequest, browser: Browser, home: str) -> Iterator[Visit]:
    """One page of the book, open on a laptop's screen in the light theme."""
    with browser.new_context(viewport=LAPTOP, color_scheme="light") as context:
        yield open_page(watch(context, home), f"{home}/{request.param}.html")


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
    links = visit.page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
    inside = {link.removeprefix(home).partition("#")[0].partition("?")[0] for link in links if link.startswith(home)}
    assert inside, "the page links to no other page"
    assert [link for link in sorted(inside) if not (site / link.lstrip("/")).exists()] == []


def test_fits_a_phone(visit: Visit) -> None:
    visit.page.set_viewport_size(PHONE)
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    visit.page.set_viewport_size(LAPTOP)


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
def test_pages_made_by_sphinx_are_clean_too(browser: Browser, home: str, page: str) -> None:
    with browser.new_context() as context:
        visit = open_page(watch(context, home), f"{home}/{page}.html")
        assert (visit.outside, visit.errors) == ([], [])


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
        <img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt=" "></article><div style="width: 500px">wide</div>"""
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
