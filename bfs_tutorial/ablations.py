"""What one choice of BFS-Net changes, all else equal: the ablations that the paper leaves out.

Every ablation is a list of values and what each value changes: a setting, the clicks, the training stacks or the
test stacks. They run on simulated validation stacks, never on those of Table 1, so that they could be used to choose
settings. One record per ablation, modality and seed; `python -m bfs_tutorial ablation NAME` makes those missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bfs_tutorial import simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.experiments import (
    DATA,
    LITERAL,
    Bench,
    DataSet,
    Fold,
    environment,
    pseudo_of,
    say,
    score,
    write_record,
)
from bfs_tutorial.instances import assign_instances
from bfs_tutorial.pipeline import Settings
from bfs_tutorial.records import ABLATIONS
from bfs_tutorial.stack import ZStack
from bfs_tutorial.training import check_no_profile, pick_device

TRAINING_SEED, VALIDATION_SEED = 5000, 6000
STACKS, VALIDATION_STACKS = 8, 4
BUDGET = 0.5  # of the default training steps, so that all of them take minutes
Change = Callable[[Any, Settings], dict]  # (value, settings) -> changed settings


@dataclass(frozen=True)
class Ablation:
    """One question: the values that are tried, and what a value changes."""

    question: str
    values: tuple
    unit: str = ""
    settings: Change | None = None  # of S2 alone, unless `retrain`
    stacks: Callable[[Any, list[ZStack], np.random.Generator], list[ZStack]] | None = None  # the training stacks
    test: Callable[[Any, str], list[ZStack]] | None = None
    stage: str = "s2"  # "pseudo" scores the pseudo labels, "threshold" cuts one S2's probability at every value
    retrain: bool = field(default=False)  # train S1 anew for every value


def jittered(noise: float, stacks: list[ZStack], rng: np.random.Generator) -> list[ZStack]:
    """Clicks that miss: a normal error of `noise` µm along every axis, kept inside the stack."""
    moved = []
    for stack in stacks:
        centres = stack.centres + rng.normal(0.0, noise, stack.centres.shape) / stack.spacing
        centres = np.clip(centres, 0, np.array(stack.image.shape) - 1)
        moved.append(ZStack(stack.image, stack.spacing, centres, stack.labels, stack.name))
    return moved


def partly_clicked(share: float, stacks: list[ZStack], rng: np.random.Generator) -> list[ZStack]:
    """A lazy annotator: only this share of the cells of every stack is clicked, at least one."""
    kept = []
    for stack in stacks:
        count = max(1, round(share * len(stack.centres)))
        which = np.sort(rng.permutation(len(stack.centres))[:count])
        kept.append(ZStack(stack.image, stack.spacing, stack.centres[which], stack.labels, stack.name))
    return kept


def crowded(factor: float, modality: str) -> list[ZStack]:
    """Validation stacks with `factor` times the usual number of cells, 13 in 16 x 128 x 128 voxels."""
    number = round(13 * factor)
    return simulate.dataset(modality, VALIDATION_STACKS, VALIDATION_SEED, number=number, radii=(5.0, 9.0))


def _sigma(length: str, unit: str) -> dict:
    return {"sigma_mask": float(length), "sigma_image": float(length), "sigma_unit": unit}


def _rate(rate: float, settings: Settings) -> dict:
    return {name: replace(getattr(settings, name), learning_rate=rate) for name in ("s1", "s2")}


ABLATION = {
    "lambda": Ablation("How strong must the boundary loss be?", (0.0, 0.3, 1.0, 3.0, 10.0), "λ",
                       settings=lambda v, s: {"boundary_weight": v}),
    "sigma": Ablation("How wide must the Gaussians be?", (0.5, 1.0, 2.0, 3.0), "σ1 = σ2, µm",
                      settings=lambda v, s: {"sigma_mask": v, "sigma_image": v}),
    "sigma-unit": Ablation("Micrometres or voxels?", ("1 µm", "1 voxel", "3 µm", "3 voxel"), "σ1 = σ2",
                           settings=lambda v, s: _sigma(*v.split())),
    "scale": Ablation("Must the edge strength be scaled?", ("none", "std", "local"), "scale",
                      settings=lambda v, s: {"edge_scale": v}),
    "printed": Ablation("And with everything else as printed?", ("none", "std", "local"), "scale",
                        settings=lambda v, s: {**LITERAL, "edge_scale": v}),
    "edge": Ablation("Laplacian (Eq. 4) or gradient (Eq. 5)?", ("log", "gradient"), "edge",
                     settings=lambda v, s: {"edge": v}),
    "reduction": Ablation("How do voxels become one number?", ("mean", "ratio"), "reduction",
                          settings=lambda v, s: {"reduction": v}),
    "response-threshold": Ablation("Where is a response map cut?", (0.5, 0.75, 1.0, 1.3, 1.6, 2.0), "times Otsu",
                                   settings=lambda v, s: {"response_factor": v}, stage="pseudo"),
    "mask-threshold": Ablation("Where is S2's probability cut?", (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), "threshold",
                               stage="threshold"),
    "click-noise": Ablation("How exact must clicks be?", (0.0, 1.0, 2.0, 4.0), "µm", stacks=jittered, retrain=True),
    "clicked": Ablation("Must every cell be clicked?", (0.25, 0.5, 0.75, 1.0), "share", stacks=partly_clicked,
                        retrain=True),
    "stacks": Ablation("How many stacks are needed?", (1, 2, 4, 8), "training stacks",
                       stacks=lambda v, stacks, rng: stacks[:v], retrain=True),
    "density": Ablation("What do crowded cells cost?", (0.5, 1.0, 1.5, 2.0), "times the usual number", test=crowded),
    "learning-rate": Ablation("Does the paper's learning rate work in minutes?", (5e-5, 5e-4, 5e-3), "per step",
                              settings=_rate, retrain=True),
}  # fmt: skip


def run_ablation(name: str, data: str, seed: int, work: Path, device: str = "auto", progress: bool = True) -> dict:
    """Run every value of one ablation and return the record."""
    ablation, start, cpu = ABLATION[name], time.perf_counter(), time.process_time()
    base = make_bench(DATA[data], seed, work / "base", device, progress)
    measure = {"pseudo": _pseudo, "threshold": _thresholds, "s2": _values}[ablation.stage]
    make = partial(make_bench, DATA[data], seed, device=device, progress=progress)
    points = measure(ablation, base, make, work / name)  # a folder of its own: others have the same values
    return {
        "ablation": name, "question": ablation.question, "unit": ablation.unit, "data": data, "seed": seed,
        "training_stacks": [stack.name for stack in base.training],
        "points": points,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        **environment(device),
    }  # fmt: skip


def make_bench(data: DataSet, seed: int, folder: Path, device: str, progress: bool, settings: dict | None = None,
               training: list[ZStack] | None = None, test: list[ZStack] | None = None) -> Bench:  # fmt: skip
    """The ablations' own stacks, and S1 trained on them and kept in the folder."""
    settings = halved(data) | (settings or {})
    training = training or simulate.dataset(data.modality, STACKS, TRAINING_SEED + seed)
    test = test or simulate.dataset(data.modality, VALIDATION_STACKS, VALIDATION_SEED)
    return Bench(data, Fold(training, test), seed, folder, device, progress, settings)


