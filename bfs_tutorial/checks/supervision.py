"""Checks of the chapter *Supervision*."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bfs_tutorial.checks.core import Property, array, close, exercise, number, picture, run


def best_split(values: np.ndarray) -> np.ndarray:
    """The voxels above Otsu's threshold: the split with the largest variance between the groups."""
    splits = [values > t for t in np.unique(values)[:-1]]
    shares = [split.mean() for split in splits]
    steps = [values[split].mean() - values[~split].mean() for split in splits]
    return splits[int(np.argmax([w * (1 - w) * d**2 for w, d in zip(shares, steps, strict=True)]))]


@exercise(
    "supervision",
    points=2,
    hints=(
        "Go through np.unique(values), all but the largest, as candidates for t.",
        "For each t: dark = values[values <= t], bright = values[values > t], then their shares and means.",
        "Keep the t for which len(dark) * len(bright) * (dark.mean() - bright.mean()) ** 2 is largest.",
    ),
)
def otsu(answer: Callable) -> Iterator[Property]:
    """Otsu's threshold: the split of grey values with the largest variance between both groups."""
    cases = [
        ([1, 1, 5], "two values are parted", "two different values must end in different groups"),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 30], "a single bright value is parted from dark ones", "the bright values are few "
         "here, and your threshold cuts through the dark ones, as a mean or a median would"),
        ([0] * 8 + [8] * 8 + [17], "a single very bright value does not pull it up", "one very bright value pulls your "
         "threshold up: the size of the groups, w0 and w1, must count"),
    ]  # fmt: skip
    for values, verified, wrong in cases:
        plane = np.array(values, dtype=float)
        split = best_split(plane)
        found = plane > number(run(answer, plane.reshape(1, 1, -1)), "the threshold")
        drawn = lambda plane=plane, found=found, split=split: picture(  # noqa: E731
            {"values": plane[None], "above yours": found[None] * 1.0, "two groups": split[None] * 1.0},
            f"A row of values {plane.tolist()}, those above your threshold, and the two groups",
            "The brightest group is white in the last picture.",
        )
        yield Property(bool((found == split).all()), verified, wrong, drawn)


@exercise(
    "supervision",
    points=2,
    hints=(
        "np.argwhere(mask) gives the voxels of the mask as rows (z, y, x).",
        "Multiply the differences between voxels and points by the spacing before you take the norm.",
        "labels[mask] = distances.argmin(axis=1) + 1, with distances of shape (voxels, points), as argwhere orders.",
    ),
)
def nearest_point(answer: Callable) -> Iterator[Property]:
    """Voronoi labels: each voxel of a mask belongs to its nearest point, in µm."""
    row = np.ones((1, 1, 7), dtype=bool)
    ends = np.array([[0, 0, 0], [0, 0, 6]])
    unit = (1.0, 1.0, 1.0)
    labels = array(run(answer, row, ends, unit), row.shape)[0, 0]
    drawn = lambda: picture(  # noqa: E731
        {"your labels": labels[None], "first point, then second": np.array([[1, 0, 0, 0, 0, 0, 2]])},
        "Your labels of a row of seven voxels, and the two points at its ends", "Points lie at both ends of the row.",
    )
    zero = "the first point has the number 1: 0 is background"
    yield Property(labels.min() >= 1, "inside the mask there is no 0", zero, drawn)
    ordered = (labels[:3] == 1).all() and (labels[4:] == 2).all()
    yield Property(bool(ordered), "each voxel gets its nearest point", "a voxel gets the farther point", drawn)
    hole = row.copy()
    hole[0, 0, 5] = False
    outside = array(run(answer, hole, ends, unit), row.shape)[0, 0, 5]
    yield Property(outside == 0, "outside the mask it is 0", f"a voxel outside the mask has label {outside:g}, not 0")
    tall = np.ones((4, 1, 4), dtype=bool)
    corners = np.array([[3, 0, 0], [0, 0, 3]])  # from voxel (0, 0, 0): 3 planes up, or 3 voxels along x
    found = array(run(answer, tall, corners, (2.0, 1.0, 1.0)), tall.shape)[0, 0, 0]
    said = "planes lie 2 µm apart, so the point along x is nearer than the one above: multiply by the spacing"
    yield Property(found == 2, "distances are in µm", said)
    said = "points between voxels are rounded: the border must lie half way between the points as they are"
    for first, last, border in ((0.6, 4.6, 3), (1.9, 4.9, 4)):  # the first voxel beyond the middle
        between = array(run(answer, row, np.array([[0, 0, first], [0, 0, last]]), unit), row.shape)[0, 0]
        parted = (between[:border] == 1).all() and (between[border:] == 2).all()
        yield Property(bool(parted), "points may lie between voxels", said)


@exercise(
    "supervision",
    points=1,
    hints=(
        "AUC is the chance that a voxel inside has a higher value than one outside. What becomes of 'higher'?",
        "A factor of 3 changes no order. The minus sign turns every order round.",
        "In 0.2 of all pairs the inside was higher. After the change it is higher in all the others.",
    ),
)
def flipped_auc(answer: object) -> Iterator[Property]:
    """Predict the AUC of a signal that is multiplied by -3."""
    value = number(answer, "the AUC")
    yield Property(0 <= value <= 1, "an AUC lies between 0 and 1", f"{value:g} is no chance: it lies between 0 and 1")
    kept = "the minus sign turns the order of every pair round, so the AUC does not stay"
    yield Property(not close(value, 0.2), "the order is turned round", kept)
    coin = "a coin has 0.5; this signal is worse than a coin, so turned round it must be better than one"
    yield Property(value > 0.5, "worse than a coin becomes better than one", coin)
    yield Property(close(value, 0.8), "it is 1 minus what it was", "a factor changes no order: only count the pairs")
