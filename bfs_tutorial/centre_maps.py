"""Centre maps: clicked points become the volume that S1 learns to predict, Eq. (1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from bfs_tutorial.errors import InputError
from bfs_tutorial.stack import check_centres, check_spacing

ON_A_FACE = 1 + 1e-6  # a plane that runs exactly along the face of a voxel counts as touching it


def centre_map(
    shape: Sequence[int],
    centres: ArrayLike,
    spacing: Sequence[float],
    d_m: float = 8.0,
    k: float = 2.0,
    border: bool = True,
) -> np.ndarray:
    """Give each voxel the likelihood that it is the centre of a cell.

    Eq. (1): p(x) = exp(-k D(x) / d_m) where D(x) <= d_m, 0 beyond, and 0 on the borders of the Voronoi cells.
    D(x) is the distance in µm to the nearest centre, computed exactly: centres may lie between voxels.

    shape    (Z, Y, X) of the map
    centres  (N, 3), rows (z, y, x) in voxel index units
    spacing  (z, y, x) µm a voxel
    d_m      radius in µm within which p is not 0
    k        how steeply p falls: it is exp(-k) at the radius d_m
    border   False leaves the Voronoi borders out (an ablation)
    Returns (Z, Y, X) float32 in [0, 1]. Raises InputError. Source: §3.1 of the paper.
    Two centres in one voxel, or in neighbouring ones, have their border where their peaks are: p is 0 there.
    """
    d_m, k = check_positive(d_m, "d_m"), check_positive(k, "k")
    distance, cell = nearest_centre(shape, centres, spacing, reach=d_m)  # both (Z, Y, X)
    near = cell >= 0
    likelihood = np.zeros(near.shape, dtype=np.float32)
    likelihood[near] = np.exp(-k * distance[near] / d_m)
    if border:
        likelihood[voronoi_border(cell, centres, spacing)] = 0
    return likelihood


def nearest_centre(
    shape: Sequence[int], centres: ArrayLike, spacing: Sequence[float], reach: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest centre of each voxel and its distance: the Voronoi cells of the centres.

    D(x) = min_i |x - c_i|, a running minimum over the centres. Each centre visits only the voxels within
    `reach` µm of it (None: all), so 100 centres in a large volume cost little more than the volume itself.
    Returns distance (Z, Y, X) float64 in µm, inf beyond reach, and cell (Z, Y, X) int32, the row of the
    nearest centre (the first of several at the same distance), -1 beyond reach. Raises InputError.
    """
    shape, spacing = check_shape(shape), np.array(check_spacing(spacing))
    reach = np.inf if reach is None else check_positive(reach, "reach")
    distance = np.full(shape, np.inf)
    cell = np.full(shape, -1, dtype=np.int32)
    for i, centre in enumerate(check_centres(centres, shape)):
        low = np.maximum(np.ceil(centre - reach / spacing), 0).astype(int)
        high = np.minimum(np.floor(centre + reach / spacing) + 1, shape).astype(int)
        window = tuple(map(slice, low, high))
        z, y, x = (s * (axis - c) for s, axis, c in zip(spacing, np.ogrid[window], centre, strict=True))  # µm
        to_centre = np.sqrt(z**2 + y**2 + x**2)
        nearer = (to_centre < distance[window]) & (to_centre <= reach)
        distance[window][nearer] = to_centre[nearer]
        cell[window][nearer] = i
    return distance, cell


def voronoi_border(cell: np.ndarray, centres: ArrayLike, spacing: Sequence[float]) -> np.ndarray:
    """Mark the voxels that a border between two Voronoi cells runs through.

    The border between centres i and j lies on the plane half way between them, with normal
    n = (c_j - c_i) / |c_j - c_i|. A voxel nearest to i is on the border when that plane meets its box:
    (D_j² - D_i²) / (2 |c_j - c_i|) <= ½ Σ_a |n_a| spacing_a, the box's half width along n. This is exact and
    depends neither on the order of the centres nor on left and right: one voxel thick where the plane passes
    inside a voxel, two where it runs along a face.

    cell     (Z, Y, X) row of the nearest centre, -1 = not asked for; from `nearest_centre`
    centres  (N, 3), rows (z, y, x) in voxel index units;  spacing  (z, y, x) µm a voxel
    Returns (Z, Y, X) bool. Raises InputError. Source: the set B_V of Eq. (1).
    """
    spacing = np.array(check_spacing(spacing))
    positions = check_centres(centres, cell.shape) * spacing  # (N, 3) µm
    border = np.zeros(cell.shape, dtype=bool)
    for i, window in enumerate(ndimage.find_objects(cell + 1, max_label=len(positions))):
        if window is None:  # no voxel is nearest to this centre
            continue
        z, y, x = (s * axis - c for s, axis, c in zip(spacing, np.ogrid[window], positions[i], strict=True))  # µm
        own = cell[window] == i
        farthest = np.sqrt((z**2 + y**2 + x**2)[own].max())
        apart = np.delete(positions, i, axis=0) - positions[i]  # (N - 1, 3), c_j - c_i
        length = np.linalg.norm(apart, axis=1)
        normal = apart / length[:, None]
        begins = length / 2 - 0.5 * np.abs(normal) @ spacing * ON_A_FACE  # along n, from c_i
        for n, start in zip(normal[begins <= farthest], begins[begins <= farthest], strict=True):
            border[window] |= own & (n[0] * z + n[1] * y + n[2] * x >= start)
    return border


def check_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return the shape (Z, Y, X) as three integers, or raise InputError."""
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"shape is {tuple(shape)}: expected three numbers of voxels, (z, y, x), each at least 1")
    z, y, x = (int(n) for n in shape)
    return z, y, x


def check_positive(value: float, name: str) -> float:
    """Return the value when it is a finite number above 0, otherwise raise InputError."""
    if not 0 < value < np.inf:  # true for NaN too
        raise InputError(f"{name} is {value}: expected a finite number above 0")
    return value
