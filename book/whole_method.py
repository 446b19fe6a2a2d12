# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The whole method on one page
#
# > **In this chapter**
# >
# > - **Eight clicks train two networks.** No outline is ever shown to them.
# > - **S1 finds cells, S2 outlines them.** A watershed joins both answers.
# > - **The step between them** is a question put to S1: which voxels made you see a cell here?
# > - **A loss that reads the image** then corrects the rough outlines.
# > - **The test is a second embryo**, scored against masks that the networks never saw.
#
# Can a network that was shown eight points outline the sixteen nuclei of another embryo?
#
# This page runs all of BFS-Net (Dehghani, Busam, Navab and Nasseri 2022) on two real z-stacks, each step in a few lines.
# No GPU is needed. Later chapters take the steps apart, and explain each word that is new here: read on past what you do not know yet.

# %%
import numpy as np
import torch

import data_download
from bfs_tutorial import (
    checks,
    explore,
    figures,
    peak_response,
    records,
    simulate,
    unet,
)
from bfs_tutorial.centre_maps import centre_map
from bfs_tutorial.errors import InputError
from bfs_tutorial.losses import edge_weight
from bfs_tutorial.metrics import detection, evaluate
from bfs_tutorial.pipeline import BFSNet
from bfs_tutorial.stack import ZStack

# %% [markdown]
# ## Two embryos
#
# The stacks are early mouse embryos whose nuclei glow: one at the 8-cell stage, one at the 16-cell stage
# (Tokuoka et al. 2020; MIT licence). Planes lie 1.75 µm apart, pixels 0.8 µm. We train on the first and test on the second.
# Where the download cannot be had, two simulated stacks of the same size take their place, and the next line says so.

# %% tags=["nbval-ignore-output"]
try:
    first, second = data_download.load(
        "mouse_embryo_fluorescence", progress=False
    )
    print("real stacks: mouse embryos with 8 and with 16 cells")
except InputError as reason:
    grid = {
        "shape": (51, 120, 122),
        "spacing": (1.75, 0.8, 0.8),
        "radii": (6.0, 9.0),
        "touching": 0.2,
    }
    first, second = (
        simulate.fluorescence(seed, number=n, **grid)
        for seed, n in ((1, 8), (2, 16))
    )
    print(f"simulated stacks, because: {reason}")

# %% [markdown]
# Both stacks come with masks drawn by experts. They go into a drawer now. An annotator would give the image and one click
# per nucleus, so that is all that training gets. The test stack keeps its image alone.

# %%
clicked = ZStack(first.image, first.spacing, centres=first.centres)
unseen = ZStack(second.image, second.spacing)

# %% tags=["hide-input"]
figures.show(
    figures.projection(
        clicked.image, clicked.spacing, axis=(0, 1), points=clicked.centres
    ),
    alt="Bright round nuclei on a dark ground, seen from above and from the side, a white dot on each of them",
    caption="Everything the networks are told: an image and one click per nucleus. Left from above, right from the side.",
)

# %% [markdown]
# ## Step 1: from clicks to a map that can be learnt
#
# A click is one voxel of a few hundred thousand, too little for a network to learn from. So each click becomes a blob. The
# map is 1 on the click, falls to $e^{-k}$ at a distance of $d_m$ micrometres, and is 0 beyond:
#
# $$
# p(x) = \begin{cases} 0 & x \text{ on a Voronoi border} \cr e^{-k\,D(x)/d_m} & D(x) \le d_m \cr 0 & \text{otherwise} \end{cases}
# \tag{1}
# $$
#
# $D(x)$ is the distance to the nearest click. The border between two clicks is set to zero, so that touching nuclei stay two.
# The paper does not say what $k$ and $d_m$ were. We take 2 and 8 µm, about the radius of a nucleus.

# %%
model = BFSNet("fluorescence", steps_s1=300, steps_s2=300)
spacing = model.settings.spacing  # 2 x 1 x 1 µm, what the networks see
prepared = model.prepare(clicked)  # resampled, grey values normalised
points = model.points(clicked)  # the clicks, in voxels of that grid
target = centre_map(prepared.shape, points, spacing, d_m=8.0, k=2.0)

