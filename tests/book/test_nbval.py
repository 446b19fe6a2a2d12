"""`pytest --nbval`, with this repository's settings, accepts what repeats and refuses what does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import notebooks

SOURCE = """\
# %%
print("SEG is 0.71")

# %%
from IPython.display import HTML

HTML('<figure class="bfs-figure"><img alt="A cell" src="data:image/png;base64,' + "AB" * 100 + '"></figure>')
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of an executed chapter with a number and a picture in it."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "chapter.py").write_text(SOURCE, encoding="utf-8")
    notebooks.run("chapter", folder)
    return notebooks.as_text(nbformat.read(folder / "chapter.ipynb", as_version=4))


@pytest.mark.parametrize(
    ("stored", "found", "exit_code"),
    [("SEG is 0.71\\n", "SEG is 0.71\\n", 0), ("SEG is 0.71\\n", "SEG is 0.72\\n", 1), ("AB" * 100, "CD" * 120, 0)],
    ids=["the same", "another number", "another encoding of a picture"],
)
def test_nbval_compares_numbers_and_not_the_bytes_of_pictures(
    root: Path, tmp_path: Path, notebook: str, stored: str, found: str, exit_code: int
) -> None:
    assert stored in notebook
    (tmp_path / "chapter.ipynb").write_text(notebook.replace(stored, found), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "--nbval", "--config-file=pyproject.toml", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, tmp_path / "chapter.ipynb"], cwd=root, capture_output=True, text=True)
    assert done.returncode == exit_code, done.stdout
