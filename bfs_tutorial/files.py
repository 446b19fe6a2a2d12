"""Files: TIFF volumes read and written with their voxel spacing, and outputs that are never half written."""

from __future__ import annotations

import logging
import os
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from bfs_tutorial.errors import InputError

Spacing = tuple[float, float, float]  # (z, y, x) µm a voxel

MICROMETRES = {
    "pm": 1e-6, "å": 1e-4, "nm": 1e-3, "nanometer": 1e-3,
    "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "m": 1e6, "inch": 25400.0, "in": 25400.0,
}  # µ is either the micro sign U+00B5 or the Greek letter U+03BC; ImageJ writes the former as an escape
AXIS_NAMES = {"T": "time points", "C": "channels", "S": "colour samples"}
DAMAGE_WORDS = ("invalid page offset", "missing", "corrupted", "incomplete", "failed to read")
TIFF_SUFFIXES = (".tif", ".tiff")
CLASSIC_TIFF_BYTES = 2**32 - 2**25  # an ImageJ file cannot grow beyond 4 GiB


def one_line(error: BaseException | str) -> str:
    """Return an error's message as one short line, for the end of ours."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def check_file(path: Path) -> None:
    """Raise InputError unless there is a regular file."""
    if not path.exists():
        raise InputError("there is no such file: check the name and the folder")
    if not path.is_file():
        raise InputError("this is a folder: give one file" if path.is_dir() else "this is not a regular file")


def read_volume(path: Path) -> tuple[np.ndarray, Spacing | None]:
    """Return the only volume of a TIFF, (Z, Y, X), and the spacing (z, y, x) µm if its metadata state it.

    Raises InputError when the file is missing, damaged, or holds anything but one z-stack.
    """
    check_file(path)
    try:
        with _tiff_reports() as reports, tifffile.TiffFile(path) as tiff:
            _check_whole(tiff, path.stat().st_size, reports)
            _check_series(tiff)
            return tiff.series[0].asarray(), _metadata_spacing(tiff)
    except InputError:
        raise
    except Exception as error:  # each decoder raises its own kind; none may reach the user as a traceback
        raise InputError(f"cannot be read as TIFF, damaged or another format? ({one_line(error)})") from error


def read_spacing(path: Path, given: Sequence[float] | None = None) -> Sequence[float]:
    """Return the spacing (z, y, x) µm that is given, or else the one that the metadata of a TIFF state.

    Raises InputError, the file's name first, when neither is there.
    """
    if given is not None:
        return given
    try:
        found = read_volume(path)[1]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if found is None:
        raise InputError(f"{path}: its metadata do not state the spacing: give --spacing Z Y X, in µm a voxel")
    return found


@contextmanager
def _tiff_reports() -> Iterator[list[str]]:
    """Collect what tifffile logs: it reports damage there, drops planes or fills them with 0, and goes on."""
    reports: list[str] = []
    logger, handler = logging.getLogger("tifffile"), logging.Handler(logging.WARNING)
    handler.emit = lambda record: reports.append(record.getMessage())
    logger.addHandler(handler)
    try:
        yield reports
    finally:
        logger.removeHandler(handler)


def _check_whole(tiff: tifffile.TiffFile, size: int, reports: list[str]) -> None:
    """Raise InputError when pixels lie beyond the file's `size` in bytes, or tifffile `reports` a gap."""
    if not tiff.series or 0 in tiff.series[0].shape:  # parses every plane and its metadata, which fills the reports
        raise InputError("is empty: it holds no image")
    for page in tiff.pages:
        ends = np.add(page.dataoffsets, page.databytecounts)  # (strips,)
        if ends.size and ends.max() > size:
            raise InputError(f"ends before plane {page.index + 1}: the file is cut off, copy it again")
    for report in reports:
        if any(word in report.lower() for word in DAMAGE_WORDS):
            raise InputError(f"is damaged or cut off ({one_line(report.partition('> ')[2])}): copy it again")


def _check_series(tiff: tifffile.TiffFile) -> None:
    """Raise InputError unless the file holds one volume of one channel at one time."""
    if len(tiff.series) != 1:
        raise InputError(f"holds {len(tiff.series)} separate images: expected one z-stack in one file")
    axes, shape = tiff.series[0].axes, tiff.series[0].shape
    found, expected = f"(axes {axes}, shape {shape})", "expected one z-stack, axes ZYX"
    for axis, size in zip(axes, shape, strict=True):
        if axis in AXIS_NAMES:
            advice = "save one channel of one time point (in Fiji: Image > Duplicate), or correct the axes"
            raise InputError(f"has {size} {AXIS_NAMES[axis]} {found}: {expected}; {advice}")
    if len(shape) != 3 or axes[-2:] != "YX":
        raise InputError(f"is {len(shape)}D {found}: {expected}")


