"""Compute the bright-field image of a weak sphere with waveorder, an independent linear model, for
tests/data.

In an environment of its own (waveorder declares far more than this one function needs):

    pip install torch numpy PyWavelets==1.9.0 && pip install --no-deps waveorder==3.0.2
    python tools/waveorder_reference.py tests/data/waveorder_weak_sphere.npz

waveorder models partially coherent imaging by the first Born approximation: 3D transfer function times the
spectrum of the scattering potential V = (2π / λ)² (n² - n_medium²).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from waveorder import optics, util

SHAPE, SAMPLING = (33, 96, 96), (1.0, 0.5, 0.5)  # µm
RADIUS, EDGE, INDEX_STEP = 4.0, 1.0, 1e-4  # µm, µm, above the medium
WAVELENGTH, MEDIUM, OBJECTIVE_NA, CONDENSER_NA = 0.55, 1.34, 0.3, 0.25
PADDING = 160  # empty layers above and below: waveorder fades its transfer function out over half the height


def soft_sphere() -> np.ndarray:
    """Refractive index above the medium of a sphere with a smooth surface, in the middle of the grid."""
    axes = [(np.arange(n) - n // 2) * s for n, s in zip(SHAPE, SAMPLING, strict=True)]
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    return INDEX_STEP / (1 + np.exp(-4 * (RADIUS - distance) / EDGE))


def transfer_function(shape: tuple[int, int, int]) -> torch.Tensor:
    """waveorder's transfer function of the real scattering potential, (Z, Y, X) complex.

    `phase_thick_3d.calculate_transfer_function` does the same with a condenser whose edge is a broad ramp on
    a grid this small, which lowers the contrast by 15 %; both apertures are sharp here.
    """
    fy, fx = util.generate_frequencies(shape[1:], SAMPLING[1])
    frequency = torch.sqrt(fy**2 + fx**2)
    z = torch.fft.ifftshift((torch.arange(shape[0]) - shape[0] // 2) * SAMPLING[0])
    source = optics.generate_pupil(frequency, CONDENSER_NA, WAVELENGTH)
    pupil = optics.generate_pupil(frequency, OBJECTIVE_NA, WAVELENGTH)
    in_medium = WAVELENGTH / MEDIUM
    kernel = optics.generate_propagation_kernel(frequency, pupil, in_medium, z)
    greens = optics.generate_greens_function_z(frequency, pupil, in_medium, z, axially_even=False)
    return optics.compute_weak_object_transfer_function_3D(source, source, pupil, kernel, greens,
    SAMPLING[0])[0]


def main() -> None:
    """Compute and store the reference."""
    parser = argparse.ArgumentParser(description="Compute the weak-sphere reference with waveorder.")
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    index = np.pad(soft_sphere(), ((PADDING, PADDING), (0, 0), (0, 0)))
    potential = (2 * np.pi / WAVELENGTH) ** 2 * ((MEDIUM + index) ** 2 - MEDIUM**2)
    spectrum = torch.fft.fftn(torch.tensor(potential)) * transfer_function(index.shape)
    image = torch.fft.ifftn(spectrum).real.numpy()[PADDING:-PADDING][::-1]  # waveorder is lit from above
    contrast = image / INDEX_STEP  # relative to the light without an object, per unit of index
    np.savez_compressed(
        output,
        plane=contrast[:, SHAPE[1] // 2].astype(np.float32),  # (Z, X) through the middle of the sphere
        above=contrast[SHAPE[0] // 2 + 6].astype(np.float32),  # (Y, X) 6 µm above it
        shape=SHAPE, sampling=SAMPLING, radius=RADIUS, edge=EDGE, wavelength=WAVELENGTH, medium_index=MEDIUM,
        objective_na=OBJECTIVE_NA, condenser_na=CONDENSER_NA,
    )


if __name__ == "__main__":
    main()
