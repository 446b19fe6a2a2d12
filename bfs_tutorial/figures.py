"""Figures of z-stacks, instance labels, training runs and scores: one calm style that everyone can read.

Each function draws one figure and returns it; `show` turns a figure into a card with alt text for a chapter.
Axes of pictures count voxels, as points do, and their aspect follows the spacing: a µm is as long in every direction.
Colours of instances differ for colour-blind readers too: CIEDE2000 >= 10 under each simulated deficiency.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
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
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike
from PIL import Image
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from skimage.measure import find_contours

from bfs_tutorial.errors import InputError
from bfs_tutorial.stack import check_centres, check_labels, check_spacing

INK, MUTED, RULE = "#1f2328", "#59636e", "#d0d7de"  # text, second text, hair lines; all on white
INSTANCES = ("#45a8ff", "#f58a1f", "#4fd6a8", "#fff04d", "#ff9bd2", "#d9ffb3")  # outlines on grey pictures
LINES = ("#0b5fa5", "#b4450f", "#00755a", "#8a3f87", "#6b5d00", "#59636e")  # lines, bars and words on white
COLOUR_MAPS = {"image": "gray", "map": "viridis", "signed": "RdBu_r"}
PROJECTIONS = {"max": np.max, "mean": np.mean, "min": np.min, "std": np.std}
BAR_LENGTHS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)  # µm
WIDTH, DPI = 6.6, 175  # inches; 6.6 x 100 CSS pixels fill the text width of the book, at 1.75 pixels for each
PNG_BYTES = 120_000  # a picture above this is drawn with fewer colours
BAR_ROOM = 0.68  # inches for a colour bar beside pictures
ALT_LENGTH = 20  # characters; less cannot tell a blind reader what a figure shows
HALO = [patheffects.withStroke(linewidth=2.4, foreground=(0, 0, 0, 0.7))]  # keeps white marks visible on white
DIAMOND = {"marker": "D", "ms": 4.4, "mfc": "white", "mec": LINES[1], "mew": 1.2, "ls": "none", "clip_on": False}

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so every machine draws the same letters
    "font.size": 9.5,
    "text.color": INK,
    "axes.titlesize": 9.5,
    "axes.titlepad": 4.0,
    "axes.titlecolor": INK,
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=LINES),
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def style() -> AbstractContextManager[None]:
    """Give the style of the book, as a context (`with style(): ...`) or as a decorator (`@style()`)."""
    return mpl.style.context(["default", STYLE])


# ---- a figure as a card in a page ----------------------------------------------------------------------------


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
            f"box-sizing:border-box;max-width:min(100%,{self.width + 26}px);margin:1em auto;padding:12px;"
            f"background:#ffffff;color:{INK};border:1px solid {RULE};border-radius:8px"
        )
        picture = "display:block;width:100%;height:auto;margin:0;padding:0;background:#ffffff;border-radius:0"
        words = f"margin:10px 2px 0;color:{INK};font-size:0.875em;line-height:1.45;text-align:left"
        caption = f'<figcaption style="{words}">{escape(self.caption)}</figcaption>' if self.caption else ""
        source = "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")
        return (  # the class dark-light keeps the theme of the book from dimming the picture in dark mode
            f'<figure class="bfs-figure" style="{card}">'
            f'<img class="dark-light" alt="{escape(self.alt)}" style="{picture}" src="{source}">{caption}</figure>'
        )


def show(figure: Figure, alt: str, caption: str = "") -> FigureHTML:
    """Turn a figure into a card for a page, and close it so that it is not shown twice.

    alt: what the figure shows, for a reader who cannot see it; caption: the sentence printed below it.
    Raises InputError when alt is shorter than `ALT_LENGTH` characters.
    """
    alt, caption = " ".join(alt.split()), " ".join(caption.split())
    if len(alt) < ALT_LENGTH:
        raise InputError(f"alt text {alt!r}: say what the figure shows, in {ALT_LENGTH} characters or more")
    png = _palette_png(figure)
    pyplot.close(figure)
    return FigureHTML(png, alt, caption, width=round(100 * figure.get_figwidth()))


@style()
def _palette_png(figure: Figure) -> bytes:
    """Return the figure as PNG, in 256 or 64 colours where no one can see the difference: a third of the bytes."""
    full = Image.open(io.BytesIO(_png(figure.savefig, dpi=DPI))).convert("RGB")  # (height, width, 3)
    best = _png(full.save, optimize=True)
    for colours in (256, 64):
        few = full.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
        error = np.abs(np.asarray(full, dtype=int) - np.asarray(few.convert("RGB"), dtype=int)).max(axis=-1)
        if np.percentile(error, 99) > 12:  # of 255
            break
        best = _png(few.save, optimize=True)
        if len(best) <= PNG_BYTES:
            break
    return best


def _png(save: Callable[..., object], **options: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, format="png", **options)
    return buffer.getvalue()


# ---- colours of instances ------------------------------------------------------------------------------------


def label_colours(*labels: np.ndarray) -> dict[int, str]:
    """Give each label number one colour, such that cells that touch differ.

    Numbers take the colours of `INSTANCES` in turn, and when those are used up, the colour whose owners are
    farthest. labels: integers of any shape; numbers that several images share keep the colour of the first, so
    that a cell looks the same in every figure. Raises InputError for labels that are none.
    """
    images = [_integers(image) for image in labels]
    numbers = np.unique([number for image in images for number in np.unique(image[image > 0])]).astype(int)
    close = np.zeros((len(numbers), len(numbers)))
    taken = np.full(len(numbers), -1)  # index into INSTANCES, -1 = none yet
    for image in images:
        close += _closeness(image, numbers)
        new = np.flatnonzero(np.isin(numbers, image) & (taken < 0))
        for i in [*new] * 3:  # later rounds undo what an early choice made worse
            others = taken >= 0
            cost = np.bincount(taken[others], weights=close[i, others], minlength=len(INSTANCES))
            turns = (numbers[i] - 1 + np.arange(len(INSTANCES))) % len(INSTANCES)
            taken[i] = turns[np.argmin(cost[turns])]
    return {int(number): INSTANCES[index] for number, index in zip(numbers, taken, strict=True)}


def _closeness(labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return (N, N), how close each two of N numbers are: 1000 where they touch, else 1 / (1 + gap)^2, 0 to itself.

    Touching: a window of 5 voxels a side holds both; gap: voxels between their boxes.
    """
    index = np.where(labels > 0, np.searchsorted(numbers, labels) + 1, 0)  # 0 = background, 1 to N
    boxes = ndimage.find_objects(index, max_label=len(numbers))
    close = np.zeros((len(numbers), len(numbers)))
    here = np.array([i for i, box in enumerate(boxes) if box], dtype=int)
    start, stop = (np.array([[getattr(part, end) for part in boxes[i]] for i in here]) for end in ("start", "stop"))
    if len(here) < 2:
        return close
    gap = np.maximum(start[:, None] - stop[None], start[None] - stop[:, None]).clip(min=0)  # (here, here, axes)
    close[np.ix_(here, here)] = 1 / (1 + np.linalg.norm(gap, axis=-1)) ** 2
    highest = ndimage.maximum_filter(index, 5)
    lowest = ndimage.minimum_filter(np.where(index > 0, index, len(numbers) + 1), 5)
    together = (highest > 0) & (lowest < highest)
    a, b = lowest[together] - 1, highest[together] - 1
    close[a, b] = close[b, a] = 1000
    np.fill_diagonal(close, 0)
    return close


