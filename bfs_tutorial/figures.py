"""Figures of z-stacks, instance labels, training runs and scores: one calm style, readable by everyone on every page.

Each function draws one figure and returns it; `show` turns a figure into a card with alt text for a chapter. Axes of
pictures count voxels, as points do, and their aspect follows the spacing, so a µm is equally long in each direction.
Colours tell neighbours apart for colour-blind readers too (CIEDE2000 of at least 9 under each simulated deficiency).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import escape
from textwrap import fill as wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects, pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from PIL import Image
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from skimage.measure import find_contours

from bfs_tutorial.errors import InputError
from bfs_tutorial.stack import check_centres, check_labels, check_spacing

INK, MUTED, RULE = "#1f2328", "#59636e", "#d0d7de"  # text, second text, hair lines; all on white
INSTANCES = ("#45a8ff", "#f58a1f", "#4fd6a8", "#fff04d", "#ff9bd2", "#cdefff")  # outlines on grey pictures
LINES = ("#0b5fa5", "#b4450f", "#00755a", "#8a3f87", "#6b5d00", "#59636e")  # lines, bars and words on white
COLOUR_MAPS = {"image": "gray", "map": "viridis", "signed": "RdBu_r"}
PROJECTIONS = {"max": np.max, "mean": np.mean, "min": np.min, "std": np.std}
BAR_LENGTHS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)  # µm
LARGEST = 3.7  # inches: the longest side of one picture
WIDTH, DPI = 7.2, 160  # inches: 7.2 x 100 px is the text width of the book, 1.6 image pixels to each of them
ALT_LENGTH = 20  # characters: less cannot tell a blind reader what a figure shows
HALO = [
    patheffects.withStroke(linewidth=1.9, foreground=(0, 0, 0, 0.5))
]  # keeps white marks readable on white

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so every machine draws the same letters
    "font.size": 8.5,
    "text.color": INK,
    "axes.titlesize": 8.5,
    "axes.titlepad": 4.0,
    "axes.titlecolor": INK,
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=LINES),
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def style() -> AbstractContextManager[None]:
    """Give the style of the book as a context (`with style(): ...`) or as a decorator (`@style()`)."""
    return mpl.style.context(["default", STYLE])


# ---- a figure as a card in a page -----------------------------------------------------------------------------


@dataclass(frozen=True)
class FigureHTML:
    """Hold a drawn figure that shows itself in a notebook as a white card with alt text and a caption.

    png: the picture; width: its width on the page in CSS pixels.
    """

    png: bytes
    alt: str
    caption: str
    width: int

    def __repr__(self) -> str:
        short = self.alt if len(self.alt) <= 60 else self.alt[:59].rstrip() + "…"
        return f"<figure: {short}>"

    def _repr_html_(self) -> str:
        card = (
            "box-sizing:border-box;margin:1em auto;padding:12px;background:#ffffff;color:#1f2328;"
            f"border:1px solid #d0d7de;border-radius:8px;max-width:min(100%,{self.width + 26}px)"
        )
        picture = "display:block;width:100%;height:auto;margin:0;padding:0;background:#ffffff;border-radius:0"
        words = "margin:10px 2px 0;color:#1f2328;font-size:0.875em;line-height:1.45;text-align:left"
        caption = f'<figcaption style="{words}">{escape(self.caption)}</figcaption>' if self.caption else ""
        source = base64.b64encode(self.png).decode("ascii")
        return (
            f'<figure class="bfs-figure" style="{card}">'
            f'<img class="dark-light" alt="{escape(self.alt)}" style="{picture}" src="data:image/png;base64,{source}">'
            f"{caption}</figure>"
        )


def show(figure: Figure, alt: str, caption: str = "") -> FigureHTML:
    """Turn a figure into a card for a page, and close it so that it is not shown twice.

    alt: what the figure shows, for a reader who cannot see it; caption: the sentence printed below it.
    Raises InputError when alt is shorter than `ALT_LENGTH` characters.
    """
    alt, caption = " ".join(alt.split()), " ".join(caption.split())
    if len(alt) < ALT_LENGTH:
        raise InputError(
            f"alt text {alt!r} has {len(alt)} characters: say in {ALT_LENGTH} or more what the figure shows"
        )
    png = _palette_png(figure)
    pyplot.close(figure)
    return FigureHTML(png, alt, caption, width=round(100 * figure.get_figwidth()))


@style()
def _palette_png(figure: Figure) -> bytes:
    """Return the figure as PNG, in 256 colours where no one can see the difference: a third of the bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    full = Image.open(buffer).convert("RGB")  # (height, width, 3)
    small = full.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    error = np.abs(np.asarray(full, dtype=int) - np.asarray(small.convert("RGB"), dtype=int)).max(axis=-1)
    buffer = io.BytesIO()
    (small if np.percentile(error, 99) <= 12 else full).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


# ---- colours of instances -------------------------------------------------------------------------------------


