"""Write the results into the README, between two comments, from the records of Table 1.

    python tools/readme_table.py    # rewrite README.md; a test fails when it is out of date
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bfs_tutorial import records  # noqa: E402

README = ROOT / "README.md"
BEGIN, END = "<!-- results: written by tools/readme_table.py -->", "<!-- end of results -->"
SHOWN = ("threshold", "ball", "pseudo", "class", "full", "ours", "star", "sim-outline", "supervised", "qcanet",
         "mask-rcnn", "qcanet-stored")  # fmt: skip
PLACES = {
    "simulated bright field": ("simulated-bright-field", None),
    "simulated fluorescence": ("simulated-fluorescence", None),
    "16-cell embryo": ("embryos", ["16-cell"]),
    "8-cell embryo": ("embryos", ["8-cell"]),
}


def table() -> str:
    """SEG of every shown row at every place as a Markdown table: mean ± standard deviation over seeds."""
    found = {place: (records.load(data), stacks) for place, (data, stacks) in PLACES.items()}
    lines = [f"| SEG | shown in training | {' | '.join(PLACES)} |", "|---|---|" + "---|" * len(PLACES)]
    for row in SHOWN:
        first = next(rows[row][0] for rows, _ in found.values() if row in rows)
        cells = [_cell(rows.get(row), stacks) for rows, stacks in found.values()]
        lines.append(f"| {first['title']} | {first['annotation']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(runs: list[dict] | None, stacks: list[str] | None) -> str:
    if runs is None or (stacks and stacks[0] not in runs[0]["stacks"]):
        return "–"
    return "{:.3f} ± {:.3f}".format(*records.mean_and_spread(runs, "SEG", stacks))


def updated(text: str) -> str:
    """The README with the table as the records give it now."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
