"""Wrong answers to the exercises of the chapter *Centre maps*."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from tests.checks.wrong import wrong, wrong_value


def distances(shape, centres, spacing):
    grid = np.moveaxis(np.indices(shape), 0, -1) * np.array(spacing)
    return np.array([np.sqrt(((grid - np.array(c) * spacing) ** 2).sum(-1)) for c in centres])


@wrong("centre_map", "multiply by the spacing")
def spacing_ignored(shape, centres, spacing, d_m=8.0, k=2.0):
    """Distances are counted in voxels."""
    nearest = distances(shape, centres, (1.0, 1.0, 1.0)).min(0)
    return np.where(nearest <= d_m, np.exp(-k * nearest / d_m), 0)


@wrong("centre_map", "its last number for z")
def spacing_reversed(shape, centres, spacing, d_m=8.0, k=2.0):
    """The spacing is read as (x, y, z)."""
    nearest = distances(shape, centres, spacing[::-1]).min(0)
    return np.where(nearest <= d_m, np.exp(-k * nearest / d_m), 0)


@wrong("centre_map", "D, not D²")
def squared(shape, centres, spacing, d_m=8.0, k=2.0):
    """A Gaussian: the distance is squared."""
    nearest = distances(shape, centres, spacing).min(0)
    return np.where(nearest <= d_m, np.exp(-k * nearest**2 / d_m**2), 0)


@wrong("centre_map", "exactly d_m")
def without_the_rim(shape, centres, spacing, d_m=8.0, k=2.0):
    """Less than d_m instead of at most."""
    nearest = distances(shape, centres, spacing).min(0)
    return np.where(nearest < d_m, np.exp(-k * nearest / d_m), 0)


@wrong("centre_map", "farther than d_m")
def endless(shape, centres, spacing, d_m=8.0, k=2.0):
    """The map is not cut off at d_m."""
    return np.exp(-k * distances(shape, centres, spacing).min(0) / d_m)


@wrong("centre_map", "does not depend on d_m")
def radius_forgotten(shape, centres, spacing, d_m=8.0, k=2.0):
    """The exponent lacks d_m."""
    nearest = distances(shape, centres, spacing).min(0)
    return np.where(nearest <= d_m, np.exp(-k * nearest), 0)


@wrong("centre_map", "do not add up")
def summed(shape, centres, spacing, d_m=8.0, k=2.0):
    """The maps of all clicks are added."""
    each = distances(shape, centres, spacing)
    return np.where(each <= d_m, np.exp(-k * each / d_m), 0).sum(0)


@wrong("centre_map", "each keeps its own blob")
def last_one_wins(shape, centres, spacing, d_m=8.0, k=2.0):
    """Each click overwrites the map of those before it."""
    last = distances(shape, centres, spacing)[-1]
    return np.where(last <= d_m, np.exp(-k * last / d_m), 0)


@wrong("centre_map", "do not round")
def rounded(shape, centres, spacing, d_m=8.0, k=2.0):
    """Clicks are rounded to whole voxels."""
    nearest = distances(shape, np.rint(centres), spacing).min(0)
    return np.where(nearest <= d_m, np.exp(-k * nearest / d_m), 0)


wrong_value("blob_planes", "the click's own plane is forgotten", 6, "plane of the click counts")
wrong_value("blob_planes", "one side only", 3, "one side of the click")
wrong_value("blob_planes", "one side and the click", 4, "upper half")
wrong_value("blob_planes", "rounded up", 9, "fourth plane")
wrong_value("blob_planes", "spacing ignored", 21, "1 µm apart")
wrong_value("blob_planes", "spacing of the pixels taken", 41, "as close as pixels")
wrong_value("blob_planes", "the diameter divided by the spacing, not counted", 20 / 3, "whole number")


def plane_of(shape, first, second, spacing):
    """Distance to the plane in µm, and the direction n."""
    grid = np.moveaxis(np.indices(shape), 0, -1) * np.array(spacing)
    a, b = np.array(first) * spacing, np.array(second) * spacing
    n = (b - a) / np.linalg.norm(b - a)
    return np.abs((grid - (a + b) / 2) @ n), n


@wrong("voronoi_border", "its neighbours only look at it")
def neighbours_both_sides(shape, first, second, spacing):
    """Voxels are marked on both sides of where the nearest click changes."""
    first, second = distances(shape, [first, second], spacing)
    nearest = (second < first).astype(int)
    cross = ndimage.generate_binary_structure(3, 1)
    change = ndimage.maximum_filter(nearest, footprint=cross) != ndimage.minimum_filter(nearest, footprint=cross)
    return change


@wrong("voronoi_border", "nothing is marked")
def far_away(shape, first, second, spacing):
    """The plane is put through the second click's mirror image: the clicks are added, not averaged."""
    return plane_of(shape, first, np.array(second) * 3, spacing)[0] <= 0.5


