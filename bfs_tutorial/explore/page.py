"""The HTML of an explorable: every frame in it, native controls, and a few lines of script that join them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from html import escape
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from bfs_tutorial.errors import InputError
from bfs_tutorial.explore.frame import WIDTH, Frame, Parameter, encode
from bfs_tutorial.figures import INK, LINES, MUTED, RULE

if TYPE_CHECKING:
    from bfs_tutorial.explore.core import Explorable

MAX_BYTES = 700_000  # of stored pictures; a notebook may have 1 MB
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


def panels(frame: Frame, alt: str, layers: Sequence[tuple[str, int]]) -> str:
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


def card(panels: str, controls: str, caption: str, script: str = "") -> str:
    """Return the figure: panels, text, controls, caption, and the script that joins them."""
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    style = STYLE.substitute(card=WIDTH + 26, ink=INK, rule=RULE, muted=MUTED, accent=LINES[0]).replace("\n", "")
    name = ' id="@UID@"' if script else ""
    return (
        f'<figure class="bfs-figure bfs-explorable"{name}><style>{style}</style>'
        f"{panels}{controls}{words}{script}</figure>"
    )


def page(made: Explorable) -> str:
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
            first = panels(frame, alt, layers)
        if (size := sum(map(len, pictures))) > MAX_BYTES:
            raise InputError(
                f"{len(pictures)} pictures of {number + 1} frames take {size / 1e6:.1f} MB, more than "
                f"{MAX_BYTES / 1e6:.1f}: offer fewer values or draw smaller pictures"
            )
    stored = {"PICTURES": list(pictures), "FRAMES": frames, "SHOWN": [p.shown for p in made.parameters]}
    script = re.sub("@([A-Z]{4,})@", lambda found: _json(stored[found[1]]), SCRIPT)  # one pass: texts may hold anything
    controls = f'<div class="bfs-controls">{"".join(map(_control, made.parameters))}</div>'
    page = card(first, f'{controls}<p class="bfs-hint">{HINT}</p>', made.caption, f"<script>{script}</script>")
    return page.replace("@UID@", "bfs-" + hashlib.sha256(page.encode()).hexdigest()[:10])


def _json(value: Any) -> str:
    """Return JSON that cannot end a <script>."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
