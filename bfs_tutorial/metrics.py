"""How good are the labels? IoU, SEG, MUCov and coverage from one table, and detection scores for points.

Three of the metrics look at pairs of one true cell G and one predicted cell P, with overlap |G ∩ P| and
J(G, P) = |G ∩ P| / |G ∪ P|. They differ in what they average over:
SEG and coverage over the true cells (a missed cell costs), MUCov over the predicted ones (an invented cell costs).
A mean over nothing is 1 when there was nothing on the other side either, and 0 otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from bfs_tutorial.centre_maps import check_positive
from bfs_tutorial.peaks import check_points
from bfs_tutorial.stack import check_labels, check_spacing


def evaluate(labels: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Compare predicted instance labels with the truth.

    labels, truth: (Z, Y, X) integers, 0 = background; the numbers themselves do not matter.
    Returns {"IoU", "SEG", "MUCov", "coverage", "n_predicted", "n_truth"}, see the functions of this module.
    Raises InputError. Source: §4.2 of the paper.
    """
    table = contingency_table(labels, truth)
    return {
        "IoU": foreground_iou(table),
        "SEG": seg(table),
        "MUCov": mucov(table),
        "coverage": truth_coverage(table),
        "n_predicted": table.shape[1] - 1,
        "n_truth": table.shape[0] - 1,
    }


def contingency_table(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count the voxels of every pair of true and predicted cell in a single pass.

    n[i, j] = |G_i ∩ P_j|; row 0 and column 0 are the background, cells follow in the order of their numbers.
    labels, truth: (Z, Y, X) integers, 0 = background. Returns (G + 1, P + 1) int64. Raises InputError.
    """
    truth = check_labels(truth)
    rows, row_count = _consecutive(truth)
    columns, column_count = _consecutive(check_labels(labels, truth.shape))
    pairs = np.bincount(rows * column_count + columns, minlength=row_count * column_count)
    return pairs.reshape(row_count, column_count)


def _consecutive(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Renumber labels to 0 .. K without gaps, background first; return them flat, and K + 1."""
    labels = labels.ravel()
    if labels.max() > labels.size:  # a table of all possible numbers would be larger than the volume
        labels = np.unique(labels, return_inverse=True)[1] + (labels.min() > 0)
    present = np.bincount(labels) > 0
    present[0] = True
    return (np.cumsum(present) - 1)[labels], int(present.sum())


def foreground_iou(table: np.ndarray) -> float:
    """Intersection over union of the two foregrounds, whichever cell a voxel belongs to. table: (G + 1, P + 1)."""
    union = table.sum() - table[0, 0]
    return float(table[1:, 1:].sum() / union) if union else 1.0


def pairwise_iou(table: np.ndarray) -> np.ndarray:
    """J(G_i, P_j) = |G_i ∩ P_j| / (|G_i| + |P_j| - |G_i ∩ P_j|). table: (G + 1, P + 1); returns (G, P)."""
    overlap = table[1:, 1:]
    return overlap / (table.sum(axis=1)[1:, None] + table.sum(axis=0)[None, 1:] - overlap)


def more_than_half(table: np.ndarray) -> np.ndarray:
    """Say whether P_j covers more than half of G_i, |G_i ∩ P_j| > ½ |G_i|; exactly half is not enough.

    table: (G + 1, P + 1). Returns (G, P) bool.
    """
    return 2 * table[1:, 1:] > table.sum(axis=1)[1:, None]


def seg(table: np.ndarray) -> float:
    """Mean over the true cells of J with the one prediction that covers more than half of the cell, 0 if none does.

    table: (G + 1, P + 1). Source: the Cell Tracking Challenge, Maška 2014.
    """
    matched = pairwise_iou(table) * more_than_half(table)  # (G, P), at most one entry a row
    return _mean(matched.sum(axis=1), table)


def mucov(table: np.ndarray) -> float:
    """Mean over the predictions of the best J with a true cell, 0 unless more than half of that cell is covered.

    table: (G + 1, P + 1). Source: the evaluation tool of QCANet (Tokuoka 2020), whose numbers the paper compares
    with. Not the coverage of Silberman 2014, which looks from the truth: see `truth_coverage`.
    """
    iou = pairwise_iou(table)  # (G, P)
    best = iou.max(axis=0, initial=0)  # (P,)
    covered = ((iou == best) & more_than_half(table)).any(axis=0)  # (P,)
    return _mean(best * covered, table)


def truth_coverage(table: np.ndarray) -> float:
    """Mean over the true cells of the best J with any prediction. table: (G + 1, P + 1). Source: Silberman 2014."""
    return _mean(pairwise_iou(table).max(axis=1, initial=0), table)


def _mean(values: np.ndarray, table: np.ndarray) -> float:
    """Mean of the values; over nothing 1 when table (G + 1, P + 1) has neither true nor predicted cells, else 0."""
    return float(values.mean()) if values.size else float(table.shape == (1, 1))


def detection(
    points: ArrayLike, truth_points: ArrayLike, spacing: Sequence[float], tolerance: float = 5.0
) -> dict[str, float]:
    """Compare found centres with true ones: matched pairs lie within `tolerance` µm, each point in one pair at most.

    precision = pairs / points, recall = pairs / truth_points, F1 = 2 pairs / (points + truth_points).
    points (N, 3) and truth_points (M, 3), rows (z, y, x) in voxel index units; spacing (z, y, x) µm a voxel.
    Returns {"precision", "recall", "F1"}. Raises InputError.
    """
    pairs = len(match_points(points, truth_points, spacing, tolerance))
    found, true = len(points), len(truth_points)
    if not found and not true:
        return {"precision": 1.0, "recall": 1.0, "F1": 1.0}
    return {"precision": pairs / max(found, 1), "recall": pairs / max(true, 1), "F1": 2 * pairs / (found + true)}


def match_points(
    points: ArrayLike, truth_points: ArrayLike, spacing: Sequence[float], tolerance: float = 5.0
) -> np.ndarray:
    """Pair found with true centres: as many pairs within `tolerance` µm as possible, and of those the shortest.

    Returns (K, 2) int, rows (index into points, index into truth_points). Raises InputError.
    """
    spacing, tolerance = np.array(check_spacing(spacing)), check_positive(tolerance, "tolerance")
    distance = cdist(check_points(points) * spacing, check_points(truth_points) * spacing)  # (N, M) µm
    too_far = tolerance * (min(distance.shape) + 1)  # costs more than all pairs that are allowed
    pairs = np.stack(linear_sum_assignment(np.where(distance <= tolerance, distance, too_far)), axis=1)
    return pairs[distance[pairs[:, 0], pairs[:, 1]] <= tolerance]
