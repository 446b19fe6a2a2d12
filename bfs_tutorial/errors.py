"""The one error that this package raises when what it was given cannot be used."""

from __future__ import annotations


class InputError(ValueError):
    """Say in one line which value is wrong, what was expected, and what to do."""
