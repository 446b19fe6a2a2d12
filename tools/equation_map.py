"""The equation map: what the paper states -> the function that does it -> the tests that hold it -> the chapter.

To add a line, add a `Row`. `python tools/back_matter.py write` then renews book/equation_map.md, and
tests/book/test_equation_map.py fails for a function, test or heading that does not exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Row:
    """One line of the map."""

    paper: str  # where: equation, figure, table or section, and the symbol if it has one
    what: str  # what it is, in a few words
    functions: tuple[str, ...]  # dotted, without "bfs_tutorial."
    tests: tuple[str, ...]  # file::name, the file without its ending
    chapter: str  # chapter#heading


ROWS = {
    "Equations": (
        Row("Eq. 1, p(x)", "centre map: a blob around each click",
            ("centre_maps.centre_map",),
            ("test_centre_maps::test_one_centre_on_a_line_by_hand", "test_centre_maps::test_equals_brute_force"),
            "centre_maps#the-profile-numbers-first"),
        Row("Eq. 2, L_S1", "loss of S1: cross entropy and a focal term",
            ("losses.centre_loss",),
            ("test_losses::test_centre_loss_by_hand", "test_losses::test_gradcheck_of_centre_and_class_loss"),
            "centre_regression#equation-2-one-voxel-at-a-time"),
        Row("Eq. 3, L_S2", "loss of S2: pseudo labels and the image",
            ("losses.segmentation_loss",),
            ("test_losses::test_gradcheck_of_the_segmentation_loss",
             "test_losses::test_zero_boundary_weight_is_class_loss_alone"),
            "segmentation#two-terms-in-a-balance"),
        Row("Eq. 4, L_BF", "boundary loss of bright field, by the Laplacian",
            ("losses.boundary_loss", "losses.edge_weight"),
            ("test_losses::test_gradcheck_of_the_boundary_loss",
             "test_losses::test_boundary_loss_prefers_the_true_ball",
             "test_losses::test_as_printed_the_weight_is_constant_on_a_z_scored_image_and_scaling_cures_it"),
            "boundary_loss#two-factors"),
        Row("Eq. 5, L_FL", "boundary loss of fluorescence, by the gradient",
            ("losses.boundary_loss", "losses.edge_strength"),
            ("test_losses::test_the_norm_of_eq_5_is_the_p_norm_of_the_gradient",
             "test_pipeline::test_each_modality_has_the_loss_of_its_equation"),
            "boundary_loss#two-factors"),
    ),
    "Figures and table": (
        Row("Fig. 1", "data flow, from stack to instances",
            ("pipeline.BFSNet.predict",),
            ("test_pipeline::test_it_separates_cells_it_has_not_seen",),
            "whole_method#step-5-instances"),
        Row("Fig. 2", "pipeline overview, from clicks to two trained networks",
            ("pipeline.BFSNet.fit",),
            ("test_pipeline::test_real_labels_are_never_looked_at",
             "test_pipeline::test_an_interrupted_fit_resumes_to_the_same_networks"),
            "whole_method#step-3-ask-s1-where-it-looked"),
        Row("Fig. 3", "gradient and Laplacian along a line",
            ("explore.boundary_loss.profile_figure",),
            ("test_explore::test_the_profile_figure_has_a_row_for_each_stack",
             "test_losses::test_log_of_a_sharp_ball_is_zero_at_the_surface_and_peaks_beside_it"),
            "boundary_loss#along-a-line-through-the-cell"),
        Row("Fig. 4", "bright-field results",
            ("figures.comparison",),
            ("test_figures::test_comparison_gives_matching_cells_the_colour_of_the_reference",
             "test_experiments::test_stored_records_are_complete"),
            "bright_field_experiment#four-results"),
        Row("Fig. 5", "fluorescence: loss, mask, instances, truth",
            ("figures.panels", "figures.comparison"),
            ("test_figures::test_panels_draw_each_volume_by_its_kind",
             "test_explore::test_the_pictures_of_the_boundary_loss_multiply_to_its_product"),
            "fluorescence_experiment#see-it-first"),
        Row("Table 1", "scores on BBBC050",
            ("paper.table_1", "experiments.table1"),
            ("test_paper::test_table_1_is_complete_and_in_order",
             "test_paper::test_the_share_of_qcanet_is_a_ratio_of_two_entries"),
            "fluorescence_experiment#table-1-from-records"),
    ),
    "Steps": (
        Row("§3.1, B_V", "Voronoi borders: zero half way between clicks",
            ("centre_maps.voronoi_border",),
            ("test_centre_maps::test_voronoi_border_of_a_diagonal_pair_by_hand",
             "test_centre_maps::test_close_pairs_stay_two_separate_maxima"),
            "centre_maps#borders"),
        Row("§3.2, S1", "3D U-Net that regresses the centre map",
            ("unet.UNet3D", "pipeline.BFSNet.train_s1"),
            ("test_unet::test_logits_have_the_shape_of_the_image", "test_training::test_it_learns"),
            "centre_regression#the-network"),
        Row("§3.2, L_focal", "focal term, on voxels next to a click",
            ("losses.focal_term",),
            ("test_losses::test_focal_term_counts_only_voxels_above_the_threshold",),
            "centre_regression#equation-2-one-voxel-at-a-time"),
        Row("§3.2, peaks", "local maxima of the likelihood map",
            ("peaks.find_peaks",),
            ("test_peaks::test_equals_brute_force", "test_peaks::test_equals_the_original_peak_stimulation"),
            "centre_regression#from-a-map-to-points"),
        Row("§3.2, PRM", "peak response maps: back-propagation from each peak",
            ("peak_response.peak_responses",),
            ("test_peak_response::test_each_raw_response_sums_to_one_and_is_not_negative",
             "test_peak_response::test_agrees_with_the_original_code"),
            "peak_response#the-rule-with-three-numbers"),
        Row("§3.2, pseudo labels", "response maps become masks",
            ("pseudo_labels.pseudo_labels", "pseudo_labels.combine"),
            ("test_pseudo_labels::test_from_network_to_labels_one_label_per_peak",
             "test_pseudo_labels::test_labels_follow_the_order_of_the_maps_and_neighbours_split_midway"),
            "peak_response#pseudo-labels"),
        Row("§3.3, S2, L_class", "cross entropy against the pseudo labels",
            ("losses.class_loss", "pipeline.BFSNet.train_s2"),
            ("test_losses::test_gradcheck_of_centre_and_class_loss",),
            "segmentation#better-than-its-teacher"),
        Row("§3.3.1, G, ∇, Δ", "smoothing and derivatives, per µm",
            ("losses.smooth", "losses.gradient", "losses.laplacian"),
            ("test_losses::test_smoothing_is_scipys", "test_losses::test_derivatives_are_per_micrometre",
             "test_losses::test_laplacian_of_a_gaussian_agrees_with_scipy_where_sigma_is_well_sampled"),
            "boundary_loss#a-step-and-a-line"),
        Row("§3.4, merging", "peaks at a low distance become one, weighted by score",
            ("peaks.merge_peaks",),
            ("test_peaks::test_merge_is_a_mean_weighted_by_the_scores",
             "test_peaks::test_merged_peaks_are_at_least_radius_apart"),
            "instances#merging-peaks"),
        Row("§3.4, watershed", "the mask is divided among the peaks",
            ("instances.assign_instances",),
            ("test_instances::test_unequal_cells_are_cut_at_their_neck",
             "test_instances::test_every_instance_is_connected_and_holds_its_point"),
            "instances#water"),
        Row("§4, training", "Adam, weight decay, learning rate",
            ("training.train", "training.Schedule"),
            ("test_training::test_the_same_seed_gives_the_same_weights_and_another_does_not",
             "test_training::test_killed_and_resumed_ends_with_the_same_weights"),
            "centre_regression#training"),
        Row("§4.1, BFM stacks", "bright-field stacks; ours are simulated by wave optics",
            ("simulate.bright_field.bright_field",),
            ("test_simulate::test_a_weak_sphere_agrees_with_waveorder",
             "test_simulate::test_a_cell_is_dark_with_a_bright_ring_below_focus_and_bright_with_a_dark_ring_above"),
            "bright_field#through-a-sample-in-four-steps"),
        Row("§4.2, weak labels", "the mean of each mask is the click",
            ("data_download.loaders.centroids",),
            ("test_data_download::test_mouse_embryo_fluorescence", "test_data_download::test_bbbc050"),
            "whole_method#two-embryos"),
        Row("§4.2, IoU", "overlap of the two foregrounds",
            ("metrics.foreground_iou",),
            ("test_metrics::test_equals_the_stored_results_of_three_tools",
             "test_metrics::test_iou_is_symmetric_and_nothing_depends_on_left_and_right"),
            "metrics#many-cells-one-table"),
        Row("§4.2, SEG", "mean over true cells",
            ("metrics.seg",),
            ("test_metrics::test_seg_equals_py_ctcmetrics_on_random_labels",
             "test_metrics::test_exactly_half_covered_is_not_enough"),
            "metrics#more-than-half"),
        Row("§4.2, MUCov", "mean over predicted cells",
            ("metrics.mucov",),
            ("test_metrics::test_equals_the_stored_results_of_three_tools",
             "test_metrics::test_coverage_is_centred_on_the_truth_and_mucov_on_the_prediction"),
            "metrics#two-measures-almost-one-name"),
    ),
}  # fmt: skip


def full_path(function: str) -> str:
    """Return the dotted path of a function as one imports it."""
    return function if function.startswith("data_download.") else f"bfs_tutorial.{function}"


def slug(heading: str) -> str:
    """Return the address of a heading within its page, by the rule of GitHub and MyST."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def headings(chapter: str, book: Path = ROOT / "book") -> dict[str, str]:
    """Return the headings of a chapter's source by their addresses, the title first."""
    lines = (book / f"{chapter}.py").read_text(encoding="utf-8").splitlines()
    titles = [match[1] for line in lines if (match := re.match(r"# #{1,3} (.+)", line))]
    return {slug(title): title for title in titles}


