"""The chapters' three files: tools/notebooks.py on chapters made here, then the checks on the real ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient.exceptions import CellExecutionError

from tools import notebooks

SOURCE = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A chapter
# with $x^2$ in it.

# %% tags=["hide-input"]
x = 3
x ** 2


# %%
print("x is", x)
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book of one chapter, not yet executed."""
    (tmp_path / "chapter.py").write_text(SOURCE, encoding="utf-8")
    notebooks.sync("chapter", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, executed once for all tests that only read."""
    folder = tmp_path_factory.mktemp("executed")
    (folder / "chapter.py").write_text(SOURCE, encoding="utf-8")
    notebooks.run("chapter", folder)
    return folder


def edited(folder: Path, target: Path, change) -> Path:
    """Copy the executed chapter to `target` with its notebook changed by `change`."""
    notebook = nbformat.read(folder / "chapter.ipynb", as_version=4)
    change(notebook)
    (target / "chapter.py").write_text(SOURCE, encoding="utf-8")
    (target / "chapter.ipynb").write_text(notebooks.as_text(notebook), encoding="utf-8")
    shutil.copytree(folder / "learner", target / "learner")
    return target


def test_run_stores_outputs_tags_and_counts(executed: Path) -> None:
    first, second = notebooks.code_cells(nbformat.read(executed / "chapter.ipynb", as_version=4))
    assert first.outputs[0].data["text/plain"] == "9" and second.outputs[0].text == "x is 3\n"
    assert (first.execution_count, second.execution_count) == (1, 2)
    assert dict(first.metadata) == {"tags": ["hide-input"]} and dict(second.metadata) == {}
    assert notebooks.check("chapter", executed) == []


def test_run_says_what_it_cost_and_stores_no_cell_for_it(tmp_path: Path) -> None:
    (tmp_path / "chapter.py").write_text(SOURCE, encoding="utf-8")
    costs = notebooks.run("chapter", tmp_path)
    assert 0 < costs["seconds"] < 120 and 20 < costs["peak_MB"] < 2000 and costs["threads"] == 1
    assert {"python", "torch", "numpy", "scipy"} == set(costs["versions"])
    assert len(notebooks.code_cells(nbformat.read(tmp_path / "chapter.ipynb", as_version=4))) == 2


def test_costs_are_kept_by_chapter_and_those_of_lost_chapters_go(tmp_path: Path) -> None:
    record = tmp_path / "chapters.json"
    record.write_text(json.dumps({"no_such_chapter": {"seconds": 1}}), encoding="utf-8")
    for name, seconds in (("whole_method", 3.0), ("metrics", 1.0), ("metrics", 2.0)):
        notebooks.keep_costs(name, {"seconds": seconds}, record)
    kept = json.loads(record.read_text(encoding="utf-8"))
    assert kept == {"metrics": {"seconds": 2.0}, "whole_method": {"seconds": 3.0}}


def test_run_twice_writes_the_same_bytes(executed: Path, tmp_path: Path) -> None:
    (tmp_path / "chapter.py").write_text(SOURCE, encoding="utf-8")
    notebooks.run("chapter", tmp_path)
    assert (tmp_path / "chapter.ipynb").read_bytes() == (executed / "chapter.ipynb").read_bytes()


def test_an_unexecuted_chapter_is_refused(book: Path) -> None:
    found = notebooks.check("chapter", book)
    assert len(found) == 2 and all("never executed" in line for line in found)


def test_sync_and_run_write_the_notebook_for_learners_too(book: Path, executed: Path) -> None:
    for folder in (book, executed):
        written = nbformat.read(folder / "learner" / "chapter.ipynb", as_version=4)
        assert [cell.cell_type for cell in written.cells] == ["code", "markdown", "code", "code"]
        assert "bfs_tutorial" in written.cells[0].source and written.cells[3].source == 'print("x is", x)'
        assert [cell.outputs for cell in written.cells if cell.cell_type == "code"] == [[], [], []]


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text("{}", encoding="utf-8")])
def test_check_says_which_notebook_for_learners_is_stale(executed: Path, tmp_path: Path, change) -> None:
    folder = edited(executed, tmp_path, lambda notebook: None)
    change(folder / "learner" / "chapter.ipynb")
    assert notebooks.check("chapter", folder) == [
        "chapter: learner/chapter.ipynb is missing or out of date: run tools/notebooks.py sync"
    ]
    notebooks.sync("chapter", folder)
    assert notebooks.check("chapter", folder) == []


def test_check_and_sync_name_a_solution_without_end(executed: Path, tmp_path: Path) -> None:
    folder = edited(executed, tmp_path, lambda notebook: None)
    (folder / "chapter.py").write_text(SOURCE + "\n\n# %%\n### BEGIN SOLUTION\ny = 1\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in folder.rglob("*.ipynb")}
    assert any("BEGIN SOLUTION" in line for line in notebooks.check("chapter", folder))
    with pytest.raises(notebooks.ChapterError, match="chapter: '### BEGIN SOLUTION' has no partner"):
        notebooks.sync("chapter", folder)
    assert {path: path.read_bytes() for path in folder.rglob("*.ipynb")} == before


def test_sync_keeps_outputs_when_only_prose_changes(executed: Path, tmp_path: Path) -> None:
    folder = edited(executed, tmp_path, lambda notebook: None)
    (folder / "chapter.py").write_text(SOURCE.replace("A chapter", "A better chapter"), encoding="utf-8")
    assert any("differ in text or tags" in line for line in notebooks.check("chapter", folder))
    notebooks.sync("chapter", folder)
    assert notebooks.check("chapter", folder) == []
    assert "A better chapter" in (folder / "chapter.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        ("x = 3", "x = 4"),
        ('tags=["hide-input"]', 'tags=["hide-cell"]'),
        ("\n# %%\nprint", "\n# %%\nx += 1\n\n# %%\nprint"),
    ],
    ids=["text", "tag", "new cell"],
)
def test_sync_drops_all_outputs_when_a_code_cell_changes(
    executed: Path, tmp_path: Path, change: tuple[str, str]
) -> None:
    folder = edited(executed, tmp_path, lambda notebook: None)
    (folder / "chapter.py").write_text(SOURCE.replace(*change), encoding="utf-8")
    assert SOURCE.replace(*change) != SOURCE
    notebooks.sync("chapter", folder)
    cells = notebooks.code_cells(nbformat.read(folder / "chapter.ipynb", as_version=4))
    assert [cell.outputs for cell in cells] == [[]] * len(cells)


def change_source(notebook) -> None:
    notebook.cells[1].source = "x = 5\nx ** 2"


def change_tags(notebook) -> None:
    notebook.cells[1].metadata = {}


def change_id(notebook) -> None:
    notebook.cells[1].id = "another"


def forget_execution(notebook) -> None:
    notebook.cells[2].execution_count = None


def add_widget_state(notebook) -> None:
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}}}


def add_widget_view(notebook) -> None:
    notebook.cells[1].outputs[0].data[notebooks.WIDGET_VIEW] = {"model_id": "0"}


def add_warning(notebook) -> None:
    notebook.cells[1].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="UserWarning: careful"))


def add_error(notebook) -> None:
    notebook.cells[1].outputs.append(nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[]))


def add_kernel_version(notebook) -> None:
    notebook.metadata.language_info["version"] = "3.11.7"


def grow(notebook) -> None:
    notebook.cells[1].outputs[0].data["image/png"] = "A" * notebooks.MAX_BYTES


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (change_source, "differ in text or tags"),
        (change_tags, "differ in text or tags"),
        (change_id, "cell ids"),
        (forget_execution, "code cell 1: never executed"),
        (add_widget_state, "widget state"),
        (add_widget_view, "widget view"),
        (add_warning, "careful"),
        (add_error, "ends in an error"),
        (add_kernel_version, "metadata"),
        (grow, "smaller pictures"),
    ],
)
def test_check_names_what_is_wrong(executed: Path, tmp_path: Path, change, complaint: str) -> None:
    folder = edited(executed, tmp_path, change)
    found = notebooks.check("chapter", folder)
    assert len(found) == 1 and complaint in found[0]
    assert notebooks.main(["check"], folder) == 1


def test_check_wants_both_files(executed: Path, tmp_path: Path) -> None:
    edited(executed, tmp_path, lambda notebook: None)
    (tmp_path / "chapter.py").unlink()
    assert notebooks.check("chapter", tmp_path) == ["chapter: chapter.py is missing"]


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        ("import warnings\nwarnings.warn('careful')", notebooks.ChapterError),
        ("raise ValueError('no')", CellExecutionError),
    ],
)
def test_a_run_that_goes_wrong_leaves_the_old_notebook(book: Path, cell: str, error: type[Exception]) -> None:
    before = (book / "chapter.ipynb").read_bytes()
    (book / "chapter.py").write_text(f"{SOURCE}\n# %%\n{cell}\n", encoding="utf-8")
    with pytest.raises(error):
        notebooks.run("chapter", book)
    assert (book / "chapter.ipynb").read_bytes() == before
    assert sorted(path.name for path in book.iterdir()) == ["chapter.ipynb", "chapter.py", "learner"]


def test_an_error_that_the_chapter_announces_is_welcome(tmp_path: Path) -> None:
    source = '# %% tags=["raises-exception"]\nraise ValueError("as the text says")\n\n# %%\nprint("on it goes")\n'
    (tmp_path / "chapter.py").write_text(source, encoding="utf-8")
    notebooks.run("chapter", tmp_path)
    assert notebooks.check("chapter", tmp_path) == []


def test_a_skipped_cell_needs_the_tags_of_both_tools(tmp_path: Path) -> None:
    (tmp_path / "chapter.py").write_text('# %% tags=["skip-execution"]\n1 / 0\n', encoding="utf-8")
    with pytest.raises(notebooks.ChapterError, match="belong together"):
        notebooks.run("chapter", tmp_path)


def test_an_unknown_chapter_is_refused(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        notebooks.main(["sync", "chaptre"], book)
    assert "no chapter 'chaptre'" in capsys.readouterr().err


def test_the_books_own_chapters_are_in_step() -> None:
    assert [line for name in notebooks.chapter_names() for line in notebooks.check(name)] == []


def test_the_chapters_cost_what_a_class_can_afford() -> None:
    costs = json.loads(notebooks.COSTS.read_text(encoding="utf-8"))
    assert sorted(costs) == notebooks.chapter_names()
    assert {name: c["seconds"] for name, c in costs.items() if c["seconds"] > 90} == {}, "measure on an idle machine"
    assert {name: c["peak_MB"] for name, c in costs.items() if c["peak_MB"] > 3000} == {}
    assert sum(c["seconds"] for c in costs.values()) <= 12 * 60


def test_every_chapter_is_in_the_table_of_contents(root: Path) -> None:
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    listed = {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]}
    assert {f"book/{name}" for name in notebooks.chapter_names()} <= listed
