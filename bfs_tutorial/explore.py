"""Explorables: pictures whose parameters a reader moves, on a page without a kernel and live in a notebook.

One pure function draws a frame from its parameters. `explorable` wraps it: shown in a notebook it is a <figure> with
native sliders and every frame stored in it, each picture once; `.widget()` calls the same function live, for any value.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from html import escape
from itertools import product
from math import prod
from numbers import Integral, Real
from string import Template
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import find_contours
from skimage.segmentation import watershed

from bfs_tutorial import figures, losses, metrics, star_convex
from bfs_tutorial.centre_maps import centre_map
from bfs_tutorial.errors import InputError
from bfs_tutorial.figures import ALT_LENGTH, INK, LINES, MUTED, RULE
from bfs_tutorial.files import Spacing
from bfs_tutorial.instances import ELEVATIONS, landscape, place_markers
from bfs_tutorial.peaks import merge_peaks
from bfs_tutorial.stack import ZStack
from bfs_tutorial.star_convex import StarSettings

MAX_FRAMES = 400  # in one explorable; all are computed when it is shown
MAX_BYTES = 700_000  # of stored pictures; a notebook may have 1 MB
COLOURS = 64  # of a stored picture
FIGURE_DPI = 120
WIDTH = 660  # CSS pixels, the text width of the book
MASK, LABELS = "#ff9e3d", "#45a8ff"  # outlines of a mask and of what it learns from; the truth is white

Picture = np.ndarray | Figure | bytes | str


# ---- what a frame is -----------------------------------------------------------------------------------------


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


# ---- parameters ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """Hold one parameter of a frame function: the values that a page stores, and how they are shown."""

    name: str
    label: str
    values: tuple[Any, ...]
    shown: tuple[str, ...]
    start: int  # index into values
    slider: bool  # numbers in rising order; otherwise a choice


def _parameter(name: str, given: Sequence | Mapping, label: str, unit: str, start: Any) -> Parameter:
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
    return Parameter(name, label, values, shown, index, slider)


def _with_unit(value: float, unit: str) -> str:
    return f"{value:g} {unit}".rstrip().replace("-", "−")


# ---- the explorable ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Explorable:
    """Hold a frame function with its parameters; it shows itself as a figure with sliders. Made by `explorable`."""

    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    alt: Callable[..., str]
    caption: str = ""
    _seen: dict = field(default_factory=dict, repr=False, compare=False)

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
        return _page(self)

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
            picture.value = _card(self._still(self(**values), self.describe(**values)), "", self.caption)

        for control in controls.values():
            control.observe(update, names="value")
        update()
        return ipywidgets.VBox([*controls.values(), picture])

    def _still(self, frame: Frame, alt: str) -> str:
        return _panels(frame, alt, [encode(layer) for panel in frame.panels for layer in panel.layers.values()])


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
    checked = tuple(
        _parameter(name, given, names["labels"].get(name, name), names["units"].get(name, ""), names["start"].get(name))
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
    return kind(p.values[p.start], min=low, max=high, step=step, description=p.label, style=style)


# ---- the page ------------------------------------------------------------------------------------------------

STYLE = Template("""
.bfs-explorable{box-sizing:border-box;max-width:${card}px;margin:1em auto;padding:12px;background:#fff;color:$ink;
border:1px solid $rule;border-radius:8px;color-scheme:light;font-size:1rem;
position:relative}
.bfs-explorable .bfs-panels{display:flex;flex-wrap:wrap;justify-content:center;gap:8px}
.bfs-explorable .bfs-panel{flex:0 1 auto;min-width:0;max-width:100%;font-size:.8em;line-height:1.3;text-align:center}
.bfs-explorable .bfs-layers{display:grid;isolation:isolate;margin-top:2px}
.bfs-explorable .bfs-layers img{grid-area:1/1;display:block;width:100%;height:auto}
.bfs-explorable .bfs-pixels{image-rendering:pixelated}
.bfs-explorable .bfs-multiply img+img{mix-blend-mode:multiply}
.bfs-explorable .bfs-says{margin:8px 2px 0;font-size:.9em;line-height:1.4;text-align:center;
font-variant-numeric:tabular-nums}
.bfs-explorable .bfs-heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}
.bfs-explorable .bfs-controls{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,280px),1fr));
gap:2px 24px;margin-top:10px;padding-top:8px;border-top:1px solid $rule}
.bfs-explorable .bfs-control{display:flex;align-items:center;gap:10px;min-height:36px;font-size:.9em}
.bfs-explorable .bfs-control label{display:flex;align-items:center;gap:10px;margin:0;cursor:pointer}
.bfs-explorable .bfs-slide label{flex:1;min-width:0}
.bfs-explorable .bfs-control input{accent-color:$accent;margin:0}
.bfs-explorable .bfs-control input[type=range]{flex:1;min-width:60px;height:28px}
.bfs-explorable .bfs-control input:focus-visible{outline:2px solid $accent;outline-offset:3px;border-radius:4px}
.bfs-explorable .bfs-choice{flex-wrap:wrap}
.bfs-explorable .bfs-choice label{gap:5px;min-height:28px}
.bfs-explorable output{min-width:4em;font-variant-numeric:tabular-nums}
.bfs-explorable figcaption,.bfs-explorable .bfs-hint{margin:8px 2px 0;color:$ink;font-size:.875em;font-weight:400;
line-height:1.45;text-align:left}
.bfs-explorable .bfs-hint{color:$muted}
""")

PLAIN = "margin:0;padding:0;background:none;border-radius:0"  # in the element: stronger than the theme's dark mode
HINT = "The sliders move once this cell has been run, or on the page of the book."

SCRIPT = """(() => {
const pictures = @PICTURES@, frames = @FRAMES@, shown = @SHOWN@;
document.querySelectorAll('[id="@UID@"]:not([data-ready])').forEach(root => {
  root.dataset.ready = "";
  const copy = document.querySelectorAll('[id="@UID@"][data-ready]').length;
  const images = [...root.querySelectorAll(".bfs-layers img")], panels = root.querySelector(".bfs-panels");
  const controls = [...root.querySelectorAll(".bfs-control")].map((box, k) => {
    const inputs = [...box.querySelectorAll("input")], slide = inputs[0].type === "range", last = shown[k].length - 1;
    inputs.forEach(input => { input.disabled = false; if (!slide) input.name += "-" + copy; });
    const get = () => slide ? +inputs[0].value : inputs.findIndex(input => input.checked);
    const set = i => {
      if (slide) inputs[0].value = i; else { inputs[i].checked = true; inputs[i].focus(); }
    };
    const said = () => {
      if (!slide) return;
      box.querySelector("output").textContent = shown[k][get()];
      inputs[0].setAttribute("aria-valuetext", shown[k][get()]);
    };
    box.addEventListener("keydown", event => {
      const step = {ArrowRight: 1, ArrowUp: slide ? 1 : -1, ArrowLeft: -1, ArrowDown: slide ? -1 : 1,
                    PageUp: 2, PageDown: -2, Home: -1e9, End: 1e9}[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      const at = get(), to = Math.min(last, Math.max(0, at + step));
      if (to !== at) { set(to); update(); }
    });
    box.addEventListener("input", () => update());
    return {get, said, size: last + 1};
  });
  const update = () => {
    const [layers, alt, text] = frames[controls.reduce((index, c) => index * c.size + c.get(), 0)];
    layers.forEach((picture, i) => {
      if (images[i].src !== pictures[picture]) images[i].src = pictures[picture];
    });
    if (images.length === 1) images[0].alt = alt; else panels.setAttribute("aria-label", alt);
    root.querySelector(".bfs-text").textContent = text;
    root.querySelector(".bfs-heard").textContent = alt;
    controls.forEach(c => c.said());
  };
  root.querySelector(".bfs-hint")?.remove();
});
})();"""


def _panels(frame: Frame, alt: str, layers: Sequence[tuple[str, int]]) -> str:
    """Return the panels of a frame as HTML; layers: (data URI, natural width) of every layer of every panel."""
    parts, layers, alone = [], iter(layers), sum(len(panel.layers) for panel in frame.panels) == 1
    for panel in frame.panels:
        images, width = [], 0
        for name, picture in panel.layers.items():
            uri, natural = next(layers)
            width = max(width, natural)
            pixels = " bfs-pixels" if isinstance(picture, np.ndarray) else ""
            words = alt if alone else name
            images.append(f'<img class="dark-light{pixels}" style="{PLAIN}" alt="{escape(words)}" src="{uri}">')
        width = panel.width or (width if width > 400 else 400)
        title = f"<div>{escape(panel.title)}</div>" if panel.title else ""
        blend = " bfs-multiply" if panel.multiply else ""
        inner = f'<div class="bfs-layers{blend}">{"".join(images)}</div>'
        parts.append(f'<div class="bfs-panel" style="width:{min(width, WIDTH)}px">{title}{inner}</div>')
    role = "" if alone else f' role="img" aria-label="{escape(alt)}"'  # the group is one picture to a screen reader
    text = f'<span class="bfs-text">{escape(frame.text)}</span>'
    says = f'<p class="bfs-says" aria-live="polite"><span class="bfs-heard"></span>{text}</p>'
    return f'<div class="bfs-panels"{role}>{"".join(parts)}</div>{says}'


def _control(p: Parameter) -> str:
    """Return a disabled native control; the script enables it."""
    if p.slider:
        return (
            f'<div class="bfs-control bfs-slide"><label><span>{escape(p.label)}</span><input type="range" min="0" '
            f'max="{len(p.values) - 1}" step="1" value="{p.start}" aria-valuetext="{escape(p.shown[p.start])}" '
            f'autocomplete="off" disabled></label><output aria-live="off">{escape(p.shown[p.start])}</output></div>'
        )
    options = "".join(
        f'<label><input type="radio" name="@UID@-{escape(p.name)}" value="{i}" autocomplete="off" disabled'
        f"{' checked' if i == p.start else ''}>{escape(text)}</label>"
        for i, text in enumerate(p.shown)
    )
    return (
        f'<div class="bfs-control bfs-choice" role="radiogroup" aria-label="{escape(p.label)}">'
        f'<span aria-hidden="true">{escape(p.label)}</span>{options}</div>'
    )


def _card(panels: str, controls: str, caption: str, script: str = "") -> str:
    """Return the figure: panels, text, controls, caption, and the script that joins them."""
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    style = STYLE.substitute(card=WIDTH + 26, ink=INK, rule=RULE, muted=MUTED, accent=LINES[0]).replace("\n", "")
    name = ' id="@UID@"' if script else ""
    return (
        f'<figure class="bfs-figure bfs-explorable"{name}><style>{style}</style>'
        f"{panels}{controls}{words}{script}</figure>"
    )


def _page(made: Explorable) -> str:
    """Return the HTML of an explorable with every frame in it."""
    pictures: dict[str, int] = {}
    frames, first, structure = [], None, None
    for number, values in enumerate(made.settings()):
        frame, alt = made(**values), made.describe(**values)
        names = [(panel.title, panel.width, panel.multiply, tuple(panel.layers)) for panel in frame.panels]
        if structure not in (None, names):
            raise InputError(f"the frame at {values} has other panels or layers than the first: keep them the same")
        structure = names
        layers = [encode(layer) for panel in frame.panels for layer in panel.layers.values()]
        frames.append([[pictures.setdefault(uri, len(pictures)) for uri, _ in layers], alt, frame.text])
        if all(values[p.name] == p.values[p.start] for p in made.parameters):
            first = _panels(frame, alt, layers)
        if (size := sum(map(len, pictures))) > MAX_BYTES:
            raise InputError(
                f"{len(pictures)} pictures of {number + 1} frames take {size / 1e6:.1f} MB, more than "
                f"{MAX_BYTES / 1e6:.1f}: offer fewer values or draw smaller pictures"
            )
    stored = {"PICTURES": list(pictures), "FRAMES": frames, "SHOWN": [p.shown for p in made.parameters]}
    script = re.sub("@([A-Z]{4,})@", lambda found: _json(stored[found[1]]), SCRIPT)  # one pass: texts may hold anything
    controls = f'<div class="bfs-controls">{"".join(map(_control, made.parameters))}</div>'
    page = _card(first, f'{controls}<p class="bfs-hint">{HINT}</p>', made.caption, f"<script>{script}</script>")
    return page.replace("@UID@", "bfs-" + hashlib.sha256(page.encode()).hexdigest()[:10])


def _json(value: Any) -> str:
    """Return JSON that cannot end a <script>."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


# ---- the boundary loss, Eq. (4) and (5) ----------------------------------------------------------------------

PLOT = {"left": 30, "right": 432, "top": 26, "bottom": 158, "width": 440, "height": 190}  # of the line profile's SVG
GREYS = 52  # shades of a stored map: fewer bytes, and no one sees the steps


def soft_ball(shape: Sequence[int], centre: Sequence[float], radius: float, spacing: Spacing) -> torch.Tensor:
    """Return a mask (Z, Y, X) float64: 1 inside a ball, 0 outside, 0.5 on its surface, soft over about a µm.

    centre: (z, y, x) in voxel index units; radius: µm.
    """
    axes = [(torch.arange(n, dtype=torch.float64) - c) * s for n, c, s in zip(shape, centre, spacing, strict=True)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.sigmoid(4 * (radius - (z**2 + y**2 + x**2).sqrt()))


def boundary_frame(
    image: np.ndarray,
    mask: np.ndarray | torch.Tensor | Callable[[float], torch.Tensor],
    spacing: Spacing,
    at: Sequence[int],
    *,
    truth: np.ndarray | None = None,
    labels: np.ndarray | torch.Tensor | None = None,
    weight: Callable[..., torch.Tensor] = losses.edge_weight,
    loss: Callable[..., torch.Tensor] | None = None,
) -> Callable[..., Frame]:
    """Return the frame function of the boundary loss for one image and one mask, fixed or moving.

    The function takes sigma_mask and sigma_image (σ1, σ2 in µm), edge, p and scale, as `losses.boundary_loss` does;
    z, in µm from plane at[0]; size, the number from which `mask` is made; and strength, the λ of Eq. (3). It draws a
    plane of the image, of |∇G(S, σ1)|, of the weight and of their product, the values along row at[1], and writes the
    loss of the whole stack below: sum, mean and ratio, and with labels L_class + λ ratio = L_S2.
    image: I (Z, Y, X); mask: S in [0, 1] (Z, Y, X), or a function that makes it from size; truth: the true mask, whose
    outline is drawn; labels: the pseudo labels, 0 or 1, of L_class.
    weight: your own second factor, called as `losses.edge_weight`; loss: your own loss, called as loss(mask, image,
    spacing), whose value is written too. Raises InputError when the shapes differ or `at` lies outside.
    """
    image, (plane, y) = torch.as_tensor(image, dtype=torch.float64), at
    mask_of = lru_cache(maxsize=32)(
        lambda size: torch.as_tensor(mask(size) if callable(mask) else mask, dtype=torch.float64)
    )
    first = mask_of(0.0)
    if image.shape != first.shape or image.ndim != 3:
        raise InputError(f"image {tuple(image.shape)} and mask {tuple(first.shape)}: expected one shape (Z, Y, X)")
    if not (0 <= plane < image.shape[0] and 0 <= y < image.shape[1]):
        raise InputError(f"plane {plane}, row {y}: expected below {image.shape[0]} and {image.shape[1]}")
    truth = (first > 0.5).numpy() if truth is None else np.asarray(truth) > 0
    still = lru_cache(maxsize=64)(lambda z: _what_stays(image, truth, z, y, spacing[2]))
    border_of = lru_cache(maxsize=64)(lambda sigma, size: losses.gradient_magnitude(mask_of(size), sigma, spacing))
    weight_of = lru_cache(maxsize=64)(lambda *how: weight(image, spacing, *how))
    own_of = lru_cache(maxsize=32)(lambda size: None if loss is None else float(loss(mask_of(size), image, spacing)))
    class_of = lru_cache(maxsize=32)(lambda size: None if labels is None else _class_loss(mask_of(size), labels))

    def frame(
        sigma_mask: float,
        sigma_image: float,
        edge: str = "log",
        p: float = 2.0,
        scale: str = "std",
        z: float = 0.0,
        size: float = 0.0,
        strength: float | None = None,
    ) -> Frame:
        border, second = border_of(sigma_mask, size), weight_of(sigma_image, edge, p, scale)
        here = min(max(plane + round(z / spacing[0]), 0), len(image) - 1)
        text = _loss_text(border, second, class_of(size) if strength is not None else None, strength)
        if loss is not None:
            text += f" · {getattr(loss, '__name__', 'your loss')} {own_of(size):.4g}"
        top = border.amax().clamp(min=1e-12)
        return _boundary_panels(*still(here), {"mask edge": border[here] / top, "weight": second[here]}, y, text)

    return frame


SAYINGS = {  # of the parameters of `boundary_frame`, for alt texts
    "z": "{:+g} µm from the middle plane", "size": "mask {:+g} µm larger than the cell", "edge": "weight by {}",
    "scale": "strength {}", "p": "p = {:g}", "sigma_mask": "σ₁ = {:g} µm", "sigma_image": "σ₂ = {:g} µm",
    "strength": "λ = {:g}",
}  # fmt: skip


def describe_boundary(cell: str, **moved: Any) -> str:
    """Say in words what a frame of `boundary_frame` shows: the alt text of an explorable that moves some parameters.

    cell: what the image shows; moved: values by parameter of the frame function. Raises KeyError for another one.
    """
    words = {"log": "LoG", "none": "as it is", "std": "divided by its spread"}
    said = [SAYINGS[name].format(words.get(value, value)) for name, value in moved.items()]
    seen = "image with the true outline, mask edge, weight, product, line profile"
    return f"{cell}: {seen}; {', '.join(said)}"


def _class_loss(mask: torch.Tensor, labels: np.ndarray | torch.Tensor) -> float:
    """L_class of Eq. (3) for a mask in [0, 1]."""
    labels = torch.as_tensor(labels, dtype=torch.float64)
    return losses.class_loss(torch.logit(mask, eps=1e-6), labels).item()


def _loss_text(border: torch.Tensor, weight: torch.Tensor, class_loss: float | None, strength: float | None) -> str:
    """Write the loss as sum, mean and ratio, and L_S2 of Eq. (3) with the ratio where L_class and λ are given."""
    total = (border * weight).sum()
    mean, ratio = total / border.numel(), total / border.sum().clamp(min=1e-12)
    text = f"sum {total:.0f} · mean {mean:.4f} · ratio {ratio:.2f}"
    if class_loss is None or strength is None:
        return text
    return f"{text} · L_S2 = {class_loss:.3f} + {strength:g} × {ratio:.3f} = {class_loss + strength * ratio:.2f}"


def _what_stays(image: torch.Tensor, truth: np.ndarray, z: int, y: int, step: float) -> tuple[np.ndarray, str]:
    """Draw plane z of the image with the true outline, and the axes of the line profile along row y."""
    seen = figures.overlay(image[z].numpy(), truth[z].astype(int), colours={1: figures.INSTANCES[3]}, outline=0)
    seen[_inner_edge(truth[z])] = (255, 240, 77)
    return seen, _profile_axes(_unit_range(image[z, y]), truth[z, y], step)


def _boundary_panels(seen: np.ndarray, axes: str, maps: Mapping[str, torch.Tensor], y: int, text: str) -> Frame:
    """Put together what `boundary_frame` shows; maps: mask edge and weight of the plane, in 0 ... 1."""
    shades = {name: _greys(values) for name, values in maps.items()}
    line = {name: values[y].numpy() for name, values in maps.items()}
    curves = {
        "line profile of the image": axes,
        "product": _curve(line["mask edge"] * line["weight"], INK, fill=True),
        "mask edge": _curve(line["mask edge"], LINES[1]),
        "weight": _curve(line["weight"], LINES[0]),
    }
    return Frame(
        [
            Panel({"image": seen}, "image I", 138),
            Panel({"mask edge": shades["mask edge"]}, "mask edge |∇G(S)|", 138),
            Panel({"weight": shades["weight"]}, "weight, 1 = white", 138),
            Panel(shades, "product", 138, multiply=True),
            Panel(curves, "along the line through the middle", 560),
        ],
        text,
    )


def _inner_edge(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that touch its outside."""
    return mask & ~ndimage.binary_erosion(mask)


def _unit_range(values: torch.Tensor) -> np.ndarray:
    """Values moved and scaled to 0 ... 1."""
    values = values.numpy()
    return (values - values.min()) / max(values.max() - values.min(), 1e-12)


def _greys(values: torch.Tensor) -> np.ndarray:
    """Values of 0 ... 1 as uint8 grey in `GREYS` shades."""
    return (torch.round(values.clamp(0, 1) * (GREYS - 1)) * (255 / (GREYS - 1))).to(torch.uint8).numpy()


def _svg(content: str) -> str:
    width, height = PLOT["width"], PLOT["height"]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"{content}</svg>"
    )


def _curve(values: np.ndarray, colour: str, fill: bool = False) -> str:
    """Draw values of 0 ... 1 as a line, or filled down to 0, on the axes of the line profile."""
    x = np.linspace(PLOT["left"], PLOT["right"], len(values)).round().astype(int)
    y = (PLOT["bottom"] + (PLOT["top"] - PLOT["bottom"]) * np.clip(values, 0, 1)).round().astype(int)
    steps = " ".join(f"{dx} {dy}" for dx, dy in zip(np.diff(x), np.diff(y), strict=True)).replace(" -", "-")
    path = f"M{x[0]} {y[0]}l{steps}"  # steps, not places: a third of the bytes
    if fill:
        return _svg(f'<path d="{path}V{PLOT["bottom"]}H{PLOT["left"]}" fill="{colour}" opacity=".3"/>')
    return _svg(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')


def _profile_axes(image: np.ndarray, truth: np.ndarray, step: float) -> str:
    """Draw what does not move: axes, the image along the line, the true border, and what each colour means.

    image: (X,) in 0 ... 1; truth: (X,) bool; step: µm a voxel.
    """
    left, right, top, bottom = (PLOT[name] for name in ("left", "right", "top", "bottom"))
    length = (len(image) - 1) * step  # µm
    at = lambda um: round(left + (right - left) * um / length, 1)  # noqa: E731
    parts = [f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="{MUTED}"/>']
    texts = [f'<text x="{right}" y="{bottom + 30}" text-anchor="end">µm</text>']
    for um in range(0, int(length) + 1, 5):
        parts.append(f'<path d="M{at(um)} {bottom}v4" stroke="{MUTED}"/>')
        texts.append(f'<text x="{at(um)}" y="{bottom + 16}" text-anchor="middle">{um}</text>')
    for value, height in ((0, bottom), (1, top)):
        texts.append(f'<text x="{left - 6}" y="{height + 4}" text-anchor="end">{value}</text>')
    for edge in np.flatnonzero(np.diff(truth.astype(int))) + 0.5:
        parts.append(f'<path d="M{at(edge * step)} {top}V{bottom}" stroke="{MUTED}" stroke-dasharray="3 3"/>')
    keys = (("image", MUTED), ("mask edge", LINES[1]), ("weight", LINES[0]), ("product", INK), ("¦ true border", MUTED))
    for (name, colour), x in zip(keys, (left + 4, 90, 178, 246, 320), strict=True):
        texts.append(f'<text x="{x}" y="14" fill="{colour}" font-weight="600">{name}</text>')
    parts.append(f'<g font-family="sans-serif" font-size="12" fill="{MUTED}">{"".join(texts)}</g>')
    line = _curve(image, MUTED)
    inner = line[line.index("<path") : line.rindex("</svg>")].replace('stroke-width="2"', 'stroke-width="1.2"')
    return _svg("".join(parts) + inner)


def strongest_at(
    image: torch.Tensor, spacing: Spacing, truth: np.ndarray, sigma: float, edge: str, reach: float = 2.5
) -> float:
    """Return at which distance from the border of a cell the edge strength is largest, in µm, below 0 inside.

    The strength is averaged over all voxels at about one distance, in steps of a voxel's width, in the plane through
    the cell's middle and those below and above it. image, truth: (Z, Y, X); reach: µm looked at on either side.
    """
    half, z = spacing[2] / 2, round(ndimage.center_of_mass(truth)[0])
    outside, inside = (ndimage.distance_transform_edt(volume, spacing) for volume in (~truth, truth))
    near = slice(max(z - 1, 0), z + 2)
    distance = np.where(truth, half - inside, outside - half)[near]  # µm, 0 between two voxels
    strength = losses.edge_strength(image, spacing, sigma, edge)[near].numpy()
    rings = {step: abs(distance - step) <= 1.2 * half for step in np.arange(-reach, reach + half, spacing[2])}
    mean = {step: strength[ring].mean() for step, ring in rings.items() if ring.any()}
    return float(max(mean, key=mean.get))


@figures.style()
def profile_figure(
    stacks: Mapping[str, tuple[np.ndarray, Spacing, np.ndarray]], sigma: float, at: Mapping[str, Sequence[int]]
) -> Figure:
    """Draw a plane of each stack, its |∇G(I, σ)| and |ΔG(I, σ)|, and all three along a line: the paper's Fig. 3.

    stacks: by title, image (Z, Y, X), spacing, true mask (Z, Y, X); sigma: µm; at: (plane, row) of the line by title.
    """
    figure = Figure(figsize=(figures.WIDTH, 1.62 * len(stacks) + 0.2), layout="constrained")
    grid = figure.subplots(len(stacks), 4, squeeze=False, gridspec_kw={"width_ratios": [1, 1, 1, 1.9]})
    for row, (title, (image, spacing, truth)) in zip(grid, stacks.items(), strict=True):
        z, y = at[title]
        volume = torch.as_tensor(image, dtype=torch.float64)
        maps = [volume] + [losses.edge_strength(volume, spacing, sigma, edge) for edge in ("gradient", "log")]
        for axes, values, name in zip(row, maps, (title, "|∇G|, per µm", "|ΔG|, per µm²"), strict=False):
            kind = "image" if values is volume else "map"
            figures.draw_plane(axes, values[z].numpy(), spacing[1:], kind=kind)
            axes.axhline(y, color="white", linewidth=0.9, linestyle="--")
            axes.set_title(name)
        figures.draw_outline(row[0], truth[z], figures.INSTANCES[3], width=0.8)
        figures.scale_bar(row[0], spacing[2])
        x = np.arange(volume.shape[2]) * spacing[2]
        for values, colour, name in zip(maps, (MUTED, LINES[1], LINES[0]), ("I", "|∇G|", "|ΔG|"), strict=True):
            row[3].plot(x, _unit_range(values[z, y]), color=colour, label=name, linewidth=1.3)
        for edge in np.flatnonzero(np.diff((truth[z, y] > 0).astype(int))) + 0.5:
            row[3].axvline(edge * spacing[2], color=MUTED, linestyle=":", linewidth=1)
        row[3].set(ylim=(-0.05, 1.08), yticks=[0, 1], xlim=(0, x[-1]))
    grid[0, 3].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, handlelength=1.2)
    grid[-1, 3].set_xlabel("µm along the dashed line")
    return figure


# ---- rays around a click -------------------------------------------------------------------------------------


def outlines(plane: np.ndarray, colour: str = "#fff", width: float = 0.7) -> str:
    """Draw the outline of every instance of a plane (Y, X), 0 = background, as SVG to lay over its picture.

    width: of the line, in voxels.
    """
    labels = np.asarray(plane)
    rings = [
        ring for number in np.unique(labels[labels > 0]) for ring in find_contours(np.pad(labels == number, 1), 0.5)
    ]
    return _over(labels.shape, "".join(_line(ring - 1, colour, width) for ring in rings))


def plane_frame(
    volumes: Mapping[str, np.ndarray], truth: np.ndarray, spacing: Spacing, width: int = 300
) -> Callable[..., Frame]:
    """Return the frame function of the planes of one stack: several volumes side by side, with or without the truth.

    The function takes z, a plane, and shown, whether the true outlines are drawn; it writes the height of the plane.
    volumes: by title, (Z, Y, X), in grey over the range of the whole volume; truth: labels (Z, Y, X), 0 = background.
    Raises InputError when the shapes differ.
    """
    if any(volume.shape != truth.shape for volume in volumes.values()):
        raise InputError(f"volumes {[v.shape for v in volumes.values()]}, truth {truth.shape}: expected equal shapes")
    greys = {name: _shade(volume, 24) for name, volume in volumes.items()}
    bar = _bar(truth.shape[1:], spacing[2])

    def frame(z: int, shown: bool) -> Frame:
        lines = outlines(truth[z] if shown else 0 * truth[z])
        panels = [Panel({"grey": grey[z], "true": lines, "scale": bar}, name, width) for name, grey in greys.items()]
        return Frame(panels, f"z = {z * spacing[0]:g} µm")

    return frame


def contour_frame(
    image: np.ndarray, truth: np.ndarray, drawn: Mapping[float, np.ndarray], plane: int, spacing: Spacing
) -> Callable[..., Frame]:
    """Return the frame function of labels that follow a share: their outlines over those of the truth, in one plane.

    The function takes share, a key of drawn, and writes the volume of these labels over that of the truth.
    image, truth and drawn[share]: (Z, Y, X), the last two labels with 0 = background; plane: the one shown.
    """
    picture, known = figures.overlay(image[plane], 0 * truth[plane]), outlines(truth[plane], "#fff", 0.5)
    bar, volume = _bar(truth.shape[1:], spacing[2]), (truth > 0).sum()

    def frame(share: float) -> Frame:
        found = outlines(drawn[share][plane], MASK, 0.5)
        panel = Panel({"image": picture, "truth": known, "drawn": found, "scale": bar}, "", 360)
        return Frame([panel], f"volume × {(drawn[share] > 0).sum() / volume:.2f} of the white outlines'")

    return frame


def ray_frame(
    images: Mapping[str, tuple[np.ndarray, str]],
    spacing: Spacing,
    click: Sequence[float],
    truth: np.ndarray,
    settings: StarSettings | None = None,
    half: int = 18,
) -> Callable[..., Frame]:
    """Return the frame function of the star-convex search around one click, in the plane of the click alone.

    The function takes image (a key of images), moved (µm that the click lies off along x), passes (of search and
    re-centring) and offset (True: the blur's share is added). It draws the plane with the edge that each ray takes
    and the smooth outline, the edge strength unrolled with a row for each ray, and writes the mean radius.
    images: by name, a volume (Z, Y, X) in which the cell is bright, and its modality; click: (z, y, x) voxels;
    truth: the true mask; half: voxels shown to each side. Raises InputError when the window leaves the volume.
    """
    s, spacing = settings or StarSettings(), tuple(spacing)
    z, y, x = np.rint(click).astype(int)
    if min(y, x) < half or y + half >= truth.shape[1] or x + half >= truth.shape[2] or not 0 <= z < truth.shape[0]:
        raise InputError(f"click {tuple(click)}: expected it {half} voxels or more from the border of {truth.shape}")
    window = np.s_[z, y - half : y + half + 1, x - half : x + half + 1]
    corner = np.array([y - half, x - half])
    true = outlines(truth[window].astype(int), width=0.4)
    radius = np.sqrt(truth[z].sum() * spacing[1] * spacing[2] / np.pi)  # µm, of a disc of the same area
    seen = {name: _shade(volume[window]) for name, (volume, _) in images.items()}
    rays = star_convex.circle_directions(round(0.3 * s.rays))
    search = lru_cache(maxsize=64)(lambda name, *how: _ray_search(*images[name], spacing, click, rays, s, *how))

    def frame(image: str, moved: float, passes: int, offset: bool) -> Frame:
        place, edge, best, surface, added = search(image, moved, passes)
        surface = surface + added * offset  # (D,) µm
        at = lambda r: place[1:] + rays[:, 1:] * r[:, None] / np.array(spacing[1:]) - corner  # noqa: E731
        found = _dots(at(best)) + _line(at(surface)[[*range(len(rays)), 0]], LINES[1], 0.35)
        start = np.array(click)[1:] + [0, moved / spacing[2]] - corner
        cross = _dots(start[None], "#fff", 0.8) + _dots(place[None, 1:] - corner, LINES[1], 0.5)
        rows, columns = np.arange(len(rays)), lambda r: (r - s.smallest) / s.step
        unrolled = _dots(np.stack([rows, columns(best)], 1), LINES[0], 0.5)
        unrolled += _line(np.stack([rows, columns(surface)], 1), LINES[1], 0.5)
        return Frame(
            [
                Panel({"plane": seen[image], "truth": true, "found": _over(seen[image].shape, found + cross)},
                      "the plane of the click", 300),
                Panel({"edges": 255 - _shade(edge), "found": _over(edge.shape, unrolled)},
                      f"a row for each ray, {s.smallest:g} to {s.largest:g} µm", 290),
            ],
            f"mean radius {surface.mean():.1f} µm, in truth {radius:.1f} µm",
        )  # fmt: skip

    return frame


def _ray_search(
    volume: np.ndarray, modality: str, spacing: Spacing, click: Sequence[float], rays: np.ndarray, s: StarSettings,
    moved: float, passes: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:  # fmt: skip
    """Search in one plane; return place (3,), edge strength (D, R), each ray's edge and the outline (D,), offset."""
    places = np.array([click]) + [[0, 0, moved / spacing[2]]]
    basis, free = star_convex.harmonics(rays, "bright-field"), np.full((1, len(rays)), np.inf)
    for remaining in reversed(range(passes)):
        edge = star_convex.edge_strength(star_convex.radial_profiles(volume, places, spacing, rays, s.radii), s.step)
        coefficients = star_convex.fit_radii(edge, s.radii, basis, free, s)
        if remaining:
            places = star_convex.recentre(places, coefficients, spacing, "bright-field")
    surface = coefficients @ basis.T  # (1, D) µm
    score = edge * np.exp(-((s.radii - surface[..., None]) ** 2) / (2 * s.tolerance**2))
    width = star_convex.edge_half_width(volume, places, spacing, rays, surface, s)
    added = star_convex.edge_offset(coefficients[:, 0], width, modality)
    return places[0], edge[0], s.radii[score[0].argmax(axis=-1)], surface[0], float(added[0])


def _shade(values: np.ndarray, shades: int = 32) -> np.ndarray:
    """Almost all values of a picture as uint8 grey in few shades, which store small."""
    low, high = np.percentile(values, (0.5, 99.5))
    levels = np.round(np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (shades - 1))
    return (levels * (255 / (shades - 1))).astype(np.uint8)


def _over(shape: Sequence[int], content: str) -> str:
    """SVG of the size of a picture (rows, columns), whose coordinates are voxel index units."""
    height, width = shape
    box = f'width="{width}" height="{height}" viewBox="-0.5 -0.5 {width} {height}" preserveAspectRatio="none"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{content}</svg>'


def _line(places: np.ndarray, colour: str, width: float) -> str:
    dots = " ".join(f"{column:.1f},{row:.1f}" for row, column in places)
    return f'<polyline points="{dots}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _dots(places: np.ndarray, colour: str = "#ffee77", radius: float = 0.4) -> str:
    marks = "".join(f"M{column:.1f} {row:.1f}h0" for row, column in places)
    return f'<path d="{marks}" stroke="{colour}" stroke-width="{2 * radius:g}" stroke-linecap="round"/>'


# ---- masks: of one response, and of a network that learns ----------------------------------------------------


def response_frame(
    image: np.ndarray,
    spacing: Spacing,
    maps: Mapping[str, np.ndarray],
    peaks: np.ndarray,
    truth: np.ndarray,
    factors: Sequence[float],
    smoothing: float = 3.0,
    half: int = 25,
) -> Callable[..., Frame]:
    """Return the frame function of peak response maps: the map of one cell, its mask, and what the mask is worth.

    The function takes cell (number of a peak, from 0), rule (a key of maps) and factor (of Otsu's threshold). It draws
    the smoothed map and the image in the plane of the peak, with the outlines of the mask and of the true cell, and
    the IoU in three dimensions against the factor, and writes IoU and volume of the mask.
    image: (Z, Y, X); maps: by rule, (N, Z, Y, X); peaks: (N, 3) voxels; truth: labels, i + 1 for peak i; factors: of
    the curves; smoothing: µm; half: voxels shown to each side. Raises InputError when maps and peaks differ in number.
    """
    for rule, responses in maps.items():
        if len(responses) != len(peaks):
            raise InputError(f"{len(responses)} maps of rule {rule!r}, {len(peaks)} peaks: expected a map for each")
    sigma = np.divide(smoothing, spacing)

    @lru_cache(maxsize=64)
    def smoothed(cell: int, rule: str) -> tuple[np.ndarray, float]:
        soft = ndimage.gaussian_filter(maps[rule][cell], sigma, mode="constant")
        return soft, threshold_otsu(soft)

    def score(cell: int, rule: str, factor: float) -> tuple[float, float]:
        soft, cut = smoothed(cell, rule)
        mask, true = soft > factor * cut, truth == cell + 1
        return _iou(mask, true), mask.sum() / max(true.sum(), 1)

    curve = lru_cache(maxsize=64)(lambda cell, rule: [score(cell, rule, f)[0] for f in factors])

    def frame(cell: int, rule: str, factor: float) -> Frame:
        window = _window_around(peaks[cell], half, truth.shape)
        soft, cut = smoothed(cell, rule)
        iou, volume = score(cell, rule, factor)
        true = outlines((truth[window] == cell + 1).astype(int), width=0.5)
        mask = outlines((soft[window] > factor * cut).astype(int), MASK, 0.6)
        bar = figures._svg(400, 400, f"-0.5 -0.5 {2 * half} {2 * half}", "scale bar",
                           figures._svg_scale_bar((2 * half, 2 * half), spacing[2]))  # fmt: skip
        lines = {name: curve(cell, name) for name in maps}
        return Frame(
            [
                Panel({"map": _viridis(soft[window] / soft.max()), "true": true, "bar": bar}, "smoothed map", 190),
                Panel({"image": _shade(image[window]), "mask": mask, "true": true}, "mask", 190),
                Panel({"IoU": _score_curves(factors, lines, rule, factor, iou)}, "IoU by factor", 190),
            ],
            f"IoU {iou:.2f} · volume of the mask: {volume:.2f} times that of the cell",
        )

    return frame


@figures.style()
def _score_curves(
    factors: Sequence[float], lines: Mapping[str, Sequence[float]], rule: str, factor: float, value: float
) -> Figure:
    """Draw the IoU of each rule over the factor, the chosen rule bold, with a dot where we are."""
    figure = Figure(figsize=(1.9, 1.9))
    axes = figure.add_axes((0.19, 0.17, 0.79, 0.79))
    for (name, values), colour in zip(lines.items(), LINES, strict=False):
        axes.plot(factors, values, color=colour, linewidth=2.2 if name == rule else 0.8)
        if name == rule:
            axes.plot(factor, value, "o", color=colour)
    axes.set(ylim=(0, 1), yticks=[0, 0.5, 1])
    axes.grid(axis="y")
    return figure


def mask_frame(
    image: np.ndarray,
    truth: np.ndarray,
    labels: np.ndarray,
    learn: Callable[..., np.ndarray],
    plane: int,
) -> Callable[..., Frame]:
    """Return the frame function of a mask that is learnt from labels, in one plane, beside its probability.

    The function takes form and strength, which it hands to learn, and epoch, an index into what learn returns. It
    draws the outlines of the mask, of the labels and of the truth, and writes IoU and volume of the mask.
    image: (Z, Y, X); truth, labels: bool (Z, Y, X); learn(form, strength) -> probabilities (epochs, Z, Y, X), always
    the same for the same values. Raises InputError when the shapes differ or the plane does not exist.
    """
    if not image.shape == truth.shape == labels.shape or not 0 <= plane < len(image):
        raise InputError(f"image {image.shape}, truth {truth.shape}, labels {labels.shape}, plane {plane}: "
                         "expected one shape (Z, Y, X) and a plane in it")  # fmt: skip
    grey = _shade(image[plane], 12)
    true, taught = outlines(truth[plane].astype(int), width=0.4), outlines(labels[plane].astype(int), LABELS, 0.4)
    history = lru_cache(maxsize=32)(learn)

    def frame(form: str, strength: float, epoch: int) -> Frame:
        mask = history(form, strength)[epoch]
        line = outlines((mask[plane] > 0.5).astype(int), MASK, 0.5)
        shades = (np.round(np.asarray(mask[plane], dtype=float) * 11) * (255 / 11)).astype(np.uint8)
        volume = (mask > 0.5).sum() / max(labels.sum(), 1)
        return Frame(
            [
                Panel({"image": grey, "labels": taught, "true": true, "mask": line}, "outlines", 288),
                Panel({"probability": shades, "true": true}, "probability, 1 = white", 288),
            ],
            f"IoU {_iou(mask > 0.5, truth):.2f} · volume {volume:.2f} times that of the pseudo labels",
        )

    return frame


def _iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / max((mask | truth).sum(), 1))


def _window_around(peak: Sequence[int], half: int, shape: Sequence[int]) -> tuple[int, slice, slice]:
    """The plane of a peak and a square of 2 * half voxels around it, moved inwards at the borders of the stack."""
    z, *place = (int(round(c)) for c in peak)
    starts = [min(max(c - half, 0), max(n - 2 * half, 0)) for c, n in zip(place, shape[1:], strict=True)]
    return z, *(slice(start, start + 2 * half) for start in starts)


def _viridis(values: np.ndarray, shades: int = 32) -> np.ndarray:
    """Values of 0 ... 1 as uint8 (Y, X, 3) in the colours of a map."""
    levels = np.round(np.clip(values, 0, 1) * (shades - 1)) / (shades - 1)
    return (255 * colormaps[figures.COLOUR_MAPS["map"]](levels)[..., :3]).astype(np.uint8)


# ---- a threshold, and what it finds --------------------------------------------------------------------------


def threshold_frame(
    image: np.ndarray,
    signal: np.ndarray,
    truth: np.ndarray,
    segment: Callable[[float], np.ndarray],
    shares: Sequence[float],
    plane: int,
) -> Callable[..., Frame]:
    """Return the frame function of a threshold on a signal: what is found in one plane, and the scores of the stack.

    The function takes share, in percent: the brightest voxels of the signal that are called cell. It draws what is
    found over the image, the true outlines, and IoU, SEG and MUCov against the share, and writes how many are found.
    image, signal: (Z, Y, X); truth: labels (Z, Y, X); segment(threshold) -> labels (Z, Y, X); shares: of the curves.
    Raises InputError when the shapes differ or the plane does not exist.
    """
    if not image.shape == signal.shape == truth.shape or not 0 <= plane < len(image):
        raise InputError(f"image {image.shape}, signal {signal.shape}, truth {truth.shape}, plane {plane}: "
                         "expected one shape (Z, Y, X) and a plane in it")  # fmt: skip

    @lru_cache(maxsize=64)
    def found(share: float) -> tuple[np.ndarray, dict[str, float]]:
        labels = segment(float(np.percentile(signal, 100 - share)))
        return figures.match_colours(labels, truth)[plane], metrics.evaluate(labels, truth)

    curves = lru_cache(maxsize=1)(lambda: {n: [found(s)[1][n] for s in shares] for n in ("IoU", "SEG", "MUCov")})
    true = outlines(truth[plane])

    def frame(share: float) -> Frame:
        labels, scores = found(share)
        picture = figures.overlay(image[plane], labels, fill=0.4, outline=0)
        return Frame(
            [
                Panel({"found": picture, "truth": true}, "found, truth in white", 300),
                Panel({"scores": _share_curves(shares, curves(), share)}, "scores in the whole stack", 320),
            ],
            f"{scores['n_predicted']} found of {scores['n_truth']}, SEG {scores['SEG']:.2f}",
        )

    return frame


@figures.style()
def _share_curves(shares: Sequence[float], lines: Mapping[str, Sequence[float]], share: float) -> Figure:
    """Draw all scores over the share of voxels, on a logarithmic axis, with a line where we are."""
    figure = Figure(figsize=(3.2, 3.0))
    axes = figure.add_axes((0.16, 0.16, 0.8, 0.72))
    for (name, values), colour in zip(lines.items(), LINES, strict=False):
        axes.plot(shares, values, "o-", ms=3, c=colour, label=name)
    axes.axvline(share, color=INK, linestyle="--", linewidth=1)
    axes.set(xscale="log", ylim=(0, 1), xlabel="voxels called cell, %")
    axes.set_xticks(shares, [f"{s:g}" for s in shares])
    axes.set_xticks([], minor=True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, handlelength=1)
    axes.grid(axis="y")
    return figure


# ---- centre maps, how S1 learns them, and the peaks of what it learnt ----------------------------------------


def centre_map_frame(stack: ZStack, pair: tuple[int, int], half: int = 18) -> Callable[..., Frame]:
    """Return the frame function of Eq. (1) for two neighbouring clicks: their map, and its values on a line.

    The function takes k, d_m in µm, and border, "on" or "off". It draws the map in the plane of the first click with
    the outlines of the true cells, and the values of the voxels that a line through both clicks passes.
    stack: with centres and labels; pair: rows of its centres; half: voxels shown to each side of their middle.
    Raises InputError when there are no labels to outline.
    """
    if stack.labels is None:
        raise InputError("the stack has no labels: expected true cells to outline")
    first, second = (stack.centres[row] for row in pair)
    window = _window_around((first[0], *(first + second)[1:] / 2), half, stack.image.shape)
    corner = np.array([part.start for part in window[1:]])
    path = first + np.linspace(-0.5, 1.5, 241)[:, None] * (second - first)  # (P, 3) voxels
    length = np.linalg.norm((second - first) * stack.spacing)  # µm
    shape = stack.labels[window].shape
    cells = outlines(stack.labels[window], figures.INSTANCES[1], 0.25)
    clicks = np.array([first[1:], second[1:]]) - corner
    marks = _over(shape, _line(path[[0, -1], 1:] - corner, "#fff", 0.15) + _dots(clicks, "#fff", 0.5))
    bar = _bar(shape, stack.spacing[2])

    def frame(k: float, d_m: float, border: str) -> Frame:
        p = centre_map(stack.image.shape, stack.centres, stack.spacing, d_m=d_m, k=k, border=border == "on")
        on_line = ndimage.map_coordinates(p, path.T, order=0, mode="nearest")
        middle = p[tuple(np.rint((first + second) / 2).astype(int))]
        return Frame(
            [
                Panel({"map": _viridis(p[window]), "cells": cells, "clicks": marks, "bar": bar}, "centre map", 290),
                Panel({"profile": _line_profile(np.linspace(-0.5, 1.5, 241) * length, on_line)}, "on the line", 340),
            ],
            f"half way between the clicks: {middle:.2f}",
        )

    return frame


def _bar(shape: Sequence[int], spacing: float) -> str:
    """Return a scale bar as a layer over a picture (rows, columns); spacing: µm a column."""
    content = figures._svg_scale_bar(shape, spacing)
    return figures._svg(10 * shape[1], 10 * shape[0], f"-0.5 -0.5 {shape[1]} {shape[0]}", "scale bar", content)


@figures.style()
def _line_profile(along: np.ndarray, values: np.ndarray) -> Figure:
    """Draw likelihoods over the distance in µm from the first click."""
    figure = Figure(figsize=(3.4, 2.9))
    axes = figure.add_axes((0.14, 0.17, 0.84, 0.78))
    axes.plot(along, values)
    axes.set(xlabel="µm from the first click, along the line", ylabel="p(x)", ylim=(0, 1.03))
    axes.grid(axis="y")
    return figure


def training_frame(
    films: Mapping[str, Mapping[int, np.ndarray]],
    excess: Mapping[str, Sequence[float]],
    truth: np.ndarray,
    spacing: Spacing,
) -> Callable[..., Frame]:
    """Return the frame function of networks that learn a centre map: the map at a step, and the loss until then.

    The function takes step and run, a key of films and excess. It draws the brightest voxel along each line of sight
    from above and, below that, from the side, rings on the true centres, and marks the step on the curves.
    films: by run, then by step, maps (Z, Y, X) in [0, 1]; a step that is not there shows the nearest one;
    excess: by run, the loss above its floor, one value a step; truth: (N, 3) voxels.
    Raises InputError when the runs differ.
    """
    if set(films) != set(excess):
        raise InputError(f"films of {', '.join(films)}, losses of {', '.join(excess)}: expected the same runs")
    sides = {name: {step: _two_sides(p, spacing) for step, p in film.items()} for name, film in films.items()}
    size = next(iter(next(iter(sides.values())).values())).shape[:2]
    height = next(iter(next(iter(films.values())).values())).shape[1]
    down = height + GAP + (truth[:, 0] + 0.5) * round(spacing[0] / spacing[2]) - 0.5  # rows of the view from the side
    places = np.vstack([truth[:, 1:], np.column_stack([down, truth[:, 2]])])
    rings = figures.detection_marks(size, [], places, [], spacing[2])
    curves = _small_curves(excess, smooth=15, y_label="")

    def frame(step: int, run: str) -> Frame:
        nearest = min(sides[run], key=lambda known: abs(known - step))
        line = figures.cursor(curves.axes[0], nearest, f"step {nearest}")
        return Frame(
            [
                Panel({"map": sides[run][nearest], "true centres": rings}, "from above; below: from the side", 300),
                Panel({"losses": curves, "step": line}, "loss above the floor", 330),
            ],
            "rings: the true centres",
        )

    return frame


GAP = 4  # rows of white between the views from above and from the side


def _two_sides(p: np.ndarray, spacing: Spacing) -> np.ndarray:
    """A map (Z, Y, X) seen from above and, below that, from the side, as uint8 (rows, X, 3) in the colours of a map."""
    side = p.max(axis=1).repeat(round(spacing[0] / spacing[2]), axis=0)
    white = np.full((GAP, p.shape[2], 3), 255, dtype=np.uint8)
    return np.vstack([_viridis(p.max(axis=0)), white, _viridis(side)])


def _small_curves(series: Mapping[str, Any], **words: Any) -> Figure:
    """Draw `figures.curves` small enough for a panel, with room above for the text of a cursor."""
    figure = figures.curves(series, **words)
    figure.set_size_inches(3.3, 3.0)
    figure.axes[0].set_position((0.13, 0.16, 0.56, 0.72))
    return figure


def peak_frame(
    maps: Mapping[str, np.ndarray],
    truth: np.ndarray,
    spacing: Spacing,
    find: Callable[[np.ndarray, float], np.ndarray],
    thresholds: Sequence[float],
    tolerance: float = 5.0,
) -> Callable[..., Frame]:
    """Return the frame function of a peak threshold: which peaks are hits, and what that is worth.

    The function takes threshold and network, a key of maps. It draws the map from above with a dot for each hit, a
    cross for each false peak and a ring for each missed cell, and precision and recall over the threshold.
    maps: by network, (Z, Y, X) in [0, 1]; truth: (N, 3) voxels; find(map, threshold) -> peaks (M, 3) voxels;
    thresholds: of the curves; tolerance: µm, of `metrics.detection`.
    """

    def score(network: str, threshold: float) -> dict[str, float]:
        return metrics.detection(find(maps[network], threshold), truth, spacing, tolerance)

    @lru_cache(maxsize=16)
    def curves(network: str) -> Figure:
        rows = [score(network, threshold) for threshold in thresholds]
        lines = {name: (thresholds, [row[name] for row in rows]) for name in ("precision", "recall")}
        return _small_curves(lines, x_label="peak threshold", y_label="")

    def frame(threshold: float, network: str) -> Frame:
        p, points, scores = maps[network], find(maps[network], threshold), score(network, threshold)
        pairs = metrics.match_points(points, truth, spacing, tolerance)
        marks = figures.detection_marks(
            p.shape[1:], points[:, 1:], truth[:, 1:], pairs, spacing[2], title=f"{threshold:g}"
        )
        text = f"precision {scores['precision']:.2f} · recall {scores['recall']:.2f}"
        drawn = curves(network)
        return Frame(
            [
                Panel({"map": _viridis(p.max(axis=0)), "peaks": marks}, "from above", 300),
                Panel({"scores": drawn, "threshold": figures.cursor(drawn.axes[0], threshold, text)}, "", 330),
            ],
            "dot: a hit · cross: a false peak · ring: a missed cell",
        )

    return frame


# ---- from peaks and a mask to instances ----------------------------------------------------------------------


def merge_frame(
    image: np.ndarray,
    peaks: np.ndarray,
    heights: np.ndarray,
    truth: np.ndarray,
    spacing: Spacing,
    radii: Sequence[float],
    tolerance: float = 5.0,
) -> Callable[..., Frame]:
    """Return the frame function of the merge radius: which merged peaks are hits, and what that is worth.

    The function takes radius, in µm. It draws the brightest voxel of the image along z with a dot for each hit, a cross
    for each false peak and a ring for each missed cell, and precision and recall over the radius.
    image: (Z, Y, X); peaks (N, 3) and heights (N,), see `peaks.merge_peaks`; truth: (M, 3) voxels; radii: of the
    curves; tolerance: µm, of `metrics.detection`.
    """
    merge = lru_cache(maxsize=64)(lambda radius: merge_peaks(peaks, heights, spacing, radius)[0])
    score = lambda radius: metrics.detection(merge(radius), truth, spacing, tolerance)  # noqa: E731
    rows = [score(radius) for radius in radii]
    lines = {name: (radii, [row[name] for row in rows]) for name in ("precision", "recall")}
    curves, seen = _small_curves(lines, x_label="merge radius, µm", y_label=""), _shade(image.max(axis=0))

    def frame(radius: float) -> Frame:
        points = merge(radius)
        pairs = metrics.match_points(points, truth, spacing, tolerance)
        marks = figures.detection_marks(
            seen.shape, points[:, 1:], truth[:, 1:], pairs, spacing[2], title=f"{len(points)} peaks"
        )
        text = "precision {precision:.2f} · recall {recall:.2f}".format(**score(radius))
        return Frame(
            [
                Panel({"image": seen, "peaks": marks}, "from above", 300),
                Panel({"scores": curves, "radius": figures.cursor(curves.axes[0], radius, text)}, "", 330),
            ],
            "dot: a hit · cross: a false peak · ring: a missed cell",
        )

    return frame


def flood_frame(labels: np.ndarray, points: np.ndarray, spacing: Spacing) -> Callable[..., Frame]:
    """Return the frame function of a watershed: the water that rises from the points, from above and in profile.

    The function takes level, the share of the way from the lowest to the highest point of the mask, and kind, a
    landscape of `instances.ELEVATIONS`. labels: (Z, Y, X), the true cells, whose union is flooded; points: (N, 3)
    voxels, row i in label i + 1; plane and row drawn are those of the first point. Raises InputError.
    """
    mask, (plane, row) = labels > 0, np.rint(points[0][:2]).astype(int)
    markers = place_markers(mask, points, spacing)
    lands = {kind: landscape(mask, markers, spacing, kind) for kind in ELEVATIONS}
    ground, border = 0.35 * mask[plane], outlines(labels[plane])
    style = {"fill": 0.75, "outline": 0, "zoom": 5, "limits": (0, 1), "colours": dict(enumerate(figures.INSTANCES, 1))}

    def frame(level: float, kind: str) -> Frame:
        heights = lands[kind]
        low, high = heights[mask].min(), heights[mask].max()
        surface = low + level * (high - low)
        water = watershed(heights, markers, mask=mask & (heights <= surface))
        line = np.where(mask[plane, row], heights[plane, row], np.nan)
        profile = _flood_profile(line, surface, water[plane, row], labels[plane, row], spacing[2])
        above = figures.overlay(ground, water[plane], **style)
        return Frame(
            [
                Panel({"water": above, "true border": border}, "from above", 310),
                Panel({"profile": profile}, "profile", 320),
            ],
            "white and dotted: the true border",
        )

    return frame


@figures.style()
def _flood_profile(
    heights: np.ndarray, surface: float, water: np.ndarray, truth: np.ndarray, step: float
) -> Figure:
    """Draw a landscape along a line (X,) with the water in it, and a dotted line between true cells that touch."""
    figure = Figure(figsize=(3.2, 2.3), layout="constrained")
    axes, x = figure.subplots(), np.arange(len(heights)) * step
    for number, colour in enumerate(figures.INSTANCES, 1):
        if (water == number).any():
            axes.fill_between(x, heights, surface, where=water == number, step="mid", color=colour, alpha=0.75)
    axes.plot(x, heights, color=INK, drawstyle="steps-mid")
    for edge in np.flatnonzero((truth[1:] != truth[:-1]) & (truth[1:] > 0) & (truth[:-1] > 0)) + 0.5:
        axes.axvline(edge * step, color=MUTED, linestyle=":", linewidth=1)
    wet = np.flatnonzero(~np.isnan(heights)) * step
    axes.set(xlabel="µm along the line through the points", ylabel="height, µm", xlim=(wet[0] - 3, wet[-1] + 3))
    return figure


def cut_frame(
    image: np.ndarray,
    segment: Callable[[float], np.ndarray],
    truth: np.ndarray,
    spacing: Spacing,
    plane: int,
    cuts: Sequence[float],
) -> Callable[..., Frame]:
    """Return the frame function of the threshold of a mask: the instances in one plane, and the scores of the stack.

    The function takes cut. It draws the instances over the image, each in the colour of the true cell that it matches,
    and IoU, SEG and MUCov over the cut, and writes the volume of all instances over that of all true cells.
    image, truth: (Z, Y, X); segment(cut) -> labels (Z, Y, X); plane: the one drawn; cuts: of the curves.
    Raises InputError when the shapes differ.
    """
    made = lru_cache(maxsize=64)(lambda cut: figures.match_colours(segment(cut), truth))
    rows = [metrics.evaluate(made(cut), truth) for cut in cuts]
    lines = {name: (cuts, [row[name] for row in rows]) for name in ("IoU", "SEG", "MUCov")}
    curves, known = _small_curves(lines, x_label="mask threshold", y_label=""), figures.label_colours(truth)
    bar, limits = _bar(truth.shape[1:], spacing[2]), tuple(np.percentile(image, (0.5, 99.8)))

    def frame(cut: float) -> Frame:
        labels = made(cut)
        colours = known | {int(n): "#ffffff" for n in np.unique(labels) if n and n not in known}
        picture = figures.overlay(image[plane], labels[plane], fill=0.35, zoom=2, limits=limits, colours=colours)
        text = f"volume × {(labels > 0).sum() / (truth > 0).sum():.2f}"
        return Frame(
            [
                Panel({"instances": picture, "scale": bar}, "one plane", 300),
                Panel({"scores": curves, "cut": figures.cursor(curves.axes[0], cut, text)}, "", 330),
            ],
            "volume: of all instances, over that of the true cells",
        )

    return frame
