"""QCANet: the Dice loss by hand, markers and watershed on drawn volumes, and a short training run end to end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from bfs_tutorial import simulate
from bfs_tutorial.baselines import balls
from bfs_tutorial.errors import InputError
from bfs_tutorial.metrics import evaluate
from bfs_tutorial.qcanet import QCANet, centre_balls, dice_loss, divide_mask, find_markers
from bfs_tutorial.training import Schedule

SPACING = (2.0, 1.0, 1.0)
SHORT = Schedule(steps=3, crop=(8, 32, 32))


@pytest.fixture(scope="module")
def stacks():
    options = {"shape": (12, 64, 64), "radii": (5.0, 7.0), "number": 4}
    return [simulate.fluorescence(seed, name=f"stack {seed}", **options) for seed in range(3)]


# ---- Dice loss ------------------------------------------------------------------------------------------------


def logit(probability):
    return torch.logit(torch.tensor(probability, dtype=torch.float64))


def test_dice_loss_by_hand():
    """q = (½, ½, ¼), t = (1, 0, 1), s = 1: 2 Σqt = 1.5, Σq = 1.25, Σt = 2, so L = 1 - 2.5 / 4.25."""
    target = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    assert dice_loss(logit([0.5, 0.5, 0.25]), target).item() == pytest.approx(1 - 2.5 / 4.25)
    assert dice_loss(logit([0.5, 0.5, 0.25]), target, smooth=0.0).item() == pytest.approx(1 - 1.5 / 3.25)


def test_dice_loss_at_its_ends():
    target = (torch.arange(64).reshape(1, 1, 4, 4, 4) % 3 == 0).double()
    right, empty = 80 * target - 40, torch.full_like(target, -40.0)
    assert dice_loss(right, target).item() == pytest.approx(0.0, abs=1e-9)
    assert dice_loss(-right, target, smooth=0.0).item() == pytest.approx(1.0, abs=1e-9)
    assert dice_loss(empty, torch.zeros_like(target)).item() == pytest.approx(0.0, abs=1e-9)


def test_dice_loss_does_not_depend_on_how_much_background_there_is():
    target, q = torch.tensor([1.0, 1.0, 0.0]), logit([0.9, 0.4, 0.2]).float()
    around = torch.full((1000,), -60.0)
    more = dice_loss(torch.cat([q, around]), torch.cat([target, torch.zeros(1000)]))
    assert more.item() == pytest.approx(dice_loss(q, target).item(), abs=1e-6)


def test_dice_loss_has_the_right_gradient():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 2, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    target = (torch.rand(logits.shape, generator=generator) > 0.6).double()
    assert torch.autograd.gradcheck(lambda x: dice_loss(x, target), (logits,))


# ---- what NDN learns ------------------------------------------------------------------------------------------


def test_balls_are_round_in_micrometres():
    ball = centre_balls((9, 9, 9), [(4, 4, 4)], SPACING, 2.0)
    assert ball.any(axis=(1, 2)).sum() == 3 and ball.any(axis=(0, 1)).sum() == 5  # 2 µm: ±1 plane, ±2 pixels
    assert ball.sum() == 13 + 2  # 13 pixels within 2 of the middle, and one in the plane above and below


def test_centres_between_voxels_always_leave_a_ball():
    """0.5 µm reaches no voxel centre from half way between planes; the centre's own voxel is marked all the same."""
    ball = centre_balls((4, 5, 5), [(1.5, 2, 2), (-0.5, 0, 4.4)], SPACING, 0.5)
    assert sorted(map(tuple, np.argwhere(ball))) == [(0, 0, 4), (2, 2, 2)]


@given(st.integers(0, 10_000))
def test_centres_far_apart_give_one_marker_each(seed):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid([3, 10], [5, 17, 29], [5, 17, 29], indexing="ij"), axis=-1).reshape(-1, 3)
    chosen = rng.permutation(grid)[: rng.integers(1, len(grid) + 1)] + rng.uniform(-1, 1, 3)
    markers = find_markers(centre_balls((14, 34, 34), chosen, SPACING, 3.0).astype(float), SPACING)
    assert markers.max() == len(chosen)
    middles = ndimage.center_of_mass(markers > 0, markers, range(1, len(chosen) + 1))
    apart = np.linalg.norm((np.array(middles)[:, None] - chosen[None]) * SPACING, axis=2).min(axis=1)  # µm
    assert (apart < 1.5).all()


# ---- markers --------------------------------------------------------------------------------------------------


