"""Take sphinx-thebe out of the build: it would have readers' browsers fetch scripts from another host.

Jupyter Book loads that extension whether or not its button is shown.
"""

from __future__ import annotations

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Drop the event listeners and the style sheet that sphinx-thebe has registered."""
    for event, listeners in app.events.listeners.items():
        kept = [listener for listener in listeners if not listener.handler.__module__.startswith("sphinx_thebe")]
        app.events.listeners[event] = kept
    app.registry.css_files = [entry for entry in app.registry.css_files if entry[0] != "sphinx-thebe.css"]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
