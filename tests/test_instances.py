"""Watershed from one marker per cell: hand-made cases and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bfs_tutorial.errors import InputError
from bfs_tutorial.instances import assign_instances, landscape, place_markers

SHAPE = (6, 9, 10)
SPACINGS = st.sampled_from([(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.75, 0.8, 0.8)])
ELEVATIONS = st.sampled_from(["distance", "depth"])


def line(*values, dtype=bool):
    return np.array(values, dtype=dtype).reshape(1, 1, -1)


@st.composite
def masks_and_points(draw, most=5):
    """A mask of blobs, and different voxels of it as points."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.2) > draw(st.sampled_from([0.0, 0.1]))
    mask[2, 3, 4] = True
    inside = np.argwhere(mask)
    count = min(draw(st.integers(0, most)), len(inside))
    return mask, rng.permutation(inside)[:count].astype(float)


def ball(shape, centre, radius, spacing=(1, 1, 1)):
    z, y, x = (s * (g - c) for s, g, c in zip(spacing, np.ogrid[tuple(map(slice, shape))], centre, strict=True))
    return z**2 + y**2 + x**2 <= radius**2


# ---- by hand --------------------------------------------------------------------------------------------------


def test_a_line_is_cut_half_way_between_its_points():
    labels = assign_instances(line(*[1] * 8), [(0, 0, 1), (0, 0, 6)], (1, 1, 1))
    assert labels.dtype == np.int32
    assert labels[0, 0].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_label_i_plus_one_belongs_to_point_i():
    labels = assign_instances(line(*[1] * 8), [(0, 0, 6), (0, 0, 1)], (1, 1, 1))
    assert labels[0, 0].tolist() == [2, 2, 2, 2, 1, 1, 1, 1]


def test_a_component_without_a_point_is_dropped():
    labels = assign_instances(line(1, 1, 0, 1, 1), [(0, 0, 0)], (1, 1, 1))
    assert labels[0, 0].tolist() == [1, 1, 0, 0, 0]


