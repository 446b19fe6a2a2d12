"""Checks of the chapter *Segmentation*."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bfs_tutorial.checks.core import Property, WrongAnswer, array, close, diagnose, exercise, number, picture, run


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def _cross_entropy(logits: np.ndarray, labels: np.ndarray, foreground: float = 1.0) -> float:
    """Weighted mean of log(1 + exp(z)) - y z, which is the cross entropy of y and sigmoid(z) without overflow."""
    each = np.logaddexp(0, logits) - labels * logits
    return float(np.average(each, weights=np.where(labels > 0.5, foreground, 1.0)))


# ---- L_class -------------------------------------------------------------------------------------------------


@exercise(
    "segmentation",
    points=3,
    hints=(
        "Write down what a voxel costs when its label is 1, and when it is 0, as a function of its logit z alone. Then "
        "average with weights.",
        "Label 1 costs log(1 + exp(-z)), label 0 costs log(1 + exp(z)). np.logaddexp(0, z) is log(1 + exp(z)) for "
        "any z, however large.",
        "each = np.where(labels == 1, np.logaddexp(0, -logits), np.logaddexp(0, logits)); weights = np.where(labels "
        "== 1, foreground, 1); return (weights * each).sum() / weights.sum()",
    ),
)
def class_loss(answer: Callable) -> Iterator[Property]:
    """L_class from logits: binary cross entropy, with a weight for voxels of cells."""
    zero, one = np.zeros((1, 1, 2)), np.array([[[1.0, 0.0]]])
    value = number(run(answer, zero, one))
    half, twice = np.log(2), _double(zero, one)
    said = diagnose(
        value,
        {
            "a logit is not yet a probability: logit 0 means one half, so apply the sigmoid": _clipped(zero, one),
            "the sum over voxels came out: L_class is their mean": 2 * half,
            "the sign is wrong: a logarithm of a probability is below 0, the loss is above": -half,
            "the sigmoid is applied twice: it makes one half of a logit of 0, and that is the probability": twice,
            "the logarithm has base 2: take the natural one, np.log": 1.0,
        },
        f"with logits 0 every voxel is undecided and costs log 2 = {half:.3f}, not {value:.3g}",
        1e-4,
    )
    yield Property(close(value, half, 1e-5), "undecided voxels cost log 2, on average", said)
    logits = np.array([[[2.0, -1.0, 3.0, 0.5]]])
    labels = np.array([[[1.0, 0.0, 0.0, 1.0]]])
    value, true = number(run(answer, logits, labels)), _cross_entropy(logits, labels)
    each = np.logaddexp(0, -logits * (2 * labels - 1))
    drawn = lambda: picture(  # noqa: E731
        {"logits": logits[0], "labels": labels[0], "cost of each voxel": each[0]},
        "Four voxels: their logits, their labels, and what each of them costs, as numbers in squares",
        "The third voxel is sure of a cell, and there is none. It costs most.",
    )
    said = diagnose(
        value,
        {
            "the sigmoid is applied twice: a sure network never becomes surer than 0.73": _double(logits, labels),
            "only voxels of cells count in your loss: background voxels cost -log(1 - s)": _cells_only(logits, labels),
            "labels are exchanged: a voxel of a cell costs -log s, one of background -log(1 - s)": _cross_entropy(
                logits, 1 - labels
            ),
        },
        f"four voxels with logits 2, −1, 3, 0.5 and labels 1, 0, 0, 1 cost {value:.3g}, expected {true:.3f}",
        1e-4,
    )
    yield Property(close(value, true, 1e-5), "each voxel costs -log of the probability of its label", said, drawn)
    value, true = number(run(answer, logits, labels, foreground=3.0)), _cross_entropy(logits, labels, 3.0)
    counted = np.where(labels == 1, 3, 1) * each
    said = diagnose(
        value,
        {
            "foreground=3 changes nothing: let voxels of cells count that often": _cross_entropy(logits, labels),
            "divide by the sum of the weights, not by the number of voxels": counted.mean(),
            "the weight is on the background: foreground is for label 1": np.average(each, weights=3 - 2 * labels),
        },
        f"with foreground=3 the loss is {value:.3g}, expected {true:.3f}: the mean with weights 3 (cells) and 1",
        1e-4,
    )
    yield Property(close(value, true, 1e-5), "voxels of cells count as often as asked", said, drawn)
    sure = np.array([[[800.0, -800.0]]])
    value = np.asarray(run(answer, sure, 1 - one), dtype=float)
    said = f"logits of ±800, both wrong, should cost 800 on average: {value!s:.20} came out, so exp or log overflows"
    yield Property(value.shape == () and close(value, 800), "it does not overflow for sure voxels", said)


def _clipped(p: np.ndarray, labels: np.ndarray) -> float:
    """Cross entropy of what are taken for probabilities, kept off 0 and 1 by 1e-7."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return float(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean())


