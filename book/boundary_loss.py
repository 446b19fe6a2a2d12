# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The boundary loss
#
# > **In this chapter**
# >
# > - **A product of two factors pulls an outline onto an edge.** One factor knows the mask, the other the image.
# > - **The Laplacian finds lines, the gradient finds steps.** At an ideal step the Laplacian is zero.
# > - **As printed, the loss hardly reads a bright-field image.** A unit and a scale are missing; both are easily supplied.
# > - **Summed up, it can reward an empty mask.** Divided by the length of the outline it does not; training can still lose the mask.
# > - **On a glowing cell it corrects a mask that is too large**, not one that is too small. On a transparent one both end worse.
#
# How can an image correct an outline that nobody has drawn?
#
# S2, the network that outlines cells, learns from **pseudo labels**: rough blobs, made from clicks ([The whole method on
# one page](whole_method.ipynb), step 3). A term of its loss is meant to repair them, section 3.3.1 of the paper.

# %%
from functools import partial

import numpy as np
import torch
from scipy import ndimage
from scipy.stats import mannwhitneyu

import data_download
from bfs_tutorial import checks, explore, figures, simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.losses import (
    boundary_loss,
    edge_strength,
    edge_weight,
    segmentation_loss,
)

# %% [markdown]
# ## One cell, two microscopes
#
# The simulators draw the same cell twice. One microscope makes its dye glow, the other sends light through it.

# %%
grid = {"shape": (24, 64, 64), "spacing": (1.0, 0.5, 0.5)}
grid |= {"radii": (7.0, 8.5), "number": 1}
glowing = simulate.fluorescence(34, **grid)
transparent = simulate.bright_field(34, **grid)
spacing, centre = glowing.spacing, glowing.centres[0]
truth = glowing.labels > 0

# %% [markdown]
# We take the mean off each image and divide it by its standard deviation. So 2 is two standard deviations above average.


# %%
def z_score(image):
    image = torch.as_tensor(image, dtype=torch.float64)
    return (image - image.mean()) / image.std()


glow, clear = z_score(glowing.image), z_score(transparent.image)
cells = {"fluorescence": (glow, spacing, truth)}
cells |= {"bright field": (clear, spacing, truth)}

# %% [markdown]
# The third is real (a simulated one, where it cannot be had): a nucleus of a mouse embryo at the 8-cell stage (Tokuoka et al. 2020).

# %%
try:
    name = "mouse_embryo_fluorescence"
    embryo = data_download.load(name, progress=False)[0]
except InputError:
    embryo = simulate.fluorescence(7, (51, 120, 122), (1.75, 0.8, 0.8))
at = np.rint(embryo.centres[6]).astype(int)
corner = np.maximum(at - (12, 20, 20), 0)
box = tuple(map(slice, corner, at + (12, 20, 20)))
nucleus = embryo.labels[box] == embryo.labels[tuple(at)]
cells["embryo"] = z_score(embryo.image[box]), embryo.spacing, nucleus

# %% [markdown]
# ## Along a line through the cell
#
# Lay a line through each cell and read two numbers off it. The **gradient**
# $|\nabla G|$ says how fast the image changes, the **Laplacian** $|\Delta G|$ how much that change itself changes. $G$ is the image
# blurred by a Gaussian of width $\sigma = 1$ µm; without blur, a derivative of a noisy image is noise. Compare the paper's figure 3.


# %%
def middle(mask):
    return np.rint(ndimage.center_of_mass(mask)).astype(int)


figures.show(
    explore.profile_figure(
        cells, sigma=1.0, at={n: middle(cells[n][2])[:2] for n in cells}
    ),
    alt="Three cells. Fluorescence: the gradient is a ring on the outline, "
    "the Laplacian two rings beside it. Bright field: the Laplacian has a "
    "ring on the outline, the gradient rings beside it.",
    caption="Image I with its true outline, gradient, Laplacian, and all "
    "three along the dashed line, scaled to 0 … 1. Dotted: the true border.",
)

# %% [markdown]
# Look at the dotted lines. In fluorescence the gradient (red) peaks on them, and the Laplacian (blue) dips between two peaks. In bright
# field it is the other way round: the two highest blue peaks stand on them, and the lower ones inside are granules and noise. The embryo, real and grainy, goes with fluorescence.
#
# Around the whole outline, how far from the true border is each of the two strongest? (Minus is inside.)

