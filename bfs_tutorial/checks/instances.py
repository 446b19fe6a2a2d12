"""Checks of the chapter *Instances*."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bfs_tutorial import figures
from bfs_tutorial.checks.core import Property, WrongAnswer, array, choice, close, diagnose, exercise, picture, run
from bfs_tutorial.instances import assign_instances

UNIT = (1.0, 1.0, 1.0)


# ---- merge and count -----------------------------------------------------------------------------------------


def _merge(
    answer: Callable, x: list[float], scores: list[float], spacing: tuple[float, float, float] = UNIT, axis: int = 2,
    radius: float = 4.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Peaks on a line along one axis: where the answer puts the merged ones, (M,), and their counts (M,), sorted."""
    points = np.zeros((len(x), 3))
    points[:, axis] = x
    given = run(answer, points, np.array(scores), spacing, radius)
    try:
        left, counts = given
        left = np.atleast_2d(np.asarray(left, dtype=float))
    except (TypeError, ValueError) as error:
        raise WrongAnswer("expected two arrays: return points, counts") from error
    if left.ndim != 2 or left.shape[1] != 3:
        raise WrongAnswer(f"the points have shape {left.shape}: expected (M, 3), rows (z, y, x)")
    left, counts = array(left, left.shape, "the points"), array(counts, (len(left),), "the counts")
    order = np.argsort(left[:, axis])
    return left[order, axis], counts[order]


