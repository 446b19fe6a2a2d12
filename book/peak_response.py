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
# > - **Shares add up.** The map of one peak is never negative and sums to 1. That is a test which most mistakes fail.
# > - **Normalisation layers break the sum.** BatchNorm must be folded away first; GroupNorm cannot be, so we refuse it.
# > - **A map is not a mask.** Smoothing and a threshold decide what it is worth, and the masks know little about size.
#
# S1 says: here is a cell. Which voxels made it say so?
#
# This chapter is the second half of §3.2 of the paper. It trains a small S1 and takes about half a minute and 1 GB of memory;
# no GPU is needed.

# %%
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.ticker import FixedLocator, NullLocator
from scipy import ndimage
from skimage.filters import threshold_otsu
from torch import nn

from bfs_tutorial import explore, figures, simulate, unet
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
# We train S1 for a short while on four small simulated stacks: images, clicks, no outline. Then it meets a
# stack that it has never seen. Only at the end shall we compare with the true outlines, which a simulation knows.

# %%
model = BFSNet("fluorescence", steps_s1=300)
small = simulate.dataset("fluorescence", 4, seed=7, shape=(16, 64, 64))
model.train_s1(small, seed=2, progress=False)

stack = simulate.fluorescence(1)
image, spacing = model.prepare(stack), stack.spacing  # (Z, Y, X), µm
likelihood = unet.predict(model.s1, image)
found, _ = model.find_centres(likelihood)
recall = detection(found, stack.centres, spacing, 5.0)["recall"]
print("at least 8 of 10 cells found:", recall >= 0.8)

# %% [markdown]
# A click may lie a voxel beside the top of S1's map. So each click moves to the highest likelihood within 3 µm. These voxels are our
# **peaks**, one for each cell. We start with one of them.

# %%
peaks = snap_to_maxima(stack.centres, likelihood, spacing)  # (N, 3) voxels
sizes = np.bincount(stack.labels.ravel())[1:]  # voxels in each true cell
near = np.linalg.norm(peaks[:, 1:] - 64, axis=1)  # the stack has 128 x 128
one = int(near.argmin())  # the cell next to the middle
plane, y, x = peaks[one]
print(f"{len(peaks)} peaks; we look at the one nearest to the middle")

# %% [markdown]
# ## The obvious answer: a gradient
#
# Make one voxel a little brighter. How much does S1's answer at the peak change? Ask that for every voxel at once, and the answer is
# the **gradient** of the answer with respect to the image. One backward pass gives all of it. As the answer we take the logit, the value
# before the sigmoid: where S1 is sure, the sigmoid is flat and the gradient would vanish.

# %%
gradient = peak_responses(
    model.s1, image, peaks[[one]], "gradient", normalise=False
)[0]
negative = -gradient[gradient < 0].sum() / np.abs(gradient).sum()
print("negative share between 40 % and 60 %:", 0.4 < negative < 0.6)

# %%
edge = np.where(stack.labels == one + 1, one + 1, 0)  # its true outline
view = np.s_[:, y - 30 : y + 30, x - 30 : x + 30]  # 60 µm around it
strong = float(np.abs(gradient).max())
shown = {"image": image[view], "gradient": gradient[view] / strong}
figures.show(
    figures.panels(
        shown, spacing, plane, kinds={"gradient": "signed"},
        limits={"gradient": (-0.55, 0.55)}, labels=edge[view],
    ),
    alt="Left a plane with bright cells, one of them outlined; right the "
    "gradient of its peak: red and blue specks around it, some of them "
    "outside the outline",
    caption="Red: brighter here would raise the answer at the peak. "
    "Blue: brighter here would lower it. 1 is the strongest voxel.",
)

# %% [markdown]
# Near the peak, that is encouraging. But it is no outline of a cell, for two reasons.
#
# - **It has signs.** About half of it is negative. Is a blue voxel part of the cell?
# - **It spreads.** Voxels between cells matter too: if they were brighter, S1 would see something else there.
#
# Both follow from the question. A gradient asks *what would change the answer*. We want to know *what the answer was made of*.
#
# > **Same thing, other names.** A picture of the gradient is called a *saliency map* (Simonyan et al. 2014). Pictures of what an answer
# > was made of are called *attributions* or *relevance maps*. **Peak response map**, PRM, is the name of Zhou et al. 2018, whose rule we follow;
# > Dong et al. 2019 took it to three dimensions.
#
# ## The rule, with three numbers
#
# A convolution looks at three voxels. Their values are 3, 4 and 6, and the weights are 3, −1 and 2. The darkest voxel of the whole image has the
# value 1. The response at the output is 1. How much of it is owed to each of the three?