def test_components_that_touch_at_an_edge_only_are_two():
    mask = np.zeros((1, 4, 4), dtype=bool)
    mask[0, :2, :2] = mask[0, 2:, 2:] = True
    labels = assign_instances(mask, [(0, 0, 0)], (1, 1, 1))
    assert labels[0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_a_probability_is_cut_at_the_threshold():
    probability = line(0.2, 0.4, 0.9, 0.6, 0.1, dtype=np.float32)
    assert (assign_instances(probability, [(0, 0, 2)], (1, 1, 1)) > 0)[0, 0].tolist() == [0, 0, 1, 1, 0]
    assert (assign_instances(probability, [(0, 0, 2)], (1, 1, 1), threshold=0.3) > 0)[0, 0].tolist() == [0, 1, 1, 1, 0]


def test_the_threshold_itself_is_outside():
    assert not assign_instances(line(0.5, 0.5, dtype=np.float32), [(0, 0, 0)], (1, 1, 1), threshold=0.5).any()


def test_spacing_decides_which_point_is_nearer():
    """Voxel (2, 0, 1) is 2 voxels in z and 1 in x from the first point, 6 in x from the second."""
    mask, points = np.ones((3, 1, 8), dtype=bool), [(0, 0, 0), (2, 0, 7)]
    assert assign_instances(mask, points, (1, 1, 1), elevation="distance")[2, 0, 1] == 1  # 2.2 µm against 6 µm
    assert assign_instances(mask, points, (5, 1, 1), elevation="distance")[2, 0, 1] == 2  # 10 µm against 6 µm


def test_a_point_beside_the_mask_takes_the_nearest_voxel_within_reach():
    mask = line(0, 0, 0, 1, 1, 1)
    assert assign_instances(mask, [(0, 0, 1)], (1, 1, 1), reach=2.0)[0, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert not assign_instances(mask, [(0, 0, 1)], (1, 1, 1), reach=1.9).any()
    assert not assign_instances(mask, [(0, 0, 1)], (1, 1, 2), reach=2.0).any()  # 4 µm away


def test_the_nearest_voxel_is_the_nearest_in_micrometres():
    """From (0, 0, 0) the mask is one voxel of 3 µm away in z and two voxels of 1 µm in x."""
    mask = np.zeros((2, 1, 3), dtype=bool)
    mask[1, 0, 0] = mask[0, 0, 2] = True
    assert np.argwhere(place_markers(mask, [(0, 0, 0)], (3, 1, 1))).tolist() == [[0, 0, 2]]
    assert np.argwhere(place_markers(mask, [(0, 0, 0)], (1, 1, 1))).tolist() == [[1, 0, 0]]


def test_the_two_landscapes_by_hand():
    """A column of five voxels of 2 µm inside seven, marker in the second; the core of 1 µm is this voxel alone."""
    mask, markers = (np.zeros((7, 1, 1), dtype=kind) for kind in (bool, int))
    mask[1:6] = markers[2] = True
    distance = landscape(mask, markers, (2, 1, 1), "distance")
    depth = landscape(mask, markers, (2, 1, 1), "depth", core=1.0)
    np.testing.assert_allclose(distance.ravel(), [4, 2, 0, 2, 4, 6, 8])
    np.testing.assert_allclose(depth.ravel(), [0, -2, -7, -6, -4, -2, 0])  # -7 = 0 - core - deepest


def test_a_mask_that_fills_the_volume_is_cut_half_way():
    labels = assign_instances(np.ones((1, 1, 20), dtype=bool), [(0, 0, 1), (0, 0, 14)], (1, 1, 1))
    assert labels[0, 0].tolist() == [1] * 8 + [2] * 12


def test_a_point_between_voxels_is_rounded():
    labels = assign_instances(line(1, 1, 0, 1, 1), [(0, 0, 0.6), (0, 0, 3.2)], (1, 1, 1))
    assert labels[0, 0].tolist() == [1, 1, 0, 2, 2]


def test_of_two_points_in_one_voxel_the_higher_score_wins():
    points = [(0, 0, 1.2), (0, 0, 0.8)]
    assert set(assign_instances(line(1, 1, 1), points, (1, 1, 1), scores=[0.4, 0.9]).flat) == {2}
    assert set(assign_instances(line(1, 1, 1), points, (1, 1, 1)).flat) == {1}  # without scores, the first


def test_small_instances_are_removed_and_the_others_keep_their_numbers():
    mask, points = line(1, 0, 1, 1, 1), [(0, 0, 0), (0, 0, 3)]
    labels = assign_instances(mask, points, (2, 0.5, 4), min_volume=5.0)  # 4 µm³ and 12 µm³
    assert labels[0, 0].tolist() == [0, 0, 2, 2, 2]
    assert assign_instances(mask, points, (2, 0.5, 4), min_volume=4.0)[0, 0].tolist() == [1, 0, 2, 2, 2]


def test_nothing_in_nothing_out():
    assert not assign_instances(np.zeros(SHAPE, dtype=bool), [(1, 2, 3)], (1, 1, 1)).any()
    assert not assign_instances(np.ones(SHAPE, dtype=bool), np.zeros((0, 3)), (1, 1, 1)).any()


@pytest.mark.parametrize("elevation", ["distance", "depth"])
def test_two_touching_balls_come_apart(elevation):
    """Two balls of radius 8 µm with centres 14 µm apart: nearly every voxel goes to its own ball."""
    shape, spacing, centres = (12, 24, 40), (2, 1, 1), [(6, 12, 12), (6, 12, 26)]
    first, second = (ball(shape, c, 8, spacing) for c in centres)
    labels = assign_instances(first | second, centres, spacing, elevation=elevation)
    assert ((labels == 1) & first).sum() > 0.95 * first.sum()
    assert ((labels == 2) & second).sum() > 0.95 * second.sum()


def test_unequal_cells_are_cut_at_their_neck():
    """Radii 10 and 5 µm, 13 µm apart: half way between the points lies inside the large cell, the neck does not."""
    shape, centres = (23, 23, 40), [(11, 11, 11), (11, 11, 24)]
    large, small = ball(shape, centres[0], 10), ball(shape, centres[1], 5)
    wrong = {}
    for elevation in ("distance", "depth"):
        labels = assign_instances(large | small, centres, (1, 1, 1), elevation=elevation)
        wrong[elevation] = ((labels == 2) & large & ~small).sum() + ((labels == 1) & small & ~large).sum()
    assert wrong["depth"] < 0.1 * small.sum() < 0.3 * small.sum() < wrong["distance"]


def test_a_point_off_the_middle_keeps_its_cell():
    """Without its core, the deeper marker of the right ball would flood the left one over the saddle between them."""
    shape, points = (17, 17, 34), [(8, 8, 3), (8, 8, 22)]
    left, right = ball(shape, (8, 8, 9), 8), ball(shape, (8, 8, 22), 8)
    kept = [
        ((assign_instances(left | right, points, (1, 1, 1), core=core) == 1) & left).sum() / left.sum()
        for core in (3.0, 0.1)
    ]
    assert kept[0] > 0.95 and kept[1] < 0.5


# ---- properties -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(masks_and_points(), SPACINGS, ELEVATIONS)
def test_labels_fill_exactly_the_components_that_hold_a_point(drawn, spacing, elevation):
    mask, points = drawn
    labels = assign_instances(mask, points, spacing, elevation=elevation)
    components, _ = ndimage.label(mask)
    kept = [components[tuple(p)] for p in points.astype(int)]
    np.testing.assert_array_equal(labels > 0, mask & np.isin(components, kept))


@settings(deadline=None, max_examples=40)
@given(masks_and_points(), SPACINGS, ELEVATIONS)
def test_every_instance_is_connected_and_holds_its_point(drawn, spacing, elevation):
    mask, points = drawn
    labels = assign_instances(mask, points, spacing, elevation=elevation)
    np.testing.assert_array_equal(labels[tuple(points.astype(int).T)], np.arange(len(points)) + 1)
    assert all(ndimage.label(labels == i + 1)[1] == 1 for i in range(len(points)))


@settings(deadline=None, max_examples=40)
@given(masks_and_points(), SPACINGS, ELEVATIONS, st.randoms())
def test_the_order_of_the_points_only_renames(drawn, spacing, elevation, random):
    mask, points = drawn
    order = list(range(len(points)))
    random.shuffle(order)
    labels = assign_instances(mask, points, spacing, elevation=elevation)
    shuffled = assign_instances(mask, points[order], spacing, elevation=elevation)
    new_name = np.zeros(len(points) + 1, dtype=int)
    new_name[np.array(order, dtype=int) + 1] = np.arange(len(points)) + 1
    np.testing.assert_array_equal(shuffled, new_name[labels])


@settings(deadline=None, max_examples=40)
@given(masks_and_points(), SPACINGS, ELEVATIONS, st.tuples(*(st.integers(0, 3),) * 3))
def test_translation_by_whole_voxels(drawn, spacing, elevation, shift):
    mask, points = drawn
    frame = np.pad(mask, 4)
    labels = assign_instances(frame, points + 4, spacing, elevation=elevation)
    moved = assign_instances(np.roll(frame, shift, (0, 1, 2)), points + 4 + shift, spacing, elevation=elevation)
    np.testing.assert_array_equal(moved, np.roll(labels, shift, (0, 1, 2)))


@settings(deadline=None, max_examples=40)
@given(masks_and_points(), SPACINGS, ELEVATIONS, st.sampled_from([0.5, 4.0]))
def test_only_the_ratios_of_the_spacing_matter(drawn, spacing, elevation, factor):
    mask, points = drawn
    larger = tuple(factor * s for s in spacing)
    scaled = assign_instances(mask, points, larger, elevation=elevation, core=3 * factor)
    np.testing.assert_array_equal(scaled, assign_instances(mask, points, spacing, elevation=elevation))


# ---- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": np.ones((4, 5), dtype=bool)}, "2D"),
        ({"mask": np.ones((3, 4, 5), dtype=np.uint8) * 255}, "uint8"),
        ({"mask": np.full((3, 4, 5), np.nan)}, "finite"),
        ({"points": [(0, 0, 9)]}, "outside"),
        ({"points": [(0, 0)]}, "points"),
        ({"points": [(0, 0, 0), (1, 1, 1)], "scores": [0.5]}, "scores"),
        ({"spacing": (1, 1, 0)}, "spacing"),
        ({"elevation": "height"}, "elevation"),
        ({"min_volume": -1}, "min_volume"),
        ({"reach": -1.0}, "reach"),
        ({"core": 0.0}, "core"),
        ({"threshold": float("nan")}, "threshold"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    arguments = {"mask": np.ones((3, 4, 5), dtype=bool), "points": [(0, 0, 0)], "spacing": (1, 1, 1)} | change
    with pytest.raises(InputError, match=message):
        assign_instances(**arguments)
