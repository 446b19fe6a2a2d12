"""Bring the grey values of a z-stack to a common scale, the same way in training and in use."""

from __future__ import annotations

import numpy as np

from bfs_tutorial.errors import InputError
from bfs_tutorial.stack import check_image

MODALITIES = ("bright-field", "fluorescence")


def check_modality(modality: str) -> str:
    """Return `modality` when it is one of `MODALITIES`; raise `InputError` otherwise."""
    if modality not in MODALITIES:
        raise InputError(f"modality {modality!r} is unknown; choose one of {', '.join(MODALITIES)}")
    return modality


def normalise(image: np.ndarray, modality: str) -> np.ndarray:
    """Scale a z-stack (Z, Y, X) for the networks, float32 of the same shape.

    Bright field has a lamp and shows cells lighter and darker than it: image / lamp - 1, divided by the
    standard deviation of the stack. Fluorescence starts from a dark background and spans decades:
    asinh((image - median) / (3 noise)). Raises `InputError` for an unknown modality or an unusable image.
    """
    image = check_image(image).astype(np.float64)
    if check_modality(modality) == "bright-field":
        contrast = image / illumination(image) - 1.0
        return ((contrast - contrast.mean()) / contrast.std()).astype(np.float32)
    return asinh_above_background(image).astype(np.float32)


def illumination(image: np.ndarray) -> np.ndarray:
    """The lamp's light over the field of view, (Y, X): a surface of degree 2 through the mean of all planes.

    Transparent cells move light about but keep its sum, so the mean plane is the lamp plus weak structure.
    """
    plane = image.mean(axis=0)
    y, x = np.meshgrid(*[np.linspace(-1.0, 1.0, n) for n in plane.shape], indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)  # (Y, X, 6)
    coefficients, *_ = np.linalg.lstsq(terms.reshape(-1, 6), plane.ravel(), rcond=None)
    return np.maximum(terms @ coefficients, 1e-3 * np.abs(plane).max())


def asinh_above_background(image: np.ndarray) -> np.ndarray:
    """asinh((image - median) / (3 noise)): linear for faint structure, logarithmic for bright nuclei.

    The noise is estimated from the darker half of the voxels, where no cell is: 1.4826 times the median of
    (median - value). A percentile of the bright voxels would follow the brightest nucleus instead.
    """
    median = np.median(image)
    noise = 1.4826 * np.median(median - image[image <= median])
    smallest = 1e-3 * (np.percentile(image, 99.9) - median)  # a stack simulated without noise has none
    return np.arcsinh((image - median) / (3.0 * max(noise, smallest, 1e-12)))


def edge_image(image: np.ndarray, modality: str) -> np.ndarray:
    """The image whose edges guide the boundary loss (Eq. 4 and 5), float32 (Z, Y, X).

    Bright field: as the networks see it. Fluorescence: the counts themselves. Blur moves the steepest place of the
    counts hardly away from the surface of a nucleus; the networks' asinh scale lifts the foot of the blur and moves
    it out, by about 1 µm on simulated nuclei. Bright and dim nuclei are made equal later, see `losses.local_scale`.
    """
    if check_modality(modality) == "bright-field":
        return normalise(image, modality)
    return check_image(image)
