"""Star-convex search: shapes that were drawn by formula come back, with blur, in any spacing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bfs_tutorial import simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.metrics import evaluate
from bfs_tutorial.normalise import MODALITIES
from bfs_tutorial.star_convex import (
    StarSettings,
    circle_directions,
    common_radius,
    contact_limit,
    directions,
    edge_half_width,
    edge_offset,
    edge_strength,
    fit_radii,
    harmonics,
    keep_near,
    normalised_radius,
    paint,
    radial_profiles,
    recentre,
    search,
    sphere_directions,
    star_convex_labels,
)

S = StarSettings()


def balls(shape, spacing, centres, radii, heights, blur=(2.0, 1.0, 1.0)) -> np.ndarray:
    """Blurred bright balls on 100 counts: (Z, Y, X). centres in voxels, radii and blur σ in µm."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    image = np.zeros(shape)
    for centre, radius, height in zip(centres, radii, heights, strict=True):
        inside = radius - np.linalg.norm((grid - centre) * spacing, axis=-1)
        image = np.maximum(image, height * np.clip(inside / min(spacing) + 0.5, 0, 1))
    return 100 + ndimage.gaussian_filter(image, np.divide(blur, spacing))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero((a == b) & (a > 0)) / np.count_nonzero((a > 0) | (b > 0))


# ---- directions and shapes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", MODALITIES)
def test_rays_are_unit_vectors_that_point_nowhere_on_average_and_harmonics_are_orthonormal(modality):
    rays = directions(modality, 160)
    assert np.allclose(np.linalg.norm(rays, axis=1), 1)
    assert np.abs(rays.mean(axis=0)).max() < 0.01
    basis = harmonics(rays, modality)
    assert basis.shape == ((160, 9) if modality == "fluorescence" else (48, 5))
    assert np.allclose(basis.T @ basis / len(rays), np.eye(basis.shape[1]), atol=0.03)
    assert np.allclose(harmonics(7.0 * rays, modality), basis)  # lengths do not matter


def test_every_place_on_the_sphere_is_within_12_degrees_of_a_ray():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert np.degrees(np.arccos((points @ sphere_directions(160).T).max(axis=1))).max() < 12
    assert np.allclose(circle_directions(4), [[0, 0, 1], [0, 1, 0], [0, 0, -1], [0, -1, 0]], atol=1e-12)


def test_a_ball_is_painted_with_its_volume_and_cut_at_a_face():
    spacing = (2.0, 1.0, 0.5)
    coefficients = np.zeros((1, 9))
    coefficients[0, 0] = 8.0
    whole = paint((20, 40, 80), np.array([[9.7, 20.2, 40.3]]), spacing, coefficients, "fluorescence")
    assert np.count_nonzero(whole) * 1.0 == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.02)
    half = paint((20, 40, 80), np.array([[-0.5, 20.0, 40.0]]), spacing, coefficients, "fluorescence")
    assert np.count_nonzero(half) == pytest.approx(np.count_nonzero(whole) / 2, rel=0.03)


def test_overlapping_balls_meet_where_their_normalised_radii_are_equal():
    coefficients = np.zeros((2, 9))
    coefficients[:, 0] = 8.0, 4.0
    labels = paint((5, 5, 40), np.array([[2.0, 2.0, 10.0], [2.0, 2.0, 19.0]]), (1, 1, 1), coefficients, "fluorescence")
    assert labels[2, 2, 15] == 1 and labels[2, 2, 17] == 2  # the border is at 10 + 9 · 8 / (8 + 4) = 16


def test_the_outline_of_bright_field_is_a_ring_in_the_plane_and_an_ellipse_along_z():
    outline = np.array([6.0, 0.0, 1.0, 0.0, 0.0])  # longer towards +x: 6 + sqrt(2), shorter towards -x
    offsets = np.array([[0, 0, 6 + np.sqrt(2)], [0, 0, np.sqrt(2) - 6], [0, 6, 0], [6, 0, 0], [-3, 0, 0]])
    assert np.allclose(normalised_radius(offsets, outline, "bright-field"), [1, 1, 1, 1, 0.5])


