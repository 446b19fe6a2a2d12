"""The record on the weight of the focal term: a small run by hand, the stored one whole, and what it shows."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from bfs_tutorial import focal_weight, simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.focal_weight import SCHEDULE, SEEDS, UNSEEN, WEIGHTS
from bfs_tutorial.training import Schedule


@pytest.fixture(scope="module")
def stored():
    return json.loads(focal_weight.PATH.read_text(encoding="utf-8"))


def test_one_run_scores_every_unseen_stack_at_both_thresholds():
    stacks = simulate.dataset("bright-field", 2, seed=1, shape=(8, 32, 32), number=2)
    found = focal_weight.run(0.1, 3, stacks[:1], stacks, Schedule(2, crop=(8, 16, 16)))
    assert (found["weight"], found["seed"]) == (0.1, 3) and 0 < found["threshold"] < 1
    assert {name: len(scores) for name, scores in found["F1"].items()} == {"fixed": 2, "own": 2}
    assert found == focal_weight.run(0.1, 3, stacks[:1], stacks, Schedule(2, crop=(8, 16, 16)))


def test_means_over_stacks_are_in_the_order_of_seeds():
    runs = [
        {"weight": weight, "seed": seed, "F1": {"fixed": [weight, seed], "own": [0, 0]}}
        for weight, seed in ((1.0, 1), (0.0, 1), (0.0, 0), (1.0, 0))
    ]
    means = focal_weight.seed_means({"runs": runs}, "fixed")
    assert {weight: list(values) for weight, values in means.items()} == {0.0: [0, 0.5], 1.0: [0.5, 1]}


def test_the_command_writes_the_record(tmp_path, monkeypatch, capsys):
    few = {"weight": 0.0, "seed": 0, "threshold": 0.4, "F1": {"fixed": [0.5, 1.0], "own": [1.0, 1.0]}}
    monkeypatch.setattr(focal_weight, "run_all", lambda: {"runs": [few]})
    monkeypatch.setattr("sys.argv", ["focal_weight", "-o", str(tmp_path / "new" / "record.json")])
    focal_weight.main()
    record = json.loads((tmp_path / "new" / "record.json").read_text(encoding="utf-8"))
    assert focal_weight.seed_means(record, "fixed")[0.0] == pytest.approx([0.75])
    assert focal_weight.line(few) == "λ = 0, seed 0: F1 0.750 at threshold 0.3, 1.000 at its own, 0.40"


def test_another_profile_may_not_write_a_record(monkeypatch):
    monkeypatch.setenv("BFS_TUTORIAL_PROFILE", "gpu")
    with pytest.raises(InputError, match="unset it"):
        focal_weight.run_all()


def test_the_stored_record_is_whole_and_of_these_settings(stored):
    assert {(found["weight"], found["seed"]) for found in stored["runs"]} == {
        (weight, seed) for weight in WEIGHTS for seed in range(SEEDS)
    }
    assert len(stored["runs"]) == SEEDS * len(WEIGHTS)
    assert stored["schedule"] == {**asdict(SCHEDULE), "crop": list(SCHEDULE.crop)}
    for found in stored["runs"]:
        scores = np.array([found["F1"]["fixed"], found["F1"]["own"]])
        assert scores.shape == (2, UNSEEN[0]) and (scores >= 0).all() and (scores <= 1).all()
    assert stored["seconds"] > 0 and {"torch", "numpy"} <= set(stored["versions"]) and stored["threads"] >= 1
    assert stored["command"] == "python -m bfs_tutorial.focal_weight"


def test_the_stored_record_shows_what_the_chapter_says(stored):
    fixed, own = (focal_weight.seed_means(stored, threshold) for threshold in ("fixed", "own"))
    assert (fixed[0.0] > fixed[0.1]).sum() > SEEDS / 2 and (fixed[0.1] > fixed[1.0]).all()
    assert 0 < (own[0.0] > own[0.1]).sum() < SEEDS and abs(own[0.0].mean() - own[0.1].mean()) < 0.02
    assert (own[1.0] < own[0.1]).sum() > SEEDS / 2
    assert (own[1.0] - fixed[1.0]).min() > 0.05  # what a threshold of its own repairs
