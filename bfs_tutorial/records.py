"""Read the records of Table 1 and say what they show: means with spread, paired differences, tables.

A record is one row on one data set with one seed, results/table1/DATA/ROW-seedN.json, written by `experiments`.
Nothing here trains anything or needs PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bfs_tutorial.errors import InputError

RESULTS = Path(__file__).resolve().parent.parent / "results" / "table1"
ABLATIONS = RESULTS.parent / "ablations"
BEYOND = {"embryos": "sim-outline"}  # the row that goes beyond the paper, where it is not "star"
METRICS = ("IoU", "SEG", "MUCov")
INTERVAL = 0.95  # the share of bootstrap means that an interval holds
Records = dict[str, list[dict]]  # row -> its records, by seed


def record_path(data: str, row: str, seed: int, folder: Path = RESULTS) -> Path:
    """Where the record of one row and seed is kept."""
    return Path(folder) / data / f"{row}-seed{seed}.json"


def load(data: str, folder: Path = RESULTS, rows: Sequence[str] | None = None) -> Records:
    """All records of a data set: {row: records by seed}. Raises `InputError` when there is none.

    rows: only these, in this order; one without records is left out.
    """
    paths = sorted((Path(folder) / data).glob("*-seed*.json"))
    if not paths:
        raise InputError(f"no record of {data!r} in {folder}; make them: python -m bfs_tutorial table1 --data {data}")
    found: Records = {}
    for path in paths:
        record = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(record["row"], []).append(record)
    chosen = found if rows is None else [row for row in rows if row in found]
    return {row: sorted(found[row], key=lambda run: run["seed"]) for row in chosen}


def load_ablation(name: str, data: str, folder: Path = ABLATIONS) -> list[dict]:
    """The records of one ablation, by seed. Raises `InputError` when there is none."""
    paths = sorted((Path(folder) / data).glob(f"{name}-seed*.json"))
    if not paths:
        raise InputError(f"no record of {name!r} on {data!r}; make it: python -m bfs_tutorial ablation {name}")
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def curve(runs: Sequence[dict], metric: str = "IoU") -> tuple[list, np.ndarray]:
    """The values of an ablation and one metric's mean over stacks, (seeds, values)."""
    values = [point["value"] for point in runs[0]["points"]]
    rows = [[np.mean([s[metric] for s in point["stacks"].values()]) for point in run["points"]] for run in runs]
    return values, np.array(rows)


def ablations(
    names: Mapping[str, str], data: str, folder: Path = ABLATIONS
) -> tuple[dict[str, tuple[list, dict]], dict[str, str]]:
    """Series and units of some ablations, by title, as `figures.sweeps` takes them.

    names: title -> name of the ablation; one without records is left out. A series holds the values, "as is" where
    nothing was scaled, and by metric its mean over stacks, (seeds, values). The metric "volume" is the volume of the
    masks divided by the true one.
    """
    series, units = {}, {}
    for title, name in names.items():
        if any((Path(folder) / data).glob(f"{name}-seed*.json")):
            runs = load_ablation(name, data, folder)
            values = ["as is" if value == "none" else value for value in curve(runs)[0]]
            scores = {metric: curve(runs, metric)[1] for metric in METRICS}
            scores["volume"] = np.array([[point["volume"] for point in run["points"]] for run in runs])
            series[title], units[title] = (values, scores), runs[0]["unit"]
    return series, units


def best_and_worst(series: Mapping[str, tuple[list, dict]], metric: str = "SEG") -> dict[str, dict]:
    """For each of the `ablations`: the value with the best mean over seeds, that mean, and the worst one."""
    table = {}
    for title, (values, scores) in series.items():
        means = np.mean(scores[metric], axis=0)
        best = {"best at": str(values[int(means.argmax())]), f"best {metric}": float(means.max())}
        table[title] = best | {f"worst {metric}": float(means.min())}
    return table


def per_stack(runs: Sequence[dict], metric: str, stacks: Sequence[str] | None = None) -> np.ndarray:
    """One metric of every seed and test stack, (seeds, stacks); `stacks` picks some by name."""
    names = [[name for name in run["stacks"] if stacks is None or name in stacks] for run in runs]
    return np.array([[run["stacks"][name][metric] for name in own] for run, own in zip(runs, names, strict=True)])


