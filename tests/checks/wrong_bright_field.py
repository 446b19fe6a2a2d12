"""Wrong answers to the exercises of the chapter *Bright field*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong, wrong_value


def carried(u, distance, step, wavelength, index, sign=1, keep=False):
    fy, fx = np.fft.fftfreq(u.shape[0], step)[:, None], np.fft.fftfreq(u.shape[1], step)[None]
    root = (index / wavelength) ** 2 - fy**2 - fx**2
    factor = np.exp(sign * 2j * np.pi * distance * (np.sqrt(np.abs(root) if keep else np.maximum(root, 0))
                                                    - index / wavelength))  # fmt: skip
    return np.fft.ifft2(np.fft.fft2(u) * (factor if keep else factor * (root > 0)))


@wrong("travel", "the wave itself is wanted")
def brightness(u, distance, step, wavelength, index):
    """The brightness is returned instead of the wave."""
    return np.abs(carried(u, distance, step, wavelength, index)) ** 2


@wrong("travel", "give the step to fftfreq")
def per_sample(u, distance, step, wavelength, index):
    """fftfreq is called without the step."""
    return carried(u, distance, 1.0, wavelength, index)


@wrong("travel", "the index of the medium is missing")
def in_vacuum(u, distance, step, wavelength, index):
    """The wavelength in air is used in the medium."""
    return carried(u, distance, step, wavelength, 1.0)


@wrong("travel", "the sign in the exponent")
def backwards(u, distance, step, wavelength, index):
    """The sign in the exponent is wrong."""
    return carried(u, distance, step, wavelength, index, sign=-1)


@wrong("travel", "too fine to travel")
def evanescent(u, distance, step, wavelength, index):
    """Waves that cannot travel are kept."""
    return carried(u, distance, step, wavelength, index, keep=True)


wrong_value("bubble", "As a cell: the sign of the lens is overlooked.", "bright", "a cell would be bright")
wrong_value("bubble", "As in focus.", "even", "only in focus")
wrong_value("bubble", "A word that was not offered.", "black", "expected one of")
wrong_value("photons_wanted", "One over the difference, not squared.", 100, "square it")
wrong_value("photons_wanted", "Squared twice.", 10**8, "once too often")
wrong_value("photons_wanted", "The difference itself.", 0.01, "0.01 is the difference")
