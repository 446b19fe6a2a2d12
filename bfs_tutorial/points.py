"""Clicks as biologists' programs save them: napari's and Fiji's tables, Fiji's ROI files. All become (z, y, x) voxels.

napari counts voxels from 0, and 0 is the middle of the first voxel; so does this package. Its table holds voxels
whatever the scale of the layer is, unless the layer had no scale beside a scaled image: then it holds µm. Fiji
counts slices from 1. Its table has X and Y in the unit of the image, often µm, and does not say so; its ROI files
always have pixels. Where Fiji's clicks are finer than a pixel, 0 is the corner of the first pixel, not its middle.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing, one_line

UNITS = ("voxel", "um")
NAPARI, PLAIN, FIJI = ("axis-0", "axis-1", "axis-2"), ("z", "y", "x"), ("slice", "y", "x")
ROUNDING = 1e-3  # Fiji's tables have three decimals
ASK = "give --points-unit um or --points-unit voxel"


class Clicks(NamedTuple):
    """Hold points (N, 3), rows (z, y, x) in voxel index units, and a few words on how they were read."""

    points: np.ndarray
    source: str


def check_unit(unit: str | None) -> str | None:
    """Return the unit as it is. Raises InputError unless it is "voxel", "um" or None, which means: find out."""
    if unit not in (None, *UNITS):
        raise InputError(f"the unit of the points is {unit!r}: expected {' or '.join(UNITS)}")
    return unit


# ---- tables --------------------------------------------------------------------------------------------------


def read_table(path: Path, spacing: Spacing | None = None, unit: str | None = None) -> Clicks:
    """Read the points of a CSV with the columns axis-0, axis-1, axis-2 (napari), z, y, x, or X, Y, Slice (Fiji).

    spacing: (z, y, x) µm a voxel of the stack. unit: "voxel" or "um"; None takes napari's and plain numbers for
    voxels and looks at Fiji's, see `guess_unit`. Slice counts planes whatever the unit is.
    Raises InputError when the columns are others, a row is not three numbers, or the unit is not sure.
    """
    columns, values = _columns(path)  # (N, 3)
    if not len(values):
        return Clicks(values.reshape(0, 3), "an empty table")
    if columns == FIJI:
        return _fiji_clicks(values, spacing, unit)
    if unit == "um":
        return Clicks(values / _needed(spacing), "table in µm")
    if unit is None and spacing is not None and guess_unit(values[:, :1], spacing[:1]) == "um":
        raise InputError(f"every {columns[0]} is a multiple of the {spacing[0]:g} µm between planes, so these look "
                         f"like µm: {ASK}")  # fmt: skip
    return Clicks(values, "table in voxels")


def guess_unit(values: np.ndarray, steps: Sequence[float]) -> str | None:
    """Tell the unit of coordinates that came from clicks on whole voxels; None where it cannot be told.

    Whole numbers are voxels; multiples of the voxel size that are not whole are µm. Both or neither: None.
    values: (N, D); steps: D sizes of a voxel in µm.
    """
    steps = np.asarray(steps, dtype=float)
    whole = _near_whole(values, np.full(steps.shape, ROUNDING))
    multiple = _near_whole(values / steps, ROUNDING / steps)
    if whole == multiple:
        return "voxel" if whole and (steps == 1).all() else None
    return "voxel" if whole else "um"


def _near_whole(values: np.ndarray, tolerance: np.ndarray) -> bool:
    """Are all values whole numbers, and is the tolerance fine enough to say so?"""
    return bool((tolerance <= 0.05).all() and (np.abs(values - np.rint(values)) <= tolerance).all())


def _fiji_clicks(values: np.ndarray, spacing: Spacing | None, unit: str | None) -> Clicks:
    """Turn rows (Slice, Y, X) into voxels."""
    planes, places = _planes(values[:, 0]), values[:, 1:]
    known = None if spacing is None else guess_unit(places, spacing[1:])
    if unit == "voxel" and known == "um":
        raise InputError(f"X and Y are multiples of {spacing[2]:g} and {spacing[1]:g} µm and not whole: these are µm, "
                         "give --points-unit um")  # fmt: skip
    unit = unit or known
    if unit is None:
        raise InputError(f"Fiji's table does not say whether X and Y are µm or pixels, and both may fit: {ASK}")
    if unit == "um":
        places = places / _needed(spacing)[1:]
    words = "µm" if unit == "um" else "pixels"
    return Clicks(np.column_stack([planes, _from_middle(places)]), f"Fiji table, X and Y in {words}")


def _planes(slices: np.ndarray) -> np.ndarray:
    """Turn slices 1, 2, ... into planes 0, 1, ..."""
    if (slices != np.rint(slices)).any() or slices.min() < 1:
        raise InputError(f"Slice goes from {slices.min():g} to {slices.max():g}: expected whole numbers from 1")
    return slices - 1


def _from_middle(places: np.ndarray) -> np.ndarray:
    """Move places finer than a pixel by half a pixel: from Fiji's count, from the corner, to the count from the middle.

    Whole numbers are clicks on whole pixels, which both count alike.
    """
    return places if (np.abs(places - np.rint(places)) <= 0.01).all() else places - 0.5


def _needed(spacing: Spacing | None) -> np.ndarray:
    if spacing is None:
        raise InputError("points in µm need the spacing of their stack: give it, (z, y, x) in µm")
    return np.asarray(spacing, dtype=float)


def _columns(path: Path) -> tuple[tuple[str, str, str], np.ndarray]:
    """Return the names of the three columns, z first, and their numbers (N, 3)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or ())
            names = [name.strip().lower() for name in header]
            wanted = _point_columns(header)
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"cannot be read as a CSV ({one_line(error)})") from error
    if wanted == FIJI and "frame" in names:
        _one_frame({row[header[names.index("frame")]] for _, row in rows})
    columns = [header[names.index(name)] for name in wanted]
    return wanted, np.array([_csv_row(row, columns, line) for line, row in rows])


