"""Simulated stacks with the outlines of an annotator, and a model that learns from nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bfs_tutorial import sim_to_real
from bfs_tutorial.errors import InputError
from bfs_tutorial.pipeline import BFSNet
from bfs_tutorial.sim_to_real import (
    distractors,
    exposure,
    fit,
    large_enough,
    log_otsu,
    network,
    outline,
    peak_light,
    peak_near,
    predict_outlines,
    repeated,
    simulated_stack,
    visible_labels,
)
from bfs_tutorial.simulate.cells import Cells, paint_labels, random_cell
from bfs_tutorial.simulate.fluorescence import FluorescenceOptics, dye, image_formation
from bfs_tutorial.stack import ZStack

UNIT = (1.0, 1.0, 1.0)
SHARP = FluorescenceOptics(psf_sigma=(0.0, 0.0, 0.0), haze=0.2, texture=0.0)
BLURRED = FluorescenceOptics(psf_sigma=(2.0, 2.0, 2.0), haze=0.2, texture=0.0)
SMALL = {"shape": (20, 24, 24), "radii": (5.0, 6.0)}


def balls(centres, radius=5.0, shape=(24, 24, 48)):
    """Round cells without texture on voxels of 1 µm."""
    cell = replace(random_cell(np.random.default_rng(0), (radius, radius)), bump_heights=np.zeros(3))
    items = tuple(replace(cell, centre=np.array(centre, float)) for centre in centres)
    return Cells(paint_labels(items, shape, UNIT), UNIT, items)


def test_without_blur_and_at_half_height_the_outline_is_the_surface():
    drawn = balls([(12, 12, 12), (12, 12, 34)])
    labels = visible_labels(drawn, SHARP, contour=0.5)
    assert np.array_equal(labels, drawn.labels)


def test_light_of_a_sharp_nucleus_is_what_is_not_haze_and_not_lost_on_the_way():
    drawn = balls([(6, 12, 12), (16, 12, 34)])
    assert np.allclose(peak_light(drawn, np.array([100.0, 50.0]), SHARP), (80.0, 40.0))
    for loss, travelled in ((0.01, (6, 16)), (-0.01, (17, 7))):  # from plane 0 up; from plane 23 down
        lost = np.exp(-0.01 * np.array(travelled))
        assert np.allclose(peak_light(drawn, np.array([100.0, 50.0]), replace(SHARP, depth_loss=loss)), (80, 40) * lost)


def test_blur_takes_from_the_peak_of_a_small_nucleus_most():
    small, large = (peak_light(balls([(12, 12, 24)], r), np.array([100.0]), BLURRED)[0] for r in (3.0, 8.0))
    assert small < 0.6 * large < large < 80.01


def test_every_nucleus_is_outlined_at_a_share_of_its_own_peak():
    """Equal nuclei have equal labels, whatever their brightness; the blur lets a lower contour lie further out."""
    drawn = balls([(12, 12, 10), (12, 12, 24), (12, 12, 38)])
    high, low = (np.bincount(visible_labels(drawn, BLURRED, c).ravel())[1:] for c in (0.5, 0.25))
    assert len(set(high)) == len(set(low)) == 1 and low[0] > 1.3 * high[0]


def two_nuclei(dim=200.0, bright=800.0):
    """Blurred light of two equal nuclei on a background of 10 counts, and where they are."""
    drawn = balls([(12, 12, 12), (12, 12, 36)])
    light = image_formation(dye(drawn, np.array([dim, bright]), BLURRED), UNIT, replace(BLURRED, haze=0.0))
    return ZStack(light, UNIT), drawn.centres


def test_outline_is_where_the_light_falls_to_the_geometric_mean_of_both_thresholds():
    stack, centres = two_nuclei()
    labels = outline(stack, centres, own=0.25, smoothing=0.0)
    light = stack.image - np.median(stack.image)
    whole = log_otsu(stack.image) - np.median(stack.image)
    for number in (1, 2):
        height = np.sqrt(0.25 * light[labels == number].max() * whole)
        half = np.arange(48) < 24
        expected = (light > height) & (half if number == 1 else ~half)
        assert np.array_equal(labels == number, expected)


def test_the_brighter_of_two_equal_nuclei_is_outlined_larger_and_lower_heights_enclose_higher_ones():
    stack, centres = two_nuclei()
    low, high = (np.bincount(outline(stack, centres, own).ravel(), minlength=3)[1:] for own in (0.2, 0.4))
    assert low[0] < low[1] and high[0] < high[1] and (high < low).all()


def test_outlines_do_not_depend_on_the_gain_of_the_camera():
    stack, centres = two_nuclei()
    assert np.array_equal(outline(stack, centres), outline(ZStack(7 * stack.image, UNIT), centres))


def test_otsu_of_the_logarithm_parts_two_levels_and_survives_dark_pixels():
    image = np.repeat([0.0, 10.0, 12.0, 300.0, 1000.0], [1, 50, 50, 20, 5]).reshape(1, 2, 63)
    assert 12 < log_otsu(image) < 300


def test_peak_near_looks_around_the_centre():
    light = np.zeros((9, 9, 9))
    light[4, 4, 6] = 5.0
    centres = np.array([[4.0, 4.0, 4.0], [4.0, 4.0, 1.0]])
    assert list(peak_near(light, centres, UNIT, radius=2.0)) == [5.0, 0.0]


class Stub(BFSNet):
    """A model whose S1 is right about where the nuclei are and unsure about the second."""

    def __init__(self, points, heights, peak_threshold):
        super().__init__("fluorescence")
        self.s1, self.peak_threshold = network().network(0, prior=0.1), peak_threshold
        self.points, self.heights = np.array(points), np.array(heights)

    def prepare(self, stack):
        return stack.image

    def find_centres(self, probability, threshold=None):
        keep = self.heights >= (threshold or self.peak_threshold)
        return self.points[keep], self.heights[keep]


def test_prediction_outlines_the_centres_above_the_threshold():
    stack, centres = two_nuclei()
    model = Stub(centres, [0.95, 0.45], 0.6)
    both, one = predict_outlines(model, stack, threshold=0.4), predict_outlines(model, stack)
    assert np.array_equal(both.labels, outline(stack, centres)) and list(both.scores) == [0.95, 0.45]
    assert one.labels.max() == 1 and np.array_equal(one.centres, centres[:1])


def test_outlines_much_smaller_than_the_others_are_dropped_and_the_rest_renumbered():
    labels = np.repeat([0, 1, 2, 3], [10, 2, 40, 44]).reshape(1, 8, 12)  # label 4 is missing
    assert list(large_enough(labels, 4, 0.25)) == [False, True, True, False]  # the median is 40
    assert list(large_enough(labels, 4, 0.05)) == [True, True, True, False]
    stack, centres = two_nuclei(bright=200.0)
    light = stack.image.copy()
    light[3:5, 3:5, 22:24] += 150.0  # a speck
    prediction = predict_outlines(Stub([[3.5, 3.5, 22.5], *centres], [0.9, 0.8, 0.7], 0.5), ZStack(light, UNIT))
    assert list(np.unique(prediction.labels)) == [0, 1, 2] and np.array_equal(prediction.centres, centres)


def test_without_any_centre_nothing_is_outlined_and_without_training_nothing_is_predicted():
    stack, centres = two_nuclei()
    prediction = predict_outlines(Stub(centres, [0.1, 0.1], 0.5), stack)
    assert prediction.labels.max() == 0 and prediction.centres.shape == (0, 3)
    with pytest.raises(InputError, match="has not been trained"):
        predict_outlines(BFSNet("fluorescence"), stack)


def test_outline_refuses_centres_outside_and_thresholds_that_are_no_share():
    stack = simulated_stack(0, **SMALL)
    with pytest.raises(InputError, match="lies outside"):
        outline(stack, np.array([[99.0, 0.0, 0.0]]))
    with pytest.raises(InputError, match="own is 1.5: expected a share"):
        outline(stack, stack.centres, own=1.5)


@given(st.integers(0, 1000), st.floats(0.1, 0.6), st.floats(1.05, 1.5))
@settings(max_examples=8, deadline=None)
def test_a_lower_contour_encloses_a_higher_one(seed, contour, factor):
    low, high = (simulated_stack(seed, c, **SMALL) for c in (contour, contour * factor))
    assert np.array_equal(low.image, high.image)
    assert ((low.labels > 0) >= (high.labels > 0)).all() and (low.labels > 0).sum() > (high.labels > 0).sum()


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=6))
def test_exposure_lifts_the_dimmest_nucleus_over_the_noise_and_never_darkens(peaks):
    optics = FluorescenceOptics(background=16.0, read_noise=3.0, gain=1.0)  # noise sd sqrt(16 + 9) = 5
    factor = exposure(np.array(peaks), optics)
    assert factor >= 1 and factor * min(peaks) >= sim_to_real.VISIBLE * 5 * (1 - 1e-9)
    assert factor == pytest.approx(max(1.0, 20.0 / min(peaks)))


def test_every_nucleus_has_a_label_and_a_centre():
    for seed in range(12):
        stack = simulated_stack(seed, None, **SMALL)
        inside = np.clip(np.rint(stack.centres).astype(int), 0, np.array(stack.image.shape) - 1)
        assert list(stack.labels[tuple(inside.T)]) == list(range(1, len(stack.centres) + 1))
        assert stack.labels.max() == len(stack.centres)


def test_distractors_are_small_or_faint():
    nucleus = balls([(12, 12, 12)], radius=8.0).items[0]
    bodies, light = distractors(np.random.default_rng(0), (nucleus,) * 40)
    small = np.array([body.radius for body in bodies]) <= 4.0
    assert 10 < small.sum() < 30 and (light[~small] <= 0.08).all() and (light <= 1.0).all()
    assert all(body.radius == 8.0 for body, is_small in zip(bodies, small, strict=True) if not is_small)


def test_same_seed_same_stack():
    first, again, other = (simulated_stack(seed, **SMALL) for seed in ((5, 1), (5, 1), (5, 2)))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("contour", [0.0, 1.0, -0.3, float("nan")])
def test_a_contour_that_is_no_share_is_refused(contour):
    with pytest.raises(InputError, match="expected a share of the peak between 0 and 1"):
        simulated_stack(0, contour, **SMALL)


def test_real_stacks_make_up_a_third_of_what_s1_learns_from():
    stacks = ["a", "b"]
    assert repeated(stacks, 40) == ["a"] * 10 + ["b"] * 10
    assert repeated(stacks, 1) == stacks and repeated([], 40) == []


def test_bad_input_is_refused_before_training():
    stack = simulated_stack(0, **SMALL)
    with pytest.raises(InputError, match="has no centres"):
        fit([ZStack(stack.image, stack.spacing)])
    with pytest.raises(InputError, match="at least 1 simulated stack"):
        fit(number=0)
    with pytest.raises(InputError, match="expected a share"):
        fit(contour=2.0)


def test_real_labels_are_never_looked_at():
    torch.set_num_threads(1)
    stack = simulated_stack(7, **SMALL, name="real")
    wrong = replace(stack, labels=np.roll(stack.labels, 5, axis=2))
    bare = ZStack(stack.image, stack.spacing, stack.centres, name="real")
    quick = {"number": 2, "steps_s1": 2, "steps_s2": 2, "progress": False, "device": "cpu"}
    first, second = (fit([s], **quick) for s in (wrong, bare))
    for name in ("s1", "s2"):
        pairs = zip(getattr(first, name).parameters(), getattr(second, name).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert first.record["stacks"] == ["real"] and first.record["simulated"] == 2


def test_it_trains_without_any_real_stack_and_the_model_can_be_saved(tmp_path):
    model = fit(number=2, steps_s1=2, steps_s2=2, progress=False)
    model.save(tmp_path / "model.pt")
    stack = simulated_stack(1, **SMALL)
    assert type(model).load(tmp_path / "model.pt").predict(stack).labels.shape == stack.labels.shape


def test_s2_learns_the_outlines_of_simulated_nuclei():
    torch.set_num_threads(1)
    stacks = [simulated_stack((6000, i), shape=(32, 40, 40), radii=(6.0, 8.0)) for i in range(5)]
    model = network(steps_s2=60)
    loss = model.train_s2(stacks[:4], [model.exact_mask(s) for s in stacks[:4]], progress=False)
    assert np.mean(loss[-10:]) < 0.7 * np.mean(loss[:10])
