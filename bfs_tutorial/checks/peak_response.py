"""Checks of the chapter *Peak responses*."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from skimage.filters import threshold_otsu

from bfs_tutorial import figures
from bfs_tutorial.checks.core import Property, WrongAnswer, array, choice, close, diagnose, exercise, picture, run

MOVES = ("falls", "rises", "stays")


# ---- the rule through one linear layer -----------------------------------------------------------------------


def _by_rule(x: np.ndarray, weight: np.ndarray, response: np.ndarray, low: float | None = None) -> np.ndarray:
    """What each input receives, (N,); low: what values count from, the smallest of x when it is None."""
    part = (x - (x.min() if low is None else low)) * np.maximum(weight, 0)  # (M, N)
    total = part.sum(axis=1)  # (M,)
    return np.divide(response, total, out=np.zeros(len(total)), where=np.abs(total) > 1e-12) @ part


def _shared(x: np.ndarray, weight: np.ndarray, response: np.ndarray, given: np.ndarray) -> Callable:
    """Draw the layer's input and weights beside what the answer gave."""
    rows = {"inputs x": x[None], "weights W": weight, "your result": given[None]}
    alt = "Inputs and weights of the layer as numbers in squares, beside them what your function returned"
    told = " and ".join(f"{value:g}" for value in response)
    return lambda: picture(rows, alt, f"Each row of W is an output, and has {told} to share out.")


@exercise(
    "peak_response",
    points=3,
    hints=(
        "Do it for one output first, as with the three numbers of the chapter: contributions, their sum, shares. Then "
        "loop over the outputs and add up what each input receives.",
        "Contributions of output j: (x - x.min()) * np.maximum(weight[j], 0). Its response times its shares is what it "
        "hands back. An output whose contributions add up to 0 is left out.",
        "part = (x - x.min()) * np.maximum(weight, 0) has shape (M, N); total = part.sum(axis=1). For each j with "
        "total[j] > 0 add response[j] * part[j] / total[j] to the result.",
    ),
)
def linear_response(answer: Callable) -> Iterator[Property]:
    """The rule through one linear layer: responses are shared out by positive contribution."""
    x, weight, one = np.array([1.0, 3.0]), np.array([[5.0, 2.0]]), np.array([1.0])
    back = array(run(answer, x, weight, one), (2,))
    said = diagnose(
        back,
        {
            "this is the gradient: the weights times the response, whatever the input is": (5.0, 2.0),
            "values count from 0 in your function: count them from the smallest input": (5 / 11, 6 / 11),
            "these are contributions, not shares: divide by their sum": (0.0, 4.0),
        },
        f"two inputs, 1 and 3, one output: the second should receive 1, the first 0, and they get {back[1]:.3g} and "
        f"{back[0]:.3g}",
    )
    yield Property(close(back, (0, 1)), "the smallest input receives nothing", said, _shared(x, weight, one, back))
    x, weight = np.array([1.0, 3.0, 4.0, 6.0]), np.array([[0.0, 3.0, -1.0, 2.0]])
    back, contributions = array(run(answer, x, weight, one), (4,)), np.array([0.0, 6.0, -3.0, 10.0])
    positive, magnitudes = np.maximum(contributions, 0), np.abs(contributions) / np.abs(contributions).sum()
    said = diagnose(
        back,
        {
            "a negative weight makes a negative share: negative weights count as 0": contributions / 13,
            "a negative weight counts with its magnitude in your function: it counts as 0": magnitudes,
            "the shares add up to more than the response: leave negative weights out of the sum, too": positive / 13,
        },
        "the four numbers of the chapter, 1, 3, 4, 6 with weights 0, 3, −1, 2, give other shares than there",
    )
    expected = _by_rule(x, weight, one)
    yield Property(close(back, expected), "negative weights count as 0", said, _shared(x, weight, one, back))
    x, weight, two = np.array([0.0, 1.0, 3.0]), np.array([[1.0, 1.0, 1.0], [1.0, 9.0, 0.0]]), np.array([0.3, 0.7])
    back = array(run(answer, x, weight, two), (3,))
    pooled = x * (two @ weight) / np.sum(x * (two @ weight))
    said = diagnose(
        back,
        {
            "each output must share out its own response: you divide all outputs by one common sum": pooled,
            "responses are lost: multiply the shares of output j by response[j] before you add up": (0.0, 1.25, 0.75),
            "only one output is shared out: add up what all of them hand back": two[0] * np.array([0, 0.25, 0.75]),
        },
        f"two outputs with responses 0.3 and 0.7 hand back {back.sum():.3g} in all: each shares out its own response",
    )
    shown = _shared(x, weight, two, back)
    yield Property(close(back, _by_rule(x, weight, two)), "each output shares out its own response", said, shown)
    weight, two = np.array([[1.0, 1.0, 1.0], [-1.0, -2.0, 0.0]]), np.array([1.0, 1.0])
    given = np.asarray(run(answer, x, weight, two), dtype=float)
    said = "an output without any positive contribution gives 0 / 0: it hands back nothing, so leave it out"
    if given.shape == (3,) and np.isfinite(given).all():
        said = f"one of two outputs has no positive weight, and {given.sum():.3g} comes back: it hands back nothing"
    expected = _by_rule(x, weight, two)
    holds = given.shape == (3,) and close(given, expected)
    yield Property(holds, "an output without positive contributions hands back nothing", said)
    rng = np.random.default_rng(0)
    x, weight, many = rng.normal(size=6) - 5, rng.normal(size=(4, 6)), rng.uniform(size=4)
    back = array(run(answer, x, weight, many), (6,))
    said = "with inputs below 0 the result is another one: count from the smallest input, whatever its sign"
    holds = close(back, _by_rule(x, weight, many))
    yield Property(holds, "nothing is negative and nothing is lost, also for negative inputs", said)


