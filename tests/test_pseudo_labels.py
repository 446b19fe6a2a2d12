"""Pseudo labels: thresholds on known blobs, overlaps, clicks that are moved to the network's maximum."""

from __future__ import annotations

import numpy as np
import pytest

from bfs_tutorial import unet
from bfs_tutorial.centre_maps import nearest_centre
from bfs_tutorial.errors import InputError
from bfs_tutorial.pseudo_labels import (
    cluster_labels,
    combine,
    joint_labels,
    pseudo_labels,
    response_mask,
    snap_to_maxima,
)

SPACING = (2.0, 1.0, 1.0)
SHAPE = (12, 40, 40)


def blob(centre, sigma, shape=SHAPE, spacing=SPACING):
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return np.exp(-(((grid - centre) * spacing) ** 2).sum(axis=-1) / (2 * sigma**2))


def window(*slices):
    return tuple(slice(*s) for s in slices)


WHOLE = window((0, 12), (0, 40), (0, 40))


def test_a_blob_becomes_a_compact_mask_round_in_micrometres():
    mask = response_mask(blob((6, 20, 20), 5.0), SPACING, smoothing=1.0)
    extent = [(np.ptp(np.flatnonzero(mask.any(axis=axes))) + 1) for axes in ((1, 2), (0, 2), (0, 1))]
    assert mask[6, 20, 20] and not mask[0, 0, 0]
    assert np.multiply(extent, SPACING) == pytest.approx(np.full(3, extent[1]), abs=2.0)


def test_a_lower_factor_gives_a_larger_mask_that_contains_the_smaller():
    response = blob((6, 20, 20), 5.0)
    masks = [response_mask(response, SPACING, 1.0, factor) for factor in (1.5, 1.0, 0.5)]
    assert masks[0].sum() < masks[1].sum() < masks[2].sum()
    assert (masks[0] <= masks[1]).all() and (masks[1] <= masks[2]).all()


def test_a_dead_map_gives_no_label():
    assert not response_mask(np.zeros(SHAPE), SPACING).any()
    assert combine([(WHOLE, np.zeros(SHAPE))], SHAPE, SPACING).max() == 0


def test_labels_follow_the_order_of_the_maps_and_neighbours_split_midway():
    left, right = blob((6, 20, 15), 5.0), 9.0 * blob((6, 20, 25), 5.0)  # the brighter one must not win everything
    labels = combine([(WHOLE, left), (WHOLE, right)], SHAPE, SPACING, smoothing=1.0)
    line = labels[6, 20]
    assert line[15] == 1 and line[25] == 2 and labels[0, 0, 0] == 0
    assert (line[13:20] == 1).all() and (line[21:28] == 2).all()
    swapped = combine([(WHOLE, right), (WHOLE, left)], SHAPE, SPACING, smoothing=1.0)
    assert np.array_equal((labels == 1)[..., :20], (swapped == 2)[..., :20])


def test_windows_are_put_back_where_they_were_cut_even_beyond_the_padding():
    whole = blob((10, 34, 34), 3.0)
    cut = window((4, 14), (24, 44), (24, 44))  # reaches 2, 4 and 4 voxels past the stack
    part = np.zeros((10, 20, 20))
    part[:8, :16, :16] = whole[4:, 24:, 24:]
    labels = combine([(cut, part)], SHAPE, SPACING, smoothing=0.5)
    expected = combine([(WHOLE, whole)], SHAPE, SPACING, smoothing=0.5)
    assert labels[10, 34, 34] == 1 and labels[:4].max() == 0
    assert ((labels > 0) & (expected > 0)).sum() > 0.8 * ((labels > 0) | (expected > 0)).sum()


def test_clicks_move_to_the_maximum_within_the_radius_in_micrometres():
    probability = np.zeros(SHAPE, dtype=np.float32)
    probability[6, 20, 22] = 0.9
    probability[8, 20, 20] = 1.0  # 4 µm away along z
    clicks = np.array([[6.2, 19.8, 20.4]])
    assert snap_to_maxima(clicks, probability, SPACING, radius=3.0).tolist() == [[6, 20, 22]]
    assert snap_to_maxima(clicks, probability, SPACING, radius=5.0).tolist() == [[8, 20, 20]]
    assert snap_to_maxima(clicks, probability, SPACING, radius=1.0).tolist() == [[6, 20, 20]]


def test_clicks_at_the_faces_stay_inside():
    probability = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    moved = snap_to_maxima(np.array([[0, 0, 0], [11.4, 39.4, 39.4]]), probability, SPACING)
    assert (moved >= 0).all() and (moved < SHAPE).all()


def test_from_network_to_labels_one_label_per_peak():
    net = unet.build(2, channels=(4, 8), pools=[(1, 2, 2)])
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    peaks = np.array([[6, 10, 10], [6, 30, 30]])
    labels = pseudo_labels(net, image, peaks, SPACING)
    assert labels.shape == SHAPE and labels.dtype == np.int32
    assert set(np.unique(labels)) == {0, 1, 2}


@pytest.mark.parametrize("rule", ["guided", "gradient"])
def test_other_rules_give_one_label_per_peak_too(rule):
    net = unet.build(2, channels=(4, 8), pools=[(1, 2, 2)])
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    labels = pseudo_labels(net, image, np.array([[6, 10, 10], [6, 30, 30]]), SPACING, rule=rule)
    assert set(np.unique(labels)) == {0, 1, 2}
    with pytest.raises(InputError, match="rule 'nonsense' is unknown"):
        pseudo_labels(net, image, np.array([[6, 10, 10]]), SPACING, rule="nonsense")


def two_cells():
    """Two bright balls of 5 µm, their Voronoi cells, and the distance to the nearer point."""
    points = np.array([(6, 20, 10), (6, 20, 30)])
    distance, cell = nearest_centre(SHAPE, points, SPACING)
    signal = np.where(distance <= 5.0, 10.0, 1.0) + np.random.default_rng(0).normal(0, 0.2, SHAPE)
    return signal, cell + 1, distance


def test_clusters_find_bright_balls_near_the_points():
    signal, cells, distance = two_cells()
    truth = np.where(distance <= 5.0, cells, 0)
    assert (cluster_labels(signal, cells, distance) != truth).mean() < 0.02


def test_image_and_response_together_cut_where_both_are_high():
    signal, cells, distance = two_cells()
    response = np.exp(-((distance / 6.0) ** 2))
    labels = joint_labels(cells, response, np.maximum(signal - 1, 0))
    assert (labels != np.where(distance <= 5.0, cells, 0)).mean() < 0.02
    assert joint_labels(cells, np.zeros(SHAPE), signal).max() == 0


def test_bad_factor():
    with pytest.raises(InputError, match="factor is 0"):
        combine([], SHAPE, SPACING, factor=0)
