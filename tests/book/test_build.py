"""How the book is built: strictly, and with buttons and Colab links for the one address in pyproject.toml, or none.

A line under each chapter's title hands out the notebook for learners, never the executed one with its solutions.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from book._ext import chapter_header, repository
from tools import notebooks

ADDRESS = "https://github.com/someone/something"
COLAB = "https://colab.research.google.com/github/someone/something/blob"
TOC = "format: jb-book\nroot: book/index\nchapters:\n  - file: book/whole_method\n  - file: book/bibliography\n"


def copy_of_the_book(root: Path, folder: Path) -> Path:
    """Copy what the build reads, with three pages in it, and a home page that leads to no others."""
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(root / name, folder / name)
    (folder / "results").mkdir()
    shutil.copy(root / "results" / "chapters.json", folder / "results")
    unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    shutil.copytree(root / "book", folder / "book", ignore=unwanted)
    (folder / "_toc.yml").write_text(TOC, encoding="utf-8")
    (folder / "book" / "index.md").write_text("# Home\n\nSee {cite}`dehghani2022bfsnet`.\n", encoding="utf-8")
    return folder


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A copy of the book that a test may change."""
    return copy_of_the_book(root, tmp_path)


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built without an address."""
    folder = copy_of_the_book(root, tmp_path_factory.mktemp("site"))
    done = build(root, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


def build(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the Makefile's own build command in `folder`."""
    command = re.search(r"/(jupyter-book build .*)$", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    program, *arguments = shlex.split(command)
    executable = Path(sys.executable).with_name(program)
    return subprocess.run([executable, *arguments], cwd=folder, capture_output=True, text=True)


def read(site: Path, page: str) -> str:
    """Return the text of a page of the site."""
    return (site / "book" / f"{page}.html").read_text(encoding="utf-8")


def test_without_an_address_there_is_no_button_and_no_invented_address(site: Path) -> None:
    page = read(site, "whole_method")
    assert "colab.research" not in page and "github.com" not in page


def test_one_address_makes_every_button(root: Path, copy: Path) -> None:
    with (copy / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[project.urls]\nRepository = "{ADDRESS}"\n')
    done = build(root, copy)
    assert done.returncode == 0, done.stdout + done.stderr
    page = read(copy / "_build" / "html", "whole_method")
    assert f'href="{ADDRESS}"' in page and f'href="{ADDRESS}/issues/new' in page
    colab = re.findall(r'href="(https://colab[^"]*)"', page)
    assert colab == [f"{COLAB}/main/book/learner/whole_method.ipynb"]
    assert (root / colab[0].removeprefix(f"{COLAB}/main/")).is_file()


def test_the_line_under_a_title_has_cost_and_download(root: Path, site: Path) -> None:
    page = read(site, "whole_method")
    measured = json.loads((root / "results" / "chapters.json").read_text(encoding="utf-8"))["whole_method"]
    under_title = page.partition("</h1>\n<div")[2]  # the theme has a first <h1>, for print
    assert under_title.startswith(f' class="bfs-header"><span>{chapter_header.cost(measured, None)}</span><a ')
    href = re.search(r'<a class="bfs-pill" href="([^"]*)"[^>]* download>', page)[1]
    downloaded = (site / "book" / href).resolve()
    learner = root / "book" / "learner" / "whole_method.ipynb"
    assert downloaded.read_bytes() == learner.read_bytes()
    script = downloaded.with_name("whole_method.ipynb.js").read_text(encoding="utf-8")
    assert json.loads(script.removeprefix("bfsSave(").removesuffix(");\n")) == learner.read_text(encoding="utf-8")


def test_pages_that_are_no_chapters_have_no_such_line(site: Path) -> None:
    assert "bfs-header" in read(site, "whole_method")
    assert "bfs-header" not in read(site, "bibliography") + read(site, "index")


def test_nothing_on_the_site_offers_the_executed_notebook(site: Path) -> None:
    assert [path.name for path in site.rglob("*.ipynb")] == ["whole_method.ipynb"]  # the one for learners, see above
    assert not (site / "_sources").exists()
    page = read(site, "whole_method")
    assert "_sources" not in page and "download-source-button" not in page
    assert page.count("window.print()") == 1


def test_a_chapter_without_a_notebook_for_learners_fails_the_build(root: Path, copy: Path) -> None:
    (copy / "book" / "learner" / "whole_method.ipynb").unlink()
    done = build(root, copy)
    assert done.returncode != 0
    assert "book/whole_method has no notebook for learners" in done.stderr


def test_every_broken_reference_is_named_and_fails_the_build(root: Path, copy: Path) -> None:
    with (copy / "book/index.md").open("a", encoding="utf-8") as file:
        file.write("\n{doc}`no_page` {cite}`nobody` {eq}`no-equation` {ref}`no-label` ![](images/no_image.png)\n")
    done = build(root, copy)
    assert done.returncode != 0
    for name in ("no_page", "nobody", "no-equation", "no-label", "no_image.png"):
        assert re.search(f"index.md:.*WARNING:.*{name}", done.stderr), done.stderr


def test_every_chapter_has_the_notebook_that_its_colab_link_names(root: Path) -> None:
    folder = repository.colab_folder(ADDRESS, "0.1.0").removeprefix(f"{COLAB}/main/")
    assert [name for name in notebooks.chapter_names() if not (root / folder / f"{name}.ipynb").is_file()] == []


@pytest.mark.parametrize(
    ("address", "version", "folder"),
    [
        (ADDRESS, "0.9", f"{COLAB}/main/book/learner"),
        (ADDRESS, "1.2", f"{COLAB}/v1.2/book/learner"),
        (ADDRESS, "1.3.dev0", f"{COLAB}/main/book/learner"),
        (f"{ADDRESS}.git", "0.9", f"{COLAB}/main/book/learner"),
        ("https://gitlab.com/someone/something", "0.9", None),
        (None, "0.9", None),
    ],
)
def test_colab_opens_notebooks_from_github_only(address: str | None, version: str, folder: str | None) -> None:
    assert repository.colab_folder(address, version) == folder


def test_the_theme_gets_the_address_and_no_launch_button() -> None:
    assert repository.button_options(None) == {}
    assert repository.button_options(ADDRESS) == {
        "repository_url": ADDRESS,
        "use_repository_button": True,
        "use_issues_button": True,
    }


def test_the_address_is_read_without_a_slash_at_its_end(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(f'[project.urls]\nRepository = "{ADDRESS}/"\n', encoding="utf-8")
    assert repository.repository_address(pyproject) == ADDRESS
    pyproject.write_text('[project]\nname = "something"\n', encoding="utf-8")
    assert repository.repository_address(pyproject) is None


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({"seconds": 18.6, "peak_MB": 662}, "Runs in 19 s and 0.7 GB of memory"),
        ({"seconds": 119.0, "peak_MB": 1160}, "Runs in 2 min and 1.2 GB of memory"),
        (None, ""),
    ],
)
def test_cost_is_rounded_as_one_would_say_it(measured: dict | None, words: str) -> None:
    assert chapter_header.cost(measured, None) == words


def test_cost_leads_to_the_page_on_how_it_was_measured() -> None:
    assert 'in <a href="status.html">2 s' in chapter_header.cost({"seconds": 2, "peak_MB": 300}, "status.html")
