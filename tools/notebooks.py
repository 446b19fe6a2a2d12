"""Keep the files of every chapter in step: NAME.py, the source people write and review; NAME.ipynb, executed; and
learner/NAME.ipynb, the small edition without outputs and solutions that learners open (tools/learner.py says how).

    python tools/notebooks.py sync  [NAME ...]   # source -> notebooks; outputs stay unless a code cell changed
    python tools/notebooks.py run   [NAME ...]   # the same, executed from a clean kernel; written if all went well,
                                                 # and what it cost into results/chapters.json
    python tools/notebooks.py check [NAME ...]   # say what is out of step; exit code 1 if anything is

A source is plain Python with "# %%" before each cell (jupytext's py:percent). Without NAME: every chapter of book/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that `python tools/notebooks.py` finds the other tools

from tools import learner  # noqa: E402

BOOK = ROOT / "book"
COSTS = ROOT / "results" / "chapters.json"  # what the last execution of each chapter cost
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
QUIET = Config({"KernelManager": {"transport_encryption": "auto"}})  # or each kernel warns of plain text on 127.0.0.1
SKIPPED = {"nbval-skip", "skip-execution"}  # nbval knows the first tag, nbclient the second: a cell carries both
MAX_BYTES = 1_000_000
ASK_COSTS = """\
import json, os, platform, resource, sys
from importlib.metadata import version
print(json.dumps({
    "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10),
    "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    "threads": sys.modules["torch"].get_num_threads() if "torch" in sys.modules else 1,
    "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy", "scipy")}},
}))"""  # a last cell, run and then removed: only the kernel itself knows how much memory it took


class ChapterError(Exception):
    """A chapter that may not be written as it is; the message says which cell and why."""


def chapter_names(book: Path = BOOK) -> list[str]:
    """Return the names of all chapters: every NAME.py and every NAME.ipynb of the folder."""
    return sorted({path.stem for pattern in ("*.py", "*.ipynb") for path in book.glob(pattern)})


def read_source(path: Path) -> NotebookNode:
    """Return NAME.py as a notebook without outputs; equal text gives equal cell ids."""
    notebook = jupytext.read(path, fmt="py:percent")
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's note about blank lines
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that a kernel would run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def outline(cell: NotebookNode) -> tuple[str, str, dict]:
    """Return what the source decides about a cell: its type, its text, its tags and other metadata."""
    return cell.cell_type, cell.source, dict(cell.metadata)


def copy_outputs(old: NotebookNode, new: NotebookNode) -> None:
    """Move the outputs of `old` into `new` if no code cell differs; after a changed cell any output may be stale."""
    pairs = list(zip(code_cells(old), code_cells(new), strict=False))
    same = len(code_cells(old)) == len(code_cells(new)) and all(outline(a) == outline(b) for a, b in pairs)
    for before, after in pairs if same else ():
        after.outputs, after.execution_count = before.outputs, before.execution_count


def execute(notebook: NotebookNode, folder: Path) -> dict:
    """Run every cell in a clean kernel of this environment, in `folder`; tidy what came out, return what it cost."""
    where, started, load = {"metadata": {"path": folder}}, time.perf_counter(), os.getloadavg()[0]
    notebook.cells.append(nbformat.v4.new_code_cell(ASK_COSTS))
    options = {"resources": where, "config": QUIET, "coalesce_streams": True}  # how print is cut up depends on the load
    NotebookClient(notebook, timeout=None, kernel_name="python3", **options).execute()
    costs = json.loads(next(out.text for out in notebook.cells.pop().outputs if out.get("name") == "stdout"))
    costs = {"seconds": round(time.perf_counter() - started, 1), "load": round(load, 1), **costs}
    for cell in code_cells(notebook):
        cell.metadata.pop("execution", None)  # times of day
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET_VIEW, None)  # a view without its live kernel is an error message
    notebook.metadata = nbformat.from_dict(METADATA)
    return costs


def output_problems(notebook: NotebookNode) -> list[str]:
    """Return what is wrong with the stored outputs: not executed, error, warning text, widget state, too large."""
    found = []
    for number, cell in enumerate(code_cells(notebook)):
        tags = set(cell.metadata.get("tags", []))
        kinds = {output.get("name", output.output_type) for output in cell.outputs}
        if tags & SKIPPED:
            if not tags >= SKIPPED:
                found.append(f"code cell {number}: tags nbval-skip and skip-execution belong together")
        elif cell.execution_count is None:
            found.append(f"code cell {number}: never executed, so nbval would not compare it")
        if "error" in kinds and "raises-exception" not in tags:
            found.append(f"code cell {number}: ends in an error")
        if "stderr" in kinds:
            text = "".join(output.text for output in cell.outputs if output.get("name") == "stderr")
            found.append(f"code cell {number}: writes to stderr (a warning? a progress bar?): {text.strip()[:200]!r}")
        if any(WIDGET_VIEW in output.get("data", {}) for output in cell.outputs):
            found.append(f"code cell {number}: stores a widget view, which fails to load without its kernel")
    if "widgets" in notebook.metadata:
        found.append("stores widget state, which other viewers refuse")
    size = len(as_text(notebook).encode())
    if size > MAX_BYTES:
        found.append(f"has {size / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:.0f} MB: store smaller pictures")
    return found


def as_text(notebook: NotebookNode) -> str:
    """Return the notebook as it is written to disk."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


