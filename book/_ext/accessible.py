"""Make the theme's pages easier to use with a keyboard, a screen reader, and on paper: book/_assets/page.js.

Also names the entries of the bibliography by a role that is still in use: docutils writes doc-biblioentry, which
DPUB-ARIA 1.1 has deprecated, and a list whose children have no role that it may hold is read wrongly.
"""

from __future__ import annotations

from sphinx.application import Sphinx

SCRIPT = "page.js"


def name_entries(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Give each entry of a bibliography the role listitem; docutils has put them into an element of role list."""
    if "body" in context:
        context["body"] = context["body"].replace(' role="doc-biblioentry"', ' role="listitem"')


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_js_file(SCRIPT, loading_method="defer")
    app.connect("html-page-context", name_entries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
