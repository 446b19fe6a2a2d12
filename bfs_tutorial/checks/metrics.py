"""Checks of the chapter *Metrics*."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bfs_tutorial.checks.core import Property, WrongAnswer, array, close, exercise, number, picture, run, short
from bfs_tutorial.figures import FigureHTML
from bfs_tutorial.metrics import evaluate

NAMES = ("IoU", "SEG", "MUCov")
Case = tuple[list[int], list[int]]  # labels and truth of a row of voxels


def row(values: list[int]) -> np.ndarray:
    """A row of voxels as a volume (1, 1, X)."""
    return np.array(values).reshape(1, 1, -1)


def drawn(case: Case, caption: str) -> FigureHTML:
    """Both rows of a case as pictures with the numbers of the cells."""
    labels, truth = case
    alt = f"A row of {len(truth)} voxels: true cells {truth}, predicted cells {labels}"
    return picture({"truth": row(truth)[0], "prediction": row(labels)[0]}, alt, caption)


def tried(answer: Callable, name: str, case: Case, verified: str, wrong: str) -> Property:
    """Compare the answer on one row of voxels with the metric of that name; the picture shows the row."""
    labels, truth = case
    found = number(run(answer, row(labels), row(truth)))
    expected = evaluate(row(labels), row(truth))[name]
    said = f"{wrong} (yours is {found:.2f}, expected {expected:.2f})"
    return Property(close(found, expected), verified, said, lambda: drawn(case, f"The row on which {name} differs."))


@exercise(
    "metrics",
    points=2,
    hints=(
        "Go through the true cells one after the other, np.unique(truth[truth > 0]), and find each one's partner.",
        "Within a true cell, np.bincount(labels[truth == i]) counts the voxels of each prediction; entry 0 is ground.",
        "The partner must hold more than half of the cell's voxels; J = shared / (size + size of partner - shared). "
        "Without a partner J is 0. Return the mean over all true cells.",
    ),
)
def seg(answer: Callable) -> Iterator[Property]:
    """SEG: for each true cell, J with the one prediction that covers more than half of it."""
    cases = [
        (([1, 1, 0, 0], [1, 1, 0, 0]), "a perfect cell scores 1", "one cell, found exactly, must score 1"),
        (([1] * 5 + [0], [0] + [1] * 5), "one cell scores its J", "one cell, moved by a voxel, must score its J"),
        (([1, 0, 2, 2], [1, 0, 0, 0]), "an invented cell costs nothing", "an invented cell changes your SEG: the mean "
         "runs over the true cells"),
        (([1, 0, 0, 0], [1, 0, 2, 2]), "a missed cell counts as 0", "a missed cell is left out of your mean: it counts "
         "as 0"),
        (([1, 1, 0, 0], [1, 1, 1, 1]), "exactly half is not enough", "a prediction that covers exactly half of a cell "
         "is no partner: it takes more than half"),
        (([1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0]), "a partner may be much larger", "a prediction three times too large "
         "still covers the whole cell: the rule asks for half of the cell, not for J > 0.5"),
        (([7, 7, 0, 4], [9, 9, 0, 2]), "numbers of cells do not matter", "cells 9 and 2 are found as 7 and 4: the "
         "numbers themselves must not matter"),
    ]  # fmt: skip
    for case, verified, wrong in cases:
        yield tried(answer, "SEG", case, verified, wrong)


@exercise(
    "metrics",
    points=2,
    hints=(
        "The mean runs over the predicted cells now: np.unique(labels[labels > 0]).",
        "For each prediction compute J with every true cell that it touches, and keep the best.",
        "The best J counts only if the shared voxels are more than half of that *true* cell; otherwise the prediction "
        "scores 0, even if it covers another cell. Predictions that touch no true cell score 0 too.",
    ),
)
def mucov(answer: Callable) -> Iterator[Property]:
    """MUCov: for each predicted cell, its best J with a true cell of which it covers more than half."""
    cases = [
        (([1, 1, 0, 0], [1, 1, 0, 0]), "a perfect cell scores 1", "one cell, found exactly, must score 1"),
        (([1] * 5 + [0], [0] + [1] * 5), "one cell scores its J", "one cell, moved by a voxel, must score its J"),
        (([1, 0, 0, 0], [1, 0, 2, 2]), "a missed cell costs nothing", "a missed cell changes your MUCov: the mean runs "
         "over the predicted cells"),
        (([1, 0, 2, 2], [1, 0, 0, 0]), "an invented cell counts as 0", "an invented cell is left out of your mean: it "
         "counts as 0"),
        (([1, 1, 0, 0], [1, 1, 1, 1]), "half of the true cell is not enough", "a prediction inside a cell, that covers "
         "only half of it, scores 0: the rule asks for half of the true cell, not of the prediction"),
        (([1, 1, 1, 1], [1, 1, 1, 2]), "a merge is one prediction with its best J", "one prediction over two cells: "
         "keep its best J, do not add up or average over the cells"),
        (([0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 2]), "the best J decides which cell counts", "find the cell with "
         "the best J first; only that one is asked whether more than half of it is covered"),
    ]  # fmt: skip
    for case, verified, wrong in cases:
        yield tried(answer, "MUCov", case, verified, wrong)


def scene(answer: Callable, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels and truth that an answer made. Raises WrongAnswer for anything else, or for a large scene."""
    made = run(answer)
    if not isinstance(made, (tuple, list)) or len(made) != 2:
        raise WrongAnswer(f"your function returns {short(made)}: expected a pair, labels and truth")
    shape = np.shape(made[1])
    if len(shape) != 3 or np.prod(shape) > most or 0 in shape:
        raise WrongAnswer(f"the truth has shape {shape}: expected (Z, Y, X) with at most {most} voxels")
    labels, truth = (array(volume, shape, name) for volume, name in zip(made, ("labels", "truth"), strict=True))
    if (labels % 1).any() or (truth % 1).any() or min(labels.min(), truth.min()) < 0:
        raise WrongAnswer("labels and truth hold whole numbers: 0 for background, 1 and more for cells")
    return labels.astype(int), truth.astype(int)


