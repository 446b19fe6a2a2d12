"""Table 1: every method on the same stacks, with the same S1 where it needs one, one record per row and seed.

A row is a recipe (`ROWS`), a data set a list of folds (`DATA`). `python -m bfs_tutorial table1 --data NAME` runs
what has no record yet, so a run that was stopped goes on where it was. The records are the only source of the
numbers in the book: `records` reads them.

The truth serves three purposes, each stated in the row's `annotation`: it scores, the fully supervised rows learn
from it, and the classical rows are set to do best on the training stacks, which favours them.
"""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from bfs_tutorial import baselines, mask_rcnn, sim_to_real, simulate, unet
from bfs_tutorial.centre_maps import nearest_centre
from bfs_tutorial.errors import InputError
from bfs_tutorial.files import replacing
from bfs_tutorial.mask_rcnn import MaskRCNN
from bfs_tutorial.metrics import detection, evaluate
from bfs_tutorial.peak_response import peak_responses
from bfs_tutorial.pipeline import BFSNet, Settings, move_points, resample_labels
from bfs_tutorial.pseudo_labels import cluster_labels, joint_labels, snap_to_maxima
from bfs_tutorial.qcanet import QCANet
from bfs_tutorial.records import RESULTS, record_path
from bfs_tutorial.stack import ZStack
from bfs_tutorial.star_convex import star_convex_labels
from bfs_tutorial.training import Schedule, check_no_profile, pick_device

Labels = list[np.ndarray]  # one label volume (Z, Y, X) per test stack
WATERSHED_GRID = {"smooth": [0.8, 1.5, 2.5], "seed_distance": [4.0, 6.0, 8.0], "log": [True, False]}
VORONOI_GRID = {"spot_sigma": [2.0, 3.0, 4.5], "outline_sigma": [0.8, 1.5, 2.5], "log": [True, False]}
RADII = np.arange(4.0, 12.5, 0.5).tolist()  # µm, tried for the ball
TUNING_STACKS = 4  # the classical rows are set on the first of the training stacks


# ---- data sets -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fold:
    """Stacks to train on and stacks to test on."""

    training: list[ZStack]
    test: list[ZStack]


@dataclass(frozen=True)
class DataSet:
    """Where the stacks come from: `folds(seed, count)`, with at most `count` training stacks if it is given."""

    modality: str
    folds: Callable[[int, int | None], list[Fold]]
    rows: tuple[str, ...]
    settings: dict = field(default_factory=dict)  # what every network row does differently on this data set


def simulated(modality: str, training: int, test: int = 8) -> Callable[[int, int | None], list[Fold]]:
    """Simulated stacks; every seed has stacks of its own, and the test stacks do not depend on `count`."""

    def folds(seed: int, count: int | None = None) -> list[Fold]:
        count = training if count is None else count
        stacks = simulate.dataset(modality, test + count, seed=1000 + seed)
        return [Fold(stacks[test:], stacks[:test])]

    return folds


def embryos(seed: int, count: int | None = None) -> list[Fold]:
    """The two real mouse embryos in fluorescence: train on one, test on the other, both ways."""
    import data_download

    eight, sixteen = data_download.load("mouse_embryo_fluorescence", progress=False)
    return [Fold([eight][:count], [sixteen]), Fold([sixteen][:count], [eight])]


def embryo_bright_field(seed: int, count: int | None = None) -> list[Fold]:
    """One mouse embryo in bright field: train on two frames, test on the next one. Neighbouring frames are alike."""
    import data_download

    *first, last = data_download.load("mouse_embryo_bright_field", progress=False)
    return [Fold(first[:count], [last])]


def bbbc050(seed: int, count: int | None = None) -> list[Fold]:
    """BBBC050 as the paper uses it: its own training and test split; a weak label is the mean of a mask."""
    import data_download

    return [Fold(data_download.load("bbbc050", "train", limit=count), data_download.load("bbbc050", "test"))]