def write(notebook: NotebookNode, path: Path) -> None:
    """Write the notebook in one step, so that a reader never meets half a file."""
    nbformat.validate(notebook)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".ipynb.partial")
    partial.write_text(as_text(notebook), encoding="utf-8")
    os.replace(partial, path)


def learner_path(name: str, book: Path = BOOK) -> Path:
    """Return the file of a chapter's edition for learners."""
    return book / "learner" / f"{name}.ipynb"


def learner_edition(name: str, book: Path = BOOK) -> NotebookNode:
    """Return a chapter's edition for learners, made from its source. Raises ChapterError where it must not be."""
    try:
        return learner.edition(read_source(book / f"{name}.py"), chapter_names(book))
    except learner.LearnerError as error:
        raise ChapterError(f"{name}: {error}") from error


def sync(name: str, book: Path = BOOK) -> None:
    """Write the source of one chapter into its notebooks; outputs stay unless a code cell changed."""
    notebook, path, edition = read_source(book / f"{name}.py"), book / f"{name}.ipynb", learner_edition(name, book)
    if path.exists():
        copy_outputs(nbformat.read(path, as_version=4), notebook)
    write(notebook, path)
    write(edition, learner_path(name, book))


def run(name: str, book: Path = BOOK) -> dict:
    """Execute one chapter from its source, write its notebooks, and return what it cost.

    Raises ChapterError, and leaves the old notebooks as they were, when a cell warns, fails or stores too much.
    """
    notebook, edition = read_source(book / f"{name}.py"), learner_edition(name, book)
    costs = execute(notebook, book)
    if found := output_problems(notebook):
        raise ChapterError(f"{name}: " + "; ".join(found))
    write(notebook, book / f"{name}.ipynb")
    write(edition, learner_path(name, book))
    return costs


def keep_costs(name: str, costs: dict, path: Path = COSTS) -> None:
    """Write what a chapter cost into the record of all chapters; those that no longer exist leave it."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = {key: known[key] for key in known if key in chapter_names()} | {name: costs}
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")


def check(name: str, book: Path = BOOK) -> list[str]:
    """Return one line for everything in which the notebook of a chapter differs from what `run` would accept."""
    source_path, path = book / f"{name}.py", book / f"{name}.ipynb"
    if missing := [p.name for p in (source_path, path) if not p.exists()]:
        return [f"{name}: {missing[0]} is missing"]
    source, notebook = read_source(source_path), nbformat.read(path, as_version=4)
    found = output_problems(notebook)
    if [outline(cell) for cell in source.cells] != [outline(cell) for cell in notebook.cells]:
        found.append("source and notebook differ in text or tags: run tools/notebooks.py sync, or run")
    elif [cell.id for cell in source.cells] != [cell.get("id") for cell in notebook.cells]:
        found.append("cell ids were not made by tools/notebooks.py: run tools/notebooks.py sync")
    if {key: value for key, value in notebook.metadata.items() if key != "widgets"} != METADATA:
        found.append("notebook metadata were not made by tools/notebooks.py: run tools/notebooks.py sync")
    return [f"{name}: {line}" for line in found] + check_learner(name, book)


def check_learner(name: str, book: Path = BOOK) -> list[str]:
    """Return what is wrong with the edition for learners: not the one that the source makes, or unfit for them."""
    path = learner_path(name, book)
    try:
        wanted = learner_edition(name, book)
    except ChapterError as error:
        return [str(error)]
    if not path.exists() or path.read_text(encoding="utf-8") != as_text(wanted):
        return [f"{name}: learner/{path.name} is missing or out of date: run tools/notebooks.py sync"]
    return [f"{name}: learner/{path.name}: {line}" for line in learner.problems(wanted, path.parent)]


def main(arguments: list[str] | None = None, book: Path = BOOK) -> int:
    """Run the command line in the module's docstring; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("sync", "run", "check"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters without ending; all if none is named")
    chosen = parser.parse_args(arguments)
    names = chosen.names or chapter_names(book)
    if unknown := sorted(set(names) - set(chapter_names(book))):
        parser.error(f"no chapter {unknown[0]!r} in {book.name}/; there are: {', '.join(chapter_names(book))}")
    if chosen.verb == "check":
        found = [line for name in names for line in check(name, book)]
        print("\n".join(found) or f"{len(names)} chapters in step", file=sys.stderr if found else sys.stdout)
        return 1 if found else 0
    for name in names:
        started = time.perf_counter()
        try:
            costs = {"sync": sync, "run": run}[chosen.verb](name, book)
        except ChapterError as error:
            sys.exit(str(error))
        if costs and book == BOOK:
            keep_costs(name, costs)
        print(f"{name}: {chosen.verb} done in {time.perf_counter() - started:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
