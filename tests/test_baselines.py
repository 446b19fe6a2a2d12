"""The baselines on drawn scenes with a known answer, on simulated and on real stacks."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bfs_tutorial.baselines import balls, bright_mask, cell_signal, mean_seg, threshold_watershed, tune, voronoi_otsu
from bfs_tutorial.errors import InputError
from bfs_tutorial.metrics import evaluate
from bfs_tutorial.stack import ZStack

SPACING = (2.0, 1.0, 1.0)
CLASSICAL = pytest.mark.parametrize("method", [threshold_watershed, voronoi_otsu])


def scene(centres, radii, brightness, shape=(16, 40, 60), spacing=SPACING):
    """Balls of given brightness on a background of 100, blurred by 1 µm, with mild noise; and their labels."""
    labels = np.zeros(shape, dtype=np.int32)
    image = np.full(shape, 100.0)
    for i, (centre, radius, value) in enumerate(zip(centres, radii, brightness, strict=True)):
        inside = balls(shape, [centre], spacing, radius) > 0
        labels[inside] = i + 1
        image[inside] += value
    image = ndimage.gaussian_filter(image, [1 / s for s in spacing])
    return ZStack(image + np.random.default_rng(0).normal(0, 2, shape), spacing, labels=labels)


APART = scene([(8, 12, 14), (8, 26, 42)], (8, 6), (300, 200))
TOUCHING = scene([(8, 20, 18), (8, 20, 33)], (8, 8), (300, 300))


def embryo(shared, name):
    folder = shared / "data" / "mouse_embryo_fluorescence"
    labels, _ = ndimage.label(tifffile.imread(folder / f"{name}_nsn.tif") > 0)
    return ZStack(tifffile.imread(folder / f"{name}_raw.tif"), (1.75, 0.8, 0.8), labels=labels, name=name)


# ---- classical ------------------------------------------------------------------------------------------------


@CLASSICAL
def test_separate_cells_are_found(method):
    result = evaluate(method(APART.image, SPACING), APART.labels)
    assert result["n_predicted"] == 2 and result["SEG"] > 0.7


@CLASSICAL
def test_touching_cells_come_apart(method):
    result = evaluate(method(TOUCHING.image, SPACING), TOUCHING.labels)
    assert result["n_predicted"] == 2 and result["SEG"] > 0.7


def test_the_watershed_cuts_at_the_neck_and_voronoi_half_way():
    """Radii 10 and 5 µm, 15 µm apart: voxel x = 28 is in the large cell, and nearer to the middle of the small one."""
    stack = scene([(8, 20, 20), (8, 20, 35)], (10, 5), (300, 600))
    by_depth = threshold_watershed(stack.image, SPACING)
    by_distance = voronoi_otsu(stack.image, SPACING, spot_sigma=2.0)
    assert by_depth.max() == by_distance.max() == 2
    assert by_depth[8, 20, 28] == by_depth[8, 20, 20] and by_distance[8, 20, 28] == by_distance[8, 20, 35]


def test_a_spot_outside_the_mask_of_voronoi_otsu_is_no_cell():
    """A faint spot 4 µm beside a bright cell: below the threshold, so it must not take part of its neighbour."""
    stack = scene([(8, 20, 20), (8, 20, 31)], (7, 2), (1000, 450))
    labels = voronoi_otsu(stack.image, SPACING, spot_sigma=1.0, log=False, min_volume=1.0)
    assert labels.max() == 1 and labels[8, 20, 31] == 0


@CLASSICAL
def test_cells_of_very_different_brightness_need_the_logarithm(method):
    stack = scene([(8, 12, 14), (8, 26, 42)], (8, 8), (1000, 200))
    assert evaluate(method(stack.image, SPACING), stack.labels)["n_predicted"] == 2
    assert evaluate(method(stack.image, SPACING, log=False), stack.labels)["n_predicted"] == 1


@CLASSICAL
def test_the_gain_of_the_camera_does_not_matter(method):
    for log in (True, False):
        once, four_times = (method(gain * APART.image, SPACING, log=log) for gain in (1, 4))
        assert (once != four_times).mean() < 1e-3


@CLASSICAL
def test_lengths_are_micrometres(method):
    """The same scene sampled twice as finely in x and y: the volumes in µm³ agree."""
    fine = scene([(8, 24, 28), (8, 52, 84)], (8, 6), (300, 200), (16, 80, 120), (2.0, 0.5, 0.5))
    coarse_volumes = np.bincount(method(APART.image, SPACING).ravel())[1:] * 2.0
    fine_volumes = np.bincount(method(fine.image, fine.spacing).ravel())[1:] * 0.5
    np.testing.assert_allclose(sorted(fine_volumes), sorted(coarse_volumes), rtol=0.1)


@CLASSICAL
def test_translation_by_whole_voxels(method):
    frame = np.pad(APART.image, 6, mode="median")
    labels, moved = method(frame, SPACING), method(np.roll(frame, (1, 2, 3), (0, 1, 2)), SPACING)
    assert (np.roll(labels, (1, 2, 3), (0, 1, 2)) > 0).sum() == (moved > 0).sum() > 1000
    assert (np.roll(labels > 0, (1, 2, 3), (0, 1, 2)) != (moved > 0)).mean() < 1e-3


@CLASSICAL
def test_small_pieces_are_dropped(method):
    assert method(APART.image, SPACING, min_volume=1e5).max() == 0


def test_bright_field_looks_at_the_local_contrast():
    """Two textured cells that are on average as bright as their surroundings."""
    texture = np.random.default_rng(1).normal(0, 50, APART.image.shape) * (APART.labels > 0)
    image = 1000 + texture + np.random.default_rng(2).normal(0, 2, texture.shape)
    for method in (threshold_watershed, voronoi_otsu):
        labels = method(image, SPACING, "bright-field", log=False)
        assert evaluate(labels, APART.labels)["IoU"] > 0.5 > 0.4 > evaluate(method(image, SPACING), APART.labels)["IoU"]


def test_cell_signal_of_bright_field_is_the_local_standard_deviation():
    image = 500 + 7 * (-1.0) ** np.indices((12, 20, 20)).sum(axis=0)  # a chessboard of 493 and 507
    np.testing.assert_allclose(cell_signal(image, (1, 1, 1), "bright-field", smooth=3.0)[4:8, 8:12, 8:12], 7, rtol=1e-3)


def test_a_number_as_threshold_is_in_the_units_of_the_signal():
    signal = np.arange(24.0).reshape(2, 3, 4)
    assert bright_mask(signal, threshold=20).sum() == 3
    assert bright_mask(-signal).sum() in range(1, 24)  # nothing above 0: the logarithm is left out


@pytest.mark.parametrize(("name", "seg", "iou"), [("8_cell", 0.69, 0.71), ("16_cell", 0.75, 0.75)])
@CLASSICAL
def test_on_the_real_embryos_without_tuning(shared, name, seg, iou, method):
    """The defaults, the same for both embryos; QCANet's stored result on the second has SEG 0.736."""
    stack = embryo(shared, name)
    result = evaluate(method(stack.image, stack.spacing), stack.labels)
    assert result["SEG"] > seg and result["IoU"] > iou


