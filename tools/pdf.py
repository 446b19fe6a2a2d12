"""Print the built book as one PDF, by Chromium: title page, contents with page numbers, a chapter on a new page.

    make pdf                                       # make book, then this
    python tools/pdf.py                            # _build/html -> _build/pdf/the-paper-you-can-run.pdf
    python tools/pdf.py --site SITE --out FILE.pdf

The built pages are merged in the order of the table of contents, so the PDF says what the pages say. What paper cannot
do is left out and the title page says so: an explorable stands in its first state, code that a page folds away is not
printed, and solutions of exercises are not printed at all, because the PDF is what a class is handed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import yaml
from bs4 import BeautifulSoup, NavigableString, Tag
from playwright.sync_api import Browser, Page, sync_playwright
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that `python tools/pdf.py` finds the other tools

from tools import learner  # noqa: E402

SITE = ROOT / "_build" / "html"
OUT = ROOT / "_build" / "pdf" / "the-paper-you-can-run.pdf"
STYLE = Path(__file__).with_suffix(".css")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
OLDEST = 131  # the first Chromium that prints running heads and page numbers from style sheets
TEXT_WIDTH = 643  # CSS pixels between the margins of a page: 170 mm
CHECK = re.compile(r"^checks\.\w+\(", re.MULTILINE)
EVERYWHERE = {"What we saw", "To go further", "Exercises"}  # sections of each chapter, so not in the printed contents
MATHJAX = '{options: {enableMenu: false, processHtmlClass: "math"}}'
DEAD = "script, a.headerlink, .toctree-wrapper, .bfs-hint, .bfs-heard, .bfs-pill, button, details.hide"
REFERENCES = ("for", "aria-labelledby", "aria-describedby")


class PdfError(Exception):
    """A book that cannot be printed as it should be; the message says what to do."""


@dataclass(frozen=True)
class Entry:
    """Hold one chapter of the table of contents: its document's name, and the part that it stands in."""

    file: str
    part: str = ""

    @property
    def name(self) -> str:
        """The last part of the document's name: of the page, and of its place in the PDF."""
        return self.file.rpartition("/")[2]


# ---- what is printed ---------------------------------------------------------------------------------------------


def contents(toc: Mapping) -> list[Entry]:
    """Return the entries of a table of contents of Jupyter Book, the home page first."""
    chapters = [Entry(chapter["file"], part["caption"]) for part in toc["parts"] for chapter in part["chapters"]]
    return [Entry(toc["root"]), *chapters]


def edition(root: Path = ROOT) -> dict[str, str]:
    """Return title, authors, version, licence and date of the book.

    The date is that of SOURCE_DATE_EPOCH or else of the last commit, so the same source gives the same title page; it
    is empty where neither is known.
    """
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    authors = ", ".join(
        author.get("name") or f"{author['given-names']} {author['family-names']}" for author in cited["authors"]
    )
    return {"title": cited["title"], "authors": authors, "version": str(cited["version"]),
            "licence": cited["license"], "date": source_date(root)}  # fmt: skip


