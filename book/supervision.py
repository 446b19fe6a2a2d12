# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Supervision: what a label costs, and what is free
#
# > **In this chapter**
# >
# > - **A mask costs hundreds of decisions per cell**, a box costs six numbers, a point three.
# > - **Each label knows something on its own.** A box knows the size of a cell; a point does not.
# > - **Without any label**, a threshold and a watershed on bright nuclei match balls at perfect points. Whoever learns must beat both.
# > - **In bright field the classical way breaks**, and no threshold on its signal repairs it.
# > - **Weak labels with a network** make a family. Its members differ in what they need, and in what they do when a new image comes.
#
# Somebody must tell a network what a cell is. What does each kind of label cost, what does it say, and what can be had from nobody at
# all?
#
# This chapter is §2 of the paper, with the baselines that the rest of the book has to beat. No GPU is
# needed and nothing is trained.

# %%
import numpy as np
from scipy import ndimage
from scipy.stats import rankdata

from bfs_tutorial import baselines, checks, explore, figures, simulate
from bfs_tutorial.instances import assign_instances
from bfs_tutorial.metrics import evaluate

# %% [markdown]
# ## Mask, box, point
#
# In a simulated stack every voxel's owner is known, so we can count what an annotator would have had to decide. A
# mask is drawn plane by plane, along the outline of each cell.

# %%
stack = simulate.fluorescence(1)
truth, spacing = stack.labels, stack.spacing  # (Z, Y, X), (z, y, x) µm
n_cells, drawn, clicked_on = len(stack.centres), 0, 0
for plane in truth:
    for number in np.unique(plane[plane > 0]):
        cell = plane == number
        drawn += 1
        clicked_on += (cell & ~ndimage.binary_erosion(cell)).sum()
print(f"{n_cells} cells, cut {drawn} times by {len(truth)} planes")

# %%
costs = {
    "every voxel": truth.size,
    "voxels inside cells": (truth > 0).sum(),
    "voxels along outlines": clicked_on,
    "boxes, 6 numbers each": 6 * n_cells,
    "points, 3 numbers each": 3 * n_cells,
}

# %%
rows = {
    name: {"in the stack": f"{count}", "per cell": f"{count / n_cells:.0f}"}
    for name, count in costs.items()
}
caption = "What somebody must decide on in one stack"
figures.score_table(rows, caption=caption, header="label")

# %% [markdown]
# Between outlines and points lie two orders of magnitude. These are counts and not minutes: how long one decision takes, and how long it takes to find
# the cell first, they do not say.
#
# > **Same thing, other names.** Learning from less than the wanted answer is *weak supervision*. With points it is also called
# > *point supervision*; with labels for some stacks only, *semi-supervised*. A label that a program made is a *pseudo label*.
#
# ## What a label says on its own
#
# We shall need three scores, each 1 for perfect and 0 for useless; [Metrics](metrics.ipynb) explains them. *Overlap* means: the voxels in both, divided by the voxels in
# either.
#
# - **IoU**: the overlap of all predicted cells together with all true ones, whoever owns which voxel.
# - **SEG**: for each true cell, its overlap with the one prediction that covers more than half of it, else 0; then the mean.
# - **MUCov**: for each prediction, its overlap with the true cell that it fits best, if it covers more than half of that cell, else 0; then the mean.
#
# Before any learning: take each kind of label at its word. Fill the box. Or draw the ellipsoid that touches its faces. Or draw a ball at each point, of one radius for all.


# %%
def boxes(ellipsoid):
    """Labels of all boxes around the true cells, filled or as ellipsoids."""
    labels, grid = np.zeros_like(truth), np.indices(truth.shape)
    for number, box in enumerate(ndimage.find_objects(truth), start=1):
        middle = np.array([(s.start + s.stop - 1) / 2 for s in box])
        half = np.array([(s.stop - s.start) / 2 for s in box])
        away = np.abs(grid.T - middle) / half  # (X, Y, Z, 3), 1 = a face
        far = np.linalg.norm(away, axis=-1) if ellipsoid else away.max(axis=-1)
        labels[(far.T <= 1) & (labels == 0)] = number
    return labels