# %% tags=["hide-input"]
plane = int(np.rint(points[0, 0]))
figures.show(
    figures.panels(
        {"normalised image": prepared, "centre map p(x)": target},
        spacing,
        plane,
        kinds={"centre map p(x)": "map"},
        points=points,
    ),
    alt="Left a plane of the stack with dots on its nuclei; right the same plane, black but for a round spot at each dot",
    caption="One plane. The network sees the left picture and must draw the right one.",
)

# %% [markdown]
# ## Step 2: S1 learns to find cells
#
# S1 is a small 3D U-Net. Its loss is cross entropy against $p(x)$ plus a focal term on the voxels next to a click:
#
# $$
# \mathcal{L}_{S1} = \mathcal{L}_{bce} + \lambda\,\mathcal{L}_{focal}
# \tag{2}
# $$
#
# The paper trains for up to 40 epochs on a GPU, with a learning rate of 5×10⁻⁵. In the minute that a page can ask for, that
# rate leaves the map too low to tell peaks from noise; ours is a hundred times higher and falls again towards the end.

# %%
loss_s1 = model.train_s1([clicked], seed=0, progress=False)
start, end = np.mean(loss_s1[:5]), np.mean(loss_s1[-20:])
print("the loss fell to less than a quarter:", end < start / 4)

# %% [markdown]
# Now the other embryo. S1 gives every voxel a likelihood; its local maxima are the cells. How high a maximum must be was
# set on the training stack, where we know what is a cell. The drawer opens for a moment to see whether the points are right.

# %%
image = model.prepare(unseen)
likelihood = unet.predict(model.s1, image)
centres, heights = model.find_centres(likelihood)
found = detection(centres, model.points(second), spacing, tolerance=5.0)
print("at least 9 of 10 nuclei found:", found["recall"] >= 0.9)
print("at least 9 of 10 points right:", found["precision"] >= 0.9)

# %% [markdown]
# ## Step 3: ask S1 where it looked
#
# S1 knows where a nucleus is. Has it learnt how large it is? Nobody told it, but to recognise a nucleus it must have looked
# at one. Peak response maps make that visible. Start at one maximum, go backward through the network, and at each convolution
# hand the response on to the inputs that contributed to it, in proportion. What arrives at the image is never negative, and
# it sums to 1: the response of one cell, shared out among voxels.

# %%
peak = points[:1]  # one nucleus
responses = peak_response.peak_responses(model.s1, prepared, peak)
assert responses.min() >= 0 and abs(responses.sum() - 1) < 1e-3
near = centre_map(prepared.shape, peak, spacing, d_m=10.0) > 0
share = responses[0][near].sum()
print("more than half of it lies within 10 µm of the click:", share > 0.5)

# %% [markdown]
# A response map is too speckled to be a mask. Smoothed by 3 µm and cut at Otsu's threshold it becomes a blob, and the blobs
# of all clicks together are the **pseudo labels**. They are the only outlines that training will ever see.

# %%
pseudo = model.pseudo_labels(clicked)

# %% tags=["hide-input"]
figures.show(
    figures.panels(
        {
            "image": prepared,
            "response of one peak": responses[0] / responses.max(),
            "pseudo labels": (pseudo > 0) * 1.0,
        },
        spacing,
        plane,
        kinds=dict.fromkeys(["response of one peak", "pseudo labels"], "map"),
        limits={"response of one peak": (0, 0.5)},
        labels=model.exact_mask(first).astype(int),
    ),
    alt="Three pictures of one plane with the true outlines: nuclei; a speckled bright patch on one of them; rough blobs, one for each nucleus",
    caption="From peak to pseudo label; the response is shown in parts of its maximum. Lines: the experts' outlines, which training never sees.",
)

# %% [markdown]
# How good are they? Measured against the drawer, about half of what they and the true masks cover together is covered by
# both. That is a start, not a result.

# %%
truth, guess = model.exact_mask(first), pseudo > 0
overlap = (truth & guess).sum() / (truth | guess).sum()
print("IoU between 0.35 and 0.75:", 0.35 < overlap < 0.75)

