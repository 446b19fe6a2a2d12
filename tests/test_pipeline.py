"""The whole method in one object: runs end to end, repeats, saves and loads, keeps its hands off the truth."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bfs_tutorial import simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.metrics import detection, evaluate
from bfs_tutorial.pipeline import WEIGHTS, BFSNet, Settings, move_points, resample, working_shape
from bfs_tutorial.stack import ZStack

SMALL = {"channels": (4, 8), "pools": ((1, 2, 2),)}


@pytest.fixture(scope="module")
def stacks():
    options = {"shape": (12, 64, 64), "radii": (5.0, 7.0), "number": 4}
    return [simulate.fluorescence(seed, name=f"stack {seed}", **options) for seed in range(3)]


@pytest.fixture(scope="module")
def model(stacks):
    torch.set_num_threads(1)
    return BFSNet("fluorescence", steps_s1=100, steps_s2=60, **SMALL).fit(stacks[:2], seed=0, progress=False)


def points_only(stack):
    return ZStack(stack.image, stack.spacing, stack.centres, name=stack.name)


def test_it_separates_cells_it_has_not_seen(model, stacks):
    found = model.predict(points_only(stacks[2]))
    scores = evaluate(found.labels, stacks[2].labels)
    assert scores["IoU"] > 0.5 and scores["SEG"] > 0.4
    assert len(found.centres) == len(found.scores) and found.mask.shape == found.labels.shape
    assert found.labels.dtype == np.int32 and found.labels.max() <= len(found.centres)


def test_real_labels_are_never_looked_at(stacks):
    """A stack with wrong labels trains the very same networks as a stack without labels."""
    wrong = replace(stacks[0], labels=np.roll(stacks[0].labels, 7, axis=2))
    quick = {"steps_s1": 4, "steps_s2": 4, **SMALL}
    first, second = (
        BFSNet("fluorescence", **quick).fit([s], progress=False, device="cpu") for s in (wrong, points_only(stacks[0]))
    )
    for name in ("s1", "s2"):
        pairs = zip(getattr(first, name).parameters(), getattr(second, name).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_simulated_stacks_can_join_with_their_exact_masks(stacks):
    model = BFSNet("fluorescence", steps_s1=3, steps_s2=3, **SMALL)
    model.fit([points_only(stacks[0])], simulated=stacks[1:], progress=False)
    assert model.record["simulated"] == 2
    with pytest.raises(InputError, match="no labels or centres"):
        model.fit([], simulated=[points_only(stacks[0])])


def test_save_and_load_predict_the_same(model, stacks, tmp_path):
    model.save(tmp_path / "model.pt")
    loaded = BFSNet.load(tmp_path / "model.pt")
    before, after = (m.predict(stacks[2]) for m in (model, loaded))
    assert np.array_equal(before.labels, after.labels)
    assert np.allclose(before.mask, after.mask, atol=1e-6)
    assert loaded.settings == model.settings and loaded.record == model.record


def test_a_model_file_is_not_overwritten_by_accident(model, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists"):
        model.save(path)
    assert path.read_bytes() == b"mine"
    model.save(path, overwrite=True)
    assert BFSNet.load(path).s1 is not None


def test_files_that_are_no_model_are_refused(model, tmp_path):
    text, other, old, weights = (tmp_path / name for name in ("text.pt", "other.pt", "old.pt", "weights.pt"))
    text.write_text("hello")
    torch.save([1, 2, 3], other)
    torch.save({"format": "bfs-net", "version": 0}, old)
    torch.save({"a": torch.zeros(2)}, weights)
    for path in (text, tmp_path, tmp_path / "absent.pt"):
        with pytest.raises(InputError, match="is not a"):
            BFSNet.load(path)
    for path in (other, old, weights):
        with pytest.raises(InputError, match="not a model of this version"):
            BFSNet.load(path)


@pytest.mark.parametrize("change", [{"s1": {}}, {"settings": {"modality": "fluorescence"}}, {"settings": None}])
def test_a_damaged_model_is_refused(model, tmp_path, change):
    model.save(tmp_path / "model.pt")
    torch.save({**torch.load(tmp_path / "model.pt", weights_only=True), **change}, tmp_path / "bad.pt")
    with pytest.raises(InputError, match="damaged BFS-Net model"):
        BFSNet.load(tmp_path / "bad.pt")


class Evil:
    """A pickle that would run code when it is loaded carelessly."""

    def __reduce__(self):
        return (print, ("this must never run",))


def test_loading_runs_no_code(tmp_path, capsys):
    torch.save({"format": "bfs-net", "version": 1, "s1": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="not a BFS-Net model"):
        BFSNet.load(tmp_path / "evil.pt")
    assert "never" not in capsys.readouterr().out


def test_bad_training_input_is_refused_before_training(stacks):
    model = BFSNet("fluorescence")
    with pytest.raises(InputError, match="no stacks to train on"):
        model.fit([])
    with pytest.raises(InputError, match="no centres"):
        model.fit([ZStack(stacks[0].image, stacks[0].spacing)])
    with pytest.raises(InputError, match="smaller than the pooling allows"):
        tiny = ZStack(stacks[0].image[:1, :8, :8], (2.0, 1.0, 1.0), [[0, 4, 4]], name="tiny")
        model.fit([tiny], progress=False)
    with pytest.raises(InputError, match="has not been trained"):
        model.predict(stacks[0])
    with pytest.raises(InputError, match="'x-ray' is unknown"):
        BFSNet("x-ray")


def test_an_interrupted_fit_resumes_to_the_same_networks(stacks, tmp_path, monkeypatch):
    options = {"steps_s1": 6, "steps_s2": 6, **SMALL}
    straight = BFSNet("fluorescence", **options).fit(stacks[:1], progress=False)

    def stop(*_):
        raise KeyboardInterrupt

    killed = BFSNet("fluorescence", **options)
    monkeypatch.setattr(killed, "pseudo_labels", stop)
    with pytest.raises(KeyboardInterrupt):
        killed.fit(stacks[:1], checkpoints=tmp_path, progress=False)
    resumed = BFSNet("fluorescence", **options).fit(stacks[:1], checkpoints=tmp_path, progress=False)
    for name in ("s1", "s2"):
        pairs = zip(getattr(straight, name).parameters(), getattr(resumed, name).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


@given(st.tuples(*[st.integers(4, 30)] * 3), st.tuples(*[st.integers(4, 30)] * 3))
def test_points_move_there_and_back_and_faces_stay_faces(shape, other):
    points = np.array([[-0.5, -0.5, -0.5], np.array(shape) - 0.5, [1.0, 2.0, 3.0]])
    moved = move_points(points, shape, other)
    assert np.allclose(moved[0], -0.5) and np.allclose(moved[1], np.array(other) - 0.5)
    assert np.allclose(move_points(moved, other, shape), points)


def test_points_and_voxels_move_alike():
    image = np.zeros((20, 40, 40), dtype=np.float32)
    image[8:12, 18:24, 28:36] = 1.0
    small = resample(image, (10, 32, 50))
    centre = np.array([np.average(np.indices(a.shape)[i], weights=a) for a in (image, small) for i in range(3)])
    assert np.allclose(move_points(centre[:3], image.shape, small.shape), centre[3:], atol=0.15)


def test_spacing_is_what_decides_the_working_grid(stacks):
    assert working_shape(stacks[0], (2.0, 1.0, 1.0)) == stacks[0].image.shape
    assert working_shape(stacks[0], (4.0, 2.0, 0.5)) == (6, 32, 128)


def test_each_modality_has_the_loss_of_its_equation():
    assert Settings.of("bright-field").edge == "log" and Settings.of("fluorescence").edge == "gradient"
    assert Settings.of("bright-field", edge="gradient").edge == "gradient"


@pytest.mark.parametrize("modality", ["fluorescence", "bright-field"])
def test_the_shipped_networks_find_the_cells_of_a_new_stack(modality):
    stack = simulate.dataset(modality, 1, seed=8000)[0]
    found = BFSNet.pretrained(modality).predict(stack)
    assert detection(found.centres, stack.centres, stack.spacing)["F1"] >= 0.9
    assert evaluate(found.labels, stack.labels)["SEG"] >= 0.5
    record = json.loads((WEIGHTS / f"{modality}.json").read_text())
    assert record["command"] == f"python tools/weights.py {modality}" and record["cpu_seconds"] > 0
