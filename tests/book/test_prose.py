"""The chapters as reading matter: their length, the length of their cells, and no number without a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import notebooks, prose

CHAPTERS = notebooks.chapter_names()
SOURCE = '''\
# %% [markdown]
# # A chapter
#
# 1. Eq. 4 of 2022, section 3.1, has 2 factors and 0.25 of $x_{77}$ and `88`; 12 of them are printed, 40 % too.
# It has 1,777 words and 5.5 µm.

# %%
print("found", 3 * 4)
share, length = 0.25, 0.4

# %% tags=["hide-input"]
from IPython.display import HTML

card = dict(caption="a 9.5 µm bar", colour="#123456", command="--spacing 5.5")

# %% [markdown]
# ## Exercises

# %% [markdown]
# ### Exercise 1: one
# Take 66 of them.

# %%
x = 66
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of one executed chapter."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "made.py").write_text(SOURCE, encoding="utf-8")
    notebooks.run("made", folder)
    return folder


def test_a_number_needs_a_source(made: Path) -> None:
    assert prose.unexplained("made", made) == ["1,777", "9.5"]


def test_a_number_with_a_reason_may_stay(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prose, "ALLOWED", {"made": {"1,777": "the aim", "9.5": "the aim"}})
    assert prose.unexplained("made", made) == []


def test_measures_of_a_small_chapter(made: Path) -> None:
    m = prose.measure("made", made)
    assert (m.cells, m.median_lines, m.longest, m.figures, m.exercises) == (2, 2.5, 3, 0, 1)
    assert m.words == 40


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see Eqs. 4 and 5, Fig. 3, §3.1 and step 2 of 2022", {}),
        ("the 8-cell embryo in 3D", {}),
        ("30 % of 1,024 voxels of 0.8 µm, −2", {"30": 30.0, "1,024": 1024.0, "0.8": 0.8, "2": 2.0}),
        ("16x128x128", {}),
    ],
)
def test_numbers_of_a_text(text: str, expected: dict[str, float]) -> None:
    assert prose.numbers(text) == expected


def test_the_command_prints_a_line_for_each_chapter(capsys: pytest.CaptureFixture[str]) -> None:
    assert prose.main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["chapter", *CHAPTERS]


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_number_has_a_source(name: str) -> None:
    assert prose.unexplained(name) == []


def test_every_allowed_number_is_still_there() -> None:
    """A reason outlives its number easily."""
    for name, reasons in prose.ALLOWED.items():
        text = (notebooks.BOOK / f"{name}.py").read_text(encoding="utf-8")
        assert [number for number in reasons if number not in text] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_is_short_enough_to_read(name: str) -> None:
    m = prose.measure(name)
    assert 1_500 <= m.words <= 2_500
    assert m.median_lines <= 8 and m.longest <= 30
    assert 4 <= m.figures <= 10
    assert m.explorables >= 1 or name == "whole_method"
