"""Give each page a description and each link that someone shares a title, and the top address a page that leads on.

The description is the page's own first words, so nobody has to keep a second text up to date. No page asks another host
for anything because of it: these are words in the head of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

ENOUGH, MOST = 90, 200  # letters of a description: paragraphs are added up to the first, and cut at the second
HOME = "book/index"
CITATION = re.compile(r" \[[^]]*\d{4}\w?\]")


def opening(doctree: nodes.document) -> Iterable[str]:
    """Give the paragraphs of a page that are plain text: not those in boxes, lists, tables, or outputs of cells."""
    for paragraph in doctree.findall(nodes.paragraph):
        parents: list[nodes.Node] = []
        while (node := parents[-1].parent if parents else paragraph.parent) is not None:
            parents.append(node)
        if all(isinstance(node, (nodes.section, nodes.document)) for node in parents):
            yield " ".join(paragraph.astext().split())


def description(paragraphs: Iterable[str]) -> str:
    """Return the first paragraphs as one text of at most `MOST` letters, cut between words, citations left out."""
    text = ""
    for paragraph in paragraphs:
        text = f"{text} {CITATION.sub('', paragraph)}".strip()
        if len(text) >= ENOUGH:
            break
    return text if len(text) <= MOST else text[: MOST - 1].rpartition(" ")[0].rstrip(".,;:") + " …"


def tags(title: str, site: str, text: str, kind: str) -> str:
    """Return what search engines and messengers read: name and property tags for the head of a page."""
    named = {"description": text}
    shared = {"og:type": kind, "og:site_name": site, "og:title": title, "og:description": text}
    lines = [f'<meta name="{name}" content="{escape(words)}" />' for name, words in named.items() if words]
    lines += [f'<meta property="{name}" content="{escape(words)}" />' for name, words in shared.items() if words]
    return "\n".join(lines)


def describe(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Add the tags to a page. The home page is called as the book is, not by the book's title twice."""
    if doctree is None:
        return
    title = next(iter(doctree.findall(nodes.title)), nodes.title()).astext()
    kind = "website" if page == HOME else "article"
    text = description(opening(doctree))
    context["metatags"] = f"{context.get('metatags', '')}\n{tags(title, app.config.html_title, text, kind)}\n"
    if page == HOME:
        context["docstitle"] = ""


def top_page(title: str, target: str) -> str:
    """Return the page at the top address, which leads on to the home page."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta http-equiv="refresh" content="0; url={target}">\n<link rel="icon" href="favicon.ico">\n</head>\n'
        f'<body><p>The book starts at <a href="{target}">{escape(title)}</a>.</p></body>\n</html>\n'
    )


def write_top_page(app: Sphinx, error: Exception | None) -> None:
    """Write the page at the top address; Jupyter Book's own has neither a title nor a link."""
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "index.html").write_text(top_page(app.config.html_title, f"{HOME}.html"), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_top_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
