"""Measure what two mistakes cost on real embryos: a wrong radius of the cells, and cells that nobody clicked.

    python tools/own_stack.py        # ten trainings of half a minute or so; writes results/own-stack.json

Each run trains on the points of the 8-cell embryo by the commands of the chapter *Your own stack*, with its few steps,
and is scored on the 16-cell embryo. What is clicked there are the experts' centres, moved by 1 µm along each axis.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import data_download
from bfs_tutorial import cli
from bfs_tutorial.experiments import environment
from bfs_tutorial.files import replacing
from bfs_tutorial.stack import ZStack, write_labels, write_points, write_stack

RECORD = Path(__file__).resolve().parent.parent / "results" / "own-stack.json"
RADII = (5, 6, 7, 8, 10, 12, 16)  # µm
LEFT_OUT = ((), (6, 7), (0, 5))  # rows of the clicks
TREMBLE = 1.0  # µm along each axis
COMMANDS = (
    "train clicked.tif --points clicks.csv --modality fluorescence --cell-radius {radius} "
    "--steps-s1 150 --steps-s2 150 --seed 0 -o model.pt --overwrite",
    "segment clicked.tif --model model.pt -o again.tif --overwrite",
    "segment new.tif --model model.pt -o labels.tif --overwrite",
    "evaluate labels.tif truth.tif -o scores.json --overwrite",
    "evaluate again.tif clicked-truth.tif -o known.json --overwrite",
)


def main() -> int:
    """Measure all cases and write the record."""
    start = time.process_time()
    clicked, new = data_download.load("mouse_embryo_fluorescence")
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # the commands name files of this folder alone
        try:
            prepare(clicked, new)
            radii = [{"radius": radius, **case(clicks(clicked), radius)} for radius in RADII]
            left = [{"left_out": list(rows), **case(clicks(clicked, rows), 8)} for rows in LEFT_OUT]
        finally:
            os.chdir(home)
    record = {
        "command": "python tools/own_stack.py",
        "commands": [f"python -m bfs_tutorial {command}" for command in COMMANDS],
        "seed": 0,
        "cpu_seconds": round(time.process_time() - start, 1),
        **environment("cpu"),
        "radii": radii,
        "left_out": left,
    }
    with replacing(RECORD, overwrite=True) as partial_file:
        partial_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def prepare(clicked: ZStack, new: ZStack) -> None:
    """Write both embryos and their truth as the files that the commands name."""
    for name, stack in {"clicked": clicked, "new": new}.items():
        write_stack(f"{name}.tif", stack)
    write_labels("clicked-truth.tif", clicked.labels, clicked.spacing)
    write_labels("truth.tif", new.labels, new.spacing)


def clicks(stack: ZStack, left_out: Sequence[int] = ()) -> np.ndarray:
    """Return the clicks of somebody whose hand trembles, (N, 3) voxels, without some rows."""
    tremble = np.random.default_rng(0).normal(0, TREMBLE, stack.centres.shape)
    points = np.rint(stack.centres + tremble / np.array(stack.spacing))
    return np.delete(np.clip(points, 0, np.array(stack.image.shape) - 1), list(left_out), axis=0)


def case(points: np.ndarray, radius: float) -> dict:
    """Train on these clicks with this radius in µm; return scores and counts of cells in the new and the old embryo."""
    write_points("clicks.csv", points, overwrite=True)
    for command in COMMANDS:
        if code := cli.main(command.format(radius=radius).split()):
            raise SystemExit(code)
    scores, known = (json.loads(Path(name).read_text()) for name in ("scores.json", "known.json"))
    kept = {key: round(scores[key], 4) for key in ("IoU", "SEG", "MUCov")}
    counts = {key: int(scores[key]) for key in ("n_predicted", "n_truth")}
    return {**kept, **counts, "found_where_clicked": int(known["n_predicted"])}


if __name__ == "__main__":
    sys.exit(main())
