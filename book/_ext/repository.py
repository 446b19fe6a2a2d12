"""Show repository, issue and Colab buttons for the one address in pyproject.toml: [project.urls] Repository."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config


def repository_address(pyproject: Path) -> str | None:
    """Return the address of the public repository, or None while the project has none."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


def button_options(address: str | None) -> dict:
    """Return the theme's options for its buttons: none without an address, Colab only for a GitHub repository."""
    if address is None:
        return {}
    colab = "https://colab.research.google.com" if address.startswith("https://github.com/") else ""
    return {
        "repository_url": address.rstrip("/"),
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {"notebook_interface": "jupyterlab", "colab_url": colab},
    }


def add_buttons(app: Sphinx, config: Config) -> None:
    """Set the theme's options before it reads them."""
    config.html_theme_options.update(button_options(repository_address(Path(app.srcdir) / "pyproject.toml")))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", add_buttons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
