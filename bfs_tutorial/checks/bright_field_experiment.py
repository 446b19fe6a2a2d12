"""Checks of the chapter *Bright field: from four pictures to numbers*."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bfs_tutorial.checks.core import Property, WrongAnswer, close, exercise, number, picture, run, short
from bfs_tutorial.metrics import evaluate


def column(values: Sequence[int]) -> np.ndarray:
    """A column of voxels, one a plane, as a volume (Z, 1, 1)."""
    return np.array(values).reshape(-1, 1, 1)


def lost_seg(labels: np.ndarray, truth: np.ndarray, moved: np.ndarray, metric: str = "SEG") -> float:
    """What a metric loses when `moved` takes the place of `labels`."""
    return evaluate(labels, truth)[metric] - evaluate(moved, truth)[metric]


def shifted(labels: np.ndarray, planes: int) -> np.ndarray:
    """Labels moved by some planes, down if positive, up if negative; background comes in, what leaves is gone."""
    moved = np.zeros_like(labels)
    if planes >= 0:
        moved[planes:] = labels[: len(labels) - planes]
    else:
        moved[:planes] = labels[-planes:]
    return moved


@exercise(
    "bright_field_experiment",
    points=2,
    hints=(
        "Make an empty volume first, np.zeros_like(labels), and copy the prediction into it, some planes lower.",
        "np.roll brings what leaves at the bottom back at the top. Slices do not: moved[1:] = labels[:-1].",
        "moved[planes:] = labels[: len(labels) - planes] also holds for planes = 0. Then SEG of labels minus SEG of "
        "moved, both against the truth that stays where it is.",
    ),
)
def plane_cost(answer: Callable) -> Iterator[Property]:
    """SEG that a prediction loses when it moves down by some planes."""
    tall, early = [0, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0, 0]
    crossing = np.array([[[0, 0]], [[1, 0]], [[1, 2]], [[1, 2]], [[0, 2]], [[0, 0]]])
    cases = [
        (column(tall), column(tall), 0, "no plane, no cost", "moved by 0 planes, nothing may be lost"),
        (column(tall), column(tall), 1, "a perfect cell of four planes loses what it should",
         "a perfect cell of four planes, moved by one, loses another amount"),
        (column(early), column(tall), 1, "a move in the right direction pays", "a prediction that stands one plane too "
         "high is moved into its place, so the cost is negative"),
        (column([0, 0, 0, 0, 1, 1]), column([2, 0, 0, 0, 1, 1]), 1, "what leaves at the bottom is gone", "what leaves "
         "the stack at the bottom does not come back"),
        (crossing, crossing, 1, "cells are told apart", "the score that counts is SEG, which tells cells apart"),
        (column(tall), column(tall), 2, "two planes cost more", "moved by two planes: is `planes` used?"),
    ]  # fmt: skip
    for labels, truth, planes, verified, wrong in cases:
        expected = lost_seg(labels, truth, shifted(labels, planes))
        cost = number(run(answer, labels, truth, planes))
        mistakes = {
            "your sign is the other way round: SEG before minus SEG after": -expected,
            "that is the SEG after the move: subtract it from the SEG before": evaluate(
                shifted(labels, planes), truth)["SEG"],
            "you move the prediction up: z grows downwards, plane 0 is the top": lost_seg(
                labels, truth, shifted(labels, -planes)),
            "the planes come back at the other end, as np.roll does: let them go": lost_seg(
                labels, truth, np.roll(labels, planes, 0)),
            "that is the loss of IoU, which does not tell cells apart: take SEG": lost_seg(
                labels, truth, shifted(labels, planes), "IoU"),
            "nothing is lost: is the truth moved along, or the prediction along another axis than z?": 0.0,
        }  # fmt: skip
        said = next((text for text, value in mistakes.items() if close(cost, value)), wrong)
        moved = shifted(labels, planes)
        yield Property(
            close(cost, expected), verified, f"{said} (yours is {cost:.2f}, expected {expected:.2f})",
            lambda truth=truth, labels=labels, moved=moved: picture(
                {"truth": truth[:, 0], "prediction": labels[:, 0], "moved": moved[:, 0]},
                "Truth, prediction and the prediction moved down, z from top to bottom",
                "A section: z runs from top to bottom.",
            ),
        )  # fmt: skip


def rows(scores: dict[str, dict[int, tuple[float, ...]]]) -> dict[str, list[dict]]:
    """Records of rows from {row: {seed: a score for each stack}}; of two metrics, IoU is the other way round."""
    return {
        row: [
            {"seed": seed, "row": row, "stacks": {f"s{i}": {"SEG": v, "IoU": 1 - v} for i, v in enumerate(values)}}
            for seed, values in runs.items()
        ]
        for row, runs in scores.items()
    }


CONTROL = {0: (0.5, 0.5), 1: (0.6, 0.6)}
TRIALS = [  # rows beside the control, those above it, verified, wrong
    ({"good": {0: (0.7, 0.7), 1: (0.8, 0.8)}, "poor": {0: (0.1, 0.1), 1: (0.2, 0.2)}}, {"good"},
     "a row that is always better is found", "\"good\" is above the control in both seeds, \"poor\" in none"),
    ({"lucky": {0: (0.4, 0.4), 1: (0.9, 0.9)}}, set(),
     "one lucky seed is not enough", "\"lucky\" has the higher mean, but is below the control in seed 0: compare seed "
     "by seed"),
    ({"uneven": {0: (0.9, 0.3), 1: (0.9, 0.4)}}, {"uneven"},
     "within a seed the mean over stacks counts", "\"uneven\" loses on one stack, but its mean over stacks is above in "
     "both seeds: average the stacks first"),
    ({"equal": {0: (0.5, 0.5), 1: (0.6, 0.6)}}, set(),
     "equal is not above", "\"equal\" has the control's own scores: equal is not above"),
    ({"turned": {1: (0.65, 0.65), 0: (0.55, 0.55)}, "hidden": {1: (0.55, 0.55), 0: (0.9, 0.9)}}, {"turned"},
     "seeds are matched by their number", "the records of these rows are stored with seed 1 first: match them by "
     "record[\"seed\"], not by their place"),
]  # fmt: skip


@exercise(
    "bright_field_experiment",
    points=2,
    hints=(
        "For each row make a dictionary: seed -> mean over the stacks of that seed.",
        "A row counts if all(own[seed] > least[seed] for seed in least), where least belongs to the control.",
        "means[row] = {run[\"seed\"]: np.mean([s[metric] for s in run[\"stacks\"].values()]) for run in found[row]}; "
        "then a set of the rows for which the line of hint 2 is true.",
    ),
)  # fmt: skip
def above_control(answer: Callable) -> Iterator[Property]:
    """The rows whose mean over stacks is above the control's in every seed."""
    for others, expected, verified, wrong in TRIALS:
        said = chosen(run(answer, rows({"ball": CONTROL, **others}), "ball", "SEG"))
        own = "the control is among your rows: it is not above itself"
        yield Property(said == expected, verified, own if "ball" in said else f"{wrong} (yours: {sorted(said)})")
    others, *_ = TRIALS[0]
    said = chosen(run(answer, rows({"ball": CONTROL, **others}), "ball", "IoU"))
    yield Property(said == {"poor"}, "the metric is the one asked for", "asked for IoU, you compare something else: "
                   "use the argument `metric`")  # fmt: skip
    said = chosen(run(answer, rows({"copy": CONTROL, **others}), "copy", "SEG"))
    yield Property(said == {"good"}, "the control is the one asked for", "here the control is \"copy\": use the "
                   "argument `control`")  # fmt: skip


def chosen(value: object) -> set[str]:
    """The rows that an answer returns. Raises WrongAnswer for anything but a set of names."""
    if not isinstance(value, (set, frozenset)) or not all(isinstance(name, str) for name in value):
        raise WrongAnswer(f"your function returns {short(value)}: expected a set of names of rows")
    return set(value)
