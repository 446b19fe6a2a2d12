"""The teacher's tool: editions without and with solutions, a class that is graded, a bundle, nbgrader's format."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from bfs_tutorial import checks
from tests.checks import test_exercises as listed  # enters the wrong answers
from tests.checks.wrong import WRONG, Wrong
from tools import classroom, grading, notebooks

CHAPTERS = classroom.chapters()
TOTAL = {chapter: sum(e.points for e in checks.EXERCISES.values() if e.chapter == chapter) for chapter in CHAPTERS}
SOLVED = ("BEGIN SOLUTION", "END SOLUTION", "bfs-solution")


def solutions(name: str) -> list[str]:
    """Return the lines of a chapter between the marks of a solution, long enough to be recognised."""
    lines, inside = [], False
    for line in (notebooks.BOOK / f"{name}.py").read_text(encoding="utf-8").splitlines():
        inside = "BEGIN SOLUTION" in line or (inside and "END SOLUTION" not in line)
        lines += [line.strip()] if inside and "SOLUTION" not in line and len(line.strip()) > 25 else []
    return lines


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_check_of_a_chapter_is_used_in_it(name: str) -> None:
    text = (notebooks.BOOK / f"{name}.py").read_text(encoding="utf-8")
    for exercise in checks.EXERCISES.values():
        if exercise.chapter == name:
            assert f"checks.{exercise.name}({exercise.answer})" in text


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_student_edition_holds_no_solution(name: str) -> None:
    text = "\n".join(cell.source for cell in classroom.student(name).cells)
    assert [mark for mark in SOLVED if mark in text] == []
    kept = (notebooks.BOOK / f"{name}.py").read_text(encoding="utf-8")
    once = [line for line in solutions(name) if kept.count(line) == 1]  # others stand in the chapter too
    assert [line for line in once if line in text] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_key_holds_solutions_points_and_green_cards(name: str) -> None:
    text = notebooks.as_text(classroom.key(name))
    assert text.count("✓ passed") == sum(e.chapter == name for e in checks.EXERCISES.values())
    assert "✗ not yet" not in text and " points" in text and "BEGIN SOLUTION" in text


def test_editions_are_written_and_never_over_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert classroom.main(["student", str(tmp_path), CHAPTERS[0]]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / f"{CHAPTERS[0]}.ipynb")
    before = (tmp_path / f"{CHAPTERS[0]}.ipynb").read_bytes()
    assert classroom.main(["key", str(tmp_path), CHAPTERS[0]]) == 2
    assert "exists already: choose another folder, or add --force" in capsys.readouterr().err
    assert (tmp_path / f"{CHAPTERS[0]}.ipynb").read_bytes() == before
    assert classroom.main(["key", str(tmp_path), CHAPTERS[0], "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["student", "out", "centre_mapz"], "no chapter 'centre_mapz' with exercises: expected one of"),
        (["grade", "nowhere"], "nowhere is no folder"),
        (["grade", ".", "--seconds", "0"], "expected numbers above 0"),
        (["grade", "empty"], "no notebook in empty"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, monkeypatch, capsys, arguments: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert classroom.main(arguments) == 2
    assert words in capsys.readouterr().err


# ---- a class -------------------------------------------------------------------------------------------------


def submit(folder: Path, name: str, *cells: str, chapter: str | None = None, bare: bool = False) -> None:
    """Hand in a notebook: a chapter's student edition, if one is named, with these cells behind it."""
    notebook = classroom.student(chapter) if chapter else nbformat.v4.new_notebook()
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    if bare:  # as some hosts save it: no metadata, no ids
        notebook.metadata, notebook.nbformat_minor = nbformat.NotebookNode(), 4
        for cell in notebook.cells:
            cell.metadata = nbformat.NotebookNode()
            cell.pop("id", None)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(nbformat.writes(notebook, version=nbformat.NO_CONVERT), encoding="utf-8")


def solved(chapter: str) -> list[str]:
    """Return the cells of a chapter's key, as a perfect student would have them."""
    return [cell.source for cell in classroom.key(chapter).cells if cell.cell_type == "code"]


PLAIN = """\
VALUES = {}

def wrong(*_):
    return lambda function: function
"""


def as_cell(case: Wrong) -> str:
    """Return the line that takes a wrong answer from the cell that holds its module."""
    if getattr(case.answer, "__name__", "<lambda>") != "<lambda>":
        return f"my_{case.exercise} = {case.answer.__name__}"
    return f"my_{case.exercise} = next(value[2] for value in VALUES.values() if value[1] == {case.mistake!r})"


def wrong_answers(chapter: str) -> list[list[str]]:
    """Return notebooks, as lists of cells, of which every one holds one wrong answer to each exercise of a chapter."""
    text = (Path(listed.__file__).parent / f"wrong_{chapter}.py").read_text(encoding="utf-8")
    text = re.sub(r"^from (__future__|tests)\b.*$", "", text, flags=re.MULTILINE)
    head = [PLAIN, text.replace("wrong_value(", "VALUES[len(VALUES)] = (")]
    exercises = [e.name for e in checks.EXERCISES.values() if e.chapter == chapter]
    answers = [[as_cell(case) for case in WRONG if case.exercise == name] for name in exercises]
    return [head + [cells[i % len(cells)] for cells in answers] for i in range(max(map(len, answers)))]


