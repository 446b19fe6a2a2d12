"""Wrong answers to the exercises of the chapter *The boundary loss*."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bfs_tutorial import explore
from tests.checks.wrong import wrong, wrong_value

# ---- laplacian -----------------------------------------------------------------------------------------------


def second_difference(volume, axis):
    return np.roll(volume, 1, axis) - 2 * volume + np.roll(volume, -1, axis)


def laplacian(volume, scales):
    return sum(second_difference(volume, axis) * scale for axis, scale in enumerate(scales))


@wrong("laplacian", "count them as 1 µm")
def spacing_ignored(volume, spacing):
    """SciPy's Laplacian, which knows of no spacing."""
    return ndimage.laplace(volume)


@wrong("laplacian", "divided by its square")
def step_not_squared(volume, spacing):
    """Divided by the step, as a first difference is."""
    return laplacian(volume, [1 / s for s in spacing])


@wrong("laplacian", "multiply by the square")
def multiplied(volume, spacing):
    """Multiplied by the square of the step."""
    return laplacian(volume, [s**2 for s in spacing])


@wrong("laplacian", "other way round")
def spacing_reversed(volume, spacing):
    """The spacing is taken as (x, y, z)."""
    return laplacian(volume, [1 / s**2 for s in spacing[::-1]])


@wrong("laplacian", "lost its sign")
def magnitude(volume, spacing):
    """The strength of the edge is returned, without sign."""
    return np.abs(laplacian(volume, [1 / s**2 for s in spacing]))


@wrong("laplacian", "skips the direct neighbours")
def twice_the_gradient(volume, spacing):
    """np.gradient twice."""
    return sum(np.gradient(np.gradient(volume, s, axis=a), s, axis=a) for a, s in enumerate(spacing))


@wrong("laplacian", "along one axis only")
def one_axis(volume, spacing):
    """Only the last axis."""
    return second_difference(volume, 2) / spacing[2] ** 2


@wrong("laplacian", "two axes")
def two_axes(volume, spacing):
    """Plane by plane, z forgotten."""
    return second_difference(volume, 1) / spacing[1] ** 2 + second_difference(volume, 2) / spacing[2] ** 2


@wrong("laplacian", "on an even slope")
def first_derivative(volume, spacing):
    """The gradient magnitude instead."""
    return np.sqrt(sum(g**2 for g in np.gradient(volume, *spacing)))


@wrong("laplacian", "7 everywhere")
def no_middle(volume, spacing):
    """The voxel itself is not subtracted."""
    return sum((np.roll(volume, 1, a) + np.roll(volume, -1, a)) / s**2 for a, s in enumerate(spacing))


# ---- soft_weight ---------------------------------------------------------------------------------------------


@wrong("soft_weight", "ten times the contrast")
def no_scale(strength):
    """The strength is used as it is."""
    return 1 / (1 + np.asarray(strength) ** 2)


@wrong("soft_weight", "not squared")
def not_squared(strength):
    """1 / (1 + e)."""
    return 1 / (1 + strength / max(np.std(strength), 1e-12))


@wrong("soft_weight", "upside down")
def upside_down(strength):
    """High on edges."""
    return 1 - 1 / (1 + (strength / max(np.std(strength), 1e-12)) ** 2)


@wrong("soft_weight", "largest strength")
def by_largest(strength):
    """Scaled by the maximum."""
    return 1 / (1 + (strength / max(np.max(strength), 1e-12)) ** 2)


@wrong("soft_weight", "mean strength")
def by_mean(strength):
    """Scaled by the mean."""
    return 1 / (1 + (strength / np.mean(strength)) ** 2)


@wrong("soft_weight", "exp(-e²)")
def exponential(strength):
    """The weight of the chapter."""
    return np.exp(-((strength / max(np.std(strength), 1e-12)) ** 2))


@wrong("soft_weight", "nothing varies")
def flat_forgotten(strength):
    """0 / 0 in an image without edges: the tiny constant makes the weight 0."""
    return 1 / (1 + (strength / (np.std(strength) + 1e-12)) ** 2)


# ---- loss_numbers --------------------------------------------------------------------------------------------


def ratio_of(border, weight):
    return (border * weight).sum() / border.sum() if border.any() else 0.0


@wrong("loss_numbers", "leave out those without")
def mean_over_the_rim(border, weight):
    """The mean over voxels with a mask edge."""
    product = border * weight
    return product.sum(), product[border > 0].mean() if border.any() else 0, ratio_of(border, weight)


@wrong("loss_numbers", "sum of the weights")
def ratio_by_weight(border, weight):
    """The ratio divides by the weights."""
    product = border * weight
    return product.sum(), product.mean(), product.sum() / weight.sum()


@wrong("loss_numbers", "counts alike")
def ratio_unweighted(border, weight):
    """The mean weight of rim voxels, each once."""
    product = border * weight
    return product.sum(), product.mean(), weight[border > 0].mean() if border.any() else 0


@wrong("loss_numbers", "make its ratio 0")
def empty_forgotten(border, weight):
    """0 / 0 for an empty mask."""
    product = border * weight
    with np.errstate(invalid="ignore"):
        return product.sum(), product.mean(), product.sum() / border.sum()


@wrong("loss_numbers", "multiply the means")
def product_of_means(border, weight):
    """Mean times mean."""
    return (border * weight).sum(), border.mean() * weight.mean(), ratio_of(border, weight)


@wrong("loss_numbers", "expected three numbers")
def one_number(border, weight):
    """Only the sum."""
    return (border * weight).sum()


# ---- doubled_ball --------------------------------------------------------------------------------------------

wrong_value("doubled_ball", "as a circle's length", (2, 1), "has a surface")
wrong_value("doubled_ball", "as the volume", (8, 1), "only the outline costs")
wrong_value("doubled_ball", "the ratio grows, too", (4, 4), "its length drops out")
wrong_value("doubled_ball", "nothing costs where no edge is", (1, 1), "does grow")
wrong_value("doubled_ball", "one number", 4, "pair of numbers")


# ---- decoy ---------------------------------------------------------------------------------------------------


@wrong("decoy", "is empty")
def empty(weight, truth, spacing):
    """The empty mask, which the sum would reward."""
    return np.zeros(weight.shape)


@wrong("decoy", "away from it")
def the_cell(weight, truth, spacing):
    """The cell itself."""
    return truth


@wrong("decoy", "no outline")
def everything(weight, truth, spacing):
    """The whole volume."""
    return np.ones(weight.shape)


@wrong("decoy", "find a darker place")
def brightest(weight, truth, spacing):
    """A ball where the weight is largest."""
    bright = np.where(truth, 0, ndimage.gaussian_filter(weight, 1))
    return explore.soft_ball(weight.shape, np.unravel_index(bright.argmax(), bright.shape), 1.5, spacing)


@wrong("decoy", "did not follow")
def fixed_place(weight, truth, spacing):
    """The place is looked up once and written down."""
    return explore.soft_ball(weight.shape, (4, 9, 20), 1.5, spacing)


@wrong("decoy", "lies between 0 and 1")
def in_grey_values(weight, truth, spacing):
    """A mask of 0 and 255."""
    return 255 * (weight < 0.1)
