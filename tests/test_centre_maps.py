"""Eq. 1: hand-made cases, brute force over all voxels and all centres, and properties."""

from __future__ import annotations

from itertools import product
from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfs_tutorial.centre_maps import centre_map, nearest_centre, voronoi_border
from bfs_tutorial.errors import InputError

SHAPE = (6, 9, 10)


def brute_force(shape, centres, spacing, d_m, k, border):
    """Eq. 1 word by word: each voxel, each centre, each corner of the voxel's box."""
    expected = np.zeros(shape)
    corners = np.array(list(product((-0.5, 0.5), repeat=3)))  # (8, 3)
    for voxel in np.ndindex(shape):
        distance = np.linalg.norm((np.array(voxel) - centres) * spacing, axis=1)  # (N,)
        nearest = int(np.argmin(distance))
        # The box meets another cell, or its face, when a corner is at least as near to another centre.
        to_corner = [np.linalg.norm((np.array(voxel) + corners - c) * spacing, axis=1) for c in centres]
        meets = any(
            np.any(to_corner[other] <= to_corner[nearest] * (1 + 1e-7) + 1e-7)
            for other in range(len(centres)) if other != nearest
        )
        if distance[nearest] <= d_m and not (border and meets):
            expected[voxel] = exp(-k * distance[nearest] / d_m)
    return expected


def border_of(shape, centres, spacing):
    return voronoi_border(nearest_centre(shape, centres, spacing)[1], centres, spacing)


@st.composite
def centres_on_a_grid(draw, step=4):
    """1 to 6 different centres on a grid of 1/step voxel inside SHAPE, so that exact ties do happen."""
    coordinate = st.tuples(*(st.integers(0, (n - 1) * step) for n in SHAPE))
    return np.array(draw(st.lists(coordinate, min_size=1, max_size=6, unique=True))) / step


spacings = st.sampled_from([(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.75, 0.8, 0.8), (0.5, 1.3, 0.7)])


def test_one_centre_on_a_line_by_hand():
    line = centre_map((1, 1, 7), [(0, 0, 2)], spacing=(1, 1, 2), d_m=4.0, k=2.0)
    assert line.dtype == np.float32
    # Distances in µm: 4, 2, 0, 2, 4, 6, 8. D = d_m still counts, beyond it is 0.
    np.testing.assert_allclose(line[0, 0], [exp(-2), exp(-1), 1, exp(-1), exp(-2), 0, 0], rtol=1e-6)


def test_border_through_a_voxel_is_one_voxel_thick():
    line = centre_map((1, 1, 5), [(0, 0, 0), (0, 0, 4)], spacing=(1, 1, 1), d_m=8.0, k=2.0)
    np.testing.assert_allclose(line[0, 0], [1, exp(-0.25), 0, exp(-0.25), 1], rtol=1e-6)


def test_border_on_a_face_takes_both_voxels_that_share_it():
    line = centre_map((1, 1, 6), [(0, 0, 0), (0, 0, 5)], spacing=(1, 1, 1), d_m=8.0, k=2.0)
    np.testing.assert_allclose(line[0, 0], [1, exp(-0.25), 0, 0, exp(-0.25), 1], rtol=1e-6)


def test_without_border_the_value_depends_on_the_distance_only():
    line = centre_map((1, 1, 5), [(0, 0, 0), (0, 0, 4)], spacing=(1, 1, 1), d_m=8.0, k=2.0, border=False)
    np.testing.assert_allclose(line[0, 0], [1, exp(-0.25), exp(-0.5), exp(-0.25), 1], rtol=1e-6)


def test_a_far_centre_draws_no_border():
    """The plane half way between two centres more than 2 d_m apart lies where the map is 0 anyway."""
    pair = centre_map((1, 1, 30), [(0, 0, 2), (0, 0, 25)], spacing=(1, 1, 1), d_m=5.0)
    alone = centre_map((1, 1, 30), [(0, 0, 2)], spacing=(1, 1, 1), d_m=5.0)
    np.testing.assert_array_equal(pair[..., :10], alone[..., :10])


