"""The home page names every chapter, and every page says in its head what it is about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docutils.core import publish_doctree

from book._ext import sharing
from tools import back_matter

PAGE = """
Title
=====

    A quoted box.

- a list

A question?

The answer is a sentence that is long enough for a description, with *emphasis* and a citation [Someone et al., 2020].

Third paragraph.
"""


@pytest.fixture(scope="module")
def home(root: Path) -> str:
    return (root / "book" / "index.md").read_text(encoding="utf-8")


def test_the_map_has_a_line_for_each_chapter_in_their_order(home: str) -> None:
    chapters = home.partition("{container} bfs-map")[2]
    mapped = re.findall(r"^\{doc\}`(\w+)`\n: \S.{20,}", chapters, re.MULTILINE)
    assert mapped == back_matter.listed_chapters(), "give each chapter its line in book/index.md"


def test_the_map_has_the_parts_of_the_table_of_contents(home: str, root: Path) -> None:
    captions = re.findall(r"^  - caption: (.*)$", (root / "_toc.yml").read_text(encoding="utf-8"), re.MULTILINE)
    parts = re.findall(r"^\*\*(\w[\w ]*)\*\*$", home.partition("{container} bfs-map")[2], re.MULTILINE)
    assert parts == captions[1:-1]  # the first is one chapter, the last is back matter


def test_four_paths_have_names_for_screen_readers(home: str) -> None:
    cards = re.findall(r"\{grid-item-card\} (.*)\n:link: \S+\n:link-type: \w+\n:link-alt: (.*)", home)
    assert [title for title, _ in cards] == ["Read", "Run", "Teach", "Use it on my data"]
    assert [alt for title, alt in cards if not alt.startswith(f"{title}: ")] == []


def test_the_last_path_leads_to_the_chapter_on_own_stacks_where_there_is_one(home: str) -> None:
    target = "your_own_stack" if "your_own_stack" in back_matter.listed_chapters() else "your-own-cells"
    assert re.search(rf"\{{grid-item-card\}} Use it on my data\n:link: {target}\n", home)


def test_the_description_is_the_first_plain_text() -> None:
    text = sharing.description(sharing.opening(publish_doctree(PAGE)))
    assert text == (
        "A question? The answer is a sentence that is long enough for a description, with emphasis and a citation."
    )


def test_a_long_description_ends_between_words() -> None:
    text = sharing.description(["word, " * 100])
    assert len(text) <= sharing.MOST and text.endswith("word …")


def test_a_page_without_text_has_no_description() -> None:
    document = publish_doctree("Title\n=====\n")
    assert sharing.description(sharing.opening(document)) == ""
    assert "description" not in sharing.tags("Title", "Book", "", "article")


def test_tags_are_safe_html() -> None:
    made = sharing.tags('A "title"', "Book", "1 < 2", "website")
    assert '<meta name="description" content="1 &lt; 2" />' in made
    assert '<meta property="og:title" content="A &quot;title&quot;" />' in made


def test_the_top_page_has_a_title_and_a_link() -> None:
    page = sharing.top_page("The book", "book/index.html")
    assert "<title>The book</title>" in page and '<a href="book/index.html">The book</a>' in page
