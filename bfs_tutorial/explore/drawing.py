"""Small drawings that several explorables share: outlines, lines and dots as SVG, shades, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from skimage.measure import find_contours

from bfs_tutorial import figures

MASK, LABELS = "#ff9e3d", "#45a8ff"  # outlines of a mask and of what it learns from; the truth is white


def outlines(plane: np.ndarray, colour: str = "#fff", width: float = 0.7) -> str:
    """Draw the outline of every instance of a plane (Y, X), 0 = background, as SVG to lay over its picture.

    width: of the line, in voxels.
    """
    labels = np.asarray(plane)
    rings = [
        ring for number in np.unique(labels[labels > 0]) for ring in find_contours(np.pad(labels == number, 1), 0.5)
    ]
    return over(labels.shape, "".join(line(ring - 1, colour, width) for ring in rings))


def over(shape: Sequence[int], content: str) -> str:
    """SVG of the size of a picture (rows, columns), whose coordinates are voxel index units."""
    height, width = shape
    box = f'width="{width}" height="{height}" viewBox="-0.5 -0.5 {width} {height}" preserveAspectRatio="none"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{content}</svg>'


def line(places: np.ndarray, colour: str, width: float) -> str:
    """Draw a line through places (N, 2) in rows and columns, as a part of an SVG."""
    points = " ".join(f"{column:.1f},{row:.1f}" for row, column in places)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def dots(places: np.ndarray, colour: str = "#ffee77", radius: float = 0.4) -> str:
    """Draw a dot at each of the places (N, 2) in rows and columns, as a part of an SVG."""
    marks = "".join(f"M{column:.1f} {row:.1f}h0" for row, column in places)
    return f'<path d="{marks}" stroke="{colour}" stroke-width="{2 * radius:g}" stroke-linecap="round"/>'


def scale_bar(shape: Sequence[int], spacing: float) -> str:
    """Return a scale bar as a layer over a picture (rows, columns); spacing: µm a column."""
    content = figures._svg_scale_bar(shape, spacing)
    return figures._svg(10 * shape[1], 10 * shape[0], f"-0.5 -0.5 {shape[1]} {shape[0]}", "scale bar", content)


def shade(values: np.ndarray, shades: int = 32) -> np.ndarray:
    """Almost all values of a picture as uint8 grey in few shades, which store small."""
    low, high = np.percentile(values, (0.5, 99.5))
    levels = np.round(np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (shades - 1))
    return (levels * (255 / (shades - 1))).astype(np.uint8)


def viridis(values: np.ndarray, shades: int = 32) -> np.ndarray:
    """Values of 0 ... 1 as uint8 (Y, X, 3) in the colours of a map."""
    levels = np.round(np.clip(values, 0, 1) * (shades - 1)) / (shades - 1)
    return (255 * colormaps[figures.COLOUR_MAPS["map"]](levels)[..., :3]).astype(np.uint8)


def window_around(peak: Sequence[int], half: int, shape: Sequence[int]) -> tuple[int, slice, slice]:
    """The plane of a peak and a square of 2 * half voxels around it, moved inwards at the borders of the stack."""
    z, *place = (int(round(c)) for c in peak)
    starts = [min(max(c - half, 0), max(n - 2 * half, 0)) for c, n in zip(place, shape[1:], strict=True)]
    return z, *(slice(start, start + 2 * half) for start in starts)


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Return the IoU of two masks, 0 if both are empty."""
    return float((mask & truth).sum() / max((mask | truth).sum(), 1))


def small_curves(series: Mapping[str, Any], **words: Any) -> Figure:
    """Draw `figures.curves` small enough for a panel, with room above for the text of a cursor."""
    figure = figures.curves(series, **words)
    figure.set_size_inches(3.3, 3.0)
    figure.axes[0].set_position((0.13, 0.16, 0.56, 0.72))
    return figure
