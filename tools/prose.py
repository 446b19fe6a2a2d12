"""Measure the chapters as reading matter, and find numbers in their prose that nothing produced.

    python tools/prose.py                  # one line for each chapter: words, cells, figures, numbers to explain
    python tools/prose.py numbers [NAME]   # the numbers of prose, captions and alt texts that need an explanation

A number is explained when a code cell of the chapter holds it, a stored output shows it, or the paper states it
(results/paper.json); so are small counts, and the numbers of equations, sections and years. What is left must go, or
stand in `ALLOWED` with a reason.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bfs_tutorial import paper  # noqa: E402
from tools import notebooks  # noqa: E402

EXERCISES = "## Exercises"
SMALL = {float(n) for n in range(4)}  # counts in words' clothing: "2 networks"
NUMBER = re.compile(r"(?<![\w.])\d+(?:[ ,]\d{3})*(?:\.\d+)?(?![\w]|\.\d)")
NAMED = re.compile(  # what carries a number as its name
    r"(?:Eqs?\.|[Ee]quations?|Figs?\.|[Ff]igures?|Table|[Ss]ections?|§|[Ss]tep|[Ee]xercise|[Cc]hapter|Hint)\s*\(?\d[\d.–-]*"
    r"(?:(?:,| and| to|–)\s*\d[\d.]*)*|\b(?:8|16)-cell\b|\bN?[1-4]\d? of \d\b|\[\d+\]|\b(?:19|20)\d\d\b"
)
NOT_PROSE = re.compile(  # formulas, code, addresses, tags, numerals of lists
    r"\$\$.*?\$\$|\$[^$]+\$|```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]+>|^\s*\d+\.\s", re.DOTALL | re.MULTILINE
)
WORDLESS = re.compile(r"\$\$.*?\$\$|<[^>]+>", re.DOTALL)
ALLOWED: dict[str, dict[str, str]] = {}  # by chapter: the number as it stands, and why it may


@dataclass(frozen=True)
class Measures:
    """Hold what a chapter measures; but for words and exercises, of what stands before its exercises."""

    words: int  # of the whole chapter, formulas left out
    cells: int
    median_lines: float
    longest: int
    figures: int
    explorables: int
    exercises: int


def split(notebook: NotebookNode) -> tuple[list[NotebookNode], list[NotebookNode]]:
    """Return the cells before the exercises, and those from there on."""
    cells = notebook.cells
    start = next((i for i, cell in enumerate(cells) if EXERCISES in cell.source.splitlines()), len(cells))
    return cells[:start], cells[start:]


def prose(cells: list[NotebookNode]) -> str:
    """Return the text of Markdown cells without formulas, code, addresses and tags."""
    return "\n\n".join(NOT_PROSE.sub(" ", cell.source) for cell in cells if cell.cell_type == "markdown")


def shown(cells: list[NotebookNode]) -> str:
    """Return everything that the stored outputs of the cells show, pictures and their captions left out."""
    texts = []
    for cell in cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            texts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
    return re.sub(r"<figcaption.*?</figcaption>|data:image/[^\"' ]*|<[^>]+>", " ", "\n".join(texts), flags=re.DOTALL)


def measure(name: str, book: Path = notebooks.BOOK) -> Measures:
    """Measure one chapter from its notebook."""
    body, last = split(nbformat.read(book / f"{name}.ipynb", as_version=4))
    text = "\n\n".join(cell.source for cell in body + last if cell.cell_type == "markdown")
    code = [cell for cell in body if cell.cell_type == "code" and cell.source.strip()]
    lines = [len(cell.source.splitlines()) for cell in code]
    outputs = [out.get("data", {}).get("text/html", "") for cell in code for out in cell.outputs]
    return Measures(
        words=len(re.findall(r"\S*\w\S*", WORDLESS.sub(" ", text))),
        cells=len(code),
        median_lines=statistics.median(lines),
        longest=max(lines),
        figures=sum("<figure" in html for html in outputs),
        explorables=sum("bfs-explorable" in html for html in outputs),
        exercises=len(re.findall(r"^### Exercise \d|^\d+\. ", "\n".join(c.source for c in last), re.MULTILINE)),
    )


def literals(cells: list[NotebookNode]) -> Iterator[tuple[float | None, str]]:
    """Go through the constants of code cells: numbers as (value, ""), captions and alt texts as (None, text)."""
    for cell in cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.MULTILINE))
        told = {id(n) for k in ast.walk(tree) if isinstance(k, ast.keyword) and k.arg in {"alt", "caption"}
                for n in ast.walk(k.value)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
                yield float(node.value), ""
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) in told:
                    yield None, node.value
                else:  # a text may hold values, such as a command line
                    yield from ((value, "") for value in numbers(node.value).values())


def numbers(text: str) -> dict[str, float]:
    """Return the numbers of a text as they stand, with their values; names such as "Eq. 4" hold none."""
    found = NUMBER.findall(NAMED.sub(" ", text.replace("−", "-")))
    return {token: float(re.sub("[ ,]", "", token)) for token in found}


def paper_numbers() -> set[float]:
    """Return every number of results/paper.json."""

    def walk(value: object) -> Iterator[float]:
        if isinstance(value, dict):
            yield from (n for part in value.values() for n in walk(part))
        elif isinstance(value, list):
            yield from (n for part in value for n in walk(part))
        elif isinstance(value, (int, float)):
            yield float(value)

    return set(walk(paper.record()))


def unexplained(name: str, book: Path = notebooks.BOOK) -> list[str]:
    """Return the numbers in prose, captions and alt texts of a chapter that nothing produced, as they stand."""
    cells = nbformat.read(book / f"{name}.ipynb", as_version=4).cells
    constants = list(literals(cells))
    known = SMALL | paper_numbers() | {value for value, _ in constants if value is not None}
    known |= set(numbers(shown(cells)).values())
    known |= {round(100 * value, 6) for value in known}  # 0.05 in code, 5 % in prose
    text = prose(cells) + "\n\n" + "\n".join(told for _, told in constants if told)
    allowed = ALLOWED.get(name, {})
    return [token for token, value in numbers(text).items() if value not in known and token not in allowed]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line in the module's docstring; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", nargs="?", choices=("figures", "numbers"), default="figures")
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters; all if none is named")
    chosen = parser.parse_args(arguments)
    names = chosen.names or notebooks.chapter_names()
    if chosen.verb == "numbers":
        left = {name: unexplained(name) for name in names}
        print("\n".join(f"{name}: {', '.join(tokens)}" for name, tokens in left.items() if tokens) or "all explained")
        return int(any(left.values()))
    print(f"{'chapter':<26}{'words':>7}{'cells':>7}{'median':>8}{'longest':>9}{'figures':>9}{'sliders':>9}{'exercises':>11}")
    for name in names:
        m = measure(name)
        print(f"{name:<26}{m.words:>7}{m.cells:>7}{m.median_lines:>8g}{m.longest:>9}{m.figures:>9}{m.explorables:>9}"
              f"{m.exercises:>11}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
