"""ZStack: what it accepts, what it refuses and with which words, and round trips through files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import read_volume
from bfs_tutorial.stack import (
    ZStack,
    check_centres,
    check_image,
    check_labels,
    check_spacing,
    read_labels,
    read_points,
    read_stack,
    write_labels,
    write_points,
    write_stack,
)

SHAPE = (4, 6, 7)
RAMP = np.arange(4 * 6 * 7, dtype=np.uint16).reshape(SHAPE)
SPACING = (1.75, 0.8, 0.3)


def save(path, volume, **options):
    """Write a TIFF; without the option, tifffile makes colours of 3 or 4 planes."""
    tifffile.imwrite(path, volume, photometric="minisblack", **options)


# ---- a stack -------------------------------------------------------------------------------------


def test_a_stack_converts_what_it_is_given():
    labels = (RAMP > 100).astype(np.uint8)
    stack = ZStack(RAMP, [2, 1, 1], centres=[[0, 1, 2], [3, 5, 6]], labels=labels)
    assert (stack.image.dtype, stack.image.shape) == (np.float32, SHAPE)
    assert stack.spacing == (2.0, 1.0, 1.0) and all(type(value) is float for value in stack.spacing)
    assert (stack.centres.dtype, stack.centres.shape) == (np.float64, (2, 3))
    assert stack.labels.dtype == np.int32
    assert stack.name == "z-stack"


def test_a_stack_cannot_be_changed_but_copied_with_changes():
    stack = ZStack(RAMP, SPACING)
    with pytest.raises(dataclasses.FrozenInstanceError):
        stack.spacing = (1, 1, 1)
    clicked = dataclasses.replace(stack, centres=[[1, 1, 1]])
    assert stack.centres is None and len(clicked.centres) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": RAMP[0]}, "2D"),
        ({"spacing": (1, 1)}, "three numbers"),
        ({"centres": [[4, 0, 0]]}, "outside"),
        ({"labels": np.ones((4, 6, 8), int)}, r"voxels \(z, y, x\): expected 4 x 6 x 7"),
    ],
)
def test_a_stack_refuses_what_the_checks_refuse(change, message):
    with pytest.raises(InputError, match=message):
        ZStack(**({"image": RAMP, "spacing": SPACING} | change))


# ---- image ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_that_is_not_finite_is_refused_with_the_number_of_voxels(value):
    image = RAMP.astype(float)
    image[1, 2, 3] = image[0, 0, 0] = value
    with pytest.raises(InputError, match="2 of 168 voxels are NaN or infinite"):
        check_image(image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RAMP[0], r"2D, shape \(6, 7\)"),
        (RAMP[None], r"4D, shape \(1, 4, 6, 7\)"),
        (np.zeros((0, 6, 7)), "empty"),
        (np.full(SHAPE, 7), "every voxel is 7"),
        (RAMP + 1j, "complex128"),
        (RAMP.astype(str), "expected real numbers"),
        (RAMP * 1e40, "infinite"),
        (1e30 + RAMP, "every voxel is 1e[+]30"),  # differs as float64, not as float32
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(InputError, match=message):
        check_image(image)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint32, np.float16, np.float64, ">u2"])
def test_any_real_dtype_is_an_image(dtype):
    image = check_image(RAMP.astype(dtype))
    assert image.dtype == np.float32 and image.flags.c_contiguous
    np.testing.assert_array_equal(image, RAMP.astype(dtype).astype(np.float32))


def test_a_view_is_made_contiguous_and_the_original_kept():
    original = RAMP.astype(np.float32)
    turned = check_image(original[::-1, :, ::2])
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(original, RAMP)


# ---- spacing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spacing",
    [
        (0, 1, 1), (-1, 1, 1), (np.nan, 1, 1), (1, np.inf, 1), (1, 1e6, 1), (1, 1, 1e-6), (800, 800, 1750),
        (1, 1), (1, 1, 1, 1), 1.0, [[1, 1, 1]], ("2", "1", "1"), "2 1 1", (True, True, True), (None, 1, 1),
        (1j, 1, 1), (), None, {"z": 2, "y": 1, "x": 1},
    ],
)
def test_a_wrong_spacing_is_refused_in_one_line(spacing):
    with pytest.raises(InputError, match=r"^spacing is .*expected.*z, y, x.*µm") as error:
        check_spacing(spacing)
    assert "\n" not in str(error.value)


def test_a_ragged_spacing_is_refused():
    with pytest.raises(InputError, match="three numbers"):
        check_spacing([1, [1, 2], 1])


@given(st.tuples(*[st.floats(0.01, 100)] * 3))
@settings(deadline=None, max_examples=30)
def test_a_right_spacing_is_returned_as_it_is(spacing):
    assert check_spacing(spacing) == spacing
    assert check_spacing(np.array(spacing)) == spacing


# ---- centres -------------------------------------------------------------------------------------


@pytest.mark.parametrize("centre", [(-0.5, 0, 0), (3.5, 5.5, 6.5), (0, 0, 0), (1.25, 2.5, 3)])
def test_a_centre_anywhere_in_a_voxel_is_inside(centre):
    np.testing.assert_array_equal(check_centres([centre], SHAPE), [centre])


@pytest.mark.parametrize(
    "centre", [(-0.51, 0, 0), (3.51, 0, 0), (0, 5.51, 0), (0, 0, 6.51), (0, 0, -1), (6, 5, 3)]
)
def test_a_centre_outside_is_refused_with_its_number_and_place(centre):
    with pytest.raises(InputError, match=r"^centre 2 of 3 at \(.*outside the stack of 4 x 6 x 7 voxels"):
        check_centres([(1, 1, 1), centre, (2, 2, 2)], SHAPE)


@pytest.mark.parametrize(
    ("centres", "message"),
    [
        ([], "no centres"),
        (np.zeros((0, 3)), "no centres"),
        ([[1, 2]], r"shape \(1, 2\)"),
        ([1, 2, 3], r"shape \(3,\)"),
        ([[1, 2, 3, 4]], r"shape \(1, 4\)"),
        ([[1, 2, np.nan]], "centre 1 of 1 .* not finite"),
        ([[np.inf, 2, 3]], "not finite"),
        ([["a", "b", "c"]], "not numbers"),
        ([[1, 2, 3], [1, 2]], "not numbers"),
        ([[1, 2, 3], [0, 0, 0], [1, 2, 3]], r"centre 3 of 3 at \(1, 2, 3\) is there twice"),
        ([[9, 0, 0], [1, 1, 1], [8, 0, 0]], r"centre 1 of 3 at \(9, 0, 0\) \(and 1 more\) lies outside"),
    ],
)
def test_wrong_centres_are_refused(centres, message):
    with pytest.raises(InputError, match=message):
        check_centres(centres, SHAPE)


def test_without_a_shape_any_place_will_do():
    assert len(check_centres([[1000, -5, 0]])) == 1


# ---- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (RAMP.astype(np.float32), "float32: expected integers"),
        (RAMP > 3, "bool: expected integers"),
        (RAMP[0], "2D"),
        (RAMP[:0], "empty"),
        (RAMP.astype(int) - 1, "from -1 to 166"),
        (RAMP.astype(np.int64) + 2**31, "expected 0 .background. to 2147483647"),
        (RAMP[:, :, :-1], r"4 x 6 x 6 voxels \(z, y, x\): expected 4 x 6 x 7"),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        check_labels(labels, SHAPE)


def test_labels_without_any_cell_are_labels():
    assert check_labels(np.zeros(SHAPE, np.uint8)).max() == 0


# ---- files ---------------------------------------------------------------------------------------


shapes = hnp.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=6)
images = hnp.arrays(np.float32, shapes, elements=st.floats(-1e6, 1e6, width=32))


@pytest.mark.parametrize("name", ["stack.tif", "stack.ome.tif"])
@given(
    image=images.filter(lambda image: image.min() < image.max()),
    spacing=st.tuples(*[st.floats(0.02, 50)] * 3),
)
@settings(deadline=None, max_examples=25)
def test_a_stack_comes_back_from_a_file(tmp_path_factory, name, image, spacing):
    path = tmp_path_factory.mktemp("stack") / name
    write_stack(path, ZStack(image, spacing))
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.image, image)
    assert stack.spacing == pytest.approx(spacing, rel=1e-5)
    assert stack.name == "stack"


rows = st.tuples(st.integers(1, 20), st.just(3))


@given(hnp.arrays(np.float64, rows, elements=st.floats(-1e3, 1e3), unique=True))
@settings(deadline=None, max_examples=25)
def test_points_come_back_exactly(tmp_path_factory, points):
    path = tmp_path_factory.mktemp("points") / "points.csv"
    write_points(path, points)
    np.testing.assert_array_equal(read_points(path), points)


@pytest.mark.parametrize(
    ("most", "dtype"), [(0, np.uint16), (65535, np.uint16), (65536, np.uint32), (2**31 - 1, np.uint32)]
)
def test_labels_come_back_in_the_smallest_type_that_holds_them(tmp_path, most, dtype):
    labels = np.zeros(SHAPE, np.int64)
    labels[1, 2, 3] = most
    write_labels(tmp_path / "labels.tif", labels, SPACING)
    assert tifffile.imread(tmp_path / "labels.tif").dtype == dtype
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.tif", SHAPE), labels)
    assert read_volume(tmp_path / "labels.tif")[1] == pytest.approx(SPACING)


def test_a_spacing_that_is_given_wins_and_one_that_is_missing_is_asked_for(tmp_path):
    path = tmp_path / "stack.tif"
    write_stack(path, ZStack(RAMP, SPACING))
    assert read_stack(path, (3, 2, 1)).spacing == (3, 2, 1)
    with pytest.raises(InputError, match="three numbers"):
        read_stack(path, (3, 2))
    save(path, RAMP)
    assert read_stack(path, (3, 2, 1), name="mine").name == "mine"
    with pytest.raises(InputError, match="stack.tif: its metadata do not state the spacing: give --spacing"):
        read_stack(path)


def test_a_wrong_spacing_in_the_metadata_is_named_as_such(tmp_path):
    path = tmp_path / "stack.tif"
    metadata = {"axes": "ZYX", "unit": "m", "spacing": 2.0}
    save(path, RAMP, imagej=True, resolution=(1, 1), metadata=metadata)
    message = r"in its metadata, spacing is \(2e\+06, 1e\+06, 1e\+06\).*give --spacing"
    with pytest.raises(InputError, match=message):
        read_stack(path)
    assert read_stack(path, (3, 2, 1)).spacing == (3, 2, 1)


def test_errors_of_a_file_start_with_its_name(tmp_path):
    path = tmp_path / "constant.tif"
    save(path, np.ones(SHAPE, np.uint8))
    with pytest.raises(InputError, match=f"^{path}: every voxel is 1"):
        read_stack(path, SPACING)
    save(path, np.full(SHAPE, np.nan, np.float32))
    with pytest.raises(InputError, match=f"^{path}: 168 of 168 voxels are NaN"):
        read_stack(path, SPACING)
    with pytest.raises(InputError, match=f"^{path}: the labels are float32"):
        read_labels(path)


def test_reading_labels_checks_their_shape(tmp_path):
    write_labels(tmp_path / "labels.tif", RAMP, SPACING)
    with pytest.raises(InputError, match=r"labels.tif: .*4 x 6 x 7 voxels \(z, y, x\): expected 4 x 6 x 8"):
        read_labels(tmp_path / "labels.tif", (4, 6, 8))


@pytest.mark.parametrize(
    "text",
    [
        "index,axis-0,axis-1,axis-2\n0,1,2,3\n1,0.5,5,6\n",
        "axis-2,axis-0,axis-1\n3,1,2\n6,0.5,5\n",
        "\ufeffz,y,x\n1,2,3\n0.5,5,6\n",
        "X , Y,Z,name\r\n3,2,1,a\r\n6,5,.5,b\r\n\r\n",
        '"index","axis-0","axis-1","axis-2","confidence"\n"0","1","2","3","0.9"\n1,5e-1,5,6,\n',
    ],
)
def test_points_are_read_by_the_names_of_their_columns(tmp_path, text):
    (tmp_path / "points.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_points(tmp_path / "points.csv", SHAPE), [[1, 2, 3], [0.5, 5, 6]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "columns none"),
        (b"a,b,c\n1,2,3\n", "columns a, b, c: expected axis-0, axis-1, axis-2"),
        (b"1,2,3\n", "columns 1, 2, 3"),
        (b"z;y;x\n1;2;3\n", "columns z;y;x"),
        (b"axis-0,axis-1\n1,2\n", "expected axis-0, axis-1, axis-2"),
        (b"axis-0,axis-1,axis-2,axis-3\n0,1,2,3\n", "a fourth axis"),
        (b"z,y,x\n", "no centres"),
        (b"z,y,x\n1,2,3\n1,b,3\n", r"line 3 has \(1, b, 3\)"),
        (b"z,y,x\n1,2\n", r"line 2 has \(1, 2, None\)"),
        (b"z,y,x\n1,,3\n", r"line 2 has \(1, , 3\)"),
        (b"z,y,x\n1,nan,3\n", "not finite"),
        (b"z,y,x\n1,2,3\n1,2,3\n", "twice"),
        (b"z,y,x\n1,2,30\n", "outside the stack of 4 x 6 x 7"),
        (b"z,y,x\n\xff\xfe\x00\n", "cannot be read as a CSV"),
    ],
)
def test_a_wrong_csv_is_refused_with_its_name(tmp_path, content, message):
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: .*{message}") as error:
        read_points(path, SHAPE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [(255, 255), (1, 2), (1, 1), (7, 300)])
def test_balls_give_their_centroids_as_mask_or_as_labels(tmp_path, values):
    balls = np.zeros(SHAPE, np.uint16)
    balls[0:3, 1, 1] = values[0]
    balls[3, 4, 4:6] = values[1]
    save(tmp_path / "balls.tif", balls)
    np.testing.assert_array_equal(read_points(tmp_path / "balls.tif", SHAPE), [[1, 1, 1], [3, 4, 4.5]])


def test_a_ball_of_voxels_that_touch_by_a_corner_is_one(tmp_path):
    balls = np.zeros(SHAPE, np.uint8)
    balls[0, 1, 1] = balls[1, 2, 2] = balls[2, 3, 3] = 255
    save(tmp_path / "balls.tif", balls)
    np.testing.assert_array_equal(read_points(tmp_path / "balls.tif"), [[1, 2, 2]])


def test_labelled_balls_that_touch_stay_two(tmp_path):
    balls = np.zeros(SHAPE, np.uint8)
    balls[1, 2, 2:4], balls[1, 2, 4:6] = 1, 2
    save(tmp_path / "balls.tif", balls)
    np.testing.assert_array_equal(read_points(tmp_path / "balls.tif"), [[1, 2, 2.5], [1, 2, 4.5]])


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (np.zeros(SHAPE, np.uint8), "no centres"),
        (RAMP, "more than half"),
        ((RAMP == 3).astype(np.float32), "float32: expected integers"),
        (np.eye(8, dtype=np.uint8)[None].repeat(9, axis=0), "outside"),
    ],
)
def test_a_volume_without_balls_is_refused(tmp_path, volume, message):
    save(tmp_path / "balls.tif", volume)
    with pytest.raises(InputError, match=f"balls.tif: .*{message}"):
        read_points(tmp_path / "balls.tif", SHAPE)


def test_points_in_another_kind_of_file_are_refused(tmp_path):
    (tmp_path / "points.xlsx").write_text("z,y,x\n1,2,3\n")
    with pytest.raises(InputError, match="points come as .csv"):
        read_points(tmp_path / "points.xlsx")
    with pytest.raises(InputError, match="no such file"):
        read_points(tmp_path / "points.csv")


def test_nothing_found_is_written_as_a_header_alone(tmp_path):
    write_points(tmp_path / "points.csv", np.zeros((0, 3)))
    assert (tmp_path / "points.csv").read_text() == "index,axis-0,axis-1,axis-2\n"


@pytest.mark.parametrize("suffix", [".tif", ".csv"])
def test_no_writer_replaces_a_file_unasked(tmp_path, suffix):
    path = tmp_path / f"there{suffix}"
    calls = {
        ".tif": [(write_stack, path, ZStack(RAMP, SPACING)), (write_labels, path, RAMP, SPACING)],
        ".csv": [(write_points, path, [[1, 2, 3]])],
    }
    for write, *arguments in calls[suffix]:
        path.write_text("precious")
        with pytest.raises(InputError, match="exists already"):
            write(*arguments)
        assert path.read_bytes() == b"precious"
        write(*arguments, overwrite=True)
        assert path.read_bytes() != b"precious"


# ---- the real embryos ----------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [8, 16])
def test_a_real_embryo_makes_the_round_trip(shared, tmp_path, cells):
    folder = shared / "data" / "mouse_embryo_fluorescence"
    stack = read_stack(folder / f"{cells}_cell_raw.tif", (1.75, 0.8, 0.8))
    assert stack.image.shape == (51, 120, 122)
    centres = read_points(folder / f"{cells}_cell_ndn.tif", stack.image.shape)
    assert len(centres) == cells
    write_stack(tmp_path / "stack.tif", stack)
    write_points(tmp_path / "points.csv", centres)
    again = read_stack(tmp_path / "stack.tif")
    np.testing.assert_array_equal(again.image, stack.image)
    assert again.spacing == pytest.approx(stack.spacing)
    np.testing.assert_array_equal(read_points(tmp_path / "points.csv", again.image.shape), centres)


def test_the_real_embryo_does_not_state_its_spacing(shared):
    with pytest.raises(InputError, match="8_cell_raw.tif: its metadata do not state the spacing"):
        read_stack(shared / "data" / "mouse_embryo_fluorescence" / "8_cell_raw.tif")


def test_every_real_file_is_read(shared, tmp_path):
    for path in sorted((shared / "data").glob("*/*_raw.tif")):
        assert read_stack(path, (1.75, 0.8, 0.8)).image.ndim == 3
    for path in sorted((shared / "data").glob("*/*_output.tif")):
        labels = read_labels(path)
        write_labels(tmp_path / path.name, labels, (1.75, 0.8, 0.8))
        np.testing.assert_array_equal(read_labels(tmp_path / path.name), labels)


def test_a_mask_of_0_and_255_is_read_as_one_label_per_region(tmp_path):
    mask = np.zeros((5, 6, 9), dtype=np.uint8)
    mask[1, 1:3, 1:3] = mask[0:2, 3:5, 5:8] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    labels = read_labels(tmp_path / "mask.tif")
    assert labels.dtype == np.int32 and labels.max() == 2 and np.array_equal(labels > 0, mask > 0)
    tifffile.imwrite(tmp_path / "labels.tif", np.where(mask > 0, 7, 0).astype(np.uint8))  # one cell in two parts
    assert set(np.unique(read_labels(tmp_path / "labels.tif"))) == {0, 7}


def test_the_real_truth_is_read_as_its_nuclei(shared):
    folder = shared / "data" / "mouse_embryo_fluorescence"
    assert [read_labels(folder / f"{n}_cell_nsn.tif").max() for n in (8, 16)] == [8, 16]
