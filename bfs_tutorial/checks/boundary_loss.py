"""Checks of the chapter *The boundary loss*."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bfs_tutorial.checks.core import Property, WrongAnswer, array, close, diagnose, exercise, number, picture, run

UNIT = (1.0, 1.0, 1.0)
INSIDE = np.s_[1:-1, 1:-1, 1:-1]  # without the faces


# ---- a Laplacian in micrometres ------------------------------------------------------------------------------


def _quadratic(axis: int, step: float) -> np.ndarray:
    """The square of the distance along one axis, (5, 5, 5): its second derivative is 2 everywhere."""
    shape = [1, 1, 1]
    shape[axis] = 5
    return np.broadcast_to(((np.arange(5) - 2) * step).reshape(shape) ** 2, (5, 5, 5)).copy()


def _laplacian(answer: Callable, volume: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    return array(run(answer, volume, spacing), volume.shape)[INSIDE]


@exercise(
    "boundary_loss",
    points=2,
    hints=(
        "Begin with one axis and a step of 1: how much does the change to the next voxel differ from the change from "
        "the voxel before?",
        "Along one axis it is (before - 2 * here + after) / step**2, where before and after are the neighbours.",
        "For axis, step in enumerate(spacing): np.roll(volume, 1, axis) is the neighbour before, np.roll(volume, -1, "
        "axis) the one after. Add up the three axes.",
    ),
)
def laplacian(answer: Callable) -> Iterator[Property]:
    """The Laplacian of a volume per µm²: second differences along three axes."""
    flat = _laplacian(answer, np.full((3, 3, 3), 7.0), UNIT)
    said = f"in a volume that is 7 everywhere nothing changes, and you find {flat[0, 0, 0]:.3g} in its middle, not 0"
    yield Property(close(flat, 0), "it is 0 where nothing changes", said)
    ramp = _laplacian(answer, np.indices((5, 5, 5))[2].astype(float), UNIT)
    said = "on an even slope you find something else than 0: take the change of the change, not the change itself"
    yield Property(close(ramp, 0), "it is 0 on an even slope", said)
    yield from _spike(answer)
    spacing = (2.0, 1.0, 0.4)
    for axis, name in ((2, "columns"), (0, "planes")):
        step = spacing[axis]
        middle = _laplacian(answer, _quadratic(axis, step), spacing)[1, 1, 1]
        said = diagnose(
            middle,
            {
                f"{name} lie {step:g} µm apart here, and you count them as 1 µm: bring in the spacing": 2 * step**2,
                "you divide by the step: a second difference is divided by its square": 2 * step,
                "you multiply by the square of the step: divide by it": 2 * step**4,
                "spacing is (z, y, x), and your function takes it the other way round": 2
                * (step / spacing[2 - axis]) ** 2,
            },
            f"for the square of the distance along the {name}, {step:g} µm apart, it should be 2, and is {middle:.3g}",
        )
        yield Property(close(middle, 2), f"lengths are in µm: {name} {step:g} µm apart", said)


def _spike(answer: Callable) -> Iterator[Property]:
    """One bright voxel: its sign, and all three axes."""
    spike = np.zeros((7, 7, 7))
    spike[3, 3, 3] = 1
    given = array(run(answer, spike, UNIT), spike.shape)
    expected = np.zeros((5, 5))
    expected[2, 1:4] = expected[1:4, 2] = 1
    expected[2, 2] = -6
    drawn = lambda: picture(  # noqa: E731
        {"the volume": spike[3, 1:-1, 1:-1], "your result": given[3, 1:-1, 1:-1], "negative, and 1 beside": expected},
        "The middle plane with one bright voxel, what your function makes of it, and what a Laplacian is there",
        "One bright voxel, 1 µm a side.",
    )
    middle = given[3, 3, 3]
    said = diagnose(
        middle,
        {
            "your result has lost its sign: on a bright voxel a Laplacian is negative": 6,
            "you take a first difference twice, which skips the direct neighbours: use before − 2 · here + after": -1.5,
            "along one axis only is not enough: add up all three": -2,
            "you add up two axes: there are three, z too": -4,
            "you average over the axes: add them up": -2 / 3,
        },
        f"on a single bright voxel it should be −6, and you find {middle:.3g}",
    )
    beside = "beside a single bright voxel it should be 1, along all three axes, and 0 everywhere else"
    holds = close(middle, -6)
    yield Property(holds, "it is negative on a bright voxel", said, drawn)
    whole = np.zeros((7, 7, 7))
    whole[2:5, 3, 3] = whole[3, 2:5, 3] = whole[3, 3, 2:5] = 1
    whole[3, 3, 3] = -6
    yield Property(close(given[INSIDE], whole[INSIDE]), "all three axes count, direct neighbours only", beside, drawn)


# ---- a softer weight -----------------------------------------------------------------------------------------


@exercise(
    "boundary_loss",
    points=1,
    hints=(
        "Two lines: the spread first, then the formula. Which array makes the spread 0, and what does 0 / 0 give?",
        "np.std(strength) is one number for the whole array. Divide strength by it, then square.",
        "If the spread is 0 return np.ones(strength.shape); else 1 / (1 + (strength / spread) ** 2).",
    ),
)
def soft_weight(answer: Callable) -> Iterator[Property]:
    """A weight that falls as 1 / (1 + e²), with e in standard deviations."""
    strength = np.array([0.0, 2.0])  # standard deviation 1
    weight = array(run(answer, strength), (2,), "the weight")
    said = diagnose(
        weight[0], {"it is 0 where there is no edge, and should be 1: your weight is upside down": 0},
        f"where the strength is 0 your weight is {weight[0]:.3g}, not 1",
    )  # fmt: skip
    yield Property(close(weight[0], 1), "it is 1 where there is no edge", said)
    said = diagnose(
        weight[1],
        {
            "this is exp(-e²): the exercise asks for 1 / (1 + e²)": np.exp(-4),
            "the strength is not squared": 1 / 3,
            "you divide by the largest strength: divide by the standard deviation": 1 / 2,
        },
        f"at two standard deviations it should be 1/5, and is {weight[1]:.3g}",
    )
    yield Property(close(weight[1], 0.2), "it is 1/5 at two standard deviations", said, _weights(strength, weight))
    strength = np.array([[0.0, 1.0], [2.0, 5.0]])
    weight = array(run(answer, strength), (2, 2), "the weight")
    double = array(run(answer, 10 * strength), (2, 2), "the weight")
    said = "an image with ten times the contrast gives other weights: divide by the spread of the strength"
    yield Property(close(weight, double), "contrast does not change it", said, _weights(10 * strength, double))
    expected = 1 / (1 + (strength / strength.std()) ** 2)
    said = diagnose(
        weight,
        {
            "you divide by the largest strength: divide by the standard deviation": 1
            / (1 + (strength / strength.max()) ** 2),
            "you divide by the mean strength: divide by the standard deviation": 1
            / (1 + (strength / strength.mean()) ** 2),
            "take one standard deviation over the whole array, not one for each row or column": 1
            / (1 + (strength / strength.std(axis=0)) ** 2),
        },
        "for strengths 0, 1, 2 and 5 the weights are others than 1 / (1 + (e/s)²), s their standard deviation",
    )
    yield Property(close(weight, expected), "one spread for the whole array", said, _weights(strength, weight))
    flat = np.asarray(run(answer, np.full((2, 2), 3.0)), dtype=float)
    said = "an array in which nothing varies has spread 0, and you divide by it: return 1 everywhere instead"
    yield Property(flat.shape == (2, 2) and close(flat, 1), "it is 1 in an array without any change", said)


def _weights(strength: np.ndarray, weight: np.ndarray) -> Callable:
    shown = {"strength": strength, "your weight": weight}
    alt = "The strengths of some voxels as numbers in squares, and beside them your weights"
    return lambda: picture(shown, alt, "1 where there is no edge, falling with the strength.")


# ---- sum, mean and ratio -------------------------------------------------------------------------------------


@exercise(
    "boundary_loss",
    points=2,
    hints=(
        "Multiply the two arrays first. Two of the three numbers need nothing else.",
        "The mean is over all voxels of the array, rim or not. The ratio divides by border.sum().",
        "product = border * weight; return product.sum(), product.mean(), product.sum() / border.sum(), with 0 for the "
        "last one when border.sum() is 0.",
    ),
)
def loss_numbers(answer: Callable) -> Iterator[Property]:
    """Sum, mean and ratio of the product of mask edge and weight."""
    border, weight = np.array([[0.0, 1.0, 2.0, 0.0]]), np.array([[1.0, 0.5, 0.1, 1.0]])
    total, mean, ratio = _three(answer, border, weight)
    drawn = lambda: picture(  # noqa: E731
        {"mask edge": border, "weight": weight, "product": border * weight},
        "Four voxels in a row: mask edge, weight and their product as numbers in squares",
        f"You return sum {total:.3g}, mean {mean:.3g}, ratio {ratio:.3g}.",
    )
    said = f"the products are 0, 0.5, 0.2 and 0, and your sum is {total:.3g}"
    yield Property(close(total, 0.7), "the sum adds up the products", said, drawn)
    said = diagnose(
        mean,
        {
            "the mean is over all voxels, and you leave out those without a mask edge": 0.35,
            "sum and mean are exchanged or equal: divide by the number of voxels": 0.7,
            "you multiply the means: take the mean of the products": border.mean() * weight.mean(),
        },
        f"four voxels, products 0, 0.5, 0.2 and 0: your mean is {mean:.3g}",
    )
    yield Property(close(mean, 0.175), "the mean is over all voxels", said, drawn)
    said = diagnose(
        ratio,
        {
            "you divide by the sum of the weights: divide by that of the mask edge, the outline": 0.7 / 2.6,
            "every voxel on the outline counts alike in your ratio: weigh it by its mask edge": 0.3,
            "your ratio is upside down": 3 / 0.7,
            "you divide by the number of voxels with an edge: divide by the sum of the mask edge": 0.35,
        },
        f"the sum is 0.7, the mask edge adds up to 3, and your ratio is {ratio:.3g}",
    )
    yield Property(close(ratio, 0.7 / 3), "the ratio is the mean weight along the outline", said, drawn)
    wide = _three(answer, np.pad(border, 3), np.pad(weight, 3, constant_values=1))
    said = "with empty space around the mask the sum or the ratio changes: neither may"
    yield Property(close(wide[::2], (0.7, 0.7 / 3)), "empty space changes neither sum nor ratio", said)
    nothing = np.asarray(run(answer, 0 * border, weight), dtype=float)
    said = "a mask without outline gives 0 / 0: make its ratio 0"
    yield Property(nothing.shape == (3,) and close(nothing, 0), "no outline costs nothing", said)


def _three(answer: Callable, border: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """The three numbers that an answer gives."""
    given = run(answer, border, weight)
    try:
        first, second, third = given
    except (TypeError, ValueError) as error:
        raise WrongAnswer("expected three numbers: return total, mean, ratio") from error
    return number(first, "the sum"), number(second, "the mean"), number(third, "the ratio")


# ---- predict, then run ---------------------------------------------------------------------------------------


@exercise(
    "boundary_loss",
    points=1,
    hints=(
        "With a weight of 1 the product is the mask edge itself. Which measure of a ball does it add up to?",
        "The outline of a ball in 3D is a surface. And what does a ratio of a thing to itself do?",
        "A surface grows with the square of the radius. The mean weight along any outline is 1.",
    ),
)
def doubled_ball(answer: Any) -> Iterator[Property]:
    """Predict: on an image without edges the ball doubles its radius; what do sum and ratio do?"""
    try:
        total, ratio = answer
    except (TypeError, ValueError) as error:
        raise WrongAnswer("expected a pair of numbers: (factor of the sum, factor of the ratio)") from error
    total, ratio = number(total, "the first factor"), number(ratio, "the second factor")
    said = diagnose(
        total,
        {
            "twice is how a circle's length grows: this ball has a surface": 2,
            "eight times is how its volume grows: only the outline costs": 8,
            "the sum does grow: with weight 1 it adds up all of the outline": 1,
        },
        f"the sum does not grow by a factor of {total:g}: think of the surface of a ball",
        tolerance=0.02,
    )
    yield Property(close(total, 4, 0.1), "the sum grows as the surface does", said)
    said = f"the ratio does not change by a factor of {ratio:g}: it divides by the outline, so its length drops out"
    yield Property(close(ratio, 1, 0.02), "the ratio does not know how much outline there is", said)


# ---- break it ------------------------------------------------------------------------------------------------


def _scene(mirrored: bool) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """A weight (9, 19, 26) with a cell's faint rim and a small, darker granule beside it; the true mask; spacing."""
    spacing = (1.0, 0.8, 0.8)
    grid = np.moveaxis(np.indices((9, 19, 26)), 0, -1)
    far = lambda *place: np.linalg.norm((grid - place) * spacing, axis=-1)  # noqa: E731
    weight = np.where(abs(far(4, 9, 8) - 3.5) < 1, 0.3, 1.0)
    weight[far(4, 9, 20) < 2.8] = 0.02
    flip = np.s_[:, ::-1, ::-1] if mirrored else np.s_[:]
    return weight[flip].copy(), (far(4, 9, 8) < 3.5)[flip].copy(), spacing


