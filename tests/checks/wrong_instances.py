"""Wrong answers to the exercises of the chapter *Instances*."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from tests.checks.wrong import wrong, wrong_value

# ---- merged --------------------------------------------------------------------------------------------------


def merge(points, scores, spacing, radius, *, mean=None, weight=lambda a, b: a + b, count=lambda a, b: a + b, once=0):
    """The two closest first; mean, weight and count say what becomes of two peaks, once ends it after one merger."""
    points, weights = [np.array(p, dtype=float) for p in points], list(scores)
    counts = [1] * len(points)
    mean = mean or (lambda a, b, p, q: (a * p + b * q) / (a + b))
    while len(points) > 1:
        pairs = [(i, j) for i in range(len(points)) for j in range(i)]
        apart = [np.linalg.norm((points[i] - points[j]) * np.array(spacing)) for i, j in pairs]
        if min(apart) >= radius:
            break
        i, j = pairs[int(np.argmin(apart))]
        points[j] = mean(weights[i], weights[j], points[i], points[j])
        weights[j], counts[j] = weight(weights[i], weights[j]), count(counts[i], counts[j])
        del points[i], weights[i], counts[i]
        if once:
            break
    return np.array(points), np.array(counts)


@wrong("merged", "plain mean")
def plain_mean(points, scores, spacing, radius):
    """Scores are ignored."""
    return merge(points, np.ones(len(points)), spacing, radius)


@wrong("merged", "keep the higher peak")
def highest_stays(points, scores, spacing, radius):
    """Non-maximum suppression: the higher of two peaks stays where it is."""
    return merge(points, scores, spacing, radius, mean=lambda a, b, p, q: p if a > b else q)


@wrong("merged", "exchanged")
def weights_exchanged(points, scores, spacing, radius):
    """Each position goes with the other's score."""
    return merge(points, scores, spacing, radius, mean=lambda a, b, p, q: (b * p + a * q) / (a + b))


@wrong("merged", "forget to divide")
def not_divided(points, scores, spacing, radius):
    """The weighted sum is not divided."""
    return merge(points, scores, spacing, radius, mean=lambda a, b, p, q: a * p + b * q)


@wrong("merged", "not in voxels")
def in_voxels(points, scores, spacing, radius):
    """Distances in voxels."""
    return merge(points, scores, (1, 1, 1), radius)


@wrong("merged", "weigh as much as all")
def weight_not_added(points, scores, spacing, radius):
    """A merged peak goes on with the higher of both scores."""
    return merge(points, scores, spacing, radius, weight=max)


@wrong("merged", "after one merger you stop")
def once_only(points, scores, spacing, radius):
    """One pair is merged, then it ends."""
    return merge(points, scores, spacing, radius, once=1)


@wrong("merged", "add up the counts")
def counts_two(points, scores, spacing, radius):
    """A merged peak counts 2, whatever went into it."""
    return merge(points, scores, spacing, radius, count=lambda a, b: 2)


@wrong("merged", "become one: merge the closest pair")
def linked(points, scores, spacing, radius):
    """Everything linked by short steps is one group."""
    points, scores = np.asarray(points, dtype=float), np.asarray(scores)
    apart = np.linalg.norm((points[:, None] - points) * np.array(spacing), axis=-1)
    reach = np.linalg.matrix_power((apart < radius).astype(int), len(points)) > 0
    groups = np.unique(reach, axis=0)
    means = [np.average(points[g], axis=0, weights=scores[g]) for g in groups]
    return np.array(means), groups.sum(axis=1)


@wrong("merged", "expected two arrays")
def only_points(points, scores, spacing, radius):
    """The counts are forgotten."""
    return merge(points, scores, spacing, radius)[0]


# ---- ball_markers --------------------------------------------------------------------------------------------


def distances(mask, points, spacing):
    voxels = np.moveaxis(np.indices(mask.shape), 0, -1)
    return np.array([np.linalg.norm((voxels - p) * np.array(spacing), axis=-1) for p in points])


@wrong("ball_markers", "number the points from 1")
def from_zero(mask, points, spacing, radius):
    """Point i gets number i."""
    apart = distances(mask, points, spacing)
    return np.where(mask & (apart.min(0) <= radius), apart.argmin(0), 0)


@wrong("ball_markers", "multiply by the spacing")
def spacing_ignored(mask, points, spacing, radius):
    """Distances in voxels."""
    apart = distances(mask, points, (1, 1, 1))
    return np.where(mask & (apart.min(0) <= radius), apart.argmin(0) + 1, 0)


@wrong("ball_markers", "stays in the mask")
def mask_ignored(mask, points, spacing, radius):
    """The mask is not looked at."""
    apart = distances(mask, points, spacing)
    return np.where(apart.min(0) <= radius, apart.argmin(0) + 1, 0)


