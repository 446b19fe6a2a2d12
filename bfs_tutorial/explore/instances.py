"""From peaks and a mask to instances: merging, flooding, cutting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure
from skimage.segmentation import watershed

from bfs_tutorial import figures, metrics
from bfs_tutorial.explore.drawing import outlines, scale_bar, shade, small_curves
from bfs_tutorial.explore.frame import Frame, Panel
from bfs_tutorial.figures import INK, MUTED
from bfs_tutorial.files import Spacing
from bfs_tutorial.instances import ELEVATIONS, landscape, place_markers
from bfs_tutorial.peaks import merge_peaks


def merge_frame(
    image: np.ndarray,
    peaks: np.ndarray,
    heights: np.ndarray,
    truth: np.ndarray,
    spacing: Spacing,
    radii: Sequence[float],
    tolerance: float = 5.0,
) -> Callable[..., Frame]:
    """Return the frame function of the merge radius: which merged peaks are hits, and what that is worth.

    The function takes radius, in µm. It draws the brightest voxel of the image along z with a dot for each hit, a cross
    for each false peak and a ring for each missed cell, and precision and recall over the radius.
    image: (Z, Y, X); peaks (N, 3) and heights (N,), see `peaks.merge_peaks`; truth: (M, 3) voxels; radii: of the
    curves; tolerance: µm, of `metrics.detection`.
    """
    merge = lru_cache(maxsize=64)(lambda radius: merge_peaks(peaks, heights, spacing, radius)[0])
    score = lambda radius: metrics.detection(merge(radius), truth, spacing, tolerance)  # noqa: E731
    rows = [score(radius) for radius in radii]
    lines = {name: (radii, [row[name] for row in rows]) for name in ("precision", "recall")}
    curves, seen = small_curves(lines, x_label="merge radius, µm", y_label=""), shade(image.max(axis=0))

    def frame(radius: float) -> Frame:
        points = merge(radius)
        pairs = metrics.match_points(points, truth, spacing, tolerance)
        marks = figures.detection_marks(
            seen.shape, points[:, 1:], truth[:, 1:], pairs, spacing[2], title=f"{len(points)} peaks"
        )
        text = "precision {precision:.2f} · recall {recall:.2f}".format(**score(radius))
        return Frame(
            [
                Panel({"image": seen, "peaks": marks}, "from above", 300),
                Panel({"scores": curves, "radius": figures.cursor(curves.axes[0], radius, text)}, "", 330),
            ],
            "dot: a hit · cross: a false peak · ring: a missed cell",
        )

    return frame


def flood_frame(labels: np.ndarray, points: np.ndarray, spacing: Spacing) -> Callable[..., Frame]:
    """Return the frame function of a watershed: the water that rises from the points, from above and in profile.

    The function takes level, the share of the way from the lowest to the highest point of the mask, and kind, a
    landscape of `instances.ELEVATIONS`. labels: (Z, Y, X), the true cells, whose union is flooded; points: (N, 3)
    voxels, row i in label i + 1; plane and row drawn are those of the first point. Raises InputError.
    """
    mask, (plane, row) = labels > 0, np.rint(points[0][:2]).astype(int)
    markers = place_markers(mask, points, spacing)
    lands = {kind: landscape(mask, markers, spacing, kind) for kind in ELEVATIONS}
    ground, border = 0.35 * mask[plane], outlines(labels[plane])
    style = {"fill": 0.75, "outline": 0, "zoom": 5, "limits": (0, 1), "colours": dict(enumerate(figures.INSTANCES, 1))}

    def frame(level: float, kind: str) -> Frame:
        heights = lands[kind]
        low, high = heights[mask].min(), heights[mask].max()
        surface = low + level * (high - low)
        water = watershed(heights, markers, mask=mask & (heights <= surface))
        line = np.where(mask[plane, row], heights[plane, row], np.nan)
        profile = _flood_profile(line, surface, water[plane, row], labels[plane, row], spacing[2])
        above = figures.overlay(ground, water[plane], **style)
        return Frame(
            [
                Panel({"water": above, "true border": border}, "from above", 310),
                Panel({"profile": profile}, "profile", 320),
            ],
            "white and dotted: the true border",
        )

    return frame


@figures.style()
def _flood_profile(heights: np.ndarray, surface: float, water: np.ndarray, truth: np.ndarray, step: float) -> Figure:
    """Draw a landscape along a line (X,) with the water in it, and a dotted line between true cells that touch."""
    figure = Figure(figsize=(3.2, 2.3), layout="constrained")
    axes, x = figure.subplots(), np.arange(len(heights)) * step
    for number, colour in enumerate(figures.INSTANCES, 1):
        if (water == number).any():
            axes.fill_between(x, heights, surface, where=water == number, step="mid", color=colour, alpha=0.75)
    axes.plot(x, heights, color=INK, drawstyle="steps-mid")
    for edge in np.flatnonzero((truth[1:] != truth[:-1]) & (truth[1:] > 0) & (truth[:-1] > 0)) + 0.5:
        axes.axvline(edge * step, color=MUTED, linestyle=":", linewidth=1)
    wet = np.flatnonzero(~np.isnan(heights)) * step
    axes.set(xlabel="µm along the line through the points", ylabel="height, µm", xlim=(wet[0] - 3, wet[-1] + 3))
    return figure


def cut_frame(
    image: np.ndarray,
    segment: Callable[[float], np.ndarray],
    truth: np.ndarray,
    spacing: Spacing,
    plane: int,
    cuts: Sequence[float],
) -> Callable[..., Frame]:
    """Return the frame function of the threshold of a mask: the instances in one plane, and the scores of the stack.

    The function takes cut. It draws the instances over the image, each in the colour of the true cell that it matches,
    and IoU, SEG and MUCov over the cut, and writes the volume of all instances over that of all true cells.
    image, truth: (Z, Y, X); segment(cut) -> labels (Z, Y, X); plane: the one drawn; cuts: of the curves.
    Raises InputError when the shapes differ.
    """
    made = lru_cache(maxsize=64)(lambda cut: figures.match_colours(segment(cut), truth))
    rows = [metrics.evaluate(made(cut), truth) for cut in cuts]
    lines = {name: (cuts, [row[name] for row in rows]) for name in ("IoU", "SEG", "MUCov")}
    curves, known = small_curves(lines, x_label="mask threshold", y_label=""), figures.label_colours(truth)
    bar, limits = scale_bar(truth.shape[1:], spacing[2]), tuple(np.percentile(image, (0.5, 99.8)))

    def frame(cut: float) -> Frame:
        labels = made(cut)
        colours = known | {int(n): "#ffffff" for n in np.unique(labels) if n and n not in known}
        picture = figures.overlay(image[plane], labels[plane], fill=0.35, zoom=2, limits=limits, colours=colours)
        text = f"volume × {(labels > 0).sum() / (truth > 0).sum():.2f}"
        return Frame(
            [
                Panel({"instances": picture, "scale": bar}, "one plane", 300),
                Panel({"scores": curves, "cut": figures.cursor(curves.axes[0], cut, text)}, "", 330),
            ],
            "volume: of all instances, over that of the true cells",
        )

    return frame
