"""Checks of the chapter *Your own stack: from clicks to a table*."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from bfs_tutorial import simulate
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
from bfs_tutorial.stack import ZStack

UNIT = (1.0, 1.0, 1.0)

# ---- Fiji's clicks -------------------------------------------------------------------------------------------


def spot(place: np.ndarray) -> np.ndarray:
    """A plane (9, 9) that is 1 at a place (z, y, x), if the place lies in it."""
    plane = np.zeros((9, 9))
    y, x = np.rint(place[1:]).astype(int)
    if 0 <= y < 9 and 0 <= x < 9:
        plane[y, x] = 1
    return plane


def both(right: Sequence[float], given: np.ndarray) -> FigureHTML:
    """Draw where a click lies, and where an answer puts it."""
    shown = {"the click": spot(np.array(right, dtype=float)), "yours": spot(given)}
    where = f"its plane is {right[0]:g}, yours is {given[0]:g}"
    alt = f"A plane of nine by nine pixels with the click as a 1, beside it the place of your click; {where}"
    return picture(shown, alt, f"Rows are y, columns x; {where}.")


@exercise(
    "your_own_stack",
    points=2,
    hints=(
        "Three things differ: the order of the axes, the first plane, and the unit of two of the axes.",
        "Slice counts planes from 1, and is no length. X and Y are lengths: divide each by the step along its axis.",
        "x, y, plane = rows.T; return np.stack([plane - 1, y / spacing[1], x / spacing[2]], axis=1).",
    ),
)
def fiji_clicks(answer: Callable) -> Iterator[Property]:
    """Turn rows of Fiji's table into voxels."""
    cases = [
        ((0.0, 0.0, 1.0), UNIT, (0, 0, 0), "Fiji's first slice is plane 0",
         {"Fiji counts slices from 1, and planes count from 0: subtract 1": (1, 0, 0),
          "the plane comes last in what you return: the order is z, y, x": (0, 0, 1),
          "1 is subtracted from X and Y as well: only slices count from 1": (0, -1, -1)}),
        ((5.0, 3.0, 3.0), UNIT, (2, 3, 5), "the order is z, y, x",
         {"you return z, x, y: in Fiji's table X stands before Y": (2, 5, 3),
          "you return x, y, z, as Fiji has it: the order is z, y, x": (5, 3, 2)}),
        ((4.0, 2.0, 3.0), (2.0, 0.5, 0.5), (2, 4, 8), "X and Y are lengths in µm",
         {"X and Y stay in µm: divide them by the spacing": (2, 2, 4),
          "X and Y are multiplied by the spacing: how many steps of 0.5 µm are 2 µm?": (2, 1, 2),
          "the slice is divided by the spacing, too: it is a number of planes already": (1, 4, 8),
          "the slice is multiplied by the spacing: it is a number of planes already": (4, 4, 8)}),
        ((3.0, 3.0, 1.0), (2.0, 1.0, 0.5), (0, 3, 6), "each axis has a step of its own",
         {"pixels are twice as high as wide here, and you swap both steps: spacing is (z, y, x)": (0, 6, 3)}),
        ((0.35, 0.55, 1.0), (2.0, 0.2, 0.2), (0, 2.75, 1.75), "a click may lie between pixels",
         {"a click between pixels is rounded: leave it where it is": (0, 3, 2),
          "a click between pixels is cut off to a whole pixel: leave it where it is": (0, 2, 1)}),
    ]  # fmt: skip
    for row, spacing, right, verified, mistakes in cases:
        given = array(run(answer, np.array([row]), spacing), (1, 3), "the clicks")[0]
        x, y, plane = (f"{value:g}" for value in row)
        otherwise = f"X = {x}, Y = {y}, Slice = {plane} with spacing {spacing} is not at {np.round(given, 2).tolist()}"
        said = diagnose(given, mistakes, otherwise)
        shown = None if max(spacing) > 1 and right[1] % 1 else (lambda r=right, g=given: both(r, g))
        yield Property(close(given, right), verified, said, shown)
    rows = np.array([(1.0, 2.0, 1.0), (2.0, 2.0, 2.0), (3.0, 1.0, 4.0)])
    given = array(run(answer, rows, UNIT), (3, 3), "three clicks")
    said = "three rows are not the same as three times one row: keep their order"
    yield Property(close(given, [(0, 2, 1), (1, 2, 2), (3, 1, 3)]), "many rows at once, in order", said)


# ---- a cell of its own ---------------------------------------------------------------------------------------


def indices(answer: Callable, labels: np.ndarray, clicks: np.ndarray) -> list[int]:
    """The indices that an answer returns, sorted. Raises WrongAnswer unless they are whole numbers in a row."""
    given = run(answer, labels, clicks)
    if isinstance(given, (set, frozenset)):
        given = sorted(given)
    if np.ndim(given) != 1:
        raise WrongAnswer(f"your function returns {short(given)}: expected the indices of clicks, such as [0, 2]")
    if len(given) and np.asarray(given).dtype == bool:
        raise WrongAnswer("your function returns True and False: expected indices, np.flatnonzero makes them")
    return sorted(array(given, (len(given),), "the indices").tolist())


