"""Checks of the chapter *Centre maps*."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bfs_tutorial import centre_maps
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

ROW, UNIT = (1, 1, 9), (1.0, 1.0, 1.0)
MISSED, DOUBLED, JOINED = 6, 8, (4, 12)  # rows of the clicks of `simulate.fluorescence(1)`


def careless_clicks(centres: np.ndarray) -> np.ndarray:
    """Return the clicks (N, 3) of the chapter's stack as a careless annotator gives them, for exercise 6."""
    seam, twice = centres[list(JOINED)].mean(axis=0), centres[DOUBLED] + [[0, -2, 0], [0, 2, 0]]
    return np.vstack([np.delete(centres, [MISSED, DOUBLED, *JOINED], axis=0), twice, seam])


# ---- exercise 1 ----------------------------------------------------------------------------------------------


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
        {"your map": one[None].round(1), "1 at the click, falling, 0 beyond 3": (x <= 3)[None] * 1.0},
        "Your map of one click in a row of nine voxels, and the voxels in which it may differ from 0",
        "One click in the middle of a row, voxels of 1 µm, d_m = 3 µm. Values rounded.",
    )
    yield Property(close(one[4], 1), "it is 1 on a click", f"on the click itself the map is {one[4]:.3g}, not 1", drawn)
    beyond = "voxels farther than d_m from the click are not 0"
    yield Property(close(one[x > 3], 0), "it is 0 beyond d_m", beyond, drawn)
    mistakes = {
        "the map falls with the squared distance: Eq. 1 has D, not D², in the exponent": np.where(
            x <= 3, np.exp(-2 * x**2 / 9), 0
        ),
        "at a distance of exactly d_m the map is 0: Eq. 1 still counts it, D ≤ d_m": np.where(x < 3, true, 0),
        "the map does not depend on d_m as it should: the exponent is -k D / d_m": np.where(x <= 3, np.exp(-2 * x), 0),
    }
    profile = diagnose(one, mistakes, "the map does not fall as exp(-k D / d_m)")
    yield Property(close(one, true), "it falls as exp(-k D / d_m), up to d_m", profile, drawn)
    yield from _spacing_used(answer)
    two = array(run(answer, ROW, [(0, 0, 2), (0, 0, 5)], UNIT, d_m=3.0, k=2.0), ROW)[0, 0]
    nearest = np.minimum(np.abs(np.arange(9) - 2.0), np.abs(np.arange(9) - 5.0))
    both = np.where(nearest <= 3, np.exp(-2 * nearest / 3), 0)
    summed = "between two clicks the map is too high: take the nearest click, do not add up"
    said = summed if (two > both + 1e-6).any() else "around two clicks the map is too low: each keeps its own blob"
    drawn = lambda: picture(  # noqa: E731
        {"your map": two[None].round(1), "µm to the nearest click": nearest[None]},
        "Your map of two clicks in a row of nine voxels, and the distance of each voxel to the nearest click",
        "Clicks in voxels 2 and 5 of a row: only the distance to the nearest one counts. Values rounded.",
    )
    yield Property(close(two, both), "the nearest of several clicks decides", said, drawn)
    half = array(run(answer, ROW, [(0, 0, 3.5)], UNIT, d_m=3.0, k=2.0), ROW)[0, 0]
    said = "a click between two voxels gives another value: do not round clicks"
    yield Property(close(half[3], np.exp(-1 / 3)), "clicks may lie between voxels", said)


def _spacing_used(answer: Callable) -> Iterator[Property]:
    """One click in a column of planes 2 µm apart."""
    shape = (5, 1, 1)
    column = array(run(answer, shape, [(2, 0, 0)], (2.0, 1.0, 0.5), d_m=5.0, k=2.0), shape)[:, 0, 0]
    planes = np.abs(np.arange(5) - 2.0)
    mistakes = {
        "planes lie 2 µm apart here, and your map counts them as 1: multiply by the spacing": 1.0,
        "spacing is (z, y, x): your map takes its last number for z": 0.5,
        "the distance is divided by the spacing: voxels times µm a voxel give µm": 0.25,
    }
    by_value = {said: np.exp(-2 * step / 5) for said, step in mistakes.items()}
    otherwise = f"one plane of 2 µm above the click the map is {column[1]:.3g}, expected {np.exp(-4 / 5):.3g}"
    drawn = lambda: picture(  # noqa: E731
        {"your map": column[:, None], "µm from the click": 2.0 * planes[:, None]},
        "Your map of one click in a column of five planes, and the distance of each plane in micrometres",
        "Planes 2 µm apart, d_m = 5 µm.",
    )
    true = np.where(2 * planes <= 5, np.exp(-2 * 2 * planes / 5), 0)
    said = diagnose(column[1], by_value, otherwise)
    yield Property(close(column, true), "lengths are in µm, also along z", said, drawn)


