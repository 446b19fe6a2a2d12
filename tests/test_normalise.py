"""Normalisation: what it must not care about, and what it must keep."""

from __future__ import annotations

import numpy as np
import pytest

from bfs_tutorial.errors import InputError
from bfs_tutorial.normalise import MODALITIES, edge_image, normalise


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    image = rng.normal(100.0, 3.0, (6, 40, 40))
    image[2:4, 10:16, 10:16] += 200.0
    return image.astype(np.float32)


@pytest.mark.parametrize("modality", MODALITIES)
def test_exposure_does_not_matter(image, modality):
    assert np.allclose(normalise(image, modality), normalise(7.0 * image, modality), atol=1e-3)


def test_a_camera_offset_does_not_matter_in_fluorescence(image):
    assert np.allclose(
        normalise(image, "fluorescence"), normalise(image + 500.0, "fluorescence"), atol=1e-3
    )


def test_bright_field_has_mean_zero_and_standard_deviation_one(image):
    result = normalise(image, "bright-field")
    assert result.mean() == pytest.approx(0.0, abs=1e-5) and result.std() == pytest.approx(1.0, abs=1e-5)


def test_uneven_illumination_is_divided_away():
    rng = np.random.default_rng(0)
    flat = rng.normal(1.0, 0.03, (4, 128, 128))
    lamp = 1.0 + 0.3 * np.linspace(-1, 1, 128) - 0.2 * np.linspace(-1, 1, 128)[:, None] ** 2
    even, uneven = (normalise(i, "bright-field") for i in (flat, flat * lamp))
    assert np.corrcoef(even.ravel(), uneven.ravel())[0, 1] > 0.99
    assert np.corrcoef(flat.ravel(), (flat * lamp).ravel())[0, 1] < 0.5  # without the division it is lost


def test_fluorescence_background_is_near_zero_and_the_order_of_grey_values_is_kept(image):
    result = normalise(image, "fluorescence")
    assert abs(np.median(result)) < 0.01
    assert result[2:4, 10:16, 10:16].min() > 2.0
    order = np.argsort(image, axis=None)
    assert (np.diff(result.ravel()[order]) >= 0).all()


def test_one_saturated_voxel_hardly_moves_the_rest(image):
    before = normalise(image, "fluorescence")
    image[0, 0, 0] = 60000.0
    assert np.abs(normalise(image, "fluorescence") - before)[1:].max() < 0.05


def test_a_stack_without_noise_stays_finite():
    image = np.zeros((4, 8, 8), dtype=np.float32)
    image[1:3, 2:5, 2:5] = 10.0
    assert np.isfinite(normalise(image, "fluorescence")).all()


def test_unknown_modality_and_constant_stack(image):
    with pytest.raises(InputError, match="'phase' is unknown; choose one of bright-field, fluorescence"):
        normalise(image, "phase")
    with pytest.raises(InputError):
        normalise(np.ones((3, 4, 4)), "fluorescence")


def test_the_edge_image_is_the_counts_in_fluorescence_and_what_the_networks_see_in_bright_field(image):
    assert np.array_equal(edge_image(image, "fluorescence"), np.asarray(image, dtype=np.float32))
    assert np.array_equal(edge_image(image, "bright-field"), normalise(image, "bright-field"))
    with pytest.raises(InputError, match="'phase' is unknown"):
        edge_image(image, "phase")
