"""Wrong answers to the exercises of the chapter *Supervision*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong, wrong_value


@wrong("otsu", "as a mean or a median would")
def mean(values):
    """The mean of all values is taken for the threshold."""
    return np.mean(values)


@wrong("otsu", "the size of the groups")
def unweighted(values):
    """The distance of the means alone is made large, without the shares of the groups."""
    v = np.ravel(values)
    apart = {t: v[v > t].mean() - v[v <= t].mean() for t in np.unique(v)[:-1]}
    return max(apart, key=apart.get)


@wrong("otsu", "must end in different groups")
def largest(values):
    """The largest value is returned: nothing lies above it."""
    return np.max(values)


def labelled(mask, points, spacing):
    voxels = np.argwhere(mask)
    distance = np.linalg.norm((voxels[:, None] - np.asarray(points)) * np.asarray(spacing), axis=-1)
    labels = np.zeros(mask.shape, dtype=int)
    labels[mask] = distance.argmin(axis=1) + 1
    return labels


@wrong("nearest_point", "multiply by the spacing")
def in_voxels(mask, points, spacing):
    """Distances are counted in voxels."""
    return labelled(mask, points, (1, 1, 1))


@wrong("nearest_point", "0 is background")
def from_zero(mask, points, spacing):
    """The first point gets the number 0, which is background."""
    return labelled(mask, points, spacing) - 1


@wrong("nearest_point", "outside the mask")
def everywhere(mask, points, spacing):
    """Voxels outside the mask are labelled too."""
    return labelled(np.ones_like(mask), points, spacing)


@wrong("nearest_point", "are rounded")
def rounded(mask, points, spacing):
    """Points are rounded to whole voxels."""
    return labelled(mask, np.floor(points), spacing)


wrong_value("flipped_auc", "Nothing changes: the sign is overlooked.", 0.2, "turns the order")
wrong_value("flipped_auc", "The AUC is multiplied like the signal.", -0.6, "is no chance")
wrong_value("flipped_auc", "Any reversed signal is taken for a coin.", 0.5, "a coin has 0.5")
wrong_value("flipped_auc", "The factor is thought to sharpen it.", 0.9, "a factor changes no order")