def labelled(labels: list[int], places: Sequence[float]) -> FigureHTML:
    """Draw a row of labels, and below it the clicks."""
    hits = np.zeros(len(labels))
    hits[np.rint(places).astype(int)] = 1
    alt = f"A row of labels {labels}, and the clicks at {list(places)}"
    return picture({"labels": np.array(labels)[None], "clicks": hits[None]}, alt, "One row of voxels; 1: a click.")


@exercise(
    "your_own_stack",
    points=2,
    hints=(
        "Look up the label under each click first. Which labels say that something is wrong?",
        "labels[tuple(np.rint(clicks).astype(int).T)] are the labels under the clicks, (N,). np.unique with "
        "return_counts tells which occur more than once.",
        "hit = ... as in hint 2; return [i for i, n in enumerate(hit) if n == 0 or (hit == n).sum() > 1].",
    ),
)
def doubtful_clicks(answer: Callable) -> Iterator[Property]:
    """Find the clicks that have no cell of their own."""
    cube = np.zeros((3, 3, 3), dtype=int)
    cube[1, 0, 2] = 1
    said = "a click at (1, 0, 2) lies in the only cell there is: look it up as labels[z, y, x]"
    yield Property(indices(answer, cube, np.array([(1.0, 0.0, 2.0)])) == [], "clicks are (z, y, x)", said)
    cases = [
        ([1, 1, 0, 2, 2], [0, 3], [], "a click in a cell of its own is fine", {}),
        ([1, 1, 0, 2, 2], [0, 2, 3], [1], "a click on background is doubtful",
         {"click 1 lies on background, in no cell, and is missing in what you return": [],
          "you return the clicks that are fine: the others are asked for": [0, 2],
          "you return labels or places: the index of a click is its row, counted from 0": [0],
          "you count the clicks from 1: their rows count from 0": [2]}),
        ([3, 3, 3, 0, 5], [0, 2, 4], [0, 1], "two clicks in one cell are both doubtful",
         {"clicks 0 and 1 lie in the same cell, which cannot be right for both": [],
          "two clicks share a cell and you return the second only: which one is right is not known": [1],
          "two clicks share a cell and you return the first only: which one is right is not known": [0],
          "two clicks share a cell and you return the third, which is alone in its own": [2]}),
        ([1, 0, 0, 0, 0], [1, 3], [0, 1], "two clicks on background are both doubtful", {}),
        ([1, 1, 0, 2, 2], [2.6], [], "a click belongs to the nearest voxel",
         {"a click at 2.6 belongs to voxel 3, not to voxel 2: round before you look up": [0]}),
    ]  # fmt: skip
    for row, places, right, verified, mistakes in cases:
        labels, clicks = np.array(row).reshape(1, 1, -1), np.zeros((len(places), 3))
        clicks[:, 2] = places
        found = indices(answer, labels, clicks)
        said = f"clicks at {places} on labels {row}: you return {found or 'none'}, expected {right or 'none'}"
        said = next((words for words, wrong in mistakes.items() if found == wrong), said)
        yield Property(found == right, verified, said, lambda row=row, places=places: labelled(row, places))


# ---- predict, then run ---------------------------------------------------------------------------------------


@exercise(
    "your_own_stack",
    points=1,
    hints=(
        "What becomes of the volume of a voxel? And what is the diameter of a ball of that volume?",
        "The volume becomes 1 / 1.75 of the true one. A diameter is the cube root of a volume, times a constant.",
        "(1 / 1.75) ** (1 / 3).",
    ),
)
def diameter_ratio(answer: Any) -> Iterator[Property]:
    """Predict: by which factor is the diameter wrong when planes 1.75 µm apart are taken for 1 µm?"""
    given = number(answer, "the factor")
    right = (1 / 1.75) ** (1 / 3)
    said = diagnose(
        given,
        {
            "that is the factor of the volume: diameter_um is the diameter of a ball of equal volume": 1 / 1.75,
            "that is the volume upside down: is a cell taken for larger or for smaller than it is?": 1.75,
            "upside down: planes are taken for closer than they are, so cells come out too small": 1 / right,
            "a square root belongs to an area: a diameter goes with the cube root of a volume": (1 / 1.75) ** 0.5,
            "diameter_um is that of a ball of equal volume: it does change, although y and x are right": 1.0,
        },
        f"{given:.3g} is not the factor: find that of the volume first, then that of a ball's diameter",
        0.005,
    )
    yield Property(close(given, right, 0.005), "the diameter goes with the cube root of the volume", said)


# ---- the project ---------------------------------------------------------------------------------------------

CELLS = 20


