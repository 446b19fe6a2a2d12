"""The command line from end to end, and every wrong input: exit code 2, one line on stderr, nothing written."""

from __future__ import annotations

import csv
import json
import os
import pickle
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from skimage import measure

from bfs_tutorial import __version__
from bfs_tutorial.cli import build_parser, main
from bfs_tutorial.pipeline import BFSNet
from bfs_tutorial.simulate import dataset
from bfs_tutorial.stack import ZStack, read_labels, read_points, read_stack, write_labels, write_points, write_stack

COMMANDS = ("simulate", "train", "segment", "measure", "evaluate", "table1", "ablation", "doctor")
SPACING = ("--spacing", 2, 1, 1)
SHAPE = (14, 48, 48)


def call(*arguments) -> int:
    """Run the command line in this process."""
    return main([str(argument) for argument in arguments])


def blobs(shape=(8, 24, 24)) -> ZStack:
    """Make a stack of two bright blobs, small enough for a training step of milliseconds."""
    centres = np.array([[4, 7, 7], [4, 16, 16]])
    places = np.stack(np.indices(shape), axis=-1) * (2, 1, 1)  # (Z, Y, X, 3) µm
    distance = np.min([np.linalg.norm(places - centre * (2, 1, 1), axis=-1) for centre in centres], axis=0)
    noise = np.random.default_rng(0).normal(0, 5, shape)
    return ZStack(1000 * np.exp(-((distance / 5) ** 4)) + 100 + noise, (2, 1, 1), centres)


