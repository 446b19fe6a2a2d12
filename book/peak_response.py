# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Peak responses: ask S1 where it looked
#
# > **In this chapter**
# >
# > - **A gradient answers another question.** It says what would change the answer, not what made it.
# > - **The rule is a division of shares.** Each convolution hands its response on in proportion to what each input contributed.
# > - **Shares add up.** All values of a map are 0 or more, and they sum to 1. Three common slips fail that test.
# > - **Normalisation layers break the sum.** BatchNorm can be folded away first. GroupNorm cannot, and is refused.
# > - **A map is not a mask.** A bad threshold can cost as much as a bad rule, and the masks know little about size.
#
# S1 is the first of the method's two networks. It was taught clicks, and says how likely each voxel is a cell's centre.
# Which voxels made it say so? If we knew, we would have a first outline that nobody drew.
#
# This chapter is the second half of §3.2 of the paper. Nothing is trained here, so no GPU is needed.

# %%
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage.filters import threshold_otsu
from torch import nn

from bfs_tutorial import checks, explore, figures, simulate, unet
from bfs_tutorial.errors import InputError
from bfs_tutorial.metrics import detection
from bfs_tutorial.peak_response import (
    RULES,
    fold_batch_norm,
    iterate_responses,
    peak_responses,
    peak_rule,
    peak_windows,
)
from bfs_tutorial.pipeline import BFSNet
from bfs_tutorial.pseudo_labels import (
    pseudo_labels,
    response_mask,
    snap_to_maxima,
)

# %% [markdown]
# ## A network to question
#
# We take the S1 that the package ships. It was trained as in [Centre regression](centre_regression.ipynb), on simulated stacks: images and
# clicks, no outline. Here it meets a stack that it has never seen. Does it find the cells?

# %%
model = BFSNet.pretrained("fluorescence")
stack = simulate.fluorescence(1)
image, spacing = model.prepare(stack), stack.spacing  # (Z, Y, X), µm
likelihood = unet.predict(model.s1, image)
found, _ = model.find_centres(likelihood)
recall = detection(found, stack.centres, spacing, 5.0)["recall"]
print(f"{recall:.0%} of the cells found")

# %% [markdown]
# A question needs a voxel to start from. A click may lie beside the top of S1's map, so each click moves to the highest likelihood within 3 µm. These voxels are our **peaks**, one for each cell. We start with one of them.

# %%
peaks = snap_to_maxima(stack.centres, likelihood, spacing, radius=3.0)
middle = np.array(image.shape[1:]) / 2
one = int(np.linalg.norm(peaks[:, 1:] - middle, axis=1).argmin())
plane, y, x = peaks[one]  # voxels
print(f"{len(peaks)} peaks; we look at the one nearest to the middle")

# %% [markdown]
# ## The obvious answer: a gradient
#
# Make one voxel a little brighter. How much does S1's answer at the peak change? Ask that for every voxel at once, and the answer is
# the **gradient** of the answer with respect to the image. PyTorch finds all of it in one backward pass through the network.
#
# As the answer we take the *logit*, the value before the sigmoid: where S1 is sure, the sigmoid is flat and the gradient would vanish.

# %%
gradient = peak_responses(
    model.s1, image, peaks[[one]], "gradient", normalise=False
)[0]
negative = -gradient[gradient < 0].sum() / np.abs(gradient).sum()
print("negative share between 40 % and 60 %:", 0.4 < negative < 0.6)

# %%
edge = np.where(stack.labels == one + 1, one + 1, 0)  # its true outline
view = np.s_[:, y - 30 : y + 30, x - 30 : x + 30]  # 60 µm around it
relative = gradient[view] / np.abs(gradient).max()
figures.show(
    figures.panels(
        {"image": image[view], "gradient": relative}, spacing, plane,
        kinds={"gradient": "signed"}, limits={"gradient": (-0.55, 0.55)},
        labels=edge[view],
    ),
    alt="Left bright cells, one of them outlined; right the gradient of its "
    "peak: red and blue specks, mixed, some outside the outline",
    caption="Blue line: the true cell. Red: brighter here would raise the "
    "answer at the peak; blue: lower it. 1: the strongest voxel. Colours "
    "end at 0.55; what is stronger has the last one.",
)  # fmt: skip

