"""Checks of the chapter *Fluorescence: Table 1, measured again*."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bfs_tutorial.checks.core import Property, WrongAnswer, array, exercise, picture, run, short

SPREAD = np.random.default_rng(7).normal(0.1, 0.1, size=(8, 1))  # eight seeds with one stack each


def bounds(answer: Callable, differences: np.ndarray) -> tuple[float, float]:
    """The interval that an answer returns. Raises WrongAnswer unless it is low, high."""
    low, high = array(run(answer, differences, draws=2000, seed=0), (2,), "your interval")
    if low > high + 1e-9:
        raise WrongAnswer(f"your interval is ({low:.3f}, {high:.3f}): give the low end first, then the high end")
    return float(low), float(high)


def expected_bounds(differences: np.ndarray) -> tuple[float, float]:
    """The interval from many draws."""
    rng = np.random.default_rng(1)
    seeds, stacks = differences.shape
    which, picked = rng.integers(seeds, size=(20_000, seeds, 1)), rng.integers(stacks, size=(20_000, seeds, stacks))
    low, high = np.quantile(differences[which, picked].mean(axis=(1, 2)), [0.025, 0.975])
    return float(low), float(high)


def tried(answer: Callable, differences: np.ndarray, share: float, verified: str, narrow: str, wide: str) -> Property:
    """Compare width and middle of an interval with the right ones, within a share of the right width."""
    (low, high), (least, most) = bounds(answer, differences), expected_bounds(differences)
    room = share * (most - least) + 1e-6
    holds = abs((high - low) - (most - least)) <= room and abs((high + low) - (most + least)) <= 2 * room
    said = narrow if high - low < most - least else wide
    numbers = f" (yours is {low:.3f} to {high:.3f}, expected about {least:.3f} to {most:.3f})"
    show = lambda: picture(  # noqa: E731
        {"seeds × stacks": differences}, "The differences that were handed in: a row for each seed, a column for each "
        "stack", "A row for each seed, a column for each stack."
    )  # fmt: skip
    return Property(holds, verified, said + numbers, show)


@exercise(
    "fluorescence_experiment",
    points=3,
    hints=(
        "One draw: rows = rng.integers(seeds, size=seeds) picks seeds with replacement. Repeat it `draws` times, and "
        "keep the mean of each draw.",
        "Within a draw every picked seed gets stacks of its own: rng.integers(stacks, size=(seeds, stacks)). A seed "
        "that was picked twice may get other stacks each time.",
        "differences[which[:, None], picked].mean() is the mean of one draw, with `which` and `picked` from the hints "
        "above. Last, np.quantile(means, [0.025, 0.975]) of the means.",
    ),
)
def interval(answer: Callable) -> Iterator[Property]:
    """The bootstrap interval of a mean, with seeds and stacks drawn again."""
    low, high = bounds(answer, np.full((2, 3), 0.25))
    yield Property(
        abs(low - 0.25) + abs(high - 0.25) < 1e-6, "equal differences have an interval of no width",
        f"all differences are 0.25, so every draw has the mean 0.25, but yours runs from {low:.3f} to {high:.3f}",
    )  # fmt: skip
    yield tried(
        answer, SPREAD, 0.09, "the ends leave 2.5 % of the draws on either side",
        "eight seeds, one stack: too narrow; leave 2.5 % of the draws on either side, no more",
        "eight seeds, one stack: too wide; leave 2.5 % of the draws out on either side, no less",
    )  # fmt: skip
    yield tried(
        answer, np.repeat([[0.0], [1.0]], 8, axis=1), 0.1, "seeds are drawn again",
        "two seeds that disagree, the same on all stacks: a draw may pick one seed twice, so whole seeds must be drawn",
        "the draws are means: none is below 0 or above 1",
    )  # fmt: skip
    yield tried(
        answer, np.tile([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], (2, 1)), 0.15, "stacks are drawn again within a seed",
        "two seeds that agree, on stacks that do not: the stacks of each picked seed must be drawn again, too",
        "two seeds that agree, on stacks that do not: every picked seed gets stacks of its own, and the mean runs over "
        "all of them",
    )  # fmt: skip


ROWS = ("ball", "pseudo", "class", "full-printed", "full-mean", "full", "supervised")
ANSWERS: dict[str, tuple[str, str]] = {  # by question: the pair that answers it
    "S2": ("pseudo", "class"),
    "boundary": ("class", "full-mean"),
    "masks": ("class", "supervised"),
}
WHY: dict[str, dict[str, str]] = {  # by question: what another row before or after would bring in
    "S2": {
        "ball": "the ball did not teach S2, so the labels differ as well",
        "full": "that row adds a boundary loss to S2: two steps at once",
        "full-mean": "that row adds a boundary loss to S2: two steps at once",
        "full-printed": "that row adds a boundary loss to S2, even if it does little: two steps at once",
        "supervised": "that row was taught by masks, not by pseudo labels",
    },
    "boundary": {
        "full-printed": "that row has the loss that is not scaled; the question is with or without the scaled one",
        "full": "that row has another form of the loss, a ratio; the question is about the scaled mean",
        "pseudo": "that row has no S2: two steps at once",
        "ball": "that row has no network at all",
        "supervised": "that row was taught by masks",
    },
    "masks": {
        "full": "that row has a boundary loss: two steps at once",
        "full-mean": "that row has a boundary loss: two steps at once",
        "full-printed": "that row has a boundary loss, even if it does little",
        "pseudo": "that row has no S2, the supervised one is a network: two steps at once",
        "ball": "that row is no network, the supervised one is: two steps at once",
    },
}


@exercise(
    "fluorescence_experiment",
    points=2,
    hints=(
        "Write down for each row: which labels taught it, is there an S2, is there a boundary loss and is it scaled?",
        "S2 learns from the pseudo labels. Which row is S2 with nothing but those labels?",
        "The row \"class\" is part of all three pairs. It is the result once and the start twice.",
    ),
)  # fmt: skip
def row_pairs(answer: object) -> Iterator[Property]:
    """Which two rows differ in nothing but S2, the boundary loss, or the masks?"""
    if not isinstance(answer, dict) or set(answer) != set(ANSWERS):
        raise WrongAnswer(f"the answer is {short(answer)}: expected a dictionary with the keys {', '.join(ANSWERS)}")
    for question, right in ANSWERS.items():
        pair = answer[question]
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(row in ROWS for row in pair):
            raise WrongAnswer(f"{question}: {short(pair)} is no pair (before, after) out of {', '.join(ROWS)}")
        pair = tuple(pair)
        verified = f"{question}: the two rows differ in nothing else"
        if pair[::-1] == right:
            said = "the right rows, but a gain would come out negative: the pair is (before, after)"
        else:
            odd = [row for row in pair if row in WHY[question]]
            said = f'"{odd[0]}": {WHY[question][odd[0]]}' if odd else "these two rows do not differ in what is asked"
        yield Property(pair == right, verified, f"{question}: {said}")