# ---- the search ----------------------------------------------------------------------------------------------


def test_profiles_of_a_ramp_are_exact_in_micrometres():
    spacing = np.array([2.0, 0.8, 0.5])
    z, y, x = np.mgrid[:20, :50, :80] * spacing[:, None, None, None]
    volume = z + 10 * y + 100 * x  # counts rise by (1, 10, 100) a µm
    centre, rays, radii = np.array([[9.5, 24.2, 40.1]]), sphere_directions(30), np.array([0.0, 2.5, 7.0])
    expected = (centre * spacing) @ [1, 10, 100] + (rays @ [1, 10, 100])[:, None] * radii
    assert np.allclose(radial_profiles(volume, centre, spacing, rays, radii)[0], expected)


def test_edge_strength_sees_falls_only_and_is_one_at_the_steepest():
    profile = np.array([0.0, 4.0, 4.0, 4.0, 2.0, 0.0, 0.0, 9.0])
    edge = edge_strength(profile[None, None], 0.5)[0, 0]
    assert edge.argmax() == 4 and edge[4] == 1
    assert (edge[[0, 1, 6, 7]] == 0).all()


def test_contact_limit_without_and_with_sizes():
    centres, spacing = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 5.0]]), (1.0, 1.0, 2.0)  # 10 µm apart
    rays = np.array([[0, 0, 1.0], [0, 0, -1.0], [0, np.sqrt(3) / 2, 0.5]])
    assert np.allclose(contact_limit(centres, spacing, rays)[0], [5, np.inf, 10])
    limit = contact_limit(centres, spacing, rays, np.array([6.0, 3.0]))
    assert limit[0, 0] == pytest.approx((100 + 36 - 9) / 20) and limit[1, 1] == pytest.approx((100 + 9 - 36) / 20)
    assert np.isinf(contact_limit(centres[:1], spacing, rays)).all()


def sharp_edges(surface: np.ndarray) -> np.ndarray:
    """Edges (1, D, R) exactly at the radii `surface` (D,)."""
    return (np.abs(S.radii - surface[:, None]) < S.step / 2).astype(float)[None]


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_smooth_shape_is_fitted_through_its_edges_and_holes_are_bridged(modality):
    rays = directions(modality, 160)
    basis = harmonics(rays, modality)
    free = np.full((1, len(rays)), np.inf)
    true = np.zeros(basis.shape[1])
    true[0], true[-1] = 7.0, 0.4
    edge = sharp_edges(basis @ true)
    edge[:, rays @ [0.0, 0.6, 0.8] > 0.8] = 0  # no evidence on one side
    soft = fit_radii(edge, S.radii, basis, free, S)[0]
    exact = fit_radii(edge, S.radii, basis, free, StarSettings(stiffness=1e-6))[0]
    assert np.abs(exact - true).max() < 0.06
    assert soft[0] == pytest.approx(7.0, abs=0.1) and 0.2 < soft[-1] < 0.4  # the ridge holds the bump back


def test_edges_beyond_the_limit_are_ignored_and_no_edge_leaves_the_common_radius():
    rays = sphere_directions(160)
    basis, near, far = harmonics(rays, "fluorescence"), np.full(160, 6.0), np.full(160, 9.0)
    edge = 0.5 * sharp_edges(near) + sharp_edges(far)
    assert fit_radii(edge, S.radii, basis, np.full((1, 160), np.inf), S)[0, 0] == pytest.approx(9.0)
    assert fit_radii(edge, S.radii, basis, np.full((1, 160), 8.0), S)[0, 0] == pytest.approx(6.0)
    nothing = fit_radii(0 * edge, S.radii, basis, np.full((1, 160), np.inf), S)[0]
    assert nothing[0] == common_radius(0 * edge, S.radii, S)[0] and not nothing[1:].any()


