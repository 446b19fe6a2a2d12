# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Instances: whose voxel is it?
#
# > **In this chapter**
# >
# > - **Two peaks on one cell are one cell.** Close peaks merge into their weighted mean; the radius is a choice.
# > - **Water divides the mask.** It rises from every peak and stops where it meets other water.
# > - **The landscape decides where.** Half way between the points, or at the neck between the cells.
# > - **Points may be off, the mask may not.** A point 3 µm beside its centre costs next to nothing, a rim of 1 µm a fifth of the score.
# > - **A missing peak cannot be repaired here.** Its cell goes to a neighbour or is lost.
#
# S1 says where cells are, S2 says what is cell. Which voxel belongs to which cell?
#
# This chapter is §3.4 of the paper, two lines long there. It takes about twenty seconds and 0.8 GB of memory; no GPU is
# needed and nothing is trained. If the mouse embryo is there, it ends on it.

# %%
import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

import data_download
from bfs_tutorial import explore, figures, simulate, unet
from bfs_tutorial.baselines import balls
from bfs_tutorial.errors import InputError
from bfs_tutorial.instances import assign_instances, landscape, place_markers
from bfs_tutorial.metrics import detection, evaluate, match_points
from bfs_tutorial.peaks import find_peaks, merge_peaks
from bfs_tutorial.pipeline import BFSNet

# %% [markdown]
# ## Two networks, no cells
#
# The networks come with the book. They learnt from clicks on simulated stacks, step by step as in *The whole method*. Now they meet a crowded
# stack, which they have never seen.

# %%
model = BFSNet.pretrained("fluorescence")
stack = simulate.fluorescence(6001, number=28, touching=0.9)
truth, spacing = stack.labels, stack.spacing  # (Z, Y, X), µm
likelihood = unet.predict(model.s1, model.prepare(stack))
mask = model.predict(stack).mask
_, count = ndimage.label(mask > 0.5)
print(len(stack.centres), "cells; S2's mask has fewer parts:", count < 28)

# %%
plane = int(np.argmax((truth > 0).sum(axis=(1, 2))))
maps = {"S1: likelihood": likelihood, "S2: foreground": mask}
kinds, limits = dict.fromkeys(maps, "map"), dict.fromkeys(maps, (0, 0.95))
volumes = {"image": model.prepare(stack)} | maps
figures.show(
    figures.panels(volumes, spacing, plane, kinds=kinds, limits=limits),
    alt="Three pictures of one plane: bright cells, some of them touching; "
    "soft spots on them; flat patches, some of which cover several cells",
    caption="One plane. S1 counts, S2 outlines. Where cells touch, S2's mask "
    "is one patch.",
)

# %% [markdown]
# So the parts of the mask are not the cells (in fluorescence of an embryo they may be: see the end). We need both answers.
#
# ## Merging peaks
#
# S1's map may have two tips on one cell: it is noisy, or the cell is long. Say a tip of height 0.9 at 10 µm and another of 0.3 at 13 µm. The paper merges
# "by a weighted mean over their scores": the higher tip has more to say.

# %%
points, scores = [(0, 0, 10), (0, 0, 13)], [0.9, 0.3]
merged, height = merge_peaks(points, scores, (1, 1, 1), radius=4.0)
print(f"merged at {merged[0, 2]:.2f} µm, score {height[0]:.1f}")

# %% [markdown]
# For peaks at $x_i$ with scores $s_i$ the merged one lies at
#
# $$
# x = \frac{\sum_i s_i\, x_i}{\sum_i s_i}.
# $$
#
# Which peaks form a group? The paper says "with low Euclidean distance". The obvious reading, everything that is linked by short steps, has a trap: a row of
# cells. We merge the two closest peaks, put their mean in their place, and go on until all are at least the radius apart. A mean moves away from the next peak, so
# a chain does not roll up. Six cells in a row, 3.9 µm apart, radius 4 µm:

# %%
row = [(0, 0, 3.9 * i) for i in range(6)]
merged, _ = merge_peaks(row, np.ones(6), (1, 1, 1), radius=4.0)
linked = np.full(5, 3.9) < 4.0  # each peak with the next
print("linked by short steps:", 6 - linked.sum(), "cell")
print("two closest first:    ", len(merged), "cells")

