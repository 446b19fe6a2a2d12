"""Grading one notebook: answers are found wherever they are, and nothing in a notebook reaches beyond its process."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from bfs_tutorial import checks
from tools import grading

QUICK = grading.Limits(seconds=20.0, gigabytes=2.0)
HEAD = "def my_centre_map(shape, centres, spacing, d_m=8.0, k=2.0):\n    "
STUB = HEAD + 'raise NotImplementedError("your code here")'
RIGHT = (
    HEAD + "to_click = distances(shape, np.array(centres), np.array(spacing)).min(0)\n"
    "    return np.where(to_click <= d_m, np.exp(-k * to_click / d_m), 0)"
)
HELPER = (
    "def distances(shape, centres, spacing):\n    grid = np.moveaxis(np.indices(shape), 0, -1) * spacing\n"
    "    return np.array([np.sqrt(((grid - c * spacing) ** 2).sum(-1)) for c in centres])"
)


def notebook(*cells: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def tried(*cells: str, limits: grading.Limits = QUICK) -> grading.Grade:
    return grading.grade_answer(checks.EXERCISES["centre_map"], notebook(*cells), limits)


def source(name: str, *cells: str) -> str:
    return grading.answer_source(notebook(*cells), name)


# ---- finding the answer --------------------------------------------------------------------------------------


def test_only_what_the_answer_needs_is_picked_out() -> None:
    cells = ["import numpy as np", "while True: pass", "a = 2", "b = np.array(a)", "my_x = b + 1", "c = 1 / 0"]
    assert source("my_x", *cells) == "import numpy as np\na = 2\nb = np.array(a)\nmy_x = b + 1"


def test_what_changes_a_name_later_is_needed_too() -> None:
    assert source("my_x", "d = {}", "d['a'] = 1", "my_x = d", "e = {}") == "d = {}\nd['a'] = 1\nmy_x = d"
    assert source("my_x", "a = []", "a.append(1)", "b.append(2)", "my_x = a") == "a = []\na.append(1)\nmy_x = a"


def test_a_call_into_a_module_is_not_needed() -> None:
    cells = ["import numpy as np", "np.testing.assert_equal(slow(), 1)", "my_x = np.pi"]
    assert source("my_x", *cells) == "import numpy as np\nmy_x = np.pi"


def test_names_of_a_function_are_its_own() -> None:
    assert source("my_x", "def other():\n    my_x = 3", "my_x = 1") == "my_x = 1"


def test_the_parameters_of_an_answer_are_no_names_of_the_notebook() -> None:
    slow = "step = sum(range(10**12))"
    answer = "def my_x(step, n):\n    return [k * step * scale for k in range(n)]"
    assert source("my_x", slow, "n = step", "k = n", "scale = 2", answer) == f"scale = 2\n{answer}"


def test_magics_are_no_python_and_do_no_harm() -> None:
    assert source("my_x", "%matplotlib inline\n!rm -rf something", "%%time\nmy_y = 1", "my_x = 2") == "my_x = 2"


@pytest.mark.parametrize("stub", ["my_x = None", "my_x = ...", "def my_x(a):\n    raise NotImplementedError('here')"])
@pytest.mark.parametrize("first", [True, False])
def test_an_answer_wins_over_a_stub_wherever_it_stands(stub: str, first: bool) -> None:
    cells = [stub, "my_x = 2"] if first else ["my_x = 2", stub]
    assert source("my_x", *cells) == "my_x = 2"
    assert source("my_x", stub).startswith(stub[:6])


def test_of_two_answers_the_last_one_counts() -> None:
    assert source("my_x", "my_x = 1", "my_x = 2").splitlines()[-1] == "my_x = 2"


def test_another_meaning_of_checks_is_left_out() -> None:
    cells = ["from bfs_tutorial import checks", "checks.x = lambda a: 1\nchecks = 3", "my_x = checks.hint"]
    assert source("my_x", *cells) == "from bfs_tutorial import checks\nmy_x = checks.hint"


def test_a_missing_and_an_unreadable_answer_are_told_apart() -> None:
    with pytest.raises(ValueError, match="there is no my_x in the notebook"):
        source("my_x", "y = 1")
    with pytest.raises(ValueError, match="the cell of my_x is no Python, line 1"):
        source("my_x", "my_x = = 1")


def test_the_chapter_is_known_by_names_of_answers_or_by_the_file(tmp_path: Path) -> None:
    assert grading.chapters_of(notebook("my_centre_map = 1"), tmp_path / "a.ipynb") == ["centre_maps"]
    assert grading.chapters_of(notebook("checks.centre_map(f)"), tmp_path / "a.ipynb") == ["centre_maps"]
    assert grading.chapters_of(notebook("1"), tmp_path / "ann_centre_maps.ipynb") == ["centre_maps"]
    assert grading.chapters_of(notebook("1"), tmp_path / "ann.ipynb") == []


# ---- trying it -----------------------------------------------------------------------------------------------


def test_a_right_answer_in_any_order_of_other_cells_gets_its_points() -> None:
    grade = tried(STUB, HELPER, RIGHT, "raise ValueError", "import numpy as np")
    assert (grade.points, grade.out_of) == (2, 2) and "✓ passed" in grade.html


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise NotImplementedError('your code here')", "nothing here yet"),
        ("exit()", "stopped with SystemExit"),
        ("import os; os._exit(0)", "ended the process"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended the process"),
        ("return np.ones(10**10)", "MemoryError"),
        ("return my_centre_map(shape, centres, spacing)", "RecursionError"),
        ("import socket; socket.create_connection(('127.0.0.1', 9), 1)", "OSError"),
        ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')", "URLError"),
        ("open('big', 'wb').write(bytes(2 * 10**8)); return 0", "OSError"),
        ("import bfs_tutorial.checks.core as core; core.close = lambda *a: True; return 0", "changes the checks"),
        ("from bfs_tutorial import checks; checks.EXERCISES.clear(); return 0", "changes the checks"),
    ],
    ids=["stub", "exit", "hard exit", "kill", "memory", "recursion", "network", "web", "disk", "core", "registry"],
)  # fmt: skip
def test_a_hostile_answer_gets_no_points_and_a_sentence(body: str, words: str) -> None:
    grade = tried("import numpy as np", HEAD + body)
    assert grade.points == 0 and words in grade.sentence


def test_an_answer_that_never_ends_is_ended(tmp_path: Path) -> None:
    grade = tried(HEAD + "while True: pass", limits=grading.Limits(seconds=2.0))
    assert (grade.points, grade.sentence) == (0, "it did not end within 2 s")


def test_an_answer_that_prints_without_end_fills_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    grade = tried("import numpy as np", HELPER, RIGHT.replace("    to_click", "    print('a' * 10**8)\n    to_click"))
    assert grade.points == 2
    assert capfd.readouterr().out == ""


def test_a_statement_that_fails_names_its_error() -> None:
    grade = tried("my_centre_map = 1 / 0")
    assert grade.sentence == "the code of my_centre_map stopped with ZeroDivisionError: division by zero"


def test_every_answer_starts_from_a_clean_process() -> None:
    spoil = "import numpy as np\nnp.exp = None\nmy_centre_map = np.exp"
    assert tried(spoil).points == 0
    assert tried("import numpy as np", HELPER, RIGHT).points == 2


@pytest.mark.parametrize("text", ["", "{}", "no json", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}'])
def test_a_file_that_is_no_notebook_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="this is no notebook"):
        list(grading.grade(tmp_path / "a.ipynb", QUICK))


def test_a_notebook_of_something_else_is_named(tmp_path: Path) -> None:
    nbformat.write(notebook("1 + 1"), tmp_path / "a.ipynb")
    with pytest.raises(ValueError, match="holds no exercise"):
        list(grading.grade(tmp_path / "a.ipynb", QUICK))
