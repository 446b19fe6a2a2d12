"""*Download notebook* under a title, followed by a reader: from the server, and from the disk by header.js."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.visiting import LAPTOP, open_page, watch


def test_the_button_saves_the_notebook_for_learners(browser: Browser, home: str, site: Path) -> None:
    with browser.new_context(viewport=LAPTOP, accept_downloads=True) as context:
        visit = open_page(watch(context, home), f"{home}/book/metrics.html")
        with visit.page.expect_download() as waiting:
            visit.page.get_by_role("link", name="Download notebook").press("Enter")
        download = waiting.value
        saved = Path(download.path()).read_text(encoding="utf-8")
        assert download.suggested_filename == "metrics.ipynb"
        assert saved == (site / "notebooks" / "metrics.ipynb").read_text(encoding="utf-8")
        assert json.loads(saved)["nbformat"] == 4
        assert visit.page.url.endswith("/book/metrics.html")  # the reader is still on the page
        assert (visit.outside, visit.errors) == ([], [])