# ---- exercise 2 ----------------------------------------------------------------------------------------------


@exercise(
    "centre_maps",
    points=1,
    hints=(
        "The map is above 0 as far as d_m, in µm. How far away is the next plane, and the one after it?",
        "Count the planes at 0, 3, 6, ... µm above the click that are not beyond 10 µm. Below it there are as many.",
        "Three planes above (3, 6 and 9 µm), three below, and the one with the click.",
    ),
)
def blob_planes(answer: Any) -> Iterator[Property]:
    """How many planes a blob reaches."""
    planes = number(answer, "the answer")
    yield Property(planes == int(planes) > 0, "it is a number of planes", f"{planes:g} planes: expected a whole number")
    blob = centre_maps.centre_map((41, 9, 9), [(20, 4, 4)], (3.0, 0.5, 0.5), d_m=10.0)
    true = int((blob > 0).any(axis=(1, 2)).sum())
    mistakes = {
        "one too few: the plane of the click counts as well": true - 1,
        "that is one side of the click: a blob reaches as far down as up": (true - 1) / 2,
        "that is the upper half with the click: a blob reaches as far down as up": (true + 1) / 2,
        "you rounded up: the fourth plane lies 12 µm away, beyond d_m": true + 2,
        "that counts planes as if they lay 1 µm apart: they lie 3 µm apart": 21,
        "that counts planes as if they were as close as pixels: look at the first number of spacing": 41,
    }
    other = f"a blob of radius 10 µm does not reach {planes:g} planes that lie 3 µm apart"
    yield Property(planes == true, f"run with this setting, the map is above 0 in {true} planes",
                   diagnose(planes, mistakes, other))  # fmt: skip


# ---- exercise 3 ----------------------------------------------------------------------------------------------


def _plane(shape: tuple, first: tuple, second: tuple, spacing: tuple) -> tuple[np.ndarray, float]:
    """Return µm from each voxel (Z, Y, X) to the plane half way between two clicks, and how far a box reaches."""
    step = np.array(spacing)
    a, b = np.array(first) * step, np.array(second) * step
    n = (b - a) / np.linalg.norm(b - a)
    voxels = np.moveaxis(np.indices(shape), 0, -1) * step  # (Z, Y, X, 3) µm
    return np.abs((voxels - (a + b) / 2) @ n), 0.5 * float((np.abs(n) * step).sum())


def _border(*case: tuple) -> np.ndarray:
    """Return the voxels (Z, Y, X) that the plane meets. case: as `_plane`."""
    distance, reach = _plane(*case)
    return distance <= reach + 1e-9


def _tried(answer: Callable, *case: tuple, caption: str) -> tuple[np.ndarray, np.ndarray, Callable]:
    """Return what an answer marks, what is to be marked, both (Z, Y, X) bool, and a picture of the case."""
    shape = case[0]
    got = array(run(answer, *case), shape) != 0
    flat = lambda plane: plane.reshape(-1, shape[-1])  # noqa: E731 - one of the other axes has length 1
    drawn = lambda: picture(  # noqa: E731
        {"your border": flat(got), "µm to the plane": flat(_plane(*case)[0])},
        "The voxels that you mark, beside the distance of each voxel's middle to the plane between the clicks",
        caption,
    )
    return got, _border(*case), drawn