# %%
for name in ("fluorescence", "bright field"):
    for edge, called in (("gradient", "gradient"), ("log", "LoG")):
        off = explore.strongest_at(*cells[name], sigma=1.0, edge=edge)
        print(f"{name}, {called}: strongest {off:+.1f} µm from the border")

# %% [markdown]
# The gradient in fluorescence and the LoG (short for Laplacian of Gaussian) in bright field are one voxel off. The other two lie well inside.
#
# ## A step and a line
#
# A glowing cell ends in a **step**: bright inside, dark
# outside. A transparent cell in focus is rimmed by a thin dark **line**. Take both in their purest form.

# %%
x = torch.arange(-9.99, 10, 0.02, dtype=torch.float64)  # µm from the border
step, line = (x < 0).double(), (x.abs() < 0.35).double()


def strength(border, edge):
    volume = border.expand(3, 3, -1)  # the same in every row and plane
    e = edge_strength(volume, (1.0, 1.0, 0.02), 1.0, edge)[1, 1]
    return e / e.max()


# %%
ideal = {
    "gradient of a step": strength(step, "gradient"),
    "Laplacian of a step": strength(step, "log"),
    "Laplacian of a line": strength(line, "log"),
}
close = x.abs() < 1.6
drawn = {name: (x[close], values[close]) for name, values in ideal.items()}
figures.show(
    figures.curves(drawn, x_label="µm from the border", y_label="strength"),
    alt="On the border the gradient of a step has its peak, the Laplacian of "
    "a step is zero between two peaks, that of a line has its peak",
    caption="Ideal borders, blurred by σ = 1 µm, each curve scaled to 1. "
    "See which curves peak at 0.",
)

# %% [markdown]
# The Laplacian of a blurred step is zero at the step and peaks one σ to either side. The paper writes below its figure 3 that "the LoG
# peaks at the cell boundary". For a line, and so for our bright-field cell in focus, that is true. For a
# step it is wrong, and in fluorescence the authors went over to the gradient.
#
# > **Same thing, other names.** LoG, Marr–Hildreth operator, Mexican hat (upside down), blob detector. Edge detectors built on it look for
# > its *zero crossings*, blob detectors for its *peaks*. Equation 4 uses the peaks.
#
# ## Two factors
#
# Take one voxel on the rim of a mask, where the mask's gradient is 1. If the image has an edge there, multiply by a small number, 0.1
# say: the voxel costs 0.1. If the image is flat there, multiply by 1: it costs 1. In symbols, for bright field and for fluorescence,
#
# $$
# \mathcal{L}_{BF} = \nabla G(S, \sigma_1)\cdot \exp\!\left(-\lVert \Delta G(I, \sigma_2)\rVert_p^p\right)
# \tag{4}
# $$
#
# $$
# \mathcal{L}_{FL} = \nabla G(S, \sigma_1)\cdot \exp\!\left(-\lVert \nabla G(I, \sigma_2)\rVert_p^p\right)
# \tag{5}
# $$
#
# $S$ is the mask that S2 predicts, between 0 and 1, and $I$ the image. The first factor asks *where is the outline of the mask?* The
# second, the **weight**, asks *is there no edge in the image?*
#
# As printed, $\nabla G(S)$ is a vector: the slopes of the mask along z, y and x. A loss needs a number, so we take its length,
# $|\nabla G(S)|$. Between the double bars stands the edge strength $e$ of the image: for $p = 2$ it is $|\Delta G(I)|$ or
# $|\nabla G(I)|$, as drawn above. The weight is $\exp(-e^p)$; a larger $p$ makes it fall more steeply.
#
# The penalty is one-sided. An outline without an edge costs; an edge without an outline, such as a granule, costs nothing.
#
# ## Units and scale
#
# The paper sets $p = 2$ and $\sigma_1 = \sigma_2 = 3$. Three of what? Its voxels are 2 µm deep. And what values does $I$ have? The weight
# is next to 1 for $e = 0.01$ and next to nothing for $e = 10$, so the range of the image decides everything. Take a stack full of
# transparent cells, z-scored as above, and 3 µm.

