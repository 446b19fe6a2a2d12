"""Fill book/api.md when the book is built: every public function of the packages, read from their source as text.

So the page is never out of date, and neither PyTorch nor the packages have to be installed.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from sphinx.application import Sphinx

PAGE = "book/api"
WATCHED = ("bfs_tutorial/**/*.py", "data_download/*.py", "tools/source_code.py")
MARK = "<!-- The entries are made from the source when the book is built: book/_ext/api_page.py. -->"


def entries(root: Path) -> str:
    """Return the page's sections, made by tools/source_code.py of the repository."""
    sys.path.insert(0, str(root))
    try:
        return importlib.import_module("tools.source_code").api()
    finally:
        sys.path.remove(str(root))


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the entries where the page has its mark; a change of any module makes the page new."""
    root = Path(app.srcdir)
    if page == PAGE:
        source[0] = source[0].replace(MARK, entries(root))
        for file in (path for pattern in WATCHED for path in root.glob(pattern)):
            app.env.note_dependency(str(file))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
