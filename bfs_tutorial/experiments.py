"""Run the method against baselines and keep a record of every run: the numbers of the book come from these files.

`python -m bfs_tutorial.experiments embryo-8-to-16 --seeds 3` writes results/embryo-8-to-16-seed0.json and so on.
A record that exists is not computed again, so a run that was stopped goes on where it was.

The truth serves three purposes, each stated in the record: it scores, it tells the baselines' settings on the
training stacks (which favours them: BFS-Net never sees a mask), and for simulated stacks it exists at all.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from skimage.transform import resize

from bfs_tutorial import baselines, simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.files import replacing
from bfs_tutorial.metrics import detection, evaluate
from bfs_tutorial.pipeline import BFSNet
from bfs_tutorial.stack import ZStack

METRICS = ("IoU", "SEG", "MUCov")
WATERSHED_GRID = {"smooth": [0.8, 1.5, 2.5], "seed_distance": [4.0, 6.0, 8.0], "log": [True, False]}
VORONOI_GRID = {"spot_sigma": [2.0, 3.0, 4.5], "outline_sigma": [0.8, 1.5, 2.5], "log": [True, False]}
RESULTS = Path(__file__).resolve().parent.parent / "results"
Data = tuple[list[ZStack], list[ZStack]]  # training and test stacks


def embryos(train: str, test: str) -> Callable[[int], Data]:
    """One real mouse embryo to train on, by its points, and the other one to test on."""

    def load(seed: int) -> Data:
        import data_download

        stacks = {stack.name: stack for stack in data_download.load("mouse_embryo_fluorescence", progress=False)}
        return [stacks[train]], [stacks[test]]

    return load


def simulated(modality: str, training: int, test: int = 8) -> Callable[[int], Data]:
    """Simulated stacks; every seed has stacks of its own."""

    def load(seed: int) -> Data:
        stacks = simulate.dataset(modality, training + test, seed=1000 + seed)
        return stacks[:training], stacks[training:]

    return load


def qcanet() -> dict[str, list[np.ndarray]]:
    """The stored 16-cell result of QCANet, which was trained on full masks of other embryos."""
    import data_download

    return {"QCANet (trained on masks)": [data_download.load_stored_result()]}


@dataclass(frozen=True)
class Experiment:
    """What to train and test on, and labels of others for the same test stacks."""

    modality: str
    load: Callable[[int], Data]
    published: Callable[[], dict[str, list[np.ndarray]]] = dict


EXPERIMENTS = {
    "embryo-8-to-16": Experiment("fluorescence", embryos("8-cell", "16-cell"), qcanet),
    "embryo-16-to-8": Experiment("fluorescence", embryos("16-cell", "8-cell")),
    "simulated-fluorescence": Experiment("fluorescence", simulated("fluorescence", 12)),
    "simulated-bright-field": Experiment("bright-field", simulated("bright-field", 32)),
}


def points_only(stack: ZStack) -> ZStack:
    """The stack as an annotator leaves it: image and clicks, no labels."""
    return ZStack(stack.image, stack.spacing, stack.centres, name=stack.name)


def run(name: str, seed: int, device: str = "auto", progress: bool = True) -> dict:
    """Train on points, predict, score every method on every test stack, and return the record."""
    experiment = EXPERIMENTS[name]
    modality = experiment.modality
    training, test = experiment.load(seed)
    start = time.perf_counter()
    model = BFSNet(modality)
    model.fit([points_only(stack) for stack in training], seed=seed, device=device, progress=progress)
    found = [model.predict(points_only(stack)) for stack in test]
    drawn, chosen = _baselines(modality, training, test, [prediction.centres for prediction in found])
    drawn["pseudo labels"] = [_pseudo(model, stack, p.centres) for stack, p in zip(test, found, strict=True)]
    drawn["BFS-Net"] = [prediction.labels for prediction in found]
    drawn |= experiment.published()
    centres = [detection(p.centres, stack.centres, stack.spacing) for stack, p in zip(test, found, strict=True)]
    scores = {
        method: [evaluate(labels, stack.labels) for labels, stack in zip(results, test, strict=True)]
        for method, results in drawn.items()
    }
    return {
        "experiment": name,
        "seed": seed,
        **environment(model),
        "seconds": round(time.perf_counter() - start, 1),
        "peak_memory_MB": round(_peak_memory(), 0),
        "training_stacks": [stack.name for stack in training],
        "test_stacks": [stack.name for stack in test],
        "baseline_settings": chosen,
        "detection": _rounded(centres),
        "scores": {method: _rounded(rows) for method, rows in scores.items()},
    }


def _pseudo(model: BFSNet, stack: ZStack, centres: np.ndarray) -> np.ndarray:
    """What the peak responses alone give on a test stack, one back-propagation per found centre; original grid."""
    if len(centres) == 0:
        return np.zeros(stack.image.shape, dtype=np.int32)
    labels = model.pseudo_labels(ZStack(stack.image, stack.spacing, centres))
    return resize(labels, stack.image.shape, order=0, mode="edge", preserve_range=True, anti_aliasing=False)


def _baselines(
    modality: str, training: Sequence[ZStack], test: Sequence[ZStack], centres: Sequence[np.ndarray]
) -> tuple[dict[str, list[np.ndarray]], dict[str, dict]]:
    """Labels of the classical methods and of balls at BFS-Net's centres, set to do best on the training truth."""

    def threshold_watershed(stack, **settings):
        return baselines.threshold_watershed(stack.image, stack.spacing, modality, **settings)

    def voronoi_otsu(stack, **settings):
        return baselines.voronoi_otsu(stack.image, stack.spacing, modality, **settings)

    def balls(stack, radius, points=None):
        points = stack.centres if points is None else points
        return baselines.balls(stack.image.shape, points, stack.spacing, radius)

    chosen = {
        "threshold + watershed": baselines.tune(threshold_watershed, training[:4], WATERSHED_GRID),
        "Voronoi-Otsu": baselines.tune(voronoi_otsu, training[:4], VORONOI_GRID),
        "ball at each centre": baselines.tune(balls, training, {"radius": np.arange(4.0, 12.5, 0.5).tolist()}),
    }
    labels = {
        "threshold + watershed": [threshold_watershed(s, **chosen["threshold + watershed"]) for s in test],
        "Voronoi-Otsu": [voronoi_otsu(s, **chosen["Voronoi-Otsu"]) for s in test],
        "ball at each centre": [
            balls(s, **chosen["ball at each centre"], points=p) for s, p in zip(test, centres, strict=True)
        ],
    }
    return labels, chosen


