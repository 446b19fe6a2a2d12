"""The printed book, made of four of its pages: whole, numbered, readable, and with links that lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pypdf import PageObject, PdfReader, PdfWriter

from tools import pdf

ENTRIES = [
    pdf.Entry("book/index"),
    pdf.Entry("book/whole_method", "Start"),
    pdf.Entry("book/boundary_loss", "Outline"),
    pdf.Entry("book/bibliography", "Back matter"),
]
TITLES = ["Contents", "About this book", "The whole method on one page", "The boundary loss", "Bibliography"]
FACTS = {"title": "Four pages", "authors": "Nobody", "version": "0", "licence": "MIT", "date": "2020-02-03"}
MARGIN = 0.75 * 72  # points; no text comes closer to the left or right edge of the paper


@pytest.fixture(scope="module")
def book(browser: Browser, site: Path, tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    folder = tmp_path_factory.mktemp("pdf")
    (folder / "book.html").write_text(pdf.document(site, ENTRIES, FACTS), encoding="utf-8")
    pdf.write(*pdf.print_book(browser, folder / "book.html"), folder / "book.pdf", FACTS)
    return PdfReader(folder / "book.pdf")


def text(page: PageObject) -> str:
    """The words of a page as they stand on it; formulas are only read in this mode."""
    return page.extract_text(extraction_mode="layout")


def pieces(page: PageObject) -> list[tuple[float, float, str]]:
    """The pieces of text of a page with the place of each in points from the lower left corner.

    Not those of formulas, in fonts of type 3: pypdf gets the scaling of fractions and tall braces wrong.
    """
    found: list[tuple[float, float, str]] = []

    def note(words: str, matrix: list, at: list, font: dict | None, size: float) -> None:
        if words.strip() and font and font["/Subtype"] != "/Type3":
            found.append((at[4] * matrix[0] + matrix[4], at[5] * matrix[3] + matrix[5], words.strip()))

    page.extract_text(visitor_text=note)
    return found


def links(book: PdfReader) -> Iterator[dict]:
    for page in book.pages:
        yield from (note for item in page.get("/Annots", []) if (note := item.get_object())["/Subtype"] == "/Link")


def test_the_outline_has_the_chapters_and_their_sections(book: PdfReader) -> None:
    assert [entry.title for entry in book.outline if not isinstance(entry, list)] == TITLES
    sections = [entry.title for entry in book.outline[TITLES.index("The boundary loss") * 2] if isinstance(entry, dict)]
    assert {"A step and a line", "Two factors", "Exercises"} <= set(sections)


def test_a_heading_of_two_lines_is_whole_in_the_outline() -> None:
    writer = PdfWriter()
    writer.add_blank_page(72, 72)
    parent = writer.add_outline_item(title="Better labels fromthe same clicks", page_number=0)
    writer.add_outline_item(title="Two words", page_number=0, parent=parent)
    writer.add_outline_item(title="Onemore", page_number=0)
    pdf.mend_outline(writer, ["Better labels from\nthe same clicks", "One more"])
    titles = [item.title for item in writer.outline if not isinstance(item, list)]
    assert titles == ["Better labels from the same clicks", "One more"]
    assert writer.outline[1][0].title == "Two words"


def test_each_chapter_starts_a_page_that_the_contents_name(book: PdfReader) -> None:
    contents = text(book.pages[1]).splitlines()
    for entry in (entry for entry in book.outline[1:] if not isinstance(entry, list)):
        index = book.get_destination_page_number(entry)
        assert " ".join(entry.title.split()) in " ".join(text(book.pages[index]).split())
        assert any(entry.title in line and line.split()[-1] == str(index + 1) for line in contents)


def test_every_page_but_the_first_has_its_number_and_chapter(book: PdfReader) -> None:
    assert len(book.pages) > 15
    foot = 0.75 * 72
    assert [words for _, y, words in pieces(book.pages[0]) if y < foot] == []
    for number, page in enumerate(book.pages[1:], start=2):
        assert [words for _, y, words in pieces(page) if y < foot] == [str(number)]
    assert "Bibliography" in text(book.pages[-1]).splitlines()[0]


def test_no_text_leaves_the_paper(book: PdfReader) -> None:
    """Where each piece begins; that none ends outside is measured by the browser, see the last test."""
    for page in book.pages:
        width, height = float(page.mediabox.width), float(page.mediabox.height)
        assert [p for p in pieces(page) if not (MARGIN <= p[0] <= width - MARGIN and 0 < p[1] < height)] == []


def test_figures_formulas_and_code_are_there(book: PdfReader) -> None:
    whole = "\n".join(map(text, book.pages))
    assert sum(len(page.images) for page in book.pages) > 20
    assert all(letter in whole for letter in "λ∇σ")
    assert "(4)" in whole and "tag{4}" not in whole and "\\mathcal" not in whole
    assert "def z_score(image):" in whole


def test_explorables_stand_still_and_say_so(book: PdfReader, site: Path) -> None:
    whole = " ".join(" ".join(map(text, book.pages)).split())
    shown = [figure for entry in ENTRIES for figure in pdf.article(site, entry).select("figure.bfs-explorable")]
    assert whole.count("Interactive in the web edition; shown here:") == len(shown) > 0
    assert "The sliders move once" not in whole
    assert "/AcroForm" not in book.trailer["/Root"]  # no control, dead or alive


def test_links_lead_somewhere(book: PdfReader) -> None:
    inside = [note["/Dest"] for note in links(book) if "/Dest" in note]
    outside = [note["/A"]["/URI"] for note in links(book) if "/A" in note]
    assert len(inside) > 20 and outside
    assert [place for place in inside if place not in book.named_destinations] == []
    assert [address for address in outside if not address.startswith(("https://", "http://"))] == []


def test_it_says_whose_it_is_and_can_be_read_aloud(book: PdfReader) -> None:
    assert (book.metadata.title, book.metadata.author) == ("Four pages", "Nobody")
    assert book.metadata.creation_date.date().isoformat() == "2020-02-03"
    root = book.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and root["/Lang"] == "en"


def test_what_does_not_fit_is_named(browser: Browser, tmp_path: Path) -> None:
    script = "<script>MathJax = {startup: {promise: Promise.resolve()}}</script>"
    (tmp_path / "wide.html").write_text(f'<!doctype html>{script}<div style="width: 900px">wide</div>', "utf-8")
    with pytest.raises(pdf.PdfError, match=r"wider than the paper: .*900px"):
        pdf.open_document(browser, tmp_path / "wide.html")
    (tmp_path / "raw.html").write_text(f'<!doctype html>{script}<span class="math">x^2</span>', "utf-8")
    with pytest.raises(pdf.PdfError, match=r"did not set: x\^2"):
        pdf.open_document(browser, tmp_path / "raw.html")
