"""A centre map, Eq. (1), of two cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage

from bfs_tutorial import figures
from bfs_tutorial.centre_maps import centre_map
from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.drawing import dots, line, outlines, over, scale_bar, viridis, window_around
from bfs_tutorial.explore.frame import Frame, Panel
from bfs_tutorial.stack import ZStack


def centre_map_frame(stack: ZStack, pair: tuple[int, int], half: int = 18) -> Callable[..., Frame]:
    """Return the frame function of Eq. (1) for two neighbouring clicks: their map, and its values on a line.

    The function takes k, d_m in µm, and border, "on" or "off". It draws the map in the plane of the first click with
    the outlines of the true cells, and the values of the voxels that a line through both clicks passes.
    stack: with centres and labels; pair: rows of its centres; half: voxels shown to each side of their middle.
    Raises InputError when there are no labels to outline.
    """
    if stack.labels is None:
        raise InputError("the stack has no labels: expected true cells to outline")
    first, second = (stack.centres[row] for row in pair)
    window = window_around((first[0], *(first + second)[1:] / 2), half, stack.image.shape)
    corner = np.array([part.start for part in window[1:]])
    path = first + np.linspace(-0.5, 1.5, 241)[:, None] * (second - first)  # (P, 3) voxels
    length = np.linalg.norm((second - first) * stack.spacing)  # µm
    shape = stack.labels[window].shape
    cells = outlines(stack.labels[window], figures.INSTANCES[1], 0.25)
    clicks = np.array([first[1:], second[1:]]) - corner
    marks = over(shape, line(path[[0, -1], 1:] - corner, "#fff", 0.15) + dots(clicks, "#fff", 0.5))
    bar = scale_bar(shape, stack.spacing[2])

    def frame(k: float, d_m: float, border: str) -> Frame:
        p = centre_map(stack.image.shape, stack.centres, stack.spacing, d_m=d_m, k=k, border=border == "on")
        on_line = ndimage.map_coordinates(p, path.T, order=0, mode="nearest")
        middle = p[tuple(np.rint((first + second) / 2).astype(int))]
        return Frame(
            [
                Panel({"map": viridis(p[window]), "cells": cells, "clicks": marks, "bar": bar}, "centre map", 290),
                Panel({"profile": _line_profile(np.linspace(-0.5, 1.5, 241) * length, on_line)}, "on the line", 340),
            ],
            f"half way between the clicks: {middle:.2f}",
        )

    return frame


@figures.style()
def _line_profile(along: np.ndarray, values: np.ndarray) -> Figure:
    """Draw likelihoods over the distance in µm from the first click."""
    figure = Figure(figsize=(3.4, 2.9))
    axes = figure.add_axes((0.14, 0.17, 0.84, 0.78))
    axes.plot(along, values)
    axes.set(xlabel="µm from the first click, along the line", ylabel="p(x)", ylim=(0, 1.03))
    axes.grid(axis="y")
    return figure
