"""Records of Table 1: means, spread and paired intervals by hand, tables that hold what the records say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bfs_tutorial import records
from bfs_tutorial.errors import InputError
from bfs_tutorial.records import METRICS


def run(row, seed, values, stacks=("a", "b")):
    scores = {name: dict.fromkeys(METRICS, value) for name, value in zip(stacks, values)}
    names = {"row": row, "title": row.upper(), "annotation": "points"}
    return {**names, "seed": seed, "cpu_seconds": 2.0, "stacks": scores}


@pytest.fixture
def folder(tmp_path):
    for row, runs in {"x": [(0.2, 0.4), (0.5, 0.7)], "y": [(0.1, 0.3), (0.4, 0.6)]}.items():
        for seed, values in enumerate(runs):
            path = records.record_path("toy", row, seed, tmp_path)
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(run(row, seed, values)))
    return tmp_path


def test_mean_over_stacks_then_over_seeds(folder):
    found = records.load("toy", folder)
    mean, sd = records.mean_and_spread(found["x"], "IoU")
    assert (mean, sd) == pytest.approx((0.45, 0.15))
    assert records.mean_and_spread(found["x"], "IoU", ["b"])[0] == pytest.approx(0.55)
    assert records.summary(found, ["y"])["Y"]["SEG"] == pytest.approx((0.35, 0.15))
    assert records.summary(found, ["y"], least_spread=0.15 - 1e-9)["Y"]["SEG"] == pytest.approx((0.35, 0.15))
    assert records.summary(found, ["y"], least_spread=0.16)["Y"]["SEG"] == pytest.approx(0.35)  # the mean alone
    assert records.ratio(found, "x", "y", "IoU") == pytest.approx(0.45 / 0.35)


def test_a_constant_difference_has_an_interval_of_no_width(folder):
    mean, low, high = records.paired_difference(records.load("toy", folder), "x", "y", "IoU")
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))


def test_the_interval_covers_zero_when_rows_differ_by_chance():
    rng = np.random.default_rng(0)
    stacks = [f"s{i}" for i in range(8)]
    found = {row: [run(row, seed, rng.normal(0.5, 0.1, 8), stacks) for seed in range(3)] for row in "xy"}
    mean, low, high = records.paired_difference(found, "x", "y", "SEG")
    assert low < 0 < high and low < mean < high
    assert records.paired_difference(found, "x", "y", "SEG") == (mean, low, high)


def test_differences_say_whether_the_order_holds(folder):
    found = records.load("toy", folder)
    assert [line["order"] for line in records.differences(found, [("y", "x")])] == ["holds"] * 3
    assert [line["order"] for line in records.differences(found, [("x", "y")])] == ["is reversed"] * 3
    last = [records.order_of(data)[-1] for data in ("embryos", "toy")]
    assert last == [("full", "sim-outline"), ("full", "star")]


def test_rows_of_other_stacks_are_not_compared(folder):
    found = records.load("toy", folder)
    assert records.comparable(found, "x", "y") and not records.comparable(found, "x", "z")
    with pytest.raises(InputError, match="different seeds or stacks"):
        records.paired_difference({**found, "y": found["y"][:1]}, "x", "y", "IoU")


def test_tables_show_every_row_and_leave_out_rows_without_the_stack(folder):
    found = records.load("toy", folder)
    found["z"] = [run("z", 0, [0.9], ["a"])]
    assert records.text_table(found, ["x", "y"]).splitlines()[1].startswith("X  0.450 ± 0.150")
    assert "| Y | points | 0.350 ± 0.150 |" in records.markdown_table(found, ["x", "y"])
    assert "Z" not in records.text_table(found, list(found), ["b"])
    assert "Z" in records.markdown_table(found, list(found), ["a"])
    assert "toy, 2 test stacks a seed" in records.report("toy", folder)


def test_missing_records_say_how_to_make_them(tmp_path):
    with pytest.raises(InputError, match="python -m bfs_tutorial table1 --data toy"):
        records.load("toy", tmp_path)
    with pytest.raises(InputError, match="python -m bfs_tutorial ablation lambda"):
        records.load_ablation("lambda", "toy", tmp_path)


def test_a_curve_is_the_mean_over_stacks_at_every_value(tmp_path):
    points = [{"value": v, "volume": 1.0, "stacks": run("x", 0, (v, v + 0.2))["stacks"]} for v in (0.1, 0.3)]
    (tmp_path / "toy").mkdir()
    record = {"ablation": "lambda", "question": "How?", "unit": "λ", "points": points}
    (tmp_path / "toy" / "lambda-seed0.json").write_text(json.dumps(record))
    values, rows = records.curve(records.load_ablation("lambda", "toy", tmp_path))
    assert values == [0.1, 0.3] and rows == pytest.approx(np.array([[0.2, 0.4]]))
    assert "How? (λ, 1 seed)" in records.ablation_text("toy", tmp_path)


def test_ablations_are_gathered_by_title_and_those_without_records_left_out(tmp_path):
    points = [{"value": v, "volume": 1 + v, "stacks": run("x", 0, (v, v))["stacks"]} for v in (0.1, 0.3)]
    points.append({**points[0], "value": "none"})
    (tmp_path / "toy").mkdir()
    record = {"ablation": "scale", "question": "How?", "unit": "µm", "points": points}
    (tmp_path / "toy" / "scale-seed0.json").write_text(json.dumps(record))
    series, units = records.ablations({"A": "scale", "B": "edge"}, "toy", tmp_path)
    values, scores = series["A"]
    assert list(series) == ["A"] and units == {"A": "µm"} and values == [0.1, 0.3, "as is"]
    assert scores["SEG"] == pytest.approx(np.array([[0.1, 0.3, 0.1]]))
    assert scores["volume"] == pytest.approx(np.array([[1.1, 1.3, 1.1]]))
    assert records.best_and_worst(series) == {"A": {"best at": "0.3", "best SEG": 0.3, "worst SEG": 0.1}}


def test_seed_means_keep_the_seeds_apart(folder):
    found = records.load("toy", folder, rows=["y", "no such row", "x"])
    assert list(found) == ["y", "x"]
    assert records.seed_means(found)["X"]["IoU"] == pytest.approx([0.3, 0.6])
    assert records.seed_means(found, ["a"])["Y"]["SEG"] == pytest.approx([0.1, 0.4])
    assert records.seed_means(found, ["c"]) == {}


def test_steps_are_gains_of_the_second_row_and_read_in_words(folder):
    found = records.load("toy", folder)
    steps = records.steps(found, {"up": ("y", "x"), "down": ("x", "y"), "none": ("x", "x")})
    assert steps["up"]["SEG"] == pytest.approx((0.1, 0.1, 0.1))
    words = {name: row["IoU"] for name, row in records.in_words(steps).items()}
    assert words == {"up": "gains", "down": "loses", "none": "is not clear"}
