"""Files: TIFF volumes in every form that microscopes and Fiji write, damaged ones, and safe outputs."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile

from bfs_tutorial.errors import InputError
from bfs_tutorial.files import check_output, read_spacing, read_volume, replacing, write_volume

VOLUME = np.random.default_rng(0).integers(1, 1000, size=(9, 12, 17)).astype(np.uint16)
FORMS = {
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "ome compressed": {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
    "tifffile": {},
    "tifffile compressed": {"compression": "zlib"},
    "pages": {"metadata": None},
    "pages compressed": {"metadata": None, "compression": "zlib"},
}


@pytest.fixture
def tiff(tmp_path):
    """Write a TIFF and return its path."""

    def write(volume=VOLUME, **options):
        path = tmp_path / "volume.tif"
        tifffile.imwrite(path, volume, **options)
        return path

    return write


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_tiff_gives_its_voxels(tiff, form):
    volume, spacing = read_volume(tiff(**FORMS[form]))
    np.testing.assert_array_equal(volume, VOLUME)
    assert spacing is None


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_anywhere_is_refused_or_still_whole(tiff, form):
    path = tiff(**FORMS[form])
    content = path.read_bytes()
    refused = 0
    for length in range(0, len(content), len(content) // 60):
        path.write_bytes(content[:length])
        try:
            volume, _ = read_volume(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
        else:  # only bytes after the last plane are gone
            np.testing.assert_array_equal(volume, VOLUME)
    assert refused >= 50


@pytest.mark.parametrize("form", FORMS)
def test_damage_makes_an_error_of_ours_or_a_volume_and_prints_nothing(tiff, form, capfd):
    rng = np.random.default_rng(1)
    path = tiff(**FORMS[form])
    content = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(40):
        damaged = content.copy()
        start = rng.integers(0, len(damaged) - 8)
        damaged[start : start + 8] = rng.integers(0, 256, 8)
        path.write_bytes(damaged.tobytes())
        try:
            assert read_volume(path)[0].ndim == 3
        except InputError:
            pass
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("form", ["pages compressed", "ome compressed"])
def test_a_file_without_its_last_pixels_is_called_cut_off(tiff, form):
    path = tiff(**FORMS[form])
    with tifffile.TiffFile(path) as file:
        end = max(page.dataoffsets[0] + page.databytecounts[0] for page in file.pages)
    path.write_bytes(path.read_bytes()[: end - 1])
    with pytest.raises(InputError, match="ends before plane 9: the file is cut off"):
        read_volume(path)


def test_pixels_that_do_not_decode_are_refused(tiff):
    path = tiff(compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as file:
        start = file.pages[4].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start + 2 : start + 40] = bytes(38)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as TIFF"):
        read_volume(path)


# ---- spacing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "size"),
    [("µm", 1), ("μm", 1), ("nm", 1000), ("mm", 1e-3), ("cm", 1e-4), ("m", 1e-6), ("Å", 1e4), ("pm", 1e6)],
)
def test_ome_units_become_micrometres(tiff, unit, size):
    metadata = {"axes": "ZYX"}
    for axis, micrometres in zip("ZYX", (1.75, 0.8, 0.4), strict=True):
        metadata |= {f"PhysicalSize{axis}": micrometres * size, f"PhysicalSize{axis}Unit": unit}
    assert read_volume(tiff(ome=True, metadata=metadata))[1] == pytest.approx((1.75, 0.8, 0.4))


def test_ome_without_unit_means_micrometres(tiff):
    sizes = {"PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    assert read_volume(tiff(ome=True, metadata={"axes": "ZYX", **sizes}))[1] == (2.0, 0.5, 0.25)


@pytest.mark.parametrize("missing", ["PhysicalSizeZ", "PhysicalSizeY", "PhysicalSizeX"])
def test_ome_with_a_size_left_out_has_no_spacing(tiff, missing):
    sizes = {"PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    del sizes[missing]
    assert read_volume(tiff(ome=True, metadata={"axes": "ZYX", **sizes}))[1] is None


def test_ome_in_an_unknown_unit_has_no_spacing(tiff):
    sizes = {"PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25, "PhysicalSizeZUnit": "pixel"}
    assert read_volume(tiff(ome=True, metadata={"axes": "ZYX", **sizes}))[1] is None


@pytest.mark.parametrize(
    ("unit", "size"),
    [("um", 1), ("micron", 1), ("\\u00B5m", 1), ("nm", 1e3), ("mm", 1e-3), ("cm", 1e-4), ("inch", 1 / 25400)],
)
def test_imagej_units_become_micrometres(tiff, unit, size):
    resolution = (1 / (0.25 * size), 1 / (0.5 * size))  # (x, y), voxels a unit
    metadata = {"axes": "ZYX", "spacing": 2 * size, "unit": unit}
    path = tiff(imagej=True, resolution=resolution, metadata=metadata)
    assert read_volume(path)[1] == pytest.approx((2, 0.5, 0.25), rel=1e-5)


@pytest.mark.parametrize("sign", [b"\xb5m", b"\xc2\xb5m", b"\xce\xbcm"])
def test_imagej_may_write_the_micro_sign_itself(tiff, sign):
    stand_in = "Q" * len(sign)
    path = tiff(imagej=True, resolution=(4, 2), metadata={"axes": "ZYX", "spacing": 2.0, "unit": stand_in})
    path.write_bytes(path.read_bytes().replace(b"unit=" + stand_in.encode(), b"unit=" + sign))
    assert read_volume(path)[1] == (2, 0.5, 0.25)


def test_imagej_planes_one_unit_apart_have_no_spacing_line(tiff):
    path = tiff(imagej=True, resolution=(1250, 1250), metadata={"axes": "ZYX", "unit": "mm"})
    with tifffile.TiffFile(path) as file:
        assert "spacing" not in file.imagej_metadata
    assert read_volume(path)[1] == pytest.approx((1000, 0.8, 0.8))


def test_imagej_units_may_differ_by_axis(tiff):
    metadata = {"axes": "ZYX", "spacing": 2000.0, "unit": "um", "zunit": "nm"}
    assert read_volume(tiff(imagej=True, resolution=(4, 2), metadata=metadata))[1] == (2.0, 0.5, 0.25)


@pytest.mark.parametrize("unit", [None, "pixel", "furlong"])
def test_imagej_without_a_length_unit_has_no_spacing(tiff, unit):
    metadata = {"axes": "ZYX", "spacing": 2.0} | ({"unit": unit} if unit else {})
    assert read_volume(tiff(imagej=True, resolution=(4, 4), metadata=metadata))[1] is None


def test_a_printer_resolution_is_no_spacing(tiff):
    assert read_volume(tiff(resolution=(72, 72), resolutionunit="INCH"))[1] is None


def test_the_spacing_of_a_file_alone_is_read_or_asked_for(tmp_path):
    write_volume(tmp_path / "a.tif", VOLUME, (2.0, 0.5, 0.25))
    assert read_spacing(tmp_path / "a.tif") == (2.0, 0.5, 0.25)
    assert read_spacing(tmp_path / "none.tif", (3, 2, 1)) == (3, 2, 1)
    tifffile.imwrite(tmp_path / "b.tif", VOLUME)
    for name, message in (("b.tif", "do not state the spacing: give --spacing"), ("none.tif", "no such file")):
        with pytest.raises(InputError, match=f"^{tmp_path / name}: .*{message}"):
            read_spacing(tmp_path / name)


# ---- not a z-stack -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 2, 8, 8), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "2 channels"),
        ((3, 4, 8, 8), {"imagej": True, "metadata": {"axes": "TZYX"}}, "3 time points"),
        ((5, 8, 8), {"imagej": True, "metadata": {"axes": "TYX"}}, "5 time points"),
        ((2, 4, 8, 8), {"ome": True, "metadata": {"axes": "CZYX"}}, "2 channels"),
        ((3, 4, 8, 8), {"ome": True, "metadata": {"axes": "TZYX"}}, "3 time points"),
        ((8, 8, 3), {"photometric": "rgb"}, "3 colour samples"),
        ((4, 8, 8, 3), {"photometric": "rgb"}, "3 colour samples"),
        ((8, 8), {}, "is 2D"),
        ((2, 5, 8, 8), {}, "is 4D"),
    ],
)
def test_what_is_no_single_z_stack_is_refused_with_its_axes(tiff, shape, options, message):
    path = tiff(np.ones(shape, np.uint8), **options)
    with pytest.raises(InputError, match=f"{message} .*axes.*shape.*expected one z-stack"):
        read_volume(path)


def test_several_images_in_one_file_are_refused(tmp_path):
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(np.ones((6, 8, 8), np.uint8))
        file.write(np.ones((5, 9, 8), np.uint8))
    with pytest.raises(InputError, match="2 separate images"):
        read_volume(path)


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "text.tif"
    text.write_text("this is not an image")
    empty = tmp_path / "empty.tif"
    empty.touch()
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(tmp_path / "planes.tif", np.zeros((0, 8, 8), np.uint8))
    for path, message in [
        (text, "cannot be read as TIFF"),
        (empty, "cannot be read as TIFF"),
        (tmp_path / "planes.tif", "is empty"),
        (tmp_path, "a folder"),
        (tmp_path / "none.tif", "no such file"),
    ]:
        with pytest.raises(InputError, match=message):
            read_volume(path)


# ---- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 8, 8), (4, 8, 8), (8, 8, 3), (8, 4, 4)])
def test_few_planes_do_not_become_colours(tmp_path, name, shape):
    volume = np.random.default_rng(0).random(shape, np.float32)
    write_volume(tmp_path / name, volume, (1, 1, 1))
    np.testing.assert_array_equal(read_volume(tmp_path / name)[0], volume)


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.ome.tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_a_written_volume_is_read_back_with_its_spacing(tmp_path, name, dtype):
    write_volume(tmp_path / name, VOLUME.astype(dtype), (1.75, 0.8, 0.3))
    volume, spacing = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume, VOLUME.astype(dtype))
    assert volume.dtype == dtype
    assert spacing == pytest.approx((1.75, 0.8, 0.3), rel=1e-6)


def test_a_written_volume_is_an_imagej_stack_of_slices(tmp_path):
    write_volume(tmp_path / "a.tif", VOLUME, (2.0, 0.5, 0.25))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        metadata, tags = file.imagej_metadata, file.pages[0].tags
        assert (metadata["slices"], metadata["spacing"], metadata["unit"]) == (9, 2.0, "um")
        assert (tags["XResolution"].value, tags["YResolution"].value) == ((4, 1), (2, 1))


def test_a_volume_needs_a_tiff_name(tmp_path):
    with pytest.raises(InputError, match="expected a name that ends in .tif or .tiff"):
        write_volume(tmp_path / "a.png", VOLUME, (1, 1, 1))
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_kept_unless_overwrite_is_said(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(InputError, match="exists already.*--overwrite"), replacing(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "old"
    with replacing(path, overwrite=True) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError("No space left"), RuntimeError("stopped"), KeyboardInterrupt()])
def test_a_failure_while_writing_keeps_the_old_file_and_leaves_no_other(tmp_path, failure):
    path = tmp_path / "result.txt"
    path.write_text("old")
    expected = InputError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected), replacing(path, overwrite=True) as partial:
        partial.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_volume_that_cannot_be_encoded_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.tif"
    write_volume(path, VOLUME, (1, 1, 1))
    before = path.read_bytes()
    with pytest.raises(ValueError):
        write_volume(path, VOLUME.astype(np.complex64), (1, 1, 1), overwrite=True)  # no ImageJ type
    assert path.read_bytes() == before


def test_an_output_path_is_refused_before_the_work(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        check_output(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="there is no folder"):
        check_output(tmp_path / "none" / "a.tif")
    assert check_output(tmp_path / "a.tif") == tmp_path / "a.tif"


def test_a_locked_folder_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(InputError, match="may not write into"):
        check_output(tmp_path / "a.tif")


def test_a_path_is_read_as_text_too(tmp_path):
    write_volume(str(tmp_path / "a.tif"), VOLUME, (1, 1, 1))
    assert read_volume(tmp_path / "a.tif")[0].shape == VOLUME.shape
