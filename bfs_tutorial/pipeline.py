"""The whole method in one object: `BFSNet.fit` learns from clicked points, `BFSNet.predict` labels a z-stack.

A chapter of the book calls the pieces one by one; this module calls the same pieces in the same order.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from skimage.transform import resize

from bfs_tutorial import unet
from bfs_tutorial.centre_maps import centre_map
from bfs_tutorial.errors import InputError
from bfs_tutorial.files import Spacing, replacing
from bfs_tutorial.instances import assign_instances
from bfs_tutorial.losses import centre_loss, edge_weight, segmentation_loss
from bfs_tutorial.metrics import match_points
from bfs_tutorial.normalise import check_modality, edge_image, normalise
from bfs_tutorial.peaks import best_threshold, find_peaks, merge_peaks
from bfs_tutorial.pseudo_labels import pseudo_labels, snap_to_maxima
from bfs_tutorial.stack import ZStack
from bfs_tutorial.training import Example, Schedule, pick_device, train

WEIGHTS = Path(__file__).resolve().parent / "weights"  # models that the package ships, each with its recipe
FORMAT = {"format": "bfs-net", "version": 1}  # of the model file


@dataclass(frozen=True)
class Settings:
    """Every choice of the method, lengths in µm. `Settings.of(modality)` gives the defaults of a modality."""

    modality: str
    spacing: Spacing = (2.0, 1.0, 1.0)  # the networks' voxel size; every stack is resampled to it
    channels: tuple[int, ...] = (8, 16, 32)
    pools: tuple[tuple[int, int, int], ...] = ((1, 2, 2), (2, 2, 2))
    d_m: float = 8.0  # Eq. (1): radius of a centre's blob
    k: float = 2.0  # Eq. (1): steepness
    focal_weight: float = 0.1  # Eq. (2): λ; a larger one inflates the map and brings false peaks
    s1: Schedule = Schedule(steps=400, jitter=0.3)
    peak_threshold: float | None = None  # None: chosen on the training stacks after S1 is trained
    merge_radius: float = 4.0  # §3.4
    response_smoothing: float = 3.0
    response_factor: float = 1.0  # of Otsu's threshold
    s2: Schedule = Schedule(steps=300, jitter=0.3)
    edge: str = "gradient"  # "log" is Eq. (4), "gradient" Eq. (5)
    edge_source: str = "normalised"  # the image I of Eq. (4) and (5): as S2 sees it, or "edge", `normalise.edge_image`
    edge_scale: str = "std"
    reduction: str = "ratio"
    boundary_weight: float = 3.0  # Eq. (3): λ_BF or λ_FL
    warm_up: float = 0.5  # share of training in which λ grows from 0: the ratio form says nothing about an empty mask
    sigma_mask: float = 1.0  # σ1
    sigma_image: float = 1.0  # σ2
    sigma_unit: str = "µm"  # of σ1 and σ2; with "voxel" they are longer along z, where voxels are
    mask_threshold: float = 0.5
    adapt: float = 1.0  # share of S2's BatchNorm statistics taken from the stack that is segmented

    @classmethod
    def of(cls, modality: str, **changes) -> Settings:
        """Defaults of a modality: for fluorescence the fields above, Eq. (5) as a ratio; for bright field these.

        Bright field takes Eq. (4) averaged over voxels and needs longer to learn depth from defocus. Its brightness
        is the lamp's, which is divided away, so that S2 need not adapt. Chosen on simulated training stacks.
        """
        if check_modality(modality) == "bright-field":
            bright_field = {
                "s1": Schedule(steps=1200),
                "s2": Schedule(steps=400),
                "response_factor": 1.3,
                "edge": "log",
                "reduction": "mean",
                "boundary_weight": 10.0,
                "adapt": 0.0,
            }
            changes = bright_field | changes
        return cls(modality=modality, **changes)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What `BFSNet.predict` finds, on the grid of the stack that was given."""

    labels: np.ndarray  # (Z, Y, X) int32, 0 = background
    mask: np.ndarray  # (Z, Y, X) float32, S2's foreground probability
    centres: np.ndarray  # (N, 3) voxels
    scores: np.ndarray  # (N,) S1's probability at each centre