def test_spacing_makes_the_ball_round_in_micrometres():
    ball = centre_map((9, 17, 17), [(4, 8, 8)], spacing=(2, 1, 1), d_m=6.0)
    extent = [np.flatnonzero(ball.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    assert [int(e[-1] - e[0]) for e in extent] == [6, 12, 12]  # 12 µm along every axis
    assert ball[5, 8, 8] == ball[4, 10, 8] == ball[4, 8, 6]  # all 2 µm away


def test_a_sub_voxel_centre_is_not_rounded():
    line = centre_map((1, 1, 4), [(0, 0, 1.25)], spacing=(1, 1, 1), d_m=8.0, k=2.0)
    np.testing.assert_allclose(line[0, 0], np.exp(-0.25 * np.array([1.25, 0.25, 0.75, 1.75])), rtol=1e-6)


def test_nearest_centre_by_hand():
    distance, index = nearest_centre((1, 1, 6), [(0, 0, 0), (0, 0, 4)], spacing=(1, 1, 2), reach=3.0)
    np.testing.assert_allclose(distance[0, 0], [0, 2, np.inf, 2, 0, 2])
    assert index[0, 0].tolist() == [0, 0, -1, 1, 1, 1]


def test_nearest_centre_without_reach_fills_the_volume():
    centres = np.array([(0, 0, 0), (5, 8, 9), (2.5, 1, 7)])
    distance, index = nearest_centre(SHAPE, centres, (2, 1, 1))
    grid = np.moveaxis(np.indices(SHAPE), 0, -1)[..., None, :]  # (Z, Y, X, 1, 3)
    every = np.linalg.norm((grid - centres) * (2, 1, 1), axis=-1)  # (Z, Y, X, N)
    np.testing.assert_allclose(distance, every.min(axis=-1), atol=1e-12)
    np.testing.assert_array_equal(index, every.argmin(axis=-1))


def test_voronoi_border_of_a_diagonal_pair_by_hand():
    """Centres (0, 0) and (2, 2): the plane y + x = 2 cuts three boxes and touches four more at an edge."""
    border = border_of((1, 3, 3), [(0, 0, 0), (0, 2, 2)], spacing=(1, 1, 1))
    assert border[0].tolist() == [[False, True, True], [True, True, True], [True, True, False]]


def test_voronoi_border_of_one_centre_is_empty():
    assert not border_of(SHAPE, [(1, 2, 3)], (1, 1, 1)).any()


@settings(deadline=None, max_examples=30)
@given(centres_on_a_grid(), spacings, st.sampled_from([3.0, 5.0, 20.0]), st.booleans())
def test_equals_brute_force(centres, spacing, d_m, border):
    fast = centre_map(SHAPE, centres, spacing, d_m=d_m, k=1.5, border=border)
    np.testing.assert_allclose(fast, brute_force(SHAPE, centres, spacing, d_m, 1.5, border), atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(centres_on_a_grid(step=1), spacings)
def test_a_centre_on_the_grid_has_value_one_unless_a_border_passes(centres, spacing):
    values = centre_map(SHAPE, centres, spacing)[tuple(centres.astype(int).T)]
    on_border = border_of(SHAPE, centres, spacing)[tuple(centres.astype(int).T)]
    np.testing.assert_array_equal(values, np.where(on_border, 0, 1))


@settings(deadline=None, max_examples=30)
@given(centres_on_a_grid(), spacings, st.tuples(*(st.integers(0, 3),) * 3))
def test_translation_by_whole_voxels(centres, spacing, shift):
    larger = tuple(n + 3 for n in SHAPE)
    moved = centre_map(larger, centres + shift, spacing, d_m=5.0)
    window = tuple(slice(s, s + n) for s, n in zip(shift, SHAPE, strict=True))
    np.testing.assert_allclose(moved[window], centre_map(SHAPE, centres, spacing, d_m=5.0), atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(centres_on_a_grid(), spacings, st.integers(0, 2))
def test_mirror_symmetry(centres, spacing, axis):
    mirrored = centres.copy()
    mirrored[:, axis] = SHAPE[axis] - 1 - centres[:, axis]
    original = centre_map(SHAPE, centres, spacing, d_m=5.0)
    np.testing.assert_allclose(np.flip(centre_map(SHAPE, mirrored, spacing, d_m=5.0), axis), original, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(centres_on_a_grid(), spacings, st.randoms())
def test_the_order_of_the_centres_does_not_matter(centres, spacing, random):
    order = list(range(len(centres)))
    random.shuffle(order)
    np.testing.assert_array_equal(
        centre_map(SHAPE, centres[order], spacing, d_m=5.0), centre_map(SHAPE, centres, spacing, d_m=5.0)
    )


@settings(deadline=None, max_examples=30)
@given(centres_on_a_grid(), spacings, st.sampled_from([0.5, 2.0, 4.0]))
def test_only_the_ratio_of_spacing_to_d_m_matters(centres, spacing, factor):
    scaled = centre_map(SHAPE, centres, tuple(factor * s for s in spacing), d_m=factor * 5.0)
    np.testing.assert_array_equal(scaled, centre_map(SHAPE, centres, spacing, d_m=5.0))


@settings(deadline=None, max_examples=30)
@given(centres_on_a_grid(), spacings)
def test_values_are_between_zero_and_one_and_the_border_only_removes(centres, spacing):
    cut, whole = (centre_map(SHAPE, centres, spacing, d_m=5.0, border=b) for b in (True, False))
    assert 0 <= whole.min() and whole.max() <= 1
    assert np.all((cut == whole) | (cut == 0))
    np.testing.assert_array_equal((cut == 0) & (whole > 0), border_of(SHAPE, centres, spacing) & (whole > 0))


def test_the_border_is_at_most_two_voxels_thick_along_an_axis():
    border = border_of((1, 1, 41), [(0, 0, 3.3), (0, 0, 21.9), (0, 0, 37)], spacing=(1, 1, 1))
    runs = np.diff(np.flatnonzero(np.diff(np.pad(border[0, 0].astype(int), 1))).reshape(-1, 2), axis=1)
    assert len(runs) == 2 and runs.max() <= 2


def test_close_pairs_stay_two_separate_maxima():
    pair = [(4, 6, 5), (4, 6, 9)]
    together = centre_map((9, 13, 15), pair, (1, 1, 1), d_m=8.0)
    assert together[4, 6, 7] == 0 < together[4, 6, 6] == together[4, 6, 8] < together[4, 6, 5] == 1
    assert centre_map((9, 13, 15), pair, (1, 1, 1), d_m=8.0, border=False)[4, 6, 7] == pytest.approx(exp(-0.5))


def test_lengths_are_micrometres_along_the_diagonal_too():
    value = centre_map((3, 3, 3), [(0, 0, 0)], (2.0, 0.5, 1.0), d_m=8.0, k=2.0)[1, 2, 1]
    assert value == pytest.approx(exp(-2 * sqrt(4 + 1 + 1) / 8), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centres": np.zeros((0, 3))}, "centre"),
        ({"centres": [(0, 0, 99)]}, "outside"),
        ({"centres": [(1, 1, 1), (1, 1, 1)]}, "twice"),
        ({"centres": [(np.nan, 0, 0)]}, "finite"),
        ({"spacing": (1, 0, 1)}, "spacing"),
        ({"d_m": 0.0}, "d_m"),
        ({"d_m": float("nan")}, "d_m"),
        ({"k": -1.0}, "k is"),
        ({"shape": (5, 5)}, "shape"),
        ({"shape": (5, 5, 0)}, "shape"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    arguments = {"shape": SHAPE, "centres": [(1, 2, 3)], "spacing": (1, 1, 1)} | change
    with pytest.raises(InputError, match=message) as error:
        centre_map(**arguments)
    assert "\n" not in str(error.value)
