"""The paper's own numbers: complete, explained, and printed in the paper as the record says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bfs_tutorial import paper
from bfs_tutorial.errors import InputError

VALUES = paper.record()["values"]


def plain(text: str) -> str:
    """The text of the paper without the marks of its formulas and the spaces around them."""
    for mark, sign in {"\\times": "×", "\\lambda": "λ", "\\sigma": "σ", "µ": "μ", "\\mu": "μ", "$": ""}.items():
        text = text.replace(mark, sign)
    return re.sub(r"\s+", "", text).replace("{BF}", "BF").replace("{FL}", "FL").replace("{-", "-").replace("}", "")


def test_every_entry_is_explained() -> None:
    for key, entry in VALUES.items():
        assert {"value", "printed", "where", "what"} <= set(entry) <= {"value", "printed", "where", "what", "unit"}, key
        assert entry["where"].startswith(("§", "Table", "Fig.")), key
    assert {"what", "paper", "schema"} <= set(paper.record()["about"])
    assert all(paper.record()["not_stated"].values())


def test_table_1_is_complete_and_in_order() -> None:
    table = paper.table_1()
    assert len(table) == 5 and all(tuple(row) == paper.METRICS for row in table.values())
    assert list(table.values())[1] == {"IoU": 0.746, "SEG": 0.710, "MUCov": 0.721}
    assert list(table.values())[-1] == {"IoU": 0.643, "SEG": 0.530, "MUCov": 0.473}


def test_a_number_is_the_one_that_is_printed() -> None:
    for key, entry in VALUES.items():
        if isinstance(entry["value"], float) and key.startswith("table_1"):
            assert f"{entry['value']:.3f}" == entry["printed"], key


@pytest.mark.parametrize("key", VALUES)
def test_the_paper_prints_it(shared: Path, key: str) -> None:
    text = (shared / "paper" / "bfs-net.txt").read_text(encoding="utf-8")
    assert plain(VALUES[key]["printed"]) in plain(text)


def test_the_share_of_qcanet_is_a_ratio_of_two_entries() -> None:
    ratio = paper.value("table_1.full.IoU") / paper.value("table_1.qcanet.IoU")
    assert round(100 * ratio, 1) == paper.value("claim.share_of_qcanet")


def test_an_unknown_key_names_its_neighbours() -> None:
    with pytest.raises(InputError, match="training.learning_rate"):
        paper.value("training.rate")
    with pytest.raises(InputError, match="table_1"):
        paper.value("tabel.1")


def test_a_missing_record_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="clone it whole"):
        paper.record(tmp_path / "paper.json")


def test_facts_are_words_with_their_unit():
    table = paper.facts("bright_field", ["z_spacing", "shape"])
    assert [row["the paper says"] for row in table.values()] == ["2 µm", "64 × 256 × 256 voxels"]
    with pytest.raises(InputError, match="no value 'bright_field.price'"):
        paper.facts("bright_field", ["price"])
