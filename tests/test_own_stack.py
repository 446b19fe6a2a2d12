"""The record of two mistakes on real embryos: its tool's clicks and commands, and what the stored record holds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bfs_tutorial import cli, simulate
from tools import own_stack


def test_clicks_tremble_within_the_stack_and_some_are_left_out() -> None:
    stack = simulate.fluorescence(0, (12, 40, 40), number=4, radii=(5.0, 6.0))
    every, fewer = own_stack.clicks(stack), own_stack.clicks(stack, (1, 3))
    np.testing.assert_array_equal(every[[0, 2]], fewer)
    assert np.array_equal(every, np.rint(every)) and (every >= 0).all() and (every < stack.image.shape).all()
    off = (every - stack.centres) * stack.spacing
    assert 0 < np.abs(off).max() < 5 * own_stack.TREMBLE


@pytest.mark.parametrize("command", own_stack.COMMANDS)
def test_the_command_line_knows_every_command(command: str) -> None:
    cli.build_parser().parse_args(command.format(radius=8).split())


def test_the_stored_record_is_that_of_the_tool() -> None:
    record = json.loads(own_stack.RECORD.read_text(encoding="utf-8"))
    assert record["commands"] == [f"python -m bfs_tutorial {command}" for command in own_stack.COMMANDS]
    assert [case["radius"] for case in record["radii"]] == list(own_stack.RADII)
    assert [tuple(case["left_out"]) for case in record["left_out"]] == list(own_stack.LEFT_OUT)
    usual = next(case for case in record["radii"] if case["radius"] == 8)
    assert {key: usual[key] for key in ("SEG", "n_predicted")}.items() <= record["left_out"][0].items()
    assert all(0 <= case["SEG"] <= 1 and case["n_truth"] == 16 for case in record["radii"] + record["left_out"])