def _double(logits: np.ndarray, labels: np.ndarray) -> float:
    return _clipped(_sigmoid(_sigmoid(logits)), labels)


def _cells_only(logits: np.ndarray, labels: np.ndarray) -> float:
    return float((labels * np.logaddexp(0, -logits)).mean())


# ---- predict, then run ---------------------------------------------------------------------------------------

BORDERS = (-2.0, -1.0, 0.5, 1.5, 6.0)  # µm: where five labels end


@exercise(
    "segmentation",
    points=1,
    hints=(
        "Walk outwards from deep inside the cell. At each distance, how many of the five labels still say 'cell'?",
        "The best answer is the share of the labels. The mask ends where it falls below one half: from three of five "
        "labels to two.",
        "Labels end at −2, −1, 0.5, 1.5 and 6 µm. Up to the third of them, at 0.5 µm, three or more say 'cell'.",
    ),
)
def skewed_border(answer: Any) -> Iterator[Property]:
    """Predict: five labels disagree, one of them wildly; where does the mask end?"""
    value = number(answer, "the answer")
    said = diagnose(
        value,
        {
            "that is the mean of the five: a share does not ask how far out a label is": np.mean(BORDERS),
            "that far out a single label says 'cell', a share of 0.2: the mask ended before": max(BORDERS),
            "there all but one still say 'cell', a share of 0.8: the mask goes on": BORDERS[1],
            "there only the most careful label ends: the mask goes on": min(BORDERS),
            "that is the true border: here the labels are not as often too small as too large": 0.0,
        },
        f"at {value:g} µm the share of the labels does not cross one half",
        1e-3,
    )
    yield Property(close(value, np.median(BORDERS), 1e-3), "the mask ends at the median label, 0.5 µm", said)
    yield Property(True, "one wild label moved the mean to 1 µm, and the mask not at all")


# ---- Eq. 3 with a warm-up ------------------------------------------------------------------------------------


@exercise(
    "segmentation",
    points=2,
    hints=(
        "First the λ of this moment: it grows with `done` from 0 to `strength`, then stays. Then Eq. 3.",
        "The grown share is done / warm_up, but at most 1. What when warm_up is 0?",
        "grown = min(1, done / warm_up) if warm_up > 0 else 1; return class_term + strength * grown * boundary_term",
    ),
)
def total_loss(answer: Callable) -> Iterator[Property]:
    """Eq. 3, with a λ that grows during the warm-up."""
    last = number(run(answer, 0.5, 0.2, 2.0, done=1.0, warm_up=0.5))
    said = diagnose(
        last,
        {
            "λ weighs the wrong term: it multiplies the boundary term": 2 * 0.5 + 0.2,
            "λ multiplies both terms: it multiplies the boundary term alone": 2 * 0.7,
            "λ goes on growing after the warm-up: it stays at `strength`": 0.5 + 4 * 0.2,
            "the boundary term is taken away: Eq. 3 adds it": 0.1,
            "λ grows over the whole training in your function, and reached half: it has grown after warm_up": 0.7,
        },
        f"L_class = 0.5 and a boundary term of 0.2 with λ = 2 make {last:.3g} at the end, expected 0.9",
    )
    yield Property(close(last, 0.9), "at the end it is L_class + λ times the boundary term", said)
    first = number(run(answer, 0.5, 0.2, 2.0, done=0.0, warm_up=0.5))
    said = f"at the start, done = 0, λ is 0 and L_class = 0.5 is all there is: {first:.3g} came out"
    yield Property(close(first, 0.5), "it starts with L_class alone", said)
    quarter = number(run(answer, 0.5, 0.2, 2.0, done=0.125, warm_up=0.5))
    said = diagnose(
        quarter,
        {
            "λ jumps from 0 to its full value: it grows evenly, step by step": 0.5,
            "λ is full too early: after a quarter of the warm-up it is a quarter of `strength`": 0.9,
            "λ grows over the whole training: it is full after the share `warm_up` of it": 0.5 + 0.125 * 2 * 0.2,
        },
        f"after a quarter of the warm-up a quarter of λ counts, which makes 0.6: {quarter:.3g} came out",
    )
    yield Property(close(quarter, 0.6), "λ grows evenly during the warm-up", said)
    try:
        none = [number(run(answer, 0.5, 0.2, 2.0, done=done, warm_up=0.0)) for done in (0.0, 0.7)]
    except ZeroDivisionError:
        none = [np.nan]
    said = "with warm_up = 0 there is no warm-up: λ is full from the start, and nothing is divided by 0"
    yield Property(len(none) == 2 and close(none, 0.9), "without a warm-up λ is full from the start", said)


