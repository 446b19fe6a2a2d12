"""How the book is built: strictly, and with buttons for the one address in pyproject.toml, or none."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from book._ext import repository

ADDRESS = "https://github.com/someone/something"
TOC = "format: jb-book\nroot: book/index\nchapters:\n  - file: book/whole_method\n  - file: book/bibliography\n"


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A copy of what the build reads, with three pages in it."""
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(root / name, tmp_path / name)
    unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    shutil.copytree(root / "book", tmp_path / "book", ignore=unwanted)
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    return tmp_path


def build(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the Makefile's own build command in `folder`."""
    command = re.search(r"/(jupyter-book build .*)$", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    program, *arguments = shlex.split(command)
    executable = Path(sys.executable).with_name(program)
    return subprocess.run([executable, *arguments], cwd=folder, capture_output=True, text=True)


def test_without_an_address_there_is_no_button_and_no_invented_address(root: Path, copy: Path) -> None:
    done = build(root, copy)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (copy / "_build/html/book/whole_method.html").read_text(encoding="utf-8")
    assert "colab.research" not in page and "github.com" not in page


def test_one_address_makes_every_button(root: Path, copy: Path) -> None:
    with (copy / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[project.urls]\nRepository = "{ADDRESS}"\n')
    done = build(root, copy)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (copy / "_build/html/book/whole_method.html").read_text(encoding="utf-8")
    colab = "https://colab.research.google.com/github/someone/something/blob/main/book/whole_method.ipynb"
    assert f'href="{colab}"' in page and f'href="{ADDRESS}"' in page


def test_every_broken_reference_is_named_and_fails_the_build(root: Path, copy: Path) -> None:
    with (copy / "book/index.md").open("a", encoding="utf-8") as file:
        file.write("\n{doc}`no_page` {cite}`nobody` {eq}`no-equation` {ref}`no-label` ![](images/no_image.png)\n")
    done = build(root, copy)
    assert done.returncode != 0
    for name in ("no_page", "nobody", "no-equation", "no-label", "no_image.png"):
        assert re.search(f"index.md:.*WARNING:.*{name}", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("address", "colab"), [(ADDRESS, "https://colab.research.google.com"), ("https://gitlab.com/someone/something", "")]
)
def test_colab_opens_notebooks_from_github_only(address: str, colab: str) -> None:
    assert repository.button_options(f"{address}/") == {
        "repository_url": address,
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {"notebook_interface": "jupyterlab", "colab_url": colab},
    }


def test_no_address_sets_no_option() -> None:
    assert repository.button_options(None) == {}