def source_date(root: Path) -> str:
    """Return the day of the source as YYYY-MM-DD, or nothing when there is no way to know it."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    if shutil.which("git") is None:
        return ""
    asked = subprocess.run(["git", "-C", root, "log", "-1", "--format=%cs"], capture_output=True, text=True)
    return asked.stdout.strip()


# ---- one chapter -------------------------------------------------------------------------------------------------


def article(site: Path, entry: Entry) -> Tag:
    """Return the content of a built page. Raises PdfError when the page has not been built."""
    path = site / f"{entry.file}.html"
    if not path.is_file():
        raise PdfError(f"{path} is missing: run `make book` first")
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article")


def open_exercises(chapter: Tag) -> None:
    """Turn exercises into what a student gets: the stub of each, no answer, no verdict of a check."""
    for cell in chapter.select("div.cell"):
        source = code.get_text() if (code := cell.select_one(".cell_input pre")) else ""
        if "tag_exercise" in cell["class"] or learner.BEGIN in source:
            stub = highlight(learner.without_solution(source), PythonLexer(), HtmlFormatter())
            made = BeautifulSoup(f'<div class="cell_input">{stub}</div>', "html.parser")
            cell.clear()
            cell.append(made)
        elif CHECK.search(source) and (output := cell.select_one(".cell_output")):
            output.decompose()
    for folded in chapter.select("details.bfs-solution"):
        folded.replace_with(BeautifulSoup('<p class="left-out">The answer is in the web edition.</p>', "html.parser"))


def fill_sources(chapter: Tag, folder: Path) -> None:
    """Give every picture that is a file its full address."""
    for image in chapter.select("img[src]"):
        if not image["src"].startswith("data:"):
            image["src"] = (folder / unquote(image["src"])).resolve().as_uri()


def break_cells(chapter: Tag) -> None:
    """Say where lines in tables may end: after a dot or an underscore in a name, not within a number and its spread."""
    for name in chapter.select("td code, td a"):
        for text in list(name.find_all(string=re.compile(r"[._]\w"))):
            pieces = re.split(r"(?<=[._])(?=\w)", text)
            text.replace_with(BeautifulSoup("<wbr>".join(map(escape, pieces)), "html.parser"))
    for text in list(chapter.find_all(string=re.compile(r"\d ± \d"))):
        if text.find_parent("td"):
            text.replace_with(text.replace(" ± ", "\u00a0±\u00a0"))


def rename(chapter: Tag, name: str) -> None:
    """Put the chapter's name before every identifier, so that all of them differ in one document."""
    for element in chapter.find_all(id=True):
        element["id"] = f"{name}--{element['id']}"
    for attribute in REFERENCES:
        for element in chapter.find_all(attrs={attribute: True}):
            element[attribute] = " ".join(f"{name}--{one}" for one in element[attribute].split())


def relink(chapter: Tag, name: str, known: set[str]) -> list[str]:
    """Lead links between pages to their place in the PDF; a link to a file that is not in it becomes plain text.

    known: every identifier of the PDF. Returns the links whose page is printed but whose place is not in it.
    """
    lost = []
    for link in chapter.select("a[href]"):
        href = link["href"]
        if re.match(r"[a-z]+:", href):
            continue
        path, _, place = unquote(href).partition("#")
        page = name if not path else path.removesuffix(".html").rpartition("/")[2] if path.endswith(".html") else ""
        target = f"{page}--{place}" if place else page
        if page not in known:
            link.unwrap()
        elif target in known:
            link["href"] = f"#{target}"
        else:
            lost.append(f"{name}: {href}")
    return lost


def chapter_of(site: Path, entry: Entry) -> Tag:
    """Return a page ready to print but for its links: no dead parts, no answers, its own identifiers."""
    chapter = article(site, entry)
    open_exercises(chapter)
    for element in chapter.select(DEAD):
        element.decompose()
    rename(chapter, entry.name)
    break_cells(chapter)
    fill_sources(chapter, (site / entry.file).parent)
    chapter.name, chapter.attrs = "section", {"id": entry.name, "class": ["chapter", "bd-article"]}
    chapter["style"] = f"page: {entry.name.replace('_', '-')}"
    if entry.part:
        part = Tag(name="p", attrs={"class": "part"})
        part.append(NavigableString(entry.part))
        chapter.select_one("h1").insert_before(part)
    else:
        chapter.select_one("h1").string = "About this book"
    return chapter


# ---- the whole document ------------------------------------------------------------------------------------------


def document(site: Path, entries: Iterable[Entry], facts: Mapping[str, str]) -> str:
    """Return the whole book as one HTML page. Raises PdfError for a link that leads nowhere in it."""
    entries = list(entries)
    chapters = [chapter_of(site, entry) for entry in entries]
    known = {element["id"] for chapter in chapters for element in [chapter, *chapter.find_all(id=True)]}
    lost = [link for e, c in zip(entries, chapters, strict=True) for link in relink(c, e.name, known)]
    if lost:
        raise PdfError(f"links to places that are not there: {'; '.join(lost[:10])}")
    static = (site / "_static").as_uri()
    styles = "".join(
        f'<link rel="stylesheet" href="{address}">'
        for address in (f"{static}/pygments.css", STYLE.as_uri(), f"{static}/print.css")
    )
    head = (
        f'<meta charset="utf-8"><title>{escape(facts["title"])}</title>{styles}'
        f"<style>{running_heads(entries, chapters, facts)}</style><script>window.MathJax = {MATHJAX}</script>"
        f'<script defer src="{static}/mathjax/tex-mml-chtml.js"></script>'
    )
    body = f"{title_page(site, facts)}{printed_contents(entries, chapters)}{''.join(map(str, chapters))}"
    return f'<!doctype html><html lang="en" data-theme="light"><head>{head}</head><body>{body}</body></html>'


