"""What the paper itself prints: every number that the book quotes from it comes from results/paper.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bfs_tutorial.errors import InputError

PATH = Path(__file__).resolve().parent.parent / "results" / "paper.json"
METRICS = ("IoU", "SEG", "MUCov")


@cache
def record(path: Path = PATH) -> dict[str, Any]:
    """Read the whole record, whose first key "about" explains the others. Raises InputError when it is not there."""
    if not path.is_file():
        raise InputError(f"{path} is missing: it is part of the repository, next to the package; clone it whole")
    return json.loads(path.read_text(encoding="utf-8"))


def value(key: str) -> Any:
    """Return one value of the paper, such as value("table_1.full.IoU") or value("training.learning_rate").

    Raises InputError, which lists the keys of the same topic, when there is no such value.
    """
    values = record()["values"]
    if key not in values:
        topic = key.partition(".")[0]
        topics = sorted({name.partition(".")[0] for name in values})
        near = [name for name in values if name.startswith(topic)] or topics
        raise InputError(f"the paper has no value {key!r} here; there are: {', '.join(near)}")
    return values[key]["value"]


def table_1() -> dict[str, dict[str, float]]:
    """Return Table 1 of the paper as {name of the method: {metric: score}}, in its order, ready for `figures.bars`."""
    return {
        row["name"]: {metric: value(f"table_1.{key}.{metric}") for metric in METRICS}
        for key, row in record()["rows"].items()
    }


def facts(topic: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return facts of one topic as {what it is: {"the paper says": value with unit}}, for `figures.score_table`."""
    table = {}
    for name in names:
        said = value(f"{topic}.{name}")
        fact = record()["values"][f"{topic}.{name}"]
        words = " × ".join(map(str, said)) if isinstance(said, list) else said
        table[fact["what"]] = {"the paper says": f"{words} {fact.get('unit', '')}".strip()}
    return table
