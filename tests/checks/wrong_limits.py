"""Wrong answers to the exercises of the chapter *Limits: when not to use it*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong, wrong_value

# ---- invented ------------------------------------------------------------------------------------------------


def predictions(labels):
    return [int(n) for n in np.unique(labels[labels > 0])]


def on_ground(labels, truth, n):
    return (truth[labels == n] == 0).mean()


@wrong("invented", "leave it out")
def with_background(labels, truth):
    """The background counts as a prediction."""
    return [n for n in np.unique(labels) if on_ground(labels, truth, n) > 0.5]


@wrong("invented", "it takes more than half")
def half_is_enough(labels, truth):
    """Half on background is enough."""
    return [n for n in predictions(labels) if on_ground(labels, truth, n) >= 0.5]


@wrong("invented", "the others are asked for")
def turned(labels, truth):
    """The predictions that lie on cells are returned."""
    return [n for n in predictions(labels) if on_ground(labels, truth, n) <= 0.5]


@wrong("invented", "does not help")
def untouched_only(labels, truth):
    """Only predictions that touch no cell are returned."""
    return [n for n in predictions(labels) if on_ground(labels, truth, n) == 1]


@wrong("invented", "not of the cell's")
def share_of_the_cell(labels, truth):
    """The overlap is divided by the size of the cell."""
    found = []
    for n in predictions(labels):
        on_cells = truth[(labels == n) & (truth > 0)]
        shares = [(on_cells == i).sum() / (truth == i).sum() for i in np.unique(on_cells)]
        if max(shares, default=0) <= 0.5:
            found.append(n)
    return found


@wrong("invented", "count all cells together")
def best_cell_only(labels, truth):
    """Only the cell with the largest overlap counts."""
    found = []
    for n in predictions(labels):
        below = truth[labels == n]
        best = np.bincount(below)[1:].max(initial=0)
        if best / len(below) < 0.5:
            found.append(n)
    return found


@wrong("invented", "in all planes")
def plane_by_plane(labels, truth):
    """Each plane is judged alone."""
    return sorted({n for plane, below in zip(labels, truth, strict=True)
                   for n in predictions(plane) if on_ground(plane, below, n) > 0.5})  # fmt: skip


@wrong("invented", "returns a volume")
def as_mask(labels, truth):
    """The voxels are returned in place of the numbers."""
    return np.isin(labels, [n for n in predictions(labels) if on_ground(labels, truth, n) > 0.5])


@wrong("invented", "such as [2]")
def how_many(labels, truth):
    """The number of invented predictions is returned."""
    return len([n for n in predictions(labels) if on_ground(labels, truth, n) > 0.5])


# ---- quiet_volume --------------------------------------------------------------------------------------------


def discs(row, radius=5, numbers=(1, 2)):
    y, x = np.mgrid[:31, :41]
    return sum(n * ((y - row) ** 2 + (x - c) ** 2 <= radius**2) for n, c in zip(numbers, (12, 28), strict=True))[None]


@wrong("quiet_volume", "numbers may be exchanged")
def exchanged():
    """The two numbers are exchanged."""
    return discs(15, numbers=(2, 1))


@wrong("quiet_volume", "hold no cells")
def empty():
    """Nothing is predicted."""
    return np.zeros((1, 31, 41), dtype=int)


@wrong("quiet_volume", "hold 1 cell:")
def fused():
    """Both cells have one number."""
    return (discs(15) > 0).astype(int)


@wrong("quiet_volume", "a warning. Stay")
def shrunken():
    """The cells are drawn too small."""
    return discs(15, radius=3)


@wrong("quiet_volume", "over more than half")
def moved_a_little():
    """Both cells are moved by two voxels."""
    return discs(17)


@wrong("quiet_volume", "move the mask as well")
def cut_across():
    """The right mask is cut into an upper and a lower half."""
    y = np.mgrid[:31, :41][0]
    return np.where(discs(15) > 0, 1 + (y > 15), 0)


@wrong("quiet_volume", "labels are whole numbers")
def a_probability():
    """A probability in place of labels."""
    return 0.5 * (discs(21) > 0)


# ---- lower_cut -----------------------------------------------------------------------------------------------

wrong_value("lower_cut", "A lower cut takes something away.", "more", "lets the mask grow")
wrong_value("lower_cut", "Centres decide alone.", "as many", "how far each instance reaches")
wrong_value("lower_cut", "The answer is no word of the three.", "less", "expected one of")
