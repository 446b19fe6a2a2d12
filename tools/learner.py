"""The learner's edition of a chapter: the notebook that the page's links download or open in Colab.

`python tools/notebooks.py sync` or `run` makes book/learner/NAME.ipynb from book/NAME.py, small and without outputs. It
differs from the chapter in five ways:

- Its first cell installs the book's package where it is missing, and nothing else.
- The lines from "### BEGIN SOLUTION" to "### END SOLUTION" are gone; inside a function `raise NotImplementedError`
  stands in their place.
- Folded answers, <details class="bfs-solution">, are gone too.
- Exercise cells are not folded.
- Links lead to the learner's notebooks of other chapters; a link to another page of the book becomes plain words.
"""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book._ext import repository

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = 'raise NotImplementedError("your code here")'
ANSWER = re.compile(r'<details class="bfs-solution">.*?</details>\n*', re.DOTALL)
LINK = re.compile(r"(?<!!)\[([^]\n]+)\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[[^]\n]*\]\(([^)\s]+)\)")
ABSOLUTE = re.compile(r"[a-z]+:|#")
INSTALL_ID = "install"
MAX_BYTES = 100_000
# What only the book's own pages understand; Colab, JupyterLab and GitHub would show it as it stands.
MYST = re.compile(r":::|^\s*`{3,}\{|\{[a-z][\w:+-]*\}`|^\([\w-]+\)=\s*$|^\+\+\+|^%\s|\{\{.*\}\}", re.MULTILINE)
INSTALL = """\
# Where the book's package is missing, as on Colab and Kaggle, install it. It takes what is there and brings nothing
# along (--no-deps). A Python without PyTorch, SciPy and scikit-image needs the same command without that word.
import importlib
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("bfs_tutorial") is None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.check_call([*pip, "git+{address}@{ref}"])
    importlib.invalidate_caches()
"""
NO_ADDRESS = """\
# This notebook needs the book's package. The address that it could be installed from is not known yet.
import importlib.util

if importlib.util.find_spec("bfs_tutorial") is None:
    raise ModuleNotFoundError(
        "The package bfs_tutorial is not installed in this Python. Take the wheel or the folder of the repository "
        "that came with this notebook, run   %pip install --no-deps PATH   in a cell of its own, with its path for "
        "PATH, then run this cell again."
    )
"""
DEVICE = """
from bfs_tutorial.training import pick_device

print("The networks of BFSNet compute on:", pick_device())
"""


class LearnerError(Exception):
    """A chapter of which no edition for learners can be made; the message says which cell and why."""


def edition(chapter: NotebookNode, chapters: list[str], pyproject: Path = ROOT / "pyproject.toml") -> NotebookNode:
    """Return the learner's edition of a chapter that `notebooks.read_source` has read.

    chapters: the names of all chapters, which a link may lead to. Cells keep their ids, so that a submitted answer can
    be found again. Raises `LearnerError` for marks of a solution without a partner.
    """
    notebook = copy.deepcopy(chapter)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_own_links(without_answers(cell.source), chapters)
            continue
        cell.source = without_solution(cell.source)
        cell.outputs, cell.execution_count = [], None
        tags = cell.metadata.get("tags", [])
        if "exercise" in tags:
            cell.metadata["tags"] = [tag for tag in tags if tag != "hide-input"]
    notebook.cells = [first_cell(notebook, pyproject), *(cell for cell in notebook.cells if cell.source.strip())]
    return notebook


def first_cell(notebook: NotebookNode, pyproject: Path) -> NotebookNode:
    """Return the cell that installs the package, and says which device was picked if the chapter uses BFSNet."""
    address, version = repository.repository_address(pyproject), repository.read_project(pyproject)["version"]
    code = INSTALL.format(address=address, ref=repository.published_ref(version)) if address else NO_ADDRESS
    uses_networks = any(cell.cell_type == "code" and "BFSNet" in cell.source for cell in notebook.cells)
    cell = nbformat.v4.new_code_cell((code + DEVICE if uses_networks else code).rstrip())
    cell.id = INSTALL_ID
    return cell


def without_solution(code: str) -> str:
    """Take out each marked solution; in an indented one's place, in a function, `raise NotImplementedError` stands."""
    kept: list[str] = []
    begin: str | None = None  # the line that opened the solution we are in
    for line in code.splitlines():
        mark = line.strip()
        if mark not in (BEGIN, END):
            kept += [line] if begin is None else []
            continue
        if (mark == BEGIN) != (begin is None):
            raise LearnerError(f"{mark!r} has no partner in the cell that starts with {code.splitlines()[0]!r}")
        if mark == BEGIN and (indent := line[: line.index("#")]):
            kept.append(indent + STUB)
        begin = line if mark == BEGIN else None
    if begin is not None:
        raise LearnerError(f"{BEGIN!r} has no partner in the cell that starts with {code.splitlines()[0]!r}")
    return "\n".join(kept)


def without_answers(text: str) -> str:
    """Take out the folded answers."""
    left = ANSWER.sub("", text)
    if left.count("<details") != left.count("</details>") or "bfs-solution" in left:
        raise LearnerError(f"a folded answer does not end, or holds another: {text.strip().splitlines()[0]!r}")
    return left.rstrip()


def with_own_links(text: str, chapters: list[str]) -> str:
    """Keep links to chapters, whose notebooks for learners lie beside this one, and web addresses; unlink the rest."""

    def own(match: re.Match) -> str:
        words, target = match.groups()
        name = target.partition("#")[0]
        keep = ABSOLUTE.match(target) or name.endswith(".ipynb") and name.removesuffix(".ipynb") in chapters
        return match[0] if keep else words

    return LINK.sub(own, text)


def problems(notebook: NotebookNode, folder: Path) -> list[str]:
    """Return what a learner should not meet in this notebook of `folder`; one line for each finding."""
    found = []
    for number, cell in enumerate(notebook.cells):
        where = f"cell {number}"
        if mark := re.search(r"BEGIN SOLUTION|END SOLUTION|bfs-solution", cell.source):
            found.append(f"{where}: {mark[0]!r} is left of a solution")
        if cell.cell_type == "markdown":
            found += [f"{where}: {match[0].strip()!r} is MyST" for match in MYST.finditer(unquoted(cell.source))]
            targets = [match[2] for match in LINK.finditer(cell.source)]
            targets += [match[1] for match in IMAGE.finditer(cell.source)]
            lost = [t for t in targets if not ABSOLUTE.match(t) and not (folder / t.partition("#")[0]).exists()]
            found += [f"{where}: {target!r} does not exist beside the notebook" for target in lost]
        else:
            found += [f"{where}: {line}" for line in code_problems(cell)]
    if "widgets" in notebook.metadata:
        found.append("stores widget state")
    if (size := len(nbformat.writes(notebook).encode())) > MAX_BYTES:
        found.append(f"has {size / 1000:.0f} kB, more than {MAX_BYTES / 1000:.0f} kB")
    return found


def code_problems(cell: NotebookNode) -> list[str]:
    """Return what is wrong with a code cell: outputs, or text that Python cannot read."""
    found = ["has outputs or a count"] if cell.outputs or cell.execution_count is not None else []
    try:
        ast.parse(cell.source)
    except SyntaxError as error:
        found.append(f"is no Python: {error}")
    return found


def unquoted(text: str) -> str:
    """Return Markdown without its inline code and its formulas, in which braces mean something else."""
    return re.sub(r"\$\$.*?\$\$|(?<![`}])`[^`\n]+`|\$[^$\n]+\$", "", text, flags=re.DOTALL)
