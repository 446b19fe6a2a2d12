"""A z-stack with its spacing, centres and labels: checked when it is made, read from and written to files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage import measure

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing, check_file, read_volume, replacing, write_volume
from bfs_tutorial.points import Clicks, check_unit, read_rois, read_table

SPACING_RANGE = (0.01, 100.0)  # µm a voxel: finer or coarser than any light microscope means another unit


@dataclass(frozen=True, eq=False)
class ZStack:
    """Hold one z-stack with everything that is known about it, checked and converted when it is made.

    image    (Z, Y, X) float32
    spacing  (z, y, x) µm a voxel
    centres  (N, 3) float64, rows (z, y, x) in voxel index units, or None
    labels   (Z, Y, X) int32, 0 = background, one number per cell, or None
    name     shown in tables and messages
    Raises InputError, see `check_image`, `check_spacing`, `check_centres`, `check_labels`.
    """

    image: np.ndarray
    spacing: Spacing
    centres: np.ndarray | None = None
    labels: np.ndarray | None = None
    name: str = "z-stack"

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", check_image(self.image))
        object.__setattr__(self, "spacing", check_spacing(self.spacing))
        if self.centres is not None:
            object.__setattr__(self, "centres", check_centres(self.centres, self.image.shape))
        if self.labels is not None:
            object.__setattr__(self, "labels", check_labels(self.labels, self.image.shape))


def check_image(image: np.ndarray) -> np.ndarray:
    """Return the volume as float32, or say why it is not a z-stack.

    image: (Z, Y, X), any real dtype.
    Raises InputError when it is not 3D, empty, not real numbers, not finite, or constant.
    """
    image = np.asarray(image)
    _check_3d(image, "a z-stack")
    if image.dtype.kind not in "biuf":
        raise InputError(f"the stack holds {image.dtype} values: expected real numbers")
    with np.errstate(over="ignore"):
        image = np.ascontiguousarray(image, dtype=np.float32)  # (Z, Y, X)
    bad = image.size - int(np.count_nonzero(np.isfinite(image)))
    if bad:
        raise InputError(f"{bad} of {image.size} voxels are NaN or infinite (as float32): replace them first")
    if image.min() == image.max():
        raise InputError(f"every voxel is {image.flat[0]:g}: a constant stack shows no cell")
    return image


def check_spacing(spacing: Sequence[float]) -> Spacing:
    """Return the voxel spacing as three floats (z, y, x) in µm.

    Raises InputError unless there are three finite numbers within `SPACING_RANGE`.
    """
    try:
        values = np.asarray(spacing)
    except ValueError:  # rows of unequal length
        values = np.empty(0)
    if values.shape != (3,) or values.dtype.kind not in "iuf":
        raise InputError(f"spacing is {spacing!r}: expected three numbers (z, y, x) in µm, as (2, 0.8, 0.8)")
    low, high = SPACING_RANGE
    if not all(low <= value <= high for value in values):  # false for NaN too
        shown = ", ".join(f"{value:g}" for value in values)
        raise InputError(f"spacing is ({shown}): expected (z, y, x) in µm, each from {low:g} to {high:g}")
    z, y, x = (float(value) for value in values)
    return z, y, x


def check_centres(centres: np.ndarray, shape: Sequence[int] | None = None) -> np.ndarray:
    """Return the centres as (N, 3) float64, rows (z, y, x) in voxel index units.

    shape: (Z, Y, X) of the volume they must lie in: voxel i spans i - 0.5 to i + 0.5.
    Raises InputError when there is none, one is not finite, one lies outside, or two are identical.
    """
    try:
        points = np.asarray(centres, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the centres are not numbers ({error}): expected rows of (z, y, x)") from error
    if points.size == 0:
        raise InputError("there are no centres: click at least one, near the middle of a cell")
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"the centres have shape {points.shape}: expected (N, 3), rows (z, y, x) in voxels")
    _refuse_rows(points, ~np.isfinite(points).all(axis=1), "is not finite")
    if shape is not None:
        outside = ((points < -0.5) | (points > np.asarray(shape) - 0.5)).any(axis=1)  # (N,)
        size = f"{_times(shape)} voxels (z, y, x)"
        reason = f"lies outside the stack of {size}: is it in µm (--points-unit um), or of another stack?"
        _refuse_rows(points, outside, reason)
    first = np.unique(points, axis=0, return_index=True)[1]
    repeated = ~np.isin(np.arange(len(points)), first)
    _refuse_rows(points, repeated, "is there twice: keep one click a cell")
    return points


def check_labels(labels: np.ndarray, shape: Sequence[int] | None = None) -> np.ndarray:
    """Return instance labels as (Z, Y, X) int32, 0 = background.

    shape: (Z, Y, X) they must have.
    Raises InputError when they are not 3D, empty, not integers, negative, too large, or of another shape.
    """
    labels = np.asarray(labels)
    _check_3d(labels, "a label volume")
    if labels.dtype.kind not in "iu":
        raise InputError(f"the labels are {labels.dtype}: expected integers, 0 = background, one per cell")
    if shape is not None and labels.shape != tuple(shape):
        raise InputError(f"the labels have {_times(labels.shape)} voxels (z, y, x): expected {_times(shape)}")
    low, high = int(labels.min()), int(labels.max())
    most = np.iinfo(np.int32).max
    if low < 0 or high > most:
        raise InputError(f"the labels go from {low} to {high}: expected 0 (background) to {most}")
    return np.ascontiguousarray(labels, dtype=np.int32)


def _check_3d(volume: np.ndarray, expected: str) -> None:
    if volume.ndim != 3:
        raise InputError(f"the array is {volume.ndim}D, shape {volume.shape}: expected {expected} (z, y, x)")
    if volume.size == 0:
        raise InputError(f"the array is empty, shape {volume.shape}: expected {expected} (z, y, x)")


def _refuse_rows(points: np.ndarray, wrong: np.ndarray, reason: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        more = f" (and {int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
        place = ", ".join(f"{value:g}" for value in points[row])
        raise InputError(f"centre {row + 1} of {len(points)} at ({place}){more} {reason}")


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(int(size)) for size in shape)


def read_stack(path: str | Path, spacing: Sequence[float] | None = None, name: str | None = None) -> ZStack:
    """Read a z-stack from a TIFF, OME-TIFF or ImageJ TIFF.

    spacing: (z, y, x) µm; without it, the spacing in the file's metadata is taken.
    Raises InputError when the file is no single-channel z-stack, is damaged, or its spacing is not known.
    """
    path = Path(path)
    if spacing is not None:
        spacing = check_spacing(spacing)
    with _named(path):
        image, found = read_volume(path)
        if spacing is None and found is None:
            raise InputError("its metadata do not state the spacing: give --spacing Z Y X, in µm a voxel")
        try:
            spacing = spacing or check_spacing(found)
        except InputError as error:
            raise InputError(f"in its metadata, {error}; give --spacing Z Y X instead") from error
        return ZStack(image, spacing, name=name or path.name.split(".")[0])


def read_labels(path: str | Path, shape: Sequence[int] | None = None) -> np.ndarray:
    """Read instance labels (Z, Y, X) int32 from a TIFF.

    A mask of 0 and 255, which tells cells apart by the gaps between them, gets one number for each of its regions
    (voxels linked through their faces). shape: (Z, Y, X) the labels must have.
    Raises InputError when the file holds none, see `check_labels`.
    """
    path = Path(path)
    with _named(path):
        labels = check_labels(read_volume(path)[0], shape)
    is_mask = labels.max() == 255 and np.isin(labels, (0, 255)).all()
    return ndimage.label(labels)[0].astype(np.int32) if is_mask else labels


def read_points(
    path: str | Path, shape: Sequence[int] | None = None, spacing: Spacing | None = None, unit: str | None = None
) -> np.ndarray:
    """Read centres (N, 3), rows (z, y, x) in voxel index units, from a file of `read_clicks`."""
    return read_clicks(path, shape, spacing, unit).points


def read_clicks(
    path: str | Path, shape: Sequence[int] | None = None, spacing: Spacing | None = None, unit: str | None = None
) -> Clicks:
    """Read centres from a CSV of napari or Fiji, from Fiji's ROI files, or from a volume of centre balls.

    A CSV has napari's columns axis-0, axis-1, axis-2, or z, y, x, or Fiji's X, Y, Slice; others are ignored. A .roi
    or .zip is Fiji's. In a TIFF, a 0/255 mask or labels, each connected region of one value is one cell, its
    centroid the centre. shape: (Z, Y, X) and spacing: (z, y, x) µm of the stack they belong to.
    unit: "voxel" or "um"; None, see `points.read_table`.
    Raises InputError when the file has neither form, or see `check_centres`.
    """
    path, unit = Path(path), check_unit(unit)
    readers: dict[str, Callable[..., Clicks]] = {
        ".csv": read_table, ".roi": read_rois, ".zip": read_rois, ".tif": _read_balls, ".tiff": _read_balls,
    }
    with _named(path):
        if path.suffix.lower() not in readers:
            raise InputError("points come as .csv (napari, Fiji), .roi or .zip (Fiji), or .tif (a ball at each centre)")
        check_file(path)
        points, source = readers[path.suffix.lower()](path, spacing, unit)
        return Clicks(check_centres(points, shape), source)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name before the message of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read_balls(path: Path, spacing: Spacing | None = None, unit: str | None = None) -> Clicks:
    """Return the centroid (z, y, x) of each connected region of one value, in voxels."""
    if unit == "um":
        raise InputError("the balls of a TIFF are voxels: leave --points-unit um out")
    balls = check_labels(read_volume(path)[0])
    if np.count_nonzero(balls) > balls.size / 2:
        raise InputError("more than half of its voxels are not 0: expected a small ball at each centre, on 0")
    regions, count = measure.label(balls, connectivity=3, return_num=True)
    return Clicks(np.array(ndimage.center_of_mass(balls > 0, regions, np.arange(1, count + 1))), "balls of a TIFF")


def write_stack(path: str | Path, stack: ZStack, overwrite: bool = False) -> None:
    """Write the image of a stack as float32 TIFF with its spacing; napari and Fiji open it.

    Raises InputError, see `replacing`.
    """
    write_volume(path, stack.image, stack.spacing, overwrite)


def write_labels(
    path: str | Path, labels: np.ndarray, spacing: Sequence[float], overwrite: bool = False
) -> None:
    """Write instance labels (Z, Y, X) as uint16 TIFF (uint32 beyond 65535); napari and Fiji open it.

    spacing: (z, y, x) µm. Raises InputError, see `check_labels`, `check_spacing`, `replacing`.
    """
    labels = check_labels(labels)
    small = labels.max() <= np.iinfo(np.uint16).max
    write_volume(path, labels.astype(np.uint16 if small else np.uint32), check_spacing(spacing), overwrite)


def write_points(path: str | Path, points: np.ndarray, overwrite: bool = False) -> None:
    """Write points (N, 3), rows (z, y, x) in voxel index units, as CSV in napari's layout.

    No points is no error here: a segmentation may find no cell. Raises InputError, see `replacing`.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    with replacing(path, overwrite) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["index", "axis-0", "axis-1", "axis-2"])
        writer.writerows([index, *(float(value) for value in point)] for index, point in enumerate(points))