# %%
crowd = simulate.bright_field(1)
image = z_score(crowd.image)
weigh = partial(edge_weight, image, crowd.spacing, edge="log")
printed = weigh(3.0, scale="none")
wide, narrow = weigh(3.0, scale="std"), weigh(1.0, scale="std")
low = [w.quantile(0.1).item() for w in (printed, wide, narrow)]
print("as printed, nine weights in ten are above 0.95:", low[0] > 0.95)
print("÷ std, one weight in ten is below 0.2, both σ:", max(low[1:]) < 0.2)

# %%
shown = {"image": image, "as printed, σ = 3 µm": printed}
shown |= {"÷ std, σ = 3 µm": wide, "÷ std, σ = 1 µm": narrow}
part = {name: volume[:, :96, :96].numpy() for name, volume in shown.items()}
limits = dict.fromkeys([*part][1:], (0, 1.15))
figures.show(
    figures.panels(part, crowd.spacing, limits=limits),
    alt="Cells; a weight of one grey all over; one with wide dark bands about "
    "the cells; one with thin dark rims",
    caption="A bright-field plane, three weights. Black: 0, light grey: 1. "
    "The scale brings the cells back; a smaller σ makes rims thin.",
)

# %% [markdown]
# A weight of almost 1 knows nothing of the image. What is left of equation 4 is $\sum |\nabla G(S)|$, the *total variation*
# of the mask: it shortens every outline, wherever the cell is.
#
# So we divide the edge strength by its own standard deviation over the stack: $e = 1$ is an ordinary edge of *this* stack. That alone
# brings the cells back. And we make σ 1 µm, about as wide as a border looks.
#
# ## Try it
#
# Now every part at once, for a mask that is a ball 1.5 µm too large.


# %%
def moving(cell, **own):
    image, spacing, truth = cells[cell]
    radius = (truth.sum() * np.prod(spacing) * 3 / 4 / np.pi) ** (1 / 3)  # µm

    def mask(size):  # a ball; size: µm larger than the cell
        at = ndimage.center_of_mass(truth)
        return explore.soft_ball(truth.shape, at, radius + size, spacing)

    options = {"truth": truth, "labels": mask(1.5) > 0.5, **own}
    at = middle(truth)[:2]
    return explore.boundary_frame(image, mask, spacing, at, **options)


# %%
frames = {cell: moving(cell) for cell in cells}


def whole_loss(cell, sigma_mask=1.0, sigma_image=1.0, size=1.5, **moved):
    return frames[cell](sigma_mask, sigma_image, size=size, **moved)


# %% [markdown]
# Training pushes down the last of the four pictures, the product. Things to try:
#
# 1. *fluorescence*, *LoG*: a bright thin ring in the weight, right on the border. That is the zero crossing.
# 2. *as printed* with σ₂ = 3 µm: the weight goes pale, and the product is just the outline of the mask.
# 3. *bright field*, *LoG*, σ₂ = 0.5 µm: black speckle all over the weight. It is camera noise. The LoG takes each grain for
#    an edge.

# %% tags=["nbval-ignore-output"]
offered = {
    "cell": list(cells),
    "edge": {"LoG, Eq. 4": "log", "gradient, Eq. 5": "gradient"},
    "scale": {"as printed": "none", "÷ std": "std"},
    "p": [1.0, 2.0],
    "sigma_mask": [0.5, 1.0, 3.0],
    "sigma_image": [0.5, 1.0, 3.0],
}
signs = {"sigma_mask": "σ₁", "sigma_image": "σ₂"}
begin = {"cell": "bright field", "scale": "std", "p": 2.0}
explore.explorable(
    whole_loss, offered, alt=explore.describe_boundary, labels=signs,
    units=dict.fromkeys(signs, "µm"), start=begin,
    caption="Equations 4 and 5 on one cell. The numbers: the product's sum, "
    "its mean over voxels, its ratio to the sum of the mask edge.",
)  # fmt: skip

# %% [markdown]
# ## A loss of your own
#
# A loss is a function of mask, image and spacing that returns one number. Hand yours to `moving` as `loss=`, and its value stands
# below the pictures. A rival without edges: in a good mask, grey values scatter little inside, and little outside.