def _ratio(mask: np.ndarray, weight: np.ndarray, spacing: tuple[float, float, float]) -> float:
    import torch  # here, so that the checks of chapters without networks do not need PyTorch

    from bfs_tutorial import losses

    volumes = (torch.as_tensor(np.ascontiguousarray(v), dtype=torch.float64) for v in (mask, weight))
    return losses.weighted_gradient(*volumes, spacing, reduction="ratio").item()


@exercise(
    "boundary_loss",
    points=3,
    hints=(
        "The ratio is the mean weight along the outline. Where must an outline lie to cost little, if not on the cell?",
        "Look for a dark place outside the truth: blur the weight a little, and set it to 1 where the truth is.",
        "Take the darkest voxel with np.unravel_index(dark.argmin(), dark.shape), and put explore.soft_ball of radius "
        "1.5 µm there.",
    ),
)
def decoy(answer: Callable) -> Iterator[Property]:
    """Break the ratio: a mask that is no cell costs less than the true one."""
    for mirrored in (False, True):
        weight, truth, spacing = _scene(mirrored)
        mask = array(run(answer, weight, truth, spacing), weight.shape, "the mask")
        found, drawn = list(_judge(mask, weight, truth, spacing, mirrored)), _beside(weight, truth, mask)
        if mirrored:  # one line of the report for all of the second scene
            wrong = next((said for holds, _, said in found if not holds), "")
            found = [(not wrong, "all of that in a second scene, with the dark place elsewhere", wrong)]
        for holds, verified, said in found:
            yield Property(holds, verified, said, drawn)