# ---- predict, then run ---------------------------------------------------------------------------------------


@exercise(
    "peak_response",
    points=1,
    hints=(
        "Compute the shares of the chapter once more, with a 9 in place of the 6. And where does the gradient of a sum "
        "of products look at the inputs at all?",
        "A share is a part of a whole. The third voxel's part grows, so what happens to the whole?",
        "The share of the first voxel was 6 of 16, and it becomes 6 of 22. Its gradient was and is its weight, 3.",
    ),
)
def brighter_voxel(answer: Any) -> Iterator[Property]:
    """Predict: another voxel becomes brighter; what happens to this one's share, and to its gradient?"""
    try:
        share, gradient = answer
    except (TypeError, ValueError) as error:
        raise WrongAnswer('expected a pair, such as ("rises", "rises"): first the share, then the gradient') from error
    share, gradient = choice(share, MOVES), choice(gradient, MOVES)
    weight = np.array([[3.0, -1.0, 2.0]])
    before, after = (_by_rule(np.array([3.0, 4.0, last]), weight, np.ones(1), low=1)[0] for last in (6.0, 9.0))
    said = {
        "stays": "the share does not stay: all shares together are 1, and the third voxel now has more of it",
        "rises": "the share does not rise: the first voxel contributes what it did, to a sum that has grown",
    }
    verified = f"its share falls from {before:.3f} to {after:.3f}: shares compete"
    yield Property(share == "falls", verified, said.get(share, ""))
    said = f"the gradient does not {'fall' if gradient == 'falls' else 'rise'}: which numbers does it consist of here?"
    yield Property(gradient == "stays", "its gradient stays 3: it is the weight, whatever the image is", said)


# ---- break it ------------------------------------------------------------------------------------------------


@exercise(
    "peak_response",
    points=2,
    hints=(
        "By the rule a contribution is a product. When is a product 0 although its weight is large?",
        "Values count from the darkest voxel. What does the darkest voxel itself contribute?",
        "Give the largest weight to the voxel with the smallest value, and let another voxel be brighter, with a "
        "positive weight of its own.",
    ),
)
def dark_evidence(answer: Callable) -> Iterator[Property]:
    """Break it: an input whose most important voxel, by the gradient, has no share in the response."""
    try:
        x, weight = run(answer)
    except (TypeError, ValueError) as error:
        raise WrongAnswer("expected a pair: three values, then three weights, `return x, weights`") from error
    x, weight = array(x, (3,), "x"), array(weight, (3,), "weights")
    top = int(weight.argmax())
    alone = weight[top] > 0 and np.count_nonzero(weight == weight[top]) == 1
    said = f"the weights are {weight.tolist()}: expected one that is largest, and positive"
    yield Property(alone, "one voxel has the largest gradient", said)
    share = _by_rule(x, weight[None], np.ones(1))
    said = "no voxel contributes anything: let at least one brighter voxel have a positive weight"
    yield Property(share.sum() > 0.5, "the response is shared out completely", said)
    drawn = lambda: picture(  # noqa: E731
        {"your x": x[None], "your weights": weight[None], "shares by the rule": share[None]},
        "Your values, your weights and the shares that the rule gives, each as three numbers in squares",
        "The square with the largest weight should have the share 0.",
    )
    said = f"the voxel with the largest weight, {weight[top]:g}, receives {share[top]:.2g} of the response, not 0"
    verified = "that voxel's share is 0, for it is the darkest: the rule cannot give credit to darkness"
    yield Property(share[top] == 0, verified, said, drawn)


# ---- from maps to pseudo labels ------------------------------------------------------------------------------


