"""How the tests visit pages: what is built, how to open a page so that nothing leaves it, and what it then holds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest
import yaml
from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
PHONE = {"width": 360, "height": 800}
LAPTOP = {"width": 1280, "height": 900}


def unavailable(reason: str) -> NoReturn:
    """Fail where everything must be there, skip elsewhere."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def chapters() -> list[str]:
    """Return the document names in the table of contents: book/index first."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@dataclass
class Visit:
    """An open page, and what happened while it loaded."""

    page: Page
    name: str = ""  # of the document, book/index
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
