"""Boxes, anchors, RoIAlign and pasting on cases that a hand can check."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bfs_tutorial.baselines import balls
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
from bfs_tutorial.metrics import evaluate
from bfs_tutorial.stack import ZStack

SPACING = (2.0, 1.0, 1.0)


def rows(*boxes):
    return torch.tensor(boxes, dtype=torch.float64).reshape(-1, 6)


CORNERS = st.lists(st.floats(0.0, 30.0), min_size=3, max_size=3)
SIDES = st.lists(st.floats(2.0, 25.0), min_size=3, max_size=3)
BOX = st.tuples(CORNERS, SIDES).map(lambda cs: cs[0] + [c + s for c, s in zip(*cs)])
BOXES = st.lists(BOX, min_size=1, max_size=8).map(lambda boxes: rows(*boxes))


# ---- boxes ----------------------------------------------------------------------------------------------------


def test_a_box_reaches_from_the_first_face_to_the_last_in_micrometres():
    labels = np.zeros((4, 6, 8), dtype=np.int32)
    labels[1:3, 2:5, 0] = 2  # number 1 is missing
    labels[0, 0, 7] = 5
    numbers, boxes = boxes_of(labels, SPACING)
    assert numbers.tolist() == [2, 5]
    assert boxes.tolist() == [[2, 2, 0, 6, 5, 1], [0, 0, 7, 2, 1, 8]]
    assert boxes_of(np.zeros((2, 3, 4), dtype=np.int32), SPACING)[1].shape == (0, 6)


def test_iou_by_hand():
    a = rows([0, 0, 0, 2, 2, 2])
    b = rows([0, 0, 0, 2, 2, 2], [1, 0, 0, 3, 2, 2], [2, 0, 0, 4, 2, 2], [0, 0, 0, 1, 1, 1], [5, 5, 5, 6, 6, 6])
    assert box_iou(a, b)[0].tolist() == pytest.approx([1, 4 / 12, 0, 1 / 8, 0])


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_a_share(a, b):
    iou = box_iou(a, b)
    assert iou.shape == (len(a), len(b)) and bool(((iou >= 0) & (iou <= 1 + 1e-9)).all())
    torch.testing.assert_close(iou, box_iou(b, a).T)
    torch.testing.assert_close(box_iou(a, a).diagonal(), torch.ones(len(a), dtype=a.dtype))


def test_an_overlap_in_space_is_stricter_than_in_a_plane():
    """A square that holds 70 % of a cell's side q on q, q² = 0.7, becomes a cube with q³ of it."""
    assert volume_overlap(0.7) == pytest.approx(np.sqrt(0.7) ** 3)


def test_nms_keeps_the_best_of_each_heap_best_first():
    boxes = rows([0, 0, 0, 4, 4, 4], [0, 0, 1, 4, 4, 5], [9, 9, 9, 12, 12, 12], [0, 0, 2.5, 4, 4, 6.5])
    scores = torch.tensor([0.8, 0.9, 0.95, 0.1])  # 1 beats 0 (3/5) and 3 (2.5/5.5); 2 is elsewhere
    assert nms(boxes, scores, 0.4).tolist() == [2, 1]
    assert nms(boxes, scores, 0.5).tolist() == [2, 1, 3]
    assert nms(boxes, scores, 0.7).tolist() == [2, 1, 0, 3]
    assert nms(boxes[:0], scores[:0], 0.5).tolist() == []


def test_a_box_that_was_dropped_drops_nothing():
    """In a chain each overlaps the next: the middle one goes, so the last stays, though it overlaps the middle."""
    boxes = rows([0, 0, 0, 1, 1, 10], [0, 0, 4, 1, 1, 14], [0, 0, 8, 1, 1, 18])
    assert nms(boxes, torch.tensor([3.0, 2.0, 1.0]), 0.3).tolist() == [0, 2]


@given(BOXES)
def test_nms_leaves_no_close_pair_and_drops_only_with_a_reason(boxes):
    scores = torch.linspace(1.0, 0.0, len(boxes))
    kept = nms(boxes, scores, 0.3)
    iou = box_iou(boxes, boxes)
    among = iou[kept][:, kept] - torch.eye(len(kept))
    assert (among <= 0.3).all()
    for i in set(range(len(boxes))) - set(kept.tolist()):
        assert any(iou[i, k] > 0.3 and scores[k] > scores[i] for k in kept.tolist())


def test_encoding_by_hand():
    """The box sits 2 µm further in x than the anchor of 8 µm, a quarter of it, and is twice as deep."""
    anchor, box = rows([0, 0, 0, 8, 8, 8]), rows([-4, 0, 2, 12, 8, 10])
    assert encode(box, anchor)[0].tolist() == pytest.approx([0, 0, 0.25, np.log(2), 0, 0])