# %% [markdown]
# > **Checkpoint.** At this point we have: a network that finds nuclei, and for every click a rough blob that says where its
# > nucleus is. We have used eight clicks and no mask.
#
# ## Step 4: S2 learns outlines, and the image corrects them
#
# S2 is the same U-Net, trained to tell nucleus from background by the pseudo labels. Alone it would learn their mistakes.
# So a second term looks at the image:
#
# $$
# \mathcal{L}_{S2} = \mathcal{L}_{class} + \lambda\,\mathcal{L}_{FL}, \qquad
# \mathcal{L}_{FL} = \nabla G(S, \sigma_1)\cdot \exp\!\left(-\lVert \nabla G(I, \sigma_2)\rVert_p^p\right)
# \tag{3, 5}
# $$
#
# $G$ is a Gaussian blur of width $\sigma$, $\nabla$ the gradient, and $p$ is 2. The first factor is large where the mask $S$ has its edge. The second is small where the image $I$ has an edge. Their product
# is small only if both edges lie in the same place. (Equation 4, for bright field, takes the Laplacian of the image instead.)

# %%
photo = torch.from_numpy(prepared)
weight = edge_weight(photo, spacing, sigma=1.0, edge="gradient").numpy()

# %% tags=["hide-input"]
figures.show(
    figures.panels(
        {"image": prepared, "second factor": weight},
        spacing,
        plane,
        kinds={"second factor": "map"},
    ),
    alt="Left bright nuclei; right a bright field with a dark ring along the rim of each nucleus",
    caption="Where the second factor is dark, an edge of the mask costs nothing: along the rim of each nucleus.",
)

# %% [markdown]
# Printed as it is, the equation does not say in which unit $\sigma$ is, how the image is scaled, or how the product becomes one
# number. These choices decide whether the loss works. With the image in standard deviations and $\sigma = 3$, the second
# factor is almost 1 everywhere and the loss merely shrinks masks. We divide the gradient by its own standard deviation,
# take $\sigma = 1$ µm, and divide the sum of the product by the sum of its first factor: the mean weight along the mask's edge.
# That form has a flaw of its own: it does not see whether there is a mask at all. So $\lambda$ starts at 0 and grows during
# the first half of the training, when a mask has formed.

# %%
loss_s2 = model.train_s2([clicked], [pseudo > 0], seed=0, progress=False)

# %% tags=["hide-input"]
figures.show(
    figures.curves({"S1": loss_s1, "S2": loss_s2}, smooth=15, log=True),
    alt="Two falling curves on a logarithmic axis: the loss of S1 falls throughout, that of S2 falls, stays and falls again",
    caption="The losses of both trainings. S2's is a sum, and the second term grows in the first half of the steps.",
)

# %% [markdown]
# ## Step 5: instances
#
# S2 marks what is nucleus, S1 says how many there are and where. A watershed floods the mask from every centre until the
# floods meet. `predict` does all of it: centres, mask, watershed.
#
# One thing is ours, not the paper's. The embryos differ in brightness and in how full the picture is, so S2's BatchNorm
# layers take their means and variances from the new stack (`adapt=1.0`). That needs the new image, but no click and no mask.
# Left out, some training runs shrink every nucleus and others do not.

# %%
result = model.predict(unseen)
shown = {"BFS-Net, from 8 clicks": result.labels, "experts": second.labels}

# %% tags=["hide-input"]
figures.show(
    figures.comparison(
        unseen.image, shown, unseen.spacing, plane="max", reference="experts"
    ),
    alt="The unseen stack from above: the image, BFS-Net's nuclei and the experts' nuclei in the same colours, much alike",
    caption="The test embryo from above. White lines repeat the experts' outlines, so that white shows where we differ.",
)

# %% [markdown]
# From above much is hidden. Go through the stack plane by plane. Where do our outlines begin too early, or end too late?

# %%
planes = range(6, len(unseen.image) - 6, 3)
depths = [float(k * unseen.spacing[0]) for k in planes]  # µm
mine = figures.match_colours(result.labels, second.labels)


