# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Centre maps: points that can be learnt
#
# > **In this chapter**
# >
# > - **A click is one voxel**, and a network that never finds one is right almost everywhere. A click must become a blob.
# > - **Distance is counted in micrometres.** Counted in voxels, every blob would be stretched along the optical axis.
# > - **Two numbers shape the blob**, $k$ and $d_m$. The paper names them and does not say what they were.
# > - **A border of zeros** runs half way between two cells. It can deepen the valley between close blobs; in our embryos no blob meets it.
# > - **The target is soft**, so the loss of a network cannot reach zero, however good it becomes.
#
# An annotator clicked once on each cell. What should a network be asked to draw?
#
# A network learns from pairs: an image, and the picture that it should draw from it, the **target**. A number, the **loss**,
# says how far its answer is from the target, and training makes that number small. The first of the method's two networks, **S1**,
# has to find the cells. This chapter makes its target; the next one trains it.
#
# It is §3.1 of the paper and its Equation 1. Nothing is trained here.

# %%
import numpy as np
import torch
from scipy import ndimage
from scipy.spatial.distance import pdist, squareform
from skimage.segmentation import find_boundaries
from torch.nn.functional import binary_cross_entropy

import data_download
from bfs_tutorial import checks, explore, figures, simulate
from bfs_tutorial.centre_maps import centre_map, nearest_centre, voronoi_border
from bfs_tutorial.checks.centre_maps import careless_clicks
from bfs_tutorial.errors import InputError
from bfs_tutorial.losses import entropy_floor
from bfs_tutorial.peaks import find_peaks

# %% [markdown]
# ## A click is one voxel
#
# Our stack, 16 planes one above the other, is simulated, so every centre is known exactly. A click is a row (z, y, x), in voxels.

# %%
stack = simulate.fluorescence(1)
shape, spacing = stack.image.shape, stack.spacing  # (Z, Y, X), (z, y, x) µm
clicks = np.zeros(shape, dtype=np.float32)
clicks[tuple(np.rint(stack.centres).astype(int).T)] = 1
count = int(clicks.sum())
print(f"{shape[0]} planes, {count} clicks: 1 voxel in {clicks.size // count}")
print(f"'no cell here' is right in {1 - clicks.mean():.3%} of the voxels")

# %% [markdown]
# That is **class imbalance**: the laziest answer, 0 everywhere, is almost perfect. And there is a second fault: nobody clicks exactly. Let the
# annotator's hand tremble by about 1 µm along each axis and see how many clicks stay in their voxel.

# %%
rng = np.random.default_rng(0)
tremor = rng.normal(0, 1.0, stack.centres.shape) / spacing  # 1 µm, in voxels
trembling = np.clip(stack.centres + tremor, 0, np.array(shape) - 1)
same = (np.rint(trembling) == np.rint(stack.centres)).all(axis=1)
print(f"{same.sum()} of {len(same)} clicks stay in their voxel")

# %% [markdown]
# With single voxels as the target, all the other clicks would be plainly wrong, though the annotator saw the same cells. A
# blob forgives: moved a little, it still covers most of where it was. `centre_map` draws one blob for each click. We use it first
# and look inside afterwards.

# %%
steady = centre_map(shape, stack.centres, spacing)
shaken = centre_map(shape, trembling, spacing)
shared = np.minimum(steady, shaken).sum() / np.maximum(steady, shaken).sum()
print(f"both centre maps share {shared:.0%} of what they cover together")

# %%
plane, part = 9, np.s_[:, 52:116, 56:120]  # (z, y, x) of the part shown
maps = {"clicks": clicks[part], "centre map": steady[part]}
kinds, limits = dict.fromkeys(maps, "map"), dict.fromkeys(maps, (0, 0.95))
volumes = {"image": stack.image[part]} | maps
figures.show(
    figures.panels(volumes, spacing, plane, kinds=kinds, limits=limits),
    alt="Three pictures of one plane: bright cells; a dark picture with two "
    "bright dots; the same dark picture with a soft round spot on each cell, "
    "two of them parted by a dark line",
    caption="Part of one plane: what the microscope saw, the two clicks in "
    "this plane, what S1 is asked to draw. A blob is a ball, so faint spots "
    "belong to clicks in the planes above and below.",
)