# ---- records -------------------------------------------------------------------------------------------------


def environment(model: BFSNet) -> dict:
    """What the numbers depend on besides the seed: settings, versions, device, threads."""
    packages = ("bfs-tutorial", "torch", "numpy", "scipy", "scikit-image")
    return {
        "settings": asdict(model.settings),
        "peak_threshold": model.peak_threshold,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "device": str(next(model.s1.parameters()).device),
        "threads": torch.get_num_threads(),
    }


def _peak_memory() -> float:
    """Largest memory of this process so far in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _rounded(rows: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: round(value, 4) for key, value in row.items()} for row in rows]


def record_path(name: str, seed: int, folder: Path = RESULTS) -> Path:
    """Where the record of one run is kept."""
    return Path(folder) / f"{name}-seed{seed}.json"


def records(name: str, folder: Path = RESULTS) -> list[dict]:
    """All records of an experiment, by seed. Raises `InputError` when there is none."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in Path(folder).glob(f"{name}-seed*.json")]
    if not found:
        raise InputError(f"no record of {name!r} in {folder}; make one: python -m bfs_tutorial.experiments {name}")
    return sorted(found, key=lambda record: record["seed"])


def summary(runs: Sequence[dict], metrics: Sequence[str] = METRICS) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and standard deviation over seeds of each method's mean over test stacks: {method: {metric: (mean, sd)}}."""
    table = {}
    for method in runs[0]["scores"]:
        rows = [[np.mean([row[m] for row in run["scores"][method]]) for m in metrics] for run in runs]
        spread = zip(metrics, np.mean(rows, axis=0).tolist(), np.std(rows, axis=0).tolist(), strict=True)
        table[method] = {metric: (mean, sd) for metric, mean, sd in spread}
    return table


def detection_summary(runs: Sequence[dict]) -> dict[str, float]:
    """Mean precision and recall of the centres over stacks and seeds."""
    rows = [row for run in runs for row in run["detection"]]
    return {key: float(np.mean([row[key] for row in rows])) for key in ("precision", "recall")}


def main(argv: Sequence[str] | None = None) -> int:
    """Run experiments that have no record yet and print their mean scores."""
    parser = argparse.ArgumentParser(prog="python -m bfs_tutorial.experiments", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(EXPERIMENTS)} (all)")
    parser.add_argument("--seeds", type=int, default=3, help="runs per experiment, seeds 0, 1, ... (3)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the records")
    options = parser.parse_args(argv)
    try:
        for name in options.names or EXPERIMENTS:
            if name not in EXPERIMENTS:
                raise InputError(f"experiment {name!r} is unknown; choose from {', '.join(EXPERIMENTS)}")
            for seed in range(options.seeds):
                _keep(name, seed, options)
            print(_text(name, records(name, options.results)), flush=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _keep(name: str, seed: int, options: argparse.Namespace) -> None:
    """Run one experiment and write its record, unless there is one."""
    path = record_path(name, seed, options.results)
    if path.exists():
        return
    record = run(name, seed, options.device)
    record = {"command": f"python -m bfs_tutorial.experiments {name} --seeds {seed + 1}", **record}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=False) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _text(name: str, runs: Sequence[dict]) -> str:
    lines = [f"{name}, {len(runs)} seeds: mean ± sd, centres found: {detection_summary(runs)}"]
    for method, row in summary(runs).items():
        lines.append(f"  {method:27s}" + "   ".join(f"{m} {mean:.3f} ± {sd:.3f}" for m, (mean, sd) in row.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
