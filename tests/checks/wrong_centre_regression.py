"""Wrong answers to the exercises of the chapter *Centre regression*."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist

from bfs_tutorial.metrics import match_points
from tests.checks.wrong import wrong, wrong_value


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, dtype=float)))


def focal(q, gamma=2.0):
    return -((1 - q) ** gamma) * np.log(q)


def near_mean(values, target, threshold):
    near = target > threshold
    return values[near].mean() if near.any() else 0.0


@wrong("focal_term", "through the sigmoid first")
def no_sigmoid(logits, target, gamma=2.0, threshold=0.7):
    """Logits are taken for answers."""
    return near_mean(focal(logits, gamma), target, threshold)


@wrong("focal_term", "sigmoid is applied twice")
def two_sigmoids(logits, target, gamma=2.0, threshold=0.7):
    """The sigmoid is applied twice."""
    return near_mean(focal(sigmoid(sigmoid(logits)), gamma), target, threshold)


@wrong("focal_term", "plain cross entropy")
def no_factor(logits, target, gamma=2.0, threshold=0.7):
    """Cross entropy on the voxels next to a click."""
    return near_mean(-np.log(sigmoid(logits)), target, threshold)


@wrong("focal_term", "factor is q^γ")
def wrong_factor(logits, target, gamma=2.0, threshold=0.7):
    """q^γ instead of (1 - q)^γ."""
    q = sigmoid(logits)
    return near_mean(-(q**gamma) * np.log(q), target, threshold)


@wrong("focal_term", "minus is missing")
def no_minus(logits, target, gamma=2.0, threshold=0.7):
    """The sign is forgotten."""
    return -near_mean(focal(sigmoid(logits), gamma), target, threshold)


@wrong("focal_term", "γ = 0 changes nothing")
def gamma_ignored(logits, target, gamma=2.0, threshold=0.7):
    """The exponent is always 2."""
    return near_mean(focal(sigmoid(logits)), target, threshold)


@wrong("focal_term", "that is the sum")
def focal_sum(logits, target, gamma=2.0, threshold=0.7):
    """Sum instead of mean."""
    return focal(sigmoid(logits), gamma)[target > threshold].sum()


@wrong("focal_term", "a mean over all voxels")
def mean_of_all(logits, target, gamma=2.0, threshold=0.7):
    """The other voxels are set to 0 and counted."""
    return (focal(sigmoid(logits), gamma) * (target > threshold)).mean()


@wrong("focal_term", "below the threshold count too")
def every_voxel(logits, target, gamma=2.0, threshold=0.7):
    """The threshold is forgotten."""
    return focal(sigmoid(logits), gamma).mean()


@wrong("focal_term", "exactly 0.7")
def at_least(logits, target, gamma=2.0, threshold=0.7):
    """At least instead of above."""
    return focal(sigmoid(logits), gamma)[target >= threshold].mean()


@wrong("focal_term", "multiplied by its target")
def soft_weight(logits, target, gamma=2.0, threshold=0.7):
    """The loss is weighted by the soft target."""
    return near_mean(target * focal(sigmoid(logits), gamma), target, threshold)


@wrong("focal_term", "targets of 0 and punished")
def both_classes(logits, target, gamma=2.0, threshold=0.7):
    """The soft target is thresholded into a target of 0 and 1, and the focal loss taken of all voxels."""
    q = sigmoid(logits)
    return np.where(target > threshold, focal(q, gamma), focal(1 - q, gamma)).mean()


@wrong("focal_term", "pick them by the target")
def by_answer(logits, target, gamma=2.0, threshold=0.7):
    """The threshold is put to the answer."""
    q = sigmoid(logits)
    return near_mean(focal(q, gamma), q, threshold)


@wrong("focal_term", "the threshold is an argument")
def threshold_ignored(logits, target, gamma=2.0, threshold=0.7):
    """The threshold is always 0.7."""
    return near_mean(focal(sigmoid(logits), gamma), target, 0.7)


@wrong("focal_term", "a mean over nothing")
def mean_of_nothing(logits, target, gamma=2.0, threshold=0.7):
    """No voxel above the threshold gives NaN."""
    near = target > threshold
    return focal(sigmoid(logits), gamma)[near].sum() / np.float64(near.sum())


wrong_value("lowest_answer", "the focal term is forgotten", 0.8, "cross entropy alone")
wrong_value("lowest_answer", "cross entropy is forgotten", 1.0, "focal term alone")
wrong_value("lowest_answer", "the answer for γ = 2", 0.82, "for γ = 2")
wrong_value("lowest_answer", "in percent", 90, "from 0 to 1")
wrong_value("lowest_answer", "the focal term is thought to pull down", 0.4, "pulls the answer up")
wrong_value("lowest_answer", "a guess that is too high", 0.95, "collect the terms")


def highest_around(p, footprint):
    footprint = np.array(footprint, dtype=bool)
    footprint[tuple(n // 2 for n in footprint.shape)] = False
    return ndimage.maximum_filter(p, footprint=footprint, mode="constant", cval=-np.inf)


ALL = np.ones((3, 3, 3))


@wrong("local_maxima", "its neighbour is higher")
def threshold_only(p, threshold):
    """Every voxel above the threshold is a peak."""
    return np.argwhere(p >= threshold)


@wrong("local_maxima", "only the highest voxel of all")
def global_maximum(p, threshold):
    """The highest voxel of the volume."""
    return [np.unravel_index(p.argmax(), p.shape)]


@wrong("local_maxima", "below the threshold is kept")
def no_threshold(p, threshold):
    """The threshold is forgotten."""
    return np.argwhere((p > highest_around(p, ALL)) & (p > 0))


@wrong("local_maxima", "exactly the threshold is dropped")
def above(p, threshold):
    """Above the threshold instead of at least."""
    return np.argwhere((p > threshold) & (p > highest_around(p, ALL)))


@wrong("local_maxima", "at the faces count too")
def no_faces(p, threshold):
    """Voxels at the ends along x are left out, because they lack a neighbour."""
    peak = (p >= threshold) & (p > highest_around(p, ALL))
    peak[..., [0, -1]] = False
    return np.argwhere(peak)


@wrong("local_maxima", "there are 26 neighbours")
def six_neighbours(p, threshold):
    """Only neighbours that share a face are asked."""
    return np.argwhere((p >= threshold) & (p > highest_around(p, ndimage.generate_binary_structure(3, 1))))


@wrong("local_maxima", "every plane gets a peak")
def plane_by_plane(p, threshold):
    """Maxima of each plane."""
    return np.argwhere((p >= threshold) & (p > highest_around(p, np.ones((1, 3, 3)))))


@wrong("local_maxima", "one array for each axis")
def nonzero(p, threshold):
    """np.nonzero instead of np.argwhere."""
    return np.nonzero((p >= threshold) & (p > highest_around(p, ALL)))


@wrong("local_maxima", "one row (z, y, x) for each")
def a_mask(p, threshold):
    """The mask of the peaks instead of their voxels."""
    return (p >= threshold) & (p > highest_around(p, ALL))


@wrong("local_maxima", "a dark map has no peaks")
def always_one(p, threshold):
    """When nothing is found, the highest voxel is returned."""
    found = np.argwhere((p >= threshold) & (p > highest_around(p, ALL)))
    return found if len(found) else [(0, 0, 0)]


def shares(pairs, points, truth):
    return pairs / max(len(points), 1), pairs / max(len(truth), 1)


def in_unit(points, truth, spacing, tolerance):
    """Distances (N, M) in tolerances."""
    unit = np.divide(spacing, tolerance)
    return cdist(points * unit, truth * unit)


def paired(points, truth, spacing, tolerance):
    return len(match_points(points, truth, np.divide(spacing, tolerance), tolerance=1.0))


@wrong("precision_recall", "exchanged")
def swapped(points, truth, spacing, tolerance):
    """Recall first."""
    return shares(paired(points, truth, spacing, tolerance), points, truth)[::-1]


@wrong("precision_recall", "divided by the same number")
def by_peaks(points, truth, spacing, tolerance):
    """Both are divided by the number of peaks."""
    return shares(paired(points, truth, spacing, tolerance), points, points)


@wrong("precision_recall", "divided by the number of cells")
def by_cells(points, truth, spacing, tolerance):
    """Both are divided by the number of cells."""
    return shares(paired(points, truth, spacing, tolerance), truth, truth)


@wrong("precision_recall", "both count as hits")
def near_any(points, truth, spacing, tolerance):
    """A peak is right when any cell is near, a cell found when any peak is near."""
    near = in_unit(points, truth, spacing, tolerance) <= 1
    return near.any(1).mean(), near.any(0).mean()


@wrong("precision_recall", "recall 2")
def all_pairs(points, truth, spacing, tolerance):
    """All near pairs are counted."""
    return shares((in_unit(points, truth, spacing, tolerance) <= 1).sum(), points, truth)


@wrong("precision_recall", "counts for both")
def cells_twice(points, truth, spacing, tolerance):
    """Each cell takes a peak, and may take one that is taken."""
    near = in_unit(points, truth, spacing, tolerance) <= 1
    return min(near.any(0).sum() / len(points), 1), near.any(0).mean()


@wrong("precision_recall", "the surface belongs")
def below_the_tolerance(points, truth, spacing, tolerance):
    """Less than the tolerance instead of at most."""
    return shares(paired(points, truth, spacing, np.array(tolerance) * (1 - 1e-9) - 1e-6), points, truth)


@wrong("precision_recall", "along z the tolerance is 8")
def last_for_all(points, truth, spacing, tolerance):
    """The last number is taken for all axes."""
    return shares(len(match_points(points, truth, spacing, tolerance[-1])), points, truth)


@wrong("precision_recall", "10 µm are too far")
def in_voxels(points, truth, spacing, tolerance):
    """The spacing is ignored."""
    return shares(paired(points, truth, (1.0, 1.0, 1.0), tolerance), points, truth)


@wrong("precision_recall", "within the plane the tolerance is 5")
def first_for_all(points, truth, spacing, tolerance):
    """The first number is taken for all axes."""
    return shares(len(match_points(points, truth, spacing, tolerance[0])), points, truth)


@wrong("precision_recall", "not inside the ellipsoid")
def a_box(points, truth, spacing, tolerance):
    """Each axis is compared on its own."""
    unit = np.divide(spacing, tolerance)
    near = cdist(points * unit, truth * unit, "chebyshev") <= 1
    pairs = min(near.any(1).sum(), near.any(0).sum())
    return shares(pairs, points, truth)


@wrong("precision_recall", "ZeroDivisionError")
def no_peaks(points, truth, spacing, tolerance):
    """No peak is divided by."""
    pairs = paired(points, truth, spacing, tolerance)
    return pairs / len(points), pairs / len(truth)


@wrong("precision_recall", "both count as 0")
def perfect_without_peaks(points, truth, spacing, tolerance):
    """Nothing found, nothing wrong: precision 1."""
    precision, recall = shares(paired(points, truth, spacing, tolerance), points, truth)
    return (precision if len(points) else 1.0), recall


def peaks(heights, hits):
    return lambda: (heights, hits)


for mistake, heights, hits, words in (
    ("the false peak is the low one", [0.9, 0.4], [True, False], "it rises"),
    ("all peaks stay", [0.9, 0.8], [False, True], "it stays"),
    ("nothing is left", [0.4, 0.35], [True, False], "no peak is left"),
    ("too many", [0.9] * 7, [True] * 7, "7 peaks"),
    ("heights in percent", [90, 40], [False, True], "from 0 to 1"),
    ("lists of unlike length", [0.9, 0.4], [True], "has shape (1,)"),
):
    wrong_value("precision_falls", mistake, peaks(heights, hits), words)
