"""Write the pages at the end of the book whose content is known elsewhere: to records, to the source, to the registry.

    python tools/back_matter.py write    # write book/NAME.md for every template tools/pages/NAME.md
    python tools/back_matter.py check    # say which pages are out of date; exit code 1 if any is

A template is an ordinary page with words in double braces, each a word of WORDS and what it is asked for:

    {{ paper table_1.full.IoU }}              a value of the paper, from results/paper.json
    {{ percent table_1.full.IoU table_1.qcanet.IoU }}    one value of the paper in percent of another
    {{ product bright_field.crop_slices bright_field.z_spacing }}    a product of values of the paper
    {{ setting d_m }}                         a default of the pipeline, for both modalities if they differ
    {{ default losses.focal_term.gamma }}     a default of a function, read from the source
    {{ times training.Schedule.learning_rate training.learning_rate }}    a default over the paper's value
    {{ score embryos full IoU 16-cell }}      mean over the seeds of a row of Table 1, all stacks or one
    {{ seeds embryos full }}                  how many runs that mean has
    {{ pace words }}                          one of PACE
    {{ block equation_map }}                  a table, see BLOCKS
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from importlib import import_module
from math import ceil, prod
from pathlib import Path
from statistics import mean

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that `python tools/back_matter.py` finds the packages and the other tools

from bfs_tutorial import checks, paper  # noqa: E402
from bfs_tutorial.normalise import MODALITIES  # noqa: E402
from bfs_tutorial.pipeline import Settings  # noqa: E402
from data_download import registry  # noqa: E402
from tests.checks.wrong import WRONG  # noqa: E402
from tools import equation_map, notebooks, source_code  # noqa: E402

TEMPLATES, BOOK, RESULTS = ROOT / "tools" / "pages", ROOT / "book", ROOT / "results"
WORD = re.compile(r"\{\{ (\w+)(?: ([^{}]+?))? \}\}")
NOTE = "<!-- Written by `python tools/back_matter.py write` from tools/pages/{}, the file to change. -->\n\n"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PACE = {"words": 150, "cell": 0.5, "exercise": 5}  # of a class: words a minute, minutes a code cell, an exercise


class PageError(Exception):
    """A template that asks for something that does not exist; the message says for what."""


# ---- words of the templates ----------------------------------------------------------------------------------


def paper_value(key: str) -> str:
    """Return a value of the paper; a score of its table with the digits that it prints."""
    value = paper.value(key)
    if key.startswith("table_1"):
        return paper.record()["values"][key]["printed"]
    return " × ".join(map(str, value)) if isinstance(value, list) else number(value)


def number(value: float | str) -> str:
    """Return a number as one writes it, a small one as 5×10⁻⁵."""
    if isinstance(value, float) and 0 < value < 0.001:
        mantissa, _, exponent = f"{value:e}".partition("e")
        return f"{float(mantissa):g}×10{str(int(exponent)).translate(RAISED)}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def percent(part: str, whole: str) -> str:
    """Return one value of the paper in percent of another."""
    return f"{100 * paper.value(part) / paper.value(whole):.1f} %"


def product(*keys: str) -> str:
    """Return the product of values of the paper."""
    return number(prod(paper.value(key) for key in keys))


def setting(name: str) -> str:
    """Return a default of the pipeline: of fluorescence, and of bright field where that is another one."""
    values = [number(getattr(Settings.of(modality), name)) for modality in reversed(MODALITIES)]
    return " / ".join(dict.fromkeys(values))


def default(path: str) -> str:
    """Return a default of a function or a dataclass, a number without idle zeros."""
    value = source_code.default(path)
    return number(float(value)) if re.fullmatch(r"[\d.e-]+", value) else value.strip("'\"")


def times(path: str, key: str) -> str:
    """Return how many times the paper's value our default is."""
    return f"{float(source_code.default(path)) / paper.value(key):.0f}"


