"""Peaks of a likelihood map and their merge: hand-made cases, brute force, an outside reference, properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfs_tutorial.centre_maps import centre_map
from bfs_tutorial.errors import InputError
from bfs_tutorial.peaks import best_threshold, find_peaks, merge_peaks, refine_peaks

SHAPE = (5, 7, 8)
SPACINGS = st.sampled_from([(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.75, 0.8, 0.8)])


def line(*values):
    return np.array(values, dtype=np.float32).reshape(1, 1, -1)


def as_set(points):
    return {tuple(np.round(p, 6).tolist()) for p in points}


def brute_force(probability, spacing, threshold, min_distance):
    """A voxel is a peak when no voxel within min_distance, and none of its 26 neighbours, is higher."""
    voxels = np.array(list(np.ndindex(probability.shape)))
    found = set()
    for voxel in voxels:
        near = np.linalg.norm((voxels - voxel) * spacing, axis=1) <= min_distance
        near |= np.abs(voxels - voxel).max(axis=1) <= 1
        value = probability[tuple(voxel)]
        if value >= threshold and value >= probability[tuple(voxels[near].T)].max():
            found.add(tuple(float(v) for v in voxel))
    return found


@st.composite
def maps(draw):
    """Maps with all values different, so that there are no plateaus."""
    order = draw(st.permutations(range(8)))
    seed = draw(st.integers(0, 2**32 - 1))
    values = np.random.default_rng([seed, *order]).permutation(np.prod(SHAPE)) + 1.0
    return (values / values.max()).reshape(SHAPE)


@st.composite
def scored_points(draw, most=12, step=2):
    """Points on a half-voxel grid, where equal distances and identical points do happen, with scores."""
    count = draw(st.integers(0, most))
    coordinates = st.lists(st.integers(0, 12 * step), min_size=3, max_size=3)
    points = np.array(draw(st.lists(coordinates, min_size=count, max_size=count)), dtype=float).reshape(-1, 3) / step
    scores = np.array(draw(st.lists(st.integers(1, 20), min_size=count, max_size=count)), dtype=float) / 20
    return points, scores


# ---- find_peaks -----------------------------------------------------------------------------------------------


def test_maxima_of_a_line_highest_first():
    points, scores = find_peaks(line(0.4, 0.1, 0.1, 0.9, 0.1, 0.1, 0.6), (1, 1, 1), refine_radius=None)
    assert points.dtype == scores.dtype == np.float64
    assert points.tolist() == [[0, 0, 3], [0, 0, 6], [0, 0, 0]]  # voxels at the ends of the line count too
    np.testing.assert_allclose(scores, [0.9, 0.6, 0.4], rtol=1e-6)


def test_the_threshold_itself_is_high_enough():
    probability = np.array([0.5, 0, 0, 0.25]).reshape(1, 1, 4)
    assert len(find_peaks(probability, (1, 1, 1), threshold=0.25)[0]) == 2
    assert len(find_peaks(probability, (1, 1, 1), threshold=0.26)[0]) == 1


def test_min_distance_is_in_micrometres():
    """Two voxels apart: 4 µm along z and 2 µm along x, so 3 µm part the first pair and hide the lower of the second."""
    probability = np.zeros((5, 1, 7))
    probability[[0, 2], 0, 0] = 0.9, 0.8
    probability[4, 0, [4, 6]] = 0.7, 0.6
    points, _ = find_peaks(probability, (2, 1, 1), min_distance=3.0, refine_radius=None)
    assert as_set(points) == {(0, 0, 0), (2, 0, 0), (4, 0, 4)}


def test_a_plateau_is_one_peak_in_its_middle():
    probability = np.zeros((5, 6, 7))
    probability[2, 2:4, 3] = probability[2, 2, 4] = 1.0  # saturated, as a sigmoid in float32 can be
    points, scores = find_peaks(probability, (1, 1, 1), refine_radius=None)
    np.testing.assert_allclose(points, [[2, 7 / 3, 10 / 3]])
    assert scores.tolist() == [1.0]


def test_a_plateau_may_touch_itself_at_a_corner_only():
    probability = np.zeros((3, 5, 5))
    probability[0, 1, 1] = probability[1, 2, 2] = probability[2, 3, 3] = 0.9
    points, _ = find_peaks(probability, (1, 1, 1), refine_radius=None)
    np.testing.assert_allclose(points, [[1, 2, 2]])


def test_a_constant_map_is_one_plateau_and_a_map_of_zeros_has_no_peak():
    points, scores = find_peaks(np.full((3, 5, 7), 0.5), (2, 1, 1))
    np.testing.assert_allclose(points, [[1, 2, 3]])
    points, scores = find_peaks(np.zeros((3, 5, 7)), (2, 1, 1))
    assert points.shape == (0, 3) and scores.shape == (0,)


def test_a_small_min_distance_still_compares_with_the_direct_neighbours():
    points, _ = find_peaks(line(0.5, 0.6, 0.7, 0.6), (1, 1, 1), min_distance=0.1, refine_radius=None)
    assert points.tolist() == [[0, 0, 2]]


@settings(deadline=None, max_examples=25)
@given(maps(), SPACINGS, st.sampled_from([0.5, 1.5, 2.0, 3.2]), st.sampled_from([0.1, 0.8]))
def test_equals_brute_force(probability, spacing, min_distance, threshold):
    points, scores = find_peaks(probability, spacing, threshold, min_distance, refine_radius=None)
    assert as_set(points) == brute_force(probability, spacing, threshold, min_distance)
    assert np.all(np.diff(scores) <= 0)
    np.testing.assert_array_equal(scores, probability[tuple(points.astype(int).T)])


@settings(deadline=None, max_examples=25)
@given(maps(), SPACINGS, st.tuples(*(st.integers(0, 3),) * 3))
def test_translation_by_whole_voxels(probability, spacing, shift):
    frame = np.pad(probability, 8)
    moved = np.roll(frame, shift, axis=(0, 1, 2))
    points, scores = find_peaks(frame, spacing)
    points_moved, scores_moved = find_peaks(moved, spacing)
    np.testing.assert_allclose(points_moved, points + shift, atol=1e-9)
    np.testing.assert_array_equal(scores_moved, scores)


@settings(deadline=None, max_examples=25)
@given(maps(), SPACINGS, st.integers(0, 2))
def test_mirror_symmetry(probability, spacing, axis):
    points, scores = find_peaks(probability, spacing)
    mirrored, scores_mirrored = find_peaks(np.flip(probability, axis), spacing)
    mirrored[:, axis] = SHAPE[axis] - 1 - mirrored[:, axis]
    np.testing.assert_allclose(mirrored, points, atol=1e-9)
    np.testing.assert_array_equal(scores_mirrored, scores)


@settings(deadline=None, max_examples=25)
@given(maps(), SPACINGS, st.sampled_from([0.5, 4.0]))
def test_only_the_ratio_of_lengths_to_spacing_matters(probability, spacing, factor):
    scaled = find_peaks(
        probability, tuple(factor * s for s in spacing), min_distance=2 * factor, refine_radius=2 * factor
    )
    for a, b in zip(scaled, find_peaks(probability, spacing, min_distance=2, refine_radius=2), strict=True):
        np.testing.assert_array_equal(a, b)


def test_equals_the_original_peak_stimulation(shared):
    """Peaks of a random map found by the public code of the peak response paper: window 3, threshold = median."""
    with np.load(shared / "reference" / "peak_response" / "prm_reference.npz") as reference:
        probability, expected = reference["stim/map"][0, 0], reference["stim/peaks"][:, 2:]
    points, scores = find_peaks(probability, (1, 1, 1), np.median(probability), 1.0, refine_radius=None)
    assert as_set(points) == as_set(expected)
    with np.load(shared / "reference" / "peak_response" / "prm_reference.npz") as reference:
        assert scores.mean() == pytest.approx(reference["stim/agg"].item(), rel=1e-6)


# ---- refine_peaks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 1, 1), (1.75, 0.8, 0.8)])
def test_refinement_finds_centres_between_voxels(spacing):
    """On Eq. 1 around off-grid centres, refined peaks are at least four times as near to the truth, in µm."""
    rng = np.random.default_rng(7)
    shape, spacing = (13, 21, 21), np.array(spacing)
    coarse, fine = [], []
    for _ in range(20):
        centre = np.array([6.0, 10, 10]) + rng.uniform(-0.5, 0.5, 3)
        probability = centre_map(shape, [centre], spacing)
        start, _ = find_peaks(probability, spacing, refine_radius=None)
        end, _ = find_peaks(probability, spacing)
        coarse.append(np.linalg.norm((start - centre) * spacing))
        fine.append(np.linalg.norm((end - centre) * spacing))
    assert np.mean(fine) < 0.25 * np.mean(coarse)
    assert np.max(fine) < 0.25


def test_refinement_by_hand():
    """Around voxel 2 with radius 2 the values minus the lowest are (0, 2, 4, 4, 0): the centroid is (-2 + 4) / 10."""
    points = refine_peaks(line(1, 3, 5, 5, 1, 9), [(0, 0, 2)], (1, 1, 1), radius=2.0, passes=1)
    np.testing.assert_allclose(points, [[0, 0, 2.2]])


def test_refinement_of_a_symmetric_peak_stays_at_the_face_of_the_volume():
    probability = centre_map((9, 9, 9), [(0, 4, 4)], (1, 1, 1))
    points, _ = find_peaks(probability, (1, 1, 1))
    np.testing.assert_allclose(points, [[0, 4, 4]], atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(maps(), SPACINGS, st.sampled_from([1.0, 2.0, 4.0]), st.integers(0, 3))
def test_each_pass_of_refinement_stays_within_its_radius_and_the_volume(probability, spacing, radius, passes):
    start, _ = find_peaks(probability, spacing, refine_radius=None)
    end = refine_peaks(probability, start, spacing, radius, passes)
    assert np.all(np.linalg.norm((end - start) * spacing, axis=1) <= passes * radius)
    assert np.all(end >= -1e-9) and np.all(end <= np.array(SHAPE) - 1 + 1e-9)


# ---- merge_peaks ----------------------------------------------------------------------------------------------


def test_merge_is_a_mean_weighted_by_the_scores():
    points, scores = merge_peaks([(0, 0, 0), (0, 0, 3)], [0.9, 0.3], (1, 1, 1), radius=4.0)
    np.testing.assert_allclose(points, [[0, 0, 0.75]])  # 3 * 0.3 / 1.2
    assert scores.tolist() == [0.9]  # the highest score of the group


def test_merge_of_three_weights_every_original_peak_once():
    cluster = np.array([(4, 4, 4), (4, 4, 5), (4, 5, 4)], dtype=float)
    points, scores = merge_peaks(cluster, [0.8, 0.4, 0.2], (1, 1, 1))
    np.testing.assert_allclose(points, [np.average(cluster, axis=0, weights=[0.8, 0.4, 0.2])])
    assert scores.tolist() == [0.8]


def test_merge_radius_is_in_micrometres():
    """Three voxels apart: 6 µm along z stays two, 3 µm along x becomes one."""
    points, _ = merge_peaks([(0, 0, 0), (3, 0, 0), (0, 9, 0), (0, 9, 3)], [0.5] * 4, (2, 1, 1), radius=4.0)
    assert as_set(points) == {(0, 0, 0), (3, 0, 0), (0, 9, 1.5)}


def test_peaks_exactly_radius_apart_stay_two():
    assert len(merge_peaks([(0, 0, 0), (0, 0, 4)], [0.5, 0.5], (1, 1, 1), radius=4.0)[0]) == 2
    assert len(merge_peaks([(0, 0, 0), (0, 0, 4)], [0.5, 0.5], (1, 1, 1), radius=4.01)[0]) == 1


def test_a_chain_of_peaks_is_not_swallowed_into_one():
    """Every step of the chain is shorter than the radius, its length of 21 µm is not: cells must not fuse."""
    chain = np.array([(0, 0, 3 * i) for i in range(8)], dtype=float)
    points, _ = merge_peaks(chain, np.full(8, 0.5), (1, 1, 1), radius=4.0)
    assert sorted(points[:, 2].tolist()) == [1.5, 7.5, 13.5, 19.5]


def test_the_closest_pair_merges_first():
    points, _ = merge_peaks([(0, 0, 0), (0, 0, 3), (0, 0, 5)], [0.5] * 3, (1, 1, 1), radius=4.0)
    assert as_set(points) == {(0, 0, 0), (0, 0, 4)}


def test_identical_peaks_become_one_and_nothing_stays_nothing():
    points, scores = merge_peaks([(1, 2, 3)] * 3, [0.2, 0.5, 0.3], (1, 1, 1))
    np.testing.assert_allclose(points, [[1, 2, 3]])
    assert scores.tolist() == [0.5]
    for nothing in (np.zeros((0, 3)), []):
        points, scores = merge_peaks(nothing, [], (1, 1, 1))
        assert points.shape == (0, 3) and scores.shape == (0,)


@settings(deadline=None, max_examples=60)
@given(scored_points(), SPACINGS)
def test_merged_peaks_are_at_least_radius_apart(peaks, spacing):
    points, _ = merge_peaks(*peaks, spacing, radius=4.0)
    apart = np.linalg.norm((points[:, None] - points) * spacing, axis=-1)  # (N, N)
    assert np.all(apart[~np.eye(len(points), dtype=bool)] >= 4.0)


@settings(deadline=None, max_examples=60)
@given(scored_points(), SPACINGS)
def test_merging_again_changes_nothing(peaks, spacing):
    once = merge_peaks(*peaks, spacing)
    for a, b in zip(merge_peaks(*once, spacing), once, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(deadline=None, max_examples=60)
@given(scored_points(), SPACINGS, st.randoms())
def test_the_order_of_the_peaks_does_not_matter(peaks, spacing, random):
    points, scores = peaks
    order = list(range(len(points)))
    random.shuffle(order)
    shuffled = merge_peaks(points[order], scores[order], spacing)
    for a, b in zip(shuffled, merge_peaks(points, scores, spacing), strict=True):
        np.testing.assert_array_equal(a, b)


@settings(deadline=None, max_examples=40)
@given(scored_points(), SPACINGS)
def test_merging_keeps_the_best_score_and_stays_among_the_peaks(peaks, spacing):
    points, scores = peaks
    merged, best = merge_peaks(points, scores, spacing)
    assert len(merged) <= len(points) and (len(merged) > 0) == (len(points) > 0)
    assert set(best) <= set(scores)
    if len(points):
        assert best[0] == scores.max() and np.all(np.diff(best) <= 0)
        assert np.all(merged >= points.min(axis=0) - 1e-9) and np.all(merged <= points.max(axis=0) + 1e-9)


@settings(deadline=None, max_examples=40)
@given(scored_points())
def test_a_radius_below_every_distance_only_sorts(peaks):
    points, scores = peaks
    points, keep = np.unique(points, axis=0, return_index=True)
    merged, best = merge_peaks(points, scores[keep], (1, 1, 1), radius=0.4)
    assert as_set(merged) == as_set(points) and sorted(best) == sorted(scores[keep])


def test_refinement_does_not_pull_a_peak_to_the_face():
    probability = centre_map((9, 9, 9), [(0.4, 4, 4)], (1, 1, 1))
    points = refine_peaks(probability, [(0.4, 4, 4)], (1, 1, 1))
    np.testing.assert_allclose(points, [[0.4, 4, 4]], atol=1e-9)


def test_refinement_centres_a_shifted_cone_exactly():
    """A cone 1 - D / 4 is 0 at 4 µm: the passes converge to its tip, along a line through (4, 4, 4)."""
    z, y, x = np.ogrid[:9, :9, :9]
    cone = np.maximum(1 - np.sqrt((z - 4) ** 2 + (y - 4) ** 2 + (x - 4.3) ** 2) / 4, 0)
    points = refine_peaks(cone, [(4, 4, 4)], (1, 1, 1), radius=4.0, passes=6)
    np.testing.assert_allclose(points, [[4, 4, 4.3]], atol=0.03)


def test_merging_joins_the_maxima_that_noise_makes_of_one_cell():
    rng = np.random.default_rng(3)
    centres = np.array([(4.0, 8, 8), (8.0, 20, 20), (10.0, 8, 22)])
    noisy = np.clip(centre_map((14, 28, 30), centres, (2, 1, 1)) + rng.normal(0, 0.08, (14, 28, 30)), 0, 1)
    found, scores = find_peaks(noisy, (2, 1, 1), threshold=0.45)
    merged, _ = merge_peaks(found, scores, (2, 1, 1), radius=6.0)
    assert len(found) > len(centres) == len(merged)
    nearest = np.linalg.norm((merged[:, None] - centres) * (2, 1, 1), axis=-1).min(axis=1)
    assert np.all(nearest < 3.0)  # half the merge radius


# ---- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": np.zeros((4, 5))}, "2D"),
        ({"probability": np.zeros((0, 4, 5))}, "empty"),
        ({"probability": np.full((3, 4, 5), np.nan)}, "finite"),
        ({"spacing": (1, 1)}, "spacing"),
        ({"threshold": float("nan")}, "threshold"),
        ({"min_distance": -1.0}, "min_distance"),
        ({"refine_radius": 0.0}, "refine_radius"),
    ],
)
def test_find_peaks_refuses_bad_input(change, message):
    with pytest.raises(InputError, match=message):
        find_peaks(**({"probability": np.ones((3, 4, 5)), "spacing": (1, 1, 1)} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": [(0, 0), (1, 1)]}, "points"),
        ({"points": [(0, 0, np.inf), (1, 1, 1)]}, "finite"),
        ({"scores": [0.5]}, "scores"),
        ({"scores": [0.5, 0.0]}, "scores"),
        ({"scores": [0.5, np.nan]}, "scores"),
        ({"spacing": (1, 1, -1)}, "spacing"),
        ({"radius": 0}, "radius"),
    ],
)
def test_merge_peaks_refuses_bad_input(change, message):
    with pytest.raises(InputError, match=message):
        merge_peaks(**({"points": [(0, 0, 0), (1, 1, 1)], "scores": [0.5, 0.5], "spacing": (1, 1, 1)} | change))


@pytest.mark.parametrize(
    ("scores", "hits", "wanted", "expected"),
    [
        ([0.9, 0.8, 0.4, 0.2], [True, True, False, False], 2, 0.6),  # perfect: midway between hits and the rest
        ([0.2, 0.9, 0.4, 0.8], [False, True, False, True], 2, 0.6),  # order does not matter
        ([0.9, 0.8], [True, True], 2, 0.4),  # no false peak: midway to zero
        ([0.9, 0.6, 0.3], [True, False, True], 2, 0.15),  # F1 2/3, 1/2, 4/5
        ([0.9, 0.6, 0.3], [True, False, True], 1, 0.75),  # F1 1, 2/3, 1
        ([0.5, 0.5, 0.5], [True, False, False], 1, 0.25),  # equal heights cannot be parted
        ([0.9, 0.3], [False, False], 1, 0.5),
        ([], [], 3, 0.5),
    ],
)
def test_best_threshold_by_hand(scores, hits, wanted, expected):
    assert best_threshold(scores, hits, wanted) == pytest.approx(expected)
