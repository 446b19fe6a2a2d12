"""From simulation to real stacks: learn on simulated nuclei, whose exact centres and masks cost no annotation.

A network that was trained on one simulated microscope fails on a real one. What carries it over are optics drawn from
a wide prior, things in the simulation that may be taken for nuclei but are none, and BatchNorm statistics measured
again on the unlabelled stack. `fit` returns a `BFSNet`: its `predict` uses both networks, `predict_outlines` only
the centres, each of which it surrounds with an outline read off the image itself.

No real mask is seen in training. But the form of the outline, its smoothing, CONTOUR and the distractors were
settled after looking at scores on the two real embryos: a third one would be the fair test.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from bfs_tutorial import unet
from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing
from bfs_tutorial.instances import place_markers
from bfs_tutorial.peaks import peak_window
from bfs_tutorial.pipeline import BFSNet, Prediction, move_points
from bfs_tutorial.simulate.cells import Cell, Cells, around, cells, paint_labels
from bfs_tutorial.simulate.fluorescence import (
    FluorescenceOptics,
    camera,
    draw_brightness,
    dye,
    image_formation,
    log_uniform,
    stain,
)
from bfs_tutorial.stack import ZStack, check_centres
from bfs_tutorial.training import Schedule

SPACING = (1.6, 1.6, 1.6)  # µm: equal along all axes, no finer than the blur
SHAPE = (48, 56, 56)  # voxels of a simulated stack: a field of about 80 x 90 x 90 µm
RADII = (5.0, 12.0)  # µm, nuclei of early embryos and of large cultured cells
POLAR_RADII = (2.0, 4.0)  # µm, polar bodies and debris: stained, but no nucleus
POLAR_LIGHT = (0.1, 1.0)  # of the median nucleus
FAINT_LIGHT = (0.005, 0.08)  # of the median nucleus: cytoplasm that glows by itself, as large as a nucleus
FILLED = 0.12  # largest share of the volume that nuclei fill
VISIBLE = 4.0  # noise standard deviations by which the dimmest nucleus stands out: nobody clicks a dimmer one
CONTOUR = 0.35  # share of the blurred nucleus's own peak at which S2 learns to end it
SMALLEST = 0.25  # of the median volume: what is smaller is a polar body or debris
REAL_SHARE = 1 / 3  # of S1's crops, once real stacks are given


# ---- simulated stacks ----------------------------------------------------------------------------------------


def draw_nuclei(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing: Spacing, radii: tuple[float, float]
) -> Cells:
    """Nuclei of one stack: one typical size with some spread, few or many, loose or touching.

    shape: (Z, Y, X) voxels. spacing, radii: µm; the typical radius is log-uniform between the two radii.
    """
    typical, spread = log_uniform(rng, *radii), np.sqrt(rng.uniform(1.0, 1.6))
    bounds = max(typical / spread, radii[0]), min(typical * spread, radii[1])
    room = FILLED * np.prod(shape) * np.prod(spacing) / (4 / 3 * np.pi * np.mean(bounds) ** 3)
    number = int(rng.integers(2, int(np.clip(room, 3, 24)) + 1))
    return cells(rng, shape, spacing, bounds, number, touching=rng.uniform(0.0, 0.8))


def own_light(cell: Cell, drawn: Cells, optics: FluorescenceOptics) -> tuple[tuple[slice, ...], np.ndarray]:
    """The focused light of one nucleus alone after the blur, relative to its dye.

    Returns the slices of the stack in which it falls and the light there, (z, y, x).
    """
    sigma, spacing = np.array(optics.psf_sigma), np.array(drawn.spacing)
    where, offsets = around(cell, np.zeros(3), spacing, drawn.labels.shape, reach=3 * sigma.max())
    dyed = stain(cell, offsets, optics, edge=spacing.min()).astype(np.float32)
    return where, gaussian_filter(dyed, sigma / spacing, mode="nearest")


def peak_light(drawn: Cells, brightness: np.ndarray, optics: FluorescenceOptics) -> np.ndarray:
    """Highest focused light of each nucleus alone, after blur and the loss on its way, in counts: (N,)."""
    z = np.array([cell.centre[0] for cell in drawn.items])
    height = (drawn.labels.shape[0] - 1) * drawn.spacing[0]  # µm
    travelled = z if optics.depth_loss >= 0 else height - z
    blurred = np.array([own_light(cell, drawn, optics)[1].max() for cell in drawn.items])
    return (1 - optics.haze) * brightness * blurred * np.exp(-abs(optics.depth_loss) * travelled)


def visible_labels(drawn: Cells, optics: FluorescenceOptics, contour: float = CONTOUR) -> np.ndarray:
    """Simulated nuclei as an annotator outlines them in the blurred image: above a share of the nucleus's own peak.

    contour: the share, of the nucleus's own blurred light. Where two nuclei meet, the one that stands higher above
    its outline wins. Returns (Z, Y, X) int32.
    """
    labels = np.zeros(drawn.labels.shape, np.int32)
    highest = np.full(drawn.labels.shape, contour, np.float32)
    for number, cell in enumerate(drawn.items, start=1):
        where, light = own_light(cell, drawn, optics)
        share = light / light.max()
        wins = share > highest[where]
        labels[where][wins], highest[where][wins] = number, share[wins]
    return labels


def exposure(peaks: np.ndarray, optics: FluorescenceOptics) -> float:
    """Factor on all light, at least 1, that lifts the dimmest peak `VISIBLE` noise sd above the background.

    peaks: (N,) counts; the noise of the background is sqrt(gain * background + read_noise²).
    """
    noise = np.sqrt(optics.gain * optics.background + optics.read_noise**2)
    return max(1.0, VISIBLE * float(noise / peaks.min()))


def distractors(rng: np.random.Generator, drawn: tuple[Cell, ...]) -> tuple[tuple[Cell, ...], np.ndarray]:
    """Turn cells into what is stained but no nucleus; returns the bodies and their brightness, 1 for a median nucleus.

    Half of them become polar bodies, small and often dim, the others faint glow of the size of a nucleus.
    """
    polar = rng.random(len(drawn)) < 0.5
    light = [log_uniform(rng, *(POLAR_LIGHT if small else FAINT_LIGHT)) for small in polar]
    sized = [replace(cell, radius=rng.uniform(*POLAR_RADII)) for cell in drawn]
    return tuple(a if small else b for a, b, small in zip(sized, drawn, polar, strict=True)), np.array(light)


def simulated_stack(
    seed: int | Sequence[int],
    contour: float | None = CONTOUR,
    shape: tuple[int, int, int] = SHAPE,
    spacing: Spacing = SPACING,
    radii: tuple[float, float] = RADII,
    name: str = "simulated nuclei",
) -> ZStack:
    """Simulate nuclei and what may be taken for them, seen by a random fluorescence microscope, with exact labels.

    contour: None labels the dye itself, a number the visible outline, see `visible_labels`.
    shape: (Z, Y, X) voxels. spacing, radii: µm; along z nuclei are up to a third longer or shorter.
    Raises InputError for a contour that is no share or a request that cannot be met.
    """
    if contour is not None:
        _check_share(contour, "contour")
    rng = np.random.default_rng(seed)
    stretched = (float(spacing[0] / np.exp(rng.uniform(-0.3, 0.3))), *spacing[1:])
    drawn = draw_nuclei(rng, shape, stretched, radii)
    count = int(rng.integers(0, len(drawn.items) // 2 + 1))
    (bodies, glow), nuclei = distractors(rng, drawn.items[:count]), drawn.items[count:]
    labelled = Cells(paint_labels(nuclei, shape, stretched), stretched, nuclei)
    optics = FluorescenceOptics.randomised(rng)
    brightness = draw_brightness(rng, len(nuclei), optics)
    peaks = peak_light(labelled, brightness, optics)
    stained, counts = replace(labelled, items=(*nuclei, *bodies)), np.append(brightness, glow * np.median(brightness))
    light = exposure(peaks, optics) * dye(stained, counts, optics)
    image = camera(rng, image_formation(light, stretched, optics), optics.gain, optics.offset, optics.read_noise)
    labels = labelled.labels if contour is None else visible_labels(labelled, optics, contour)
    return ZStack(image, spacing, labelled.centres, labels, name)


# ---- outlines without a second network -----------------------------------------------------------------------


def outline(stack: ZStack, centres: np.ndarray, own: float = 0.25, smoothing: float = 1.0) -> np.ndarray:
    """Outline nuclei around given centres, between a threshold of their own and one for the whole stack.

    Nucleus i ends where the light falls to sqrt(own * peak_i * T), the geometric mean of a share of its own peak and
    of Otsu's threshold T of the log image. own = 1/4 is half height on the scale of square roots, on which
    photon noise is even. With its own threshold alone a dim nucleus comes out too large, with T alone too small.

    Light is the image smoothed by `smoothing` µm, less its median; a watershed from the centres (N, 3), in voxels,
    divides it; peak_i is the maximum within 2 µm; pieces that hold no centre are dropped. Returns (Z, Y, X) int32,
    label i + 1 for centre i. Raises `InputError` for centres outside the stack or an `own` that is no share.
    """
    _check_share(own, "own")
    centres, image = check_centres(centres, stack.image.shape), stack.image.astype(np.float64)
    smooth = gaussian_filter(image, np.divide(smoothing, stack.spacing))
    light = smooth - np.median(smooth)
    markers = place_markers(np.ones(light.shape, dtype=bool), centres, stack.spacing)
    basins = watershed(-light, markers)
    peaks = peak_near(light, centres, stack.spacing)
    heights = np.sqrt(own * peaks * max(log_otsu(smooth) - np.median(smooth), 0.0))
    mask = light > np.append(np.inf, heights)[basins]
    return watershed(-light, place_markers(mask, centres, stack.spacing), mask=mask).astype(np.int32)


def predict_outlines(
    model: BFSNet, stack: ZStack, threshold: float | None = None, smallest: float = SMALLEST
) -> Prediction:
    """Centres from the S1 of any trained `BFSNet`, and `outline` around each of them; S2 is not used.

    threshold: of the peaks, by default the model's own. smallest: outlines below this share of the median volume are
    polar bodies or debris and are dropped. Raises `InputError` for a model without S1.
    """
    if model.s1 is None:
        raise InputError("this model has not been trained; call fit or train_s1 first")
    image = model.prepare(stack)
    points, scores = model.find_centres(unet.predict(model.s1, image), threshold)
    centres = move_points(points, image.shape, stack.image.shape)
    labels = outline(stack, centres) if len(centres) else np.zeros(stack.image.shape, np.int32)
    keep = large_enough(labels, len(centres), smallest)  # (N,) bool
    numbers = np.append(0, np.where(keep, np.cumsum(keep), 0)).astype(np.int32)
    labels = numbers[labels]
    return Prediction(labels, (labels > 0).astype(np.float32), centres[keep], scores[keep])


def large_enough(labels: np.ndarray, count: int, share: float) -> np.ndarray:
    """Which of the labels 1 .. count hold at least a share of the median volume of those that are there: (count,)."""
    volumes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    present = volumes[volumes > 0]
    return volumes >= max(1.0, share * np.median(present)) if present.size else np.zeros(count, dtype=bool)


def peak_near(light: np.ndarray, centres: np.ndarray, spacing: Spacing, radius: float = 2.0) -> np.ndarray:
    """Largest light (Z, Y, X) within `radius` µm of each centre (N, 3) in voxels, at least 0: (N,)."""
    highest = maximum_filter(light, footprint=peak_window(spacing, radius))
    voxels = np.clip(np.rint(centres), 0, np.array(light.shape) - 1).astype(int)
    return np.maximum(highest[tuple(voxels.T)], 0.0)


def log_otsu(image: np.ndarray) -> float:
    """Otsu's threshold of the logarithm of an image: bright and dim nuclei count alike. In counts."""
    floor = max(float(np.percentile(image, 1)), 1e-6)
    return float(np.exp(threshold_otsu(np.log(np.maximum(image, floor)))))


