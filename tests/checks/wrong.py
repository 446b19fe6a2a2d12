"""Typical wrong answers, by exercise: each says whose mistake it makes and which words its report must contain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wrong:
    """Hold one wrong answer: the exercise, the mistake in a student's words, the answer, words of its own hint."""

    exercise: str
    mistake: str
    answer: Any
    words: str


WRONG: list[Wrong] = []


def wrong(exercise: str, words: str) -> Callable[[Callable], Callable]:
    """Enter a function as a wrong answer; the first line of its docstring is the mistake."""

    def enter(function: Callable) -> Callable:
        WRONG.append(Wrong(exercise, (function.__doc__ or "").strip().partition("\n")[0], function, words))
        return function

    return enter


def wrong_value(exercise: str, mistake: str, value: Any, words: str) -> None:
    """Enter a value, for exercises that ask for one."""
    WRONG.append(Wrong(exercise, mistake, value, words))