# %% [markdown]
# Near the peak, that is encouraging. But it is no outline of a cell, for two reasons.
#
# - **It has signs.** About half of it is negative. Is a blue voxel part of the cell?
# - **It spreads.** Voxels outside the cell matter too: if they were brighter, S1 would see something else there.
#
# Both follow from the question. A gradient asks *what would change the answer*. We want to know *what the answer was made of*.
#
# > **Same thing, other names.** A picture of the gradient is called a *saliency map* (Simonyan et al. 2014). Pictures of what an answer
# > was made of are called *attributions* or *relevance maps*. **Peak response map**, PRM, is the name of Zhou et al. 2018, whose rule we follow;
# > Dong et al. 2019 took it to three dimensions.
#
# ## The rule, with three numbers
#
# A convolution looks at three of its inputs. Their values are 3, 4 and 6, and the weights are 3, −1 and 2. The darkest of *all* inputs of this
# layer has the value 1. The output has a response of 1 to share out. How much of it is owed to each of the three?

# %%
values, weights, darkest = np.array([3, 4, 6]), np.array([3, -1, 2]), 1
lit = values - darkest  # 2, 3, 5: how far above the darkest
positive = np.maximum(weights, 0)  # 3, 0, 2
contribution = lit * positive
print("contributions", contribution, "of", contribution.sum())
print("shares       ", contribution / contribution.sum())

# %% [markdown]
# That is the whole rule. It holds three decisions.
#
# - **Values count from the darkest one.** It is taken anew for each layer, over the whole input of that layer; only for the first layer is this the
#   image. Our images are normalised, so about half of their values are negative, and a negative share would make no sense.
# - **Negative weights count as 0.** The second voxel spoke *against* a cell. It gets nothing; with its weight left in, shares could be below 0 and above 1.
# - **A bias gets no share.** Shares go to voxels.
#
# The gradient in the same place would be 3, −1, 2: the weights, whatever the image is. Now with names. Let $X$ be the input of one convolution,
# $o$ the smallest value in it, $W^+$ the positive weights. A response $P_{out}$ goes back as
#
# $$
# P_{in} = (X - o) \cdot \left( W^{+\top} \ast \frac{P_{out}}{Z} \right), \qquad Z = W^+ \ast (X - o).
# $$
#
# $Z$ is the sum that we divided by, 16 above (a sum, not a depth). $W^{+\top} \ast$ is the transposed convolution: it carries each output's share back to all inputs
# that it looked at. In PyTorch:


# %%
def share_out(x, weight, response):
    """Hand the response of a convolution back to its input x."""
    lit, positive = x - x.min(), weight.clamp(min=0)
    total = F.conv3d(lit, positive)  # Z
    return lit * F.conv_transpose3d(response / total, positive)


row = torch.tensor([1.0, 3.0, 4.0, 6.0]).view(1, 1, 1, 1, 4)
kernel = torch.tensor([3.0, -1.0, 2.0]).view(1, 1, 1, 1, 3)
start = torch.tensor([0.0, 1.0]).view(1, 1, 1, 1, 2)  # of two outputs
print(share_out(row, kernel, start).flatten().numpy())

# %% [markdown]
# The last three are the shares that we found by hand. The darkest input, outside the reach of the second output, gets 0.
# (Where $Z = 0$, `share_out` would divide 0 by 0. The package hands back nothing there.)
#
# ## Every layer passes on all it receives
#
# A convolution does. What do the other layers of a U-Net do?
#
# - **ReLU** lets a response through where its input was positive. Elsewhere its output was 0, the darkest value of the next layer's input, and
#   the rule sent it no share.
# - **Max pooling** gives all of it to the voxel that won.
# - **Nearest up-sampling** adds up what its copies receive. **Concatenation** splits it into two parts.
#
# Ordinary back-propagation does all of this already. Only convolutions need a rule of their own. If each layer passes on all it receives, and we
# start with 1, then 1 must arrive at the image:

# %%
raw = peak_responses(model.s1, image, peaks, "prm", normalise=False)
arrived = raw.sum(axis=(1, 2, 3))  # one number for each peak
assert np.allclose(arrived, 1, atol=1e-3) and raw.min() > -1e-6
print(f"each response adds up to {arrived.mean():.2f}, all values 0 or more")

# %% [markdown]
# This **conservation** is a strict test. Here are three slips in the three numbers. The last image is darker by 5, so that some
# of it is negative, and nobody shifts it.

