"""What the repository says about itself: environment.yml, pyproject.toml, Makefile, CI, the citation, the package."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import bfs_tutorial
from tools import environment

ALSO_IN_CONDA = {"python", "pip"}
OWNERS_LIST = "jupyter-book jupyterlab torch numpy scipy scikit-image matplotlib ipywidgets nbval".split()


@pytest.fixture(scope="module")
def project() -> dict:
    return environment.read_project()


@pytest.fixture(scope="module")
def conda(root: Path) -> dict:
    return yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))


def conda_packages(conda: dict) -> dict[str, str]:
    """Return {pip name: range} of everything that environment.yml names."""
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    specs = [entry for entry in conda["dependencies"] if isinstance(entry, str)] + [e for e in pip if e != "-e ."]
    pairs = [re.fullmatch(r"([\w.-]+)(.*)", spec).groups() for spec in specs]
    pip_names = {other: name for name, other in environment.CONDA_NAMES.items()}
    return {pip_names.get(name, name): spec for name, spec in pairs}


def test_environment_yml_is_the_generated_one(root: Path, project: dict) -> None:
    written = (root / "environment.yml").read_text(encoding="utf-8")
    assert written == environment.environment_yml(project), "run: python tools/environment.py write"


def test_environment_yml_has_the_packages_and_ranges_of_pyproject(conda: dict, project: dict) -> None:
    wanted = [*project["dependencies"], *sum((project["optional-dependencies"][e] for e in environment.EXTRAS), [])]
    ranges = {r.name: str(r.specifier) for r in map(Requirement, wanted)}
    found = {name: spec for name, spec in conda_packages(conda).items() if name not in ALSO_IN_CONDA}
    assert {name: set(filter(None, spec.split(","))) for name, spec in found.items()} == {
        name: set(filter(None, spec.split(","))) for name, spec in ranges.items()
    }


def test_environment_yml_makes_the_named_environment(conda: dict) -> None:
    assert conda["name"] == "bfs-tutorial" and conda["channels"] == ["conda-forge"]
    assert "python=3.11" in conda["dependencies"]
    assert "-e ." in conda["dependencies"][-1]["pip"]
    assert set(OWNERS_LIST) <= set(conda_packages(conda))


def test_jupyter_book_stays_below_version_2(project: dict) -> None:
    book = {r.name: r.specifier for r in map(Requirement, project["optional-dependencies"]["book"])}
    assert "1.0.4" in book["jupyter-book"] and "2.0.0" not in book["jupyter-book"]


def closure(names: list[str]) -> set[str]:
    """Return the names of the installed packages that the named ones require, directly or not."""
    reached: set[str] = set()
    while names:
        name = names.pop().lower().replace("_", "-")
        if name not in reached:
            reached.add(name)
            wanted = map(Requirement, metadata.requires(name) or [])
            names += [r.name for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    return reached


def test_reading_the_book_needs_no_torch(project: dict) -> None:
    book = [Requirement(r).name for r in project["optional-dependencies"]["book"]]
    reached = closure(book)
    assert {"sphinx", "myst-nb"} <= reached
    assert reached.isdisjoint({"torch", "numpy", "scipy", "bfs-tutorial"})


def test_importing_the_package_is_light() -> None:
    code = "import bfs_tutorial, sys; print(sorted({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_is_the_same_everywhere(root: Path, project: dict) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert bfs_tutorial.__version__ == project["version"] == citation["version"]


@pytest.mark.parametrize(
    ("schema", "path"),
    [("vendor.github-workflows", ".github/workflows/ci.yml"), ("vendor.citation-file-format", "CITATION.cff")],
)
def test_file_follows_its_schema(root: Path, schema: str, path: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(root / path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflow_runs_the_commands_of_the_readme(root: Path) -> None:
    workflow = (root / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert "run: make book" in workflow and "run: make test" in workflow


def test_ci_script_is_executable_and_calls_make_test(root: Path) -> None:
    script = root / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_make_help_lists_every_target(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    done = subprocess.run(["make", "--no-print-directory"], cwd=root, capture_output=True, text=True, check=True)
    assert re.findall(r"^make ([\w-]+) +\w", done.stdout, re.MULTILINE) == targets


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux does the plain wheel bring CUDA")
@pytest.mark.parametrize(
    ("exit_code", "expected"), [(0, "torch"), (9, "torch==2.13.0 --extra-index-url https://download.pytorch.org/whl/cpu")]
)
def test_make_takes_the_cpu_build_where_no_gpu_answers(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exit_code: int, expected: str
) -> None:
    driver = tmp_path / "nvidia-smi"  # stands in for a machine with a GPU, and for one whose driver finds none
    driver.write_text(f"#!/bin/sh\nexit {exit_code}\n", encoding="utf-8")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("TORCH", raising=False)
    command = ["make", "--no-print-directory", "--eval=shown:; @echo $(TORCH)", "shown"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