def through(z):
    """One plane with our labels in colour and the experts' as lines."""
    k = round(z / unseen.spacing[0])
    picture = figures.overlay(
        unseen.image[k], mine[k], fill=0.25, outline=0
    )
    lines = explore.outlines(second.labels[k], width=0.6)
    return explore.Frame(
        [explore.Panel({"ours": picture, "experts": lines}, width=420)]
    )


explore.explorable(
    through, {"z": depths}, units={"z": "µm"}, labels={"z": "plane at"},
    alt=lambda z: f"The test embryo {z:g} µm above the first plane: BFS-Net's "
    "nuclei in colour, the experts' outlines as white lines",
    caption="Ours in colour, the experts' outlines in white.",
)

# %% [markdown]
# Depth is where a microscope blurs most, so look from the side too.

# %% tags=["hide-input"]
largest = int(np.bincount(second.labels[second.labels > 0]).argmax())
middle = [
    float(np.mean(index)) for index in np.nonzero(second.labels == largest)
]
figures.show(
    figures.orthogonal(
        unseen.image,
        unseen.spacing,
        at=middle,
        labels=figures.match_colours(result.labels, second.labels),
    ),
    alt="Three planes through one nucleus, from above and from two sides, with BFS-Net's outlines close to the visible rims",
    caption="Three planes through the largest nucleus, with the outlines that BFS-Net drew.",
)

# %% [markdown]
# ## Is it any good?
#
# Three numbers, all between 0 and 1. **IoU**: how well all nuclei together overlap the truth. **SEG**: the overlap of each true
# nucleus with the one that covers most of it, averaged over true nuclei, so a missed one costs. **MUCov**: the same seen from
# the nuclei we drew, so an invented one costs.

# %%
scores = evaluate(result.labels, second.labels)
for name in ("IoU", "SEG", "MUCov"):
    print(f"{name} is at least 0.6:", scores[name] >= 0.6)

# %% [markdown]
# A number needs neighbours. The table puts ours beside methods that need no training, whose settings were chosen by the
# masks of the training embryo, which favours them, and beside the stored result of **QCANet**, a network trained on full masks.
# A ball of one size at each of S1's centres is the control that matters: a method that cannot beat it has learnt no shape.

# %%
SHOWN = ["threshold", "voronoi-otsu", "ball", "pseudo", "class", "full"]  # rows of Table 1, see `bfs_tutorial.experiments`
found = records.load("embryos")
figures.score_table(
    records.summary(found, [*SHOWN, "qcanet-stored"], ["16-cell"]),
    caption="Trained on the 8-cell embryo, tested on the 16-cell embryo; mean ± spread over seeds",
)

# %% [markdown]
# The other way round, with sixteen clicks and the 8-cell embryo as the test:

# %%
figures.score_table(
    records.summary(found, SHOWN, ["8-cell"]),
    caption="Trained on the 16-cell embryo, tested on the 8-cell embryo; mean ± spread over seeds",
)

# %% [markdown]
# Threshold and Voronoi-Otsu coincide on the embryos: the same mask, one seed for each nucleus. They have no seed and so no spread. *At its best*: the boundary loss with
# a scale and as a ratio, the form that did best on simulated training stacks.
#
# Read the tables with care. On the 16-cell embryo eight clicks do better than a threshold and better than QCANet's stored
# result. On the 8-cell embryo they do not: a threshold set by sixteen true masks is ahead. Bright nuclei on a dark ground are
# where a threshold is at its best. Bright field is not. On simulated bright-field stacks, where cells are transparent and a
# threshold finds little, the same programme gives:

# %%
figures.score_table(
    records.summary(records.load("simulated-bright-field"), SHOWN),
    caption="Simulated bright-field stacks, held out; mean ± spread over seeds",
)

# %% [markdown]
# And on simulated fluorescence, with cells of very different sizes:

# %%
figures.score_table(
    records.summary(records.load("simulated-fluorescence"), SHOWN),
    caption="Simulated fluorescence stacks, held out; mean ± spread over seeds",
)

# %% [markdown]
# One order that the paper reports should hold in all four tables: the full method above its own pseudo labels.

