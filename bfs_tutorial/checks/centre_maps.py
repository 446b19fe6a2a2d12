"""Checks of the chapter *Centre maps*."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bfs_tutorial.checks.core import Property, array, close, diagnose, exercise, picture, run

ROW, UNIT = (1, 1, 9), (1.0, 1.0, 1.0)


@exercise(
    "centre_maps",
    points=2,
    hints=(
        "Make the coordinates of all voxels with np.indices(shape), and multiply them by the spacing first.",
        "For each click: the square root of the sum of the squared differences along z, y and x, in µm. Keep the "
        "smallest over all clicks.",
        "np.where(distance <= d_m, np.exp(-k * distance / d_m), 0), with distance = np.min over the clicks.",
    ),
)
def centre_map(answer: Callable) -> Iterator[Property]:
    """Eq. 1 without borders: a likelihood that falls with the distance to the nearest click."""
    one = array(run(answer, ROW, [(0, 0, 4)], UNIT, d_m=3.0, k=2.0), ROW)[0, 0]
    x = np.abs(np.arange(9) - 4.0)
    true = np.where(x <= 3, np.exp(-2 * x / 3), 0)
    drawn = lambda: picture(  # noqa: E731
        {"your map": one[None], "1 at the click, falling, 0 beyond 3": (x <= 3)[None] * 1.0},
        "Your map of one click in a row of nine voxels, and the voxels in which it may differ from 0",
        "One click in the middle of a row, voxels of 1 µm, d_m = 3 µm.",
    )
    yield Property(close(one[4], 1), "it is 1 on a click", f"on the click itself the map is {one[4]:.3g}, not 1", drawn)
    beyond = "voxels farther than d_m from the click are not 0"
    yield Property(close(one[x > 3], 0), "it is 0 beyond d_m", beyond, drawn)
    squared = "the map falls with the squared distance: Eq. 1 has D, not D², in the exponent"
    profile = diagnose(
        one, {squared: np.where(x <= 3, np.exp(-2 * x**2 / 9), 0)}, "the map does not fall as exp(-k D / d_m)"
    )
    yield Property(close(one, true), "it falls as exp(-k D / d_m)", profile, drawn)
    column = array(run(answer, (3, 1, 1), [(1, 0, 0)], (2.0, 1.0, 1.0), d_m=3.0, k=2.0), (3, 1, 1))[:, 0, 0]
    said = diagnose(
        column[0],
        {"planes lie 2 µm apart here, and your map counts them as 1: multiply by the spacing": np.exp(-2 / 3)},
        f"one plane of 2 µm above the click the map is {column[0]:.3g}, expected {np.exp(-4 / 3):.3g}",
    )
    yield Property(close(column[0], np.exp(-4 / 3)), "lengths are in µm, also along z", said)
    two = array(run(answer, ROW, [(0, 0, 2), (0, 0, 5)], UNIT, d_m=3.0, k=2.0), ROW)[0, 0]
    nearest = np.minimum(np.abs(np.arange(9) - 2.0), np.abs(np.arange(9) - 5.0))
    both = np.where(nearest <= 3, np.exp(-2 * nearest / 3), 0)
    summed = "between two clicks the map is too high: take the nearest click, do not add up"
    said = summed if (two > both + 1e-6).any() else "around two clicks the map is too low: each keeps its own blob"
    yield Property(close(two, both), "the nearest of several clicks decides", said)
    half = array(run(answer, ROW, [(0, 0, 3.5)], UNIT, d_m=3.0, k=2.0), ROW)[0, 0]
    said = "a click between two voxels gives another value: do not round clicks"
    yield Property(close(half[3], np.exp(-1 / 3)), "clicks may lie between voxels", said)
