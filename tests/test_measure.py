"""Measured cells: bodies whose volume, place and size are known."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from bfs_tutorial.errors import InputError
from bfs_tutorial.measure import measure_cells, write_cells

RAMP = np.arange(4)


def ball(shape, centre, radius, spacing) -> np.ndarray:
    """A ball, its centre (z, y, x) in voxels and its radius in µm."""
    steps = [(np.arange(n) - c) * s for n, c, s in zip(shape, centre, spacing)]
    z, y, x = np.meshgrid(*steps, indexing="ij")
    return (z**2 + y**2 + x**2 <= radius**2).astype(int)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 1, 1), (1.75, 0.8, 0.8), (0.5, 0.25, 0.3)])
def test_a_ball_has_the_volume_of_a_ball(spacing):
    radius, centre = 8.3 * min(spacing) + 4, (18, 50, 50)
    shape = tuple(2 * c + 1 for c in centre)
    table = measure_cells(ball(shape, centre, radius, spacing), spacing)
    assert table["volume_um3"][0] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    assert table["diameter_um"][0] == pytest.approx(2 * radius, rel=0.01)
    assert [table[name][0] for name in "zyx"] == pytest.approx(centre)
    assert [table[f"{name}_um"][0] for name in "zyx"] == pytest.approx(np.multiply(centre, spacing))
    for name, step in zip(("height_um", "length_um", "width_um"), spacing):
        assert abs(table[name][0] - 2 * radius) <= step  # from the outer face of a voxel to that of another
    assert not table["touches_border"][0]


def test_one_voxel():
    labels = np.zeros((5, 6, 7), np.uint16)
    labels[2, 3, 4] = 9
    image = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    table = measure_cells(labels, (2, 1, 0.5), image)
    assert {name: values.tolist() for name, values in table.items()} == {
        "label": [9], "voxels": [1], "volume_um3": [1.0], "z": [2.0], "y": [3.0], "x": [4.0],
        "z_um": [4.0], "y_um": [3.0], "x_um": [2.0], "diameter_um": [pytest.approx(1.2407, rel=1e-4)],
        "height_um": [2.0], "length_um": [1.0], "width_um": [0.5], "touches_border": [False],
        "mean_intensity": [image[2, 3, 4]],
    }  # fmt: skip


def test_a_box_with_the_mean_of_its_voxels():
    labels, image = np.zeros((6, 8, 8), int), np.zeros((6, 8, 8))
    labels[1:3, 2:6, 3:6] = 4
    image[1, 2:6, 3:6], image[2, 2:6, 3:6] = 10, 30
    table = measure_cells(labels, (3, 2, 1), image)
    assert (table["voxels"][0], table["volume_um3"][0], table["mean_intensity"][0]) == (24, 144, 20)
    assert [table[name][0] for name in ("height_um", "length_um", "width_um")] == [6, 8, 3]
    assert [table[name][0] for name in ("z", "y", "x")] == [1.5, 3.5, 4]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_each_face_of_the_stack_is_a_border(axis, end):
    labels = np.zeros((5, 5, 5), int)
    labels[2, 2, 2] = 1
    place = [2, 2, 2]
    place[axis] = end
    labels[tuple(place)] = 2
    assert measure_cells(labels, (1, 1, 1))["touches_border"].tolist() == [False, True]


def test_labels_may_have_gaps_and_parts():
    labels = np.zeros((3, 9, 9), int)
    labels[1, 1, 1] = labels[1, 7, 7] = 5
    labels[1, 4, 4] = 70000
    table = measure_cells(labels, (1, 1, 1))
    assert (table["label"].tolist(), table["voxels"].tolist()) == ([5, 70000], [2, 1])
    assert (table["y"][0], table["length_um"][0]) == (4, 7)


def test_no_cell_gives_a_table_without_rows(tmp_path):
    table = measure_cells(np.zeros((3, 4, 5), int), (1, 1, 1), np.arange(60).reshape(3, 4, 5))
    assert {len(values) for values in table.values()} == {0}
    write_cells(tmp_path / "cells.csv", table)
    assert (tmp_path / "cells.csv").read_text().splitlines() == [",".join(table)]


def test_a_table_is_written_as_csv(tmp_path):
    labels = np.zeros((3, 4, 5), int)
    labels[1, 1:3, 1:3], labels[0, 0, 0] = 1, 2
    write_cells(tmp_path / "cells.csv", measure_cells(labels, (1.75, 0.8, 0.8)))
    with (tmp_path / "cells.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["label"], first["voxels"], first["volume_um3"], first["y_um"]) == ("1", "4", "4.48", "1.2")
    assert (first["touches_border"], second["touches_border"]) == ("False", "True")
    with pytest.raises(InputError, match="exists already"):
        write_cells(tmp_path / "cells.csv", {})


@pytest.mark.parametrize(
    ("labels", "spacing", "image", "message"),
    [
        (np.zeros((3, 4)), (1, 1, 1), None, "2D"),
        (np.zeros((3, 4, 5)), (1, 1, 1), None, "float64: expected integers"),
        (np.zeros((3, 4, 5), int), (0, 1, 1), None, "spacing is"),
        (np.zeros((3, 4, 5), int), (1, 1), None, "spacing is"),
        (np.zeros((3, 4, 5), int), (1, 1, 1), np.ones((3, 4, 4)) * RAMP, r"\(3, 4, 4\), .* expected the same"),
        (np.zeros((3, 4, 5), int), (1, 1, 1), np.full((3, 4, 5), np.nan), "NaN"),
    ],
)
def test_what_cannot_be_measured_is_refused(labels, spacing, image, message):
    with pytest.raises(InputError, match=message):
        measure_cells(labels, spacing, image)
