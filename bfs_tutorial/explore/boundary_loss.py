"""The boundary loss, Eq. (4) and (5): its factors, their product, and a line through all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy import ndimage

from bfs_tutorial import figures, losses
from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.frame import Frame, Panel
from bfs_tutorial.figures import INK, LINES, MUTED
from bfs_tutorial.files import Spacing

PLOT = {"left": 30, "right": 432, "top": 26, "bottom": 158, "width": 440, "height": 190}  # of the line profile's SVG
GREYS = 52  # shades of a stored map: fewer bytes, and no one sees the steps


def soft_ball(shape: Sequence[int], centre: Sequence[float], radius: float, spacing: Spacing) -> torch.Tensor:
    """Return a mask (Z, Y, X) float64: 1 inside a ball, 0 outside, 0.5 on its surface, soft over about a µm.

    centre: (z, y, x) in voxel index units; radius: µm.
    """
    axes = [(torch.arange(n, dtype=torch.float64) - c) * s for n, c, s in zip(shape, centre, spacing, strict=True)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.sigmoid(4 * (radius - (z**2 + y**2 + x**2).sqrt()))


def boundary_frame(
    image: np.ndarray,
    mask: np.ndarray | torch.Tensor | Callable[[float], torch.Tensor],
    spacing: Spacing,
    at: Sequence[int],
    *,
    truth: np.ndarray | None = None,
    labels: np.ndarray | torch.Tensor | None = None,
    weight: Callable[..., torch.Tensor] = losses.edge_weight,
    loss: Callable[..., torch.Tensor] | None = None,
) -> Callable[..., Frame]:
    """Return the frame function of the boundary loss for one image and one mask, fixed or moving.

    The function takes sigma_mask and sigma_image (σ1, σ2 in µm), edge, p and scale, as `losses.boundary_loss` does;
    z, in µm from plane at[0]; size, the number from which `mask` is made; and strength, the λ of Eq. (3). It draws a
    plane of the image, of |∇G(S, σ1)|, of the weight and of their product, the values along row at[1], and writes the
    loss of the whole stack below: sum, mean and ratio, and with labels L_class + λ ratio = L_S2.
    image: I (Z, Y, X); mask: S in [0, 1] (Z, Y, X), or a function that makes it from size; truth: the true mask, whose
    outline is drawn; labels: the pseudo labels, 0 or 1, of L_class.
    weight: your own second factor, called as `losses.edge_weight`; loss: your own loss, called as loss(mask, image,
    spacing), whose value is written too. Raises InputError when the shapes differ or `at` lies outside.
    """
    image, (plane, y) = torch.as_tensor(image, dtype=torch.float64), at
    mask_of = lru_cache(maxsize=32)(
        lambda size: torch.as_tensor(mask(size) if callable(mask) else mask, dtype=torch.float64)
    )
    first = mask_of(0.0)
    if image.shape != first.shape or image.ndim != 3:
        raise InputError(f"image {tuple(image.shape)} and mask {tuple(first.shape)}: expected one shape (Z, Y, X)")
    if not (0 <= plane < image.shape[0] and 0 <= y < image.shape[1]):
        raise InputError(f"plane {plane}, row {y}: expected below {image.shape[0]} and {image.shape[1]}")
    truth = (first > 0.5).numpy() if truth is None else np.asarray(truth) > 0
    still = lru_cache(maxsize=64)(lambda z: _what_stays(image, truth, z, y, spacing[2]))
    border_of = lru_cache(maxsize=64)(lambda sigma, size: losses.gradient_magnitude(mask_of(size), sigma, spacing))
    weight_of = lru_cache(maxsize=64)(lambda *how: weight(image, spacing, *how))
    own_of = lru_cache(maxsize=32)(lambda size: None if loss is None else float(loss(mask_of(size), image, spacing)))
    class_of = lru_cache(maxsize=32)(lambda size: None if labels is None else _class_loss(mask_of(size), labels))

    def frame(
        sigma_mask: float,
        sigma_image: float,
        edge: str = "log",
        p: float = 2.0,
        scale: str = "std",
        z: float = 0.0,
        size: float = 0.0,
        strength: float | None = None,
    ) -> Frame:
        border, second = border_of(sigma_mask, size), weight_of(sigma_image, edge, p, scale)
        here = min(max(plane + round(z / spacing[0]), 0), len(image) - 1)
        text = _loss_text(border, second, class_of(size) if strength is not None else None, strength)
        if loss is not None:
            text += f" · {getattr(loss, '__name__', 'your loss')} {own_of(size):.4g}"
        top = border.amax().clamp(min=1e-12)
        return _boundary_panels(*still(here), {"mask edge": border[here] / top, "weight": second[here]}, y, text)

    return frame


SAYINGS = {  # of the parameters of `boundary_frame`, for alt texts
    "z": "{:+g} µm from the middle plane", "size": "mask {:+g} µm larger than the cell", "edge": "weight by {}",
    "scale": "strength {}", "p": "p = {:g}", "sigma_mask": "σ₁ = {:g} µm", "sigma_image": "σ₂ = {:g} µm",
    "strength": "λ = {:g}",
}  # fmt: skip


def describe_boundary(cell: str, **moved: Any) -> str:
    """Say in words what a frame of `boundary_frame` shows: the alt text of an explorable that moves some parameters.

    cell: what the image shows; moved: values by parameter of the frame function. Raises KeyError for another one.
    """
    words = {"log": "LoG", "none": "as it is", "std": "divided by its spread"}
    said = [SAYINGS[name].format(words.get(value, value)) for name, value in moved.items()]
    seen = "image with the true outline, mask edge, weight, product, line profile"
    return f"{cell}: {seen}; {', '.join(said)}"


def _class_loss(mask: torch.Tensor, labels: np.ndarray | torch.Tensor) -> float:
    """L_class of Eq. (3) for a mask in [0, 1]."""
    labels = torch.as_tensor(labels, dtype=torch.float64)
    return losses.class_loss(torch.logit(mask, eps=1e-6), labels).item()


def _loss_text(border: torch.Tensor, weight: torch.Tensor, class_loss: float | None, strength: float | None) -> str:
    """Write the loss as sum, mean and ratio, and L_S2 of Eq. (3) with the ratio where L_class and λ are given."""
    total = (border * weight).sum()
    mean, ratio = total / border.numel(), total / border.sum().clamp(min=1e-12)
    text = f"sum {total:.0f} · mean {mean:.4f} · ratio {ratio:.2f}"
    if class_loss is None or strength is None:
        return text
    return f"{text} · L_S2 = {class_loss:.3f} + {strength:g} × {ratio:.3f} = {class_loss + strength * ratio:.2f}"


def _what_stays(image: torch.Tensor, truth: np.ndarray, z: int, y: int, step: float) -> tuple[np.ndarray, str]:
    """Draw plane z of the image with the true outline, and the axes of the line profile along row y."""
    seen = figures.overlay(image[z].numpy(), truth[z].astype(int), colours={1: figures.INSTANCES[3]}, outline=0)
    seen[_inner_edge(truth[z])] = (255, 240, 77)
    return seen, _profile_axes(_unit_range(image[z, y]), truth[z, y], step)


def _boundary_panels(seen: np.ndarray, axes: str, maps: Mapping[str, torch.Tensor], y: int, text: str) -> Frame:
    """Put together what `boundary_frame` shows; maps: mask edge and weight of the plane, in 0 ... 1."""
    shades = {name: _greys(values) for name, values in maps.items()}
    line = {name: values[y].numpy() for name, values in maps.items()}
    curves = {
        "line profile of the image": axes,
        "product": _curve(line["mask edge"] * line["weight"], INK, fill=True),
        "mask edge": _curve(line["mask edge"], LINES[1]),
        "weight": _curve(line["weight"], LINES[0]),
    }
    return Frame(
        [
            Panel({"image": seen}, "image I", 138),
            Panel({"mask edge": shades["mask edge"]}, "mask edge |∇G(S)|", 138),
            Panel({"weight": shades["weight"]}, "weight, 1 = white", 138),
            Panel(shades, "product", 138, multiply=True),
            Panel(curves, "along the line through the middle", 560),
        ],
        text,
    )


def _inner_edge(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that touch its outside."""
    return mask & ~ndimage.binary_erosion(mask)


