"""Figures: cards with alt text, colours, scale bars, aspect, the planes that are drawn, tables, and bad input."""

from __future__ import annotations

import io
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colors, pyplot
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy import ndimage
from skimage import color, measure
from skimage import io as skio

from bfs_tutorial import figures
from bfs_tutorial.errors import InputError

SPACING = (2.0, 1.0, 0.5)  # µm
ALT = "Three planes of a made-up stack with two cells outlined"

# Machado, Oliveira, Fernandes 2009: linear RGB as seen with each deficiency, severity 1.
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.fixture
def stack() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A stack of 6 x 20 x 30 voxels in which each value tells its place, two touching cells and their centres."""
    z, y, x = np.meshgrid(np.arange(6), np.arange(20), np.arange(30), indexing="ij")
    labels = np.zeros((6, 20, 30), dtype=np.int32)
    labels[1:5, 4:14, 3:13] = 1
    labels[1:5, 4:14, 13:23] = 2
    return 10000.0 * z + 100.0 * y + x, labels, np.array([[2.5, 8.5, 7.5], [2.0, 8.5, 17.5]])


class Tags(HTMLParser):
    """Collect (tag, attributes, text) of each element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_data(self, data: str) -> None:
        self.found[-1][2].append(data)

    def __getitem__(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attrs, "".join(text)) for name, attrs, text in self.found if name == tag]


def linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio."""
    bright, dark = sorted(float(linear(np.array(colors.to_rgb(c))) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))[::-1]
    return (bright + 0.05) / (dark + 0.05)


def pixels(figure: Figure) -> np.ndarray:
    """The picture of a figure, (rows, columns, 3)."""
    return np.asarray(Image.open(io.BytesIO(figures.show(figure, ALT).png)).convert("RGB"))


def drawn(figure: Figure) -> list:
    """The axes of a figure that hold a picture of a plane, in the order in which they were made."""
    return [axes for axes in figure.axes if axes.get_visible() and axes.images]


# ---- cards ---------------------------------------------------------------------------------------------------------


def test_a_card_escapes_its_words_and_holds_its_picture(stack):
    figure = figures.slices(stack[0], SPACING, 2)
    card = figures.show(figure, 'Cells <b>& "nuclei"</b> in two planes', caption="a <b>& c")
    html = card._repr_html_()
    assert "<b>" not in html
    (image, _), ((_, caption),) = Tags(html)["img"][0], Tags(html)["figcaption"]
    assert image["alt"] == 'Cells <b>& "nuclei"</b> in two planes'
    assert caption == "a <b>& c"
    assert image["src"].startswith("data:image/png;base64,")
    assert Tags(html)["figure"][0][0]["class"] == "bfs-figure"
    picture = Image.open(io.BytesIO(card.png))
    assert np.allclose(picture.size, figure.get_size_inches() * figures.DPI, atol=1)
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_card_without_a_caption_has_none():
    assert Tags(figures.show(Figure(), ALT)._repr_html_())["figcaption"] == []


def test_repr_is_short_and_says_what_the_figure_shows():
    assert repr(figures.show(Figure(), ALT)) == f"<figure: {ALT}>"
    assert repr(figures.show(Figure(), "word " * 50)) == "<figure: " + ("word " * 12)[:59].rstrip() + "…>"


@pytest.mark.parametrize("alt", ["", "   ", "a figure", "two words         only"])
def test_alt_text_must_say_something(alt):
    with pytest.raises(InputError, match="say what the figure shows"):
        figures.show(Figure(), alt)


def test_show_closes_the_figure():
    figure = pyplot.figure()
    assert pyplot.fignum_exists(figure.number)
    figures.show(figure, ALT)
    assert not pyplot.fignum_exists(figure.number)


def test_drawing_leaves_nothing_open_and_no_setting_changed(stack):
    before = dict(pyplot.rcParams)
    figures.show(figures.orthogonal(stack[0], SPACING, labels=stack[1]), ALT)
    assert pyplot.get_fignums() == []
    assert dict(pyplot.rcParams) == before


def test_same_input_same_bytes_whatever_the_settings_of_the_reader(stack):
    def draw() -> str:
        return figures.show(figures.slices(stack[0], SPACING, 3, labels=stack[1]), ALT)._repr_html_()

    first = draw()
    odd = {"font.size": 20, "axes.titleweight": "bold", "savefig.dpi": 30, "text.antialiased": False}
    with pyplot.rc_context(odd):
        assert draw() == first


def test_a_picture_with_few_colours_is_small_and_one_with_many_keeps_them(stack):
    few = Image.open(io.BytesIO(figures.show(figures.slices(stack[0], SPACING, 4, labels=stack[1]), ALT).png))
    assert few.mode == "P"
    noise = Figure(figsize=(0.6, 0.6))
    noise.add_axes((0, 0, 1, 1)).imshow(np.random.default_rng(0).random((105, 105, 3)))
    many = Image.open(io.BytesIO(figures.show(noise, ALT).png))
    assert many.mode == "RGB"


# ---- colours -------------------------------------------------------------------------------------------------------


def test_outlines_stand_out_from_mid_grey_and_words_from_white():
    assert min(contrast(colour, "#808080") for colour in figures.INSTANCES) >= 1.5
    assert min(contrast(colour, "white") for colour in (*figures.LINES, figures.INK, figures.MUTED)) >= 4.5


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_of_instances_differ_for_colour_blind_readers(deficiency):
    rgb = linear(np.array([colors.to_rgb(colour) for colour in figures.INSTANCES]))  # (6, 3)
    seen = np.clip(rgb @ np.array(DEFICIENCIES[deficiency]).T, 0, 1)
    lab = color.xyz2lab(color.rgb2xyz(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)))
    apart = color.deltaE_ciede2000(lab[:, None], lab[None])  # (6, 6)
    assert apart[~np.eye(len(lab), dtype=bool)].min() >= 10


def test_distant_cells_take_the_colours_in_turn():
    labels = np.zeros((3, 40, 400), dtype=int)
    for number in range(1, 9):
        labels[1, 20, 45 * number] = number
    expected = [figures.INSTANCES[(number - 1) % 6] for number in range(1, 9)]
    assert list(figures.label_colours(labels).values()) == expected


def test_touching_cells_differ_in_a_packed_volume():
    blocks = 1 + np.arange(2 * 4 * 4).reshape(2, 4, 4)
    labels = blocks.repeat(9, axis=0).repeat(9, axis=1).repeat(9, axis=2)  # (18, 36, 36)
    chosen = figures.label_colours(labels)
    assert len(chosen) == 32
    for axis in range(3):
        first, second = np.delete(blocks, -1, axis).ravel(), np.delete(blocks, 0, axis).ravel()
        assert all(chosen[int(a)] != chosen[int(b)] for a, b in zip(first, second, strict=True))


def test_a_number_keeps_the_colour_that_the_first_image_gave_it():
    first, second = np.zeros((2, 5, 80), dtype=int)
    first[2, 10:80:10] = range(1, 8)  # seven cells, six colours: the last takes that of the farthest, the first
    second[2, 10], second[2, 11], second[2, 12] = 1, 7, 8
    alone, together = figures.label_colours(first), figures.label_colours(first, second)
    assert alone[1] == alone[7]
    assert together == alone | {8: together[8]} and together[8] != alone[1]


def test_a_new_number_differs_from_its_neighbour_in_a_later_image():
    first, second = np.zeros((2, 10, 20), dtype=int)
    first[2:5, 2:5] = 1
    second[2:5, 2:5], second[2:5, 5:8] = 1, 7  # 7 would take the colour of 1
    chosen = figures.label_colours(first, second)
    assert chosen[1] == figures.INSTANCES[0] != chosen[7]


def test_colours_of_no_and_of_huge_numbers():
    assert figures.label_colours(np.zeros((4, 4), dtype=int)) == {}
    assert figures.label_colours() == {}
    assert set(figures.label_colours(np.array([[0, 10**6]]))) == {10**6}


@settings(max_examples=25)
@given(st.permutations(range(1, 9)), st.integers(0, 2**31))
def test_renumbered_truth_gets_its_numbers_back(order, seed):
    truth = np.random.default_rng(seed).integers(0, 9, (4, 6, 6))
    renumbered = np.array([0, *order])[truth]
    assert np.array_equal(figures.match_colours(renumbered, truth), truth)


@settings(max_examples=25)
@given(st.integers(0, 2**31))
def test_matching_keeps_the_partition(seed):
    rng = np.random.default_rng(seed)
    labels, truth = rng.integers(0, 7, (2, 5, 5, 5))
    matched = figures.match_colours(labels, truth)
    pairs = {(int(a), int(b)) for a, b in zip(labels.ravel(), matched.ravel(), strict=True)}
    assert len(pairs) == len(np.unique(labels)) == len(np.unique(matched))
    assert np.array_equal(matched == 0, labels == 0)


def test_the_smaller_half_of_a_split_cell_takes_a_new_number():
    truth = np.array([[5, 5, 5, 0, 3]])
    labels = np.array([[1, 1, 2, 4, 0]])
    assert np.array_equal(figures.match_colours(labels, truth)[0, :2], [5, 5])
    new = figures.match_colours(labels, truth)[0, 2:4]
    assert len(set(new)) == 2 and new.min() > 5  # numbers that the truth does not use


# ---- overlay -------------------------------------------------------------------------------------------------------


def test_overlay_by_hand():
    image = np.array([[0.0, 1.0, 2.0, 3.0, 4.0]] * 5)
    labels = np.zeros((5, 5), dtype=int)
    labels[1:4, 1:4] = 1
    painted = figures.overlay(image, labels, fill=0.5, limits=(0, 4), colours={1: "#ff0000"})
    assert painted.shape == (5, 5, 3) and painted.dtype == np.uint8
    assert painted[0].tolist() == [[0, 0, 0], [64, 64, 64], [128, 128, 128], [191, 191, 191], [255, 255, 255]]
    assert painted[1, 1].tolist() == painted[3, 2].tolist() == [255, 0, 0]  # outline
    assert painted[2, 2].tolist() == [191, 64, 64]  # 0.5 * (128, 128, 128) + 0.5 * (255, 0, 0)


def test_overlay_shows_both_outlines_of_touching_cells_and_zooms():
    labels = np.zeros((8, 12), dtype=int)
    labels[1:7, 1:6], labels[1:7, 6:11] = 1, 2
    painted = figures.overlay(np.zeros((8, 12)), labels, zoom=3, colours={1: "#ff0000", 2: "#00ff00"})
    assert painted.shape == (24, 36, 3)
    assert painted[12, 17].tolist() == [255, 0, 0] and painted[12, 18].tolist() == [0, 255, 0]
    assert painted[12, 16].tolist() == painted[12, 19].tolist() == [0, 0, 0]  # an outline of one pixel, not of a voxel


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.floats(0, 1), st.integers(1, 3))
def test_overlay_leaves_the_background_grey(seed, fill, zoom):
    rng = np.random.default_rng(seed)
    image, labels = rng.random((7, 9)), rng.integers(0, 4, (7, 9))
    grey = figures.overlay(image, np.zeros((7, 9), dtype=int), zoom=zoom)
    background = (labels == 0).repeat(zoom, axis=0).repeat(zoom, axis=1)
    assert np.array_equal(figures.overlay(image, labels, fill=fill, zoom=zoom)[background], grey[background])


# ---- scale bar, aspect, outlines -----------------------------------------------------------------------------------


def bar_of(axes) -> tuple[float, str]:
    """Length of the scale bar in voxels, and its words."""
    line = next(line for line in axes.lines if line.get_color() == "white" and line.get_linewidth() > 2)
    return float(np.ptp(line.get_xdata())), axes.texts[-1].get_text()


def test_a_scale_bar_is_length_over_spacing_voxels_long():
    axes = Figure().add_subplot()
    axes.imshow(np.zeros((40, 120)))
    limits = axes.get_xlim(), axes.get_ylim()
    assert figures.scale_bar(axes, 0.8, 20.0) == 20.0
    assert bar_of(axes) == (pytest.approx(25.0), "20 µm")  # 20 / 0.8
    assert (axes.get_xlim(), axes.get_ylim()) == limits


@pytest.mark.parametrize(("spacing", "length"), [(0.8, 20.0), (0.5, 20.0), (0.1, 2.0), (3.0, 100.0), (0.01, 0.5)])
def test_a_scale_bar_chooses_a_round_length_below_a_third(spacing, length):
    axes = Figure().add_subplot()
    axes.imshow(np.zeros((40, 122)))
    # a third of the width: 32.5, 20.3, 4.07, 122 and 0.41 µm; nothing is shorter than 0.5
    assert figures.scale_bar(axes, spacing) == length
    assert bar_of(axes)[0] == pytest.approx(length / spacing)


@pytest.mark.parametrize(("spacing", "length"), [(1.0, 200.0), (1.0, -5.0), (1.0, 0.0), (0.0, None), (np.nan, 5.0)])
def test_a_scale_bar_refuses_what_it_cannot_draw(spacing, length):
    axes = Figure().add_subplot()
    axes.imshow(np.zeros((40, 100)))
    with pytest.raises(InputError, match="scale bar"):
        figures.scale_bar(axes, spacing, length)


def test_the_scale_bar_of_each_figure_measures_its_first_picture(stack):
    image, labels, _ = stack  # 30 voxels of 0.5 µm across: a third is 5 µm, 10 voxels
    for figure in (
        figures.slices(image, SPACING),
        figures.orthogonal(image, SPACING),
        figures.projection(image, SPACING),
        figures.comparison(image, {"truth": labels}, SPACING),
        figures.panels({"a": image}, SPACING),
    ):
        assert bar_of(drawn(figure)[0]) == (pytest.approx(10.0), "5 µm")
    across_y = figures.projection(image, SPACING, axis=2)  # columns are y: 20 voxels of 1 µm
    assert bar_of(drawn(across_y)[0]) == (pytest.approx(5.0), "5 µm")


def test_a_micrometre_is_equally_long_in_every_direction_and_view(stack):
    for figure, axis_pairs in (
        (figures.orthogonal(stack[0], SPACING), [(1, 2), (1, 0), (0, 2)]),
        (figures.projection(stack[0], SPACING, (0, 1, 2)), [(1, 2), (0, 2), (0, 1)]),
    ):
        figure.draw_without_rendering()
        lengths = []
        for axes, (down, across) in zip(drawn(figure), axis_pairs, strict=True):
            origin, right, below = axes.transData.transform([(0, 0), (1, 0), (0, 1)])
            lengths += [(right - origin)[0] / SPACING[across], (origin - below)[1] / SPACING[down]]
        assert lengths == pytest.approx([lengths[0]] * 6, rel=1e-6)
        assert lengths[0] > 0


def test_an_outline_stays_inside_its_mask():
    mask = np.zeros((20, 30), dtype=bool)
    mask[5:15, 8:20] = True
    figure = Figure(figsize=(3, 2))
    axes = figure.add_axes((0, 0, 1, 1))
    figures.draw_plane(axes, np.zeros((20, 30)), (1, 1), outlines={1: mask}, colours={1: "#00ff00"})
    green = pixels(figure)[..., 1].astype(int)  # 350 x 525: 17.5 pixels a voxel
    box = np.s_[87:263, 140:350]  # rows 5 to 15, columns 8 to 20, in pixels
    assert green[box].sum() == green.sum() > 0
    assert green[175, 140:142].min() > 200  # the line, at the border ...
    assert green[175, 146:340].max() == 0  # ... and nowhere else


def test_both_outlines_of_touching_cells_are_visible(stack):
    image, labels, _ = stack
    figure = Figure(figsize=(3, 2))
    axes = figure.add_axes((0, 0, 1, 1))
    outlines = {number: labels[2] == number for number in (1, 2)}
    figures.draw_plane(axes, np.zeros((20, 30)), (1, 1), outlines=outlines, colours={1: "#ff0000", 2: "#00ff00"})
    row = pixels(figure)[158].astype(int)  # through the middle of both; they meet at 13 x 17.5 = 227.5 pixels
    assert row[226, 0] > 200 > 50 > row[226, 1]
    assert row[229, 1] > 200 > 50 > row[229, 0]


def test_a_hole_is_outlined_and_not_filled():
    mask = np.ones((20, 20), dtype=bool)
    mask[6:14, 6:14] = False
    figure = Figure(figsize=(2, 2))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.5, 19.5), ylim=(19.5, -0.5))
    axes.set_axis_off()
    figures.draw_outline(axes, mask, "#ff0000", fill=1.0)
    picture = pixels(figure)
    assert picture[175, 175].tolist() == [255, 255, 255] and picture[40, 40].tolist() == [255, 0, 0]


# ---- pictures of a stack -------------------------------------------------------------------------------------------


def test_slices_show_the_planes_they_name(stack):
    figure = figures.slices(stack[0], SPACING, [1, 4])
    assert [axes.get_title() for axes in drawn(figure)] == ["z = 2.0 µm", "z = 8.0 µm"]
    for axes, z in zip(drawn(figure), (1, 4), strict=True):
        assert np.array_equal(axes.images[0].get_array(), stack[0][z])


def test_a_number_of_slices_is_spread_through_the_cells(stack):
    def titles(**options) -> list[str]:
        return [axes.get_title() for axes in drawn(figures.slices(stack[0], (1.0, 1.0, 1.0), 2, **options))]

    assert titles() == ["z = 1.0 µm", "z = 4.0 µm"]  # a quarter and three quarters of 0 to 5
    cells = np.zeros_like(stack[1])
    cells[3:5, 8, 8] = 1
    assert titles(labels=cells) == ["z = 3.0 µm", "z = 4.0 µm"]


def test_slices_fill_rows_and_hide_the_rest(stack):
    figure = figures.slices(stack[0], SPACING, 5, columns=3)
    assert len(drawn(figure)) == 5 and len(figure.axes) == 6


def test_points_appear_in_planes_that_are_near(stack):
    image, _, points = stack  # at z = 2.5 and 2.0; planes are 2 µm apart

    def seen(plane: int, depth: float) -> list[float]:
        (axes,) = drawn(figures.slices(image, SPACING, [plane], points=points, depth=depth))
        return [float(x) for line in axes.lines if line.get_marker() == "o" for x in line.get_xdata()]

    assert seen(2, 0.1) == [7.5, 17.5]  # half a plane is always near enough
    assert seen(3, 0.1) == [7.5]
    assert seen(4, 2.0) == []
    assert seen(4, 3.0) == [7.5]
    assert seen(4, 4.0) == [7.5, 17.5]


def test_orthogonal_views_cut_through_the_place(stack):
    image, labels, points = stack
    figure = figures.orthogonal(image, SPACING, at=(2, 7, 11), labels=labels, points=points, depth=100)
    xy, yz, xz = drawn(figure)
    assert np.array_equal(xy.images[0].get_array(), image[2])
    assert np.array_equal(yz.images[0].get_array(), image[:, :, 11].T)
    assert np.array_equal(xz.images[0].get_array(), image[:, 7])
    titles = [axes.get_title() for axes in (xy, yz, xz)]
    assert titles == ["XY at z = 4.0 µm", "YZ at x = 5.5 µm", "XZ at y = 7.0 µm"]
    for axes, row, column in ((xy, 7, 11), (yz, 7, 2), (xz, 2, 11)):
        hairs = [line for line in axes.lines if len(set(line.get_xdata())) == 1 or len(set(line.get_ydata())) == 1]
        assert {(hair.get_xdata()[0], hair.get_ydata()[0]) for hair in hairs} >= {(0, row), (column, 0)}
    dots = [next(line for line in axes.lines if line.get_marker() == "o") for axes in (xy, yz, xz)]
    assert [(d.get_ydata()[0], d.get_xdata()[0]) for d in dots] == [(8.5, 7.5), (8.5, 2.5), (2.5, 7.5)]


def test_orthogonal_starts_in_the_largest_cell(stack):
    image, labels, _ = stack
    labels = labels.copy()
    labels[1:5, 4:14, 3:8] = 0  # 1 is now the smaller
    (xy, *_) = drawn(figures.orthogonal(image, SPACING, labels=labels))
    assert xy.get_title() == "XY at z = 4.0 µm"  # middle 2.5, rounded to even
    assert "y = 8.0" in drawn(figures.orthogonal(image, SPACING, labels=labels))[2].get_title()


def test_orthogonal_reaches_the_last_voxel(stack):
    xy, _, _ = drawn(figures.orthogonal(stack[0], SPACING, at=(5.5, 19.5, 29.5)))
    assert np.array_equal(xy.images[0].get_array(), stack[0][5])


@pytest.mark.parametrize("how", ["max", "mean", "min", "std"])
def test_projections_are_those_of_numpy(stack, how):
    figure = figures.projection(stack[0], SPACING, (0, 1, 2), how=how)
    for axis, axes in enumerate(drawn(figure)):
        assert np.allclose(axes.images[0].get_array(), getattr(np, how)(stack[0], axis=axis))


def test_a_projection_outlines_the_silhouette_of_each_cell():
    labels = np.zeros((6, 20, 20), dtype=int)
    labels[0, 2:8, 2:8], labels[3, 4:16, 4:16] = 1, 2  # 2 hides a corner of 1 where the larger number wins
    (axes,) = drawn(figures.projection(np.random.default_rng(0).random((6, 20, 20)), (1, 1, 1), labels=labels))
    areas = [patch.get_path().get_extents() for patch in axes.patches]
    assert [(box.x0, box.x1) for box in areas] == [(1.5, 7.5), (3.5, 15.5)]


def test_comparison_gives_matching_cells_the_colour_of_the_reference(stack):
    image, truth, _ = stack
    swapped = np.array([0, 2, 1], dtype=np.int32)[truth]
    figure = figures.comparison(image, {"truth": truth, "swapped": swapped}, SPACING, reference="truth", fill=0.0)
    _, left, right = drawn(figure)
    assert [axes.get_title() for axes in drawn(figure)] == ["image", "truth", "swapped"]
    expected = [colors.to_rgba(colour) for colour in figures.INSTANCES[:2]]
    left_edges = [patch.get_path().get_extents().x0 for patch in left.patches]
    assert left_edges == [2.5, 12.5] and [patch.get_edgecolor() for patch in left.patches] == expected
    below, above = right.patches[:2], right.patches[2:]  # the reference in white, the result on top of it
    assert [patch.get_edgecolor() for patch in below] == [colors.to_rgba("white")] * 2
    assert [patch.get_path().get_extents().x0 for patch in above] == left_edges
    assert [patch.get_edgecolor() for patch in above] == expected


def test_comparison_takes_the_fullest_plane_or_the_maximum(stack):
    image, labels, _ = stack
    cells = np.zeros_like(labels)
    cells[1, 5, 5:9], cells[4, 5, 5:12] = 1, 2
    (first, _) = drawn(figures.comparison(image, {"cells": cells}, SPACING))
    assert np.array_equal(first.images[0].get_array(), image[4])
    first, second = drawn(figures.comparison(image, {"cells": cells}, SPACING, "max", fill=0.0))
    assert np.array_equal(first.images[0].get_array(), image.max(axis=0))
    assert len(second.patches) == 2  # both silhouettes


def test_panels_take_labels_for_some_of_them(stack):
    image, labels, _ = stack
    volumes = {"image": image, "found": image, "true": image}
    figure = figures.panels(volumes, SPACING, 3, labels={"found": labels, "true": (labels > 0).astype(int)})
    outlines = [len(axes.patches) for axes in drawn(figure)]
    assert outlines == [0, len(np.unique(labels[3])) - 1, 1]
    with pytest.raises(InputError):
        figures.panels(volumes, SPACING, 3, labels={"found": labels[:3]})


def test_panels_draw_each_volume_by_its_kind(stack):
    image, labels, _ = stack
    volumes = {"stack": image, "map": image / 2, "signed": image - image.mean()}
    kinds = {"map": "map", "signed": "signed"}
    figure = figures.panels(volumes, SPACING, 3, kinds=kinds, units={"map": "probability"}, labels=labels)
    pictures = [axes.images[0] for axes in drawn(figure)]
    assert [picture.get_cmap().name for picture in pictures] == ["gray", "viridis", "RdBu_r"]
    for picture, volume in zip(pictures, volumes.values(), strict=True):
        assert np.array_equal(picture.get_array(), volume[3])
    assert pictures[1].get_clim() == (0.0, image.max() / 2)
    low, high = pictures[2].get_clim()
    assert low == -high < 0
    assert [axes.get_xlabel() for axes in figure.axes if not axes.images and axes.get_xlabel()] == ["probability"]


def test_constant_volumes_can_be_drawn():
    zeros = np.zeros((3, 8, 8))
    for kind, limits in (("image", (0, 1)), ("map", (0, 1)), ("signed", (-1, 1))):
        (axes,) = drawn(figures.slices(zeros, SPACING, 1, kind=kind))
        assert axes.images[0].get_clim() == limits


def test_nothing_found_can_be_drawn(stack):
    empty = np.zeros_like(stack[1])
    figures.show(figures.orthogonal(stack[0], SPACING, labels=empty, points=np.zeros((0, 3))), ALT)
    figures.show(figures.comparison(stack[0], {"truth": stack[1], "none": empty}, SPACING, reference="truth"), ALT)


# ---- numbers -------------------------------------------------------------------------------------------------------


def test_curves_are_named_at_their_ends_without_overlap():
    series = {"first": [3.0, 2.0, 1.0], "second": ([1, 10, 20], [3.0, 2.0, 1.01]), "third": [3.0, 2.0, 1.02]}
    figure = figures.curves(series)
    (axes,) = figure.axes
    assert [line.get_ydata()[-1] for line in axes.lines] == [1.0, 1.01, 1.02]
    assert list(axes.lines[0].get_xdata()) == [1, 2, 3] and list(axes.lines[1].get_xdata()) == [1, 10, 20]
    by_name = {text.get_text(): text for text in axes.texts}
    assert set(by_name) == set(series)
    for line, name in zip(axes.lines, series, strict=True):
        assert by_name[name].get_color() == line.get_color()
    figure.draw_without_rendering()
    boxes = sorted((Text.get_window_extent(text) for text in axes.texts), key=lambda box: box.y0)  # without the hair
    assert all(below.y1 <= above.y0 for below, above in zip(boxes, boxes[1:], strict=False))
    assert boxes[0].y1 > figure.axes[0].bbox.y0
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize(("end", "side"), [(0.2, "x1"), (-0.2, "x0")])
def test_a_curve_that_stops_early_is_named_above_its_end(end, side):
    (axes,) = figures.curves({"long": ([0, 4], [0, 1]), "short": ([0, 1], [0, end])}, inside=["short"]).axes
    axes.figure.draw_without_rendering()
    by_name = {text.get_text(): text for text in axes.texts}
    box, (x, y) = Text.get_window_extent(by_name["short"]), axes.transData.transform((1, end))
    assert abs(getattr(box, side) - x) < 10 and 0 < box.y0 - y < 10 and by_name["short"].arrow_patch is None
    assert by_name["long"].arrow_patch is not None


@pytest.mark.parametrize("log", [False, True])
def test_a_lone_curve_is_named_level_with_its_end(log):
    figure = figures.curves({"loss": [1.0, 0.2, 0.5]}, log=log)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    box = Text.get_window_extent(axes.texts[0])
    assert (box.y0 + box.y1) / 2 == pytest.approx(axes.transData.transform((3, 0.5))[1], abs=3)


def test_smoothing_is_a_centred_mean_over_the_faint_values():
    (axes,) = figures.curves({"loss": [0.0, 0.0, 9.0, 0.0, 0.0]}, smooth=3).axes
    faint, mean = axes.lines
    assert list(faint.get_ydata()) == [0, 0, 9, 0, 0] and faint.get_alpha() < 0.5
    assert mean.get_ydata() == pytest.approx([0, 3, 3, 3, 0])


def test_a_logarithmic_axis_has_plain_numbers():
    figure = figures.curves({"loss": [1.0, 0.1, 0.01]}, log=True)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert {"0.01", "0.1", "1"} <= {label.get_text() for label in axes.get_yticklabels()}


def test_bars_have_the_length_of_the_mean():
    scores = {"ball": {"IoU": 0.5, "SEG": 0.4}, "BFS-Net": {"IoU": [0.7, 0.9], "SEG": 0.6}}
    figure = figures.bars(scores, highlight=["BFS-Net"], beside={"BFS-Net": {"IoU": 0.65}})
    left, right = figure.axes
    assert [axes.get_title() for axes in (left, right)] == ["IoU", "SEG"]
    assert [bar.get_width() for bar in left.patches] == pytest.approx([0.5, 0.8])
    assert [text.get_text() for text in left.texts] == ["0.50", "0.80"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["ball", "BFS-Net"]
    marks = {line.get_marker(): list(line.get_xdata()) for line in left.lines}
    assert marks == {"o": [0.7, 0.9], "D": [0.65]}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["paper"]


def test_a_scatter_names_several_groups_and_draws_the_diagonal():
    groups = {"mean": ([1, 2], [3, 4]), "ratio": ([5], [6])}
    (axes,) = figures.scatter(groups, x_label="volume", y_label="IoU", diagonal="both the same").axes
    mean, ratio, diagonal = axes.lines
    assert (list(mean.get_xdata()), list(mean.get_ydata())) == ([1, 2], [3, 4])
    assert mean.get_marker() != ratio.get_marker() and mean.get_color() != ratio.get_color()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mean", "ratio"]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == list(axes.get_xlim()) == list(axes.get_ylim())
    assert [text.get_text() for text in axes.texts] == ["dashed: both the same"]
    (alone,) = figures.scatter({"one": ([1, 10], [2, 20])}, x_label="x", y_label="y", log=True).axes
    assert (alone.get_xscale(), alone.get_yscale(), alone.get_legend()) == ("log", "log", None)
    assert len(alone.lines) == 1


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({}, "0 groups"),
        ({"a": ([0, 1], [1, 1])}, "for log, x above 0"),
        ({"a": ([1, 1], [0, 1])}, "positive values only"),
        ({"a": ([1], [1, 2])}, "as many of each"),
    ],
)
def test_a_scatter_of_what_cannot_be_drawn_is_refused(groups, words):
    with pytest.raises(InputError, match=words):
        figures.scatter(groups, x_label="x", y_label="y", log=True)


def test_intervals_say_by_colour_and_mark_on_which_side_of_zero_they_lie():
    up, unclear, down = (0.2, 0.1, 0.3), (0.0, -0.1, 0.2), (-0.2, -0.3, -0.1)
    figure = figures.intervals({"a < b": {"IoU": up}, "b < c": {"IoU": unclear}, "c < d": {"IoU": down}})
    zero, *lines = figure.axes[0].lines
    assert list(zero.get_xdata()) == [0, 0]
    bars, dots = lines[::2], lines[1::2]
    assert [list(bar.get_xdata()) for bar in bars] == [[0.1, 0.3], [-0.1, 0.2], [-0.3, -0.1]]
    assert [dot.get_marker() for dot in dots] == ["o", "o", "s"]
    assert [dot.get_mfc() == "white" for dot in dots] == [False, True, False]
    assert len({bar.get_color() for bar in bars}) == 3


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({}, "expected the same metrics"),
        ({"a": {"IoU": (0, 0, 0)}, "b": {"SEG": (0, 0, 0)}}, "expected the same metrics"),
        ({"a": {"IoU": (0.5, 0.6, 0.7)}}, "low <= mean <= high"),
        ({"a": {"IoU": (0.5, 0.4)}}, "expected mean, low and high"),
    ],
)
def test_bad_intervals_are_named(rows, says):
    with pytest.raises(InputError, match=says):
        figures.intervals(rows)


def test_sweeps_draw_means_and_bands_for_numbers_and_words():
    figure = figures.sweeps(
        {"strength": ([0, 10.0], {"IoU": [[0.2, 0.6], [0.4, 0.8]]}), "edge": (["log", "step"], {"IoU": [0.5, 0.7]})},
        units={"strength": "λ"},
    )
    left, right = figure.axes
    assert list(left.lines[0].get_ydata()) == pytest.approx([0.3, 0.7])
    low, high = left.collections[0].get_paths()[0].get_extents().intervaly
    assert (low, high) == pytest.approx((0.2, 0.8))
    assert [label.get_text() for label in left.get_xticklabels()] == ["0", "10"]
    assert [label.get_text() for label in right.get_xticklabels()] == ["log", "step"]
    assert (left.get_xlabel(), right.get_xlabel()) == ("λ", "")


@pytest.mark.parametrize(
    ("series", "says"),
    [({}, "no series"), ({"a": ([1, 2], {})}, "0 metrics"), ({"a": ([1, 2], {"IoU": [0.1]})}, "expected 2 finite")],
)
def test_bad_sweeps_are_named(series, says):
    with pytest.raises(InputError, match=says):
        figures.sweeps(series)


def test_a_table_marks_the_best_and_can_be_read_aloud():
    rows = {
        "ball <r>": {"IoU": 0.7, "SEG": (0.68, 0.01), "seconds": 2},
        "BFS-Net": {"IoU": 0.8, "SEG": (0.78, 0.02), "seconds": 30},
        "supervised": {"IoU": 0.9, "SEG": None, "seconds": 31},
    }
    table = figures.score_table(rows, caption="Scores & time", decimals=2, lower=["seconds"], beside=["supervised"])
    tags = Tags(table._repr_html_())
    assert tags["table"][0][0]["class"] == "bfs-table"
    assert tags["caption"][0][1] == "Scores & time"
    scopes = [(attrs["scope"], text) for attrs, text in tags["th"]]
    assert scopes == [
        ("col", "method"), ("col", "IoU"), ("col", "SEG"), ("col", "seconds"),
        ("row", "ball <r>"), ("row", "BFS-Net"), ("row", "supervised"),
    ]
    assert [text for _, text in tags["strong"]] == ["2", "0.80", "0.78 ± 0.02"]
    assert repr(table).splitlines() == [
        "Scores & time",
        "method       IoU           SEG   seconds",
        "ball <r>    0.70   0.68 ± 0.01         2*",
        "BFS-Net     0.80*  0.78 ± 0.02*       30",
        "supervised  0.90             –        31",
    ]


def test_equal_prints_are_equally_good():
    table = figures.score_table({"a": {"IoU": 0.7001}, "b": {"IoU": 0.7004}, "c": {"IoU": 0.6}}, caption="Scores")
    assert [text for _, text in Tags(table.html)["strong"]] == ["0.700", "0.700"]


def test_one_row_wins_nothing_and_columns_can_be_chosen():
    table = figures.score_table({"a": {"IoU": 0.7, "SEG": 0.6}}, ["SEG"], caption="Scores")
    assert "strong" not in table.html and "IoU" not in table.html and "0.600" in table.html


# ---- bad input -----------------------------------------------------------------------------------------------------

IMAGE, LABELS = np.random.default_rng(0).random((4, 8, 9)), np.ones((4, 8, 9), dtype=int)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: figures.slices(IMAGE[0], SPACING), r"\(8, 9\)"),
        (lambda: figures.slices(np.zeros((0, 3, 3)), SPACING), "not empty|3D"),
        (lambda: figures.slices(np.where(IMAGE > 0.5, np.nan, 0), SPACING), "not finite"),
        (lambda: figures.slices(IMAGE.astype(complex), SPACING), "not finite numbers"),
        (lambda: figures.slices(IMAGE, (1, 1)), "spacing"),
        (lambda: figures.slices(IMAGE, (1, -1, 1)), "spacing"),
        (lambda: figures.slices(IMAGE, SPACING, 5), "1 to 4"),
        (lambda: figures.slices(IMAGE, SPACING, 0), "1 to 4"),
        (lambda: figures.slices(IMAGE, SPACING, [4]), "0 to 3"),
        (lambda: figures.slices(IMAGE, SPACING, [-1]), "0 to 3"),
        (lambda: figures.slices(IMAGE, SPACING, []), "0 to 3"),
        (lambda: figures.slices(IMAGE, SPACING, labels=LABELS[:, :, 1:]), "4 x 8 x 8"),
        (lambda: figures.slices(IMAGE, SPACING, labels=LABELS / 1), "float64"),
        (lambda: figures.slices(IMAGE, SPACING, points=np.array([[0, 0, 20]])), "outside"),
        (lambda: figures.slices(IMAGE, SPACING, points=np.zeros((3, 2))), r"\(3, 2\)"),
        (lambda: figures.slices(IMAGE, SPACING, kind="heat"), "image, map, signed"),
        (lambda: figures.slices(IMAGE, SPACING, limits=(1, 0)), "lower one first"),
        (lambda: figures.orthogonal(IMAGE, SPACING, at=(0, 0, 9)), "outside"),
        (lambda: figures.orthogonal(IMAGE, SPACING, at=(0, 0)), r"\(1, 2\)"),
        (lambda: figures.projection(IMAGE, SPACING, 3), "axis 0, 1 or 2"),
        (lambda: figures.projection(IMAGE, SPACING, how="median"), "max, mean, min, std"),
        (lambda: figures.comparison(IMAGE, {}, SPACING), "at least one"),
        (lambda: figures.comparison(IMAGE, {"a": LABELS}, SPACING, reference="b"), "reference 'b'"),
        (lambda: figures.comparison(IMAGE, {"a": LABELS}, SPACING, "min"), "0 to 3"),
        (lambda: figures.comparison(IMAGE, {"a": LABELS[1:]}, SPACING), "3 x 8 x 9"),
        (lambda: figures.panels({}, SPACING), "no volumes"),
        (lambda: figures.panels({"a": IMAGE, "b": IMAGE[1:]}, SPACING), r"\(3, 8, 9\)"),
        (lambda: figures.panels({"a": IMAGE}, SPACING, 9), "0 to 3"),
        (lambda: figures.overlay(IMAGE[0], LABELS[0, 1:]), "the same"),
        (lambda: figures.overlay(IMAGE, LABELS), "2D"),
        (lambda: figures.overlay(IMAGE[0], LABELS[0], fill=2), "fill 2"),
        (lambda: figures.overlay(IMAGE[0], LABELS[0], zoom=0), "zoom 0"),
        (lambda: figures.overlay(IMAGE[0], -LABELS[0]), "0 or above"),
        (lambda: figures.label_colours(LABELS / 1), "float64"),
        (lambda: figures.match_colours(LABELS, LABELS[1:]), "the same shape"),
        (lambda: figures.curves({}), "0 curves"),
        (lambda: figures.curves({str(i): [1.0] for i in range(7)}), "7 curves"),
        (lambda: figures.curves({"loss": []}), "'loss'"),
        (lambda: figures.curves({"loss": [1.0, np.nan]}), "finite"),
        (lambda: figures.curves({"loss": ([1, 2], [1.0])}), "2 steps, 1 values"),
        (lambda: figures.curves({"loss": [1.0, 0.0]}, log=True), "positive"),
        (lambda: figures.curves({"loss": [1.0, 0.5]}, inside=["los"]), "inside"),
        (lambda: figures.bars({}), "one or more"),
        (lambda: figures.bars({"a": {"IoU": 1}, "b": {"SEG": 1}}), "the same metrics"),
        (lambda: figures.bars({"a": {"IoU": np.nan}}), "IoU of 'a'"),
        (lambda: figures.score_table({}, caption="Scores"), "0 rows"),
        (lambda: figures.score_table({"a": {"IoU": 1.0}}, caption=" "), "caption"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# ---- layers of explorables ------------------------------------------------------------------------------------------


def moved(svg: str) -> list[str]:
    """Places (x y) of all marks of a layer, in order."""
    return [attrs["transform"].split(" scale")[0] for attrs, _ in Tags(svg)["g"]]


def test_hits_false_peaks_and_missed_cells_have_marks_of_their_own():
    points, truth = [[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [3.2, 4.0]]
    svg = figures.detection_marks((64, 128), points, truth, [[1, 1]], 1.0, title="0.3")
    assert moved(svg) == ["translate(6.0 5.0)", "translate(2.0 1.0)", "translate(4.0 3.0)"]
    assert [attrs["fill"] for attrs, _ in Tags(svg)["circle"]] == ["none", "#fff"]
    assert Tags(svg)["svg"][0][0]["viewbox"] == "-0.5 -0.5 128 64" and Tags(svg)["title"][0][1] == "0.3"


def test_without_peaks_every_cell_is_missed_and_without_cells_every_peak_is_false():
    missed = figures.detection_marks((64, 64), [], [[1.0, 2.0]], [], 1.0)
    false = figures.detection_marks((64, 64), [[1.0, 2.0]], np.zeros((0, 2)), np.zeros((0, 2)), 1.0)
    assert len(Tags(missed)["circle"]) == 1 and len(moved(missed)) == 1
    assert not Tags(false)["circle"] and len(moved(false)) == 1


def test_the_scale_bar_of_a_layer_has_its_length():
    svg = figures.detection_marks((64, 128), [], [], [], 0.5)  # 64 µm wide
    assert Tags(svg)["text"][0][1] == "20 µm"
    start, end = Tags(svg)["path"][0][0]["d"][1:].split("H")
    assert (float(end) - float(start.split()[0])) * 0.5 == pytest.approx(20, abs=0.1)


def test_detections_with_three_columns_are_refused():
    with pytest.raises(InputError, match=r"points has shape \(1, 3\)"):
        figures.detection_marks((64, 64), np.zeros((1, 3)), np.zeros((1, 2)), np.zeros((0, 2)), 1.0)


def test_a_cursor_stands_at_its_value():
    axes = Figure(figsize=(2, 1)).add_axes((0.1, 0.2, 0.8, 0.6))
    axes.set(xlim=(0, 10))
    svg = figures.cursor(axes, 5, "a < b")
    assert Tags(svg)["path"][0][0]["d"] == "M100.0 20.0V80.0"
    assert Tags(svg)["text"][0][1] == "a < b" and "a &lt; b" in svg
    assert figures.cursor(axes, 5) != figures.cursor(axes, 6)


# ---- the whole -----------------------------------------------------------------------------------------------------


def test_figures_are_drawn_without_torch():
    code = "import sys, bfs_tutorial.figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_real_stacks_give_small_pictures(shared):
    folder = shared / "data" / "mouse_embryo_fluorescence"
    image = skio.imread(folder / "16_cell_raw.tif")
    labels = measure.label(skio.imread(folder / "16_cell_nsn.tif") > 0)
    points = np.array(ndimage.center_of_mass(labels > 0, labels, range(1, 17)))
    spacing = (1.75, 0.8, 0.8)
    for figure in (
        figures.slices(image, spacing, 8, labels=labels, points=points),
        figures.orthogonal(image, spacing, labels=labels, points=points),
        figures.comparison(image, {"a": labels, "b": labels, "c": labels}, spacing, reference="a"),
    ):
        assert len(figures.show(figure, ALT).png) <= 120_000
