"""Run chapters with the versions that Google Colab ships, in an environment of their own: `make colab-check`.

    python tools/colab.py [--torch REQUIREMENT ...] [NAME ...]

The versions are those of tests/colab/versions.txt. Two jobs, because Colab's Python and its PyTorch cannot be had
together everywhere:

- this Python with the PyTorch of --torch. pip must find that installing the package would install nothing else. Then
  the learner's notebook of each chapter NAME runs from its first cell, which installs the package from a copy of this
  repository; so does the executed notebook, whose stored outputs nbval compares strictly. Last, live widgets.
- Colab's own Python, 3.13, without PyTorch: every module that does not need it, and every chapter whose imports do not.
  Left out, with a word about it, where there is no such Python.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that `python tools/colab.py` finds the other tools

from tools import environment, learner, notebooks  # noqa: E402

VERSIONS = ROOT / "tests" / "colab" / "versions.txt"
HOME = ROOT / ".venv-colab"
PACKAGE = "bfs-tutorial"
CHAPTERS = ("metrics", "boundary_loss", "segmentation")  # light ones: widgets, data if it is there, networks, records
COLAB_PYTHON = "3.13"
KERNEL = "colab"
SHIPPED = ("bfs_tutorial", "data_download", "results", "pyproject.toml", "README.md", "LICENSE")
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # or this old kernel warns of Python's frozen modules
NO_TORCH = "No module named 'torch'"
# Change each control of a live explorable once, in a kernel's own way, and see that the picture follows.
LIVE = """
import ipywidgets, numpy as np
from bfs_tutorial import explore
made = explore.explorable(
    lambda grey, dark: np.full((4, 4), 0 if dark else grey, np.uint8), {"grey": [10, 20], "dark": [False, True]},
    alt=lambda grey, dark: f"A square of one grey, {grey}, or of none at all",
)
slider, button, picture = made.widget().children
seen = [picture.value]
slider.value = 17
seen.append(picture.value)
button.index = 1
seen.append(picture.value)
assert len(set(seen)) == 3, "the picture did not follow its controls"
print("live widgets follow, ipywidgets", ipywidgets.__version__)
"""


class CheckError(Exception):
    """Something that would go wrong on Colab; the message says what."""


def versions(path: Path = VERSIONS) -> dict[str, str]:
    """Return the stored versions by name."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return dict(line.split("==") for line in lines if line)


def run(command: Sequence[str | Path], **options) -> str:
    """Run a command and return what it wrote; raises CheckError with the end of it where it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode:
        shown = " ".join(str(word) for word in command)[:200]
        raise CheckError(f"{shown} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def make_environment(folder: Path, python: str, wanted: Sequence[str], torch: Sequence[str]) -> Path:
    """Return the Python of an environment that holds the wanted packages; one that was made before is used again."""
    record, recipe = folder / "made-of.txt", "\n".join([python, *torch, *wanted])
    executable = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not record.is_file() or record.read_text(encoding="utf-8") != recipe:
        print(f"installing Colab's packages into {folder} (a minute or two) ...", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        run([python, "-m", "venv", folder])
        for requirements in filter(None, (torch, wanted)):
            run([executable, "-m", "pip", "install", "--quiet", *requirements])
        record.write_text(recipe, encoding="utf-8")
    spec = folder / "share" / "jupyter" / "kernels" / KERNEL / "kernel.json"
    spec.parent.mkdir(parents=True, exist_ok=True)
    about = {"argv": [str(executable), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "env": QUIET}
    spec.write_text(json.dumps({**about, "display_name": "Colab", "language": "python"}), encoding="utf-8")
    return executable


def copy_of_the_repository(folder: Path) -> str:
    """Put what the package is built from into a Git repository in `folder`; return an address for pip."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *SHIPPED], cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=check", "-c", "user.email=check@localhost", "-c", "commit.gpgsign=false"]
    for words in (["init", "--quiet", "-b", "main"], ["add", "--all", "--force"], ["commit", "--quiet", "-m", "copy"]):
        run([*git, *words], cwd=folder)
    return folder.as_uri()


def would_install(python: Path, source: Path) -> set[str]:
    """Return the names of what `pip install` of the package would install or replace."""
    report = run([python, "-m", "pip", "install", "--quiet", "--dry-run", "--report", "-", source])
    return {item["metadata"]["name"] for item in json.loads(report[report.index("{") :])["install"]}


def uninstall(python: Path) -> None:
    """Take the package out, so that the next first cell finds none."""
    run([python, "-m", "pip", "uninstall", "--quiet", "--yes", PACKAGE])


def kernels(folder: Path) -> dict[str, str]:
    """Return environment variables with which Jupyter finds the kernel of an environment."""
    return {**os.environ, "JUPYTER_PATH": str(folder / "share" / "jupyter")}


