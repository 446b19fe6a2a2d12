"""IoU, SEG, MUCov and coverage: hand-drawn cases, a direct double loop, three outside tools, properties."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from ctc_metrics.metrics.technical.seg import seg as ctc_seg
from ctc_metrics.utils.representations import match as ctc_match
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bfs_tutorial.errors import InputError
from bfs_tutorial.metrics import (
    contingency_table,
    detection,
    evaluate,
    foreground_iou,
    match_points,
    mucov,
    pairwise_iou,
    seg,
    truth_coverage,
)

CASES = [
    "qcanet16_dilated_cc", "qcanet16_example_output", "qcanet16_identity", "qcanet16_perturb1", "qcanet16_perturb2",
    "qcanet8_perturb3", "qcanet8_perturb4", "stardist3d_perturb5", "stardist3d_perturb6", "toy_exact_half",
]
SCORES = ("IoU", "SEG", "MUCov", "coverage")
volumes = hnp.arrays(np.int32, (3, 4, 5), elements=st.integers(0, 4))


def line(*values):
    return np.array(values, dtype=np.int32).reshape(1, 1, -1)


def double_loop(labels, truth):
    """The definitions word by word: every true cell against every predicted one."""
    truths, predictions = (np.unique(volume[volume > 0]) for volume in (truth, labels))
    iou, covered = np.zeros((2, len(truths), len(predictions)))
    for i, t in enumerate(truths):
        for j, p in enumerate(predictions):
            both = np.sum((truth == t) & (labels == p))
            iou[i, j] = both / np.sum((truth == t) | (labels == p))
            covered[i, j] = both > 0.5 * np.sum(truth == t)
    foreground = np.sum((truth > 0) & (labels > 0)) / max(np.sum((truth > 0) | (labels > 0)), 1)
    if len(truths) == 0 or len(predictions) == 0:
        return dict.fromkeys(SCORES, 1.0 if len(truths) == len(predictions) else 0.0)
    partner = [[i for i in range(len(truths)) if iou[i, j] == iou[:, j].max()] for j in range(len(predictions))]
    return {
        "IoU": foreground,
        "SEG": np.mean([sum(iou[i, j] for j in range(len(predictions)) if covered[i, j]) for i in range(len(truths))]),
        "MUCov": np.mean([iou[:, j].max() if any(covered[i, j] for i in partner[j]) else 0.0
                          for j in range(len(predictions))]),
        "coverage": np.mean(iou.max(axis=1)),
    }


def ctc_tool_seg(labels, truth, folder):
    """SEG by py-ctcmetrics, which compares two TIFF files."""
    tifffile.imwrite(folder / "truth.tif", truth.astype(np.uint16), photometric="minisblack")
    tifffile.imwrite(folder / "result.tif", labels.astype(np.uint16), photometric="minisblack")
    found = ctc_match(str(folder / "truth.tif"), str(folder / "result.tif"))
    return ctc_seg([found[0]], [found[4]])


@pytest.fixture(params=CASES)
def case(request, shared):
    """One stored pair of label volumes and what the outside tools said about it."""
    with np.load(shared / "reference" / "metrics" / f"{request.param}.npz") as pair:
        reference = json.loads((shared / "reference" / "metrics" / "reference.json").read_text())
        return request.param, pair["pred"], pair["gt"], reference[request.param]


# ---- outside tools --------------------------------------------------------------------------------------------


def test_equals_the_stored_results_of_three_tools(case):
    name, labels, truth, reference = case
    result = evaluate(labels, truth)
    assert result["IoU"] == pytest.approx(reference["IoU"], abs=1e-12)
    assert result["SEG"] == pytest.approx(reference["SEG"], abs=1e-12)
    assert result["SEG"] == pytest.approx(reference["SEG_qcanet_tool"], abs=1e-12)
    assert (result["n_truth"], result["n_predicted"]) == (reference["n_truth"], reference["n_predicted"])
    if name != "toy_exact_half":
        assert result["MUCov"] == pytest.approx(reference["MUCov_qcanet_tool"], abs=1e-12)


def test_where_the_qcanet_tool_leaves_the_definition(shared):
    """Predictions: one covers exactly half of cell 1 (0), one 12 of 16 voxels of cell 2 (0.75), one nothing (0): 0.25.

    The tool gives 0.0, because it drops a label when the box around it holds no background.
    """
    with np.load(shared / "reference" / "metrics" / "toy_exact_half.npz") as pair:
        assert evaluate(pair["pred"], pair["gt"])["MUCov"] == 0.25
    reference = json.loads((shared / "reference" / "metrics" / "reference.json").read_text())
    assert reference["toy_exact_half"]["MUCov_qcanet_tool"] == 0.0


def test_every_stored_case_is_tested(shared):
    assert sorted(path.stem for path in (shared / "reference" / "metrics").glob("*.npz")) == CASES


def test_seg_equals_py_ctcmetrics_on_the_stored_cases(case, tmp_path):
    _, labels, truth, _ = case
    assert evaluate(labels, truth)["SEG"] == pytest.approx(ctc_tool_seg(labels, truth, tmp_path), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_seg_equals_py_ctcmetrics_on_random_labels(seed, tmp_path):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.repeat(rng.integers(0, 6, (3, 5, 5)), 2, axis=1), 3, axis=2)
    labels = np.where(rng.uniform(size=truth.shape) < 0.6, truth, rng.integers(0, 9, truth.shape))
    truth[0, 0, 0] = labels[0, 0, 0] = 0  # the tool takes the lowest label for the background
    assert evaluate(labels, truth)["SEG"] == pytest.approx(ctc_tool_seg(labels, truth, tmp_path), abs=1e-12)


# ---- definitions ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(volumes, volumes)
def test_equals_a_direct_double_loop(labels, truth):
    result = evaluate(labels, truth)
    assert {name: result[name] for name in SCORES} == pytest.approx(double_loop(labels, truth), abs=1e-12)


def test_contingency_table_by_hand():
    table = contingency_table(labels=line(0, 9, 9, 4, 4), truth=line(7, 7, 0, 2, 2))
    # Rows: background, cells 2 and 7. Columns: background, predictions 4 and 9.
    assert table.tolist() == [[0, 0, 1], [0, 2, 0], [1, 0, 1]]


def test_pairwise_iou_by_hand():
    table = contingency_table(labels=line(0, 9, 9, 4, 4), truth=line(7, 7, 0, 2, 2))
    np.testing.assert_allclose(pairwise_iou(table), [[1, 0], [0, 1 / 3]])


def test_exactly_half_covered_is_not_enough():
    result = evaluate(line(1, 1, 0, 0), truth=line(1, 1, 1, 1))
    assert result == {"IoU": 0.5, "SEG": 0.0, "MUCov": 0.0, "coverage": 0.5, "n_predicted": 1, "n_truth": 1}
    assert evaluate(line(1, 1, 1, 0), truth=line(1, 1, 1, 1))["SEG"] == 0.75


def test_two_cells_merged_into_one_prediction():
    """Foreground is perfect. The prediction covers each cell fully, with IoU 1/2: SEG 1/2, MUCov 1/2."""
    result = evaluate(line(1, 1, 1, 1), truth=line(1, 1, 2, 2))
    assert (result["IoU"], result["SEG"], result["MUCov"]) == (1.0, 0.5, 0.5)
    assert (result["n_truth"], result["n_predicted"]) == (2, 1)


def test_one_cell_split_into_two_predictions():
    """Five voxels split 3 + 2: only the larger part covers more than half, so SEG 3/5 and MUCov (3/5 + 0) / 2."""
    result = evaluate(line(1, 1, 1, 2, 2), truth=line(1, 1, 1, 1, 1))
    assert result["IoU"] == 1.0
    assert result["SEG"] == pytest.approx(0.6) and result["MUCov"] == pytest.approx(0.3)


def test_mucov_asks_only_the_best_partner():
    """P holds half of a cell of 10 voxels (J = 5/12, the best) and all of one of 2 (J = 2/7): half is too little."""
    result = evaluate(line(*[0] * 5, *[1] * 7), truth=line(*[1] * 10, *[2] * 2))
    assert result["MUCov"] == 0.0 and result["SEG"] == pytest.approx((0 + 2 / 7) / 2)


def test_a_missed_cell_lowers_seg_and_not_mucov():
    result = evaluate(line(1, 1, 0, 0), truth=line(1, 1, 2, 2))
    assert (result["SEG"], result["coverage"], result["MUCov"]) == (0.5, 0.5, 1.0)


def test_an_invented_cell_lowers_mucov_and_not_seg():
    result = evaluate(line(1, 1, 2, 2), truth=line(1, 1, 0, 0))
    assert (result["SEG"], result["coverage"], result["MUCov"]) == (1.0, 1.0, 0.5)


def test_coverage_is_centred_on_the_truth_and_mucov_on_the_prediction():
    """A cell covered by half counts for the coverage of Silberman 2014 and not for the MUCov of the paper."""
    result = evaluate(line(1, 0, 2, 2), truth=line(1, 1, 2, 2))
    assert (result["coverage"], result["MUCov"]) == (0.75, 0.5)


@pytest.mark.parametrize(
    ("labels", "truth", "expected"),
    [((0, 0, 0), (0, 0, 0), 1.0), ((0, 1, 1), (0, 0, 0), 0.0), ((0, 0, 0), (0, 1, 2), 0.0)],
    ids=["nothing to find, nothing found", "nothing to find", "nothing found"],
)
def test_empty_volumes(labels, truth, expected):
    result = evaluate(line(*labels), line(*truth))
    assert [result[name] for name in SCORES] == [expected] * 4
    table = contingency_table(line(*labels), line(*truth))
    assert [score(table) for score in (foreground_iou, seg, mucov, truth_coverage)] == [expected] * 4


def test_huge_ids_need_no_huge_table():
    truth = line(0, 5, 5, 2**31 - 1)
    labels = np.array([0, 10**9, 10**9, 3], dtype=np.uint32).reshape(1, 1, 4)
    assert contingency_table(labels, truth).shape == (3, 3)
    assert evaluate(labels, truth)["SEG"] == 1.0


# ---- properties -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(volumes, volumes, st.permutations(range(1, 5)), st.permutations([1, 7, 300, 2**30]))
def test_the_names_of_the_labels_do_not_matter(labels, truth, new_labels, new_truth):
    renamed = evaluate(np.array([0, *new_labels])[labels], np.array([0, *new_truth])[truth])
    assert renamed == pytest.approx(evaluate(labels, truth), abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(volumes)
def test_a_volume_equals_itself(truth):
    result = evaluate(truth, truth)
    assert [result[name] for name in SCORES] == [1.0] * 4
    assert result["n_truth"] == result["n_predicted"] == len(np.unique(truth[truth > 0]))


@settings(deadline=None, max_examples=60)
@given(volumes, volumes)
def test_scores_lie_between_zero_and_one_and_are_ordered(labels, truth):
    result = evaluate(labels, truth)
    assert all(0 <= result[name] <= 1 for name in SCORES)
    assert result["SEG"] <= result["coverage"] + 1e-12  # SEG is coverage with a condition
    assert set(result) == {*SCORES, "n_predicted", "n_truth"}


@settings(deadline=None, max_examples=30)
@given(volumes, volumes, st.integers(0, 2))
def test_iou_is_symmetric_and_nothing_depends_on_left_and_right(labels, truth, axis):
    assert evaluate(labels, truth)["IoU"] == evaluate(truth, labels)["IoU"]
    assert evaluate(np.flip(labels, axis), np.flip(truth, axis)) == evaluate(labels, truth)


def test_results_are_plain_numbers_that_json_can_store():
    result = evaluate(line(1, 1, 0, 2), line(1, 1, 2, 2))
    assert json.loads(json.dumps(result)) == result
    assert all(type(value) in (int, float) for value in result.values())


# ---- detection ------------------------------------------------------------------------------------------------


def test_detection_by_hand():
    truth = [(0, 0, 0), (0, 0, 10), (0, 0, 20), (0, 0, 30)]
    found = [(0, 0, 1), (0, 0, 13), (0, 0, 40)]
    result = detection(found, truth, spacing=(1, 1, 1), tolerance=5.0)
    assert result == {"precision": pytest.approx(2 / 3), "recall": 0.5, "F1": pytest.approx(4 / 7)}
    assert match_points(found, truth, (1, 1, 1), tolerance=5.0).tolist() == [[0, 0], [1, 1]]


def test_tolerance_is_in_micrometres_and_includes_its_edge():
    assert detection([(0, 0, 0)], [(2, 0, 0)], (2, 1, 1), tolerance=4.0)["F1"] == 1.0
    assert detection([(0, 0, 0)], [(2, 0, 0)], (2, 1, 1), tolerance=3.9)["F1"] == 0.0


def test_one_point_is_matched_only_once():
    result = detection([(0, 0, 0), (0, 0, 1)], [(0, 0, 0)], (1, 1, 1))
    assert (result["precision"], result["recall"]) == (0.5, 1.0)


def test_the_assignment_makes_as_many_matches_as_possible():
    """Nearest first would give 4 to 5 (1 µm) and leave 0 without a partner; the best assignment matches both."""
    pairs = match_points([(0, 0, 4), (0, 0, 9)], [(0, 0, 5), (0, 0, 0)], (1, 1, 1), tolerance=5.0)
    assert pairs.tolist() == [[0, 1], [1, 0]]


def test_among_equally_many_matches_the_shortest_win():
    pairs = match_points([(0, 0, 0), (0, 0, 3)], [(0, 0, 3), (0, 0, 0)], (1, 1, 1), tolerance=5.0)
    assert pairs.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(("found", "truth", "expected"), [(0, 0, 1.0), (0, 2, 0.0), (2, 0, 0.0)])
def test_detection_without_points(found, truth, expected):
    points = np.array([(0, 0, 0), (0, 0, 50)], dtype=float)
    result = detection(points[:found], points[:truth], (1, 1, 1))
    assert result == {"precision": expected, "recall": expected, "F1": expected}


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(float, st.tuples(st.integers(0, 8), st.just(3)), elements=st.integers(0, 12)),
    hnp.arrays(float, st.tuples(st.integers(0, 8), st.just(3)), elements=st.integers(0, 12)),
)
def test_detection_is_symmetric_and_perfect_on_itself(found, truth):
    forward, back = detection(found, truth, (2, 1, 1)), detection(truth, found, (2, 1, 1))
    assert (forward["precision"], forward["recall"]) == (back["recall"], back["precision"])
    assert forward["F1"] == pytest.approx(back["F1"])
    assert detection(truth, truth, (2, 1, 1))["F1"] == 1.0


# ---- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((2, 3, 4), dtype=np.float32), "float32"),
        (np.full((2, 3, 4), -1), "-1"),
        (np.zeros((3, 4), dtype=int), "2D"),
        (np.zeros((2, 3, 5), dtype=int), "2 x 3 x 5"),
        (np.zeros((0, 3, 4), dtype=int), "empty"),
    ],
)
def test_bad_labels_are_one_clear_line(labels, message):
    truth = np.zeros((2, 3, 4), dtype=int)
    with pytest.raises(InputError, match=message):
        evaluate(labels, truth)
    with pytest.raises(InputError):
        evaluate(truth, labels)


@pytest.mark.parametrize("change", [{"spacing": (1, 1)}, {"tolerance": 0}, {"points": [(0, 0)]}])
def test_bad_points_are_refused(change):
    with pytest.raises(InputError):
        detection(**({"points": [(0, 0, 0)], "truth_points": [(0, 0, 0)], "spacing": (1, 1, 1)} | change))
