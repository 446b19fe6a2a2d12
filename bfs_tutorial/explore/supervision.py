"""The threshold of a classical pipeline, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure

from bfs_tutorial import figures, metrics
from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.drawing import outlines
from bfs_tutorial.explore.frame import Frame, Panel
from bfs_tutorial.figures import INK, LINES


def threshold_frame(
    image: np.ndarray,
    signal: np.ndarray,
    truth: np.ndarray,
    segment: Callable[[float], np.ndarray],
    shares: Sequence[float],
    plane: int,
) -> Callable[..., Frame]:
    """Return the frame function of a threshold on a signal: what is found in one plane, and the scores of the stack.

    The function takes share, in percent: the brightest voxels of the signal that are called cell. It draws what is
    found over the image, the true outlines, and IoU, SEG and MUCov against the share, and writes how many are found.
    image, signal: (Z, Y, X); truth: labels (Z, Y, X); segment(threshold) -> labels (Z, Y, X); shares: of the curves.
    Raises InputError when the shapes differ or the plane does not exist.
    """
    if not image.shape == signal.shape == truth.shape or not 0 <= plane < len(image):
        raise InputError(f"image {image.shape}, signal {signal.shape}, truth {truth.shape}, plane {plane}: "
                         "expected one shape (Z, Y, X) and a plane in it")  # fmt: skip

    @lru_cache(maxsize=64)
    def found(share: float) -> tuple[np.ndarray, dict[str, float]]:
        labels = segment(float(np.percentile(signal, 100 - share)))
        return figures.match_colours(labels, truth)[plane], metrics.evaluate(labels, truth)

    curves = lru_cache(maxsize=1)(lambda: {n: [found(s)[1][n] for s in shares] for n in ("IoU", "SEG", "MUCov")})
    true = outlines(truth[plane])

    def frame(share: float) -> Frame:
        labels, scores = found(share)
        picture = figures.overlay(image[plane], labels, fill=0.4, outline=0)
        return Frame(
            [
                Panel({"found": picture, "truth": true}, "found, truth in white", 300),
                Panel({"scores": _share_curves(shares, curves(), share)}, "scores in the whole stack", 320),
            ],
            f"{scores['n_predicted']} found of {scores['n_truth']}, SEG {scores['SEG']:.2f}",
        )

    return frame


@figures.style()
def _share_curves(shares: Sequence[float], lines: Mapping[str, Sequence[float]], share: float) -> Figure:
    """Draw all scores over the share of voxels, on a logarithmic axis, with a line where we are."""
    figure = Figure(figsize=(3.2, 3.0))
    axes = figure.add_axes((0.16, 0.16, 0.8, 0.72))
    for (name, values), colour in zip(lines.items(), LINES, strict=False):
        axes.plot(shares, values, "o-", ms=3, c=colour, label=name)
    axes.axvline(share, color=INK, linestyle="--", linewidth=1)
    axes.set(xscale="log", ylim=(0, 1), xlabel="voxels called cell, %")
    axes.set_xticks(shares, [f"{s:g}" for s in shares])
    axes.set_xticks([], minor=True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, handlelength=1)
    axes.grid(axis="y")
    return figure