def run_learner(name: str, address: str, folder: Path) -> None:
    """Run a learner's notebook whose first cell installs from `address`, with the kernel of an environment."""
    with tempfile.TemporaryDirectory() as empty:  # not in the repository: it would be imported from there
        pyproject = Path(empty) / "pyproject.toml"
        version = environment.read_project()["version"]
        text = f'[project]\nversion = "{version}"\n[project.urls]\nRepository = "{address}"\n'
        pyproject.write_text(text, encoding="utf-8")
        chapter = notebooks.read_source(notebooks.BOOK / f"{name}.py")
        notebook = learner.edition(chapter, notebooks.chapter_names(), pyproject)
        os.environ["JUPYTER_PATH"] = kernels(folder)["JUPYTER_PATH"]
        options = {"resources": {"metadata": {"path": empty}}, "config": notebooks.QUIET}
        try:
            NotebookClient(notebook, timeout=600, kernel_name=KERNEL, **options).execute()
        except CellExecutionError as error:
            raise CheckError(f"the learner's notebook of {name}: {error}") from error


def compare_outputs(names: Sequence[str], folder: Path) -> None:
    """Run executed notebooks under nbval, strictly, with the kernel of an environment."""
    options = ["-o", "addopts=", "--import-mode=importlib", "-p", "no:cacheprovider", "--quiet", "--nbval"]
    options += ["--nbval-sanitize-with=nbval.cfg", f"--nbval-kernel-name={KERNEL}"]
    paths = [f"book/{name}.ipynb" for name in names]
    run([sys.executable, "-m", "pytest", *options, *paths], cwd=ROOT, env=kernels(folder))


def imports(name: str) -> str:
    """Return the import statements of a chapter."""
    code = "\n".join(cell.source for cell in notebooks.code_cells(notebooks.read_source(notebooks.BOOK / f"{name}.py")))
    found = [node for node in ast.parse(code).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return "\n".join(map(ast.unparse, found))


def needs_torch(python: Path, code: str) -> bool:
    """Run import statements; tell whether they stop for want of PyTorch. Raises CheckError if for anything else."""
    try:
        run([python, "-c", code], cwd=tempfile.gettempdir())
    except CheckError as error:
        if NO_TORCH in str(error):
            return True
        raise
    return False


def python_of_colab() -> str | None:
    """Return a Python of Colab's version, on the path or among pyenv's, or None."""
    candidates = [f"python{COLAB_PYTHON}", *Path.home().glob(f".pyenv/versions/{COLAB_PYTHON}.*/bin/python")]
    for candidate in map(str, candidates):
        try:
            told = run([candidate, "-c", "import sys; print(sys.version)"])
        except (OSError, CheckError):  # pyenv's stand-in for a version that is not switched on
            continue
        if re.match(rf"{COLAB_PYTHON}\.\d", told):
            return candidate
    return None


def check_with_torch(names: Sequence[str], torch: Sequence[str], copy: Path, address: str) -> None:
    """Do the first job of the module's docstring."""
    folder = HOME / "torch"
    wanted = [f"{name}=={version}" for name, version in versions().items() if name != "torch"]
    python = make_environment(folder, sys.executable, wanted, torch)
    ask = "import sys, torch; print(sys.version.split()[0], 'with PyTorch', torch.__version__)"
    print(f"Python {run([python, '-c', ask]).strip()}; Colab has PyTorch {versions()['torch']}", flush=True)
    if others := would_install(python, copy) - {PACKAGE}:
        raise CheckError(f"pip install {PACKAGE} would also install {', '.join(sorted(others))}")
    print("pip would install this package and nothing else", flush=True)
    for name in names:
        uninstall(python)
        run_learner(name, address, folder)
        print(f"{name}: installed by the first cell of the learner's notebook, which then ran to its end", flush=True)
    compare_outputs(names, folder)
    print(f"{', '.join(names)}: the stored outputs are those of Colab's versions", flush=True)
    print(run([python, "-c", LIVE], cwd=tempfile.gettempdir()).strip(), flush=True)


def check_without_torch(copy: Path) -> None:
    """Do the second job of the module's docstring."""
    if (system := python_of_colab()) is None:
        print(f"left out: there is no Python {COLAB_PYTHON} here")
        return
    folder = HOME / f"python{COLAB_PYTHON}"
    wanted = [f"{name}=={version}" for name, version in versions().items() if name != "torch"]
    python = make_environment(folder, system, wanted, ())
    run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", copy])
    modules = [path.relative_to(copy).with_suffix("") for path in sorted((copy / "bfs_tutorial").rglob("*.py"))]
    dotted = [".".join(m.parts).removesuffix(".__init__") for m in modules if m.name != "__main__"]
    without = [name for name in dotted if not needs_torch(python, f"import {name}")]
    print(f"Python {COLAB_PYTHON}: {len(without)} of {len(dotted)} modules need no PyTorch, and import", flush=True)
    run([python, "-W", "error", "-m", "compileall", "-q", "-f", copy / "bfs_tutorial"])
    chapters = [name for name in notebooks.chapter_names() if not needs_torch(python, imports(name))]
    if chapters:
        compare_outputs(chapters, folder)
    print(f"Python {COLAB_PYTHON}: chapters that run without PyTorch: {', '.join(chapters) or 'none'}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line in the module's docstring; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(CHAPTERS), help="chapters; light ones if none")
    parser.add_argument("--torch", default="torch", help="what pip installs as PyTorch, options included")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.names) - set(notebooks.chapter_names())):
        parser.error(f"no chapter {unknown[0]!r}; there are: {', '.join(notebooks.chapter_names())}")
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        address = copy_of_the_repository(copy)
        try:
            check_with_torch(chosen.names, chosen.torch.split(), copy, address)
            check_without_torch(copy)
        except CheckError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