# %%
unlit = (values - 5) * positive
slips = {
    "a bias of 4 in the sum": contribution / (contribution.sum() + 4),
    "weights clamped in the sum only": lit * weights / contribution.sum(),
    "no shift": unlit / unlit.sum(),
}
for name, shares in slips.items():
    print(f"{name}: sum {shares.sum():.2f}, smallest {shares.min():.2f}")

# %% [markdown]
# Two have a wrong sum, and two a negative share. None passes both tests.
#
# ### How it is done in PyTorch
#
# A layer that goes forward as usual and backward in another way is an `autograd.Function`. Ours is `ConvResponse` in
# `bfs_tutorial/peak_response.py`; its backward pass is `share_out` with stride and padding. One could replace the `forward` of every convolution
# by it, but someone must undo that. So we use a context manager: within `with peak_rule():` every convolution goes through our function, and
# afterwards all are as before.

# %%
folded = fold_batch_norm(model.s1).cpu()  # explained next
crop = torch.from_numpy(image[None, None, :, :32, :32]).requires_grad_()
with peak_rule():
    inside = folded(crop)
outside = folded(crop)
print("the same answer:", torch.equal(inside, outside))
(after,) = torch.autograd.grad(outside[0, 0, 8, 16, 16], crop)
print("afterwards an ordinary gradient:", bool(after.min() < 0))

# %% [markdown]
# ## Normalisation must go first
#
# S1 has a **BatchNorm** after each convolution. In a trained network it is a multiplication and an addition for each channel, $y = a\,x + b$. On the way
# back it multiplies each response by $a$, and nobody divides by it again. What arrives then?

# %%
unfolded = iterate_responses(model.s1.eval(), image, peaks)
left_in = np.array([response.sum() for _, response in unfolded])
for name, sums in {"folded ": arrived, "left in": left_in}.items():
    print(f"{name}: 1 within 0.1 for all peaks:", np.allclose(sums, 1, 0, 0.1))

# %% [markdown]
# Left in, the sum is no longer 1. **Folding** multiplies $a$ into the weights: $a\,(W \ast x) + b = (aW) \ast x + b$. The output stays the same, and the rule
# sees weights whose sign is right. That matters when $a$ is negative, which training may well choose: then the *negative* weights of the convolution speak
# for a cell.
#
# GroupNorm and InstanceNorm do not fold. They compute mean and spread from the very image that they are given, so each output depends on every
# voxel. A test with random weights:

# %%
torch.manual_seed(0)
grouped = nn.Sequential(
    nn.Conv3d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(),
    nn.Conv3d(8, 1, 1),
)  # fmt: skip
voxels = torch.rand(1, 1, 8, 16, 16, requires_grad=True)
with peak_rule():
    grouped(voxels)[0, 0, 4, 8, 8].backward()
print("adds up to 1:  ", abs(voxels.grad.sum().item() - 1) < 0.1)
print("all 0 or more: ", bool(voxels.grad.min() >= 0))

# %%
try:
    fold_batch_norm(grouped)
except InputError as reason:
    print("refused:", str(reason).split(",")[0])

# %% [markdown]
# Both properties are gone, and a wrong map would still look like a map. So the function refuses, and the book's U-Net uses BatchNorm.
#
# > **Checkpoint.** At this point we have: one map for each peak, which says what S1's answer there was made of. All its values are 0 or more, and
# > they sum to 1. BatchNorm was folded in a copy of S1; the copy gives the same answers, and S1 itself stays as it was trained.
#
# ## Three rules, one peak
#
# There is a third rule. **Guided back-propagation** (Springenberg et al. 2015) is the gradient, except that each ReLU drops what is
# negative on the way back; Nishimura et al. 2019 use it for cells. To compare, we take magnitudes and let each map sum to 1.

# %%
maps = {rule: peak_responses(model.s1, image, peaks, rule) for rule in RULES}
own = [stack.labels == i + 1 for i in range(len(peaks))]  # true masks
names = dict(zip(RULES, ("peak response", "guided", "gradient"), strict=True))

# %%
shown = {name: maps[rule][one] for rule, name in names.items()}
shown = {name: m[view] / m.max() for name, m in shown.items()}
figures.show(
    figures.panels(
        shown, spacing, plane, kinds="map", labels=edge[view],
        limits=dict.fromkeys(shown, (-0.05, 0.58)),
    ),
    alt="Three maps of one peak with the outline of its cell: the peak "
    "response is a patch with a bright core, mostly inside; guided shows two "
    "stretches of the outline, the gradient specks inside and outside",
    caption="The same peak by three rules, as shares of the strongest voxel; "
    "colours end at 0.58. See how much lies inside the line.",
)  # fmt: skip