# %% [markdown]
# Neither is right, since six cells were meant. The radius must be smaller than the distance between cells. How large is too large? To see it, take S1's map of
# our stack and add noise, as a stand-in for a rougher network: now cells have several tips.

# %%
rng = np.random.default_rng(0)
rough = likelihood + rng.normal(0, 0.02, likelihood.shape)
tips, heights = find_peaks(rough, spacing, 0.3, min_distance=1.0)
radii = [0.5, 1, 2, 3, 4, 6, 8, 10, 12, 15, 20]
groups = [merge_peaks(tips, heights, spacing, r)[0] for r in radii]
found = [detection(g, stack.centres, spacing, 5.0) for g in groups]
print("more tips than cells:", len(tips) > len(stack.centres))
print("fewer groups than cells at 20 µm:", len(groups[-1]) < truth.max())

# %% tags=["hide-input"]
def small(rows, names, x, label):
    """Draw scores over a setting, small, with room for a line of text."""
    lines = {n: (x, [row[n] for row in rows]) for n in names}
    figure = figures.curves(lines, x_label=label, y_label="")
    figure.set_size_inches(3.3, 3.0)
    figure.axes[0].set_position((0.13, 0.16, 0.61, 0.72))
    return figure


# %% tags=["hide-input"]
def peaks_on_image(points):
    """The stack from above, and marks for the peaks."""
    bright = model.prepare(stack).max(axis=0)
    grey = figures.overlay(bright, np.zeros(bright.shape, int), limits=(0, 4))
    marks = figures.detection_marks(
        bright.shape, points[:, 1:], stack.centres[:, 1:],
        match_points(points, stack.centres, spacing), spacing[2],
        title=f"{len(points)} peaks",
    )
    return {"image": grey, "peaks": marks}


# %%
names, label = ("precision", "recall"), "merge radius, µm"
merging = small(found, names, radii, label)


def frame(radius):
    """Show the merged peaks of the rough map for one radius."""
    points, _ = merge_peaks(tips, heights, spacing, radius)
    scores = detection(points, stack.centres, spacing, 5.0)
    text = "precision {precision:.2f} · recall {recall:.2f}".format(**scores)
    line = figures.cursor(merging.axes[0], radius, text)
    left = explore.Panel(peaks_on_image(points), width=300)
    right = explore.Panel({"scores": merging, "radius": line}, width=330)
    words = "dot: a hit · cross: a false peak · ring: a missed cell"
    return explore.Frame([left, right], words)


# %%
explore.explorable(
    frame, {"radius": radii},
    labels={"radius": "merge radius"}, units={"radius": "µm"},
    start={"radius": 4},
    alt=lambda radius: f"The stack from above with the peaks that are left at "
    f"a merge radius of {radius:g} µm: dots on hits, crosses on false "
    "peaks, rings on missed cells; precision and recall over the radius",
    caption="Brightest voxel along z. A peak counts as a hit within 5 µm of "
    "a true centre.",
)

# %% [markdown]
# Too small a radius leaves doubles: precision falls. Too large a radius swallows neighbours: recall falls, and the merged peak may lie between two cells and
# hit neither. In between lies a wide plain. It ends near the smallest distance between two cells, and the sensible radius is well below that:

# %%
gaps = np.linalg.norm(
    (stack.centres[:, None] - stack.centres) * spacing, axis=-1
)
nearest = np.sort(gaps, axis=1)[:, 1]  # µm, to the next centre
print(f"next centre: {nearest.min():.0f} to {nearest.max():.0f} µm away")

# %% [markdown]
# We take 4 µm. Without the noise it has little to do, since `find_peaks` already compares each voxel with all others within 2 µm.
#
# ## Water
#
# The **watershed** treats a map of numbers as a landscape. Each peak is a spring, called a **marker**. The water rises everywhere at the same pace; a
# voxel belongs to the water that reaches it first. So the question becomes: which landscape? Take the hard case, a large and a small cell that touch.

