"""Table 1: complete records, resumable, repeatable, clear errors, and what the stored ones say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from bfs_tutorial import experiments, records, simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.experiments import COMMON, DATA, ROWS, DataSet, Fold, run_row, table1
from bfs_tutorial.training import Schedule

SMALL = {
    "channels": (4, 8), "pools": ((1, 2, 2),), "adapt": 0.0,
    "s1": Schedule(steps=30, crop=(8, 32, 32)), "s2": Schedule(steps=10, crop=(8, 32, 32)),
}  # fmt: skip


def tiny_folds(seed, count=None):
    options = {"shape": (8, 48, 48), "radii": (5.0, 6.0), "number": 2}
    stacks = [simulate.fluorescence((seed, i), name=f"stack {i}", **options) for i in range(3)]
    return [Fold(stacks[:2][:count], stacks[2:])]


@pytest.fixture
def tiny(monkeypatch):
    """One data set that takes seconds."""
    rows = ("ball", "pseudo", "pseudo-guided", "pseudo-clusters", "pseudo-joint", "class", "full", "ours", "star",
            "supervised", "copy")  # fmt: skip
    monkeypatch.setitem(experiments.DATA, "tiny", DataSet("fluorescence", tiny_folds, rows, SMALL))
    monkeypatch.setattr(experiments, "TUNING_STACKS", 1)
    return rows


def test_every_row_has_a_record_that_holds_what_its_numbers_depend_on(tiny, tmp_path):
    table1("tiny", seeds=1, results=tmp_path, progress=False)
    found = records.load("tiny", tmp_path)
    assert set(found) == set(tiny)
    for row, (record,) in found.items():
        assert record["seed"] == 0 and record["seconds"] >= 0 and record["peak_memory_MB"] > 0
        assert record["title"] == ROWS[row].title and record["annotation"] == ROWS[row].annotation
        assert record["versions"]["torch"] == torch.__version__ and record["device"] == "cpu"
        assert list(record["stacks"]) == ["stack 2"] and record["training_stacks"] == [["stack 0", "stack 1"]]
        assert {"IoU", "SEG", "MUCov", "precision", "recall"} <= set(record["stacks"]["stack 2"])
        assert record["command"] == "python -m bfs_tutorial table1 --data tiny --seeds 1"
    assert found["full"][0]["settings"][0]["s1"]["steps"] == 30 and found["full"][0]["s1_cpu_seconds"][0] > 0


def test_a_killed_run_loses_no_finished_row_and_trains_no_s1_twice(tiny, tmp_path, monkeypatch):
    seen = []

    def stop_at_second(bench, **options):
        seen.append(options)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return experiments.pseudo(bench, **options)

    row = ROWS["pseudo"]
    for name in ("pseudo", "pseudo-guided"):
        monkeypatch.setitem(experiments.ROWS, name, type(row)(name, "points", stop_at_second, ROWS[name].options))
    with pytest.raises(KeyboardInterrupt):
        table1("tiny", ["pseudo", "pseudo-guided"], 1, results=tmp_path, progress=False)
    first = records.record_path("tiny", "pseudo", 0, tmp_path)
    kept = first.read_bytes()
    assert not records.record_path("tiny", "pseudo-guided", 0, tmp_path).exists()

    def train_again(*_, **__):
        raise AssertionError("S1 was trained although it had been kept")

    monkeypatch.setattr(experiments.BFSNet, "train_s1", train_again)
    table1("tiny", ["pseudo", "pseudo-guided"], 1, results=tmp_path, progress=False)
    assert first.read_bytes() == kept and records.record_path("tiny", "pseudo-guided", 0, tmp_path).exists()


def test_the_same_recipe_and_seed_give_the_same_scores(tiny, tmp_path):
    for folder in ("a", "b"):
        table1("tiny", ["full"], 1, results=tmp_path / folder, progress=False)
    a, b = (records.load("tiny", tmp_path / folder)["full"][0] for folder in ("a", "b"))
    assert a["stacks"] == b["stacks"]


def test_a_kept_s1_of_other_settings_is_refused(tiny, tmp_path, monkeypatch):
    table1("tiny", ["pseudo"], 1, results=tmp_path, work=tmp_path / "work", progress=False)
    monkeypatch.setitem(experiments.DATA, "tiny", DataSet("fluorescence", tiny_folds, tiny, {**SMALL, "d_m": 6.0}))
    with pytest.raises(InputError, match="trained with other settings, stacks or clicks"):
        table1("tiny", ["class"], 1, results=tmp_path, work=tmp_path / "work", progress=False)


def test_a_kept_s1_of_other_clicks_is_refused(tmp_path):
    stack = experiments.ZStack(np.arange(256.0).reshape(4, 8, 8), (1, 1, 1), [(1, 2, 2), (2, 5, 5)], name="same")
    moved = experiments.ZStack(stack.image, stack.spacing, stack.centres + 0.5, name="same")
    model = experiments.BFSNet("fluorescence", spacing=stack.spacing)
    model.s1 = model.network(0, prior=0.02)
    experiments.keep_s1(model, tmp_path / "s1.pt", [stack], 1.0)
    experiments.restore_s1(model, tmp_path / "s1.pt", [stack], "cpu")
    with pytest.raises(InputError, match="other settings, stacks or clicks"):
        experiments.restore_s1(model, tmp_path / "s1.pt", [moved], "cpu")


def test_records_and_networks_of_other_options_are_not_taken_for_these(tiny, tmp_path):
    table1("tiny", ["pseudo"], 1, results=tmp_path, progress=False)
    with pytest.raises(InputError, match="made with another --stacks or --paper"):
        table1("tiny", ["pseudo"], 1, stacks=1, results=tmp_path, progress=False)
    with pytest.raises(InputError, match="trained with other settings, stacks or clicks"):
        table1("tiny", ["class"], 1, stacks=1, results=tmp_path, progress=False)


def test_networks_that_learn_from_points_see_no_labels(tiny, tmp_path):
    (fold,) = tiny_folds(0)
    bench = experiments.Bench(DATA["tiny"], fold, 0, tmp_path, progress=False)
    assert all(stack.labels is None and stack.centres is not None for stack in bench.clicked)
    hidden = [experiments.points_only(stack) for stack in fold.training]
    blind = experiments.Bench(DATA["tiny"], Fold(hidden, fold.test), 0, tmp_path, progress=False)
    for row in ("pseudo", "class", "full"):  # they would fail on None if they looked
        assert set(run_row(row, [blind])["stacks"]) == {"stack 2"}


def test_no_centre_no_outline(tiny, tmp_path):
    (fold,) = tiny_folds(0)
    assert experiments.star_labels(fold.test[0], np.zeros((0, 3)), "fluorescence").max() == 0


def test_copied_labels_are_those_of_the_last_training_stack(tiny, tmp_path):
    (fold,) = tiny_folds(0)
    fold = Fold(fold.training, [fold.training[-1]])
    bench = experiments.Bench(DATA["tiny"], fold, 0, tmp_path, progress=False)
    assert run_row("copy", [bench])["stacks"]["stack 1"]["IoU"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "data set 'nonsense' is unknown; choose from simulated-fluorescence"),
        (("embryos", ["nonsense"]), "row 'nonsense' is unknown for embryos; choose from threshold"),
        (("simulated-fluorescence", ["copy"]), "row 'copy' is unknown for simulated-fluorescence"),
        (("embryos", (), 0), "number of seeds is 0"),
    ],
)
def test_bad_requests_are_refused_before_any_work(arguments, message, tmp_path):
    with pytest.raises(InputError, match=message):
        table1(*arguments, results=tmp_path)
    assert not any(tmp_path.iterdir())


def test_no_stacks_and_an_absent_gpu_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="training stacks is 0; expected 1 or more"):
        table1("embryos", stacks=0, results=tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="PyTorch sees no GPU"):
        table1("embryos", device="cuda", results=tmp_path)


def test_missing_download_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("BFS_TUTORIAL_DATA", str(tmp_path / "empty"))
    with pytest.raises(InputError, match="8_cell_raw.tif"):
        table1("embryos", ["ball"], 1, results=tmp_path, progress=False)


def test_the_papers_own_schedule():
    schedule = experiments.paper_settings(12)["s1"]
    assert (schedule.learning_rate, schedule.weight_decay, schedule.batch) == (5e-5, 1e-6, 1)
    assert schedule.steps == 40 * 12 and not schedule.one_cycle


def test_score_by_hand():
    labels = np.zeros((3, 8, 8), dtype=np.int32)
    labels[1, 1:4, 1:4] = 1
    image = np.random.default_rng(0).random(labels.shape)
    stack = experiments.ZStack(image, (1, 1, 1), [(1, 2, 2)], labels)
    assert experiments.score(labels, stack)["IoU"] == 1.0 and experiments.score(labels, stack)["recall"] == 1.0
    assert experiments.score(np.zeros_like(labels), stack)["recall"] == 0.0


def test_a_stored_row_is_what_its_recipe_gives(tmp_path):
    """S1, star-convex labels, S2: a row that learns, from nothing (about a minute).

    Another number of threads adds in another order, and training carries that on: means may differ by 0.03.
    """
    table1("simulated-fluorescence", ["ours"], 1, results=tmp_path, progress=False)
    again = records.load("simulated-fluorescence", tmp_path)["ours"]
    stored = records.load("simulated-fluorescence")["ours"][:1]
    for metric in records.METRICS:
        new, old = records.per_stack(again, metric).mean(), records.per_stack(stored, metric).mean()
        assert new == pytest.approx(old, abs=0.03), metric


@pytest.mark.parametrize("data", ["simulated-fluorescence", "simulated-bright-field", "embryos", "embryo-bright-field"])
def test_stored_records_are_complete(data):
    found = records.load(data)
    assert set(found) == set(DATA[data].rows)
    for row, runs in found.items():
        assert [run["seed"] for run in runs] == [0, 1, 2]
        assert all(json.dumps(run["settings"]) == json.dumps(runs[0]["settings"]) or row == "ball" for run in runs)
        values = [records.per_stack(runs, metric) for metric in records.METRICS]
        assert np.isfinite(values).all() and np.min(values) >= 0 and np.max(values) <= 1


def test_rows_and_data_sets_fit_together():
    assert all(row in ROWS for data in DATA.values() for row in data.rows)
    assert set(COMMON) <= set(ROWS)
