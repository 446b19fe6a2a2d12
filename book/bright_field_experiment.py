# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Bright field: from four pictures to numbers
#
# > **In this chapter**
# >
# > - **The paper shows four pictures and no number for bright field**: its cells had clicks and no outlines.
# > - **A simulator has outlines.** So the same question gets a number, a spread and a control here.
# > - **Here clicks pay.** A threshold finds next to nothing where cells are transparent.
# > - **The ball is the rival to beat.** With our scaling the paper's method is above it in IoU alone; as printed, hardly in anything.
# > - **Crowds and depth are the weak points** of the network that we look at.
# > - **A real embryo in bright field is still out of reach**: copying the labels of the frame before is a strong rival.
#
# Do four pictures show that a method works?
#
# This chapter is §4.1 of the paper and its Figure 4. Nothing is trained here, and no GPU is needed. Pictures come from a small network that the package ships, numbers from
# records that `python -m bfs_tutorial table1` wrote.

# %%
import numpy as np
from scipy import ndimage

import data_download
from bfs_tutorial import checks, explore, figures, paper, records, simulate
from bfs_tutorial.ablations import BUDGET
from bfs_tutorial.metrics import contingency_table, evaluate, more_than_half
from bfs_tutorial.pipeline import BFSNet

# %% [markdown]
# ## What the paper did
#
# The authors filmed insect cells floating in a medium, one plane after the other, and clicked roughly on each cell. These are the facts they give:

# %%
FACTS = ["cells", "microscope", "instances", "shape", "z_spacing",
         "crop_slices", "plane", "split", "results_shown"]  # fmt: skip
table = paper.facts("bright_field", FACTS)
figures.score_table(table, header="what", caption="The bright-field set, §4.1")

# %% [markdown]
# "Without instance labels in this dataset, we evaluate our results [...] qualitatively": four pictures, three good ones and one in which cells that touch have fused. The stacks
# were to be published; as far as our searches show, they are not. Pictures chosen by the authors can show what is possible. They cannot show how often.
#
# So we take cells whose outline is known: **simulated** ones, drawn by wave optics with the same planes and the same spacing (see [Bright field: seeing what is transparent](bright_field.ipynb)). Radii run
# from small to twice as large, wider than in the paper's culture, so that a method must find size and not only place.
#
# ## Four results
#
# The network below learnt from clicks on simulated stacks. It has seen none of these four. The first three are ordinary. The last holds three times as many cells, each of
# them touching another: the paper's *conglomerate*.

# %%
model = BFSNet.pretrained("bright-field")
crowd = {"number": 40, "radii": (5.0, 9.0), "touching": 1.0}
three = simulate.dataset("bright-field", 3, 6000)
stacks = dict(zip("ABC", three, strict=True))
stacks["crowded"] = simulate.dataset("bright-field", 1, 6000, **crowd)[0]

# %%
found = {
    name: figures.match_colours(model.predict(stack).labels, stack.labels)
    for name, stack in stacks.items()
}
images = {name: stack.image for name, stack in stacks.items()}
spacing = stacks["A"].spacing

# %%
outlined = {f"{name}: BFS-Net": labels for name, labels in found.items()}
twice = images | dict(zip(outlined, images.values(), strict=True))
figures.show(
    figures.panels(twice, spacing, 8, fill=0.25, labels=outlined),
    alt="Four bright-field planes, cells as faint discs with rings; below, "
    "the same with an outline in another colour around each cell. In the "
    "crowded one many outlines touch, and some cells have none",
    caption="One plane of four stacks, and what BFS-Net makes of it, from "
    "clicks alone. Our version of the paper's Figure 4.",
)

# %% [markdown]
# Many clear discs have no outline. Most of them belong to cells that lie higher or lower: their light reaches this plane, they do not. So does it look fine?
# From one plane nobody can tell.
#
# Now use what the paper did not have: the truth. Which true cells are *missed*, that is, no prediction covers more than half of them? And which predictions are *fused*:
# they cover more than half of two cells at once?