# %%
grid, cubes = (13, 44, 64), (1, 1, 1)  # voxels of 1 µm
centres = np.array([(6, 21, 22), (6, 21, 44)])
large = balls(grid, centres[:1], cubes, 14.6)
both = np.where(large > 0, 1, 2 * balls(grid, centres[1:], cubes, 7.6))
markers = place_markers(both > 0, centres, cubes)
kinds = "distance", "depth"
lands = {k: landscape(both > 0, markers, cubes, k) for k in kinds}

# %% [markdown]
# - **distance**: the height is the distance to the nearest marker. The waters meet half way between both points.
# - **depth**: the height is minus the distance to the edge of the mask. Both cells are valleys, and the waters meet on the pass between them: at
#   the neck.
#
# Let the water rise.

# %% tags=["hide-input"]
def flooded(kind, level):
    """The water's surface and labels at a share of the highest point."""
    heights = lands[kind]
    low, high = heights[both > 0].min(), heights[both > 0].max()
    surface = low + level * (high - low)
    wet = (both > 0) & (heights <= surface)
    return surface, watershed(heights, markers, mask=wet)


# %% tags=["hide-input"]
colours = {1: figures.INSTANCES[0], 2: figures.INSTANCES[1]}


def draw_flood(labels):
    """Paint the water blue and orange on the mask, and the true border."""
    style = {"zoom": 5, "limits": (0, 1), "colours": colours}
    ground = 0.35 * (both[6] > 0)
    water = figures.overlay(ground, labels[6], fill=0.75, outline=0, **style)
    return {"water": water, "true border": explore.outlines(both[6])}


@figures.style()
def draw_profile(kind, surface, labels):
    """Draw the landscape along the line through both points."""
    figure = figures.Figure(figsize=(3.2, 2.3), layout="constrained")
    axes, x = figure.subplots(), np.arange(grid[2])
    heights = np.where(both[6, 21] > 0, lands[kind][6, 21], np.nan)
    for number, colour in colours.items():
        axes.fill_between(
            x, heights, surface, where=labels[6, 21] == number, step="mid",
            color=colour, alpha=0.75,
        )
    axes.plot(x, heights, color=figures.INK, drawstyle="steps-mid")
    edge = np.flatnonzero(both[6, 21] == 1)[-1] + 0.5
    axes.axvline(edge, color=figures.MUTED, ls=":", lw=1)
    axes.set(xlabel="µm along the line through both points")
    axes.set(ylabel="height, µm", xlim=(5, 53))
    return figure


# %%
def frame(level, kind):
    """Show the flood from above and in profile."""
    surface, labels = flooded(kind, level)
    profile = {"profile": draw_profile(kind, surface, labels)}
    left = explore.Panel(draw_flood(labels), "from above", width=310)
    right = explore.Panel(profile, "profile", width=320)
    return explore.Frame([left, right], "white and dotted: the true border")


# %%
explore.explorable(
    frame,
    {"level": [0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 1.0],
     "kind": list(kinds)},
    labels={"level": "water level", "kind": "landscape"},
    start={"level": 0.6, "kind": "distance"},
    alt=lambda level, kind: f"A large and a small disc that touch, flooded "
    f"from their middles to level {level:g} of 1 in the landscape "
    f"{kind}; beside it the landscape in profile with the water in it",
    caption="Water from the large cell is blue, from the small cell orange. "
    "The level is a share of the highest point of the mask.",
)

# %%
for kind in lands:
    labels = assign_instances(both > 0, centres, cubes, elevation=kind)
    wrong = (labels != both).sum() / (both == 2).sum()
    print(f"{kind}: {wrong:.0%} of the small cell's volume on the wrong side")