HOSTILE = {
    "loops.ipynb": ["while True:\n    pass"],
    "prints.ipynb": ["while True:\n    print('a' * 10**6)"],
    "exits.ipynb": ["exit()", "import os\nos._exit(1)"],
    "checks.ipynb": ["from bfs_tutorial import checks", "checks.EXERCISES.clear()", "checks.centre_map = lambda a: 1"],
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """A class in one folder, graded with one command: the lines of its table by notebook."""
    folder = tmp_path_factory.mktemp("class") / "class"
    for chapter in CHAPTERS:
        submit(folder, f"perfect/{chapter}.ipynb", *solved(chapter), chapter=chapter)
        submit(folder, f"empty/{chapter}.ipynb", chapter=chapter)
        for number, cells in enumerate(wrong_answers(chapter)):
            submit(folder, f"wrong{number}/{chapter}.ipynb", *cells)
    first = CHAPTERS[0]
    submit(folder, "bare.ipynb", *solved(first), chapter=first, bare=True)
    submit(folder, "moved.ipynb", *reversed(solved(first)), chapter=first)
    for name, cells in HOSTILE.items():
        submit(folder, name, *cells, *solved(first), chapter=first)
    (folder / "no_notebook.ipynb").write_text("{", encoding="utf-8")
    submit(folder, "=cmd.ipynb", "1 + 1")
    assert classroom.main(["grade", str(folder), "--seconds", "20"]) == 0
    with (folder.parent / "class-grades.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["notebook"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(list(folder.rglob("*.ipynb")))
    assert all((folder.parent / "class-grades" / f"{name.lstrip(chr(39))}.html").is_file() for name in rows)
    return rows


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_perfect_notebook_gets_all_points_and_an_empty_one_none(graded, name: str) -> None:
    perfect, empty = graded[f"perfect/{name}"], graded[f"empty/{name}"]
    assert (int(perfect["points"]), int(perfect["out_of"]), perfect["remarks"]) == (TOTAL[name], TOTAL[name], "")
    assert (int(empty["points"]), int(empty["out_of"])) == (0, TOTAL[name])
    assert empty["remarks"].count("nothing here yet") == sum(e.chapter == name for e in checks.EXERCISES.values())


def test_every_wrong_answer_gets_no_points_and_its_own_sentence(graded) -> None:
    lines = {name: row for name, row in graded.items() if name.startswith("wrong")}
    assert {row["points"] for row in lines.values()} == {"0"}
    remarks = "\n".join(row["remarks"] for row in lines.values())
    assert [case.mistake for case in WRONG if case.words not in remarks] == []


@pytest.mark.parametrize("name", ["bare", "moved", *(Path(name).stem for name in HOSTILE)])
def test_what_is_around_an_answer_costs_no_points(graded, name: str) -> None:
    assert int(graded[name]["points"]) == TOTAL[CHAPTERS[0]]


def test_files_without_an_answer_are_named_and_lost_by_nobody(graded) -> None:
    assert "this is no notebook" in graded["no_notebook"]["remarks"]
    assert "holds no exercise" in graded["'=cmd"]["remarks"]  # quoted, or a spreadsheet would take it for a formula


def test_a_student_reads_what_each_check_said(tmp_path: Path) -> None:
    grades = (grading.Grade("centre_map", 0, 2, "it is < 1"), grading.Grade("other", 1, 1, "fine", "<b>card</b>"))
    page = classroom.feedback(classroom.Graded(tmp_path / "a.ipynb", grades), "ann & co")
    assert "<h1>ann &amp; co: 1 of 3 points</h1>" in page and "it is &lt; 1" in page and "<b>card</b>" in page


def test_grades_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submit(tmp_path / "class", "a.ipynb", "1")
    (tmp_path / "class-grades.csv").write_text("mine", encoding="utf-8")
    assert classroom.main(["grade", str(tmp_path / "class")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "class-grades.csv").read_text(encoding="utf-8") == "mine"


# ---- a bundle, and nbgrader ----------------------------------------------------------------------------------


def test_a_bundle_has_notebooks_pages_and_a_wheel_that_holds_the_package(tmp_path: Path) -> None:
    if not (classroom.SITE / "index.html").exists():
        pytest.skip("the book is not built: run `make book` first")
    assert classroom.main(["pack", str(tmp_path / "class.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "class.zip") as archive:
        names = archive.namelist()
        wheel = archive.extract(next(name for name in names if name.endswith(".whl")), tmp_path)
        readme = archive.read("class/README.txt").decode()
    assert {f"class/notebooks/{name}.ipynb" for name in notebooks.chapter_names()} <= set(names)
    assert "class/book/book/index.html" in names and "torch" in readme
    inside = zipfile.ZipFile(wheel).namelist()
    assert "bfs_tutorial/checks/core.py" in inside and "bfs_tutorial/weights/fluorescence.pt" in inside


@pytest.mark.parametrize("name", CHAPTERS)
def test_nbgrader_metadata_are_complete_and_ids_differ(name: str) -> None:
    cells = [cell.metadata["nbgrader"] for cell in classroom.for_nbgrader(name).cells if "nbgrader" in cell.metadata]
    ids = [cell["grade_id"] for cell in cells]
    assert len(set(ids)) == len(ids) == 2 * sum(e.chapter == name for e in checks.EXERCISES.values())
    assert sum(cell.get("points", 0) for cell in cells) == TOTAL[name]


def test_nbgrader_makes_an_assignment_without_solutions(tmp_path: Path) -> None:
    pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install -e .[nbgrader]")
    classroom.write(((name, classroom.for_nbgrader(name)) for name in CHAPTERS), tmp_path / "source" / "book", False)
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "book", "--create"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in CHAPTERS:
        text = (tmp_path / "release" / "book" / f"{name}.ipynb").read_text(encoding="utf-8")
        assert "BEGIN SOLUTION" not in text and "raise NotImplementedError()" in text