# %%
def two_greys(mask, image, spacing):
    inside = (mask * image).sum() / mask.sum()
    outside = ((1 - mask) * image).sum() / (1 - mask).sum()
    off = mask * (image - inside) ** 2 + (1 - mask) * (image - outside) ** 2
    return off.mean()


# %%
for cell in ("fluorescence", "bright field"):
    mine = moving(cell, loss=two_greys)
    for size in (-1.5, 0.0, 1.5):
        text = mine(1.0, 1.0, size=size).text
        print(f"{cell}, ball {size:+.1f} µm:", text.split(" · ")[-1])

# %% [markdown]
# In fluorescence the right size wins. In bright field nothing does: a transparent cell is as grey as its surroundings.
#
# Your turn: change `two_greys` and run both cells again; in a running notebook the cell with `.widget()` below has sliders. A weight of your
# own goes in as `weight=`, and is called with image, spacing, σ₂, edge, p, scale.
#
# ## From a picture to a number
#
# Equations 4 and 5 give a value for each voxel; a loss must be one number. **Sum** and **mean** differ by the number of voxels only. The
# **ratio** divides the sum by $\sum |\nabla G(S)|$, the amount of outline: it is the *mean weight along the outline*. Let a ball grow
# from 1 µm to 10 µm inside both images. The cell's radius is 7 µm.


# %%
def start(radius):
    return explore.soft_ball(truth.shape, centre, radius, spacing)


def along(radii, image, **how):
    return [boundary_loss(start(r), image, spacing, **how) for r in radii]


# %%
radii, table = np.arange(1.0, 10.01, 0.5), {}
right = {"fluorescence": (glow, "gradient"), "bright field": (clear, "log")}
for name, (image, edge) in right.items():
    for how, times in (("mean", 30), ("ratio", 1)):
        loss = np.array(along(radii, image, edge=edge, reduction=how))
        table[f"{name}, {how}"] = times * loss

# %%
drawn = {name: (radii, values) for name, values in table.items()}
figures.show(
    figures.curves(drawn, x_label="radius of the ball, µm"),
    alt="Loss against the radius of a ball. The mean in bright field falls "
    "all the way to small balls; its ratio is lowest at 7 µm. In fluorescence "
    "both dip at 6 µm.",
    caption="A growing ball, means times 30. Find each curve's lowest point.",
)

# %%
for name, values in table.items():
    print(f"{name}: lowest at {radii[np.argmin(values)]:.0f} µm")
rising = (np.diff(table["bright field, mean"]) > 0).all()
print("bright field, mean: the smaller the ball, the better:", rising)

# %% [markdown]
# In bright field the mean has no minimum at the cell. A smaller ball has less outline, less outline costs less, and no outline costs
# nothing: **alone, the mean likes an empty mask best**. In fluorescence it dips, yet the smallest ball is not far above.
#
# The ratio is lowest near the truth of 7 µm, in fluorescence on the small side. Its weakness: it does not care how *much* outline there is. A tiny mask
# on any strong edge is as good as the right one.
#
# > **Checkpoint.** At this point we have: a weight that is small on image edges; a scale that makes it work on any stack; and a ratio
# > whose lowest point is near the cell.
#
# ## Is the derivative right?
#
# Training follows the derivative of this number by every voxel of the mask. PyTorch finds it; `gradcheck` moves one voxel after the
# other by a millionth and compares. Where a mask is flat, the root in $|\nabla G(S)|$ has no derivative, so the code adds a tiny constant.

# %%
torch.manual_seed(0)
mask, picture = torch.rand(2, 4, 5, 6, dtype=torch.float64)
mask.requires_grad_()
for edge in ("log", "gradient"):
    for how in ("sum", "mean", "ratio"):
        loss = partial(boundary_loss, edge=edge, reduction=how)
        torch.autograd.gradcheck(loss, (mask, picture, spacing))
flat = torch.zeros(4, 5, 6, dtype=torch.float64, requires_grad=True)
boundary_loss(flat, picture, spacing).backward()
print("six forms agree; flat mask finite:", flat.grad.isfinite().all().item())