def _blob(size: int, centre: float, width: float) -> np.ndarray:
    """A round blob in one plane, (1, size, size), that adds up to 1."""
    y, x = np.mgrid[:size, :size]
    blob = np.exp(-((y - size // 2) ** 2 + (x - centre) ** 2) / (2 * width**2))[None]
    return blob / blob.sum()


def _labelled(maps: np.ndarray, labels: np.ndarray, caption: str) -> Callable[[], figures.FigureHTML]:
    """Draw the maps, each relative to its own maximum, beside the labels of the answer."""
    planes = {f"map {i + 1}, of its maximum": m[0] / m.max() for i, m in enumerate(maps)}
    alt = "Response maps as bright blobs, and beside them your labels as shades of grey"
    return lambda: picture({**planes, "your labels, / N": labels[0] / len(maps)}, alt, caption)


@exercise(
    "peak_response",
    points=3,
    hints=(
        "Start with zeros of shape maps.shape[1:], dtype=int, and go through the maps one by one. Each has a threshold "
        "of its own.",
        "Keep a second array: the strength of the map that owns each voxel so far. Strength is the map divided by its "
        "own maximum; a voxel changes hands only where the new map is stronger.",
        "In the loop: wins = (m > factor * threshold_otsu(m)) & (m / m.max() > strength); then labels[wins] = i + 1 "
        "and strength[wins] = (m / m.max())[wins].",
    ),
)
def pseudo_labels(answer: Callable) -> Iterator[Property]:
    """Pseudo labels from response maps: Otsu's threshold for each map, the relatively stronger map wins."""
    size = 15
    one = _blob(size, 7, 2)[None]
    labels = array(run(answer, one), one.shape[1:])
    mask = one[0] > threshold_otsu(one[0])
    said = "with a single map the labels should be 1 where it exceeds Otsu's threshold, and 0 elsewhere"
    if set(np.unique(labels)) <= {0.0} or labels.min() < 0:
        said = "the first map becomes label 0, which is background: map i becomes label i + 1"
    drawn = _labelled(one, labels, "One map. Its label is 1 inside, 0 outside.")
    yield Property(close(labels, mask), "map i becomes label i + 1, cut at Otsu's threshold", said, drawn)
    strict = array(run(answer, one, factor=1.6), one.shape[1:])
    said = "factor=1.6 should make the mask smaller: multiply Otsu's threshold by the factor"
    expected = one[0] > 1.6 * threshold_otsu(one[0])
    yield Property(close(strict, expected), "the factor multiplies the threshold", said)
    apart = np.stack([_blob(25, 6, 1.2), _blob(25, 17, 3.2)])
    labels = array(run(answer, apart), apart.shape[1:])
    own = [m > threshold_otsu(m) for m in apart]
    shared = apart > threshold_otsu(apart)
    said = "two maps that do not touch should become labels 1 and 2, each cut at its own threshold"
    if close(labels > 0, shared.any(axis=0)):
        said = "one threshold for all maps loses the spread-out one: each map is cut at its own"
    elif set(np.unique(labels)) == {0.0, 1.0}:
        said = "both maps have label 1: a mask does not tell instances apart, map i becomes label i + 1"
    drawn = _labelled(apart, labels, "A concentrated map and one that is spread out. Both add up to 1.")
    yield Property(close(labels, own[0] + 2 * own[1]), "each map has a threshold of its own", said, drawn)
    touching = np.stack([_blob(25, 8, 3.0), _blob(25, 14, 2.4)])
    relative = touching / touching.max(axis=(1, 2, 3), keepdims=True)
    own = [m > threshold_otsu(m) for m in touching]
    both = own[0] & own[1]
    expected = own[0] + 2 * own[1]
    expected[both] = np.where(relative[0] > relative[1], 1, 2)[both]
    absolute = np.where(both, np.where(touching[0] > touching[1], 1, 2), own[0] + 2 * own[1])
    first, last = np.where(own[0], 1, 2 * own[1]), np.where(own[1], 2, 1 * own[0])
    labels = array(run(answer, touching), touching.shape[1:])
    said = diagnose(
        labels,
        {
            "where masks overlap the last map always wins: it should be the stronger one": last,
            "where masks overlap the first map always wins: it should be the stronger one": first,
            "the concentrated map wins everywhere: measure each map by its own maximum": absolute,
            "where masks overlap the labels are added up: one of the two maps wins": own[0] + 2 * own[1],
        },
        "where two masks overlap the voxel should go to the map that is stronger, relative to its own maximum",
    )
    drawn = _labelled(touching, labels, "Two maps whose masks overlap.")
    yield Property(close(labels, expected), "where masks overlap, the relatively stronger map wins", said, drawn)
    swapped = array(run(answer, touching[::-1]), touching.shape[1:])
    said = "with the maps in the other order another division comes out: it may depend on strength only"
    yield Property(close(swapped, np.array([0, 2, 1])[expected]), "the order of the maps does not matter", said)