def _point_columns(header: Sequence[str]) -> tuple[str, str, str]:
    """Return the names of the three columns in lower case, in the order z, y, x."""
    names = {name.strip().lower() for name in header}
    if "axis-3" in names:
        raise InputError("has a fourth axis, axis-3: expected points of one z-stack, axis-0, axis-1, axis-2")
    for wanted in (NAPARI, PLAIN, FIJI):
        if names.issuperset(wanted):
            return wanted
    found = ", ".join(name.strip() for name in header if name.strip()) or "none"
    message = f"has the columns {found}: expected axis-0, axis-1, axis-2 (as napari), X, Y, Slice (as Fiji) or z, y, x"
    if names >= {"x", "y", "frame"}:
        message += "; Fiji took planes for time points: Image > Properties, swap slices and frames, measure again"
    elif names >= {"x", "y"}:
        message += "; in Fiji, Set Measurements > Stack position adds Slice"
    raise InputError(message)


def _one_frame(frames: set[str | None]) -> None:
    if len(frames) > 1:
        raise InputError(f"has points of {len(frames)} time points (Frame): expected those of one z-stack")


def _csv_row(row: dict[str, str | None], columns: list[str], line: int) -> list[float]:
    values = [row[column] for column in columns]
    try:
        return [float(value or "") for value in values]
    except ValueError as error:
        shown = ", ".join(str(value) for value in values)
        raise InputError(f"line {line} has ({shown}): expected three numbers (z, y, x)") from error


# ---- Fiji's ROI files ----------------------------------------------------------------------------------------


def read_rois(path: Path, spacing: Spacing | None = None, unit: str | None = None) -> Clicks:
    """Read the points of a multi-point selection (.roi) or of the ROI Manager (.zip), as Fiji saves them.

    They are pixels and slices by their format; the spacing is not needed.
    Raises InputError without the package roifile, for a damaged file, other shapes than points, or a missing slice.
    """
    if unit == "um":
        raise InputError("Fiji's ROI files always hold pixels: leave --points-unit um out")
    found = _parse_rois(path)
    times = {int(roi.t_position) for roi in found}
    if len(times) > 1:
        raise InputError(f"has points of {len(times)} time points: expected those of one z-stack")
    rows = [_roi_rows(roi, number) for number, roi in enumerate(found, start=1)]
    points = np.concatenate([*rows, np.empty((0, 3))])  # (N, 3)
    return Clicks(np.column_stack([points[:, 0], _from_middle(points[:, 1:])]), "Fiji ROI, pixels")


def _parse_rois(path: Path) -> list[Any]:
    try:
        from roifile import roiread
    except ImportError as error:
        raise InputError("reading Fiji's ROI files needs the package roifile: pip install roifile") from error
    try:
        found = roiread(path)
    except Exception as error:  # a parser of bytes raises many kinds; none may reach the user as a traceback
        raise InputError(f"cannot be read as ROI of Fiji, damaged or another format? ({one_line(error)})") from error
    return found if isinstance(found, list) else [found]


def _roi_rows(roi: Any, number: int) -> np.ndarray:
    """Return the rows (z, y, x) of one selection, x and y as Fiji counts them."""
    if roi.roitype.name != "POINT":
        raise InputError(f"selection {number} is a {roi.roitype.name.lower()}: expected points (multi-point tool)")
    places = np.asarray(roi.coordinates(), dtype=float)[:, ::-1]  # (N, 2) y, x
    each = roi.counter_positions if roi.counter_positions is not None else np.zeros(len(places))
    slices = np.where(each > 0, each, roi.position or roi.z_position)  # (N,)
    if (slices < 1).any():
        raise InputError(f"selection {number} has a point without a slice: click it in the stack, not in one plane")
    return np.column_stack([_planes(slices), places])
