"""Wrong answers to the exercises of the chapter *Centre maps*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong


def distances(shape, centres, spacing):
    grid = np.moveaxis(np.indices(shape), 0, -1) * np.array(spacing)
    return np.array([np.sqrt(((grid - np.array(c) * spacing) ** 2).sum(-1)) for c in centres])


@wrong("centre_map", "multiply by the spacing")
def spacing_ignored(shape, centres, spacing, d_m=8.0, k=2.0):
    """Distances are counted in voxels."""
    nearest = distances(shape, centres, (1.0, 1.0, 1.0)).min(0)
    return np.where(nearest <= d_m, np.exp(-k * nearest / d_m), 0)


@wrong("centre_map", "D, not D²")
def squared(shape, centres, spacing, d_m=8.0, k=2.0):
    """A Gaussian: the distance is squared."""
    nearest = distances(shape, centres, spacing).min(0)
    return np.where(nearest <= d_m, np.exp(-k * nearest**2 / d_m**2), 0)


@wrong("centre_map", "farther than d_m")
def endless(shape, centres, spacing, d_m=8.0, k=2.0):
    """The map is not cut off at d_m."""
    return np.exp(-k * distances(shape, centres, spacing).min(0) / d_m)


@wrong("centre_map", "do not add up")
def summed(shape, centres, spacing, d_m=8.0, k=2.0):
    """The maps of all clicks are added."""
    each = distances(shape, centres, spacing)
    return np.where(each <= d_m, np.exp(-k * each / d_m), 0).sum(0)


@wrong("centre_map", "do not round")
def rounded(shape, centres, spacing, d_m=8.0, k=2.0):
    """Clicks are rounded to whole voxels."""
    nearest = distances(shape, np.rint(centres), spacing).min(0)
    return np.where(nearest <= d_m, np.exp(-k * nearest / d_m), 0)
