"""Fluorescence z-stacks: stained cells, an anisotropic blur, haze, background, photon and camera noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from bfs_tutorial.errors import InputError
from bfs_tutorial.simulate.cells import Cell, Cells, around, cells, depth, texture
from bfs_tutorial.stack import ZStack


@dataclass(frozen=True)
class FluorescenceOptics:
    """A fluorescence microscope and the stain of its cells; lengths in µm, light in camera counts."""

    psf_sigma: tuple[float, float, float] = (2.6, 0.9, 0.9)  # blur of the focused light
    haze: float = 0.15  # share of the light that is blurred broadly instead
    haze_sigma: tuple[float, float, float] = (8.0, 4.0, 4.0)
    brightness: tuple[float, float] = (120.0, 500.0)  # a nucleus, drawn log-uniform between these
    mitotic_fraction: float = 0.1  # share of nuclei that are condensed and bright
    mitotic_gain: tuple[float, float] = (3.0, 6.0)
    texture: float = 0.15  # relative strength of the pattern inside a nucleus
    depth_loss: float = 0.0  # share of light lost per µm: from plane 0 upwards, if negative from the top down
    background: float = 12.0  # light that comes from everywhere
    offset: float = 100.0  # counts of a camera in the dark
    gain: float = 1.0  # counts per photo-electron
    read_noise: float = 3.0  # standard deviation in counts

    def __post_init__(self) -> None:
        for name in ("psf_sigma", "haze_sigma"):
            value = getattr(self, name)
            if len(value) != 3 or not min(value) >= 0:
                raise InputError(f"{name} is {value}, expected three lengths (z, y, x) >= 0 in µm")
        for name in ("brightness", "mitotic_gain"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise InputError(f"{name} is {(low, high)}, expected 0 < smallest <= largest")
        for name in ("haze", "mitotic_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected a share between 0 and 1")
        if not self.gain > 0 or not min(self.texture, self.background, self.offset, self.read_noise) >= 0:
            raise InputError(
                f"expected gain > 0 and texture, background, offset, read_noise >= 0, got gain {self.gain}, "
                f"{self.texture}, {self.background}, {self.offset}, {self.read_noise}"
            )

    @classmethod
    def randomised(cls, rng: np.random.Generator) -> FluorescenceOptics:
        """Draw a microscope from a wide prior, for training that must carry over to one it has never seen.

        The axial blur varies most (1 to 5 µm), then the brightness, its fall with depth, haze, background
        and noise.
        """
        lateral = log_uniform(rng, 0.5, 1.5)
        haze_lateral = rng.uniform(3.0, 8.0)
        dimmest = log_uniform(rng, 40.0, 400.0)
        return cls(
            psf_sigma=(log_uniform(rng, 1.0, 5.0), lateral, lateral),
            haze=rng.uniform(0.0, 0.4),
            haze_sigma=(rng.uniform(6.0, 15.0), haze_lateral, haze_lateral),
            brightness=(dimmest, dimmest * rng.uniform(1.5, 6.0)),
            mitotic_fraction=rng.uniform(0.0, 0.3),
            texture=rng.uniform(0.0, 0.4),
            depth_loss=rng.uniform(-0.015, 0.015),
            background=rng.uniform(0.0, 40.0),
            offset=rng.uniform(90.0, 110.0),
            gain=log_uniform(rng, 0.3, 40.0),
            read_noise=rng.uniform(1.0, 8.0),
        )


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform between two bounds."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_brightness(rng: np.random.Generator, n: int, optics: FluorescenceOptics) -> np.ndarray:
    """Brightness of n nuclei in counts, (n,): log-uniform, a few are mitotic and several times brighter."""
    counts = np.exp(rng.uniform(*np.log(optics.brightness), size=n))
    mitotic = rng.random(n) < optics.mitotic_fraction
    return np.where(mitotic, counts * rng.uniform(*optics.mitotic_gain, size=n), counts)


def stain(cell: Cell, offsets: np.ndarray, optics: FluorescenceOptics, edge: float) -> np.ndarray:
    """Relative amount of dye in a cell at each offset: 1 with a texture inside, 0 outside.

    offsets: (..., 3) µm from the centre. edge: µm over which it rises at the surface. Returns (...).
    """
    inside = np.clip(depth(cell, offsets) / edge + 0.5, 0, 1)
    return inside * np.maximum(1 + optics.texture * texture(cell, offsets), 0)


def dye(drawn: Cells, brightness: np.ndarray, optics: FluorescenceOptics) -> np.ndarray:
    """The light that each voxel sends out, in counts: (Z, Y, X), one brightness per cell."""
    shape, spacing = drawn.labels.shape, np.array(drawn.spacing)
    light = np.zeros(shape, np.float32)
    for cell, counts in zip(drawn.items, brightness, strict=True):
        where, offsets = around(cell, np.zeros(3), spacing, shape, reach=spacing.min())
        shaded = counts * stain(cell, offsets, optics, edge=spacing.min())
        light[where] = np.maximum(light[where], shaded)
    z = np.arange(shape[0])[:, None, None] * spacing[0]  # (Z, 1, 1) µm
    travelled = z if optics.depth_loss >= 0 else z.max() - z
    return light * np.exp(-abs(optics.depth_loss) * travelled)


def image_formation(light: np.ndarray, spacing: tuple, optics: FluorescenceOptics) -> np.ndarray:
    """Blur: (1 - h) G(light, σ_psf) + h G(light, σ_haze) + background, noise-free counts, (Z, Y, X).

    A cell that is cut by a face is taken to go on beyond it.
    """
    sharp = gaussian_filter(light, np.divide(optics.psf_sigma, spacing), mode="nearest")
    broad = gaussian_filter(light, np.divide(optics.haze_sigma, spacing), mode="nearest")
    return (1 - optics.haze) * sharp + optics.haze * broad + optics.background


def camera(
    rng: np.random.Generator, counts: np.ndarray, gain: float, offset: float, read_noise: float
) -> np.ndarray:
    """Photograph: offset + gain · Poisson(counts / gain) + read noise, float32 counts of the same shape."""
    electrons = rng.poisson(np.maximum(counts, 0) / gain)
    noise = rng.normal(0.0, read_noise, size=counts.shape)
    return (offset + gain * electrons + noise).astype(np.float32)


def fluorescence(
    seed: int | Sequence[int],
    shape: tuple[int, int, int] = (16, 128, 128),
    spacing: tuple[float, float, float] = (2.0, 1.0, 1.0),
    radii: tuple[float, float] = (5.0, 11.0),
    optics: FluorescenceOptics | None = None,
    *,
    randomise: bool = False,
    number: int | tuple[int, int] | None = None,
    touching: float = 0.6,
    name: str = "fluorescence",
) -> ZStack:
    """Simulate a fluorescence z-stack with its centres and labels.

    seed: the same seed gives the same stack, bit for bit. shape: (Z, Y, X) voxels. spacing, radii: µm.
    optics: the microscope; `randomise=True` draws one from a wide prior instead. number, touching: as in
    `cells`. The image is in camera counts. Raises InputError for a request that cannot be met.
    """
    if randomise and optics is not None:
        raise InputError("got both optics and randomise=True: give one of them")
    rng = np.random.default_rng(seed)
    drawn = cells(rng, shape, spacing, radii, number, touching)
    if optics is None:
        optics = FluorescenceOptics.randomised(rng) if randomise else FluorescenceOptics()
    brightness = draw_brightness(rng, len(drawn.items), optics)
    light = dye(drawn, brightness, optics)
    counts = image_formation(light, drawn.spacing, optics)
    image = camera(rng, counts, optics.gain, optics.offset, optics.read_noise)
    return ZStack(image, drawn.spacing, drawn.centres, drawn.labels, name)