def test_a_ball_seen_from_beside_its_middle_is_recentred():
    rays, spacing = sphere_directions(160), np.array([2.0, 1.0, 0.5])
    away = np.array([0.4, -0.5, 0.3])  # µm from the click to the middle of a ball of radius 7
    along = rays @ away
    surface = along + np.sqrt(along**2 + 49 - away @ away)  # exact
    coefficients = np.linalg.lstsq(harmonics(rays, "fluorescence"), surface, rcond=None)[0]
    moved = recentre(np.full((1, 3), 10.0), coefficients[None], spacing, "fluorescence")
    assert np.allclose((moved[0] - 10) * spacing, away, atol=0.03)
    flat = np.array([[7.0, np.sqrt(0.5), 0.0, 0.0, 0.0]])  # bright field: 1 µm towards +y, never along z
    assert np.allclose(recentre(np.zeros((1, 3)), flat, spacing, "bright-field"), [[0, 1, 0]])


def test_a_click_moves_at_most_its_reach_and_stays_in_the_volume():
    clicks, places = np.array([[1.0, 5.0, 5.0], [1.0, 0.0, 5.0]]), np.array([[1.0, 5.0, 9.0], [1.0, -2.0, 5.0]])
    near = keep_near(places, clicks, (2.0, 1.0, 1.0), 3.0, (4, 20, 20))
    assert np.allclose(near, [[1, 5, 8], [1, 0, 5]])


# ---- what the blur does --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("radius", "sigma"), [(6.0, 1.5), (6.0, 2.0), (10.0, 2.0)])
def test_the_offset_of_a_blurred_ball(radius, sigma):
    step = 0.5
    half = int(np.ceil((radius + 4 * sigma) / step))
    image = balls((2 * half + 1,) * 3, (step,) * 3, [[half] * 3], [radius], [1.0], (sigma,) * 3)
    profile = image[half, half, half:]
    fine = np.arange(0, half, 0.02)
    smooth = ndimage.spline_filter1d(profile)
    fall = -np.gradient(ndimage.map_coordinates(smooth, [fine], order=3, prefilter=False))
    r = fine[fall.argmax()] * step
    width = (fine[(fall > fall.max() / 2).nonzero()[0][-1]] - fine[fall.argmax()]) * step
    assert radius - r > 0.2
    assert edge_offset(np.array([r]), width, "fluorescence")[0] == pytest.approx(radius - r, abs=0.15)


def test_the_offset_of_a_blurred_thickness():
    r = np.arange(-40, 40, 0.01)
    thickness = np.sqrt(np.maximum(-r, 0) * 2)  # a ball's, near its edge at r = 0
    for sigma in (0.5, 1.0, 2.0):
        fall = -np.gradient(ndimage.gaussian_filter1d(thickness, sigma / 0.01))[1000:-1000]
        inside, peak = r[1000:-1000], fall.argmax()
        width = inside[(fall > fall[peak] / 2).nonzero()[0][-1]] - inside[peak]
        assert edge_offset(np.array([8.0]), width, "bright-field")[0] == pytest.approx(-inside[peak], rel=0.02)


def test_the_half_width_is_that_of_the_blur():
    image = balls((41, 41, 41), (1, 1, 1), [[20, 20, 20]], [10.0], [50.0], (2.0, 2.0, 2.0))
    rays = sphere_directions(160)
    surface = np.full((1, 160), 9.6)
    found = edge_half_width(image, np.full((1, 3), 20.0), (1, 1, 1), rays, surface, S)
    assert found == pytest.approx(2.0 * np.sqrt(2 * np.log(2)), abs=0.3)


