"""Compute the fine bright-field reference of tests/data: the same scene with 4x finer samples and 4x more
angles.

    python tools/bright_field_reference.py tests/data/bright_field_fine.npz

Takes minutes and about 2 GB. Needed again only when the cells or the optics of the simulator change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bfs_tutorial.simulate.bright_field import BrightFieldOptics, expose
from bfs_tutorial.simulate.cells import cells

SEED, SHAPE, FACTOR = 0, (16, 64, 64), 4


def main() -> None:
    """Compute and store the reference."""
    parser = argparse.ArgumentParser(description="Compute the fine bright-field reference.")
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    optics = BrightFieldOptics()
    rng = np.random.default_rng(SEED)
    drawn = cells(rng, SHAPE)
    steps = rng.uniform(*optics.cell_index, size=len(drawn.items))
    fine = expose(drawn, steps, optics.finer(FACTOR))
    np.savez_compressed(output, contrast=(fine - 1).astype(np.float16), seed=SEED, factor=FACTOR)


if __name__ == "__main__":
    main()
