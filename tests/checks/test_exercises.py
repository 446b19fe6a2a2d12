"""Every exercise: wrong answers fail, each with a sentence of its own, and nothing that an answer does raises."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from bfs_tutorial import checks
from tests.checks.wrong import WRONG, Wrong

for module in sorted(Path(__file__).parent.glob("wrong_*.py")):
    import_module(f"tests.checks.{module.stem}")
STRANGE = {
    "None": None,
    "a number": 3,
    "a text": "no",
    "a list": [1, 2],
    "a function of nothing": lambda: 1,
    "a function that returns None": lambda *a, **k: None,
    "a function that returns a text": lambda *a, **k: "no",
    "a function that returns its first argument": lambda *a, **k: a[0] if a else 0,
    "a class": dict,
}


def fails(*_: object, **__: object) -> None:
    raise ZeroDivisionError("by a student")


def leaves(*_: object, **__: object) -> None:
    raise SystemExit(1)


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case.exercise}: {case.mistake}")
def test_a_wrong_answer_earns_its_own_hint(case: Wrong) -> None:
    report = checks.EXERCISES[case.exercise](case.answer)
    assert not report.passed and report.points == 0
    assert case.words in report.sentence
    assert "\n" not in report.sentence and len(report.sentence) < 300
    assert "<div" in report._repr_html_()


@pytest.mark.parametrize("name", checks.EXERCISES)
def test_the_wrong_answers_are_three_or_more_and_their_hints_differ(name: str) -> None:
    sentences = [checks.EXERCISES[name](case.answer).sentence for case in WRONG if case.exercise == name]
    assert len(sentences) >= 3
    assert [said for said, count in Counter(sentences).items() if count > 1] == []


@pytest.mark.parametrize("name", checks.EXERCISES)
@pytest.mark.parametrize("strange", [*STRANGE.values(), fails, leaves], ids=[*STRANGE, "an error", "an exit"])
def test_no_answer_makes_a_check_raise(name: str, strange: object) -> None:
    report = checks.EXERCISES[name](strange)
    assert not report.passed and report.sentence


@pytest.mark.parametrize("name", checks.EXERCISES)
def test_the_name_in_the_book_is_the_name_in_the_module(name: str) -> None:
    exercise = getattr(checks, name)
    assert exercise is checks.EXERCISES[name] and exercise.points > 0
    assert [checks.hint(name, n) for n in (1, 2, 3)] == [f"Hint {n} of 3: {h}" for n, h in enumerate(exercise.hints, 1)]
