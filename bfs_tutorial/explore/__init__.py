"""Explorables: pictures whose parameters a reader moves, on a page without a kernel and live in a notebook.

One pure function draws a frame from its parameters. `explorable` wraps it: shown in a notebook it is a <figure> with
native sliders and every frame stored in it, each picture once; `.widget()` calls the same function live, for any value.
The functions that make such frame functions lie in a module named as their chapter. A name loads its module when it is
first used, so that a chapter without networks runs without PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "frame": ["MAX_FRAMES", "Frame", "Panel", "Parameter", "as_frame", "encode"],
        "core": ["Explorable", "explorable"],
        "drawing": ["outlines"],
        "supervision": ["threshold_frame"],
        "centre_maps": ["centre_map_frame"],
        "centre_regression": ["peak_frame", "training_frame"],
        "peak_response": ["response_frame"],
        "boundary_loss": [
            "GREYS",
            "boundary_frame",
            "describe_boundary",
            "profile_figure",
            "soft_ball",
            "strongest_at",
        ],
        "segmentation": ["mask_frame"],
        "instances": ["cut_frame", "flood_frame", "merge_frame"],
        "beyond_the_paper": ["contour_frame", "plane_frame", "ray_frame"],
    },
)