@given(BOXES, BOX)
def test_decode_undoes_encode(boxes, anchor):
    anchors = rows(anchor).expand(len(boxes), 6)
    torch.testing.assert_close(decode(encode(boxes, anchors), anchors), boxes)


def test_a_wild_guess_stays_finite():
    assert torch.isfinite(decode(torch.full((1, 6), 1e3), torch.tensor([[0.0, 0, 0, 8, 8, 8]]))).all()


def test_clip_cuts_to_the_stack():
    assert clip(rows([-1, 2, 3, 9, 40, 5]), (8, 30, 30)).tolist() == [[0, 2, 3, 8, 30, 5]]


# ---- anchors --------------------------------------------------------------------------------------------------


def test_anchors_sit_in_the_middle_of_the_coarse_voxels():
    """Grid 1 x 1 x 2 with steps of 4 µm: middles (2, 2, 2) and (2, 2, 6); two sizes at each, size fastest."""
    expected = [[0, 0, 0, 4, 4, 4], [-1, -1, -1, 5, 5, 5], [0, 0, 4, 4, 4, 8], [-1, -1, 3, 5, 5, 9]]
    assert anchor_boxes((1, 1, 2), (4, 4, 4), (4, 6)).tolist() == expected


def test_anchor_sizes_are_quantiles_of_the_training_boxes():
    labels = np.zeros((10, 20, 60), dtype=np.int32)
    for i, side in enumerate((4, 8, 12)):
        labels[: side // 2, :side, 15 * i : 15 * i + side] = i + 1
    stack = ZStack(np.random.default_rng(0).random(labels.shape), SPACING, labels=labels)
    assert anchor_sizes([stack], count=1) == pytest.approx([8])
    assert anchor_sizes([stack], count=3) == pytest.approx([4 + 8 / 6 * 0.5 * 2, 8, 12 - 8 / 6 * 0.5 * 2])


# ---- matching and sampling ------------------------------------------------------------------------------------


def test_matching_by_hand():
    iou = torch.tensor([[0.7, 0.0], [0.4, 0.0], [0.1, 0.2], [0.1, 0.1], [0.65, 0.62]])
    kind, cell = match_anchors(iou, positive=0.6, negative=0.3)
    assert kind.tolist() == [1, -1, 0, 0, 1]  # cell 1 gets the last anchor as its best, though cell 0 fits it better
    assert cell[[0, 4]].tolist() == [0, 1]


def test_a_cell_that_no_anchor_fits_still_gets_one():
    kind, cell = match_anchors(torch.tensor([[0.9, 0.0], [0.0, 0.01], [0.0, 0.0]]), 0.6, 0.3)
    assert kind.tolist() == [1, 1, 0] and cell[:2].tolist() == [0, 1]


@given(st.integers(1, 5), st.integers(0, 1000))
def test_every_cell_gets_an_anchor_of_its_own(cells, seed):
    iou = torch.from_numpy(np.random.default_rng(seed).random((8, cells)) ** 3)
    kind, cell = match_anchors(iou, 0.6, 0.3)
    assert set(cell[kind == 1].tolist()) == set(range(cells))
    assert (kind[iou.max(dim=1).values >= 0.6] == 1).all()


def test_without_cells_all_anchors_are_background():
    assert match_anchors(torch.zeros(4, 0), 0.6, 0.3)[0].tolist() == [0, 0, 0, 0]


def test_sampling_fills_up_with_background_and_never_takes_the_ignored():
    kind = torch.tensor([1, -1, 0, 0, 0, -1, 0, 1, 1])
    positive, negative = sample(kind, 4, 0.5, np.random.default_rng(0))
    assert len(positive) == len(negative) == 2
    positive, negative = sample(kind, 6, 0.9, np.random.default_rng(0))
    assert sorted(positive.tolist()) == [0, 7, 8] and len(negative) == 3
    assert set(negative.tolist()) <= {2, 3, 4, 6}


# ---- RoIAlign and pasting -------------------------------------------------------------------------------------


def ramp(grid, step):
    """Three channels: the places z, y, x in µm of the voxels' middles."""
    axes = [(torch.arange(n, dtype=torch.float64) + 0.5) * s for n, s in zip(grid, step)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_roi_align_is_exact_on_a_linear_function(samples):
    features = ramp((8, 10, 12), (2.0, 2.0, 2.0))
    boxes = rows([3.3, 4.1, 5.7, 9.9, 12.7, 21.3], [1, 1, 1, 15, 19, 23])
    cut = roi_align(features, boxes, torch.tensor([0, 0]), (16, 20, 24), 3, samples)
    for box, values in zip(boxes, cut):
        low, side = box[:3, None], (box[3:] - box[:3])[:, None]
        middles = low + side * torch.tensor([1 / 6, 3 / 6, 5 / 6], dtype=torch.float64)  # (3 axes, 3 cells)
        torch.testing.assert_close(values[0], middles[0][:, None, None].expand(3, 3, 3))
        torch.testing.assert_close(values[1], middles[1][None, :, None].expand(3, 3, 3))
        torch.testing.assert_close(values[2], middles[2][None, None, :].expand(3, 3, 3))


def test_roi_align_of_whole_voxels_copies_them():
    features = torch.arange(2 * 4 * 4 * 4, dtype=torch.float64).reshape(1, 2, 4, 4, 4)
    cut = roi_align(features, rows([2, 1, 1, 6, 3, 3]), torch.tensor([0]), (8, 4, 4), 2)
    torch.testing.assert_close(cut[0], features[0, :, 1:3, 1:3, 1:3])


def test_roi_align_cuts_from_the_right_stack():
    features = torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1, 1).expand(3, 1, 4, 4, 4)
    boxes = torch.tensor([[0.0, 0, 0, 4, 4, 4]]).expand(4, 6)
    assert roi_align(features, boxes, torch.tensor([2, 0, 1, 2]), (4, 4, 4), 1).flatten().tolist() == [3, 1, 2, 3]


def test_roi_align_has_the_right_gradient():
    features = torch.randn(2, 1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    boxes, source = rows([0.5, 0.6, 0.7, 2.4, 3.1, 3.3], [0.2, 1.1, 0.4, 2.9, 3.7, 2.2]), torch.tensor([1, 0])
    torch.autograd.gradcheck(
        lambda f: roi_align(f, boxes, source, (3, 4, 4), 2, 2), [features.requires_grad_(True)]
    )


def test_pasting_fills_exactly_the_voxels_whose_middles_are_inside():
    labels = paste_masks(torch.ones(1, 4, 4, 4), torch.tensor([[2.0, 1.0, 3.4, 6.0, 3.0, 5.4]]), (5, 5, 8), SPACING)
    expected = np.zeros((5, 5, 8), dtype=np.int32)
    expected[1:3, 1:3, 3:5] = 1  # middles z 3, 5; y 1.5, 2.5; x 3.5, 4.5
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected)


def test_pasting_keeps_the_orientation():
    """The mask's first half along x is empty, and its last quarter along y."""
    mask = torch.ones(1, 4, 4, 4)
    mask[..., :2], mask[:, :, 3:] = 0.0, 0.0
    labels = paste_masks(mask, torch.tensor([[0.0, 0, 0, 8, 8, 8]]), (4, 8, 8), SPACING)
    assert labels[:, :6, 4:].all() and not labels[:, :, :4].any() and not labels[:, 7:].any()


def test_the_surer_mask_wins_an_overlap_whatever_the_order():
    boxes = torch.tensor([[0.0, 0, 0, 2, 1, 3], [0, 0, 1, 2, 1, 4]])
    masks = torch.stack([torch.full((2, 2, 2), 0.7), torch.full((2, 2, 2), 0.9)])
    assert paste_masks(masks, boxes, (1, 1, 5), SPACING).ravel().tolist() == [1, 2, 2, 2, 0]
    assert paste_masks(masks.flip(0), boxes.flip(0), (1, 1, 5), SPACING).ravel().tolist() == [2, 1, 1, 1, 0]


def test_pasting_ignores_a_box_outside_or_between_voxels():
    boxes = torch.tensor([[0.0, 0, 0, 0.5, 4, 4], [20, 20, 20, 30, 30, 30]])
    assert not paste_masks(torch.ones(2, 2, 2, 2), boxes, (3, 4, 4), SPACING).any()


def test_cut_out_and_pasted_again_a_ball_is_nearly_the_same():
    """What the mask head can reach at best: 14³ numbers across the box."""
    labels = balls((12, 32, 32), [(5, 16, 14)], SPACING, 7.0)
    boxes = torch.from_numpy(boxes_of(labels, SPACING)[1])
    volume = torch.from_numpy((labels > 0).astype(np.float32))[None, None]
    masks = roi_align(volume, boxes, torch.tensor([0]), np.multiply(labels.shape, SPACING), 14, 2)[:, 0]
    assert evaluate(paste_masks(masks, boxes, labels.shape, SPACING), labels)["SEG"] > 0.95
