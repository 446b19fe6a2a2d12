"""The one address of the project, [project.urls] Repository in pyproject.toml, and what the page makes of it.

With an address the theme shows its repository and issue buttons, and chapter_header.py links to Colab if it is on GitHub.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:  # so that tools/learner.py can ask for the address where Sphinx is not installed
    from sphinx.application import Sphinx
    from sphinx.config import Config


def read_project(pyproject: Path) -> dict:
    """Return the [project] table of pyproject.toml."""
    return tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]


def repository_address(pyproject: Path) -> str | None:
    """Return the address of the public repository, or None while the project has none."""
    address = read_project(pyproject).get("urls", {}).get("Repository")
    return address and address.rstrip("/")


def published_ref(version: str) -> str:
    """Return what a learner's notebook is opened and installed from: the tag of a release, or the branch main.

    A release such as 1.2 has the tag v1.2. Versions 0.x, which promise nothing yet, and development versions such as
    1.3.dev0 have none: there the notebook and the package are both main's, so the two fit each other.
    """
    parsed = Version(version)
    return "main" if parsed.major == 0 or parsed.is_prerelease else f"v{version}"


def colab_folder(address: str | None, version: str) -> str | None:
    """Return where Colab opens the learner's notebooks; it can do so from GitHub only."""
    github = "https://github.com/"
    if address is None or not address.startswith(github):
        return None
    name = address.removeprefix(github).removesuffix(".git")
    return f"https://colab.research.google.com/github/{name}/blob/{published_ref(version)}/book/learner"


def button_options(address: str | None) -> dict:
    """Return the theme's options for its buttons. None is a launch button: it would open the executed notebook."""
    if address is None:
        return {}
    return {"repository_url": address, "use_repository_button": True, "use_issues_button": True}


def use_address(app: Sphinx, config: Config) -> None:
    """Set the theme's options before it reads them, and tell chapter_header.py where Colab finds the notebooks."""
    pyproject = Path(app.srcdir) / "pyproject.toml"
    address = repository_address(pyproject)
    config.html_theme_options.update(button_options(address))
    config.html_context["colab_folder"] = colab_folder(address, read_project(pyproject)["version"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", use_address)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
