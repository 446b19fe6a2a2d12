"""The pages that tools/back_matter.py writes: up to date, in the book, and filled with what the records say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bfs_tutorial import paper
from book._ext import api_page
from tools import back_matter, notebooks, source_code

SOURCE = '''
"""A module. It has more."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A box, see Eq. (4) and 5 and §3.1. More words."""

    width: float
    name: str = "box"

    @property
    def area(self) -> float:
        """Its area, as in Fig. 2."""
        return self.width**2

    @classmethod
    def of(cls, width, *, deep=False):
        """Make one."""


def run(image, *extra, steps=3, **options):
    """Do it, e.g. twice (Eq. 1). Then rest.

    Not this. Eq. (2).
    """


def _hidden():
    """Not shown."""
'''


def test_every_page_is_up_to_date() -> None:
    assert back_matter.stale() == [], "run: python tools/back_matter.py write"


def test_a_changed_and_a_missing_page_are_noticed(tmp_path: Path) -> None:
    for name, text in back_matter.pages().items():
        (tmp_path / name).write_text(text + ("typed by hand" if name == "status.md" else ""), encoding="utf-8")
    (tmp_path / "errata.md").unlink()
    assert back_matter.stale(tmp_path) == ["errata.md", "status.md"]


def test_every_page_is_in_the_table_of_contents(root: Path) -> None:
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    (listed,) = [part["chapters"] for part in toc["parts"] if part["caption"] == "Back matter"]
    assert {f"book/{path.stem}" for path in back_matter.templates()} <= {chapter["file"] for chapter in listed}


def test_no_word_is_left_in_a_page() -> None:
    assert [name for name, text in back_matter.pages().items() if "{{ " in text] == []


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ paper table_1.full.SEG }}", "0.530"),
        ("{{ paper training.learning_rate }}", "5×10⁻⁵"),
        ("{{ paper bright_field.shape }}", "64 × 256 × 256"),
        ("{{ percent table_1.full.IoU table_1.qcanet.IoU }}", "86.2 %"),
        ("{{ product bright_field.crop_slices bright_field.z_spacing }}", "32"),
        ("a {{ default losses.focal_term.threshold }} b", "a 0.7 b"),
        ("{{ pace cell }}", "0.5"),
    ],
)
def test_words_by_hand(template: str, expected: str) -> None:
    assert back_matter.render(template) == expected


def test_a_score_is_the_mean_of_the_seeds_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table1" / "tiny").mkdir(parents=True)
    for seed, values in enumerate(({"a": 0.5, "b": 0.7}, {"a": 0.8})):
        stacks = {name: {"IoU": value} for name, value in values.items()}
        record = tmp_path / "table1" / "tiny" / f"full-seed{seed}.json"
        record.write_text(json.dumps({"stacks": stacks}), encoding="utf-8")
    monkeypatch.setattr(back_matter, "RESULTS", tmp_path)
    assert back_matter.render("{{ score tiny full IoU }}, {{ seeds tiny full }}") == "0.70, 2"
    assert back_matter.render("{{ score tiny full IoU a }}") == "0.65"
    assert back_matter.render("{{ score tiny class IoU }}, {{ seeds tiny class }}") == "(not measured), 0"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ papper table_1.full.IoU }}", "no word 'papper'"),
        ("{{ paper table_1.ful.IoU }}", "table_1.full.IoU"),
        ("{{ default losses.focal_term.logits }}", "no default"),
        ("{{ setting d_n }}", "d_n"),
        ("{{ score embryos full }}", "metric"),
        ("{{ block nothing }}", "nothing"),
    ],
)
def test_a_word_that_means_nothing_is_refused(template: str, words: str) -> None:
    with pytest.raises(back_matter.PageError, match=words):
        back_matter.render(template)


def test_the_command_says_what_is_out_of_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(back_matter, "stale", lambda book=tmp_path: ["status.md"])
    assert back_matter.main(["check"]) == 1
    assert "book/status.md is out of date: run python tools/back_matter.py write" in capsys.readouterr().out


def test_a_chapter_without_costs_is_said_to_be_unmeasured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "COSTS", tmp_path / "none.json")
    assert back_matter.status().count("not measured") == len(back_matter.listed_chapters()) > 0


def test_the_ledger_shows_every_entry_and_says_when_there_is_none(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(back_matter, "RESULTS", tmp_path)
    assert "has not been made yet" in back_matter.ledger()
    values = paper.record()["values"]
    score = {"mean": 0.5, "sd": 0.01, "seeds": 3, "stacks": 2, "data": "embryos"}
    ours = {"table_1.qcanet.IoU": score, "table_1.qcanet.SEG": score}
    ours |= {"training.learning_rate": 5e-5, "training.device": None}
    judged = {"verdict": "changed", "why": "a_b | c"}
    numbers = {key: {**values[key], "ours": value, **judged} for key, value in ours.items()}
    orders = [{"data": "d", "claim": "a < b", "metric": "IoU", "mean": 0.1, "low": -0.1, "high": 0.3, "order": "holds"}]
    (tmp_path / "ledger.json").write_text(json.dumps({"numbers": numbers, "orders": orders}), encoding="utf-8")
    lines = back_matter.ledger().splitlines()
    assert "| QCANet (annotation: full mask) | 0.746<br>*0.500 ± 0.010* | 0.710<br>*0.500 ± 0.010* |" in lines
    assert "- QCANet: **changed**. a\\_b \\| c" in lines
    assert any("| 5×10⁻⁵ | 5×10⁻⁵ | **changed** | a\\_b \\| c |" in line for line in lines)
    assert any("| GeForce GTX 1060 | – | **changed** |" in line for line in lines)
    assert lines[-1] == "| d | a \\< b | IoU | +0.100 | -0.100 … +0.300 | holds |"


# ---- the source as text --------------------------------------------------------------------------------------


@pytest.fixture
def entries(tmp_path: Path) -> dict[str, source_code.Entry]:
    """The entries of a small package."""
    (tmp_path / "bfs_tutorial").mkdir()
    (tmp_path / "bfs_tutorial" / "box.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "bfs_tutorial" / "_private.py").write_text("def no(): ...", encoding="utf-8")
    return source_code.index(tmp_path)


def test_public_names_their_signatures_and_first_sentences(entries: dict[str, source_code.Entry]) -> None:
    found = {path.removeprefix("bfs_tutorial.box."): (e.kind, e.signature, e.summary) for path, e in entries.items()}
    assert found == {
        "Box": ("class", "width, name='box'", "A box, see Eq. (4) and 5 and §3.1."),
        "Box.area": ("property", "", "Its area, as in Fig. 2."),
        "Box.of": ("method", "width, *, deep=False", "Make one."),
        "run": ("function", "image, *extra, steps=3, **options", "Do it, e.g. twice (Eq. 1)."),
    }


def test_places_of_the_paper_are_read_from_docstrings(entries: dict[str, source_code.Entry]) -> None:
    assert entries["bfs_tutorial.box.Box"].paper == ("Eq. 4", "Eq. 5", "§3.1")
    assert entries["bfs_tutorial.box.Box.area"].paper == ("Fig. 2",)
    assert entries["bfs_tutorial.box.run"].paper == ("Eq. 1", "Eq. 2")


def test_what_is_read_is_what_python_imports() -> None:
    from bfs_tutorial import losses

    public = {name for name, value in vars(losses).items() if getattr(value, "__module__", "") == losses.__name__}
    read = {path.removeprefix("bfs_tutorial.losses.") for path in source_code.index() if ".losses." in path}
    assert {name for name in public if not name.startswith("_")} == read


def test_every_public_name_has_a_first_sentence() -> None:
    assert [path for path, entry in source_code.index().items() if not entry.summary] == []


def test_the_api_page_has_every_public_name_once(root: Path) -> None:
    text = source_code.api()
    for path, entry in source_code.index().items():
        module = source_code.owner(path)
        line = f"```{{py:{entry.kind}}} {path.removeprefix(f'{module}.')}"
        found = [p for p in text.split("\n\n") if p.startswith(line) and f":module: {module}\n" in p]
        assert any(p[len(line)] in "(\n" for p in found), path
    assert api_page.MARK in (root / "book" / "api.md").read_text(encoding="utf-8")
    assert api_page.entries(root) == text


def test_markdown_shows_a_docstring_as_it_is() -> None:
    assert source_code.markdown("a * b in `c * d`, |x| < 1") == "a \\* b in `c * d`, \\|x\\| \\< 1"
