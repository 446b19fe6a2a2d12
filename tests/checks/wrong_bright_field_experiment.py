"""Wrong answers to the exercises of the chapter *Bright field: from four pictures to numbers*."""

from __future__ import annotations

import numpy as np

from bfs_tutorial.metrics import evaluate
from tests.checks.wrong import wrong


def seg(labels, truth, metric="SEG"):
    return evaluate(labels, truth)[metric]


def down(labels, planes):
    moved = np.zeros_like(labels)
    moved[planes:] = labels[: len(labels) - planes]
    return moved


@wrong("plane_cost", "as np.roll does")
def rolled(labels, truth, planes=1):
    """np.roll brings the last planes back at the top."""
    return seg(labels, truth) - seg(np.roll(labels, planes, axis=0), truth)


@wrong("plane_cost", "the other way round")
def after_minus_before(labels, truth, planes=1):
    """The sign is exchanged."""
    return seg(down(labels, planes), truth) - seg(labels, truth)


@wrong("plane_cost", "you move the prediction up")
def upwards(labels, truth, planes=1):
    """The prediction moves towards smaller z."""
    moved = np.zeros_like(labels)
    moved[: len(labels) - planes] = labels[planes:]
    return seg(labels, truth) - seg(moved, truth)


@wrong("plane_cost", "that is the loss of IoU")
def by_iou(labels, truth, planes=1):
    """IoU is taken for SEG."""
    return seg(labels, truth, "IoU") - seg(down(labels, planes), truth, "IoU")


@wrong("plane_cost", "is the truth moved along")
def sideways(labels, truth, planes=1):
    """Prediction and truth are moved together."""
    return seg(labels, truth) - seg(down(labels, planes), down(truth, planes))


@wrong("plane_cost", "is `planes` used")
def always_one(labels, truth, planes=1):
    """It moves by one plane whatever is asked."""
    return seg(labels, truth) - seg(down(labels, min(planes, 1)), truth)


def means(runs, metric):
    return [np.mean([s[metric] for s in run["stacks"].values()]) for run in runs]


@wrong("above_control", "seed by seed")
def by_the_mean(found, control, metric):
    """The means over seeds are compared."""
    least = np.mean(means(found[control], metric))
    return {row for row, runs in found.items() if row != control and np.mean(means(runs, metric)) > least}


@wrong("above_control", "not above itself")
def from_equal_on(found, control, metric):
    """Equal is taken as above, so the control is above itself."""
    least = means(found[control], metric)
    return {row for row, runs in found.items() if all(np.array(means(runs, metric)) >= least)}


@wrong("above_control", "equal is not above")
def others_from_equal_on(found, control, metric):
    """Equal is taken as above, the control left out by hand."""
    return from_equal_on(found, control, metric) - {control}


@wrong("above_control", "not by their place")
def by_place(found, control, metric):
    """Seeds are matched by their place in the list."""
    least = means(found[control], metric)
    return {row for row, runs in found.items() if all(np.array(means(runs, metric)) > least)}


@wrong("above_control", "average the stacks first")
def on_every_stack(found, control, metric):
    """A row must win on every stack."""

    def scores(row):
        runs = sorted(found[row], key=lambda run: run["seed"])
        return np.array([[s[metric] for s in run["stacks"].values()] for run in runs])

    return {row for row in found if (scores(row) > scores(control)).all()}


@wrong("above_control", "expected a set")
def as_a_list(found, control, metric):
    """A list is returned."""
    return sorted(by_place(found, control, metric))