# ---- training ------------------------------------------------------------------------------------------------


def fit(
    stacks: Sequence[ZStack] = (),
    *,
    seed: int = 0,
    number: int = 40,
    contour: float | None = CONTOUR,
    steps_s1: int = 300,
    steps_s2: int = 400,
    progress: bool = True,
    device: str = "auto",
) -> BFSNet:
    """Train S1 and S2 on `number` simulated stacks and return the model; its `predict` adapts to each real stack.

    stacks: real stacks with clicked `centres`, which make up a third of what S1 learns from; their `labels`, if
    any, are never looked at. Without stacks no real annotation enters at all. S2 learns simulated masks only.
    Raises `InputError` before any training.
    """
    _check(stacks, number)
    start = time.perf_counter()
    simulated = [simulated_stack((5000 + seed, i), contour, name=f"simulated-{i:04d}") for i in range(number)]
    model = network(steps_s1, steps_s2)
    options = {"seed": seed, "progress": progress, "device": device}
    losses = model.train_s1([*repeated(stacks, number), *simulated], **options)
    losses_s2 = model.train_s2(simulated, [model.exact_mask(stack) for stack in simulated], **options)
    model.record = {
        "seed": seed,
        "stacks": [stack.name for stack in stacks],
        "simulated": number,
        "contour": contour,
        "seconds": round(time.perf_counter() - start, 1),
        "device": str(next(model.s2.parameters()).device),
        "loss_s1": losses,
        "loss_s2": losses_s2,
    }
    return model


