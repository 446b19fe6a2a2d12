"""The machinery of the checks: an exercise, the properties its answer must have, and the report of one trial.

A check is a generator. It gives the answer inputs of its own, the smallest first, and yields one `Property` after the
other. The first one that does not hold ends the trial: the report says what is wrong in one sentence and draws the
input that shows it. Nothing that an answer does, short of never ending, makes a check raise.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bfs_tutorial import figures
from bfs_tutorial.errors import InputError

HINTS = 3  # of each exercise, from gentle to almost
SMALL = 9  # voxels: up to this size a picture shows the values as numbers
GOOD, BAD = figures.LINES[2], figures.LINES[1]


class WrongAnswer(Exception):  # noqa: N818 - it is no error of the program
    """An answer that cannot be examined further; the message is the sentence for the student."""


@dataclass(frozen=True)
class Property:
    """Hold one property that an answer must have, and whether it does.

    verified: what is known when it holds; wrong: the sentence for the student when it does not;
    picture: draws the counter-example, called only when it is needed.
    """

    holds: bool
    verified: str
    wrong: str = ""
    picture: Callable[[], figures.FigureHTML] | None = None


@dataclass(frozen=True)
class Report:
    """Hold the outcome of one trial; it shows itself in a notebook as a card."""

    name: str
    passed: bool
    points: int  # reached
    out_of: int
    sentence: str  # what is wrong, or that all is well
    verified: tuple[str, ...] = ()
    figure: figures.FigureHTML | None = None

    def __repr__(self) -> str:
        head = f"{self.name}: {'passed' if self.passed else 'not yet'}, {self.points} of {self.out_of} points"
        return "\n".join([head, *([] if self.passed else [self.sentence]), *(f"verified: {v}" for v in self.verified)])

    def _repr_html_(self) -> str:
        colour, word = (GOOD, "✓ passed") if self.passed else (BAD, "✗ not yet")
        card = f"box-sizing:border-box;margin:1em auto;padding:10px 14px;background:#fff;color:{figures.INK};"
        card += f"border:1px solid {figures.RULE};border-left:5px solid {colour};border-radius:6px"
        found = "".join(f"<li>{escape(line)}</li>" for line in self.verified)
        known = f'<ul style="margin:.4em 0 0;padding-left:1.3em" aria-label="verified">{found}</ul>' if found else ""
        said = f'<div style="margin-top:.3em">{escape(self.sentence)}</div>'
        title = f'<strong style="color:{colour}">{word}</strong> · {escape(self.name)} · '
        picture = self.figure._repr_html_() if self.figure else ""
        return (
            f'<div class="bfs-report" role="status" style="{card}">{title}{self.points} of {self.out_of} points'
            f"{said}{known}{picture}</div>"
        )


@dataclass(frozen=True)
class Exercise:
    """Hold one exercise; call it with an answer to try the answer.

    name: of the check; the answer's name is "my_" + name. chapter: of the book. points: for a right answer.
    title: the first line of the check's docstring. hints: three sentences, from gentle to almost.
    """

    name: str
    chapter: str
    title: str
    points: int
    hints: tuple[str, ...]
    properties: Callable[[Any], Iterator[Property]]

    @property
    def answer(self) -> str:
        """The name that a student's notebook gives to the answer."""
        return f"my_{self.name}"

    def __call__(self, answer: Any = None) -> Report:
        """Try an answer: a function, or a value where the exercise asks for one. Never raises."""
        verified: list[str] = []
        try:
            if answer is None or answer is ...:
                raise WrongAnswer(f"nothing here yet: give {self.answer} a value, then run its cell and this one again")
            for found in self.properties(answer):
                if not found.holds:
                    figure = found.picture() if found.picture else None
                    return Report(self.name, False, 0, self.points, found.wrong, tuple(verified), figure)
                verified += [] if found.verified in verified else [found.verified]
        except WrongAnswer as problem:
            return Report(self.name, False, 0, self.points, str(problem), tuple(verified))
        except (Exception, SystemExit) as error:  # whatever a student's code raises is an answer that fails
            return Report(self.name, False, 0, self.points, _stopped(self.answer, error), tuple(verified))
        return Report(self.name, True, self.points, self.points, "All of this was tried:", tuple(verified))


EXERCISES: dict[str, Exercise] = {}  # by name