def test_markers_are_linked_through_faces_only():
    probability = np.zeros((3, 4, 8))
    probability[1, 1, 1:3] = 0.9  # two voxels that share a face
    probability[1, 2, 3] = 0.9  # shares an edge with them
    probability[0, 0, 7] = 0.4  # below the threshold
    markers = find_markers(probability, SPACING)
    assert markers.dtype == np.int32 and markers.max() == 2
    assert markers[1, 1, 1] == markers[1, 1, 2] != markers[1, 2, 3]
    assert find_markers(probability, SPACING, threshold=0.3).max() == 3


def test_small_markers_go_by_their_volume_and_numbers_have_no_gap():
    probability = np.zeros((3, 3, 9))
    probability[1, 1, 0] = probability[1, 1, 4:7] = 1.0  # 2 µm³ and 6 µm³
    markers = find_markers(probability, SPACING, min_volume=2.1)
    assert markers[1, 1, 0] == 0 and (markers[1, 1, 4:7] == 1).all() and markers.max() == 1
    assert find_markers(probability, SPACING, min_volume=2.0).max() == 2
    assert find_markers(np.zeros((2, 2, 2)), SPACING).max() == 0


# ---- watershed ------------------------------------------------------------------------------------------------


def marker_at(shape, *voxels):
    markers = np.zeros(shape, dtype=np.int32)
    for i, voxel in enumerate(voxels):
        markers[voxel] = i + 1
    return markers


def test_touching_balls_are_cut_at_their_neck():
    """Radii 8 and 5 µm, 12 µm apart, in planes 2 µm apart: every voxel goes to its own ball but for the neck."""
    shape, centres, radii = (16, 40, 50), [(8, 20, 16), (8, 20, 28)], (8.0, 5.0)
    parts = [balls(shape, [c], SPACING, r) > 0 for c, r in zip(centres, radii, strict=True)]
    labels = divide_mask(parts[0] | parts[1], marker_at(shape, *centres), SPACING)
    assert set(np.unique(labels)) == {0, 1, 2} and labels.dtype == np.int32
    for i, own in enumerate(parts):
        only = own & ~parts[1 - i]
        assert (labels[only] == i + 1).mean() > 0.97
    assert ((labels > 0) == (parts[0] | parts[1])).all()


def test_the_depth_is_measured_in_micrometres():
    """A rod of 2 planes above a slab: which of the two is deeper depends on how far the planes lie apart.

    The markers sit at the two ends of a T; the shared voxels belong to whoever floods them first, the deeper part.
    """
    shape = (7, 15, 15)
    wide, tall = np.zeros(shape, bool), np.zeros(shape, bool)
    wide[2:5, 4:11, 0:7] = True  # 3 planes, 7 x 7 pixels: depth is limited by the planes
    tall[0:7, 6:9, 6:15] = True  # 7 planes, 3 pixels wide: depth is limited by the pixels
    markers = marker_at(shape, (3, 7, 1), (3, 7, 13))
    fine, coarse = (divide_mask(wide | tall, markers, (z, 1.0, 1.0)) for z in (0.3, 3.0))
    assert (coarse == 1).sum() > (fine == 1).sum()
    assert ((fine > 0) == (coarse > 0)).all()


def test_a_part_without_a_marker_is_dropped():
    mask = np.zeros((5, 8, 20), dtype=bool)
    mask[1:4, 2:6, 2:7] = mask[1:4, 2:6, 12:17] = True
    labels = divide_mask(mask, marker_at(mask.shape, (2, 4, 4)), SPACING)
    assert (labels[:, :, :10] == mask[:, :, :10]).all() and not labels[:, :, 10:].any()


def test_without_any_marker_every_part_is_a_nucleus():
    mask = np.zeros((5, 8, 20), dtype=bool)
    mask[1:4, 2:6, 2:7] = mask[1:4, 2:6, 12:17] = True
    outside = marker_at(mask.shape, (0, 0, 0))
    assert divide_mask(mask, outside, SPACING).max() == 2
    assert divide_mask(mask, np.zeros_like(outside), SPACING).max() == 2
    assert not divide_mask(np.zeros_like(mask), outside, SPACING).any()


def test_a_marker_outside_the_mask_gets_no_label():
    mask = np.zeros((3, 5, 9), dtype=bool)
    mask[1, 1:4, 1:4] = True
    assert set(np.unique(divide_mask(mask, marker_at(mask.shape, (1, 2, 2), (1, 2, 7)), SPACING))) == {0, 1}


# ---- bad input ------------------------------------------------------------------------------------------------