def label_colours(*labels: np.ndarray, reach: int = 2) -> dict[int, str]:
    """Give each label number one colour, such that cells that touch differ, and do so in every label image given.

    Numbers take the colours of `INSTANCES` in turn; one whose turn would repeat a neighbour's colour takes another.
    labels: integer arrays of any shape that share their numbers. Neighbours are at most `reach` voxels apart, or, with
    less weight, overlap when seen along the first axis of a volume. Raises InputError when a label image is not integer.
    """
    weights: dict[int, dict[int, int]] = {}
    for image in labels:
        image = _integers(image)
        views = [(image, 100)] + ([(image.max(axis=0), 1)] if image.ndim == 3 else [])
        for number in np.unique(image[image > 0]):
            weights.setdefault(int(number), {})
        for view, weight in views:
            for a, b in _neighbours(view, reach):
                weights[a][b] = weights[b][a] = max(weight, weights[a].get(b, 0))
    turn: dict[int, int] = {}
    for number in sorted(weights):
        cost = [0] * len(INSTANCES)
        for other, weight in weights[number].items():
            if other in turn:
                cost[turn[other]] += weight
        order = [(number - 1 + step) % len(INSTANCES) for step in range(len(INSTANCES))]
        turn[number] = min(order, key=cost.__getitem__)
    return {number: INSTANCES[index] for number, index in turn.items()}


def _neighbours(labels: np.ndarray, reach: int) -> set[tuple[int, int]]:
    """Return the pairs of numbers that some window of reach + 1 voxels a side holds together."""
    none = int(labels.max()) + 1
    size = reach + 1
    highest = ndimage.maximum_filter(labels, size)
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, none), size)
    together = (highest > 0) & (lowest < highest)
    pairs = np.unique(np.stack([lowest[together], highest[together]], axis=1), axis=0)  # (pairs, 2)
    return {(int(a), int(b)) for a, b in pairs}