# %%
x, weights, darkest = np.array([3, 4, 6]), np.array([3, -1, 2]), 1
lit = x - darkest  # 2, 3, 5: how far above the darkest
positive = np.maximum(weights, 0)  # 3, 0, 2
contribution = lit * positive
shares = contribution / contribution.sum()
print("contributions", contribution, "of", contribution.sum())
print("shares       ", shares)

# %% [markdown]
# That is the whole rule. Three decisions are in it.
#
# - **Values count from the darkest voxel.** Our images are normalised, so half of their values are negative, and "contributed −0.3" means
#   nothing as a share. The shift also makes the map blind to a constant that is added to the image.
# - **Negative weights count as 0.** The second voxel spoke *against* a cell. It gets nothing; with its weight left in, shares could be below 0 and above 1.
# - **A bias gets nothing.** It belongs to no voxel.
#
# The gradient in the same place would be 3, −1, 2: the weights, whatever the image is. Now with names. Let $X$ be the input of a convolution,
# $o$ its smallest value, $W^+$ the positive weights. A response $P_{out}$ goes back as
#
# $$
# P_{in} = (X - o) \cdot \left( W^{+\top} \ast \frac{P_{out}}{Z} \right), \qquad Z = W^+ \ast (X - o).
# $$
#
# $Z$ is the sum that we divided by, 16 above. $W^{+\top} \ast$ is the transposed convolution: it carries each output's share back to all inputs
# that it looked at. In PyTorch:


# %%
def share_out(x, weight, response):
    """Hand the response of a convolution back to its input x."""
    lit, positive = x - x.min(), weight.clamp(min=0)
    total = F.conv3d(lit, positive)  # Z
    return lit * F.conv_transpose3d(response / total, positive)


row = torch.tensor([1.0, 3.0, 4.0, 6.0]).view(1, 1, 1, 1, 4)
kernel = torch.tensor([3.0, -1.0, 2.0]).view(1, 1, 1, 1, 3)
start = torch.tensor([0.0, 1.0]).view(1, 1, 1, 1, 2)  # peak: second output
print(share_out(row, kernel, start).flatten().numpy())

# %% [markdown]
# The shares are those we found by hand, and the darkest voxel gets 0.
#
# ## No layer keeps anything
#
# A convolution passes on all it receives. What do the other layers of a U-Net do?
#
# - **ReLU** lets a response through where its input was positive. Where it was not, nothing arrives: a value of 0 that is also the smallest
#   contributed nothing.
# - **Max pooling** gives all of it to the voxel that won.
# - **Nearest up-sampling** adds up what its copies receive. **Concatenation** splits it into two parts.
#
# All of this ordinary back-propagation does already. Only convolutions need a rule of their own. And since nothing is lost anywhere, we start with 1 and
# 1 must arrive at the image:

# %%
raw = {
    rule: peak_responses(model.s1, image, peaks, rule, normalise=False)
    for rule in RULES
}
arrived = raw["prm"].sum(axis=(1, 2, 3))  # one number for each peak
assert np.allclose(arrived, 1, atol=1e-3) and raw["prm"].min() > -1e-6
print(f"a peak's response adds up to {arrived.mean():.2f}, never negative")

# %% [markdown]
# This **conservation** is worth more than it seems. Divide by another sum than the one that was shared out, clamp the weights in one place
# and not in the other, give the bias a share: each of these mistakes gives a plausible picture, and none of them adds up to 1. Forget the shift, and
# shares turn negative.
#
# ### How it is done in PyTorch
#
# A layer that goes forward as usual and backward in another way is an `autograd.Function`. Ours is `ConvResponse` in
# `bfs_tutorial/peak_response.py`; its backward pass is `share_out` with stride and padding. How does a finished network come to use it? Common ways
# are to replace the `forward` of every convolution, which someone must undo, or to register backward hooks, which stumble over layers that work
# in place. Ours is a context manager. Within `with peak_rule():` every call of `conv3d` goes through our function; after it, none does.

