"""On a page, fold what a check says to the solution: whoever reads an exercise there should not see its answer first.

In a notebook the report stays open; there it is the student's own.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

REPORT = re.compile(r'<div class="bfs-report".*?</ul></div>', re.DOTALL)  # of an answer that passed: it has no picture
FOLDED = r'<details class="bfs-folded"><summary>What the check says to the solution</summary>\g<0></details>'


def fold(body: str) -> str:
    """Return the HTML of a page with each report of a passed check folded away."""
    return REPORT.sub(FOLDED, body)


def fold_page(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Fold the reports of a page before it is written."""
    if "bfs-report" in context.get("body", ""):
        context["body"] = fold(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", fold_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