# %%
for data in ("embryos", "simulated-bright-field", "simulated-fluorescence"):
    found = records.load(data)
    for stacks in [["16-cell"], ["8-cell"]] if data == "embryos" else [None]:
        means = {m: [records.mean_and_spread(found[row], m, stacks)[0] for row in ("pseudo", "full")] for m in records.METRICS}
        above = [m for m, (rough, full) in means.items() if full > rough]
        print(f"{data} {stacks or ''}: above its pseudo labels in {', '.join(above)}")

# %% [markdown]
# ## All of it in two lines
#
# The steps above are one object. `BFSNet.fit` runs steps 1 to 4 on any number of clicked stacks, `predict` runs step 5:
#
# ```python
# model = BFSNet("fluorescence").fit([clicked], seed=0)
# labels = model.predict(unseen).labels
# ```
#
# For your own stacks there is a command. The points are a CSV file as napari saves its points layer; the result opens in
# napari and Fiji.
#
# ```sh
# python -m bfs_tutorial train a.tif --points a.csv --modality fluorescence --spacing 1.75 0.8 0.8 -o model.pt
# python -m bfs_tutorial segment b.tif --model model.pt --spacing 1.75 0.8 0.8 -o b_labels.tif
# ```
#
# ## What we saw
#
# - Clicks suffice to train a network that finds nuclei in an embryo it has not seen.
# - Going backward through that network gives rough outlines without anyone drawing one.
# - A second network learns from the rough outlines, and the boundary loss makes it better than its teacher.
# - The printed loss leaves its units and its scale open. They decide whether it helps.
# - Points do not beat everything. Try a threshold before you train a network.
#
# ## To go further
#
# Two embryos are two samples. They come from one series, one laboratory and one microscope, and two dozen nuclei cannot rank
# methods that differ by a few hundredths. Nor were the settings chosen blindly: how much brightness varies in training, where
# responses are cut and that S2 adapts to a new stack were settled with the scores of simulated stacks and of these embryos in
# view. The fair test is an embryo that nobody has tuned on. The paper's own bright-field stacks of SF-9 cells are not
# public as far as we could find.
#
# Three changes to try here: leave out half of the clicks (`first.centres[::2]`); set `boundary_weight=0.0` in `BFSNet(...)`; move every click by
# 2 µm in a random direction.
#
# ## Exercises
#
# Exercises in this book have a check. It tries your answer on small inputs and says what it found. `checks.hint("clicks", 1)` gives the
# first of three hints.

# %% [markdown]
# ### Exercise 1: clicks from labels
#
# To simulate an annotator one turns true labels into clicks. Write `my_clicks(labels)`: `labels` is a whole-number array (Z, Y, X), 0 for
# background, any numbers for cells. Return an array (N, 3): for each cell, in the order of the numbers, the mean of its voxels' indices
# (z, y, x).

# %% tags=["exercise", "hide-input"]
def my_clicks(labels):
    """Return the centre of mass of every cell, (N, 3), in voxels."""
    ### BEGIN SOLUTION
    cells = np.unique(labels[labels > 0])
    return np.array([np.argwhere(labels == i).mean(axis=0) for i in cells])
    ### END SOLUTION


# %%
checks.clicks(my_clicks)

# %% [markdown]
# ### Exercise 2: predict
#
# S1 and S2 are trained. A new stack with 16 cells comes in. How many passes *backward* through a network does `predict` need for it?

# %% tags=["exercise", "hide-input"]
my_backward_passes = None  # a number
### BEGIN SOLUTION
my_backward_passes = 0
### END SOLUTION

# %%
checks.backward_passes(my_backward_passes)

# %% [markdown]
# ### Exercise 3: explain
#
# Look at the first table once more. Which row would you read first if you wanted to know whether BFS-Net has learnt the *shape* of nuclei, and
# which two rows tell whether the boundary loss helps?
#
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# The ball at each centre: it knows centres and one size, and no shape. What a method has above it, it knows about shape. L_class against
# the boundary loss at its best: they differ in the second term of the loss alone. A point for each.
#
# </details>