def mean_and_spread(runs: Sequence[dict], metric: str, stacks: Sequence[str] | None = None) -> tuple[float, float]:
    """Mean over seeds of the mean over stacks, and the standard deviation of the seeds' means around it."""
    means = per_stack(runs, metric, stacks).mean(axis=1)
    return float(means.mean()), float(means.std())


def seed_means(found: Records, stacks: Sequence[str] | None = None) -> dict[str, dict[str, np.ndarray]]:
    """Title of each row -> metric -> mean over stacks, (seeds,); rows without such a stack are left out."""
    return {
        runs[0]["title"]: {metric: per_stack(runs, metric, stacks).mean(axis=1) for metric in METRICS}
        for runs in found.values()
        if stacks is None or any(name in stacks for name in runs[0]["stacks"])
    }


def summary(
    found: Records, rows: Sequence[str] | None = None, stacks: Sequence[str] | None = None,
    metrics: Sequence[str] = METRICS, least_spread: float = 0.0005,
) -> dict[str, dict[str, tuple[float, float] | float]]:  # fmt: skip
    """Title of each row -> metric -> (mean, standard deviation over seeds); rows without such a stack are left out.

    least_spread: below it the mean stands alone, so that a table does not print "± 0.000".
    """
    table = {}
    for row in rows or found:
        runs = found[row]
        if stacks is None or any(name in stacks for name in runs[0]["stacks"]):
            cells = {metric: mean_and_spread(runs, metric, stacks) for metric in metrics}
            table[runs[0]["title"]] = {m: cell if cell[1] >= least_spread else cell[0] for m, cell in cells.items()}
    return table


def ratio(found: Records, row: str, other: str, metric: str) -> float:
    """Mean of one row divided by the mean of another one, over the same stacks and seeds."""
    return mean_and_spread(found[row], metric)[0] / mean_and_spread(found[other], metric)[0]


def comparable(found: Records, *rows: str) -> bool:
    """Do all rows have records, of the same seeds and stacks?"""
    runs = [[(run["seed"], list(run["stacks"])) for run in found.get(row, [])] for row in rows]
    return bool(runs[0]) and all(other == runs[0] for other in runs)