def halved(data: DataSet) -> dict:
    """The schedules of S1 and S2 with `BUDGET` times their steps."""
    settings = Settings.of(data.modality, **data.settings)
    return {name: replace(s, steps=round(BUDGET * s.steps)) for name, s in (("s1", settings.s1), ("s2", settings.s2))}


def _values(ablation: Ablation, base: Bench, make: Callable[..., Bench], work: Path) -> list[dict]:
    """A new S2, and where asked a new S1, for every value; S2 stays where only the test stacks change."""
    points, same_s2 = [], None
    for value in ablation.values:
        bench, settings = base, ablation.settings(value, base.model.settings) if ablation.settings else {}
        if ablation.retrain:
            rng = np.random.default_rng(base.seed)
            training = ablation.stacks(value, base.training, rng) if ablation.stacks else base.training
            bench = make(folder=work / f"value-{value}", settings=settings, training=training)
        if ablation.test:
            same_s2 = same_s2 or _train(base, {})
            tests = ablation.test(value, base.modality)
            points.append(_point(value, [same_s2.predict(stack).labels for stack in tests], tests))
        else:
            model = _train(bench, {} if ablation.retrain else settings)
            points.append(_point(value, [model.predict(stack).labels for stack in bench.test], bench.test))
    return points


def _train(bench: Bench, settings: dict):
    model = bench.with_s1(**settings)
    model.train_s2(bench.clicked, bench.pseudo_masks, **bench.options)
    return model


def _pseudo(ablation: Ablation, base: Bench, make: Callable[..., Bench], work: Path) -> list[dict]:
    """Pseudo labels at the centres found in the validation stacks, one S1 for all values."""
    points = []
    for value in ablation.values:
        model = base.with_s1(**ablation.settings(value, base.model.settings))
        found = zip(base.test, base.centres, strict=True)
        points.append(_point(value, [pseudo_of(model, stack, centres, "prm") for stack, centres in found], base.test))
    return points


def _thresholds(ablation: Ablation, base: Bench, make: Callable[..., Bench], work: Path) -> list[dict]:
    """One S2, its probability cut at every value."""
    model = _train(base, {})
    found = [(stack, model.predict(stack)) for stack in base.test]
    points = []
    for value in ablation.values:
        labels = [assign_instances(f.mask > value, f.centres, stack.spacing) for stack, f in found]
        points.append(_point(value, labels, base.test))
    return points


def _point(value: Any, labels: Sequence[np.ndarray], stacks: Sequence[ZStack]) -> dict:
    """Scores at one value, and how large the masks are: their volume divided by the true one."""
    volume = sum((found > 0).sum() for found in labels) / sum((stack.labels > 0).sum() for stack in stacks)
    pairs = zip(stacks, labels, strict=True)
    return {"value": value, "volume": round(float(volume), 3), "stacks": {s.name: score(f, s) for s, f in pairs}}


def ablate(
    names: Sequence[str], data: str, seeds: int = 1, *, device: str = "auto", results: Path = ABLATIONS,
    progress: bool = True,
) -> None:  # fmt: skip
    """Run the ablations that have no record yet; each record is written when it is done. Raises `InputError`."""
    unknown = [name for name in names if name not in ABLATION]
    if unknown:
        raise InputError(f"ablation {unknown[0]!r} is unknown; choose from {', '.join(ABLATION)}")
    simulated = [name for name in DATA if name.startswith("simulated-")]
    if data not in simulated:
        raise InputError(f"ablations run on {' or '.join(simulated)}, not on {data!r}: the truth must be exact")
    check_no_profile()
    pick_device(device)
    for seed in range(seeds):
        for name in names or ABLATION:
            path = Path(results) / data / f"{name}-seed{seed}.json"
            if path.exists():
                continue
            say(f"{data}, seed {seed}: {ABLATION[name].question}", progress)
            record = run_ablation(name, data, seed, Path(results) / "work" / data / f"seed{seed}", device, progress)
            command = f"python -m bfs_tutorial ablation {name} --data {data} --seeds {seed + 1}"
            write_record(path, {**record, "command": command})
