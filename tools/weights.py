"""Train the small networks that the package ships, so that a chapter can use a trained S1 and S2 in seconds.

    python tools/weights.py [fluorescence] [bright-field]   # or: make weights

Each modality gets bfs_tutorial/weights/MODALITY.pt, a model as `BFSNet.save` writes it, and beside it MODALITY.json:
the command, the seed, the data, the versions, the seconds, and scores on simulated stacks that it was not trained on.
"""

from __future__ import annotations

import json
import shlex
import sys
import time

import numpy as np

from bfs_tutorial import simulate
from bfs_tutorial.experiments import DATA, environment, points_only, score
from bfs_tutorial.files import replacing
from bfs_tutorial.pipeline import WEIGHTS, BFSNet

TRAINING = {"fluorescence": 12, "bright-field": 24}  # simulated stacks
SCORES = ("IoU", "SEG", "MUCov", "F1")
TRAINING_SEED, VALIDATION_SEED, VALIDATION_STACKS = 7000, 7001, 4


def make(modality: str, seed: int = 0) -> dict:
    """Train on points of simulated stacks, write the model and its record, and return the record."""
    start = time.process_time()
    stacks = simulate.dataset(modality, TRAINING[modality], TRAINING_SEED)
    model = BFSNet(modality, **DATA[f"simulated-{modality}"].settings)
    model.fit([points_only(stack) for stack in stacks], seed=seed)
    model.record.pop("loss_s1"), model.record.pop("loss_s2")
    seconds = round(time.process_time() - start, 1)
    tests = simulate.dataset(modality, VALIDATION_STACKS, VALIDATION_SEED)
    scores = [score(model.predict(points_only(stack)).labels, stack) for stack in tests]
    record = {
        "command": shlex.join(["python", "tools/weights.py", modality]),
        "data": f"simulate.dataset({modality!r}, {TRAINING[modality]}, {TRAINING_SEED}), points only",
        "seed": seed,
        "cpu_seconds": seconds,
        "scores": {key: round(float(np.mean([row[key] for row in scores])), 3) for key in SCORES},
        "scored_on": f"simulate.dataset({modality!r}, {VALIDATION_STACKS}, {VALIDATION_SEED})",
        **environment("auto"),
    }
    WEIGHTS.mkdir(exist_ok=True)
    model.save(WEIGHTS / f"{modality}.pt", overwrite=True)
    with replacing(WEIGHTS / f"{modality}.json", overwrite=True) as partial_file:
        partial_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


if __name__ == "__main__":
    for name in sys.argv[1:] or TRAINING:
        print(json.dumps(make(name)["scores"]))