@wrong("ball_markers", "last point wins")
def overwritten(mask, points, spacing, radius):
    """Ball after ball, the last one on top."""
    labels = np.zeros(mask.shape, int)
    for number, apart in enumerate(distances(mask, points, spacing), 1):
        labels[mask & (apart <= radius)] = number
    return labels


@wrong("ball_markers", "add up the numbers")
def added_up(mask, points, spacing, radius):
    """Ball after ball, added."""
    balls = distances(mask, points, spacing) <= radius
    return sum(n * (mask & ball) for n, ball in enumerate(balls, 1))


@wrong("ball_markers", "only one voxel")
def one_voxel(mask, points, spacing, radius):
    """The marker of the chapter."""
    labels = np.zeros(mask.shape, int)
    labels[tuple(np.rint(points).astype(int).T)] = np.arange(len(points)) + 1
    return labels * mask


@wrong("ball_markers", "do not round points")
def rounded(mask, points, spacing, radius):
    """Points are rounded to voxels."""
    apart = distances(mask, np.rint(points), spacing)
    return np.where(mask & (apart.min(0) <= radius), apart.argmin(0) + 1, 0)


@wrong("ball_markers", "at most means it counts")
def open_ball(mask, points, spacing, radius):
    """Less than the radius."""
    apart = distances(mask, points, spacing)
    return np.where(mask & (apart.min(0) < radius), apart.argmin(0) + 1, 0)


# ---- large_enough --------------------------------------------------------------------------------------------


def without(labels, small):
    return np.where(np.isin(labels, small), 0, labels)


@wrong("large_enough", "you count voxels")
def in_voxels_too(labels, spacing, min_volume):
    """min_volume is compared with a number of voxels."""
    numbers, voxels = np.unique(labels, return_counts=True)
    return without(labels, numbers[voxels < min_volume])


@wrong("large_enough", "exactly min_volume")
def equal_removed(labels, spacing, min_volume):
    """At most instead of less than."""
    numbers, voxels = np.unique(labels, return_counts=True)
    return without(labels, numbers[voxels * np.prod(spacing) <= min_volume])


@wrong("large_enough", "renumbered")
def renumbered(labels, spacing, min_volume):
    """The numbers are closed up."""
    numbers, voxels = np.unique(labels, return_counts=True)
    kept = without(labels, numbers[voxels * np.prod(spacing) < min_volume])
    return np.unique(kept, return_inverse=True)[1].reshape(labels.shape)


@wrong("large_enough", "part by part")
def parts(labels, spacing, min_volume):
    """Each connected part is judged alone."""
    kept = labels.copy()
    for number in np.unique(labels[labels > 0]):
        pieces, count = ndimage.label(labels == number)
        for piece in range(1, count + 1):
            if (pieces == piece).sum() * np.prod(spacing) < min_volume:
                kept[pieces == piece] = 0
    return kept


@wrong("large_enough", "instances that touch count as one")
def of_the_mask(labels, spacing, min_volume):
    """Instances that touch are counted as one."""
    pieces, count = ndimage.label(labels)
    volume = np.bincount(pieces.ravel()) * np.prod(spacing)
    return np.where(volume[pieces] < min_volume, 0, labels)


# ---- raised --------------------------------------------------------------------------------------------------

wrong_value("raised", "the true cells fit better", "SEG", "none of them fits better")
wrong_value("raised", "less rubbish is always better", "both", "not both")
wrong_value("raised", "removing can only cost", "neither", "what if the removed ones were the worst")


# ---- greedy_mask ---------------------------------------------------------------------------------------------


def disc(column, radius):
    y, x = np.mgrid[:31, :41]
    return ((y - 15) ** 2 + (x - column) ** 2 <= radius**2)[None]


@wrong("greedy_mask", "a right mask is divided rightly")
def the_cells():
    """The cells themselves."""
    return disc(12, 5) | disc(28, 5)


@wrong("greedy_mask", "has no edge")
def everything():
    """The whole plane."""
    return np.ones((1, 31, 41), dtype=bool)


@wrong("greedy_mask", "leaves out voxels")
def one_missing():
    """The second cell is left out."""
    return disc(12, 14)


@wrong("greedy_mask", "second cell swallow the first")
def other_way_round():
    """The patch is on the wrong side."""
    return disc(23, 14) | disc(12, 5)


@wrong("greedy_mask", "more than half should")
def a_bridge():
    """A bridge between the cells is no deep place."""
    mask = disc(12, 5) | disc(28, 5)
    mask[0, 13:18, 12:28] = True
    return mask


@wrong("greedy_mask", "has shape")
def flat():
    """The plane without its z axis."""
    return disc(17, 14)[0]
