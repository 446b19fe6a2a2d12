"""Peak response maps: conservation, agreement with the original code, windows, batching, no side effects."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bfs_tutorial.errors import InputError
from bfs_tutorial.peak_response import (
    fold_batch_norm,
    normalise_response,
    peak_responses,
    peak_rule,
    peak_windows,
)
from bfs_tutorial.unet import UNet3D, build


class ReferenceNet(nn.Module):
    """The one-level U-Net of the stored reference values, with or without BatchNorm."""

    def __init__(self, weights: dict[str, torch.Tensor], mode: str) -> None:
        super().__init__()
        sizes = {"c1": (1, 4), "c2": (4, 8), "c3": (12, 4)}
        self.mode = mode
        for name, (a, b) in sizes.items():
            layers = [nn.Conv3d(a, b, 3, padding=1)]
            if "n1.running_mean" in weights:
                layers.append(nn.BatchNorm3d(b))
            setattr(self, name, nn.Sequential(*layers))
        self.o = nn.Conv3d(4, 1, 1)
        names = {f"c{i}.0": f"c{i}" for i in (1, 2, 3)} | {f"c{i}.1": f"n{i}" for i in (1, 2, 3)} | {"o": "o"}
        state = {key: weights[f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}"] for key in self.state_dict()}
        self.load_state_dict(state)
        self.eval()

    def forward(self, x):
        first = F.relu(self.c1(x))
        deep = F.relu(self.c2(F.max_pool3d(first, 2)))
        extra = {"align_corners": False} if self.mode == "trilinear" else {}
        up = F.interpolate(deep, scale_factor=2, mode=self.mode, **extra)
        return self.o(F.relu(self.c3(torch.cat([first, up], dim=1))))


def reference(shared, case):
    arrays = np.load(shared / "reference" / "peak_response" / "prm_reference.npz")
    part = {k.removeprefix(f"{case}/"): arrays[k] for k in arrays if k.startswith(f"{case}/")}
    weights = {k[2:]: torch.from_numpy(v) for k, v in part.items() if k.startswith("w/")}
    net = ReferenceNet(weights, case.partition("_")[2])
    return net, part


@pytest.mark.parametrize("case", ["none_nearest", "none_trilinear"])
def test_agrees_with_the_original_code(shared, case):
    net, part = reference(shared, case)
    image, peak = part["x"][0, 0], part["peak"][None]
    assert np.allclose(net(torch.from_numpy(part["x"])).detach(), part["y"], atol=1e-5)
    raw = peak_responses(net, image, peak, normalise=False)
    assert np.allclose(raw, part["raw"][0], atol=1e-6)
    ours = peak_responses(net, image, peak)[0]
    theirs = part["prm_normalised"][0]
    assert np.allclose(ours / ours.max(), theirs / theirs.max(), atol=1e-4)


@pytest.mark.parametrize("case", ["none_nearest", "none_trilinear", "bn_nearest", "bn_trilinear"])
def test_guided_agrees_with_the_original_code(shared, case):
    net, part = reference(shared, case)
    raw = peak_responses(net, part["x"][0, 0], part["peak"][None], rule="guided", normalise=False)
    assert np.allclose(raw, part["guided_raw"][0], atol=1e-5 * np.abs(part["guided_raw"]).max() + 1e-6)


def test_folded_batch_norm_conserves_where_the_original_does_not(shared):
    net, part = reference(shared, "bn_nearest")
    raw = peak_responses(net, part["x"][0, 0], part["peak"][None], normalise=False)
    assert part["raw"].sum() == pytest.approx(0.778, abs=1e-3)
    assert raw.sum() == pytest.approx(1.0, abs=1e-4)
    assert raw.min() >= 0


@pytest.fixture(scope="module")
def network():
    """A small U-Net with trained-looking BatchNorm: positive and negative scales, non-trivial statistics."""
    net = build(3, channels=(4, 8), pools=((1, 2, 2),))
    generator = torch.Generator().manual_seed(0)
    for norm in [m for m in net.modules() if isinstance(m, nn.BatchNorm3d)]:
        norm.weight.data = torch.randn(norm.weight.shape, generator=generator)
        norm.bias.data = torch.rand(norm.bias.shape, generator=generator)
        norm.running_mean = torch.randn(norm.running_mean.shape, generator=generator) * 0.1
        norm.running_var = torch.rand(norm.running_var.shape, generator=generator) + 0.5
    return net.eval()


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).normal(size=(10, 40, 44)).astype(np.float32)


PEAKS = np.array([[5, 20, 22], [0, 0, 0], [9, 39, 43], [4, 3, 40]])


def test_each_raw_response_sums_to_one_and_is_not_negative(network, image):
    raw = peak_responses(network, image, PEAKS, normalise=False)
    assert raw.sum(axis=(1, 2, 3)) == pytest.approx(np.ones(len(PEAKS)), abs=1e-4)
    assert raw.min() > -1e-7


@pytest.mark.parametrize("rule", ["prm", "guided", "gradient"])
def test_windows_give_the_map_of_the_whole_stack(network, image, rule):
    whole = peak_responses(network, image, PEAKS, rule, windowed=False, normalise=False)
    windowed = peak_responses(network, image, PEAKS, rule, normalise=False)
    assert np.abs(windowed - whole).max() <= 1e-5 * np.abs(whole).max()


@pytest.mark.parametrize("rule", ["prm", "guided", "gradient"])
def test_batched_equals_one_at_a_time(network, image, rule):
    together = peak_responses(network, image, PEAKS, rule, batch=4)
    alone = np.concatenate([peak_responses(network, image, p[None], rule, batch=1) for p in PEAKS])
    assert np.allclose(together, alone, atol=1e-6 * alone.max())


def test_windows_are_really_smaller_than_the_stack():
    net = UNet3D()
    windows = peak_windows(np.array([[8, 64, 64], [0, 0, 127]]), (32, 128, 128), net.reach, net.stride)
    sizes = {tuple(s.stop - s.start for s in window) for window in windows}
    assert len(sizes) == 1 and np.prod(sizes.pop()) < 0.25 * 32 * 128 * 128
    assert all(s.start % step == 0 for window in windows for s, step in zip(window, net.stride, strict=True))


def test_reach_holds_the_whole_gradient_of_any_voxel():
    net = build(0)
    for parameter in net.parameters():
        parameter.data.abs_()
    x = torch.rand(2, 1, 36, 64, 64, requires_grad=True)
    net.eval()(x)[0, 0, 17, 31, 33].backward()
    touched = np.argwhere(x.grad[0, 0].numpy() != 0)
    assert (np.abs(touched - [17, 31, 33]).max(axis=0) <= net.reach).all()
    assert (np.abs(touched - [17, 31, 33]).max(axis=0) >= np.array(net.reach) - 1).all()  # and no more than needed


def test_the_model_is_untouched(network, image):
    before = copy.deepcopy(network.state_dict())
    flags = [m.training for m in network.modules()]
    x = torch.from_numpy(image)[None, None]
    output = network(x).detach()
    peak_responses(network, image, PEAKS)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert flags == [m.training for m in network.modules()]
    assert torch.equal(network(x).detach(), output)
    assert all(p.grad is None for p in network.parameters())


def test_forward_is_unchanged_and_the_rule_ends_with_the_context(image):
    net = fold_batch_norm(build(1, channels=(4, 8), pools=((1, 2, 2),)))
    x = torch.from_numpy(image)[None, None].requires_grad_()
    with peak_rule():
        inside = net(x)
    assert torch.equal(inside, net(x))
    (gradient,) = torch.autograd.grad(net(x)[0, 0, 5, 20, 20], x)
    assert (gradient < 0).any()  # an ordinary gradient again


def test_folding_changes_no_output(network, image):
    x = torch.from_numpy(image)[None, None]
    assert torch.allclose(fold_batch_norm(network)(x), network(x), atol=1e-4)


def test_negative_input_range_and_transposed_convolution_conserve_too():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv3d(1, 3, 3, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose3d(3, 1, 3, stride=2, padding=1, output_padding=1),
    ).eval()  # fmt: skip
    for layer in (net[0], net[2]):
        layer.weight.data = layer.weight.data.abs()
        layer.bias.data = layer.bias.data.abs()
    image = np.random.default_rng(1).uniform(-9.0, -5.0, (6, 8, 8)).astype(np.float32)
    net[0].bias.data += 30.0  # keep the ReLU alive
    raw = peak_responses(net, image, np.array([[3, 3, 5]]), normalise=False)
    assert raw.sum() == pytest.approx(1.0, abs=1e-4)


def test_an_all_zero_map_stays_zero():
    net = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv3d(2, 1, 1)).eval()
    net[0].bias.data.fill_(-1e6)  # every ReLU is dead
    maps = peak_responses(net, np.random.default_rng(0).random((4, 6, 6)), np.array([[2, 3, 3]]))
    assert np.isfinite(maps).all() and maps.sum() == 0
    assert normalise_response(np.zeros((2, 2, 2))).sum() == 0


def test_bad_input_is_refused_in_words(image):
    net = build(0, channels=(4, 8), pools=((1, 2, 2),))
    with pytest.raises(InputError, match="outside the stack"):
        peak_responses(net, image, np.array([[5, 20, 99]]))
    with pytest.raises(InputError, match="rule 'lrp' is unknown"):
        peak_responses(net, image, PEAKS, rule="lrp")
    with pytest.raises(InputError, match="GroupNorm"):
        peak_responses(nn.Sequential(nn.Conv3d(1, 4, 3), nn.GroupNorm(2, 4)), image, PEAKS)


def test_no_peaks_give_no_maps(image):
    assert peak_responses(build(0), image, np.empty((0, 3))).shape == (0, *image.shape)
