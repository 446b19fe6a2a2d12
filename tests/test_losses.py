"""Eq. 2 to 5: hand-made values, gradient checks, agreement with SciPy, a ball with a known boundary."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.autograd import gradcheck

from bfs_tutorial import losses
from bfs_tutorial.errors import InputError

SPACING = (2.0, 1.0, 0.8)
SHAPE = (1, 1, 5, 6, 7)


def random(seed, shape=SHAPE, low=0.0, high=1.0):
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def ball(shape=(24, 32, 32), radius=9.0, spacing=(1.5, 1.0, 1.0)):
    """A ball of `radius` µm in the middle of a stack and the distance of every voxel to its surface, in µm."""
    grid = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing)], indexing="ij")
    distance = np.sqrt(sum(g**2 for g in grid)) - radius
    return torch.from_numpy(distance)[None, None], spacing


def test_centre_loss_by_hand():
    logits = torch.tensor([0.0, math.log(3.0)]).reshape(1, 1, 1, 1, 2)  # q = 0.5 and 0.75
    target = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 1, 2)
    bce = (math.log(2.0) - math.log(0.75)) / 2
    focal = -(0.25**2) * math.log(0.75)  # only the second voxel has p > 0.7
    assert losses.centre_loss(logits, target).item() == pytest.approx(bce + focal, rel=1e-6)
    assert losses.centre_loss(logits, target, focal_weight=0.0).item() == pytest.approx(bce, rel=1e-6)


def test_focal_term_counts_only_voxels_above_the_threshold():
    logits = random(0, low=-2, high=2)
    target = torch.full(SHAPE, 0.7, dtype=torch.float64)  # not above 0.7
    assert losses.focal_term(logits, target) == 0
    target[..., 0] = 0.71
    alone = losses.focal_term(logits[..., :1], target[..., :1])
    assert losses.focal_term(logits, target).item() == pytest.approx(alone.item())


def test_soft_targets_have_an_entropy_floor():
    target = random(1, low=0.05, high=0.95)
    best = losses.centre_loss(torch.logit(target), target, focal_weight=0.0)
    assert best.item() == pytest.approx(losses.entropy_floor(target).item(), rel=1e-9)
    assert losses.centre_loss(torch.logit(target) + 0.3, target, focal_weight=0.0) > best


def test_gradcheck_of_centre_and_class_loss():
    logits = random(2, low=-2, high=2).requires_grad_()
    target = random(3)
    assert gradcheck(lambda x: losses.centre_loss(x, target), logits)
    assert gradcheck(lambda x: losses.class_loss(x, (target > 0.5).double()), logits)


@pytest.mark.parametrize("edge", losses.EDGES)
@pytest.mark.parametrize("reduction", losses.REDUCTIONS)
def test_gradcheck_of_the_boundary_loss(edge, reduction):
    mask = random(4, low=0.1, high=0.9).requires_grad_()
    image = random(5)
    for scale in losses.SCALES:
        options = {"edge": edge, "scale": scale, "reduction": reduction}
        assert gradcheck(lambda m, o=options: losses.boundary_loss(m, image, SPACING, **o), mask)


def test_gradcheck_of_the_segmentation_loss():
    logits = random(6, low=-2, high=2).requires_grad_()
    labels, weight = (random(7) > 0.5).double(), random(8)
    assert gradcheck(lambda x: losses.segmentation_loss(x, labels, weight, SPACING, 3.0), logits)


def test_smoothing_is_scipys():
    x = random(9, (1, 1, 12, 14, 16))
    ours = losses.smooth(x, 1.3, SPACING)[0, 0].numpy()
    theirs = ndimage.gaussian_filter(x[0, 0].numpy(), [1.3 / s for s in SPACING], mode="nearest")
    assert np.allclose(ours, theirs, atol=1e-12)


def test_laplacian_of_a_gaussian_agrees_with_scipy_where_sigma_is_well_sampled():
    x = random(10, (1, 1, 30, 30, 30))
    ours = losses.laplacian(losses.smooth(x, 3.0, (1, 1, 1)), (1, 1, 1))[0, 0].numpy()
    theirs = ndimage.gaussian_laplace(x[0, 0].numpy(), 3.0, mode="nearest")
    inside = (slice(3, -3),) * 3
    assert np.corrcoef(ours[inside].ravel(), theirs[inside].ravel())[0, 1] > 0.999


def test_derivatives_are_per_micrometre():
    z, y, x = (torch.arange(n, dtype=torch.float64) * s for n, s in zip((6, 7, 8), SPACING))
    ramp = 3.0 * z[:, None, None] - 2.0 * y[:, None] + 0.5 * x
    slopes = losses.gradient(ramp[None, None], SPACING)
    for slope, expected in zip(slopes, (3.0, -2.0, 0.5)):
        assert torch.allclose(slope, torch.full_like(slope, expected))
    bowl = (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)[None, None]
    assert torch.allclose(losses.laplacian(bowl, SPACING)[..., 1:-1, 1:-1, 1:-1], torch.tensor(6.0).double())


def test_gradient_edge_of_a_ball_is_strongest_at_its_surface():
    distance, spacing = ball()
    image = (distance < 0).double()
    strength = losses.edge_strength(image, spacing, 1.5, "gradient")
    assert distance.abs()[strength > 0.9 * strength.max()].max() < 1.5


def test_log_of_a_sharp_ball_is_zero_at_the_surface_and_peaks_beside_it():
    """At an ideal step the Laplacian crosses zero on the boundary and peaks about σ away on both sides."""
    distance, spacing = ball((33, 41, 41), 12.0, (1.0, 1.0, 1.0))
    strength = losses.edge_strength((distance < 0).double(), spacing, 2.0, "log")
    mean = lambda low, high: strength[(distance >= low) & (distance < high)].mean()  # noqa: E731
    assert mean(-0.4, 0.4) < 0.5 * mean(-2.5, -1.5)
    assert mean(-0.4, 0.4) < 0.7 * mean(1.5, 2.5)
    assert mean(6, 8) < 0.1 * mean(-2.5, -1.5)


@pytest.mark.parametrize("reduction", ["mean", "ratio"])
def test_boundary_loss_prefers_the_true_ball(reduction):
    """Ratio form: the right radius has the lowest loss. Mean form: a too large ball is worse than the right one."""
    distance, spacing = ball()
    image = torch.sigmoid(-distance / 0.5)
    value = {
        shift: losses.boundary_loss(
            torch.sigmoid(-(distance - shift) / 0.3), image, spacing, edge="gradient", reduction=reduction
        ).item()
        for shift in (-4.0, -2.0, 0.0, 2.0, 4.0)
    }
    assert value[0.0] < value[2.0] < value[4.0]
    if reduction == "ratio":
        assert min(value, key=value.get) == 0.0


def test_as_printed_an_empty_mask_costs_nothing_but_the_ratio_form_does_not_reward_shrinking():
    distance, spacing = ball()
    image = random(11, distance.shape)  # no edge anywhere near: the image says nothing
    big, small = (torch.sigmoid(-(distance + s) / 0.3) for s in (0.0, 5.0))
    mean = [losses.boundary_loss(m, image, spacing, reduction="mean").item() for m in (big, small)]
    ratio = [losses.boundary_loss(m, image, spacing, reduction="ratio").item() for m in (big, small)]
    assert mean[1] < 0.5 * mean[0]
    assert ratio[1] == pytest.approx(ratio[0], rel=0.1)


def test_as_printed_the_weight_is_constant_on_a_z_scored_image_and_scaling_cures_it():
    distance, spacing = ball()
    image = (distance < 0).double() + 0.1 * random(12, distance.shape)
    image = (image - image.mean()) / image.std()
    printed = losses.edge_weight(image, spacing, 3.0, "log", scale="none")
    scaled = losses.edge_weight(image, spacing, 3.0, "log", scale="std")
    assert printed.min() > 0.95
    assert scaled.min() < 0.1 and scaled.max() > 0.9


def test_the_local_scale_is_half_the_largest_strength_nearby():
    strength = torch.zeros(20, 30, 30, dtype=torch.float64)
    strength[10, 15, 15] = 4.0
    half = losses.local_scale(strength, (1.0, 1.0, 1.0), radius=8.0)
    assert half.shape == strength.shape and half.max() <= 2.0 and half[10, 15, 15] > 1.7
    assert half[10, 15, 0] < 0.1  # 15 µm away the spike is not seen


def test_scaled_locally_a_dim_edge_weighs_like_a_bright_one_and_only_its_crest():
    distance, spacing = ball()
    image = torch.sigmoid(-distance)
    weights = [losses.edge_weight(gain * image, spacing, 1.0, "gradient", scale="local") for gain in (1.0, 1000.0)]
    assert torch.allclose(*weights, atol=1e-4)
    crest, near = distance.abs() < 0.5, (distance.abs() > 2.5) & (distance.abs() < 3.5)
    assert weights[0][crest].max() < 0.1 and weights[0][near].mean() > 0.5


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_the_norm_of_eq_5_is_the_p_norm_of_the_gradient(p):
    image = random(13)
    g = losses.gradient(losses.smooth(image, 1.0, SPACING), SPACING)
    expected = torch.exp(-(g.abs() ** p).sum(dim=0))
    assert torch.allclose(losses.edge_weight(image, SPACING, 1.0, "gradient", p, "none"), expected)


def test_zero_boundary_weight_is_class_loss_alone():
    logits, labels, weight = random(14), (random(15) > 0.5).double(), random(16)
    assert losses.segmentation_loss(logits, labels, weight, SPACING, 0.0) == losses.class_loss(logits, labels)


def test_bad_choices_are_refused_in_words():
    x = random(0)
    with pytest.raises(InputError, match="edge 'sobel' is unknown"):
        losses.boundary_loss(x, x, SPACING, edge="sobel")
    with pytest.raises(InputError, match="scale '255'"):
        losses.boundary_loss(x, x, SPACING, scale="255")
    with pytest.raises(InputError, match="reduction 'max'"):
        losses.boundary_loss(x, x, SPACING, reduction="max")
    with pytest.raises(InputError, match="same shape"):
        losses.boundary_loss(x, x[..., 1:], SPACING)
    with pytest.raises(InputError, match="σ is -1"):
        losses.smooth(x, -1.0, SPACING)
