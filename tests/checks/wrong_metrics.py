"""Wrong answers to the exercises of the chapter *Metrics*."""

from __future__ import annotations

import numpy as np

from tests.checks.wrong import wrong, wrong_value


def pairs(labels, truth):
    """Sizes and overlap of all pairs: i, j, shared, size of i, size of j."""
    for i in np.unique(truth[truth > 0]):
        for j in np.unique(labels[labels > 0]):
            yield i, j, ((truth == i) & (labels == j)).sum(), (truth == i).sum(), (labels == j).sum()


def best(labels, truth, by, rule):
    """The best J of each cell of one side ("truth" or "labels") among the pairs that a rule allows."""
    found = {number: 0.0 for number in np.unique(by[by > 0])}
    for i, j, shared, size, other in pairs(labels, truth):
        key = i if by is truth else j
        if rule(shared, size, other):
            found[key] = max(found[key], shared / (size + other - shared))
    return list(found.values())


def half(shared, size, other):
    return shared > size / 2


@wrong("seg", "runs over the true cells")
def seg_over_predictions(labels, truth):
    """The mean runs over the predictions: that is MUCov."""
    return np.mean(best(labels, truth, labels, half))


@wrong("seg", "it counts as 0")
def seg_without_missed(labels, truth):
    """Missed cells are left out of the mean."""
    found = [score for score in best(labels, truth, truth, half) if score > 0]
    return np.mean(found)


@wrong("seg", "more than half")
def seg_from_half_on(labels, truth):
    """Half of a cell is taken as enough."""
    return np.mean(best(labels, truth, truth, lambda shared, size, other: shared >= size / 2 and shared))


@wrong("seg", "not for J > 0.5")
def seg_by_jaccard(labels, truth):
    """A partner needs J > 0.5 instead of half of the cell."""
    return np.mean(best(labels, truth, truth, lambda shared, size, other: shared / (size + other - shared) > 0.5))


@wrong("seg", "numbers themselves")
def seg_by_number(labels, truth):
    """Cell 1 is compared with prediction 1, cell 2 with prediction 2."""
    return np.mean([best(labels * (labels == i), truth * (truth == i), truth * (truth == i), half)[0]
                    for i in np.unique(truth[truth > 0])])  # fmt: skip


@wrong("mucov", "runs over the predicted cells")
def mucov_over_cells(labels, truth):
    """The mean runs over the true cells: that is the coverage of another paper."""
    return np.mean(best(labels, truth, truth, half))


@wrong("mucov", "counts as 0")
def mucov_without_invented(labels, truth):
    """Invented cells are left out of the mean."""
    return np.mean([score for score in best(labels, truth, labels, half) if score > 0])


@wrong("mucov", "half of the true cell")
def mucov_half_of_prediction(labels, truth):
    """The prediction, not the true cell, must be covered by half."""
    return np.mean(best(labels, truth, labels, lambda shared, size, other: shared > other / 2))


@wrong("mucov", "best J first")
def mucov_best_of_covered(labels, truth):
    """The best J among the covered cells is taken, instead of asking the cell with the best J."""
    return np.mean(best(labels, truth, labels, half))


@wrong("mucov", "do not add up")
def mucov_sums(labels, truth):
    """A prediction over two cells adds up both J."""
    total = {j: 0.0 for j in np.unique(labels[labels > 0])}
    for _, j, shared, size, other in pairs(labels, truth):
        total[j] += shared / (size + other - shared) if half(shared, size, other) else 0
    return np.mean(list(total.values()))


@wrong("blind_iou", "same foreground")
def shifted():
    """The prediction misses the cell: SEG is 0, but IoU is 0 too."""
    return np.array([[[0, 0, 1, 1]]]), np.array([[[1, 1, 0, 0]]])


@wrong("blind_iou", "covers more than half")
def uneven():
    """The cell is cut unevenly: the larger part still counts."""
    return np.array([[[1, 1, 1, 2]]]), np.array([[[1, 1, 1, 1]]])


@wrong("blind_iou", "the truth is empty")
def empty():
    """There is nothing to find, and nothing is predicted."""
    return np.zeros((1, 2, 2), int), np.zeros((1, 2, 2), int)


@wrong("blind_iou", "expected a pair")
def one_volume():
    """Only the prediction is returned."""
    return np.array([[[1, 1, 2, 2]]])


wrong_value("can_fall", "Only MUCov: the larger union is forgotten.", {"MUCov"}, "IoU can fall")
wrong_value("can_fall", "Only IoU: the mean over predictions is forgotten.", {"IoU"}, "MUCov can fall")
wrong_value("can_fall", "All three: SEG is taken to punish inventions.", {"IoU", "SEG", "MUCov"}, "SEG cannot fall")