# %% [markdown]
# > **Same thing, other names.** A click is also called a *point annotation*, *seed* or *marker*. A centre map is also called a
# > *proximity map*, *likelihood map* or *heat map*. Kainz et al. 2015 made the idea known for cells ("You should use regression
# > to detect cells"), and the paper follows them.
#
# ## How far is far?
#
# A blob needs a distance. In this stack, planes lie 2 µm apart and pixels 1 µm, so three voxels up are twice as far as three
# voxels sideways. The **spacing** holds both, as (z, y, x) in µm. We multiply by it before we measure, and every length in this book is
# in µm. To see what goes wrong otherwise, tell the same function that voxels are cubes, and look from the side.


# %%
def side(volume):
    """Turn (Z, Y, X) into (Y, Z, X), cropped: from the side, z upwards."""
    return np.swapaxes(volume[::-1], 0, 1)[..., 10:86]


ignored = centre_map(shape, stack.centres, (1, 1, 1))
views = {"spacing used": side(steady), "spacing ignored": side(ignored)}

# %%
kinds, limits = dict.fromkeys(views, "map"), dict.fromkeys(views, (0, 0.95))
volumes, row = {"image": side(stack.image)} | views, 8  # y of a centre
figures.show(
    figures.panels(
        volumes, (1, 2, 1), row, labels=side(stack.labels),
        kinds=kinds, limits=limits,
    ),
    alt="Three views from the side with outlines of cells: the image; round "
    "spots inside the outlines; spots of twice the height, which leave their "
    "cells",
    caption="From the side, one pixel row of all planes, z points up. Lines: "
    "the true cells. Spacing ignored, the blobs leave them above and below.",
)

# %%
def extent(spacing_told):
    """Height and width in µm of one blob, drawn with a given spacing."""
    blob = centre_map((25, 41, 41), [(12, 20, 20)], spacing_told)
    z, y, _ = np.nonzero(blob)
    height, width = np.ptp(z) * spacing[0], np.ptp(y) * spacing[1]
    return f"{height:.0f} µm tall, {width:.0f} µm wide"


print("spacing used:   ", extent(spacing))
print("spacing ignored:", extent((1, 1, 1)))

# %% [markdown]
# With the spacing a blob is as tall as wide, without it twice as tall. A network would learn the stretched blob without complaint,
# and cells that lie above each other would run together. If results look odd only along z, suspect the
# spacing first.
#
# ## The profile, numbers first
#
# How should the blob fall off? Read a map along a line that starts at a click:

# %%
line = centre_map((1, 1, 10), [(0, 0, 0)], (1, 1, 1), d_m=8.0, k=2.0)[0, 0]
for distance in (0, 2, 4, 8, 9):
    print(f"{distance} µm from the click: {line[distance]:.2f}")

# %% [markdown]
# Each 4 µm multiply the value by 0.37, until it is cut off beyond 8 µm. A curve that loses the same share in each step is an exponential:
#
# $$
# p(x) = \begin{cases} 0 & x \in \mathcal{B}_\mathcal{V} \cr e^{-k\,\mathcal{D}(x)/d_m} & \mathcal{D}(x) \le d_m \cr 0 & \text{otherwise} \end{cases}
# \tag{1}
# $$
#
# $\mathcal{D}(x)$ is the distance of voxel $x$ to the nearest click. $d_m$ is the radius of the blob, here 8 µm. $k$, here 2, says how far
# $p$ has fallen at that radius: to $e^{-k}$, which is 0.14. $\mathcal{B}_\mathcal{V}$ are the voxels on a border, which we come to below.
#
# The paper calls this map "Gaussian based". The equation has no square in it, so it is not a Gaussian: it has a sharp tip. We
# take the equation at its word.