# %%
def diagnose(labels, truth):
    """Scores, and how many cells are missed or share one prediction."""
    table = contingency_table(labels, truth)
    covers = more_than_half(table)
    missed = covers.sum(axis=1) == 0
    part = 1 - table[1:, 0] / table[1:].sum(axis=1)  # of a cell, found at all
    return evaluate(labels, truth) | {
        "missed": missed.sum(), "fused": (covers.sum(axis=0) > 1).sum(),
        "least part": part[missed].min(initial=1),
    }  # fmt: skip


# %% tags=["nbval-ignore-output"]
report = {
    name: diagnose(labels, stacks[name].labels)
    for name, labels in found.items()
}
columns = {"cells": "n_truth", "predicted": "n_predicted",
           "missed": "missed", "fused": "fused"}  # fmt: skip
rows = {
    name: {"SEG": row["SEG"]} | {c: f"{row[k]:.0f}" for c, k in columns.items()}
    for name, row in report.items()
}
figures.score_table(rows, header="stack", caption="The four results in numbers",
                    decimals=2, beside=list(rows))  # fmt: skip

# %%
lost = {n: row["n_truth"] - row["n_predicted"] for n, row in report.items()}
crowded = report["crowded"]
assert min(report, key=lambda name: report[name]["SEG"]) == "crowded"
assert all(lost[name] <= 1 for name in "ABC") and lost["crowded"] > 3
assert crowded["missed"] >= 3 * crowded["fused"]
print("a part of each missed cell is found:", crowded["least part"] > 0.1)

# %% [markdown]
# The ordinary stacks have about as many predictions as cells, and still their SEG differs. In the crowded one cells are gone, as in the paper. How do they go? Few are
# fused. Of each missed cell a part is found, but the rest counts as background or as a neighbour. Look through the planes yourself.

# %% tags=["hide-input"]
PLANES = list(range(1, 16, 2))
low, high = np.percentile(np.stack(list(images.values())), (0.5, 99.8))


def grey(name, z):
    """A plane in 32 shades of grey."""
    scaled = np.clip((images[name][z] - low) / (high - low), 0, 1)
    return (np.round(scaled * 31) * 8).astype(np.uint8)


# %% tags=["hide-input"]
def tint(labels, z):
    """Instances in their colours on white, to be multiplied with a plane."""
    colours = figures.label_colours(labels)
    inside = np.ones(labels[z].shape)
    style = {"fill": 0.45, "limits": (0, 1), "colours": colours}
    return figures.overlay(inside, labels[z], **style)


# %% tags=["hide-input"]
def words_of(row):
    """The scores of one stack in a line."""
    scores = " · ".join(f"{m} {row[m]:.2f}" for m in records.METRICS)
    return f"{scores} · missed {row['missed']} · fused {row['fused']}"


def frame(name, z):
    """Image, prediction and truth in one plane."""
    image, true = {"image": grey(name, z)}, stacks[name].labels
    layers = {"BFS-Net": tint(found[name], z), "truth": tint(true, z)}
    panels = [explore.Panel(image, "image", 210)]
    panels += [
        explore.Panel(image | {key: layer}, key, 210, multiply=True)
        for key, layer in layers.items()
    ]
    return explore.Frame(panels, words_of(report[name]))


# %%
explore.explorable(
    frame, {"name": list(stacks), "z": PLANES},
    labels={"name": "stack", "z": "plane"}, start={"name": "crowded", "z": 7},
    alt=lambda name, z: f"Plane {z} of stack {name}: the image, the cells "
    "BFS-Net found in colours, and the true cells in the same colours",
    caption="Scores are those of the whole stack. A cell is missed if no "
    "prediction covers more than half of it.",
)  # fmt: skip

# %% [markdown]
# Two things to see. At the first and the last planes of a cell its prediction ends too early or too late. And where cells touch, borders wander: an outline swallows
# a piece of its neighbour.
#
# ## From the side
#
# A cell casts its shadow up and down the stack. Where does it end along z? Cut through the middle of the largest cell.

# %%
truth = stacks["A"].labels
largest = int(np.bincount(truth[truth > 0]).argmax())
y = int(np.mean(np.nonzero(truth == largest)[1]))
side = {"image": images["A"], "BFS-Net": found["A"], "truth": truth}
side = {name: np.moveaxis(volume, 1, 0) for name, volume in side.items()}
turned = (spacing[1], spacing[0], spacing[2])  # the section is (y, z, x)

