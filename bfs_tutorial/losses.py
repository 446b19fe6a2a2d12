"""The losses of S1 (Eq. 2) and S2 (Eq. 3), with the image-guided boundary loss (Eq. 4 and 5).

Masks, targets and images are tensors (B, 1, Z, Y, X); σ is in µm and derivatives are per µm, so that an
anisotropic stack is treated right. The paper leaves open the unit of σ, the scale of the image inside the
exponential and how Eq. 4 becomes one number: these are the explicit parameters here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing

EDGES = ("log", "gradient")
SCALES = ("none", "std", "local")
REDUCTIONS = ("mean", "ratio", "sum")


def _one_of(value: str, allowed: Sequence[str], what: str) -> None:
    if value not in allowed:
        raise InputError(f"{what} {value!r} is unknown; choose one of {', '.join(allowed)}")


def focal_term(logits: Tensor, target: Tensor, gamma: float = 2.0, threshold: float = 0.7) -> Tensor:
    """Focal loss on the voxels next to a centre, p(x) > threshold: mean of -(1 - q)^γ log q, q = sigmoid(logit).

    Zero when no voxel is above the threshold. Source: the second term of Eq. (2).
    """
    near = target > threshold
    log_q = F.logsigmoid(logits)
    focal = -((1.0 - log_q.exp()) ** gamma) * log_q
    return (focal * near).sum() / near.sum().clamp(min=1)


def centre_loss(logits: Tensor, target: Tensor, focal_weight: float = 1.0, gamma: float = 2.0) -> Tensor:
    """Eq. (2): L_S1 = L_bce + λ L_focal, for centre-map logits and the target p(x) of Eq. (1).

    The target is soft, so L_bce cannot fall below the target's own entropy (`entropy_floor`).
    """
    bce = F.binary_cross_entropy_with_logits(logits, target)
    return bce + focal_weight * focal_term(logits, target, gamma)


def entropy_floor(target: Tensor) -> Tensor:
    """The smallest binary cross entropy that any prediction can reach on soft targets: the mean entropy of p(x)."""
    return torch.special.entr(target).mean() + torch.special.entr(1.0 - target).mean()


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """L_class of Eq. (3): cross entropy between the mask logits and the pseudo labels (0 or 1)."""
    return F.binary_cross_entropy_with_logits(logits, labels)


@lru_cache(maxsize=64)
def _smoothing_matrix(size: int, sigma: float) -> Tensor:
    """The (size, size) matrix that smooths a line with a Gaussian of `sigma` voxels, edges repeated."""
    return torch.from_numpy(ndimage.gaussian_filter1d(np.eye(size), sigma, axis=0, mode="nearest"))


def _along(x: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """Multiply `matrix` with every line of x along `axis`."""
    return torch.movedim(torch.movedim(x, axis, -1) @ matrix.to(x).T, -1, axis)


def smooth(x: Tensor, sigma: float, spacing: Spacing) -> Tensor:
    """G(x, σ): Gaussian smoothing of (..., Z, Y, X) with σ in µm, as one matrix product per axis.

    It equals `scipy.ndimage.gaussian_filter(x, σ / spacing, mode="nearest")` and has a gradient.
    """
    if not sigma >= 0:
        raise InputError(f"σ is {sigma} µm; expected a length of 0 µm or more")
    for axis, step in zip((-3, -2, -1), spacing, strict=True):
        if sigma > 0:
            x = _along(x, _smoothing_matrix(x.shape[axis], sigma / step), axis)
    return x


def gradient(x: Tensor, spacing: Spacing) -> Tensor:
    """∇x per µm by central differences: (..., Z, Y, X) -> (3, ..., Z, Y, X)."""
    return torch.stack(torch.gradient(x, spacing=[float(s) for s in spacing], dim=(-3, -2, -1)))


def laplacian(x: Tensor, spacing: Spacing) -> Tensor:
    """Δx per µm² by second differences, edges repeated: (..., Z, Y, X) -> same shape."""
    total = torch.zeros_like(x)
    for axis, step in zip((-3, -2, -1), spacing, strict=True):
        size = x.shape[axis]
        before = x.index_select(axis, torch.arange(size, device=x.device).sub(1).clamp(min=0))
        after = x.index_select(axis, torch.arange(size, device=x.device).add(1).clamp(max=size - 1))
        total = total + (before - 2.0 * x + after) / step**2
    return total


def gradient_magnitude(x: Tensor, sigma: float, spacing: Spacing) -> Tensor:
    """|∇G(x, σ)| per µm, same shape as x. A tiny constant keeps the square root differentiable at 0."""
    return (gradient(smooth(x, sigma, spacing), spacing).square().sum(dim=0) + 1e-12).sqrt()


def edge_strength(image: Tensor, spacing: Spacing, sigma: float, edge: str = "log", p: float = 2.0) -> Tensor:
    """What the exponential of Eq. (4) or (5) is taken of: |ΔG(I, σ2)| for "log", ‖∇G(I, σ2)‖_p for "gradient"."""
    _one_of(edge, EDGES, "edge")
    smoothed = smooth(image, sigma, spacing)
    if edge == "log":
        return laplacian(smoothed, spacing).abs()
    return gradient(smoothed, spacing).abs().pow(p).sum(dim=0).pow(1.0 / p)


def edge_weight(
    image: Tensor, spacing: Spacing, sigma: float = 1.0, edge: str = "log", p: float = 2.0, scale: str = "std"
) -> Tensor:
    """The second factor of Eq. (4) and (5): w = exp(-(e / s)^p), near 0 on image edges and 1 elsewhere.

    e is `edge_strength`. scale="none" is the equation as printed, s = 1: on a z-scored image e is about
    0.04, w about 0.998 everywhere, and the image guides nothing. scale="std" divides by s = std(e).
    scale="local" divides by half the largest strength nearby, see `local_scale`: only the crest of an edge gets a
    low weight, and the edge of a dim cell as low a one as that of a bright cell.
    """
    _one_of(scale, SCALES, "scale")
    strength = edge_strength(image, spacing, sigma, edge, p)
    if scale == "std":
        strength = strength / strength.std().clamp(min=1e-12)
    elif scale == "local":
        strength = strength / local_scale(strength, spacing).clamp(min=1e-12)
    return torch.exp(-(strength**p))


def local_scale(strength: Tensor, spacing: Spacing, radius: float = 8.0) -> Tensor:
    """Half the largest edge strength within `radius` µm (a box), smoothed so that it has no steps; same shape.

    radius: about that of a cell, in µm, so that every place sees the edge of the cell that it belongs to.
    """
    largest = strength.reshape(-1, 1, *strength.shape[-3:])  # (B, 1, Z, Y, X)
    for axis, step in enumerate(spacing):  # the largest in a box, one axis after the other
        half = [round(radius / step) if a == axis else 0 for a in range(3)]
        largest = F.max_pool3d(largest, [2 * n + 1 for n in half], stride=1, padding=half)
    return smooth(largest, radius / 2, spacing).reshape(strength.shape) / 2


def weighted_gradient(
    mask: Tensor, weight: Tensor, spacing: Spacing, sigma: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """The first factor times the second, as one number: |∇G(S, σ1)| · w.

    reduction="mean" or "sum" over voxels follow the equation and are smallest for an empty mask.
    reduction="ratio" is Σ w |∇S| / Σ |∇S|: the mean weight along the mask's own border. It moves the
    border onto image edges and does not reward a short border.
    """
    _one_of(reduction, REDUCTIONS, "reduction")
    border = gradient_magnitude(mask, sigma, spacing)
    if reduction == "ratio":
        return (border * weight).sum() / border.sum().clamp(min=1e-6)
    return (border * weight).mean() if reduction == "mean" else (border * weight).sum()


def boundary_loss(
    mask: Tensor,
    image: Tensor,
    spacing: Spacing,
    sigma_mask: float = 1.0,
    sigma_image: float = 1.0,
    edge: str = "log",
    p: float = 2.0,
    scale: str = "std",
    reduction: str = "mean",
) -> Tensor:
    """L_BF, Eq. (4), with edge="log": ∇G(S, σ1) · exp(-‖ΔG(I, σ2)‖_p^p); L_FL, Eq. (5), with edge="gradient".

    mask: S in [0, 1], image: I, both (B, 1, Z, Y, X) and of the same shape. σ1 = `sigma_mask` and
    σ2 = `sigma_image` in µm. The paper's p = 2, σ1 = σ2 = 3 with scale="none" is the loss as printed.
    Raises `InputError` on different shapes or an unknown choice.
    """
    if mask.shape != image.shape:
        raise InputError(f"mask {tuple(mask.shape)} and image {tuple(image.shape)} must have the same shape")
    weight = edge_weight(image, spacing, sigma_image, edge, p, scale)
    return weighted_gradient(mask, weight, spacing, sigma_mask, reduction)


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor,
    spacing: Spacing,
    boundary_weight: float = 1.0,
    sigma_mask: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """Eq. (3): L_S2 = L_class + λ_BF L_BF, with the edge weight of the whole stack computed beforehand."""
    loss = class_loss(logits, labels)
    if boundary_weight > 0:
        mask = torch.sigmoid(logits)
        loss = loss + boundary_weight * weighted_gradient(mask, weight, spacing, sigma_mask, reduction)
    return loss
