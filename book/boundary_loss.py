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
# > - **As printed, the loss hardly reads the image.** A unit and a scale are missing; both are easily supplied.
# > - **Summed up, it can reward an empty mask.** Divided by the length of the outline, it does not.
# > - **It corrects masks that are too large** better than masks that are too small, and bright field least of all.
#
# How can an image correct an outline that nobody has drawn?
#
# S2 learns from pseudo labels, and those are rough blobs (see *The whole method on one page*, step 3). This chapter takes apart the
# term that is meant to repair them: section 3.3.1 of the paper, its equations 4 and 5 and its figure 3. Everything runs in
# less than half a minute on two cores and needs no download; if the mouse embryo is there, it is used too.

# %%
from functools import partial

import numpy as np
import torch
from scipy import ndimage
from scipy.stats import mannwhitneyu

import data_download
from bfs_tutorial import explore, figures, simulate
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
# The simulators draw the same cell twice. One microscope makes its dye glow, the other sends light through it. We divide
# both images by their standard deviation after taking off the mean, so that a grey value of 2 means "two standard deviations
# brighter than the average". Voxels are 1 µm deep and 0.5 µm wide.

# %%
grid = {"shape": (24, 64, 64), "spacing": (1.0, 0.5, 0.5)}
grid |= {"radii": (7.0, 8.5), "number": 1}
glowing = simulate.fluorescence(34, **grid)
transparent = simulate.bright_field(34, **grid)
spacing, centre = glowing.spacing, glowing.centres[0]
truth = glowing.labels > 0
z, y, _ = np.rint(centre).astype(int)


# %%
def z_score(image):
    image = torch.as_tensor(image, dtype=torch.float64)
    return (image - image.mean()) / image.std()


cells = {
    "fluorescence": z_score(glowing.image),
    "bright field": z_score(transparent.image),
}

# %% [markdown]
# The third cell is real, if it can be had: a nucleus of a mouse embryo at the 8-cell stage (Tokuoka et al. 2020). Where it
# cannot, a second simulated nucleus takes its place.

# %%
try:
    embryo = data_download.load("mouse_embryo_fluorescence", progress=False)[0]
except InputError:
    embryo = simulate.fluorescence(7, (51, 120, 122), (1.75, 0.8, 0.8))