@cache
def teachers_stack() -> ZStack:
    """Twenty nuclei, some of them touching, with a truth that the student does not see."""
    optics = simulate.FluorescenceOptics(brightness=(200.0, 400.0), mitotic_fraction=0.0)
    return simulate.fluorescence(1, (20, 96, 96), number=CELLS, radii=(4.0, 9.0), touching=0.4, optics=optics)


def checked_labels(given: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Labels from an answer. Raises WrongAnswer for another shape, or for what is not whole numbers."""
    labels = array(given, shape, "the labels")
    kind = np.asarray(given.detach() if hasattr(given, "detach") else given).dtype
    if kind.kind == "b":
        raise WrongAnswer("you return a mask, True and False: divide it into cells, each with a number of its own")
    if kind.kind not in "iu":
        raise WrongAnswer(f"the labels are {kind}: return whole numbers, 0 for background and one number a cell")
    if labels.min() < 0:
        raise WrongAnswer(f"the labels go down to {labels.min():g}: 0 is background, cells have 1 and more")
    return labels.astype(int)


def from_above(stack: ZStack, clicks: np.ndarray, labels: np.ndarray, caption: str) -> FigureHTML:
    """Draw the stack with its clicks from above, and the labels."""
    image = stack.image.max(axis=0)
    image = (image - image.min()) / (np.percentile(image, 99.8) - image.min())
    dots = np.clip(image, 0, 0.8)
    dots[tuple(clicks[:, 1:].astype(int).T)] = 1
    found = labels.max(axis=0)
    shown = {"stack and clicks": dots, "your labels": (0.3 + 0.7 * found / max(found.max(), 1)) * (found > 0)}
    alt = "The stack from above with white dots at the clicks, beside it your labels as greys"
    return picture(shown, alt, f"{caption} Seen from above; every grey is a label.")


@exercise(
    "your_own_stack",
    points=3,
    hints=(
        "Two questions in a row: which voxels are cell at all, and whose is each? The clicks answer the second.",
        "For a mask, smooth the image a little and cut it: skimage.filters.threshold_otsu finds a cut. The clicks are "
        "the markers of a watershed.",
        "smooth = ndimage.gaussian_filter(image, 1 / np.array(spacing)); then "
        "assign_instances(smooth > threshold_otsu(smooth), clicks, spacing).",
    ),
)
def twenty_clicks(answer: Callable) -> Iterator[Property]:
    """The project: segment a stack from 20 clicks."""
    stack = teachers_stack()
    clicks = np.rint(stack.centres)  # (20, 3)
    labels = checked_labels(run(answer, stack.image, stack.spacing, clicks), stack.image.shape)
    view = lambda caption: lambda: from_above(stack, clicks, labels, caption)  # noqa: E731
    share = (labels > 0).mean()
    said = f"{share:.0%} of all voxels are cell: most of this stack is background, so a mask is missing"
    yield Property(share < 0.5, "labels: whole numbers in the stack's shape, most of them 0", said, view("Too much."))
    hit = labels[tuple(clicks.astype(int).T)]  # (20,)
    bare = np.flatnonzero(hit == 0)
    said = f"{len(bare)} of {CELLS} clicks lie on background, the first is click {bare[0] if len(bare) else 0}: "
    said += "every click is in a cell, so the cut is too high there, or (z, y, x) are in another order"
    yield Property(not len(bare), "every click lies in a cell", said, view("A click on black has no cell."))
    values, counts = np.unique(hit, return_counts=True)
    shared = np.flatnonzero(hit == values[counts.argmax()])
    said = f"clicks {', '.join(map(str, shared[:3]))} lie in one and the same cell: cells that touch are still fused"
    yield Property(counts.max() == 1, "no two clicks share a cell", said, view("Two clicks, one grey: fused."))
    extra = len(np.setdiff1d(labels, [0, *hit]))
    said = f"{extra} label{'s' * (extra != 1)} without a click, but every cell was clicked: drop what has none"
    yield Property(extra == 0, "no cell without a click", said, view("A grey without a click."))
    truth = stack.labels
    ratio = (labels > 0).sum() / (truth > 0).sum()
    size = "too low, or the cells are filled too far" if ratio > 1 else "too high, or balls are too small"
    said = f"your cells have {ratio:.0%} of the true volume: the cut is {size}"
    yield Property(0.7 < ratio < 1.4, "the volume of all cells is right within a third or so", said, view("All cells."))
    own = truth[tuple(clicks.astype(int).T)]
    joint = [(labels == n, truth == i) for n, i in zip(hit, own, strict=True)]
    fit = np.mean([(mine & true).sum() > 0.5 * (mine | true).sum() for mine, true in joint])
    said = f"only {fit:.0%} of your cells overlap the true one by more than half (J > 0.5): "
    said += "do all of them have the same size, or are they cut apart in the wrong places?"
    yield Property(bool(fit >= 0.9), "nine in ten cells lie on the true ones", said,
                   view("Shapes are not right yet."))  # fmt: skip