# %% [markdown]
# How much of each map lies inside its own cell? That needs no threshold.

# %%
inside = {
    name: [float(m[mask].sum()) for m, mask in zip(maps[rule], own, strict=True)]
    for rule, name in names.items()
}
for name, shares in inside.items():
    print(f"{name}: {np.mean(shares):.1f} inside")

# %%
title = "share of the map inside its own cell"
figures.show(
    figures.bars(
        {name: {title: shares} for name, shares in inside.items()},
        highlight=["peak response"],
    ),
    alt="Three bars with dots for single cells: the peak response keeps the "
    "largest share inside its cell, the two gradients clearly less",
    caption="Mean over the cells of the stack, and each cell as a dot.",
)

# %% [markdown]
# On this stack the response spreads, too, but less. A second network follows below.
#
# ## From a map to a mask
#
# The second network, S2, needs a mask to learn from. A raw map is uneven: it names the voxels that mattered most. So we may **smooth**
# it with a Gaussian, here of 3 µm, and must **cut** it. *Otsu's method* proposes the threshold that splits the values into two groups, each as
# uniform as possible; we multiply it by a factor. The paper gives neither smoothing nor threshold. How much do they decide?
#
# A mask is scored by its **IoU**, intersection over union: the voxels that it shares with the true cell, divided by the voxels that at least one of the two has.


# %%
def smooth(response, width):
    """Gaussian of `width` µm; 0 leaves the map as it is."""
    sigma = np.divide(width, spacing)
    return ndimage.gaussian_filter(response, sigma, mode="constant")


def overlap(guess, mask):
    """IoU of two masks."""
    return (guess & mask).sum() / max((guess | mask).sum(), 1)


# %%
ways = {"response, 3 µm": ("prm", 3), "response, raw": ("prm", 0),
        "gradient, 3 µm": ("gradient", 3), "gradient, raw": ("gradient", 0),
        "guided, 3 µm": ("guided", 3)}  # fmt: skip
factors = [0.2, 0.4, 0.7, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0]


# %%
def mean_iou(maps, own):
    """By way: the mean IoU of the masks with their cells, (factors,)."""
    scores = {}
    for name, (rule, width) in ways.items():
        soft = [smooth(response, width) for response in maps[rule]]
        scores[name] = np.mean([
            [overlap(s > f * threshold_otsu(s), mask) for f in factors]
            for s, mask in zip(soft, own, strict=True)
        ], axis=0)  # fmt: skip
    return scores


# %%
scores = mean_iou(maps, own)
figures.show(
    figures.curves(
        {name: (factors, values) for name, values in scores.items()},
        x_label="factor of Otsu's threshold", y_label="mean IoU",
    ),
    alt="Five curves of mean IoU against the threshold factor, each with a "
    "best factor of its own; the two of the response reach highest and "
    "nearly the same height, the smoothed gradient less, the raw one least",
    caption="Five ways to a mask, scored against the true cells. 3 µm: "
    "smoothed by that much. Compare the tops of the curves, and how fast "
    "each one falls.",
)  # fmt: skip

# %% [markdown]
# Is that so for another S1, and another microscope? The package ships one for bright field. Each way may choose its best factor:

# %% tags=["nbval-ignore-output"]
second, other = BFSNet.pretrained("bright-field"), simulate.bright_field(1)
seen = second.prepare(other)  # the same cells, another microscope
tops = snap_to_maxima(other.centres, unet.predict(second.s1, seen), spacing)
again = mean_iou(
    {rule: peak_responses(second.s1, seen, tops, rule) for rule in RULES},
    [other.labels == i + 1 for i in range(len(tops))],
)
best = {name: {"fluorescence": scores[name].max(),
               "bright field": again[name].max()} for name in ways}  # fmt: skip
caption = "Mean IoU with the best factor of each way, true masks in hand"
figures.score_table(best, caption=caption, header="way", decimals=2)