def listen_to_interrupts() -> None:
    """Let Ctrl-C reach a new process, even where the tests themselves run in the background and ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(path: Path, process: subprocess.Popen, seconds: float = 180) -> None:
    """Wait until a process has written a file."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, f"{path.name} was not written"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    """A folder with two simulated stacks, made by the command."""
    folder = tmp_path_factory.mktemp("cli") / "simulated"
    assert call("simulate", "fluorescence", "-n", 2, "--seed", 3, "--shape", *SHAPE, "-o", folder) == 0
    return folder


@pytest.fixture(scope="module")
def clicked(tmp_path_factory) -> tuple[Path, Path]:
    """A tiny stack and its points."""
    folder = tmp_path_factory.mktemp("clicked")
    write_stack(folder / "stack.tif", blobs())
    write_points(folder / "points.csv", blobs().centres)
    return folder / "stack.tif", folder / "points.csv"


@pytest.fixture(scope="module")
def model(clicked, tmp_path_factory) -> Path:
    """A model after a few steps of training, made by the command."""
    path = tmp_path_factory.mktemp("model") / "model.pt"
    steps = ("--steps-s1", 60, "--steps-s2", 20)
    assert call("train", clicked[0], "--points", clicked[1], "--modality", "fluorescence", "-o", path, *steps) == 0
    return path


@pytest.fixture
def refused(tmp_path, capfd):
    """Run a command that must be refused; return its line. A file that is there, and all others, stay as they were."""

    def run(*arguments, **outputs) -> str:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        capfd.readouterr()
        assert call(*arguments) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("bfs-tutorial: error: ") and err.endswith("\n") and err.count("\n") == 1, err
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        return err

    return run


@pytest.fixture
def refused_training(refused, clicked, tmp_path):
    """Train with something wrong, over a model that is already there."""

    def run(*more, stack=clicked[0], points=clicked[1]) -> str:
        output = tmp_path / "model.pt"
        output.write_text("precious")
        modality = () if "--modality" in more else ("--modality", "fluorescence")
        options = ("-o", output, "--overwrite", "--steps-s1", 1, "--steps-s2", 1)
        return refused("train", stack, "--points", points, *modality, *options, *more)

    return run


@pytest.fixture
def refused_segmentation(refused, clicked, model, tmp_path):
    """Segment with something wrong, over labels that are already there."""

    def run(*more, stack=clicked[0], model=model) -> str:
        output = tmp_path / "labels.tif"
        output.write_text("precious")
        return refused("segment", stack, "--model", model, "-o", output, "--overwrite", *more)

    return run


@pytest.fixture
def save(tmp_path):
    """Write a TIFF and return its path."""

    def write(volume, name="input.tif"):
        tifffile.imwrite(tmp_path / name, np.asarray(volume), photometric="minisblack")
        return tmp_path / name

    return write


# ---- help --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_is_right(command, capsys):
    with pytest.raises(SystemExit) as stop:
        call(command, "--help")
    assert stop.value.code == 0
    example = capsys.readouterr().out.partition("example:\n")[2].partition("\n\n")[0].replace("\\\n", " ")
    words = shlex.split(example)
    assert words[:2] == ["bfs-tutorial", command]
    assert build_parser().parse_args(words[1:]).run.__name__ == command


def test_help_names_the_commands_and_version_the_version(capsys):
    with pytest.raises(SystemExit):
        call("--help")
    text = capsys.readouterr().out
    assert all(f"\n    {command}" in text for command in COMMANDS)
    with pytest.raises(SystemExit):
        call("--version")
    assert capsys.readouterr().out == f"bfs-tutorial {__version__}\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "arguments are required: COMMAND"),
        ("trian", "invalid choice: 'trian'"),
        ("simulate fluorescent -o a", "invalid choice: 'fluorescent'"),
        ("simulate fluorescence", "required: -o"),
        ("simulate fluorescence -n 0 -o a", "'0' is not a whole number of 1 or more"),
        ("simulate fluorescence -n 2.5 -o a", "'2.5' is not a whole number"),
        ("simulate fluorescence --seed -1 -o a", "'-1' is not a whole number of 0 or more"),
        ("train a.tif --modality fluorescence -o m", "required: --points"),
        ("train a.tif --points a.csv -o m", "required: --modality"),
        ("train --points a.csv a.tif --modality fluorescence -o m", "required: STACK.tif"),
        ("train a.tif --points a.csv --modality fluorescence", "required: -o"),
        ("train a.tif --points a.csv --modality fluorescence -o m --spacing 1 1", "expected 3 arguments"),
        ("train a.tif --points a.csv --modality fluorescence -o m --spacing a b c", "invalid float value: 'a'"),
        ("train a.tif --points a.csv --modality fluorescence -o m --steps-s1 0", "of 1 or more"),
        ("train a.tif --points a.csv --modality fluorescence -o m --points-unit mm", "invalid choice: 'mm'"),
        ("train a.tif --points a.csv --modality fluorescence -o m --cell-radius 0", "'0' is not a length in µm"),
        ("train a.tif --points a.csv --modality fluorescence -o m --cell-radius big", "'big' is not a length in µm"),
        ("train a.tif --points a.csv --modality fluorescence -o m --boundary-weight -1", "is not a weight from 0"),
        ("segment a.tif -o l.tif", "required: --model"),
        ("measure a.tif", "required: -o"),
        ("segment a.tif --model m -o l.tif --device tpu", "invalid choice: 'tpu'"),
        ("evaluate a.tif", "required: TRUTH.tif"),
        ("doctor now", "unrecognized arguments: now"),
    ],
)
def test_wrong_arguments_get_one_line_that_names_the_help(refused, line, message):
    err = refused(*shlex.split(line))
    assert message in err and " --help`" in err


# ---- simulate ----------------------------------------------------------------------------------------


def test_simulate_writes_what_the_function_makes(simulated):
    for stack in dataset("fluorescence", 2, 3, shape=SHAPE):
        again = read_stack(simulated / f"{stack.name}.tif")
        np.testing.assert_array_equal(again.image, stack.image)
        assert again.spacing == stack.spacing
        np.testing.assert_array_equal(read_labels(simulated / f"{stack.name}_labels.tif"), stack.labels)
        np.testing.assert_array_equal(read_points(simulated / f"{stack.name}_points.csv", SHAPE), stack.centres)
    assert len(list(simulated.iterdir())) == 6


def test_simulate_bright_field(tmp_path, capsys):
    assert call("simulate", "bright-field", "--shape", *SHAPE, "-o", tmp_path / "new" / "folder") == 0
    stack = read_stack(tmp_path / "new" / "folder" / "bright-field-0000.tif")
    assert stack.image.shape == SHAPE
    assert f"bright-field-0000.tif: {len(read_points(tmp_path / 'new/folder/bright-field-0000_points.csv'))} cell" in (
        capsys.readouterr().out
    )


def test_simulate_replaces_only_when_told(refused, tmp_path):
    arguments = ("simulate", "fluorescence", "--shape", *SHAPE, "-o", tmp_path)
    (tmp_path / "fluorescence-0000_points.csv").write_text("precious")
    assert "fluorescence-0000_points.csv: exists already" in refused(*arguments)
    assert call(*arguments, "--overwrite") == 0
    assert len(read_points(tmp_path / "fluorescence-0000_points.csv")) > 0


def test_simulate_refuses_a_file_for_a_folder_a_wrong_spacing_and_a_volume_too_small(refused, tmp_path):
    (tmp_path / "file").write_text("precious")
    assert "this is a file" in refused("simulate", "fluorescence", "-o", tmp_path / "file")
    assert "spacing is (0, 1, 1)" in refused("simulate", "fluorescence", "--spacing", 0, 1, 1, "-o", tmp_path / "new")
    assert "does not fit" in refused("simulate", "fluorescence", "--shape", 2, 8, 8, "-o", tmp_path / "new")
    assert not (tmp_path / "new").exists()


# ---- train, segment, evaluate ------------------------------------------------------------------------


def test_from_points_to_scores(simulated, tmp_path, capsys):
    stacks = [simulated / f"fluorescence-000{i}.tif" for i in range(2)]
    points = [simulated / f"fluorescence-000{i}_points.csv" for i in range(2)]
    truth = simulated / "fluorescence-0001_labels.tif"
    outputs = {name: tmp_path / name for name in ("model.pt", "labels.tif", "centres.csv", "scores.json")}
    train = ["train", *stacks, "--points", *points, "--modality", "fluorescence", *SPACING, "-o", outputs["model.pt"]]
    options = ("--steps-s1", 3, "--steps-s2", 2, "--simulated", 1, "--seed", 5, "--device", "cpu")
    assert call(*train, *options) == 0
    assert "in 2 stacks and 1 simulated stack" in capsys.readouterr().out
    record = BFSNet.load(outputs["model.pt"]).record
    assert (record["seed"], record["simulated"], len(record["stacks"])) == (5, 1, 2)
    segment = ["segment", stacks[1], "--model", outputs["model.pt"], "-o", outputs["labels.tif"]]
    assert call(*segment, "--points-out", outputs["centres.csv"]) == 0
    labels = read_labels(outputs["labels.tif"], SHAPE)
    assert f"{len(np.unique(labels[labels > 0]))} cell" in capsys.readouterr().out
    assert call("evaluate", outputs["labels.tif"], truth, "--json", "-o", outputs["scores.json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {"IoU", "SEG", "MUCov"} <= scores.keys()
    assert json.loads(outputs["scores.json"].read_text()) == scores
    assert sorted(tmp_path.iterdir()) == sorted(outputs.values())  # no checkpoint, no half file is left


def test_the_model_keeps_its_recipe(model, clicked):
    record = BFSNet.load(model).record
    assert record["command"].startswith(f"bfs-tutorial train {clicked[0]} --points {clicked[1]} --modality")
    assert (len(record["loss_s1"]), len(record["loss_s2"])) == (60, 20)


def test_segment_writes_labels_and_points_as_the_model_predicts_them(model, clicked, tmp_path):
    arguments = ("segment", clicked[0], "--model", model, "-o", tmp_path / "labels.tif")
    assert call(*arguments, "--points-out", tmp_path / "centres.csv") == 0
    expected = BFSNet.load(model).predict(read_stack(clicked[0]))
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.tif"), expected.labels)
    assert len(expected.centres) > 0
    np.testing.assert_array_equal(read_points(tmp_path / "centres.csv"), expected.centres)
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        assert file.imagej_metadata["spacing"] == 2.0


def test_the_spacing_of_the_file_is_taken_unless_one_is_given(model, clicked, tmp_path):
    assert call("segment", clicked[0], "--model", model, "-o", tmp_path / "a.tif", "--spacing", 3, 1.5, 1.5) == 0
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.imagej_metadata["spacing"] == 3.0


def test_train_reads_what_napari_and_fiji_write(clicked, tmp_path, capsys):
    stack = read_stack(clicked[0])
    (tmp_path / "napari.csv").write_text("index,axis-0,axis-1,axis-2\n0.0,4.0,7.0,7.0\n1.0,4.0,16.0,16.0\n")
    (tmp_path / "fiji.csv").write_text(" ,Area,Mean,X,Y,Slice,Counter,Count\n1,0,9,7,7,5,0,2\n2,0,9,16,16,5,0,2\n")
    (tmp_path / "um.csv").write_text("z,y,x\n8,7,7\n8,16,16\n")
    sources = {"napari": "table in voxels", "fiji": "Fiji table, X and Y in pixels", "um": "table in µm"}
    files = [tmp_path / f"{name}.csv" for name in sources]
    train = ("train", "--modality", "fluorescence", "--steps-s1", 1, "--steps-s2", 1)
    for name, path in zip(sources, files):
        unit = ("--points-unit", "um") if name == "um" else ()
        assert call(*train, clicked[0], "--points", path, *unit, "-o", tmp_path / f"{name}.pt") == 0
        first = capsys.readouterr().out.splitlines()[0]
        assert first == f"stack: 8 x 24 x 24 voxels of 2 x 1 x 1 µm, 2 points ({sources[name]})"
        np.testing.assert_array_equal(
            read_points(path, stack.image.shape, stack.spacing, "um" if name == "um" else None), blobs().centres
        )


def test_a_cell_radius_scales_every_length_of_the_model(clicked, tmp_path):
    steps = ("--steps-s1", 1, "--steps-s2", 1)
    train = ("train", clicked[0], "--points", clicked[1], "--modality", "fluorescence", *steps)
    assert call(*train, "--cell-radius", 4, "-o", tmp_path / "small.pt") == 0
    settings = BFSNet.load(tmp_path / "small.pt").settings
    assert (settings.d_m, settings.spacing, settings.merge_radius) == (4.0, (1.0, 0.5, 0.5), 2.0)
    assert (settings.response_smoothing, settings.sigma_mask, settings.sigma_image) == (1.5, 0.5, 0.5)
    assert call(*train, "-o", tmp_path / "plain.pt") == 0
    plain = BFSNet("fluorescence", steps_s1=1, steps_s2=1).settings
    assert BFSNet.load(tmp_path / "plain.pt").settings == plain
    assert call(*train, "--cell-radius", 8, "-o", tmp_path / "eight.pt") == 0
    assert BFSNet.load(tmp_path / "eight.pt").settings == plain


def test_the_weight_of_the_boundary_loss_is_that_of_the_modality_unless_given(clicked, tmp_path):
    steps = ("--steps-s1", 1, "--steps-s2", 1)
    train = ("train", clicked[0], "--points", clicked[1], *steps)
    assert call(*train, "--modality", "bright-field", "-o", tmp_path / "plain.pt") == 0
    assert BFSNet.load(tmp_path / "plain.pt").settings.boundary_weight == 10
    assert call(*train, "--modality", "bright-field", "--boundary-weight", 0, "-o", tmp_path / "none.pt") == 0
    assert BFSNet.load(tmp_path / "none.pt").settings.boundary_weight == 0


def test_segment_says_how_many_centres_have_no_mask(model, clicked, tmp_path, capsys):
    empty = BFSNet.load(model)
    empty.settings = replace(empty.settings, mask_threshold=2.0)  # as a mask that vanished in training
    empty.save(tmp_path / "empty.pt")
    count = len(empty.predict(read_stack(clicked[0])).centres)
    assert count > 1
    assert call("segment", clicked[0], "--model", tmp_path / "empty.pt", "-o", tmp_path / "labels.tif") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'labels.tif'}: 0 cells; {count} centres without a mask\n"


def test_measure_writes_a_row_for_each_cell(tmp_path, capsys):
    labels = np.zeros((6, 12, 12), int)
    labels[1:3, 1:3, 1:3], labels[1:5, 5:9, 5:9], labels[0, 0, 0] = 1, 2, 3
    write_labels(tmp_path / "labels.tif", labels, (2, 0.5, 0.5))
    arguments = ("measure", tmp_path / "labels.tif", "-o", tmp_path / "cells.csv")
    assert call(*arguments) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path / 'cells.csv'}: 3 cells, median volume 4 µm³, 1 at the border\n"
    )
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["volume_um3"] for row in rows] == ["4", "32", "0.5"]
    assert "mean_intensity" not in rows[0]
    write_stack(tmp_path / "stack.tif", ZStack(np.arange(6 * 12 * 12).reshape(6, 12, 12), (1, 1, 1)))
    assert call(*arguments, "--image", tmp_path / "stack.tif", "--spacing", 1, 1, 1, "--overwrite") == 0
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["volume_um3"], row["mean_intensity"]) for row in (rows[0], rows[2])] == [("8", "235.5"), ("1", "0")]


def test_measure_of_no_cell(tmp_path, capsys):
    write_labels(tmp_path / "labels.tif", np.zeros((3, 4, 5), int), (1, 1, 1))
    assert call("measure", tmp_path / "labels.tif", "-o", tmp_path / "cells.csv") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'cells.csv'}: 0 cells\n"
    assert len((tmp_path / "cells.csv").read_text().splitlines()) == 1


def test_evaluate_prints_an_aligned_table(tmp_path, capsys):
    truth = np.zeros((4, 8, 8), int)
    truth[:, :4, :4], truth[:, 4:, 4:] = 1, 2
    found = truth * (np.arange(8) < 7)  # the second cell has lost a quarter
    write_labels(tmp_path / "truth.tif", truth, (1, 1, 1))
    write_labels(tmp_path / "found.tif", found, (1, 1, 1))
    assert call("evaluate", tmp_path / "found.tif", tmp_path / "truth.tif") == 0
    *rows, counts = capsys.readouterr().out.splitlines()
    assert [row.split()[:2] for row in rows] == [["IoU", "0.8750"], ["SEG", "0.8750"], ["MUCov", "0.8750"]]
    assert len({row.index("0.8750") for row in rows}) == 1
    assert counts == "2 cells found, 2 in the truth"


def test_evaluate_gives_the_known_scores_of_a_stored_result(shared, tmp_path, capsys):
    folder = shared / "data" / "mouse_embryo_fluorescence"
    truth = measure.label(tifffile.imread(folder / "16_cell_nsn.tif"))
    write_labels(tmp_path / "truth.tif", truth, (1.75, 0.8, 0.8))
    assert call("evaluate", folder / "16_cell_qcanet_output.tif", tmp_path / "truth.tif", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert [round(scores[name], 4) for name in ("IoU", "SEG", "MUCov")] == [0.7386, 0.7356, 0.7356]


def test_evaluate_and_measure_do_without_torch(simulated, tmp_path):
    truth = str(simulated / "fluorescence-0000_labels.tif")
    cells = str(tmp_path / "cells.csv")
    code = f"import sys; from bfs_tutorial.cli import main; main(['evaluate', {truth!r}, {truth!r}]); "
    code += f"main(['measure', {truth!r}, '-o', {cells!r}]); "
    result = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[0].split()[:2] == ["IoU", "1.0000"]
    assert result.stdout.splitlines()[-1] == "False"


def test_doctor(capsys):
    assert call("doctor") == 0
    assert torch.__version__ in capsys.readouterr().out


def test_as_a_module_a_wrong_input_exits_with_2(tmp_path):
    command = [sys.executable, "-m", "bfs_tutorial", "evaluate", "none.tif", "none.tif"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "bfs-tutorial: error: none.tif: there is no such file: check the name and the folder\n"


# ---- interrupted training ----------------------------------------------------------------------------


def test_a_training_that_is_stopped_goes_on_and_ends_with_the_same_weights(clicked, tmp_path, refused):
    steps = ("--steps-s1", 60, "--steps-s2", 40)  # the first checkpoint is written at step 50
    train = ("train", clicked[0], "--points", clicked[1], "--modality", "fluorescence", *steps)
    folder, output = tmp_path / "model.pt.checkpoints", tmp_path / "model.pt"
    command = [sys.executable, "-m", "bfs_tutorial", *map(str, (*train, "-o", output))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=listen_to_interrupts)
    wait_for(folder / "s1.pt", process)
    process.send_signal(signal.SIGINT)
    lines = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 130
    assert f"bfs-tutorial: interrupted; checkpoint kept at {folder}, run the same command again to resume" in lines
    assert not output.exists()
    other = refused(*train, "-o", output, "--seed", 1)
    assert f"{folder}: holds checkpoints of another run" in other
    assert call(*train, "-o", output) == 0
    assert not folder.exists()
    assert call(*train, "-o", tmp_path / "whole.pt") == 0
    resumed, whole = (BFSNet.load(path).s2.state_dict() for path in (output, tmp_path / "whole.pt"))
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_a_folder_for_checkpoints_keeps_what_else_is_in_it(clicked, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    train = ("train", clicked[0], "--points", clicked[1], "--modality", "fluorescence", "--checkpoints", tmp_path)
    assert call(*train, "-o", tmp_path / "model.pt", "--steps-s1", 1, "--steps-s2", 1) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "model.pt"]


# ---- wrong inputs ------------------------------------------------------------------------------------

IMAGE = blobs().image
SHAPES = {
    "2D": (IMAGE[0], "is 2D"),
    "4D": (np.stack([IMAGE, IMAGE], axis=0), "is 4D"),
    "empty": (IMAGE[:0], "is empty"),
    "constant": (np.full_like(IMAGE, 3), "every voxel is 3"),
    "NaN": (np.where(IMAGE > 500, np.nan, IMAGE), "NaN or infinite"),
    "Inf": (np.where(IMAGE > 500, np.inf, IMAGE), "NaN or infinite"),
    "too small": (IMAGE[:1, :3, :3], "pooling"),
}


@pytest.mark.filterwarnings("ignore:.*zero-size array")
@pytest.mark.parametrize("case", SHAPES)
def test_train_refuses_a_wrong_stack(refused_training, save, case, tmp_path):
    volume, message = SHAPES[case]
    write_points(tmp_path / "points.csv", [[0, 0, 0]])
    err = refused_training(*SPACING, stack=save(volume), points=tmp_path / "points.csv")
    assert "input" in err and message in err


@pytest.mark.filterwarnings("ignore:.*zero-size array")
@pytest.mark.parametrize("case", [case for case in SHAPES if case != "too small"])
def test_segment_refuses_a_wrong_stack(refused_segmentation, save, case):
    volume, message = SHAPES[case]
    err = refused_segmentation(*SPACING, stack=save(volume))
    assert "input.tif" in err and message in err


def test_a_missing_or_unreadable_stack_is_refused(refused_training, refused_segmentation, tmp_path, clicked):
    (tmp_path / "text.tif").write_text("not an image")
    (tmp_path / "cut.tif").write_bytes(clicked[0].read_bytes()[:9000])
    for name, message in [
        ("none.tif", "there is no such file"),
        ("text.tif", "cannot be read as TIFF"),
        ("cut.tif", "cut off"),
        ("", "this is a folder"),
    ]:
        assert message in refused_training(stack=tmp_path / name)
        assert message in refused_segmentation(stack=tmp_path / name)


def test_channels_and_time_points_are_refused(refused_segmentation, tmp_path):
    for axes, message in [("ZCYX", "8 channels"), ("TZYX", "2 time points")]:
        volume = np.stack([IMAGE, IMAGE]).astype(np.float32)  # (2, 8, Y, X)
        tifffile.imwrite(tmp_path / "input.tif", volume, imagej=True, metadata={"axes": axes})
        assert message in refused_segmentation(stack=tmp_path / "input.tif")


@pytest.mark.parametrize("values", [(0, 1, 1), (-2, 1, 1), ("nan", 1, 1), ("inf", 1, 1), (1e6, 1, 1), (2, 1e-9, 1)])
def test_a_wrong_spacing_is_refused(refused_training, refused_segmentation, values):
    assert "spacing is (" in refused_training("--spacing", *values)
    assert "spacing is (" in refused_segmentation("--spacing", *values)


def test_a_spacing_that_is_nowhere_is_asked_for(refused_training, refused_segmentation, save):
    stack = save(IMAGE)
    assert "input.tif: its metadata do not state the spacing: give --spacing Z Y X" in refused_training(stack=stack)
    assert "give --spacing Z Y X" in refused_segmentation(stack=stack)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("z,y,x\n4,7,7\n4,7,99\n", "centre 2 of 2 at (4, 7, 99) lies outside the stack of 8 x 24 x 24 voxels"),
        ("z,y,x\n", "there are no centres"),
        ("z,y,x\n4,7,7\n4,7,7\n", "centre 2 of 2 at (4, 7, 7) is there twice"),
        ("z,y,x\n4,7,nan\n", "is not finite"),
        ("z,y,x\n4,7,seven\n", "line 2 has (4, 7, seven)"),
        ("4,7,7\n", "has the columns 4, 7, 7"),
        ("", "has the columns none"),
    ],
)
def test_wrong_points_are_refused(refused_training, tmp_path, text, message):
    (tmp_path / "wrong.csv").write_text(text)
    err = refused_training(points=tmp_path / "wrong.csv")
    assert "wrong.csv: " in err and message in err


def test_points_in_a_missing_file_of_another_kind_or_number_are_refused(refused_training, tmp_path, clicked):
    assert "there is no such file" in refused_training(points=tmp_path / "none.csv")
    assert "points come as .csv" in refused_training(points=tmp_path / "points.txt")
    err = refused_training("--points", clicked[1], clicked[1])
    assert "there are 1 stack and 2 files of points: give one file of points for each stack" in err


def test_points_whose_unit_is_not_sure_are_refused(refused_training, tmp_path):
    (tmp_path / "fiji.csv").write_text(" ,X,Y,Slice\n1,7.25,7.5,5\n2,16.5,16.125,5\n")
    err = refused_training(points=tmp_path / "fiji.csv")
    assert "fiji.csv: Fiji's table does not say whether X and Y are µm or pixels" in err and "--points-unit um" in err
    (tmp_path / "um.csv").write_text("z,y,x\n9,7,7\n12,16,16\n")
    assert "(9, 7, 7) (and 1 more) lies outside" in refused_training(points=tmp_path / "um.csv")


def test_simulated_cells_have_a_radius_of_their_own(refused_training):
    assert "leave one of the two options out" in refused_training("--simulated", 1, "--cell-radius", 5)


def test_what_cannot_be_measured_is_refused(refused, save, tmp_path):
    labels = save((IMAGE > 500).astype(np.uint16), "labels.tif")
    output = tmp_path / "cells.csv"
    output.write_text("precious")
    for arguments, message in [
        ((labels,), "labels.tif: its metadata do not state the spacing: give --spacing"),
        ((labels, "--spacing", 0, 1, 1), "spacing is (0, 1, 1)"),
        ((tmp_path / "none.tif",), "none.tif: there is no such file"),
        ((save(IMAGE, "image.tif"), *SPACING), "image.tif: the labels are float32: expected integers"),
        ((labels, *SPACING, "--image", save(IMAGE[:, 1:], "other.tif")), "8 x 24 x 24 voxels (z, y, x): expected"),
        ((labels, *SPACING, "--image", tmp_path / "none.tif"), "none.tif: there is no such file"),
    ]:
        assert message in refused("measure", *arguments, "-o", output, "--overwrite")
    assert "ends in .csv" in refused("measure", labels, *SPACING, "-o", tmp_path / "cells.xlsx")


def test_a_gpu_that_is_not_there_is_refused(refused_training, refused_segmentation, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "PyTorch sees no GPU" in refused_training("--device", "cuda")
    assert "PyTorch sees no GPU" in refused_segmentation("--device", "cuda")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_what_is_no_model_is_refused(refused_segmentation, tmp_path, model):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    state = torch.load(model, weights_only=True)
    torch.save({**state, "version": 99}, tmp_path / "newer.pt")
    torch.save({"a": 1}, tmp_path / "other.pt")
    torch.save(Harmful(), tmp_path / "harmful.pt")
    (tmp_path / "harmful.pkl").write_bytes(pickle.dumps(Harmful()))
    (tmp_path / "text.pt").write_text("not a model")
    (tmp_path / "cut.pt").write_bytes(model.read_bytes()[:5000])
    names = ("newer.pt", "other.pt", "harmful.pt", "harmful.pkl", "text.pt", "cut.pt", "none.pt", "")
    for name in names:
        assert "model" in refused_segmentation(model=tmp_path / name)
    assert not (tmp_path / "harm").exists()


def test_labels_that_cannot_be_compared_are_refused(refused, save, tmp_path):
    labels = (IMAGE > 500).astype(np.uint16)
    good = save(labels, "good.tif")
    output = tmp_path / "scores.json"
    output.write_text("precious")
    for wrong, message in [
        (labels.astype(np.float32), "the labels are float32: expected integers"),
        (labels[:, :, 1:], "8 x 24 x 23 voxels (z, y, x): expected 8 x 24 x 24"),
        (labels.astype(np.int16) - 1, "the labels go from -1"),
        (labels[0], "is 2D"),
    ]:
        err = refused("evaluate", save(wrong, "wrong.tif"), good, "-o", output, "--overwrite")
        assert "wrong.tif: " in err and message in err
    assert "there is no such file" in refused("evaluate", good, tmp_path / "none.tif")


# ---- outputs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["train", "segment", "measure", "evaluate"])
def test_an_output_that_exists_a_folder_or_a_missing_folder_is_refused(refused, command, clicked, model, tmp_path):
    arguments = {
        "train": ("train", clicked[0], "--points", clicked[1], "--modality", "fluorescence"),
        "segment": ("segment", clicked[0], "--model", model),
        "measure": ("measure", clicked[0]),
        "evaluate": ("evaluate", clicked[0], clicked[0]),
    }[command]
    ending = ".csv" if command == "measure" else ".tif"
    (tmp_path / f"there{ending}").write_text("precious")
    (tmp_path / f"folder{ending}").mkdir()
    said = "exists already: choose another name, or say --overwrite"
    assert said in refused(*arguments, "-o", tmp_path / f"there{ending}")
    assert "this is a folder" in refused(*arguments, "-o", tmp_path / f"folder{ending}", "--overwrite")
    assert "there is no folder" in refused(*arguments, "-o", tmp_path / "none" / f"a{ending}")


def test_an_output_never_replaces_an_input(refused, save, model, tmp_path):
    stack = save(IMAGE)
    write_points(tmp_path / "points.csv", [[1, 1, 1]])
    again = tmp_path / "." / "input.tif"
    labels = save((IMAGE > 500).astype(np.uint8), "labels.tif")
    train = ("train", stack, "--points", tmp_path / "points.csv", "--modality", "fluorescence", *SPACING)
    for arguments in [
        (*train, "-o", again),
        (*train, "-o", tmp_path / "points.csv"),
        ("segment", stack, "--model", model, "-o", again, *SPACING),
        ("evaluate", labels, labels, "-o", labels),
    ]:
        assert "this is one of the inputs" in refused(*arguments, "--overwrite")


def test_segment_writes_tiff_and_csv_only(refused, clicked, model, tmp_path):
    segment = ("segment", clicked[0], "--model", model)
    assert "ends in .tif or .tiff" in refused(*segment, "-o", tmp_path / "labels.png")
    arguments = (*segment, "-o", tmp_path / "labels.tif", "--points-out", tmp_path / "points.xlsx")
    assert "ends in .csv" in refused(*arguments)


def test_a_file_in_place_of_the_checkpoint_folder_is_refused(refused, clicked, tmp_path):
    (tmp_path / "file").write_text("precious")
    train = ("train", clicked[0], "--points", clicked[1], "--modality", "fluorescence", "-o", tmp_path / "model.pt")
    assert "this is a file: give a folder" in refused(*train, "--checkpoints", tmp_path / "file")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("table1", "--data", "nonsense"), "data set 'nonsense' is unknown; choose from simulated-fluorescence"),
        (("table1", "--rows", "nonsense"), "row 'nonsense' is unknown for simulated-fluorescence"),
        (("table1", "--stacks", 0), "number of training stacks is 0"),
        (("table1", "--seeds", 0), "number of seeds is 0"),
        (("table1", "--seeds", "-1"), "'-1' is not a whole number"),
        (("ablation", "nonsense"), "ablation 'nonsense' is unknown; choose from lambda"),
        (("ablation", "--data", "embryos"), "not on 'embryos'"),
    ],
)
def test_experiments_that_cannot_run_are_refused(refused, arguments, said, tmp_path):
    assert said in refused(*arguments, "--results", tmp_path / "results")


def test_experiments_need_the_gpu_they_are_asked_for(refused, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "sees no GPU" in refused("table1", "--device", "cuda", "--results", tmp_path / "results")
    assert "sees no GPU" in refused("ablation", "--device", "cuda", "--results", tmp_path / "results")


def test_table1_says_where_finished_rows_are_when_it_is_stopped(monkeypatch, capsys, tmp_path):
    from bfs_tutorial import experiments

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "table1", stop)
    assert call("table1", "--results", tmp_path) == 130
    assert f"finished rows are kept in {tmp_path}, run the same command again" in capsys.readouterr().err