def resample(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Linear resampling of (Z, Y, X) to `shape`; the outer faces stay in place, shrinking is smoothed first."""
    if image.shape == tuple(shape):
        return image
    return resize(image, shape, order=1, mode="edge", preserve_range=True).astype(np.float32)


def resample_labels(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Nearest-voxel resampling of labels or of a mask (Z, Y, X) to `shape`; the outer faces stay in place."""
    if labels.shape == tuple(shape):
        return labels
    return resize(labels, shape, order=0, mode="edge", preserve_range=True, anti_aliasing=False).astype(labels.dtype)


def working_shape(stack: ZStack, spacing: Spacing) -> tuple[int, int, int]:
    """Number of voxels (Z, Y, X) that the stack has at another voxel size."""
    return tuple(max(1, round(n * a / b)) for n, a, b in zip(stack.image.shape, stack.spacing, spacing, strict=True))


def move_points(points: np.ndarray, shape: Sequence[int], new_shape: Sequence[int]) -> np.ndarray:
    """Points (N, 3) in voxels of a stack of `shape`, in voxels of the same stack resampled to `new_shape`."""
    return (np.asarray(points) + 0.5) * np.divide(new_shape, shape) - 0.5


class BFSNet:
    """Weakly supervised 3D cell instance segmentation: train on points, predict instance labels.

    `BFSNet("fluorescence").fit(stacks).predict(stack).labels`, where `stacks` are `ZStack`s with centres.
    Every `Settings` field can be given by name; `steps_s1` and `steps_s2` are short for the two schedules.
    """

    def __init__(self, modality: str, *, steps_s1: int | None = None, steps_s2: int | None = None, **changes) -> None:
        settings = Settings.of(modality, **changes)
        s1 = settings.s1 if steps_s1 is None else replace(settings.s1, steps=steps_s1)
        s2 = settings.s2 if steps_s2 is None else replace(settings.s2, steps=steps_s2)
        self.settings = replace(settings, s1=s1, s2=s2)
        self.s1: unet.UNet3D | None = None
        self.s2: unet.UNet3D | None = None
        self.peak_threshold = settings.peak_threshold
        self.record: dict = {}

    def fit(
        self,
        stacks: Sequence[ZStack],
        simulated: Sequence[ZStack] = (),
        *,
        seed: int = 0,
        checkpoints: Path | None = None,
        progress: bool = True,
        device: str = "auto",
    ) -> BFSNet:
        """Train S1, make pseudo labels, train S2; return self.

        stacks: z-stacks with `centres`; their `labels`, if any, are never looked at. simulated: z-stacks from
        `simulate`, whose exact labels cost nobody a click; S2 learns their masks directly. checkpoints: a
        folder; a run that was stopped continues there. Raises `InputError` before any training.
        """
        _check_training_stacks(stacks, simulated)
        start = time.perf_counter()
        options = {"seed": seed, "progress": progress, "device": device}
        files = {name: checkpoints and Path(checkpoints) / f"{name}.pt" for name in ("s1", "s2")}
        everything = [*stacks, *simulated]
        loss_s1 = self.train_s1(everything, checkpoint=files["s1"], **options)
        masks = [self.pseudo_labels(stack) > 0 for stack in stacks] + [self.exact_mask(s) for s in simulated]
        loss_s2 = self.train_s2(everything, masks, checkpoint=files["s2"], **options)
        self.record = {
            "seed": seed,
            "stacks": [stack.name for stack in stacks],
            "simulated": len(simulated),
            "seconds": round(time.perf_counter() - start, 1),
            "device": str(next(self.s2.parameters()).device),
            "loss_s1": loss_s1,
            "loss_s2": loss_s2,
        }
        return self

    def train_s1(self, stacks: Sequence[ZStack], seed: int = 0, device: str = "auto", **options) -> list[float]:
        """§3.2: a new S1 learns to regress the centre maps of Eq. (1) with the loss of Eq. (2); returns its losses.

        options: `checkpoint` and `progress` of `training.train`. Afterwards the peak threshold is set on these
        stacks, see `peaks.best_threshold`, unless the settings name one.
        """
        settings = self.settings
        self.s1 = self.network(seed, prior=0.02).to(pick_device(device))
        prepared = [(self.prepare(stack), self.points(stack)) for stack in stacks]
        examples = [
            {"image": image, "target": centre_map(image.shape, points, settings.spacing, settings.d_m, settings.k)}
            for image, points in prepared
        ]

        def loss(logits, batch, done):
            return centre_loss(logits, batch["target"], settings.focal_weight)

        history = train(self.s1, examples, loss, settings.s1, seed=seed, title="S1, centre maps", **options)
        self.peak_threshold = settings.peak_threshold or self._best_threshold(prepared)
        return history

    def _best_threshold(self, prepared: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
        """The peak threshold that separates hits from false peaks best on stacks whose centres are known."""
        spacing, scores, hits, wanted = self.settings.spacing, [], [], 0
        for image, points in prepared:
            found, heights = self.find_centres(unet.predict(self.s1, image), threshold=0.1)
            hit = np.zeros(len(found), dtype=bool)
            hit[match_points(found, points, spacing)[:, 0]] = True
            scores, hits, wanted = [*scores, *heights], [*hits, *hit], wanted + len(points)
        return best_threshold(scores, hits, wanted)

    def train_s2(
        self, stacks: Sequence[ZStack], masks: Sequence[np.ndarray], seed: int = 0, device: str = "auto", **options
    ) -> list[float]:
        """§3.3: a new S2 learns the foreground with the loss of Eq. (3), guided by the image; returns its losses.

        masks: bool, one per stack, on the grid of `prepare(stack)`, such as `pseudo_labels(stack) > 0`.
        """
        settings = self.settings
        self.s2 = self.network(seed + 1, prior=0.12).to(pick_device(device))
        examples = [self._s2_example(stack, mask) for stack, mask in zip(stacks, masks, strict=True)]

        def loss(logits, batch, done):
            grown = min(1.0, done / settings.warm_up) if settings.warm_up else 1.0
            strength = settings.boundary_weight * grown
            return segmentation_loss(
                logits, batch["target"], batch["weight"], self._loss_spacing(), strength, settings.sigma_mask,
                settings.reduction,
            )  # fmt: skip

        return train(self.s2, examples, loss, settings.s2, seed=seed, title="S2, foreground", **options)

    def _s2_example(self, stack: ZStack, mask: np.ndarray) -> Example:
        image, s = self.prepare(stack), self.settings
        source = image if s.edge_source == "normalised" else self._edge_image(stack)
        weight = edge_weight(torch.from_numpy(source), self._loss_spacing(), s.sigma_image, s.edge, scale=s.edge_scale)
        return {"image": image, "target": mask.astype(np.float32), "weight": weight.numpy()}

    def _loss_spacing(self) -> Spacing:
        """What the boundary loss takes for the size of a voxel: (1, 1, 1) when its σ count voxels."""
        if self.settings.sigma_unit not in ("µm", "voxel"):
            raise InputError(f"the unit of σ is {self.settings.sigma_unit!r}; choose µm or voxel")
        return self.settings.spacing if self.settings.sigma_unit == "µm" else (1.0, 1.0, 1.0)

    def _edge_image(self, stack: ZStack) -> np.ndarray:
        return edge_image(resample(stack.image, working_shape(stack, self.settings.spacing)), self.settings.modality)

    def prepare(self, stack: ZStack) -> np.ndarray:
        """The image as the networks see it: resampled to the working spacing, then normalised."""
        image = resample(stack.image, working_shape(stack, self.settings.spacing))
        return normalise(image, self.settings.modality)

    def points(self, stack: ZStack) -> np.ndarray:
        """The clicked centres (N, 3) in voxels of the prepared image."""
        return move_points(stack.centres, stack.image.shape, working_shape(stack, self.settings.spacing))

    def pseudo_labels(self, stack: ZStack, rule: str = "prm") -> np.ndarray:
        """§3.2: pseudo labels of a training stack on the prepared image's grid, one back-propagation per click.

        rule: how a response goes back, see `peak_response.peak_responses`; the paper's is "prm".
        """
        image, s = self.prepare(stack), self.settings
        peaks = snap_to_maxima(self.points(stack), unet.predict(self.s1, image), s.spacing)
        return pseudo_labels(self.s1, image, peaks, s.spacing, s.response_smoothing, s.response_factor, rule)

    def exact_mask(self, stack: ZStack) -> np.ndarray:
        """The stack's own labels as a mask on the grid of `prepare`: for simulated stacks, and to score."""
        shape = working_shape(stack, self.settings.spacing)
        return resample((stack.labels > 0).astype(np.float32), shape) > 0.5

    def predict(self, stack: ZStack) -> Prediction:
        """§3.4: centres from S1, foreground from S2, and a watershed that divides one among the other."""
        if self.s1 is None or self.s2 is None:
            raise InputError("this model has not been trained; call fit(stacks) or BFSNet.load(path) first")
        image, settings = self.prepare(stack), self.settings
        points, scores = self.find_centres(unet.predict(self.s1, image))
        centres = move_points(points, image.shape, stack.image.shape)
        s2 = unet.adapt_batch_norm(copy.deepcopy(self.s2), [image], settings.adapt) if settings.adapt else self.s2
        mask = resample(unet.predict(s2, image), stack.image.shape)
        labels = assign_instances(mask > settings.mask_threshold, centres, stack.spacing)
        return Prediction(labels, mask, centres, scores)

    def find_centres(
        self, probability: np.ndarray, threshold: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Peaks of S1's map, close ones merged: (N, 3) voxels of the prepared image and (N,) scores."""
        s = self.settings
        points, scores = find_peaks(probability, s.spacing, self.peak_threshold if threshold is None else threshold)
        return merge_peaks(points, scores, s.spacing, s.merge_radius)

    def network(self, seed: int, prior: float) -> unet.UNet3D:
        """A new network of the settings' size; its weights depend on the seed alone."""
        return unet.build(seed, channels=self.settings.channels, pools=self.settings.pools, prior=prior)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write settings, weights and the training record to one file; raises `InputError` if it exists."""
        if self.s1 is None or self.s2 is None:
            raise InputError("this model has not been trained; there is nothing to save")
        weights = {name: _cpu_state(getattr(self, name)) for name in ("s1", "s2")}
        state = {"settings": asdict(self.settings), "peak_threshold": self.peak_threshold, "record": self.record}
        with replacing(Path(path), overwrite) as partial:
            torch.save({**FORMAT, **state, **weights}, partial)

    @classmethod
    def pretrained(cls, modality: str, device: str = "auto") -> BFSNet:
        """The model that the package ships for a modality, trained on points of simulated stacks.

        weights/MODALITY.json beside it says how; `make weights` trains it again. Raises `InputError`.
        """
        return cls.load(WEIGHTS / f"{check_modality(modality)}.pt", device)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> BFSNet:
        """Read a model that `save` wrote. Weights only: a file cannot run code. Raises `InputError` otherwise."""
        state = _read_model(Path(path))
        where = pick_device(device)
        try:
            schedules = {name: Schedule(**state["settings"][name]) for name in ("s1", "s2")}
            model = cls(**{**state["settings"], **schedules})
            for name in ("s1", "s2"):
                network = model.network(0, prior=0.5)
                network.load_state_dict(state[name])
                setattr(model, name, network.to(where).eval())
            model.peak_threshold, model.record = state["peak_threshold"], state["record"]
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"{path} is a damaged BFS-Net model ({type(error).__name__}); train it again") from error
        return model


def _cpu_state(network: unet.UNet3D) -> dict[str, torch.Tensor]:
    return {key: value.cpu().contiguous() for key, value in network.state_dict().items()}


def _read_model(path: Path) -> dict:
    if not path.is_file():
        raise InputError(f"{path} is not a file; expected a model written by `bfs-tutorial train`")
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise InputError(f"{path} is not a BFS-Net model ({type(error).__name__} while reading it)") from error
    found = {key: state.get(key) for key in FORMAT} if isinstance(state, dict) else state
    if found != FORMAT:
        raise InputError(f"{path} is not a model of this version: expected {FORMAT}, found {found!r:.80}")
    return state


def _check_training_stacks(stacks: Sequence[ZStack], simulated: Sequence[ZStack]) -> None:
    if not stacks and not simulated:
        raise InputError("no stacks to train on; give at least one z-stack with clicked centres")
    for stack in stacks:
        if stack.centres is None:
            raise InputError(f"{stack.name} has no centres; click one point per cell and pass them along")
    for stack in simulated:
        if stack.labels is None or stack.centres is None:
            raise InputError(f"{stack.name} is given as simulated but has no labels or centres")
