"""Transport of intensity: phases whose form is known come back, with the right sign and size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from bfs_tutorial import simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.phase import axial_derivative, inverse_laplacian, transport_of_intensity

WAVELENGTH, INDEX = 0.55, 1.33


def bump(height: float = 0.5, width: float = 6.0, n: int = 96, place: tuple[int, int] = (48, 48)) -> np.ndarray:
    """A Gaussian phase (Y, X) in radians on a grid of 1 µm."""
    y, x = np.mgrid[:n, :n]
    return height * np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / (2 * width**2))


def propagated(phase: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Intensity behind a pure phase object: Fresnel's propagator exp(-iπ λ d f² / n), planes at `distances` µm."""
    f = fft.fftfreq(len(phase))
    squared = f[:, None] ** 2 + f[None, :] ** 2  # cycles² per µm²
    spectrum = fft.fft2(np.exp(1j * phase))
    return np.stack(
        [np.abs(fft.ifft2(spectrum * np.exp(-1j * np.pi * WAVELENGTH / INDEX * d * squared))) ** 2 for d in distances]
    )


@pytest.mark.parametrize("height", [0.5, -0.5])
def test_a_phase_bump_sent_through_free_space_is_recovered_with_its_sign(height):
    phase = bump(height)
    image = propagated(phase, np.array([-1.0, 0.0, 1.0]))
    found = transport_of_intensity(image, (1.0, 1.0, 1.0), WAVELENGTH, INDEX, regularisation=1e4)[1]
    assert np.abs(found - (phase - phase.mean())).max() < 0.03 * abs(height)


def test_the_planes_spacing_is_taken_into_account():
    phase = bump()
    for step in (0.5, 2.0):
        image = propagated(phase, np.array([-step, 0.0, step]))
        found = transport_of_intensity(image, (step, 1.0, 1.0), WAVELENGTH, INDEX, regularisation=1e4)[1]
        assert np.corrcoef(found.ravel(), phase.ravel())[0, 1] > 0.999
        assert np.ptp(found) == pytest.approx(np.ptp(phase), rel=0.05)


def test_phase_grows_with_the_index_and_falls_with_the_wavelength():
    image = propagated(bump(), np.array([-1.0, 0.0, 1.0]))
    once = transport_of_intensity(image, (1, 1, 1), 0.5, 1.0)
    assert np.allclose(transport_of_intensity(image, (1, 1, 1), 0.25, 1.0), 2 * once, atol=1e-5)
    assert np.allclose(transport_of_intensity(image, (1, 1, 1), 0.5, 1.5), 1.5 * once, atol=1e-5)


def test_exposure_and_uneven_light_do_not_matter():
    image = propagated(bump(place=(30, 60)), np.array([-1.0, 0.0, 1.0]))
    y, x = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 96), indexing="ij")
    lamp = 900.0 * (1 + 0.1 * x - 0.05 * y * y)
    even = transport_of_intensity(image, (1, 1, 1))
    uneven = transport_of_intensity(image * lamp, (1, 1, 1))
    assert np.abs(even - uneven).max() < 0.02 * np.ptp(even)


def test_a_mirrored_image_has_the_mirrored_phase_and_a_turned_stack_the_opposite_one():
    image = propagated(bump(place=(20, 70)), np.array([-1.0, 0.0, 1.0]))
    phase = transport_of_intensity(image, (1, 1, 1))
    assert np.allclose(transport_of_intensity(image[:, :, ::-1], (1, 1, 1)), phase[:, :, ::-1], atol=1e-4)
    assert np.allclose(transport_of_intensity(image[::-1], (1, 1, 1)), -phase[::-1], atol=1e-4)


def test_a_cell_is_bright_in_its_own_plane():
    stack = simulate.bright_field(11, shape=(12, 56, 56), number=1, radii=(7.0, 7.0))
    phase = transport_of_intensity(stack.image, stack.spacing)
    z = int(np.rint(stack.centres[0, 0]))
    inside = stack.labels[z] > 0
    assert phase[z][inside].mean() > phase[z][~inside].mean() + 3 * phase[z][~inside].std()
    contrast = stack.image[z] / stack.image[z].mean()  # the same plane as photographed: hardly any contrast
    assert abs(contrast[inside].mean() - contrast[~inside].mean()) < contrast[~inside].std()


@pytest.mark.parametrize("waves", [(1, 0), (0, 3), (2, 5)])
def test_a_cosine_is_inverted_exactly(waves):
    (rows, columns), (dy, dx) = (20, 30), (0.5, 0.8)
    q = np.pi * np.array(waves) / (np.array([rows, columns]) * (dy, dx))  # radians per µm
    y, x = (np.arange(rows) + 0.5) * dy, (np.arange(columns) + 0.5) * dx
    phase = np.cos(q[0] * y)[:, None] * np.cos(q[1] * x)[None, :]
    source = -(q @ q) * phase[None]
    assert np.allclose(inverse_laplacian(source, (dy, dx), 1e6)[0], phase, atol=1e-6)
    at_cut = inverse_laplacian(source, (dy, dx), 2 * np.pi / np.sqrt(q @ q))[0]
    assert np.allclose(at_cut, phase / 2, atol=1e-9)  # a wave as long as `regularisation` is halved


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(-3, 3), st.floats(-3, 3))
def test_the_inverse_is_linear_and_has_mean_zero(seed, a, b):
    f, g = np.random.default_rng(seed).normal(size=(2, 2, 7, 9))
    together = inverse_laplacian(a * f + b * g, (1.0, 2.0), 30.0)
    apart = a * inverse_laplacian(f, (1.0, 2.0), 30.0) + b * inverse_laplacian(g, (1.0, 2.0), 30.0)
    assert np.allclose(together, apart)
    assert np.allclose(together.mean(axis=(1, 2)), 0)


def test_the_derivative_is_central_inside_and_one_sided_at_the_ends():
    image = np.array([0.0, 1.0, 4.0, 9.0])[:, None, None] * np.ones((1, 2, 2))  # z² in planes 2 µm apart
    assert np.allclose(axial_derivative(image, 2.0)[:, 0, 0], [0.5, 1.0, 2.0, 2.5])


def test_bad_input_is_refused():
    image = np.random.default_rng(0).normal(100, 1, (3, 8, 8))
    with pytest.raises(InputError, match="constant stack"):
        transport_of_intensity(np.ones((3, 8, 8)), (2, 1, 1))
    with pytest.raises(InputError, match="1 plane: expected at least 2"):
        transport_of_intensity(image[:1], (2, 1, 1))
    for name in ("wavelength", "refractive_index", "regularisation"):
        with pytest.raises(InputError, match=name):
            transport_of_intensity(image, (2, 1, 1), **{name: 0.0})
    with pytest.raises(InputError, match="spacing"):
        transport_of_intensity(image, (2, 1))