def match_colours(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Renumber instances so that each takes the number, and so the colour, of the true instance it matches.

    Matching is one to one and makes the sum of the IoUs largest (Hungarian method); an instance left without a
    partner takes a number that the truth does not use. labels, truth: integers of one shape; returns int32.
    Raises InputError when the shapes differ or labels are no labels.
    """
    labels, truth = _integers(labels), _integers(truth)
    if labels.shape != truth.shape:
        raise InputError(f"labels of shape {labels.shape}, truth of shape {truth.shape}: expected the same shape")
    numbers, i = np.unique(labels, return_inverse=True)
    true_numbers, j = np.unique(truth, return_inverse=True)
    size = len(numbers), len(true_numbers)
    both = np.bincount(i.ravel() * size[1] + j.ravel(), minlength=size[0] * size[1]).reshape(size)  # voxels shared
    iou = both / (both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both)
    iou[numbers == 0] = iou[:, true_numbers == 0] = 0
    pairs = {a: b for a, b in zip(*linear_sum_assignment(-iou), strict=True) if iou[a, b] > 0}
    new = int(truth.max()) + 1 + np.arange(len(numbers))  # numbers that the truth does not use
    new[numbers == 0] = 0
    new[list(pairs)] = true_numbers[list(pairs.values())]
    return new.astype(np.int32)[i].reshape(labels.shape)


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
    """Paint instance outlines, and with fill > 0 their insides, onto a plane: a frame for a slider.

    Outlines lie inside each instance, so both of two touching cells show theirs. image: (Y, X); labels: (Y, X)
    integers, 0 = background; fill: opacity, 0 to 1; outline: pixels; zoom: pixels a voxel; limits: values drawn
    black and white; colours: by number, else `label_colours`. Returns (zoom Y, zoom X, 3) uint8.
    Raises InputError when the shapes differ, or fill, outline or zoom is out of range.
    """
    image, labels = _picture(image, 2), _integers(labels)
    if labels.shape != image.shape:
        raise InputError(f"labels of shape {labels.shape}, image of shape {image.shape}: expected the same (y, x)")
    if not (0 <= fill <= 1 and outline >= 0 and zoom >= 1):
        raise InputError(f"fill {fill}, outline {outline}, zoom {zoom}: expected 0 to 1, 0 or more, 1 or more")
    low, high = _window(image, "image", limits)
    colours = label_colours(labels) | dict(colours or {})
    labels = labels.repeat(zoom, axis=0).repeat(zoom, axis=1)  # (zoom Y, zoom X)
    grey = np.clip((image - low) / (high - low), 0, 1).repeat(zoom, axis=0).repeat(zoom, axis=1)
    paint = np.zeros((int(labels.max()) + 1, 3))  # (numbers, 3)
    for number in np.unique(labels[labels > 0]):
        paint[number] = mpl.colors.to_rgb(colours[int(number)])
    size = 2 * outline + 1
    edge = ndimage.maximum_filter(labels, size) != ndimage.minimum_filter(labels, size)
    alpha = np.where(labels > 0, np.where(edge, 1.0, fill), 0.0)[..., None]  # (zoom Y, zoom X, 1)
    return np.round(255 * ((1 - alpha) * grey[..., None] + alpha * paint[labels])).astype(np.uint8)


# ---- parts of a picture --------------------------------------------------------------------------------------


def scale_bar(axes: Axes, spacing: float, length: float | None = None) -> float:
    """Draw a scale bar into the lower right corner of a picture, and return its length in µm.

    The bar is length / spacing voxels long. spacing: µm a voxel along x; length: µm, else the longest of
    `BAR_LENGTHS` that fits into a third of the picture. Raises InputError when one of them is not positive, or the
    bar is longer than the picture.
    """
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    width = (right - left) * spacing  # µm
    if length is None:
        length = max((known for known in BAR_LENGTHS if known <= width / 3), default=BAR_LENGTHS[0])
    if not (spacing > 0 and 0 < length <= width):
        raise InputError(f"scale bar of {length:g} µm, {spacing:g} µm a voxel: expected above 0, to {width:g} µm")
    end, y = right - 0.05 * (right - left), bottom + 0.06 * (top - bottom)
    start = end - length / spacing
    shadow = [patheffects.withStroke(linewidth=4.2, foreground=(0, 0, 0, 0.5))]
    axes.plot([start, end], [y, y], color="white", linewidth=2.4, solid_capstyle="butt", path_effects=shadow)
    axes.annotate(
        f"{length:g} µm", (end, y), (0, 3.5), textcoords="offset points", ha="right", va="bottom",
        color="white", fontsize=8.5, path_effects=HALO,
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
) -> AxesImage:
    """Draw one plane with instance outlines and points into given axes, for a figure of your own.

    plane: (rows, columns); spacing: µm of a row and of a column, which sets the aspect; kind: "image", "map" or
    "signed"; limits: values drawn darkest and brightest; outlines: a mask (rows, columns) by instance number; fill:
    opacity inside them; points: (N, 2) as (row, column) in voxel index units. Raises InputError for another kind.
    """
    low, high = _window(plane, kind, limits)
    aspect = spacing[0] / spacing[1]
    picture = axes.imshow(plane, COLOUR_MAPS[kind], vmin=low, vmax=high, aspect=aspect, interpolation="nearest")
    frame = {"xlim": axes.get_xlim(), "ylim": axes.get_ylim()}
    for number, mask in (outlines or {}).items():
        colour = (colours or {}).get(number, INSTANCES[(number - 1) % len(INSTANCES)])
        draw_outline(axes, mask, colour, fill=fill)
    if points is not None and len(points):
        axes.plot(points[:, 1], points[:, 0], "o", ms=4.2, mfc="white", mec="black", mew=0.9)
    axes.set(anchor="N", **frame)
    axes.set_axis_off()
    return picture


def draw_outline(axes: Axes, mask: np.ndarray, colour: str, *, width: float = 1.3, fill: float = 0.0) -> None:
    """Draw the outline of a mask just inside its border, so that both of two touching cells show theirs.

    mask: (rows, columns) bool, without a voxel nothing is drawn; width: points; fill: opacity of the inside, 0 to 1.
    """
    rings = find_contours(np.pad(np.asarray(mask, dtype=float), 1), 0.5)  # each (vertices, 2) as (row, column)
    if not rings:
        return
    path = Path.make_compound_path(*[Path(ring[:, ::-1] - 1, closed=True) for ring in rings])
    if fill:
        axes.add_patch(PathPatch(path, facecolor=colour, edgecolor="none", alpha=fill))
    stroke = PathPatch(path, facecolor="none", edgecolor=colour, linewidth=2 * width, joinstyle="round")
    axes.add_patch(stroke)
    stroke.set_clip_path(path, axes.transData)  # keeps the inner half of the stroke


def detection_marks(
    size: Sequence[int], points: ArrayLike, truth: ArrayLike, pairs: ArrayLike, spacing: float, title: str = ""
) -> str:
    """Return an SVG layer for an explorable: a dot for each hit, a cross for a false peak, a ring for a missed cell.

    size: (rows, columns) voxels of the picture that lies below; points (N, 2) found and truth (M, 2) true, both as
    (row, column) in voxel index units; pairs (K, 2): indices into both, from `metrics.match_points`; spacing: µm a
    column, for the scale bar; title: makes equal layers differ. Raises InputError for arrays without two columns.
    """
    points, truth = _two_columns(points, "points"), _two_columns(truth, "truth")
    hit, found = _two_columns(pairs, "pairs").astype(int).T
    unit = size[1] / 128  # marks keep their size on the page
    ring = f'fill="none" stroke="{INSTANCES[4]}" stroke-width="1.1"'
    dot = 'fill="#fff" stroke="#000" stroke-width="0.5"'
    parts = [_mark(*place, 3.6, unit, ring) for place in np.delete(truth, found, axis=0)]
    parts += [_cross(*place, unit) for place in np.delete(points, hit, axis=0)]
    parts += [_mark(*place, 1.7, unit, dot) for place in points[hit]]
    view = f"-0.5 -0.5 {size[1]} {size[0]}"
    return _svg(4 * size[1], 4 * size[0], view, title, "".join(parts) + _svg_scale_bar(size, spacing))


def _two_columns(rows: ArrayLike, name: str) -> np.ndarray:
    """Return an array (N, 2), N = 0 allowed, or say whose shape is another."""
    rows = np.asarray(rows) if np.size(rows) else np.zeros((0, 2))
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise InputError(f"{name} has shape {rows.shape}: expected two columns")
    return rows


def _mark(row: float, column: float, radius: float, unit: float, look: str) -> str:
    """Return a circle; radius and width of the line in 128ths of the picture."""
    return f'<g transform="translate({column:.1f} {row:.1f}) scale({unit:g})"><circle r="{radius}" {look}/></g>'


def _cross(row: float, column: float, unit: float) -> str:
    """Return a cross with a dark rim."""
    arms = "M-2 -2L2 2M2 -2L-2 2"
    lines = f'<path d="{arms}" stroke="#000" stroke-width="2"/><path d="{arms}" stroke="{INSTANCES[1]}"/>'
    return f'<g transform="translate({column:.1f} {row:.1f}) scale({unit:g})">{lines}</g>'


def _svg_scale_bar(size: Sequence[int], spacing: float) -> str:
    """Return a white scale bar in the lower right corner, as `scale_bar` draws it."""
    length = max((known for known in BAR_LENGTHS if known <= size[1] * spacing / 3), default=BAR_LENGTHS[0])
    end, y, unit = 0.95 * size[1], size[0] - 0.045 * size[1], size[1] / 128
    start = end - length / spacing
    words = f'font-family="sans-serif" font-size="{6 * unit:g}" text-anchor="end" fill="#fff" '
    words += f'stroke="#000" stroke-opacity="0.7" stroke-width="{unit:g}" paint-order="stroke"'
    return (
        f'<path d="M{start:.1f} {y:.1f}H{end:.1f}" stroke="#fff" stroke-width="{1.4 * unit:g}"/>'
        f'<text x="{end:.1f}" y="{y - 2 * unit:.1f}" {words}>{length:g} µm</text>'
    )


def cursor(axes: Axes, x: float, text: str = "") -> str:
    """Return an SVG layer for an explorable: a vertical line at a value of the x axis, and a line of text above.

    The layer lies on the picture of the axes' figure, whose axes were placed with `add_axes`, not by a layout.
    """
    wide, high = (100 * inches for inches in axes.figure.get_size_inches())  # CSS pixels
    box, (low, top) = axes.get_position(), axes.get_xlim()
    at = wide * (box.x0 + box.width * (x - low) / (top - low))
    line = f'<path d="M{at:.1f} {high * (1 - box.y1):.1f}V{high * (1 - box.y0):.1f}" stroke="{INK}"/>'
    words = f'font-family="sans-serif" font-size="12" text-anchor="end" fill="{INK}"'
    label = f'<text x="{wide * box.x1:.0f}" y="{high * (1 - box.y1) - 6:.0f}" {words}>{escape(text)}</text>'
    return _svg(wide, high, f"0 0 {wide:.0f} {high:.0f}", f"{x:g} {text}", line + label)


def _svg(width: float, height: float, view: str, title: str, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="{view}">'
        f"<title>{escape(title)}</title>{content}</svg>"
    )


def _grid(
    heights: Sequence[float],
    widths: Sequence[float],
    *,
    largest: float = 3.7,
    lines: int = 1,
    right: float = 0.0,
    below: float = 0.05,
) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes (rows, columns) for pictures of the given sizes in µm, all drawn to one scale.

    In inches: largest, the longest side of a picture; right, below: kept free beside the grid and below each row.
    lines: of text in the titles.
    """
    gap, top = 0.09, 0.10 + 0.165 * lines  # inches
    spare = right + gap * (len(widths) - 1)
    scale = min((WIDTH - spare) / sum(widths), largest / max(*heights, *widths))  # inches a µm
    width = scale * sum(widths) + spare
    height = scale * sum(heights) + (top + below) * len(heights)
    figure = Figure(figsize=(width, height))
    axes = np.empty((len(heights), len(widths)), dtype=object)
    y = height
    for row, tall in enumerate(heights):
        x = 0.0
        y -= top + scale * tall
        for column, wide in enumerate(widths):
            axes[row, column] = figure.add_axes((x / width, y / height, scale * wide / width, scale * tall / height))
            x += scale * wide + gap
        y -= below
    return figure, axes


def _rows(
    titles: Sequence[str], shape: Sequence[int], spacing: Sequence[float], columns: int, **room: float
) -> tuple[Figure, list[Axes]]:
    """Return a figure and one titled axes for each title, in rows of XY pictures of a volume's shape (Z, Y, X)."""
    columns = max(1, min(columns, len(titles)))
    titles = [wrap(title, round(84 / columns)) for title in titles]
    lines = max(title.count("\n") + 1 for title in titles)
    heights = [shape[1] * spacing[1]] * -(-len(titles) // columns)
    figure, grid = _grid(heights, [shape[2] * spacing[2]] * columns, lines=lines, **room)
    for axes in grid.flat[len(titles) :]:
        axes.set_visible(False)
    for axes, title in zip(grid.flat, titles, strict=False):
        axes.set_title(title)
    return figure, list(grid.flat[: len(titles)])


def _colour_bar(axes: Axes, picture: AxesImage, label: str, *, side: str) -> None:
    """Draw a colour bar "right" of a picture or "below" it, as long as the picture."""
    figure = axes.figure
    box = axes.get_position()
    across, up = 1 / figure.get_figwidth(), 1 / figure.get_figheight()  # figure fractions an inch
    if side == "right":
        place = (box.x1 + 0.08 * across, box.y0, 0.09 * across, box.height)
    else:
        place = (box.x0, box.y0 - 0.17 * up, box.width, 0.09 * up)
    orientation = "vertical" if side == "right" else "horizontal"
    steps = MaxNLocator(4 if side == "right" or box.width > 1.5 * across else 2)  # labels need room
    low, high = sorted(picture.get_clim())
    steps = [step for step in steps.tick_values(low, high) if low <= step <= high]
    bar = figure.colorbar(picture, cax=figure.add_axes(place), orientation=orientation, ticks=steps, format="{x:g}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, width=0.6, pad=2)
    texts = bar.ax.get_yticklabels() if side == "right" else bar.ax.get_xticklabels()
    for step, text in zip(steps, texts, strict=True):  # at the ends inwards: no label runs into the next picture
        end = -1 if step < low + 0.1 * (high - low) else 1 if step > high - 0.1 * (high - low) else 0
        if side == "right":
            text.set_verticalalignment({-1: "bottom", 0: "center", 1: "top"}[end])
        else:
            text.set_horizontalalignment({-1: "left", 0: "center", 1: "right"}[end])
    bar.set_label(label, labelpad=3)


# ---- pictures of a z-stack -----------------------------------------------------------------------------------


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

    image: (Z, Y, X); spacing: (z, y, x) µm; planes: how many, evenly spaced through the labels where there are
    some, or which; labels: (Z, Y, X) integers; points: (N, 3), drawn in planes at most `depth` µm away; kind:
    "image", "map" or "signed", the last two with a colour bar named `unit`; limits: values drawn darkest and
    brightest; colours: by number, else `label_colours`; fill: opacity inside outlines; columns: pictures in a row.
    Raises InputError for shapes that disagree or a plane that does not exist.
    """
    image, spacing, labels, points = _inputs(image, spacing, labels, points)
    chosen = _planes(planes, image, labels)
    limits = _window(image, kind, limits)
    colours = _colours(labels, colours)
    titles = [f"z = {z * spacing[0]:.1f} µm" for z in chosen]
    figure, grid = _rows(titles, image.shape, spacing, columns, right=0.0 if kind == "image" else BAR_ROOM)
    for axes, z in zip(grid, chosen, strict=True):
        picture = draw_plane(
            axes, image[z], spacing[1:], kind=kind, limits=limits, outlines=_masks(labels, 0, z), colours=colours,
            fill=fill, points=_near(points, spacing, 0, z, depth),
        )
    scale_bar(grid[0], spacing[2])
    if kind != "image":
        _colour_bar(grid[min(columns, len(grid)) - 1], picture, unit, side="right")
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
    """Draw a stack projected along one axis or several, with the silhouette of each instance.

    image: (Z, Y, X); spacing: (z, y, x) µm; axis: 0, 1 or 2 for z, y or x, or some of them; how: "max", "mean",
    "min" or "std"; points: (N, 3), all drawn; labels, limits, colours, fill: as in `slices`.
    Raises InputError for shapes that disagree, an axis that does not exist, or another way to project.
    """
    image, spacing, labels, points = _inputs(image, spacing, labels, points)
    chosen = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    if how not in PROJECTIONS or not chosen or not set(chosen) <= {0, 1, 2}:
        raise InputError(f"projection {how!r} along {axis!r}: expected {', '.join(PROJECTIONS)} along axis 0, 1 or 2")
    colours = _colours(labels, colours)
    seen = [[other for other in range(3) if other != along] for along in chosen]  # rows, columns of each picture
    tall, wide = zip(*[[image.shape[other] * spacing[other] for other in pair] for pair in seen], strict=True)
    figure, grid = _grid([max(tall)], wide)
    for axes, along, (down, across) in zip(grid[0], chosen, seen, strict=True):
        draw_plane(
            axes, PROJECTIONS[how](image, axis=along), (spacing[down], spacing[across]), limits=limits,
            outlines=_masks(labels, along), colours=colours, fill=fill,
            points=None if points is None else points[:, (down, across)],
        )
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
    """Draw the three planes through one voxel to one scale: XY, with YZ to its right and XZ below, and cross-hairs.

    image: (Z, Y, X); spacing: (z, y, x) µm; at: (z, y, x) in voxel index units, else the middle of the largest
    instance, else of the stack; the other parameters as in `slices`. Raises InputError as `slices` does, and when
    `at` lies outside the stack.
    """
    image, spacing, labels, points = _inputs(image, spacing, labels, points)
    place = _points([_middle(image, labels) if at is None else at], image.shape)[0]
    z, y, x = (min(round(index), size - 1) for index, size in zip(place, image.shape, strict=True))
    limits = _window(image, kind, limits)
    colours = _colours(labels, colours)
    deep, tall, wide = (size * step for size, step in zip(image.shape, spacing, strict=True))  # µm
    figure, grid = _grid([tall, deep], [wide, deep], largest=2.8, right=0.0 if kind == "image" else BAR_ROOM)
    grid[1, 1].set_visible(False)
    views = (  # axes, title, axis and index cut through, axes shown down and across, cross-hairs down and across
        (grid[0, 0], "XY at z", 0, z, 1, 2, y, x),
        (grid[0, 1], "YZ at x", 2, x, 1, 0, y, z),
        (grid[1, 0], "XZ at y", 1, y, 0, 2, z, x),
    )
    for axes, title, along, index, down, across, row, column in views:
        flip = np.transpose if down > across else np.asarray
        picture = draw_plane(
            axes, flip(np.take(image, index, axis=along)), (spacing[down], spacing[across]), kind=kind, limits=limits,
            outlines={number: flip(mask) for number, mask in _masks(labels, along, index).items()}, colours=colours,
            fill=fill, points=_near(points, spacing, along, index, depth, (down, across)),
        )
        for line in (axes.axhline(row), axes.axvline(column)):
            line.set(color="white", linewidth=0.7, alpha=0.8, path_effects=HALO, zorder=1.5)
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
    fill: float = 0.3,
    title: str = "image",
    columns: int = 4,
) -> Figure:
    """Draw one plane of a stack alone and with the instances of several results, each instance in one colour.

    image: (Z, Y, X); results: labels (Z, Y, X) by title; spacing: (z, y, x) µm; plane: an index, "max" for the
    maximum projection with silhouettes, or None for the plane with most foreground; reference: the title of the
    result whose colours the others take (`match_colours`) and whose outlines they show in white below.
    Raises InputError for shapes that disagree, no results, or a reference or plane that does not exist.
    """
    image, spacing, _, _ = _inputs(image, spacing, None, None)
    results = {name: check_labels(labels, image.shape) for name, labels in results.items()}
    if not results or reference not in (None, *results):
        raise InputError(f"results {list(results)}, reference {reference!r}: expected one of at least one result")
    if reference is not None:
        results = {name: match_colours(labels, results[reference]) for name, labels in results.items()}
    if plane is None:
        plane = int(np.argmax(sum((labels > 0).sum(axis=(1, 2)) for labels in results.values())))
    index = None if plane == "max" else _planes([plane], image, None)[0]
    shown = image.max(axis=0) if index is None else image[index]
    limits = _window(shown if index is None else image, "image", limits)
    first = next(iter(results)) if reference is None else reference
    colours = label_colours(results[first], *results.values())
    figure, grid = _rows([title, *results], image.shape, spacing, columns)
    for axes, name in zip(grid, [None, *results], strict=True):
        if reference is not None and name not in (None, reference):
            for mask in _masks(results[reference], 0, index).values():  # below the coloured: white shows what differs
                draw_outline(axes, mask, "white")
        outlines = _masks(results.get(name), 0, index)
        draw_plane(axes, shown, spacing[1:], limits=limits, outlines=outlines, colours=colours, fill=fill)
    scale_bar(grid[0], spacing[2])
    return figure


@style()
def panels(
    volumes: Mapping[str, np.ndarray],
    spacing: Sequence[float],
    plane: int | None = None,
    *,
    kinds: str | Mapping[str, str] = "image",
    units: Mapping[str, str] | None = None,
    labels: np.ndarray | Mapping[str, np.ndarray] | None = None,
    points: np.ndarray | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    fill: float = 0.0,
    depth: float = 2.0,
    columns: int = 4,
) -> Figure:
    """Draw the same plane of several volumes side by side: a stack, its centre map, what a network makes of it.

    volumes: (Z, Y, X) by title, one shape; spacing: (z, y, x) µm; plane: an index, else the middle one; kinds: one
    for all, or by title, "image" where it says nothing; units: names of the colour bars, and limits: values drawn
    darkest and brightest, by title; labels: (Z, Y, X) for all pictures, or by title for some; points, fill, depth,
    columns: as in `slices`. Raises InputError for no volumes, shapes that disagree or a plane that does not exist.
    """
    if not volumes:
        raise InputError("there are no volumes to draw: expected at least one, by title")
    shape = np.shape(next(iter(volumes.values())))
    volumes = {name: _picture(volume, 3, shape) for name, volume in volumes.items()}
    first, spacing, _, points = _inputs(next(iter(volumes.values())), spacing, None, points)
    given = labels if isinstance(labels, Mapping) else {name: labels for name in volumes if labels is not None}
    given = {name: check_labels(numbers, shape) for name, numbers in given.items()}
    kinds = {name: kinds if isinstance(kinds, str) else kinds.get(name, "image") for name in volumes}
    z = _planes([shape[0] // 2 if plane is None else plane], first, None)[0]
    room = 0.05 if set(kinds.values()) == {"image"} else 0.58  # inches
    figure, grid = _rows(list(volumes), shape, spacing, columns, below=room)
    colours = label_colours(*given.values())
    for axes, (name, volume) in zip(grid, volumes.items(), strict=True):
        picture = draw_plane(
            axes, volume[z], spacing[1:], kind=kinds[name], outlines=_masks(given.get(name), 0, z), colours=colours,
            fill=fill,
            limits=_window(volume, kinds[name], (limits or {}).get(name)),
            points=_near(points, spacing, 0, z, depth),
        )
        if kinds[name] != "image":
            _colour_bar(axes, picture, (units or {}).get(name, ""), side="below")
    scale_bar(grid[0], spacing[2])
    return figure


# ---- numbers -------------------------------------------------------------------------------------------------


@style()
def curves(
    series: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str = "training step",
    y_label: str = "loss",
    log: bool = False,
    smooth: int = 1,
    inside: Sequence[str] = (),
) -> Figure:
    """Draw training curves, each named at its end in its own colour, so that no legend is needed.

    series: by name, the values of step 1, 2, 3, ... or a pair (steps, values); log: logarithmic axis of values;
    smooth: values in a centred running mean, drawn over the faint values themselves; inside: curves that stop early
    and are named above the place where they do, not at the edge. Raises InputError for no curves, too many, rows of
    unequal length, values that are not finite, or for log, not positive, and for a name inside that no curve has.
    """
    if not set(inside) <= set(series):
        raise InputError(f"names inside {list(inside)}: expected some of the curves {list(series)}")
    lines = {name: _series(name, values, log) for name, values in series.items()}
    if not 1 <= len(lines) <= len(LINES):
        raise InputError(f"{len(lines)} curves: expected 1 to {len(LINES)}; draw more in two figures")
    figure = Figure(figsize=(WIDTH, 3.1))
    axes = figure.add_axes((0.1, 0.16, 0.63, 0.8))
    ends = []
    for (name, (steps, values)), colour in zip(lines.items(), LINES, strict=False):
        if smooth > 1:
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            values = ndimage.uniform_filter1d(values, min(smooth, len(values)), mode="nearest")
        axes.plot(steps, values, color=colour, marker="o" if len(steps) == 1 else None)
        if name in inside:
            side, away = ("right", -2) if values[-1] >= values[0] else ("left", 2)  # beside the curve itself
            place = {"textcoords": "offset points", "ha": side, "va": "bottom", "color": colour}
            axes.annotate(name, (steps[-1], values[-1]), (away, 3), **place)
        else:
            ends.append((steps[-1], values[-1], name, colour))
    axes.set(xlabel=x_label, ylabel=y_label, yscale="log" if log else "linear")
    if log:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.01)
    axes.grid(axis="y")
    _name_ends(axes, ends)
    return figure


def _name_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each curve's name right of the axes, level with its end (x, y) where there is room, tied to it by a hair.

    ends: x, y, name and colour of each curve.
    """
    axes.autoscale_view()  # else the place of a value is not yet known
    ends = sorted(ends, key=lambda end: end[1])
    to_axes = axes.transData + axes.transAxes.inverted()
    places = np.array([to_axes.transform(end[:2])[1] for end in ends])  # fractions of the axes' height
    room = 0.078 * np.array([1 + wrap(end[2], 20).count("\n") for end in ends])  # a line of text
    for i in range(1, len(places)):  # push up what would overlap, then everything down into the axes
        places[i] = max(places[i], places[i - 1] + (room[i] + room[i - 1]) / 2)
    for i in reversed(range(len(places))):
        ceiling = 1.0 if i == len(places) - 1 else places[i + 1] - (room[i] + room[i + 1]) / 2
        places[i] = min(places[i], ceiling)
    for (x, y, name, colour), place in zip(ends, places, strict=True):
        tie = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.6, "shrinkA": 1, "shrinkB": 2}
        axes.annotate(
            wrap(name, 20), (x, y), (1.03, place), textcoords="axes fraction", va="center", color=colour, arrowprops=tie
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
    """Draw scores as bars: a panel for each metric, a row for each method, the value written at its end.

    scores: by method, then by metric; several values (seeds) make a bar at their mean with a dot for each; limits:
    of the value axis; highlight: methods in colour, the others grey; beside: published values, drawn as diamonds
    that `beside_label` explains. Raises InputError for no scores, methods with unlike metrics, values not finite.
    """
    metrics = list(next(iter(scores.values()), {}))
    if not metrics or any(set(row) != set(metrics) for row in scores.values()):
        raise InputError(f"scores of {list(scores)}: expected the same metrics, one or more, for one method or more")
    figure = Figure(figsize=(WIDTH, 0.66 + 0.31 * len(scores)), layout="constrained")
    grid = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(grid, metrics, strict=True):
        for row, method in enumerate(scores):
            values = _values(f"{metric} of {method!r}", scores[method][metric])
            published = (beside or {}).get(method, {}).get(metric)
            _bar(axes, row, values, published, method in highlight)
        axes.set(title=metric, xlim=limits, yticks=range(len(scores)), yticklabels=scores)
        axes.xaxis.set(major_locator=MaxNLocator(4), major_formatter="{x:g}")
        axes.grid(axis="x")
        axes.tick_params(length=0, labelcolor=INK)
        axes.spines[["left", "bottom"]].set_visible(False)
    grid[0].invert_yaxis()
    if beside:
        diamond = mpl.lines.Line2D([], [], label=beside_label, **DIAMOND)
        figure.legend(handles=[diamond], loc="outside lower right", frameon=False, borderpad=0, handletextpad=0.2)
    return figure


def _bar(axes: Axes, row: int, values: np.ndarray, published: float | None, bold: bool) -> None:
    """Draw one bar at the mean of the values, a dot for each of several, and a diamond at a published value."""
    axes.barh(row, values.mean(), height=0.66, color=LINES[0] if bold else "#c3ccd5")
    if len(values) > 1:
        axes.plot(values, np.full(len(values), row), "o", ms=3, mfc="white", mec=INK, mew=0.7)
    if published is not None:
        axes.plot(published, row, **DIAMOND)
    axes.annotate(
        f"{values.mean():.2f}", (max(values.max(), published or 0), row), (6, 0), textcoords="offset points",
        va="center", weight="bold" if bold else "normal",
    )


@style()
def intervals(
    differences: Mapping[str, Mapping[str, tuple[float, float, float]]], *, x_label: str = "difference"
) -> Figure:
    """Draw differences with their intervals: a panel for each metric, a row for each comparison, a line at zero.

    differences: by comparison, then by metric: (mean, low, high). Blue with a filled dot: above zero; orange with a
    square: below zero; grey with an open dot: the interval holds zero. Raises InputError for no differences,
    comparisons with unlike metrics, or an interval that is not finite or does not run low to high.
    """
    metrics = list(next(iter(differences.values()), {}))
    if not metrics or any(set(row) != set(metrics) for row in differences.values()):
        raise InputError(f"differences of {list(differences)}: expected the same metrics, one or more, for each")
    figure = Figure(figsize=(WIDTH, 0.86 + 0.3 * len(differences)), layout="constrained")
    grid = figure.subplots(1, len(metrics), sharex=True, sharey=True, squeeze=False)[0]
    for axes, metric in zip(grid, metrics, strict=True):
        axes.axvline(0, color=INK, linewidth=0.8)
        for row, name in enumerate(differences):
            _interval(axes, row, f"{metric} of {name!r}", differences[name][metric])
        axes.set(title=metric, yticks=range(len(differences)), yticklabels=differences)
        axes.set_ylim(len(differences) - 0.4, -0.6)  # the first row on top
        axes.xaxis.set(major_locator=MaxNLocator(4), major_formatter="{x:g}")
        axes.grid(axis="x")
        axes.tick_params(length=0, labelcolor=INK)
        axes.spines[["left", "bottom"]].set_visible(False)
    figure.supxlabel(x_label, fontsize=9.5)
    return figure


def _interval(axes: Axes, row: int, name: str, values: Sequence[float]) -> None:
    """Draw one interval with its mean, its colour and mark by the side of zero on which it lies."""
    mean, low, high = _values(name, values) if np.shape(values) == (3,) else (np.nan,) * 3
    if not low <= mean <= high:
        raise InputError(f"{name} is {values!r}: expected mean, low and high, with low <= mean <= high")
    side = int(low > 0) - int(high < 0)
    colour, marker, face = {1: (LINES[0], "o", LINES[0]), -1: (LINES[1], "s", LINES[1]), 0: (MUTED, "o", "white")}[side]
    axes.plot([low, high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot(mean, row, marker, ms=5.5, mfc=face, mec=colour, mew=1.4)


@style()
def sweeps(
    series: Mapping[str, tuple[Sequence, Mapping[str, ArrayLike]]],
    *,
    units: Mapping[str, str] | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    columns: int = 3,
) -> Figure:
    """Draw what each of several choices changes: a small panel for each, its values side by side, a line a metric.

    series: by title, a pair (values, scores) with scores by metric, (values,) or (seeds, values): a line at the mean
    and a band from the lowest to the highest seed; units: the name of each panel's axis; limits: of the scores.
    Raises InputError for no series, too many metrics, or scores that do not fit the values.
    """
    if not series:
        raise InputError("no series to draw: expected at least one, by title")
    columns = min(columns, len(series))
    rows = -(-len(series) // columns)
    figure = Figure(figsize=(WIDTH, 2.0 * rows + 0.3), layout="constrained")
    figure.get_layout_engine().set(hspace=0.09)  # or a panel's unit seems to belong to the title below it
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(series) :]:
        axes.set_visible(False)
    for axes, (title, (values, scores)) in zip(grid.flat, series.items(), strict=False):
        _sweep(axes, title, list(values), scores)
        axes.set(title=wrap(title, round(84 / columns)), xlabel=(units or {}).get(title, ""), ylim=limits)
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(names), frameon=False, borderpad=0)
    return figure


def _sweep(axes: Axes, title: str, values: list, scores: Mapping[str, ArrayLike]) -> None:
    """Draw the scores at evenly spaced places, one for each value, whatever the values are."""
    if not 1 <= len(scores) <= len(LINES):
        raise InputError(f"{len(scores)} metrics in {title!r}: expected 1 to {len(LINES)}")
    places = np.arange(len(values))
    for (metric, table), colour, marker in zip(scores.items(), LINES, "os^vDP", strict=False):
        table = np.atleast_2d(np.asarray(table, dtype=float))
        if table.shape[1:] != (len(values),) or not np.isfinite(table).all():
            raise InputError(f"{metric} in {title!r} has shape {table.shape}: expected {len(values)} finite values")
        axes.plot(places, table.mean(axis=0), color=colour, marker=marker, ms=3.8, label=metric, clip_on=False)
        axes.fill_between(places, table.min(axis=0), table.max(axis=0), color=colour, alpha=0.16, linewidth=0)
    names = [value if isinstance(value, str) else f"{value:g}" for value in values]
    axes.set(xticks=places, xticklabels=names, xlim=(-0.25, len(values) - 0.75))
    axes.grid(axis="y")


@style()
def scatter(
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    log: bool = False,
    diagonal: str = "",
) -> Figure:
    """Draw points, a colour and a mark for each group; several groups are named beside the axes.

    groups: by name, a pair (x, y) of as many numbers; log: both axes logarithmic, one scale for both; diagonal: what
    it means that y = x, which a dashed line then shows, "" for no line. Raises InputError for no
    groups, too many, pairs of unequal length, values that are not finite, or for log, not positive.
    """
    pairs = {name: _series(name, values, log) for name, values in groups.items()}
    lowest = min((x.min() for x, _ in pairs.values()), default=1.0)
    if not 1 <= len(pairs) <= len(LINES) or (log and lowest <= 0):
        raise InputError(f"{len(pairs)} groups from x = {lowest:g}: expected 1 to {len(LINES)}; for log, x above 0")
    alone = len(pairs) == 1
    figure = Figure(figsize=(4.4 if alone else 5.6, 3.3), layout="constrained")
    axes = figure.subplots()
    for (name, (x, y)), colour, marker in zip(pairs.items(), LINES, "os^vDP", strict=False):
        axes.plot(x, y, marker, color=colour, label=name, ms=5, alpha=0.85, clip_on=False)
    if log:
        axes.set(xscale="log", yscale="log", aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator(), major_formatter="{x:g}")
    if diagonal:
        _draw_diagonal(axes, diagonal)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid()
    if not alone:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _draw_diagonal(axes: Axes, words: str) -> None:
    """Draw a dashed line where y = x, from end to end of what both axes show, and say in a corner what it means."""
    limits = np.array([axes.get_xlim(), axes.get_ylim()])
    ends = [limits.min(), limits.max()]
    axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
    axes.set(xlim=ends, ylim=ends)
    axes.text(0.98, 0.03, f"dashed: {words}", transform=axes.transAxes, color=MUTED, fontsize=8.5, ha="right")


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
    columns: Sequence[str] = (),
    *,
    caption: str,
    header: str = "method",
    decimals: int = 3,
    lower: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> TableHTML:
    """Make a table of scores with the best of each column in bold (in text: a star), fit for a screen reader.

    rows: by method, then by column: a number, a pair (mean, spread), text, or None where nothing was measured;
    columns: which, in what order, else those of the first row; decimals: of floats; lower: columns where less is
    better; beside: methods shown for reference, which do not compete. Raises InputError for no rows or caption.
    """
    columns = list(columns or next(iter(rows.values()), {}))
    if not columns or not rows or not caption.strip():
        raise InputError(f"table of {len(rows)} rows, {len(columns)} columns, caption {caption!r}: expected some")
    cells = {name: [_cell(row.get(column), decimals) for column in columns] for name, row in rows.items()}
    best = [_best([row.get(c) for n, row in rows.items() if n not in beside], decimals, c in lower) for c in columns]
    text = [[header, *(column + " " for column in columns)]]
    html = [_html_row([header, *columns], cell="th", scope="col")]
    for name, row in cells.items():
        wins = [name not in beside and cell == top for cell, top in zip(row, best, strict=True)]
        text.append([name, *(cell + " *"[win] for cell, win in zip(row, wins, strict=True))])
        html.append(_html_row([name, *row], wins=[False, *wins]))
    title = f'<caption style="caption-side:top;text-align:left">{escape(caption)}</caption>'
    body = f"<thead>{html[0]}</thead><tbody>{''.join(html[1:])}</tbody>"
    return TableHTML(f'<table class="bfs-table">{title}{body}</table>', _aligned(caption, text))


def _html_row(cells: Sequence[str], *, cell: str = "td", scope: str = "row", wins: Sequence[bool] = ()) -> str:
    """Return one table row; its first cell is a header, left aligned, the others are right aligned, winners bold."""
    room = "padding:0.3em 0.8em"
    weight = "" if scope == "col" else ";font-weight:normal"  # in the body, bold is for the best
    html = f'<tr><th scope="{scope}" style="{room};text-align:left{weight}">{escape(cells[0])}</th>'
    where = ' scope="col"' if cell == "th" else ""
    for i, value in enumerate(cells[1:], start=1):
        value = f"<strong>{escape(value)}</strong>" if wins and wins[i] else escape(value)
        right = f"{room};text-align:right;font-variant-numeric:tabular-nums"
        right += ";white-space:nowrap" if "±" in value else ""  # a mean and its spread stay on one line
        html += f'<{cell}{where} style="{right}">{value}</{cell}>'
    return html + "</tr>"


def _best(values: Sequence[Any], decimals: int, lower: bool) -> str | None:
    """Return the best value as it is printed, so that equal prints are equally good; None without a contest."""
    numbers = [value for value in values if value is not None and not isinstance(value, str)]
    if len(numbers) < 2:
        return None
    pick = min if lower else max
    return _cell(pick(numbers, key=lambda value: float(np.ravel(value)[0])), decimals)


def _cell(value: Any, decimals: int) -> str:
    if value is None or isinstance(value, str):
        return "–" if value is None else value
    if isinstance(value, (int, np.integer)):
        return f"{value:d}"
    return " ± ".join(f"{part:.{decimals}f}" for part in np.ravel(value))


def _aligned(caption: str, lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as text with one width a column, the first column left, the others right aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
    return "\n".join([caption, *("  ".join(line).rstrip() for line in padded)])


# ---- checks and small steps ----------------------------------------------------------------------------------


def _picture(values: np.ndarray, ndim: int, shape: Sequence[int] | None = None) -> np.ndarray:
    """Return an array to be drawn as float64, or say why it cannot be."""
    values = np.asarray(values)
    if values.ndim != ndim or values.size == 0 or (shape is not None and values.shape != tuple(shape)):
        wanted = f"{ndim}D, axes ({', '.join('zyx'[-ndim:])})" + (f", shape {tuple(shape)}" if shape else "")
        raise InputError(f"the array to draw has shape {values.shape}: expected {wanted}")
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise InputError(f"the array to draw ({values.dtype}) holds values that are not finite numbers: replace them")
    return values.astype(np.float64)


def _integers(labels: np.ndarray) -> np.ndarray:
    """Return labels of any shape as int64, or say why they are none."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.size == 0 or labels.min() < 0:
        raise InputError(f"labels ({labels.dtype}, shape {labels.shape}): expected integers, 0 or above")
    return labels.astype(np.int64)


def _points(points: ArrayLike, shape: Sequence[int]) -> np.ndarray:
    """Return points as (N, 3); N = 0 is allowed, a network may find nothing and that can be drawn."""
    return check_centres(points, shape) if np.size(points) else np.zeros((0, 3))


def _inputs(
    image: np.ndarray, spacing: Sequence[float], labels: np.ndarray | None, points: np.ndarray | None
) -> tuple[np.ndarray, tuple[float, float, float], np.ndarray | None, np.ndarray | None]:
    """Return what a picture is drawn from, checked, and checked against the shape of the image."""
    image = _picture(image, 3)
    labels = None if labels is None else check_labels(labels, image.shape)
    points = None if points is None else _points(points, image.shape)
    return image, check_spacing(spacing), labels, points


def _window(values: np.ndarray, kind: str, limits: Sequence[float] | None = None) -> tuple[float, float]:
    """Return the values drawn darkest and brightest: as asked for, else almost all of an image, all of a map.

    Those of a signed map lie symmetric about 0, which is drawn white.
    """
    if kind not in COLOUR_MAPS:
        raise InputError(f"kind is {kind!r}: expected one of {', '.join(COLOUR_MAPS)}")
    if limits is not None:
        if np.shape(limits) != (2,) or not limits[0] < limits[1]:
            raise InputError(f"limits are {limits!r}: expected two numbers, the lower one first")
        return float(limits[0]), float(limits[1])
    if kind == "image":
        low, high = (float(value) for value in np.percentile(values, (0.5, 99.8)))
    elif kind == "map":
        low, high = min(0.0, float(values.min())), float(values.max())
    else:
        high = float(np.percentile(np.abs(values), 99.8)) or 1.0
        low = -high
    return (low, high) if high > low else (low, low + 1.0)


def _planes(planes: int | Sequence[int], image: np.ndarray, labels: np.ndarray | None) -> list[int]:
    """Return the planes asked for; a number of them is spread evenly, through the foreground where there is one."""
    if isinstance(planes, (int, np.integer)):
        if not 1 <= planes <= len(image):
            raise InputError(f"{planes} planes: expected 1 to {len(image)} of them, or a list of indices")
        filled = [] if labels is None else np.flatnonzero(labels.any(axis=(1, 2)))
        low, high = (filled[0], filled[-1] + 1) if len(filled) else (0, len(image))
        low, high = (low, high) if high - low >= planes else (0, len(image))
        return [int(low + (i + 0.5) * (high - low) / planes) for i in range(planes)]
    if not len(planes) or not all(z in range(len(image)) for z in planes):
        raise InputError(f"planes {list(planes)}: expected indices from 0 to {len(image) - 1}")
    return [int(z) for z in planes]


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
    shown: Sequence[int] = (1, 2),
) -> np.ndarray | None:
    """Return the points (N, 2), coordinates `shown`, at most `depth` µm, or half a voxel, away from a plane."""
    if points is None:
        return None
    reach = max(depth, spacing[axis] / 2)  # µm
    return points[np.abs(points[:, axis] - index) * spacing[axis] <= reach][:, list(shown)]


def _masks(labels: np.ndarray | None, axis: int, index: int | None = None) -> dict[int, np.ndarray]:
    """Return the mask of each instance in a plane or, without an index, its silhouette along an axis."""
    if labels is None:
        return {}
    view = labels if index is None else np.take(labels, index, axis=axis)
    masks = {int(number): view == number for number in np.unique(view[view > 0])}
    return masks if index is not None else {number: mask.any(axis=axis) for number, mask in masks.items()}


def _colours(labels: np.ndarray | None, colours: Mapping[int, str] | None) -> dict[int, str]:
    return ({} if labels is None else label_colours(labels)) | dict(colours or {})


def _values(name: str, values: Any) -> np.ndarray:
    """Return one number or several as a row, or say whose are not finite."""
    row = np.atleast_1d(np.asarray(values, dtype=float))
    if row.ndim != 1 or not len(row) or not np.isfinite(row).all():
        raise InputError(f"{name}: the values are {values!r}, expected finite numbers")
    return row


def _series(name: str, values: Any, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and values of one curve, two rows of one length."""
    steps, values = values if isinstance(values, tuple) else (np.arange(1, np.size(values) + 1), values)
    steps, values = _values(f"steps of curve {name!r}", steps), _values(f"curve {name!r}", values)
    if len(steps) != len(values):
        raise InputError(f"curve {name!r} has {len(steps)} steps, {len(values)} values: expected as many of each")
    if log and values.min() <= 0:
        raise InputError(f"curve {name!r} goes down to {values.min():g}: a logarithmic axis shows positive values only")
    return steps, values