def runs(data: str, row: str) -> list[dict]:
    """Return the records of one row of Table 1 on one data set, by seed; none when it has not been run."""
    paths = sorted((RESULTS / "table1" / data).glob(f"{row}-seed*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def score(data: str, row: str, metric: str, stack: str = "") -> str:
    """Return the mean score of a row of Table 1: over the seeds, of each the mean over all test stacks or of one."""
    means = [
        mean(scores[metric] for name, scores in run["stacks"].items() if stack in ("", name)) for run in runs(data, row)
    ]
    return f"{mean(means):.2f}" if means else "(not measured)"


def seeds(data: str, row: str) -> str:
    """Return the number of runs behind a mean score."""
    return str(len(runs(data, row)))


# ---- tables --------------------------------------------------------------------------------------------------


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown; the first column is text, columns whose head ends in a space are numbers."""
    rule = ["---:" if name.endswith(" ") else "---" for name in head]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def data_sets() -> str:
    """Return a section for each data set of the registry: terms, citation, files with their checksums."""
    return "\n\n".join(map(data_set, registry.REGISTRY.values()))


def data_set(entry: registry.DataSet) -> str:
    """Return the section of one data set."""
    about = [
        f"## {entry.title}",
        f"Name: `{entry.name}`",
        f"Licence: {links(entry.licence)}" + (f". {UNLICENSED}" if entry.licence == registry.NO_LICENCE else ""),
        f"Cite: {links(entry.citation)}",
        entry.note,
    ]
    rows = [
        [f"[{f.path}]({f.url})", f"{'' if f.exact else 'about '}{f.bytes:,}", f"`{f.sha256[:32]}`<br>`{f.sha256[32:]}`"]
        for f in entry.files
    ]
    return "\n\n".join([*about, table(["file", "bytes ", "SHA-256"], rows)])


UNLICENSED = (
    "So use them for your own study and do not pass them on. This repository holds none of them: each reader "
    "downloads them from their authors"
)


def links(text: str) -> str:
    """Return the text with its addresses and DOIs as links."""
    text = re.sub(r"(https?://[^\s)]+)", r"<\1>", text)
    return re.sub(r"doi:(10\.\S+?)(?=[.;]?(?:\s|$))", r"[doi:\1](https://doi.org/\1)", text)


def not_stated() -> str:
    """Return a list of what the paper does not say."""
    return "\n".join(f"- {line[0].upper() + line[1:]}." for line in paper.record()["not_stated"].values())


LEDGER_COMMAND = "`python -m bfs_tutorial.ledger` makes it, from the records of Table 1"


def ledger() -> str:
    """Return the reproduction ledger: the paper's numbers beside ours, and whether each row beats the one before."""
    path = RESULTS / "ledger.json"
    if not path.exists():
        return f"The ledger has not been made yet: {LEDGER_COMMAND}."
    kept = json.loads(path.read_text(encoding="utf-8"))
    scores = {key: e for key, e in kept["numbers"].items() if key.startswith("table_1.")}
    others = [
        [f"{e['where']}<br>{e['what']}", f"{paper_value(key)} {e.get('unit', '')}".strip(), in_words(e["ours"]),
         f"**{e['verdict']}**", e["why"]]
        for key, e in kept["numbers"].items() if key not in scores
    ]  # fmt: skip
    orders = [
        [o["data"], o["claim"], o["metric"], f"{o['mean']:+.3f}", f"{o['low']:+.3f} … {o['high']:+.3f}", o["order"]]
        for o in kept["orders"]
    ]
    head = ["where, what", "paper", "ours", "verdict", "why"]
    parts = ["## Table 1", *scores_beside(scores)] if scores else []
    parts += ["## Settings, facts and claims", table(head, [list(map(plain, row)) for row in others])]
    if orders:
        head = ["data", "claim", "metric", "difference ", "interval", "the claim"]
        parts += ["## Does each row beat the one before?", table(head, [list(map(plain, row)) for row in orders])]
    return "\n\n".join(parts)


def scores_beside(scores: Mapping[str, dict]) -> list[str]:
    """Return the paper's Table 1 with ours below each score, and each verdict with its reason and its rows."""
    metrics = list(dict.fromkeys(key.rpartition(".")[2] for key in scores))
    rows, verdicts = defaultdict(list), defaultdict(list)
    for key, e in scores.items():
        row = plain(e["what"].partition(" of ")[2].replace(" on BBBC050", ""))
        rows[row].append(f"{paper_value(key)}<br>*{e['ours']['mean']:.3f} ± {e['ours']['sd']:.3f}*")
        verdicts[e["verdict"], e["why"]].append(row.partition(" (")[0])
    ours = next(iter(scores.values()))["ours"]
    n = f"mean ± spread of {ours['seeds']} seeds, each the mean of {ours['stacks']} stacks of `{ours['data']}`"
    said = [f"- {'; '.join(dict.fromkeys(of))}: **{verdict}**. {plain(why)}" for (verdict, why), of in verdicts.items()]
    made = table(["row", *metrics], [[row, *cells] for row, cells in rows.items()])
    return [f"The paper's score on BBBC050, and below it *ours*, {n}.", made, "\n".join(said)]


def in_words(ours: object) -> str:
    """Return one of our values as text: a dict as "name value" pairs, None as a dash."""
    if isinstance(ours, dict):
        return "<br>".join(f"{name} {in_words(value)}" for name, value in ours.items())
    return "–" if ours is None else number(ours)


def plain(cell: str) -> str:
    """Return the text of a cell so that Markdown shows it as it is, but for line breaks and bold."""
    return re.sub(r"([_|$]|<(?!br>))", r"\\\1", cell)


def listed_chapters() -> list[str]:
    """Return the names of the chapters in the order of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    named = [Path(chapter["file"]).name for part in toc["parts"] for chapter in part["chapters"]]
    return [name for name in named if (BOOK / f"{name}.py").exists()]


def chapter_link(name: str) -> str:
    """Return a link to a chapter by its title."""
    return f"[{next(iter(equation_map.headings(name).values()))}]({name}.ipynb)"


def chapters() -> str:
    """Return the table of the teaching guide: minutes, exercises and seconds of each chapter."""
    rows = [[chapter_link(name), *map(str, workload(name)), seconds(name)] for name in listed_chapters()]
    total = [sum(workload(name)[column] for name in listed_chapters()) for column in range(3)]
    head = ["chapter", "minutes ", "exercises ", "minutes with exercises ", "computing, s "]
    return table(head, [*rows, ["**all**", *map(str, total), ""]])


def workload(name: str) -> tuple[int, int, int]:
    """Return minutes to read and run a chapter, its exercises, and minutes with them, rounded up to fives."""
    cells = notebooks.read_source(BOOK / f"{name}.py").cells
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    code = sum(cell.cell_type == "code" for cell in cells)
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    exercises = len(re.findall(r"^### Exercise \d", text, re.MULTILINE))
    minutes = words / PACE["words"] + code * PACE["cell"]
    return fives(minutes), exercises, fives(minutes + exercises * PACE["exercise"])


def exercises() -> str:
    """Return a section for each chapter with checked exercises: points, and what students get wrong."""
    for path in sorted((ROOT / "tests" / "checks").glob("wrong_*.py")):
        import_module(f"tests.checks.{path.stem}")
    order = listed_chapters()
    sections: dict[str, list[list[str]]] = {}
    for exercise in sorted(checks.EXERCISES.values(), key=lambda exercise: order.index(exercise.chapter)):
        mistakes = "<br>".join(plain(case.mistake) for case in WRONG if case.exercise == exercise.name)
        row = [f"`{exercise.name}`: {plain(exercise.title)}", str(exercise.points), mistakes]
        sections.setdefault(exercise.chapter, []).append(row)
    head = ["exercise", "points ", "typical wrong answers, each with a hint of its own"]
    return "\n\n".join(f"### {chapter_link(name)}\n\n{table(head, rows)}" for name, rows in sections.items())


def fives(minutes: float) -> int:
    """Round minutes up to a multiple of five."""
    return 5 * ceil(minutes / 5)


def costs() -> dict[str, dict]:
    """Return what the last execution of each chapter cost, by chapter; see tools/notebooks.py."""
    return json.loads(notebooks.COSTS.read_text(encoding="utf-8")) if notebooks.COSTS.exists() else {}


def seconds(name: str) -> str:
    """Return the seconds that a chapter took when it was last executed."""
    return f"{costs()[name]['seconds']:.0f}" if name in costs() else "not measured"


def status() -> str:
    """Return the table of the status page: what each chapter cost, and with which versions."""
    known = {name: costs()[name] for name in listed_chapters() if name in costs()}
    rows = [
        [chapter_link(name), f"{c['seconds']:.0f}", f"{c['peak_MB'] / 1000:.1f}", *map(str, (c["cores"], c["threads"])),
         f"{c['load']:.1f}"]
        for name, c in known.items()
    ]  # fmt: skip
    rows += [[chapter_link(name), "not measured", *[""] * 4] for name in listed_chapters() if name not in known]
    head = ["chapter", "seconds ", "peak memory, GB ", "cores ", "threads ", "load "]
    minutes = sum(cost["seconds"] for cost in known.values()) / 60
    total = f"All {len(known)} measured chapters together: {minutes:.1f} minutes."
    return "\n\n".join([table(head, rows), total, versions(known)])


def versions(known: dict[str, dict]) -> str:
    """Return with which versions the chapters were executed, a line for each combination."""
    groups: dict[str, list[str]] = {}
    for name, cost in known.items():
        words = ", ".join(f"{package} {version}" for package, version in cost["versions"].items())
        groups.setdefault(words, []).append(name)
    everywhere = len(groups) == 1
    return "\n".join(
        f"- {words}: {'all of them' if everywhere else ', '.join(names)}" for words, names in groups.items()
    )


# ---- pages ---------------------------------------------------------------------------------------------------

BLOCKS: dict[str, Callable[[], str]] = {
    "chapters": chapters,
    "data_sets": data_sets,
    "equation_map": equation_map.tables,
    "exercises": exercises,
    "ledger": ledger,
    "not_stated": not_stated,
    "status": status,
}
WORDS: dict[str, Callable[..., str]] = {
    "block": lambda name: BLOCKS[name](),
    "default": default,
    "pace": lambda name: number(PACE[name]),
    "paper": paper_value,
    "percent": percent,
    "product": product,
    "score": score,
    "seeds": seeds,
    "setting": setting,
    "times": times,
}
def render(template: str) -> str:
    """Replace every word in double braces. Raises PageError for a word or a value that does not exist."""

    def answer(match: re.Match[str]) -> str:
        word, asked = match[1], match[2] or ""
        if word not in WORDS:
            raise PageError(f"{match[0]}: there is no word {word!r}; choose one of {', '.join(WORDS)}")
        try:
            return WORDS[word](*asked.split())
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PageError(f"{match[0]}: {error}") from error

    return WORD.sub(answer, template)


def pages() -> dict[str, str]:
    """Return the text of every generated page by the name of its file in book/."""
    return {path.name: NOTE.format(path.name) + render(path.read_text(encoding="utf-8")) for path in templates()}


def templates() -> list[Path]:
    """Return the templates."""
    return sorted(TEMPLATES.glob("*.md"))


def stale(book: Path = BOOK) -> list[str]:
    """Return the names of the pages that are missing or differ from what `write` would write."""
    return [
        name
        for name, text in pages().items()
        if not (book / name).exists() or (book / name).read_text(encoding="utf-8") != text
    ]


def main(argv: list[str] | None = None) -> int:
    """Run the command line in the module's docstring; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("write", "check"))
    verb = parser.parse_args(argv).verb
    try:
        old = stale()
    except PageError as error:
        sys.exit(str(error))
    if verb == "check":
        lines = [f"book/{name} is out of date: run python tools/back_matter.py write" for name in old]
        print("\n".join(lines) or "up to date")
        return 1 if old else 0
    for name in old:
        (BOOK / name).write_text(pages()[name], encoding="utf-8")
    print(f"written: {', '.join(old)}" if old else "nothing to write: all pages are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
