"""An explorable: a pure function of a few parameters, shown on a page with every frame stored, or live."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from numbers import Integral
from typing import Any

from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.frame import MAX_FRAMES, Frame, Parameter, Picture, as_frame, encode, make_parameter
from bfs_tutorial.explore.page import card, page, panels
from bfs_tutorial.figures import ALT_LENGTH


@dataclass(frozen=True)
class Explorable:
    """Hold a frame function with its parameters; it shows itself as a figure with sliders. Made by `explorable`."""

    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    alt: Callable[..., str]
    caption: str = ""

    def __repr__(self) -> str:
        return f"<explorable: {', '.join(p.label for p in self.parameters)}>"

    def __call__(self, **values: Any) -> Frame:
        """Return the frame at these values; a parameter that is left out stays at its start."""
        return as_frame(self.function(**{p.name: p.values[p.start] for p in self.parameters} | values))

    def describe(self, **values: Any) -> str:
        """Return the alt text at these values. Raises InputError when it is too short to tell what is seen."""
        text = " ".join(self.alt(**{p.name: p.values[p.start] for p in self.parameters} | values).split())
        if len(text) < ALT_LENGTH:
            raise InputError(f"alt text {text!r} at {values}: say what is seen, in {ALT_LENGTH} characters or more")
        return text

    def settings(self) -> Iterator[dict[str, Any]]:
        """Go through all stored combinations of values, the last parameter fastest."""
        for values in product(*(p.values for p in self.parameters)):
            yield dict(zip((p.name for p in self.parameters), values, strict=True))

    @cached_property
    def html(self) -> str:
        """The figure with all frames in it, as HTML that needs no kernel and no other file."""
        return page(self)

    def _repr_html_(self) -> str:
        return self.html

    def widget(self):
        """Return live ipywidgets that call the frame function for any value, also between the stored ones.

        A slider whose values are all whole numbers moves in whole numbers, any other in hundredths of its range.
        """
        import ipywidgets  # here, so that a page without a kernel's widgets does not need it

        picture = ipywidgets.HTML()
        controls = {p.name: _live_control(ipywidgets, p) for p in self.parameters}

        def update(_: object = None) -> None:
            values = {name: control.value for name, control in controls.items()}
            picture.value = card(self._still(self(**values), self.describe(**values)), "", self.caption)

        for control in controls.values():
            control.observe(update, names="value")
        update()
        return ipywidgets.VBox([*controls.values(), picture])

    def _still(self, frame: Frame, alt: str) -> str:
        return panels(frame, alt, [encode(layer) for panel in frame.panels for layer in panel.layers.values()])


def explorable(
    frame: Callable[..., Picture | tuple[Picture, str] | Frame],
    parameters: Mapping[str, Sequence | Mapping[str, Any]],
    *,
    alt: Callable[..., str],
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    start: Mapping[str, Any] | None = None,
    caption: str = "",
) -> Explorable:
    """Make an explorable of a pure function: the same parameters must always give the same picture.

    frame: called with one keyword for each parameter; returns a picture, a pair (picture, short text), or a `Frame`.
    A picture is a uint8 array (Y, X) or (Y, X, 3), a Matplotlib figure, PNG bytes or SVG text.
    parameters: by name, the values that the page offers: rising numbers make a slider; texts, booleans, or a dict
    {shown text: value} make a choice. Every combination is stored, at most `MAX_FRAMES`; equal layers once.
    alt: called as frame is, says what is seen for a reader who cannot see it; labels, units, start: by parameter.
    Raises InputError for parameters that frame does not take, values out of order, or too many combinations.
    """
    names = {"labels": labels or {}, "units": units or {}, "start": start or {}}
    for what, given in names.items():
        if unknown := sorted(set(given) - set(parameters)):
            raise InputError(f"{what} names {unknown[0]!r}: expected one of {', '.join(parameters)}")
    if not parameters:
        raise InputError("no parameters: an explorable needs at least one to move")
    label, unit, first = (names[what].get for what in ("labels", "units", "start"))
    checked = tuple(
        make_parameter(name, given, label(name, name), unit(name, ""), first(name))
        for name, given in parameters.items()
    )
    for function in (frame, alt):
        try:
            inspect.signature(function).bind(**{p.name: p.values[p.start] for p in checked})
        except TypeError as error:
            title = getattr(function, "__name__", "the function")
            raise InputError(f"{title} cannot be called with {', '.join(parameters)}: {error}") from error
    count = prod(len(p.values) for p in checked)
    if count > MAX_FRAMES:
        raise InputError(f"{count} combinations of values: offer at most {MAX_FRAMES} in all")
    made = Explorable(frame, checked, alt, " ".join(caption.split()))
    made.describe()
    return made


def _live_control(ipywidgets: Any, p: Parameter) -> Any:
    """Return the ipywidgets control of a parameter; its value is what the frame function takes."""
    style = {"description_width": "initial"}
    if not p.slider:
        options = list(zip(p.shown, p.values, strict=True))
        return ipywidgets.ToggleButtons(options=options, index=p.start, description=p.label, style=style)
    whole = all(isinstance(value, Integral) for value in p.values)
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    low, high = p.values[0], p.values[-1]
    step = 1 if whole else (high - low) / 100
    title = f"{p.label}, {p.unit}" if p.unit else p.label
    return kind(p.values[p.start], min=low, max=high, step=step, description=title, style=style)
