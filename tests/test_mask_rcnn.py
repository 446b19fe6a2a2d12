"""3D Mask R-CNN: anchors that belong to their outputs, losses that reach every weight, and a ball that is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bfs_tutorial.baselines import balls
from bfs_tutorial.boxes import box_iou, volume_overlap
from bfs_tutorial.errors import InputError
from bfs_tutorial.mask_rcnn import RCNN3D, MaskRCNN, choose_proposals, detection_losses, propose
from bfs_tutorial.metrics import evaluate
from bfs_tutorial.stack import ZStack
from bfs_tutorial.training import Schedule

SPACING = (2.0, 1.0, 1.0)
SHORT = Schedule(steps=3, learning_rate=2e-3, crop=(8, 24, 24))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def scene(centres=((5, 16, 14),), radius=7.0, shape=(12, 32, 32)):
    """Bright balls on a dark noisy background, with their labels."""
    labels = balls(shape, centres, SPACING, radius)
    noise = np.random.default_rng(0).normal(0.0, 5.0, shape)
    return ZStack(100.0 + 200.0 * (labels > 0) + noise, SPACING, labels=labels, name="balls")


# ---- network and losses -----------------------------------------------------------------------------------------


def test_the_networks_anchors_cover_the_stack_and_fit_its_output():
    network = RCNN3D((10.0, 16.0), SPACING).eval()
    found = network(torch.zeros(1, 1, 4, 16, 24))
    assert found.extent == (8, 16, 24)
    assert found.objectness.shape == (1, 2 * 4 * 6 * 2) and found.deltas.shape == (1, 96, 6)
    centres = (found.anchors[:, :3] + found.anchors[:, 3:]) / 2
    assert centres[0].tolist() == [2, 2, 2] and centres[-1].tolist() == [6, 14, 22]


class OneVoxel(torch.nn.Module):
    """Stands in for the coarse level: zero except for channel 0 of the coarse voxel (1, 2, 5)."""

    def forward(self, x):
        coarse = torch.zeros(len(x), 32, *x.shape[2:])
        coarse[:, 0, 1, 2, 5] = 1.0
        return coarse


def test_output_and_anchor_of_one_place_are_in_one_row():
    """Size 1 copies channel 0 as its objectness and as its third delta: both belong to the anchor of that voxel."""
    network = RCNN3D((10.0, 16.0), SPACING)
    network.encoders[2], network.search = OneVoxel(), torch.nn.Identity()
    for layer, channel in ((network.objectness, 1), (network.shift, 6 + 2)):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        layer.weight.data[channel, 0] = 1.0
    found = network(torch.zeros(1, 1, 4, 16, 24))
    row = found.objectness[0].argmax()
    assert found.objectness.sum() == 1 and found.deltas.sum() == 1 and found.deltas[0, row, 2] == 1
    assert found.anchors[row].tolist() == [6 - 8, 10 - 8, 22 - 8, 6 + 8, 10 + 8, 22 + 8]


def test_proposals_are_matched_to_the_cell_they_fit_and_true_boxes_join():
    truth = torch.tensor([[0.0, 0, 0, 10, 10, 10], [0, 20, 20, 10, 30, 30]])
    proposals = torch.tensor([[0.0, 21, 20, 10, 31, 30], [0, 40, 40, 10, 50, 50]])
    chosen = choose_proposals(proposals, truth, torch.tensor([4, 7]), np.random.default_rng(0), count=16)
    rows_of = zip(chosen.boxes.tolist(), chosen.numbers.tolist(), chosen.targets.tolist())
    by_box = {tuple(box): (number, target) for box, number, target in rows_of}
    assert by_box[tuple(proposals[0].tolist())] == (7, truth[1].tolist())
    assert by_box[tuple(proposals[1].tolist())][0] == 0
    assert by_box[tuple(truth[0].tolist())] == (4, truth[0].tolist())


def batch_of(stack):
    image, labels = (torch.from_numpy(a.astype(np.float32))[None, None] for a in (stack.image / 100, stack.labels))
    return image, labels


def test_the_five_losses_reach_every_weight():
    image, labels = batch_of(scene(((5, 10, 10), (7, 22, 22))))
    torch.manual_seed(0)
    network = RCNN3D((14.0,), SPACING)
    losses = detection_losses(network, network(image), labels, np.random.default_rng(0))
    assert sorted(losses) == ["box", "class", "mask", "objectness", "proposal"]
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_without_a_cell_in_the_crop_only_background_is_learnt():
    image, labels = batch_of(scene())
    network = RCNN3D((14.0,), SPACING)
    losses = detection_losses(network, network(image), 0 * labels, np.random.default_rng(0))
    assert losses["proposal"] == losses["box"] == losses["mask"] == 0
    assert losses["class"] > 0 and losses["objectness"] > 0


def test_proposals_lie_in_the_stack_and_differ():
    network = RCNN3D((10.0, 16.0), SPACING).eval()
    found = network(torch.randn(1, 1, 8, 32, 32, generator=torch.Generator().manual_seed(0)))
    boxes = propose(found, 0, before=60, after=7)
    assert 1 <= len(boxes) <= 7
    assert (boxes >= 0).all() and (boxes[:, 3:] <= torch.tensor(found.extent)).all()
    iou = box_iou(boxes, boxes) - torch.eye(len(boxes))
    assert (iou <= volume_overlap(0.7) + 1e-6).all()


# ---- the method -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stacks", "message"),
    [
        ([], "no stacks"),
        ([ZStack(scene().image, SPACING, name="bare")], "bare has no labels"),
        ([ZStack(scene().image, SPACING, labels=0 * scene().labels, name="empty")], "empty has labels that are 0"),
        ([scene(shape=(1, 32, 32), centres=((0, 16, 14),))], "smaller than the pooling"),
    ],
)
def test_bad_training_data_is_refused(stacks, message):
    with pytest.raises(InputError, match=message):
        MaskRCNN("fluorescence", schedule=SHORT).fit(stacks, progress=False)


@pytest.mark.parametrize(
    "wrong", [{"adapt": 1.5}, {"min_score": -0.1}, {"spacing": (1.0, 1.0)}, {"modality": "radar"}]
)
def test_bad_settings_are_refused(wrong):
    with pytest.raises(InputError):
        MaskRCNN(**{"modality": "fluorescence"} | wrong)


def test_predict_before_fit_is_refused():
    with pytest.raises(InputError, match="not been trained"):
        MaskRCNN("fluorescence").predict(scene())


def test_same_seed_same_weights_and_the_global_random_state_is_left_alone():
    stacks, before = [scene()], torch.random.get_rng_state()
    a, b, other = (
        MaskRCNN("fluorescence", schedule=SHORT).fit(stacks, seed=seed, progress=False) for seed in (3, 3, 4)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    states = [model.network.state_dict() for model in (a, b, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])
    assert a.record["losses"] == b.record["losses"]


@pytest.fixture(scope="module")
def overfitted():
    torch.set_num_threads(1)
    stacks = [scene(((5, 11, 10), (7, 21, 22)), 5.5)]
    schedule = Schedule(steps=50, learning_rate=4e-3, crop=(12, 32, 32))
    return MaskRCNN("fluorescence", schedule=schedule).fit(stacks, progress=False), stacks[0]


def test_it_finds_the_balls_it_was_trained_on(overfitted):
    model, stack = overfitted
    labels = model.predict(stack)
    result = evaluate(labels, stack.labels)
    assert labels.dtype == np.int32 and labels.shape == stack.image.shape
    assert result["n_predicted"] == 2 and result["SEG"] > 0.7


def test_detections_are_sorted_cells_inside_the_stack(overfitted):
    model, stack = overfitted
    found = model.detect(stack)
    assert (found.scores.diff() <= 0).all() and (found.scores >= model.min_score).all()
    extent = torch.tensor(np.multiply(stack.image.shape, stack.spacing))
    assert (found.boxes >= 0).all() and (found.boxes[:, 3:] <= extent + 1e-4).all()


def test_where_nothing_is_sure_enough_every_label_is_0(overfitted):
    strict = MaskRCNN("fluorescence", min_score=1.0)
    strict.network = overfitted[0].network
    labels = strict.predict(overfitted[1])
    assert labels.shape == overfitted[1].image.shape and not labels.any()


def test_another_grid_gets_labels_of_its_own_shape(overfitted):
    """The same cells with voxels half as wide and an odd number of planes: labels on that grid, in the same places."""
    model, stack = overfitted
    fine = ZStack(stack.image.repeat(2, 1).repeat(2, 2)[:11], (2.0, 0.5, 0.5), name="fine")
    labels = model.predict(fine)
    truth = stack.labels.repeat(2, 1).repeat(2, 2)[:11]
    assert labels.shape == fine.image.shape
    assert evaluate(labels, truth)["SEG"] > 0.6
