"""One training loop for both networks: random crops, flips, Adam with a one-cycle schedule, checkpoints.

Everything random in step t is drawn from a generator seeded with (seed, t). A run that was killed therefore
continues from its checkpoint with the very crops it would have seen, and ends with the same weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import replacing
from bfs_tutorial.unet import UNet3D

Example = dict[str, np.ndarray]  # "image", "target" and whatever else the loss needs, all (Z, Y, X)
Batch = dict[str, Tensor]  # the same keys, all (B, 1, z, y, x)
Loss = Callable[[Tensor, Batch, float], Tensor]  # logits, batch, share of the training done (0 to 1)


PROFILE = "BFS_TUTORIAL_PROFILE"  # environment variable: "cpu", as the schedules say, or "gpu", the paper's sizes
FULL_CROP, FULL_EPOCHS = (16, 128, 128), 40  # §4 of the paper; batch 1


class TrainingError(RuntimeError):
    """Training cannot go on; the message says at which step and what to change."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: the paper's Adam and weight decay; steps and learning rate for minutes on a CPU."""

    steps: int = 400
    learning_rate: float = 5e-3
    weight_decay: float = 1e-6
    batch: int = 2
    crop: tuple[int, int, int] = (16, 48, 48)
    focus: float = 2 / 3  # share of crops that are placed around a voxel of the target
    jitter: float = 0.0  # how much brightness, offset and noise of each crop vary, in units of the normalised image
    save_every: int = 50
    one_cycle: bool = True  # False: the learning rate stays as it is, as in the paper
    mixed_precision: bool = False  # half the memory on a GPU: float16 there, bfloat16 on a CPU


def pick_device(device: str = "auto") -> torch.device:
    """The device by name; "auto" takes a GPU when there is one. Raises `InputError` for a GPU that is absent."""
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device {device!r} is unknown; choose auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but PyTorch sees no GPU; use --device cpu or auto")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def in_profile(schedule: Schedule, stacks: int, device: torch.device) -> Schedule:
    """The schedule as the environment variable BFS_TUTORIAL_PROFILE wants it.

    "cpu", the default, changes nothing. "gpu" takes the paper's sizes: crops of 16 x 128 x 128 voxels, batch 1, at
    least 40 epochs of `stacks` stacks, each shown once an epoch; on a GPU also mixed precision. The learning rate stays
    ours. Raises `InputError` for another value.
    """
    profile = os.environ.get(PROFILE, "cpu").strip().lower()
    if profile not in ("cpu", "gpu"):
        raise InputError(f"{PROFILE} is {profile!r}: expected cpu or gpu")
    if profile == "cpu":
        return schedule
    steps = max(schedule.steps, FULL_EPOCHS * stacks)
    return replace(schedule, steps=steps, crop=FULL_CROP, batch=1, mixed_precision=device.type == "cuda")


def check_no_profile() -> None:
    """Raise `InputError` when BFS_TUTORIAL_PROFILE would change runs whose settings are recorded."""
    if os.environ.get(PROFILE, "cpu").strip().lower() != "cpu":
        raise InputError(f"{PROFILE} is set and would change what is recorded here: unset it, and start again")


def crop_shape(examples: Sequence[Example], crop: Sequence[int], stride: Sequence[int]) -> tuple[int, int, int]:
    """The wanted crop, cut to the smallest stack and rounded down to the pooling stride.

    Raises `InputError` when a stack is smaller than the network's pooling allows.
    """
    smallest = np.min([example["image"].shape for example in examples], axis=0)
    shape = np.minimum(crop, smallest) // stride * stride
    if (shape == 0).any():
        raise InputError(
            f"a stack of {tuple(int(n) for n in smallest)} voxels (z, y, x) at the network's spacing is smaller "
            f"than the pooling allows; it needs at least {tuple(stride)}"
        )
    return tuple(int(n) for n in shape)


def draw_crop(
    example: Example, shape: Sequence[int], rng: np.random.Generator, focus: float = 2 / 3
) -> tuple[slice, ...]:
    """A random crop; with probability `focus` around a voxel of the target, so that rare cells are seen often."""
    size = np.array(example["image"].shape)
    corner = np.array([rng.integers(0, n - m + 1) for n, m in zip(size, shape, strict=True)])
    positive = np.flatnonzero(example["target"] > 0.5)
    if positive.size and rng.random() < focus:
        voxel = np.array(np.unravel_index(rng.choice(positive), size))
        offset = np.array([rng.integers(0, m) for m in shape])
        corner = np.clip(voxel - offset, 0, size - shape)
    return tuple(slice(a, a + m) for a, m in zip(corner, shape, strict=True))


def augment(arrays: Example, rng: np.random.Generator) -> Example:
    """Flip y and x and swap them at random. Never z: light travels along it, up is not down."""
    flips = [axis for axis in (1, 2) if rng.random() < 0.5]
    swap = rng.random() < 0.5
    turned = {}
    for key, array in arrays.items():
        array = np.flip(array, flips)
        square = array.shape[1] == array.shape[2]
        turned[key] = array.swapaxes(1, 2) if swap and square else array
    return turned