# ---- balls ----------------------------------------------------------------------------------------------------


def test_balls_by_hand():
    labels = balls((1, 1, 9), [(0, 0, 1), (0, 0, 4)], spacing=(1, 1, 2), radius=4.0)
    assert labels.dtype == np.int32
    assert labels[0, 0].tolist() == [1, 1, 1, 2, 2, 2, 2, 0, 0]  # voxel 2 is 2 µm from the first, 4 from the second


def test_no_centre_no_ball():
    assert balls((3, 4, 5), np.zeros((0, 3)), SPACING, 5.0).tolist() == np.zeros((3, 4, 5)).tolist()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(*(st.integers(0, 4 * n) for n in (5, 7, 8))), min_size=1, max_size=5, unique=True))
def test_balls_equal_brute_force(quarters):
    centres, shape = np.array(quarters) / 4, (6, 8, 9)
    grid = np.moveaxis(np.indices(shape), 0, -1)[..., None, :]  # (Z, Y, X, 1, 3)
    distance = np.linalg.norm((grid - centres) * SPACING, axis=-1)  # (Z, Y, X, N)
    labels = balls(shape, centres, SPACING, radius=3.0)
    np.testing.assert_array_equal(labels > 0, distance.min(axis=-1) <= 3.0)
    own = np.take_along_axis(distance, np.maximum(labels - 1, 0)[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(own[labels > 0], distance.min(axis=-1)[labels > 0])


# ---- tune -----------------------------------------------------------------------------------------------------


def ball_baseline(stack, radius):
    return balls(stack.image.shape, stack.centres, stack.spacing, radius)


def test_tune_finds_the_radius_that_drew_the_truth():
    centres = [(8, 20, 20)]
    stacks = [ZStack(APART.image, SPACING, centres, balls(APART.image.shape, centres, SPACING, 7.0))]
    assert tune(ball_baseline, stacks, {"radius": [5.0, 7.0, 9.0]}) == {"radius": 7.0}
    assert mean_seg(ball_baseline, stacks, {"radius": 7.0}) == 1.0


def test_tune_takes_the_mean_over_stacks_and_the_first_of_equals():
    scores = {("a", 1): 0.9, ("b", 1): 0.1, ("a", 2): 0.6, ("b", 2): 0.6, ("a", 3): 0.6, ("b", 3): 0.6}
    truth = np.zeros((1, 1, 100), dtype=int)
    truth[..., :80] = 1
    image = np.arange(100.0).reshape(1, 1, 100)
    stacks = [ZStack(image, SPACING, labels=truth, name=name) for name in "ab"]

    def baseline(stack, choice):
        labels = np.zeros((1, 1, 100), dtype=int)
        labels[..., : int(80 * scores[stack.name, choice])] = 1  # IoU = the fraction of the cell
        return labels

    assert tune(baseline, stacks, {"choice": [1, 2, 3]}) == {"choice": 2}


def test_tune_tries_every_combination():
    seen = []

    def baseline(stack, **chosen):
        seen.append(tuple(chosen.values()))
        return stack.labels

    tune(baseline, [APART], {"a": [1, 2], "b": ["x", "y", "z"]})
    assert sorted(seen) == [(a, b) for a in (1, 2) for b in "xyz"]


def test_a_baseline_tuned_on_one_embryo_is_tested_on_the_other(shared):
    def baseline(stack, **chosen):
        return voronoi_otsu(stack.image, stack.spacing, **chosen)

    train, test = embryo(shared, "8_cell"), embryo(shared, "16_cell")
    best = tune(baseline, [train], {"outline_sigma": [0.8, 1.6], "log": [True, False]})
    assert best == {"outline_sigma": 0.8, "log": True}
    assert mean_seg(baseline, [test], best) > 0.7


# ---- bad input ------------------------------------------------------------------------------------------------


@CLASSICAL
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.ones((3, 4, 5))}, "constant"),
        ({"image": np.zeros((4, 5))}, "2D"),
        ({"spacing": (1, 1)}, "spacing"),
        ({"modality": "phase"}, "modality"),
        ({"min_volume": -1}, "min_volume"),
    ],
)
def test_bad_input_is_one_clear_line(method, change, message):
    with pytest.raises(InputError, match=message):
        method(**({"image": APART.image, "spacing": SPACING} | change))


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="smooth"):
        threshold_watershed(APART.image, SPACING, smooth=0)
    with pytest.raises(InputError, match="threshold"):
        threshold_watershed(APART.image, SPACING, threshold="li")
    with pytest.raises(InputError, match="min_distance"):
        threshold_watershed(APART.image, SPACING, seed_distance=-1)
    with pytest.raises(InputError, match="radius"):
        balls((3, 4, 5), [(1, 1, 1)], SPACING, radius=0)
    with pytest.raises(InputError, match="outside"):
        balls((3, 4, 5), [(1, 1, 9)], SPACING, radius=2)


def test_tune_refuses_what_it_cannot_score():
    with pytest.raises(InputError, match="0 stacks"):
        tune(ball_baseline, [], {"radius": [1.0]})
    with pytest.raises(InputError, match="labels"):
        tune(ball_baseline, [ZStack(APART.image, SPACING)], {"radius": [1.0]})
    with pytest.raises(InputError, match="grid"):
        tune(ball_baseline, [APART], {"radius": []})
