"""Checks of the chapter *The whole method on one page*."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bfs_tutorial.checks.core import Property, array, close, diagnose, exercise, number, picture, run


@exercise(
    "whole_method",
    points=2,
    hints=(
        "np.unique(labels[labels > 0]) lists the numbers of the cells; do one after the other.",
        "np.argwhere(labels == i) gives the voxels of a cell as rows (z, y, x).",
        "A click is the mean of those rows. Collect the clicks, and return np.array(clicks).",
    ),
)
def clicks(answer: Callable) -> Iterator[Property]:
    """Clicks from labels: the centre of mass of every cell, in voxels."""
    plane = np.zeros((1, 5, 7), dtype=int)
    plane[0, 1:4, 2:5] = 1
    found = array(run(answer, plane), (1, 3), "the clicks of one cell")[0]
    drawn = lambda: picture({"labels": plane[0]}, "A square of nine voxels, its middle in row 2, column 3", "z is 0.")  # noqa: E731
    said = diagnose(
        found,
        {"the order is (x, y, z): points are rows (z, y, x)": [3, 2, 0],
         "this is the corner of the cell: its middle is wanted": [0, 1, 2]},
        f"the middle of this cell is (0, 2, 3), yours is {tuple(found.round(2).tolist())}",
    )  # fmt: skip
    yield Property(close(found, [0, 2, 3]), "the middle of a cell, as (z, y, x)", said, drawn)
    bent = np.zeros((1, 4, 4), dtype=int)
    bent[0, 0, :], bent[0, :, 0] = 1, 1
    found = array(run(answer, bent), (1, 3), "the clicks of one cell")[0]
    box = "the middle of the box around a cell is not its centre of mass: take the mean of all its voxels"
    yield Property(close(found, [0, 6 / 7, 6 / 7]), "the mean of all voxels of a cell", box)
    two = np.zeros((3, 4, 6), dtype=int)
    two[0, 0, 0], two[2, 3, 5], two[1, 3, 5] = 4, 9, 9
    pair = array(run(answer, two), (2, 3), "the clicks of two cells, numbered 4 and 9,")
    both = close(pair, [[0, 0, 0], [1.5, 3, 5]])
    yield Property(both, "a row for each cell, whatever its number", "cells 4 and 9 must give a row each, 4 first")


@exercise(
    "whole_method",
    points=1,
    hints=(
        "Which of the five steps run on a new stack, and which only while training?",
        "Step 3 goes backward through S1, once for each click. What are its results used for?",
        "Pseudo labels teach S2 once. `predict` runs S1, S2 and a watershed, all of them forward.",
    ),
)
def backward_passes(answer: object) -> Iterator[Property]:
    """Predict: how many passes backward through a network does a new stack with 16 cells cost?"""
    value = number(answer, "the number of passes")
    mistakes = {
        "one pass for each cell makes pseudo labels, and those are made of training stacks only": 16.0,
        "two networks run on a new stack, but forward": 2.0,
        "S1 finds the centres of a new stack forward, and S2 the mask": 1.0,
        "eight clicks were followed back, in training; what does the new stack need?": 8.0,
    }
    said = diagnose(value, mistakes, f"{value:g} is not it: go through the steps that `predict` takes")
    yield Property(value == 0, "a new stack is segmented without going backward", said)
