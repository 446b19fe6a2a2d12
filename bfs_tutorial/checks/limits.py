"""Checks of the chapter *Limits: when not to use it*."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bfs_tutorial.checks.core import Property, WrongAnswer, array, choice, exercise, picture, run, short
from bfs_tutorial.figures import FigureHTML
from bfs_tutorial.metrics import evaluate

Row = tuple[list[int], list[int]]  # labels and truth of a row of voxels

# ---- write the function --------------------------------------------------------------------------------------


def numbers(answer: Callable, labels: np.ndarray, truth: np.ndarray) -> set[int]:
    """The cell numbers that an answer returns. Raises WrongAnswer unless they are whole numbers in one dimension."""
    given = run(answer, labels, truth)
    if isinstance(given, (set, frozenset)):
        given = sorted(given)
    if np.shape(given) == labels.shape:
        raise WrongAnswer("your function returns a volume: return the numbers of the invented predictions, such as [2]")
    if np.ndim(given) != 1:
        raise WrongAnswer(f"your function returns {short(given)}: expected the numbers of predictions, such as [2]")
    found = array(given, (len(given),), "the numbers")
    if (found % 1).any():
        raise WrongAnswer(f"your function returns {short(given)}: expected numbers of predictions, which are whole")
    return set(found.astype(int).tolist())


def drawn(case: Row) -> FigureHTML:
    """Both rows of a case, as pictures with the numbers of the cells."""
    labels, truth = case
    alt = f"A row of {len(labels)} voxels: predicted cells {labels}, true cells {truth}"
    shown = {"prediction": np.array(labels)[None], "truth": np.array(truth)[None]}
    return picture(shown, alt, "One row of voxels; 0 is background.")


@exercise(
    "limits",
    points=2,
    hints=(
        "Go through the predictions one after the other. How many voxels has each, and how many of these lie where the "
        "truth is 0?",
        "For prediction n the truth below it is truth[labels == n]; the mean of `== 0` is the share on background.",
        "return [n for n in np.unique(labels[labels > 0]) if (truth[labels == n] == 0).mean() > 0.5].",
    ),
)
def invented(answer: Callable) -> Iterator[Property]:
    """Find the predictions of which more than half lies on background."""
    cases: list[tuple[Row, set[int], str, dict[frozenset, str]]] = [
        (([1, 1, 0, 2, 2], [4, 4, 0, 0, 0]), {2}, "a prediction on bare background is invented, one on a cell is not",
         {frozenset({0, 2}): "0 is the background and no prediction: leave it out",
          frozenset({1}): "you return the predictions that lie on a cell: the others are asked for",
          frozenset(): "prediction 2 lies on bare background and is not in what you return"}),
        (([3, 3, 3, 3, 0, 0], [1, 1, 0, 0, 0, 0]), set(), "exactly half is not enough",
         {frozenset({3}): "exactly half of prediction 3 lies on background: it takes more than half"}),
        (([0, 0, 4, 0, 0, 0], [1, 1, 1, 1, 1, 0]), set(), "a speck inside a cell is too small, not invented",
         {frozenset({4}): "prediction 4 lies wholly in a cell: the share is one of its own voxels, not of the cell's"}),
        (([1] * 6, [0, 0, 1, 0, 0, 0]), {1}, "a prediction may touch a cell and still be invented",
         {frozenset(): "five of six voxels of prediction 1 lie on background. That it touches a cell, or covers it, "
          "does not help"}),
        (([5] * 6, [1, 1, 2, 2, 0, 0]), set(), "all true cells count together",
         {frozenset({5}): "two thirds of prediction 5 lie on cells, half of that on each: count all cells together"}),
        (([0, 0, 0, 0], [1, 1, 0, 0]), set(), "no prediction, nothing invented", {}),
    ]  # fmt: skip
    for case, right, verified, mistakes in cases:
        labels, truth = (np.array(values).reshape(1, 1, -1) for values in case)
        found = numbers(answer, labels, truth)
        said = f"you return {sorted(found) or 'nothing'}: expected {sorted(right) or 'nothing'}"
        said = mistakes.get(frozenset(found), said)
        yield Property(found == right, verified, said, lambda case=case: drawn(case))
    labels = np.array([[[7, 0, 9]], [[7, 7, 9]], [[7, 0, 9]]])  # (3, 1, 3), planes judged alone: 7 and 9
    truth = np.array([[[1, 0, 0]], [[0, 0, 2]], [[1, 0, 2]]])
    found = numbers(answer, labels, truth)
    said = f"in three planes you return {sorted(found)}, expected nothing: count a prediction's voxels in all planes"
    yield Property(found == set(), "a prediction is one thing in all planes", said)


# ---- break it ------------------------------------------------------------------------------------------------

SHAPE, CENTRES, RADIUS = (1, 31, 41), (12, 28), 5
Y, X = np.mgrid[: SHAPE[1], : SHAPE[2]]
TRUTH = sum(n * ((Y - 15) ** 2 + (X - x) ** 2 <= RADIUS**2) for n, x in enumerate(CENTRES, 1))[None]  # (1, 31, 41)


@exercise(
    "limits",
    points=2,
    hints=(
        "Count and volume ask how many and how much. What do they not ask?",
        "Take two discs of the true size. Where may they lie so that neither covers more than half of a cell?",
        "y, x = np.mgrid[:31, :41]; move both discs down by 6 voxels: (y - 21) ** 2 + (x - 12) ** 2 <= 25 is number 1.",
    ),
)
def quiet_volume(answer: Callable) -> Iterator[Property]:
    """Break the warning: number and volume are right, SEG is not."""
    labels = array(run(answer), SHAPE, "the labels")
    whole = bool((labels % 1 == 0).all() and (labels >= 0).all())
    yield Property(whole, "these are labels", "labels are whole numbers: 0 for background, 1 and more for cells")
    labels = labels.astype(int)
    shown = {"truth": TRUTH[0] / 2, "your labels": np.unique(labels, return_inverse=True)[1].reshape(SHAPE)[0] / 2}
    alt = "Two true discs side by side, and the labels that you return"
    view = lambda: picture(shown, alt, "Each grey is one cell, black is background.")  # noqa: E731
    count = len(np.unique(labels[labels > 0]))
    said = f"your labels hold {count or 'no'} cell{'s' * (count != 1)}: two, as in the truth, would be no warning"
    yield Property(count == 2, "the count is right", said, view)
    ratio = (labels > 0).sum() / (TRUTH > 0).sum()
    said = f"your cells have {ratio:.0%} of the true volume: a warning. Stay between 95 and 105 %"
    yield Property(0.95 <= ratio <= 1.05, "the volume is right", said, view)
    seg = evaluate(labels, TRUTH)["SEG"]
    said = f"SEG is {seg:.2f}: there is still a prediction over more than half of a cell"
    if seg > 0.999:
        said = "SEG is 1, so nothing is wrong with these labels: numbers may be exchanged, cells must not lie right"
    elif evaluate(labels, TRUTH)["IoU"] > 0.999:
        said = f"the mask is the true one, cut elsewhere, and SEG is still {seg:.2f}: move the mask as well"
    yield Property(seg < 0.1, "and SEG is below 0.1", said, view)


# ---- predict, then run ---------------------------------------------------------------------------------------


@exercise(
    "limits",
    points=1,
    hints=(
        "Lower the cut and the mask can only grow. What does a growing mask do to a cell that is drawn too small?",
        "The centres come from S1 and stay as they are, so no instance appears or disappears.",
        "Each instance grows where no neighbour stops it: more of them hold more than half of their cell.",
    ),
)
def lower_cut(answer: Any) -> Iterator[Property]:
    """Predict: what becomes of the cells that are too small when S2's probability is cut lower?"""
    given = choice(answer, ("more", "fewer", "as many"))
    said = {
        "more": "a lower cut lets the mask grow, and no instance loses a voxel to background by that",
        "as many": "the cut decides how far each instance reaches: a lower one lets it reach farther",
    }
    yield Property(given == "fewer", "a lower cut makes instances larger", said.get(given, ""))
