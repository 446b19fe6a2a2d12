"""What the packages offer, read from their source text: nothing is imported, so PyTorch need not be there.

`index()` lists every public function, class and method; `default()` looks up one default value; `api()` writes the
text of the API page, which book/_ext/api_page.py puts there when the book is built.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bfs_tutorial", "data_download")
PARTS = {  # heading -> modules, in the order in which data meet them; a module that is named nowhere comes last
    "Data": ("stack", "points", "files", "normalise", "simulate", "simulate.cells", "simulate.bright_field",
             "simulate.fluorescence"),
    "Method": ("centre_maps", "unet", "losses", "training", "peaks", "peak_response", "pseudo_labels", "instances",
               "pipeline"),
    "Measuring": ("metrics", "measure", "baselines", "experiments", "ablations", "focal_weight", "records", "paper",
                  "ledger", "bench"),
    "Other methods": ("boxes", "mask_rcnn", "qcanet", "phase", "star_convex", "sim_to_real"),
    "Showing": ("figures", "explore.core", "explore.frame", "explore.page", "explore.drawing", "explore.supervision",
                "explore.centre_maps", "explore.centre_regression", "explore.peak_response", "explore.boundary_loss",
                "explore.segmentation", "explore.instances", "explore.beyond_the_paper"),
    "Command line and errors": ("cli", "doctor", "errors"),
}  # fmt: skip
IN_THE_PAPER = re.compile(r"Eq\.\s*\(?(\d)\)?(?:\s*(?:and|or)\s*\(?(\d)\)?)?|(§\d(?:\.\d)*)|(Fig\. \d)|(Table \d)")
SENTENCE_END = re.compile(r"(?<!Eq)(?<!Fig)(?<!e\.g)(?<!i\.e)[.](?=\s|$)")


@dataclass(frozen=True)
class Entry:
    """One public function, class or method."""

    path: str  # dotted, as one would import it
    kind: str  # function, class or method
    names: tuple[tuple[str, str | None], ...]  # arguments and their defaults as text; None: it has none
    summary: str
    paper: tuple[str, ...]  # equations, sections and figures that its docstring names

    @property
    def signature(self) -> str:
        """The arguments as one would write them, without types."""
        return ", ".join(name if value is None else f"{name}={value}" for name, value in self.names)


def module_files(root: Path = ROOT) -> dict[str, Path]:
    """Return every public module by its dotted name, with its file."""
    files = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if not any(part.startswith("_") for part in parts):
                files[".".join(parts)] = path
    return files


def first_sentence(docstring: str | None) -> str:
    """Return the first sentence of a docstring on one line; a full stop after "Eq" ends none."""
    text = " ".join((docstring or "").partition("\n\n")[0].split())
    end = SENTENCE_END.search(text)
    return text[: end.end()] if end else text


def in_the_paper(docstring: str | None) -> tuple[str, ...]:
    """Return the places of the paper that a docstring names, such as "Eq. 4" or "§3.4", each once."""
    found = []
    for match in IN_THE_PAPER.finditer(docstring or ""):
        first, second, *others = match.groups()
        found += [f"Eq. {number}" for number in (first, second) if number] + [other for other in others if other]
    return tuple(dict.fromkeys(found))


def arguments(node: ast.FunctionDef, bound: bool = False) -> tuple[tuple[str, str | None], ...]:
    """Return the arguments of a function and their defaults as text; `bound` leaves the first one out (self, cls)."""
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    missing = [None] * (len(positional) - len(given.defaults))
    pairs = [(a.arg, d and ast.unparse(d)) for a, d in zip(positional, [*missing, *given.defaults], strict=True)]
    pairs = pairs[1:] if bound else pairs
    if given.vararg:
        pairs.append((f"*{given.vararg.arg}", None))
    elif given.kwonlyargs:
        pairs.append(("*", None))
    pairs += [(a.arg, d and ast.unparse(d)) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return (*pairs, *([(f"**{given.kwarg.arg}", None)] if given.kwarg else []))


def decorators(node: ast.ClassDef | ast.FunctionDef) -> set[str]:
    """Return the names of the decorators, without their arguments."""
    return {ast.unparse(d.func if isinstance(d, ast.Call) else d).rpartition(".")[2] for d in node.decorator_list}


def class_arguments(node: ast.ClassDef) -> tuple[tuple[str, str | None], ...]:
    """Return what one gives to a class: the fields of a dataclass, else the arguments of __init__."""
    if "dataclass" in decorators(node):
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        return tuple((part.target.id, part.value and ast.unparse(part.value)) for part in fields)
    starts = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    return arguments(starts[0], bound=True) if starts else ()


def entries(module: str, tree: ast.Module) -> Iterator[Entry]:
    """Yield the public functions, classes and methods of one module, in the order of its text."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        path, text = f"{module}.{node.name}", ast.get_docstring(node)
        if isinstance(node, ast.FunctionDef):
            yield Entry(path, "function", arguments(node), first_sentence(text), in_the_paper(text))
            continue
        yield Entry(path, "class", class_arguments(node), first_sentence(text), in_the_paper(text))
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                text, marks = ast.get_docstring(part), decorators(part)
                kind = "property" if "property" in marks else "method"
                names = arguments(part, bound="staticmethod" not in marks)
                yield Entry(f"{path}.{part.name}", kind, names, first_sentence(text), in_the_paper(text))


