"""What BFS-Net has to beat: two classical methods without learning, and a ball of one size at every centre."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from skimage.filters import threshold_otsu

from bfs_tutorial.centre_maps import check_positive, nearest_centre
from bfs_tutorial.errors import InputError
from bfs_tutorial.instances import assign_instances
from bfs_tutorial.metrics import evaluate
from bfs_tutorial.normalise import check_modality
from bfs_tutorial.peaks import find_peaks
from bfs_tutorial.stack import ZStack, check_image, check_spacing


def threshold_watershed(
    image: np.ndarray,
    spacing: Sequence[float],
    modality: str = "fluorescence",
    smooth: float = 1.5,
    threshold: float | str = "otsu",
    log: bool = True,
    seed_distance: float = 5.0,
    min_volume: float = 100.0,
) -> np.ndarray:
    """x"""
    spacing = check_spacing(spacing)
    bright = cell_signal(image, spacing, modality, smooth)
    mask = above_threshold(bright, threshold, log)
    depth = ndimage.distance_transform_edt(mask, spacing)
    depth = smooth_um(depth, spacing, 1.0)
    points, scores = find_peaks(depth, spacing, threshold=1.0, min_distance=seed_distance, refine_radius=None)
    return assign_instances(mask, points, spacing, scores, min_volume)


def smooth_um(image, spacing, sigma):
    return ndimage.gaussian_filter(np.asarray(image, dtype=np.float32), [sigma / s for s in spacing], mode="nearest")


def cell_signal(image, spacing, modality, smooth):
    image = check_image(image)
    if check_modality(modality) == "fluorescence":
        return smooth_um(image, spacing, smooth)
    mean = smooth_um(image, spacing, smooth)
    return np.sqrt(np.maximum(smooth_um(image**2, spacing, smooth) - mean**2, 0))


def above_threshold(bright, threshold, log):
    if threshold == "otsu":
        if log:
            return bright > np.exp(threshold_otsu(np.log(np.maximum(bright, 1e-9 + 0 * bright))))
        return bright > threshold_otsu(bright)
    return bright > threshold


def voronoi_otsu(image, spacing, modality="fluorescence", spot_sigma=3.0, outline_sigma=1.0, log=True, min_volume=100.0):
    spacing = check_spacing(spacing)
    spots = cell_signal(image, spacing, modality, spot_sigma)
    mask = above_threshold(cell_signal(image, spacing, modality, outline_sigma), "otsu", log)
    points, scores = find_peaks(spots, spacing, threshold=float(spots.min()), refine_radius=None)
    inside = mask[tuple(np.rint(points).astype(int).T)]
    return assign_instances(mask, points[inside], spacing, None, min_volume, elevation="distance")
