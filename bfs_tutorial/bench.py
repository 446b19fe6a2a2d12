"""Benchmarks: each fast part beside its plain version, in one run, so that the ratio means something.

`python -m bfs_tutorial.bench` prints a table and writes results/bench.json. Every row runs in a process of its
own, which gives its peak memory. Absolute times depend on the machine; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

REPEATS = 3


def seconds(function: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall seconds of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def versus(fast: Callable[[], object], plain: Callable[[], object], goal: float) -> dict:
    """Time both and their ratio; the plain version runs once, it is the slow one."""
    fast()  # warm up: caches, thread pools
    quick = seconds(fast)
    slow = seconds(plain, repeats=1)
    return {"seconds": quick, "plain_seconds": slow, "ratio": slow / quick, "goal": goal}


def network_and_peaks(count: int = 16, shape: tuple[int, int, int] = (16, 128, 128)):
    """A network, an image and `count` peaks spread over it; timing does not ask for a trained one."""
    from bfs_tutorial import unet

    rng = np.random.default_rng(0)
    image = rng.normal(size=shape).astype(np.float32)
    peaks = np.stack([rng.integers(0, n, count) for n in shape], axis=1)
    return unet.build(0).eval(), image, peaks


def peak_responses() -> dict:
    """Receptive-field windows, batched, against one back-propagation through the whole stack per peak."""
    from bfs_tutorial.peak_response import fold_batch_norm, iterate_responses

    model, image, peaks = network_and_peaks()
    model = fold_batch_norm(model)

    def one_by_one():
        for peak in peaks:
            list(iterate_responses(model, image, peak[None], windowed=False, batch=1))

    return versus(lambda: list(iterate_responses(model, image, peaks)), one_by_one, goal=10)


def inference() -> dict:
    """One pass of S2 for a whole stack against a response map for every cell, at inference time."""
    from bfs_tutorial import unet
    from bfs_tutorial.peak_response import fold_batch_norm, iterate_responses

    model, image, peaks = network_and_peaks()
    folded = fold_batch_norm(model)
    return versus(
        lambda: unet.predict(model, image), lambda: list(iterate_responses(folded, image, peaks)), goal=1
    )


def batch_of_two() -> dict:
    """Predicting with the stack copied to a batch of two against a batch of one, on the CPU."""
    import torch

    from bfs_tutorial import unet

    model, image, _ = network_and_peaks()
    batches = [unet.as_batch(image, model.stride, copies) for copies in (2, 1)]
    with torch.no_grad():
        return versus(lambda: model(batches[0]), lambda: model(batches[1]), goal=1)


def labelled_volume(count: int = 40, shape: tuple[int, int, int] = (64, 192, 192)) -> tuple[np.ndarray, np.ndarray]:
    """Two label volumes of `count` balls, the second one shifted."""
    from bfs_tutorial.baselines import balls

    rng = np.random.default_rng(0)
    centres = np.stack([rng.integers(8, n - 8, count) for n in shape], axis=1)
    truth = balls(shape, centres, (1.0, 1.0, 1.0), 9.0)
    return truth, np.roll(truth, (1, 2, 2), axis=(0, 1, 2))


def metrics() -> dict:
    """IoU, SEG and MUCov from one contingency table against masks compared pair by pair."""
    from bfs_tutorial.metrics import evaluate

    truth, labels = labelled_volume()

    def pair_by_pair():
        iou = np.zeros((truth.max(), labels.max()))
        for i, j in np.ndindex(*iou.shape):
            a, b = truth == i + 1, labels == j + 1
            iou[i, j] = (a & b).sum() / (a | b).sum()
        return iou.max(axis=1).mean()  # the truth-centred coverage

    return versus(lambda: evaluate(labels, truth), pair_by_pair, goal=100)


def centre_maps() -> dict:
    """Eq. (1) around each centre against the distances of all voxels to all centres."""
    from bfs_tutorial.centre_maps import centre_map

    shape, spacing = (64, 256, 256), np.array([2.0, 1.0, 1.0])
    rng = np.random.default_rng(0)
    centres = np.stack([rng.uniform(0, n - 1, 100) for n in shape], axis=1)

    def all_pairs():
        grid = np.moveaxis(np.indices(shape), 0, -1) * spacing
        nearest = np.full(shape, np.inf)
        for centre in centres * spacing:
            nearest = np.minimum(nearest, np.sqrt(((grid - centre) ** 2).sum(axis=-1)))
        return np.where(nearest <= 8.0, np.exp(-2.0 * nearest / 8.0), 0.0)

    return versus(lambda: centre_map(shape, centres, tuple(spacing)), all_pairs, goal=20)


def simulate_bright_field() -> dict:
    """One 16 x 128 x 128 bright-field stack."""
    from bfs_tutorial import simulate

    simulate.bright_field(0)
    return {"seconds": seconds(lambda: simulate.bright_field(1)), "goal_seconds": 3.0}


def bright_field_error() -> dict:
    """RMS difference from the stored stack with 4x finer samples and 4x more angles, in units of its contrast."""
    from bfs_tutorial.simulate.bright_field import BrightFieldOptics, expose
    from bfs_tutorial.simulate.cells import cells

    stored = np.load(Path(__file__).resolve().parent.parent / "tests" / "data" / "bright_field_fine.npz")
    fine, optics = stored["contrast"].astype(np.float32), BrightFieldOptics()
    rng = np.random.default_rng(int(stored["seed"]))
    drawn = cells(rng, fine.shape)
    steps = rng.uniform(*optics.cell_index, size=len(drawn.items))
    contrast = expose(drawn, steps, optics) - 1
    error = np.sqrt(np.mean((contrast - fine) ** 2)) / fine.std()
    return {"seconds": seconds(lambda: expose(drawn, steps, optics), repeats=1), "rms_error": error}


def simulate_fluorescence() -> dict:
    """One 16 x 128 x 128 fluorescence stack."""
    from bfs_tutorial import simulate

    simulate.fluorescence(0)
    return {"seconds": seconds(lambda: simulate.fluorescence(1))}


def training_step() -> dict:
    """Steps per second of S1 and S2 with the default crop and batch."""
    from bfs_tutorial import simulate
    from bfs_tutorial.pipeline import BFSNet

    stacks = simulate.dataset("fluorescence", 2, seed=0)
    model = BFSNet("fluorescence", steps_s1=20, steps_s2=20)
    model.s1, model.s2 = model.network(0, 0.02), model.network(1, 0.12)
    start = time.perf_counter()
    model.train_s1(stacks, progress=False)
    middle = time.perf_counter()
    model.train_s2(stacks, [stack.labels > 0 for stack in stacks], progress=False)
    s1, s2 = middle - start, time.perf_counter() - middle
    return {"seconds": (s1 + s2) / 40, "steps_per_second_s1": 20 / s1, "steps_per_second_s2": 20 / s2}


def explorable_step() -> dict:
    """One step of the slowest slider of the boundary loss in a live notebook, to a value not seen before."""
    from bfs_tutorial import explore, simulate

    stack = simulate.fluorescence(34, (24, 64, 64), (1.0, 0.5, 0.5), radii=(7.0, 8.5), number=1)
    ball = lambda larger: explore.soft_ball(stack.image.shape, stack.centres[0], 7 + larger, stack.spacing)  # noqa: E731
    at = np.rint(stack.centres[0][:2]).astype(int)
    frame = explore.boundary_frame(stack.image, ball, stack.spacing, at, truth=stack.labels, labels=ball(1.5) > 0.5)
    ends = {"sigma_mask": [0.5, 3.0], "sigma_image": [0.5, 3.0], "p": [1.0, 2.0], "size": [-2.0, 2.0]}
    ends |= {"z": [-6.0, 9.0], "strength": [0.0, 9.0]}
    live = explore.explorable(frame, ends, alt=lambda **moved: explore.describe_boundary("a cell", **moved)).widget()

    def move(control) -> float:
        steps = iter(range(1, 99))

        def step() -> None:
            control.value = control.min + next(steps) * control.step

        return seconds(step, repeats=15)

    return {"seconds": max(move(control) for control in live.children[:-1]), "goal_seconds": 0.15}


BENCHMARKS = (
    peak_responses, inference, batch_of_two, metrics, centre_maps, simulate_bright_field, bright_field_error,
    simulate_fluorescence, training_step, explorable_step,
)  # fmt: skip


def measure(name: str) -> dict:
    """Run one benchmark and add the peak memory of this process in MB."""
    row = globals()[name]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row["peak_MB"] = peak / (1024**2 if sys.platform == "darwin" else 1024)
    return row


def run_all(names: list[str]) -> dict[str, dict]:
    """Every benchmark in a fresh process, one after another."""
    context = multiprocessing.get_context("spawn")
    rows = {}
    for name in names:
        with context.Pool(1) as pool:
            rows[name] = {key: round(float(value), 4) for key, value in pool.apply(measure, (name,)).items()}
        print(line(name, rows[name]), flush=True)
    return rows


def line(name: str, row: dict) -> str:
    """One line of the table."""
    text = f"{name:22s} {row['seconds']:9.4f} s  {row['peak_MB']:7.0f} MB"
    if "ratio" in row:
        verdict = "meets" if row["ratio"] >= row["goal"] else "MISSES"
        text += f"   plain {row['plain_seconds']:8.3f} s   {row['ratio']:6.1f}x, {verdict} the goal of {row['goal']:g}x"
    if "goal_seconds" in row:
        verdict = "meets" if row["seconds"] <= row["goal_seconds"] else "MISSES"
        text += f"   {verdict} the goal of {row['goal_seconds']:g} s"
    if "rms_error" in row:
        text += f"   RMS error {row['rms_error']:.1%} of the contrast of a reference 4x finer with 4x more angles"
    if "steps_per_second_s1" in row:
        text += f"   S1 {row['steps_per_second_s1']:.1f}, S2 {row['steps_per_second_s2']:.1f} steps a second"
    return text


def machine() -> dict:
    """What the numbers were measured with."""
    packages = ("torch", "numpy", "scipy", "scikit-image")
    return {
        "command": "python -m bfs_tutorial.bench",
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", 0)) or None,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def main() -> None:
    """Run the benchmarks named on the command line, or all, and write the record."""
    names = [function.__name__ for function in BENCHMARKS]
    parser = argparse.ArgumentParser(prog="python -m bfs_tutorial.bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(names)}")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/bench.json"))
    options = parser.parse_args()
    unknown = set(options.names) - set(names)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(names)}")
    rows = run_all(options.names or names)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({**machine(), "rows": rows}, indent=1) + "\n")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