# %%
def ball(radius):
    """Labels of a ball of one radius in µm at every point."""
    return baselines.balls(truth.shape, stack.centres, spacing, radius)


# %%
guesses = {
    "truth": truth,
    "boxes": boxes(False),
    "ellipsoids in boxes": boxes(True),
    "balls of 8 µm": ball(8),
}

# %%
style = {"reference": "truth", "fill": 0.3, "columns": 5}
figures.show(
    figures.comparison(stack.image, guesses, spacing, 8, **style),
    alt="Five pictures of one plane: bright cells; their true outlines; "
    "rectangles that overlap each other; ellipses close to the truth; circles "
    "too large for small cells and too small for large ones",
    caption="One plane. White lines show the truth: boxes stick out of them, "
    "and balls of 8 µm are too small for the large cells.",
)

# %%
for r in (8, 9, 10):
    labels = guesses[f"balls of {r} µm"] = ball(r)
    cells = range(1, n_cells + 1)
    held = sum((labels[truth == c] == c).mean() > 0.5 for c in cells)
    print(f"{r} µm: {held} of {n_cells} balls fill more than half their cell")

# %%
rows = {name: evaluate(labels, truth) for name, labels in guesses.items()}

# %%
names = ["IoU", "SEG", "MUCov"]
style = {"header": "label taken at its word", "decimals": 2}
caption = "Labels without any learning, one stack"
figures.score_table(rows, names, caption=caption, beside=["truth"], **style)

# %% [markdown]
# The box knows the size of its cell, and with the guess that cells are ellipsoids it is a very good label. (Our simulated cells are nearly
# ellipsoids, so this flatters the box.) A point says nothing about size. Someone has to choose the radius. From 8 to
# 9 µm SEG leaps: a cell that is filled to half or less scores 0, and at 9 µm none is left.

# %%
radii = np.arange(5, 12.01, 0.5)
scores = [evaluate(ball(radius), truth) for radius in radii]
series = {n: (radii, [s[n] for s in scores]) for n in ("IoU", "SEG")}

# %%
figures.show(
    figures.curves(series, x_label="radius in µm", y_label="score"),
    alt="Two curves over the radius that rise to a round top near 10 µm and "
    "fall; from 6 µm on SEG lies below IoU, and far below it at 8 µm",
    caption="One radius for all cells of the stack. Where the curves are "
    "highest can only be seen by somebody who has the truth.",
)

# %% [markdown]
# So one good number, the typical size, and the right points already give a fair score. We keep 9 µm for all stacks, a size one could guess without a
# truth; tuned to each stack the score would be higher. Where this book judges a network, a row of balls stands beside it: **what it does not add to this row, it has not learnt.**
#
# ## No label at all
#
# Nuclei in fluorescence are bright. The classical recipe needs nobody:
#
# 1. Blur a little, and take what is brighter than a threshold: that is the mask. Otsu 1979 chooses the threshold from the grey values alone (Exercise 1).
# 2. Measure the depth of each voxel of the mask: how far it is to the nearest voxel outside.
# 3. Put a marker on each local maximum of the depth, and let a **watershed** divide the mask among the markers, as if water rose from each until the
#    lakes meet (see [Instances](instances.ipynb)).

# %%
signal = baselines.cell_signal(stack.image, spacing)
mask = baselines.bright_mask(signal)
depth = ndimage.distance_transform_edt(mask, spacing)  # µm
labels = baselines.threshold_watershed(stack.image, spacing)
print(f"{len(np.unique(labels)) - 1} cells found, {n_cells} are there")

