"""The command line: simulate, train, segment, measure, evaluate, doctor.

Every input and output is checked before long work. What a user can put right ends in one line on stderr and exit
code 2. Torch is imported only by the commands that need it, so that `--help`, `measure` and `evaluate` answer at once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bfs_tutorial import __version__
from bfs_tutorial.errors import InputError
from bfs_tutorial.files import TIFF_SUFFIXES, check_output, one_line, read_spacing, replacing
from bfs_tutorial.points import UNITS

if TYPE_CHECKING:
    from bfs_tutorial.pipeline import BFSNet
    from bfs_tutorial.stack import ZStack

MODALITIES = ("bright-field", "fluorescence")
CELL_RADIUS = 8.0  # µm: d_m of Eq. (1) as `pipeline.Settings` has it
LENGTHS = (0.5, 200.0)  # µm: radii of cells that a light microscope resolves and a stack holds
CHECKPOINT_FILES = ("s1.pt", "s2.pt", "run.json")
MEANING = {
    "IoU": "overlap of all cells together with all true cells",
    "SEG": "mean over true cells of the overlap with the one cell that covers most of it",
    "MUCov": "mean over found cells of the overlap with the one true cell that it lies in",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are InputErrors: one line, no usage text before it."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError, with the way to the help."""
        raise InputError(f"{one_line(message)}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        args = build_parser().parse_args(argv)
        args.command_line = shlex.join(["bfs-tutorial", *argv])
        return args.run(args) or 0
    except InputError as error:
        print(f"bfs-tutorial: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"\nbfs-tutorial: interrupted{''.join(f'; {part}' for part in stop.args)}", file=sys.stderr)
        return 130


# ---- arguments ---------------------------------------------------------------------------------------


def build_parser() -> Parser:
    """Return the parser of all commands; every one has an example in its --help."""
    about = "Instance labels of cells in z-stacks, learnt from one point a cell."
    parser = Parser(prog="bfs-tutorial", description=about)
    parser.add_argument("--version", action="version", version=f"bfs-tutorial {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_simulate, _add_train, _add_segment, _add_measure, _add_evaluate, _add_table1, _add_ablation,
                _add_doctor):
        add(commands)
    return parser


def _add_command(commands: Any, run: Any, summary: str, example: str) -> Parser:
    parser = commands.add_parser(
        run.__name__,
        help=summary,
        description=f"{summary.capitalize()}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_simulate(commands: Any) -> None:
    parser = _add_command(
        commands, simulate, "make z-stacks with known centres and labels",
        "bfs-tutorial simulate bright-field -n 4 --seed 0 -o simulated",
    )
    parser.add_argument("modality", choices=MODALITIES)
    parser.add_argument("-n", type=_positive, default=1, metavar="N", help="number of stacks (1)")
    parser.add_argument("--seed", type=_natural, default=0, metavar="S", help="same seed, same stacks (0)")
    parser.add_argument("--shape", type=_positive, nargs=3, default=(16, 128, 128), metavar=("Z", "Y", "X"),
                        help="voxels (16 128 128)")
    _add_spacing(parser, "(2 1 1)", default=(2.0, 1.0, 1.0))
    _add_output(parser, "DIR", "folder for NAME.tif, NAME_points.csv and NAME_labels.tif; made if missing")


def _add_train(commands: Any) -> None:
    parser = _add_command(
        commands, train, "learn from z-stacks with one point clicked on every cell",
        "bfs-tutorial train a.tif b.tif --points a.csv b.csv --modality fluorescence \\\n"
        "    --spacing 2 0.8 0.8 -o model.pt\n\n"
        "points: CSV of napari (axis-0, axis-1, axis-2) or of Fiji's Results (X, Y, Slice), multi-points of Fiji as\n"
        ".roi or .zip, or a TIFF with a small ball at every centre.\n"
        "A run that was stopped goes on from its last checkpoint when the same command is given again.",
    )
    parser.add_argument("stacks", nargs="+", type=Path, metavar="STACK.tif", help="TIFF, OME-TIFF or ImageJ TIFF")
    parser.add_argument("--points", nargs="+", type=Path, required=True, metavar="POINTS.csv",
                        help="one file for each stack, in the same order")
    parser.add_argument("--points-unit", choices=UNITS, help="of the points in a CSV (found out, or asked for)")
    parser.add_argument("--modality", choices=MODALITIES, required=True)
    _add_spacing(parser, "(as the file states it)")
    parser.add_argument("--cell-radius", type=_length, default=CELL_RADIUS, metavar="UM",
                        help="about the radius of your cells in µm; all lengths of the method follow it (8)")
    parser.add_argument("--boundary-weight", type=_weight, metavar="L",
                        help="λ of the boundary loss: less where masks vanish, 0 for none (3; bright field 10)")
    _add_output(parser, "MODEL", "file for the trained model")
    parser.add_argument("--simulated", type=_natural, default=0, metavar="N", help="add simulated stacks (0)")
    parser.add_argument("--seed", type=_natural, default=0, metavar="S", help="same seed, same model (0)")
    parser.add_argument("--steps-s1", type=_positive, metavar="N", help="training steps of S1, which finds centres")
    parser.add_argument("--steps-s2", type=_positive, metavar="N", help="training steps of S2, which finds outlines")
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="where to keep them (MODEL.checkpoints)")
    _add_device(parser)


def _add_segment(commands: Any) -> None:
    parser = _add_command(
        commands, segment, "write the instance labels of a z-stack",
        "bfs-tutorial segment c.tif --model model.pt --spacing 2 0.8 0.8 -o c_labels.tif",
    )
    parser.add_argument("stack", type=Path, metavar="STACK.tif")
    parser.add_argument("--model", type=Path, required=True, help="file that `bfs-tutorial train` wrote")
    _add_spacing(parser, "(as the file states it)")
    _add_output(parser, "LABELS.tif", "instance labels, 0 = background; open it in napari or Fiji")
    parser.add_argument("--points-out", type=Path, metavar="POINTS.csv", help="write the centres too")
    _add_device(parser)


def _add_measure(commands: Any) -> None:
    parser = _add_command(
        commands, measure, "write one row for each cell: volume, place, size",
        "bfs-tutorial measure c_labels.tif --image c.tif -o c_cells.csv",
    )
    parser.add_argument("labels", type=Path, metavar="LABELS.tif", help="instance labels, 0 = background")
    _add_spacing(parser, "(as the file of the labels states it)")
    parser.add_argument("--image", type=Path, metavar="STACK.tif", help="adds the mean intensity of each cell")
    _add_output(parser, "CELLS.csv", "table; opens in a spreadsheet, R and pandas")


def _add_evaluate(commands: Any) -> None:
    parser = _add_command(
        commands, evaluate, "compare instance labels with the truth",
        "bfs-tutorial evaluate c_labels.tif c_truth.tif --json",
    )
    parser.add_argument("labels", type=Path, metavar="LABELS.tif")
    parser.add_argument("truth", type=Path, metavar="TRUTH.tif",
                        help="labels, or a mask of 0 and 255 whose separate regions are the cells")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    _add_output(parser, "FILE.json", "write the JSON to a file too", required=False)


def _add_table1(commands: Any) -> None:
    parser = _add_command(
        commands, table1, "run the experiments of Table 1 that have no record yet, and print the table",
        "bfs-tutorial table1 --data simulated-fluorescence --seeds 3\n\n"
        "Every row and seed is one JSON record. A run that was stopped goes on when the same command is given again.",
    )
    parser.add_argument("--data", default="simulated-fluorescence", metavar="NAME",
                        help="simulated-fluorescence, simulated-bright-field, embryos, embryo-bright-field, bbbc050")
    parser.add_argument("--rows", nargs="+", default=(), metavar="ROW", help="some rows only (all of the data set)")
    parser.add_argument("--seeds", type=_natural, default=3, metavar="N", help="runs of every row, seeds 0, 1, ... (3)")
    parser.add_argument("--stacks", type=_natural, metavar="N", help="at most this many training stacks (all)")
    parser.add_argument("--paper", action="store_true",
                        help="the paper's hyper-parameters (rate 5e-5, batch 1, 40 epochs): days without a GPU")
    parser.add_argument("--results", type=Path, metavar="DIR", help="folder of the records (results/table1)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keeps each trained S1 for later rows (RESULTS/work)")
    _add_device(parser)


def _add_ablation(commands: Any) -> None:
    parser = _add_command(
        commands, ablation, "change one choice of the method at a time, on simulated stacks, and print the scores",
        "bfs-tutorial ablation lambda sigma --data simulated-bright-field",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones (all)")
    parser.add_argument("--data", default="simulated-fluorescence", metavar="NAME",
                        help="simulated-fluorescence or simulated-bright-field (simulated-fluorescence)")
    parser.add_argument("--seeds", type=_natural, default=1, metavar="N", help="seeds 0, 1, ... (1)")
    parser.add_argument("--results", type=Path, metavar="DIR", help="folder of the records (results/ablations)")
    _add_device(parser)


def _add_doctor(commands: Any) -> None:
    _add_command(
        commands, doctor, "say what is installed, what is missing, and which device and memory there are",
        "bfs-tutorial doctor",
    )


def _add_spacing(parser: Parser, default_text: str, default: Any = None) -> None:
    parser.add_argument("--spacing", type=float, nargs=3, default=default, metavar=("Z", "Y", "X"),
                        help=f"µm a voxel {default_text}")


def _add_output(parser: Parser, metavar: str, text: str, required: bool = True) -> None:
    parser.add_argument("-o", "--output", type=Path, required=required, metavar=metavar, help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def _add_device(parser: Parser) -> None:
    choices = ("auto", "cpu", "cuda")
    parser.add_argument("--device", choices=choices, default="auto", help="auto takes a GPU if there is one (auto)")


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _length(text: str) -> float:
    return _number(text, *LENGTHS, "a length in µm")


def _weight(text: str) -> float:
    return _number(text, 0.0, 1e3, "a weight")


def _number(text: str, low: float, high: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {low:g} to {high:g}")
    return value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


# ---- commands ----------------------------------------------------------------------------------------


def simulate(args: argparse.Namespace) -> None:
    """Write n simulated stacks, their points and their labels into a folder."""
    from bfs_tutorial.simulate import SIMULATORS
    from bfs_tutorial.stack import check_spacing, write_labels, write_points, write_stack

    spacing = check_spacing(args.spacing)
    names = [f"{args.modality}-{i:04d}" for i in range(args.n)]
    folder = _output_folder(args.output)
    endings = (".tif", "_points.csv", "_labels.tif")
    for path in (folder / f"{name}{ending}" for name in names for ending in endings):
        if path.exists() and not args.overwrite:
            raise InputError(f"{path}: exists already: choose another folder, or say --overwrite")
    for i, name in enumerate(names):
        stack = SIMULATORS[args.modality]((args.seed, i), tuple(args.shape), spacing, name=name)
        folder.mkdir(parents=True, exist_ok=True)
        write_stack(folder / f"{name}.tif", stack, args.overwrite)
        write_points(folder / f"{name}_points.csv", stack.centres, args.overwrite)
        write_labels(folder / f"{name}_labels.tif", stack.labels, stack.spacing, args.overwrite)
        print(f"{folder / name}.tif: {len(stack.centres)} cells")


def train(args: argparse.Namespace) -> None:
    """Train a model on stacks and points, and write it."""
    if len(args.points) != len(args.stacks):
        counts = f"{_count(len(args.stacks), 'stack')} and {_count(len(args.points), 'file')} of points"
        raise InputError(f"there are {counts}: give one file of points for each stack, in the same order")
    if args.simulated and args.cell_radius != CELL_RADIUS:
        raise InputError(f"simulated cells have a radius of about {CELL_RADIUS:g} µm and not --cell-radius "
                         f"{args.cell_radius:g}: leave one of the two options out")  # fmt: skip
    check_output(args.output, args.overwrite)
    _keep_inputs(args.output, [*args.stacks, *args.points])
    stacks, sources = _training_stacks(args)
    model = _new_model(args, stacks)
    folder = args.checkpoints or Path(f"{args.output}.checkpoints")
    _claim_checkpoints(folder, _fingerprint(args))
    for stack, source in zip(stacks, sources, strict=True):
        print(_summary(stack, source), flush=True)
    _fit(model, stacks, folder, args)
    model.record["command"] = args.command_line
    model.save(args.output, args.overwrite)
    _clear_checkpoints(folder)
    cells = _count(sum(len(stack.centres) for stack in stacks), "point")
    more = f" and {_count(args.simulated, 'simulated stack')}" if args.simulated else ""
    print(f"{args.output}: trained on {cells} in {_count(len(stacks), 'stack')}{more}")


def segment(args: argparse.Namespace) -> None:
    """Write the instance labels of one stack."""
    outputs = [check_output(args.output, args.overwrite, TIFF_SUFFIXES)]
    if args.points_out:
        outputs.append(check_output(args.points_out, args.overwrite, (".csv",)))
    for output in outputs:
        _keep_inputs(output, [args.stack, args.model])
    from bfs_tutorial.pipeline import BFSNet
    from bfs_tutorial.stack import read_stack, write_labels, write_points

    stack = read_stack(args.stack, args.spacing)
    found = BFSNet.load(args.model, device=args.device).predict(stack)
    write_labels(args.output, found.labels, stack.spacing, args.overwrite)
    if args.points_out:
        write_points(args.points_out, found.centres, args.overwrite)
    cells = len(set(found.labels[found.labels > 0].tolist()))
    lost = len(found.centres) - cells
    more = f"; {_count(lost, 'centre')} without a mask" if lost else ""
    print(f"{args.output}: {_count(cells, 'cell')}{more}")


def measure(args: argparse.Namespace) -> None:
    """Write one row for each cell, and print how many there are and their median volume."""
    import numpy as np

    from bfs_tutorial.measure import measure_cells, write_cells
    from bfs_tutorial.stack import read_labels, read_stack

    check_output(args.output, args.overwrite, (".csv",))
    _keep_inputs(args.output, [args.labels, *filter(None, [args.image])])
    spacing = read_spacing(args.labels, args.spacing)
    image = read_stack(args.image, spacing).image if args.image else None
    labels = read_labels(args.labels, None if image is None else image.shape)
    table = measure_cells(labels, spacing, image)
    write_cells(args.output, table, args.overwrite)
    volumes, cut = table["volume_um3"], int(table["touches_border"].sum())
    median = f", median volume {np.median(volumes):.4g} µm³" if len(volumes) else ""
    border = f", {cut} at the border" if cut else ""
    print(f"{args.output}: {_count(len(volumes), 'cell')}{median}{border}")


def evaluate(args: argparse.Namespace) -> None:
    """Print IoU, SEG and MUCov of labels against the truth."""
    from bfs_tutorial.metrics import evaluate as scores_of
    from bfs_tutorial.stack import read_labels

    if args.output:
        check_output(args.output, args.overwrite)
        _keep_inputs(args.output, [args.labels, args.truth])
    truth = read_labels(args.truth)
    scores = scores_of(read_labels(args.labels, truth.shape), truth)
    text = json.dumps(scores, indent=2)
    if args.output:
        with replacing(args.output, args.overwrite) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
    print(text if args.json else _score_table(scores))


def table1(args: argparse.Namespace) -> None:
    """Run what has no record yet, then print the table from the records."""
    from bfs_tutorial import experiments, records

    folder = args.results or records.RESULTS
    options = {"stacks": args.stacks, "paper": args.paper, "device": args.device, "results": folder, "work": args.work}
    try:
        experiments.table1(args.data, args.rows, args.seeds, **options)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"finished rows are kept in {folder}, run the same command again") from stop
    print(records.report(args.data, folder))


def ablation(args: argparse.Namespace) -> None:
    """Run the ablations that have no record yet, then print all of them."""
    from bfs_tutorial import ablations, records

    folder = args.results or records.ABLATIONS
    ablations.ablate(args.names, args.data, args.seeds, device=args.device, results=folder)
    print(records.ablation_text(args.data, folder))


def doctor(args: argparse.Namespace) -> int:
    """Print what is installed and what is missing; exit code 1 when the package cannot work."""
    from bfs_tutorial.doctor import report

    text, usable = report()
    print(text)
    return 0 if usable else 1


# ---- steps of the commands ---------------------------------------------------------------------------


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _score_table(scores: dict[str, float]) -> str:
    """Return IoU, SEG and MUCov as a small aligned table, with the numbers of cells below."""
    rows = [f"{name:<7}{scores[name]:.4f}  {text}" for name, text in MEANING.items()]
    counts = f"{_count(scores['n_predicted'], 'cell')} found, {scores['n_truth']} in the truth"
    return "\n".join([*rows, counts])


def _output_folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: this is a file: give a folder")
    return path


def _training_stacks(args: argparse.Namespace) -> tuple[list[ZStack], list[str]]:
    """Read every stack with its points; return the stacks, and how the points of each were read."""
    from bfs_tutorial.stack import ZStack, read_clicks, read_stack

    stacks = [read_stack(path, args.spacing) for path in args.stacks]
    clicks = [
        read_clicks(path, stack.image.shape, stack.spacing, args.points_unit)
        for stack, path in zip(stacks, args.points, strict=True)
    ]
    clicked = [
        ZStack(stack.image, stack.spacing, found.points, name=stack.name)
        for stack, found in zip(stacks, clicks, strict=True)
    ]
    return clicked, [found.source for found in clicks]


def _summary(stack: ZStack, source: str) -> str:
    """Say what was read, so that a wrong spacing or unit is seen before training."""
    size, spacing = (" x ".join(f"{n:g}" for n in numbers) for numbers in (stack.image.shape, stack.spacing))
    return f"{stack.name}: {size} voxels of {spacing} µm, {_count(len(stack.centres), 'point')} ({source})"


def _lengths(cell_radius: float) -> dict[str, Any]:
    """Return the settings that are lengths, scaled so that the networks see every kind of cell equally large."""
    from bfs_tutorial.pipeline import Settings

    plain, factor = Settings("fluorescence"), cell_radius / CELL_RADIUS
    names = ("d_m", "merge_radius", "response_smoothing", "sigma_mask", "sigma_image")
    spacing = tuple(factor * step for step in plain.spacing)
    return {name: factor * getattr(plain, name) for name in names} | {"spacing": spacing}


def _new_model(args: argparse.Namespace, stacks: list[ZStack]) -> BFSNet:
    """Return an untrained model, after a check of the device and of the stacks' size against the pooling."""
    import numpy as np

    from bfs_tutorial.pipeline import BFSNet, working_shape
    from bfs_tutorial.training import crop_shape, pick_device

    pick_device(args.device)
    changes = _lengths(args.cell_radius)
    if args.boundary_weight is not None:
        changes["boundary_weight"] = args.boundary_weight
    model = BFSNet(args.modality, steps_s1=args.steps_s1, steps_s2=args.steps_s2, **changes)
    settings = model.settings
    for stack in stacks:
        image = np.broadcast_to(np.float32(0), working_shape(stack, settings.spacing))  # (Z, Y, X), no memory
        try:
            crop_shape([{"image": image}], settings.s1.crop, np.prod(settings.pools, axis=0))
        except InputError as error:
            raise InputError(f"{stack.name}: {error}") from error
    return model


def _fit(model: BFSNet, stacks: list[ZStack], folder: Path, args: argparse.Namespace) -> None:
    """Train, with checkpoints in the folder; a run that is stopped says how it goes on."""
    from bfs_tutorial.simulate import dataset
    from bfs_tutorial.training import TrainingError

    varied = {"randomise": True} if args.modality == "fluorescence" else {}  # optics unlike any one microscope
    simulated = dataset(args.modality, args.simulated, args.seed, **varied)
    try:
        model.fit(stacks, simulated, seed=args.seed, checkpoints=folder, device=args.device)
    except KeyboardInterrupt as stop:
        kept = any(folder.glob("*.pt"))
        what = f"checkpoint kept at {folder}" if kept else "no checkpoint yet"
        raise KeyboardInterrupt(f"{what}, run the same command again to resume") from stop
    except TrainingError as error:
        raise SystemExit(f"bfs-tutorial: error: {error}") from error  # prints the line, exit code 1


def _keep_inputs(output: Path, inputs: Sequence[Path]) -> None:
    """Raise InputError when the output would replace an input."""
    if output.resolve() in [path.resolve() for path in inputs]:
        raise InputError(f"{output}: this is one of the inputs: choose another name for the output")


def _fingerprint(args: argparse.Namespace) -> dict[str, Any]:
    """Return everything that a training run depends on, the inputs by their SHA-256."""
    choices = ("modality", "spacing", "points_unit", "cell_radius", "boundary_weight", "simulated", "seed", "steps_s1",
               "steps_s2")
    files = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (*args.stacks, *args.points)]
    return {name: getattr(args, name) for name in choices} | {"files": files, "version": __version__}


def _claim_checkpoints(folder: Path, run: dict[str, Any]) -> None:
    """Note in the folder which run its checkpoints belong to; raise InputError when it holds those of another."""
    note = _output_folder(folder) / "run.json"
    if any(folder.glob("*.pt")):
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if found != run:
            raise InputError(f"{folder}: holds checkpoints of another run: delete it or give another --checkpoints")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({one_line(error)})") from error
    with replacing(note, overwrite=True) as partial:
        partial.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")


def _clear_checkpoints(folder: Path) -> None:
    """Delete the checkpoints, and their folder unless something else is in it."""
    for name in CHECKPOINT_FILES:
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
