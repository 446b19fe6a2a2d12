"""The machinery of the checks, on an exercise made here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bfs_tutorial.checks import core
from bfs_tutorial.errors import InputError

HINTS = ("think", "think more", "2 * x")


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> core.Exercise:
    """An exercise with two properties."""
    monkeypatch.setattr(core, "EXERCISES", {})

    @core.exercise("a_chapter", points=3, hints=HINTS)
    def double(answer) -> Iterator[core.Property]:
        """Double a number.

        More words.
        """
        zero = core.number(core.run(answer, 0))
        yield core.Property(zero == 0, "0 stays 0", "0 does not stay 0")
        three = core.run(answer, np.array([3.0]))
        planes = {"yours": np.array([[1.0]]), "expected": np.array([[6.0]])}
        drawn = lambda: core.picture(planes, "Two numbers beside each other")  # noqa: E731
        yield core.Property(core.close(core.array(three, (1,)), 6), "3 becomes 6", "3 does not become 6", drawn)

    return double


def test_a_right_answer_gets_all_points_and_hears_what_was_tried(double: core.Exercise) -> None:
    report = double(lambda x: 2 * x)
    assert (report.passed, report.points, report.out_of) == (True, 3, 3)
    assert report.verified == ("0 stays 0", "3 becomes 6") and report.figure is None
    assert repr(report).splitlines()[0] == "double: passed, 3 of 3 points"
    assert (double.title, double.answer, double.chapter) == ("Double a number", "my_double", "a_chapter")


def test_a_wrong_answer_gets_one_sentence_a_picture_and_what_is_right_so_far(double: core.Exercise) -> None:
    report = double(lambda x: 3 * x)
    assert (report.passed, report.points, report.sentence) == (False, 0, "3 does not become 6")
    assert report.verified == ("0 stays 0",)
    html = report._repr_html_()
    assert "✗ not yet" in html and 'alt="Two numbers beside each other"' in html


def test_the_first_property_that_fails_ends_the_trial(double: core.Exercise) -> None:
    assert double(lambda x: x + 1).sentence == "0 does not stay 0"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "give my_double a value"),
        (..., "give my_double a value"),
        (5, "expected a function"),
        (lambda x: None, "returns None"),
        (lambda x: "a", "expected numbers"),
        (lambda x: [0, 0], "has shape (2,): expected ()"),
        (lambda x: np.nan, "not finite"),
        (lambda: 0, "stopped with TypeError"),
        (lambda x: 1 / 0, "stopped with ZeroDivisionError: division by zero"),
    ],
)
def test_whatever_goes_wrong_is_said_kindly(double: core.Exercise, answer: object, words: str) -> None:
    report = double(answer)
    assert not report.passed and words in report.sentence


def test_a_stub_is_met_kindly(double: core.Exercise) -> None:
    def my_double(x):
        raise NotImplementedError("your code here")

    assert double(my_double).sentence.startswith("nothing here yet: write the body of my_double")


def test_an_answer_that_changes_its_input_changes_a_copy(double: core.Exercise) -> None:
    def in_place(x):
        x *= 2
        return x

    assert double(in_place).passed


def test_text_in_a_report_is_escaped(double: core.Exercise) -> None:
    assert "<b>" not in double("<b>")._repr_html_()


def test_hints_by_number(double: core.Exercise) -> None:
    assert core.hint("double", 3) == "Hint 3 of 3: 2 * x"
    with pytest.raises(InputError, match="no exercise 'treble': expected one of double"):
        core.hint("treble")
    with pytest.raises(InputError, match="hint 4 of double"):
        core.hint("double", 4)


def test_an_exercise_needs_three_hints_and_a_title(double: core.Exercise) -> None:
    for name, title, hints in (("other", "Title.", HINTS[:2]), ("other", None, HINTS), ("double", "Title.", HINTS)):
        properties = lambda answer: iter(())  # noqa: E731
        properties.__name__, properties.__doc__ = name, title
        with pytest.raises(InputError, match="expected a new name"):
            core.exercise("a_chapter", points=1, hints=hints)(properties)


def test_choices_and_diagnoses() -> None:
    assert core.choice("falls", ("falls", "rises")) == "falls"
    for value in ("stays", 1, None):
        with pytest.raises(core.WrongAnswer, match="expected one of 'falls', 'rises'"):
            core.choice(value, ("falls", "rises"))
    assert core.diagnose(2.0, {"twice": 2.0}, "other") == "twice"
    assert core.diagnose(3.0, {"twice": 2.0}, "other") == "other"