def match_colours(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Renumber instances so that each takes the number, and so the colour, of the true instance that it matches.

    Matching: one to one, with the largest sum of IoU (Hungarian method). An instance without a partner takes a number
    that the truth does not use. labels, truth: integers of one shape; returns int32 of that shape.
    Raises InputError when the shapes differ or a label image is not integer.
    """
    labels, truth = _integers(labels), _integers(truth)
    if labels.shape != truth.shape:
        raise InputError(
            f"labels have shape {labels.shape}, the truth {truth.shape}: expected the same shape"
        )
    numbers, i = np.unique(labels, return_inverse=True)
    true_numbers, j = np.unique(truth, return_inverse=True)
    both = np.zeros((len(numbers), len(true_numbers)))
    np.add.at(both, (i.ravel(), j.ravel()), 1)  # (labels, truths): voxels in common
    iou = both / (both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both)
    iou[numbers == 0] = iou[:, true_numbers == 0] = 0
    pairs = {int(a): int(b) for a, b in zip(*linear_sum_assignment(-iou), strict=True) if iou[a, b] > 0}
    spare = iter(range(int(truth.max(initial=0)) + 1, int(truth.max(initial=0)) + 1 + len(numbers)))
    new = [
        0 if n == 0 else int(true_numbers[pairs[a]]) if a in pairs else next(spare)
        for a, n in enumerate(numbers)
    ]
    return np.array(new, dtype=np.int32)[i].reshape(labels.shape)


def overlay(
    image: np.ndarray,
    labels: np.ndarray,
    *,
    fill: float = 0.0,
    outline: int = 1,
    zoom: int = 1,
    limits: tuple[float, float] | None = None,
    colours: Mapping[int, str] | None = None,
) -> np.ndarray:
    """Paint instance outlines, and with fill > 0 their insides, onto a plane; the picture behind a slider's frame.

    Outlines lie inside each instance, `outline` pixels wide, so both of two touching cells show theirs.
    image: (Y, X); labels: (Y, X) integers, 0 = background; fill: 0 (clear) to 1 (opaque); zoom: pixels a voxel;
    limits: values drawn black and white; colours: by number, else `label_colours`. Returns (zoom Y, zoom X, 3) uint8.
    Raises InputError when the shapes differ, or fill, outline or zoom is out of range.
    """
    image, labels = _picture(image, 2), _integers(labels)
    if labels.shape != image.shape:
        raise InputError(
            f"labels have shape {labels.shape}, the image {image.shape}: expected the same (y, x)"
        )
    if not (0 <= fill <= 1 and outline >= 0 and zoom >= 1):
        raise InputError(
            f"fill {fill}, outline {outline}, zoom {zoom}: expected fill from 0 to 1, outline >= 0, zoom >= 1"
        )
    low, high = limits or _window(image, "image")
    colours = label_colours(labels) | dict(colours or {})
    block = np.ones((zoom, zoom), dtype=int)
    labels = np.kron(labels, block)  # (zoom Y, zoom X)
    grey = np.kron(np.clip((image - low) / (high - low), 0, 1), block)
    paint = np.zeros((int(labels.max(initial=0)) + 1, 3))
    for number in np.unique(labels[labels > 0]):
        paint[number] = mpl.colors.to_rgb(colours[int(number)])
    size = 2 * outline + 1
    edge = ndimage.maximum_filter(labels, size) != ndimage.minimum_filter(labels, size)
    alpha = np.where(labels > 0, np.where(edge, 1.0, fill), 0.0)[..., None]  # (zoom Y, zoom X, 1)
    return np.round(255 * ((1 - alpha) * grey[..., None] + alpha * paint[labels])).astype(np.uint8)


# ---- parts of a picture ---------------------------------------------------------------------------------------


def scale_bar(axes: Axes, spacing: float, length: float | None = None, colour: str = "white") -> float:
    """Draw a scale bar into the lower right corner of a picture, and return its length in µm.

    The bar is length / spacing voxels long. spacing: µm a voxel along x; length: µm, else the longest of 1, 2 or 5
    times a power of ten that fits into a third of the picture. Raises InputError when either is not positive or the
    bar would be longer than the picture.
    """
    left, right = sorted(axes.get_xlim())
    bottom, top = axes.get_ylim()
    width = (right - left) * spacing  # µm
    if not spacing > 0 or (length is not None and not 0 < length <= width):
        raise InputError(
            f"a scale bar of {length} µm at {spacing} µm a voxel: expected more than 0, at most {width:g} µm"
        )
    if length is None:
        length = max((known for known in BAR_LENGTHS if known <= width / 3), default=BAR_LENGTHS[0])
    end = right - 0.05 * (right - left)
    y = bottom + 0.06 * (top - bottom)
    halo = [patheffects.withStroke(linewidth=4.2, foreground=(0, 0, 0, 0.55))]
    axes.plot(
        [end - length / spacing, end],
        [y, y],
        color=colour,
        linewidth=2.4,
        solid_capstyle="butt",
        path_effects=halo,
    )
    axes.annotate(
        f"{length:g} µm",
        (end - length / spacing / 2, y),
        (0, 3.5),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=colour,
        fontsize=7.5,
        path_effects=[patheffects.withStroke(linewidth=1.8, foreground=(0, 0, 0, 0.55))],
    )
    axes.set(xlim=(left, right), ylim=(bottom, top))
    return length


def draw_plane(
    axes: Axes,
    plane: np.ndarray,
    spacing: Sequence[float],
    *,
    kind: str = "image",
    limits: tuple[float, float] | None = None,
    outlines: Mapping[int, np.ndarray] | None = None,
    colours: Mapping[int, str] | None = None,
    fill: float = 0.0,
    points: np.ndarray | None = None,
) -> Any:
    """Draw one plane with instance outlines and points into given axes, for a figure of your own; returns the AxesImage.

    plane: (rows, columns); spacing: µm of a row and of a column, which sets the aspect; kind: "image", "map" or
    "signed"; outlines: a mask (rows, columns) by instance number; points: (N, 2) as (row, column) in voxel index units.
    Raises InputError when kind is unknown.
    """
    low, high = limits or _window(plane, kind)
    picture = axes.imshow(plane, cmap=COLOUR_MAPS[kind], vmin=low, vmax=high, aspect=spacing[0] / spacing[1])
    frame = axes.get_xlim(), axes.get_ylim()
    for number, mask in (outlines or {}).items():
        draw_outline(
            axes, mask, (colours or {}).get(number) or INSTANCES[(number - 1) % len(INSTANCES)], fill=fill
        )
    if points is not None and len(points):
        axes.plot(points[:, 1], points[:, 0], "o", ms=4.2, mfc="white", mec="black", mew=0.9, ls="none")
    axes.set(xlim=frame[0], ylim=frame[1])
    axes.set_axis_off()
    return picture


def draw_outline(
    axes: Axes, mask: np.ndarray, colour: str, *, width: float = 1.3, fill: float = 0.0, dashed: bool = False
) -> None:
    """Draw the outline of a mask just inside its border, so that two touching cells both show theirs.

    mask: (rows, columns) bool; width: points; fill: opacity of the inside, 0 to 1. A mask without voxels draws nothing.
    """
    rings = find_contours(
        np.pad(np.asarray(mask, dtype=float), 1), 0.5
    )  # each (vertices, 2) as (row, column)
    if not rings:
        return
    path = Path.make_compound_path(*[Path(ring[:, ::-1] - 1, closed=True) for ring in rings])
    if fill:
        axes.add_patch(PathPatch(path, facecolor=colour, edgecolor="none", alpha=fill))
    stroke = PathPatch(path, facecolor="none", edgecolor=colour, linewidth=2 * width, joinstyle="round")
    axes.add_patch(stroke)
    stroke.set_clip_path(path, axes.transData)  # keeps the inner half of the stroke


def _grid(
    heights: Sequence[float],
    widths: Sequence[float],
    *,
    title_lines: int = 1,
    right: float = 0.0,
    below: float = 0.0,
) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes (rows, columns): pictures of the given sizes in µm, all drawn to one scale.

    right, below: inches kept free for colour bars beside the grid and below each row.
    """
    gap, top = 0.10, 0.10 + 0.15 * title_lines  # inches
    room = WIDTH - right - gap * (len(widths) - 1)
    scale = min(room / sum(widths), LARGEST / max(*heights, *widths))  # inches a µm
    width = scale * sum(widths) + WIDTH - room
    height = scale * sum(heights) + len(heights) * (top + below)
    figure = Figure(figsize=(width, height))
    axes = np.empty((len(heights), len(widths)), dtype=object)
    y = height
    for row, tall in enumerate(heights):
        y -= top + scale * tall
        x = 0.0
        for column, wide in enumerate(widths):
            box = (x / width, y / height, scale * wide / width, scale * tall / height)
            axes[row, column] = figure.add_axes(box)
            x += scale * wide + gap
        y -= below
    return figure, axes


def _colour_bar(axes: Axes, picture: Any, label: str, *, side: str) -> None:
    """Draw a colour bar "right" of a picture or "below" it, as long as the picture."""
    figure = axes.figure
    box = axes.get_position()
    across, up = 1 / figure.get_figwidth(), 1 / figure.get_figheight()  # figure fractions an inch
    if side == "right":
        place = (box.x1 + 0.08 * across, box.y0, 0.09 * across, box.height)
    else:
        place = (box.x0, box.y0 - 0.17 * up, box.width, 0.09 * up)
    bar = figure.colorbar(
        picture, cax=figure.add_axes(place), orientation="vertical" if side == "right" else "horizontal"
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, width=0.6, pad=2)
    bar.locator = MaxNLocator(nbins=4)
    bar.set_label(label, labelpad=3)


# ---- pictures of a z-stack ------------------------------------------------------------------------------------


@style()
def slices(
    image: np.ndarray,
    spacing: Sequence[float],
    planes: int | Sequence[int] = 4,
    *,
    labels: np.ndarray | None = None,
    points: np.ndarray | None = None,
    kind: str = "image",
    unit: str = "",
    limits: tuple[float, float] | None = None,
    colours: Mapping[int, str] | None = None,
    fill: float = 0.0,
    depth: float = 2.0,
    columns: int = 4,
) -> Figure:
    """Draw planes of a stack side by side, each titled with its z in µm, with instance outlines and points.

    image: (Z, Y, X); spacing: (z, y, x) µm; planes: how many (evenly spaced, through the labels where there are some)
    or which; labels: (Z, Y, X) integers; points: (N, 3), drawn in planes at most `depth` µm away; kind: "image",
    "map" or "signed", the last two with a colour bar named `unit`; limits: values drawn darkest and brightest;
    fill: opacity inside outlines; columns: pictures in a row. Raises InputError for shapes that disagree or a plane
    that does not exist.
    """
    image, spacing, labels, points = _inputs(image, spacing, labels, points)
    chosen = _planes(planes, image, labels)
    columns = max(1, min(columns, len(chosen)))
    rows = -(-len(chosen) // columns)
    limits = limits or _window(image, kind)
    colours = _colours(labels, colours)
    right = 0.0 if kind == "image" else 0.62
    figure, grid = _grid(
        [image.shape[1] * spacing[1]] * rows, [image.shape[2] * spacing[2]] * columns, right=right
    )
    for axes, z in zip(grid.flat, chosen, strict=False):
        outlines = _masks(labels, 0, z)
        near = _near(points, spacing, 0, z, depth)
        picture = draw_plane(axes, image[z], spacing[1:], kind=kind, limits=limits, outlines=outlines, colours=colours,
                             fill=fill, points=near)  # fmt: skip
        axes.set_title(f"z = {z * spacing[0]:.1f} µm")
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    scale_bar(grid.flat[0], spacing[2])
    if kind != "image":
        _colour_bar(grid[0, -1], picture, unit, side="right")
    return figure


@style()
def projection(
    image: np.ndarray,
    spacing: Sequence[float],
    axis: int | Sequence[int] = 0,
    *,
    how: str = "max",
    labels: np.ndarray | None = None,
    points: np.ndarray | None = None,
    limits: tuple[float, float] | None = None,
    colours: Mapping[int, str] | None = None,
    fill: float = 0.0,
) -> Figure:
    """Draw a stack projected along an axis, or along several side by side, with the silhouette of each instance.

    image: (Z, Y, X); spacing: (z, y, x) µm; axis: 0, 1 or 2 for z, y or x; how: "max", "mean", "min" or "std";
    labels: (Z, Y, X) integers; points: (N, 3), all drawn; fill: opacity inside outlines.
    Raises InputError for shapes that disagree, an axis that does not exist or another way to project.
    """
    image, spacing, labels, points = _inputs(image, spacing, labels, points)
    axes_along = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    if how not in PROJECTIONS or not axes_along or not set(axes_along) <= {0, 1, 2}:
        raise InputError(
            f"projection {how!r} along {axis!r}: expected one of {', '.join(PROJECTIONS)} along axis 0, 1 or 2"
        )
    colours = _colours(labels, colours)
    seen = [
        [other for other in range(3) if other != along] for along in axes_along
    ]  # (row axis, column axis)
    sizes = [[image.shape[other] * spacing[other] for other in pair] for pair in seen]
    figure, grid = _grid([max(tall for tall, _ in sizes)], [wide for _, wide in sizes])
    for axes, along, (down, across) in zip(grid[0], axes_along, seen, strict=True):
        outlines = _masks(labels, along)
        flat = None if points is None else points[:, (down, across)]  # (N, 2)
        draw_plane(axes, PROJECTIONS[how](image, axis=along), (spacing[down], spacing[across]), limits=limits,
                   outlines=outlines, colours=colours, fill=fill, points=flat)  # fmt: skip
        axes.set_title(f"{how} along {'zyx'[along]}")
    scale_bar(grid[0, 0], spacing[seen[0][1]])
    return figure


@style()
def orthogonal(
    image: np.ndarray,
    spacing: Sequence[float],
    at: Sequence[float] | None = None,
    *,
    labels: np.ndarray | None = None,
    points: np.ndarray | None = None,
    kind: str = "image",
    unit: str = "",
    limits: tuple[float, float] | None = None,
    colours: Mapping[int, str] | None = None,
    fill: float = 0.0,
    depth: float = 2.0,
) -> Figure:
    """Draw the three planes through one voxel, XY with YZ to its right and XZ below, to one scale, with cross-hairs.

    image: (Z, Y, X); spacing: (z, y, x) µm; at: (z, y, x) in voxel index units, else the middle of the largest
    instance, else of the stack; the other parameters as in `slices`. Raises InputError as `slices`, and when `at` lies
    outside the stack.
    """
    image, spacing, labels, points = _inputs(image, spacing, labels, points)
    z, y, x = (
        int(i) for i in np.round(_points([_middle(image, labels) if at is None else at], image.shape)[0])
    )
    limits = limits or _window(image, kind)
    colours = _colours(labels, colours)
    deep, tall, wide = (size * step for size, step in zip(image.shape, spacing, strict=True))  # µm
    right = 0.0 if kind == "image" else 0.62
    figure, grid = _grid([tall, deep], [wide, deep], right=right)
    grid[1, 1].set_visible(False)
    # axes, axis cut through, index, rows, columns, cross-hair (row, column)
    views = (
        (grid[0, 0], 0, z, 1, 2, (y, x), "XY at z"),
        (grid[0, 1], 2, x, 1, 0, (y, z), "YZ at x"),
        (grid[1, 0], 1, y, 0, 2, (z, x), "XZ at y"),
    )
    for axes, along, index, down, across, (row, column), title in views:
        turn = (lambda plane: plane.T) if down > across else (lambda plane: plane)
        outlines = {n: turn(mask) for n, mask in _masks(labels, along, index).items()}
        near = _near(points, spacing, along, index, depth, order=(down, across))
        picture = draw_plane(axes, turn(np.take(image, index, axis=along)), (spacing[down], spacing[across]), kind=kind,
                             limits=limits, outlines=outlines, colours=colours, fill=fill, points=near)  # fmt: skip
        for line in (axes.axhline(row), axes.axvline(column)):
            line.set(color="white", linewidth=0.7, alpha=0.8, path_effects=HALO)
        axes.set_title(f"{title} = {index * spacing[along]:.1f} µm")
    scale_bar(grid[0, 0], spacing[2])
    if kind != "image":
        _colour_bar(grid[0, 1], picture, unit, side="right")
    return figure


@style()
def comparison(
    image: np.ndarray,
    results: Mapping[str, np.ndarray],
    spacing: Sequence[float],
    plane: int | str | None = None,
    *,
    reference: str | None = None,
    limits: tuple[float, float] | None = None,
    fill: float = 0.25,
    title: str = "image",
    columns: int = 4,
) -> Figure:
    """Draw one plane of a stack alone and with the instances of several results, the same instance in the same colour.

    image: (Z, Y, X); results: labels (Z, Y, X) by name; spacing: (z, y, x) µm; plane: an index, "max" for the maximum
    projection with silhouettes, or None for the plane with most foreground; reference: the result whose colours the
    others take (`match_colours`) and whose outlines they show in white. Raises InputError for shapes that disagree.
    """
    image, spacing, _, _ = _inputs(image, spacing, None, None)
    results = {name: check_labels(labels, image.shape) for name, labels in results.items()}
    if not results or (reference is not None and reference not in results):
        raise InputError(
            f"reference {reference!r}, results {list(results)}: expected at least one, the reference among them"
        )
    truth = None if reference is None else results[reference]
    if truth is not None:
        results = {name: match_colours(labels, truth) for name, labels in results.items()}
    if plane is None:
        plane = int(np.argmax(sum((labels > 0).sum(axis=(1, 2)) for labels in results.values())))
    if plane != "max":
        plane = _planes([plane], image, None)[0]
    limits = limits or _window(image, "image")
    colours = label_colours(*results.values())
    shown = image.max(axis=0) if plane == "max" else image[plane]
    titles = [title, *results]
    columns = max(1, min(columns, len(titles)))
    size = [image.shape[1] * spacing[1]] * -(-len(titles) // columns), [image.shape[2] * spacing[2]] * columns
    titles = [wrap(name, round(88 / columns)) for name in titles]
    figure, grid = _grid(*size, title_lines=max(name.count("\n") + 1 for name in titles))
    for axes, name, labels in zip(grid.flat, titles, [None, *results.values()], strict=False):
        outlines = _masks(labels, 0, None if plane == "max" else plane)
        draw_plane(axes, shown, spacing[1:], limits=limits, outlines=outlines, colours=colours, fill=fill)
        if truth is not None and labels is not None and labels is not results[reference]:
            for mask in _masks(truth, 0, None if plane == "max" else plane).values():
                draw_outline(axes, mask, "white", width=0.7)
        axes.set_title(name)
    for axes in grid.flat[len(titles) :]:
        axes.set_visible(False)
    scale_bar(grid.flat[0], spacing[2])
    return figure


@style()
def panels(
    volumes: Mapping[str, np.ndarray],
    spacing: Sequence[float],
    plane: int | None = None,
    *,
    kinds: str | Mapping[str, str] = "image",
    units: Mapping[str, str] | None = None,
    labels: np.ndarray | None = None,
    points: np.ndarray | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    fill: float = 0.0,
    depth: float = 2.0,
    columns: int = 4,
) -> Figure:
    """Draw the same plane of several volumes side by side: a stack, its centre map, what a network makes of it.

    volumes: (Z, Y, X) by title, one shape; spacing: (z, y, x) µm; plane: an index, else the middle one; kinds: one for
    all, or by title ("image" where it says nothing); units: what a colour bar measures, and limits: values drawn darkest
    and brightest, by title; labels, points, fill, depth as in `slices`. Raises InputError for shapes that disagree.
    """
    if not volumes:
        raise InputError("there are no volumes to draw: expected at least one, by title")
    first = next(iter(volumes.values()))
    _, spacing, labels, points = _inputs(first, spacing, labels, points)
    volumes = {name: _picture(volume, 3, np.shape(first)) for name, volume in volumes.items()}
    kinds = dict.fromkeys(volumes, kinds) if isinstance(kinds, str) else dict(kinds)
    z = _planes([np.shape(first)[0] // 2 if plane is None else plane], first, None)[0]
    columns = max(1, min(columns, len(volumes)))
    size = (
        [first.shape[1] * spacing[1]] * -(-len(volumes) // columns),
        [first.shape[2] * spacing[2]] * columns,
    )
    titles = [wrap(name, round(88 / columns)) for name in volumes]
    barred = any(kinds.get(name, "image") != "image" for name in volumes)
    lines = max(name.count("\n") + 1 for name in titles)
    figure, grid = _grid(*size, title_lines=lines, below=0.5 if barred else 0.0)
    near = _near(points, spacing, 0, z, depth)
    outlines, colours = _masks(labels, 0, z), _colours(labels, None)
    for axes, (name, volume), title in zip(grid.flat, volumes.items(), titles, strict=False):
        kind = kinds.get(name, "image")
        window = (limits or {}).get(name) or _window(volume, kind)
        picture = draw_plane(axes, volume[z], spacing[1:], kind=kind, limits=window, outlines=outlines, colours=colours,
                             fill=fill, points=near)  # fmt: skip
        axes.set_title(title)
        if kind != "image":
            _colour_bar(axes, picture, (units or {}).get(name, ""), side="below")
    for axes in grid.flat[len(volumes) :]:
        axes.set_visible(False)
    scale_bar(grid.flat[0], spacing[2])
    return figure


# ---- numbers --------------------------------------------------------------------------------------------------


@style()
def curves(
    series: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str = "training step",
    y_label: str = "loss",
    log: bool = False,
    smooth: int = 1,
) -> Figure:
    """Draw training curves, each named at its right end in its own colour, so that no legend is needed.

    series: by name, the values of step 1, 2, 3, ... or a pair (steps, values); log: logarithmic values; smooth: steps
    in a running mean, drawn over the faint values themselves. Raises InputError when there is nothing to draw, a value
    is not finite, or log is asked for values that are not positive.
    """
    lines = {name: _series(name, values, log) for name, values in series.items()}
    if not lines or len(lines) > len(LINES):
        raise InputError(
            f"{len(lines)} curves: expected 1 to {len(LINES)}, more cannot be told apart; use two figures"
        )
    figure = Figure(figsize=(WIDTH * 0.86, 3.1))
    axes = figure.add_axes([0.1, 0.16, 0.68, 0.8])
    ends = []
    for (name, (steps, values)), colour in zip(lines.items(), LINES, strict=False):
        window = max(1, min(int(smooth), len(values)))
        if window > 1:
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            steps = steps[window - 1 :]  # a mean stands at the last step that it covers
            values = np.convolve(values, np.full(window, 1 / window), mode="valid")
        axes.plot(steps, values, color=colour, marker="o" if len(steps) == 1 else None)
        ends.append((steps[-1], values[-1], name, colour))
    axes.set(xlabel=x_label, ylabel=y_label, yscale="log" if log else "linear")
    axes.margins(x=0.01)
    axes.grid(axis="y")
    _name_ends(axes, ends)
    return figure


def _name_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each curve's name right of the axes, level with its end where there is room, with a hair line to it."""
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = sorted(ends, key=lambda end: end[1])
    places = np.array([to_axes.transform(end[:2])[1] for end in ends])  # fraction of the axes' height
    least = 0.065
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + least)
    places -= max(0.0, places[-1] - 1.0)
    for i in range(len(places) - 2, -1, -1):
        places[i] = min(places[i], places[i + 1] - least)
    for (x, y, name, colour), place in zip(ends, places, strict=True):
        axes.annotate(
            wrap(name, 22),
            (x, y),
            (1.03, place),
            textcoords="axes fraction",
            va="center",
            color=colour,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "alpha": 0.6,
                "shrinkA": 1,
                "shrinkB": 2,
            },
        )


@style()
def bars(
    scores: Mapping[str, Mapping[str, float | Sequence[float]]],
    *,
    limits: tuple[float, float] = (0.0, 1.0),
    highlight: Sequence[str] = (),
    beside: Mapping[str, Mapping[str, float]] | None = None,
    beside_label: str = "paper",
) -> Figure:
    """Draw scores as bars: one panel a metric, one row a method, the value written at its end.

    scores: by method, then by metric; a sequence of values (seeds) becomes a bar at their mean with a dot for each;
    limits: of the value axis; highlight: methods drawn in colour, the rest in grey; beside: published values, drawn as
    diamonds. Raises InputError when there is nothing to draw, methods name other metrics, or a value is not finite.
    """
    methods = list(scores)
    metrics = list(scores[methods[0]]) if methods else []
    if not metrics or any(set(row) != set(metrics) for row in scores.values()):
        raise InputError(
            f"scores of {methods}: expected the same metrics, at least one, for at least one method"
        )
    figure = Figure(figsize=(WIDTH, 0.62 + 0.29 * len(methods)), layout="constrained")
    grid = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(grid, metrics, strict=True):
        for row, method in enumerate(methods):
            values = np.atleast_1d(np.asarray(scores[method][metric], dtype=float))
            if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
                raise InputError(
                    f"{metric} of {method!r} is {scores[method][metric]!r}: expected finite numbers"
                )
            colour = LINES[0] if method in highlight else "#c3ccd5"
            axes.barh(row, values.mean(), height=0.66, color=colour)
            if len(values) > 1:
                axes.plot(
                    values, np.full(len(values), row), "o", ms=3, mfc="white", mec=INK, mew=0.7, ls="none"
                )
            published = (beside or {}).get(method, {}).get(metric)
            if published is not None:
                axes.plot(published, row, "D", ms=4.6, mfc="none", mec=LINES[1], mew=1.2, label=beside_label)
            right = max(values.max(), values.mean(), published or 0)
            weight = "bold" if method in highlight else "normal"
            axes.annotate(
                f"{values.mean():.2f}",
                (right, row),
                (5, 0),
                textcoords="offset points",
                va="center",
                weight=weight,
            )
        axes.set(title=metric, xlim=limits, yticks=range(len(methods)), yticklabels=methods)
        axes.grid(axis="x")
        axes.tick_params(length=0, labelcolor=INK)
        axes.spines[["left", "bottom"]].set_visible(False)
    grid[0].invert_yaxis()
    handles, names = grid[0].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles[:1], names[:1], loc="outside lower right", frameon=False, fontsize=8, handletextpad=0.2
        )
    return figure


@dataclass(frozen=True)
class TableHTML:
    """Hold a table that shows itself as HTML in a notebook and as aligned text in a terminal."""

    html: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def score_table(
    rows: Mapping[str, Mapping[str, Any]],
    columns: Sequence[str] | None = None,
    *,
    caption: str,
    header: str = "method",
    decimals: int = 3,
    lower: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> TableHTML:
    """Make a table of scores, the best of each column in bold, that a screen reader can walk through.

    rows: by method, then by column; a number, a pair (mean, spread), text, or None for "not measured"; columns: which
    ones and in what order, else those of the first row; decimals: of floats; lower: columns where less is better;
    beside: methods shown for reference, which do not compete. Raises InputError when there are no rows or columns.
    """
    columns = list(columns or next(iter(rows.values()), {}))
    if not columns or not caption.strip():
        raise InputError(
            f"a table of {len(rows)} rows, {len(columns)} columns, caption {caption!r}: expected some of each"
        )
    best = {column: _best(rows, column, decimals, column in lower, beside) for column in columns}
    cells = {name: [_cell(row.get(column), decimals) for column in columns] for name, row in rows.items()}
    left, right = 'style="text-align:left"', 'style="text-align:right;font-variant-numeric:tabular-nums"'
    head = "".join(f'<th scope="col" {right}>{escape(column)}</th>' for column in columns)
    body, text = "", []
    for name, row in cells.items():
        win = [name not in beside and cell == best[column] for cell, column in zip(row, columns, strict=True)]
        shown = [
            f"<strong>{escape(cell)}</strong>" if won else escape(cell)
            for cell, won in zip(row, win, strict=True)
        ]
        body += (
            f'<tr><th scope="row" {left}>{escape(name)}</th>'
            + "".join(f"<td {right}>{c}</td>" for c in shown)
            + "</tr>"
        )
        text.append([name, *(f"{cell}{'*' if won else ' '}" for cell, won in zip(row, win, strict=True))])
    html = (
        f'<table class="dataframe bfs-table"><caption style="caption-side:top;text-align:left;color:inherit">'
        f'{escape(caption)}</caption><thead><tr><th scope="col" {left}>{escape(header)}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    return TableHTML(html, _aligned(caption, [[header, *(f"{column} " for column in columns)], *text]))


def _best(
    rows: Mapping[str, Mapping[str, Any]], column: str, decimals: int, lower: bool, beside: Sequence[str]
) -> str | None:
    """Return the best cell of a column as it is printed, so that equal prints are equally good; None without numbers."""
    values = [row.get(column) for name, row in rows.items() if name not in beside]
    numbers = [
        (np.ravel(value)[0], value) for value in values if value is not None and not isinstance(value, str)
    ]
    if len(numbers) < 2:
        return None
    pick = min if lower else max
    return _cell(pick(numbers, key=lambda pair: pair[0])[1], decimals)


def _cell(value: Any, decimals: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)):
        return f"{value:d}"
    return " ± ".join(f"{part:.{decimals}f}" for part in np.ravel(value))


def _aligned(caption: str, lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as text with one width a column, the first column left, the others right aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        line[0].ljust(widths[0]) + "".join(f"  {c:>{w}}" for c, w in zip(line[1:], widths[1:], strict=True))
        for line in lines
    ]
    return "\n".join([caption, *(row.rstrip() for row in rows)])


# ---- checks and small steps -----------------------------------------------------------------------------------


def _picture(values: np.ndarray, ndim: int, shape: Sequence[int] | None = None) -> np.ndarray:
    """Return an array to be drawn as float64, or say why it cannot be."""
    values = np.asarray(values)
    if values.ndim != ndim or values.size == 0 or (shape is not None and values.shape != tuple(shape)):
        wanted = f"shape {tuple(shape)}" if shape is not None else f"{ndim}D, not empty"
        raise InputError(
            f"the array to draw has shape {values.shape}: expected {wanted}, axes {'zyx'[-ndim:]}"
        )
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise InputError(
            f"the array to draw ({values.dtype}) holds values that are no finite numbers: replace them first"
        )
    return values.astype(np.float64)


def _integers(labels: np.ndarray) -> np.ndarray:
    """Return labels of any shape as int64, or say why they are none."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.size == 0 or labels.min() < 0:
        raise InputError(
            f"the labels ({labels.dtype}, shape {labels.shape}): expected integers, 0 for background, none below"
        )
    return labels.astype(np.int64)


def _points(points: ArrayLike, shape: Sequence[int]) -> np.ndarray:
    """Return points as (N, 3), N = 0 allowed: a network may find nothing, and that can be drawn."""
    return check_centres(points, shape) if np.size(points) else np.zeros((0, 3))


def _inputs(
    image: np.ndarray, spacing: Sequence[float], labels: np.ndarray | None, points: np.ndarray | None
) -> tuple[np.ndarray, tuple[float, float, float], np.ndarray | None, np.ndarray | None]:
    """Return what a picture is drawn from, checked against the shape of the image."""
    image = _picture(image, 3)
    labels = None if labels is None else check_labels(labels, image.shape)
    points = None if points is None else _points(points, image.shape)
    return image, check_spacing(spacing), labels, points


def _window(values: np.ndarray, kind: str) -> tuple[float, float]:
    """Return the values drawn darkest and brightest: almost all of an image, all of a map, symmetric when signed."""
    if kind not in COLOUR_MAPS:
        raise InputError(f"kind is {kind!r}: expected one of {', '.join(COLOUR_MAPS)}")
    if kind == "image":
        low, high = (float(v) for v in np.percentile(values, (0.5, 99.8)))
    elif kind == "map":
        low, high = min(0.0, float(values.min())), float(values.max())
    else:
        high = float(np.percentile(np.abs(values), 99.8))
        low = -high
    return (low, high) if high > low else (low, low + 1.0)


def _planes(planes: int | Sequence[int], image: np.ndarray, labels: np.ndarray | None) -> list[int]:
    """Return the plane indices asked for; a number of planes is spread evenly, inside the foreground where there is one."""
    depth = len(image)
    if isinstance(planes, (int, np.integer)):
        filled = (
            np.arange(depth)
            if labels is None or not labels.any()
            else np.flatnonzero(labels.any(axis=(1, 2)))
        )
        if not 1 <= planes <= depth:
            raise InputError(f"{planes} planes asked for: expected 1 to {depth}, or a list of plane indices")
        parts = (np.arange(planes) + 0.5) / planes
        return sorted({int(round(filled[0] + part * (filled[-1] - filled[0]))) for part in parts})
    chosen = [int(z) for z in planes]
    if not chosen or not all(0 <= z < depth for z in chosen):
        raise InputError(f"planes {chosen}: expected indices from 0 to {depth - 1}")
    return chosen


def _middle(image: np.ndarray, labels: np.ndarray | None) -> tuple[float, ...]:
    """Return the middle (z, y, x) of the largest instance, or of the stack where there is none."""
    if labels is None or not labels.any():
        return tuple((size - 1) / 2 for size in image.shape)
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    return ndimage.center_of_mass(labels == largest)


def _near(
    points: np.ndarray | None,
    spacing: Sequence[float],
    axis: int,
    index: int,
    depth: float,
    order: Sequence[int] = (1, 2),
) -> np.ndarray | None:
    """Return the points (N, 2) at most `depth` µm, and in any case half a plane, away from a plane."""
    if points is None:
        return None
    reach = max(depth, spacing[axis] / 2)  # µm
    return points[np.abs(points[:, axis] - index) * spacing[axis] <= reach][:, list(order)]


def _masks(labels: np.ndarray | None, axis: int, index: int | None = None) -> dict[int, np.ndarray]:
    """Return the mask of each instance in a plane, or without an index its silhouette along an axis."""
    if labels is None:
        return {}
    view = labels if index is None else np.take(labels, index, axis=axis)
    masks = {int(number): view == number for number in np.unique(view[view > 0])}
    return masks if index is not None else {number: mask.any(axis=axis) for number, mask in masks.items()}


def _colours(labels: np.ndarray | None, colours: Mapping[int, str] | None) -> dict[int, str]:
    return ({} if labels is None else label_colours(labels)) | dict(colours or {})


def _series(name: str, values: Any, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and values of one curve."""
    steps, values = values if isinstance(values, tuple) else (np.arange(1, np.size(values) + 1), values)
    steps, values = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
    if values.ndim != 1 or steps.shape != values.shape or not len(values):
        raise InputError(
            f"curve {name!r}: steps {steps.shape}, values {values.shape}: expected two rows of one length"
        )
    if not np.isfinite(steps).all() or not np.isfinite(values).all() or (log and values.min() <= 0):
        raise InputError(
            f"curve {name!r} holds values that cannot be drawn: expected finite{', positive' if log else ''} ones"
        )
    return steps, values
