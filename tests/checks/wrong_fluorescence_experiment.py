"""Wrong answers to the exercises of the chapter *Fluorescence: Table 1, measured again*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong, wrong_value

RIGHT = {"S2": ("pseudo", "class"), "boundary": ("class", "full-mean"), "masks": ("class", "supervised")}


def means_of(differences, draws, seed):
    rng = np.random.default_rng(seed)
    seeds, stacks = differences.shape
    which, picked = rng.integers(seeds, size=(draws, seeds, 1)), rng.integers(stacks, size=(draws, seeds, stacks))
    return differences[which, picked].mean(axis=(1, 2))


@wrong("interval", "whole seeds must be drawn")
def pooled(differences, draws=2000, seed=0):
    """All values are thrown into one pot."""
    rng = np.random.default_rng(seed)
    values = differences.ravel()
    means = rng.choice(values, size=(draws, values.size)).mean(axis=1)
    return tuple(np.quantile(means, [0.025, 0.975]))


@wrong("interval", "must be drawn again, too")
def seeds_only(differences, draws=2000, seed=0):
    """Seeds are drawn, their stacks stay."""
    rng = np.random.default_rng(seed)
    own = differences.mean(axis=1)
    means = rng.choice(own, size=(draws, own.size)).mean(axis=1)
    return tuple(np.quantile(means, [0.025, 0.975]))


@wrong("interval", "stacks of its own")
def same_stacks(differences, draws=2000, seed=0):
    """One draw of stacks for all seeds."""
    rng = np.random.default_rng(seed)
    seeds, stacks = differences.shape
    which, picked = rng.integers(seeds, size=(draws, seeds, 1)), rng.integers(stacks, size=(draws, 1, stacks))
    return tuple(np.quantile(differences[which, picked].mean(axis=(1, 2)), [0.025, 0.975]))


@wrong("interval", "no more")
def ninety(differences, draws=2000, seed=0):
    """Five per cent are left out on either side."""
    return tuple(np.quantile(means_of(differences, draws, seed), [0.05, 0.95]))


@wrong("interval", "no less")
def extremes(differences, draws=2000, seed=0):
    """The lowest and the highest draw."""
    means = means_of(differences, draws, seed)
    return means.min(), means.max()


@wrong("interval", "low end first")
def turned(differences, draws=2000, seed=0):
    """High before low."""
    low, high = np.quantile(means_of(differences, draws, seed), [0.025, 0.975])
    return high, low


wrong_value("row_pairs", "The pair is turned.", RIGHT | {"S2": ("class", "pseudo")}, "before, after")
wrong_value("row_pairs", "The ball is taken for S2's teacher.", RIGHT | {"S2": ("ball", "class")}, "did not teach S2")
wrong_value("row_pairs", "Pseudo labels to everything.", RIGHT | {"S2": ("pseudo", "full")}, "two steps at once")
wrong_value(
    "row_pairs", "Printed against scaled.", RIGHT | {"boundary": ("full-printed", "full-mean")}, "with or without"
)
wrong_value("row_pairs", "The ratio for the mean.", RIGHT | {"boundary": ("class", "full")}, "another form of the loss")
wrong_value("row_pairs", "Full method against masks.", RIGHT | {"masks": ("full", "supervised")}, "has a boundary loss")