# On simulated nuclei, whose surface is known, the crest of the linear counts' gradient lies on it. The annotators of
# the embryos draw farther out, where the gradient of the asinh image is largest: the default, made for real stacks.
TRUE_EDGE = {"adapt": 0.0, "edge_source": "edge", "edge_scale": "local", "boundary_weight": 1.0, "warm_up": 0.0}
COMMON = (
    "threshold", "voronoi-otsu", "ball", "pseudo", "pseudo-guided", "pseudo-gradient", "pseudo-clusters",
    "pseudo-joint", "class", "full-printed", "full-mean", "full", "ours", "ours-x2", "star", "supervised",
    "supervised-x2", "qcanet", "mask-rcnn",
)  # fmt: skip
# Two frames of one embryo, whose nuclei hardly show: networks that see farther around, found by training on the first
# frame and looking at the second, the other frame of the training set.
_WIDE = Schedule(steps=600, crop=(24, 64, 64), jitter=0.3)
WIDE = {"spacing": (2.0, 1.5, 1.5), "pools": ((2, 2, 2), (2, 2, 2)), "s1": _WIDE, "s2": replace(_WIDE, steps=400)}
SIMULATION = ("sim-outline", "clicks-outline")
DATA = {
    "simulated-fluorescence": DataSet("fluorescence", simulated("fluorescence", 12), COMMON, TRUE_EDGE),
    "simulated-bright-field": DataSet("bright-field", simulated("bright-field", 24), COMMON),
    "embryos": DataSet(
        "fluorescence", embryos,
        (*(row for row in COMMON if not row.endswith("-x2")), *SIMULATION, "qcanet-stored"),
    ),
    "embryo-bright-field": DataSet(
        "bright-field", embryo_bright_field,
        ("threshold", "voronoi-otsu", "ball", "pseudo", "full", "star", "supervised", "copy"), WIDE,
    ),
    "bbbc050": DataSet("fluorescence", bbbc050, COMMON),
}  # fmt: skip


# ---- one fold, one seed --------------------------------------------------------------------------------------


class Bench:
    """The stacks of one fold and what several rows share: S1, its centres on the test stacks, its pseudo labels.

    folder: keeps the trained S1, so that a later row, or a later run, need not train it again.
    """

    def __init__(self, data: DataSet, fold: Fold, seed: int, folder: Path, device: str = "auto",
                 progress: bool = True, settings: dict | None = None) -> None:  # fmt: skip
        self.modality, self.seed, self.folder = data.modality, seed, folder
        self.training, self.test = fold.training, fold.test
        self.clicked = [points_only(stack) for stack in fold.training]
        self.options = {"seed": seed, "device": device, "progress": progress}
        self.settings = data.settings | (settings or {})

    @cached_property
    def model(self) -> BFSNet:
        """BFS-Net with its S1 trained on the clicks; S2 is not trained yet."""
        model = BFSNet(self.modality, **self.settings)
        stored = self.folder / "s1.pt"
        if stored.exists():
            return restore_s1(model, stored, self.clicked, self.options["device"])
        start = time.process_time()
        model.train_s1(self.clicked, checkpoint=self.folder / "s1-checkpoint.pt", **self.options)
        keep_s1(model, stored, self.clicked, time.process_time() - start)
        (self.folder / "s1-checkpoint.pt").unlink(missing_ok=True)
        return model

    @cached_property
    def centres(self) -> list[np.ndarray]:
        """S1's centres on the test stacks, (N, 3) voxels each."""
        return [self._found(stack) for stack in self.test]

    def _found(self, stack: ZStack) -> np.ndarray:
        image = self.model.prepare(stack)
        points, _ = self.model.find_centres(unet.predict(self.model.s1, image))
        return move_points(points, image.shape, stack.image.shape)

    @cached_property
    def pseudo_masks(self) -> list[np.ndarray]:
        """Foreground of the peak responses at the clicks of the training stacks, on the networks' grid."""
        return [self.model.pseudo_labels(stack) > 0 for stack in self.clicked]

    def with_s1(self, **settings) -> BFSNet:
        """Another BFSNet with the same S1 and other settings of S2."""
        model = BFSNet(self.modality, **(self.settings | settings))
        model.s1, model.peak_threshold = self.model.s1, self.model.peak_threshold
        return model