# %%
steps = {"image": stack.image, "mask": mask * 1.0, "depth": depth}
kinds = {"mask": "map", "depth": "map"}
figures.show(
    figures.panels(
        steps, spacing, 8, kinds=kinds, units={"depth": "µm"}, labels=labels
    ),
    alt="Three pictures of one plane with the outlines that were found: the "
    "image; a white mask of joined discs; a map of soft hills, one for each "
    "cell",
    caption="Where cells touch, the mask is one piece, but the depth has a "
    "hill for each. Lines: what the watershed makes of it.",
)

# %% [markdown]
# **Voronoi-Otsu labelling** (Haase 2020) is a cousin: its markers are the maxima of a broadly blurred image, and each voxel of the mask
# goes to its nearest marker. And if we do have points, we may give *them* to the watershed as markers and need no maxima. Three methods
# without learning, and the balls:


# %%
def watershed(stack, modality):
    return baselines.threshold_watershed(stack.image, stack.spacing, modality)


# %%
def voronoi(stack, modality):
    return baselines.voronoi_otsu(stack.image, stack.spacing, modality)


# %%
def points_watershed(stack, modality):
    signal = baselines.cell_signal(stack.image, stack.spacing, modality)
    mask = baselines.bright_mask(signal)
    return assign_instances(mask, stack.centres, stack.spacing)


# %%
def fixed_balls(stack, modality):
    shape = stack.labels.shape
    return baselines.balls(shape, stack.centres, stack.spacing, 9.0)


# %%
methods = {
    "threshold, watershed": watershed,
    "Voronoi-Otsu": voronoi,
    "threshold, points as markers": points_watershed,
    "balls of 9 µm at the points": fixed_balls,
}


# %%
def table(modality):
    """Mean scores of all methods over three stacks of one modality."""
    stacks = simulate.dataset(modality, 3, seed=0)
    rows = {}
    for name, method in methods.items():
        runs = [evaluate(method(s, modality), s.labels) for s in stacks]
        rows[name] = {n: float(np.mean([r[n] for r in runs])) for n in runs[0]}
    return rows


# %%
in_fluorescence = table("fluorescence")
caption = "Fluorescence, mean of three simulated stacks; nothing was trained"
figures.score_table(in_fluorescence, names, caption=caption, decimals=2)

# %%
row = in_fluorescence["threshold, watershed"]
print(f"threshold, watershed: {row['n_predicted']:.1f} cells found in a stack")
print(f"there are:            {row['n_truth']:.1f}")

# %% [markdown]
# The first two rows need no label. The last two are given true points of the *test* stack, which no real method has: read them as "if
# the points were perfect". The watershed alone is above the balls in every column, in SEG by little; Voronoi-Otsu's SEG is below them.
#
# With perfect points the watershed's SEG rises and its IoU stays. The voxels were known before; what points add is whose they are. MUCov hardly
# shows it: of two cells that were joined, SEG scores both, MUCov the one prediction, by the cell that it fits better.
#
# > **Checkpoint.** At this point we have: the price of three kinds of label, what each knows by itself, and a classical recipe that on
# > bright cells does as well as balls at perfect points. Now the same recipe meets bright field.
#
# ## Where it breaks
#
# In bright field a cell is as often darker as brighter than its surroundings. A signal that does better is the local standard deviation, call it
# *restlessness*: how much the brightness varies around a voxel. Near voxels count more, by a Gaussian whose width σ is printed below. We use it for
# the same four rows.

# %%
print(f"restlessness: σ = {baselines.SMOOTH['bright-field']:g} µm")
in_bright_field = table("bright-field")
caption = "Bright field, the same cells, mean of three simulated stacks"
figures.score_table(in_bright_field, names, caption=caption, decimals=2)

# %%
for name in ("threshold, watershed", "threshold, points as markers"):
    fell = [in_fluorescence[name][n] - in_bright_field[name][n] for n in names]
    print(f"{name}: every column falls by {min(fell):.1f} or more")
    assert min(fell) > 0.4