# %%
for way, other_way in (
    ("response, 3 µm", "gradient, 3 µm"), ("response, 3 µm", "response, raw"),
    ("gradient, 3 µm", "gradient, raw"),
):  # fmt: skip
    gains = [best[way][m] - best[other_way][m] for m in best[way]]
    print(f"{way} over {other_way}: {np.mean(gains):.1f}")
lost = np.ptp(scores["response, 3 µm"])
print(f"response, 3 µm, best factor over worst: {lost:.1f}")

# %% [markdown]
# The first three lines are means of both microscopes. Three things stand in these numbers.
#
# - **A bad threshold can cost as much as a bad rule.** Within the factors tried, 0.2 to 3, the response in fluorescence varies by 0.4. At their
#   best factors, the ways in the table differ by less.
# - **The rule counts.** Smoothed, and cut where it suits it best, the gradient comes within about 0.1 of the response. It does not reach it.
# - **Smoothing helps the gradient most.** It gains 0.2. What the response gains rounds to 0.
#
# So why does our pipeline smooth the response, too? Is each mask one piece?

# %%
for width in (0, 3):
    soft = [smooth(response, width) for response in maps["prm"]]
    masks = [s > threshold_otsu(s) for s in soft]
    whole = all(ndimage.label(mask)[1] == 1 for mask in masks)
    print(f"{width} µm: every mask is one piece: {whole}")

# %% [markdown]
# A cell is one piece, and so is each smoothed mask; some raw masks fall apart. That is a modest reason, and smoothing has a price, which comes
# below: the masks forget size.
#
# The factor may not be chosen with the true masks of the stacks that we then score: in practice nobody has them. Our pipeline takes 1 in
# fluorescence and 1.3 in bright field, chosen on simulated training stacks.
#
# ## Choose a peak, a rule and a threshold

# %% tags=["nbval-ignore-output"]
sizes = np.bincount(stack.labels.ravel())[1:]  # voxels of each true cell
explore.explorable(
    explore.response_frame(image, spacing, maps, peaks, stack.labels, factors),
    {"cell": {"in the middle": one, "smallest": int(sizes.argmin()),
              "largest": int(sizes.argmax())},
     "rule": {"response": "prm", "guided": "guided", "gradient": "gradient"},
     "factor": [0.4, 0.7, 1.0, 1.6, 2.5]},
    labels={"factor": "threshold factor"}, start={"factor": 1.0},
    alt=lambda cell, rule, factor: f"Cell {cell + 1} by the rule "
    f"{names[rule]}: its smoothed map, the mask at {factor:.1f} times Otsu's "
    "threshold beside the true outline, and IoU against the factor",
    caption="White: the true cell. Orange: the mask, after 3 µm of smoothing. "
    "Curves: IoU in three dimensions by response (blue), guided (orange) and "
    "gradient (green), the chosen one bold.",
)  # fmt: skip

# %% [markdown]
# Try the smallest and the largest cell by the first rule, and watch the volume. Each wants a factor of its own: at the same
# setting the small cell's mask is, for its size, much the larger one.
#
# ## Masks know little about size
#
# The cells of this stack have radii from 5 to 11 µm. How large are their masks, at factor 1 for all? And what does 2.5 do?

# %%
true = sizes * np.prod(spacing)  # µm³
volumes = {}
for name, width in {"masks, raw": 0, "masks, 3 µm": 3}.items():
    masks = [response_mask(m, spacing, width) for m in maps["prm"]]
    volumes[name] = np.array([m.sum() for m in masks]) * np.prod(spacing)
for name, v in {"cells": true, **volumes}.items():
    print(f"{name}: the largest is {v.max() / v.min():.0f} times the smallest")
for name, cell in ("smallest", sizes.argmin()), ("largest", sizes.argmax()):
    m = maps["prm"][cell]
    cut = [response_mask(m, spacing, factor=f).sum() for f in (1.0, 2.5)]
    print(f"{name}, factor 1 to 2.5: mask shrinks {cut[0] / cut[1]:.0f}-fold")

# %%
figures.show(
    figures.scatter(
        {name: (true, volume) for name, volume in volumes.items()},
        x_label="volume of the true cell, µm³",
        y_label="volume of the mask, µm³", log=True, diagonal="mask = cell",
    ),
    alt="Mask volume against true volume, one mark a cell: both groups rise "
    "less steeply than the diagonal, the smoothed masks least of all; small "
    "cells lie farthest above it",
    caption="One mark for each cell and way, both axes logarithmic. Compare "
    "how steeply marks and line rise.",
)  # fmt: skip

