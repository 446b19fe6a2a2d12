"""What Google Colab ships, by the stored list: our ranges must admit it, or installing there would replace packages."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tools import colab, environment


@pytest.fixture(scope="module")
def shipped() -> dict[str, str]:
    return colab.versions()


def test_the_list_has_every_package_that_we_depend_on(shipped: dict[str, str]) -> None:
    wanted = {Requirement(text).name for text in environment.read_project()["dependencies"]}
    assert wanted - set(shipped) == set()


def test_dependencies_admit_what_colab_ships(shipped: dict[str, str]) -> None:
    ranges = {r.name: r.specifier for r in map(Requirement, environment.read_project()["dependencies"])}
    assert {name: shipped[name] for name in ranges if shipped[name] not in ranges[name]} == {}


def test_colabs_python_is_admitted() -> None:
    assert colab.COLAB_PYTHON in SpecifierSet(environment.read_project()["requires-python"])


def test_the_list_says_where_it_is_from_and_when() -> None:
    text = colab.VERSIONS.read_text(encoding="utf-8")
    assert "https://github.com/googlecolab/backend-info" in text and "2026" in text
    assert f"Python\n# {colab.COLAB_PYTHON}." in text
