"""Explorables: what is stored, ids, alt texts, the same frames live and on the page, the boundary loss, bad input."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from scipy import ndimage

from bfs_tutorial import explore, losses
from bfs_tutorial.errors import InputError
from bfs_tutorial.instances import assign_instances
from bfs_tutorial.stack import ZStack

SPACING = (1.0, 0.5, 0.5)


def ramp(slope, side="left"):
    """A grey ramp whose brightest column tells the parameters, and a text."""
    row = np.arange(16) * slope
    row = row if side == "right" else row[::-1]
    return np.tile(row, (8, 1)).astype(np.uint8), f"slope {slope:g}, {side}"


def say(slope, side="left"):
    return f"A ramp of slope {slope:g} that is bright on the {side}"


VALUES = {"slope": [1.0, 2.5, 4.0], "side": ["left", "right"]}


def made_of_ramps():
    names = {"labels": {"slope": "slope s"}, "units": {"slope": "µm"}, "start": {"slope": 2.5}}
    return explore.explorable(ramp, VALUES, alt=say, caption="A < b.", **names)


@pytest.fixture
def ramps():
    return made_of_ramps()


@pytest.fixture(scope="module")
def cell():
    """An image of a blurred ball of radius 3 µm, its mask, and the middle plane and row."""
    shape = (12, 24, 24)
    centre = [(n - 1) / 2 for n in shape]
    truth = explore.soft_ball(shape, centre, 3.0, SPACING)
    image = losses.smooth(truth, 0.5, SPACING)
    return ((image - image.mean()) / image.std()).numpy(), truth, (6, 12)


def stored(html):
    """The pictures and frames in the script of a page."""
    script = html[html.index("<script>") :]
    lists = re.search(r"const pictures = (\[.*?\]), frames = (\[.*\]), shown = (\[.*?\]);\n", script)
    return [json.loads(part) for part in lists.groups()]


def pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_the_page_stores_every_combination_and_shows_the_start(ramps):
    pictures, frames, shown = stored(ramps.html)
    assert len(frames) == len(list(ramps.settings())) == 6
    for (layers, alt, text), values in zip(frames, ramps.settings(), strict=True):
        assert np.array_equal(pixels(pictures[layers[0]]), ramp(**values)[0])
        assert (alt, text) == (say(**values), ramp(**values)[1])
    assert shown == [["1 µm", "2.5 µm", "4 µm"], ["left", "right"]]
    first = re.search(r'<img class="[^"]*" style="[^"]*" alt="([^"]+)" src="([^"]+)">', ramps.html)
    assert first[1] == say(2.5, "left")
    assert np.array_equal(pixels(first[2]), ramp(2.5, "left")[0])


def test_every_alt_text_is_different_and_long_enough(ramps):
    alts = [alt for _, alt, _ in stored(ramps.html)[1]]
    assert len(set(alts)) == 6
    assert min(map(len, alts)) >= 20


def test_controls_are_native_named_and_disabled_until_the_script_runs(ramps):
    page = ramps.html[: ramps.html.index("<script>")]
    inputs = re.findall(r"<input [^>]*>", page)
    assert len(inputs) == 3  # a slider and two radio buttons
    assert all(" disabled" in found for found in inputs)
    assert 'type="range" min="0" max="2" step="1" value="1" aria-valuetext="2.5 µm"' in inputs[0]
    assert "<label><span>slope s</span><input" in page
    assert '<output aria-live="off">2.5 µm</output>' in page
    assert 'role="radiogroup" aria-label="side"' in page
    assert "A &lt; b." in page


def test_the_same_code_gives_the_same_page_and_another_an_other_id(ramps):
    again = made_of_ramps()
    other = explore.explorable(ramp, VALUES, alt=say)
    assert again.html == ramps.html
    ids = [re.search(r'id="(bfs-[0-9a-f]{10})"', made.html)[1] for made in (ramps, other)]
    assert ids[0] != ids[1]
    assert repr(ramps) == "<explorable: slope s, side>"


def test_a_page_names_no_other_file(ramps):
    assert re.findall(r'(?:src|href)="(?!data:)', ramps.html) == []
    assert "http" not in ramps.html


def test_no_text_can_end_the_script():
    made = explore.explorable(
        lambda n: (np.zeros((2, 2), np.uint8), "</script>@FRAMES@"), {"n": [1, 2]}, alt=lambda n: 9 * "</p> "
    )
    assert made.html.count("</script>") == 1
    assert stored(made.html)[1][0][2] == "</script>@FRAMES@"


def test_equal_pictures_are_stored_once():
    pairs = lambda n: np.full((4, 4), n // 2, np.uint8)  # noqa: E731
    made = explore.explorable(pairs, {"n": [0, 1, 2, 3]}, alt=lambda n: f"a square whose grey is {n}")
    assert len(stored(made.html)[0]) == 2


def test_figures_rgb_arrays_png_and_svg_are_pictures():
    figure = Figure(figsize=(2, 1))
    figure.add_axes((0, 0, 1, 1)).plot([0, 1])
    colours = np.random.default_rng(0).integers(0, 255, (5, 7, 3)).astype(np.uint8)
    assert pixels(explore.encode(figure)[0]).shape == (120, 240)  # a palette: one number a pixel
    assert explore.encode(figure)[1] == 200
    assert pixels(explore.encode(colours)[0]).shape == (5, 7)
    png = base64.b64decode(explore.encode(colours)[0].partition(",")[2])
    assert explore.encode(png)[0].endswith(base64.b64encode(png).decode())
    assert explore.encode("<svg/>")[0].startswith("data:image/svg+xml;base64,")


def test_several_panels_are_one_picture_to_a_screen_reader():
    grey = np.zeros((4, 4), np.uint8)
    frame = explore.Frame([explore.Panel({"a": grey, "b": grey}, "two", 100, True), explore.Panel({"c": grey})], "x")
    made = explore.explorable(lambda n: frame, {"n": [1, 2]}, alt=lambda n: f"three grey squares, number {n}")
    assert 'role="img" aria-label="three grey squares, number 2"' in made.html
    assert re.findall(r'<img[^>]* alt="([^"]*)"', made.html) == ["a", "b", "c"]
    assert made.html.count("bfs-layers bfs-multiply") == 1


def test_live_widgets_draw_the_same_frames_for_any_value(ramps):
    box = ramps.widget()
    slider, choice, picture = box.children
    assert (slider.value, choice.value) == (2.5, "left")
    slider.value, choice.value = 3.3, "right"
    assert say(3.3, "right") in picture.value
    assert "slope 3.3, right" in picture.value
    assert "<script" not in picture.value and "<input" not in picture.value
    shown = re.search(r'src="([^"]+)"', picture.value)[1]
    assert np.array_equal(pixels(shown), ramp(3.3, "right")[0])


def test_whole_numbers_get_a_whole_slider_and_a_dict_a_choice():
    made = explore.explorable(
        lambda z, on: np.zeros((2, 2), np.uint8), {"z": range(3), "on": {"with": True, "without": False}},
        alt=lambda z, on: f"a black square at {z}, {on}",
    )  # fmt: skip
    z, on, _ = made.widget().children
    assert (type(z).__name__, z.step, z.value) == ("IntSlider", 1, 1)
    assert on.value is True
    assert stored(made.html)[2][1] == ["with", "without"]


def test_a_live_slider_names_its_unit():
    made = explore.explorable(
        lambda z, n: np.zeros((2, 2), np.uint8), {"z": [0.0, 9.0], "n": [1, 2]}, labels={"z": "slice z"},
        units={"z": "µm"}, start={"z": 9.0}, alt=lambda z, n: f"a black square at {z}, {n}",
    )  # fmt: skip
    z, n, _ = made.widget().children
    assert (z.description, z.value, n.description) == ("slice z, µm", 9.0, "n")


def test_importing_it_does_not_import_the_widgets():
    code = "import sys; import bfs_tutorial.explore; sys.exit('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"slope": [2, 1]}}, "rising order"),
        ({"parameters": {"slope": [1]}}, "two or more"),
        ({"parameters": {"slope": "12"}}, "expected a list"),
        ({"parameters": {}}, "no parameters"),
        ({"parameters": {"hill": [1, 2]}}, "ramp cannot be called with hill"),
        ({"start": {"slope": 7}}, "start of 'slope' is 7"),
        ({"units": {"side": "µm", "depth": "µm"}}, "units names 'depth'"),
        ({"parameters": {"slope": list(range(500))}}, "500 combinations"),
        ({"alt": lambda slope, side="": "short"}, "alt text 'short'"),
    ],
)
def test_bad_parameters_are_refused_in_words(changes, message):
    options = {"parameters": VALUES, "alt": say} | changes
    with pytest.raises(InputError, match=message):
        explore.explorable(ramp, options.pop("parameters"), **options)


@pytest.mark.parametrize("picture", [np.zeros((3, 3)), np.zeros(3, np.uint8), np.zeros((3, 3, 4), np.uint8), 7, "text"])
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(InputError, match="a frame holds a"):
        explore.encode(picture)


def test_frames_of_another_structure_or_too_many_bytes_are_refused():
    noise = np.random.default_rng(0)
    grey = np.zeros((2, 2), np.uint8)
    uneven = lambda n: explore.Frame([explore.Panel({"a": grey})] * n)  # noqa: E731
    heavy = lambda n: noise.integers(0, 255, (600, 600)).astype(np.uint8)  # noqa: E731
    for frame, message in ((uneven, "other panels"), (heavy, "offer fewer values")):
        with pytest.raises(InputError, match=message):
            explore.explorable(frame, {"n": [1, 2, 3]}, alt=lambda n: f"a picture of nothing {n}")._repr_html_()


# ---- the boundary loss ---------------------------------------------------------------------------------------


def test_the_pictures_of_the_boundary_loss_multiply_to_its_product(cell):
    image, mask, (z, y) = cell
    made = explore.boundary_frame(image, mask, SPACING, (z, y))(1.0, 0.8, "gradient", 2.0, "std")
    product = made.panels[3]
    assert product.multiply
    drawn = np.prod([layer / 255 for layer in product.layers.values()], axis=0)
    border = losses.gradient_magnitude(mask, 1.0, SPACING)
    weight = losses.edge_weight(torch.from_numpy(image), SPACING, 0.8, "gradient")
    assert np.abs(drawn - (border * weight)[z].numpy() / border[z].max().item()).max() < 2 / explore.GREYS


@pytest.mark.parametrize("edge", losses.EDGES)
def test_the_text_of_the_boundary_loss_is_the_loss(cell, edge):
    image, mask, at = cell
    text = explore.boundary_frame(image, mask, SPACING, at)(1.0, 0.8, edge, 1.0, "none").text
    options = {"sigma_mask": 1.0, "sigma_image": 0.8, "edge": edge, "p": 1.0, "scale": "none"}
    values = [
        losses.boundary_loss(mask, torch.from_numpy(image), SPACING, reduction=r, **options)
        for r in ("sum", "mean", "ratio")
    ]
    assert text == "sum {:.0f} · mean {:.4f} · ratio {:.2f}".format(*values)


def test_a_weight_and_a_loss_of_ones_own_are_used(cell):
    image, mask, at = cell

    def half(image, spacing, sigma, edge, p, scale):
        return torch.full_like(image, 0.5)

    def volume(mask, image, spacing):
        return mask.sum()

    frame = explore.boundary_frame(image, mask, SPACING, at, weight=half, loss=volume)(1.0, 1.0)
    assert "ratio 0.50" in frame.text
    assert f"volume {mask.sum():.4g}" in frame.text
    assert set(np.unique(frame.panels[2].layers["weight"])) <= {127, 128, 130, 125}


def test_a_mask_that_moves_a_plane_and_lambda(cell):
    image, truth, (z, y) = cell
    centre = [(n - 1) / 2 for n in truth.shape]

    def mask(larger):
        return explore.soft_ball(truth.shape, centre, 3.0 + larger, SPACING)

    def volume(mask, image, spacing):
        return mask.sum()

    labels = mask(1.0) > 0.5
    frame = explore.boundary_frame(image, mask, SPACING, (z, y), labels=labels, loss=volume)
    moved = frame(1.0, 1.0, "gradient", z=-2.0, size=1.0, strength=3.0)
    options = {"sigma_mask": 1.0, "sigma_image": 1.0, "edge": "gradient", "reduction": "ratio"}
    ratio = losses.boundary_loss(mask(1.0), torch.from_numpy(image), SPACING, **options)
    first = losses.class_loss(torch.logit(mask(1.0), eps=1e-6), labels.double())
    assert f"L_S2 = {first:.3f} + 3 × {ratio:.3f} = {first + 3 * ratio:.2f}" in moved.text
    assert f"volume {mask(1.0).sum():.4g}" in moved.text
    border = losses.gradient_magnitude(mask(1.0), 1.0, SPACING)
    drawn = moved.panels[1].layers["mask edge"] / 255
    assert np.abs(drawn - (border[z - 2] / border.max()).numpy()).max() < 2 / explore.GREYS
    assert frame(1.0, 1.0, z=99.0).panels[1].layers["mask edge"].shape == truth.shape[1:]  # stays in the stack
    assert "L_S2" not in frame(1.0, 1.0).text


def test_the_curves_are_drawn_where_the_values_are(cell):
    image, mask, at = cell
    border = losses.gradient_magnitude(mask, 1.0, SPACING)
    expected = (border[at[0]] / border.max()).numpy()[at[1]]
    svg = explore.boundary_frame(image, mask, SPACING, at)(1.0, 1.0).panels[4].layers["mask edge"]
    steps = np.array(re.findall(r"-?\d+", re.search(r'd="M(.*?)"', svg)[1]), int).reshape(-1, 2).cumsum(axis=0)
    assert np.allclose(steps[:, 1], 158 + (26 - 158) * expected, atol=0.51)
    assert (steps[0, 0], steps[-1, 0]) == (30, 432)


def test_the_words_of_the_boundary_loss_name_what_moved():
    text = explore.describe_boundary("embryo", edge="log", scale="std", size=-1.5, z=3.0)
    assert text.startswith("embryo: image with the true outline")
    assert text.endswith("weight by LoG, strength divided by its spread, mask -1.5 µm larger than the cell, "
                         "+3 µm from the middle plane")  # fmt: skip


def test_the_boundary_loss_refuses_other_shapes_and_places(cell):
    image, mask, _ = cell
    with pytest.raises(InputError, match="expected one shape"):
        explore.boundary_frame(image[1:], mask, SPACING, (2, 2))
    with pytest.raises(InputError, match="plane 12, row 2"):
        explore.boundary_frame(image, mask, SPACING, (12, 2))


def test_a_soft_ball_is_half_on_its_surface():
    ball = explore.soft_ball((9, 17, 17), (4, 8, 8), 3.0, SPACING)
    assert ball[4, 8, 8] > 0.99
    assert ball[4, 8, 14] == pytest.approx(0.5)  # 6 voxels of 0.5 µm
    assert ball[7, 8, 8] == pytest.approx(0.5)
    assert ball[0, 0, 0] < 0.01


def test_a_step_has_its_gradient_on_the_border_and_its_laplacian_beside_it(cell):
    _, mask, _ = cell
    truth = mask.numpy() > 0.5
    step = torch.from_numpy(truth.astype(float))
    assert abs(explore.strongest_at(step, SPACING, truth, 0.8, "gradient")) <= 0.5
    assert abs(explore.strongest_at(step, SPACING, truth, 0.8, "log")) >= 0.5


def test_the_profile_figure_has_a_row_for_each_stack(cell):
    image, mask, at = cell
    truth = mask.numpy() > 0.5
    figure = explore.profile_figure(
        {"a": (image, SPACING, truth), "b": (image, SPACING, truth)}, 1.0, {"a": at, "b": at}
    )
    assert len(figure.axes) == 8
    gradient = figure.axes[3].lines[1].get_ydata()
    edges = np.flatnonzero(np.diff(truth[at].astype(int)))
    assert abs(np.argmax(gradient[:12]) - edges[0]) <= 1  # at a step the gradient peaks on the border


def blurred_ball(radius=6.0):
    """A ball in (9, 60, 60) voxels of (2, 1, 1) µm, blurred by 1 µm, its centre and its mask."""
    shape, centre, spacing = (9, 60, 60), (4.0, 30.0, 29.0), (2.0, 1.0, 1.0)
    mask = explore.soft_ball(shape, centre, radius, spacing).numpy()
    return ndimage.gaussian_filter(mask, np.divide(1.0, spacing)), centre, mask > 0.5, spacing


def test_outlines_has_one_line_for_each_instance_in_voxel_coordinates():
    plane = np.zeros((8, 10), int)
    plane[2:4, 3:6], plane[6, 8] = 1, 2
    svg = explore.outlines(plane, "#123456")
    assert svg.count("<polyline") == 2 and 'viewBox="-0.5 -0.5 10 8"' in svg and "#123456" in svg
    points = re.findall(r'points="([^"]+)"', svg)[0].split()
    columns, rows = np.array([point.split(",") for point in points], float).T
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (2.5, 5.5, 1.5, 3.5)
    assert "<polyline" not in explore.outlines(0 * plane)


@pytest.mark.parametrize("moved", [0.0, 2.0])
def test_the_rays_find_the_radius_and_walk_back_to_the_middle(moved):
    image, centre, truth, spacing = blurred_ball()
    frame = explore.ray_frame({"ball": (image, "fluorescence")}, spacing, centre, truth)
    drawn = frame("ball", moved, passes=3, offset=True)
    found, true = (float(number) for number in re.findall(r"([\d.]+) µm", drawn.text))
    assert abs(found - 6) < 0.4 and abs(true - 6) < 0.3
    start, place = re.findall(r'<path d="M([\d.]+) ([\d.]+)h0"', drawn.panels[0].layers["found"])
    assert float(start[0]) - 18 == pytest.approx(moved, abs=0.06)  # the middle of a window of 37 voxels
    assert np.allclose(np.array(place, float), 18, atol=0.4)


def test_the_offset_only_moves_the_outline_outwards():
    image, centre, truth, spacing = blurred_ball()
    frame = explore.ray_frame({"ball": (image, "bright-field")}, spacing, centre, truth)
    radii = [float(frame("ball", 0.0, 1, offset).text.split()[2]) for offset in (False, True)]
    assert radii[0] + 0.3 < radii[1]


def test_a_click_near_the_border_is_refused():
    image, centre, truth, spacing = blurred_ball()
    with pytest.raises(InputError, match="18 voxels or more from the border"):
        explore.ray_frame({"ball": (image, "fluorescence")}, spacing, (4, 10, 30), truth)


# ---- masks ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_balls():
    """Labels of two balls, their centres, and for each a response map that fills it evenly."""
    labels = np.zeros((12, 40, 60), dtype=int)
    peaks = np.array([[6, 20, 12], [6, 20, 46]])
    for i, peak in enumerate(peaks):
        ball = explore.soft_ball(labels.shape, peak, 3.0 + i, SPACING)
        labels[ball.numpy() > 0.5] = i + 1
    return labels, peaks, np.stack([(labels == i + 1) / (labels == i + 1).sum() for i in range(2)])


def test_a_response_that_fills_its_cell_gives_the_cell_as_mask(two_balls):
    labels, peaks, maps = two_balls
    rules = {"prm": maps, "other": maps}
    frame = explore.response_frame(labels * 3.0, SPACING, rules, peaks, labels, [0.5, 1.0], smoothing=0.5, half=10)
    shown = frame(1, "prm", 1.0)
    iou, volume = (float(number) for number in re.findall(r"\d\.\d\d", shown.text))
    assert iou > 0.85 and abs(volume - 1) < 0.15
    assert shown.panels[0].layers["map"].shape == (20, 20, 3) and shown.panels[1].layers["image"].shape == (20, 20)
    assert all("polyline" in shown.panels[1].layers[name] for name in ("mask", "true"))
    volumes = [float(re.findall(r"\d\.\d\d", frame(0, "other", factor).text)[1]) for factor in (0.5, 0.73, 1.5)]
    assert volumes == sorted(volumes, reverse=True)  # also between the factors of the curves


def test_a_map_is_wanted_for_each_peak(two_balls):
    labels, peaks, maps = two_balls
    with pytest.raises(InputError, match="2 maps of rule 'prm', 1 peaks"):
        explore.response_frame(labels, SPACING, {"prm": maps}, peaks[:1], labels, [1.0])


def test_the_mask_that_is_learnt_is_drawn_and_measured():
    truth, labels = np.zeros((2, 3, 8, 8), dtype=bool)
    truth[1, 2:4, 2:4] = labels[1, 2:4, 2:6] = True
    calls = []

    def learn(form, strength):
        calls.append((form, strength))
        return np.stack([np.zeros(truth.shape), truth * 0.9])

    frame = explore.mask_frame(np.arange(192.0).reshape(truth.shape), truth, labels, learn, 1)
    assert frame("mean", 1.0, 0).text == "IoU 0.00 · volume 0.00 times that of the pseudo labels"
    last = frame("mean", 1.0, 1)
    assert last.text == "IoU 1.00 · volume 0.50 times that of the pseudo labels"
    assert calls == [("mean", 1.0)]  # learnt once
    assert last.panels[1].layers["probability"][2, 2] == 231 and last.panels[1].layers["probability"][0, 0] == 0
    with pytest.raises(InputError, match="plane 3"):
        explore.mask_frame(truth, truth, labels, learn, 3)


# ---- a threshold, and what it finds --------------------------------------------------------------------------


def test_a_threshold_that_parts_two_balls_finds_both(two_balls):
    labels, _, _ = two_balls
    share = 100 * (labels > 0).mean()
    cuts = []

    def segment(cut):
        cuts.append(cut)
        return labels * (labels >= cut)

    frame = explore.threshold_frame(labels * 1.0, labels * 1.0, labels, segment, [share / 4, share], plane=6)
    assert frame(share=share).text == "2 found of 2, SEG 1.00"
    shown = frame(share=share / 4)  # only the brighter ball
    assert shown.text == "1 found of 2, SEG 0.50" and len(cuts) == 2  # each share is segmented once
    layers = shown.panels[0].layers
    assert layers["found"].shape == (40, 60, 3) and layers["truth"].count("polyline") == 2


def test_a_threshold_refuses_other_shapes(two_balls):
    labels, _, _ = two_balls
    with pytest.raises(InputError, match="expected one shape"):
        explore.threshold_frame(labels[1:], labels, labels, lambda cut: labels, [1, 2], plane=6)


# ---- centre maps, how S1 learns them, and the peaks of what it learnt ----------------------------------------


@pytest.fixture(scope="module")
def two_clicked():
    """Two balls whose centres lie 12 µm apart along x, in one plane."""
    spacing, centres = (2.0, 1.0, 1.0), np.array([[5.0, 20.0, 14.0], [5.0, 20.0, 26.0]])
    offsets = [(np.indices((11, 40, 40)).T - c).T * np.array(spacing)[:, None, None, None] for c in centres]
    balls = [np.linalg.norm(o, axis=0) < 6 for o in offsets]
    labels = (balls[0] + 2 * (balls[1] & ~balls[0])).astype(np.int32)
    return ZStack(labels.astype(np.float32), spacing, centres, labels)


def test_the_border_parts_two_clicks_in_the_explorable_of_equation_1(two_clicked):
    frame = explore.centre_map_frame(two_clicked, (0, 1))
    assert frame(2, 8, "on").text == "half way between the clicks: 0.00"
    assert frame(2, 8, "off").text == f"half way between the clicks: {np.exp(-2 * 6 / 8):.2f}"
    assert frame(2, 4, "off").text == "half way between the clicks: 0.00"  # both blobs have ended
    map_panel, profile = frame(2, 8, "on").panels
    assert map_panel.layers["map"].shape == (36, 36, 3) and map_panel.layers["cells"].count("polyline") == 2
    values = profile.layers["profile"].axes[0].lines[0].get_ydata()
    assert values.max() == pytest.approx(1) and len(values) == 241


def test_a_stack_without_labels_has_no_outlines(two_clicked):
    bare = ZStack(two_clicked.image, two_clicked.spacing, two_clicked.centres)
    with pytest.raises(InputError, match="no labels"):
        explore.centre_map_frame(bare, (0, 1))


def test_a_film_shows_the_nearest_step_from_two_sides(two_clicked):
    film = {0: np.zeros((11, 40, 40)), 10: two_clicked.image / 2}
    frame = explore.training_frame({"a": film}, {"a": np.ones(10)}, two_clicked.centres, two_clicked.spacing)
    first, last = frame(4, "a"), frame(7, "a")
    assert "step 0" in first.panels[1].layers["step"] and "step 10" in last.panels[1].layers["step"]
    sides = last.panels[0].layers["map"]
    assert sides.shape == (40 + 4 + 22, 40, 3) and (sides[40:44] == 255).all()  # planes are twice as thick as pixels
    assert (sides[44 + 10, 26] != first.panels[0].layers["map"][44 + 10, 26]).any()
    rings = re.findall(r"translate\(([\d.]+) ([\d.]+)\)", last.panels[0].layers["true centres"])
    assert rings == [("14.0", "20.0"), ("26.0", "20.0"), ("14.0", "54.5"), ("26.0", "54.5")]


def test_a_film_needs_its_losses(two_clicked):
    with pytest.raises(InputError, match="expected the same runs"):
        explore.training_frame({"a": {0: two_clicked.image}}, {"b": [1.0]}, two_clicked.centres, two_clicked.spacing)


def test_a_higher_threshold_misses_the_dimmer_cell(two_clicked):
    centres, spacing = two_clicked.centres, two_clicked.spacing
    find = lambda p, threshold: np.array([c for c in centres if p[tuple(c.astype(int))] >= threshold]).reshape(-1, 3)  # noqa: E731
    frame = explore.peak_frame({"a": two_clicked.image / 2}, centres, spacing, find, [0.4, 0.8, 1.1])
    both, one, none = (frame(threshold, "a") for threshold in (0.4, 0.8, 1.1))
    assert "precision 1.00 · recall 1.00" in both.panels[1].layers["threshold"]
    assert "precision 1.00 · recall 0.50" in one.panels[1].layers["threshold"]
    assert "precision 0.00 · recall 0.00" in none.panels[1].layers["threshold"]
    assert both.panels[0].layers["peaks"] != one.panels[0].layers["peaks"]


def test_precision_and_recall_have_one_axis_for_all_networks(two_clicked):
    centres = two_clicked.centres
    poor = lambda p, threshold: centres[:1] if p.max() > 0.6 else np.zeros((0, 3))  # noqa: E731
    maps = {"found": two_clicked.image, "nothing": two_clicked.image * 0}
    frame = explore.peak_frame(maps, centres, two_clicked.spacing, poor, [0.4, 0.8])
    limits = [frame(0.4, name).panels[1].layers["scores"].axes[0].get_ylim() for name in maps]
    assert limits[0] == limits[1] and limits[0][0] <= 0 < 1 <= limits[0][1]


# ---- from peaks and a mask to instances ----------------------------------------------------------------------


def two_discs():
    """Two touching cells as labels (5, 15, 24), spacing (2, 1, 1) µm, and their centres in voxels."""
    z, y, x = np.ogrid[:5, :15, :24]
    large = 4 * (z - 2) ** 2 + (y - 7) ** 2 + (x - 7) ** 2 <= 36
    small = ~large & (4 * (z - 2) ** 2 + (y - 7) ** 2 + (x - 16) ** 2 <= 12)
    return large + 2 * small, (2.0, 1.0, 1.0), np.array([(2, 7, 7), (2, 7, 16)])


def test_a_merge_radius_turns_doubles_into_hits_and_then_swallows_cells():
    labels, spacing, centres = two_discs()
    peaks = np.vstack([centres, centres[:1] + (0, 2, 0)])
    frame = explore.merge_frame(labels * 1.0, peaks, np.ones(3), centres, spacing, [1, 3, 12], tolerance=3.0)
    marks = {radius: frame(radius).panels[0].layers["peaks"] for radius in (1, 3, 12)}
    assert [svg.count("<circle") for svg in marks.values()] == [2, 2, 2]  # hits, hits, two missed cells
    assert "3 peaks" in marks[1] and "2 peaks" in marks[3] and "1 peaks" in marks[12]
    assert "precision 0.67 · recall 1.00" in frame(1).panels[1].layers["radius"]
    assert "precision 1.00 · recall 1.00" in frame(3).panels[1].layers["radius"]


def test_water_rises_from_the_points_until_the_mask_is_full():
    labels, spacing, points = two_discs()
    frame = explore.flood_frame(labels, points, spacing)
    shares = []
    for level in (0.0, 0.5, 1.0):
        water = frame(level, "depth").panels[0].layers["water"].astype(int)  # grey is dry
        shares.append((water.max(axis=-1) - water.min(axis=-1) > 20)[::5, ::5].sum() / (labels[2] > 0).sum())
    assert shares[0] < shares[1] < shares[2] == 1
    half, depth = (frame(1.0, kind).panels[0].layers["water"] for kind in ("distance", "depth"))
    assert not np.array_equal(half, depth)
    assert len(frame(0.5, "distance").panels[1].layers["profile"].axes[0].collections) == 2


def test_a_cut_changes_the_volume_and_the_scores():
    labels, spacing, points = two_discs()
    soft = ndimage.gaussian_filter((labels > 0).astype(float), 1)
    segment = lambda cut: assign_instances(soft > cut, points, spacing)  # noqa: E731
    frame = explore.cut_frame(soft, segment, labels, spacing, 2, [0.2, 0.5, 0.8])
    volumes = [float(re.search(r"volume × ([\d.]+)", frame(cut).panels[1].layers["cut"])[1]) for cut in (0.2, 0.5, 0.8)]
    assert volumes[0] > 1.2 > volumes[1] > 0.8 > volumes[2]
    assert frame(0.5).panels[0].layers["instances"].shape == (30, 48, 3)


def test_planes_of_several_volumes_with_and_without_the_truth():
    labels, spacing, _ = two_discs()
    mask = (labels > 0).astype(float)
    frame = explore.plane_frame({"image": mask, "phase": -mask}, labels, spacing)
    shown, hidden = frame(2, True), frame(2, False)
    assert [panel.title for panel in shown.panels] == ["image", "phase"] and shown.text == f"z = {2 * spacing[0]:g} µm"
    bright, dark = (panel.layers["grey"][labels[2] > 0].mean() for panel in shown.panels)
    assert bright > 100 > dark
    counts = [made.panels[0].layers["true"].count("<polyline") for made in (shown, hidden)]
    assert counts == [len(np.unique(labels[2])) - 1, 0]
    with pytest.raises(InputError, match="expected equal shapes"):
        explore.plane_frame({"image": labels[:, 1:]}, labels, spacing)


def test_labels_that_follow_a_share_write_their_volume():
    labels, spacing, _ = two_discs()
    drawn = {0.2: labels, 0.6: labels * (labels == 1)}
    frame = explore.contour_frame(labels * 1.0, labels, drawn, 2, spacing)
    assert frame(0.2).text.startswith("volume × 1.00")
    share = (labels == 1).sum() / (labels > 0).sum()
    assert frame(0.6).text.startswith(f"volume × {share:.2f}")
    assert [frame(s).panels[0].layers["drawn"].count("<polyline") for s in drawn] == [2, 1]