# %% [markdown]
# Half way between the points is inside the large cell, and the small one eats a piece of it. The neck is the better cut, so *depth* is our default. *distance* is what
# the Voronoi border of the centre maps would do.
#
# Depth has a trap of its own. A point that lies off the middle of its cell stands on a slope. If its neighbour is deeper, the neighbour's water comes over the pass and fills the
# cell before this point's own water has climbed to the middle. So we sink all that lies within 3 µm of a marker below everything else. The next section
# tries it with and without.
#
# > **Same thing, other names.** Markers are also *seeds*. The height *depth* is the negative *Euclidean distance transform*, EDT. This whole step is called
# > *marker-controlled watershed* or *seeded watershed*.
#
# > **Checkpoint.** At this point we have: peaks, one for each cell if S1 is right; a landscape; and labels. Now we break the inputs, one at a time.
#
# ## What matters
#
# Four stacks with 40 crowded cells each. We hand over the *true* mask and the *true* centres, then one thing less than perfect. No network is asked here, so
# what is lost is lost by this step.

# %%
full = {"number": 40, "touching": 1.0}
crowd = simulate.dataset("fluorescence", 4, seed=6000, **full)


def score(change, **settings):
    """Mean SEG and MUCov of the crowd when mask and points are changed."""
    rows = []
    for s in crowd:
        mask, points = change(s.labels > 0, s.centres)
        labels = assign_instances(mask, points, spacing, **settings)
        rows.append(evaluate(labels, s.labels))
    return {m: np.mean([row[m] for row in rows]) for m in ("SEG", "MUCov")}


# %%
def same(mask, points):
    """Nothing changed."""
    return mask, points


def trembling(mask, points):
    """Points moved by 3 µm along each axis, at random."""
    moves = np.random.default_rng(0).normal(0, 3, points.shape) / spacing
    return mask, np.clip(points + moves, 0, np.array(mask.shape) - 1)


# %%
def doubled(mask, points):
    """One point in eight has a second one 4 µm beside it."""
    points = np.vstack([points, points[::8] + (0, 4, 0)])
    return mask, np.clip(points, 0, np.array(mask.shape) - 1)


def missing(mask, points):
    """One point in eight is left out."""
    return mask, np.delete(points, slice(0, None, 8), axis=0)


# %%
def grown(by):
    """A change that moves the mask's rim by some µm, outward or inward."""
    def change(mask, points):
        outside = ndimage.distance_transform_edt(~mask, spacing)
        inside = ndimage.distance_transform_edt(mask, spacing)
        return (outside <= by if by > 0 else inside > -by), points

    return change


# %%
table = {
    "all true": score(same),
    "landscape: distance": score(same, elevation="distance"),
    "points off by 3 µm": score(trembling),
    "… and distance": score(trembling, elevation="distance"),
    "… and nothing sunk": score(trembling, core=0.1),
    "one point in 8 double": score(doubled),
    "one point in 8 missing": score(missing),
}
for by in (1, -1, 2, -2):
    size = "large" if by > 0 else "small"
    table[f"mask {abs(by)} µm too {size}"] = score(grown(by))
masks = [name for name in table if name.startswith("mask")]

# %%
figures.show(
    figures.bars(table, highlight=masks),
    alt="Bars of SEG and MUCov for eleven inputs: near 1 for true input, both "
    "landscapes and moved points; lower for double and missing points; "
    "lowest, down to a third, for masks too large or too small",
    caption="Four stacks of 40 cells. Blue: a wrong mask. All others have "
    "the true mask.",
)

# %% [markdown]
# Read it from the top.
#
# - **Landscape**: a few hundredths, even in this crowd.
# - **Points off by 3 µm** along each axis: next to nothing with *depth*, thanks to the sinking. With *distance* the cut moves with the points.
# - **A double point** cuts a cell in two and costs MUCov, which asks about predictions. **A missing point** costs SEG, which asks about cells.
# - **The mask** costs most. 1 µm is half a voxel in z and one in y and x.
#
# So do not look for a cleverer watershed. Look at the mask, then at the count of peaks.
#
# ## The mask has a threshold
#
# S2 gives a foreground probability. Where it is cut decides how large all cells are. Use S2's answer to our stack, and S1's points:

# %%
points, scores = model.find_centres(likelihood)
cuts, results = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], {}
for cut in cuts:
    labels = assign_instances(mask > cut, points, spacing, scores)
    results[cut] = figures.match_colours(labels, truth)
scored = [evaluate(labels, truth) for labels in results.values()]
seg = [row["SEG"] for row in scored]
print("the threshold moves SEG by more than 0.1:", np.ptp(seg) > 0.1)
print("0.5 is within 0.02 of the best:", max(seg) - seg[4] < 0.02)