# %% [markdown]
# The marks rise less steeply than the line: the smaller a cell, the larger its mask for its size. No common factor repairs that: a larger one
# shrinks the smallest and the largest mask alike. One part of it is the smoothing, which blurs all cells by the same 3 µm. The rest is in the raw maps. Our guess, not
# tested here: S1 was taught blobs of one radius, $d_m$ = 8 µm, for every cell. That is the main weakness of these
# labels, and the reason why S2 is also shown the image's own edges.
#
# ## Fast enough: windows and batches
#
# One backward pass for each peak is what the paper wants to avoid when it predicts. In training it happens once, and it can be cheap. An
# output voxel depends only on the voxels near it, its **receptive field**. So we cut out a window around each peak and send several of them through
# the network as one batch. The maps must be the same:

# %%
window = peak_windows(peaks, image.shape, model.s1.reach, model.s1.stride)[one]
part = np.prod([s.stop - s.start for s in window]) / image.size
print(f"a window holds {part:.0%} of this small stack")
whole = peak_responses(
    model.s1, image, peaks[[one]], windowed=False, batch=1, normalise=False
)[0]
off = np.abs(whole - raw[one]).max() / whole.max()
print("the same as from the whole stack:", off < 1e-4)

# %% [markdown]
# One detail needs care: $o$, the darkest value of each layer's input. It must be that of the *whole stack*, so it is found in one forward pass
# beforehand.
#
# ## Pseudo labels
#
# Last step: all masks of a stack in one volume. Where two of them overlap, the voxel goes to the map that is stronger there, each measured by its own maximum, so
# that no cell wins because its map is the more concentrated one.

# %%
labels = pseudo_labels(model.s1, image, peaks, spacing)
foreground = overlap(labels > 0, stack.labels > 0)
print(f"IoU of the foreground: {foreground:.1f}")
ids = np.arange(1, len(peaks) + 1)
middles = np.rint(ndimage.center_of_mass(labels > 0, labels, ids)).astype(int)
at_home = (stack.labels[tuple(middles.T)] == ids).all()
print("each middle in its own cell:", at_home)

# %%
figures.show(
    figures.comparison(
        image, {"truth": stack.labels, "pseudo labels": labels}, spacing,
        plane, reference="truth", limits=(-1, 4), fill=0.25,
    ),
    alt="Three pictures of one plane: cells; the true cells in colour; the "
    "pseudo labels in the same colours, blobs that lie on the cells but do "
    "not follow their outlines, with the true outlines in white",
    caption="What S2 will learn from. White: the truth, which it never sees.",
)  # fmt: skip

# %% [markdown]
# Every blob is in the right place, and its outline is wrong. The small green one at the top is too large: its cell ends in another plane. The paper says the same of its own: the maps "lack sufficient precision".
#
# ## What we saw
#
# - A gradient says what would change an answer. A peak response says what an answer was made of.
# - The rule shares a response out by positive contribution. Shares add up to 1, which makes a strict and cheap test.
# - BatchNorm is folded into the convolutions before; GroupNorm is refused.
# - Of three rules the peak response lay best inside its cell, on one stack of one network, and made the best masks on two. A bad threshold costs as much as a bad rule.
# - Smoothing helps the gradient a lot and the response little. At one threshold, masks vary less in volume than cells, the smoothed ones least.
#
# ## To go further
#
# The rule has a family: *layer-wise relevance propagation* (Bach et al. 2015), with other ways to treat negative weights. The paper
# calls back-propagation at prediction costly and so trains S2; with windows it is cheaper (`make bench` measures it). Train an S1 for a short while only (`BFSNet.train_s1`): how much does
# smoothing add to its raw responses, and do all seeds agree?
#
# ## Exercises
#
# The cell below each answer checks it. `checks.hint("linear_response", 1)` gives a hint; there are three for every exercise.
#
# ### Exercise 1: the rule through one linear layer
#
# A linear layer has $N$ inputs and $M$ outputs. Write `my_linear_response(x, weight, response)`, in NumPy: `x` has shape (N,), `weight` (M, N) and `response`
# (M,). Every output shares out its own response as the convolution above does, with `x.min()` for the darkest voxel. Return what each
# input receives in all, (N,). An output without any positive contribution hands back nothing.