def heading(chapter: Tag, level: str = "h1") -> str:
    """Return the text of the first heading of a level."""
    return " ".join(chapter.select_one(level).get_text().split())


def running_heads(entries: list[Entry], chapters: list[Tag], facts: Mapping[str, str]) -> str:
    """Return the style rules that print the book's and the chapter's title at the top of every page of a chapter."""
    quoted = [re.sub(r'(["\\])', r"\\\1", text) for text in (facts["title"], *map(heading, chapters))]
    return "".join(
        f'@page {entry.name.replace("_", "-")} {{ @top-left {{ content: "{quoted[0]}" }}'
        f' @top-right {{ content: "{title}" }} }}'
        for entry, title in zip(entries, quoted[1:], strict=True)
    )


def title_page(site: Path, facts: Mapping[str, str]) -> str:
    """Return the first page: title, authors, version, date, licence, and what the PDF leaves out."""
    picture = site / "_images" / "whole_method.png"
    image = f'<img src="{picture.as_uri()}" alt="Nuclei of a mouse embryo, outlined">' if picture.is_file() else ""
    version = f"Version {facts['version']}" + (f", {facts['date']}" if facts["date"] else "")
    lines = (facts["authors"], version, f"{facts['licence']} licence; data sets have licences of their own")
    return (
        f'<section class="title-page"><p class="title">{escape(facts["title"])}</p>{image}'
        f'<p class="authors">{"<br>".join(map(escape, lines))}</p>'
        "<p>This is the printed form of a web edition in which every slider moves and every chapter is a notebook that "
        "runs. Here an explorable stands in its first state. Code that only draws and is folded away on the page is "
        "not printed, nor are solutions of exercises, so that the PDF can be handed to a class.</p></section>"
    )


def printed_contents(entries: list[Entry], chapters: list[Tag]) -> str:
    """Return the table of contents: chapters, and the sections of those that are not back matter."""
    lines, part = [], ""
    for entry, chapter in zip(entries, chapters, strict=True):
        if entry.part != part:
            part = entry.part
            lines.append(f'<p class="part">{escape(part)}</p>')
        lines.append(contents_line("chapter-line", entry.name, heading(chapter)))
        if part not in ("", "Back matter"):
            sections = [(section["id"], heading(section, "h2")) for section in chapter.select("section:has(> h2)")]
            lines += [contents_line("section-line", *section) for section in sections if section[1] not in EVERYWHERE]
    return f'<nav class="contents"><h1>Contents</h1>{"".join(lines)}</nav>'


def contents_line(kind: str, target: str, text: str) -> str:
    """Return a line of the table of contents, with room for a page number."""
    return (
        f'<p class="{kind}"><a href="#{escape(target)}"><span>{escape(text)}</span><i></i>'
        f'<b data-page-of="{escape(target)}">000</b></a></p>'
    )


