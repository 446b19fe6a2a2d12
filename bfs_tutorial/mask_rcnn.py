"""3D Mask R-CNN in small, trained on full masks: row (g) of Table 1, find a box first and outline what is in it.

A convolutional network looks at the stack once. At every place of a coarse grid it rates boxes of a few sizes, the
anchors: is there a cell, and how must the box move to fit it? The best boxes, the proposals, are cut out of the
features (RoIAlign), and two small heads say of each whether it is a cell, where its box really ends, and which part
of the box is the cell.

Source: He et al. 2017 (arXiv 1703.06870), built on Ren et al. 2015 (Faster R-CNN) and Lin et al. 2017 (feature
pyramid); in 3D, with the numbers that the paper quotes, Tokuoka et al. 2020. Taken from there: the two stages, the
five losses with equal weights, the encoding of boxes, the matching rules, sampling one to one for anchors and one to
three for proposals, RoIAlign, masks that do not compete; thresholds, carried over to 3D by `boxes.volume_overlap`.

Small, and ours: three levels of 8, 16 and 32 channels, trained from random weights, in place of a ResNet trained on
photographs; anchors on one level, because cells differ less in size than people and cars; GroupNorm. BatchNorm would
take its statistics from two crops with a handful of cells each and then, for a new stack, from memory; where a
network starts from trained weights it is frozen instead, which we cannot. GroupNorm measures every stack by itself.

All boxes are in µm, see `boxes`, where everything about them that is not learnt is found.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from skimage.transform import resize
from torch import Tensor, nn

from bfs_tutorial.boxes import (
    anchor_boxes,
    anchor_sizes,
    box_iou,
    boxes_of,
    clip,
    decode,
    encode,
    match_anchors,
    nms,
    paste_masks,
    roi_align,
    sample,
    volume_overlap,
)
from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing
from bfs_tutorial.normalise import check_modality, normalise
from bfs_tutorial.pipeline import resample, working_shape
from bfs_tutorial.stack import ZStack, check_spacing
from bfs_tutorial.training import Batch, Example, Schedule, pick_device, train
from bfs_tutorial.unet import as_batch

POOLS = ((1, 2, 2), (2, 2, 2))  # from the stack to the fine level, and on to the coarse level
SCHEDULE = Schedule(steps=450, learning_rate=3e-3, crop=(16, 64, 64), jitter=0.3)
SMALLEST = 2.0  # µm: a box that is thinner holds nothing that can be outlined


# ---- network --------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """What the network makes of a batch of stacks before it looks into boxes; A anchors a stack."""

    features: Tensor  # (B, C, Z, Y/2, X/2)
    objectness: Tensor  # (B, A) logits
    deltas: Tensor  # (B, A, 6), see `encode`
    anchors: Tensor  # (A, 6) µm
    extent: tuple[float, float, float]  # of the stacks, µm

    def float(self) -> Found:
        """The same in single precision: `training.train` asks for it after a pass in half precision."""
        return self._replace(**{name: getattr(self, name).float() for name in ("features", "objectness", "deltas")})


class RCNN3D(nn.Module):
    """Feature pyramid, region proposals, box head and mask head; sizes (K,) sides of the anchors, spacing, in µm."""

    stride = tuple(int(f) for f in np.prod(POOLS, axis=0))

    def __init__(
        self, sizes: Sequence[float], spacing: Spacing, channels: Sequence[int] = (8, 16, 32), box_grid: int = 7,
        mask_grid: int = 7,
    ) -> None:  # fmt: skip
        super().__init__()
        self.sizes, self.spacing, self.box_grid, self.mask_grid = list(sizes), spacing, box_grid, mask_grid
        levels = zip([1, *channels[:-1]], channels, strict=True)
        self.encoders = nn.ModuleList(nn.Sequential(*conv_norm(a, b), *conv_norm(b, b)) for a, b in levels)
        width = channels[-1]
        self.lateral = nn.Conv3d(channels[-2], width, kernel_size=1)
        self.smooth = nn.Sequential(*conv_norm(width, width))
        self.search = nn.Sequential(*conv_norm(width, width))
        self.objectness = nn.Conv3d(width, len(sizes), kernel_size=1)
        self.shift = nn.Conv3d(width, 6 * len(sizes), kernel_size=1)
        self.box_head = nn.Sequential(
            nn.Flatten(), nn.Linear(width * box_grid**3, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()
        )
        self.classes = nn.Linear(128, 2)  # background, cell
        self.refine = nn.Linear(128, 6)
        self.mask_head = nn.Sequential(
            *conv_norm(width, width), *conv_norm(width, width),
            nn.ConvTranspose3d(width, width, kernel_size=2, stride=2), nn.ReLU(), nn.Conv3d(width, 1, kernel_size=1),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Found:
        """Features and rated anchors of a batch (B, 1, Z, Y, X); every axis must be a multiple of `stride`."""
        level = self.encoders[0](image)
        middle = self.encoders[1](F.max_pool3d(level, POOLS[0]))
        coarse = self.encoders[2](F.max_pool3d(middle, POOLS[1]))
        up = F.interpolate(coarse, size=middle.shape[2:], mode="nearest")
        fine = self.smooth(self.lateral(middle) + up)
        searched = self.search(coarse)
        objectness = self.objectness(searched).permute(0, 2, 3, 4, 1).flatten(1)  # (B, z * y * x * K)
        deltas = self.shift(searched).permute(0, 2, 3, 4, 1).reshape(*objectness.shape, 6)
        step = [s * f for s, f in zip(self.spacing, self.stride, strict=True)]
        anchors = anchor_boxes(coarse.shape[2:], step, self.sizes).to(image.device)
        extent = tuple(n * s for n, s in zip(image.shape[2:], self.spacing, strict=True))
        return Found(fine, objectness, deltas, anchors, extent)

    def look(self, found: Found, boxes: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Box head: class logits (N, 2) and deltas (N, 6) of boxes (N, 6); source (N,) says in which stack."""
        hidden = self.box_head(roi_align(found.features, boxes, source, found.extent, self.box_grid))
        return self.classes(hidden), self.refine(hidden)

    def outline(self, found: Found, boxes: Tensor, source: Tensor) -> Tensor:
        """Mask head: logits (N, s, s, s), s = 2 * mask_grid, of the cell in each of boxes (N, 6)."""
        return self.mask_head(roi_align(found.features, boxes, source, found.extent, self.mask_grid))[:, 0]