# %%
figures.show(
    figures.comparison(
        side.pop("image"), side, turned, y, reference="truth", columns=1,
        title="image, x to the right, z down",
    ),
    alt="A vertical section through one cell: bright and dark columns above "
    "and below it; the predicted outline agrees with the white true one on "
    "the sides, not at top and bottom",
    caption="A vertical section. White line in the middle picture: truth.",
)  # fmt: skip

# %% [markdown]
# In this cell the outlines agree sideways and not along z. And in the others? Measure how long each cell of the ordinary stacks is in each direction, predicted and true. A voxel is
# 2 µm long along z, and 1 µm along y and x.

# %%
pairs = [(name, n) for name in "ABC" for n in np.unique(found[name])[1:]
         if (stacks[name].labels == n).any()]  # fmt: skip


def lengths(labels, number):
    """Length in µm of one instance along z, y and x."""
    box = ndimage.find_objects(labels)[number - 1]
    return [(s.stop - s.start) * d for s, d in zip(box, spacing, strict=True)]


# %% tags=["nbval-ignore-output"]
errors = np.array([
    np.subtract(lengths(found[name], n), lengths(stacks[name].labels, n))
    for name, n in pairs
])  # (cells, 3), µm
along_z, _, along_x = np.abs(errors).mean(axis=0)
print(f"mean error along z {along_z:.0f} µm, along x {along_x:.0f} µm")
assert along_z > 2 * along_x and errors[:, 0].mean() > 0

# %% [markdown]
# Along z the error is larger than sideways, and on average these cells come out too long. Does the network know how large a cell is at all? Compare the radius of each predicted cell (of the ball with its volume) with that
# of its true partner.


# %%
def radius(labels, number):
    """Radius in µm of a ball with the volume of one instance."""
    volume = (labels == number).sum() * np.prod(spacing)
    return (volume * 3 / (4 * np.pi)) ** (1 / 3)


# %%
radii = np.array([
    (radius(stacks[name].labels, n), radius(found[name], n))
    for name, n in pairs
])  # (cells, 2): true, predicted
correlation = np.corrcoef(radii.T)[0, 1]
print("radius predicted and true, correlation above 0.5:", correlation > 0.5)
too_large = (radii[:, 1] > radii[:, 0])[radii[:, 0] < 7].mean()
print("small cells mostly drawn too large:", too_large > 0.5)

# %% [markdown]
# It does, though it pulls small cells towards the usual size. A ball of one radius knows nothing of size. Keep that in mind for the table.
#
# > **Checkpoint.** At this point we have: four pictures as in the paper, the numbers that belong to them, and two weak points: crowds and depth. Four stacks are still four. The
# > table has more, with other networks.
#
# ## The table the paper could not print
#
# Every row on the same held-out stacks, every seed with stacks and networks of its own. Three rows need a word before you meet them:
#
# - **Boundary loss at its best**: the form that we settled on. In bright field it is a mean over voxels, as in the paper, with edges divided by their spread, a narrower σ and a larger λ.
# - **Star-convex labels + S2**: from each click, rays look for the steepest fall of brightness. A smooth outline through them is what S2 learns from, in place of pseudo labels.
# - **S1 + star-convex search, no S2**: the same search on the test stack, from the centres that S1 finds.
#
# [Beyond the paper](beyond_the_paper.ipynb) builds the search, on a picture of phase in which cells are bright in their own plane only.

# %%
SHOWN = ["threshold", "voronoi-otsu", "ball", "pseudo", "class",
         "full-printed", "full", "ours", "ours-x2", "star", "supervised",
         "supervised-x2", "qcanet", "mask-rcnn"]  # fmt: skip
DATA = "simulated-bright-field"
METRICS = list(records.METRICS)
simulated = records.load(DATA, rows=SHOWN)
LAMBDA = simulated["full"][0]["settings"][0]["boundary_weight"]
BEST = f"'at its best': the loss with scaled edges and λ = {LAMBDA:g}"


# %%
SHORT = {"masks, to choose two or three settings": "masks, for settings",
         "points, and masks for one radius": "points, one radius"}  # fmt: skip