# %% tags=["hide-input"]
names, label = ("IoU", "SEG", "MUCov"), "mask threshold"
quality = small(scored, names, cuts, label)
ground = model.prepare(stack)[plane]
scale = figures.detection_marks(ground.shape, [], [], [], spacing[2])


def draw_instances(cut):
    """Paint the instances of one plane, each as the true cell it matches."""
    labels, known = results[cut][plane], figures.label_colours(truth)
    free = {n: "#ffffff" for n in np.unique(labels) if n not in known}
    style = {"limits": (-1, 4), "zoom": 2, "colours": known | free}
    picture = figures.overlay(ground, labels, fill=0.35, **style)
    return {"instances": picture, "scale": scale}


# %%
def frame(cut):
    """Show instances in one plane at the nearest stored threshold."""
    cut = min(cuts, key=lambda known: abs(known - cut))
    volume = (mask > cut).sum() / (truth > 0).sum()
    line = figures.cursor(quality.axes[0], cut, f"volume × {volume:.2f}")
    left = explore.Panel(draw_instances(cut), width=300)
    right = explore.Panel({"scores": quality, "cut": line}, width=330)
    words = "volume: of the mask, over that of the true cells"
    return explore.Frame([left, right], words)


# %%
explore.explorable(
    frame, {"cut": cuts}, labels={"cut": "mask threshold"},
    alt=lambda cut: f"One plane with the instances at mask threshold {cut:g}, "
    "each in a colour; beside it IoU, SEG and MUCov over the threshold",
    caption="Low thresholds give fat cells, high ones thin cells.",
)

# %% [markdown]
# The curves fall off on both sides, and nothing in S2's answer says where the top is. True masks, by which one could choose,
# are what we do not have. The pipeline leaves it at 0.5, which is near the top here. Another S2, or another kind of stack, may need another threshold.
#
# ## A point without a mask, a mask without a point
#
# S1 and S2 may disagree. What happens then is a rule, not an accident.
#
# - **A point beside the mask** moves to the nearest voxel of the mask, if that is at most 3 µm away. Otherwise it gets no cell.
# - **A part of the mask without a point** is dropped. S2's false patches vanish, and so do cells that S1 missed.
# - **A cell without a point that touches another** goes to that one.
#
# Three cells in a row, the first two touching. The points: one for the first cell, none for the second, one 1 µm beside the third, one in the middle of nowhere.

# %%
cells = np.repeat([0, 1, 0, 1, 0], [1, 8, 2, 3, 5]).astype(bool)[None, None]
three_points = [(0, 0, 2), (0, 0, 10), (0, 0, 18)]
for reach in (3.0, 0.5):
    labels = assign_instances(cells, three_points, cubes, reach=reach)
    print(f"reach {reach} µm:", *labels[0, 0])

# %% [markdown]
# ## Conglomerates
#
# The third rule is the failure that the paper shows in the last picture of its figure 4: cells in a heap, S2 gives one patch, S1 misses one of them, and the "instances
# labels become fused". Take our crowded stack, with the true mask this time, and delete the point of one cell that touches others.

# %%
without = int(np.argmin(nearest))  # a cell with a close neighbour
fewer = np.delete(stack.centres, without, axis=0)
fused = assign_instances(truth > 0, fewer, spacing)
winners = np.bincount(fused[truth == without + 1])
share = winners[1:].max() / winners.sum()
print(f"{share:.0%} of its voxels went to a single neighbour")

# %%
where = int(np.rint(stack.centres[without, 0]))
pair = {"truth": truth, "one point missing": fused}
figures.show(
    figures.comparison(
        model.prepare(stack), pair, spacing, where, reference="truth",
        limits=(-1, 4),
    ),
    alt="One plane three times: the image; the true cells in colour; the "
    "result with one point missing, where one region now covers two cells, a "
    "white line between them",
    caption="The mask is perfect, one of 28 points is missing. White: the "
    "true border that is lost.",
)