# %% [markdown]
# ## Let the outline go
#
# The boundary loss never works alone. S2 also has to agree with the pseudo labels, voxel by voxel: that is $\mathcal{L}_{class}$, a
# cross entropy. λ is the say of the image:
#
# $$
# \mathcal{L}_{S2} = \mathcal{L}_{class} + \lambda\,\mathcal{L}_{BF}
# \tag{3}
# $$
#
# (In fluorescence, $\mathcal{L}_{FL}$.) Say the pseudo label is the ball of 8.5 µm. Which ball makes the sum smallest?

# %%
label = (start(8.5) > 0.5).double()


def both(mask, weight, lam, reduction="ratio"):
    logits = torch.logit(mask, eps=1e-6)
    data = logits, label, weight, spacing
    return segmentation_loss(*data, lam, reduction=reduction)


radii, found = np.arange(5.5, 9, 0.25), []
for name, (image, edge) in right.items():
    weight = edge_weight(image, spacing, 1.0, edge)
    for lam in (0.0, 1.0, 3.0, 10.0):
        best = radii[np.argmin([both(start(r), weight, lam) for r in radii])]
        found.append(f"{name}, λ = {lam:g}: lowest at {best:.2f} µm")
print(*found, sep="\n")

# %% [markdown]
# The more say the image has, the closer it comes to the cell; with λ = 10 the glowing one is
# already too small.
#
# And the mean, in bright field: does $\mathcal{L}_{class}$ hold the mask open against it? Compare the best ball
# with the best mask without outline, which has one grey value everywhere: the share of voxels in the label.

# %%
weight = edge_weight(clear, spacing, 1.0, "log")
flat = torch.full_like(label, label.mean().item())
for lam in (10.0, 100.0):
    ball = min(both(start(r), weight, lam, "mean") for r in radii)
    held = (ball < both(flat, weight, lam, "mean")).item()
    print(f"mean, λ = {lam:g}: the ball beats the empty mask: {held}")

# %% [markdown]
# With λ = 100 the label is overruled; with λ = 10 it is not. So the mean may be used beside a label, with λ kept in bounds, and
# this book does so in bright field, at λ = 10; in fluorescence it takes the ratio.
#
# Why not the ratio in both? It does not reward an empty mask. Yet in training on bright field, at λ = 10, it ended with one, and the mean
# did not (*Reduction*, in [One choice at a time](bright_field_experiment.ipynb#one-choice-at-a-time)). [Segmentation](segmentation.ipynb)
# shows how masks get lost. The price: the mean makes small masks smaller.
#
# Move the ball, the plane and λ, and look for the smallest $\mathcal{L}_{S2}$. In the plane 9 µm above the middle there is no cell.
# What does the transparent one's weight show there?

# %% tags=["nbval-ignore-output"]
edges = {"bright field": "log"}  # the others: the gradient


def both_terms(cell, **moved):
    return whole_loss(cell, edge=edges.get(cell, "gradient"), **moved)


turned = {
    "cell": list(cells),
    "size": [-1.5, 0.0, 0.75, 1.5],
    "z": [0.0, 3.0, 6.0, 9.0],
    "strength": [0.0, 1.0, 3.0, 10.0],
}
signs = {"size": "mask too large by", "z": "slice z", "strength": "λ"}
explore.explorable(
    both_terms, turned, alt=explore.describe_boundary, labels=signs,
    units={"size": "µm", "z": "µm"},
    start={"size": 1.5, "z": 0.0, "strength": 1.0},
    caption="Equation 3: L_S2 is L_class + λ × ratio, over the whole stack. "
    "The slice only chooses what is drawn.",
)  # fmt: skip

# %% [markdown]
# In a running notebook, `.widget()` makes sliders for all values in between (this page shows none); the last number is `two_greys`, or the
# loss that you put in its place.

# %% tags=["nbval-skip", "skip-execution"]
own = {cell: moving(cell, loss=two_greys) for cell in cells}
every = {"cell": list(cells), "edge": offered["edge"], "p": [1.0, 2.0]}
every |= {"sigma_mask": [1.0, 3.0], "sigma_image": [1.0, 3.0]}
every |= {"size": [-1.5, 1.5], "z": [0.0, 9.0], "strength": [0.0, 10.0]}
signs |= {"sigma_mask": "σ₁", "sigma_image": "σ₂"}
begin = {"cell": "bright field", "sigma_mask": 1.0, "sigma_image": 1.0}
begin |= {"p": 2.0, "size": 1.5, "z": 0.0, "strength": 10.0}
explore.explorable(
    lambda cell, **moved: own[cell](**moved), every, labels=signs,
    units=dict.fromkeys(("sigma_mask", "sigma_image", "size", "z"), "µm"),
    start=begin, alt=explore.describe_boundary,
).widget()  # fmt: skip