def _metadata_spacing(tiff: tifffile.TiffFile) -> Spacing | None:
    """Return (z, y, x) µm from OME-XML, or by ImageJ's convention: pixels per unit, `spacing` and `unit`."""
    if tiff.is_ome:
        return _ome_spacing(tiff.ome_metadata)
    metadata, tags = tiff.imagej_metadata or {}, tiff.pages[0].tags
    units = [_unit(metadata.get(key, metadata.get("unit"))) for key in ("zunit", "yunit", "unit")]
    if None in units or "XResolution" not in tags or "YResolution" not in tags:
        return None
    planes = abs(float(metadata.get("spacing", 1)))  # ImageJ leaves the line out when planes are one unit apart
    y, x = (_unit_per_pixel(tags[key].value) for key in ("YResolution", "XResolution"))
    return planes * units[0], y * units[1], x * units[2]


def _ome_spacing(xml: str) -> Spacing | None:
    """Return (z, y, x) µm from the Pixels element of OME-XML; its default unit is µm."""
    pixels = next((node for node in ElementTree.fromstring(xml).iter() if node.tag.endswith("Pixels")), None)
    if pixels is None:
        return None
    sizes = [pixels.get(f"PhysicalSize{axis}") for axis in "ZYX"]
    units = [_unit(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"]
    if None in sizes or None in units:
        return None
    z, y, x = (float(size) * unit for size, unit in zip(sizes, units, strict=True))
    return z, y, x


def _unit(name: Any) -> float | None:
    return MICROMETRES.get(str(name).strip().lower())


def _unit_per_pixel(resolution: tuple[int, int]) -> float:
    pixels, units = resolution  # a TIFF rational: pixels / units
    return units / pixels if pixels else float("nan")


def check_output(path: str | Path, overwrite: bool = False, suffixes: tuple[str, ...] = ()) -> Path:
    """Return the path of a file to be written, or say now why it could not be written later.

    suffixes: the endings it may have, such as (".tif", ".tiff"); none given, any will do.
    Raises InputError when it exists and overwrite is False, is a folder, or its folder is missing or locked.
    """
    path = Path(path)
    if suffixes and not path.name.lower().endswith(suffixes):
        raise InputError(f"{path}: expected a name that ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise InputError(f"{path}: this is a folder: give the name of a file to write")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: exists already: choose another name, or say --overwrite (overwrite=True)")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}: make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path}: you may not write into {path.parent}: choose another folder")
    return path


@contextmanager
def replacing(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`, and move the file there when the block ends well.

    Whatever fails, the file that was there is unchanged.
    Raises InputError as `check_output` does, and when the disk is full or refuses.
    """
    path = check_output(path, overwrite)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            partial = Path(folder) / path.name
            yield partial
            os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({one_line(error)})") from error


def write_volume(path: str | Path, volume: np.ndarray, spacing: Spacing, overwrite: bool = False) -> None:
    """Write (Z, Y, X) in ImageJ's form; as OME-TIFF where asked for (.ome.tif) or needed (uint32, 4 GiB).

    spacing: (z, y, x) µm. Raises InputError, see `replacing`.
    """
    path = check_output(path, overwrite, TIFF_SUFFIXES)
    ome = ".ome." in path.name.lower() or volume.dtype == np.uint32 or volume.nbytes > CLASSIC_TIFF_BYTES
    metadata: dict[str, Any] = {"axes": "ZYX"}
    if ome:
        metadata |= {f"PhysicalSize{axis}": size for axis, size in zip("ZYX", spacing, strict=True)}
        metadata |= {f"PhysicalSize{axis}Unit": "µm" for axis in "ZYX"}
    else:
        metadata |= {"spacing": spacing[0], "unit": "um"}
    form = {"ome": ome, "imagej": not ome, "photometric": "minisblack"}  # else 3 planes become colours
    per_unit = (1 / spacing[2], 1 / spacing[1])  # (x, y), voxels a µm
    with replacing(path, overwrite) as partial:
        tifffile.imwrite(partial, volume, resolution=per_unit, metadata=metadata, **form)