def jitter(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Another exposure of the same crop: image * e^a + b + noise, with a ~ N(0, s), b ~ N(0, 2s/3), noise sd U(0, s).

    Without it a network trained on one fluorescence stack expects exactly that stack's brightness.
    """
    if strength == 0:
        return image
    gain, offset, noise = np.exp(rng.normal(0.0, strength)), rng.normal(0.0, strength / 1.5), rng.uniform(0.0, strength)
    return image * gain + offset + noise * rng.standard_normal(image.shape)


def draw_batch(
    examples: Sequence[Example],
    shape: Sequence[int],
    schedule: Schedule,
    rng: np.random.Generator,
    device: torch.device,
) -> Batch:
    """`schedule.batch` augmented random crops of random examples as tensors (B, 1, z, y, x)."""
    crops = []
    for _ in range(schedule.batch):
        example = examples[rng.integers(len(examples))]
        window = draw_crop(example, shape, rng, schedule.focus)
        crop = augment({key: array[window] for key, array in example.items()}, rng)
        crops.append({**crop, "image": jitter(crop["image"], schedule.jitter, rng)})
    stacked = {key: np.stack([crop[key] for crop in crops])[:, None] for key in crops[0]}
    return {
        key: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(device)
        for key, array in stacked.items()
    }


def train(
    model: UNet3D,
    examples: Sequence[Example],
    loss: Loss,
    schedule: Schedule = Schedule(),
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: bool = True,
    title: str = "training",
) -> list[float]:
    """Train `model` in place and return the loss of every step.

    examples: arrays (Z, Y, X) under the keys "image", "target" and more. loss(logits, batch, done) -> scalar,
    where done grows from 0 to 1 in the course of training.
    checkpoint: a file that is written every `schedule.save_every` steps and picked up again if it exists;
    the resumed run ends with the same weights. The environment variable BFS_TUTORIAL_PROFILE=gpu takes the paper's
    full sizes instead of the schedule's, see `in_profile`. Raises `InputError` when the file belongs to another run,
    `TrainingError` when the loss is no longer finite.
    """
    device = next(model.parameters()).device
    schedule = in_profile(schedule, len(examples), device)
    shape = crop_shape(examples, schedule.crop, model.stride)
    optimiser = torch.optim.Adam(model.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay)
    cycle = _rates(optimiser, schedule)
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    scaler = torch.amp.GradScaler(device.type, enabled=schedule.mixed_precision and half is torch.float16)
    run = _Run(model, optimiser, cycle, {"seed": seed, "schedule": asdict(schedule)}, checkpoint)
    history = run.resume()
    model.train()
    options = {"desc": title, "disable": not progress, "unit": "step", "mininterval": 0.5}
    with tqdm(total=schedule.steps, initial=len(history), **options) as bar:
        for step in range(len(history), schedule.steps):
            batch = draw_batch(examples, shape, schedule, np.random.default_rng([seed, step]), device)
            done = step / schedule.steps
            with torch.autocast(device.type, half, enabled=schedule.mixed_precision):
                logits = model(batch["image"].contiguous(memory_format=torch.channels_last_3d))
            value = loss(logits.float(), batch, done)
            history.append(_step(value, optimiser, cycle, scaler, step))
            bar.update()
            bar.set_postfix(loss=f"{np.mean(history[-20:]):.3f}", refresh=False)
            if (step + 1) % schedule.save_every == 0 or step + 1 == schedule.steps:
                run.save(history)
    model.eval()
    return history


def _rates(optimiser, schedule: Schedule) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate of each step: up and down in one cycle, or constant."""
    if not schedule.one_cycle:
        return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, schedule.learning_rate, total_steps=schedule.steps + 1)


def _step(value: Tensor, optimiser, cycle, scaler: torch.amp.GradScaler, step: int) -> float:
    """One step of Adam; refuses to go on with a loss that is not a finite number."""
    if not torch.isfinite(value):
        rate = optimiser.param_groups[0]["lr"]
        raise TrainingError(
            f"the loss became {value.item()} at step {step} (learning rate {rate:.1e}); lower the learning rate "
            "or check the image for extreme values; the last checkpoint is from before this step"
        )
    optimiser.zero_grad(set_to_none=True)
    scaler.scale(value).backward()
    scaler.step(optimiser)  # skips a step whose float16 gradients overflowed
    scaler.update()
    cycle.step()
    return value.item()


@dataclass
class _Run:
    """A training run on disk: what is saved and how it is picked up again."""

    model: UNet3D
    optimiser: torch.optim.Optimizer
    cycle: torch.optim.lr_scheduler.LRScheduler
    recipe: dict
    path: Path | None

    def save(self, history: list[float]) -> None:
        """Write the checkpoint to a temporary name first, so that a kill never leaves half a file."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        parts = {key: getattr(self, key).state_dict() for key in ("model", "optimiser", "cycle")}
        with replacing(self.path, overwrite=True) as partial:
            torch.save({**parts, "recipe": self.recipe, "history": history}, partial)

    def resume(self) -> list[float]:
        """Load the checkpoint, if there is one of this very recipe, and return the loss history so far."""
        if self.path is None or not self.path.exists():
            return []
        try:
            state = torch.load(self.path, weights_only=True, map_location=next(self.model.parameters()).device)
            saved = state["recipe"]
        except Exception as error:
            raise InputError(f"{self.path} is not a readable checkpoint ({type(error).__name__}); delete it") from error
        if saved != self.recipe:
            raise InputError(
                f"checkpoint {self.path} belongs to another run (seed or schedule differ: {saved} against "
                f"{self.recipe}); delete it or choose another folder"
            )
        for key in ("model", "optimiser", "cycle"):
            getattr(self, key).load_state_dict(state[key])
        return list(state["history"])