def conv_norm(a: int, b: int) -> list[nn.Module]:
    """3x3x3 convolution, GroupNorm in four groups, ReLU."""
    return [nn.Conv3d(a, b, kernel_size=3, padding=1, bias=False), nn.GroupNorm(4, b), nn.ReLU()]


def large_enough(boxes: Tensor) -> Tensor:
    """Whether boxes (N, 6) are at least `SMALLEST` µm along every axis; (N,) bool."""
    return (boxes[:, 3:] - boxes[:, :3]).amin(dim=1) >= SMALLEST


@torch.no_grad()
def propose(found: Found, b: int, before: int = 2000, after: int = 200) -> Tensor:
    """The boxes (N, 6) of stack b worth a closer look: the best anchors, moved, cut to the stack, without doubles.

    The best `before` anchors enter non-maximum suppression and at most `after` boxes leave it. Large cells are hit by
    many anchors each: with 500 for a stack of 15 cells they left no place for the small ones.
    """
    best = torch.topk(found.objectness[b], min(before, len(found.anchors))).indices
    boxes = clip(decode(found.deltas[b, best], found.anchors[best]), found.extent)
    good = large_enough(boxes)
    boxes, scores = boxes[good], found.objectness[b, best][good]
    return boxes[nms(boxes, scores, volume_overlap(0.7))[:after]]


# ---- losses ---------------------------------------------------------------------------------------------------


