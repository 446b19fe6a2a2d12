"""Bring the grey values of a z-stack to a common scale, the same way in training and in use."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing
from bfs_tutorial.stack import check_image, check_spacing

MODALITIES = ("bright-field", "fluorescence")


def check_modality(modality: str) -> str:
    """Return `modality` when it is one of `MODALITIES`; raise `InputError` otherwise."""
    if modality not in MODALITIES:
        raise InputError(f"modality {modality!r} is unknown; choose one of {', '.join(MODALITIES)}")
    return modality


def normalise(image: np.ndarray, modality: str, spacing: Spacing) -> np.ndarray:
    """Scale a z-stack (Z, Y, X) for the networks.

    Bright field keeps light and dark: x / background - 1, divided by its standard deviation.
    Fluorescence spans decades, so it is compressed: asinh((x - median) / (3 * noise)).
    """
    image = check_image(image).astype(np.float64)
    if check_modality(modality) == "bright-field":
        return _flat_field_z_score(image, check_spacing(spacing)).astype(np.float32)
    return _asinh_above_background(image).astype(np.float32)


def _flat_field_z_score(image: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Divide every plane by its lateral background (Gaussian, 30 µm) and z-score the stack."""
    sigma = (0.0, 30.0 / spacing[1], 30.0 / spacing[2])
    background = ndimage.gaussian_filter(image, sigma, mode="nearest")
    contrast = image / np.maximum(background, 1e-6 * np.abs(image).max()) - 1.0
    return (contrast - contrast.mean()) / contrast.std()


def _asinh_above_background(image: np.ndarray) -> np.ndarray:
    """asinh((x - median) / (3 * noise)); the noise is the median deviation of the darker half of the voxels."""
    median = np.median(image)
    noise = 1.4826 * np.median(median - image[image <= median])
    noise = max(noise, 1e-3 * (image.max() - median), 1e-12)  # a stack simulated without noise has none
    return np.arcsinh((image - median) / (3.0 * noise))
