"""The equation map: everything that the paper numbers or names is there, and every target exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import equation_map, source_code

ROWS = [row for rows in equation_map.ROWS.values() for row in rows]
NUMBERED = [
    *(f"Eq. {n}" for n in range(1, 6)),
    *(f"Fig. {n}" for n in range(1, 6)),
    "Table 1",
]
NAMED = ["p(x)", "B_V", "L_S1", "L_focal", "L_S2", "L_class", "L_BF", "L_FL", "S1", "S2", "PRM", "pseudo labels",
         "peaks", "merging", "watershed", "weak labels", "IoU", "SEG", "MUCov"]  # fmt: skip


@pytest.mark.parametrize("wanted", NUMBERED)
def test_everything_numbered_has_one_line(wanted: str) -> None:
    assert sum(row.paper.split(",")[0] == wanted for row in ROWS) == 1


@pytest.mark.parametrize("wanted", NAMED)
def test_every_named_step_has_a_line(wanted: str) -> None:
    assert any(wanted in row.paper.split(", ") for row in ROWS)


def test_the_numbers_are_those_of_the_paper(shared: Path) -> None:
    text = (shared / "paper" / "bfs-net.txt").read_text(encoding="utf-8")
    equations = {int(n) for n in re.findall(r"\\tag\{(\d)\}|^\((\d)\)$", text, re.MULTILINE) for n in n if n}
    figures = {int(n) for n in re.findall(r"^Fig\. (\d)\.", text, re.MULTILINE)}
    assert {f"Eq. {n}" for n in equations} | {f"Fig. {n}" for n in figures} | {"Table 1"} == set(NUMBERED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.paper)
def test_functions_tests_and_headings_exist(row: equation_map.Row, root: Path) -> None:
    assert row.functions and row.tests
    for name in row.functions:
        assert equation_map.full_path(name) in source_code.index(), f"no public function {name}"
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name in source_code.tests_of(root / "tests" / f"{file}.py"), f"no test {test}"
    chapter, _, anchor = row.chapter.partition("#")
    assert anchor in equation_map.headings(chapter), f"no heading {row.chapter}"


def test_functions_that_carry_an_equation_say_so() -> None:
    for row in ROWS:
        number = row.paper.split(",")[0]
        if number.startswith("Eq."):
            named = [source_code.index()[equation_map.full_path(name)].paper for name in row.functions]
            assert any(number in places for places in named), f"no docstring of {row.functions} names {number}"


def test_a_heading_gets_the_address_that_the_page_gives_it() -> None:
    assert equation_map.slug("Step 4: S2 learns outlines, and the image corrects them") == (
        "step-4-s2-learns-outlines-and-the-image-corrects-them"
    )
