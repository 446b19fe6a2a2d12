"""The ledger: a verdict for every number of the paper, no stale file, verdicts by hand."""

from __future__ import annotations

import json

import pytest

from bfs_tutorial import ledger, paper, records


@pytest.fixture(scope="module")
def built():
    return ledger.build()


def test_every_number_has_a_verdict_and_a_reason(built):
    assert set(built["numbers"]) == set(paper.record()["values"])
    for key, line in built["numbers"].items():
        assert line["verdict"] in ledger.VERDICTS, key
        assert line["why"] and line["printed"], key


def test_the_stored_ledger_is_what_the_records_give(built):
    assert json.loads(ledger.PATH.read_text(encoding="utf-8")) == json.loads(json.dumps(built))


def test_settings_are_compared_with_the_papers(built):
    numbers = built["numbers"]
    assert numbers["training.weight_decay"]["verdict"] == "as stated"
    assert numbers["training.learning_rate"]["verdict"] == "changed"
    assert numbers["claim.share_of_qcanet"]["ours"]["of the paper's own rows, %"] == 86.2


def test_scores_on_bbbc050_itself_are_judged_once_there_are_records(tmp_path):
    for name, value in {"full": 0.66, "qcanet": 0.9}.items():
        path = records.record_path("bbbc050", name, 0, tmp_path)
        path.parent.mkdir(exist_ok=True)
        scores = {"a": dict.fromkeys(records.METRICS, value)}
        path.write_text(json.dumps({"row": name, "title": name, "seed": 0, "stacks": scores}))
    assert ledger.entry("table_1.full.IoU", 0.643, tmp_path)["verdict"] == "reproduced"
    assert ledger.entry("table_1.qcanet.IoU", 0.746, tmp_path)["verdict"] == "not reproduced"
    assert ledger.entry("fluorescence.data", "BBBC050", tmp_path)["verdict"] == "as stated"


@pytest.mark.parametrize("key", ["fluorescence.data", "fluorescence.weak_labels"])
def test_a_data_set_that_was_not_run_is_not_called_as_stated(built, key):
    line = built["numbers"][key]
    assert line["verdict"] == "changed" and line["ours"] != line["value"]
    assert "could not be downloaded" in line["why"]


@pytest.mark.parametrize(
    ("modality", "place"),
    [("bright_field", "on simulated cells"), ("fluorescence", "in a ratio, on simulated nuclei")],
)
def test_lambda_is_larger_than_the_ablation_would_choose(built, modality, place):
    line = built["numbers"][f"boundary.{modality}.weight"]
    runs = records.load_ablation("lambda", f"simulated-{modality.replace('_', '-')}")
    values, scores = records.curve(runs, "SEG")
    assert line["verdict"] == "changed" and "finds a smaller one better" in line["why"]
    assert values[scores.mean(axis=0).argmax()] < line["ours"][place]


def test_orders_name_each_neighbouring_pair_once_a_metric(built):
    lines = [line for line in built["orders"] if line["data"] == "simulated-fluorescence"]
    assert len(lines) == 3 * len(records.order_of("simulated-fluorescence"))
    assert all(line["low"] <= line["mean"] <= line["high"] for line in lines)


def test_a_table_puts_the_numbers_of_a_topic_beside_ours(built):
    table = ledger.beside(("table_1", "claim"))
    assert list(table) == [key for key in paper.record()["values"] if key.startswith(("table_1", "claim"))]
    assert table["table_1.full.IoU"]["paper"] == "0.643"
    assert table["table_1.full.IoU"]["ours"].endswith("embryos, 3 seeds × 2 stacks")
    assert table["claim.share_of_qcanet"]["ours"].startswith("86.2 of the paper's own rows")
    assert all(row["verdict"] == built["numbers"][key]["verdict"] for key, row in table.items())
