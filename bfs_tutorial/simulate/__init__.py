"""The embedded data set: simulated cells seen in bright field and in fluorescence, with centres and labels.

`bright_field` and `fluorescence` are the two simulators; the modules of the same names hold their pieces:
`from bfs_tutorial.simulate.bright_field import intensity`.
"""

from __future__ import annotations

from bfs_tutorial.errors import InputError
from bfs_tutorial.simulate.bright_field import BrightFieldOptics, bright_field
from bfs_tutorial.simulate.cells import Cells, cells
from bfs_tutorial.simulate.fluorescence import FluorescenceOptics, fluorescence
from bfs_tutorial.stack import ZStack

__all__ = [
    "BrightFieldOptics",
    "Cells",
    "FluorescenceOptics",
    "bright_field",
    "cells",
    "dataset",
    "fluorescence",
]

SIMULATORS = {"bright-field": bright_field, "fluorescence": fluorescence}


def dataset(modality: str, n: int, seed: int, **settings: object) -> list[ZStack]:
    """Simulate n stacks of one modality, named like "bright-field-0003".

    Stack i depends on the seed and on i only, so a larger n keeps the stacks of a smaller one.
    settings: handed to `bright_field` or `fluorescence`. Raises InputError for another modality or a
    negative number.
    """
    if modality not in SIMULATORS:
        raise InputError(f"modality is {modality!r}, expected one of: {', '.join(SIMULATORS)}")
    if n < 0 or seed < 0:
        raise InputError(f"n is {n} and seed is {seed}, expected whole numbers >= 0")
    simulator = SIMULATORS[modality]
    return [simulator((seed, i), name=f"{modality}-{i:04d}", **settings) for i in range(n)]