# %%
folded = fold_batch_norm(model.s1)  # explained next
crop = torch.from_numpy(image[None, None, :, :32, :32]).requires_grad_()
with peak_rule():
    inside = folded(crop)
outside = folded(crop)
assert torch.equal(inside, outside)  # going forward nothing changes
(after,) = torch.autograd.grad(outside[0, 0, 8, 16, 16], crop)
assert after.min() < 0  # going backward: an ordinary gradient again

# %% [markdown]
# ## Normalisation must go first
#
# S1 has a BatchNorm after each convolution. In a trained network it is a multiplication and an addition for each channel, $y = a\,x + b$. On the way
# back it multiplies each response by $a$, and nobody divides by it again. Let us see what arrives then:

# %%
def total_response(network):
    """Sum of the raw response of each peak, (N,)."""
    responses = iterate_responses(network, image, peaks)
    return np.array([response.sum() for _, response in responses])


left_in = total_response(model.s1.eval())
print("folded:  off by more than 0.1:", np.abs(arrived - 1).max() > 0.1)
print("left in: off by more than 0.1:", np.abs(left_in - 1).max() > 0.1)

# %% [markdown]
# **Folding** multiplies $a$ into the weights: $a\,(W \ast x) + b = (aW) \ast x + b$. The output stays the same, and the rule sees weights whose
# sign is right. That matters when $a$ is negative, which training may well choose: then the *negative* weights of the convolution speak for a cell.
# `fold_batch_norm` works on a copy, so the model in your hands is never changed.
#
# GroupNorm and InstanceNorm do not fold. They compute mean and spread from the very image that they are given, so each output depends on every
# voxel. A test with random weights:

# %%
torch.manual_seed(0)
grouped = nn.Sequential(
    nn.Conv3d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(),
    nn.Conv3d(8, 1, 1),
)
voxels = torch.rand(1, 1, 8, 16, 16, requires_grad=True)
with peak_rule():
    grouped(voxels)[0, 0, 4, 8, 8].backward()
print("adds up to 1:  ", abs(voxels.grad.sum().item() - 1) < 0.1)
print("never negative:", bool(voxels.grad.min() >= 0))

# %%
try:
    fold_batch_norm(grouped)
except InputError as reason:
    print(reason)

# %% [markdown]
# A wrong map would look like a map. So the function refuses. This is why the book's U-Net uses BatchNorm, though batches of two
# are small for it.
#
# > **Checkpoint.** At this point we have: one map for each peak, which says what S1's answer there was made of. It is never negative, it sums to 1,
# > and the network was not touched.
#
# ## Three rules, one peak
#
# Between gradient and peak response lies a third rule. **Guided back-propagation** (Springenberg et al. 2015) is the gradient, except that each ReLU drops what is
# negative on the way back; Nishimura et al. 2019 use it for cells. To compare, we take magnitudes and let each map sum to 1.

# %%
maps = {
    rule: peak_responses(model.s1, image, peaks, rule) for rule in RULES
}
own = [stack.labels == i + 1 for i in range(len(peaks))]  # true masks
names = {"prm": "peak response", "guided": "guided", "gradient": "gradient"}

# %%
middle = {names[rule]: maps[rule][one] for rule in RULES}
shown = {name: m[view] / m.max() for name, m in middle.items()}
kinds = dict.fromkeys(shown, "map")
limits = dict.fromkeys(shown, (-0.03, 0.55))
figures.show(
    figures.panels(
        shown, spacing, plane, kinds=kinds, limits=limits,
        labels=edge[view],
    ),
    alt="Three maps of one peak with the outline of its cell: the peak "
    "response is a speckled patch, mostly inside; guided and gradient are "
    "scattered specks, inside and outside",
    caption="The same peak by three rules, as shares of the strongest voxel.",
)

# %% [markdown]
# How much of each map lies inside its own cell? That needs no threshold. The dots are single cells.

# %%
inside = {
    rule: [float(maps[rule][i][mask].sum()) for i, mask in enumerate(own)]
    for rule in RULES
}
share = {rule: np.mean(inside[rule]) for rule in RULES}
print("peak response: more than half inside:", share["prm"] > 0.5)
print("ahead of both others:", share["prm"] == max(share.values()))