def table(found, caption):
    """Scores with their spread over seeds, and what each row was shown."""
    rows = records.summary(found)
    (number,) = {len(runs) for runs in found.values()}  # the same for all
    for runs in found.values():
        shown = runs[0]["annotation"]
        rows[runs[0]["title"]]["shown"] = SHORT.get(shown, shown)
    caption = f"{caption}; mean ± standard deviation of {number} seeds; {BEST}"
    return figures.score_table(rows, ["shown", *METRICS], caption=caption)


# %%
table(simulated, "Simulated bright field, held out")

# %%
bold = [simulated[row][0]["title"] for row in ("ball", "full", "ours")]
drawn = {row: runs for row, runs in simulated.items() if "x2" not in row}
figures.show(
    figures.bars(records.seed_means(drawn), highlight=bold),
    alt="Bars in three panels: threshold methods near zero; ball, pseudo "
    "labels and the paper's rows in the middle; star-convex labels and the "
    "fully supervised rows highest",
    caption="The same as bars, a dot for each seed. In blue: the control, the "
    "paper's method, and S2 taught by star-convex labels.",
)

# %% [markdown]
# From the top:
#
# - **Thresholds fail.** There is no grey value that means "cell". This is where bright field and fluorescence part, and where clicks are worth their price.
# - **The ball is strong.** It uses S1's centres, which are nearly all right, and one radius read off masks. All of its score is detection plus a typical size.
# - **Pseudo labels alone** stand where the ball stands. They are read off S1, too.
# - **The paper's rows** stand close to both: some seeds above, some hardly. The loss as printed is $\mathcal{L}_{class}$ once more.
# - **Star-convex labels** use the same clicks and teach the same S2. They gain most.
# - **The search without S2** stands higher still: on the test stack itself, with no second network to blur what it found.
# - **Full masks**, at the same number of steps, are no better than star-convex labels. With twice the steps for both they are level within the spread, and about level
#   with the search.
# - **QCANet and Mask R-CNN**, small versions of two methods that need full masks, stand on either side of the same U-Net.
#
# Which of these steps are more than luck? As in the next chapter, which says more about it: paired differences on the same stacks and seeds, drawn again ten thousand times. The interval is the middle
# of these draws; if it holds zero, the sign is not settled. With three seeds it is too narrow: read one that leaves out zero as "worth repeating". Steps between two rows with an S2 change one
# thing, its labels or its loss.

# %%
ORDER = {"ball → L_class": ("ball", "class"),
         "ball → as printed": ("ball", "full-printed"),
         "ball → at its best": ("ball", "full"),
         "pseudo labels → L_class": ("pseudo", "class"),
         "L_class → as printed": ("class", "full-printed"),
         "L_class → at its best": ("class", "full"),
         "L_class → star labels": ("class", "ours"),
         "star labels → search, no S2": ("ours", "star"),
         "star labels → full masks": ("ours", "supervised"),
         "the same, twice the steps":
             ("ours-x2", "supervised-x2")}  # fmt: skip
steps = records.steps(simulated, ORDER)
seeds, number = records.per_stack(simulated["full"], "SEG").shape

# %%
figures.show(
    figures.intervals(steps, x_label="gain from the first to the second"),
    alt="Gains with intervals for ten steps: the steps of the paper are "
    "small, several hold zero; the step to star-convex labels is the largest",
    caption=f"Mean paired difference and {records.INTERVAL:.0%} bootstrap "
    f"interval, {seeds} seeds × {number} stacks. Blue: above zero; orange: "
    "below; grey: not settled.",
)

# %%
paths = [name for name in steps if not name.startswith("ball")]
largest_step = max(paths, key=lambda name: steps[name]["IoU"][0])
print("the largest gain in IoU:", largest_step)
words = records.in_words(steps)
figures.score_table(words, METRICS, header="step", caption="The same in words")

# %% [markdown]
# $\mathcal{L}_{class}$ and the loss as printed have means that differ in the third digit only. Yet from the ball to them one interval in IoU just holds zero and the other just does not: a case for caution.
#
# The boundary loss, the paper's main idea, gains a little here, far less than on fluorescent nuclei; as printed, nothing. [The boundary loss](boundary_loss.ipynb) shows why: the Laplacian of a transparent cell is strong in the whole column above and below it,
# so it marks the rim sideways and says little along z.
#
# ## One choice at a time
#
# Each panel changes one setting of the row "at its best", on simulated validation stacks that are not those of the table. Training is shorter, and each point is one
# seed, so believe a fall to nothing, and not a small step.