# ---- printing ----------------------------------------------------------------------------------------------------


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a headless Chromium. Raises PdfError when there is none, or one too old."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        raise PdfError(f"no browser: none of {', '.join(BROWSERS)} is installed (sudo apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        if int(browser.version.partition(".")[0]) < OLDEST:
            raise PdfError(f"{executable} is version {browser.version}: page numbers need {OLDEST} or newer")
        yield browser
        browser.close()


def open_document(browser: Browser, path: Path) -> Page:
    """Open the merged page as paper of the PDF's width, all formulas set and pictures decoded.

    Raises PdfError when a formula is wrong, and when something is wider than the paper: Chromium would shrink the whole
    book for its sake.
    """
    page = browser.new_page(viewport={"width": TEXT_WIDTH, "height": 1000}, color_scheme="light")
    page.set_default_timeout(120_000)
    page.emulate_media(media="print")
    page.goto(path.as_uri())
    page.evaluate("() => MathJax.startup.promise.then(() => null)")
    page.evaluate("() => Promise.all([...document.images].map(i => i.decode())).then(() => null)")
    if left := page.evaluate(NOT_SET):
        raise PdfError(f"formulas that MathJax did not set: {'; '.join(left[:5])}")
    if wide := page.evaluate(TOO_WIDE, TEXT_WIDTH):
        raise PdfError(f"wider than the paper: {'; '.join(wide[:5])}")
    return page


NOT_SET = """() => [...document.querySelectorAll(".math, mjx-merror")].filter(
    e => e.matches("mjx-merror") || !e.querySelector("mjx-container")).map(e => e.textContent)"""
TOO_WIDE = """width => [...document.querySelectorAll("body *")].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && box.right > width + 1 && !e.closest("mjx-assistive-mml, .bfs-heard");
}).map(e => (e.closest("section[id]")?.id ?? "") + " " + e.outerHTML.slice(0, 120))"""
FILL = """pages => document.querySelectorAll("[data-page-of]").forEach(place => {
    place.textContent = pages[place.dataset.pageOf];
})"""


def printed(page: Page) -> bytes:
    """Print the page. Its size and margins are those of the style sheet."""
    return page.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)


def page_numbers(pdf: bytes) -> dict[str, int]:
    """Return on which page of the PDF each linked place is, the first page being 1."""
    reader = PdfReader(BytesIO(pdf))
    return {
        name.removeprefix("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def print_book(browser: Browser, path: Path) -> tuple[bytes, list[str]]:
    """Print a merged page twice: first to learn the page numbers, then with them in the table of contents.

    Returns the PDF, and the text of every heading in it.
    """
    page = open_document(browser, path)
    first = page_numbers(printed(page))
    page.evaluate(FILL, first)
    pdf = printed(page)
    headings = page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "all => all.map(h => h.textContent)")
    page.close()
    if (second := page_numbers(pdf)) != first:
        moved = next(name for name in second if second[name] != first.get(name))
        raise PdfError(f"{moved} moved when the contents got page numbers: give `.contents b` more room in {STYLE}")
    return pdf, headings


def mend_outline(writer: PdfWriter, headings: Iterable[str]) -> None:
    """Put back the spaces that Chromium drops from the outline where a heading goes on in a second line."""
    whole = {"".join(text.split()): " ".join(text.split()) for text in headings}
    items = [writer.root_object["/Outlines"]]
    while items:
        item = items.pop().get_object()
        items += [item[key] for key in ("/First", "/Next") if key in item]
        if (letters := "".join(item.get("/Title", "").split())) in whole:
            item[NameObject("/Title")] = TextStringObject(whole[letters])


def write(pdf: bytes, headings: Iterable[str], out: Path, facts: Mapping[str, str]) -> None:
    """Write a PDF with whole headings in its outline, its author, and the date of its source, not the time of day."""
    writer = PdfWriter(BytesIO(pdf), full=True)
    writer.pdf_header = PdfReader(BytesIO(pdf)).pdf_header
    mend_outline(writer, headings)
    day = f"D:{facts['date'].replace('-', '')}000000Z"
    dates = {"/CreationDate": day, "/ModDate": day} if facts["date"] else {}
    writer.add_metadata({"/Title": facts["title"], "/Author": facts["authors"], **dates})
    writer.write(out)


def make(site: Path, out: Path, entries: Iterable[Entry], facts: Mapping[str, str]) -> Path:
    """Write the PDF of the entries, and beside it the merged page that was printed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    merged = out.with_suffix(".html")
    merged.write_text(document(site, entries, facts), encoding="utf-8")
    with chromium() as browser:
        write(*print_book(browser, merged), out, facts)
    return out


def main(arguments: list[str] | None = None) -> None:
    """Run the command line in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=SITE, help="the built pages (default: _build/html)")
    parser.add_argument("--out", type=Path, default=OUT, help="where to write (default: _build/pdf/...)")
    chosen = parser.parse_args(arguments)
    started = time.perf_counter()
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    try:
        out = make(chosen.site.resolve(), chosen.out.resolve(), contents(toc), edition())
    except PdfError as error:
        sys.exit(f"no PDF: {error}")
    pages, size = len(PdfReader(out).pages), out.stat().st_size / 1e6
    print(f"{out}: {pages} pages, {size:.1f} MB, in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
