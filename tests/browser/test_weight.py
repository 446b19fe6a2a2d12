"""How heavy the pages are, and how soon the first words are on the screen.

A page's own weight is its HTML document: text, figures and all frames of its explorables are inside. What it loads
beside that (the theme, its icons, MathJax with the fonts of a page's formulas, the search index: about 3.8 MB) is the
same files for all pages, which a browser fetches once; it has a bar of its own. Bytes are counted as they lie on the
disk, since a reader may have no server that packs them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.visiting import Visit

MB = 1_000_000
PAGE = 1.5 * MB
HEAVIER = {"book/bright_field_experiment": 3 * MB, "book/fluorescence_experiment": 3 * MB}  # results on many stacks
SHARED = 4.5 * MB
WHOLE_SITE = 40 * MB
FIRST_PAINT = 2000  # ms
TRIES = 3


def bytes_loaded(page: Page) -> tuple[int, int]:
    """Return the bytes of the document, and those of all files that it loaded, both unpacked."""
    return tuple(
        page.evaluate(
            "() => ['navigation', 'resource'].map(kind => performance.getEntriesByType(kind)"
            ".reduce((sum, entry) => sum + entry.decodedBodySize, 0))"
        )
    )


def first_paint(page: Page) -> float:
    """Return when the page first showed text or a picture, in ms from the start of its loading."""
    return page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime")


@pytest.mark.parametrize("home", ["http"], indirect=True)  # from the disk, a browser does not say
def test_a_page_is_light(visit: Visit, site: Path) -> None:
    document, shared = bytes_loaded(visit.page)
    assert document == (site / f"{visit.name}.html").stat().st_size
    assert document <= HEAVIER.get(visit.name, PAGE)
    assert 0.5 * MB < shared <= SHARED


def test_the_first_words_are_there_at_once(visit: Visit) -> None:
    """The best of three loads: a machine that is busy with something else for a moment does not fail the page."""
    times = [first_paint(visit.page)]
    while min(times) > FIRST_PAINT and len(times) < TRIES:
        visit.page.reload()
        visit.page.wait_for_timeout(200)
        times.append(first_paint(visit.page))
    assert min(times) <= FIRST_PAINT


def test_the_site_fits_a_small_host(site: Path) -> None:
    assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) <= WHOLE_SITE
