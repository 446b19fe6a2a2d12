"""Grade a student's notebook: find each answer, run what it needs in a process of its own, try it with its check.

A notebook is read, never run as a whole. For each exercise the statements that its answer needs are picked out of all
code cells, wherever they stand now, and only these are executed: a cell that loops, prints without end or breaks costs
a student the exercises that need it, and no other. Cell metadata and ids are not used; hosts such as Colab drop them.
The process has limits of time and memory, no network, and a folder of its own that is removed afterwards.
"""

from __future__ import annotations

import ast
import ctypes
import os
import resource
import signal
import socket
import symtable
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from bfs_tutorial import checks
from bfs_tutorial.checks import Exercise

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # of unshare(2)
GIGABYTE = 2**30
FILE_BYTES = 100 * 2**20  # the largest file that an answer may write
PROCESSES = get_context("forkserver")  # one clean process imports everything once; each answer gets a copy of it
PROCESSES.set_forkserver_preload([__name__, "torch", "scipy.ndimage", "skimage.measure", "skimage.segmentation"])


@dataclass(frozen=True)
class Limits:
    """Hold what the process of one answer may use."""

    seconds: float = 60.0
    gigabytes: float = 3.0


@dataclass(frozen=True)
class Grade:
    """Hold the outcome of one exercise: points reached, what the check said, and its card for the student."""

    exercise: str
    points: int
    out_of: int
    sentence: str
    html: str = ""


# ---- finding an answer in a notebook -------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """Hold a top-level statement of a notebook with the names that it binds or changes, and those that it reads."""

    node: ast.stmt
    binds: frozenset[str]
    reads: frozenset[str]


def read(path: Path) -> NotebookNode:
    """Return a notebook, of any version and with or without metadata. Raises ValueError when it is none."""
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        for cell in notebook.cells:
            cell.source = "".join(cell.source)
    except Exception as error:  # nbformat raises many kinds
        raise ValueError(f"this is no notebook: {' '.join(str(error).split())[:200]}") from error
    return notebook


def statements(notebook: NotebookNode) -> tuple[list[Statement], dict[str, str]]:
    """Return the statements of all code cells in order, and by cell text why a cell cannot be parsed."""
    found, broken, magic = [], {}, TransformerManager()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        try:
            found += map(as_statement, ast.parse(magic.transform_cell(cell.source)).body)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            broken[cell.source] = f"line {getattr(error, 'lineno', '?')}: {getattr(error, 'msg', error)}"
    imported = {name for statement in found if is_import(statement) for name in statement.binds}
    return [without_modules(statement, imported) for statement in found], broken


def is_import(statement: Statement) -> bool:
    """Say whether a statement imports something."""
    return isinstance(statement.node, (ast.Import, ast.ImportFrom))


def without_modules(statement: Statement, imported: set[str]) -> Statement:
    """Return a call such as np.testing.assert_equal(a, b) as one that changes no module."""
    return replace(statement, binds=statement.binds - imported) if isinstance(statement.node, ast.Expr) else statement


def as_statement(node: ast.stmt) -> Statement:
    """Say which names a statement binds or changes, and which it reads."""
    parts = list(ast.walk(node))
    names = [part for part in parts if isinstance(part, ast.Name)]
    stored = {name.id for name in names if not isinstance(name.ctx, ast.Load)}
    for part in parts:
        if isinstance(part, (ast.Import, ast.ImportFrom)):
            stored |= {alias.asname or alias.name.partition(".")[0] for alias in part.names}
        elif isinstance(part, (ast.Attribute, ast.Subscript)) and not isinstance(part.ctx, ast.Load):
            stored |= {name.id for name in ast.walk(part.value) if isinstance(name, ast.Name)}
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            stored.add(part.name)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        stored = {node.name}  # what its body stores is its own
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        stored |= {name.id for name in ast.walk(node.value.func) if isinstance(name, ast.Name)}  # such as x.append(1)
    return Statement(node, frozenset(stored), frozenset(names_read(ast.unparse(node))))