def network(steps_s1: int = 300, steps_s2: int = 400) -> BFSNet:
    """An untrained `BFSNet` on equal voxels. Exact masks need no boundary loss; S2 adapts to the stack it is given."""
    schedule = Schedule(jitter=0.3, crop=(24, 40, 40))
    return BFSNet(
        "fluorescence",
        spacing=SPACING,
        pools=((2, 2, 2), (2, 2, 2)),
        s1=replace(schedule, steps=steps_s1),
        s2=replace(schedule, steps=steps_s2),
        boundary_weight=0.0,
        adapt=1.0,
    )


def repeated(stacks: Sequence[ZStack], simulated: int, share: float = REAL_SHARE) -> list[ZStack]:
    """The real stacks over and over until about a share of all crops comes from them, each at least once."""
    times = max(1, round(simulated * share / (1 - share) / max(len(stacks), 1)))
    return [stack for stack in stacks for _ in range(times)]


def _check_share(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise InputError(f"{name} is {value}: expected a share of the peak between 0 and 1")


def _check(stacks: Sequence[ZStack], number: int) -> None:
    if number < 1:
        raise InputError(f"number is {number}: expected at least 1 simulated stack to learn from")
    for stack in stacks:
        if stack.centres is None:
            raise InputError(f"{stack.name} has no centres; click one point per cell, or leave the stack out")
