"""What a teacher needs: notebooks to hand out, the key, grades for a folder of what comes back, a bundle for a class.

    python -m tools.classroom student FOLDER [NAME ...]   # notebooks without solutions and outputs
    python -m tools.classroom key FOLDER [NAME ...]       # the same with solutions, answers and outputs
    python -m tools.classroom grade FOLDER [-o GRADES]    # GRADES.csv, and GRADES/ with feedback for each notebook
    python -m tools.classroom pack FILE.zip               # notebooks, pages, data and package: no network needed
    python -m tools.classroom nbgrader FOLDER [NAME ...]  # sources with the metadata of nbgrader's generate_assignment

NAME is a chapter; without one, every chapter with exercises. Nothing is overwritten unless --force is given.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

import data_download
from bfs_tutorial import checks
from tools import environment, grading, learner, notebooks

ROOT = notebooks.BOOK.parent
SITE = ROOT / "_build" / "html"
DATA = "mouse_embryo_fluorescence"  # what the chapters use when it is there
STYLE = (
    "body{font:1rem/1.5 sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1f2328;background:#fff}"
    "img{max-width:100%}table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;"
    "border-bottom:1px solid #d0d7de}"
)


class ClassroomError(Exception):
    """Something that cannot be done as asked; the message says what to do."""


# ---- notebooks to hand out -----------------------------------------------------------------------------------


def chapters() -> list[str]:
    """Return the chapters that have exercises, in the order of the book."""
    return list(dict.fromkeys(exercise.chapter for exercise in checks.EXERCISES.values()))


def student(name: str) -> NotebookNode:
    """Return a chapter as it is handed out: the learner's edition."""
    return learner.edition(notebooks.read_source(notebooks.BOOK / f"{name}.py"), notebooks.chapter_names())