def link_to_chapter(place: str) -> str:
    """Return a link to chapter#heading as "title: heading"."""
    chapter, _, anchor = place.partition("#")
    found = headings(chapter)
    title = next(iter(found.values())).partition(":")[0]
    return f"[{title}]({chapter}.ipynb): [{found[anchor]}]({chapter}.ipynb#{anchor})"


def link_to_test(test: str) -> str:
    """Return a test as a link to its file and its name read as a sentence."""
    file, _, name = test.partition("::")
    return f"[{file}](../tests/{file}.py): {name.removeprefix('test_').replace('_', ' ')}"


def in_formulas(place: str) -> str:
    """Return a place of the paper with its symbols as formulas: L_S1, B_V, p(x)."""
    place = re.sub(r"\b([BL])_(\w+)", r"$\\mathcal{\1}_{\2}$", place)
    return place.replace("p(x)", "$p(x)$")


def line(row: Row) -> str:
    """Return one line of the table."""
    where, _, symbol = row.paper.partition(", ")
    symbol = f", {in_formulas(symbol)}" if symbol else ""
    functions = "<br>".join(f"{{py:obj}}`{name} <{full_path(name)}>`" for name in row.functions)
    tests = "<br>".join(map(link_to_test, row.tests))
    return f"| **{where}**{symbol}<br>{row.what} | {functions} | {tests} | {link_to_chapter(row.chapter)} |"


def tables() -> str:
    """Return the three tables of the page."""
    head = "| paper | function | tests | explained in |\n|---|---|---|---|"
    return "\n\n".join(f"## {title}\n\n{head}\n" + "\n".join(map(line, rows)) for title, rows in ROWS.items())