def _judge(
    mask: np.ndarray, weight: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float], moved: bool
) -> Iterator[tuple[bool, str, str]]:
    """What a decoy must have: whether it does, what is then known, what is said otherwise."""
    said = "a mask lies between 0 and 1, and yours does not"
    yield bool(mask.min() >= 0 and mask.max() <= 1), "its values are 0 to 1", said
    yield bool((mask > 0.5).any()), "it is not empty", "your mask is empty: at least one voxel must be above 0.5"
    shared = ((mask > 0.5) & truth).sum() / max(((mask > 0.5) | truth).sum(), 1)
    said = f"your mask has an IoU of {shared:.2f} with the cell: stay below 0.1, away from it"
    yield bool(shared < 0.1), "it is not the cell", said
    mine, true = _ratio(mask, weight, spacing), _ratio(truth, weight, spacing)
    said = f"your mask's ratio is {mine:.2f}, the true one's {true:.2f}: find a darker place"
    if np.ptp(mask) < 1e-6:
        said = "a mask that is the same everywhere has no outline, and its ratio is no better: draw a small ball"
    elif moved:
        said = f"the dark place moved, and your mask did not follow: its ratio is {mine:.2f}, the true {true:.2f}"
    yield mine < true, "its ratio is lower than that of the true mask", said


def _beside(weight: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> Callable:
    shown = {"weight": weight[4], "true mask": truth[4] * 1.0, "your mask": mask[4]}
    alt = "The middle plane: the weight, dark on the rim of a cell and darker on a granule; the true mask; your mask"
    return lambda: picture(shown, alt, "The middle plane. Black is 0, white is 1.")