# %% [markdown]
# The balls do not look at the image, so their row is the same. The other three look at it and break down, even with perfect points. Why? Ask how
# well the signal alone tells cell from background. The **AUC** (area under a curve, after another way to compute it) is the chance that a random voxel
# inside a cell has a higher signal than one outside: 1 is perfect, 0.5 is a coin.


# %%
def auc(values, inside):
    """Chance that a voxel inside has a higher value than one outside."""
    ranks = rankdata(values)[inside.ravel()]
    n, m = inside.sum(), (~inside).sum()
    return (ranks.sum() - n * (n + 1) / 2) / (n * m)


# %%
bright = simulate.bright_field(1)  # the same cells as in `stack`
grey = baselines.cell_signal(bright.image, spacing)  # blurred like `signal`
restless = baselines.cell_signal(bright.image, spacing, "bright-field")
inside = truth > 0
print(f"fluorescence, brightness:   AUC {auc(signal, inside):.2f}")
print(f"bright field, brightness:   AUC {auc(grey, inside):.2f}")
print(f"bright field, restlessness: AUC {auc(restless, inside):.2f}")
column = inside.any(axis=0) & ~inside  # above and below the cells
means = [restless[where].mean() for where in (inside, column)]
print(f"mean restlessness: {means[0]:.0f} inside, {means[1]:.0f} above and below")

# %% [markdown]
# Brightness is a coin. Restlessness is better, but it is higher above and below the cells than inside them. From the side:

# %%
views = {"image": bright.image, "restlessness": restless}
views = {n: np.swapaxes(v[::-1], 0, 1) for n, v in views.items()}
row = int(np.bincount(np.nonzero(truth)[1]).argmax())  # y, many cells

# %%
figures.show(
    figures.panels(
        views, (1, 2, 1), row, kinds={"restlessness": "map"}, columns=1,
        units={"restlessness": "local standard deviation, counts"},
        labels=np.swapaxes(truth[::-1], 0, 1),
    ),
    alt="Two views from the side with true outlines: grey columns, dark below "
    "and bright above; a map with bright stripes that run from bottom to top "
    "and are weaker inside the outlines",
    caption="Bright field from the side, z points up; lines: true cells. The "
    "signal is strong in the whole column of a cell, and stronger above and "
    "below it than inside.",
)

# %% [markdown]
# The signal finds the column and not the cell. That is a property of the light ([Bright field](bright_field.ipynb) shows why), so a
# better threshold on it cannot help. Convince yourself: choose what share of the voxels is called cell, from few to many.

# %%
shares = [1, 2, 4, 6, 8, 10, 14, 20, 30, 50]  # % of all voxels


def explorer(seen, values, modality):
    """Frame function: what a threshold on `values` finds in a stack."""

    def segment(threshold):
        return baselines.threshold_watershed(
            seen.image, spacing, modality, threshold=threshold
        )

    return explore.threshold_frame(
        seen.image, values, truth, segment, shares, plane=8
    )


frames = {
    "fluorescence": explorer(stack, signal, "fluorescence"),
    "bright field": explorer(bright, restless, "bright-field"),
}

# %%
explore.explorable(
    lambda share, modality: frames[modality](share),
    {"share": shares, "modality": list(frames)},
    start={"share": 8}, units={"share": "%"},
    labels={"share": "called cell", "modality": "image"},
    alt=lambda share, modality: f"One plane in {modality}: what is found "
    f"when {share} % of the voxels are called cell, with the true outlines; "
    "and the curves of IoU, SEG and MUCov",
    caption="Threshold and watershed for ten thresholds, white: the truth. "
    "In fluorescence the curves have a top; in bright field all stay low.",
)

# %%
best = {}
for name, frame in frames.items():
    texts = [frame(share).text for share in shares]
    best[name] = max(float(text.rpartition(" ")[2]) for text in texts)
    print(f"{name}: best SEG {best[name]:.2f}")
