"""What the PDF takes from the built pages, and what it leaves out; tests/browser/test_pdf.py looks at the print."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup, Tag

from tools import learner, pdf

FACTS = {"title": 'A "book"', "authors": "Ann, Bo", "version": "1.2", "licence": "MIT", "date": "2020-02-03"}
TOC = {"root": "book/index", "parts": [{"caption": "See", "chapters": [{"file": "book/a"}, {"file": "book/b_c"}]}]}
EXERCISE = """<div class="cell tag_exercise tag_hide-input docutils container"><details class="hide above-input">
<div class="cell_input"><pre>def my_ball(radius):
    \"\"\"Return a ball.\"\"\"
    ### BEGIN SOLUTION
    return 42 * radius
    ### END SOLUTION</pre></div></details><div class="cell_output">secret output</div></div>
<div class="cell"><div class="cell_input"><pre>checks.ball(my_ball)</pre></div>
<div class="cell_output">passed, the volume is 42</div></div>
<div class="cell"><div class="cell_input"><pre>print(1)</pre></div><div class="cell_output">1</div></div>
<details class="bfs-solution"><summary>Answer</summary>forty-two</details>"""


def part(html: str) -> Tag:
    return BeautifulSoup(f"<article>{html}</article>", "html.parser").article


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A built book of three pages that link to each other."""
    pages = {
        "index": '<section id="top"><h1>Title</h1><a href="a.html">A</a> <a href="b_c.html#end">end</a></section>',
        "a": '<section id="top"><h1>Chapter “A”<a class="headerlink" href="#top">#</a></h1><section id="one">'
        '<h2>One</h2><a href="#one">here</a> <a href="../_downloads/1/x.py"><code>x.py</code></a>'
        '<a href="https://arxiv.org">out</a>'
        '<script>alert(1)</script><img src="../_images/a%20b.png" alt="A cell">'
        f"{EXERCISE}</section></section>",
        "b_c": '<section id="top"><h1>B</h1><section id="end"><h2>What we saw</h2></section></section>',
    }
    (tmp_path / "book").mkdir()
    for name, content in pages.items():
        (tmp_path / "book" / f"{name}.html").write_text(f"<nav>menu</nav><article>{content}</article>", "utf-8")
    return tmp_path


@pytest.fixture
def merged(site: Path) -> Tag:
    return BeautifulSoup(pdf.document(site, pdf.contents(TOC), FACTS), "html.parser")


def test_the_order_is_that_of_the_table_of_contents(root: Path) -> None:
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    assert [entry.name for entry in pdf.contents(TOC)] == ["index", "a", "b_c"]
    entries = pdf.contents(toc)
    assert entries[0] == pdf.Entry("book/index") and entries[1].name == "whole_method"
    assert len({entry.name for entry in entries}) == len(entries)  # names are places in the PDF


def test_chapters_follow_each_other_without_menus_and_scripts(merged: Tag) -> None:
    headings = [heading.get_text() for heading in merged.select("h1")]
    assert headings == ["Contents", "About this book", "Chapter “A”", "B"]
    assert "menu" not in merged.get_text() and merged.select("body script, .headerlink") == []
    assert [section["style"] for section in merged.select(".chapter")] == ["page: index", "page: a", "page: b-c"]


def test_every_identifier_is_there_once_and_every_link_inside_leads_to_one(merged: Tag) -> None:
    places = [element["id"] for element in merged.find_all(id=True)]
    assert len(set(places)) == len(places) and "a--top" in places and "b_c--top" in places
    links = [link["href"] for link in merged.select("a[href]")]
    assert {"#a", "#b_c--end", "#a--one", "https://arxiv.org"} <= set(links)
    assert [link for link in links if link.startswith("#") and link[1:] not in places] == []


def test_a_link_to_a_file_that_is_not_printed_is_text(merged: Tag) -> None:
    assert merged.find("code", string="x.py").find_parent("a") is None


def test_a_link_to_a_place_that_is_gone_is_an_error(site: Path) -> None:
    path = site / "book" / "index.html"
    path.write_text(path.read_text("utf-8").replace("#end", "#gone"), "utf-8")
    with pytest.raises(pdf.PdfError, match=r"index: b_c\.html#gone"):
        pdf.document(site, pdf.contents(TOC), FACTS)


def test_a_page_that_is_not_built_is_an_error(site: Path) -> None:
    with pytest.raises(pdf.PdfError, match=r"none\.html is missing: run `make book`"):
        pdf.document(site, [pdf.Entry("book/none")], FACTS)


def test_pictures_keep_their_files(merged: Tag, site: Path) -> None:
    (address,) = [image["src"] for image in merged.select("img[alt='A cell']")]
    assert address == (site / "_images" / "a b.png").as_uri()


def test_exercises_are_printed_without_answers(merged: Tag) -> None:
    text = merged.get_text()
    assert "def my_ball(radius):" in text and "Return a ball." in text and f"    {learner.STUB}" in text
    for secret in ("42", "secret", "SOLUTION", "forty"):
        assert secret not in text
    assert "checks.ball(my_ball)" in text and "print(1)" in text
    assert [output.get_text() for output in merged.select(".cell_output")] == ["1"]


def test_contents_list_chapters_and_their_own_sections(merged: Tag) -> None:
    lines = [(line["class"][0], line.a["href"]) for line in merged.select(".contents p") if line.a]
    assert lines == [
        ("chapter-line", "#index"), ("chapter-line", "#a"), ("section-line", "#a--one"), ("chapter-line", "#b_c")
    ]  # fmt: skip
    assert merged.select_one(".contents p.part").get_text() == "See"


def test_the_title_page_says_who_which_and_when(merged: Tag) -> None:
    text = merged.select_one(".title-page").get_text(" ")
    for expected in ('A "book"', "Ann, Bo", "Version 1.2, 2020-02-03", "MIT licence", "solutions of exercises"):
        assert expected in text
    assert r'content: "A \"book\""' in merged.find("style").get_text()


def test_names_break_and_numbers_stay_together_in_tables() -> None:
    cells = part("<table><td><code>losses.edge_weight</code></td><td>0.5 ± 0.1</td></table><p>0.5 ± 0.1</p>")
    pdf.break_cells(cells)
    assert str(cells.code) == "<code>losses.<wbr/>edge_<wbr/>weight</code>"
    assert cells.get_text().count("0.5\u00a0±\u00a00.1") == 1


def test_the_edition_is_that_of_the_citation_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    facts = pdf.edition(root)
    assert (facts["title"], facts["version"], facts["date"]) == (cited["title"], cited["version"], "1970-01-02")
    assert facts["authors"] == cited["authors"][0]["name"]


def test_outside_of_a_repository_there_is_no_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert pdf.source_date(tmp_path) == ""
