"""From a likelihood map to one point per cell: local maxima, and the merge of §3.4."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from scipy.spatial import cKDTree

from bfs_tutorial.centre_maps import check_positive
from bfs_tutorial.errors import InputError
from bfs_tutorial.stack import check_spacing

ROUNDING = 1e-9  # relative; voxels that lie on the edge of a window to within rounding are inside


def find_peaks(
    probability: np.ndarray,
    spacing: Sequence[float],
    threshold: float = 0.3,
    min_distance: float = 2.0,
    refine_radius: float | None = 3.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the local maxima of a likelihood map.

    A voxel is a peak when its value is at least `threshold` and no voxel of its window is higher, see
    `peak_window`; voxels at the faces of the volume count too. Touching voxels of the same height (a plateau,
    as where a sigmoid saturates) are one peak, in their middle.

    probability    (Z, Y, X), any finite map
    spacing        (z, y, x) µm a voxel
    min_distance   radius of the window in µm
    refine_radius  in µm, moves each peak between the voxels, see `refine_peaks`; None leaves it where it is
    Returns points (N, 3), rows (z, y, x) in voxel index units, and scores (N,), their heights, highest first.
    Raises InputError. Source: the peak stimulation of Zhou 2018, used in §3.2 and §3.4 of the paper.
    """
    probability, spacing = check_map(probability), check_spacing(spacing)
    window = peak_window(spacing, check_positive(min_distance, "min_distance"))
    if not np.isfinite(threshold):
        raise InputError(f"threshold is {threshold}: expected a number, such as 0.3")
    highest = ndimage.maximum_filter(probability, footprint=window, mode="constant", cval=-np.inf)
    is_peak = (probability >= threshold) & (probability == highest)  # (Z, Y, X)
    plateaus, count = ndimage.label(is_peak, structure=np.ones((3, 3, 3)))
    ids = np.arange(1, count + 1)
    points = np.reshape(ndimage.center_of_mass(is_peak, plateaus, ids), (count, 3))
    scores = np.reshape(ndimage.maximum(probability, plateaus, ids), count).astype(np.float64)
    if refine_radius is not None:
        points = refine_peaks(probability, points, spacing, refine_radius)
    return _highest_first(points, scores)


def peak_window(spacing: Sequence[float], radius: float) -> np.ndarray:
    """Return the voxels that a peak must not be lower than: a ball of `radius` µm and the 26 direct neighbours.

    In voxels the ball is an ellipsoid, short along a coarse axis. Returns an odd-sized (Z, Y, X) bool array.
    """
    half = np.maximum(np.floor(radius / np.array(spacing) * (1 + ROUNDING)), 1).astype(int)
    z, y, x = np.ogrid[tuple(slice(-n, n + 1) for n in half)]  # offsets in voxels
    squared = (z * spacing[0]) ** 2 + (y * spacing[1]) ** 2 + (x * spacing[2]) ** 2  # µm²
    direct = (abs(z) <= 1) & (abs(y) <= 1) & (abs(x) <= 1)
    return direct | (squared <= (radius * (1 + ROUNDING)) ** 2)


def refine_peaks(
    probability: np.ndarray, points: ArrayLike, spacing: Sequence[float], radius: float = 3.0, passes: int = 2
) -> np.ndarray:
    """Move each peak to the weighted centroid of the map around it, so that it may lie between voxels.

    c = Σ w x / Σ w over the voxels within `radius` µm, with w = p - min p: a weight that is 0 at the edge of
    the window follows a shifted peak fully, whereas w = p follows it only part of the way. A second pass
    centres the window on the result of the first.

    probability (Z, Y, X); points (N, 3) and the result (N, 3) in voxel index units; spacing (z, y, x) µm a voxel.
    Raises InputError.
    """
    probability, points = check_map(probability), check_points(points, np.shape(probability))
    spacing, radius = np.array(check_spacing(spacing)), check_positive(radius, "refine_radius")
    for _ in range(passes):
        points = np.array([_centroid(probability, point, spacing, radius) for point in points]).reshape(-1, 3)
    return points


def _centroid(probability: np.ndarray, point: np.ndarray, spacing: np.ndarray, radius: float) -> np.ndarray:
    """Return the centroid (3,) of the map around one point, rows as in `refine_peaks`.

    Near a face of the volume the window is narrowed on both sides alike, so that the missing half does not pull;
    along an axis on which it then holds no neighbour, the point stays.
    """
    to_face = np.minimum(point, np.array(probability.shape) - 1 - point).clip(min=0)  # (3,) voxels
    reach = np.minimum(radius / spacing, to_face) + ROUNDING
    window = tuple(map(slice, np.ceil(point - reach).astype(int), np.floor(point + reach).astype(int) + 1))
    offsets = np.stack([g - c for g, c in zip(np.mgrid[window], point, strict=True)], axis=-1)  # (z, y, x, 3)
    inside = np.linalg.norm(offsets * spacing, axis=-1) <= radius * (1 + ROUNDING)
    weight = probability[window][inside] - probability[window][inside].min(initial=np.inf)  # (V,)
    if not weight.any():
        return point
    return point + np.where(reach >= 1, weight @ offsets[inside] / weight.sum(), 0)