def points_only(stack: ZStack) -> ZStack:
    """The stack as an annotator leaves it: image and clicks, no labels."""
    return ZStack(stack.image, stack.spacing, stack.centres, name=stack.name)


def keep_s1(model: BFSNet, path: Path, stacks: Sequence[ZStack], cpu_seconds: float) -> None:
    """Write S1, its peak threshold, the settings and stacks it was trained with and its CPU seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {key: value.cpu() for key, value in model.s1.state_dict().items()}
    state = {"weights": weights, "peak_threshold": model.peak_threshold, "recipe": s1_recipe(model.settings, stacks)}
    with replacing(path, overwrite=True) as partial_file:
        torch.save({**state, "cpu_seconds": cpu_seconds}, partial_file)


def restore_s1(model: BFSNet, path: Path, stacks: Sequence[ZStack], device: str) -> BFSNet:
    """Put a kept S1 into the model. Raises `InputError` when it was trained with other settings, stacks or clicks."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["recipe"] != s1_recipe(model.settings, stacks):
        raise InputError(f"{path} was trained with other settings, stacks or clicks; clear it or change --work")
    model.s1 = model.network(0, prior=0.02).to(pick_device(device))
    model.s1.load_state_dict(state["weights"])
    model.s1.eval()
    model.peak_threshold = state["peak_threshold"]
    return model


def s1_recipe(settings: Settings, stacks: Sequence[ZStack]) -> str:
    """The settings, the training stacks and their clicks that S1 depends on, as text."""
    names = ("modality", "spacing", "channels", "pools", "d_m", "k", "focal_weight", "s1", "merge_radius")
    recipe = {name: asdict(settings)[name] for name in names} | {
        "stacks": [(stack.name, hashlib.sha256(stack.centres.tobytes()).hexdigest()) for stack in stacks]
    }
    return json.dumps(recipe, sort_keys=True)


# ---- methods: what a row does on a bench ---------------------------------------------------------------------


def classical(bench: Bench, name: str) -> tuple[Labels, dict]:
    """A classical baseline, set to do best on the first training stacks."""
    function, grid = {
        "threshold": (baselines.threshold_watershed, WATERSHED_GRID),
        "voronoi-otsu": (baselines.voronoi_otsu, VORONOI_GRID),
    }[name]

    def draw(stack: ZStack, **settings) -> np.ndarray:
        return function(stack.image, stack.spacing, bench.modality, **settings)

    chosen = baselines.tune(draw, bench.training[:TUNING_STACKS], grid)
    return [draw(stack, **chosen) for stack in bench.test], chosen


def ball(bench: Bench) -> tuple[Labels, dict]:
    """A ball of one radius at every centre that S1 finds; the radius is the best on the training stacks."""

    def draw(stack: ZStack, radius: float, points: np.ndarray | None = None) -> np.ndarray:
        points = stack.centres if points is None else points
        return baselines.balls(stack.image.shape, points, stack.spacing, radius)

    chosen = baselines.tune(draw, bench.training, {"radius": RADII})
    return [draw(s, **chosen, points=p) for s, p in zip(bench.test, bench.centres, strict=True)], chosen


def pseudo(bench: Bench, rule: str) -> tuple[Labels, dict]:
    """Pseudo labels at the centres that S1 finds in the test stacks themselves; no S2."""
    found = zip(bench.test, bench.centres, strict=True)
    return [pseudo_of(bench.model, stack, points, rule) for stack, points in found], {}


