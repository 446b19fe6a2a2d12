"""Wrong answers to the exercises of the chapter *Peak responses*."""

from __future__ import annotations

import numpy as np
from skimage.filters import threshold_otsu

from tests.checks.wrong import wrong, wrong_value


def share(part, response):
    return sum(r * p / p.sum() for r, p in zip(response, part, strict=True) if p.sum())


@wrong("linear_response", "this is the gradient")
def gradient(x, weight, response):
    """The gradient."""
    return weight.T @ response


@wrong("linear_response", "count them from the smallest")
def no_offset(x, weight, response):
    """Values count from 0."""
    return share(x * np.maximum(weight, 0), response)


@wrong("linear_response", "divide by their sum")
def undivided(x, weight, response):
    """Contributions are not divided."""
    return response @ ((x - x.min()) * np.maximum(weight, 0))


@wrong("linear_response", "makes a negative share")
def signed(x, weight, response):
    """Negative weights stay."""
    return share((x - x.min()) * weight, response)


@wrong("linear_response", "with its magnitude")
def magnitudes(x, weight, response):
    """Negative weights count as positive ones."""
    return share((x - x.min()) * np.abs(weight), response)


@wrong("linear_response", "out of the sum, too")
def clamped_once(x, weight, response):
    """Weights are clamped in the product and not in the sum."""
    lit = x - x.min()
    return response @ (lit * np.maximum(weight, 0) / (lit * weight).sum(axis=1, keepdims=True))


@wrong("linear_response", "one common sum")
def pooled(x, weight, response):
    """All outputs are divided by one sum."""
    part = (x - x.min()) * (response @ np.maximum(weight, 0))
    return part / part.sum()


@wrong("linear_response", "multiply the shares")
def responses_ignored(x, weight, response):
    """Every output hands back 1."""
    return share((x - x.min()) * np.maximum(weight, 0), np.ones_like(response))


@wrong("linear_response", "only one output")
def first_output(x, weight, response):
    """Only the first output is shared out."""
    return share(((x - x.min()) * np.maximum(weight, 0))[:1], response[:1])


@wrong("linear_response", "gives 0 / 0")
def zero_by_zero(x, weight, response):
    """An output without contributions is divided by 0."""
    part = (x - x.min()) * np.maximum(weight, 0)
    with np.errstate(invalid="ignore"):
        return response @ (part / part.sum(axis=1, keepdims=True))


@wrong("linear_response", "whatever its sign")
def smallest_magnitude(x, weight, response):
    """Values count from the smallest magnitude."""
    return share((x - np.abs(x).min()) * np.maximum(weight, 0), response)


wrong_value("brighter_voxel", "Nothing changes.", ("stays", "stays"), "the share does not stay")
wrong_value("brighter_voxel", "A brighter neighbour pulls the share up.", ("rises", "stays"), "the share does not rise")
wrong_value("brighter_voxel", "The gradient follows the share.", ("falls", "falls"), "the gradient does not fall")
wrong_value("brighter_voxel", "Brighter means more gradient.", ("falls", "rises"), "the gradient does not rise")
wrong_value("brighter_voxel", "One word for both.", "falls", "expected a pair")


@wrong("dark_evidence", "receives 0.")
def bright_favourite():
    """The voxel with the largest weight is not the darkest."""
    return [1, 3, 5], [1, 5, 1]


@wrong("dark_evidence", "no voxel contributes")
def flat():
    """All voxels are alike."""
    return [2, 2, 2], [5, 1, 1]


@wrong("dark_evidence", "largest, and positive")
def all_negative():
    """The largest weight is negative."""
    return [1, 3, 5], [-1, -2, -3]


@wrong("dark_evidence", "expected a pair")
def values_only():
    """Only the values are returned."""
    return [1, 3, 5]


def masks(maps, factor):
    return [m > factor * threshold_otsu(m) for m in maps]


@wrong("pseudo_labels", "becomes label 0")
def from_zero(maps, factor=1.0):
    """Labels count from 0."""
    labels = np.zeros(maps.shape[1:], dtype=int)
    for i, mask in enumerate(masks(maps, factor)):
        labels[mask] = i
    return labels


@wrong("pseudo_labels", "multiply Otsu's threshold")
def factor_ignored(maps, factor=1.0):
    """The factor is not used."""
    return last_wins(maps)


@wrong("pseudo_labels", "one threshold for all")
def one_threshold(maps, factor=1.0):
    """One threshold for all maps."""
    labels = np.zeros(maps.shape[1:], dtype=int)
    for i, m in enumerate(maps):
        labels[m > factor * threshold_otsu(maps)] = i + 1
    return labels


@wrong("pseudo_labels", "does not tell instances apart")
def union(maps, factor=1.0):
    """The union of the masks."""
    return np.any(masks(maps, factor), axis=0)


@wrong("pseudo_labels", "the last map always wins")
def last_wins(maps, factor=1.0):
    """Later maps overwrite earlier ones."""
    labels = np.zeros(maps.shape[1:], dtype=int)
    for i, mask in enumerate(masks(maps, factor)):
        labels[mask] = i + 1
    return labels


@wrong("pseudo_labels", "the first map always wins")
def first_wins(maps, factor=1.0):
    """Earlier maps keep their voxels."""
    labels = np.zeros(maps.shape[1:], dtype=int)
    for i, mask in enumerate(masks(maps, factor)):
        labels[mask & (labels == 0)] = i + 1
    return labels


@wrong("pseudo_labels", "by its own maximum")
def absolute(maps, factor=1.0):
    """The map with the larger value wins, not the relatively stronger one."""
    own = np.where(masks(maps, factor), maps, 0)
    return np.where(own.any(axis=0), own.argmax(axis=0) + 1, 0)


@wrong("pseudo_labels", "are added up")
def added(maps, factor=1.0):
    """Labels of overlapping masks are added."""
    return sum((i + 1) * mask for i, mask in enumerate(masks(maps, factor)))
