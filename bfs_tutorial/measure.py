"""Measure cells: one row for each instance, with its volume, place and size in µm."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from skimage.measure import regionprops_table

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import replacing
from bfs_tutorial.stack import check_image, check_labels, check_spacing

Table = dict[str, np.ndarray]  # column -> one value for each cell


def measure_cells(labels: np.ndarray, spacing: Sequence[float], image: np.ndarray | None = None) -> Table:
    """Measure every instance and return a table, one row for each, in the order of the labels.

    labels: (Z, Y, X), 0 = background; spacing: (z, y, x) µm; image: (Z, Y, X), adds mean_intensity.
    Columns: label; voxels; volume_um3; z, y, x: centroid in voxel index units; z_um, y_um, x_um: the same in µm;
    diameter_um: of the ball of equal volume, (6 V / π)^(1/3); height_um, length_um, width_um: the bounding box along
    z, y, x; touches_border: a face of the stack may have cut the cell.
    Raises InputError, see `check_labels`, `check_spacing`, `check_image`, and when the image has another shape.
    """
    labels, spacing = check_labels(labels), check_spacing(spacing)
    names = ["label", "area", "centroid", "bbox"]
    if image is not None:
        image = _same_shape(check_image(image), labels)
        names.append("intensity_mean")
    found = regionprops_table(labels, image, properties=names)
    place = np.stack([found[f"centroid-{axis}"] for axis in range(3)], axis=1).reshape(-1, 3)  # (N, 3) voxels
    start, stop = (np.stack([found[f"bbox-{i}"] for i in axes], axis=1) for axes in ((0, 1, 2), (3, 4, 5)))  # (N, 3)
    volume = found["area"] * np.prod(spacing)
    table = {"label": found["label"], "voxels": found["area"].astype(int), "volume_um3": volume}
    table |= dict(zip("zyx", place.T, strict=True))
    table |= dict(zip(("z_um", "y_um", "x_um"), (place * spacing).T, strict=True))
    table["diameter_um"] = np.cbrt(6 * volume / np.pi)
    table |= dict(zip(("height_um", "length_um", "width_um"), ((stop - start) * spacing).T, strict=True))
    table["touches_border"] = ((start == 0) | (stop == labels.shape)).any(axis=1)
    return table if image is None else table | {"mean_intensity": found["intensity_mean"]}


def _same_shape(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if image.shape != labels.shape:
        raise InputError(f"the image has shape {image.shape}, the labels {labels.shape}: expected the same")
    return image


def write_cells(path: str | Path, table: Table, overwrite: bool = False) -> None:
    """Write a table as CSV, a line of column names, then one for each cell. Raises InputError, see `replacing`."""
    with replacing(path, overwrite) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows([_text(value) for value in row] for row in zip(*table.values(), strict=True))


def _text(value: np.generic) -> str:
    """Six significant digits of a number, whole numbers and True, False as they are."""
    return f"{value:.6g}" if isinstance(value, np.floating) else str(value)