def pseudo_of(model: BFSNet, stack: ZStack, points: np.ndarray, rule: str) -> np.ndarray:
    """Pseudo labels of one stack by one rule, on the stack's own grid."""
    if len(points) == 0:
        return np.zeros(stack.image.shape, dtype=np.int32)
    clicked = ZStack(stack.image, stack.spacing, points)
    if rule in ("clusters", "joint"):
        labels = {"clusters": _clusters, "joint": _joint}[rule](model, clicked)
    else:
        labels = model.pseudo_labels(clicked, rule)
    return resample_labels(labels, stack.image.shape)


def _clusters(model: BFSNet, stack: ZStack) -> np.ndarray:
    """Qu 2019: k-means on the signal and the distance to the nearest point."""
    image, spacing = model.prepare(stack), model.settings.spacing
    distance, cell = nearest_centre(image.shape, model.points(stack), spacing)
    return cluster_labels(baselines.cell_signal(image, spacing, model.settings.modality), cell + 1, distance)


def _joint(model: BFSNet, stack: ZStack) -> np.ndarray:
    """Dong 2019: Otsu's threshold on image times response, in the Voronoi cell of every point."""
    image, s = model.prepare(stack), model.settings
    peaks = snap_to_maxima(model.points(stack), unet.predict(model.s1, image), s.spacing)
    cell = nearest_centre(image.shape, model.points(stack), s.spacing)[1]
    responses = np.zeros(image.shape, dtype=np.float32)
    for number, peak in enumerate(peaks):  # one map at a time: memory does not grow with the number of cells
        response = baselines.blur(peak_responses(model.s1, image, peak[None])[0], s.spacing, s.response_smoothing)
        own = cell == number
        responses[own] = response[own] / max(response.max(), 1e-30)
    signal = baselines.cell_signal(image, s.spacing, s.modality)
    return joint_labels(cell + 1, responses, signal - signal.min())


def segmentation(bench: Bench, target: str, budget: float = 1.0, **settings) -> tuple[Labels, dict]:
    """Train an S2 on masks of one kind, then S1's centres and the watershed, as BFS-Net does.

    target: "prm" (peak responses), "star" (star-convex search from the clicks) or "truth" (full supervision).
    budget: training steps, as a multiple of the default.
    """
    model = bench.with_s1(**settings)
    s2 = model.settings.s2
    model.settings = replace(model.settings, s2=replace(s2, steps=round(budget * s2.steps)))
    masks = {"prm": lambda: bench.pseudo_masks, "star": lambda: star_masks(model, bench.clicked),
             "truth": lambda: [model.exact_mask(stack) for stack in bench.training]}[target]()  # fmt: skip
    model.train_s2(bench.clicked, masks, **bench.options)
    return [model.predict(points_only(stack)).labels for stack in bench.test], {}


def star_masks(model: BFSNet, stacks: Sequence[ZStack]) -> list[np.ndarray]:
    """Foreground of the star-convex search from the clicks, on the networks' grid."""
    masks = []
    for stack in stacks:
        shape = model.prepare(stack).shape
        labels = star_convex_labels(stack.image, stack.centres, stack.spacing, model.settings.modality)
        masks.append(resample_labels(labels, shape) > 0)
    return masks


def star_search(bench: Bench) -> tuple[Labels, dict]:
    """Star-convex search in the test stacks themselves, around S1's centres; no S2."""
    found = zip(bench.test, bench.centres, strict=True)
    return [star_labels(stack, points, bench.modality) for stack, points in found], {}


def star_labels(stack: ZStack, points: np.ndarray, modality: str) -> np.ndarray:
    """Labels of the star-convex search around the points; empty without points, which the search would refuse."""
    if len(points) == 0:
        return np.zeros(stack.image.shape, dtype=np.int32)
    return star_convex_labels(stack.image, points, stack.spacing, modality)


