"""The 3D U-Net: shapes, strides, deterministic weights, prediction on any size, BatchNorm re-estimation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bfs_tutorial import unet
from bfs_tutorial.errors import InputError


@pytest.mark.parametrize("channels, pools", [((4, 8), [(1, 2, 2)]), ((4, 8, 8), [(1, 2, 2), (2, 2, 2)]), ((4,), [])])
def test_logits_have_the_shape_of_the_image(channels, pools):
    net = unet.build(0, channels=channels, pools=pools)
    x = torch.zeros(2, 1, *(4 * s for s in net.stride))
    assert net(x).shape == x.shape


def test_the_untrained_network_predicts_its_prior():
    net = unet.build(0, channels=(4, 8), pools=[(1, 2, 2)], prior=0.1)
    net.head.weight.data.zero_()
    assert torch.sigmoid(net(torch.rand(2, 1, 2, 4, 4))).detach().numpy() == pytest.approx(0.1)


def test_weights_depend_on_the_seed_alone_and_the_global_state_is_kept():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    nets = [unet.build(seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(3), expected)
    first, same, other = (net.encoders[0][0].weight for net in nets)
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_prediction_takes_any_size_and_returns_it():
    net = unet.build(0, channels=(4, 8, 8))
    probability = unet.predict(net, np.random.default_rng(0).normal(size=(5, 13, 10)).astype(np.float32))
    assert probability.shape == (5, 13, 10) and probability.dtype == np.float32
    assert 0 <= probability.min() and probability.max() <= 1


def test_prediction_leaves_the_mode_as_it_was():
    net = unet.build(0, channels=(4, 8), pools=[(1, 2, 2)]).train()
    before = net.encoders[0][1].running_mean.clone()
    unet.predict(net, np.zeros((2, 4, 4), dtype=np.float32))
    assert net.training and torch.equal(net.encoders[0][1].running_mean, before)


def test_adapted_statistics_are_those_of_the_new_image():
    """After adaptation, stretching the grey values no longer changes the prediction (first layer undoes it)."""
    net = unet.build(0, channels=(4, 8), pools=[(1, 2, 2)])
    image = np.random.default_rng(0).normal(size=(8, 16, 16)).astype(np.float32)
    reference = unet.predict(unet.adapt_batch_norm(net, [image]), image)
    other = 3.0 * image
    assert not np.allclose(unet.predict(net, other), reference, atol=1e-3)
    assert np.allclose(unet.predict(unet.adapt_batch_norm(net, [other]), other), reference, atol=1e-3)
    assert all(m.momentum == 0.1 for m in net.modules() if isinstance(m, torch.nn.BatchNorm3d))


def test_levels_and_pools_must_agree():
    with pytest.raises(InputError, match="3 levels need 2 pools, got 1"):
        unet.UNet3D(channels=(4, 8, 16), pools=[(1, 2, 2)])


def test_a_share_of_the_new_statistics_lies_between_old_and_new():
    image = 3.0 + np.random.default_rng(0).normal(size=(8, 16, 16)).astype(np.float32)
    nets = {share: unet.build(0, channels=(4, 8), pools=[(1, 2, 2)]) for share in (0.0, 0.25, 1.0)}
    means = {s: unet.adapt_batch_norm(net, [image], s).encoders[0][1].running_mean for s, net in nets.items()}
    assert torch.equal(means[0.0], torch.zeros(4)) and means[1.0].abs().min() > 0
    assert torch.allclose(means[0.25], 0.25 * means[1.0])


def test_a_share_outside_zero_to_one_is_refused():
    with pytest.raises(InputError, match="share of new statistics is 1.5"):
        unet.adapt_batch_norm(unet.build(0), [np.zeros((4, 8, 8))], 1.5)