def merge_peaks(
    points: ArrayLike, scores: ArrayLike, spacing: Sequence[float], radius: float = 4.0
) -> tuple[np.ndarray, np.ndarray]:
    """Merge the peaks of one cell: the two closest become one until all are at least `radius` µm apart.

    A merged peak lies at Σ s_i x_i / Σ s_i over all peaks i that went into it, s_i their scores, and has the
    highest of these scores. Joining whatever is linked by steps shorter than the radius would be simpler,
    but a row of close cells then becomes one peak; here a group never grows far beyond the radius.

    points (N, 3), rows (z, y, x) in voxel index units; scores (N,) above 0; spacing (z, y, x) µm a voxel.
    Returns points (M, 3) and scores (M,), highest first; neither depends on the order of the peaks.
    Raises InputError. Source: §3.4 of the paper, which does not say how the groups are formed.
    """
    points, spacing = check_points(points), np.array(check_spacing(spacing))
    points, scores = _highest_first(points, check_scores(scores, len(points)))
    radius = check_positive(radius, "radius")
    position = np.vstack([points, np.zeros_like(points)])  # (2N, 3): the peaks, then room for merged ones
    weight, best = np.tile(scores, 2), np.tile(scores, 2)
    alive = np.arange(2 * len(points)) < len(points)
    pairs = cKDTree(points * spacing).query_pairs(radius * (1 + ROUNDING), output_type="ndarray")  # (P, 2)
    apart = np.linalg.norm((points[pairs[:, 0]] - points[pairs[:, 1]]) * spacing, axis=1)  # (P,) µm
    heap = [(d, i, j) for d, (i, j) in zip(apart.tolist(), pairs.tolist(), strict=True) if d < radius]
    heapq.heapify(heap)
    new = len(points)
    while heap:
        _, i, j = heapq.heappop(heap)  # the closest pair
        if alive[i] and alive[j]:
            position[new] = np.average(position[[i, j]], axis=0, weights=weight[[i, j]])
            weight[new], best[new] = weight[i] + weight[j], max(best[i], best[j])
            alive[[i, j]] = False
            others = np.flatnonzero(alive)
            apart = np.linalg.norm((position[others] - position[new]) * spacing, axis=1)
            for d, other in zip(apart[apart < radius].tolist(), others[apart < radius].tolist(), strict=True):
                heapq.heappush(heap, (d, other, new))
            alive[new] = True
            new += 1
    return _highest_first(position[alive], best[alive])


def check_map(probability: np.ndarray) -> np.ndarray:
    """Return the map as a float array (Z, Y, X), or raise InputError; unlike an image it may be constant."""
    probability = np.asarray(probability)
    if probability.ndim != 3 or probability.size == 0:
        kind = "empty" if probability.size == 0 else f"{probability.ndim}D"
        raise InputError(f"the map is {kind}, shape {probability.shape}: expected 3D, axes (z, y, x)")
    if probability.dtype.kind not in "biuf" or not np.isfinite(probability).all():
        raise InputError("the map is not made of finite real numbers: replace NaN and infinite values first")
    return probability.astype(np.result_type(probability, np.float32), copy=False)


def check_points(points: ArrayLike, shape: Sequence[int] | None = None) -> np.ndarray:
    """Return points as (N, 3) float64, N = 0 allowed, or raise InputError; shape (Z, Y, X) if they must lie inside."""
    points = np.asarray(points, dtype=np.float64)
    if points.size == 0:
        return np.zeros((0, 3))
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"the points have shape {points.shape}: expected (N, 3), rows (z, y, x)")
    if not np.isfinite(points).all():
        raise InputError("the points hold NaN or infinite values: expected finite positions (z, y, x)")
    if shape is not None and ((points < -0.5) | (points > np.array(shape) - 0.5)).any():
        raise InputError(f"some points lie outside the volume of shape {tuple(shape)}: expected voxel indices, not µm")
    return points


def check_scores(scores: ArrayLike, count: int) -> np.ndarray:
    """Return scores as (count,) float64, or raise InputError unless there is one finite number above 0 per point."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (count,) or not np.all((scores > 0) & np.isfinite(scores)):
        raise InputError(f"the scores have shape {scores.shape}: expected {count}, all finite and above 0")
    return scores


def _highest_first(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((points[:, 2], points[:, 1], points[:, 0], -scores))  # equal scores: by position
    return points[order], scores[order]


def best_threshold(scores: ArrayLike, hits: ArrayLike, wanted: int) -> float:
    """Choose the peak threshold with the highest F1 = 2 hits / (peaks + wanted) on stacks whose centres are known.

    scores (N,): heights of all peaks; hits (N,) bool: whether a peak lies on a cell of its own; wanted: number of
    true centres. Between two neighbouring scores every threshold does the same, so their middle is returned; of
    equally good ones the highest. Without any hit it is 0.5. No mask is needed, only clicks. Raises InputError.
    """
    hits = np.asarray(hits, dtype=bool)
    heights = check_scores(scores, len(hits))
    order = np.argsort(-heights, kind="stable")
    heights, correct = heights[order], hits[order]
    if not correct.any():
        return 0.5
    below = np.append(heights[1:], 0.0)
    f1 = 2 * np.cumsum(correct) / (np.arange(1, len(correct) + 1) + wanted)  # (N,) with the best 1, 2, ... peaks
    last = int(np.where(heights > below, f1, -1.0).argmax())  # no threshold parts peaks of equal height
    return float((heights[last] + below[last]) / 2)