# %%
profiles = {}
for k, d_m in ((1, 8), (2, 8), (4, 8), (2, 12)):
    distance = np.linspace(0, d_m, 100)
    profiles[f"k = {k}, d_m = {d_m}"] = distance, np.exp(-k * distance / d_m)
figures.show(
    figures.curves(profiles, x_label="µm from the click", y_label="p(x)"),
    alt="Four curves that start at 1 and fall, the faster the larger k; "
    "three end at 8 µm, the highest of them for k = 1, and one at 12 µm",
    caption="Equation 1 for four settings, d_m in µm. Each curve ends at its "
    "radius, where the map drops to 0.",
)

# %% [markdown]
# The paper does not give $k$ or $d_m$. What do they change? Three things that the training of S1 feels. (The next chapter adds a second
# loss on the voxels with $p > 0.7$, so we count them.)

# %%
rows = {}
for k, d_m in ((2, 8), (1, 8), (4, 8), (2, 4), (2, 12)):
    p = centre_map(shape, stack.centres, spacing, d_m=d_m, k=k)
    rows[f"k = {k}, d_m = {d_m} µm"] = {
        "above 0": f"{(p > 0).mean():.1%}",
        "above 0.7": f"{(p > 0.7).mean():.3%}",
        "step at the rim": f"{np.exp(-k):.2f}",
    }
caption = "Share of all voxels, and the height of the step at distance d_m"
figures.score_table(rows, caption=caption, header="setting")

# %% [markdown]
# - A larger $d_m$ gives more voxels to learn from. Beyond a cell's radius it asks the network to draw where no cell is.
# - A larger $k$ sharpens the tip, and voxels with $p > 0.7$ become very few.
# - A small $k$ leaves a step at the rim, an edge that no image shows.
#
# We take the first row, $k = 2$ and $d_m$ = 8 µm, about the radius of a nucleus. It is a choice, not a finding. Move the sliders to try
# others on the two clicks that are closest to each other.

# %%
micrometres = stack.centres * spacing
pairs = squareform(pdist(micrometres)) + np.diag([np.inf] * count)
closest = np.unravel_index(pairs.argmin(), pairs.shape)
print(f"the closest clicks lie {pairs.min():.1f} µm apart")
frame = explore.centre_map_frame(stack, closest)
for border in ("on", "off"):
    print(f"border {border}, {frame(2, 8, border).text}")

# %%
explore.explorable(
    frame,
    {"k": [1, 2, 3, 4], "d_m": [4, 6, 8, 12], "border": ["on", "off"]},
    start={"k": 2, "d_m": 8}, units={"d_m": "µm"},
    alt=lambda k, d_m, border: f"Centre map of two touching cells, k = {k}, "
    f"d_m = {d_m} µm, border {border}; its values on the line through both",
    caption="Two touching cells with their outlines; dots: clicks. Curve: the "
    "values along the white line, one step for each voxel. Turn the border "
    "off, and the valley between the tips is less deep: 0.25, not 0.",
)

# %% [markdown]
# > **Checkpoint.** At this point we have: a blob for every click, round in µm, whose shape two numbers control. What is left is
# > the place where two blobs meet.
#
# ## Borders
#
# Give every voxel to its nearest click. The space falls apart into one region per click: **Voronoi cells**. Equation 1 puts
# zeros where two of them meet. The paper calls these voxels *hard negatives*. *Negative* means that the right answer is 0. *Hard*
# means that a network is tempted to answer something else: they lie close to a centre, and look like the inside of a cell.
#
# But which voxels lie on a border? The paper does not say. The border between two clicks is a plane: it stands half way between
# them, at right angles to the line that joins them. A voxel is a little box. Our rule: **a voxel is on the border when the plane
# meets its box**.
#
# Take two clicks side by side along x, where voxels are 1 µm wide. The box reaches 0.5 µm to either side of the voxel's middle,
# so the plane meets it when it passes the middle at 0.5 µm or less. A slanted plane meets a corner first, and corners reach
# further. In general, let $n$ be the direction from one click to the other, of length 1, and $s_a$ the spacing along axis $a$.
# Then the box reaches $\tfrac12 \sum_a |n_a|\, s_a$ along $n$. The distance from its middle $x$ to the plane is $|n \cdot (x - m)|$,
# where $m$ is the middle between the clicks, all in µm.
#
# The obvious alternative compares each voxel with its neighbours and marks those where the nearest click changes. Draw
# both in one slanted case:

# %%
slanted = [(0, 8, 6), (0, 14, 25)]
_, nearest = nearest_centre((1, 24, 32), slanted, (1, 1, 1))
changes = find_boundaries(nearest, mode="thick")
borders = {
    "plane meets box (ours)": voronoi_border(nearest, slanted, (1, 1, 1)),
    "neighbours, both sides": changes,
    "neighbours, one side": changes & (nearest == 0),  # the first click's
}

# %%
shown = {name: border * 1.0 for name, border in borders.items()}
figures.show(
    figures.panels(shown, (1, 1, 1), 0, points=slanted),
    alt="Three slanted stairs between two dots: ours one or two voxels wide, "
    "the second two, the third one, its corners touching, nearer to one dot",
    caption="Three borders between the same two clicks (dots). Look at how "
    "thick each is, where it has gaps, and whether it lies in the middle.",
)

# %%
first, second = np.array(slanted)[:, 1:]  # (y, x), voxels of 1 µm
n = (second - first) / np.linalg.norm(second - first)
for name, border in borders.items():
    row, parts = border[0].sum(axis=1), ndimage.label(border)[1]
    off = abs(((np.argwhere(border[0]) - (first + second) / 2) @ n).mean())
    print(f"{name}: {row.min()} to {row.max()} voxels a row, parts: {parts},")
    print(f"    their mean lies {off:.1f} µm from the plane")

# %% [markdown]
# Comparing neighbours marks two voxels in every row. With one side only it is one voxel, but the border lies nearer to the click that
# came first, and falls into parts that touch at their corners.
#
# Ours marks what the plane cuts: one or two voxels of each row, in one part, centred on the plane. Swap the clicks: $n$ turns round,
# $|n \cdot (x - m)|$ stays, and the same voxels are marked.
#
# ### Far apart, close, too close
#
# How many voxels does the border take? Put two clicks a growing distance apart and count.


# %%
def pair(distance, **settings):
    """Centre map of two clicks in one plane, 2 µm between planes."""
    two_clicks = [(5, 10, 15), (5, 10, 15 + distance)]
    return centre_map((11, 21, 56), two_clicks, spacing, **settings)


for distance in (4, 8, 12, 16, 20):
    whole, cut = pair(distance, border=False), pair(distance)
    share = ((whole > 0) & (cut == 0)).sum() / (whole > 0).sum()
    print(f"{distance:2d} µm apart: {share:.1%} of the blobs is border")

# %% [markdown]
# Few, and none once the clicks are more than $2 d_m$ = 16 µm apart: both blobs have ended before they meet. Is it worth the
# trouble? The exact map has two tips even without a border. But a network never draws the exact map: its answer is smoother. Blur
# the target by 2 µm as a stand-in for that, and ask how deep the valley between the two tips is.


# %%
def blurred(distance, border):
    """The map of two clicks, blurred by 2 µm."""
    sigma = [2.0 / step for step in spacing]  # in voxels
    return ndimage.gaussian_filter(pair(distance, border=border), sigma)