nucleus = np.rint(embryo.centres[len(embryo.centres) // 2 + 2]).astype(int)
corner = np.maximum(nucleus - (12, 20, 20), 0)
box = tuple(map(slice, corner, nucleus + (12, 20, 20)))
real = z_score(embryo.image[box]), embryo.spacing, embryo.labels[box] > 0

# %% [markdown]
# ## Along a line through the cell
#
# Our eyes follow an outline. A loss sees numbers, so lay a line through each cell and read two of them off it: how fast the
# image changes, $|\nabla G|$, and how much that change itself changes, $|\Delta G|$. $G$ is a Gaussian blur of width $\sigma = 1$ µm,
# without which a derivative of a noisy image is noise. This is our version of the paper's figure 3.

# %%
rows = {name: (image, spacing, truth) for name, image in cells.items()}
rows["embryo"] = real
lines = dict.fromkeys(cells, (z, y)) | {"embryo": (nucleus - corner)[:2]}
figures.show(
    explore.profile_figure(rows, sigma=1.0, at=lines),
    alt="Three cells. Fluorescence: the gradient is a ring on the outline, "
    "the Laplacian two rings beside it. Bright field: the other way round.",
    caption="Image with its true outline, gradient, Laplacian, and all three "
    "along the dashed line, scaled to 0 … 1. Dotted: the true border.",
)

# %% [markdown]
# Look where the dotted lines stand. In fluorescence the gradient (red) peaks on them, and the Laplacian (blue) dips between two
# peaks. In bright field it is the other way round. The next cell measures it: the distance from the true border at which each is
# strongest, in the planes around the middle of the simulated cell.

# %%
outside = ndimage.distance_transform_edt(~truth, spacing)
inside = ndimage.distance_transform_edt(truth, spacing)
distance = np.where(truth, 0.25 - inside, outside - 0.25)  # µm, < 0 inside


def strongest_at(image, edge):
    values = edge_strength(image, spacing, 1.0, edge)[z - 1 : z + 2].numpy()
    near = np.arange(-2.5, 3.0, 0.5)
    here = [abs(distance[z - 1 : z + 2] - d) <= 0.3 for d in near]
    return near[np.argmax([values[ring].mean() for ring in here])]


for name, image in cells.items():
    for edge in ("gradient", "log"):
        at_border = abs(strongest_at(image, edge)) < 0.75
        print(f"{name}, {edge}: strongest on the border: {at_border}")

# %% [markdown]
# ## A step and a line
#
# Why do the two microscopes disagree? Because they draw different things. A glowing cell ends in a **step**: bright inside, dark
# outside. A transparent cell in focus is rimmed by a thin dark **line**. Take both in their purest form.

# %%
x = torch.arange(-9.99, 10, 0.02, dtype=torch.float64)  # µm from the border
step, line = (x < 0).double(), (x.abs() < 0.35).double()
kinds = {"gradient of a step": (step, "gradient")}
kinds |= {"Laplacian of a step": (step, "log")}
kinds |= {"Laplacian of a line": (line, "log")}
ideal = {}
for name, (border, edge) in kinds.items():
    volume = border.expand(3, 3, -1)  # the same in every row and plane
    e = edge_strength(volume, (1.0, 1.0, 0.02), 1.0, edge)[1, 1]
    ideal[name] = e / e.max()

# %%
near = x.abs() < 1.6
drawn = {name: (x[near], values[near]) for name, values in ideal.items()}
figures.show(
    figures.curves(drawn, x_label="µm from the border", y_label="strength"),
    alt="On the border the gradient of a step has its peak, the Laplacian of "
    "a step is zero between two peaks, that of a line has its peak",
    caption="Ideal borders, blurred by σ = 1 µm, each curve scaled to 1.",
)

# %%
laplacian = ideal["Laplacian of a step"]
here = laplacian[x.abs() < 0.02].max()
print(f"Laplacian of a step at the border: {here:.1f}")
peaks = x[laplacian.topk(2).indices].abs()
print("its two peaks, µm from the border:", [f"{peak:.1f}" for peak in peaks])

# %% [markdown]
# The Laplacian of a blurred step crosses zero exactly at the step and peaks one σ to either side. The paper writes below its
# figure 3 that "the LoG peaks at the cell boundary" (LoG: Laplacian of Gaussian). For a line that is true, and for the focal plane of
# our bright-field cell too. For a step it is wrong. The authors met this in their fluorescence data, whose edges, they write, are
# not high response regions of the LoG, and went over to the gradient there.
#
# > **Same thing, other names.** Laplacian of Gaussian, LoG, Marr–Hildreth operator, Mexican hat (upside down), blob detector. Edge
# > detectors built on it look for its *zero crossings*, blob detectors for its *peaks*. Equation 4 uses the peaks.
#
# ## Two factors
#
# Now the loss. Take one voxel on the rim of a mask, where the mask's gradient is 1. If the image has an edge there, multiply
# by a small number, 0.1 say: the voxel costs 0.1. If the image is flat there, multiply by 1: it costs 1. In symbols, for bright
# field and for fluorescence,
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
# second, the **weight**, asks *is there no edge in the image?* and is computed once. The penalty is one-sided. An outline
# without an edge costs; an edge without an outline, such as a granule inside the cell, costs nothing. A squared difference of
# the two edge maps, the obvious alternative, would punish every granule.
#
# ## Units and scale
#
# The paper sets $p = 2$ and $\sigma_1 = \sigma_2 = 3$, and stops there. Three of what? Its voxels are 2 µm deep. And what
# values does $I$ have? $\exp(-e^2)$ is 0.9999 for $e = 0.01$ and nothing for $e = 10$, so the range of the image decides
# everything. Take a stack full of transparent cells, scaled to standard deviations as networks like it, and 3 µm.

# %%
crowd = simulate.bright_field(1)
image = z_score(crowd.image)
printed = edge_weight(image, crowd.spacing, 3.0, "log", scale="none")
scaled = edge_weight(image, crowd.spacing, 1.0, "log", scale="std")
lowest = printed.quantile(0.01).item(), scaled.quantile(0.1).item()
print("as printed, 99 weights in 100 are above 0.9:", lowest[0] > 0.9)
print("our scale, one weight in 10 is below 0.2:", lowest[1] < 0.2)

# %%
shown = {"image": image, "weight as printed, σ = 3 µm": printed}
shown["weight ÷ std, σ = 1 µm"] = scaled
shown = {name: volume.numpy() for name, volume in shown.items()}
limits = dict.fromkeys(list(shown)[1:], (0, 1.15))
figures.show(
    figures.panels(shown, crowd.spacing, limits=limits),
    alt="Cells; a weight of one grey all over; one dark at the cells' rims",
    caption="A bright-field plane, its weights. Black is 0, light grey is 1.",
)

# %% [markdown]
# A weight that is almost 1 everywhere knows nothing of the image. What is left of equation 4 then is
# $\sum \lVert\nabla S\rVert$, the *total variation* of the mask: it makes every mask shorter in outline, wherever the cell is.
#
# The cure has two parts. We divide the edge strength by its own standard deviation over the stack, so that $e = 1$ is an ordinary
# edge of *this* stack. And we measure σ in µm and make it 1 µm: about as wide as a border looks. The alternative, rescaling
# the image to 0 … 255, also makes $e$ large, but by a number that changes from camera to camera.
#
# ## Try it
#
# The picture below is the whole loss for one cell and a mask that is a ball, about 1.5 µm too large everywhere. The product, far
# right, is what training pushes down. Things to try:
#
# 1. *fluorescence*, *LoG*: a bright thin ring in the weight, right on the border. That is the zero crossing.
# 2. *as printed* with σ₂ = 3 µm: the weight goes pale, and the product is just the outline of the mask.
# 3. σ₁ = 3 µm: the mask's edge spreads so wide that it touches what is far from it.

# %%
ball = explore.soft_ball(truth.shape, centre, 8.5, spacing)
frames = {
    name: explore.boundary_frame(image, ball, spacing, (z, y), truth=truth)
    for name, image in cells.items()
}


def whole_loss(stack, **parameters):
    return frames[stack](**parameters)


def describe(stack, edge, scale, p, sigma_mask, sigma_image):
    kind = {"log": "LoG", "gradient": "gradient"}[edge]
    how = {"none": "as printed", "std": "divided by its spread"}[scale]
    return (
        f"A {stack} cell; the edge of a mask too large for it, "
        f"σ₁ = {sigma_mask:g} µm; the weight by {kind}, {how}, "
        f"σ₂ = {sigma_image:g} µm, p = {p:g}; their product; a profile"
    )


# %%
values = {
    "stack": list(cells),
    "edge": {"LoG, Eq. 4": "log", "gradient, Eq. 5": "gradient"},
    "scale": {"as printed": "none", "÷ std": "std"},
    "p": {"1": 1.0, "2": 2.0},
    "sigma_mask": [0.5, 1.0, 3.0],
    "sigma_image": [0.5, 1.0, 2.0, 3.0],
}
explore.explorable(
    whole_loss, values, alt=describe,
    labels={"sigma_mask": "σ₁", "sigma_image": "σ₂", "stack": "cell"},
    units={"sigma_mask": "µm", "sigma_image": "µm"},
    start={"stack": "bright field", "scale": "std", "p": 2, "sigma_image": 1},
    caption="Equations 4 and 5 on one cell. The numbers: the product's sum, "
    "its mean over voxels, its ratio to the sum of the mask edge.",
)  # fmt: skip

# %% [markdown]
# With a kernel, put the explorable into a name and call `.widget()` on it: the sliders then go through all values in between.
# `boundary_frame` also takes your own weight (`weight=`) and your own loss (`loss=`). The λ of equation 3 has no slider: it
# multiplies the number below the pictures and changes nothing else.
#
# ## From a picture to a number
#
# Equations 4 and 5 give a value for each voxel; a loss must be one number. **Sum**, **mean** and **ratio** are candidates. The first
# two differ by the number of voxels only. The ratio divides the sum by $\sum \lVert\nabla S\rVert$, the amount of
# outline: it is the *mean weight along the outline*. To tell them apart, let a ball grow from 1 µm to 10 µm inside both images. The
# cell's radius is 7 µm.

# %%
def along(radii, image, edge, reduction):
    how = {"edge": edge, "reduction": reduction}
    balls = [explore.soft_ball(truth.shape, centre, r, spacing) for r in radii]
    losses = [boundary_loss(ball, image, spacing, **how) for ball in balls]
    return np.array(losses) * (30 if reduction == "mean" else 1)


radii = np.arange(1.0, 10.01, 0.5)
kinds = {"fluorescence": "gradient", "bright field": "log"}
table = {
    f"{name}, {how}": along(radii, cells[name], edge, how)
    for name, edge in kinds.items() for how in ("mean", "ratio")
}  # fmt: skip

# %%
drawn = {name: (radii, values) for name, values in table.items()}
figures.show(
    figures.curves(drawn, x_label="radius of the ball, µm"),
    alt="Loss against the radius of a ball. The mean in bright field falls "
    "all the way to small balls; both ratios are lowest near 7 µm.",
    caption="The loss of a growing ball. Means are multiplied by 30.",
)

# %%
for name, values in table.items():
    off = abs(radii[np.argmin(values)] - 7)
    print(f"{name}: lowest within 1 µm of the cell: {off <= 1}")
rising = (np.diff(table["bright field, mean"]) > 0).all()
print("bright field, mean: the smaller the ball, the better:", rising)

# %% [markdown]
# (A sum has the same curve as the mean.) In bright field the mean has no minimum at the cell at all. A smaller ball has less outline, less outline costs less, and no
# outline costs nothing: **an empty mask is the perfect answer**. Only the other term, $\mathcal{L}_{class}$, holds against it, so
# λ must be small enough. In fluorescence the mean does dip at the cell. Yet the smallest ball of all is not far above it, with a
# hill between.
#
# The ratio does not reward short outlines, and its lowest point lies within 1 µm of the truth in both images. Its weakness is that it
# does not care how *much* outline there is. A tiny mask on any strong edge, a granule for example, is as good as the right one.
#
# Move the ball yourself. The picture is the product, and the numbers are the three candidates.


# %%
def growing(radius):
    ball = explore.soft_ball(truth.shape, centre, radius, spacing)
    frame = explore.boundary_frame(
        cells["fluorescence"], ball, spacing, (z, y), truth=truth
    )
    return frame(sigma_mask=1.0, sigma_image=1.0, edge="gradient")


explore.explorable(
    growing, {"radius": [3.0, 4.0, 5.0, 6.0, 6.5, 7.0, 7.5, 8.0, 9.0, 10.0]},
    labels={"radius": "radius of the mask"}, units={"radius": "µm"},
    start={"radius": 9.0},
    alt=lambda radius: "A glowing cell of radius 7 µm, the edge of a ball of "
    f"radius {radius:g} µm, the weight, and their product",
    caption="Equation 5 with a scale, for a growing mask. The product is "
    "gone where the mask's edge meets the dark ring.",
)  # fmt: skip

# %% [markdown]
# > **Checkpoint.** At this point we have: a weight that is small on image edges, by gradient for steps and by LoG for lines; a scale
# > that makes it work on any stack; and a ratio whose lowest point is at the cell. So far we moved a ball by hand.
#
# ## Is the derivative right?
#
# Training follows the derivative of this number with respect to every voxel of the mask. PyTorch finds it by itself, and a check is
# cheap: `gradcheck` moves one voxel after the other by a millionth and compares. A mask that is flat somewhere is the delicate
# case. There $|\nabla S| = 0$, and the square root in it has no derivative, so the code adds a tiny constant.

# %%
torch.manual_seed(0)
mask, picture = torch.rand(2, 4, 5, 6, dtype=torch.float64)
mask.requires_grad_()
for edge in ("log", "gradient"):
    for how in ("sum", "mean", "ratio"):
        options = {"edge": edge, "reduction": how}
        loss = partial(boundary_loss, **options)
        torch.autograd.gradcheck(loss, (mask, picture, spacing))
flat = torch.zeros(4, 5, 6, dtype=torch.float64, requires_grad=True)
boundary_loss(flat, picture, spacing).backward()
print("six forms agree; flat mask finite:", flat.grad.isfinite().all().item())

# %% [markdown]
# ## Let the outline go
#
# Now nobody holds the ball. Every voxel of the mask is free, and Adam moves all of them, first without a network, so that only the
# loss is on trial. The pseudo label is a ball of the wrong size; the loss is that of S2:
#
# $$
# \mathcal{L}_{S2} = \mathcal{L}_{class} + \lambda\,\mathcal{L}_{FL}
# \tag{3}
# $$


# %%
def start(radius):
    return explore.soft_ball(truth.shape, centre, radius, spacing)


def refine(image, edge, radius, reduction="ratio", strength=3.0, steps=120):
    weight = edge_weight(image, spacing, 1.0, edge)
    labels = (start(radius) > 0.5).double()
    logits = (2 * torch.logit(start(radius), eps=0.02)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        segmentation_loss(
            logits, labels, weight, spacing, strength, reduction=reduction
        ).backward()
        optimiser.step()
    return torch.sigmoid(logits.detach())


# %%
def iou(mask):
    mask = mask.numpy() > 0.5
    return (mask & truth).sum() / (mask | truth).sum()


glow, clear = cells["fluorescence"], cells["bright field"]
large = refine(glow, "gradient", 8.5)
small = refine(glow, "gradient", 5.5)
print(f"too large: IoU before {iou(start(8.5)):.1f}")
print("too large: after, above 0.8:", iou(large) > 0.8)
print(f"too small: IoU before {iou(start(5.5)):.1f}")
print("too small: gains more than 0.1:", iou(small) > iou(start(5.5)) + 0.1)

# %%
results = {"8.5 µm": start(8.5), "8.5 µm, refined": large}
results |= {"5.5 µm": start(5.5), "5.5 µm, refined": small}
labels = {name: (m > 0.5).int().numpy() for name, m in results.items()}
figures.show(
    figures.comparison(
        glow.numpy(), {"truth": truth.astype(int)} | labels, spacing, int(z),
        reference="truth", columns=3, fill=0.0,
    ),
    alt="A glowing cell with outlines: the large ball shrinks onto the true "
    "outline, the small ball stays inside it and gets holes",
    caption="Pseudo labels and what 120 steps make of them, in the plane "
    "through the middle. White: the true outline.",
)  # fmt: skip

# %%
how = {"edge": "gradient", "reduction": "ratio"}
ratio = {r: boundary_loss(start(r), glow, spacing, **how) for r in (5.5, 8.5)}
tenth = (ratio[5.5] < ratio[8.5] / 10).item()
print("the small ball costs less than a tenth of the large one:", tenth)

# %% [markdown]
# The large ball finds the cell. The small one hardly gains. Its outline lies 1.5 µm inside the border, as far as that of the large
# one lies outside, but its loss is already next to nothing. The explorables show why: the dark ring is wide and reaches further
# inward than outward, so that the small ball sits in it from the start. With nothing to gain at its rim, the free mask opens holes in
# the middle instead. A pseudo label should therefore err on the large side.
#
# And bright field? The same steps, with the LoG:

# %%
early, late = (refine(clear, "log", 5.5, steps=n) for n in (60, 120))
total = refine(clear, "log", 8.5, reduction="sum", strength=1.0)
print("ratio, 60 steps: better than its ball:", iou(early) > iou(start(5.5)))
print("ratio, 120 steps: better than its ball:", iou(late) > iou(start(5.5)))
print("sum, λ = 1: IoU still above 0.1:", iou(total) > 0.1)

# %% [markdown]
# Added up with λ = 1, as one may well read the paper, next to nothing is left of the mask. The ratio first brings the outline closer.
# Then it goes on, past the border, and settles on whatever is dark in the weight, above and below the cell too. On a single
# transparent cell, then, the loss is of use only if something stops it in time.
#
# ## How weak is the cue?
#
# Put the mask aside and ask of the image alone: does edge strength tell a voxel near a border from one that is not? Draw one voxel
# within 1.5 µm of a border and one 3 to 7 µm away. The share of pairs in which the first is the stronger one is called **AUC**. 1 is
# perfect, 0.5 is a coin. We take stacks full of cells now, at the voxel size at which networks are trained.

# %%
sigmas = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
crowds = {"fluorescence": simulate.fluorescence(1), "bright field": crowd}
inner = ndimage.distance_transform_edt(crowd.labels > 0, crowd.spacing)
outer = ndimage.distance_transform_edt(crowd.labels == 0, crowd.spacing)
away = np.maximum(inner, outer)  # µm to the border, on either side


def auc(image, edge, sigma):
    e = edge_strength(z_score(image), crowd.spacing, sigma, edge).numpy()
    near, far = e[away <= 1.5], e[(away > 3) & (away < 7)]
    return mannwhitneyu(near, far).statistic / (near.size * far.size)


cue = {
    f"{name}, {shown}": [auc(stack.image, edge, s) for s in sigmas]
    for name, stack in crowds.items()
    for edge, shown in (("gradient", "gradient"), ("log", "LoG"))
}

# %%
drawn = {name: (sigmas, values) for name, values in cue.items()}
figures.show(
    figures.curves(drawn, x_label="σ, µm", y_label="AUC"),
    alt="AUC against σ: fluorescence by gradient stays near 1, by LoG falls "
    "from high; both bright-field curves lie low and fall to 0.5",
    caption="How well edge strength tells voxels near a border from others.",
)

# %%
dim = cue["bright field, gradient"] + cue["bright field, LoG"]
clear_cut = min(cue["fluorescence, gradient"])
print("fluorescence, gradient: above 0.85 at every σ:", clear_cut > 0.85)
print("bright field: below 0.75 at every σ:", max(dim) < 0.75)
print("bright field, LoG, 3 µm: nearly a coin:", abs(dim[-1] - 0.5) <= 0.1)

# %% [markdown]
# In fluorescence the gradient orders almost every pair rightly; the LoG, strong beside a step, falls below the coin as σ grows. In bright field σ = 3 µm leaves a coin, and even the best σ is far from the
# other microscope. The reason is depth. A transparent cell changes the light in a whole column above and below it, so the LoG is
# strong there as well. In the focal plane it draws the border beautifully. It does not know which plane that is.
#
# ## What we saw
#
# - The loss is a product. It costs where the mask has an edge and the image has none, and nowhere else.
# - The LoG peaks on lines and vanishes on steps. Figure 3 holds for the dark rim of a transparent cell in focus, and for that alone.
# - Without a unit and a scale the weight is nearly constant, and the loss only shortens outlines. Dividing by the standard
#   deviation, with σ of 1 µm, gives the image a say.
# - The sum and the mean can reward an empty mask. The ratio does not, but it can settle on the wrong edge.
# - Free voxels slid from outside onto the edge; from inside they stayed. In bright field they came closer, then went astray.
#
# ## To go further
#
# A free mask is the hardest trial of a loss. S2 is not free: the same filters draw all cells, so an error must pay off on many of
# them. For bright field, training in this book takes the mean with a moderate λ and counts on $\mathcal{L}_{class}$ to hold the mask
# open.
#
# The weight comes from stereo vision, where a depth map is smoothed less across image edges (Heise et al. 2013, the paper's
# inspiration). The whole product is a relative of geodesic active contours (Caselles, Kimmel and Sapiro 1997): a curve is shortened
# where image edges make length cheap. There, too, a curve without an opposing force shrinks to a point.
#
# ## Exercises
#
# 1. In `refine`, start from the too small ball and give σ₂ = 3 µm to `edge_weight`. Does the wider ring reach the ball? What does it
#    cost at the border?
# 2. Replace `z_score` by `normalise(image, "fluorescence")` from `bfs_tutorial.normalise`, which takes an asinh of the image. To
#    which side does the strongest gradient move, and why?
# 3. Write a weight of your own, such as $1/(1 + e^2)$, and hand it to `boundary_frame` as `weight=`. What changes far from any edge?
# 4. For the growing ball in bright field, add a constant to the mean loss such that the empty mask stops winning. Is there one that
#    works for every cell size?
