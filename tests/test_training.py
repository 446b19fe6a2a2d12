"""The training loop: it learns, it repeats, it survives a kill, it refuses to train on nonsense."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bfs_tutorial import experiments, unet
from bfs_tutorial.errors import InputError
from bfs_tutorial.losses import class_loss
from bfs_tutorial.training import (
    PROFILE,
    Schedule,
    TrainingError,
    augment,
    crop_shape,
    draw_crop,
    in_profile,
    jitter,
    pick_device,
    train,
)  # fmt: skip

SCHEDULE = Schedule(steps=12, crop=(4, 16, 16), save_every=4)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def examples():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(6, 24, 20)).astype(np.float32)
    return [{"image": image, "target": (image > 0.5).astype(np.float32)}]


def network():
    return unet.build(0, channels=(4, 8), pools=[(1, 2, 2)], prior=0.3)


def mask_loss(logits, batch, done=0.0):
    return class_loss(logits, batch["target"])


def weights(net):
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


def run(examples, loss=mask_loss, schedule=SCHEDULE, **options):
    net = network()
    history = train(net, examples, loss, schedule, progress=False, **options)
    return net, history


def test_it_learns(examples):
    _, history = run(examples, schedule=Schedule(steps=150, crop=(4, 16, 16)))
    assert len(history) == 150
    assert np.mean(history[-5:]) < 0.5 * np.mean(history[:5])


def test_the_same_seed_gives_the_same_weights_and_another_does_not(examples):
    first, same, other = (weights(run(examples, seed=seed)[0]) for seed in (0, 0, 1))
    assert torch.equal(first, same) and not torch.equal(first, other)


@pytest.mark.parametrize("kill_at", [2, 4, 9])
def test_killed_and_resumed_ends_with_the_same_weights(examples, tmp_path, kill_at):
    straight, history = run(examples)
    calls = 0

    def killed(logits, batch, done):
        nonlocal calls
        calls += 1
        if calls > kill_at:
            raise KeyboardInterrupt
        return mask_loss(logits, batch)

    file = tmp_path / "s1.pt"
    with pytest.raises(KeyboardInterrupt):
        run(examples, loss=killed, checkpoint=file)
    assert file.exists() == (kill_at >= SCHEDULE.save_every)
    resumed, again = run(examples, checkpoint=file)
    assert torch.equal(weights(straight), weights(resumed))
    assert again == history


def test_a_finished_run_is_not_trained_again(examples, tmp_path):
    first, _ = run(examples, checkpoint=tmp_path / "s1.pt")

    def never(logits, batch, done):
        raise AssertionError("trained again")

    second, _ = run(examples, loss=never, checkpoint=tmp_path / "s1.pt")
    assert torch.equal(weights(first), weights(second))


def test_a_checkpoint_of_another_run_is_refused_and_kept(examples, tmp_path):
    file = tmp_path / "s1.pt"
    run(examples, checkpoint=file)
    before = file.read_bytes()
    with pytest.raises(InputError, match="belongs to another run"):
        run(examples, seed=5, checkpoint=file)
    file.with_name("bad.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        run(examples, checkpoint=file.with_name("bad.pt"))
    assert file.read_bytes() == before


def test_nan_stops_training_with_advice_and_keeps_the_checkpoint(examples, tmp_path):
    calls = 0

    def explodes(logits, batch, done):
        nonlocal calls
        calls += 1
        return mask_loss(logits, batch) * (float("nan") if calls > 5 else 1.0)

    with pytest.raises(TrainingError, match="nan at step 5 .*lower the learning rate"):
        run(examples, loss=explodes, checkpoint=tmp_path / "s1.pt")
    state = torch.load(tmp_path / "s1.pt", weights_only=True)
    assert len(state["history"]) == 4 and all(torch.isfinite(v).all() for v in state["model"].values())


def test_crops_fit_the_smallest_stack_and_the_stride(examples):
    small = [{"image": np.zeros((5, 30, 11))}]
    assert crop_shape(examples + small, (16, 48, 48), (2, 4, 4)) == (4, 24, 8)
    with pytest.raises(InputError, match=r"needs at least \(2, 4, 4\)"):
        crop_shape([{"image": np.zeros((1, 64, 64))}], (16, 48, 48), (2, 4, 4))


def test_crops_are_inside_and_often_hold_a_cell():
    target = np.zeros((8, 64, 64), dtype=np.float32)
    target[6, 60, 3] = 1.0
    example = {"image": target, "target": target}
    rng = np.random.default_rng(0)
    windows = [draw_crop(example, (4, 8, 8), rng) for _ in range(300)]
    assert all(target[window].shape == (4, 8, 8) for window in windows)
    assert 0.6 < np.mean([target[window].max() for window in windows]) < 0.8


def test_augmentation_turns_all_arrays_alike_and_never_flips_z():
    image = np.arange(3 * 4 * 4, dtype=np.float32).reshape(3, 4, 4)
    seen = set()
    for seed in range(60):
        turned = augment({"image": image, "target": -image}, np.random.default_rng(seed))
        assert np.array_equal(turned["image"], -turned["target"])
        assert np.array_equal(turned["image"].mean(axis=(1, 2)), image.mean(axis=(1, 2)))
        seen.add(turned["image"].tobytes())
    assert len(seen) == 8  # four flips, each swapped or not


def test_devices():
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="'tpu' is unknown"):
        pick_device("tpu")
    if not torch.cuda.is_available():
        assert pick_device("auto").type == "cpu"
        with pytest.raises(InputError, match="sees no GPU"):
            pick_device("cuda")


def test_jitter_changes_the_exposure_and_nothing_when_off():
    image = np.random.default_rng(0).normal(size=(4, 32, 32))
    assert jitter(image, 0.0, np.random.default_rng(0)) is image
    changed = [jitter(image, 0.3, np.random.default_rng(seed)) for seed in range(200)]
    fits = np.array([np.polyfit(image.ravel(), c.ravel(), 1) for c in changed])  # slope and offset of each
    assert np.log(fits[:, 0]).std() == pytest.approx(0.3, rel=0.2)
    assert fits[:, 1].std() == pytest.approx(0.2, rel=0.2)
    assert min(np.corrcoef(image.ravel(), c.ravel())[0, 1] for c in changed) > 0.85


def test_the_loss_is_told_how_much_of_the_training_is_done(examples):
    seen = []
    run(examples, loss=lambda logits, batch, done: seen.append(done) or mask_loss(logits, batch))
    assert seen == pytest.approx(np.arange(SCHEDULE.steps) / SCHEDULE.steps)


def test_a_constant_learning_rate_and_mixed_precision_learn_too(examples):
    for changes in ({"one_cycle": False}, {"mixed_precision": True}):
        net = network()
        history = train(net, examples, mask_loss, replace(SCHEDULE, **changes), seed=0, progress=False)
        assert np.mean(history[-5:]) < np.mean(history[:5])
        assert all(value.dtype == torch.float32 for value in net.parameters())


def test_one_variable_takes_the_papers_full_sizes(examples, monkeypatch) -> None:
    monkeypatch.setenv(PROFILE, "gpu")
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    schedule = in_profile(SCHEDULE, 3, gpu)
    assert (schedule.crop, schedule.batch, schedule.steps, schedule.mixed_precision) == ((16, 128, 128), 1, 120, True)
    assert in_profile(replace(SCHEDULE, steps=500), 3, gpu).steps == 500
    assert not in_profile(SCHEDULE, 3, cpu).mixed_precision
    _, history = run(examples)
    assert len(history) == 40  # epochs of the one stack


def test_without_the_variable_nothing_changes_and_another_value_is_refused(examples, monkeypatch) -> None:
    monkeypatch.delenv(PROFILE, raising=False)
    assert in_profile(SCHEDULE, 3, torch.device("cpu")) is SCHEDULE
    monkeypatch.setenv(PROFILE, "tpu")
    with pytest.raises(InputError, match="'tpu': expected cpu or gpu"):
        run(examples)


def test_recorded_runs_refuse_the_variable(monkeypatch) -> None:
    monkeypatch.setenv(PROFILE, "gpu")
    with pytest.raises(InputError, match="unset it"):
        experiments.check_request("embryos", ["full"], 1, None, "cpu")