def _unit_range(values: torch.Tensor) -> np.ndarray:
    """Values moved and scaled to 0 ... 1."""
    values = values.numpy()
    return (values - values.min()) / max(values.max() - values.min(), 1e-12)


def _greys(values: torch.Tensor) -> np.ndarray:
    """Values of 0 ... 1 as uint8 grey in `GREYS` shades."""
    return (torch.round(values.clamp(0, 1) * (GREYS - 1)) * (255 / (GREYS - 1))).to(torch.uint8).numpy()


def _svg(content: str) -> str:
    width, height = PLOT["width"], PLOT["height"]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"{content}</svg>"
    )


def _curve(values: np.ndarray, colour: str, fill: bool = False) -> str:
    """Draw values of 0 ... 1 as a line, or filled down to 0, on the axes of the line profile."""
    x = np.linspace(PLOT["left"], PLOT["right"], len(values)).round().astype(int)
    y = (PLOT["bottom"] + (PLOT["top"] - PLOT["bottom"]) * np.clip(values, 0, 1)).round().astype(int)
    steps = " ".join(f"{dx} {dy}" for dx, dy in zip(np.diff(x), np.diff(y), strict=True)).replace(" -", "-")
    path = f"M{x[0]} {y[0]}l{steps}"  # steps, not places: a third of the bytes
    if fill:
        return _svg(f'<path d="{path}V{PLOT["bottom"]}H{PLOT["left"]}" fill="{colour}" opacity=".3"/>')
    return _svg(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')


def _profile_axes(image: np.ndarray, truth: np.ndarray, step: float) -> str:
    """Draw what does not move: axes, the image along the line, the true border, and what each colour means.

    image: (X,) in 0 ... 1; truth: (X,) bool; step: µm a voxel.
    """
    left, right, top, bottom = (PLOT[name] for name in ("left", "right", "top", "bottom"))
    length = (len(image) - 1) * step  # µm
    at = lambda um: round(left + (right - left) * um / length, 1)  # noqa: E731
    parts = [f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="{MUTED}"/>']
    texts = [f'<text x="{right}" y="{bottom + 30}" text-anchor="end">µm</text>']
    for um in range(0, int(length) + 1, 5):
        parts.append(f'<path d="M{at(um)} {bottom}v4" stroke="{MUTED}"/>')
        texts.append(f'<text x="{at(um)}" y="{bottom + 16}" text-anchor="middle">{um}</text>')
    for value, height in ((0, bottom), (1, top)):
        texts.append(f'<text x="{left - 6}" y="{height + 4}" text-anchor="end">{value}</text>')
    for edge in np.flatnonzero(np.diff(truth.astype(int))) + 0.5:
        parts.append(f'<path d="M{at(edge * step)} {top}V{bottom}" stroke="{MUTED}" stroke-dasharray="3 3"/>')
    keys = (("image", MUTED), ("mask edge", LINES[1]), ("weight", LINES[0]), ("product", INK), ("¦ true border", MUTED))
    for (name, colour), x in zip(keys, (left + 4, 90, 178, 246, 320), strict=True):
        texts.append(f'<text x="{x}" y="14" fill="{colour}" font-weight="600">{name}</text>')
    parts.append(f'<g font-family="sans-serif" font-size="12" fill="{MUTED}">{"".join(texts)}</g>')
    line = _curve(image, MUTED)
    inner = line[line.index("<path") : line.rindex("</svg>")].replace('stroke-width="2"', 'stroke-width="1.2"')
    return _svg("".join(parts) + inner)


def strongest_at(
    image: torch.Tensor, spacing: Spacing, truth: np.ndarray, sigma: float, edge: str, reach: float = 2.5
) -> float:
    """Return at which distance from the border of a cell the edge strength is largest, in µm, below 0 inside.

    The strength is averaged over all voxels at about one distance, in steps of a voxel's width, in the plane through
    the cell's middle and those below and above it. image, truth: (Z, Y, X); reach: µm looked at on either side.
    """
    half, z = spacing[2] / 2, round(ndimage.center_of_mass(truth)[0])
    outside, inside = (ndimage.distance_transform_edt(volume, spacing) for volume in (~truth, truth))
    near = slice(max(z - 1, 0), z + 2)
    distance = np.where(truth, half - inside, outside - half)[near]  # µm, 0 between two voxels
    strength = losses.edge_strength(image, spacing, sigma, edge)[near].numpy()
    rings = {step: abs(distance - step) <= 1.2 * half for step in np.arange(-reach, reach + half, spacing[2])}
    mean = {step: strength[ring].mean() for step, ring in rings.items() if ring.any()}
    return float(max(mean, key=mean.get))


@figures.style()
def profile_figure(
    stacks: Mapping[str, tuple[np.ndarray, Spacing, np.ndarray]], sigma: float, at: Mapping[str, Sequence[int]]
) -> Figure:
    """Draw a plane of each stack, its |∇G(I, σ)| and |ΔG(I, σ)|, and all three along a line: the paper's Fig. 3.

    stacks: by title, image (Z, Y, X), spacing, true mask (Z, Y, X); sigma: µm; at: (plane, row) of the line by title.
    """
    figure = Figure(figsize=(figures.WIDTH, 1.62 * len(stacks) + 0.2), layout="constrained")
    grid = figure.subplots(len(stacks), 4, squeeze=False, gridspec_kw={"width_ratios": [1, 1, 1, 1.9]})
    for row, (title, (image, spacing, truth)) in zip(grid, stacks.items(), strict=True):
        z, y = at[title]
        volume = torch.as_tensor(image, dtype=torch.float64)
        maps = [volume] + [losses.edge_strength(volume, spacing, sigma, edge) for edge in ("gradient", "log")]
        for axes, values, name in zip(row, maps, (title, "|∇G|, per µm", "|ΔG|, per µm²"), strict=False):
            kind = "image" if values is volume else "map"
            figures.draw_plane(axes, values[z].numpy(), spacing[1:], kind=kind)
            axes.axhline(y, color="white", linewidth=0.9, linestyle="--")
            axes.set_title(name)
        figures.draw_outline(row[0], truth[z], figures.INSTANCES[3], width=0.8)
        figures.scale_bar(row[0], spacing[2])
        x = np.arange(volume.shape[2]) * spacing[2]
        for values, colour, name in zip(maps, (MUTED, LINES[1], LINES[0]), ("I", "|∇G|", "|ΔG|"), strict=True):
            row[3].plot(x, _unit_range(values[z, y]), color=colour, label=name, linewidth=1.3)
        for edge in np.flatnonzero(np.diff((truth[z, y] > 0).astype(int))) + 0.5:
            row[3].axvline(edge * spacing[2], color=MUTED, linestyle=":", linewidth=1)
        row[3].set(ylim=(-0.05, 1.08), yticks=[0, 1], xlim=(0, x[-1]))
    grid[0, 3].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, handlelength=1.2)
    grid[-1, 3].set_xlabel("µm along the dashed line")
    return figure
