"""Boxes around cells: compare them, thin them out, move them, cut features out of them and paste masks back in.

What `mask_rcnn` needs besides its network, and what can be checked by hand. A box is a row (z0, y0, x0, z1, y1, x1)
in µm from the outer corner of the stack: voxel i spans i to i + 1 times the spacing. In µm cells are round and a
cube is a cube, whatever the spacing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from bfs_tutorial.stack import ZStack


def volume_overlap(area_overlap: float) -> float:
    """The IoU of boxes in 3D that is as strict as one in 2D: iou^(3/2).

    A box that fits a share q of its cell along every axis overlaps it by q² in a plane and by q³ in space. The
    papers' 0.7, 0.5 and 0.3 become 0.59, 0.35 and 0.16.
    """
    return area_overlap**1.5


def boxes_of(labels: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The cells' numbers (N,) and their boxes (N, 6) in µm, from labels (Z, Y, X); spacing (z, y, x) µm a voxel."""
    found = [(i + 1, where) for i, where in enumerate(ndimage.find_objects(labels)) if where is not None]
    corners = [[s.start for s in where] + [s.stop for s in where] for _, where in found]
    boxes = np.array(corners, dtype=np.float32).reshape(-1, 6) * np.tile(spacing, 2)
    return np.array([number for number, _ in found], dtype=np.int64), boxes.astype(np.float32)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every pair of boxes, a (N, 6) and b (M, 6) in µm; returns (N, M)."""
    low = torch.maximum(a[:, None, :3], b[None, :, :3])  # (N, M, 3)
    high = torch.minimum(a[:, None, 3:], b[None, :, 3:])
    overlap = (high - low).clamp(min=0).prod(dim=2)
    volume_a, volume_b = ((box[:, 3:] - box[:, :3]).prod(dim=1) for box in (a, b))
    return overlap / (volume_a[:, None] + volume_b[None, :] - overlap)


def nms(boxes: Tensor, scores: Tensor, limit: float) -> Tensor:
    """Non-maximum suppression: keep the best box, drop what overlaps it by more than `limit`, go on with the rest.

    boxes (N, 6) in µm, scores (N,). Returns the indices of the boxes kept, best first.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    close = (box_iou(boxes[order], boxes[order]) > limit).cpu().numpy()  # (N, N)
    left = np.ones(len(close), dtype=bool)
    for i in range(len(close)):
        if left[i]:
            left[i + 1 :] &= ~close[i, i + 1 :]
    return order[torch.from_numpy(left).to(order.device)]


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """How an anchor must move and grow to become a box: (centre - centre_a) / size_a and log(size / size_a).

    boxes, anchors: (N, 6) in µm, one for one. Returns (N, 6). Source: Girshick 2014, Ren 2015.
    """
    size, size_a = (b[:, 3:] - b[:, :3] for b in (boxes, anchors))
    centre, centre_a = ((b[:, 3:] + b[:, :3]) / 2 for b in (boxes, anchors))
    return torch.cat([(centre - centre_a) / size_a, torch.log(size / size_a)], dim=1)


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `encode`: (N, 6) in µm. No box grows by more than e³, so that a wild guess stays a number."""
    size_a = anchors[:, 3:] - anchors[:, :3]
    centre = (anchors[:, 3:] + anchors[:, :3]) / 2 + deltas[:, :3] * size_a
    half = torch.exp(deltas[:, 3:].clamp(max=3.0)) * size_a / 2
    return torch.cat([centre - half, centre + half], dim=1)


def clip(boxes: Tensor, extent: Sequence[float]) -> Tensor:
    """Cut boxes (N, 6) in µm to a stack of the given extent (z, y, x) in µm."""
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([*extent, *extent]))


# ---- anchors -----------------------------------------------------------------------------------------------------


def anchor_sizes(stacks: Sequence[ZStack], count: int = 3) -> list[float]:
    """Sides in µm of the cubes to start from: quantiles of the side of a cube as large as a training cell's box."""
    boxes = np.concatenate([boxes_of(stack.labels, stack.spacing)[1] for stack in stacks])
    sides = np.cbrt(np.prod(boxes[:, 3:] - boxes[:, :3], axis=1))
    return [float(side) for side in np.quantile(sides, (np.arange(count) + 0.5) / count)]


def anchor_boxes(shape: Sequence[int], step: Sequence[float], sizes: Sequence[float]) -> Tensor:
    """A cube of every size in the middle of every voxel of the coarse grid.

    shape (z, y, x) of the grid, step (z, y, x) in µm between its voxels, sizes K sides in µm. Returns
    (z * y * x * K, 6) in µm; the size changes fastest, then x.
    """
    axes = [(torch.arange(n) + 0.5) * s for n, s in zip(shape, step, strict=True)]
    centres = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 1, 3)  # (z * y * x, 1, 3)
    half = torch.tensor(sizes).reshape(1, -1, 1) / 2
    return torch.cat([centres - half, centres + half], dim=2).reshape(-1, 6)


