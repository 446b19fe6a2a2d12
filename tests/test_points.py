"""Clicks in the files of napari and Fiji, each made by hand in the program's own format; no unit is guessed wrong."""

from __future__ import annotations

import struct
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bfs_tutorial.errors import InputError
from bfs_tutorial.points import check_unit, guess_unit
from bfs_tutorial.stack import read_clicks, read_points

SHAPE, SPACING = (51, 120, 122), (1.75, 0.8, 0.8)
CLICKS = np.array([[17, 34, 57], [30, 71, 40], [0, 0, 0], [50, 119, 121]])  # (z, y, x) voxels


def results(rows, header=" ,Area,Mean,Min,Max,X,Y,Ch,Slice,Frame,Counter,Count") -> str:
    """A table as Fiji saves it: rows of (slice, y, x), numbers as Fiji prints them, the first column without a name."""
    number = lambda value: f"{value:.3f}" if value != round(value) else f"{value:.0f}"  # noqa: E731
    lines = [header]
    for i, (z, y, x) in enumerate(rows, start=1):
        cells = {" ": i, "Area": 0, "Mean": 1280, "Min": 1280, "Max": 1280, "X": number(x), "Y": number(y), "Ch": 1,
                 "Slice": z, "Frame": 1, "Counter": 0, "Count": len(rows), "Label": f"embryo.tif:{z}"}
        lines.append(",".join(str(cells[name]) for name in header.split(",")))
    return "\n".join(lines) + "\n"


def fiji(points) -> np.ndarray:
    """Voxels (z, y, x) as rows (slice, y, x)."""
    return [(int(z) + 1, y, x) for z, y, x in points]


def roi_bytes(places, counters=None, position=0, z=0, t=0, kind=10, fine=False) -> bytes:
    """A selection in ImageJ's ROI format: big-endian header, coordinates, second header, counters.

    places: (x, y); counters: the slice of each point; position, z and t: of the whole selection; kind 10: points.
    """
    x, y = np.array(places, dtype=float).T
    left, top = int(x.min()), int(y.min())
    whole = (np.floor(x).astype(int) - left, np.floor(y).astype(int) - top)
    body = b"".join(struct.pack(f">{len(x)}h", *values) for values in whole)
    if fine:
        body += struct.pack(f">{len(x)}f", *x) + struct.pack(f">{len(x)}f", *y)
    second = 64 + len(body)
    header = b"Iout" + struct.pack(">hBx4hH", 228, kind, top, left, int(y.max()) + 1, int(x.max()) + 1, len(x))
    header += bytes(16) + struct.pack(">h3i2h", 0, 0, 0, 0, 0, 128 if fine else 0)
    header = header.ljust(56, b"\0") + struct.pack(">2i", position, second)
    header2 = struct.pack(">4i", 0, 0, z, t).ljust(48, b"\0")
    header2 += struct.pack(">i", second + 64 if counters else 0) + bytes(12)
    return header + body + header2 + struct.pack(f">{len(counters or ())}i", *(n << 8 for n in counters or ()))


@pytest.fixture
def table(tmp_path):
    """Write a CSV and read it as points of the stack."""

    def read(text, spacing=SPACING, unit=None):
        (tmp_path / "points.csv").write_text(text, encoding="utf-8")
        return read_clicks(tmp_path / "points.csv", SHAPE, spacing, unit)

    return read


@pytest.fixture
def roi(tmp_path):
    """Write one or more ROIs, as .roi or .zip, and read them."""

    def read(*contents, **options):
        path = tmp_path / ("points.roi" if len(contents) == 1 else "points.zip")
        if len(contents) == 1:
            path.write_bytes(contents[0])
        else:
            with zipfile.ZipFile(path, "w") as file:
                for i, content in enumerate(contents):
                    file.writestr(f"{i:04d}.roi", content)
        return read_points(path, SHAPE, **options)

    return read


# ---- napari --------------------------------------------------------------------------------------------------


def test_a_table_of_napari_holds_voxels(table):
    text = "index,axis-0,axis-1,axis-2\n0.0,17.0,34.25,57.5\n1.0,30.0,71.0,40.875\n"
    points, source = table(text)
    np.testing.assert_array_equal(points, [[17, 34.25, 57.5], [30, 71, 40.875]])
    assert source == "table in voxels"


def test_a_table_of_napari_may_hold_micrometres_if_told(table):
    rows = "\n".join(f"{i},{z * 1.75},{y * 0.8},{x * 0.8}" for i, (z, y, x) in enumerate(CLICKS))
    points, source = table(f"index,axis-0,axis-1,axis-2\n{rows}\n", unit="um")
    np.testing.assert_allclose(points, CLICKS)
    assert source == "table in µm"