# %% [markdown]
# Now every voxel of the mask is free, and Adam moves all of them, without a network.


# %%
def refine(image, edge, radius, reduction="ratio", lam=3.0, steps=120):
    weight = edge_weight(image, spacing, 1.0, edge)
    labels = (start(radius) > 0.5).double()
    logits = (2 * torch.logit(start(radius), eps=0.02)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        segmentation_loss(
            logits, labels, weight, spacing, lam, reduction=reduction
        ).backward()
        optimiser.step()
    return torch.sigmoid(logits.detach())


# %%
def iou(mask):
    mask = mask.numpy() > 0.5
    return (mask & truth).sum() / (mask | truth).sum()


# %%
large = refine(glow, "gradient", 8.5)
small = refine(glow, "gradient", 5.5)
print(f"too large: IoU before {iou(start(8.5)):.1f}")
print("too large: after, above 0.8:", iou(large) > 0.8)
print(f"too small: IoU before {iou(start(5.5)):.1f}")
print(f"too small: after {iou(small):.1f}")

# %%
results = {"8.5 µm": start(8.5), "8.5 µm, refined": large}
results |= {"5.5 µm": start(5.5), "5.5 µm, refined": small}
drawn = {name: (m > 0.5).int().numpy() for name, m in results.items()}
drawn = {"truth": truth.astype(int)} | drawn
figures.show(
    figures.comparison(
        glow.numpy(), drawn, spacing, middle(truth)[0],
        reference="truth", columns=3, fill=0.0,
    ),
    alt="A glowing cell with outlines: the large ball shrinks onto the true "
    "outline, the small ball stays inside it and gets holes",
    caption="Pseudo labels and what 120 steps make of them, in the plane "
    "through the middle. White: the true outline.",
)  # fmt: skip

# %% [markdown]
# (IoU: the voxels that mask and cell share, over those that either has.) The large ball finds the cell. The small one gains nothing: the
# dark ring reaches further inward than outward, and the small ball sits in it from the start. Instead the free mask opens holes in its
# middle. The pseudo label of a glowing cell should therefore err on the large side.
#
# And bright field? The same steps, with the LoG:

# %%
for radius in (8.5, 5.5):
    masks = [refine(clear, "log", radius, steps=n) for n in (60, 120)]
    ious = [f"{iou(m):.1f}" for m in (start(radius), *masks)]
    print(f"ratio, {radius} µm ball, after 0, 60, 120 steps:", *ious)
total = refine(clear, "log", 8.5, reduction="sum", lam=1.0)
print("sum, λ = 1, 8.5 µm ball: IoU still above 0.1:", iou(total) > 0.1)

# %% [markdown]
# Added up with λ = 1, as one may read the paper, next to nothing is left. The ratio first brings the small ball
# closer and hardly moves the large one. Then it goes on, to whatever is dark in the weight, and both end worse than they began.
#
# ## How weak is the cue?
#
# Does edge strength tell a voxel near a border from one that is not? Draw one voxel within 1.5 µm of a border and one
# 3 to 7 µm away. The share of pairs in which the first is the stronger one is called **AUC**. 1 is perfect, 0.5 is a coin. We take
# stacks full of cells, with voxels as in training, and the focal plane of the single transparent cell: the case of figure 3.


# %%
def to_border(stack):  # µm, on either side
    sides = stack.labels > 0, stack.labels == 0
    far = ndimage.distance_transform_edt
    return np.maximum(*(far(side, stack.spacing) for side in sides))


def auc(stack, planes, edge, sigma):
    e = edge_strength(z_score(stack.image), stack.spacing, sigma, edge)
    e, away = e.numpy()[planes], to_border(stack)[planes]
    near, far = e[away <= 1.5], e[(away > 3) & (away < 7)]
    return mannwhitneyu(near, far).statistic / (near.size * far.size)


# %%
sigmas, focal = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0), [middle(truth)[0]]
scenes = {"fluorescence": (simulate.fluorescence(1), slice(None))}
scenes |= {"bright field": (crowd, slice(None))}
scenes |= {"one in focus": (transparent, focal)}
cue = {
    f"{name}, {shown}": np.array([auc(*scene, edge, s) for s in sigmas])
    for name, scene in scenes.items()
    for edge, shown in (("gradient", "gradient"), ("log", "LoG"))
}
drawn = {name: (sigmas, values) for name, values in cue.items()}
figures.show(
    figures.curves(drawn, x_label="σ, µm", y_label="AUC"),
    alt="AUC against σ: fluorescence by gradient stays near 1, by LoG falls "
    "from high. Both bright-field curves lie low, close together, and fall "
    "to 0.5. One cell in focus: both begin high, the gradient falls faster",
    caption="How well edge strength tells voxels near a border from others. "
    "Look for the peaks, and for curves that fall below 0.5, the coin.",
)

