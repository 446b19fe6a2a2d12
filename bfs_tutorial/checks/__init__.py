"""Checks of the book's exercises: `checks.centre_map(my_centre_map)` says what an answer has, or lacks.

Each check tries properties of the answer on small inputs and never compares it with ours. `hint(name, 1)` helps.
"""

from bfs_tutorial.checks.centre_maps import centre_map
from bfs_tutorial.checks.core import EXERCISES, Exercise, Report, hint

__all__ = ["EXERCISES", "Exercise", "Report", "hint", "centre_map"]
