"""Wrong answers to the exercises of the chapter *Segmentation*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong, wrong_value


def sigmoid(z):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def costs(p, labels):
    with np.errstate(divide="ignore", invalid="ignore"):
        return -(labels * np.log(p) + (1 - labels) * np.log(1 - p))


def weights(labels, foreground):
    return np.where(labels == 1, foreground, 1.0)


@wrong("class_loss", "not yet a probability")
def logits_as_probabilities(logits, labels, foreground=1.0):
    """Logits are taken for probabilities, kept off 0 and 1."""
    return np.average(costs(np.clip(logits, 1e-7, 1 - 1e-7), labels), weights=weights(labels, foreground))


@wrong("class_loss", "applied twice: it makes one half")
def sigmoid_twice(logits, labels, foreground=1.0):
    """The sigmoid is applied twice."""
    return np.average(costs(sigmoid(sigmoid(logits)), labels), weights=weights(labels, foreground))


@wrong("class_loss", "not finite")
def log_of_zero(logits, labels, foreground=1.0):
    """Logits are taken for probabilities, and log 0 is computed."""
    return np.average(costs(logits, labels), weights=weights(labels, foreground))


@wrong("class_loss", "L_class is their mean")
def summed(logits, labels, foreground=1.0):
    """The sum over voxels."""
    return (weights(labels, foreground) * costs(sigmoid(logits), labels)).sum()


@wrong("class_loss", "the sign is wrong")
def negative(logits, labels, foreground=1.0):
    """The minus sign is forgotten."""
    return -np.average(costs(sigmoid(logits), labels), weights=weights(labels, foreground))


@wrong("class_loss", "base 2")
def bits(logits, labels, foreground=1.0):
    """A logarithm of base 2."""
    return np.average(costs(sigmoid(logits), labels) / np.log(2), weights=weights(labels, foreground))


@wrong("class_loss", "labels are exchanged")
def exchanged(logits, labels, foreground=1.0):
    """Label 1 costs what label 0 should."""
    return np.average(costs(sigmoid(logits), 1 - labels), weights=weights(labels, foreground))


@wrong("class_loss", "changes nothing")
def weight_ignored(logits, labels, foreground=1.0):
    """The weight is not used."""
    return costs(sigmoid(logits), labels).mean()


@wrong("class_loss", "sum of the weights")
def divided_by_number(logits, labels, foreground=1.0):
    """The weighted sum is divided by the number of voxels."""
    return (weights(labels, foreground) * costs(sigmoid(logits), labels)).mean()


@wrong("class_loss", "on the background")
def background_weighted(logits, labels, foreground=1.0):
    """The weight is given to label 0."""
    return np.average(costs(sigmoid(logits), labels), weights=weights(1 - labels, foreground))


@wrong("class_loss", "overflows")
def overflowing(logits, labels, foreground=1.0):
    """log of a sigmoid that has become 0, saved by nan_to_num."""
    each = np.nan_to_num(costs(sigmoid(logits), labels), posinf=100.0)
    return np.average(each, weights=weights(labels, foreground))


wrong_value("skewed_border", "The mean of the labels.", 1.0, "the mean of the five")
wrong_value("skewed_border", "The largest label: their union.", 6.0, "a single label")
wrong_value("skewed_border", "The smallest label: their intersection.", -2.0, "most careful label")
wrong_value("skewed_border", "The true border, as with errors that are symmetric.", 0, "that is the true border")
wrong_value("skewed_border", "The second label: four of five still say cell.", -1.0, "all but one")
wrong_value("skewed_border", "A guess.", 3.0, "at 3 µm")


@wrong("total_loss", "weighs the wrong term")
def wrong_term(class_term, boundary_term, strength, done, warm_up=0.5):
    """λ multiplies L_class."""
    return strength * min(1, done / warm_up) * class_term + boundary_term


@wrong("total_loss", "multiplies both terms")
def both_terms(class_term, boundary_term, strength, done, warm_up=0.5):
    """λ multiplies the sum."""
    return strength * min(1, done / warm_up) * (class_term + boundary_term)


@wrong("total_loss", "goes on growing")
def unbounded(class_term, boundary_term, strength, done, warm_up=0.5):
    """λ is not stopped at its full value."""
    return class_term + strength * done / warm_up * boundary_term


@wrong("total_loss", "is taken away")
def subtracted(class_term, boundary_term, strength, done, warm_up=0.5):
    """The boundary term is subtracted."""
    return class_term - strength * min(1, done / warm_up) * boundary_term


@wrong("total_loss", "over the whole training in your function, and")
def exchanged_times(class_term, boundary_term, strength, done, warm_up=0.5):
    """warm_up and done are multiplied."""
    return class_term + strength * done * warm_up * boundary_term


@wrong("total_loss", "L_class = 0.5 is all there is")
def no_warm_up(class_term, boundary_term, strength, done, warm_up=0.5):
    """λ is full from the start."""
    return class_term + strength * boundary_term


@wrong("total_loss", "jumps from 0")
def step(class_term, boundary_term, strength, done, warm_up=0.5):
    """λ is switched on after the warm-up."""
    return class_term + strength * (done >= warm_up) * boundary_term


@wrong("total_loss", "full after the share")
def whole_training(class_term, boundary_term, strength, done, warm_up=0.5):
    """λ grows until the end of training."""
    return class_term + strength * done * boundary_term


@wrong("total_loss", "nothing is divided by 0")
def zero_division(class_term, boundary_term, strength, done, warm_up=0.5):
    """warm_up = 0 is not thought of."""
    return class_term + strength * min(1, done / warm_up) * boundary_term


@wrong("vanishing_strength", "upside down")
def upside_down(kept, empty):
    """The fraction is upside down."""
    return (kept[1] - empty[1]) / (empty[0] - kept[0])


@wrong("vanishing_strength", "a boundary term of its own")
def empty_is_free(kept, empty):
    """The boundary term of the empty mask is taken to be 0."""
    return (empty[0] - kept[0]) / kept[1]


@wrong("vanishing_strength", "a class term of its own")
def kept_is_free(kept, empty):
    """The class term of the kept mask is taken to be 0."""
    return empty[0] / (kept[1] - empty[1])


@wrong("vanishing_strength", "the sign is wrong")
def turned(kept, empty):
    """A difference is turned round."""
    return (kept[0] - empty[0]) / (kept[1] - empty[1])


@wrong("vanishing_strength", "no λ prefers it")
def always_finite(kept, empty):
    """The ratio form gets a negative λ."""
    return (empty[0] - kept[0]) / (kept[1] - empty[1])


@wrong("silent_failure", "0.00 times the volume")
def empty_mask(truth):
    """The empty mask: the alarm sounds."""
    return np.zeros_like(truth)


@wrong("silent_failure", "the alarm sounds: your mask has 6.")
def inverse(truth):
    """Everything but the cell."""
    return ~truth


@wrong("silent_failure", "not wrong enough: IoU 1.00")
def copied(truth):
    """The truth itself."""
    return truth.copy()


@wrong("silent_failure", "not wrong enough: IoU 0.50")
def one_voxel(truth):
    """Moved by one voxel only."""
    return np.roll(truth, 1, axis=2)


@wrong("silent_failure", "other values")
def numbered(truth):
    """Labels instead of a mask."""
    return 2 * truth.astype(int)