@cache
def index(root: Path = ROOT) -> dict[str, Entry]:
    """Return every public function, class and method of the packages by its dotted path."""
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in module_files(root).items()}
    return {entry.path: entry for name, tree in trees.items() for entry in entries(name, tree)}


def default(path: str) -> str:
    """Return the default of an argument or a dataclass field: default("losses.focal_term.gamma") is "2.0"."""
    owner, _, name = path.rpartition(".")
    value = dict(index()[f"bfs_tutorial.{owner}"].names).get(name)
    if value is None:
        raise KeyError(f"{path} has no default value")
    return value


def tests_of(path: Path) -> set[str]:
    """Return the names of the test functions of one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


# ---- the API page --------------------------------------------------------------------------------------------


def markdown(text: str) -> str:
    """Return a sentence of a docstring as Markdown that shows just that; code in backticks stays code."""
    pieces = text.split("`")
    pieces[::2] = [re.sub(r"([*$<|])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def describe(entry: Entry, module: str) -> str:
    """Return one entry of the API page: signature, first sentence, place in the paper."""
    call = "" if entry.kind == "property" else f"({entry.signature})"
    place = f" *Paper: {', '.join(entry.paper)}.*" if entry.paper else ""
    name = entry.path.removeprefix(f"{module}.")
    lines = [f"```{{py:{entry.kind}}} {name}{call}", f":module: {module}", ":no-contents-entry:", ""]
    return "\n".join([*lines, f"{markdown(entry.summary)}{place}", "```"])


def section(module: str, path: Path) -> str:
    """Return the part of the API page about one module, or nothing for a module without public names."""
    own = [entry for entry in index().values() if entry.path.startswith(f"{module}.")]
    own = [entry for entry in own if owner(entry.path) == module]
    if not own:
        return ""
    about = first_sentence(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))
    file = path.relative_to(ROOT).as_posix()
    test = ROOT / "tests" / f"test_{module.split('.')[1] if module.startswith('bfs_tutorial') else PACKAGES[1]}.py"
    links = f"[{file}](../{file})" + (f", tests: [{test.name}](../tests/{test.name})" if test.exists() else "")
    title = module.removeprefix("bfs_tutorial.")
    return "\n\n".join([f"### {title}", markdown(about), f"Source: {links}", *(describe(e, module) for e in own)])


def owner(path: str) -> str:
    """Return the module in which a dotted path is defined: the longest one that it begins with."""
    return max((name for name in module_files() if path.startswith(f"{name}.")), key=len)


def api() -> str:
    """Return the API page's sections: one for each module, in the order of PARTS."""
    files = module_files()
    named = {f"bfs_tutorial.{name}" for modules in PARTS.values() for name in modules}
    parts = {heading: [f"bfs_tutorial.{name}" for name in modules] for heading, modules in PARTS.items()}
    rest = [name for name in files if name not in named and name.startswith("bfs_tutorial.")]
    parts["Checks of the exercises"] = [name for name in rest if name.startswith("bfs_tutorial.checks.")]
    parts["Other modules"] = [name for name in rest if not name.startswith("bfs_tutorial.checks.")]
    parts["Downloads"] = [name for name in files if name.startswith("data_download")]
    written = {
        heading: [text for name in modules if name in files and (text := section(name, files[name]))]
        for heading, modules in parts.items()
    }
    return "\n\n".join("\n\n".join([f"## {heading}", *texts]) for heading, texts in written.items() if texts)
