"""Wrong answers to the exercises of the chapter *Beyond the paper*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong, wrong_value


@wrong("ray_end", "before the fall")
def before(profile, step):
    """The sample before the fall is returned."""
    return np.diff(profile).argmin() * step


@wrong("ray_end", "after the fall")
def after(profile, step):
    """The sample after the fall is returned."""
    return (np.diff(profile).argmin() + 1) * step


@wrong("ray_end", "multiply by the step")
def in_samples(profile, step):
    """Samples are counted instead of µm."""
    return np.diff(profile).argmin() + 0.5


@wrong("ray_end", "a rise is taken")
def steepest_either_way(profile, step):
    """The steepest change is taken, up or down."""
    return (np.abs(np.diff(profile)).argmax() + 0.5) * step


wrong_value("turned_stack", "The order of planes is thought not to matter.", "the same", "change places")
wrong_value("turned_stack", "Before and after are thought to cancel.", "zero", "does not vanish")
wrong_value("turned_stack", "A word that was not offered.", "minus", "expected one of")