# %%
rows = {
    names[rule]: {"share of the map inside its own cell": inside[rule]}
    for rule in RULES
}
figures.show(
    figures.bars(rows, highlight=["peak response"]),
    alt="Three bars with dots for single cells: the peak response keeps the "
    "largest share inside its cell, the two gradients clearly less",
    caption="Mean over the cells of the stack, and each cell as a dot.",
)

# %% [markdown]
# The rule does what it promises. But this is one network. Train it with another seed and all three bars move; the peak
# response came first with each of the few seeds that we tried.
#
# ## From a map to a mask
#
# S2 needs a mask to learn from. A raw map is speckled: it names the voxels that mattered most, not all voxels of the cell. So we **smooth**
# it with a Gaussian of 3 µm and **cut** it. Otsu's method proposes a threshold, which we multiply by a factor. The paper gives neither smoothing
# nor threshold. How much do they decide?


# %%
def smooth(response, width):
    """Gaussian of `width` µm; 0 leaves the map as it is."""
    sigma = np.divide(width, spacing)
    return ndimage.gaussian_filter(response, sigma, mode="constant")


def overlap(guess, mask):
    """IoU of two masks."""
    return (guess & mask).sum() / max((guess | mask).sum(), 1)


ways = {
    "response, 3 µm": ("prm", 3), "guided, 3 µm": ("guided", 3),
    "gradient, 3 µm": ("gradient", 3), "response, raw": ("prm", 0),
}
factors = [0.4, 0.7, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0]
scores = {}  # for each way: IoU (peaks, factors)
for name, (rule, width) in ways.items():
    soft = [smooth(response, width) for response in maps[rule]]
    cuts = [np.multiply(factors, threshold_otsu(s)) for s in soft]
    scores[name] = np.array([
        [overlap(s > cut, mask) for cut in c]
        for s, c, mask in zip(soft, cuts, own, strict=True)
    ])

# %%
means = {name: values.mean(axis=0) for name, values in scores.items()}
series = {name: (factors, values) for name, values in means.items()}
figures.show(
    figures.curves(
        series, x_label="factor of Otsu's threshold", y_label="mean IoU"
    ),
    alt="Four curves of mean IoU against the threshold factor; each has a "
    "best factor of its own, and away from it loses more than the curves "
    "differ at their best",
    caption="Four ways to a mask, scored against the true cells. 3 µm: "
    "smoothed by that much.",
)

# %%
best = {name: values.max() for name, values in means.items()}
lead = best["response, 3 µm"] - best["gradient, 3 µm"]
span = np.ptp(means["response, 3 µm"])
print("the gradient's best is within 0.2 of the response's:", lead < 0.2)
print("the threshold moves more than the rule:", span > abs(lead))

# %% [markdown]
# This is sobering. Smoothed, and cut where it suits it best, **the plain gradient comes close**. What separates a good pseudo label from a bad one is less the
# rule than the threshold. So why keep the rule? Its map needs the least help: it lies where the cell is before anything is smoothed, it needs no
# absolute value, and it has a test. (How much the response itself gains from smoothing differed from one training run to the next.) But whoever reports pseudo labels should report smoothing and threshold first.
#
# The threshold may not be chosen with the true masks of the stacks that we then score: those are what we do not have. Our pipeline fixes the
# factor for each kind of microscope, chosen on simulated training stacks.
#
# ## Choose a peak, a rule and a threshold
#
# Smoothing is 3 µm. The cell that draws is folded away.