def rival(bench: Bench, name: str) -> tuple[Labels, dict]:
    """A fully supervised method of others: QCANet or 3D Mask R-CNN, in our small version."""
    settings = bench.model.settings
    if name == "qcanet":  # two networks that take as many steps together as S1 and S2
        schedule = replace(settings.s2, steps=(settings.s1.steps + settings.s2.steps) // 2)
        model = QCANet(bench.modality, schedule=schedule, adapt=settings.adapt)
    else:
        model = MaskRCNN(bench.modality, schedule=replace(mask_rcnn.SCHEDULE, jitter=settings.s2.jitter))
    model.fit(bench.training, **bench.options)
    return [model.predict(points_only(stack)) for stack in bench.test], {}


def simulation(bench: Bench, clicks: bool) -> tuple[Labels, dict]:
    """S1 learns on simulated nuclei, whose truth costs nobody anything; nuclei are outlined in the image around its
    centres, see `sim_to_real`. clicks: S1 learns from the clicks of the real training stacks too.
    """
    model = sim_to_real.fit(bench.clicked if clicks else [], steps_s2=1, **bench.options)  # its S2 is not used
    return [sim_to_real.predict_outlines(model, points_only(stack)).labels for stack in bench.test], {}


def copy_last(bench: Bench) -> tuple[Labels, dict]:
    """No image is looked at: the labels of the last training frame are handed in as those of the test frame."""
    return [bench.training[-1].labels for _ in bench.test], {}


def stored(bench: Bench) -> tuple[Labels, dict]:
    """The labels that QCANet's authors published for the 16-cell embryo; nothing for other stacks."""
    import data_download

    return [data_download.load_stored_result(progress=False) if s.name == "16-cell" else None for s in bench.test], {}


# ---- rows ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One line of Table 1: what it is called, what it was shown, and how it is made."""

    title: str
    annotation: str
    method: Callable[..., tuple[Labels, dict]]
    options: dict = field(default_factory=dict)


NOTHING = "nothing real; simulated stacks"
POINTS, MASKS, SETTINGS = "points", "full masks", "masks, to choose two or three settings"
SCALED = {"edge_scale": "std", "reduction": "mean", "boundary_weight": 10.0, "warm_up": 0.5}
LITERAL = {"edge_scale": "none", "reduction": "mean", "boundary_weight": 1.0, "warm_up": 0.0,
           "sigma_mask": 3.0, "sigma_image": 3.0, "edge_source": "normalised"}  # fmt: skip
NO_BOUNDARY = {"boundary_weight": 0.0}
ROWS = {
    "threshold": Row("Threshold + watershed", SETTINGS, classical, {"name": "threshold"}),
    "voronoi-otsu": Row("Voronoi-Otsu", SETTINGS, classical, {"name": "voronoi-otsu"}),
    "ball": Row("Ball at each centre", "points, and masks for one radius", ball),
    "pseudo": Row("Pseudo labels (peak response)", POINTS, pseudo, {"rule": "prm"}),
    "pseudo-guided": Row("Pseudo labels (guided back-propagation)", POINTS, pseudo, {"rule": "guided"}),
    "pseudo-gradient": Row("Pseudo labels (plain gradient)", POINTS, pseudo, {"rule": "gradient"}),
    "pseudo-clusters": Row("Pseudo labels (Voronoi + k-means)", POINTS, pseudo, {"rule": "clusters"}),
    "pseudo-joint": Row("Pseudo labels (image × response, Otsu)", POINTS, pseudo, {"rule": "joint"}),
    "class": Row("BFS-Net, L_class", POINTS, segmentation, {"target": "prm", **NO_BOUNDARY}),
    "full-printed": Row("BFS-Net, boundary loss as printed", POINTS, segmentation, {"target": "prm", **LITERAL}),
    "full-mean": Row("BFS-Net, boundary loss scaled", POINTS, segmentation, {"target": "prm", **SCALED}),
    "full": Row("BFS-Net, boundary loss at its best", POINTS, segmentation, {"target": "prm"}),
    "ours": Row("Star-convex labels + S2", POINTS, segmentation, {"target": "star", **NO_BOUNDARY}),
    "ours-x2": Row("Star-convex labels + S2, twice the steps", POINTS, segmentation,
                   {"target": "star", "budget": 2.0, **NO_BOUNDARY}),
    "star": Row("S1 + star-convex search, no S2", POINTS, star_search),
    "supervised": Row("Same U-Net, fully supervised", MASKS, segmentation, {"target": "truth", **NO_BOUNDARY}),
    "supervised-x2": Row("Same U-Net, fully supervised, twice the steps", MASKS, segmentation,
                         {"target": "truth", "budget": 2.0, **NO_BOUNDARY}),
    "qcanet": Row("QCANet, small", MASKS, rival, {"name": "qcanet"}),
    "mask-rcnn": Row("3D Mask R-CNN, small", MASKS, rival, {"name": "mask-rcnn"}),
    "sim-outline": Row("Simulation to real, S1 and outlines", NOTHING, simulation, {"clicks": False}),
    "clicks-outline": Row("Simulation and clicks, S1 and outlines", POINTS, simulation, {"clicks": True}),
    "qcanet-stored": Row("QCANet, its authors' stored result", MASKS, stored),
    "copy": Row("Labels of the frame before, no image", MASKS, copy_last),
}  # fmt: skip


# ---- running -------------------------------------------------------------------------------------------------


def run_row(name: str, benches: Sequence[Bench]) -> dict:
    """Run one row on every fold of a seed, score it on every test stack, and return the record's own part."""
    row = ROWS[name]
    wall, cpu = time.perf_counter(), time.process_time()
    scores, chosen = {}, []
    for bench in benches:
        labels, settings = row.method(bench, **row.options)
        chosen.append(settings)
        pairs = zip(bench.test, labels, strict=True)
        scores |= {stack.name: score(found, stack) for stack, found in pairs if found is not None}
    return {
        "row": name, "title": row.title, "annotation": row.annotation,
        "recipe": {"method": row.method.__name__, **row.options},
        "chosen": chosen,
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_memory_MB": round(peak_memory()),
        "stacks": scores,
    }  # fmt: skip


def score(labels: np.ndarray, stack: ZStack) -> dict[str, float]:
    """IoU, SEG and MUCov of labels, and how well their centroids find the true centres (within 5 µm)."""
    numbers = np.unique(labels[labels > 0])
    middles = np.array(ndimage.center_of_mass(labels > 0, labels, numbers)).reshape(-1, 3)
    row = evaluate(labels, stack.labels) | detection(middles, stack.centres, stack.spacing)
    return {key: round(float(value), 4) for key, value in row.items()}


def environment(device: str) -> dict:
    """What the numbers depend on besides recipe and seed: versions, device, threads."""
    packages = ("bfs-tutorial", "torch", "numpy", "scipy", "scikit-image")
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "device": str(pick_device(device)),
        "threads": torch.get_num_threads(),
    }


