"""Planes of one stack, labels that follow a share, and rays around one click."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from bfs_tutorial import figures, star_convex
from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.drawing import MASK, dots, line, outlines, over, scale_bar, shade
from bfs_tutorial.explore.frame import Frame, Panel
from bfs_tutorial.figures import LINES
from bfs_tutorial.files import Spacing
from bfs_tutorial.star_convex import StarSettings


def plane_frame(
    volumes: Mapping[str, np.ndarray], truth: np.ndarray, spacing: Spacing, width: int = 300
) -> Callable[..., Frame]:
    """Return the frame function of the planes of one stack: several volumes side by side, with or without the truth.

    The function takes z, a plane, and shown, whether the true outlines are drawn; it writes the height of the plane.
    volumes: by title, (Z, Y, X), in grey over the range of the whole volume; truth: labels (Z, Y, X), 0 = background.
    Raises InputError when the shapes differ.
    """
    if any(volume.shape != truth.shape for volume in volumes.values()):
        raise InputError(f"volumes {[v.shape for v in volumes.values()]}, truth {truth.shape}: expected equal shapes")
    greys = {name: shade(volume, 24) for name, volume in volumes.items()}
    bar = scale_bar(truth.shape[1:], spacing[2])

    def frame(z: int, shown: bool) -> Frame:
        lines = outlines(truth[z] if shown else 0 * truth[z])
        panels = [Panel({"grey": grey[z], "true": lines, "scale": bar}, name, width) for name, grey in greys.items()]
        return Frame(panels, f"z = {z * spacing[0]:g} µm")

    return frame


def contour_frame(
    image: np.ndarray, truth: np.ndarray, drawn: Mapping[float, np.ndarray], plane: int, spacing: Spacing
) -> Callable[..., Frame]:
    """Return the frame function of labels that follow a share: their outlines over those of the truth, in one plane.

    The function takes share, a key of drawn, and writes the volume of these labels over that of the truth.
    image, truth and drawn[share]: (Z, Y, X), the last two labels with 0 = background; plane: the one shown.
    """
    picture, known = figures.overlay(image[plane], 0 * truth[plane]), outlines(truth[plane], "#fff", 0.5)
    bar, volume = scale_bar(truth.shape[1:], spacing[2]), (truth > 0).sum()

    def frame(share: float) -> Frame:
        found = outlines(drawn[share][plane], MASK, 0.5)
        panel = Panel({"image": picture, "truth": known, "drawn": found, "scale": bar}, "", 360)
        return Frame([panel], f"volume × {(drawn[share] > 0).sum() / volume:.2f} of the white outlines'")

    return frame


def ray_frame(
    images: Mapping[str, tuple[np.ndarray, str]],
    spacing: Spacing,
    click: Sequence[float],
    truth: np.ndarray,
    settings: StarSettings | None = None,
    half: int = 18,
) -> Callable[..., Frame]:
    """Return the frame function of the star-convex search around one click, in the plane of the click alone.

    The function takes image (a key of images), moved (µm that the click lies off along x), passes (of search and
    re-centring) and offset (True: the blur's share is added). It draws the plane with the edge that each ray takes
    and the smooth outline, the edge strength unrolled with a row for each ray, and writes the mean radius.
    images: by name, a volume (Z, Y, X) in which the cell is bright, and its modality; click: (z, y, x) voxels;
    truth: the true mask; half: voxels shown to each side. Raises InputError when the window leaves the volume.
    """
    s, spacing = settings or StarSettings(), tuple(spacing)
    z, y, x = np.rint(click).astype(int)
    if min(y, x) < half or y + half >= truth.shape[1] or x + half >= truth.shape[2] or not 0 <= z < truth.shape[0]:
        raise InputError(f"click {tuple(click)}: expected it {half} voxels or more from the border of {truth.shape}")
    window = np.s_[z, y - half : y + half + 1, x - half : x + half + 1]
    corner = np.array([y - half, x - half])
    true = outlines(truth[window].astype(int), width=0.4)
    radius = np.sqrt(truth[z].sum() * spacing[1] * spacing[2] / np.pi)  # µm, of a disc of the same area
    seen = {name: shade(volume[window]) for name, (volume, _) in images.items()}
    rays = star_convex.circle_directions(round(0.3 * s.rays))
    search = lru_cache(maxsize=64)(lambda name, *how: _ray_search(*images[name], spacing, click, rays, s, *how))

    def frame(image: str, moved: float, passes: int, offset: bool) -> Frame:
        place, edge, best, surface, added = search(image, moved, passes)
        surface = surface + added * offset  # (D,) µm
        at = lambda r: place[1:] + rays[:, 1:] * r[:, None] / np.array(spacing[1:]) - corner  # noqa: E731
        found = dots(at(best)) + line(at(surface)[[*range(len(rays)), 0]], LINES[1], 0.35)
        start = np.array(click)[1:] + [0, moved / spacing[2]] - corner
        cross = dots(start[None], "#fff", 0.8) + dots(place[None, 1:] - corner, LINES[1], 0.5)
        rows, columns = np.arange(len(rays)), lambda r: (r - s.smallest) / s.step
        unrolled = dots(np.stack([rows, columns(best)], 1), LINES[0], 0.5)
        unrolled += line(np.stack([rows, columns(surface)], 1), LINES[1], 0.5)
        return Frame(
            [
                Panel({"plane": seen[image], "truth": true, "found": over(seen[image].shape, found + cross)},
                      "the plane of the click", 300),
                Panel({"edges": 255 - shade(edge), "found": over(edge.shape, unrolled)},
                      f"a row for each ray, {s.smallest:g} to {s.largest:g} µm", 290),
            ],
            f"mean radius {surface.mean():.1f} µm, in truth {radius:.1f} µm",
        )  # fmt: skip

    return frame


def _ray_search(
    volume: np.ndarray, modality: str, spacing: Spacing, click: Sequence[float], rays: np.ndarray, s: StarSettings,
    moved: float, passes: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:  # fmt: skip
    """Search in one plane; return place (3,), edge strength (D, R), each ray's edge and the outline (D,), offset."""
    places = np.array([click]) + [[0, 0, moved / spacing[2]]]
    basis, free = star_convex.harmonics(rays, "bright-field"), np.full((1, len(rays)), np.inf)
    for remaining in reversed(range(passes)):
        edge = star_convex.edge_strength(star_convex.radial_profiles(volume, places, spacing, rays, s.radii), s.step)
        coefficients = star_convex.fit_radii(edge, s.radii, basis, free, s)
        if remaining:
            places = star_convex.recentre(places, coefficients, spacing, "bright-field")
    surface = coefficients @ basis.T  # (1, D) µm
    score = edge * np.exp(-((s.radii - surface[..., None]) ** 2) / (2 * s.tolerance**2))
    width = star_convex.edge_half_width(volume, places, spacing, rays, surface, s)
    added = star_convex.edge_offset(coefficients[:, 0], width, modality)
    return places[0], edge[0], s.radii[score[0].argmax(axis=-1)], surface[0], float(added[0])