# %%
CHOICES = {"λ": "lambda", "σ": "sigma", "scale of the edges": "scale",
           "kind of edge": "edge", "reduction": "reduction",
           "cut of a response": "response-threshold",
           "cut of S2's mask": "mask-threshold",
           "density": "density"}  # fmt: skip
series, units = records.ablations(CHOICES, DATA)

# %%
figures.show(
    figures.sweeps(series, units=units, limits=(0, 2.4)),
    alt="Small panels of scores and volume: against λ, σ, scale of the "
    "edges, LoG or gradient, mean or ratio, two thresholds, and density",
    caption=f"One seed, {BUDGET:.0%} of the table's steps; λ = {LAMBDA:g} but "
    "in the first panel. Volume: that of the masks, divided by the true one.",
)

# %%
ranges = records.best_and_worst(series)
figures.score_table(
    ranges, header="choice", beside=list(ranges), decimals=2,
    caption="Validation stacks: what each choice can win or lose",
)  # fmt: skip

# %% [markdown]
# - **λ**: as a mean, the loss rewards short outlines. That helps where masks are too large. Watch the volume: here they are too small already, and the loss costs. In the
#   table the same λ gained, with twice the steps and more stacks; no volume was kept there, so why the sign turns is open. The
#   panels after it have the λ at its right end, so most of them start from masks that are too small.
# - **σ**: a wide Gaussian smears one cell's rings over the next cell.
# - **Scale**: without one the weight is flat, and at so large a λ shrinking ends with an empty mask. The scale around each voxel fares no better.
# - **Edge**: LoG and gradient both see the rings, in focus and out of focus. Neither knows the plane.
# - **Reduction**: at this λ the ratio ends with an empty mask, too.
# - **Cut of a response**, for the pseudo labels alone: it decides how large all cells are. Points cannot tell; validation stacks with known outlines did.
# - **Cut of S2's mask**: the usual cut is one half. A lower one wins back volume that the loss took.
# - **Density**: what the fourth picture shows, as a curve. More cells, more shadows on each other.
#
# ## A real one: an embryo in bright field
#
# The only real bright-field stacks with labels that we could find in public show a mouse embryo (the FL2-Net repository). It is a hard case for this method: nuclei lie inside cells,
# inside an embryo, and everything bends light. Three frames of one film, a few minutes apart. We train on the clicks of the first two and test on the third. Two warnings:
#
# - **The labels are not manual truth.** They are the stored output of another network, FL2-Net. A score says how alike two programs are.
# - **Neighbouring frames are alike.** So the control does not look at any image: it hands in the labels of the frame before.

# %%
ROWS = ["copy", "threshold", "voronoi-otsu", "ball", "pseudo", "full",
        "star", "supervised"]  # fmt: skip
embryo = records.load("embryo-bright-field", rows=ROWS)
table(embryo, "Mouse embryo in bright field, third frame, against FL2-Net's "
      "stored labels")  # fmt: skip

# %%
seg = {row: records.mean_and_spread(runs, "SEG")[0]
       for row, runs in embryo.items()}  # fmt: skip
for control in ("copy", "ball"):
    better = [row for row in seg if seg[row] > seg[control]]
    print(f"above {control!r} in SEG:", ", ".join(better) or "none")

# %% [markdown]
# Read each row against the control. A method that does not beat the copy has not shown that it uses the image; one that does has shown it on one frame of one embryo. Among the rows that look
# at the image, full masks are highest, and that is low itself: two frames are little. S2, trained on two frames, falls below
# the blobs it was trained on. And the search, so far ahead on simulated cells, has collapsed: it was made for round cells that float in a
# clear medium, and nuclei in an embryo are neither. **We claim no quality from this table.** It shows that the programme runs on real bright field, and how far the way still is.
#
# The repository states no licence, so this book shows none of its pixels. If you have downloaded it, the next cell shows you the last frame, with the stored labels of the frame before in colour and its own in white.

