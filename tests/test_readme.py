"""README.md says what is so: its links, paths, commands and pip lines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import readme_table


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def makefile(root: Path) -> str:
    return (root / "Makefile").read_text(encoding="utf-8")


def blocks(text: str) -> str:
    """Return the text of all shell blocks."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def test_make_targets_exist(readme: str, makefile: str) -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)\b", blocks(readme) + "".join(re.findall(r"`[^`\n]+`", readme))))
    assert {"book", "test", "lab"} <= named
    assert named <= set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())


def test_pip_lines_do_what_make_does(readme: str, makefile: str) -> None:
    lines = [line.partition("  #")[0].strip().replace(".venv/bin/", "") for line in blocks(readme).splitlines()]
    made = makefile.replace("$(BIN)/", "").replace("--editable", "-e").replace("--quiet ", "").replace("'", '"')
    cpu_build = re.search(r"then echo (torch\S* --extra-index-url \S+);", makefile)[1]
    assert f"pip install {cpu_build}" in lines
    for line in lines:
        if line.startswith(("pip install -e", "jupyter-book build", "pytest")):
            assert f"\t{line}\n" in made


def test_links_and_paths_exist(root: Path, readme: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if not link.startswith("https://")]
    paths = re.findall(r"`([\w./]+(?:/|\.yml|\.toml|\.cff|\.ipynb))`", readme)
    paths = [path for path in paths if "NAME" not in path and not path.startswith("_build")]
    assert "book/" in paths and "LICENSE" in links
    assert [path for path in links + paths if not (root / path).exists() and not (root / "tools" / path).exists()] == []


@pytest.mark.parametrize("page", readme_table.PAGES)
def test_the_results_are_those_of_the_records(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    now = readme_table.updated(text, readme_table.PAGES[page]())
    assert text == now, f"{page} is out of date: run python tools/readme_table.py"


def test_images_have_alt_text(readme: str) -> None:
    assert [alt for alt in re.findall(r"!\[([^\]]*)\]", readme) if len(alt) < 20] == []


def test_map_has_every_folder_of_code(root: Path, readme: str) -> None:
    tracked = {path.parent.name for path in root.glob("*/*.py")}
    assert {"book", "bfs_tutorial", "data_download", "tests", "tools"} <= tracked
    assert [name for name in sorted(tracked) if f"`{name}/`" not in readme] == []


@pytest.mark.parametrize("page", ["README.md", "book/index.md"])
def test_commands_are_understood(root: Path, page: str) -> None:
    """Every option that a page shows is in the help of its command."""
    text = blocks((root / page).read_text(encoding="utf-8")).replace("\\\n", " ")
    commands = re.findall(r"^python -m bfs_tutorial (\w+) (.*)$", text, re.MULTILINE)
    assert commands
    for verb, rest in commands:
        done = subprocess.run([sys.executable, "-m", "bfs_tutorial", verb, "--help"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert [option for option in re.findall(r"(?<=\s)--?[a-z]+", f" {rest}") if option not in done.stdout] == []
