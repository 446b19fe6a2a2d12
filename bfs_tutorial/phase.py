"""Transport of intensity: the phase of every plane of a bright-field z-stack, from how the light changes along z.

A transparent cell delays the light and so bends it: behind a cell of higher refractive index it comes together.
How fast the brightness grows from plane to plane therefore says how the delay is curved, and two integrations
give the delay itself. In the phase image each cell is a bright disc in its own plane, whichever rings it had.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from bfs_tutorial.centre_maps import check_positive
from bfs_tutorial.errors import InputError
from bfs_tutorial.normalise import illumination
from bfs_tutorial.stack import check_image, check_spacing


def transport_of_intensity(
    image: np.ndarray,
    spacing: Sequence[float],
    wavelength: float = 0.55,
    refractive_index: float = 1.33,
    regularisation: float = 50.0,
) -> np.ndarray:
    """Phase of the light on every plane of a bright-field z-stack, in radians.

    Solves -(2π n / λ) ∂I/∂z = I0 ∇²φ for φ, plane by plane, where I0 is the lamp, ∇² the Laplacian over y and x,
    λ / n the wavelength inside the medium. The image is mirrored at its lateral faces, so φ has slope 0 there and,
    because a phase has no zero of its own, mean 0. Sign: plane 0 is the one that the light reaches first, so a cell
    of higher index than the medium is bright; for a stack in the other order turn it, `image[::-1]`.

    image           (Z, Y, X), at least two planes, any unit: the lamp's light is divided away
    spacing         (z, y, x) µm a voxel
    wavelength      λ in vacuum, µm; 0.55 is green, the middle of white light
    refractive_index  n of the medium, 1.33 for water
    regularisation  µm: structure wider than this is damped, see `inverse_laplacian`. 50 µm is two diameters of a
                    large cell; on simulated stacks, which have no dirt or drifting lamp, it hardly matters
    Returns (Z, Y, X) float32. Raises InputError. Source: Teague 1983, for uniform intensity in focus.
    """
    image, spacing = check_image(image).astype(np.float64), check_spacing(spacing)
    wavelength = check_positive(wavelength, "wavelength")
    refractive_index = check_positive(refractive_index, "refractive_index")
    slope = axial_derivative(image / illumination(image), spacing[0])  # (Z, Y, X) 1/µm
    wave_number = 2 * np.pi * refractive_index / wavelength  # radians per µm
    return inverse_laplacian(-wave_number * slope, spacing[1:], regularisation).astype(np.float32)


def axial_derivative(image: np.ndarray, step: float) -> np.ndarray:
    """∂I/∂z in units per µm: half the difference of the two neighbouring planes, one-sided in the first and last.

    image (Z, Y, X) with planes `step` µm apart -> (Z, Y, X). Raises InputError for fewer than two planes.
    """
    if len(image) < 2:
        raise InputError("the stack has 1 plane: expected at least 2, because phase is seen in how planes differ")
    return np.gradient(image, step, axis=0)


def inverse_laplacian(source: np.ndarray, step: Sequence[float], regularisation: float) -> np.ndarray:
    """Solve ∇²φ = source on every plane, with mirrored faces: φ of slope 0 at the faces and mean 0.

    A cosine of wave number q is its own Laplacian up to the factor -q². So in the cosine transform, which is the
    Fourier transform of the mirrored plane, φ_q = -source_q q² / (q⁴ + c⁴) with c = 2π / regularisation. Without c
    this is the exact inverse -1/q², which blows up the weak noise of the widest waves: c holds those back.

    source (Z, Y, X) per µm², step (y, x) µm, regularisation in µm -> φ (Z, Y, X). Raises InputError.
    """
    cut = 2 * np.pi / check_positive(regularisation, "regularisation")
    q_y, q_x = (np.pi * np.arange(n) / (n * s) for n, s in zip(source.shape[1:], step, strict=True))  # per µm
    squared = q_y[:, None] ** 2 + q_x[None, :] ** 2  # (Y, X)
    spectrum = fft.dctn(source, axes=(1, 2), norm="ortho")
    return fft.idctn(-spectrum * squared / (squared**2 + cut**4), axes=(1, 2), norm="ortho")