# %% [markdown]
# Nothing in this step can notice. The patch is too large for one cell, perhaps; but cells differ in size. The remedy lies before it: S1 must find the cell. Does S1 fail
# more often in heaps? Count, at the model's own threshold, in loose and in packed stacks with cells of the same sizes:

# %%
def counts(**settings):
    """Mean precision and recall of S1's points in two stacks."""
    settings |= {"seed": 6100, "radii": (4.0, 7.0)}
    found = []
    for s in simulate.dataset("fluorescence", 2, **settings):
        likelihood = unet.predict(model.s1, model.prepare(s))
        points, _ = model.find_centres(likelihood)
        found.append(detection(points, s.centres, spacing, 5.0))
    return [np.mean([f[n] for f in found]) for n in ("precision", "recall")]


# %%
loose = counts(number=10, touching=0.0)
packed = counts(number=90, touching=1.0)
print("loose: recall above 0.98:", loose[1] > 0.98)
print("packed: recall below 0.96:", packed[1] < 0.96)
print("packed: precision above 0.98:", packed[0] > 0.98)

# %% [markdown]
# It does. In the loose stacks it finds the cells, in the packed ones it misses some and invents next to none. In a packed stack a missed cell has
# neighbours, and goes to them.
#
# ## An embryo
#
# Now a real stack: a mouse embryo at the 16-cell stage (Tokuoka et al. 2020). First its true mask, then what our two networks make of it.
# Without the download, a simulated stack takes its place.

# %% tags=["nbval-ignore-output"]
try:
    name = "mouse_embryo_fluorescence"
    embryo = data_download.load(name, progress=False)[1]
except InputError as reason:
    like = {"spacing": (1.75, 0.8, 0.8), "radii": (6.0, 9.0), "touching": 0}
    embryo = simulate.fluorescence(2, (51, 120, 122), number=16, **like)
    print(f"simulated stack, because: {reason}")
_, count = ndimage.label(embryo.labels > 0)
print(f"{len(embryo.centres)} nuclei, {count} parts of the true mask")

# %% tags=["nbval-ignore-output"]
result = model.predict(embryo)
own = {"experts": embryo.labels, "two networks": result.labels}
figures.show(
    figures.comparison(
        embryo.image, own, embryo.spacing, "max", reference="experts"
    ),
    alt="A stack from above: the image, the experts' nuclei in colours, and "
    "those of our two networks in the same colours, much alike",
    caption="Trained on simulated cells only. White: the experts' outlines.",
)

# %% [markdown]
# The nuclei of an embryo do not touch: cells do, but only nuclei glow. With a perfect mask, counting parts would be enough, and this chapter would be superfluous. The watershed
# earns its place when a mask is blurred over a gap, and in bright field, where whole cells are outlined and touch.
#
# ## What we saw
#
# - Merging is a weighted mean. Its radius has a wide range of good values, all below the distance between cells.
# - *depth* cuts at the neck, *distance* half way. It matters when cells of unlike size touch.
# - A wrong mask costs more than a wrong landscape, trembling points, or one point in eight missing or double.
# - Each disagreement of S1 and S2 has a rule: move, drop, or fuse.
# - A cell without a point is lost to its neighbour, and no later step sees it.
#
# ## To go further
#
# Other landscapes are possible: the image itself, S1's map turned over, S2's probability. Other ways to divide need no points at all: *flow fields* (Cellpose, Stringer
# et al. 2021), where every voxel learns in which direction its cell's middle lies, or *star-convex* shapes (Schmidt et al. 2018). They need outlines to learn
# from.
#
# ## Exercises
#
# 1. Use `-likelihood` as the landscape: call `watershed(-likelihood, markers, mask=...)` from scikit-image. Does it beat *depth* on the crowd?
# 2. In `table`, set `core=8` for points off by 3 µm. Why does sinking too much harm?
# 3. A merged peak keeps the highest of its scores. Find two peaks for which their mean would have been a different decision at threshold 0.5.
# 4. `min_volume` removes small instances. Which of SEG and MUCov can it raise, and which one can it only lower?
# 5. Write a rule that notices fused cells from the labels alone. On the crowd with missing points, how many does it find, and how many honest cells does it accuse?
