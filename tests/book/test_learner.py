"""The edition for learners: made from a chapter with exercises written here, then every one of the book."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tools import learner, notebooks

FIND_SPEC = importlib.util.find_spec
CHAPTERS = ["chapter", "centre_maps"]
SOURCE = '''\
# %% [markdown]
# # A chapter
# Blobs are those of [Centre maps](centre_maps.ipynb#two-numbers); more in the [errata](errata.md), on [the web](https://x.org)
# and [below](#exercises). The sum is $\\\\{a\\\\}$ or `{eq}`.

# %% tags=["hide-input"]
from bfs_tutorial import checks

# %% [markdown]
# ## Exercises
# ### Exercise 1: a centre map
# Write `my_centre_map(shape, centres, spacing)`.

# %% tags=["exercise", "hide-input"]
def my_centre_map(shape, centres, spacing, d_m=8.0, k=2.0):
    """Return Eq. 1 without borders, (Z, Y, X)."""
    ### BEGIN SOLUTION
    secret = 1

    return secret
    ### END SOLUTION


# %%
checks.centre_map(my_centre_map)

# %% [markdown]
# ### Exercise 2: predict

# %% tags=["exercise", "hide-input"]
my_empty_mask = None  # "rises", "falls" or "stays"
### BEGIN SOLUTION
my_empty_mask = "secret"
### END SOLUTION

# %%
print(my_empty_mask)

# %% [markdown]
# ### Exercise 3: explain
# Why is it dark?
#
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# The secret.
#
# </details>

# %% [markdown]
# <details class="bfs-solution"><summary>Another</summary>
#
# The secret.
#
# </details>
'''


def chapter(source: str, tmp_path: Path) -> nbformat.NotebookNode:
    """Return a source text as the notebook that the tool reads."""
    (tmp_path / "chapter.py").write_text(source, encoding="utf-8")
    return notebooks.read_source(tmp_path / "chapter.py")


@pytest.fixture
def edition(tmp_path: Path) -> nbformat.NotebookNode:
    """The edition for learners of the chapter above."""
    return learner.edition(chapter(SOURCE, tmp_path), CHAPTERS)


def pyproject(tmp_path: Path, address: str | None, version: str = "0.1.0") -> Path:
    """Write a pyproject.toml with an address, or none."""
    urls = f'[project.urls]\nRepository = "{address}"\n' if address else ""
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[project]\nname = "bfs-tutorial"\nversion = "{version}"\n{urls}', encoding="utf-8")
    return path


def install_cell(path: Path, source: str = "# %%\nx = 1\n") -> str:
    """Return the first cell of an edition."""
    return learner.edition(chapter(source, path.parent), CHAPTERS, path).cells[0].source


def test_a_function_keeps_its_head_and_says_what_is_to_do(edition) -> None:
    (cell,) = (cell for cell in edition.cells if "def my_centre_map" in cell.source)
    assert cell.source.splitlines() == [
        "def my_centre_map(shape, centres, spacing, d_m=8.0, k=2.0):",
        '    """Return Eq. 1 without borders, (Z, Y, X)."""',
        '    raise NotImplementedError("your code here")',
    ]
    assert cell.metadata["tags"] == ["exercise"]  # not folded


def test_a_prediction_keeps_its_line_that_answers_nothing(edition) -> None:
    assert 'my_empty_mask = None  # "rises", "falls" or "stays"' in [cell.source for cell in edition.cells]


def test_answers_are_gone_and_an_emptied_cell_with_them(edition) -> None:
    text = notebooks.as_text(edition)
    assert "secret" in SOURCE and "secret" not in text
    assert "details" not in text and "SOLUTION" not in text
    assert edition.cells[-1].source == "### Exercise 3: explain\nWhy is it dark?"


def test_what_is_no_exercise_stays_as_it_was(tmp_path: Path, edition) -> None:
    before = {cell.id: cell for cell in chapter(SOURCE, tmp_path).cells}
    assert len({cell.id for cell in edition.cells}) == len(edition.cells)
    assert {cell.id for cell in edition.cells} - set(before) == {learner.INSTALL_ID}
    imports = next(cell for cell in edition.cells if "import checks" in cell.source)
    assert imports == before[imports.id]


def test_making_an_edition_leaves_the_chapter_alone(tmp_path: Path) -> None:
    source, again = chapter(SOURCE, tmp_path), chapter(SOURCE, tmp_path)
    learner.edition(source, CHAPTERS)
    assert source == again


def test_links_lead_to_notebooks_for_learners_or_are_words(edition) -> None:
    text = edition.cells[1].source
    for kept in ("[Centre maps](centre_maps.ipynb#two-numbers)", "[the web](https://x.org)", "[below](#exercises)"):
        assert kept in text
    assert "more in the errata, on" in text
    assert "[a](gone.ipynb)" not in learner.with_own_links("[a](gone.ipynb)", CHAPTERS)
    assert learner.with_own_links("![a](images/b.png)", CHAPTERS) == "![a](images/b.png)"  # `problems` names it


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1", "x = 1"),
        (
            "class A:\n  def f(self):\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION\n    # end",
            'class A:\n  def f(self):\n    raise NotImplementedError("your code here")\n    # end',
        ),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION\ny = 2\n### BEGIN SOLUTION\nz = 3\n### END SOLUTION", "y = 2"),
        ("text = 'a ### BEGIN SOLUTION'", "text = 'a ### BEGIN SOLUTION'"),
    ],
)
def test_solutions_anywhere(code: str, expected: str) -> None:
    assert learner.without_solution(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        "a = 1\n### BEGIN SOLUTION\nx = 1",
        "a = 1\n### END SOLUTION",
        "a = 1\n### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
    ],
)
def test_a_mark_without_a_partner_is_named_with_its_cell(code: str) -> None:
    with pytest.raises(learner.LearnerError, match=r"### (BEGIN|END) SOLUTION' has no partner .* starts with 'a = 1'"):
        learner.without_solution(code)


@pytest.mark.parametrize(
    "text",
    [
        'Why?\n<details class="bfs-solution"><summary>A</summary>\nno end',
        'Why?\n<details class="bfs-solution">a<details>b</details>c</details>',
    ],
)
def test_an_answer_that_cannot_be_taken_out_whole_is_refused(text: str) -> None:
    with pytest.raises(learner.LearnerError, match="'Why\\?'"):
        learner.without_answers(text)


def test_other_details_stay() -> None:
    text = "<details><summary>More</summary>words</details>"
    assert learner.without_answers(text) == text


def run(code: str, monkeypatch: pytest.MonkeyPatch, installed: bool) -> list[list[str]]:
    """Run a first cell where the package is there or not; return the commands it would have started."""
    commands: list[list[str]] = []
    absent = () if installed else ("bfs_tutorial",)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in absent else FIND_SPEC(name, *rest)
    )
    monkeypatch.setattr(subprocess, "check_call", commands.append)
    exec(compile(code, "first cell", "exec"), {})
    return commands


@pytest.mark.parametrize(("version", "ref"), [("0.1.0", "main"), ("1.2", "v1.2")])
def test_the_first_cell_installs_this_package_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, ref: str
) -> None:
    code = install_cell(pyproject(tmp_path, "https://github.com/someone/something/", version))
    (command,) = run(code, monkeypatch, installed=False)
    assert command[1:4] == ["-m", "pip", "install"] and "--no-deps" in command
    wanted = [word for word in command[4:] if not word.startswith("-")]
    assert wanted == [f"git+https://github.com/someone/something@{ref}"]
    assert run(code, monkeypatch, installed=True) == []


def test_without_an_address_the_first_cell_says_how_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = install_cell(pyproject(tmp_path, None))
    assert "http" not in code
    with pytest.raises(ModuleNotFoundError, match="%pip install --no-deps PATH"):
        run(code, monkeypatch, installed=False)
    assert run(code, monkeypatch, installed=True) == []


def test_the_device_is_named_where_networks_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pyproject(tmp_path, None)
    assert "device" not in install_cell(path)
    run(install_cell(path, "# %%\nfrom bfs_tutorial.pipeline import BFSNet\n"), monkeypatch, installed=True)
    assert re.fullmatch(r"The networks of BFSNet compute on: (cpu|cuda)\n", capsys.readouterr().out)


def test_it_runs_from_top_to_bottom_before_anything_is_solved(edition, tmp_path: Path) -> None:
    NotebookClient(edition, timeout=120, resources={"metadata": {"path": tmp_path}}, config=notebooks.QUIET).execute()
    card, prediction = (cell.outputs[0] for cell in edition.cells if cell.get("outputs"))
    assert "centre_map: not yet" in card.data["text/plain"]
    assert prediction.text == "None\n"


def put(text: str, kind: str = "markdown"):
    """Return a change of an edition: another cell."""
    return lambda edition: edition.cells.append(nbformat.from_dict({
        "id": "new", "cell_type": kind, "metadata": {}, "source": text,
        **({"outputs": [], "execution_count": None} if kind == "code" else {}),
    }))  # fmt: skip


def give_output(edition) -> None:
    edition.cells[0].outputs = [nbformat.v4.new_output("stream", text="x")]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (put("See {cite}`someone` there"), "'{cite}`' is MyST"),
        (put("by {eq}`one`"), "'{eq}`' is MyST"),
        (put("{prf:ref}`t`"), "'{prf:ref}`' is MyST"),
        (put("{doc}`page`"), "'{doc}`' is MyST"),
        (put("{ref}`label`"), "'{ref}`' is MyST"),
        (put(":::{note}\nx\n:::"), "':::' is MyST"),
        (put("a\n\n```{figure} x.png\n```"), "'```{' is MyST"),
        (put("(label)=\n# Title"), "'(label)=' is MyST"),
        (put("a\n+++\nb"), "'+++' is MyST"),
        (put("% a comment"), "'%' is MyST"),
        (put("{{ word }}"), "'{{ word }}' is MyST"),
        (put("![Cells](images/cells.png)"), "'images/cells.png' does not exist beside the notebook"),
        (put("[Gone](gone.ipynb)"), "'gone.ipynb' does not exist beside the notebook"),
        (put("x = 1\n    ### BEGIN SOLUTION"), "'BEGIN SOLUTION' is left of a solution"),
        (put("def f(:", "code"), "is no Python"),
        (put("#" * learner.MAX_BYTES, "code"), "more than 100 kB"),
        (give_output, "has outputs or a count"),
        (lambda edition: edition.metadata.update(widgets={}), "stores widget state"),
    ],
)
def test_problems_are_named(edition, tmp_path: Path, change, complaint: str) -> None:
    (tmp_path / "centre_maps.ipynb").touch()
    assert learner.problems(edition, tmp_path) == []
    change(edition)
    found = learner.problems(edition, tmp_path)
    assert found and all(complaint in line for line in found)


# ---- the editions of the book --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(root: Path) -> dict[str, nbformat.NotebookNode]:
    """Every notebook for learners by the name of its chapter."""
    paths = sorted((root / "book" / "learner").glob("*.ipynb"))
    return {path.stem: nbformat.read(path, as_version=4) for path in paths}


def test_there_is_one_for_every_chapter_and_no_other(stored) -> None:
    assert sorted(stored) == notebooks.chapter_names()


def test_none_is_stale_or_holds_what_learners_should_not_meet() -> None:
    assert [line for name in notebooks.chapter_names() for line in notebooks.check_learner(name)] == []


def test_all_are_valid_notebooks_with_cell_ids_of_their_own(stored) -> None:
    for name, notebook in stored.items():
        nbformat.validate(notebook)
        ids = [cell.id for cell in notebook.cells]
        assert len(set(ids)) == len(ids), name
        assert ids[0] == learner.INSTALL_ID, name


def test_no_solution_or_answer_of_a_chapter_is_in_its_edition(root: Path, stored) -> None:
    marked = re.compile(rf"^\s*{learner.BEGIN}\n(.*?)^\s*{learner.END}$", re.DOTALL | re.MULTILINE)
    hidden = 0
    for name, notebook in stored.items():
        cells = notebooks.read_source(root / "book" / f"{name}.py").cells
        secrets = [found[1].strip() for cell in cells for found in marked.finditer(cell.source)]
        secrets += [answer[0].strip() for cell in cells for answer in learner.ANSWER.finditer(cell.source)]
        text = "\n\n".join(cell.source for cell in notebook.cells)
        assert [secret for secret in secrets if secret in text] == [], name
        hidden += len(secrets)
    assert hidden > 0


def test_a_chapter_that_names_another_one_links_to_it(root: Path) -> None:
    """In the page, the PDF and the notebook alike: [Centre maps](centre_maps.ipynb), not *Centre maps*."""
    sources = {name: notebooks.read_source(root / "book" / f"{name}.py") for name in notebooks.chapter_names()}
    titles = {re.search(r"^# (.+)$", source.cells[0].source, re.MULTILINE)[1]: n for n, source in sources.items()}
    known = {title.partition(":")[0]: name for title, name in titles.items()} | titles
    unlinked = [
        f"{name}: {found[0]}"
        for name, source in sources.items()
        for cell in source.cells
        if cell.cell_type == "markdown"
        for found in re.finditer(r"(?<![*\w])\*([^*\n]+)\*(?![*\w])", cell.source)
        if known.get(found[1], name) != name
    ]
    assert unlinked == []
