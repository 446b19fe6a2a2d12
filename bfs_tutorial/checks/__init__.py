"""Checks of the book's exercises: `checks.centre_map(my_centre_map)` says what an answer has, or lacks.

Each check tries properties of the answer on small inputs and never compares it with ours. `hint(name, 1)` helps.
"""

from bfs_tutorial.checks.centre_maps import blob_planes, centre_map, loss_floor, lost_clicks, voronoi_border
from bfs_tutorial.checks.core import EXERCISES, Exercise, Report, hint
from bfs_tutorial.checks.metrics import blind_iou, can_fall, mucov, seg
from bfs_tutorial.checks.peak_response import brighter_voxel, dark_evidence, linear_response, pseudo_labels

__all__ = [
    "EXERCISES",
    "Exercise",
    "Report",
    "hint",
    "centre_map",
    "blob_planes",
    "voronoi_border",
    "lost_clicks",
    "loss_floor",
    "linear_response",
    "brighter_voxel",
    "dark_evidence",
    "pseudo_labels",
    "seg",
    "mucov",
    "blind_iou",
    "can_fall",
]