# ---- all together --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.75, 0.8, 0.8)])
def test_two_touching_balls_of_unlike_size_and_brightness_in_any_spacing(spacing):
    places = np.array([[16.0, 20.0, 18.0], [16.0, 20.0, 32.0]])  # µm
    radii, shape = [9.0, 5.0], tuple(np.ceil(np.array([34, 40, 50]) / spacing).astype(int))
    centres = places / spacing
    image = balls(shape, spacing, centres, radii, [300.0, 120.0])
    found = search(image, centres + 0.5 / np.array(spacing), spacing, "fluorescence")  # clicked 0.9 µm off
    assert np.abs(found.coefficients[:, 0] - radii).max() < 0.5
    assert np.linalg.norm((found.centres - centres) * spacing, axis=1).max() < 0.7
    truth = np.zeros((2, 9))
    truth[:, 0] = radii
    exact = paint(shape, centres, spacing, truth, "fluorescence")
    assert overlap(paint(shape, found.centres, spacing, found.coefficients, "fluorescence"), exact) > 0.85


def test_a_simulated_stack_is_labelled_well_and_its_clicks_need_not_be_exact():
    stack = simulate.fluorescence(12, shape=(14, 72, 72))
    clicks = stack.centres + np.random.default_rng(0).normal(0, 0.5, stack.centres.shape) / stack.spacing
    labels = star_convex_labels(stack.image, clicks, stack.spacing, "fluorescence")
    assert labels.dtype == np.int32 and labels.shape == stack.image.shape
    assert evaluate(labels, stack.labels)["SEG"] > 0.8
    brighter = star_convex_labels(7 * stack.image + 50, clicks, stack.spacing, "fluorescence")
    assert overlap(brighter, labels) > 0.999


def test_bright_field_goes_through_the_phase_and_may_be_turned_in_its_plane():
    stack = simulate.bright_field(12, shape=(14, 64, 64))
    labels = star_convex_labels(stack.image, stack.centres, stack.spacing, "bright-field")
    assert evaluate(labels, stack.labels)["SEG"] > 0.75
    turned = np.rot90(stack.image, axes=(1, 2))  # (y, x) -> (X - 1 - x, y)
    z, y, x = stack.centres.T
    clicks = np.stack([z, stack.image.shape[2] - 1 - x, y], axis=1)
    again = star_convex_labels(turned, clicks, stack.spacing, "bright-field")
    assert overlap(again, np.rot90(labels, axes=(1, 2))) > 0.99


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(3)))
def test_labels_follow_the_order_of_the_clicks(order):
    spacing, centres = (2.0, 1.0, 1.0), np.array([[7.0, 14, 14], [7, 14, 34], [7, 34, 22]])
    image = balls((14, 46, 46), spacing, centres, [6.0, 7.0, 8.0], [100.0, 200.0, 300.0])
    labels = star_convex_labels(image, centres, spacing, "fluorescence")
    permuted = star_convex_labels(image, centres[list(order)], spacing, "fluorescence")
    back = np.append(0, np.array(order) + 1)
    assert np.array_equal(back[permuted], labels)


def test_bad_input_is_refused():
    image = np.random.default_rng(0).normal(100, 5, (6, 20, 20))
    with pytest.raises(InputError, match="'dark' is unknown"):
        star_convex_labels(image, [[3, 10, 10]], (2, 1, 1), "dark")
    with pytest.raises(InputError, match="outside"):
        star_convex_labels(image, [[30, 10, 10]], (2, 1, 1), "fluorescence")
    with pytest.raises(InputError, match="no centres"):
        star_convex_labels(image, [], (2, 1, 1), "fluorescence")
    with pytest.raises(InputError, match="constant"):
        star_convex_labels(np.ones((6, 20, 20)), [[3, 10, 10]], (2, 1, 1), "fluorescence")
    with pytest.raises(InputError, match="tolerance is 0"):
        StarSettings(tolerance=0.0)
    with pytest.raises(InputError, match="at least 20 rays"):
        StarSettings(rays=5)
