"""How S1 learns a centre map, and the peaks of what it learnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure

from bfs_tutorial import figures, metrics
from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.drawing import small_curves, viridis
from bfs_tutorial.explore.frame import Frame, Panel
from bfs_tutorial.files import Spacing


def training_frame(
    films: Mapping[str, Mapping[int, np.ndarray]],
    excess: Mapping[str, Sequence[float]],
    truth: np.ndarray,
    spacing: Spacing,
) -> Callable[..., Frame]:
    """Return the frame function of networks that learn a centre map: the map at a step, and the loss until then.

    The function takes step and run, a key of films and excess. It draws the brightest voxel along each line of sight
    from above and, below that, from the side, rings on the true centres, and marks the step on the curves.
    films: by run, then by step, maps (Z, Y, X) in [0, 1]; a step that is not there shows the nearest one;
    excess: by run, the loss above its floor, one value a step; truth: (N, 3) voxels.
    Raises InputError when the runs differ.
    """
    if set(films) != set(excess):
        raise InputError(f"films of {', '.join(films)}, losses of {', '.join(excess)}: expected the same runs")
    sides = {name: {step: _two_sides(p, spacing) for step, p in film.items()} for name, film in films.items()}
    size = next(iter(next(iter(sides.values())).values())).shape[:2]
    height = next(iter(next(iter(films.values())).values())).shape[1]
    down = height + GAP + (truth[:, 0] + 0.5) * round(spacing[0] / spacing[2]) - 0.5  # rows of the view from the side
    places = np.vstack([truth[:, 1:], np.column_stack([down, truth[:, 2]])])
    rings = figures.detection_marks(size, [], places, [], spacing[2])
    curves = small_curves(excess, smooth=15, y_label="")

    def frame(step: int, run: str) -> Frame:
        nearest = min(sides[run], key=lambda known: abs(known - step))
        line = figures.cursor(curves.axes[0], nearest, f"step {nearest}")
        return Frame(
            [
                Panel({"map": sides[run][nearest], "true centres": rings}, "from above; below: from the side", 300),
                Panel({"losses": curves, "step": line}, "loss above the floor", 330),
            ],
            "rings: the true centres",
        )

    return frame


GAP = 4  # rows of white between the views from above and from the side


def _two_sides(p: np.ndarray, spacing: Spacing) -> np.ndarray:
    """A map (Z, Y, X) seen from above and, below that, from the side, as uint8 (rows, X, 3) in the colours of a map."""
    side = p.max(axis=1).repeat(round(spacing[0] / spacing[2]), axis=0)
    white = np.full((GAP, p.shape[2], 3), 255, dtype=np.uint8)
    return np.vstack([viridis(p.max(axis=0)), white, viridis(side)])


def peak_frame(
    maps: Mapping[str, np.ndarray],
    truth: np.ndarray,
    spacing: Spacing,
    find: Callable[[np.ndarray, float], np.ndarray],
    thresholds: Sequence[float],
    tolerance: float = 5.0,
) -> Callable[..., Frame]:
    """Return the frame function of a peak threshold: which peaks are hits, and what that is worth.

    The function takes threshold and network, a key of maps. It draws the map from above with a dot for each hit, a
    cross for each false peak and a ring for each missed cell, and precision and recall over the threshold.
    maps: by network, (Z, Y, X) in [0, 1]; truth: (N, 3) voxels; find(map, threshold) -> peaks (M, 3) voxels;
    thresholds: of the curves; tolerance: µm, of `metrics.detection`.
    """

    def score(network: str, threshold: float) -> dict[str, float]:
        return metrics.detection(find(maps[network], threshold), truth, spacing, tolerance)

    @lru_cache(maxsize=16)
    def curves(network: str) -> Figure:
        rows = [score(network, threshold) for threshold in thresholds]
        lines = {name: (thresholds, [row[name] for row in rows]) for name in ("precision", "recall")}
        figure = small_curves(lines, x_label="peak threshold", y_label="")
        figure.axes[0].set_ylim(-0.03, 1.03)  # the same for all networks
        return figure

    def frame(threshold: float, network: str) -> Frame:
        p, points, scores = maps[network], find(maps[network], threshold), score(network, threshold)
        pairs = metrics.match_points(points, truth, spacing, tolerance)
        marks = figures.detection_marks(
            p.shape[1:], points[:, 1:], truth[:, 1:], pairs, spacing[2], title=f"{threshold:g}"
        )
        text = f"precision {scores['precision']:.2f} · recall {scores['recall']:.2f}"
        drawn = curves(network)
        return Frame(
            [
                Panel({"map": viridis(p.max(axis=0)), "peaks": marks}, "from above", 300),
                Panel({"scores": drawn, "threshold": figures.cursor(drawn.axes[0], threshold, text)}, "", 330),
            ],
            "dot: a hit · cross: a false peak · ring: a missed cell",
        )

    return frame