# %%
for name, scores in cue.items():
    print(f"{name}: best AUC {scores.max():.1f}")
wide = np.array(sigmas) >= 1.5
ahead = cue["one in focus, LoG"] > cue["one in focus, gradient"]
print("one in focus, σ from 1.5 µm: LoG ahead:", ahead[wide].all())
last = cue["one in focus, gradient"][-1]
print("one in focus, σ = 3 µm: gradient below 0.5:", last < 0.5)

# %% [markdown]
# In fluorescence the gradient orders almost every pair rightly; the LoG falls below the coin as σ grows. In a bright-field stack the
# best σ is far from that, and 3 µm leaves a coin.
#
# **And the gradient is as good as the LoG there.** The paper argues for the LoG with a line through one cell in focus. In that plane,
# with a wide σ, it is right: from 1.5 µm on the LoG is ahead, and at 3 µm the gradient is below the coin. With the σ that suits it the gradient does as well
# even there. (AUC is kind to it: its ring about 2 µm inside counts neither as near nor as far.) In training too it did no worse (*Edge*, in
# [One choice at a time](bright_field_experiment.ipynb#one-choice-at-a-time)). We keep the LoG because
# equation 4 has it.
#
# Why are both so weak? A transparent cell changes the light in a whole column above and below it. Edges are strong there, too:
# neither knows the cell's plane.
#
# ## What we saw
#
# - The loss costs where the mask has an edge and the image has none, and nowhere else.
# - The LoG peaks on lines and vanishes on steps. Figure 3 holds for the dark rim of a transparent cell in focus. In a whole
#   stack the gradient is as good, and both are weak.
# - Alone, sum and mean can reward an empty mask; labels prevent it while λ is moderate. The ratio can settle on a wrong edge.
# - On a glowing cell free voxels slid from outside onto the edge; from inside they stayed. On a transparent one they went astray.
#
# ## To go further
#
# The weight comes from stereo vision: a depth map is smoothed less across image edges (Heise et al. 2013, the paper's inspiration). The
# product is a relative of geodesic active contours (Caselles, Kimmel and Sapiro 1997): there, too, a lone curve shrinks to a point.
#
# ## Exercises
#
# `checks.hint("laplacian", 1)` gives the first of three hints.
#
# ### Exercise 1: a Laplacian in micrometres
#
# Write `my_laplacian(volume, spacing)`. `volume` is an array (Z, Y, X), already blurred, `spacing` (z, y, x) is in µm. Return its
# Laplacian $\Delta$ per µm², with its sign, in the same shape: the second derivative along each of the three axes, added up, from
# direct neighbours. Values on the six faces do not count.


# %% tags=["exercise", "hide-input"]
def my_laplacian(volume, spacing):
    """Return the Laplacian per µm², (Z, Y, X)."""
    ### BEGIN SOLUTION
    total = np.zeros(volume.shape)
    for axis, step in enumerate(spacing):
        before, after = np.roll(volume, 1, axis), np.roll(volume, -1, axis)
        total += (before - 2 * volume + after) / step**2
    return total
    ### END SOLUTION


# %%
checks.laplacian(my_laplacian)

# %% [markdown]
# ### Exercise 2: a softer weight
#
# Write `my_soft_weight(strength)`, for an array $e$ of any shape: $1/(1 + (e/s)^2)$, with $s$ the standard deviation of the whole
# array. Where nothing varies there is no edge: an array of equal values has weight 1 everywhere.


