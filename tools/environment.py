"""What to install, read from pyproject.toml, the one place that names it.

    python tools/environment.py write                 # environment.yml, for conda and mamba
    python tools/environment.py requirements book     # the packages of one extra, one a line, for pip
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("book", "lab", "test")  # what environment.yml holds beside the package's own dependencies
CONDA_NAMES = {"torch": "pytorch"}  # packages whose name on conda-forge is another one
PIP_ONLY = {"axe-playwright-python", "playwright", "py-ctcmetrics"}  # conda-forge may not have them under their name


def read_project(root: Path = ROOT) -> dict:
    """Return the [project] table of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def package_name(requirement: str) -> str:
    """Return the name in a requirement such as "torch>=2.8"."""
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower()


def conda_spec(requirement: str) -> str:
    """Return a pip requirement as conda-forge spells it: "torch>=2.8" is "pytorch>=2.8"."""
    name = package_name(requirement)
    return CONDA_NAMES.get(name, name) + requirement[len(name) :]


def environment_yml(project: dict) -> str:
    """Return the text of environment.yml: the package's dependencies and EXTRAS, sorted, then the package itself."""
    wanted = [*project["dependencies"], *(r for extra in EXTRAS for r in project["optional-dependencies"][extra])]
    conda = sorted(conda_spec(r) for r in wanted if package_name(r) not in PIP_ONLY)
    pip = sorted(r for r in wanted if package_name(r) in PIP_ONLY)
    return "\n".join([
        "# Generated from pyproject.toml by: python tools/environment.py write",
        "# Use it with: conda env create -f environment.yml && conda activate bfs-tutorial",
        f"name: {project['name']}",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
        *(f"  - {spec}" for spec in conda),
        "  - pip:",
        *(f"      - {spec}" for spec in pip),
        "      - -e .",
        "",
    ])


def main(arguments: list[str] | None = None) -> None:
    """Run the command line in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("write", help="write environment.yml")
    verbs.add_parser("requirements", help="print the packages of one extra").add_argument("extra")
    chosen = parser.parse_args(arguments)
    project = read_project()
    if chosen.verb == "write":
        (ROOT / "environment.yml").write_text(environment_yml(project), encoding="utf-8")
    else:
        print("\n".join(project["optional-dependencies"][chosen.extra]))


if __name__ == "__main__":
    main()