def key(name: str) -> NotebookNode:
    """Return a chapter with solutions and outputs, answers unfolded, and the points of each exercise beside it."""
    notebook = nbformat.read(notebooks.BOOK / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace('<details class="bfs-solution">', '<details class="bfs-solution" open>')
        elif "exercise" in cell.metadata.get("tags", []):
            cell.metadata["tags"] = ["exercise"]
            points = [f"{e.name}: {e.points} points" for e in checks.EXERCISES.values() if e.answer in cell.source]
            cell.source = "\n".join([*(f"# {line}" for line in points), cell.source])
    return notebook


def for_nbgrader(name: str) -> NotebookNode:
    """Return a chapter's source as nbgrader's generate_assignment reads it: solution cells and tests with points."""
    notebook = notebooks.read_source(notebooks.BOOK / f"{name}.py")
    for cell in notebook.cells:
        calls = [e for e in checks.EXERCISES.values() if f"checks.{e.name}({e.answer})" in cell.source]
        made = [e for e in checks.EXERCISES.values() if "BEGIN SOLUTION" in cell.source and e.answer in cell.source]
        if made:
            cell.metadata["nbgrader"] = _metadata(f"answer-{made[0].name}", solution=True)
        elif calls:
            cell.metadata["nbgrader"] = _metadata(f"check-{calls[0].name}", points=calls[0].points)
            cell.source += f"\nassert checks.{calls[0].name}({calls[0].answer}).passed"
    return notebook


def _metadata(grade_id: str, solution: bool = False, points: int | None = None) -> dict:
    """Return the metadata that nbgrader keeps in a cell."""
    known = {"grade_id": grade_id, "schema_version": 3, "task": False, "solution": solution, "locked": not solution}
    return known | ({"grade": False} if points is None else {"grade": True, "points": points})


def write(made: Iterable[tuple[str, NotebookNode]], folder: Path, force: bool) -> list[Path]:
    """Write notebooks by name into a folder. Raises ClassroomError, before anything is written, if one is there."""
    notebooks_by_path = {folder / f"{name}.ipynb": notebook for name, notebook in made}
    if (there := [path for path in notebooks_by_path if path.exists()]) and not force:
        raise ClassroomError(f"{there[0]} exists already: choose another folder, or add --force to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    for path, notebook in notebooks_by_path.items():
        path.write_text(notebooks.as_text(notebook), encoding="utf-8")
    return list(notebooks_by_path)


# ---- grades --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Graded:
    """Hold what came out of one notebook: the grades, or why there are none."""

    path: Path
    grades: tuple[grading.Grade, ...] = ()
    problem: str = ""

    @property
    def points(self) -> int:
        """Points reached."""
        return sum(grade.points for grade in self.grades)

    @property
    def out_of(self) -> int:
        """Points that could be reached."""
        return sum(grade.out_of for grade in self.grades)


def grade_file(path: Path, limits: grading.Limits) -> Graded:
    """Grade one notebook; whatever is wrong with it becomes its problem, so that no file stops a batch."""
    try:
        return Graded(path, tuple(grading.grade(path, limits)))
    except ValueError as problem:
        return Graded(path, problem=str(problem))
    except Exception as error:  # the other 29 notebooks still want their grades
        return Graded(path, problem=f"could not be graded, {type(error).__name__}: {error}")


def grade_folder(folder: Path, limits: grading.Limits, jobs: int = 2) -> list[Graded]:
    """Grade every notebook in a folder and the folders in it, in the order of their names.

    Raises ClassroomError when there is none.
    """
    paths = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts and p.is_file())
    if not paths:
        raise ClassroomError(f"no notebook in {folder}: expected files that end in .ipynb")
    with ThreadPoolExecutor(jobs) as pool:
        return list(tqdm(pool.map(lambda path: grade_file(path, limits), paths), total=len(paths), unit="notebook"))


def table(graded: list[Graded], folder: Path) -> list[list[object]]:
    """Return the grades as rows: a header, then one line for each notebook, a column for each exercise."""
    seen = {grade.exercise for one in graded for grade in one.grades}
    columns = [name for name in checks.EXERCISES if name in seen]
    rows: list[list[object]] = [["notebook", "points", "out_of", *columns, "remarks"]]
    for one in graded:
        points = {grade.exercise: grade.points for grade in one.grades}
        said = [f"{grade.exercise}: {grade.sentence}" for grade in one.grades if grade.points < grade.out_of]
        remarks = one.problem or "; ".join(said)
        name = one.path.relative_to(folder).with_suffix("").as_posix()
        each = [points.get(column, "") for column in columns]
        rows.append([_cell(name), one.points, one.out_of, *each, _cell(remarks)])
    return rows


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def feedback(one: Graded, name: str) -> str:
    """Return a page for the student: points, and what each check said."""
    lines = "".join(
        f"<tr><th scope='row'>{escape(g.exercise)}</th><td>{g.points} of {g.out_of}</td></tr>" for g in one.grades
    )
    cards = "".join(g.html or f"<h2>{escape(g.exercise)}</h2><p>{escape(g.sentence)}</p>" for g in one.grades)
    said = f"<p>{escape(one.problem)}</p>" if one.problem else f"<table>{lines}</table>{cards}"
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(name)}</title><style>{STYLE}</style>"
        f"<h1>{escape(name)}: {one.points} of {one.out_of} points</h1>{said}</html>\n"
    )


def sheet_and_pages(target: Path) -> tuple[Path, Path]:
    """Return where the grades go: a CSV file, and the folder of the students' pages."""
    return target.with_suffix(".csv"), target.with_suffix("")


def free(target: Path, force: bool) -> None:
    """Raise ClassroomError when grades are there already, before any work is done."""
    if (there := [path for path in sheet_and_pages(target) if path.exists()]) and not force:
        raise ClassroomError(f"{there[0]} exists already: name another one with -o, or add --force to replace it")


def write_grades(graded: list[Graded], folder: Path, target: Path) -> list[Path]:
    """Write TARGET.csv, one line for each notebook, and TARGET/NAME.html, a page for each student."""
    sheet, pages = sheet_and_pages(target)
    for one in graded:
        name = one.path.relative_to(folder).with_suffix("")
        page = pages / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(feedback(one, name.as_posix()), encoding="utf-8")
    with sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(table(graded, folder))
    return [sheet, pages]


# ---- a bundle for a class ------------------------------------------------------------------------------------

