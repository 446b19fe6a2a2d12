"""The doctor: what it reports about packages that are there, missing or too old."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement

from bfs_tutorial.doctor import PURPOSES, belongs, device, optional, report, state


def test_the_state_of_a_requirement():
    assert state(Requirement("numpy>=1")) == (np.__version__, True)
    assert state(Requirement("numpy>=999")) == (f"{np.__version__}, expected >=999", False)
    assert state(Requirement("no-such-package-at-all")) == ("missing", False)


@pytest.mark.parametrize(
    ("text", "extra", "expected"),
    [
        ("numpy", "", True),
        ("numpy", "book", False),
        ("sphinx; extra == 'book'", "", False),
        ("sphinx; extra == 'book'", "book", True),
        ("sphinx; extra == 'book'", "test", False),
        ("numpy; python_version < '3'", "", False),
    ],
)
def test_a_requirement_belongs_to_its_extra(text, extra, expected):
    assert belongs(Requirement(text), extra) is expected


def test_what_is_missing_is_named_with_the_command_that_installs_it():
    wanted = [Requirement("no-such-package-at-all; extra == 'book'"), Requirement("numpy>=1; extra == 'book'")]
    assert optional(wanted, "book") == "no-such-package-at-all missing: pip install 'bfs-tutorial[book]'"
    assert optional(wanted, "lab") == "complete"


def test_the_report_names_every_need_and_says_usable():
    text, usable = report()
    assert usable and text.endswith("\nusable")
    assert f"torch          {torch.__version__}" in text
    assert device() in [(line, True) for line in [text.partition("device: ")[2].partition("\n")[0]]]
    assert all(purpose in text for purpose in PURPOSES.values())


def test_without_torch_it_is_not_usable(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)  # makes `import torch` fail
    text, usable = report()
    assert not usable
    assert "device: PyTorch cannot be imported" in text and "not usable yet: pip install" in text
