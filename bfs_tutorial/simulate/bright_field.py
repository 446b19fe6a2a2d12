"""Bright-field z-stacks by wave optics: light is sent through transparent cells and refocused on every plane.

Cells hardly absorb light; they delay it. In focus such an object is nearly invisible, and defocus turns the
delay into contrast. The light comes from below (plane 0) and the objective looks from above.

1. The condenser lights the sample from many directions inside its aperture; they do not interfere.
2. Each direction is a plane wave that crosses the sample layer by layer, delay after spread (multislice).
3. The objective passes the directions inside its own aperture; refocusing brings each plane into focus.
4. The camera adds the intensities |u|² of all directions and sums them over its pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from bfs_tutorial.errors import InputError
from bfs_tutorial.simulate.cells import Cell, Cells, around, cells, depth, texture
from bfs_tutorial.simulate.fluorescence import camera
from bfs_tutorial.stack import ZStack

GOLDEN_ANGLE = np.pi * (np.sqrt(5) - 1) / 2  # of half a turn, because every direction brings its opposite


@dataclass(frozen=True)
class BrightFieldOptics:
    """A bright-field microscope, the optics of its cells, how finely both are computed; lengths in µm."""

    wavelength: float = 0.55  # in vacuum
    objective_na: float = 0.3
    condenser_na: float = 0.25
    medium_index: float = 1.34  # refractive index around the cells
    cell_index: tuple[float, float] = (0.009, 0.015)  # a cell above the medium, drawn uniform between these
    nucleus_factor: float = 0.85  # of the index step of the cell
    granule_index: float = 0.02  # granules above the cell
    texture: float = 0.06  # relative strength of the pattern inside a cell
    edge: float = 1.0  # width over which the index rises at a surface
    unevenness: float = 0.06  # brightest minus darkest part of the lamp's light, relative
    photons: float = 10000.0  # photo-electrons per pixel
    gain: float = 0.4  # counts per photo-electron
    offset: float = 100.0  # counts of a camera in the dark
    read_noise: float = 3.0  # standard deviation in counts
    angles: int = 48  # directions of illumination, even
    oversampling: int = 2  # computed samples per camera pixel, along y and along x
    layer: float = 1.5  # thickness of a layer of the sample
    border: float = 8.0  # computed but not photographed, on each lateral side

    def __post_init__(self) -> None:
        for name in ("wavelength", "objective_na", "photons", "gain", "layer", "edge"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}, expected a number > 0")
        for name in ("condenser_na", "granule_index", "texture", "unevenness", "offset", "read_noise"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is {getattr(self, name)}, expected a number >= 0")
        if not self.border >= 0:
            raise InputError(f"border is {self.border}, expected a length >= 0 µm")
        if not self.cell_index[0] <= self.cell_index[1]:
            raise InputError(f"cell_index is {self.cell_index}, expected smallest <= largest")
        if max(self.objective_na, self.condenser_na) >= self.medium_index:
            raise InputError(
                f"objective_na {self.objective_na} and condenser_na {self.condenser_na} must be below "
                f"the refractive index of the medium, {self.medium_index}: no light travels at a larger angle"
            )
        if self.angles < 2 or self.angles % 2:
            raise InputError(f"angles is {self.angles}, expected an even number >= 2 (opposite pairs)")
        if self.oversampling < 1 or self.oversampling != int(self.oversampling):
            raise InputError(f"oversampling is {self.oversampling}, expected a whole number >= 1")

    def finer(self, factor: int) -> BrightFieldOptics:
        """The same microscope, computed with so many times more angles, and samples along every axis."""
        angles, oversampling = self.angles * factor, self.oversampling * factor
        return replace(self, angles=angles, oversampling=oversampling, layer=self.layer / factor)


def check_sampling(step: tuple[float, float], optics: BrightFieldOptics) -> None:
    """Refuse a lateral sample too coarse for the finest fringe: at most λ / (2 (NA_obj + NA_cond)).

    step: (y, x) µm between computed samples. Raises InputError.
    """
    limit = optics.wavelength / (2 * (optics.objective_na + optics.condenser_na))
    if max(step) > limit * (1 + 1e-9):
        raise InputError(
            f"a lateral sample of {max(step):.3f} µm is too coarse for these apertures and would alias: "
            f"it must be at most {limit:.3f} µm; raise oversampling, or lower the spacing or an aperture"
        )


def frequencies(shape: tuple[int, int], step: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Spatial frequencies of a periodic lateral grid, cycles per µm: fy (Y, 1) and fx (1, X)."""
    return fft.fftfreq(shape[0], step[0])[:, None], fft.fftfreq(shape[1], step[1])[None, :]