def detection_losses(network: RCNN3D, found: Found, labels: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
    """The five losses of Mask R-CNN, to be added: two of the proposals, three of the heads.

    labels (B, 1, Z, Y, X) on the grid of the images. rng draws the anchors and proposals that are compared.
    Returns "objectness", "proposal", "class", "box" and "mask", scalars. Source: He 2017, §3.
    """
    losses, chosen = [], []
    for b, volume in enumerate(labels[:, 0]):
        numbers, boxes = boxes_of(volume.round().int().cpu().numpy(), network.spacing)
        numbers, boxes = (torch.from_numpy(array).to(labels.device) for array in (numbers, boxes))
        kept = large_enough(boxes)  # a crop cuts slivers off cells
        losses.append(proposal_losses(found, b, boxes[kept], rng))
        chosen.append(choose_proposals(propose(found, b, 500, 100), boxes[kept], numbers[kept], rng))
    source = torch.cat([torch.full((len(c.boxes),), b, device=labels.device) for b, c in enumerate(chosen)])
    chosen = Chosen(*(torch.cat(parts) for parts in zip(*chosen, strict=True)))
    averages = {name: torch.stack([loss[name] for loss in losses]).mean() for name in losses[0]}
    return averages | head_losses(network, found, chosen, source, labels)


def proposal_losses(found: Found, b: int, boxes: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
    """Binary cross entropy of 64 anchors of stack b, half of them positive if there are, and their smooth L1.

    Anchors count as positive from an IoU of 0.45. The papers' 0.7^(3/2) = 0.59 leaves half of the cells below 13 µm
    without any on a grid of 4 µm (seed 5000, fluorescence), so that only their best anchor is learnt; they were missed.
    """
    kind, cell = match_anchors(box_iou(found.anchors, boxes), 0.45, volume_overlap(0.3))
    positive, negative = sample(kind, 64, 0.5, rng)
    drawn = torch.cat([positive, negative])
    objectness = F.binary_cross_entropy_with_logits(found.objectness[b, drawn], (kind[drawn] == 1).float())
    target = encode(boxes[cell[positive]], found.anchors[positive])
    return {"objectness": objectness, "proposal": box_loss(found.deltas[b, positive], target)}


def box_loss(deltas: Tensor, target: Tensor) -> Tensor:
    """Smooth L1 between deltas (N, 6), bent at 0.1, summed over the six and averaged over the boxes; 0 without any."""
    return F.smooth_l1_loss(deltas, target, beta=0.1, reduction="sum") / max(1, len(deltas))


class Chosen(NamedTuple):
    """Proposals to learn from: their boxes, the cells' boxes and the cells' numbers, 0 for background."""

    boxes: Tensor  # (N, 6) µm
    targets: Tensor  # (N, 6) µm, meaningless for background
    numbers: Tensor  # (N,)


def choose_proposals(
    proposals: Tensor, boxes: Tensor, numbers: Tensor, rng: np.random.Generator, count: int = 32
) -> Chosen:
    """Draw proposals, one in four on a cell, where the true boxes count as proposals too: early ones are bad.

    proposals (P, 6) and true boxes (G, 6) in µm, numbers (G,). A proposal is on a cell from an IoU of 0.5^(3/2).
    """
    if len(boxes) == 0:
        none = numbers.new_zeros(len(proposals))
        drawn = sample(none, count, 0.25, rng)[1]
        return Chosen(proposals[drawn], proposals[drawn], none[drawn])
    proposals = torch.cat([proposals, boxes])
    iou, cell = box_iou(proposals, boxes).max(dim=1)
    positive, negative = sample((iou >= volume_overlap(0.5)).long(), count, 0.25, rng)
    drawn = torch.cat([positive, negative])
    target = torch.cat([numbers[cell[positive]], numbers.new_zeros(len(negative))])
    return Chosen(proposals[drawn], boxes[cell[drawn]], target)


def head_losses(
    network: RCNN3D, found: Found, chosen: Chosen, source: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """Cross entropy of the class, smooth L1 of the box and binary cross entropy of the mask, these two on cells only.

    The mask is compared inside the proposal, whatever part of the cell that holds: true labels, cut out in the same
    way as the features. source (N,) says from which of labels (B, 1, Z, Y, X) a proposal comes.
    """
    on_cell = chosen.numbers > 0
    logits, deltas = network.look(found, chosen.boxes, source)
    losses = {
        "class": F.cross_entropy(logits, on_cell.long()),
        "box": box_loss(deltas[on_cell], encode(chosen.targets[on_cell], chosen.boxes[on_cell])),
        "mask": logits.new_zeros(()),
    }
    if on_cell.any():
        boxes, numbers, source = chosen.boxes[on_cell], chosen.numbers[on_cell], source[on_cell]
        guess = network.outline(found, boxes, source)  # (N, s, s, s)
        cells, which = torch.unique(torch.stack([source, numbers]), dim=1, return_inverse=True)
        volumes = (labels[cells[0], 0].round() == cells[1].reshape(-1, 1, 1, 1)).float()[:, None]  # (G, 1, Z, Y, X)
        truth = roi_align(volumes, boxes, which, found.extent, guess.shape[1], samples=2)[:, 0]
        losses["mask"] = F.binary_cross_entropy_with_logits(guess, (truth > 0.5).float())
    return losses


# ---- the method in one object -----------------------------------------------------------------------------------


class Detections(NamedTuple):
    """Cells found in a stack, best first."""

    boxes: Tensor  # (N, 6) µm, from the corner of the stack
    scores: Tensor  # (N,) probability of being a cell
    masks: Tensor  # (N, s, s, s) probability of being part of the cell, across the box


class MaskRCNN:
    """Fully supervised 3D instance segmentation by boxes: train on masks, predict instance labels.

    `MaskRCNN("fluorescence").fit(stacks).predict(stack)`, where `stacks` are `ZStack`s with labels.

    schedule   of the training; its crops should be larger than the largest cell
    spacing    the network's voxel size (z, y, x) in µm; every stack is resampled to it
    adapt      is taken for the sake of one call for all methods and changes nothing: where the others can recompute
               BatchNorm's statistics on a new stack, GroupNorm always does
    min_score  boxes below it are not cells
    Raises InputError.
    """

    def __init__(
        self,
        modality: str,
        *,
        schedule: Schedule = SCHEDULE,
        spacing: Spacing = (2.0, 1.0, 1.0),
        adapt: float = 0.0,
        min_score: float = 0.5,
    ) -> None:
        for name, share in (("adapt", adapt), ("min_score", min_score)):
            if not 0.0 <= share <= 1.0:
                raise InputError(f"{name} is {share}: expected a number from 0 to 1")
        self.modality = check_modality(modality)
        self.schedule = schedule
        self.spacing = check_spacing(spacing)
        self.min_score = min_score
        self.network: RCNN3D | None = None
        self.record: dict = {}

    def fit(
        self, stacks: Sequence[ZStack], *, seed: int = 0, progress: bool = True, device: str = "auto"
    ) -> MaskRCNN:
        """Choose anchors from the labels, train, return self. Same seed, same weights. Raises InputError first."""
        _check_stacks(stacks)
        start, where = time.perf_counter(), pick_device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = RCNN3D(anchor_sizes(stacks), self.spacing)
        network = network.to(where, memory_format=torch.channels_last_3d)
        each: list[dict[str, float]] = []

        def loss(found: Found, batch: Batch, done: float) -> Tensor:
            rng = np.random.default_rng([seed, len(each), 1])  # not the crops' own numbers
            losses = detection_losses(network, found, batch["target"], rng)
            each.append({name: value.item() for name, value in losses.items()})
            return sum(losses.values())

        options = {"seed": seed, "progress": progress, "title": "3D Mask R-CNN"}
        train(network, [self._example(stack) for stack in stacks], loss, self.schedule, **options)
        self.network = network
        seconds = round(time.perf_counter() - start, 1)
        self.record = {"seed": seed, "stacks": [s.name for s in stacks], "seconds": seconds, "device": str(where),
                       "anchors": network.sizes, "losses": each}  # fmt: skip
        return self

    def predict(self, stack: ZStack) -> np.ndarray:
        """Instance labels (Z, Y, X) int32 on the stack's own grid, 0 = background. Raises InputError before `fit`."""
        detections = self.detect(stack)
        return paste_masks(detections.masks, detections.boxes, stack.image.shape, stack.spacing)

    @torch.no_grad()
    def detect(self, stack: ZStack) -> Detections:
        """Boxes, scores and masks of a stack. Raises InputError before `fit`."""
        if self.network is None:
            raise InputError("this Mask R-CNN has not been trained; call fit(stacks) first")
        network, image = self.network, self.prepare(stack)
        device = next(network.parameters()).device
        found = network(as_batch(image, network.stride, 2 if device.type == "cpu" else 1).to(device))
        boxes = propose(found, 0)
        logits, deltas = network.look(found, boxes, torch.zeros(len(boxes), dtype=torch.long, device=device))
        scores, boxes = logits.softmax(dim=1)[:, 1], clip(decode(deltas, boxes), found.extent)
        good = (scores >= self.min_score) & large_enough(boxes)
        boxes, scores = boxes[good], scores[good]
        kept = nms(boxes, scores, volume_overlap(0.5))
        boxes, scores = boxes[kept], scores[kept]
        masks = network.outline(found, boxes, torch.zeros(len(boxes), dtype=torch.long, device=device)).sigmoid()
        true = np.multiply(stack.image.shape, stack.spacing) / np.multiply(image.shape, self.spacing)
        return Detections(boxes * boxes.new_tensor(np.tile(true, 2)), scores, masks)

    def prepare(self, stack: ZStack) -> np.ndarray:
        """The image as the network sees it: resampled to its spacing, then normalised. (Z', Y', X') float32."""
        return normalise(resample(stack.image, working_shape(stack, self.spacing)), self.modality)

    def _example(self, stack: ZStack) -> Example:
        shape = working_shape(stack, self.spacing)
        labels = resize(stack.labels, shape, order=0, mode="edge", preserve_range=True, anti_aliasing=False)
        return {"image": self.prepare(stack), "target": labels.astype(np.float32)}


def _check_stacks(stacks: Sequence[ZStack]) -> None:
    if not stacks:
        raise InputError("no stacks to train on; give at least one z-stack with labels")
    for stack in stacks:
        if stack.labels is None:
            raise InputError(f"{stack.name} has no labels; Mask R-CNN is trained on full masks")
        if not stack.labels.any():
            raise InputError(f"{stack.name} has labels that are 0 everywhere; expected one number per cell")
