"""Random cells: wobbly, textured, often touching, never overlapping, of widely spread sizes.

A cell is a handful of numbers (a radius, a few bumps, a nucleus, granules, a texture), not voxels. The same
cell can therefore be drawn on the coarse grid of a camera and on the fine grid that wave optics needs.
Positions are (z, y, x) in µm, and voxel (0, 0, 0) of a stack has its middle at (0, 0, 0) µm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bfs_tutorial.errors import InputError
from bfs_tutorial.stack import check_spacing

INSIDE = 0.6  # share of its radius that a centre keeps to every face: each cuts off about a tenth at most
SQUEEZE = 0.96  # share of the sum of their radii between two touching cells: they share a small flat contact
GAP = 1.0  # µm left free between cells that do not touch
CELLS_PER_UM3 = 2.5e-5  # the default density: 13 cells in 32 x 128 x 128 µm


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell, described by its parameters; lengths in µm, positions relative to its centre."""

    centre: np.ndarray  # (3,) z, y, x
    radius: float
    bump_axes: np.ndarray  # (3, 3) one unit vector a row
    bump_heights: np.ndarray  # (3,) share of the radius
    waves: np.ndarray  # (T, 3) wave vectors of the texture, radians per µm
    phases: np.ndarray  # (T,)
    nucleus: np.ndarray  # (3,) centre of the nucleus
    nucleus_radius: float
    granules: np.ndarray  # (G, 3) centres of the granules
    granule_radii: np.ndarray  # (G,)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one stack and their label volume."""

    labels: np.ndarray  # (Z, Y, X) int32, 0 = background, i + 1 = the i-th cell
    spacing: tuple[float, float, float]  # µm
    items: tuple[Cell, ...]

    @property
    def centres(self) -> np.ndarray:
        """Centres in voxel index units, (N, 3)."""
        return np.array([cell.centre for cell in self.items]) / self.spacing

    @property
    def radii(self) -> np.ndarray:
        """Mean radii in µm, (N,)."""
        return np.array([cell.radius for cell in self.items])


