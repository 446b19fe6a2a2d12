"""What BFS-Net has to beat: two classical methods that learn nothing, and a ball of one size at every centre.

The signal that tells cell from background is the brightness in fluorescence. In bright field cells are as often
darker as brighter than their surroundings, so the signal there is the local standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from skimage.filters import threshold_otsu

from bfs_tutorial.centre_maps import check_positive, check_shape, nearest_centre
from bfs_tutorial.errors import InputError
from bfs_tutorial.instances import assign_instances
from bfs_tutorial.metrics import evaluate
from bfs_tutorial.normalise import check_modality
from bfs_tutorial.peaks import check_points, find_peaks
from bfs_tutorial.stack import ZStack, check_image, check_spacing

SMOOTH = {"fluorescence": 0.8, "bright-field": 2.0}  # µm, see `cell_signal`


def threshold_watershed(
    image: np.ndarray,
    spacing: Sequence[float],
    modality: str = "fluorescence",
    smooth: float | None = None,
    threshold: float | str = "otsu",
    log: bool = True,
    seed_distance: float = 5.0,
    min_volume: float = 100.0,
) -> np.ndarray:
    """Segment cells the classical way: threshold, distance to the edge, watershed from its maxima.

    image          (Z, Y, X);  spacing (z, y, x) µm a voxel;  modality "fluorescence" or "bright-field"
    smooth         in µm, see `cell_signal`; None takes the value of `SMOOTH` for the modality
    threshold, log see `bright_mask`
    seed_distance  in µm, cells whose middles are closer than this are not told apart
    min_volume     in µm³, smaller pieces are dropped
    Returns labels (Z, Y, X) int32. Raises InputError.
    """
    spacing = check_spacing(spacing)
    mask = bright_mask(cell_signal(image, spacing, modality, smooth), threshold, log)
    depth = blur(ndimage.distance_transform_edt(mask, spacing), spacing, 1.0)  # smooth, or ridges give many maxima
    middles, depths = find_peaks(depth, spacing, 1.0, seed_distance, refine_radius=None)
    return assign_instances(mask, middles, spacing, depths, min_volume)


def voronoi_otsu(
    image: np.ndarray,
    spacing: Sequence[float],
    modality: str = "fluorescence",
    spot_sigma: float = 3.0,
    outline_sigma: float | None = None,
    log: bool = True,
    min_volume: float = 100.0,
) -> np.ndarray:
    """Segment cells by Voronoi-Otsu labelling: maxima of a broad blur, parted half way, inside the mask of a fine one.

    image          (Z, Y, X);  spacing (z, y, x) µm a voxel;  modality "fluorescence" or "bright-field"
    spot_sigma     in µm, blur before the maxima are sought, about a third of a cell's radius and more
    outline_sigma  in µm, blur before Otsu's threshold; None takes the value of `SMOOTH` for the modality
    log            see `bright_mask`;  min_volume in µm³, smaller pieces are dropped
    Returns labels (Z, Y, X) int32. Raises InputError. Source: Haase 2020, CLIJ; the name is theirs.
    """
    spacing = check_spacing(spacing)
    mask = bright_mask(cell_signal(image, spacing, modality, outline_sigma), log=log)
    spots = cell_signal(image, spacing, modality, spot_sigma)
    points, scores = find_peaks(spots, spacing, float(spots.min()), refine_radius=None)
    return assign_instances(mask, points, spacing, scores, min_volume, elevation="distance", reach=0)


def balls(shape: Sequence[int], centres: ArrayLike, spacing: Sequence[float], radius: float) -> np.ndarray:
    """Draw a ball of one radius around every centre; where balls overlap, a voxel goes to the nearest centre.

    The control that shows what a method adds to "the right centres and one size".
    shape (Z, Y, X); centres (N, 3), rows (z, y, x) in voxel index units, N = 0 allowed; spacing (z, y, x) µm a voxel;
    radius in µm. Returns labels (Z, Y, X) int32, i + 1 for centre i. Raises InputError.
    """
    radius = check_positive(radius, "radius")
    if len(check_points(centres, check_shape(shape))) == 0:
        return np.zeros(shape, dtype=np.int32)
    return nearest_centre(shape, centres, spacing, reach=radius)[1] + 1


def cell_signal(
    image: np.ndarray, spacing: Sequence[float], modality: str = "fluorescence", smooth: float | None = None
) -> np.ndarray:
    """Return what is high in cells: the blurred image I * G in fluorescence, √(I² * G - (I * G)²) in bright field.

    smooth: σ of the Gaussian G in µm; None takes the value of `SMOOTH`. Returns (Z, Y, X) float64. Raises InputError.
    """
    smooth = SMOOTH[check_modality(modality)] if smooth is None else check_positive(smooth, "smooth")
    image = check_image(image).astype(np.float64)
    if modality == "fluorescence":
        return blur(image, spacing, smooth)
    return np.sqrt(np.maximum(blur(image**2, spacing, smooth) - blur(image, spacing, smooth) ** 2, 0))


def bright_mask(signal: np.ndarray, threshold: float | str = "otsu", log: bool = True) -> np.ndarray:
    """Return where the signal is above a threshold, by default the one of Otsu 1979.

    Otsu's threshold parts the grey values into two classes of least variance. On log grey values, a cell ten times
    brighter than another no longer counts as the only class of cells; this needs values above 0, so keep the
    background that the camera gives. threshold: a number in the units of the signal, or "otsu".
    Returns (Z, Y, X) bool. Raises InputError.
    """
    if threshold != "otsu":
        if isinstance(threshold, str) or not np.isfinite(threshold):
            raise InputError(f'threshold is {threshold!r}: expected a number or "otsu"')
        return signal > threshold
    if not signal.max() > 0 or not log:
        return signal > threshold_otsu(signal.ravel())
    values = np.log(np.maximum(signal, signal[signal > 0].min()))
    return values > threshold_otsu(values.ravel())


def blur(volume: np.ndarray, spacing: Sequence[float], sigma: float) -> np.ndarray:
    """Blur a volume (Z, Y, X) with a Gaussian of σ µm; spacing (z, y, x) µm a voxel."""
    return ndimage.gaussian_filter(volume, [sigma / s for s in spacing], mode="nearest")


def tune(
    baseline: Callable[..., np.ndarray], stacks: Sequence[ZStack], grid: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """Return the settings of a baseline that give the highest mean SEG on training stacks, the first of equals.

    baseline  called as baseline(stack, **settings), returns labels (Z, Y, X)
    stacks    with labels: this uses more of the truth than the points that BFS-Net learns from, so it favours
              the baseline. Score the result on other stacks.
    grid      {"setting": values to try}, every combination is tried
    Raises InputError when there is no stack, one has no labels, or nothing is to be tried.
    """
    if not stacks or any(stack.labels is None for stack in stacks):
        raise InputError(f"tune got {len(stacks)} stacks: expected at least one, each with labels to compare with")
    tried = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    if not tried:
        raise InputError(f"the grid {dict(grid)} has a setting without values: give at least one value for each")
    return max(tried, key=lambda settings: mean_seg(baseline, stacks, settings))


def mean_seg(baseline: Callable[..., np.ndarray], stacks: Sequence[ZStack], settings: Mapping[str, Any]) -> float:
    """Return the mean SEG of a baseline with these settings over stacks with labels, see `tune`."""
    return float(np.mean([evaluate(baseline(stack, **settings), stack.labels)["SEG"] for stack in stacks]))
