"""The benchmark command: it measures, records what with, and says whether a goal was met. No test asserts a time."""

from __future__ import annotations

import json

import pytest

from bfs_tutorial import bench


def test_one_benchmark_end_to_end(tmp_path, monkeypatch, capsys):
    output = tmp_path / "results" / "bench.json"
    monkeypatch.setattr("sys.argv", ["bench", "simulate_fluorescence", "-o", str(output)])
    bench.main()
    record = json.loads(output.read_text())
    row = record["rows"]["simulate_fluorescence"]
    assert row["seconds"] > 0 and row["peak_MB"] > 50 and set(record["rows"]) == {"simulate_fluorescence"}
    assert {"torch", "numpy"} <= set(record["versions"]) and record["cores"] >= 1
    assert "simulate_fluorescence" in capsys.readouterr().out


def test_unknown_benchmark(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "nonsense"])
    with pytest.raises(SystemExit) as stop:
        bench.main()
    assert stop.value.code == 2 and "choose from peak_responses" in capsys.readouterr().err


def test_lines_say_whether_a_goal_is_met():
    row = {"seconds": 0.1, "peak_MB": 100.0, "plain_seconds": 2.0, "ratio": 20.0, "goal": 10}
    assert "20.0x, meets the goal of 10x" in bench.line("a", row)
    assert "20.0x, MISSES the goal of 30x" in bench.line("a", row | {"goal": 30})
    assert "MISSES the goal of 3 s" in bench.line("b", {"seconds": 4.0, "peak_MB": 1.0, "goal_seconds": 3.0})


@pytest.mark.parametrize("name", ["metrics", "centre_maps"])
def test_fast_and_plain_versions_compute_the_same(name, monkeypatch):
    """A ratio is only fair between two ways to one result."""
    results = {}
    monkeypatch.setattr(bench, "versus", lambda fast, plain, goal: results.update(fast=fast(), plain=plain()) or {})
    if name == "metrics":
        small = bench.labelled_volume(4, (24, 32, 32))
        monkeypatch.setattr(bench, "labelled_volume", lambda: small)
        bench.metrics()
        assert results["fast"]["coverage"] == pytest.approx(results["plain"])
    else:
        bench.centre_maps()
        off_border = results["fast"] > 0
        assert results["fast"][off_border] == pytest.approx(results["plain"][off_border], abs=1e-5)