def directions(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw n unit vectors, uniform on the sphere: (n, 3)."""
    vectors = rng.normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def random_cell(rng: np.random.Generator, radii: tuple[float, float]) -> Cell:
    """Draw one cell at the origin, its radius uniform between two bounds in µm."""
    radius = rng.uniform(*radii)
    n_granules = int(rng.integers(8, 25))
    wavelengths = rng.uniform(3.0, 8.0, size=(24, 1))  # µm
    nucleus_radius = radius * rng.uniform(0.4, 0.55)
    return Cell(
        centre=np.zeros(3),
        radius=radius,
        bump_axes=directions(rng, 3),
        bump_heights=rng.normal(size=3) * (0.06, 0.06, 0.03),
        waves=2 * np.pi / wavelengths * directions(rng, 24),
        phases=rng.uniform(0, 2 * np.pi, size=24),
        nucleus=directions(rng, 1)[0] * rng.uniform(0, 0.3) * radius,
        nucleus_radius=nucleus_radius,
        granules=directions(rng, n_granules) * rng.uniform(0.5, 0.85, size=(n_granules, 1)) * radius,
        granule_radii=rng.uniform(0.4, 0.8, size=n_granules),
    )


def surface_radius(cell: Cell, offsets: np.ndarray) -> np.ndarray:
    """Distance from the centre to the surface along the direction of each offset.

    r(u) = R (1 + h1 P2(u·a1) + h2 P2(u·a2) + h3 P3(u·a3)), P the Legendre polynomials: P2 stretches or
    flattens the ball along an axis, P3 makes it a pear.

    offsets: (..., 3) µm from the centre. Returns (...) µm.
    """
    length = np.maximum(np.linalg.norm(offsets, axis=-1, keepdims=True), 1e-6)
    c = (offsets / length) @ cell.bump_axes.T  # (..., 3) cosines to the three axes
    second, third = (3 * c**2 - 1) / 2, (5 * c**3 - 3 * c) / 2
    shape = np.stack([second[..., 0], second[..., 1], third[..., 2]], axis=-1)
    return cell.radius * (1 + shape @ cell.bump_heights)


def depth(cell: Cell, offsets: np.ndarray) -> np.ndarray:
    """How far inside the cell each offset lies, along its ray: µm, negative outside."""
    return surface_radius(cell, offsets) - np.linalg.norm(offsets, axis=-1)


def texture(cell: Cell, offsets: np.ndarray) -> np.ndarray:
    """A smooth random pattern of mean 0 and variance 1: a sum of T plane waves, (..., 3) µm -> (...)."""
    angles = (offsets @ cell.waves.T + cell.phases).astype(np.float32)  # (..., T)
    return np.cos(angles).sum(axis=-1) * np.sqrt(2 / len(cell.phases))


def contact_distance(a: Cell, b: Cell, direction: np.ndarray) -> float:
    """Distance in µm between the centres of two cells that just touch, b seen from a along a unit vector."""
    return float(surface_radius(a, direction) + surface_radius(b, -direction))


def is_free(cell: Cell, others: list[Cell], size: np.ndarray, neighbour: Cell | None) -> bool:
    """Is the cell inside the volume and clear of the others (of its neighbour only up to the contact)?"""
    margin = INSIDE * cell.radius
    if np.any(cell.centre < margin) or np.any(cell.centre > size - margin):
        return False
    for other in others:
        step = cell.centre - other.centre
        distance = np.linalg.norm(step)
        if distance == 0:
            return False
        touching = contact_distance(other, cell, step / distance)
        if distance < (SQUEEZE * touching - 1e-6 if other is neighbour else touching + GAP):
            return False
    return True


def place(
    rng: np.random.Generator, cell: Cell, others: list[Cell], size: np.ndarray, touching: float
) -> Cell:
    """Move a cell to a free place: beside a random other cell with probability `touching`, else anywhere.

    size: (3,) µm, the volume from its first face. Raises InputError after 500 attempts.
    """
    beside = bool(others) and rng.random() < touching
    for _ in range(500):
        neighbour = others[rng.integers(len(others))] if beside else None
        if neighbour is None:
            margin = INSIDE * cell.radius
            centre = rng.uniform(margin, size - margin)
        else:
            direction = directions(rng, 1)[0]
            centre = neighbour.centre + direction * SQUEEZE * contact_distance(neighbour, cell, direction)
        moved = replace(cell, centre=centre)
        if is_free(moved, others, size, neighbour):
            return moved
    raise InputError(
        f"found no room for cell {len(others) + 1} of radius {cell.radius:.1f} µm in a volume of "
        f"{' x '.join(f'{s:.0f}' for s in size)} µm: ask for fewer or smaller cells, or a larger volume"
    )


def around(
    cell: Cell, origin: np.ndarray, step: np.ndarray, shape: tuple[int, ...], reach: float = 0.0
) -> tuple[tuple[slice, ...], np.ndarray]:
    """The part of a grid that a cell can reach: its slices, and its offsets from the centre of the cell.

    origin: (3,) µm position of sample (0, 0, 0). step: (3,) µm between samples. reach: µm beyond the cell.
    Returns three slices and (z, y, x, 3) µm.
    """
    outer = cell.radius * (1 + np.abs(cell.bump_heights).sum()) + reach
    first = np.ceil((cell.centre - outer - origin) / step).astype(int)
    last = np.floor((cell.centre + outer - origin) / step).astype(int)
    bounds = [(max(a, 0), min(b, n - 1) + 1) for a, b, n in zip(first, last, shape, strict=True)]
    axes = [origin[d] + np.arange(*bounds[d]) * step[d] - cell.centre[d] for d in range(3)]
    return tuple(slice(a, b) for a, b in bounds), np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def paint_labels(items: tuple[Cell, ...], shape: tuple[int, int, int], spacing: tuple) -> np.ndarray:
    """Draw the cells as labels 1, 2, ... on a grid; where two meet, the one a voxel lies deeper in wins.

    Returns (Z, Y, X) int32.
    """
    labels = np.zeros(shape, np.int32)
    deepest = np.zeros(shape, np.float32)  # 0 µm: on the surface
    for number, cell in enumerate(items, start=1):
        where, offsets = around(cell, np.zeros(3), np.array(spacing), shape)
        inside = depth(cell, offsets)  # (z, y, x)
        wins = inside > deepest[where]
        labels[where][wins] = number
        deepest[where][wins] = inside[wins]
    return labels


def check_request(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    radii: tuple[float, float],
    touching: float,
) -> np.ndarray:
    """Refuse volumes and cells that cannot be drawn; the size of the volume, (3,) µm. Raises InputError."""
    if len(shape) != 3 or any(n != int(n) or n < 1 for n in shape):
        raise InputError(f"shape is {shape}, expected three positive whole numbers (Z, Y, X)")
    if not 0 < radii[0] <= radii[1]:
        raise InputError(f"radii are {radii}, expected 0 < smallest <= largest, in µm")
    size = np.array(shape) * spacing  # from face to face
    if size.min() <= 2 * INSIDE * radii[1]:
        raise InputError(
            f"a cell of radius {radii[1]} µm does not fit {size[0]:g} x {size[1]:g} x {size[2]:g} µm: every "
            f"side must exceed {2 * INSIDE * radii[1]:.1f} µm; enlarge the volume or lower the radii"
        )
    if not 0 <= touching <= 1:
        raise InputError(f"touching is {touching}, expected a probability between 0 and 1")
    return size


def draw_number(rng: np.random.Generator, number: int | tuple[int, int] | None, size: np.ndarray) -> int:
    """How many cells: the number itself, one between two bounds, or by default 2.5e-5 per µm³ ± 25 %."""
    if number is None:
        return max(1, round(CELLS_PER_UM3 * float(np.prod(size)) * rng.uniform(0.75, 1.25)))
    low, high = (number, number) if isinstance(number, (int, np.integer)) else number
    if not 1 <= low <= high:
        raise InputError(f"number is {number}, expected at least 1 cell (or two bounds, the smaller first)")
    return int(rng.integers(low, high + 1))


def cells(
    rng: np.random.Generator,
    shape: tuple[int, int, int] = (16, 128, 128),
    spacing: tuple[float, float, float] = (2.0, 1.0, 1.0),
    radii: tuple[float, float] = (5.0, 11.0),
    number: int | tuple[int, int] | None = None,
    touching: float = 0.6,
) -> Cells:
    """Draw the cells of one stack.

    shape: (Z, Y, X) voxels. spacing: µm. radii: smallest and largest mean radius, µm. number: cells, or two
    bounds. touching: share of cells placed against an earlier one. Every centre lies inside the volume, at
    least 0.6 radii from each face; the faces may cut the rest. Raises InputError for a request that cannot
    be met.
    """
    spacing = check_spacing(spacing)
    size = check_request(shape, spacing, radii, touching)  # (3,) µm
    items: list[Cell] = []
    for _ in range(draw_number(rng, number, size)):
        items.append(place(rng, random_cell(rng, radii), items, size, touching))
    to_voxel_centres = np.array(spacing) / 2  # the first face lies half a voxel before voxel 0
    moved = tuple(replace(cell, centre=cell.centre - to_voxel_centres) for cell in items)
    return Cells(paint_labels(moved, tuple(shape), spacing), spacing, moved)
