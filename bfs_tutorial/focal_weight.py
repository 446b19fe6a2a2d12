"""Does the focal term of Eq. 2 help to find cells? S1 trained anew for every weight λ and seed, and scored.

`python -m bfs_tutorial.focal_weight` trains as the chapter *Centre regression* does, only more often, and writes
results/focal-weight.json: F1 on unseen stacks, at one peak threshold for all and at the one chosen for each S1.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bfs_tutorial import simulate, unet
from bfs_tutorial.experiments import environment
from bfs_tutorial.files import replacing
from bfs_tutorial.metrics import detection
from bfs_tutorial.pipeline import BFSNet
from bfs_tutorial.records import RESULTS
from bfs_tutorial.stack import ZStack
from bfs_tutorial.training import Schedule, check_no_profile

PATH = RESULTS.parent / "focal-weight.json"
WEIGHTS = (0.0, 0.1, 1.0)  # λ of Eq. (2)
SEEDS = 5
SCHEDULE = Schedule(250, crop=(16, 32, 32))
FIXED = 0.3  # the peak threshold that is the same for all
TRAINING, UNSEEN = (3, 5000), (8, 6000)  # number and seed of the simulated bright-field stacks; the chapter shows 3


def run(
    weight: float, seed: int, training: Sequence[ZStack], unseen: Sequence[ZStack], schedule: Schedule = SCHEDULE
) -> dict:
    """Train one S1 with λ = `weight` on the clicks of `training`; return its threshold and its F1 on each unseen stack.

    {"weight", "seed", "threshold": chosen on the training stacks, "F1": {"fixed": [...], "own": [...]}}.
    """
    model = BFSNet("bright-field", focal_weight=weight, s1=schedule)
    model.train_s1(training, seed=seed, progress=False)
    maps = [unet.predict(model.s1, model.prepare(stack)) for stack in unseen]
    scores = {}
    for name, threshold in (("fixed", FIXED), ("own", model.peak_threshold)):
        found = [model.find_centres(likelihood, threshold)[0] for likelihood in maps]
        pairs = zip(found, unseen, strict=True)
        spacing = model.settings.spacing
        scores[name] = [round(detection(points, model.points(s), spacing)["F1"], 4) for points, s in pairs]
    return {"weight": weight, "seed": seed, "threshold": round(model.peak_threshold, 4), "F1": scores}


def run_all(weights: Sequence[float] = WEIGHTS, seeds: int = SEEDS, schedule: Schedule = SCHEDULE) -> dict:
    """Train and score every weight with every seed; return the record. Raises `InputError` under another profile."""
    check_no_profile()
    start = time.perf_counter()
    training, unseen = (simulate.dataset("bright-field", count, seed=seed) for count, seed in (TRAINING, UNSEEN))
    runs = []
    for seed in range(seeds):
        for weight in weights:
            runs.append(run(weight, seed, training, unseen, schedule))
            print(line(runs[-1]), flush=True)
    return {
        "command": "python -m bfs_tutorial.focal_weight",
        "fixed_threshold": FIXED,
        "stacks": {"training": TRAINING, "unseen": UNSEEN},
        "schedule": asdict(schedule),
        "runs": runs,
        "seconds": round(time.perf_counter() - start, 1),
        **environment("auto"),
    }


def line(found: Mapping) -> str:
    """One run in one line."""
    fixed, own = (np.mean(found["F1"][name]) for name in ("fixed", "own"))
    return (
        f"λ = {found['weight']:g}, seed {found['seed']}: F1 {fixed:.3f} at threshold {FIXED:g}, "
        f"{own:.3f} at its own, {found['threshold']:.2f}"
    )


def seed_means(record: Mapping, threshold: str) -> dict[float, np.ndarray]:
    """λ -> F1 of every seed, mean over the unseen stacks, (seeds,), at the threshold "fixed" or "own"."""
    runs = sorted(record["runs"], key=lambda found: found["seed"])
    weights = sorted({found["weight"] for found in runs})
    return {w: np.array([np.mean(r["F1"][threshold]) for r in runs if r["weight"] == w]) for w in weights}


def main() -> None:
    """Run everything and write the record."""
    parser = argparse.ArgumentParser(prog="python -m bfs_tutorial.focal_weight", description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=PATH)
    output = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    record = run_all()
    with replacing(output, overwrite=True) as partial:
        partial.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to {output}")


if __name__ == "__main__":
    main()
