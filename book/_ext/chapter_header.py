"""Under the title of each chapter: what it costs to run, and links to its notebook, the edition for learners.

The theme's own menu would hand out the executed notebook, solutions included; only its print button stays.
"""

from __future__ import annotations

import json
import shutil
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LEARNER = Path("book") / "learner"  # in the repository
SITE = "notebooks"  # where the page's download links find them: _build/html/notebooks
COSTS = Path("results") / "chapters.json"
EDITION = "The edition for learners: exercises to solve, outputs for you to make"


def cost(measured: dict | None, status: str | None) -> str:
    """Return the words on time and memory, linked to the page on how they were measured; none if nothing was."""
    if measured is None:
        return ""
    seconds = measured["seconds"]
    time = f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.0f} min"
    words = f"{time} and {measured['peak_MB'] / 1000:.1f} GB of memory"
    return f'Runs in <a href="{escape(status)}">{words}</a>' if status else f"Runs in {words}"


def pill(address: str, icon: str, text: str, attributes: str = "") -> str:
    """Return a link in the form of a small button."""
    symbol = f'<i class="fas {icon}" aria-hidden="true"></i>'
    return f'<a class="bfs-pill" href="{escape(address)}" title="{EDITION}"{attributes}>{symbol}{text}</a>'


def header(measured: dict | None, status: str | None, download: str, colab: str | None) -> str:
    """Return the line under a title as HTML."""
    parts = [f"<span>{words}</span>"] if (words := cost(measured, status)) else []
    parts.append(pill(download, "fa-download", "Download notebook", " download"))
    if colab:
        parts.append(pill(colab, "fa-up-right-from-square", "Open in Colab"))
    return f'<div class="bfs-header">{"".join(parts)}</div>'


def is_chapter(app: Sphinx, page: str) -> bool:
    """Tell whether a page is made from a notebook of the folder book."""
    return page in app.env.found_docs and app.env.doc2path(page).endswith(".ipynb")


def learner_notebook(app: Sphinx, page: str) -> Path:
    """Return the notebook that learners of a chapter open."""
    return Path(app.srcdir) / LEARNER / f"{Path(page).name}.ipynb"


def add_header(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Put the line under the title of a chapter; a chapter without a notebook for learners is a warning."""
    if not is_chapter(app, page):
        return
    if not learner_notebook(app, page).is_file():
        logging.getLogger(__name__).warning(
            "%s has no notebook for learners: run tools/notebooks.py sync", page, location=page
        )
        return
    name, pathto, costs = Path(page).name, context["pathto"], Path(app.srcdir) / COSTS
    measured = json.loads(costs.read_text(encoding="utf-8")).get(name) if costs.is_file() else None
    status = pathto("book/status") if "book/status" in app.env.found_docs else None
    folder = app.config.html_context["colab_folder"]
    line = header(measured, status, pathto(f"{SITE}/{name}.ipynb", 1), folder and f"{folder}/{name}.ipynb")
    context["body"] = context["body"].replace("</h1>", f"</h1>\n{line}", 1)


def keep_print_only(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Leave of the theme's download menu the print button, as a button of its own."""
    kept: list[dict] = []
    for button in context.get("header_buttons", []):
        if button.get("label") == "download-buttons":
            kept += [
                {**entry, "text": "", "icon": "fas fa-print", "tooltip": "Print, or save as PDF"}
                for entry in button["buttons"]
                if entry["label"] == "download-pdf-button"
            ]
        else:
            kept.append(button)
    context["header_buttons"] = kept


def copy_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Copy the learners' notebooks of the chapters in this build to where the links point, and each into a script.

    header.js needs the script on pages that are opened from the disk, where it may not read the notebook.
    """
    if error or app.builder.format != "html":
        return
    target = Path(app.outdir) / SITE
    shutil.rmtree(target, ignore_errors=True)
    for path in (learner_notebook(app, page) for page in sorted(app.env.found_docs) if is_chapter(app, page)):
        if path.is_file():
            target.mkdir(exist_ok=True)
            text = path.read_text(encoding="utf-8")
            (target / path.name).write_text(text, encoding="utf-8")
            (target / f"{path.name}.js").write_text(f"bfsSave({json.dumps(text)});\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_css_file("header.css")
    app.add_js_file("header.js", loading_method="defer")
    app.connect("html-page-context", add_header)
    app.connect("html-page-context", keep_print_only, priority=900)  # after the theme has made its menu
    app.connect("build-finished", copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
