"""Checks of the chapter *Bright field*."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bfs_tutorial.checks.core import Property, WrongAnswer, choice, close, diagnose, exercise, number, picture, run

SIZE, STEP, WAVELENGTH, INDEX = 16, 0.5, 0.55, 1.33  # samples, µm, µm, of the medium
OPTICS = {"step": STEP, "wavelength": WAVELENGTH, "index": INDEX}


def wave(value: object, shape: tuple[int, int]) -> np.ndarray:
    """Return what an answer gave as a complex wave. Raises WrongAnswer for another shape or values not finite."""
    u = np.asarray(value)
    if u.shape != shape or u.dtype.kind not in "fc" or not np.isfinite(u).all():
        raise WrongAnswer(f"the result has shape {u.shape} and type {u.dtype}: expected complex numbers {shape}")
    return u


@exercise(
    "bright_field",
    points=2,
    hints=(
        "Three steps: np.fft.fft2(u), times a factor for each frequency, np.fft.ifft2.",
        "f = np.fft.fftfreq(n, step) gives the frequencies of one axis in cycles per µm; use [:, None] and [None, :].",
        "root = (index / wavelength) ** 2 - fy**2 - fx**2; where root > 0 the factor is "
        "np.exp(2j * np.pi * distance * (np.sqrt(root) - index / wavelength)), elsewhere 0.",
    ),
)
def travel(answer: Callable) -> Iterator[Property]:
    """Free space: carry a wave a distance along z, by its spectrum."""
    shape, k = (SIZE, SIZE), INDEX / WAVELENGTH
    spot = np.exp(-(np.hypot(*(np.indices(shape) - SIZE / 2)) ** 2) / 8).astype(complex)
    same = wave(run(answer, spot, distance=0.0, **OPTICS), shape)
    intensity = "you return the brightness |u|²: the wave itself is wanted, complex"
    drawn = lambda: picture(  # noqa: E731
        {"|u| before": np.abs(spot), "|u| after 0 µm": np.abs(same)}, "A round spot, and what your function makes it",
        "A wave that travels 0 µm stays as it is.",
    )
    said = diagnose(same, {intensity: np.abs(spot) ** 2}, "a wave that travels 0 µm must come out as it was")
    yield Property(close(same, spot), "0 µm changes nothing", said, drawn)
    frequency = 3 / (SIZE * STEP)  # cycles per µm along x
    tilted = np.exp(2j * np.pi * frequency * STEP * np.arange(SIZE))[None] * np.ones(shape)
    there = wave(run(answer, tilted, distance=5.0, **OPTICS), shape)
    turn = lambda f, k=k: np.exp(2j * np.pi * 5.0 * (np.sqrt(k**2 - f**2) - k))  # noqa: E731
    mistakes = {
        "frequencies are counted per sample, not per µm: give the step to fftfreq": tilted * turn(3 / SIZE),
        "the index of the medium is missing: in it the wave has the length wavelength / index":
            tilted * turn(frequency, 1 / WAVELENGTH),
        "the wave comes out turned the other way: look at the sign in the exponent": tilted * turn(frequency).conj(),
    }  # fmt: skip
    said = diagnose(there, mistakes, "a tilted plane wave has the wrong phase after 5 µm", tolerance=1e-4)
    yield Property(close(there, tilted * turn(frequency), 1e-4), "a tilted plane wave gains the right phase", said)
    back = wave(run(answer, there, distance=-5.0, **OPTICS), shape)
    yield Property(close(back, tilted, 1e-4), "-5 µm undoes 5 µm", "5 µm and then -5 µm must give the wave back")
    fine = wave(run(answer, spot, distance=-5.0, step=0.1, wavelength=WAVELENGTH, index=INDEX), shape)
    gone = "waves too fine to travel grow or stay: where the root is of a negative number, the factor is 0"
    limit = np.abs(np.fft.fft2(spot)).max() * 1.01
    kept = np.abs(np.fft.fft2(fine))[SIZE // 2, SIZE // 2]  # 5 cycles per µm along both axes
    yield Property(bool(np.abs(np.fft.fft2(fine)).max() < limit and kept < 1e-9), "what cannot travel is 0", gone)


@exercise(
    "bright_field",
    points=1,
    hints=(
        "Which way does light bend at the border of something in which it travels faster?",
        "A cell is a lens that collects. A bubble has a lower index than what is around it.",
        "A lens that spreads light leaves its middle without it, on the side to which the light goes.",
    ),
)
def bubble(answer: object) -> Iterator[Property]:
    """Predict: what is in the middle, above something whose index is lower than the medium's?"""
    from bfs_tutorial.simulate.bright_field import BrightFieldOptics, ball, intensity

    value = choice(answer, ("bright", "dark", "even"))
    offsets = np.stack(np.meshgrid(np.arange(12) - 5.5, *[(np.arange(48) - 23.5) * STEP] * 2, indexing="ij"), axis=-1)
    index, optics = -0.012 * ball(offsets, 4.0, edge=1.0), BrightFieldOptics(angles=8)
    (above,) = intensity(index, (1.0, STEP, STEP), optics, np.array([5.5 + 8.0]))
    middle = above[20:28, 20:28].mean()
    drawn = lambda: picture(  # noqa: E731
        {"8 µm above a bubble": above}, "The computed image 8 µm above a bubble: a dark disc in a brighter ring",
        f"In the middle the brightness is {middle:.2f} of the light around.",
    )
    said = {
        "bright": "a cell would be bright above; look at what a lower index makes of the lens",
        "even": "only in focus is there nothing to see; 8 µm above there is",
    }
    yield Property(value == "dark", "the middle is dark above a bubble", said.get(value, ""), drawn)


@exercise(
    "bright_field",
    points=1,
    hints=(
        "A core that is 1 % brighter gives 1.01 photons for each photon of the light around.",
        "N photons err by √N. How large is that error beside N itself?",
        "√N / N is 1 / √N. For which N is that 0.01?",
    ),
)
def photons_wanted(answer: object) -> Iterator[Property]:
    """How many photons a pixel needs so that a difference of 1 % equals the noise of one pixel."""
    value = number(answer, "the number of photons")
    mistakes = {
        "a difference of 1 % wants an error of 1 %, and √N / N is 1 / √N: square it": 100.0,
        "with that many photons the noise is below 0.1 %: you squared once too often": 1e8,
        "0.01 is the difference; the number of photons N has 1 / √N = 0.01": 0.01,
    }
    yield Property(close(value, 1e4), "1 / √10 000 is 1 %", diagnose(value, mistakes, f"1 / √{value:g} is not 1 %"))