# %% tags=["hide-input"]
order = np.argsort(sizes)
chosen = {
    "in the middle": one, "smallest": int(order[0]),
    "largest": int(order[-1]),
}
wide = 52  # voxels of 1 µm a side
where = {}  # plane and window of each chosen cell
for i in chosen.values():
    z, y, x = peaks[i]
    top = np.clip([y - wide // 2, x - wide // 2], 0, 128 - wide)
    where[i] = np.s_[z, top[0] : top[0] + wide, top[1] : top[1] + wide]
soft = {
    (i, r): smooth(maps[r][i], 3) for i in chosen.values() for r in RULES
}
keys = dict(zip(RULES, ways, strict=False))  # the three smoothed ways


@figures.style()
def draw_map(i, rule):
    """Draw the smoothed map around a cell, with the true outline."""
    figure = figures.Figure(figsize=(2.1, 2.1))
    axes = figure.add_axes((0, 0, 1, 1))
    shown = soft[i, rule] / soft[i, rule].max()
    figures.draw_plane(
        axes, shown[where[i]], (1, 1), kind="map", limits=(0, 1),
        outlines={1: own[i][where[i]]}, colours={1: "white"},
    )
    figures.scale_bar(axes, 1.0)
    return figure


def draw_mask(i, guess):
    """Paint the mask orange and the true outline white."""
    grey, truth = image[where[i]], own[i][where[i]].astype(int)
    style = {"zoom": 4, "outline": 2, "limits": (-1, 4)}
    orange = {1: figures.INSTANCES[1]}
    picture = figures.overlay(
        grey, guess[where[i]].astype(int), fill=0.3, colours=orange, **style
    )
    white = figures.overlay(0 * grey - 1, truth, colours={1: "#fff"}, **style)
    return np.maximum(picture, white)


@figures.style()
def draw_scores(i, rule, factor, volume):
    """Draw the IoU of one cell over the factor, and where we are."""
    figure = figures.Figure(figsize=(2.1, 2.1), layout="constrained")
    axes = figure.subplots()
    for r, colour in zip(RULES, figures.LINES, strict=False):
        width = 2.2 if r == rule else 0.7
        values = scores[keys[r]][i]
        axes.plot(factors, values, color=colour, lw=width)
        if r == rule:
            at = values[factors.index(factor)]
            axes.plot(factor, at, "o", color=colour)
    true = own[i].sum()
    axes.set_title(f"IoU {at:.2f}, volume × {volume / true:.2f}", fontsize=8)
    axes.set(xlabel="factor", ylim=(0, 0.95), xlim=(0.3, 3.1))
    axes.grid(axis="y")
    return figure


def frame(cell, rule, factor):
    """Show map, mask and score of one peak."""
    i = chosen[cell]
    guess = soft[i, rule] > factor * threshold_otsu(soft[i, rule])
    curve = draw_scores(i, rule, factor, guess.sum())
    pictures = {
        "smoothed map": draw_map(i, rule),
        "mask": draw_mask(i, guess),
        "score": curve,
    }
    panels = [explore.Panel({k: v}, k, 208) for k, v in pictures.items()]
    return explore.Frame(panels, "white: the true cell, orange: the mask")


# %%
explore.explorable(
    frame,
    {"cell": list(chosen),
     "rule": {"response": "prm", "guided": "guided", "gradient": "gradient"},
     "factor": [0.4, 0.7, 1.0, 1.6, 2.5]},
    labels={"factor": "threshold factor"},
    start={"factor": 1.0},
    alt=lambda cell, rule, factor: f"The cell ({cell}) by the rule "
    f"{names[rule]}: its smoothed map, the mask at {factor} times Otsu's "
    "threshold over the true outline, and IoU against the factor",
    caption="Right: IoU in three dimensions; blue response, orange "
    "guided, green gradient. The number after × is the volume of the mask "
    "over that of the true cell.",
)

# %% [markdown]
# Try the smallest and the largest cell by the first rule, and watch the number after ×. The factor that suits one does not suit the other: at the same
# setting the small cell's mask is, for its size, much the larger one. That is the next point.
#
# ## Masks know little about size
#
# The cells of this stack have radii from 5 to 11 µm. How large are their masks, at one factor for all?

# %%
masks = [response_mask(m, spacing) for m in maps["prm"]]
volume = np.array([mask.sum() for mask in masks]) * np.prod(spacing)  # µm³
true = sizes * np.prod(spacing)
spread, true_spread = (v.max() / v.min() for v in (volume, true))
print("masks differ less in volume than cells:", spread < true_spread)

# %% tags=["hide-input"]
with figures.style():
    figure = figures.Figure(figsize=(4.4, 3.4), layout="constrained")
    axes = figure.subplots()
    ends = np.array([true.min() * 0.8, true.max() * 1.25])
    axes.plot(ends, ends, color=figures.MUTED, lw=0.9, ls="--")
    axes.annotate("mask = cell", (ends[0], ends[0]), (14, 0),
                  textcoords="offset points", color=figures.MUTED, va="center")
    axes.plot(true, volume, "o", color=figures.LINES[0])
    axes.set(xscale="log", yscale="log", aspect="equal",
             xlabel="volume of the true cell, µm³",
             ylabel="volume of the mask, µm³")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([500, 1000, 2000, 5000]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
    axes.grid()
figures.show(
    figure,
    alt="Scatter of mask volume against true volume, one dot a cell: the "
    "dots rise less steeply than the dashed diagonal, and small cells lie "
    "farthest above it",
    caption="One dot for each cell, both axes logarithmic. On the dashed line "
    "a mask would have the volume of its cell.",
)

# %% [markdown]
# The dots rise less steeply than the line: the smaller a cell, the larger its mask for its size. No factor repairs that; it
# moves all dots up or down. The reason lies in what S1 was taught: blobs of one radius, $d_m$ = 8 µm, for every cell. It needs to look only as far
# as it must to find a centre. That is the main weakness of these labels, and the reason why S2 is also shown the image's own edges.
#
# ## Fast enough: windows and batches
#
# One backward pass for each peak is what the paper wants to avoid when it predicts. In training it happens once, and it can be cheap. An
# output voxel depends only on its **receptive field**. So we cut out a window around each peak and send several windows through the
# network as one batch. The maps must be the same:

# %%
window = peak_windows(peaks, image.shape, model.s1.reach, model.s1.stride)[one]
part = np.prod([s.stop - s.start for s in window]) / image.size
print(f"a window holds {part:.0%} of this small stack")
some = peaks[:3]
whole = peak_responses(
    model.s1, image, some, windowed=False, batch=1, normalise=False
)
assert np.abs(whole - raw["prm"][:3]).max() <= 1e-4 * whole.max()

# %% [markdown]
# One detail would have made them differ: $o$, the darkest value of each layer's input. It is the darkest of the *whole stack*, not of the window, so it is
# found in one forward pass beforehand. `make bench` measures how much time windows and batches save; in larger stacks a window is a smaller part, and they save more.
#
# ## Pseudo labels
#
# Last step: all masks of a stack in one volume. Where two of them overlap, the voxel goes to the map that is stronger there, each measured by its own maximum, so
# that no cell wins because its map is the more concentrated one.

# %%
labels = pseudo_labels(model.s1, image, peaks, spacing)
foreground = overlap(labels > 0, stack.labels > 0)
print("IoU of the foreground between 0.35 and 0.8:", 0.35 < foreground < 0.8)

# %%
style = {"reference": "truth", "limits": (-1, 4), "fill": 0.25}
figures.show(
    figures.comparison(
        image, {"truth": stack.labels, "pseudo labels": labels}, spacing,
        plane, **style,
    ),
    alt="Three pictures of one plane: cells; the true cells in colour; the "
    "pseudo labels in the same colours, blobs that lie on the cells but do "
    "not follow their outlines, with the true outlines in white",
    caption="What S2 will learn from. White: the truth, which it never sees.",
)

# %% [markdown]
# Every blob is in the right place. None has quite the right outline. The paper says the same of its own: the maps "lack sufficient precision".
#
# ## What we saw
#
# - A gradient says what would change an answer. A peak response says what an answer was made of.
# - The rule shares a response out by positive contribution. Shares add up to 1, which makes a strict and cheap test.
# - BatchNorm is folded into the convolutions before; GroupNorm is refused.
# - Of three rules the peak response lies best inside its cell. After smoothing and a well-chosen threshold the gradient comes close.
# - At one threshold, masks vary less in volume than cells do.
#
# ## To go further
#
# The rule is a member of a family: *layer-wise relevance propagation* (Bach et al. 2015) has many, for other layers and other ways to treat negative weights. The paper
# calls back-propagation at prediction costly and so trains S2; with windows it is less so, and one could use the responses of new stacks as a second
# opinion on S2. And size could come from elsewhere: S2's loss reads it off the image.
#
# ## Exercises
#
# 1. Add 100 to the row of four voxels, 1, 3, 4, 6. What happens to the shares? What if $o$ were 0 instead of the darkest value?
# 2. Let all three weights be negative. What is $Z$, and what should the function do?
# 3. Start from the sigmoid's output instead of the logit. Does the rule's map change? Does the gradient's?
# 4. Train with another seed. Which of the printed statements hold, and how far do the bars move?
