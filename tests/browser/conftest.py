"""One Chromium, one web server, and every page of the built book opened once for all tests that look at it.

Needs the built pages (`make book`) and Chromium or Chrome. Where one is missing the tests are skipped; with CI=true
they fail.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visiting import LAPTOP, SITE, Visit, chapters, open_page, unavailable, watch

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


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line of log for each."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        unavailable(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def site() -> Path:
    if missing := [name for name in chapters() if not (SITE / f"{name}.html").is_file()]:
        unavailable(f"the book is not built, or not with {missing[-1]}: run `make book` first")
    return SITE


@pytest.fixture(scope="package")
def server(site: Path) -> Iterator[str]:
    """The address at which the built book is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture(scope="package", params=["http", "file"])
def home(request: pytest.FixtureRequest) -> str:
    """The start of every address of the book, served and from the disk."""
    return request.getfixturevalue("server") if request.param == "http" else request.getfixturevalue("site").as_uri()


@pytest.fixture(scope="package", params=chapters())
def visit(request: pytest.FixtureRequest, browser: Browser, home: str) -> Iterator[Visit]:
    """One page of the book, open on a laptop's screen in the light theme; each test leaves it so."""
    with browser.new_context(viewport=LAPTOP, color_scheme="light") as context:
        visit = open_page(watch(context, home), f"{home}/{request.param}.html")
        visit.name = request.param
        yield visit