assert best["fluorescence"] > 0.6 and best["bright field"] < 0.2
print(f"truly cell: {inside.mean():.0%} of the voxels")
otsu = evaluate(labels, truth)["SEG"]  # the watershed's labels from above
print(f"fluorescence, Otsu: {mask.mean():.0%} called cell, SEG {otsu:.2f}")

# %% [markdown]
# Even the best threshold, chosen with the truth in hand, leaves this bright-field stack near zero. That is the case for learning. It is also
# the honest size of the case: in fluorescence Otsu, who saw no truth, comes close to the best position of the slider.
#
# `baselines.tune` chooses settings on training stacks by their masks. That uses *more* truth than a network with points does,
# so it favours the baseline. We do it so on purpose where the book compares.
#
# ## Learning from little: the family
#
# The paper places itself among methods that learn from points or boxes. They share a plan, make masks out of weak labels and learn
# from these, and differ in what they need and in what has to be done for each new image. The words of the table first:
#
# - A **pass** is one run through a network. A *backward pass* runs from an answer back to the voxels that it rests on.
# - A **peak response** is what a backward pass finds for one peak, a local maximum of the network's map. *Guided back-propagation* is another rule
#   for the way back. [Peak responses](peak_response.ipynb) compares both.
# - The **class of an image** says what is in it ("a cat") and not where. *Object proposals* are outlines of whatever looks like a thing, made by
#   another program.
# - The **Voronoi cell** of a point holds all that is nearer to it than to any other point ([Centre maps](centre_maps.ipynb) draws them). *k-means* sorts
#   pixels into a few groups of like colour.
# - A **graph cut** parts cell from ground where neighbouring pixels differ most.
#
# | Method | Needs | Makes a mask from | For a new image |
# |---|---|---|---|
# | Zhou et al. 2018 (PRM) | class of an image | peak responses, object proposals | one backward pass per peak |
# | Zhao et al. 2018 | 3D boxes, a few full masks | a network inside each box | one pass, then one per box |
# | Qu et al. 2019 | points | Voronoi cells, and k-means of colours: two noisy labels | one pass |
# | Yoo et al. 2019 (PseudoEdgeNet) | points | a second small network that finds edges | one pass |
# | Nishimura et al. 2019 | points | guided back-propagation per cell, graph cut | one backward pass and one cut per cell |
# | Dong et al. 2019 | points, 3D | peak responses in 3D | one backward pass per cell |
# | BFS-Net 2022 | points, 3D | peak responses, **in training only** | two passes, one watershed |
#
# Read the last column. Where a mask comes from a way back through the network, every cell costs a backward pass. BFS-Net pays this once, for the
# training stacks, and lets a second network learn the result. Count passes for stacks of growing size:

# %%
for side in (128, 256, 512):
    volume = 32 * side**2  # µm³, at the density of our stack
    cells = round(n_cells * volume / (32 * 128**2))
    passes = f"{1 + cells} passes against 2"
    print(f"{side:3d} µm wide: {cells:3d} cells, {passes}")

# %% [markdown]
# A backward pass can be cut to a window around its peak, so counts exaggerate; [Peak responses](peak_response.ipynb) measures it. And a second
# network is not free: it has to be trained, and it may learn the faults of its pseudo labels.
#
# Where would you look for faults? **Qu** needs colours that differ between cell and ground: in bright field there are
# none. **PseudoEdgeNet** needs edges: they are there, mixed with rings of other planes. **Peak responses** need a network that found the cell,
# and show what it looked at, which need not be the whole cell. A box tells the size of its cell. Whoever has points only knows it
# only if the image says so. Keep an eye on the balls.
#
# ## What we saw
#
# - Outlines cost hundreds of decisions per cell, points three numbers. A box, six numbers, tells the size as well.
# - Balls of one size at the right points score fairly. It is the row to beat.
# - Threshold and watershed need no label and, in fluorescence, do as well as balls at perfect points. Points mainly add whose a voxel is.
# - In bright field the signal finds columns. No threshold on it repairs that.
# - Weakly supervised methods differ in what they need, and in what each new cell costs.
#
# ## To go further
#
# Between points and masks there is more: a scribble, a radius beside the click, one outline per ten points. The box scored well above:
# perhaps it is worth its three more numbers. And pretrained models that take a click as a prompt have changed the price of a mask;
# what such a model has seen in *its* training is then part of the cost.
#
# Give each point its own true radius, or shake the points by 2 µm along each axis: which rows move, and how far? And write a
# bright-field signal of your own. Does a higher AUC give a higher SEG?
#
# ## Exercises
#
# Each has a check, and `checks.hint("otsu", 1)` gives the first of three hints.