@exercise(
    "centre_maps",
    points=3,
    hints=(
        "Work in µm. You need the middle m between the clicks, the direction n from one to the other with length 1, "
        "and for each voxel its distance |n · (x - m)| to the plane.",
        "Compare that distance with how far the voxel's box reaches along n: half the sum of |n_a| times the spacing.",
        "np.abs((voxels - middle) @ n) <= 0.5 * (np.abs(n) * spacing).sum() + 1e-9, with voxels (Z, Y, X, 3) in µm.",
    ),
)
def voronoi_border(answer: Callable) -> Iterator[Property]:
    """The voxels on the border between two clicks."""
    case, caption = (ROW, (0, 0, 2), (0, 0, 6), UNIT), "Clicks in voxels 2 and 6 of a row, voxels of 1 µm."
    got, true, drawn = _tried(answer, *case, caption=caption)
    if not got.any():
        said = "nothing is marked, though the plane runs through the middle of voxel 4 of a row"
    elif got[true].all():
        said = f"{got.sum()} voxels are marked where the plane runs through one: its neighbours only look at it"
    else:
        said = f"the plane runs through voxel 4 of a row, and voxel {np.flatnonzero(got)[0]} is marked instead"
    yield Property((got == true).all(), "one voxel is marked where the plane runs through its middle", said, drawn)
    case, caption = (ROW, (0, 0, 2), (0, 0, 5), UNIT), "Clicks in voxels 2 and 5: the plane is a common face."
    got, true, drawn = _tried(answer, *case, caption=caption)
    said = f"the plane runs along the face between two voxels and meets both: you mark {got.sum()} of them"
    yield Property((got == true).all(), "both voxels are marked where the plane runs along their face", said, drawn)
    yield _slanted(answer)
    yield from _tall_voxels(answer)


def _slanted(answer: Callable) -> Property:
    """A plane that is not parallel to faces, in cubes."""
    case = (1, 7, 9), (0, 1, 1), (0, 5, 7), UNIT
    got, true, drawn = _tried(answer, *case, caption="Clicks at (0, 1, 1) and (0, 5, 7), voxels of 1 µm.")
    distance, _ = _plane(*case)
    corners = "a slanted plane cuts corners that lie farther than half a voxel from the middle: you miss some"
    diagonal = "a box reaches as far as half its diagonal only towards a corner: you mark voxels that the plane misses"
    mistakes = {corners: distance <= 0.5, diagonal: distance <= np.sqrt(3) / 2}
    said = diagnose(got, mistakes, f"a slanted plane: {_miscounted(got, true)}")
    return Property((got == true).all(), "a slanted plane marks the voxels whose corners it cuts", said, drawn)


def _tall_voxels(answer: Callable) -> Iterator[Property]:
    """A slanted plane in voxels that are twice as tall as wide, and the same clicks exchanged."""
    shape, first, second, spacing = (7, 1, 9), (1, 0, 2), (5, 0, 6), (2.0, 1.0, 1.0)
    caption = "From the side: planes 2 µm apart, pixels of 1 µm."
    got, true, drawn = _tried(answer, shape, first, second, spacing, caption=caption)
    distance, _ = _plane(shape, first, second, spacing)
    n = (np.array(second) - first) * spacing
    mistakes = {
        "planes lie 2 µm apart: multiply voxels and clicks by the spacing before you measure": _border(
            shape, first, second, UNIT
        ),
        "you take the box for a cube of 1 µm, and it is 2 µm tall: |n_a| is to be multiplied by the spacing": distance
        <= 0.5 * np.abs(n / np.linalg.norm(n)).sum() + 1e-9,
        "spacing is (z, y, x): yours is read the other way round": _border(shape, first, second, spacing[::-1]),
    }
    said = diagnose(got, mistakes, f"planes 2 µm apart: {_miscounted(got, true)}")
    yield Property((got == true).all(), "it is right in µm when planes lie 2 µm apart", said, drawn)
    got, true, drawn = _tried(answer, shape, second, first, spacing, caption="The same clicks, exchanged.")
    said = "exchange the two clicks and other voxels are marked: the border belongs to both"
    yield Property((got == true).all(), "it does not matter which click comes first", said, drawn)


def _miscounted(got: np.ndarray, true: np.ndarray) -> str:
    return f"{(got & ~true).sum()} voxels too many and {(true & ~got).sum()} too few"


# ---- exercise 4 ----------------------------------------------------------------------------------------------


