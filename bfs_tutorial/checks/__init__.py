"""Checks of the book's exercises: `checks.centre_map(my_centre_map)` says what an answer has, or lacks.

Each check tries properties of the answer on small inputs and never compares it with ours. `hint(name, 1)` helps.
"""

from bfs_tutorial.checks.beyond_the_paper import ray_end, turned_stack
from bfs_tutorial.checks.boundary_loss import decoy, doubled_ball, laplacian, loss_numbers, soft_weight
from bfs_tutorial.checks.bright_field import bubble, photons_wanted, travel
from bfs_tutorial.checks.bright_field_experiment import above_control, plane_cost
from bfs_tutorial.checks.centre_maps import blob_planes, centre_map, loss_floor, lost_clicks, voronoi_border
from bfs_tutorial.checks.centre_regression import (
    focal_term,
    local_maxima,
    lowest_answer,
    precision_falls,
    precision_recall,
)
from bfs_tutorial.checks.core import EXERCISES, Exercise, Report, hint
from bfs_tutorial.checks.fluorescence_experiment import interval, row_pairs
from bfs_tutorial.checks.instances import ball_markers, greedy_mask, large_enough, merged, raised
from bfs_tutorial.checks.limits import invented, lower_cut, quiet_volume
from bfs_tutorial.checks.metrics import blind_iou, can_fall, mucov, seg
from bfs_tutorial.checks.peak_response import brighter_voxel, dark_evidence, linear_response, pseudo_labels
from bfs_tutorial.checks.segmentation import (
    class_loss,
    silent_failure,
    skewed_border,
    total_loss,
    vanishing_strength,
)
from bfs_tutorial.checks.supervision import flipped_auc, nearest_point, otsu
from bfs_tutorial.checks.whole_method import backward_passes, clicks
from bfs_tutorial.checks.your_own_stack import diameter_ratio, doubtful_clicks, fiji_clicks, twenty_clicks

__all__ = [
    "EXERCISES",
    "Exercise",
    "Report",
    "hint",
    "clicks",
    "backward_passes",
    "travel",
    "bubble",
    "photons_wanted",
    "otsu",
    "nearest_point",
    "flipped_auc",
    "centre_map",
    "blob_planes",
    "voronoi_border",
    "lost_clicks",
    "loss_floor",
    "focal_term",
    "lowest_answer",
    "local_maxima",
    "precision_recall",
    "precision_falls",
    "linear_response",
    "brighter_voxel",
    "dark_evidence",
    "pseudo_labels",
    "laplacian",
    "soft_weight",
    "loss_numbers",
    "doubled_ball",
    "decoy",
    "class_loss",
    "skewed_border",
    "total_loss",
    "vanishing_strength",
    "silent_failure",
    "merged",
    "ball_markers",
    "large_enough",
    "raised",
    "greedy_mask",
    "seg",
    "mucov",
    "blind_iou",
    "can_fall",
    "plane_cost",
    "above_control",
    "interval",
    "row_pairs",
    "invented",
    "quiet_volume",
    "lower_cut",
    "ray_end",
    "turned_stack",
    "fiji_clicks",
    "doubtful_clicks",
    "diameter_ratio",
    "twenty_clicks",
]
