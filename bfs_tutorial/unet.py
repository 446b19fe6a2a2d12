"""The 3D U-Net that serves as S1 (centre maps, §3.2) and as S2 (foreground mask, §3.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bfs_tutorial.errors import InputError

Pools = Sequence[tuple[int, int, int]]


class UNet3D(nn.Module):
    """A small 3D U-Net: (B, 1, Z, Y, X) image -> (B, 1, Z, Y, X) logits.

    Each level has two 3x3x3 convolutions with BatchNorm and ReLU. `pools` gives the max-pooling factor
    between levels; the default pools z later than y and x because planes lie further apart than pixels.
    BatchNorm, not GroupNorm or InstanceNorm: at inference it is one fixed scale per channel that folds into
    the convolution before it, which peak-response back-propagation needs (see `peak_response`).
    `prior` is the foreground probability that the untrained network predicts; it starts training calmly.
    """

    def __init__(
        self,
        channels: Sequence[int] = (8, 16, 32),
        pools: Pools = ((1, 2, 2), (2, 2, 2)),
        prior: float = 0.02,
    ) -> None:
        super().__init__()
        if len(pools) != len(channels) - 1:
            raise InputError(f"{len(channels)} levels need {len(channels) - 1} pools, got {len(pools)}")
        self.pools = [tuple(int(f) for f in pool) for pool in pools]
        levels = list(zip([1, *channels[:-1]], channels, strict=True))
        self.encoders = nn.ModuleList(double_conv(a, b) for a, b in levels)
        self.decoders = nn.ModuleList(double_conv(a + b, a) for a, b in reversed(levels[1:]))
        self.head = nn.Conv3d(channels[0], 1, kernel_size=1)
        nn.init.constant_(self.head.bias, math.log(prior / (1.0 - prior)))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the same shape; every axis must be a multiple of `stride`."""
        skips = []
        for encode, pool in zip(self.encoders[:-1], self.pools, strict=True):
            x = encode(x)
            skips.append(x)
            x = F.max_pool3d(x, pool)  # (B, C, Z/pz, Y/py, X/px)
        x = self.encoders[-1](x)
        for decode, pool, skip in zip(self.decoders, reversed(self.pools), reversed(skips), strict=True):
            x = F.interpolate(x, scale_factor=tuple(float(f) for f in pool), mode="nearest")
            x = decode(torch.cat([x, skip], dim=1))  # (B, C_up + C_skip, Z, Y, X) -> (B, C_skip, Z, Y, X)
        return self.head(x)

    @property
    def stride(self) -> tuple[int, int, int]:
        """Product of the pooling factors (z, y, x): input sizes must be multiples of it."""
        return tuple(int(f) for f in np.prod(self.pools, axis=0)) if self.pools else (1, 1, 1)

    @property
    def reach(self) -> tuple[int, int, int]:
        """How many input voxels (z, y, x) to either side of an output voxel can influence it.

        Every pair of convolutions widens the interval by 2 voxels on both sides; a pool of factor f divides it by f
        on the way down the decoder and multiplies it on the way back up through the encoder.
        """
        return tuple(self._reach_along(axis) for axis in range(3))

    def _reach_along(self, axis: int) -> int:
        factors = [pool[axis] for pool in self.pools]
        reaches = []
        for voxel in range(self.stride[axis]):  # it depends on where the voxel lies in the pooling grid
            low, high = voxel - 2, voxel + 2
            for factor in factors:
                low, high = low // factor - 2, high // factor + 2
            for factor in reversed(factors):
                low, high = low * factor - 2, high * factor + factor - 1 + 2
            reaches += [voxel - low, high - voxel]
        return max(reaches)


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two times: 3x3x3 convolution, BatchNorm, ReLU. The bias would be undone by BatchNorm, so there is none."""
    layers: list[nn.Module] = []
    for a, b in ((in_channels, out_channels), (out_channels, out_channels)):
        layers += [nn.Conv3d(a, b, kernel_size=3, padding=1, bias=False), nn.BatchNorm3d(b), nn.ReLU()]
    return nn.Sequential(*layers)


def build(seed: int, **arguments) -> UNet3D:
    """A `UNet3D` whose initial weights depend on `seed` alone; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet3D(**arguments).to(memory_format=torch.channels_last_3d)


def pad_to_stride(image: np.ndarray, stride: Sequence[int]) -> np.ndarray:
    """Repeat the last planes of (Z, Y, X) until every axis is a multiple of `stride`."""
    return np.pad(image, [(0, -size % step) for size, step in zip(image.shape, stride, strict=True)], mode="edge")


def as_batch(image: np.ndarray, stride: Sequence[int] = (1, 1, 1), copies: int = 2) -> Tensor:
    """A z-stack (Z, Y, X) as a batch (copies, 1, Z', Y', X') padded to `stride`.

    Two copies, because with one sample and few channels PyTorch's CPU convolution takes a path
    that is several times slower than computing everything twice (measured in `make bench`).
    """
    padded = torch.from_numpy(pad_to_stride(np.asarray(image, dtype=np.float32), stride))
    batch = padded[None, None].expand(copies, 1, *padded.shape)
    return batch.contiguous(memory_format=torch.channels_last_3d)


@torch.no_grad()
def predict(model: UNet3D, image: np.ndarray) -> np.ndarray:
    """Foreground probability (Z, Y, X), float32 in [0, 1], of a normalised z-stack (Z, Y, X)."""
    device = next(model.parameters()).device
    copies = 2 if device.type == "cpu" else 1
    was_training = model.training
    model.eval()
    logits = model(as_batch(image, model.stride, copies).to(device))[0, 0]
    model.train(was_training)
    z, y, x = image.shape
    return torch.sigmoid(logits)[:z, :y, :x].cpu().numpy()


@torch.no_grad()
def adapt_batch_norm(model: UNet3D, images: Sequence[np.ndarray], share: float = 1.0) -> UNet3D:
    """Move the BatchNorm statistics towards those of unlabelled z-stacks, in place, and return the model.

    The weights stay. The mean and variance of every channel become (1 - share) * old + share * new, with the
    new ones measured on `images`; no annotation is needed. A network that was trained on other optics then
    meets numbers closer to those it was trained on. Raises `InputError` for a share outside [0, 1].
    """
    if not 0.0 <= share <= 1.0:
        raise InputError(f"the share of new statistics is {share}; expected a number from 0 to 1")
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm3d)]
    before = [(norm.running_mean.clone(), norm.running_var.clone(), norm.momentum) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
    was_training, device = model.training, next(model.parameters()).device
    model.train()
    for image in images:
        model(as_batch(image, model.stride).to(device))
    for norm, (mean, variance, momentum) in zip(norms, before, strict=True):
        norm.running_mean.lerp_(mean, 1.0 - share)
        norm.running_var.lerp_(variance, 1.0 - share)
        norm.momentum = momentum
    return model.train(was_training)
