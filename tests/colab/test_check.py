"""The parts of `make colab-check`; the whole of it installs an environment, takes minutes and is run by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import colab, notebooks


def test_versions_are_read_without_remarks(tmp_path: Path) -> None:
    (tmp_path / "versions.txt").write_text("# a==1\n\nnumpy==2.1.3  # since August\npillow==11.3.0\n", encoding="utf-8")
    assert colab.versions(tmp_path / "versions.txt") == {"numpy": "2.1.3", "pillow": "11.3.0"}


def test_the_copy_is_a_repository_that_holds_what_the_package_is_built_from(tmp_path: Path) -> None:
    address = colab.copy_of_the_repository(tmp_path)
    assert address == tmp_path.as_uri()
    command = ["git", "-C", str(tmp_path), "ls-tree", "-r", "--name-only", "main"]
    listed = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    code = {"bfs_tutorial/pipeline.py", "bfs_tutorial/weights/fluorescence.pt", "data_download/registry.py"}
    needed = code | {"pyproject.toml", "results/paper.json"}
    assert needed <= listed
    assert not any(name.startswith(("book/", "tests/")) for name in listed)


def test_a_command_that_fails_is_shown_with_its_last_words() -> None:
    with pytest.raises(colab.CheckError, match=r"(?s)ended with 3.*all is lost"):
        colab.run([sys.executable, "-c", "import sys; print('all is lost'); sys.exit(3)"])


def test_only_the_want_of_pytorch_is_an_excuse(tmp_path: Path) -> None:
    python = Path(sys.executable)
    assert not colab.needs_torch(python, "import json")
    assert colab.needs_torch(python, "raise ModuleNotFoundError(\"No module named 'torch'\")")
    with pytest.raises(colab.CheckError, match="no_such_module"):
        colab.needs_torch(python, "import no_such_module")


@pytest.mark.parametrize("name", ["bright_field", "supervision", "metrics"])
def test_a_chapter_without_networks_needs_no_pytorch(name: str, root: Path) -> None:
    asked = f"{colab.imports(name)}\nimport sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], cwd=root, check=True)


def test_imports_of_a_chapter_are_found_in_all_its_cells() -> None:
    assert "from bfs_tutorial.metrics import evaluate" in colab.imports("metrics").splitlines()


def test_a_python_of_another_version_is_not_taken_for_colabs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, right = "python9.99", tmp_path / ".pyenv/versions/9.99.1/bin/python"
    monkeypatch.setattr(colab, "COLAB_PYTHON", "9.99")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert colab.python_of_colab() is None
    right.parent.mkdir(parents=True)
    for version, found in (("3.11.7", None), ("9.99.1", str(right))):
        right.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
        right.chmod(0o755)
        assert colab.python_of_colab() == found, other


def test_an_environment_is_made_once_for_one_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def pretend(command, **_):
        started.append([str(word) for word in command])
        Path(tmp_path, "env").mkdir(exist_ok=True)
        return ""

    monkeypatch.setattr(colab, "run", pretend)
    for wanted, steps in ((["a==1"], 3), (["a==1"], 3), (["a==2"], 6)):
        python = colab.make_environment(tmp_path / "env", "python3", wanted, ["torch"])
        assert len(started) == steps
    assert started[1][1:] == ["-m", "pip", "install", "--quiet", "torch"] and started[1][0] == str(python)
    kernel = (tmp_path / "env/share/jupyter/kernels/colab/kernel.json").read_text(encoding="utf-8")
    assert str(python) in kernel


def test_a_package_that_pip_would_replace_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(colab, "make_environment", lambda *_: Path(sys.executable))
    monkeypatch.setattr(colab, "copy_of_the_repository", lambda folder: folder.as_uri())
    monkeypatch.setattr(colab, "would_install", lambda *_: {colab.PACKAGE, "numpy"})
    assert colab.main(["metrics"]) == 1
    assert "would also install numpy" in capsys.readouterr().err


def test_the_chapters_it_runs_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(colab.CHAPTERS) <= set(notebooks.chapter_names())
    with pytest.raises(SystemExit):
        colab.main(["no_such_chapter"])
    assert "no chapter 'no_such_chapter'" in capsys.readouterr().err
