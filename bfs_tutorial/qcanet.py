"""QCANet in small, trained on full masks: row (f) of Table 1, the comparison that the paper quotes.

One network says which voxels are nucleus (NSN), a second one marks a small ball in the middle of every nucleus (NDN),
and a watershed on the depth of the first mask, started from the balls of the second, gives one label per nucleus.

Source: Tokuoka et al. 2020, npj Systems Biology and Applications 6:32, and the code that its authors published,
github.com/funalab/QCANet (MIT). The paper gives the idea: two networks, their names and what each learns, and that
hyper-parameters were searched for with Bayesian optimisation. The details are read from the code, its training
settings and its example data, not from the paper's methods section:
- two 3D U-Nets with BatchNorm, trained apart, NSN with SGD and NDN with Adam. The training settings of both name the
  Dice loss; an example setting of NDN and the name of its default weights speak of cross entropy instead;
- NDN learns balls of one size: 33 voxels, radius 2 voxels of 1.75 x 0.8 x 0.8 µm, in the example data;
- images are interpolated linearly to voxels of equal sides and divided by their largest value;
- a voxel is foreground where the network holds that for likelier than background: a threshold of 0.5, for both;
- markers are whole balls, not their centroids: voxels linked through faces. Balls of few voxels can be removed,
  by default none are. Nothing is smoothed. The flood climbs minus the distance to the edge of the mask;
- a part of the mask without a marker is dropped; without any marker at all every part of the mask is a nucleus.

Small, and ours: `UNet3D` with three levels of 8, 16 and 32 channels in place of NSN's 16 to 128 in three levels and
NDN's 12 to 384 in five with 5x5x5 kernels; our normalisation; voxels of 2 x 1 x 1 µm, so that a stack costs a CPU
seconds; Adam for both, for a few hundred steps of small crops; one run a network, no search for hyper-parameters
and no ensemble; one whole stack at a time in place of overlapping patches. Probabilities, not masks, are resampled
to the stack's own grid, and the depth is measured in µm, where the code counts voxels of the anisotropic stack.
NDN's balls are larger, see `BALL_RADIUS`. No code was copied.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import ndimage
from skimage.segmentation import watershed
from torch import Tensor

from bfs_tutorial import unet
from bfs_tutorial.centre_maps import check_positive, nearest_centre
from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing
from bfs_tutorial.normalise import check_modality, normalise
from bfs_tutorial.peaks import check_map
from bfs_tutorial.pipeline import move_points, resample, working_shape
from bfs_tutorial.stack import ZStack, check_spacing
from bfs_tutorial.training import Example, Schedule, pick_device, train

SCHEDULE = Schedule(steps=400, jitter=0.3)  # of each network
# µm, see `centre_balls`. Larger balls start the flood better: on simulated validation stacks 4 beat 2 and 3. From 6 on
# balls of neighbours touch and become one marker; 5 gains a little more in bright field, but is too near to that.
BALL_RADIUS = 4.0
PRIORS = {"nsn": 0.12, "ndn": 0.02}  # foreground probability of the untrained network, near the share of its voxels


def dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """Dice loss: how far the predicted foreground is from overlapping the true one, all voxels of the batch together.

    L = 1 - (2 Σ q t + s) / (Σ q + Σ t + s), with q = sigmoid(logit) and t the target, 0 or 1. s = `smooth` makes
    the loss of an empty prediction 0 where there is nothing to find. It weighs few voxels of foreground as much as
    many, which is why small balls can be learnt without class weights.
    logits, target: (B, 1, Z, Y, X). Returns a scalar from 0 to 1. Source: Milletari 2016; used by QCANet.
    """
    probability = torch.sigmoid(logits)
    overlap = (probability * target).sum()
    return 1.0 - (2.0 * overlap + smooth) / (probability.sum() + target.sum() + smooth)


def centre_balls(shape: Sequence[int], centres: ArrayLike, spacing: Sequence[float], radius: float) -> np.ndarray:
    """What NDN learns: a ball around every centre, and at least the voxel that the centre lies in.

    shape (Z, Y, X); centres (N, 3), rows (z, y, x) in voxel index units; spacing (z, y, x) µm a voxel; radius in µm.
    Balls that touch become one marker later, so the radius must stay below half the distance of two centres.
    Returns (Z, Y, X) bool. Raises InputError.
    """
    ball = nearest_centre(shape, centres, spacing, reach=check_positive(radius, "radius"))[1] >= 0  # (Z, Y, X)
    voxels = np.clip(np.floor(np.asarray(centres) + 0.5), 0, np.array(shape) - 1).astype(int)  # (N, 3)
    ball[tuple(voxels.T)] = True
    return ball


def find_markers(
    probability: np.ndarray, spacing: Sequence[float], threshold: float = 0.5, min_volume: float = 0.0
) -> np.ndarray:
    """Number the balls that NDN found: voxels above the threshold that are linked through their faces.

    probability (Z, Y, X); spacing (z, y, x) µm a voxel; min_volume in µm³, smaller balls are removed.
    Returns (Z, Y, X) int32, 1 .. N without gaps, 0 = no marker. Raises InputError.
    """
    min_volume = check_volume(min_volume)
    balls, _ = ndimage.label(check_map(probability) > threshold)
    volume = np.bincount(balls.ravel()) * np.prod(check_spacing(spacing))  # (N + 1,) µm³
    kept = volume >= min_volume
    kept[0] = False
    return (np.cumsum(kept) * kept)[balls].astype(np.int32)


def check_volume(min_volume: float) -> float:
    """Return the smallest volume in µm³ when it is 0 or more, otherwise raise InputError."""
    if not min_volume >= 0:
        raise InputError(f"min_volume is {min_volume}: expected µm³, at least 0")
    return min_volume


def divide_mask(mask: np.ndarray, markers: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """QCANet's watershed: flood the mask from the markers, deepest voxels first, until the floods meet.

    The landscape is minus the distance to the edge of the mask in µm, so that nuclei are cut at the neck between
    them. A part of the mask without a marker is dropped; without any marker in the mask, every part is a nucleus.

    mask (Z, Y, X) bool; markers (Z, Y, X) int, 0 = none, of which what lies outside the mask is ignored;
    spacing (z, y, x) µm a voxel. Returns labels (Z, Y, X) int32, numbered as the markers. Raises InputError.
    """
    mask, markers = np.asarray(mask), np.asarray(markers)
    if mask.dtype != bool or mask.shape != markers.shape:
        raise InputError(
            f"mask {mask.dtype} {mask.shape}, markers {markers.dtype} {markers.shape}: expected a bool mask and "
            "integer markers of one shape; for a probability write probability > 0.5"
        )
    spacing = check_spacing(spacing)
    markers = np.where(mask, markers, 0)
    if not markers.any():
        return ndimage.label(mask)[0].astype(np.int32)
    depth = ndimage.distance_transform_edt(mask, spacing)  # (Z, Y, X) µm
    return watershed(-depth, markers, mask=mask).astype(np.int32)


class QCANet:
    """Fully supervised instance segmentation with two U-Nets: train on masks and centres, predict instance labels.

    `QCANet("fluorescence").fit(stacks).predict(stack)`, where `stacks` are `ZStack`s with labels and centres.

    schedule          of each of the two networks
    spacing           the networks' voxel size (z, y, x) in µm; every stack is resampled to it
    ball_radius_um    of the balls that NDN learns
    min_marker        in µm³, smaller balls are ignored in `predict`
    adapt             share of NSN's BatchNorm statistics taken from the stack that is segmented, 0 to 1
    Raises InputError.
    """

    def __init__(
        self,
        modality: str,
        *,
        schedule: Schedule = SCHEDULE,
        spacing: Spacing = (2.0, 1.0, 1.0),
        ball_radius_um: float = BALL_RADIUS,
        min_marker: float = 0.0,
        adapt: float = 0.0,
    ) -> None:
        if not 0.0 <= adapt <= 1.0:
            raise InputError(f"adapt is {adapt}: expected a share from 0 to 1")
        self.modality = check_modality(modality)
        self.schedule = schedule
        self.spacing = check_spacing(spacing)
        self.ball_radius = check_positive(ball_radius_um, "ball_radius_um")
        self.min_marker = check_volume(min_marker)
        self.adapt = adapt
        self.nsn: unet.UNet3D | None = None
        self.ndn: unet.UNet3D | None = None
        self.record: dict = {}

    def fit(self, stacks: Sequence[ZStack], *, seed: int = 0, progress: bool = True, device: str = "auto") -> QCANet:
        """Train NSN on the masks and NDN on the centres of the same stacks; return self.

        stacks: with `labels` and `centres`. Same seed, same weights. Raises InputError before any training.
        """
        _check_stacks(stacks)
        start, where = time.perf_counter(), pick_device(device)
        images = [self.prepare(stack) for stack in stacks]
        targets = {"nsn": [self.mask(s) for s in stacks], "ndn": [self.balls(s) for s in stacks]}
        for shift, name in enumerate(targets):
            network = unet.build(seed + shift, prior=PRIORS[name]).to(where)
            examples = [_example(image, target) for image, target in zip(images, targets[name], strict=True)]
            options = {"seed": seed, "progress": progress, "title": f"QCANet, {name.upper()}"}
            self.record[f"loss_{name}"] = train(network, examples, _loss, self.schedule, **options)
            setattr(self, name, network)
        seconds = round(time.perf_counter() - start, 1)
        self.record |= {"seed": seed, "stacks": [s.name for s in stacks], "seconds": seconds, "device": str(where)}
        return self

    def predict(self, stack: ZStack) -> np.ndarray:
        """Instance labels (Z, Y, X) int32 on the stack's own grid, 0 = background. Raises InputError before `fit`."""
        mask, balls = self.probabilities(stack)
        markers = find_markers(balls, stack.spacing, min_volume=self.min_marker)
        return divide_mask(mask > 0.5, markers, stack.spacing)

    def probabilities(self, stack: ZStack) -> tuple[np.ndarray, np.ndarray]:
        """What NSN and NDN say, both (Z, Y, X) float32 on the stack's own grid. Raises InputError before `fit`."""
        if self.nsn is None or self.ndn is None:
            raise InputError("this QCANet has not been trained; call fit(stacks) first")
        image = self.prepare(stack)
        nsn = unet.adapt_batch_norm(copy.deepcopy(self.nsn), [image], self.adapt) if self.adapt else self.nsn
        mask, balls = (resample(unet.predict(net, image), stack.image.shape) for net in (nsn, self.ndn))
        return mask, balls

    def prepare(self, stack: ZStack) -> np.ndarray:
        """The image as the networks see it: resampled to their spacing, then normalised. (Z', Y', X') float32."""
        return normalise(resample(stack.image, working_shape(stack, self.spacing)), self.modality)

    def mask(self, stack: ZStack) -> np.ndarray:
        """What NSN learns from a stack: its labels as one mask, (Z', Y', X') bool on the grid of `prepare`."""
        return resample((stack.labels > 0).astype(np.float32), working_shape(stack, self.spacing)) > 0.5

    def balls(self, stack: ZStack) -> np.ndarray:
        """What NDN learns from a stack, see `centre_balls`: (Z', Y', X') bool on the grid of `prepare`."""
        shape = working_shape(stack, self.spacing)
        centres = move_points(stack.centres, stack.image.shape, shape)
        return centre_balls(shape, centres, self.spacing, self.ball_radius)


def _example(image: np.ndarray, target: np.ndarray) -> Example:
    return {"image": image, "target": target.astype(np.float32)}


def _loss(logits: Tensor, batch: dict[str, Tensor], done: float) -> Tensor:
    """The Dice loss as `training.train` calls it; it stays the same in the course of training."""
    return dice_loss(logits, batch["target"])


def _check_stacks(stacks: Sequence[ZStack]) -> None:
    if not stacks:
        raise InputError("no stacks to train on; give at least one z-stack with labels and centres")
    for stack in stacks:
        missing = [name for name in ("labels", "centres") if getattr(stack, name) is None]
        if missing:
            raise InputError(f"{stack.name} has no {' and no '.join(missing)}; QCANet is trained on both")
        if not stack.labels.any():
            raise InputError(f"{stack.name} has labels that are 0 everywhere; expected one number per cell")