def match_anchors(iou: Tensor, positive: float, negative: float) -> tuple[Tensor, Tensor]:
    """Which anchors should say "cell", and to which cell they belong.

    An anchor is positive (1) if its best IoU reaches `positive`, negative (0) if it is below `negative`, and ignored
    (-1) between. Every cell also gets the anchor that fits it best, however badly; cells with a good one choose first.
    iou (A, G). Returns kind (A,) and cell (A,), the index into the G cells, both int64.
    """
    kind = iou.new_zeros(len(iou), dtype=torch.long)
    if iou.shape[1] == 0:
        return kind, kind.clone()
    best, cell = iou.max(dim=1)
    kind[best >= negative] = -1
    kind[best >= positive] = 1
    free = iou.clone()
    for g in torch.argsort(iou.max(dim=0).values, descending=True, stable=True).tolist():
        anchor = free[:, g].argmax()
        kind[anchor], cell[anchor] = 1, g
        free[anchor] = -1.0
    return kind, cell


def sample(kind: Tensor, count: int, share: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw `count` indices, at most the given share of them positive (1), the rest negative (0); never ignored ones."""
    positive, negative = (
        torch.from_numpy(rng.permutation(torch.nonzero(kind == value)[:, 0].cpu().numpy())).to(kind.device)
        for value in (1, 0)
    )
    positive = positive[: round(count * share)]
    return positive, negative[: count - len(positive)]


# ---- cutting out and pasting ------------------------------------------------------------------------------------


def roi_align(
    features: Tensor, boxes: Tensor, source: Tensor, extent: Sequence[float], size: int, samples: int = 1
) -> Tensor:
    """RoIAlign: divide every box into size³ cells of equal volume and average the features within each.

    The average is over samples³ points, each interpolated linearly between voxels; nothing is rounded to the grid,
    so a box that moves by a tenth of a voxel gives other numbers, and a linear function gives exact ones.
    features (B, C, z, y, x) on any grid that spans the stack; boxes (N, 6) in µm; source (N,), which of the B each
    box is cut from; extent (z, y, x) of the stack in µm. Returns (N, C, size, size, size). Source: He 2017, §3.
    """
    n = size * samples
    steps = (torch.arange(n, device=boxes.device) + 0.5) / n
    places = boxes[:, :3, None] + (boxes[:, 3:] - boxes[:, :3])[:, :, None] * steps  # (N, 3, n) µm
    z, y, x = (2.0 * places / places.new_tensor(extent)[:, None] - 1.0).unbind(dim=1)  # -1 to 1 across the stack
    shape = (len(boxes), n, n, n)
    grid = torch.stack([x[:, None, None].expand(shape), y[:, None, :, None].expand(shape),
                        z[:, :, None, None].expand(shape)], dim=-1)  # fmt: skip
    cut = features.new_zeros(len(boxes), features.shape[1], size, size, size)
    for b in source.unique().tolist():
        points = grid[source == b].reshape(1, -1, n, n, 3)  # (1, N_b * n, n, n, 3): all boxes of one stack at once
        values = F.grid_sample(features[b : b + 1], points, padding_mode="border", align_corners=False)
        values = values.reshape(features.shape[1], -1, n, n, n).transpose(0, 1)  # (N_b, C, n, n, n)
        cut[source == b] = F.avg_pool3d(values, samples)
    return cut


def paste_masks(
    masks: Tensor, boxes: Tensor, shape: Sequence[int], spacing: Sequence[float], threshold: float = 0.5
) -> np.ndarray:
    """Put every mask back into its box; where two overlap, the voxel goes to the one that is surer of it.

    masks (N, s, s, s) probabilities that fill boxes (N, 6) in µm; shape (Z, Y, X) and spacing (z, y, x) in µm of the
    stack. Returns labels (Z, Y, X) int32: voxels above the threshold get i + 1 from box i.
    """
    best = np.full(shape, threshold, dtype=np.float32)
    labels = np.zeros(shape, dtype=np.int32)
    for i, (mask, box) in enumerate(zip(masks.cpu(), boxes.cpu().double(), strict=True)):
        window, relative = [], []
        for low, high, step, count in zip(box[:3].tolist(), box[3:].tolist(), spacing, shape, strict=True):
            middle = (np.arange(count) + 0.5) * step  # µm
            inside = np.flatnonzero((middle > low) & (middle < high))
            window.append(slice(inside[0], inside[-1] + 1) if inside.size else slice(0, 0))
            relative.append(torch.from_numpy(2.0 * (middle[inside] - low) / (high - low) - 1.0).float())
        if any(len(places) == 0 for places in relative):
            continue
        z, y, x = torch.meshgrid(*relative, indexing="ij")
        grid = torch.stack([x, y, z], dim=-1)[None]
        values = F.grid_sample(mask[None, None], grid, padding_mode="border", align_corners=False)[0, 0].numpy()
        there, wins = tuple(window), values > best[tuple(window)]
        best[there][wins], labels[there][wins] = values[wins], i + 1
    return labels