def exercise(chapter: str, points: int, hints: tuple[str, ...]) -> Callable[[Callable], Exercise]:
    """Turn a generator of properties into an exercise of a chapter, and enter it into `EXERCISES`.

    Raises InputError for a name that is taken, for no docstring, or for another number of hints than three.
    """

    def enter(properties: Callable[[Any], Iterator[Property]]) -> Exercise:
        name, title = properties.__name__, (properties.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        if name in EXERCISES or not title or len(hints) != HINTS:
            raise InputError(f"exercise {name!r}: expected a new name, a docstring, {HINTS} hints (not {len(hints)})")
        EXERCISES[name] = Exercise(name, chapter, title, points, tuple(hints), properties)
        return EXERCISES[name]

    return enter


def hint(name: str, number: int = 1) -> str:
    """Return hint 1 (gentle), 2 or 3 (almost the answer) of an exercise. Raises InputError for another one."""
    if name not in EXERCISES:
        raise InputError(f"no exercise {name!r}: expected one of {', '.join(EXERCISES)}")
    if number not in range(1, HINTS + 1):
        raise InputError(f"hint {number!r} of {name}: expected 1, 2 or 3")
    return f"Hint {number} of {HINTS}: {EXERCISES[name].hints[number - 1]}"


# ---- what checks are made of ---------------------------------------------------------------------------------


def run(answer: Callable, *arguments: Any, **options: Any) -> Any:
    """Call an answer with copies of the arguments. Raises WrongAnswer when it is no function or returns nothing."""
    if not callable(answer):
        raise WrongAnswer(f"the answer is {short(answer)}: expected a function, without the brackets of a call")
    value = answer(*copy.deepcopy(arguments), **copy.deepcopy(options))
    if value is None:
        raise WrongAnswer("your function returns None: end it with `return` and the result")
    return value


def array(value: Any, shape: tuple[int, ...], what: str = "the result") -> np.ndarray:
    """Return what an answer gave as a NumPy array. Raises WrongAnswer unless it has `shape` and finite numbers."""
    try:
        values = np.asarray(value.detach() if hasattr(value, "detach") else value, dtype=float)
    except (TypeError, ValueError) as error:
        raise WrongAnswer(f"{what} is {short(value)}: expected numbers in an array of shape {shape}") from error
    if values.shape != tuple(shape):
        raise WrongAnswer(f"{what} has shape {values.shape}: expected {tuple(shape)}")
    if not np.isfinite(values).all():
        raise WrongAnswer(f"{what} holds values that are not finite (NaN or inf): look for 0 / 0, log 0 or √ of < 0")
    return values


def number(value: Any, what: str = "the result") -> float:
    """Return what an answer gave as one finite number. Raises WrongAnswer for anything else."""
    return float(array(value, (), what))


def choice(value: Any, options: tuple[Any, ...]) -> Any:
    """Return a chosen value. Raises WrongAnswer unless it is one of the options."""
    if not any(type(value) is type(option) and value == option for option in options):
        raise WrongAnswer(f"the answer is {short(value)}: expected one of {', '.join(map(repr, options))}")
    return value


def close(a: Any, b: Any, tolerance: float = 1e-6) -> bool:
    """Say whether two arrays or numbers agree within a tolerance, absolute and relative."""
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance))


def diagnose(value: Any, mistakes: Mapping[str, Any], otherwise: str, tolerance: float = 1e-6) -> str:
    """Return the sentence of the mistake that gives exactly this value, or `otherwise`.

    mistakes: by sentence, the value to which a typical mistake leads.
    """
    return next((said for said, wrong in mistakes.items() if close(value, wrong, tolerance)), otherwise)


@figures.style()
def picture(planes: Mapping[str, np.ndarray], alt: str, caption: str = "") -> figures.FigureHTML:
    """Draw planes (Y, X) side by side on one scale of grey, small ones with their values as numbers."""
    shown = {title: np.atleast_2d(np.asarray(plane, dtype=float)) for title, plane in planes.items()}
    low = min(plane.min() for plane in shown.values())
    high = max(max(plane.max() for plane in shown.values()), low + 1e-9)
    tall = max(plane.shape[0] / plane.shape[1] for plane in shown.values())
    figure = Figure(figsize=(2.2 * len(shown), 0.4 + 2.1 * min(max(tall, 0.15), 1.0)), layout="constrained")
    for axes, (title, plane) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        axes.imshow(plane, cmap="gray", vmin=low, vmax=high)
        axes.set(title=title, xticks=[], yticks=[])
        if max(plane.shape) <= SMALL:
            for (row, column), value in np.ndenumerate(plane):
                ink = "black" if value > (low + high) / 2 else "white"
                axes.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=7, color=ink)
    return figures.show(figure, alt=alt, caption=caption)


def short(value: Any, length: int = 60) -> str:
    """Return a value as text that fits a sentence."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a student's own class may have a broken repr
        text = f"a {type(value).__name__}"
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _stopped(name: str, error: BaseException) -> str:
    """Say kindly that an answer stopped with an error."""
    if isinstance(error, NotImplementedError):
        return f"nothing here yet: write the body of {name}, run its cell, then this one again"
    said = " ".join(str(error).split())
    return f"{name} stopped with {type(error).__name__}" + (f": {said[:200]}" if said else "")