def peak_memory() -> float:
    """Largest memory of this process so far in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def paper_settings(stacks: int) -> dict:
    """The paper's own hyper-parameters (§4): Adam at 5e-5, weight decay 1e-6, batch 1, 40 epochs, 16 planes.

    stacks: number of training stacks; an epoch shows each once. For a GPU: on two cores it takes days.
    """
    schedule = Schedule(steps=40 * stacks, learning_rate=5e-5, weight_decay=1e-6, batch=1, crop=(16, 128, 128),
                        one_cycle=False, mixed_precision=True)  # fmt: skip
    return {"s1": schedule, "s2": schedule}


def check_request(data: str, rows: Sequence[str], seeds: int, stacks: int | None, device: str) -> list[str]:
    """Return the rows to run; raise `InputError` for anything that would fail later."""
    if data not in DATA:
        raise InputError(f"data set {data!r} is unknown; choose from {', '.join(DATA)}")
    allowed = DATA[data].rows
    unknown = [row for row in rows if row not in allowed]
    if unknown:
        raise InputError(f"row {unknown[0]!r} is unknown for {data}; choose from {', '.join(allowed)}")
    if seeds < 1:
        raise InputError(f"the number of seeds is {seeds}; expected 1 or more")
    if stacks is not None and stacks < 1:
        raise InputError(f"the number of training stacks is {stacks}; expected 1 or more")
    check_no_profile()
    pick_device(device)
    return list(rows) or list(allowed)


def table1(
    data: str,
    rows: Sequence[str] = (),
    seeds: int = 3,
    *,
    stacks: int | None = None,
    paper: bool = False,
    device: str = "auto",
    results: Path = RESULTS,
    work: Path | None = None,
    progress: bool = True,
) -> None:
    """Run every row of a data set that has no record yet, seed by seed; each record is written when it is done.

    stacks: use at most this many training stacks. paper: the paper's own hyper-parameters. work: folder that keeps
    each trained S1 until all its rows are done. Raises `InputError` before long work.
    """
    rows = check_request(data, rows, seeds, stacks, device)
    work = Path(results) / "work" if work is None else Path(work)
    for seed in range(seeds):
        missing = [row for row in rows if not is_done(record_path(data, row, seed, results), stacks, paper)]
        if missing:
            benches = make_benches(data, seed, stacks, paper, device, work / data / f"seed{seed}", progress)
        for row in missing:
            say(f"{data}, seed {seed}: {ROWS[row].title}", progress)
            record = {"data": data, "seed": seed, **run_row(row, benches), **conditions(benches, stacks, paper)}
            options = f" --stacks {stacks}" * (stacks is not None) + " --paper" * paper
            record["command"] = f"python -m bfs_tutorial table1 --data {data} --seeds {seed + 1}{options}"
            record |= environment(device)
            write_record(record_path(data, row, seed, results), record)


def is_done(path: Path, stacks: int | None, paper: bool) -> bool:
    """Is there a record of this row? Raises `InputError` when it was made with other options."""
    if not path.exists():
        return False
    record = json.loads(path.read_text(encoding="utf-8"))
    if (record.get("most_stacks"), record.get("paper_settings")) != (stacks, paper):
        raise InputError(f"{path} was made with another --stacks or --paper; give another folder with --results")
    return True


def make_benches(
    data: str, seed: int, stacks: int | None, paper: bool, device: str, work: Path, progress: bool
) -> list[Bench]:
    """The folds of one seed, ready to run rows on."""
    benches = []
    for number, fold in enumerate(DATA[data].folds(seed, stacks)):
        if not fold.training or not fold.test:
            raise InputError(f"{data} has {len(fold.training)} training and {len(fold.test)} test stacks; need both")
        settings = paper_settings(len(fold.training)) if paper else {}
        folder = work / f"fold{number}"
        benches.append(Bench(DATA[data], fold, seed, folder, device, progress, settings))
    return benches


def conditions(benches: Sequence[Bench], stacks: int | None, paper: bool) -> dict:
    """What else a record must say: the stacks, the settings of every network, and what the shared S1 cost."""
    trained = [bench for bench in benches if "model" in bench.__dict__]
    kept = [torch.load(bench.folder / "s1.pt", weights_only=True, map_location="cpu") for bench in trained]
    return {
        "training_stacks": [[stack.name for stack in bench.training] for bench in benches],
        "most_stacks": stacks,
        "paper_settings": paper,
        "settings": [asdict(bench.model.settings) for bench in trained],
        "peak_threshold": [round(bench.model.peak_threshold, 4) for bench in trained],
        "s1_cpu_seconds": [round(state["cpu_seconds"], 1) for state in kept],
    }


def say(text: str, progress: bool) -> None:
    """Say on stderr what is running."""
    if progress:
        print(text, file=sys.stderr, flush=True)


def write_record(path: Path, record: dict) -> None:
    """Write a record whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=False) as partial_file:
        partial_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