def source_points(shape: tuple[int, int], step: tuple[float, float], optics: BrightFieldOptics) -> np.ndarray:
    """Directions of illumination that fill the condenser's aperture evenly, in opposite pairs.

    Point i of a sunflower spiral, f = NA_cond / λ · sqrt((i + 1/2) / n), and its opposite. Each is moved to
    the nearest frequency of the grid, so that its plane wave is periodic on it.

    Returns (angles, 2) cycles per µm, (y, x).
    """
    i = np.arange(optics.angles // 2)
    radius = optics.condenser_na / optics.wavelength * np.sqrt((i + 0.5) / len(i))
    points = radius[:, None] * np.stack([np.sin(i * GOLDEN_ANGLE), np.cos(i * GOLDEN_ANGLE)], axis=1)
    spectral_step = 1 / (np.array(shape) * step)  # (2,) cycles per µm
    snapped = np.rint(points / spectral_step) * spectral_step
    return np.concatenate([snapped, -snapped])


def pupil(fy: np.ndarray, fx: np.ndarray, optics: BrightFieldOptics) -> np.ndarray:
    """What the objective passes: 1 for frequencies up to NA_obj / λ, else 0. (Y, X) float32."""
    return (np.hypot(fy, fx) <= optics.objective_na / optics.wavelength).astype(np.float32)


def propagator(fy: np.ndarray, fx: np.ndarray, distance: float, optics: BrightFieldOptics) -> np.ndarray:
    """Free space in Fourier space: exp(2πi d (sqrt((n/λ)² - f²) - n/λ)), 0 for waves that cannot travel.

    distance: d in µm along z, negative to go back. Returns (Y, X) complex64.
    """
    k = optics.medium_index / optics.wavelength  # cycles per µm
    axial = k**2 - fy**2 - fx**2  # (Y, X) squared axial frequency
    turn = 2 * np.pi * distance * (np.sqrt(np.maximum(axial, 0)) - k)
    return np.where(axial > 0, np.exp(1j * turn), 0).astype(np.complex64)


def phase_screens(index: np.ndarray, thickness: float, optics: BrightFieldOptics) -> np.ndarray:
    """What each layer does to the light: exp(2πi (n - n_medium) t / λ), (L, Y, X) complex64.

    index: (L, Y, X) refractive index above the medium. thickness: µm.
    """
    delay = np.float32(2 * np.pi * thickness / optics.wavelength) * index.astype(np.float32)
    return np.cos(delay) + 1j * np.sin(delay)


def through_sample(wave: np.ndarray, screens: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Send a wave through the layers, each a delay and then a spread to the next layer.

    wave: (Y, X) complex, in the middle of the first layer. screens: (L, Y, X). spread: (Y, X) propagator
    over one layer. Returns the spectrum of the wave in the middle of the last layer, (Y, X) complex.
    """
    spectrum = fft.fft2(wave * screens[0])
    for screen in screens[1:]:
        wave = fft.ifft2(spectrum * spread, overwrite_x=True)
        wave *= screen
        spectrum = fft.fft2(wave, overwrite_x=True)
    return spectrum


def intensity(
    index: np.ndarray,
    sampling: tuple[float, float, float],
    optics: BrightFieldOptics,
    planes: np.ndarray | None = None,
) -> np.ndarray:
    """The noise-free image of a transparent object on each plane: I(z) = mean over angles of |u(z)|².

    index: (L, Y, X) refractive index above the medium, periodic along y and x. sampling: µm between its
    samples, z the thickness of a layer. planes: (Z,) µm from the middle of layer 0, by default the middle of
    each layer.
    Returns (Z, Y, X) float32, 1 where there is no object. Raises InputError when the sampling is too coarse.
    """
    thickness, step, shape = sampling[0], sampling[1:], index.shape[1:]
    check_sampling(step, optics)
    planes = thickness * np.arange(len(index)) if planes is None else planes
    fy, fx = frequencies(shape, step)
    screens = phase_screens(index, thickness, optics)
    spread = propagator(fy, fx, thickness, optics)
    last = thickness * (len(index) - 1)
    focus = [pupil(fy, fx, optics) * propagator(fy, fx, z - last, optics) for z in planes]
    y, x = (np.arange(n) * s for n, s in zip(shape, step, strict=True))
    total = np.zeros((len(planes), *shape), np.float32)
    for sy, sx in source_points(shape, step, optics):
        wave = np.exp(2j * np.pi * (sy * y[:, None] + sx * x[None, :])).astype(np.complex64)
        spectrum = through_sample(wave, screens, spread)
        for image, refocus in zip(total, focus, strict=True):
            field = fft.ifft2(spectrum * refocus, overwrite_x=True)  # (Y, X)
            image += field.real**2 + field.imag**2
    return total / optics.angles


def smooth_step(inside: np.ndarray, edge: float) -> np.ndarray:
    """0 to 1 across a surface `edge` µm wide: 1 / (1 + exp(-4 d / edge)), d the µm inside it."""
    return 1 / (1 + np.exp(np.clip(-4 * inside / edge, -50, 50)))


def ball(offsets: np.ndarray, radius: float, edge: float) -> np.ndarray:
    """1 inside a ball, 0 outside, with a smooth surface; offsets (..., 3) µm from its centre -> (...)."""
    return smooth_step(radius - np.linalg.norm(offsets, axis=-1), edge)


def cell_index(cell: Cell, offsets: np.ndarray, step: float, optics: BrightFieldOptics) -> np.ndarray:
    """Refractive index of one cell above the medium: a textured body, a nucleus, dense granules.

    offsets: (..., 3) µm from the centre. step: index of the body above the medium. Returns (...).
    """
    body = smooth_step(depth(cell, offsets), optics.edge)
    nucleus = ball(offsets - cell.nucleus, cell.nucleus_radius, optics.edge)
    index = step * (1 + optics.texture * texture(cell, offsets)) * (1 + (optics.nucleus_factor - 1) * nucleus)
    for position, radius in zip(cell.granules, cell.granule_radii, strict=True):
        index += optics.granule_index * ball(offsets - position, radius, optics.edge)
    return body * index


def index_volume(
    drawn: Cells,
    steps: np.ndarray,
    origin: np.ndarray,
    sampling: tuple[float, float, float],
    shape: tuple[int, int, int],
    optics: BrightFieldOptics,
) -> np.ndarray:
    """Draw the refractive index of all cells above the medium on a grid, (L, Y, X) float32.

    steps: (N,) index of each cell. origin: (3,) µm position of sample (0, 0, 0). sampling: (z, y, x) µm.
    """
    volume = np.zeros(shape, np.float32)
    for cell, step in zip(drawn.items, steps, strict=True):
        where, offsets = around(cell, origin, np.array(sampling), shape, reach=2 * optics.edge)
        volume[where] = np.maximum(volume[where], cell_index(cell, offsets, step, optics))
    return volume


def optical_grid(
    drawn: Cells, optics: BrightFieldOptics
) -> tuple[np.ndarray, tuple[float, float, float], tuple[int, int, int]]:
    """The grid of the computation: finer than the camera, wider by a border, and high enough for every cell.

    Returns the position (3,) of its first sample and its sampling (z, y, x), in µm, and its shape (L, Y, X).
    """
    spacing = np.array(drawn.spacing)
    top = max(cell.centre[0] + 1.2 * cell.radius for cell in drawn.items)
    bottom = min(cell.centre[0] - 1.2 * cell.radius for cell in drawn.items)
    fine = spacing[1:] / optics.oversampling
    border = np.ceil(optics.border / spacing[1:]).astype(int)  # (2,) camera pixels
    lateral = (np.array(drawn.labels.shape[1:]) + 2 * border) * optics.oversampling
    first = -(border + 0.5) * spacing[1:] + fine / 2  # the middle of the first sample
    layers = int(np.ceil((top - bottom) / optics.layer)) + 1
    return np.array([bottom, *first]), (optics.layer, *fine), (layers, *(int(n) for n in lateral))


def bin_pixels(image: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of factor x factor samples into camera pixels: (Z, Y·factor, X·factor) -> (Z, Y, X)."""
    z, y, x = image.shape
    return image.reshape(z, y // factor, factor, x // factor, factor).mean(axis=(2, 4))


def expose(drawn: Cells, steps: np.ndarray, optics: BrightFieldOptics) -> np.ndarray:
    """The noise-free z-stack of drawn cells, relative to the light without them: (Z, Y, X) float32.

    steps: (N,) refractive index of each cell above the medium.
    """
    origin, sampling, shape = optical_grid(drawn, optics)
    check_sampling(sampling[1:], optics)
    index = index_volume(drawn, steps, origin, sampling, shape, optics)
    planes = np.arange(drawn.labels.shape[0]) * drawn.spacing[0] - origin[0]  # (Z,) µm from layer 0
    pixels = bin_pixels(intensity(index, sampling, optics, planes), optics.oversampling)
    rows, columns = drawn.labels.shape[1:]
    top, left = ((n - m) // 2 for n, m in zip(pixels.shape[1:], (rows, columns), strict=True))
    return pixels[:, top : top + rows, left : left + columns]


def lamp(rng: np.random.Generator, shape: tuple[int, int], unevenness: float) -> np.ndarray:
    """Uneven illumination: a random parabola of mean 1 whose range is `unevenness`, (Y, X)."""
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    cy, cx = rng.uniform(-0.5, 0.5, size=2)
    bowl = -((y - cy) ** 2) - (x - cx) ** 2
    return 1 + unevenness * (bowl - bowl.mean()) / max(np.ptp(bowl), 1e-12)


def bright_field(
    seed: int | Sequence[int],
    shape: tuple[int, int, int] = (16, 128, 128),
    spacing: tuple[float, float, float] = (2.0, 1.0, 1.0),
    radii: tuple[float, float] = (5.0, 11.0),
    optics: BrightFieldOptics | None = None,
    *,
    number: int | tuple[int, int] | None = None,
    touching: float = 0.6,
    name: str = "bright-field",
) -> ZStack:
    """Simulate a bright-field z-stack with its centres and labels.

    seed: the same seed gives the same stack, bit for bit, and the same cells as `fluorescence`. shape: (Z,
    Y, X) voxels. spacing, radii: µm. optics: the microscope. number, touching: as in `cells`. The image is
    in camera counts. Raises InputError for a request that cannot be met.
    """
    optics = optics or BrightFieldOptics()
    rng = np.random.default_rng(seed)
    drawn = cells(rng, shape, spacing, radii, number, touching)
    steps = rng.uniform(*optics.cell_index, size=len(drawn.items))
    light = optics.photons * optics.gain * lamp(rng, drawn.labels.shape[1:], optics.unevenness)  # (Y, X)
    counts = light * expose(drawn, steps, optics)
    image = camera(rng, counts, optics.gain, optics.offset, optics.read_noise)
    return ZStack(image, drawn.spacing, drawn.centres, drawn.labels, name)