def test_planes_in_steps_of_micrometres_are_noticed(table):
    text = "index,axis-0,axis-1,axis-2\n0,29.75,27.3,45.9\n1,52.5,56.8,32.1\n"  # 1.75 µm times 17 and 30
    with pytest.raises(InputError, match="every axis-0 is a multiple of the 1.75 µm between planes.*--points-unit um"):
        table(text, spacing=SPACING)
    assert table("z,y,x\n3.5,27.3,45.9\n", unit="voxel").points[0, 0] == 3.5  # told, so it stays


def test_micrometres_outside_the_stack_are_refused_with_the_option(table):
    with pytest.raises(InputError, match=r"\(87.5, 95, 97\) lies outside .* is it in µm \(--points-unit um\)"):
        table("z,y,x\n87.5,95,97\n29.7,27,45\n")


# ---- Fiji's table --------------------------------------------------------------------------------------------

HEADERS = [
    " ,Area,Mean,Min,Max,X,Y,Ch,Slice,Frame,Counter,Count",
    " ,Label,X,Y,Slice,Counter,Count",
    " ,X,Y,Slice",
]


@pytest.mark.parametrize("header", HEADERS)
def test_clicks_on_whole_pixels_are_recognised(table, header):
    points, source = table(results(fiji(CLICKS), header))
    np.testing.assert_array_equal(points, CLICKS)
    assert source == "Fiji table, X and Y in pixels"


@pytest.mark.parametrize("unit", [None, "um"])
@pytest.mark.parametrize("size", [0.8, 0.325, 0.1083, 1.3])
def test_micrometres_are_recognised(tmp_path, unit, size):
    path = tmp_path / "points.csv"
    path.write_text(results(fiji(CLICKS * (1, size, size))))
    points, source = read_clicks(path, SHAPE, (1.75, size, size), unit)
    np.testing.assert_allclose(points, CLICKS, atol=0.005)  # three decimals of a µm
    assert source == "Fiji table, X and Y in µm"


def test_clicks_finer_than_a_pixel_need_a_unit_and_count_from_the_corner(table):
    text = results([(18, 34.75, 57.5), (1, 0.2, 121.9)])
    with pytest.raises(InputError, match="Fiji's table does not say .*--points-unit um or --points-unit voxel"):
        table(text)
    np.testing.assert_allclose(table(text, unit="voxel").points, [[17, 34.25, 57], [0, -0.3, 121.4]])
    calibrated = results([(18, 34.75 * 0.8, 57.5 * 0.8), (1, 0.16, 121.9 * 0.8)])
    np.testing.assert_allclose(table(calibrated, unit="um").points, [[17, 34.25, 57], [0, -0.3, 121.4]], atol=1e-3)


def test_where_pixels_and_micrometres_both_fit_the_unit_is_asked_for(table):
    text = results([(18, 34, 56), (31, 70, 40)])
    for spacing in ((1.75, 0.5, 0.5), (1.75, 2, 2), None):
        with pytest.raises(InputError, match="both may fit"):
            table(text, spacing=spacing)
    np.testing.assert_array_equal(table(text, (1.75, 2, 2), "um").points, [[17, 17, 28], [30, 35, 20]])
    assert table(text, (1.75, 1, 1)).points[0, 2] == 56  # one pixel is one µm: no matter


def test_micrometres_are_not_taken_for_pixels_even_if_told(table):
    with pytest.raises(InputError, match="multiples of 0.8 and 0.8 µm and not whole: these are µm"):
        table(results(fiji(CLICKS * (1, 0.8, 0.8))), unit="voxel")


def test_whole_micrometres_are_micrometres_if_told(table):
    """Fiji can be set to print no decimals."""
    points = table(results([(18, 27, 46)]), unit="um").points
    np.testing.assert_allclose(points, [[17, 27 / 0.8 - 0.5, 46 / 0.8 - 0.5]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (results(fiji(CLICKS), " ,X,Y,Frame"), "took planes for time points: Image > Properties, swap"),
        (results(fiji(CLICKS), " ,Area,X,Y"), "columns Area, X, Y: expected .* Set Measurements > Stack position"),
        (results([(0, 1, 1)]), "Slice goes from 0 to 0: expected whole numbers from 1"),
        (results([(52, 1, 1)]), r"centre 1 of 1 at \(51, 1, 1\) lies outside the stack of 51 x 120 x 122"),
        (results([(1, 1, 1)]) + "2,0,9,9,9,7,8,1,3,2,0,2\n", "points of 2 time points"),
        (results([(1, 1, 1)]) + "2,0,9,9,9,7,,1,3,1,0,2\n", r"line 3 has \(3, , 7\)"),
        (" ,X,Y,Slice\n", "there are no centres"),
    ],
)
def test_what_is_wrong_with_a_table_of_fiji_is_said(table, text, message):
    with pytest.raises(InputError, match=f"points.csv: .*{message}"):
        table(text)