def names_read(source: str) -> set[str]:
    """Return the names of a notebook that a statement reads, those in functions too, but not their own variables."""
    found, tables = set(), [symtable.symtable(source, "<statement>", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        found |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return found


def is_stub(statement: Statement) -> bool:
    """Say whether a statement is an answer as it was handed out: a body that only raises, or a name set to None."""
    node = statement.node
    if isinstance(node, ast.Assign):
        return isinstance(node.value, ast.Constant) and node.value.value in (None, ...)
    last = getattr(node, "body", [None])[-1]
    return isinstance(last, ast.Raise) and "NotImplementedError" in ast.dump(last)


def needed(found: list[Statement], name: str) -> list[Statement] | None:
    """Return what must be executed, in order, to have `name`; None when nothing binds it.

    `import *` is always needed. A stub is left out where an answer stands elsewhere in the notebook.
    """
    answers = [statement for statement in found if name in statement.binds]
    if not answers:
        return None
    stubs = {id(statement) for statement in answers if is_stub(statement)}
    if len(stubs) < len(answers):
        found = [statement for statement in found if id(statement) not in stubs]
    names, known = {name}, 0
    while known < len(names):  # until nothing new is read
        known = len(names)
        names |= {read for statement in found if statement.binds & names for read in statement.reads}
    return [statement for statement in found if statement.binds & (names | {"*"})]


def changes_checks(statement: Statement) -> bool:
    """Say whether a statement gives the name `checks` another meaning, or something in it."""
    return "checks" in statement.binds and not is_import(statement)


def answer_source(notebook: NotebookNode, name: str) -> str:
    """Return the code that makes the answer `name`. Raises ValueError with the sentence for the student."""
    found, broken = statements(notebook)
    chosen = needed([statement for statement in found if not changes_checks(statement)], name)
    if chosen is None:
        why = next((why for source, why in broken.items() if name in source), None)
        raise ValueError(f"the cell of {name} is no Python, {why}" if why else f"there is no {name} in the notebook")
    return "\n".join(ast.unparse(statement.node) for statement in chosen)


def chapters_of(notebook: NotebookNode, path: Path) -> list[str]:
    """Say which chapters a notebook answers: those with one of its names, or, without any, that of the file's name."""
    known = list(dict.fromkeys(exercise.chapter for exercise in checks.EXERCISES.values()))
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    found = {e.chapter for e in checks.EXERCISES.values() if e.answer in text or f"checks.{e.name}(" in text}
    named = sorted((chapter for chapter in known if chapter in path.stem), key=len)[-1:]
    return sorted(found or named, key=known.index)


# ---- trying it in a process of its own -----------------------------------------------------------------------


def shut_in(limits: Limits) -> None:
    """Take network, output and memory away from this process, for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare") or libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = _no_network  # no Linux, or no right
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    statm = Path("/proc/self/statm")  # in pages; elsewhere than on Linux the limit is not added to what is in use
    used = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize() if statm.exists() else 0
    memory = int(used + limits.gigabytes * GIGABYTE)
    for kind, amount in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, FILE_BYTES), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(kind, (amount, amount))


def _no_network(*_: object, **__: object) -> None:
    raise OSError("there is no network while answers are graded")


def execute(source: str) -> tuple[dict, str]:
    """Execute statements one by one; return the names that they made, and how the last one that failed failed."""
    space: dict = {"__name__": "__main__"}
    failed = ""
    for node in ast.parse(source).body:
        try:
            exec(compile(ast.Module([node], []), "<answer>", "exec"), space)
        except BaseException as error:  # exit() too: what follows may not need this statement
            failed = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return space, failed


def fingerprint() -> int:
    """Return a number that changes when someone changes the checks in this process."""
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("bfs_tutorial.checks")]
    parts = [*modules, Exercise, checks.Report]
    values = [(key, id(value), id(getattr(value, "__code__", None))) for p in parts for key, value in vars(p).items()]
    return hash((tuple(values), tuple(map(id, checks.EXERCISES.values()))))


def try_answer(name: str, source: str, limits: Limits, folder: str, channel: Connection) -> None:
    """Make the answer to an exercise and try it; runs in a process of its own and sends a Grade."""
    exercise = checks.EXERCISES[name]
    os.setsid()  # a group of its own, which ends as a whole
    os.chdir(folder)
    shut_in(limits)
    before = fingerprint()
    space, failed = execute(source)
    if exercise.answer not in space:
        channel.send(Grade(name, 0, exercise.points, f"the code of {exercise.answer} stopped with {failed}"))
        return
    report = exercise(space[exercise.answer])
    if fingerprint() != before:
        channel.send(Grade(name, 0, exercise.points, "the notebook changes the checks themselves"))
        return
    channel.send(Grade(name, report.points, report.out_of, report.sentence, report._repr_html_()))


def grade_answer(exercise: Exercise, notebook: NotebookNode, limits: Limits) -> Grade:
    """Find the answer to one exercise in a notebook, try it within the limits, and say what came out."""
    try:
        source = answer_source(notebook, exercise.answer)
    except (ValueError, RecursionError) as problem:
        return Grade(exercise.name, 0, exercise.points, str(problem))
    receiver, sender = PROCESSES.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder, receiver:
        process = PROCESSES.Process(target=try_answer, args=(exercise.name, source, limits, folder, sender))
        process.start()
        sender.close()
        try:
            if receiver.poll(limits.seconds):
                return receiver.recv()
            sentence = f"it did not end within {limits.seconds:g} s"
        except EOFError:
            sentence = f"it ended the process, or wanted more than {limits.gigabytes:g} GB of memory"
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.join()
    return Grade(exercise.name, 0, exercise.points, sentence)


def grade(path: Path, limits: Limits) -> Iterator[Grade]:
    """Grade all exercises of the chapters that a notebook answers. Raises ValueError when it is none of ours."""
    notebook = read(path)
    chapters = chapters_of(notebook, path)
    if not chapters:
        raise ValueError("this notebook holds no exercise of the book")
    for exercise in checks.EXERCISES.values():
        if exercise.chapter in chapters:
            yield grade_answer(exercise, notebook, limits)