# %% [markdown]
# ### Exercise 1: Otsu's threshold
#
# A threshold $t$ parts values into a dark group (not above $t$) and a bright one (above $t$). Let $w_0, w_1$ be their shares of all values and
# $m_0, m_1$ their means. Otsu takes the $t$ with the largest $w_0 w_1 (m_0 - m_1)^2$. Write `my_otsu(values)`: `values` is a NumPy array of any
# shape with at least two different numbers. Return $t$; it is enough to try the values themselves.

# %% tags=["exercise", "hide-input"]
def my_otsu(values):
    """Return the threshold with the largest variance between groups."""
    ### BEGIN SOLUTION
    values = np.ravel(values)
    between = {}
    for t in np.unique(values)[:-1]:
        dark, light = values[values <= t], values[values > t]
        weight = len(dark) * len(light) / len(values) ** 2
        between[t] = weight * (dark.mean() - light.mean()) ** 2
    return max(between, key=between.get)
    ### END SOLUTION


# %%
checks.otsu(my_otsu)

# %% [markdown]
# ### Exercise 2: whose voxel is it?
#
# Give every voxel of a mask to its nearest point. Write `my_nearest_point(mask, points, spacing)`: `mask` is bool (Z, Y, X), `points` an array
# (N, 3) in voxels, (z, y, x), `spacing` the size of a voxel in µm, (z, y, x). Return whole numbers (Z, Y, X): 0 outside the mask, $i + 1$ where
# `points[i]` is nearest in µm.

# %% tags=["exercise", "hide-input"]
def my_nearest_point(mask, points, spacing):
    """Return labels (Z, Y, X): each voxel of the mask to a point."""
    ### BEGIN SOLUTION
    voxels = np.argwhere(mask)  # (V, 3)
    apart = (voxels[:, None] - np.asarray(points)) * np.asarray(spacing)
    nearest = np.linalg.norm(apart, axis=-1).argmin(axis=1)
    labels = np.zeros(mask.shape, dtype=int)
    labels[mask] = nearest + 1
    return labels
    ### END SOLUTION


# %%
checks.nearest_point(my_nearest_point)

# %% [markdown]
# ### Exercise 3: predict
#
# A signal has an AUC of 0.2 for "inside a cell". Somebody multiplies it by −3. What is its AUC now?

# %% tags=["exercise", "hide-input"]
my_flipped_auc = None  # a number
### BEGIN SOLUTION
my_flipped_auc = 0.8
### END SOLUTION

# %%
checks.flipped_auc(my_flipped_auc)

# %% [markdown]
# ### Exercise 4: explain
#
# In fluorescence a threshold without any network can match balls at perfect points. A paper reports a network that was trained on points, in fluorescence, and
# compares it with other networks only. Which row is missing from its table, and what would you ask the authors?
#
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# Threshold and watershed, with the settings tuned as carefully as the network's; and balls of one radius at the points that the
# network found. A point for naming either, one for saying why: without them one cannot tell what the network has learnt from what the
# brightness gives away. Table 1 of the BFS-Net paper has neither row.
#
# </details>
