"""Peak response maps in 3D: which input voxels made S1 see a centre here? (§3.2)

The rule comes from Zhou et al. 2018 (2D) and Dong et al. 2019 (3D). The forward pass stays as it is. On the
way back through a convolution with input X and weights W the response P_out is handed to the inputs in
proportion to what each contributed through positive weights:

    P_in = (X - o) * conv_transpose(P_out / Z, W+),   Z = conv(X - o, W+),   W+ = max(W, 0),   o = min X

ReLU, max pooling, concatenation and nearest up-sampling go back as usual. Every step shares out all of what
it receives, so the map of one peak is non-negative and sums to 1.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from bfs_tutorial.errors import InputError
from bfs_tutorial.unet import pad_to_stride

RULES = ("prm", "guided", "gradient")
Window = tuple[slice, slice, slice]
TINY = 1e-10  # a voxel whose inputs contributed less than this passes nothing on


class ConvResponse(torch.autograd.Function):
    """A convolution whose backward pass hands on responses by positive contribution, not gradients."""

    @staticmethod
    def forward(ctx, x, low, weight, bias, stride, padding, dilation, groups):
        """Convolve as usual; keep X - o and W+ for the way back."""
        ctx.save_for_backward(x - low, weight.clamp(min=0))
        ctx.geometry = stride, padding, dilation, groups
        return F.conv3d(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx, response):
        """P_in = (X - o) * conv_transpose(P_out / Z, W+)."""
        shifted, positive = ctx.saved_tensors
        total = F.conv3d(shifted, positive, None, *ctx.geometry)  # Z, shape of the output
        share = torch.where(total > TINY, response / total.clamp(min=TINY), 0.0)
        back = torch.nn.grad.conv3d_input(shifted.shape, positive, share, *ctx.geometry)
        return shifted * back, *[None] * 7


class TransposedConvResponse(torch.autograd.Function):
    """The same rule for a transposed convolution; its adjoint is a convolution with the same weights."""

    @staticmethod
    def forward(ctx, x, low, weight, bias, stride, padding, output_padding, groups, dilation):
        """Convolve as usual; keep X - o and W+ for the way back."""
        ctx.save_for_backward(x - low, weight.clamp(min=0))
        ctx.geometry = stride, padding, output_padding, groups, dilation
        return F.conv_transpose3d(x, weight, bias, stride, padding, output_padding, groups, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx, response):
        """P_in = (X - o) * conv(P_out / Z, W+)."""
        shifted, positive = ctx.saved_tensors
        stride, padding, _, groups, dilation = ctx.geometry
        total = F.conv_transpose3d(shifted, positive, None, *ctx.geometry)
        share = torch.where(total > TINY, response / total.clamp(min=TINY), 0.0)
        back = F.conv3d(share, positive, None, stride, padding, dilation, groups)
        return shifted * back, *[None] * 8


class GuidedReLU(torch.autograd.Function):
    """ReLU whose backward pass also drops negative gradients (guided back-propagation, Springenberg 2015)."""

    @staticmethod
    def forward(ctx, x):
        """max(x, 0)."""
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Let a gradient pass where both it and x are positive."""
        (x,) = ctx.saved_tensors
        return gradient.clamp(min=0) * (x > 0)