def test_micrometres_need_a_spacing(table):
    for text in ("z,y,x\n1,2,3\n", results(fiji(CLICKS))):
        with pytest.raises(InputError, match="need the spacing"):
            table(text, spacing=None, unit="um")


@given(
    hnp.arrays(int, st.tuples(st.integers(3, 12), st.just(2)), elements=st.integers(1, 2000)),
    st.sampled_from([0.065, 0.1083, 0.16, 0.325, 0.37, 0.8, 1.3, 2.6]),
)
def test_the_guess_of_a_unit_is_never_wrong(clicks, size):
    assert guess_unit(clicks, (size, size)) in ("voxel", None)
    assert guess_unit(np.round(clicks * size, 3), (size, size)) in ("um", None)


def test_an_unknown_unit_is_refused(tmp_path):
    assert [check_unit(unit) for unit in (None, "voxel", "um")] == [None, "voxel", "um"]
    with pytest.raises(InputError, match="'mm': expected voxel or um"):
        read_points(tmp_path / "points.csv", unit="mm")


# ---- Fiji's ROI files ----------------------------------------------------------------------------------------


def test_a_multi_point_selection_has_a_slice_for_each_point(roi):
    content = roi_bytes(CLICKS[:, :0:-1], counters=[z + 1 for z in CLICKS[:, 0]])
    np.testing.assert_array_equal(roi(content), CLICKS)


def test_a_multi_point_selection_may_be_finer_than_pixels(roi):
    content = roi_bytes([(57.5, 34.75), (121.9, 0.2)], counters=[18, 1], fine=True)
    np.testing.assert_allclose(roi(content), [[17, 34.25, 57], [0, -0.3, 121.4]], atol=1e-5)


@pytest.mark.parametrize("where", ["position", "z"])
def test_the_roi_manager_has_a_selection_for_each_point(roi, where):
    contents = [roi_bytes([(x, y)], **{where: z + 1}) for z, y, x in CLICKS.tolist()]
    np.testing.assert_array_equal(roi(*contents), CLICKS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (roi_bytes([(5, 6)]), "selection 1 has a point without a slice"),
        (roi_bytes([(5, 6), (7, 8)], counters=[3, 0]), "selection 1 has a point without a slice"),
        (roi_bytes([(5, 6), (9, 9), (7, 3)], position=1, kind=0), "selection 1 is a polygon: expected points"),
        (roi_bytes([(5, 6)], position=52), r"\(51, 6, 5\) lies outside the stack"),
        (b"Iout", "cannot be read as ROI"),
        (b"not a roi at all", "cannot be read as ROI"),
    ],
)
def test_what_is_wrong_with_a_selection_is_said(roi, content, message):
    with pytest.raises(InputError, match=f"points.roi: .*{message}") as error:
        roi(content)
    assert "\n" not in str(error.value)


def test_selections_of_several_time_points_and_damaged_archives_are_refused(roi, tmp_path):
    with pytest.raises(InputError, match="points of 2 time points"):
        roi(roi_bytes([(5, 6)], z=1, t=1), roi_bytes([(5, 6)], z=1, t=2))
    (tmp_path / "points.zip").write_bytes(b"PK but no more")
    with pytest.raises(InputError, match="cannot be read as ROI"):
        read_points(tmp_path / "points.zip")
    with zipfile.ZipFile(tmp_path / "points.zip", "w"):
        pass
    with pytest.raises(InputError, match="no centres"):
        read_points(tmp_path / "points.zip")


def test_selections_are_pixels_whatever_is_said(roi):
    content = roi_bytes([(5, 6)], position=3)
    np.testing.assert_array_equal(roi(content, spacing=SPACING, unit="voxel"), [[2, 6, 5]])
    with pytest.raises(InputError, match="always hold pixels"):
        roi(content, spacing=SPACING, unit="um")


def test_without_roifile_the_error_says_what_to_install(roi, monkeypatch):
    monkeypatch.setitem(sys.modules, "roifile", None)
    with pytest.raises(InputError, match="points.roi: reading Fiji's ROI files needs .*pip install roifile"):
        roi(roi_bytes([(5, 6)], position=3))
