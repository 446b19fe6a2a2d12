"""From a mask and one point per cell to instance labels: the marker-controlled watershed of §3.4."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from skimage.segmentation import watershed

from bfs_tutorial.centre_maps import check_positive
from bfs_tutorial.errors import InputError
from bfs_tutorial.peaks import check_map, check_points, check_scores
from bfs_tutorial.stack import check_spacing

ELEVATIONS = ("depth", "distance")


def assign_instances(
    mask: np.ndarray,
    points: ArrayLike,
    spacing: Sequence[float],
    scores: ArrayLike | None = None,
    min_volume: float | None = None,
    threshold: float = 0.5,
    elevation: str = "depth",
    core: float = 3.0,
    reach: float = 3.0,
) -> np.ndarray:
    """Divide the mask among the points: water rises from every point and fills the mask until it meets other water.

    mask        (Z, Y, X) bool, or a probability, of which the mask is what lies above `threshold`
    points      (N, 3), rows (z, y, x) in voxel index units; N = 0 gives an empty result
    spacing     (z, y, x) µm a voxel
    scores      (N,), decide which of two points in one voxel stays; without them the first one does
    min_volume  in µm³, smaller instances are removed
    elevation   the landscape that is flooded, see `landscape`; core in µm belongs to it
    reach       in µm, how far a point outside the mask may move to find it, see `place_markers`
    Returns labels (Z, Y, X) int32: label i + 1 belongs to point i, whose number is missing where it got nothing.
    Parts of the mask (voxels linked through their faces) that hold no point are dropped.
    Raises InputError. Source: §3.4 of the paper, which leaves the landscape open.
    """
    mask = _check_mask(mask, threshold)
    if min_volume is not None and not min_volume >= 0:
        raise InputError(f"min_volume is {min_volume}: expected µm³, at least 0")
    markers = place_markers(mask, points, spacing, scores, reach)
    heights = landscape(mask, markers, spacing, elevation, core)
    labels = watershed(heights, markers, mask=mask).astype(np.int32)  # (Z, Y, X)
    if min_volume is not None:
        volume = np.bincount(labels.ravel()) * np.prod(spacing)  # (N + 1,) µm³
        labels[(volume < min_volume)[labels]] = 0
    return labels


def place_markers(
    mask: np.ndarray, points: ArrayLike, spacing: Sequence[float], scores: ArrayLike | None = None, reach: float = 3.0
) -> np.ndarray:
    """Write i + 1 into the voxel of point i, the source of its water.

    A point outside the mask moves to the nearest voxel of the mask if that is at most `reach` µm away and
    gets no marker otherwise. Of two points in one voxel the one with the higher score stays, else the first.
    Returns (Z, Y, X) int32, 0 = no marker. Raises InputError.
    """
    points, spacing = check_points(points, mask.shape), np.array(check_spacing(spacing))
    scores = np.ones(len(points)) if scores is None else check_scores(scores, len(points))
    if not reach >= 0:
        raise InputError(f"reach is {reach}: expected µm, at least 0")
    markers = np.zeros(mask.shape, dtype=np.int32)
    if not mask.any():
        return markers
    voxels = np.clip(np.floor(points + 0.5), 0, np.array(mask.shape) - 1).astype(int)  # (N, 3)
    nearest = voxels
    if not mask[tuple(voxels.T)].all():
        indices = ndimage.distance_transform_edt(~mask, spacing, return_distances=False, return_indices=True)
        nearest = indices[(slice(None), *voxels.T)].T  # (N, 3), the voxel itself where it is in the mask
    moved = np.linalg.norm((nearest - voxels) * spacing, axis=1)  # (N,) µm
    for i in np.argsort(-scores, kind="stable")[::-1]:  # the best last, so that it stays
        if moved[i] <= reach:
            markers[tuple(nearest[i])] = i + 1
    return markers


def landscape(
    mask: np.ndarray, markers: np.ndarray, spacing: Sequence[float], elevation: str = "depth", core: float = 3.0
) -> np.ndarray:
    """Return the heights that the water climbs, in µm.

    "distance": the distance to the nearest marker, so that cells are cut half way between their points.
    "depth": minus the distance to the edge of the mask, so that cells are cut at the neck between them, which is
    right for unequal cells too. A point off the middle of its cell would lose it to a deeper neighbour, whose water
    comes over the neck first; so everything within `core` µm of a marker is sunk below the rest, lowest at the marker.

    mask (Z, Y, X) bool, markers (Z, Y, X) int, spacing (z, y, x) µm. Returns (Z, Y, X) float64. Raises InputError.
    """
    if elevation not in ELEVATIONS:
        raise InputError(f"elevation {elevation!r} is unknown; choose one of {', '.join(ELEVATIONS)}")
    core = check_positive(core, "core")
    if not markers.any():
        return np.zeros(mask.shape)
    to_marker = ndimage.distance_transform_edt(markers == 0, check_spacing(spacing))
    if elevation == "distance" or mask.all():  # a mask without an edge has no depth
        return to_marker
    depth = ndimage.distance_transform_edt(mask, check_spacing(spacing))
    return np.where(to_marker <= core, to_marker - core - depth.max(), -depth)


def _check_mask(mask: np.ndarray, threshold: float) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.dtype.kind not in "bf":
        raise InputError(f"the mask is {mask.dtype}: expected bool or a probability; for 0/255 write mask > 0")
    if not np.isfinite(threshold):
        raise InputError(f"threshold is {threshold}: expected a number, such as 0.5")
    values = check_map(mask)
    return mask if mask.dtype == bool else values > threshold
