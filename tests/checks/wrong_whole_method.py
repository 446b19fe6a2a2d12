"""Wrong answers to the exercises of the chapter *The whole method on one page*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong, wrong_value


def each(labels, middle):
    return np.array([middle(np.argwhere(labels == i)) for i in np.unique(labels[labels > 0])])


@wrong("clicks", "the order is (x, y, z)")
def turned(labels):
    """Points are given as (x, y, z)."""
    return each(labels, lambda voxels: voxels.mean(axis=0)[::-1])


@wrong("clicks", "its middle is wanted")
def corner(labels):
    """The first voxel of each cell is taken."""
    return each(labels, lambda voxels: voxels[0])


@wrong("clicks", "box around a cell")
def box(labels):
    """The middle of the bounding box is taken."""
    return each(labels, lambda voxels: (voxels.min(axis=0) + voxels.max(axis=0)) / 2)


@wrong("clicks", "one cell has shape (2, 3)")
def with_background(labels):
    """The background counts as a cell."""
    return np.array([np.argwhere(labels == i).mean(axis=0) for i in np.unique(labels)])


@wrong("clicks", "numbered 4 and 9")
def by_counting(labels):
    """Cells are taken to be numbered 1, 2, 3 without gaps."""
    rows = [np.argwhere(labels == i) for i in range(1, labels.max() + 1)]
    return np.array([row.mean(axis=0) if len(row) else np.zeros(3) for row in rows])


wrong_value("backward_passes", "One for each cell, as in training.", 16, "training stacks only")
wrong_value("backward_passes", "One for each network.", 2, "but forward")
wrong_value("backward_passes", "One for each click in training.", 8, "what does the new stack need")