def paired_difference(
    found: Records, row: str, other: str, metric: str, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean difference row - other over the same stacks and seeds, and the `INTERVAL` of its bootstrap (low, high).

    Resampled are the seeds and, within a seed, its test stacks: the runs and the stacks are what could have come
    out otherwise. With two stacks the interval says how much runs differ, not how embryos do.
    Raises `InputError` when the two rows have not the same seeds and stacks.
    """
    runs, others = found[row], found[other]
    if not comparable(found, row, other):
        raise InputError(f"{row!r} and {other!r} have records of different seeds or stacks; run both with the same")
    difference = per_stack(runs, metric) - per_stack(others, metric)  # (seeds, stacks)
    rng = np.random.default_rng(seed)
    seeds, stacks = difference.shape
    picked = difference[rng.integers(seeds, size=(draws, seeds))]  # (draws, seeds, stacks)
    which = rng.integers(stacks, size=(draws, seeds, stacks))
    means = np.take_along_axis(picked, which, axis=2).mean(axis=(1, 2))
    low, high = np.quantile(means, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return float(difference.mean()), float(low), float(high)


def steps(found: Records, order: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Name of each step -> metric -> `paired_difference`, as `figures.intervals` takes them.

    order: name -> (row before, row after); a gain is positive.
    """
    return {
        name: {metric: paired_difference(found, after, before, metric) for metric in METRICS}
        for name, (before, after) in order.items()
    }


def in_words(
    differences: Mapping[str, Mapping[str, tuple[float, float, float]]],
) -> dict[str, dict[str, str]]:
    """The same table with "gains", "loses", or "is not clear" where the interval holds zero."""

    def verdict(_: float, low: float, high: float) -> str:
        return "gains" if low > 0 else "loses" if high < 0 else "is not clear"

    return {name: {metric: verdict(*found) for metric, found in row.items()} for name, row in differences.items()}


def order_of(data: str) -> list[tuple[str, str]]:
    """The order that is hoped for, as pairs (worse, better): ball and pseudo < class < full < what goes beyond."""
    return [("ball", "class"), ("pseudo", "class"), ("class", "full"), ("full", BEYOND.get(data, "star"))]


def differences(found: Records, pairs: Sequence[tuple[str, str]]) -> list[dict]:
    """Does the second row of each pair beat the first? Mean paired difference and its interval, for every metric."""
    lines = []
    for worse, better in pairs:
        for metric in METRICS:
            mean, low, high = paired_difference(found, better, worse, metric)
            says = "holds" if low > 0 else "is reversed" if high < 0 else "is not clear"
            numbers = {"mean": round(mean, 3), "low": round(low, 3), "high": round(high, 3)}
            lines.append({"claim": f"{worse} < {better}", "metric": metric, **numbers, "order": says})
    return lines


def text_table(found: Records, rows: Sequence[str], stacks: Sequence[str] | None = None) -> str:
    """The table for a terminal: one line a row, mean ± sd of every metric, CPU seconds of the row itself."""
    width = max(len(found[row][0]["title"]) for row in rows)
    lines = [f"{'':{width}}  " + "  ".join(f"{metric:^13}" for metric in METRICS) + "  CPU s"]
    for row in rows:
        runs = found[row]
        if stacks is not None and not any(name in stacks for name in runs[0]["stacks"]):
            continue
        cells = "  ".join("{:.3f} ± {:.3f}".format(*mean_and_spread(runs, metric, stacks)) for metric in METRICS)
        seconds = np.mean([run["cpu_seconds"] for run in runs])
        lines.append(f"{runs[0]['title']:{width}}  {cells}  {seconds:5.0f}")
    return "\n".join(lines)


def markdown_table(found: Records, rows: Sequence[str], stacks: Sequence[str] | None = None) -> str:
    """The same as a Markdown table, with what each row was shown."""
    lines = ["| method | shown in training | " + " | ".join(METRICS) + " |", "|---|---|" + "---|" * len(METRICS)]
    for row in rows:
        runs = found[row]
        if stacks is not None and not any(name in stacks for name in runs[0]["stacks"]):
            continue
        cells = " | ".join("{:.3f} ± {:.3f}".format(*mean_and_spread(runs, metric, stacks)) for metric in METRICS)
        lines.append(f"| {runs[0]['title']} | {runs[0]['annotation']} | {cells} |")
    return "\n".join(lines)


def ablation_text(data: str, folder: Path = ABLATIONS) -> str:
    """Every ablation of a data set for a terminal: the values, and the mean of each metric at each."""
    blocks = []
    for name in sorted({path.name.rsplit("-seed", 1)[0] for path in (Path(folder) / data).glob("*-seed*.json")}):
        runs = load_ablation(name, data, folder)
        lines = [f"{name}: {runs[0]['question']} ({runs[0]['unit']}, {len(runs)} seed{'s' * (len(runs) != 1)})"]
        curves = {metric: curve(runs, metric)[1].mean(axis=0) for metric in METRICS}
        for i, point in enumerate(runs[0]["points"]):
            lines.append(f"  {point['value']!s:>9}  " + "  ".join(f"{m} {curves[m][i]:.3f}" for m in METRICS))
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def report(data: str, folder: Path = RESULTS) -> str:
    """All rows of a data set as text; for the real embryos one table per test stack, since there are only two."""
    found = load(data, folder)
    names = list(next(iter(found.values()))[0]["stacks"])
    groups = [[name] for name in names] if data == "embryos" else [None]
    tables = []
    for group in groups:
        where = f", {group[0]}" if group else f", {len(names)} test stack{'s' * (len(names) != 1)} a seed"
        tables.append(f"{data}{where}: mean ± sd over seeds\n{text_table(found, list(found), group)}")
    pairs = [pair for pair in order_of(data) if comparable(found, *pair)]
    if pairs:
        lines = [f"  {d['claim']:22} {d['metric']:5} {d['mean']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]  {d['order']}"
                 for d in differences(found, pairs)]  # fmt: skip
        tables.append("\n".join([f"paired differences, mean [{INTERVAL:.0%} bootstrap interval]", *lines]))
    return "\n\n".join(tables)
