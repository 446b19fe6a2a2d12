"""A mask that a network learns."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.drawing import LABELS, MASK, iou, outlines, shade
from bfs_tutorial.explore.frame import Frame, Panel


def mask_frame(
    image: np.ndarray,
    truth: np.ndarray,
    labels: np.ndarray,
    learn: Callable[..., np.ndarray],
    plane: int,
) -> Callable[..., Frame]:
    """Return the frame function of a mask that is learnt from labels, in one plane, beside its probability.

    The function takes form and strength, which it hands to learn, and epoch, an index into what learn returns. It
    draws the outlines of the mask, of the labels and of the truth, and writes IoU and volume of the mask.
    image: (Z, Y, X); truth, labels: bool (Z, Y, X); learn(form, strength) -> probabilities (epochs, Z, Y, X), always
    the same for the same values. Raises InputError when the shapes differ or the plane does not exist.
    """
    if not image.shape == truth.shape == labels.shape or not 0 <= plane < len(image):
        raise InputError(f"image {image.shape}, truth {truth.shape}, labels {labels.shape}, plane {plane}: "
                         "expected one shape (Z, Y, X) and a plane in it")  # fmt: skip
    grey = shade(image[plane], 12)
    true, taught = outlines(truth[plane].astype(int), width=0.4), outlines(labels[plane].astype(int), LABELS, 0.4)
    history = lru_cache(maxsize=32)(learn)

    def frame(form: str, strength: float, epoch: int) -> Frame:
        mask = history(form, strength)[epoch]
        line = outlines((mask[plane] > 0.5).astype(int), MASK, 0.5)
        shades = (np.round(np.asarray(mask[plane], dtype=float) * 11) * (255 / 11)).astype(np.uint8)
        volume = (mask > 0.5).sum() / max(labels.sum(), 1)
        return Frame(
            [
                Panel({"image": grey, "labels": taught, "true": true, "mask": line}, "outlines", 288),
                Panel({"probability": shades, "true": true}, "probability, 1 = white", 288),
            ],
            f"IoU {iou(mask > 0.5, truth):.2f} · volume {volume:.2f} times that of the pseudo labels",
        )

    return frame
