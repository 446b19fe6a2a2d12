"""Write the results into the README and onto the home page, between two comments, from the records of Table 1.

    python tools/readme_table.py    # rewrite README.md and book/index.md; a test fails when one is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bfs_tutorial import records  # noqa: E402

BEGIN, END = "<!-- results: written by tools/readme_table.py -->", "<!-- end of results -->"
SHOWN = ("threshold", "ball", "pseudo", "class", "full", "ours", "star", "sim-outline", "supervised", "qcanet",
         "mask-rcnn", "qcanet-stored")  # fmt: skip
SHORT = ("threshold", "ball", "full", "star", "sim-outline", "supervised")
NOTE = """\
*At its best*: the boundary loss in the form that the book settled on. For simulated stacks it was chosen on
other stacks of the same simulator, for the embryos with both of them in view. *Star-convex*: rays from each
point end where brightness falls most steeply, and a smooth outline goes through their ends. *Simulation to
real*: S1 learnt on simulated nuclei."""
PLACES = {
    "simulated bright field": ("simulated-bright-field", None),
    "simulated fluorescence": ("simulated-fluorescence", None),
    "16-cell embryo": ("embryos", ["16-cell"]),
    "8-cell embryo": ("embryos", ["8-cell"]),
}


def table() -> str:
    """SEG of every shown row at every place as a Markdown table: mean ± standard deviation over seeds."""
    with_spread = lambda mean, sd: f"{mean:.3f} ± {sd:.3f}" if sd >= 0.0005 else f"{mean:.3f}"  # noqa: E731
    return f"{_table(SHOWN, with_spread)}\n\n{NOTE}"


def short_table() -> str:
    """SEG of the few rows of the home page, two digits each, and the number of runs behind every one."""
    runs = {len(rows[row]) for rows in map(records.load, {data for data, _ in PLACES.values()}) for row in SHORT
            if row in rows}  # fmt: skip
    seeds = f"{min(runs)} to {max(runs)}" if len(runs) > 1 else f"{max(runs)}"
    rule = "the IoU of each true cell with the prediction that covers more than half of it, or 0"
    head = f"SEG: {rule}; mean of {seeds} runs."
    return f"{head}\n\n{_table(SHORT, lambda mean, _: f'{mean:.2f}')}\n\n{NOTE}"


def _table(shown: tuple[str, ...], form: Callable[[float, float], str]) -> str:
    found = {place: (records.load(data), stacks) for place, (data, stacks) in PLACES.items()}
    lines = [f"| SEG | shown in training | {' | '.join(PLACES)} |", "|---|---|" + "---|" * len(PLACES)]
    for row in shown:
        first = next(rows[row][0] for rows, _ in found.values() if row in rows)
        cells = [_cell(rows.get(row), stacks, form) for rows, stacks in found.values()]
        lines.append(f"| {first['title']} | {first['annotation']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(runs: list[dict] | None, stacks: list[str] | None, form: Callable[[float, float], str]) -> str:
    if runs is None or (stacks and stacks[0] not in runs[0]["stacks"]):
        return "–"
    return form(*records.mean_and_spread(runs, "SEG", stacks))


PAGES: dict[str, Callable[[], str]] = {"README.md": table, "book/index.md": short_table}


def updated(text: str, block: str) -> str:
    """A page with its results as the records give them now."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{block}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    for name, block in PAGES.items():
        page = ROOT / name
        page.write_text(updated(page.read_text(encoding="utf-8"), block()), encoding="utf-8")