# %% tags=["exercise", "hide-input"]
def my_soft_weight(strength):
    """Return a weight in 0 ... 1, same shape as strength."""
    ### BEGIN SOLUTION
    spread = np.std(strength)
    if spread == 0:
        return np.ones(np.shape(strength))
    return 1 / (1 + (strength / spread) ** 2)
    ### END SOLUTION


# %%
checks.soft_weight(my_soft_weight)

# %% [markdown]
# ### Exercise 3: sum, mean, ratio
#
# Write `my_loss_numbers(border, weight)`. Both are arrays of one shape: $|\nabla G(S)|$ and the weight. Return three numbers
# `(sum, mean, ratio)` as in *From a picture to a number*. A mask without any outline gives 0 / 0:
# return ratio 0. (The book's loss, with its tiny constant, gives the mean weight of the image instead: no gift.)


# %% tags=["exercise", "hide-input"]
def my_loss_numbers(border, weight):
    """Return sum, mean and ratio of the product."""
    ### BEGIN SOLUTION
    product, outline = border * weight, border.sum()
    ratio = product.sum() / outline if outline > 0 else 0.0
    return product.sum(), product.mean(), ratio
    ### END SOLUTION


# %%
checks.loss_numbers(my_loss_numbers)

# %% [markdown]
# ### Exercise 4: predict, then run
#
# In an image without any edge the weight is 1 everywhere. The mask, a ball, doubles its radius. By which factor does the sum grow, and
# by which the ratio? The last cell measures it.

# %% tags=["exercise", "hide-input"]
my_doubled_ball = None  # (factor of the sum, factor of the ratio)
### BEGIN SOLUTION
my_doubled_ball = (4, 1)
### END SOLUTION

# %%
checks.doubled_ball(my_doubled_ball)

# %%
blank = torch.zeros(truth.shape, dtype=torch.float64)
for how in ("sum", "ratio"):
    four, eight = along((4.0, 8.0), blank, reduction=how)
    print(f"{how}: from 4 to 8 µm, times {eight / four:.0f}")

# %% [markdown]
# ### Exercise 5: break it
#
# Write `my_decoy(weight, truth, spacing)`: a weight (Z, Y, X), and
# the true mask (bool). Return a mask in [0, 1] that is no cell: at least one voxel is above 0.5, and its IoU with the truth is below
# 0.1. Yet its ratio is lower than that of the truth. `explore.soft_ball(shape, centre, radius, spacing)` makes a ball.


# %% tags=["exercise", "hide-input"]
def my_decoy(weight, truth, spacing):
    """Return a mask (Z, Y, X) that is no cell and costs less than one."""
    ### BEGIN SOLUTION
    dark = ndimage.gaussian_filter(np.where(truth, 1, weight), 1)
    place = np.unravel_index(dark.argmin(), dark.shape)
    return explore.soft_ball(weight.shape, place, 1.5, spacing)
    ### END SOLUTION


# %%
checks.decoy(my_decoy)

# %% [markdown]
# ### Exercise 6: explain this picture
#
# Two weights of the glowing cell. Why has the right one a bright ring between two dark ones? And where would an outline end up that
# comes from outside?

# %%
shown = {
    "gradient": edge_weight(glow, spacing, 1.0, "gradient").numpy(),
    "LoG": edge_weight(glow, spacing, 1.0, "log").numpy(),
}
figures.show(
    figures.panels(
        shown, spacing, middle(truth)[0],
        labels={"gradient": truth.astype(int)},
        limits=dict.fromkeys(shown, (0, 1.15)),
    ),
    alt="Left: one wide dark ring around the outline. Right: a thin bright "
    "ring on the outline, a dark ring inside it and one outside it",
    caption="Weights, σ = 1 µm. Blue: the true outline, drawn on the left.",
)  # fmt: skip

# %% [markdown]
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# A glowing cell ends in a step, and there the Laplacian is zero: no edge, says the weight, and stays at 1 (one point). Its two dark rings
# are the peaks, one σ inside and one outside. An outline from outside stops in the outer dark ring, for it would have to climb the bright
# one; the mask is about one σ too large (one point).
#
# </details>
