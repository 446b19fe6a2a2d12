"""Checks of the chapter *Beyond the paper*."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bfs_tutorial.checks.core import Property, choice, close, diagnose, exercise, number, picture, run


@exercise(
    "beyond_the_paper",
    points=2,
    hints=(
        "np.diff(profile) is the change from each sample to the next. A fall is negative.",
        "np.diff(profile).argmin() is the sample before the steepest fall.",
        "The fall lies between sample i and sample i + 1, which are i * step and (i + 1) * step away from the click.",
    ),
)
def ray_end(answer: Callable) -> Iterator[Property]:
    """The end of a cell on one ray: where the brightness falls most steeply, in µm."""
    edge = np.array([9.0, 9, 9, 2, 1, 1])
    found = number(run(answer, edge, 1.0), "the distance")
    drawn = lambda: picture(  # noqa: E731
        {"profile": edge[None]}, "Six values, 9, 9, 9, 2, 1, 1: the steep fall is between the third and fourth",
        "Samples are 1 µm apart; the first lies on the click.",
    )
    said = diagnose(
        found,
        {"this is the sample before the fall: the fall lies half way to the next": 2.0,
         "this is the sample after the fall: the fall lies half way from the one before": 3.0},
        f"the steepest fall is 2.5 µm from the click here, yours is {found:g}",
    )  # fmt: skip
    yield Property(close(found, 2.5), "half way between the two samples", said, drawn)
    finer = number(run(answer, edge, 0.5), "the distance")
    step = diagnose(finer, {"samples are 0.5 µm apart now: multiply by the step": 2.5}, "the step must scale it")
    yield Property(close(finer, 1.25), "the result is in µm", step)
    rim = np.array([3.0, 3, 9, 8, 8, 4, 4])
    found = number(run(answer, rim, 1.0), "the distance")
    steep = diagnose(found, {"a rise is taken for the end: brightness must fall from the click outwards": 1.5},
                     "the steepest fall of 3, 3, 9, 8, 8, 4, 4 lies between the fifth and sixth sample")  # fmt: skip
    yield Property(close(found, 4.5), "a rise is no end", steep)


@exercise(
    "beyond_the_paper",
    points=1,
    hints=(
        "Which of the three lines above knows the order of the planes?",
        "Turned round, every plane that came after now comes before: what becomes of ∂I/∂z?",
        "∂I/∂z changes its sign, and the phase is a linear function of it.",
    ),
)
def turned_stack(answer: object) -> Iterator[Property]:
    """Predict: what is the phase of a stack whose planes are put in the opposite order?"""
    from bfs_tutorial.phase import transport_of_intensity

    value = choice(answer, ("the same", "negative", "zero"))
    y, x = np.indices((24, 24)) - 11.5
    blob = np.exp(-(y**2 + x**2) / 20)
    image = np.stack([100 - 20 * blob, 100 + 0 * blob, 100 + 20 * blob])
    phase, turned = (transport_of_intensity(stack, (1.0, 1.0, 1.0))[1] for stack in (image, image[::-1]))
    drawn = lambda: picture(  # noqa: E731
        {"phase": phase, "of the turned stack": turned}, "A bright blob, and the same as a dark blob",
        "The middle plane of a made-up stack, and of the same stack turned round.",
    )
    said = {
        "the same": "planes before and after change places, and the phase comes from their difference",
        "zero": "the difference of the planes does not vanish when they change places",
    }
    yield Property(value == "negative", "the phase changes its sign", said.get(value, ""), drawn)