@figures.style()
def _line(x: list[float], left: np.ndarray, radius: float) -> figures.FigureHTML:
    """Draw peaks on a line, and below them what is left."""
    figure = Figure(figsize=(5.0, 1.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(x, np.ones(len(x)), "o", color=figures.LINES[0], ms=7)
    axes.plot(left, np.zeros(len(left)), "D", color=figures.LINES[1], ms=7)
    axes.set(ylim=(-0.6, 1.6), yticks=[0, 1], yticklabels=["yours", "peaks"], xlabel="µm")
    axes.set_xlim(min(x) - 1, max(x) + 1)
    alt = f"Peaks at {', '.join(f'{value:g}' for value in x)} µm on a line; below them what your function leaves"
    return figures.show(figure, alt, f"Above the peaks, below what is left. The radius is {radius:g} µm.")


@exercise(
    "instances",
    points=3,
    hints=(
        "Work on lists: points, weights, counts. One turn of a loop merges one pair, or stops.",
        "In each turn find the closest pair in µm. If it is less than radius apart, put (w_i x_i + w_j x_j) / (w_i + "
        "w_j) in the place of one, and delete the other.",
        "The merged peak goes on with the weight w_i + w_j and the count n_i + n_j, not with those of one of the two.",
    ),
)
def merged(answer: Callable) -> Iterator[Property]:
    """Merge close peaks into their weighted mean, and count them."""
    x, n = _merge(answer, [5], [0.7])
    yield Property(close(x, 5) and close(n, 1), "a single peak stays, with count 1", "a single peak is changed")
    x, n = _merge(answer, [0, 5], [0.9, 0.3])
    said = "two peaks 5 µm apart are merged although the radius is 4 µm"
    yield Property(len(x) == 2, "peaks farther apart than the radius stay", said)
    x, n = _merge(answer, [10, 13], [0.9, 0.3])
    said = diagnose(
        x[0],
        {
            "you take the plain mean: the peak with the higher score has more to say": 11.5,
            "you keep the higher peak where it was: the merged one lies at the weighted mean": 10,
            "the weights are exchanged: each position goes with its own score": 12.25,
            "you forget to divide by the sum of the scores": 12.9,
        },
        f"peaks at 10 and 13 with scores 0.9 and 0.3 should merge at 10.75, and yours lies at {x[0]:.4g}",
    )
    if len(x) == 2:
        said = "two peaks 3 µm apart are left as they are although the radius is 4 µm"
    holds = len(x) == 1 and close(x[0], 10.75)
    yield Property(holds, "two close peaks become their weighted mean", said, lambda x=x: _line([10, 13], x, 4))
    yield Property(close(n, 2), "it says how many went into it", f"two peaks became one, and its count is {n[0]:g}")
    x, _ = _merge(answer, [0, 3], [0.5, 0.5], (2.0, 1.0, 1.0), axis=0)
    y, _ = _merge(answer, [0, 6], [0.5, 0.5], (2.0, 0.5, 0.5))
    said = "peaks three planes of 2 µm apart, 6 µm, are merged at a radius of 4 µm: distances are in µm, not in voxels"
    if len(x) == 2:
        said = "peaks six columns of 0.5 µm apart, 3 µm, stay at a radius of 4 µm: distances are in µm, not in voxels"
    yield Property(len(x) == 2 and len(y) == 1, "the radius is in µm", said)
    x, n = _merge(answer, [0, 3, 6.5], [0.5, 0.5, 0.5])
    said = "peaks at 0, 3 and 6.5 µm become one: merge the closest pair, then measure anew from its mean"
    holds = len(x) == 2 and close(x, (1.5, 6.5)) and close(n, (2, 1))
    if len(x) == 2 and not holds:
        said = f"the closest pair of 0, 3 and 6.5 is 0 and 3, and you leave {x[0]:.3g} and {x[1]:.3g}"
    yield Property(holds, "the two closest merge first, and distances are measured anew", said,
                   lambda x=x: _line([0, 3, 6.5], x, 4))  # fmt: skip
    x, n = _merge(answer, [0, 1, 3], [0.5, 0.5, 0.5])
    said = diagnose(
        x[0], {"a merged peak must weigh as much as all peaks that went into it: add up their scores": 1.75},
        f"three peaks at 0, 1 and 3 with equal scores should end at their mean, 1.333, and yours is at {x[0]:.4g}",
    )  # fmt: skip
    if len(x) > 1:
        said = "after one merger you stop: go on until all are at least radius apart"
    holds = len(x) == 1 and close(x[0], 4 / 3)
    yield Property(holds, "it goes on until all are apart, and weights add up", said,
                   lambda x=x: _line([0, 1, 3], x, 4))  # fmt: skip
    said = f"three peaks became one, and its count is {n[0]:g}: add up the counts, too"
    yield Property(close(n, 3), "counts add up", said)


# ---- larger springs ------------------------------------------------------------------------------------------


def _markers(
    answer: Callable, shape: tuple[int, int, int], points: list, spacing: tuple[float, float, float], radius: float,
    mask: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    mask = np.ones(shape, dtype=bool) if mask is None else mask
    return array(run(answer, mask, np.array(points, dtype=float), spacing, radius), shape, "the markers")


def _row(given: np.ndarray, told: str, *places: float) -> Callable:
    """Draw markers in a row of voxels of 1 µm, below the distances to the points."""
    far = {f"µm to point {i}": abs(np.arange(9.0) - place)[None] for i, place in enumerate(places)}
    alt = "A row of nine voxels as numbers in squares: the distance to each point, and the markers you return"
    return lambda: picture(far | {"your markers": given[None]}, alt, f"A row of voxels of 1 µm. {told}")


@exercise(
    "instances",
    points=2,
    hints=(
        "First the distance of every voxel to every point in µm, an array (N, Z, Y, X). Which point is nearest, and is "
        "it near enough?",
        "np.moveaxis(np.indices(mask.shape), 0, -1) are all voxels as (z, y, x): subtract a point, multiply by the "
        "spacing, take the norm.",
        "near = mask & (apart.min(axis=0) <= radius); return np.where(near, apart.argmin(axis=0) + 1, 0).",
    ),
)
def ball_markers(answer: Callable) -> Iterator[Property]:
    """Markers that are balls: their numbers, their size in µm, and who wins where two meet."""
    row = (1, 1, 9)
    given = _markers(answer, row, [(0, 0, 4)], UNIT, 2.0)[0, 0]
    true = np.array([0, 0, 1, 1, 1, 1, 1, 0, 0])
    said = diagnose(
        given,
        {
            "everything is 0: number the points from 1, since 0 is the background": 0 * true,
            "only one voxel is marked: take all that lie within the radius": np.eye(9)[4],
            "a voxel at exactly the radius is left out: at most means it counts": np.abs(np.arange(9) - 4) < 2,
            "it is marked outside the ball and not inside": 1 - true,
        },
        "one point in the middle of nine voxels of 1 µm, radius 2 µm: mark it and two voxels on either side with 1",
    )
    yield Property(close(given, true), "a ball of its radius, numbered from 1", said, _row(given, "Radius 2 µm.", 4))
    mask = np.ones(row, dtype=bool)
    mask[..., 5:] = False
    given = _markers(answer, row, [(0, 0, 4)], UNIT, 2.0, mask)[0, 0]
    said = "voxels outside the mask are marked: a marker stays in the mask"
    shown = _row(given, "The mask is the first five voxels.", 4)
    yield Property(not given[5:].any(), "it stays in the mask", said, shown)
    given = _markers(answer, row, [(0, 0, 2), (0, 0, 5)], UNIT, 3.0)[0, 0]
    true = np.array([1, 1, 1, 1, 2, 2, 2, 2, 2])
    said = diagnose(
        given,
        {
            "where two balls overlap the last point wins in your function: the nearer one should": [1, 1] + [2] * 7,
            "where two balls overlap the first point wins in your function: the nearer one should": [1] * 6 + [2] * 3,
            "where two balls overlap you add up the numbers: the nearer point should win": [1] * 2 + [3] * 4 + [2] * 3,
            "both balls have the same number: point i gets i + 1": [1] * 9,
        },
        "two points at 2 and 5, radius 3: the nearer point should win where the balls overlap",
    )
    yield Property(close(given, true), "the nearer point wins", said, _row(given, "Radius 3 µm.", 2, 5))
    given = _markers(answer, (5, 1, 1), [(2, 0, 0)], (2.0, 1.0, 1.0), 3.0)[:, 0, 0]
    said = diagnose(
        given, {"planes are 2 µm apart here, and you count them as 1: multiply by the spacing": [1] * 5},
        f"planes 2 µm apart, radius 3 µm: three planes should be marked, and {int((given > 0).sum())} are",
    )  # fmt: skip
    yield Property(close(given, [0, 1, 1, 1, 0]), "the radius is in µm, also along z", said)
    given = _markers(answer, row, [(0, 0, 3.5)], UNIT, 1.0)[0, 0]
    said = "a point between two voxels marks others than the two beside it at a radius of 1 µm: do not round points"
    yield Property(close(given, [0, 0, 0, 1, 1, 0, 0, 0, 0]), "points may lie between voxels", said)


# ---- too small to be a cell ----------------------------------------------------------------------------------


@exercise(
    "instances",
    points=1,
    hints=(
        "How many voxels has each number, and how many µm³ has a voxel?",
        "np.unique(labels, return_counts=True) gives both; np.prod(spacing) is the volume of a voxel.",
        "small = numbers[voxels * np.prod(spacing) < min_volume]; then np.where(np.isin(labels, small), 0, labels).",
    ),
)
def large_enough(answer: Callable) -> Iterator[Property]:
    """Remove instances of less than a volume in µm³."""
    labels = np.array([[[4, 4, 4, 2, 0, 7, 7, 0, 0]]])
    kept = array(run(answer, labels, UNIT, 2.0), labels.shape, "the labels")
    said = diagnose(
        kept[0, 0],
        {
            "an instance of exactly min_volume is removed: only smaller ones go": [4, 4, 4, 0, 0, 0, 0, 0, 0],
            "the others are renumbered: they keep their numbers": [1, 1, 1, 0, 0, 2, 2, 0, 0],
            "nothing is removed; do you label pieces anew? Then instances that touch count as one": labels[0, 0],
            "the large ones are removed": [0, 0, 0, 2, 0, 0, 0, 0, 0],
            "you return a mask: return the labels": [1, 1, 1, 0, 0, 1, 1, 0, 0],
        },
        "of instances with 3, 1 and 2 voxels of 1 µm³ only the one with 1 should go at min_volume = 2",
    )
    alt = "The labels of nine voxels in a row as numbers in squares, above what your function leaves of them"
    drawn = lambda: picture({"labels": labels[0], "what you leave": kept[0]}, alt, "min_volume = 2 µm³")  # noqa: E731
    yield Property(close(kept[0, 0], [4, 4, 4, 0, 0, 7, 7, 0, 0]), "only smaller ones go", said, drawn)
    kept = array(run(answer, labels, (2.0, 0.5, 0.5), 1.0), labels.shape, "the labels")
    said = diagnose(
        kept[0, 0], {"min_volume is in µm³, and you count voxels: a voxel has 0.5 µm³ here": labels[0, 0]},
        "with voxels of 0.5 µm³ and min_volume = 1 the instance of one voxel should go, no other",
    )  # fmt: skip
    yield Property(close(kept[0, 0], [4, 4, 4, 0, 0, 7, 7, 0, 0]), "volumes are in µm³", said)
    labels = np.array([[[5, 0, 5, 0, 5]]])
    kept = array(run(answer, labels, UNIT, 3.0), labels.shape, "the labels")
    said = "an instance in three parts is removed part by part: all voxels with its number count together"
    yield Property(close(kept, labels), "the parts of an instance count together", said)


# ---- predict, then run ---------------------------------------------------------------------------------------


@exercise(
    "instances",
    points=1,
    hints=(
        "Ask of each score what it is a mean over, and whether removing an instance removes something from that mean.",
        "SEG is a mean over the true cells: their number does not change. MUCov is a mean over the instances.",
        "A true cell never fits better because an instance has gone. But a mean without its worst members rises.",
    ),
)
def raised(answer: Any) -> Iterator[Property]:
    """Predict: which score can rise when small instances are removed?"""
    given = choice(answer, ("SEG", "MUCov", "both", "neither"))
    said = {
        "SEG": "SEG asks each true cell for its best instance: with fewer instances none of them fits better",
        "both": "not both: one of them is a mean over the true cells, and removing instances can only cost there",
        "neither": "one of them is a mean over the instances: what if the removed ones were the worst?",
    }
    yield Property(given == "MUCov", "MUCov is a mean over instances, and bad ones have left it", said.get(given, ""))


# ---- break it ------------------------------------------------------------------------------------------------

SHAPE, POINTS = (1, 31, 41), np.array([(0, 15, 12), (0, 15, 28)])


@exercise(
    "instances",
    points=2,
    hints=(
        "The landscape is minus the distance to the mask's edge. Where would a false patch of mask make cell 1 deep?",
        "A point on a slope loses what lies downhill of it. Make the mask so wide around the first point that the "
        "second one stands at its rim.",
        "A disc of radius 14 around (15, 17), and the second cell's own disc: y, x = np.mgrid[:31, :41].",
    ),
)
def greedy_mask(answer: Callable) -> Iterator[Property]:
    """Break the watershed: a mask by which one cell swallows the other's ground."""
    mask = array(run(answer), SHAPE, "the mask")
    said = "the mask holds other values than True and False"
    yield Property(bool(np.isin(mask, (0, 1)).all()), "it is a mask", said)
    mask = mask > 0
    y, x = np.mgrid[:31, :41]
    first, second = ((y - 15) ** 2 + (x - centre) ** 2 <= 5**2 for centre in POINTS[:, 2])
    shown = {"your mask": mask[0] * 1.0, "both cells": (first | second) * 1.0}
    alt = "Your mask, and the two discs that it must hold"
    said = "your mask leaves out voxels of the two cells: it must hold both discs of radius 5 completely"
    whole = bool(mask[0][first | second].all())
    yield Property(whole, "it holds both cells", said, lambda: picture(shown, alt, "White: mask."))
    labels = assign_instances(mask, POINTS, UNIT)[0]
    nearer = mask[0] & (abs(x - 28) < abs(x - 12))
    lost = (labels[nearer] == 1).mean()
    gone = (labels[mask[0] & (abs(x - 28) > abs(x - 12))] == 2).mean()
    said = f"only {lost:.0%} of the voxels nearer to the second point go to the first: more than half should"
    if mask.all():
        said = "a mask that is True everywhere has no edge, so it is cut half way between the points: leave some out"
    elif np.array_equal(mask[0], first | second):
        said = "these are the two cells themselves, and a right mask is divided rightly: add something false"
    elif gone > 0.5:
        said = "your mask makes the second cell swallow the first: make it deep on the other side"
    shown = {"your mask": mask[0] * 1.0, "its instances": labels / 2}
    alt = "Your mask, and how it is divided: the first instance grey, the second white"
    told = "Instances: 1 grey, 2 white. Cell 2 is on the right."
    yield Property(bool(lost > 0.5), "cell 1 swallows most of the other side", said, lambda: picture(shown, alt, told))
