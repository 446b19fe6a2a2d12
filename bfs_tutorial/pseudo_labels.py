"""From peak response maps to pseudo labels: the training target of S2 (§3.2 and §3.3)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage
from scipy.cluster.vq import kmeans2
from skimage.filters import threshold_otsu

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing
from bfs_tutorial.peak_response import Window, fold_batch_norm, iterate_responses, normalise_response
from bfs_tutorial.stack import check_spacing


def snap_to_maxima(points: np.ndarray, probability: np.ndarray, spacing: Spacing, radius: float = 3.0) -> np.ndarray:
    """Move every clicked point to the voxel of the highest S1 probability within `radius` µm: (N, 3) -> (N, 3) int.

    Clicks are imprecise, and a response map is only sharp when it starts from a local maximum of the network.
    """
    reach = np.ceil(radius / np.asarray(check_spacing(spacing))).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(grid * spacing, axis=1)
    ball = grid[distance.argsort(kind="stable")][: np.count_nonzero(distance <= radius)]  # nearest first: wins ties
    start = np.rint(points).astype(int)
    around = np.clip(start[:, None] + ball[None], 0, np.array(probability.shape) - 1)  # (N, K, 3)
    best = probability[tuple(np.moveaxis(around, -1, 0))].argmax(axis=1)
    return around[np.arange(len(start)), best]


def response_mask(response: np.ndarray, spacing: Spacing, smoothing: float = 3.0, factor: float = 1.0) -> np.ndarray:
    """Threshold one response map (z, y, x): Gaussian of `smoothing` µm, then Otsu's threshold times `factor`.

    A raw map is speckled: it names the voxels that mattered most, not all voxels of the cell.
    """
    smoothed = ndimage.gaussian_filter(response, np.divide(smoothing, spacing), mode="constant")
    if smoothed.max() <= 0:
        return np.zeros(response.shape, dtype=bool)
    return smoothed > factor * threshold_otsu(smoothed)


def combine(
    responses: Iterable[tuple[Window, np.ndarray]],
    shape: tuple[int, int, int],
    spacing: Spacing,
    smoothing: float = 3.0,
    factor: float = 1.0,
    rule: str = "prm",
) -> np.ndarray:
    """Pseudo labels (Z, Y, X), int32: map i becomes label i + 1; where masks overlap the stronger map wins.

    responses: (window, map) as `peak_response.iterate_responses` yields them. Strength is the smoothed map
    divided by its own maximum, so that a bright cell does not swallow its neighbour.
    """
    if not factor > 0:
        raise InputError(f"the threshold factor is {factor}; expected a number above 0")
    labels = np.zeros(shape, dtype=np.int32)
    strength = np.zeros(shape, dtype=np.float32)
    for number, (window, raw) in enumerate(responses, start=1):
        inside = tuple(slice(0, min(s.stop, n) - s.start) for s, n in zip(window, shape, strict=True))
        response = normalise_response(raw[inside], rule)
        smoothed = ndimage.gaussian_filter(response, np.divide(smoothing, spacing), mode="constant")
        relative = smoothed / max(smoothed.max(), 1e-30)
        wins = response_mask(response, spacing, smoothing, factor) & (relative > strength[window])
        labels[window][wins] = number
        strength[window][wins] = relative[wins]
    return labels


def pseudo_labels(
    model,
    image: np.ndarray,
    peaks: np.ndarray,
    spacing: Spacing,
    smoothing: float = 3.0,
    factor: float = 1.0,
    rule: str = "prm",
) -> np.ndarray:
    """Pseudo labels of one normalised z-stack (Z, Y, X): one back-propagation through S1 per peak, then `combine`.

    peaks: (N, 3) voxels, for training stacks the clicked points after `snap_to_maxima`. rule: how responses go
    back, see `peak_response.peak_responses`; "guided" is what Nishimura 2019 uses. Source: §3.2.
    """
    responses = iterate_responses(fold_batch_norm(model), image, peaks, rule)
    return combine(responses, image.shape, spacing, smoothing, factor, rule)


def joint_labels(labels: np.ndarray, responses: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """Pseudo labels from image and response together: Otsu's threshold on their product, inside each Voronoi cell.

    labels (Z, Y, X): Voronoi cell of every voxel, i + 1 for point i. responses (Z, Y, X): smoothed response of
    the voxel's own peak, relative to its maximum. signal (Z, Y, X) >= 0: what is high in cells, see
    `baselines.cell_signal`. Returns (Z, Y, X) int32. Source: after Dong 2019, who threshold image and PRM jointly.
    """
    joint = responses * signal
    mask = np.zeros(labels.shape, dtype=bool)
    for number in range(1, int(labels.max()) + 1):
        cell = labels == number
        inside = joint[cell]
        if inside.size and inside.max() > inside.min():
            mask[cell] = inside > threshold_otsu(inside[inside > 0])
    return np.where(mask, labels, 0).astype(np.int32)


def cluster_labels(
    signal: np.ndarray, cells: np.ndarray, distance: np.ndarray, reach: float = 15.0, seed: int = 0
) -> np.ndarray:
    """Pseudo labels by k-means with three clusters in (signal, distance to the point): cell, background, unsure.

    signal (Z, Y, X): what is high in cells. cells (Z, Y, X): Voronoi cell of every voxel, i + 1 for point i.
    distance (Z, Y, X): µm to the nearest point, cut at `reach` µm. The cluster nearest to the points is taken as
    cell; the other two are not. Returns (Z, Y, X) int32. Source: Qu 2019, who cluster colour and distance in 2D.
    """
    features = np.stack([signal.ravel() / signal.std(), np.minimum(distance, reach).ravel() / (reach / 3)], axis=1)
    _, cluster = kmeans2(features, 3, seed=np.random.default_rng(seed), minit="++")
    means = [distance.ravel()[cluster == k].mean() if (cluster == k).any() else np.inf for k in range(3)]
    return np.where((cluster == np.argmin(means)).reshape(cells.shape), cells, 0).astype(np.int32)
