"""Checks of the chapter *Centre regression*."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from bfs_tutorial.checks.core import (
    Property,
    WrongAnswer,
    array,
    close,
    diagnose,
    exercise,
    number,
    picture,
    run,
    short,
)
from bfs_tutorial.figures import FigureHTML

CHAPTER = "centre_regression"


def _sigmoid(x: Any) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(x, dtype=float)))


def _focal(q: Any, gamma: float = 2.0) -> np.ndarray:
    return -((1 - np.asarray(q)) ** gamma) * np.log(q)


# ---- exercise 1 ----------------------------------------------------------------------------------------------


@exercise(
    CHAPTER,
    points=3,
    hints=(
        "Three steps: pick the voxels whose target is above the threshold, turn their logits into answers q, take the "
        "mean of the focal loss.",
        "q = 1 / (1 + np.exp(-logits)). The target only picks voxels; it does not appear in the loss itself.",
        "near = target > threshold; q = 1 / (1 + np.exp(-logits[near])); np.mean(-((1 - q) ** gamma) * np.log(q)), and "
        "0.0 when near.any() is False.",
    ),
)
def focal_term(answer: Callable) -> Iterator[Property]:
    """The focal term of Eq. 2: a mean over the voxels next to a click."""
    logit, q = np.log(3.0), 0.75
    one = number(run(answer, np.array([logit]), np.array([1.0])), "the focal term of one voxel")
    twice = float(_sigmoid(q))
    mistakes = {
        "the logits are taken for answers: put them through the sigmoid first": -((1 - logit) ** 2) * np.log(logit),
        "the sigmoid is applied twice: a logit becomes an answer once": _focal(twice),
        "the factor (1 - q)^γ is missing: that is plain cross entropy": -np.log(q),
        "the factor is q^γ: then voxels that are already right count most": -(q**2) * np.log(q),
        "the minus is missing: log q is below 0, and a loss is not": (1 - q) ** 2 * np.log(q),
        "take natural logarithms, not log2": _focal(q) / np.log(2),
    }
    other = f"one voxel of target 1 and q = 0.75 gives {one:.4f}: expected (1 - q)² times -log q"
    yield Property(close(one, _focal(q)), "it is right for one voxel of target 1 (q = 0.75)",
                   diagnose(one, mistakes, other))  # fmt: skip
    plain = number(run(answer, np.array([logit]), np.array([1.0]), gamma=0.0), "the focal term with γ = 0")
    said = diagnose(plain, {"γ = 0 changes nothing: the exponent is an argument, not 2": _focal(q)},
                    f"with γ = 0 one voxel gives {plain:.4f}: expected -log q")  # fmt: skip
    yield Property(close(plain, -np.log(q)), "γ = 0 leaves plain cross entropy", said)
    yield _which_voxels(answer)
    soft = number(run(answer, np.array([logit]), np.array([0.5]), threshold=0.4), "the focal term at threshold 0.4")
    said = "at threshold 0.4 a voxel of target 0.5 does not count: the threshold is an argument, not 0.7"
    if not close(soft, 0):
        said = f"a voxel of target 0.5 above the threshold gives {soft:.4f}: expected the same as for target 1"
    yield Property(close(soft, _focal(q)), "the threshold can be chosen", said)
    with np.errstate(all="ignore"):
        none = np.asarray(run(answer, np.zeros(3), np.array([0.1, 0.2, 0.7])), dtype=float)
    said = "without any voxel above the threshold it is NaN, a mean over nothing: expected 0"
    yield Property(bool(np.isfinite(none).all()), "no voxel above the threshold makes no NaN", said)
    said = f"without any voxel above the threshold it is {short(none.tolist())}: expected 0"
    yield Property(close(number(none), 0), "it is 0 when no voxel is above the threshold", said)


def _which_voxels(answer: Callable) -> Property:
    """Two of six voxels are above the threshold, one stands on it."""
    target = np.array([[[1.0, 0.8, 0.7], [0.3, 0.1, 0.0]]])
    logits = np.array([[[1.0, -1.0, 2.0], [0.5, 0.0, -3.0]]])
    value = number(run(answer, logits, target), "the focal term of six voxels")
    q, near = _sigmoid(logits), target > 0.7
    each = _focal(q)
    both = each[near].mean()
    mistakes = {
        "that is the sum: the focal term is a mean": each[near].sum(),
        "that is a mean over all voxels, with zeros: only voxels above the threshold count": each[near].sum() / 6,
        "voxels below the threshold count too: only those with p > 0.7 may": each.mean(),
        "a voxel of exactly 0.7 counts: the paper says above 0.7": each[target >= 0.7].mean(),
        "each voxel is multiplied by its target: the term only asks whether p > 0.7": (target * each)[near].mean(),
        "voxels are picked by the answer q: pick them by the target": each[q > 0.7].mean(),
        "voxels below the threshold are taken as targets of 0 and punished too: this term leaves them alone": np.where(
            near, each, -(q**2) * np.log(1 - q)
        ).mean(),
    }
    drawn = lambda: picture(  # noqa: E731
        {"target p": target[0], "answer q": q[0], "focal loss": each[0]},
        "Six voxels: their targets, their answers and the focal loss of each",
        f"You give {value:.3g}. Which voxels have p > 0.7, and what is the mean of their loss?",
    )
    other = f"six voxels give {value:.4f}: expected the mean over the two with p > 0.7, as in the picture"
    return Property(close(value, both), "it is the mean over p > 0.7", diagnose(value, mistakes, other), drawn)


# ---- exercise 2 ----------------------------------------------------------------------------------------------


@exercise(
    CHAPTER,
    points=1,
    hints=(
        "With γ = 0 the factor (1 - q)^γ is 1: what does the focal term become?",
        "The loss is -0.8 log q - 0.2 log(1 - q) - log q. Collect the terms with log q.",
        "-1.8 log q - 0.2 log(1 - q) is lowest where 1.8 / q = 0.2 / (1 - q).",
    ),
)
def lowest_answer(answer: Any) -> Iterator[Property]:
    """The answer that cross entropy and the focal term reward together."""
    q = number(answer, "the answer")
    yield Property(0 <= q <= 1, "it is an answer between 0 and 1", f"{q:g} is no answer: expected a number from 0 to 1")
    grid = np.linspace(0.001, 0.999, 999)
    loss = -1.8 * np.log(grid) - 0.2 * np.log(1 - grid)
    mistakes = {
        "that is where cross entropy alone is lowest: the focal term pulls the answer up": 0.8,
        "that is where the focal term alone is lowest: cross entropy still holds the answer back": 1.0,
        "that is the answer for γ = 2: here γ is 0, and the factor (1 - q)^γ is 1": grid[
            (-0.8 * np.log(grid) - 0.2 * np.log(1 - grid) + _focal(grid)).argmin()
        ],
    }
    other = "the loss is lower elsewhere: write it out with γ = 0 and collect the terms with log q"
    other = "the focal term pulls the answer up, above the target" if q < 0.8 else other
    yield Property(close(q, grid[loss.argmin()], 5e-3), "computed for all answers, the loss is lowest there",
                   diagnose(q, mistakes, other, 5e-3))  # fmt: skip


# ---- exercise 3 ----------------------------------------------------------------------------------------------


def _rows(value: Any) -> set[tuple[int, ...]]:
    """Return peaks as a set of voxels, or say what is wrong with their form."""
    if isinstance(value, tuple) and len(value) == 3 and all(isinstance(part, np.ndarray) for part in value):
        raise WrongAnswer("that is one array for each axis: expected one row (z, y, x) for each peak")
    try:
        rows = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise WrongAnswer(f"the peaks are {short(value)}: expected rows (z, y, x)") from error
    if rows.size == 0:
        return set()
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise WrongAnswer(f"the peaks have shape {rows.shape}: expected (N, 3), one row (z, y, x) for each")
    return {tuple(int(n) for n in row) for row in np.rint(rows)}


@exercise(
    CHAPTER,
    points=2,
    hints=(
        "Ask for each voxel whether it is higher than the highest of its neighbours. At a face, pretend that what lies "
        "outside is lower than everything.",
        "np.pad(p, 1, constant_values=-np.inf) gives every voxel 26 neighbours. Shift it by -1, 0, 1 along each axis "
        "and compare.",
        "Start with peak = p >= threshold; for each of the 26 shifts: peak &= p > shifted; return np.argwhere(peak).",
    ),
)
def local_maxima(answer: Callable) -> Iterator[Property]:
    """Peaks of a map: at the threshold or above, and higher than all 26 neighbours."""
    row = np.array([[[0, 0.2, 0.9, 0.6, 0.1, 0.5, 0.1, 0.2, 0.1]]])
    found, drawn = _found(answer, row, 0.4)
    at = {voxel[2] for voxel in found}
    mistakes = {
        "a voxel is called a peak because it is high, though its neighbour is higher": {2, 3, 5},
        "only the highest voxel of all is found: each cell has its own peak": {2},
        "a peak below the threshold is kept": {2, 5, 7},
    }
    said = next((said for said, wrong in mistakes.items() if at == wrong), f"peaks at {sorted(at)} of a row of nine")
    yield Property(at == {2, 5}, "high enough, and higher than both neighbours", said, drawn)
    found, drawn = _found(answer, row, 0.5)
    said = "a peak of exactly the threshold is dropped: a peak is at least as high"
    yield Property(found == {(0, 0, 2), (0, 0, 5)}, "as high as the threshold is high enough", said, drawn)
    found, drawn = _found(answer, np.array([[[0.9, 0.3, 0.1, 0.3, 0.8]]]), 0.5)
    said = f"a row with peaks at both ends: you find {len(found)} of 2, voxels at the faces count too"
    yield Property(found == {(0, 0, 0), (0, 0, 4)}, "voxels at the faces may be peaks", said, drawn)
    corner = np.full((1, 4, 4), 0.1)
    corner[0, 1:3, 1:3] = [[0.9, 0.2], [0.2, 0.8]]
    found, drawn = _found(answer, corner, 0.5)
    said = "a voxel is called a peak though a diagonal neighbour is higher: there are 26 neighbours"
    yield Property(found == {(0, 1, 1)}, "diagonal neighbours count", said, drawn)
    tall = np.zeros((3, 3, 3))
    tall[:, 1, 1] = [0.6, 0.9, 0.7]
    found, drawn = _found(answer, tall, 0.5)
    said = "every plane gets a peak of its own: compare with the planes above and below as well"
    if len(found) < 2:
        said = f"one cell through three planes: you find {sorted(found)}, expected its highest voxel (1, 1, 1)"
    yield Property(found == {(1, 1, 1)}, "planes above and below count", said, drawn)
    found, drawn = _found(answer, np.zeros((1, 2, 2)), 0.5)
    yield Property(not found, "a dark map has no peaks", f"a dark map has no peaks: you find {len(found)}", drawn)


def _found(answer: Callable, p: np.ndarray, threshold: float) -> tuple[set, Callable[[], FigureHTML]]:
    """Return the voxels that an answer calls peaks of a map (Z, Y, X), and a picture of them."""
    found = _rows(run(answer, p, threshold))
    marked = np.array([where in found for where in np.ndindex(p.shape)]).reshape(p.shape)
    names = [f", plane {z}" for z in range(len(p))] if len(p) > 1 else [""]
    planes = {f"map{name}": plane for name, plane in zip(names, p, strict=True)}
    planes |= {f"yours{name}": plane for name, plane in zip(names, marked, strict=True)}
    alt = "A small map with its values, and the voxels that you call peaks"
    return found, lambda: picture(planes, alt, f"Threshold {threshold:g}. Yours: 1 where you find a peak.")


# ---- exercise 4 ----------------------------------------------------------------------------------------------


def _scores(value: Any) -> tuple[float, float]:
    if isinstance(value, Mapping):
        raise WrongAnswer("that is a dictionary: expected two numbers, precision and recall")
    precision, recall = array(value, (2,), "the pair (precision, recall)")
    return float(precision), float(recall)


@exercise(
    CHAPTER,
    points=3,
    hints=(
        "Divide every length by the tolerance along its axis. What shape has the ellipsoid then?",
        "In that unit a pair lies at most 1 apart. match_points makes pairs of points with any spacing and tolerance; "
        "count what it returns.",
        "pairs = len(match_points(points, truth, np.divide(spacing, tolerance), tolerance=1.0)); divide it by the "
        "number of points and by the number of true centres, never by 0.",
    ),
)
def precision_recall(answer: Callable) -> Iterator[Property]:
    """Precision and recall with a tolerance for each axis."""
    ball, unit = (5.0, 5.0, 5.0), (1.0, 1.0, 1.0)

    def tried(points: list, truth: list, spacing: tuple, tolerance: tuple) -> tuple[float, float]:
        as_rows = lambda rows: np.array(rows, dtype=float).reshape(-1, 3)  # noqa: E731
        return _scores(run(answer, as_rows(points), as_rows(truth), spacing, tolerance))

    got = tried([(0, 0, 10), (0, 0, 30)], [(0, 0, 11), (0, 0, 50), (0, 0, 70)], unit, ball)
    mistakes = {
        "precision and recall are exchanged: precision is the share of the peaks": (1 / 3, 1 / 2),
        "both are divided by the same number: precision by the peaks, recall by the cells": (1 / 2, 1 / 2),
        "both are divided by the number of cells: precision is the share of the peaks": (1 / 3, 1 / 3),
    }
    other = f"two peaks, one of them right, three cells: you give ({got[0]:.2f}, {got[1]:.2f})"
    said = diagnose(got, mistakes, other)
    yield Property(close(got, (1 / 2, 1 / 3)), "one hit of two peaks, one of three cells", said)
    got = tried([(0, 0, 10), (0, 0, 12)], [(0, 0, 11)], unit, ball)
    mistakes = {
        "two peaks on one cell both count as hits: nothing may be in two pairs": (1.0, 1.0),
        "two peaks on one cell make two pairs, and recall 2: nothing may be in two pairs": (1.0, 2.0),
    }
    other = f"two peaks on one cell: you give ({got[0]:.2f}, {got[1]:.2f}), expected one hit and one false peak"
    yield Property(close(got, (1 / 2, 1)), "a second peak on a cell is false", diagnose(got, mistakes, other))
    got = tried([(0, 0, 11)], [(0, 0, 10), (0, 0, 12)], unit, ball)
    said = "one peak between two cells counts for both: nothing may be in two pairs"
    yield Property(close(got, (1, 1 / 2)), "a peak finds one cell only", said)
    exact = tried([(0, 0, 5)], [(0, 0, 10)], unit, ball)
    said = "a peak exactly as far as the tolerance is no hit: the surface belongs to the ellipsoid"
    yield Property(close(exact, (1, 1)), "a peak on the surface of the ellipsoid is a hit", said)
    yield from _ellipsoid(tried)
    nothing = tried([], [(0, 0, 1)], unit, ball)
    yield Property(close(nothing, (0, 0)), "without peaks both are 0",
                   f"without any peak you give ({nothing[0]:.2f}, {nothing[1]:.2f}): both count as 0")  # fmt: skip


def _ellipsoid(tried: Callable) -> Iterator[Property]:
    """One peak and one cell, planes 2 µm apart, the tolerance larger along z."""
    spacing, tolerance, cell = (2.0, 1.0, 1.0), (8.0, 5.0, 5.0), [(10, 20, 20)]
    cases = (
        ((13, 20, 20), True, "a peak 3 planes, 6 µm, above its cell is within 8 µm along z",
         "a peak 6 µm above its cell is no hit: along z the tolerance is 8 µm"),
        ((15, 20, 20), False, "one 5 planes, 10 µm, above is not",
         "a peak 5 planes above its cell is a hit: planes lie 2 µm apart, and 10 µm are too far"),
        ((10, 20, 26), False, "along x the tolerance is 5 µm",
         "a peak 6 µm beside its cell is a hit: within the plane the tolerance is 5 µm"),
        ((13, 20, 24), False, "6 µm above and 4 µm beside is outside the ellipsoid",
         "a peak 6 µm above and 4 µm beside its cell is a hit: it is inside the box, but not inside the ellipsoid"),
    )  # fmt: skip
    for peak, hit, verified, wrong in cases:
        got = tried([peak], cell, spacing, tolerance)
        z, x = np.meshgrid(np.arange(-5, 6) * 2.0, np.arange(-7, 8) * 1.0, indexing="ij")
        inside = ((z / 8) ** 2 + (x / 5) ** 2 <= 1) * 1.0
        inside[5, 7], inside[peak[0] - 5, peak[2] - 13] = 2, 3
        drawn = lambda inside=inside: picture(  # noqa: E731
            {"from the side, z down": inside},
            "A grey ellipsoid around a cell, seen from the side, the cell light grey, the peak white",
            "Grey: where a peak is a hit. Light grey: the cell. White: the peak that was tried. A plane is 2 µm.",
        )
        yield Property(close(got, (1, 1) if hit else (0, 0)), verified, wrong, drawn)


# ---- exercise 5 ----------------------------------------------------------------------------------------------


@exercise(
    CHAPTER,
    points=2,
    hints=(
        "Precision is hits over peaks. A higher threshold removes the lowest peaks. Should they be hits or false ones?",
        "Precision falls when the peaks that go are better than those that stay.",
        "Two peaks are enough: a false one above 0.5, and a hit between 0.3 and 0.5.",
    ),
)
def precision_falls(answer: Callable) -> Iterator[Property]:
    """Peaks for which a higher threshold means a lower precision."""
    given = run(answer)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise WrongAnswer(f"your function returns {short(given)}: expected two lists, heights and hits")
    count = np.size(given[0])
    heights, hits = array(given[0], (count,), "the list of heights"), array(given[1], (count,), "the list of hits")
    yield Property(1 <= count <= 6, f"there are {count} peaks", f"you return {count} peaks: expected 1 to 6")
    sane = (heights >= 0).all() and (heights <= 1).all() and np.isin(hits, (0, 1)).all()
    said = "heights are numbers from 0 to 1, and hits are True or False: have you exchanged the lists?"
    yield Property(bool(sane), "heights lie from 0 to 1, hits are True or False", said)
    kept = {threshold: hits[heights >= threshold] for threshold in (0.3, 0.5)}
    yield Property(kept[0.5].size > 0, "a peak is left at 0.5",
                   "no peak is left at threshold 0.5: at least one has to be")  # fmt: skip
    low, high = (float(part.mean()) for part in kept.values())
    moved = f"precision is {low:.2f} at 0.3 and {high:.2f} at 0.5"
    said = f"{moved}: it rises, since the peaks that go are worse than those that stay"
    if close(low, high):
        said = f"{moved}: it stays, since no peak goes or those that go are as good as the others"
    drawn = lambda: picture(  # noqa: E731
        {"heights": heights[None], "hit = 1": hits[None]},
        "The heights of your peaks in a row, and below which of them are hits",
        f"{moved[0].upper()}{moved[1:]}.",
    )
    yield Property(high < low - 1e-9, moved, said, drawn)