READ_ME = """\
The paper you can run: BFS-Net, for a class without network

book/index.html   the book; open it in a browser
notebooks/        the chapters with exercises, without solutions
data/             public stacks of mouse embryos; before starting Jupyter set BFS_TUTORIAL_MIRROR to this folder
*.whl             the package: pip install --no-deps FILE.whl in an environment that has what it needs

What it needs: {needs}
"""


def pack(target: Path, force: bool) -> Path:
    """Write one zip file with student notebooks, built pages, data if they are here, and the package as a wheel.

    Raises ClassroomError when the file is there already, or the pages are not built.
    """
    if target.exists() and not force:
        raise ClassroomError(f"{target} exists already: name another file, or add --force to replace it")
    if not (SITE / "index.html").exists():
        raise ClassroomError("the pages are not built: run `make book` first")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(((name, student(name)) for name in notebooks.chapter_names()), folder / "notebooks", force=False)
        shutil.copytree(SITE, folder / "book", ignore=shutil.ignore_patterns(".doctrees", ".buildinfo", "_sources"))
        wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
        subprocess.run(wheel, check=True)
        copy_data(folder / "data")
        (folder / "README.txt").write_text(READ_ME.format(needs=", ".join(requirements())), encoding="utf-8")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.write(path, Path(target.stem) / path.relative_to(folder))
    return target


def requirements() -> list[str]:
    """Return what the package and the notebooks need, as pip names it."""
    project = environment.read_project()
    return [*project["dependencies"], *project["optional-dependencies"]["lab"]]


def copy_data(folder: Path) -> None:
    """Copy the public stacks into a folder laid out as a mirror; say so when they are not on this machine."""
    if not data_download.is_available(DATA):
        tqdm.write(f"without {DATA}, which is not on this machine: the chapters will take simulated stacks")
        return
    shutil.copytree(data_download.fetch(DATA, progress=False), folder / DATA)


# ---- the command line ----------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """Return the command line in the module's docstring."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = made.add_subparsers(dest="verb", required=True)
    for verb in ("student", "key", "nbgrader"):
        one = verbs.add_parser(verb)
        one.add_argument("folder", type=Path)
        one.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(chapters())}")
    one = verbs.add_parser("grade")
    one.add_argument("folder", type=Path, help="holds the notebooks, in folders or not")
    one.add_argument("-o", dest="target", type=Path, metavar="GRADES", help="default: FOLDER with -grades added")
    one.add_argument("--seconds", type=float, default=grading.Limits.seconds, help="for one answer (%(default)s)")
    one.add_argument("--gigabytes", type=float, default=grading.Limits.gigabytes, help="for one answer (%(default)s)")
    one.add_argument("--jobs", type=int, default=2, help="notebooks at a time (%(default)s)")
    verbs.add_parser("pack").add_argument("target", type=Path, metavar="FILE.zip")
    for one in verbs.choices.values():
        one.add_argument("--force", action="store_true", help="replace what is there")
    return made


def run(chosen: argparse.Namespace) -> list[Path]:
    """Do what the command line asks for; return what was written. Raises ClassroomError."""
    if chosen.verb == "pack":
        return [pack(chosen.target, chosen.force)]
    if chosen.verb == "grade":
        if not chosen.folder.is_dir():
            raise ClassroomError(f"{chosen.folder} is no folder: expected one with notebooks in it")
        if chosen.seconds <= 0 or chosen.gigabytes <= 0 or chosen.jobs < 1:
            raise ClassroomError("--seconds, --gigabytes and --jobs: expected numbers above 0")
        target = chosen.target or chosen.folder.with_name(f"{chosen.folder.resolve().name}-grades")
        limits = grading.Limits(chosen.seconds, chosen.gigabytes)
        free(target, chosen.force)
        return write_grades(grade_folder(chosen.folder, limits, chosen.jobs), chosen.folder, target)
    if unknown := sorted(set(chosen.names) - set(chapters())):
        raise ClassroomError(f"no chapter {unknown[0]!r} with exercises: expected one of {', '.join(chapters())}")
    make = {"student": student, "key": key, "nbgrader": for_nbgrader}[chosen.verb]
    return write(((name, make(name)) for name in chosen.names or chapters()), chosen.folder, chosen.force)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; exit code 2, with one line that says why, when it cannot be done."""
    try:
        written = run(parser().parse_args(arguments))
    except ClassroomError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
