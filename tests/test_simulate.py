"""Simulated z-stacks: cells, camera, blur, and wave optics against models that are not this code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, ndimage

from bfs_tutorial import simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.simulate import bright_field as simulate_bright_field
from bfs_tutorial.simulate import fluorescence as simulate_fluorescence
from bfs_tutorial.simulate.bright_field import (
    BrightFieldOptics,
    bin_pixels,
    expose,
    frequencies,
    intensity,
    lamp,
    propagator,
    smooth_step,
    source_points,
)
from bfs_tutorial.simulate.cells import (
    Cells,
    cells,
    depth,
    paint_labels,
    random_cell,
    surface_radius,
    texture,
)
from bfs_tutorial.simulate.fluorescence import (
    FluorescenceOptics,
    camera,
    draw_brightness,
    dye,
    image_formation,
)

DATA = Path(__file__).parent / "data"
SMALL = {"shape": (12, 48, 48), "radii": (5.0, 7.0)}


def one_cell(radius=6.0, bumps=(0.0, 0.0, 0.0), centre=(15.0, 24.0, 24.0)):
    """A cell without granules, its bumps along z, y and x."""
    cell = random_cell(np.random.default_rng(0), (radius, radius))
    return replace(
        cell,
        centre=np.array(centre),
        bump_axes=np.eye(3),
        bump_heights=np.array(bumps),
        granules=np.zeros((0, 3)),
        granule_radii=np.zeros(0),
    )


def scene(cell, shape=(16, 48, 48), spacing=(2.0, 1.0, 1.0)):
    return Cells(paint_labels((cell,), shape, spacing), spacing, (cell,))


def neighbours(labels, number):
    """The labels that share a face, an edge or a corner with one label."""
    around = ndimage.binary_dilation(labels == number, np.ones((3, 3, 3)))
    return set(np.unique(labels[around]).tolist()) - {0, number}


# --- cells ------------------------------------------------------------------------------------------------


def test_a_cell_without_bumps_is_a_ball():
    cell = one_cell(radius=7.0)
    offsets = np.random.default_rng(1).normal(size=(50, 3))
    np.testing.assert_allclose(surface_radius(cell, offsets), 7.0)
    np.testing.assert_allclose(depth(cell, offsets), 7.0 - np.linalg.norm(offsets, axis=1))


def test_bumps_follow_the_legendre_polynomials():
    # P2(1) = 1 and P2(0) = -1/2 along the first axis; P3(1) = 1, P3(-1) = -1, P3(0) = 0 along the third
    cell = one_cell(radius=10.0, bumps=(0.2, 0.0, 0.1))
    axes = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]], float)
    np.testing.assert_allclose(surface_radius(cell, axes), [12, 12, 9, 10, 8])


def test_texture_has_mean_zero_and_variance_one():
    values = texture(one_cell(), np.random.default_rng(2).uniform(-200, 200, size=(200_000, 3)))
    assert abs(values.mean()) < 0.02
    assert values.var() == pytest.approx(1, abs=0.02)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    grid=st.sampled_from(
        [((16, 96, 96), (2.0, 1.0, 1.0)), ((40, 90, 80), (1.75, 0.8, 0.8)), ((30, 60, 60), (1.0, 1.0, 1.0))]
    ),
)
def test_every_cell_is_one_piece_around_its_centre_and_has_the_volume_of_its_radius(seed, grid):
    shape, spacing = grid
    drawn = cells(np.random.default_rng(seed), shape, spacing, (5.0, 10.0), number=5)
    assert drawn.labels.dtype == np.int32
    assert set(np.unique(drawn.labels)) == {0, 1, 2, 3, 4, 5}
    for number, (centre, radius) in enumerate(zip(drawn.centres, drawn.radii, strict=True), start=1):
        inside = drawn.labels == number
        assert inside[tuple(np.rint(centre).astype(int))]
        assert ndimage.label(inside)[1] == 1
        share = inside.sum() * np.prod(spacing) / (4 / 3 * np.pi * radius**3)
        assert 0.7 < share < 1.2  # bumps add and take a little, a corner of the volume cuts off the most
        to_faces = np.minimum(centre + 0.5, np.array(shape) - 0.5 - centre) * spacing
        assert to_faces.min() >= 0.6 * radius - 1e-9


def test_touching_cells_touch_and_apart_cells_are_mostly_apart():
    def share(touching):
        found = []
        for seed in range(4):
            labels = cells(np.random.default_rng(seed), number=10, touching=touching).labels
            found += [bool(neighbours(labels, n)) for n in range(1, 11)]
        return np.mean(found)

    assert share(1.0) == 1
    assert share(0.0) < 0.2
    assert share(0.0) < share(0.6) <= 1


def test_sizes_and_numbers_spread_widely():
    drawn = [cells(np.random.default_rng(seed)) for seed in range(12)]
    numbers = [len(d.items) for d in drawn]
    assert 9 <= min(numbers) < max(numbers) <= 17
    radii = np.concatenate([d.radii for d in drawn])
    assert radii.min() < 5.5 and radii.max() > 10.5
    assert radii.std() > 0.8 * 6 / np.sqrt(12)  # of a uniform spread over 6 µm


def test_the_same_cells_on_a_finer_grid_have_the_same_volumes():
    drawn = cells(np.random.default_rng(3), (16, 64, 64), number=3)
    fine = paint_labels(drawn.items, (63, 127, 127), (0.5, 0.5, 0.5))  # first and last voxels coincide
    coarse = np.bincount(drawn.labels.ravel())[1:] * 2.0
    np.testing.assert_allclose(np.bincount(fine.ravel())[1:] * 0.125, coarse, rtol=0.08)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"spacing": (0.0, 1.0, 1.0)}, "spacing"),
        ({"shape": (16, 128)}, "shape"),
        ({"shape": (16, 128, 0)}, "shape"),
        ({"shape": (4, 64, 64)}, "does not fit"),
        ({"radii": (0.0, 5.0)}, "radii"),
        ({"radii": (8.0, 5.0)}, "radii"),
        ({"touching": 1.2}, "touching"),
        ({"number": 0}, "number"),
        ({"number": (9, 3)}, "number"),
        ({"shape": (12, 32, 32), "number": 40}, "no room"),
    ],
)
def test_impossible_cells_are_refused(request_, words):
    for simulator in (simulate_fluorescence, simulate_bright_field):
        with pytest.raises(InputError, match=words):
            simulator(0, **request_)


# --- both simulators --------------------------------------------------------------------------------------


@pytest.mark.parametrize("simulator", [simulate_fluorescence, simulate_bright_field])
def test_the_same_seed_gives_the_same_stack_and_another_does_not(simulator):
    first, again, other = (simulator(seed, **SMALL) for seed in (7, 7, 8))
    assert first.image.dtype == np.float32
    assert first.image.tobytes() == again.image.tobytes()
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.centres.tobytes() == again.centres.tobytes()
    assert not np.array_equal(first.image, other.image)
    assert not np.array_equal(first.labels, other.labels)


def test_both_modalities_show_the_same_cells():
    bright, fluorescent = simulate_bright_field(5, **SMALL), simulate_fluorescence(5, **SMALL)
    np.testing.assert_array_equal(bright.labels, fluorescent.labels)
    np.testing.assert_array_equal(bright.centres, fluorescent.centres)


@pytest.mark.parametrize("modality", ["bright-field", "fluorescence"])
def test_a_longer_data_set_begins_with_the_shorter_one(modality):
    short, long = (simulate.dataset(modality, n, 3, **SMALL) for n in (1, 2))
    assert [stack.name for stack in long] == [f"{modality}-0000", f"{modality}-0001"]
    np.testing.assert_array_equal(short[0].image, long[0].image)
    assert not np.array_equal(long[0].image, long[1].image)
    assert not np.array_equal(long[0].image, simulate.dataset(modality, 1, 4, **SMALL)[0].image)


@pytest.mark.parametrize(
    ("modality", "n", "seed"), [("x-ray", 1, 0), ("fluorescence", -1, 0), ("fluorescence", 1, -1)]
)
def test_impossible_data_sets_are_refused(modality, n, seed):
    with pytest.raises(InputError, match="expected"):
        simulate.dataset(modality, n, seed)


def test_the_camera_has_the_mean_and_the_variance_of_its_electrons():
    counts = np.full(200_000, 50.0)
    image = camera(np.random.default_rng(0), counts, gain=2.0, offset=100.0, read_noise=3.0)
    assert image.mean() == pytest.approx(150, abs=0.1)
    assert image.var() == pytest.approx(2.0 * 50 + 9, rel=0.02)


# --- fluorescence -----------------------------------------------------------------------------------------


def test_dye_fills_the_label_with_the_brightness_and_falls_with_depth():
    drawn = scene(one_cell(radius=8.0))
    plain = dye(drawn, np.array([200.0]), FluorescenceOptics(texture=0.0))
    np.testing.assert_allclose(plain[drawn.labels == 0], 0, atol=101)  # half-way on the surface
    core = ndimage.binary_erosion(drawn.labels == 1)
    np.testing.assert_allclose(plain[core], 200, rtol=1e-5)
    z = np.arange(16)[:, None, None] * 2.0
    for loss, travelled in ((0.02, z), (-0.02, 30 - z)):
        dimmed = dye(drawn, np.array([200.0]), FluorescenceOptics(texture=0.0, depth_loss=loss))
        np.testing.assert_allclose(dimmed, plain * np.exp(-0.02 * travelled), rtol=1e-5)


def test_blur_keeps_the_light_and_spreads_it_by_the_psf():
    light = np.zeros((31, 41, 41))
    light[15, 20, 20] = 1000.0
    optics = FluorescenceOptics(psf_sigma=(4.0, 1.5, 1.5), haze=0.0, background=0.0)
    image = image_formation(light, (2.0, 1.0, 1.0), optics)
    assert image.sum() == pytest.approx(1000, rel=1e-6)
    z, y = np.arange(31) * 2.0 - 30, np.arange(41) - 20.0
    assert np.sqrt((image.sum((1, 2)) * z**2).sum() / 1000) == pytest.approx(4.0, rel=0.01)
    assert np.sqrt((image.sum((0, 2)) * y**2).sum() / 1000) == pytest.approx(1.5, rel=0.01)
    hazy_optics = replace(optics, haze=0.5, haze_sigma=(8.0, 4.0, 4.0), background=9.0)
    hazy = image_formation(light, (2.0, 1.0, 1.0), hazy_optics)
    assert hazy.min() >= 9
    assert hazy[15, 20, 20] - 9 == pytest.approx(image[15, 20, 20] / 2, rel=0.1)


def test_brightness_is_spread_and_mitotic_nuclei_stand_out():
    optics = FluorescenceOptics(mitotic_fraction=0.0)
    counts = draw_brightness(np.random.default_rng(0), 4000, optics)
    assert 120 <= counts.min() < 125 and 480 < counts.max() <= 500
    assert np.median(counts) == pytest.approx(np.sqrt(120 * 500), rel=0.03)  # uniform in the logarithm
    mitotic = draw_brightness(np.random.default_rng(0), 4000, replace(optics, mitotic_fraction=1.0))
    assert (mitotic / counts).min() >= 3 and (mitotic / counts).max() <= 6


def test_randomised_optics_cover_the_prior():
    drawn = [FluorescenceOptics.randomised(np.random.default_rng(seed)) for seed in range(200)]
    axial, lateral = (np.array([o.psf_sigma[d] for o in drawn]) for d in (0, 1))
    assert 1 <= axial.min() < 1.1 and 4.6 < axial.max() <= 5
    assert 0.5 <= lateral.min() < 0.55 and 1.4 < lateral.max() <= 1.5
    assert all(o.haze_sigma[0] > 0 and o.brightness[0] < o.brightness[1] for o in drawn)
    assert {o.depth_loss > 0 for o in drawn} == {True, False}


def test_randomised_stacks_enclose_the_real_embryos(shared):
    def numbers(image, labels):
        outside = ~ndimage.binary_dilation(labels > 0, iterations=4)
        steps = np.diff(image, axis=2)[outside[:, :, 1:] & outside[:, :, :-1]]
        return np.median(image[outside]), image[labels > 0].mean(), steps.std()

    like = {"shape": (51, 120, 122), "spacing": (1.75, 0.8, 0.8), "radii": (5.0, 10.0), "number": (8, 20)}
    stacks = (simulate_fluorescence(seed, randomise=True, touching=0.2, **like) for seed in range(12))
    simulated = np.array([numbers(stack.image, stack.labels) for stack in stacks])
    for stage in ("8", "16"):
        folder = shared / "data" / "mouse_embryo_fluorescence"
        image = tifffile.imread(folder / f"{stage}_cell_raw.tif").astype(np.float32)
        real = numbers(image, tifffile.imread(folder / f"{stage}_cell_nsn.tif"))
        assert np.all(simulated.min(0) < real) and np.all(real < simulated.max(0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"psf_sigma": (1.0, 1.0)},
        {"psf_sigma": (-1.0, 1.0, 1.0)},
        {"psf_sigma": (float("nan"), 1.0, 1.0)},
        {"haze": 1.5},
        {"gain": 0.0},
        {"read_noise": -1.0},
        {"brightness": (500.0, 120.0)},
        {"mitotic_fraction": -0.1},
    ],
)
def test_impossible_fluorescence_optics_are_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        FluorescenceOptics(**wrong)


def test_optics_and_randomise_exclude_each_other():
    with pytest.raises(InputError, match="one of them"):
        simulate_fluorescence(0, optics=FluorescenceOptics(), randomise=True, **SMALL)


# --- bright field: wave optics against known answers ------------------------------------------------------

STEP = (0.5, 0.5)


def contrast_of_thin_object(phase, z, optics):
    """The image of a thin phase object, focused z µm above it, minus 1, per radian of phase."""
    scale = 5e-3
    index = scale * phase[None] * optics.wavelength / (2 * np.pi)
    return (intensity(index, (1.0, *STEP), optics, np.array([z]))[0].astype(float) - 1) / scale


def disc(n=64, radius=4.0):
    y, x = np.meshgrid(np.arange(n) - n // 2, np.arange(n) - n // 2, indexing="ij")
    return smooth_step(radius - np.hypot(y, x) * STEP[0], 1.0)


@pytest.mark.parametrize("distance", [-20.0, -1.0, 0.0, 3.0, 50.0])
def test_free_space_keeps_the_energy(distance):
    rng = np.random.default_rng(0)
    wave = rng.normal(size=(48, 40)) + 1j * rng.normal(size=(48, 40))
    space = propagator(*frequencies((48, 40), STEP), distance, BrightFieldOptics())
    moved = fft.ifft2(fft.fft2(wave) * space)
    assert np.sum(np.abs(moved) ** 2) == pytest.approx(np.sum(np.abs(wave) ** 2), rel=1e-5)


def test_free_space_there_and_back_changes_nothing():
    optics, f = BrightFieldOptics(), frequencies((48, 40), STEP)
    there_and_back = propagator(*f, 7.5, optics) * propagator(*f, -7.5, optics)
    np.testing.assert_allclose(there_and_back, 1, atol=1e-4)


def test_a_gaussian_beam_widens_as_the_textbook_says():
    # w(z) = w0 sqrt(1 + (z λ / (π n w0²))²), and <r²> = w²/2 for the intensity exp(-2 r² / w²)
    optics, w0, z = BrightFieldOptics(), 4.0, 60.0
    x = (np.arange(192) - 96) * 0.5
    r2 = x[:, None] ** 2 + x[None, :] ** 2
    beam = fft.ifft2(fft.fft2(np.exp(-r2 / w0**2)) * propagator(*frequencies((192, 192), STEP), z, optics))
    light = np.abs(beam) ** 2
    width = np.sqrt(2 * (light * r2).sum() / light.sum())
    assert width == pytest.approx(w0 * np.sqrt(1 + (z * 0.55 / (np.pi * 1.34 * w0**2)) ** 2), rel=0.01)


def test_source_points_fill_the_condenser_evenly_in_opposite_pairs_and_are_periodic():
    optics = BrightFieldOptics(angles=200)
    points = source_points((288, 256), STEP, optics)
    np.testing.assert_allclose(points.sum(axis=0), 0, atol=1e-12)
    turns = points * np.array([288, 256]) * STEP
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-9)
    radii = np.linalg.norm(points, axis=1) * optics.wavelength / optics.condenser_na
    assert radii.max() < 1.02
    assert np.mean(radii**2) == pytest.approx(0.5, abs=0.01)  # of a uniform disc
    assert np.mean(radii < np.sqrt(0.25)) == pytest.approx(0.25, abs=0.03)


def test_without_an_object_and_behind_a_flat_slab_the_light_is_uniform():
    for step in (0.0, 0.03):
        index, planes = np.full((4, 32, 36), step), np.array([-5.0, 0.0, 9.0])
        image = intensity(index, (1.0, *STEP), BrightFieldOptics(angles=8), planes)
        assert image.shape == (3, 32, 36)
        np.testing.assert_allclose(image, 1, atol=2e-5)


def textbook_transfer(f, z, optics, points):
    """Contrast per radian of a thin weak phase grating φ cos(2π f x), focused z above it, by plain sums.

    A source point s becomes the wave exp(2πi s·r) and, at the grating, two weaker ones, (iφ/2) exp(2πi (s ±
    f)·r). Each travels z with its own axial frequency, if the objective lets it pass. The image is the
    interference of the first with the other two, c(s, +f) and c(s, -f): T = 2 mean over s of [c(s, +f) +
    conj c(s, -f)].
    """
    def axial(sy, sx):
        return np.sqrt((optics.medium_index / optics.wavelength) ** 2 - sy**2 - sx**2)

    total = 0j
    for sy, sx in points:
        for sign in (1, -1):
            if np.hypot(sy, sx + sign * f) <= optics.objective_na / optics.wavelength:
                beat = 0.5j * np.exp(2j * np.pi * z * (axial(sy, sx + sign * f) - axial(sy, sx)))
                total += beat if sign == 1 else beat.conjugate()
    return 2 * total / len(points)


@pytest.mark.parametrize("z", [-12.0, -4.0, 0.0, 2.0, 8.0])
@pytest.mark.parametrize("periods", [2, 6, 13, 22, 29])
def test_a_weak_grating_has_the_contrast_of_the_textbook_transfer_function(periods, z):
    optics, n = BrightFieldOptics(angles=24), 64
    x = np.arange(n) * STEP[1]
    f = periods / (n * STEP[1])  # up to 0.91 cycles per µm, of (0.3 + 0.25) / 0.55 = 1
    grating = np.tile(np.cos(2 * np.pi * f * x), (n, 1))
    image = contrast_of_thin_object(grating, z, optics)
    measured = 2 * (image * np.exp(-2j * np.pi * f * x)).mean()
    expected = textbook_transfer(f, z, optics, source_points((n, n), STEP, optics))
    assert measured == pytest.approx(expected, abs=2e-3)
    assert abs(expected) > 0.01 or z == 0  # the comparison is not between zeros


def test_a_weak_phase_object_is_invisible_in_focus_and_turns_over_on_the_other_side():
    optics = BrightFieldOptics()
    below, focus, above = (contrast_of_thin_object(disc(), z, optics) for z in (-6.0, 0.0, 6.0))
    assert focus.std() < 0.02 * above.std()
    assert np.sqrt(np.mean((above + below) ** 2)) < 0.02 * above.std()


def test_the_image_moves_with_the_object():
    optics = BrightFieldOptics(angles=8)
    image = contrast_of_thin_object(disc(48), 5.0, optics)
    moved = contrast_of_thin_object(np.roll(disc(48), (7, -11), (0, 1)), 5.0, optics)
    np.testing.assert_allclose(moved, np.roll(image, (7, -11), (0, 1)), atol=1e-3)


def test_a_weak_sphere_agrees_with_waveorder():
    # waveorder keeps the 1 / cos θ of the Born approximation, which thin phase screens leave out: 2 to 4 %
    reference = np.load(DATA / "waveorder_weak_sphere.npz")
    shape, sampling = tuple(reference["shape"]), tuple(reference["sampling"])
    axes = [(np.arange(n) - n // 2) * s for n, s in zip(shape, sampling, strict=True)]
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    names = ("wavelength", "medium_index", "objective_na", "condenser_na")
    optics = BrightFieldOptics(angles=200, **{name: float(reference[name]) for name in names})
    sphere = 1e-3 * smooth_step(float(reference["radius"]) - distance, float(reference["edge"]))
    contrast = (intensity(sphere, sampling, optics) - 1) / 1e-3
    for ours, theirs in (
        (contrast[:, shape[1] // 2], reference["plane"]),
        (contrast[shape[0] // 2 + 6], reference["above"]),
    ):
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.998
        assert np.vdot(ours, theirs) / np.vdot(theirs, theirs) == pytest.approx(0.965, abs=0.03)


def test_the_default_sampling_is_close_to_a_four_times_finer_one():
    stored = np.load(DATA / "bright_field_fine.npz")
    fine = stored["contrast"].astype(np.float32)  # (Z, Y, X)
    optics, rng = BrightFieldOptics(), np.random.default_rng(int(stored["seed"]))
    drawn = cells(rng, fine.shape)
    steps = rng.uniform(*optics.cell_index, size=len(drawn.items))
    error = np.sqrt(np.mean((expose(drawn, steps, optics) - 1 - fine) ** 2))
    assert error < 0.12 * fine.std()
    assert error < 1 / np.sqrt(optics.photons)  # below the photon noise of one pixel


# --- bright field: the stacks -----------------------------------------------------------------------------


def test_a_cell_is_dark_with_a_bright_ring_below_focus_and_bright_with_a_dark_ring_above():
    drawn = scene(one_cell(radius=6.0))  # its centre at z = 15 µm, the planes at 0, 2, ... 30 µm
    image = expose(drawn, np.array([0.012]), BrightFieldOptics())
    y, x = np.meshgrid(np.arange(48) - 24, np.arange(48) - 24, indexing="ij")
    r = np.hypot(y, x)
    middle, ring = image[:, r < 3].mean(axis=1), image[:, (r > 6.5) & (r < 9)].mean(axis=1)
    assert middle[2] < 0.96 and ring[2] > 1.01
    assert middle[13] > 1.04 and ring[13] < 0.99
    assert np.all(np.diff(middle[2:14]) > 0)  # from dark to bright, plane after plane


def test_contrast_is_that_of_real_stacks_and_lowest_near_focus():
    # real bright-field planes: 3 to 4.4 %; cells lie at all heights here, so single planes reach a little
    # further
    contrasts = []
    for seed in range(3):
        optics = BrightFieldOptics(angles=16)
        image = simulate_bright_field(seed, optics=optics).image - optics.offset
        contrasts.append(image.std(axis=(1, 2)) / image.mean(axis=(1, 2)))
    means = np.mean(contrasts, axis=1)
    assert 0.030 <= np.median(means) <= 0.044
    assert np.all((np.array(contrasts) > 0.02) & (np.array(contrasts) < 0.06))
    for planes in contrasts:
        assert 3 <= np.argmin(planes) <= 12
        assert min(planes[0], planes[-1]) > 1.2 * planes.min()


def test_the_lamp_has_mean_one_and_the_range_asked_for():
    light = lamp(np.random.default_rng(0), (40, 60), 0.06)
    assert light.shape == (40, 60)
    assert light.mean() == pytest.approx(1)
    assert np.ptp(light) == pytest.approx(0.06)


def test_pixels_are_means_of_their_samples():
    image = np.arange(16.0).reshape(1, 4, 4)
    np.testing.assert_allclose(bin_pixels(image, 2), [[[2.5, 4.5], [10.5, 12.5]]])


def test_other_grids_work():
    optics = BrightFieldOptics(angles=4)
    stack = simulate_bright_field(0, (9, 41, 37), (1.75, 0.8, 0.8), (4.0, 5.0), optics, number=2)
    assert stack.image.shape == stack.labels.shape == (9, 41, 37)
    assert stack.spacing == (1.75, 0.8, 0.8)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"objective_na": 1.4}, "refractive index"),
        ({"condenser_na": 1.34}, "refractive index"),
        ({"objective_na": 0.0}, "> 0"),
        ({"wavelength": -0.5}, "> 0"),
        ({"condenser_na": -0.1}, ">= 0"),
        ({"angles": 7}, "even"),
        ({"oversampling": 0}, "whole number"),
        ({"cell_index": (0.03, 0.01)}, "cell_index"),
        ({"photons": float("nan")}, "> 0"),
    ],
)
def test_impossible_bright_field_optics_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        BrightFieldOptics(**wrong)


@pytest.mark.parametrize("optics", [{"oversampling": 1}, {"objective_na": 0.4}, {"wavelength": 0.45}])
def test_a_grid_too_coarse_for_the_apertures_is_refused(optics):
    with pytest.raises(InputError, match="too coarse"):
        simulate_bright_field(0, optics=BrightFieldOptics(**optics))
    with pytest.raises(InputError, match="too coarse"):
        intensity(np.zeros((1, 8, 8)), (1.0, 0.6, 0.6), BrightFieldOptics())