@exercise(
    "centre_maps",
    points=2,
    hints=(
        "A tip is lost when the plane half way between the clicks meets the click's own box. Neighbours along an axis "
        "are the case that the chapter shows; a box has other neighbours too.",
        "A slanted plane may cut a box at its corner, and a corner reaches farther than a face.",
        "Move by one voxel along all three axes at once: the distance is √(2² + 1² + 1²) µm.",
    ),
)
def lost_clicks(answer: Callable) -> Iterator[Property]:
    """Two clicks more than 2 µm apart whose tips the border erases."""
    shape, spacing = (5, 5, 5), (2.0, 1.0, 1.0)
    clicks = array(run(answer), (2, 3), "your pair of clicks")
    whole = (clicks == np.rint(clicks)).all() and (clicks >= 0).all() and (clicks < 5).all()
    said = f"{short(clicks.tolist())}: expected whole numbers from 0 to 4, a stack has 5 planes of 5 x 5 pixels"
    yield Property(bool(whole), "both clicks sit on voxels of the stack", said)
    if (clicks[0] == clicks[1]).all():
        raise WrongAnswer("both clicks are the same: then no plane lies between them")
    apart = np.linalg.norm((clicks[1] - clicks[0]) * spacing)
    near = f"your clicks lie {apart:.2f} µm apart: expected more than 2"
    if close(apart, 2):
        near = "your clicks lie exactly 2 µm apart: that is a neighbouring plane, and more than 2 was asked for"
    p = centre_maps.centre_map(shape, clicks, spacing)
    at = [float(p[tuple(click.astype(int))]) for click in clicks]
    planes = {f"plane {z}": p[z] for z in sorted({int(click[0]) for click in clicks})}
    drawn = lambda: picture(  # noqa: E731
        planes, "The centre map of your two clicks, in the planes that hold them", "A lost click has a 0 in its voxel."
    )
    yield Property(apart > 2 + 1e-9, f"they lie {apart:.2f} µm apart", near, drawn)
    still = f"on your clicks the map is {at[0]:.2f} and {at[1]:.2f}: they are {apart:.2f} µm apart, and their tips live"
    yield Property(max(at) == 0, "the map is 0 on both of them", still, drawn)


# ---- exercise 5 ----------------------------------------------------------------------------------------------


@exercise(
    "centre_maps",
    points=2,
    hints=(
        "The best answer to a target p is q = p. Put it into the formula of the binary cross entropy.",
        "-p log p - (1 - p) log(1 - p) for each voxel, then the mean over all of them. What does 0 · log 0 do in "
        "NumPy, and what should it be?",
        "Take the formula only where 0 < p < 1, add it up, and divide by the number of all voxels, p.size.",
    ),
)
def loss_floor(answer: Callable) -> Iterator[Property]:
    """The smallest cross entropy on a soft target."""
    half = number(run(answer, np.array([0.5])), "the floor of one voxel")
    said = diagnose(
        half,
        {
            "one voxel of p = 0.5 costs 1 in your unit: take natural logarithms, not log2": 1.0,
            "one voxel of p = 0.5 costs half of what it should: the term with 1 - p is missing": np.log(2) / 2,
            "the floor is negative: the logarithm of a likelihood is, so a minus belongs before it": -np.log(2),
            "the floor of p = 0.5 is 0: do not round the target to yes or no": 0.0,
        },
        f"one voxel of p = 0.5 costs {half:.3g}: expected what the answer q = 0.5 costs, {np.log(2):.3f}",
    )
    yield Property(close(half, np.log(2)), "one voxel of p = 0.5 costs log 2", said)
    quarter = number(run(answer, np.array([0.25])), "the floor of one voxel")
    said = f"one voxel of p = 0.25 costs {quarter:.3g}: expected what the answer q = 0.25 costs, 0.562"
    yield Property(close(quarter, 0.5623351446, 1e-4), "one voxel of p = 0.25 costs what q = 0.25 costs", said)
    given = np.array([[[0.0, 1.0, 0.0, 1.0]]])
    with np.errstate(all="ignore"):
        sure = np.asarray(run(answer, given), dtype=float)
    nan = "where p is 0 or 1 your floor is not a number: there 0 · log 0 has to count as 0"
    yield Property(bool(np.isfinite(sure).all()), "0 and 1 make no NaN", nan)
    yield Property(close(number(sure), 0, 1e-4), "a target of 0 and 1 costs nothing",
                   f"a target of nothing but 0 and 1 costs {number(sure):.3g}: expected 0")  # fmt: skip
    mixed = np.array([[[0.5, 0.0], [0.5, 1.0]]])
    value = number(run(answer, mixed))
    said = diagnose(
        value,
        {
            "that is the sum over the voxels: the floor is their mean": 2 * np.log(2),
            "that is the mean over the soft voxels: voxels of 0 and 1 count as well, with nothing": np.log(2),
        },
        f"two voxels of 0.5, a 0 and a 1 cost {value:.3g}: expected half of one voxel of 0.5",
        1e-4,
    )
    drawn = lambda: picture(  # noqa: E731
        {"the target p": mixed[0], "what each voxel costs": np.where(mixed[0] == 0.5, np.log(2), 0)},
        "A target of two by two voxels, and what each voxel costs with the best answer",
        f"Yours is {value:.3g}; the floor is the mean of the right picture.",
    )
    yield Property(close(value, np.log(2) / 2, 1e-4), "it is the mean over all voxels", said, drawn)