class peak_rule(TorchFunctionMode):  # noqa: N801 - a context manager, named as it is used
    """Within `with peak_rule():` convolutions go backward by the peak-response rule; nothing is patched.

    minima: o of every convolution in calling order, from `convolution_minima`; None takes the minimum of each
    sample. A window cut out of a stack must use the minima of the whole stack to give the same map.
    """

    def __init__(self, minima: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.minima = None if minima is None else iter(minima)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.conv3d:
            return self._conv(*args, **(kwargs or {}))
        if func is F.conv_transpose3d:
            return self._transposed(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _low(self, x: Tensor) -> Tensor:
        return x.detach().amin(dim=(1, 2, 3, 4), keepdim=True) if self.minima is None else next(self.minima)

    def _conv(self, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        return ConvResponse.apply(x, self._low(x), weight, bias, stride, padding, dilation, groups)

    def _transposed(self, x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        geometry = stride, padding, output_padding, groups, dilation
        return TransposedConvResponse.apply(x, self._low(x), weight, bias, *geometry)


class guided_rule(TorchFunctionMode):  # noqa: N801
    """Within `with guided_rule():` every ReLU goes backward as `GuidedReLU`."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (F.relu, torch.relu, torch.relu_):
            return GuidedReLU.apply(args[0])
        return func(*args, **(kwargs or {}))


class _MinimaRecorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.minima: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (F.conv3d, F.conv_transpose3d):
            self.minima.append(args[0].amin())
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def convolution_minima(model: nn.Module, batch: Tensor) -> list[Tensor]:
    """o = min X of every convolution, in calling order, in one forward pass over the whole stack."""
    with _MinimaRecorder() as recorder:
        model(batch)
    return recorder.minima


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy of the network in evaluation mode with every BatchNorm folded into the convolution before it.

    Left in place, BatchNorm scales responses on their way back (they no longer sum to 1) and a negative scale
    turns their sign. Folds `nn.Sequential` pairs (convolution, BatchNorm); raises `InputError` when a
    normalisation layer remains that cannot be folded.
    """
    folded = copy.deepcopy(model).eval()
    for block in [m for m in folded.modules() if isinstance(m, nn.Sequential)]:
        for i in range(len(block) - 1):
            if isinstance(block[i], nn.Conv3d) and isinstance(block[i + 1], nn.BatchNorm3d):
                block[i] = fuse_conv_bn_eval(block[i], block[i + 1])
                block[i + 1] = nn.Identity()
    norms = (nn.BatchNorm3d, nn.GroupNorm, nn.InstanceNorm3d, nn.LayerNorm)
    left = [type(module).__name__ for module in folded.modules() if isinstance(module, norms)]
    if left:
        raise InputError(
            f"{left[0]} cannot be folded into a convolution, and with it responses do not add up; "
            "use BatchNorm directly after a convolution in an nn.Sequential, or no normalisation"
        )
    return folded


def peak_windows(
    peaks: np.ndarray, shape: Sequence[int], reach: Sequence[int], stride: Sequence[int]
) -> list[Window]:
    """One window per peak that holds its whole receptive field; all of one size, aligned to the pooling stride.

    shape: padded stack (Z, Y, X), a multiple of `stride`. Near a face the window is shifted inwards.
    """
    size = [min(n, -(-(2 * r + s) // s) * s) for n, r, s in zip(shape, reach, stride, strict=True)]
    windows = []
    for peak in np.asarray(peaks, dtype=int):
        low = [(c - r) // s * s for c, r, s in zip(peak, reach, stride, strict=True)]
        low = [min(max(a, 0), n - m) for a, n, m in zip(low, shape, size, strict=True)]
        windows.append(tuple(slice(int(a), int(a + m)) for a, m in zip(low, size, strict=True)))
    return windows


def _rule(name: str, minima: Sequence[Tensor] | None) -> AbstractContextManager:
    """The context manager of a rule; "gradient" is ordinary back-propagation and needs none."""
    if name not in RULES:
        raise InputError(f"rule {name!r} is unknown; choose one of {', '.join(RULES)}")
    return {"prm": lambda: peak_rule(minima), "guided": guided_rule, "gradient": nullcontext}[name]()


def _respond(model: nn.Module, crops: Tensor, peaks: np.ndarray, rule: AbstractContextManager) -> np.ndarray:
    """Back-propagate from the logit at one peak per crop: (B, 1, z, y, x) -> (B, z, y, x) raw responses."""
    crops = crops.detach().requires_grad_()
    with rule:
        logits = model(crops)
    z, y, x = peaks.T
    logits[np.arange(len(peaks)), 0, z, y, x].sum().backward()  # samples do not touch each other
    return crops.grad.sum(dim=1).cpu().numpy()


def iterate_responses(
    model: nn.Module,
    image: np.ndarray,
    peaks: np.ndarray,
    rule: str = "prm",
    windowed: bool = True,
    batch: int = 8,
) -> Iterator[tuple[Window, np.ndarray]]:
    """Yield (window, raw response) of each peak; memory does not grow with the number of peaks.

    model: S1 with BatchNorm folded. image: normalised (Z, Y, X). peaks: (N, 3) voxel indices, rounded.
    windowed: back-propagate in receptive-field windows, `batch` at a time, instead of the whole stack;
    needs a model with `reach` and `stride` (`UNet3D`). The maps are the same up to rounding.
    """
    stride = getattr(model, "stride", (1, 1, 1))
    device = next(model.parameters()).device
    padded = torch.from_numpy(pad_to_stride(np.asarray(image, dtype=np.float32), stride))
    whole = padded[None, None].to(device, memory_format=torch.channels_last_3d)  # (1, 1, Z', Y', X')
    peaks = _check_peaks(peaks, image.shape)
    if windowed and hasattr(model, "reach"):
        windows = peak_windows(peaks, padded.shape, model.reach, stride)
        minima = convolution_minima(model, whole.expand(2, -1, -1, -1, -1)) if rule == "prm" else None
    else:
        windows, minima = [tuple(slice(0, n) for n in padded.shape)] * len(peaks), None
    for start in range(0, len(peaks), batch):
        part = windows[start : start + batch]
        inside = peaks[start : start + batch] - [[s.start for s in window] for window in part]
        crops = torch.cat([whole[(..., *window)] for window in part])  # (B, 1, z, y, x)
        copies = 2 if len(part) == 1 and device.type == "cpu" else 1  # batch 1 is slow on a CPU, see unet.as_batch
        crops = crops.repeat(copies, 1, 1, 1, 1).contiguous(memory_format=torch.channels_last_3d)
        responses = _respond(model, crops, np.tile(inside, (copies, 1)), _rule(rule, minima))
        yield from zip(part, responses[: len(part)], strict=True)


def _check_peaks(peaks: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    peaks = np.rint(np.asarray(peaks, dtype=float)).astype(int).reshape(-1, 3)
    outside = ((peaks < 0) | (peaks >= np.asarray(shape))).any(axis=1)
    if outside.any():
        raise InputError(f"peak {tuple(peaks[outside][0])} lies outside the stack of shape {tuple(shape)}")
    return peaks


def normalise_response(raw: np.ndarray, rule: str = "prm") -> np.ndarray:
    """Make a response map non-negative and sum to 1; an all-zero map stays zero (no division by zero).

    The rules "guided" and "gradient" carry signs: their magnitude counts. For "prm" only rounding is negative.
    """
    response = np.abs(raw) if rule != "prm" else np.maximum(raw, 0.0)
    total = response.sum()
    return response / total if total > 0 else response


def peak_responses(
    model: nn.Module,
    image: np.ndarray,
    peaks: np.ndarray,
    rule: str = "prm",
    *,
    windowed: bool = True,
    batch: int = 8,
    normalise: bool = True,
) -> np.ndarray:
    """Peak response maps (N, Z, Y, X), float32, one for each of the N peaks.

    model: S1, trained; it is folded and copied, the caller's model is untouched. image: (Z, Y, X) as S1 saw
    it in training. peaks: (N, 3) in voxels. rule: "prm" (Zhou 2018), "guided" (Nishimura 2019), "gradient".
    normalise=False returns the signed raw responses. Raises `InputError` for a peak outside, an unknown rule
    or a network whose normalisation cannot be folded. Source: §3.2.
    """
    image = np.asarray(image, dtype=np.float32)
    maps = np.zeros((len(peaks), *image.shape), dtype=np.float32)
    found = iterate_responses(fold_batch_norm(model), image, peaks, rule, windowed, batch)
    for out, (window, raw) in zip(maps, found, strict=True):
        view = out[window]  # the window may reach into the padding
        inside = raw[tuple(slice(0, n) for n in view.shape)]
        view[...] = normalise_response(inside, rule) if normalise else inside
    return maps
