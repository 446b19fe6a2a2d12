"""Wrong answers to the exercises of the chapter *Your own stack: from clicks to a table*."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bfs_tutorial.instances import assign_instances
from tests.checks.wrong import wrong, wrong_value

# ---- fiji_clicks ---------------------------------------------------------------------------------------------


@wrong("fiji_clicks", "subtract 1")
def slices_from_one(rows, spacing):
    """Slices are counted from 1."""
    x, y, z = rows.T
    return np.stack([z, y / spacing[1], x / spacing[2]], axis=1)


@wrong("fiji_clicks", "X stands before Y")
def y_and_x_exchanged(rows, spacing):
    """X is taken for Y."""
    x, y, z = rows.T
    return np.stack([z - 1, x / spacing[1], y / spacing[2]], axis=1)


@wrong("fiji_clicks", "comes last")
def order_of_fiji(rows, spacing):
    """The order of Fiji is kept."""
    x, y, z = rows.T
    return np.stack([x / spacing[2], y / spacing[1], z], axis=1)


@wrong("fiji_clicks", "as Fiji has it")
def order_of_fiji_from_zero(rows, spacing):
    """The order of Fiji is kept, planes count from 0."""
    x, y, z = rows.T
    return np.stack([x / spacing[2], y / spacing[1], z - 1], axis=1)


@wrong("fiji_clicks", "stay in µm")
def still_in_um(rows, spacing):
    """The spacing is ignored."""
    x, y, z = rows.T
    return np.stack([z - 1, y, x], axis=1)


@wrong("fiji_clicks", "multiplied by the spacing: how many")
def multiplied(rows, spacing):
    """X and Y are multiplied by the spacing."""
    x, y, z = rows.T
    return np.stack([z - 1, y * spacing[1], x * spacing[2]], axis=1)


@wrong("fiji_clicks", "divided by the spacing, too")
def slices_in_um(rows, spacing):
    """The slice is taken for a length."""
    x, y, z = rows.T
    return np.stack([z - 1, y, x], axis=1) / np.array(spacing)


@wrong("fiji_clicks", "swap both steps")
def steps_swapped(rows, spacing):
    """The steps along y and x are exchanged."""
    x, y, z = rows.T
    return np.stack([z - 1, y / spacing[2], x / spacing[1]], axis=1)


@wrong("fiji_clicks", "is rounded")
def rounded(rows, spacing):
    """Clicks are rounded to pixels."""
    x, y, z = rows.T
    return np.rint(np.stack([z - 1, y / spacing[1], x / spacing[2]], axis=1))


# ---- doubtful_clicks -----------------------------------------------------------------------------------------


def under(labels, clicks):
    return labels[tuple(np.rint(clicks).astype(int).T)]


@wrong("doubtful_clicks", "in the same cell")
def background_only(labels, clicks):
    """Two clicks in one cell go unnoticed."""
    return np.flatnonzero(under(labels, clicks) == 0)


@wrong("doubtful_clicks", "in no cell")
def shared_only(labels, clicks):
    """A click on background goes unnoticed."""
    hit = under(labels, clicks)
    return [i for i, n in enumerate(hit) if n and (hit == n).sum() > 1]


@wrong("doubtful_clicks", "the second only")
def second_only(labels, clicks):
    """Of two clicks in a cell the first is taken for right."""
    hit = under(labels, clicks).tolist()
    return [i for i, n in enumerate(hit) if n == 0 or n in hit[:i]]


@wrong("doubtful_clicks", "round before")
def cut_off(labels, clicks):
    """Places are cut off to whole voxels."""
    hit = labels[tuple(clicks.astype(int).T)]
    return [i for i, n in enumerate(hit) if n == 0 or (hit == n).sum() > 1]


@wrong("doubtful_clicks", "labels[z, y, x]")
def order_turned(labels, clicks):
    """The axes are x, y, z."""
    hit = labels[tuple(np.rint(clicks[:, ::-1]).astype(int).T)]
    return [i for i, n in enumerate(hit) if n == 0 or (hit == n).sum() > 1]


@wrong("doubtful_clicks", "count the clicks from 1")
def rows_from_one(labels, clicks):
    """Clicks are counted from 1."""
    hit = under(labels, clicks)
    return [i for i, n in enumerate(hit, 1) if n == 0 or (hit == n).sum() > 1]


@wrong("doubtful_clicks", "True and False")
def as_mask(labels, clicks):
    """True and False in place of indices."""
    hit = under(labels, clicks)
    return np.array([n == 0 or (hit == n).sum() > 1 for n in hit])


# ---- diameter_ratio ------------------------------------------------------------------------------------------

wrong_value("diameter_ratio", "The factor of the volume.", 1 / 1.75, "factor of the volume")
wrong_value("diameter_ratio", "The volume upside down.", 1.75, "the volume upside down")
wrong_value("diameter_ratio", "The diameter upside down.", 1.75 ** (1 / 3), "too small")
wrong_value("diameter_ratio", "A square root.", 1.75**-0.5, "belongs to an area")
wrong_value("diameter_ratio", "Only the height is wrong.", 1.0, "it does change")

# ---- twenty_clicks -------------------------------------------------------------------------------------------


def smoothed(image, spacing):
    return ndimage.gaussian_filter(image, 1.0 / np.array(spacing))


def cut(image, spacing, level):
    """Smooth, and cut at a level between background (0) and bright (1)."""
    smooth = smoothed(image, spacing)
    low, high = np.percentile(smooth, (5, 99))
    return smooth > low + level * (high - low)


@wrong("twenty_clicks", "divide it into cells")
def mask_alone(image, spacing, clicks):
    """A mask is returned."""
    return cut(image, spacing, 0.3)


@wrong("twenty_clicks", "still fused")
def pieces(image, spacing, clicks):
    """The pieces of the mask are taken for cells."""
    return ndimage.label(cut(image, spacing, 0.3))[0]


@wrong("twenty_clicks", "a mask is missing")
def whole_space(image, spacing, clicks):
    """Each voxel goes to the nearest click, without a mask."""
    return assign_instances(np.ones(image.shape, dtype=bool), clicks, spacing)


@wrong("twenty_clicks", "drop what has none")
def specks_stay(image, spacing, clicks):
    """Pieces without a click stay."""
    mask = cut(image, spacing, 0.3)
    labels = assign_instances(mask, clicks, spacing)
    labels[0, 0, :3] = labels.max() + 1
    return labels


@wrong("twenty_clicks", "in another order")
def clicks_turned(image, spacing, clicks):
    """The clicks are taken for (x, y, z)."""
    labels = np.zeros(image.shape, dtype=int)
    for number, (x, y, z) in enumerate(clicks.astype(int), start=1):
        labels[z % len(labels), y, x] = number
    return labels


def balls(image, spacing, clicks, radius):
    voxels = np.moveaxis(np.indices(image.shape), 0, -1)
    apart = np.array([np.linalg.norm((voxels - c) * np.array(spacing), axis=-1) for c in clicks])
    return np.where(apart.min(axis=0) <= radius, apart.argmin(axis=0) + 1, 0)


@wrong("twenty_clicks", "balls are too small")
def small_balls(image, spacing, clicks):
    """A ball of 3 µm at each click."""
    return balls(image, spacing, clicks, 3.0)


@wrong("twenty_clicks", "the same size")
def equal_balls(image, spacing, clicks):
    """A ball of the mean size at each click."""
    return balls(image, spacing, clicks, 7.0)


@wrong("twenty_clicks", "filled too far")
def low_cut(image, spacing, clicks):
    """The cut is so low that blurred light counts as cell."""
    return assign_instances(cut(image, spacing, 0.08), clicks, spacing)


@wrong("twenty_clicks", "return whole numbers")
def as_floats(image, spacing, clicks):
    """Labels are returned as floats."""
    return assign_instances(cut(image, spacing, 0.3), clicks, spacing).astype(float)