# ---- when does a mask vanish? --------------------------------------------------------------------------------


@exercise(
    "segmentation",
    points=2,
    hints=(
        "Write Eq. 3 for both masks with the same unknown λ, and set them equal.",
        "The empty mask costs more by its L_class and less by its boundary term. λ must make the second outweigh the "
        "first. When is there nothing to outweigh it with?",
        "λ = (empty[0] - kept[0]) / (kept[1] - empty[1]) if kept[1] > empty[1], else np.inf",
    ),
)
def vanishing_strength(answer: Callable) -> Iterator[Property]:
    """The λ beyond which Eq. 3 prefers an empty mask."""
    kept, empty = (0.2, 0.05), (0.6, 0.01)
    value = float(np.asarray(run(answer, kept, empty), dtype=float))
    said = diagnose(
        value,
        {
            "the fraction is upside down: what the empty mask loses, divided by what it gains": 0.1,
            "the empty mask has a boundary term of its own, 0.01 here: subtract it": 8.0,
            "the kept mask has a class term of its own, 0.2 here: subtract it": 15.0,
            "the sign is wrong: λ is above 0": -10.0,
        },
        f"kept (0.2, 0.05) and empty (0.6, 0.01) cost the same at λ = {value:.3g}? Put it into Eq. 3: expected 10",
    )
    yield Property(close(value, 10), "at this λ both masks cost the same", said)
    rng = np.random.default_rng(0)
    for _ in range(5):
        kept, empty = rng.uniform((0, 0.5), (0.3, 1)).round(2), rng.uniform((0.4, 0), (0.9, 0.4)).round(2)
        value = number(run(answer, tuple(kept), tuple(empty)))
        less, more = ((kept[0] + f * value * kept[1]) - (empty[0] + f * value * empty[1]) for f in (0.99, 1.01))
        if not less < 0 < more:
            said = f"kept {kept.tolist()}, empty {empty.tolist()}: the cheaper mask does not change at λ = {value:.3g}"
            yield Property(False, "", said)
    yield Property(True, "below it the mask is kept, above it the empty one is cheaper")
    value = float(np.asarray(run(answer, (0.2, 0.3), (0.6, 0.8)), dtype=float))
    said = "where the empty mask has the larger boundary term, as in the ratio form, no λ prefers it: return np.inf"
    yield Property(value == np.inf, "in the ratio form no λ prefers the empty mask", said)


# ---- break it ------------------------------------------------------------------------------------------------


def _ball(shape: tuple[int, ...], centre: tuple[int, ...], radius: float) -> np.ndarray:
    grid = np.moveaxis(np.indices(shape), 0, -1)
    return np.linalg.norm(grid - np.array(centre), axis=-1) <= radius


@exercise(
    "segmentation",
    points=2,
    hints=(
        "The alarm counts voxels and does not ask where they are.",
        "Keep the shape of the mask, and put it somewhere else. How far is far enough?",
        "np.roll moves a mask, and what leaves on one side comes in on the other: roll it along x by half its width.",
    ),
)
def silent_failure(answer: Callable) -> Iterator[Property]:
    """Break it: a mask as large as the true one, which no alarm notices, and which is wrong."""
    balls = ((1, 8, 8), (0, 2, 2), 1.5), ((6, 24, 24), (3, 12, 12), 5.0), ((6, 24, 24), (2, 4, 20), 4.0)
    for shape, centre, radius in balls:
        truth = _ball(shape, centre, radius)
        given = array(run(answer, truth), shape, "the mask")
        if not set(np.unique(given)) <= {0.0, 1.0}:
            raise WrongAnswer("the mask holds other values than True and False")
        mask, drawn = given > 0.5, _beside(truth, given, centre[0])
        share, iou = mask.sum() / truth.sum(), (mask & truth).sum() / (mask | truth).sum()
        if not 0.9 <= share <= 1.1:
            said = f"the alarm sounds: your mask has {share:.2f} times the volume of the true one, expected 0.9 to 1.1"
            yield Property(False, "", said, drawn)
        if not iou < 0.1:
            yield Property(False, "", f"your mask is not wrong enough: IoU {iou:.2f}, expected below 0.1", drawn)
    yield Property(True, "the alarm is silent: the volume is right, for balls at three places")
    yield Property(True, "the masks are wrong all the same: IoU below 0.1")


def _beside(truth: np.ndarray, mask: np.ndarray, z: int) -> Callable:
    """Draw one plane of both masks."""
    alt = "The true mask in white, and your mask beside it"
    caption = "Both should have as many white voxels, in other places."
    return lambda: picture({"truth": truth[z], "your mask": mask[z]}, alt, caption)