def test_bad_settings_are_refused():
    for arguments, message in [
        ({"modality": "confocal"}, "confocal"),
        ({"modality": "fluorescence", "ball_radius_um": 0.0}, "ball_radius_um is 0.0"),
        ({"modality": "fluorescence", "spacing": (1.0, 1.0)}, "spacing"),
        ({"modality": "fluorescence", "adapt": 1.5}, "adapt is 1.5"),
        ({"modality": "fluorescence", "min_marker": -1.0}, "min_volume is -1.0"),
    ]:
        with pytest.raises(InputError, match=message):
            QCANet(**arguments)


def test_bad_volumes_are_refused():
    with pytest.raises(InputError, match="expected a bool mask"):
        divide_mask(np.ones((2, 2, 2)), np.zeros((2, 2, 2), int), SPACING)
    with pytest.raises(InputError, match="of one shape"):
        divide_mask(np.ones((2, 2, 2), bool), np.zeros((2, 2, 3), int), SPACING)
    with pytest.raises(InputError, match="min_volume is -1"):
        find_markers(np.zeros((2, 2, 2)), SPACING, min_volume=-1)
    with pytest.raises(InputError, match="radius is -2"):
        centre_balls((4, 4, 4), [(1, 1, 1)], SPACING, -2)


def test_stacks_without_truth_are_refused_before_training(stacks):
    model = QCANet("fluorescence", schedule=SHORT)
    for changes, message in [
        ({"labels": None}, "stack 1 has no labels;"),
        ({"centres": None}, "stack 1 has no centres;"),
        ({"labels": None, "centres": None}, "no labels and no centres"),
        ({"labels": np.zeros_like(stacks[1].labels)}, "0 everywhere"),
    ]:
        with pytest.raises(InputError, match=message):
            model.fit([stacks[0], replace(stacks[1], **changes)], progress=False)
    with pytest.raises(InputError, match="no stacks"):
        model.fit([], progress=False)
    with pytest.raises(InputError, match="device"):
        model.fit(stacks[:1], device="tpu", progress=False)
    assert model.nsn is None and model.record == {}
    with pytest.raises(InputError, match="has not been trained"):
        model.predict(stacks[0])


# ---- end to end -----------------------------------------------------------------------------------------------


def test_same_seed_same_labels_and_the_global_random_state_is_left_alone(stacks):
    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    first, second, other = (
        QCANet("fluorescence", schedule=SHORT).fit(stacks[:2], seed=seed, progress=False, device="cpu")
        for seed in (1, 1, 2)
    )
    assert np.array_equal(np.random.get_state()[1], before[0]) and torch.equal(torch.get_rng_state(), before[1])
    for name in ("nsn", "ndn"):
        pairs = zip(getattr(first, name).parameters(), getattr(second, name).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert first.record["loss_ndn"] == second.record["loss_ndn"] != other.record["loss_ndn"]
    assert np.array_equal(first.predict(stacks[2]), second.predict(stacks[2]))


def test_targets_are_the_mask_and_one_ball_per_centre_at_another_voxel_size(stacks):
    model = QCANet("fluorescence", spacing=(2.0, 1.0, 1.0))
    fine = replace(stacks[0], spacing=(1.0, 2.0, 2.0))  # 12 x 64 x 64 voxels are 12 x 128 x 128 µm
    assert model.prepare(fine).shape == model.mask(fine).shape == model.balls(fine).shape == (6, 128, 128)
    share = (stacks[0].labels > 0).mean()
    assert model.mask(fine).mean() == pytest.approx(share, abs=0.1 * share)
    _, count = ndimage.label(model.balls(fine))
    assert count == len(fine.centres)


def test_labels_come_back_on_the_grid_of_the_stack_and_adapt_touches_no_weight(stacks):
    model = QCANet("fluorescence", schedule=SHORT, adapt=1.0).fit(stacks[:1], progress=False, device="cpu")
    before = {key: value.clone() for key, value in model.nsn.state_dict().items()}
    fine = replace(stacks[2], spacing=(4.0, 0.8, 0.8))
    labels = model.predict(replace(fine, labels=None, centres=None))
    assert labels.shape == fine.image.shape and labels.dtype == np.int32
    assert all(torch.equal(value, before[key]) for key, value in model.nsn.state_dict().items())


def test_it_learns_cells_in_a_hundred_steps(stacks):
    model = QCANet("fluorescence", schedule=Schedule(steps=100, crop=(8, 32, 32), jitter=0.3))
    model.fit(stacks[:2], progress=False, device="cpu")
    assert model.record["loss_nsn"][-1] < 0.3 and model.record["stacks"] == ["stack 0", "stack 1"]
    scores = evaluate(model.predict(stacks[2]), stacks[2].labels)
    assert scores["IoU"] > 0.6 and scores["SEG"] > 0.4