@wrong("voronoi_border", "marked instead")
def middle_off_by_one(shape, first, second, spacing):
    """The middle between the clicks is one voxel too low."""
    low = [c - 1 for c in second]
    distance, n = plane_of(shape, [c - 1 for c in first], low, spacing)
    return distance <= 0.5 * (np.abs(n) * spacing).sum() + 1e-9


@wrong("voronoi_border", "along the face between two voxels")
def face_missed(shape, first, second, spacing):
    """Less than the reach of the box instead of at most."""
    distance, n = plane_of(shape, first, second, spacing)
    return distance < 0.5 * (np.abs(n) * spacing).sum() - 1e-9


@wrong("voronoi_border", "you miss some")
def half_a_voxel(shape, first, second, spacing):
    """The box reaches half a µm, whatever the direction."""
    return plane_of(shape, first, second, spacing)[0] <= 0.5


@wrong("voronoi_border", "only towards a corner")
def half_the_diagonal(shape, first, second, spacing):
    """The box is taken for the ball around it, wherever it is slanted."""
    distance, n = plane_of(shape, first, second, spacing)
    straight = np.count_nonzero(np.abs(n) > 1e-9) == 1
    return distance <= (0.5 * np.abs(n) @ spacing + 1e-9 if straight else 0.5 * np.linalg.norm(spacing))


@wrong("voronoi_border", "multiply voxels and clicks by the spacing")
def border_in_voxels(shape, first, second, spacing):
    """Everything is measured in voxels."""
    distance, n = plane_of(shape, first, second, (1.0, 1.0, 1.0))
    return distance <= 0.5 * np.abs(n).sum() + 1e-9


@wrong("voronoi_border", "it is 2 µm tall")
def box_is_a_cube(shape, first, second, spacing):
    """The spacing is forgotten in the reach of the box."""
    distance, n = plane_of(shape, first, second, spacing)
    return distance <= 0.5 * np.abs(n).sum() + 1e-9


@wrong("voronoi_border", "the other way round")
def border_spacing_reversed(shape, first, second, spacing):
    """The spacing is read as (x, y, z)."""
    distance, n = plane_of(shape, first, second, spacing[::-1])
    return distance <= 0.5 * (np.abs(n) * spacing[::-1]).sum() + 1e-9


def pair(*clicks):
    return lambda: [*clicks]


for mistake, clicks, words in (
    ("the chapter's own case", [(2, 2, 2), (2, 2, 3)], "1.00 µm apart"),
    ("a diagonal within one plane", [(2, 2, 2), (2, 3, 3)], "1.41 µm apart"),
    ("the plane above", [(2, 2, 2), (3, 2, 2)], "exactly 2 µm"),
    ("far apart, where nothing is lost", [(0, 0, 0), (4, 4, 4)], "their tips live"),
    ("two planes above", [(1, 2, 2), (3, 2, 2)], "4.00 µm apart"),
    ("a double click", [(2, 2, 2), (2, 2, 2)], "the same"),
    ("in µm instead of voxels", [(4, 2, 2), (6, 3, 3)], "whole numbers from 0 to 4"),
    ("one click only", [(2, 2, 2)], "has shape (1, 3)"),
):
    wrong_value("lost_clicks", mistake, pair(*clicks), words)


def entropy(p):
    return -p * np.log(p) - (1 - p) * np.log(1 - p)


def clipped(p):
    return np.clip(np.asarray(p, dtype=float), 1e-12, 1 - 1e-12)


@wrong("loss_floor", "0 · log 0 has to count as 0")
def not_a_number(p):
    """0 log 0 gives NaN."""
    return entropy(np.asarray(p)).mean()


@wrong("loss_floor", "not log2")
def in_bits(p):
    """Logarithms of base 2."""
    return entropy(clipped(p)).mean() / np.log(2)


@wrong("loss_floor", "1 - p is missing")
def one_term(p):
    """Only -p log p."""
    return (-clipped(p) * np.log(clipped(p))).mean()


@wrong("loss_floor", "a minus belongs")
def sign_forgotten(p):
    """The minus is missing."""
    return -entropy(clipped(p)).mean()


@wrong("loss_floor", "do not round the target")
def thresholded(p):
    """The soft target is cut into yes and no."""
    return entropy(clipped(np.asarray(p) > 0.5)).mean()


@wrong("loss_floor", "the sum over the voxels")
def sum_of_all(p):
    """Sum instead of mean."""
    return entropy(clipped(p)).sum()


@wrong("loss_floor", "mean over the soft voxels")
def soft_only(p):
    """Mean over the voxels between 0 and 1."""
    p = np.asarray(p)
    soft = p[(p > 0) & (p < 1)]
    return entropy(soft).mean() if soft.size else 0.0


@wrong("loss_floor", "p = 0.25")
def twice_the_smaller(p):
    """A guess that happens to be right at 0.5: 2 log 2 times the smaller of p and 1 - p."""
    p = np.asarray(p, dtype=float)
    return (2 * np.log(2) * np.minimum(p, 1 - p)).mean()