# %% tags=["exercise", "hide-input"]
def my_linear_response(x, weight, response):
    """Return the response of each input, (N,)."""
    ### BEGIN SOLUTION
    part = (x - x.min()) * np.maximum(weight, 0)  # (M, N)
    back = np.zeros(len(x))
    for contributions, amount in zip(part, response, strict=True):
        if contributions.sum() > 0:
            back += amount * contributions / contributions.sum()
    return back
    ### END SOLUTION


# %%
checks.linear_response(my_linear_response)

# %% [markdown]
# ### Exercise 2: a brighter voxel
#
# Predict, then run. In "three numbers" above the third voxel becomes brighter, 9 instead of 6. What happens to the *first* voxel's share by the rule, and to its
# gradient? Give a pair, each `"rises"`, `"falls"` or `"stays"`: first the share, then the gradient.

# %% tags=["exercise", "hide-input"]
my_brighter_voxel = None  # such as ("rises", "rises")
### BEGIN SOLUTION
my_brighter_voxel = ("falls", "stays")
### END SOLUTION

# %%
checks.brighter_voxel(my_brighter_voxel)

# %% [markdown]
# ### Exercise 3: a blind spot
#
# Break the rule. Write `my_dark_evidence()`, which returns three values and three weights, such that one voxel has the largest gradient of
# the three, and a positive one, and yet receives nothing, while the response is shared out. (Then think of bright field, where cells can be darker than what
# surrounds them. Which layers could still see that?)


# %% tags=["exercise", "hide-input"]
def my_dark_evidence():
    """Return (values, weights), three numbers each."""
    ### BEGIN SOLUTION
    return [1, 3, 5], [9, 1, 1]
    ### END SOLUTION


# %%
checks.dark_evidence(my_dark_evidence)

# %% [markdown]
# ### Exercise 4: from maps to labels
#
# Write `my_pseudo_labels(maps, factor=1.0)`. `maps` has shape (N, Z, Y, X): smoothed maps, one for each peak. Cut each map where it exceeds `factor` times *its own*
# `threshold_otsu`. Return labels (Z, Y, X): map `maps[i]` gives label `i + 1`, the rest is 0. Where masks overlap, the map wins that is stronger there, each
# divided by its own maximum.


# %% tags=["exercise", "hide-input"]
def my_pseudo_labels(maps, factor=1.0):
    """Return labels (Z, Y, X), 0 = background."""
    ### BEGIN SOLUTION
    labels = np.zeros(maps.shape[1:], dtype=int)
    strength = np.zeros(maps.shape[1:])
    for i, m in enumerate(maps):
        relative = m / m.max()
        wins = (m > factor * threshold_otsu(m)) & (relative > strength)
        labels[wins], strength[wins] = i + 1, relative[wins]
    return labels
    ### END SOLUTION


# %%
checks.pseudo_labels(my_pseudo_labels)

# %% [markdown]
# ### Exercise 5: explain this picture
#
# Somebody's click lies 2 µm outside of a cell. The response from that voxel:

# %%
beside = peaks[one].copy()
while stack.labels[tuple(beside)] > 0:
    beside[2] -= 1  # to the left, out of the cell
beside[2] -= 1  # and another voxel
lost = peak_responses(model.s1, image, beside[None])[0]
print("S1's likelihood there is below 0.1:", likelihood[tuple(beside)] < 0.1)
figures.show(
    figures.panels(
        {"image": image[view], "response": lost[view] / lost.max()}, spacing,
        plane, kinds={"response": "map"}, limits={"response": (-0.05, 1.1)},
        labels=edge[view], points=(beside - [0, y - 30, x - 30])[None],
    ),
    alt="Left a cell with a click just left of its outline; right the "
    "response from there: a small patch on the edge of the cell",
    caption=f"Dot: the click. The map adds up to {lost.sum():.2f}.",
)  # fmt: skip

# %% [markdown]
# The map still adds up to 1. What does it tell? What would it become among the pseudo
# labels? And which step of the chapter saves us?
#
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# One point for: *the sum says nothing about a cell*. It is 1 by construction as long as anything contributed; a map tells how an answer is divided, not
# whether it was "yes". One point for: *Otsu's threshold is relative to
# the map*, so this click becomes a mask like any other, off to one side. One point for: *each click first moves to the highest likelihood nearby*; 2 µm are
# within its reach, 5 µm would not be.
#
# </details>
