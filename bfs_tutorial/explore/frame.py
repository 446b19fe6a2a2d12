"""What is drawn and what is moved: panels, frames, how pictures are stored, parameters and their values."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from bfs_tutorial import figures
from bfs_tutorial.errors import InputError

MAX_FRAMES = 400  # in one explorable; all are computed when it is shown
COLOURS = 64  # of a stored picture
FIGURE_DPI = 120
WIDTH = 660  # CSS pixels, the text width of the book
Picture = np.ndarray | Figure | bytes | str


@dataclass(frozen=True)
class Panel:
    """Hold one picture of a frame, made of layers that lie on each other.

    layers: pictures by name, the lowest first: uint8 arrays (Y, X) or (Y, X, 3), figures, PNG bytes, or SVG text;
    width: CSS pixels, None for as wide as fits; multiply: the layers' grey values are multiplied, 1 = white.
    """

    layers: Mapping[str, Picture]
    title: str = ""
    width: int | None = None
    multiply: bool = False


@dataclass(frozen=True)
class Frame:
    """Hold what one setting of the parameters shows: panels side by side, and a line of text below them."""

    panels: Sequence[Panel]
    text: str = ""


def as_frame(result: Picture | tuple[Picture, str] | Frame) -> Frame:
    """Return what a frame function gave as a Frame: a picture, a pair (picture, text), or a Frame already."""
    if isinstance(result, Frame):
        return result
    picture, text = result if isinstance(result, tuple) else (result, "")
    return Frame([Panel({"picture": picture})], text)


def encode(picture: Picture) -> tuple[str, int]:
    """Return a picture as a data URI, and its natural width in CSS pixels.

    Pictures keep at most `COLOURS` colours, grey ones all of theirs. Raises InputError for anything that is no picture.
    """
    if isinstance(picture, str) and picture.lstrip().startswith("<svg"):
        return _uri("svg+xml", picture.encode()), WIDTH
    if isinstance(picture, bytes) and picture.startswith(b"\x89PNG"):
        return _uri("png", picture), Image.open(io.BytesIO(picture)).width
    if isinstance(picture, Figure):
        with figures.style():
            png = figures._png(picture.savefig, dpi=FIGURE_DPI)
        return _uri("png", _few_colours(Image.open(io.BytesIO(png)))), round(100 * picture.get_figwidth())
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] in ((), (3,)):
        if picture.ndim >= 2 and picture.size:
            return _uri("png", _few_colours(Image.fromarray(picture))), picture.shape[1]
    shown = f"{picture.dtype} array of shape {picture.shape}" if isinstance(picture, np.ndarray) else type(picture)
    raise InputError(f"a frame holds a {shown}: expected uint8 (Y, X) or (Y, X, 3), a figure, PNG bytes or SVG text")


def _few_colours(image: Image.Image) -> bytes:
    """Return a picture as a small PNG: grey values as they are, colours as a palette."""
    if image.mode != "L":
        image = image.convert("RGB")
        image = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    return figures._png(image.save, optimize=True)


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


@dataclass(frozen=True)
class Parameter:
    """Hold one parameter of a frame function: the values that a page stores, and how they are shown."""

    name: str
    label: str
    values: tuple[Any, ...]
    shown: tuple[str, ...]
    start: int  # index into values
    slider: bool  # numbers in rising order; otherwise a choice
    unit: str = ""


def make_parameter(name: str, given: Sequence | Mapping, label: str, unit: str, start: Any) -> Parameter:
    """Return a checked parameter: numbers become a slider; texts, booleans, and values by shown text a choice."""
    if isinstance(given, str) or not isinstance(given, (Sequence, Mapping, np.ndarray)) or len(given) < 2:
        raise InputError(f"values of {name!r} are {given!r}: expected a list of two or more, or a dict of them by text")
    values = tuple(given.values()) if isinstance(given, Mapping) else tuple(v for v in given)
    values = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
    numbers = all(isinstance(value, Real) and not isinstance(value, bool) for value in values)
    slider = numbers and not isinstance(given, Mapping)
    if slider and not all(a < b for a, b in zip(values, values[1:], strict=False)):
        raise InputError(f"values of {name!r} are {list(values)}: expected numbers in rising order, each once")
    if isinstance(given, Mapping):
        shown = tuple(str(text) for text in given)
    elif slider:
        shown = tuple(_with_unit(value, unit) for value in values)
    else:
        shown = tuple({True: "yes", False: "no"}[v] if isinstance(v, bool) else str(v) for v in values)
    if start is None:
        index = len(values) // 2 if slider else 0
    elif start in values:
        index = values.index(start)
    else:
        raise InputError(f"start of {name!r} is {start!r}: expected one of {list(values)}")
    return Parameter(name, label, values, shown, index, slider, unit)


def _with_unit(value: float, unit: str) -> str:
    return f"{value:g} {unit}".rstrip().replace("-", "−")
