"""The mask of one peak response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage
from skimage.filters import threshold_otsu

from bfs_tutorial import figures
from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.drawing import MASK, iou, outlines, shade, viridis, window_around
from bfs_tutorial.explore.frame import Frame, Panel
from bfs_tutorial.figures import LINES
from bfs_tutorial.files import Spacing


def response_frame(
    image: np.ndarray,
    spacing: Spacing,
    maps: Mapping[str, np.ndarray],
    peaks: np.ndarray,
    truth: np.ndarray,
    factors: Sequence[float],
    smoothing: float = 3.0,
    half: int = 25,
) -> Callable[..., Frame]:
    """Return the frame function of peak response maps: the map of one cell, its mask, and what the mask is worth.

    The function takes cell (number of a peak, from 0), rule (a key of maps) and factor (of Otsu's threshold). It draws
    the smoothed map and the image in the plane of the peak, with the outlines of the mask and of the true cell, and
    the IoU in three dimensions against the factor, and writes IoU and volume of the mask.
    image: (Z, Y, X); maps: by rule, (N, Z, Y, X); peaks: (N, 3) voxels; truth: labels, i + 1 for peak i; factors: of
    the curves; smoothing: µm; half: voxels shown to each side. Raises InputError when maps and peaks differ in number.
    """
    for rule, responses in maps.items():
        if len(responses) != len(peaks):
            raise InputError(f"{len(responses)} maps of rule {rule!r}, {len(peaks)} peaks: expected a map for each")
    sigma = np.divide(smoothing, spacing)

    @lru_cache(maxsize=64)
    def smoothed(cell: int, rule: str) -> tuple[np.ndarray, float]:
        soft = ndimage.gaussian_filter(maps[rule][cell], sigma, mode="constant")
        return soft, threshold_otsu(soft)

    def score(cell: int, rule: str, factor: float) -> tuple[float, float]:
        soft, cut = smoothed(cell, rule)
        mask, true = soft > factor * cut, truth == cell + 1
        return iou(mask, true), mask.sum() / max(true.sum(), 1)

    curve = lru_cache(maxsize=64)(lambda cell, rule: [score(cell, rule, f)[0] for f in factors])

    def frame(cell: int, rule: str, factor: float) -> Frame:
        window = window_around(peaks[cell], half, truth.shape)
        soft, cut = smoothed(cell, rule)
        iou, volume = score(cell, rule, factor)
        true = outlines((truth[window] == cell + 1).astype(int), width=0.5)
        mask = outlines((soft[window] > factor * cut).astype(int), MASK, 0.6)
        bar = figures._svg(400, 400, f"-0.5 -0.5 {2 * half} {2 * half}", "scale bar",
                           figures._svg_scale_bar((2 * half, 2 * half), spacing[2]))  # fmt: skip
        lines = {name: curve(cell, name) for name in maps}
        return Frame(
            [
                Panel({"map": viridis(soft[window] / soft.max()), "true": true, "bar": bar}, "smoothed map", 190),
                Panel({"image": shade(image[window]), "mask": mask, "true": true}, "mask", 190),
                Panel({"IoU": _score_curves(factors, lines, rule, factor, iou)}, "IoU by factor", 190),
            ],
            f"IoU {iou:.2f} · volume of the mask: {volume:.2f} times that of the cell",
        )

    return frame


@figures.style()
def _score_curves(
    factors: Sequence[float], lines: Mapping[str, Sequence[float]], rule: str, factor: float, value: float
) -> Figure:
    """Draw the IoU of each rule over the factor, the chosen rule bold, with a dot where we are."""
    figure = Figure(figsize=(1.9, 1.9))
    axes = figure.add_axes((0.19, 0.17, 0.79, 0.79))
    for (name, values), colour in zip(lines.items(), LINES, strict=False):
        axes.plot(factors, values, color=colour, linewidth=2.2 if name == rule else 0.8)
        if name == rule:
            axes.plot(factor, value, "o", color=colour)
    axes.set(ylim=(0, 1), yticks=[0, 0.5, 1])
    axes.grid(axis="y")
    return figure