def valley(distance, border):
    """How high the midpoint is, as a share of the height at a click."""
    line = blurred(distance, border)[5, 10, 15:]
    return line[distance // 2] / line[0]


# %%
apart = np.arange(2, 21, 2)
series = {
    "with border": (apart, [valley(d, True) for d in apart]),
    "without border": (apart, [valley(d, False) for d in apart]),
}
labels = {"x_label": "µm between clicks", "y_label": "midpoint / click"}
figures.show(
    figures.curves(series, **labels),
    alt="Two falling curves: below about 14 µm the one without border lies "
    "higher, above 1 at the far left; from 16 µm on both are the same",
    caption="The valley of the blurred map. Near 1 there is none; above 1 the "
    "midpoint is the higher one, and two cells have become one.",
)

# %% [markdown]
# Later, S1's map is read by its **peaks**: voxels at least as high as all around them (see [Centre regression](centre_regression.ipynb)).
# Only peaks of a certain height count, the `threshold`. Here it is low, so that we see all of them:

# %%
for distance in (2, 4, 6, 8):
    maps = blurred(distance, True), blurred(distance, False)
    found, without = (
        len(find_peaks(p, spacing, threshold=0.1)[0]) for p in maps
    )
    print(f"{distance} µm apart: {found} peaks with border, {without} without")

# %% [markdown]
# The paper expects the border to keep adjacent cells separable. Our stand-in supports a part of that. The valley is deeper for all clicks
# that are closer than $2 d_m$. The *count* changes only for the two closest pairs, up to 4 µm. Our smallest cells have a radius of 5 µm, so
# two that touch have their centres about 10 µm apart: there the valley is deeper, and both are found either way. What a trained S1 makes of
# the deeper valley, this page cannot say.
#
# How close do real nuclei come? Ask the two mouse embryos of this book:

# %% tags=["nbval-ignore-output"]
try:
    name = "mouse_embryo_fluorescence"
    embryos = data_download.load(name, progress=False)
except InputError as reason:
    embryos = [stack]
    print(f"simulated stack, because: {reason}")
for embryo in embryos:
    given = embryo.image.shape, embryo.centres, embryo.spacing
    whole, cut = centre_map(*given, border=False), centre_map(*given)
    share = ((whole > 0) & (cut == 0)).sum() / (whole > 0).sum()
    print(f"{len(embryo.centres):2d} cells: {share:.1%} of blobs is border")

# %% [markdown]
# In neither embryo does a border fall into a blob: the nuclei lie too far apart. Expect no difference on them.
#
# And when clicks are *too* close, the border turns against us. Two clicks on a line, two voxels apart, then one:

# %%
for second_click in (5, 4):
    two_clicks = [(0, 0, 3), (0, 0, second_click)]
    print(centre_map((1, 1, 9), two_clicks, (1, 1, 1))[0, 0].round(2))

# %% [markdown]
# In neighbouring voxels both tips lie on the border, and the map is 0 where it should be 1. Two cells never have centres that
# close; a double click on one cell does. Remove double clicks before training.
#
# ## Between voxels
#
# Our clicks are not whole numbers: a centroid rarely falls on the middle of a voxel. We compute $\mathcal{D}(x)$ from where the click is
# and do not round it. Rounding would move a click by up to half a voxel along each axis, and the tip with it:

# %%
whole_numbers = np.rint(stack.centres)
shift = np.linalg.norm((whole_numbers - stack.centres) * spacing, axis=1)
change = np.abs(centre_map(shape, whole_numbers, spacing) - steady).max()
print(f"rounding moves clicks by up to {shift.max():.1f} µm")
print(f"and changes p(x) by up to {change:.2f}")
tips = steady[tuple(whole_numbers.astype(int).T)]
print(f"height of the tips: {tips.min():.2f} to {tips.max():.2f}")

# %% [markdown]
# The price: no voxel is exactly at a click, so no tip reaches 1. Whoever keeps only peaks above some threshold must leave room
# for that.
#
# ## Is our function right?
#
# `centre_map` visits only the voxels near each click. Below is Equation 1 word by word: every voxel, every click, and for the border
# every corner of the voxel's box. The middle of a box is nearest to one click, its own. If a corner is nearer to another click, the border
# runs between middle and corner, so it meets the box.


# %%
def squared_distances(points):
    """µm² from points (..., 3) in voxel units to all N clicks: (..., N)."""
    offsets = (points[..., None, :] - stack.centres) * spacing
    return (offsets**2).sum(axis=-1)


voxels = np.moveaxis(np.indices(shape), 0, -1)  # (Z, Y, X, 3)
to_all = squared_distances(voxels)  # (Z, Y, X, N)
own = to_all.argmin(axis=-1)[..., None]  # (Z, Y, X, 1)
border = np.zeros(shape, dtype=bool)
for corner in np.ndindex(2, 2, 2):
    from_corner = squared_distances(voxels + np.array(corner) - 0.5)
    to_own = np.take_along_axis(from_corner, own, axis=-1)
    border |= (from_corner < to_own).any(axis=-1)

# %%
D = np.sqrt(to_all.min(axis=-1))
word_by_word = np.where(border | (D > 8.0), 0, np.exp(-2.0 * D / 8.0))
fast = centre_map(shape, stack.centres, spacing, d_m=8.0, k=2.0)
np.testing.assert_allclose(fast, word_by_word, atol=1e-6)
print("both give the same map")

# %% [markdown]
# The long way computes a distance for every pair of voxel and click, so its cost is their product. The short way looks at one box of
# width $2 d_m$ per click, however large the stack is.
#
# ## Why not a ball, why not a Gaussian?
#
# **A ball** of ones is the simplest blob. It says *where* a cell is but not where its centre is: all its voxels are equal.
# **A Gaussian** has a round top. Is the sharp tip better? Give all three the same width at half their height, add noise, and
# measure how far the highest voxel lies from the click.

# %%
z, y, x = np.mgrid[-8:9, -16:17, -16:17]  # voxels from the click
D = np.sqrt((2 * z) ** 2 + y**2 + x**2)  # µm
half = 8.0 * np.log(2) / 2  # µm, where exp(-2 D / 8) is one half
blobs = {
    "exponential": np.exp(-2 * D / 8),
    "Gaussian": 0.5 ** ((D / half) ** 2),
    "ball": (D <= half) * 1.0,
}


# %%
def miss(blob, noise):
    """Mean distance in µm from the click to the highest of noisy voxels."""
    rng = np.random.default_rng(0)
    noisy = (blob + noise * rng.normal(size=D.shape) for _ in range(200))
    return float(np.mean([D.flat[np.argmax(volume)] for volume in noisy]))


columns = {f"noise {n}": n for n in (0.05, 0.1, 0.2)}
rows = {b: {c: miss(blobs[b], n) for c, n in columns.items()} for b in blobs}
caption = "Mean distance in µm from the click to the highest voxel"
style = {"header": "blob", "decimals": 1, "lower": list(columns)}
figures.score_table(rows, caption=caption, **style)

# %% [markdown]
# With little noise the sharp tip wins, with much noise the Gaussian. The ball is always far behind. That is no proof: a
# network's errors are not independent noise, and a smooth network cannot draw a perfectly sharp tip. So the tip is a fair choice for a method that
# reads its map by local maxima, and not the only one.
#
# ## A target that is not yes or no
#
# S1 is trained with **binary cross entropy**, a loss made for targets of 0 and 1. Ours lie between. For one voxel
# with target $p$ and answer $q$ it is $-p \log q - (1 - p) \log (1 - q)$, with natural logarithms. Try all answers for three targets:

# %%
q = np.linspace(0.001, 0.999, 999)
losses = {
    p: -p * np.log(q) - (1 - p) * np.log(1 - q) for p in (1.0, 0.61, 0.14)
}
for p, loss in losses.items():
    best = loss.argmin()
    print(f"target {p}: best answer {q[best]:.2f}, loss {loss[best]:.2f}")

# %%
figures.show(
    figures.curves(
        {f"target {p}": (q, loss) for p, loss in losses.items()},
        x_label="answer q of the network", y_label="binary cross entropy",
    ),
    alt="Three curves of the loss: for target 1 it falls to zero at the "
    "right end; for 0.61 and 0.14 it is lowest at the target, well above zero",
    caption="The lowest point of each curve stands above its target. It "
    "touches zero for target 1 only.",
)

# %% [markdown]
# The best answer is right, the loss is not zero. What remains, the loss of the answer $q = p$, is the **entropy** of the target. Averaged
# over the stack it is a floor that no network can go below (`losses.entropy_floor`). We compare it with the loss of the best
# constant answer, the mean of the map in every voxel:

# %%
floors = []
for k in (1, 2, 4):
    p = torch.from_numpy(centre_map(shape, stack.centres, spacing, k=k))
    mean = torch.full_like(p, p.mean())
    perfect, flat = binary_cross_entropy(p, p), binary_cross_entropy(mean, p)
    assert torch.isclose(perfect, entropy_floor(p), rtol=1e-3)
    floors.append(f"k = {k}: perfect answer {perfect:.3f}, mean {flat:.3f}")
print("\n".join(floors))

# %% [markdown]
# So a loss that stops falling above zero may have arrived. And losses of different $k$ cannot be compared: their floors differ. Watch the loss
# minus its floor, and better still, the points that S1 finds.
#
# ## What we saw
#
# - Single voxels are too rare and too exact to learn from. Blobs are neither.
# - Distances in µm keep blobs round; voxels counted as cubes stretch them.
# - $d_m$ sets the size of a blob, $k$ its sharpness. The paper leaves both open.
# - The border deepens the blurred valley between clicks closer than $2 d_m$. Beyond that, as in our embryos, it changes nothing; in
#   neighbouring voxels it erases the tips.
# - A soft target has a floor: no answer to it has a loss of zero.
#
# ## To go further
#
# The blob has one size, whatever the cell. So S1 is never told how large a cell is; the book's other steps
# have to find out from the image. Targets that carry size, such as distances to the outline, need outlines, and those are
# what we do not have. Whether $k$, $d_m$ and the border matter for the *final* masks is a question for training runs: `centre_map` takes
# `border=False`, and `simulate.fluorescence` takes `touching=1.0` for crowded stacks.
# Equation 1 jumps from $e^{-k}$ to 0 at $d_m$: a profile that ends in 0 without a jump is easily written. What happens to its tip?
#
# ## Exercises
#
# Each answer is tried by a check, which says what is missing. Stuck? `checks.hint("centre_map", 1)` helps a little, 3 almost gives it
# away.

# %% [markdown]
# ### Exercise 1: a blob for every click
#
# Write Equation 1 without borders. `my_centre_map(shape, centres, spacing, d_m, k)` takes the shape (Z, Y, X), clicks as rows
# (z, y, x) in voxels, not always whole numbers, the spacing (z, y, x) and $d_m$ in µm. It returns an array of that shape.

# %% tags=["exercise", "hide-input"]
def my_centre_map(shape, centres, spacing, d_m=8.0, k=2.0):
    """Return p(x) of Equation 1 without borders, (Z, Y, X)."""
    ### BEGIN SOLUTION
    voxels = np.moveaxis(np.indices(shape), 0, -1) * np.array(spacing)  # µm
    clicks = np.array(centres) * spacing
    D = np.min([np.linalg.norm(voxels - c, axis=-1) for c in clicks], axis=0)
    return np.where(D <= d_m, np.exp(-k * D / d_m), 0)
    ### END SOLUTION

# %%
checks.centre_map(my_centre_map)

# %% [markdown]
# ### Exercise 2: how many planes?
#
# Predict, without running anything. One click sits in the middle of a voxel, far from the faces of the stack. In how many planes is the
# centre map of the setting below not zero?

# %% tags=["exercise", "hide-input"]
setting = {"spacing": (3.0, 0.5, 0.5), "d_m": 10.0}  # µm
my_blob_planes = None  # a whole number
### BEGIN SOLUTION
my_blob_planes = 7
### END SOLUTION

# %%
checks.blob_planes(my_blob_planes)

# %% [markdown]
# ### Exercise 3: a border between two clicks
#
# `my_voronoi_border(shape, first, second, spacing)` returns a bool array (Z, Y, X): True where the plane half way between two
# clicks meets the voxel's box. A plane that runs exactly along a face meets the boxes on both of its sides. Both clicks are (z, y, x) in
# voxels.

# %% tags=["exercise", "hide-input"]
def my_voronoi_border(shape, first, second, spacing):
    """Return where the plane between two clicks meets a voxel, bool."""
    ### BEGIN SOLUTION
    spacing = np.array(spacing)
    voxels = np.moveaxis(np.indices(shape), 0, -1) * spacing  # µm
    first, second = np.array(first) * spacing, np.array(second) * spacing
    n = (second - first) / np.linalg.norm(second - first)
    reach = 0.5 * (np.abs(n) * spacing).sum()
    return np.abs((voxels - (first + second) / 2) @ n) <= reach + 1e-9
    ### END SOLUTION

# %%
checks.voronoi_border(my_voronoi_border)

# %% [markdown]
# ### Exercise 4: break it
#
# Two clicks in neighbouring voxels lost their tips, above. How far apart can two lost clicks be? Find two clicks on whole voxels of a
# stack of 5 planes of 5 x 5 pixels, **more than 2 µm apart**, on both of which `centre_map` with its border is 0. The spacing is
# (2, 1, 1) µm.

# %% tags=["exercise", "hide-input"]
def my_lost_clicks():
    """Return two clicks [(z, y, x), (z, y, x)] in a stack of (5, 5, 5)."""
    ### BEGIN SOLUTION
    return [(2, 2, 2), (3, 3, 3)]  # diagonal neighbours, 2.4 µm apart
    ### END SOLUTION

# %%
checks.lost_clicks(my_lost_clicks)

# %% [markdown]
# ### Exercise 5: the floor of the loss
#
# `my_loss_floor(p)` returns the smallest mean binary cross entropy that any answer can reach on the target `p`, an array of any shape.
# Use NumPy only. Voxels with $p = 0$ or 1 cost nothing.

# %% tags=["exercise", "hide-input"]
def my_loss_floor(p):
    """Return the mean entropy of a soft target, one number."""
    ### BEGIN SOLUTION
    p = np.asarray(p, dtype=float)
    soft = p[(p > 0) & (p < 1)]
    entropy = -soft * np.log(soft) - (1 - soft) * np.log(1 - soft)
    return entropy.sum() / p.size
    ### END SOLUTION

# %%
checks.loss_floor(my_loss_floor)

# %% [markdown]
# ### Exercise 6: explain this picture
#
# A careless annotator made three mistakes in this plane. Find them. What will each one teach S1? A faint spot is no mistake, with
# or without an outline: its click lies in another plane.

# %%
careless = centre_map(shape, careless_clicks(stack.centres), spacing)
volumes = {"image": stack.image[part], "centre map": careless[part]}
figures.show(
    figures.panels(
        volumes, spacing, plane, labels=stack.labels[part],
        kinds={"centre map": "map"}, limits={"centre map": (0, 0.95)},
    ),
    alt="The image and a centre map with the outlines of the true cells: one "
    "cell is dark inside, one holds a spot with a dark line through it, and "
    "one spot lies on the border of two cells",
    caption="Lines: the true cells. Three cells, or pairs of cells, have the "
    "wrong spot.",
)

# %% [markdown]
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# - **A missed cell**, on the left: no spot. S1 is punished whenever it finds this cell, and learns to doubt cells that look like it.
# - **A double click**, at the bottom: two clicks on one cell, and the border between them cuts its spot in two. S1 learns to split cells.
# - **One click for two cells**, in the middle: the tip lies on the seam where both touch. S1 learns to find seams, and both cells
#   become one.
#
# One point for each mistake with what it teaches. The border helps against none of them: it trusts the clicks.
#
# </details>
