"""Ablations: every value gets its point, clicks and stacks are changed as the question says, runs are resumed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bfs_tutorial import ablations, experiments, simulate
from bfs_tutorial.ablations import ABLATION, Ablation, ablate, crowded, jittered, partly_clicked
from bfs_tutorial.errors import InputError
from bfs_tutorial.records import ABLATIONS, METRICS, ablation_text, load_ablation
from bfs_tutorial.training import Schedule

SMALL = {
    "channels": (4, 8), "pools": ((1, 2, 2),), "adapt": 0.0,
    "s1": Schedule(steps=30, crop=(8, 32, 32)), "s2": Schedule(steps=10, crop=(8, 32, 32)),
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    """Two small stacks to train on and one to score, and networks that are trained for a moment."""
    real, size = simulate.dataset, {"shape": (8, 48, 48), "number": 2, "radii": (5.0, 6.0)}
    monkeypatch.setattr(simulate, "dataset", lambda modality, n, seed, **_: real(modality, n, seed, **size))
    monkeypatch.setattr(ablations, "STACKS", 2)
    monkeypatch.setattr(ablations, "VALIDATION_STACKS", 1)
    data = experiments.DataSet("fluorescence", None, (), SMALL)
    monkeypatch.setitem(experiments.DATA, "simulated-fluorescence", data)


@pytest.mark.parametrize("name", ["lambda", "response-threshold", "mask-threshold", "clicked", "density"])
def test_every_value_has_a_point_with_scores_and_volume(tiny, tmp_path, name):
    ablate([name], "simulated-fluorescence", 1, results=tmp_path, progress=False)
    (record,) = load_ablation(name, "simulated-fluorescence", tmp_path)
    assert [point["value"] for point in record["points"]] == list(ABLATION[name].values)
    assert all(point["volume"] >= 0 and point["stacks"] for point in record["points"])
    assert record["command"] == f"python -m bfs_tutorial ablation {name} --data simulated-fluorescence --seeds 1"
    assert ABLATION[name].question in ablation_text("simulated-fluorescence", tmp_path)


def test_a_finished_ablation_is_not_run_again(tiny, tmp_path, monkeypatch):
    ablate(["mask-threshold"], "simulated-fluorescence", 1, results=tmp_path, progress=False)
    monkeypatch.setattr(ablations, "run_ablation", None)  # would fail if it were called
    ablate(["mask-threshold"], "simulated-fluorescence", 1, results=tmp_path, progress=False)


def test_ablations_that_share_a_value_train_an_s1_each(tiny, tmp_path):
    ablate(["click-noise", "clicked"], "simulated-fluorescence", 1, results=tmp_path, progress=False)
    kept = sorted(path.parent.parent.name for path in tmp_path.rglob("value-1.0/s1.pt"))
    assert kept == ["click-noise", "clicked"]


def test_every_run_has_half_the_steps(tiny):
    assert [s.steps for s in ablations.halved(experiments.DATA["simulated-fluorescence"]).values()] == [15, 5]


def test_only_lambda_zero_leaves_out_the_boundary_loss():
    change = ABLATION["lambda"].settings
    assert [change(value, None) for value in (0.0, 3.0)] == [{"boundary_weight": 0.0}, {"boundary_weight": 3.0}]
    rates = ABLATION["learning-rate"].settings(5e-5, experiments.Settings.of("fluorescence"))
    assert rates["s1"].learning_rate == rates["s2"].learning_rate == 5e-5
    assert rates["s1"].steps == experiments.Settings.of("fluorescence").s1.steps


def test_jittered_clicks_miss_by_the_noise_and_stay_inside():
    stacks = simulate.dataset("fluorescence", 4, seed=9)
    moved = jittered(2.0, stacks, np.random.default_rng(0))
    errors = np.concatenate([(m.centres - s.centres) * s.spacing for m, s in zip(moved, stacks)])
    assert errors.std() == pytest.approx(2.0, rel=0.25)
    assert all(np.array_equal(m.labels, s.labels) for m, s in zip(moved, stacks))


def test_a_share_of_the_cells_is_clicked_and_at_least_one():
    stacks = simulate.dataset("fluorescence", 2, seed=9)
    for share in (0.5, 0.01):
        for kept, stack in zip(partly_clicked(share, stacks, np.random.default_rng(0)), stacks):
            assert len(kept.centres) == max(1, round(share * len(stack.centres)))
            assert all(any(np.array_equal(row, other) for other in stack.centres) for row in kept.centres)


def test_crowded_stacks_hold_more_cells():
    counts = [np.mean([len(stack.centres) for stack in crowded(f, "fluorescence")]) for f in (0.5, 2.0)]
    assert counts[1] > 3 * counts[0]


@pytest.mark.parametrize(
    ("names", "data", "message"),
    [
        (["nonsense"], "simulated-fluorescence", "ablation 'nonsense' is unknown; choose from lambda, sigma"),
        ([], "embryos", "not on 'embryos': the truth must be exact"),
    ],
)
def test_bad_requests_are_refused(names, data, message, tmp_path):
    with pytest.raises(InputError, match=message):
        ablate(names, data, results=tmp_path)


def test_every_ablation_has_one_thing_that_changes():
    for name, ablation in ABLATION.items():
        changes = [ablation.settings, ablation.stacks, ablation.test]
        assert isinstance(ablation, Ablation) and len(set(ablation.values)) == len(ablation.values) > 1
        assert sum(change is not None for change in changes) == (name != "mask-threshold")


@pytest.mark.parametrize("path", sorted(ABLATIONS.glob("*/*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_stored_records_are_complete(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    assert [point["value"] for point in record["points"]] == list(ABLATION[record["ablation"]].values)
    values = [row[metric] for point in record["points"] for row in point["stacks"].values() for metric in METRICS]
    assert np.isfinite(values).all() and min(values) >= 0 and max(values) <= 1