@exercise(
    "metrics",
    points=1,
    hints=(
        "IoU does not ask whose voxels they are. Which mistakes leave the foreground as it is?",
        "Look at the table of mistakes: one row has IoU 1 and a low SEG.",
        "Cut a cell in two halves of the same size: neither covers more than half of it.",
    ),
)
def blind_iou(answer: Callable) -> Iterator[Property]:
    """Break IoU: labels and truth with IoU 1 and SEG 0."""
    labels, truth = scene(answer, most=100)
    scores = evaluate(labels, truth)
    shown = f"IoU is {scores['IoU']:.2f} and SEG {scores['SEG']:.2f}"
    plane = lambda: picture(  # noqa: E731
        {"truth": truth[0], "prediction": labels[0]}, "The first plane of your truth and of your prediction", shown
    )
    yield Property(bool(truth.any()), "there is a true cell", "the truth is empty: draw at least one true cell")
    yield Property(close(scores["IoU"], 1), "IoU is 1", f"{shown}: give the prediction the same foreground", plane)
    found = "some cell still has a prediction that covers more than half of it"
    yield Property(close(scores["SEG"], 0), "SEG is 0", f"{shown}: {found}", plane)


ADDED: dict[str, tuple[Case, Case]] = {  # by metric that falls: before and after an object is added on free voxels
    "IoU": (([1, 1, 0, 0], [1, 1, 0, 0]), ([1, 1, 0, 2], [1, 1, 0, 0])),
    "MUCov": (([1, 1, 0, 0], [1, 1, 0, 0]), ([1, 1, 0, 2], [1, 1, 0, 0])),
}


@exercise(
    "metrics",
    points=1,
    hints=(
        "The other predictions keep their voxels. For each metric, ask what the new object can change.",
        "SEG looks for one partner of each true cell. Can a true cell lose its partner because another object appears?",
        "On background, the new object makes the union larger, and it is one more prediction to average over.",
    ),
)
def can_fall(answer: object) -> Iterator[Property]:
    """Predict: which scores can fall when one object is added on free voxels?"""
    if not isinstance(answer, (set, frozenset, list, tuple)) or not set(map(str, answer)) <= set(NAMES):
        raise WrongAnswer(f"the answer is {short(answer)}: expected a set of names out of {', '.join(NAMES)}")
    said = set(answer)
    for name, (before, after) in ADDED.items():
        scores = [evaluate(row(labels), row(truth))[name] for labels, truth in (before, after)]
        wrong = f"{name} can fall: here it goes from {scores[0]:.2f} to {scores[1]:.2f}"
        show = lambda after=after: drawn(after, "Object 2 of the prediction was added.")  # noqa: E731
        yield Property(name in said, f"{name} can fall", wrong, show)
    kept = "a true cell keeps its partner: an object on free voxels takes nothing away, so SEG cannot fall"
    yield Property("SEG" not in said, "SEG cannot fall", kept)
