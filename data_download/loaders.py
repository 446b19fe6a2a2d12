"""Read a downloaded data set as z-stacks with their spacing, centres and labels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from scipy import ndimage
from tifffile import imread

from bfs_tutorial.errors import InputError
from bfs_tutorial.stack import ZStack
from data_download.download import fetch
from data_download.registry import find

EMBRYO_SPACING = (1.75, 0.8, 0.8)  # µm, (z, y, x)
BBBC050_SPACING = {"train": EMBRYO_SPACING, "test": (2.0, 0.8, 0.8)}  # two microscopes


def centroids(mask: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean position of the mask's voxels in each instance.

    mask: (Z, Y, X) bool; labels: (Z, Y, X) int, 0 = background.
    Returns (N, 3), rows (z, y, x) in voxel index units, in the order of the labels.
    """
    return np.array(ndimage.center_of_mass(mask, labels, np.unique(labels[labels > 0])))


def _mouse_embryo_fluorescence(folder: Path) -> Iterator[ZStack]:
    """Yield "8-cell" and "16-cell": an instance is a component of the drawn mask, with one centre ball."""
    for cells in (8, 16):
        image = imread(folder / f"{cells}_cell_raw.tif")  # (51, 120, 122)
        labels, _ = ndimage.label(imread(folder / f"{cells}_cell_nsn.tif"))
        balls = imread(folder / f"{cells}_cell_ndn.tif") > 0
        yield ZStack(image, EMBRYO_SPACING, centroids(balls, labels), labels, name=f"{cells}-cell")


def _mouse_embryo_bright_field(folder: Path) -> Iterator[ZStack]:
    """Yield "t318", "t319" and "t320"; their labels are FL2-Net's stored output, not manual truth."""
    for time in ("t318", "t319", "t320"):
        image = imread(folder / f"{time}_raw.tif")  # (51, 148, 148)
        labels = imread(folder / f"{time}_fl2net_output.tif")
        yield ZStack(image, EMBRYO_SPACING, centroids(labels > 0, labels), labels, name=time)


def _bbbc050(folder: Path, split: str) -> Iterator[ZStack]:
    """Yield the stacks of one split, named as its files; a centre is the mean of a mask, as in the paper."""
    again = f"delete {folder} and download again"
    paths = sorted((folder / "Images" / split / "Images").glob("Emb*_t*.tif"))
    if not paths:
        raise InputError(f"{folder}: expected stacks Images/{split}/Images/Emb*_t*.tif, found none; {again}")
    for path in paths:
        truth = folder / "GroundTruth" / split / "GroundTruth_QCANet" / path.name
        if not truth.is_file():
            raise InputError(f"{truth}: missing, expected the labels of {path.name}; {again}")
        labels = imread(truth).astype(np.int32)
        centres = centroids(labels > 0, labels)
        yield ZStack(imread(path), BBBC050_SPACING[split], centres, labels, name=path.stem)


def iterate(
    name: str, split: str | None = None, to: str | Path | None = None, progress: bool = True
) -> Iterator[ZStack]:
    """Yield the stacks of a data set one by one, so that a large set need not fit in memory; see `load`."""
    if name == "bbbc050":
        split = split or "train"
        if split not in BBBC050_SPACING:
            raise InputError(f"bbbc050 has no split {split!r}: expected one of {', '.join(BBBC050_SPACING)}")
        return _bbbc050(fetch(name, to, progress), split)
    find(name)
    if split is not None:
        raise InputError(f"{name} has no splits: leave out split={split!r}")
    read = {
        "mouse_embryo_fluorescence": _mouse_embryo_fluorescence,
        "mouse_embryo_bright_field": _mouse_embryo_bright_field,
    }[name]
    return read(fetch(name, to, progress))


def load(
    name: str,
    split: str | None = None,
    limit: int | None = None,
    to: str | Path | None = None,
    progress: bool = True,
) -> list[ZStack]:
    """Return the stacks of a data set, downloaded first if need be, with centres and labels.

    mouse_embryo_fluorescence  "8-cell", "16-cell": manual labels, centres from the authors' centre balls
    mouse_embryo_bright_field  "t318", "t319", "t320": labels are FL2-Net's stored output, not manual truth
    bbbc050                    split "train" (if not said) or "test", at most `limit` stacks: manual labels

    Unless said otherwise a centre is the mean of its mask.
    Row i of the centres belongs to the i-th label in rising order. `to` and `progress`: see `fetch`.
    Raises InputError as `fetch` does, and for an unknown split.
    """
    return list(islice(iterate(name, split, to, progress), limit))


def load_stored_result(to: str | Path | None = None, progress: bool = True) -> np.ndarray:
    """Return the labels that QCANet's authors stored for the 16-cell embryo: a fully supervised result.

    Returns (51, 120, 122) int32, 0 = background, on the grid of the stack "16-cell".
    Raises InputError as `fetch` does.
    """
    folder = fetch("mouse_embryo_fluorescence", to, progress)
    return imread(folder / "16_cell_qcanet_output.tif").astype(np.int32)