# %% tags=["nbval-skip", "skip-execution"]
name = "mouse_embryo_bright_field"
if data_download.is_available(name):
    *_, before, last = data_download.load(name, progress=False)
    drawn = {"frame before": before.labels, "this frame": last.labels}
    display(figures.show(  # noqa: F821
        figures.comparison(last.image, drawn, last.spacing,
                           reference="this frame"),
        alt="A plane of the embryo with the labels of two neighbouring frames",
    ))  # fmt: skip
else:
    print(f"first: python -m data_download {name}")

# %% [markdown]
# ## What we saw
#
# - Four good pictures are compatible with a method that a ball would nearly match. Only numbers tell.
# - Transparent cells defeat thresholds, so clicks are worth more here than in fluorescence.
# - Crowds and depth are where our network fails; the paper's fourth picture is honest about the first.
# - The boundary loss adds little in the table and costs on the validation stacks; why is open. Better labels from the same clicks add more.
# - On a real embryo nothing here is good, and without the copied frame one could have thought otherwise.
#
# ## To go further
#
# A culture of SF-9 cells, clicked, with a few stacks outlined in three dimensions by hand, would settle more than this whole chapter. FL2-Net's full set has manual truth for many embryos; its README names
# the download. Our simulator has no dust, no dividing cells and no tilt: a network that has only seen it should be tried on your own stacks before it is believed.
#
# ## Exercises
#
# Two are checked on inputs of their own, so no record and no network is needed. `checks.hint("plane_cost", 1)` gives a hint, 2 and 3 say
# more.

# %% [markdown]
# ### Exercise 1: what one plane costs
#
# Write `my_plane_cost(labels, truth, planes=1)`. Both are whole-number arrays (Z, Y, X), 0 is background. Move the whole prediction down by
# `planes` (0 or more, fewer than Z), towards larger z. Empty planes enter at the top, and what leaves the stack at the bottom is gone.
# Return SEG before minus SEG after: positive if the move costs. `evaluate(labels, truth)["SEG"]` may be used.
# Then try `my_plane_cost(found["A"], truth)`: how many planes of error can a good score bear?

# %% tags=["exercise", "hide-input"]
def my_plane_cost(labels, truth, planes=1):
    """SEG that is lost when a prediction moves down by some planes."""
    ### BEGIN SOLUTION
    moved = np.zeros_like(labels)
    moved[planes:] = labels[: len(labels) - planes]
    before, after = (evaluate(x, truth)["SEG"] for x in (labels, moved))
    return before - after
    ### END SOLUTION


# %%
checks.plane_cost(my_plane_cost)

# %% [markdown]
# ### Exercise 2: above the control, every time
#
# A mean over seeds can be above the control because of one lucky seed. Write `my_above_control(found, control, metric)`. `found` has the
# form of `embryo` above: for each row a list of records, one a seed. A record is a dictionary; `record["seed"]` is its seed, and
# `record["stacks"][name][metric]` one score. All rows have the same seeds, but not always in the same order. Return the *set* of rows whose
# mean over stacks is above that of the control in **every** seed. Equal is not above.

# %% tags=["exercise", "hide-input"]
def my_above_control(found, control, metric):
    """The rows that beat the control in every seed, as a set."""
    ### BEGIN SOLUTION
    means = {}
    for row, runs in found.items():
        means[row] = {
            run["seed"]: np.mean([s[metric] for s in run["stacks"].values()])
            for run in runs
        }
    least = means[control]
    return {row for row, own in means.items()
            if all(own[seed] > least[seed] for seed in least)}  # fmt: skip
    ### END SOLUTION


# %%
checks.above_control(my_above_control)

# %% [markdown]
# ### Exercise 3: explain
#
# Look at the embryo table again. Suppose the test frame came from another embryo at the same stage. Which row would change most, and which
# rows hardly at all? What would you then compare the networks with?
#
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# The copy falls most: its labels sit where other nuclei were, in another embryo. The thresholds hardly change; they are near zero
# already. The networks probably fall too, since two frames of one film taught them one embryo, its light and its places. The control
# that is left is the ball. A point for the copy with its reason, one for the networks, one for naming the ball. Answers that say "the
# networks do not change" forget that neighbouring frames are alike for training, too.
#
# </details>
