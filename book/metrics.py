# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Metrics: what a good score means
#
# > **In this chapter**
# >
# > - **Three numbers, three questions.** IoU asks about voxels, SEG about true cells, MUCov about predicted cells.
# > - **One table of counts** holds all that is needed for the three.
# > - **Half a cell is a cliff.** A prediction that covers half of a cell or less counts as nothing.
# > - **A good IoU can be had without finding cells**, where cells are bright.
# > - **A column that falls can tell more than one that rises**: we read Table 1 of the paper with this in mind.
#
# Two methods outline the same cells. Which one is better, and better at what?
#
# This chapter is §4.2 of the paper. No GPU is needed and nothing is trained.

# %%
import numpy as np

from bfs_tutorial import (
    baselines,
    checks,
    explore,
    figures,
    metrics,
    paper,
    simulate,
)
from bfs_tutorial.metrics import evaluate

# %% [markdown]
# ## One cell
#
# A cell is a set of voxels. Draw a true cell of 10 × 10 voxels and a predicted one that is moved by two voxels. Count what they share, and what
# they cover together.

# %%
SHAPE = (1, 26, 60)  # (Z, Y, X): one plane, so that everything is seen


def box(left, width=10, top=8, height=10):
    """Mask of a rectangle in a plane of SHAPE."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[0, top : top + height, left : left + width] = True
    return mask


G, P = box(10), box(12)
print(f"shared {(G & P).sum()}, together {(G | P).sum()}")
print(f"shared / together = {(G & P).sum() / (G | P).sum():.2f}")

# %% [markdown]
# This ratio is the **intersection over union** of two sets,
#
# $$J(G, P) = \frac{|G \cap P|}{|G \cup P|},$$
#
# where $|\cdot|$ counts voxels, $\cap$ is "in both" and $\cup$ "in either". It is 1 for equal sets and 0 for sets that share nothing.
#
# > **Same thing, other names.** $J$ is the *Jaccard index*. *Dice*, or *F1 of voxels*, is $2J/(1+J)$: a larger number for the
# > same picture, so check which one a paper prints.
#
# In three dimensions $J$ is harsher than it looks. Take a ball of 8 µm radius and draw it too small or too large:


# %%
def ball(radius, x=20, shape=(21, 41, 41)):
    """Labels of one ball in a volume of 1 µm voxels."""
    return baselines.balls(shape, [(10, 20, x)], (1, 1, 1), radius)


truth = ball(8)
for radius in (6, 7, 8, 9, 10):
    iou = evaluate(ball(radius), truth)["IoU"]
    print(f"radius {radius:2d} µm: J = {iou:.2f}")

# %% [markdown]
# One micrometre, a single voxel all around, costs about a third. Most voxels of a small ball lie near its surface. So do not read
# 0.7 as "a bad outline": it may be one voxel off.
#
# ## Many cells: one table
#
# With many cells, someone must say which prediction belongs to which cell. Take three true cells and four predictions. Cells are numbered
# from 1 on, and 0 is the background.

# %%
truth = 1 * box(2) + 2 * box(14) + 3 * box(38)
labels = 1 * box(3) + 2 * box(17) + 3 * box(29, 6) + 4 * box(50, 6)
figures.show(
    figures.comparison(
        0.35 * (truth > 0), {"truth": truth, "prediction": labels}, (1, 1, 1),
        title="three cells", reference="truth", limits=(0, 1),
    ),
    alt="Three squares; the same in colour; a prediction in which the first "
    "two squares are shifted to the right, the third is not covered, and two "
    "narrow boxes stand on the ground",
    caption="White: a true cell where it is not filled. Two cells are found, "
    "shifted by one and by three voxels. The third is missed, and two boxes "
    "are invented. Colours are numbers: those of both sides need not agree.",
)  # fmt: skip

# %% [markdown]
# All that we need can be read from one table, the **contingency table**. Its entry $n_{ij}$ counts the voxels that lie in true cell $i$ and in
# predicted cell $j$. Row 0 and column 0 are the background.

# %%
table = metrics.contingency_table(labels, truth)
print(table)

# %% [markdown]
# The second row is the first cell: 90 of its voxels are in the first prediction, 10 are in none. The sum of a row is the size of a true cell, the sum of a
# column that of a prediction. So we get $J$ for every pair of a cell and a prediction:

# %%
overlap = table[1:, 1:]  # (true, predicted)
true_sizes, sizes = table.sum(axis=1)[1:], table.sum(axis=0)[1:]
J = overlap / (true_sizes[:, None] + sizes - overlap)
covers = overlap > true_sizes[:, None] / 2  # more than half of a true cell
print(J.round(2))

# %% [markdown]
# A row of this table is a true cell, a column a prediction. The three metrics are three ways to read it:

# %%
iou = overlap.sum() / (table.sum() - table[0, 0])  # of all cells as one
seg = (J * covers).sum(axis=1).mean()  # a mean over true cells
best, every = J.argmax(axis=0), np.arange(len(sizes))
mucov = (J * covers)[best, every].mean()  # a mean over predicted cells
print(f"IoU {iou:.2f}, SEG {seg:.2f}, MUCov {mucov:.2f}")

# %% [markdown]
# - **IoU**: are these voxels cell or not? It does not look at whose they are.
# - **SEG** (Maška et al. 2014, the Cell Tracking Challenge): for each *true* cell, the $J$ of the prediction that covers more than
#   half of it, 0 if there is none; then the mean. A missed cell costs.
# - **MUCov**: for each *predicted* cell, the true cell with which its $J$ is best, and that $J$ if more than half of this true cell is covered,
#   otherwise 0; then the mean. An invented cell costs.
#
# `metrics.evaluate` gives the same numbers:

# %%
scores = evaluate(labels, truth)
ours = [scores[name] for name in ("IoU", "SEG", "MUCov")]
np.testing.assert_allclose(ours, [iou, seg, mucov])
print("the same, by the package:", *(f"{value:.2f}" for value in ours))

# %% [markdown]
# ## Every mistake has its column
#
# Six predictions for the same three cells, each with one mistake:

# %%
truth = 1 * box(2) + 2 * box(13) + 3 * box(38)
mistakes = {
    "perfect": truth,
    "one missed": truth * (truth != 3),
    "one invented": truth + 4 * box(50, width=8),
    "two merged": 1 * (box(2) | box(13)) + 3 * box(38),
    "one split 6 : 4": truth + 3 * box(44, width=4),
    "one split 5 : 5": truth + 3 * box(43, width=5),
    "one too small": 1 * box(2) + 2 * box(13) + 3 * box(39, 7, 9, 7),
}

# %%
style = {"title": "three cells", "reference": "perfect", "limits": (0, 1)}
plain = 0.35 * (truth > 0)
figures.show(
    figures.comparison(plain, mistakes, (1, 1, 1), 0, columns=3, **style),
    alt="Eight small pictures of three squares: as they are, and with a "
    "square missing, one added, two joined, one cut in two unequal parts, in "
    "two halves, and one drawn too small",
    caption="One mistake at a time. White lines show a true cell where the "
    "prediction does not fill it.",
)

# %%
rows = {name: evaluate(labels, truth) for name, labels in mistakes.items()}
names = ["IoU", "SEG", "MUCov", "coverage"]
caption = "The metrics of the paper for each mistake, and coverage"
style = {"header": "mistake", "decimals": 2, "beside": list(rows)}
figures.score_table(rows, names, caption=caption, **style)

# %% [markdown]
# Read it by columns.
#
# - **IoU** sees neither the merge nor the splits. Only voxels that are gained or lost move it.
# - **SEG** sees what is missing and is blind to what is invented.
# - **MUCov** sees what is invented and is blind to what is missing.
# - **A merge**: the giant covers more than half of both cells, so SEG counts it twice, each time with a low $J$. For MUCov it is one bad
#   prediction of two.
# - **The last three rows** show the rule that we look at next. After a split of 6 : 4 one piece covers more than half of its cell. After 5 : 5 neither does, nor
#   does a cell that is drawn too small: then this cell counts 0. The other two cells are right, so SEG stops at two thirds.
# - **Coverage** is SEG without this rule: for each true cell the best $J$ of all predictions. Half a cell scores a half.
#
# > **Checkpoint.** At this point we have: three numbers from one table, and a list of the mistakes that each of them can and
# > cannot see. No single column is enough.
#
# ## More than half
#
# Why "more than half of the true cell"? Because at most one prediction can do that. So each true cell has one partner at most, and nobody
# has to search for the best pairs. The price is a cliff. Let a ball shrink:

# %%
radii = np.arange(5, 10.01, 0.05)
runs = [evaluate(ball(radius), ball(8)) for radius in radii]

# %%
series = {n: (radii, [run[n] for run in runs]) for n in ("coverage", "SEG")}
words = "predicted radius in µm, the true one is 8"
figures.show(
    figures.curves(series, x_label=words, y_label="score"),
    alt="Two curves that rise to 1 at 8 µm and fall beyond; from four "
    "fifths of that on they are one, below SEG is 0 while coverage falls gently",
    caption="One predicted ball of changing size. Where it covers half of "
    "the true one or less, SEG is 0, though its outline is fair: a cliff.",
)

# %%
alive = [radius for radius, run in zip(radii, runs, strict=True) if run["SEG"]]
print(f"SEG is above 0 from a radius of {min(alive):.2f} µm on, of 8 µm")
print(f"half the volume is {0.5 ** (1 / 3):.0%} of the radius")

# %% [markdown]
# A ball with less than four fifths of the right radius scores zero, in SEG and in MUCov. The other side has no cliff: a prediction
# that is too large still covers all of its cell. When a score jumps between two runs, look at the sizes before you look for reasons.
#
# ## Drag a ball
#
# Two true balls touch. The prediction of the left one is yours to move and to resize. Choose what is predicted elsewhere.

# %%
room, left, right = (21, 34, 56), (10, 17, 19), (10, 17, 35)  # voxels of 1 µm


def balls(*points, radius=8):
    """Mask of balls in the room."""
    return baselines.balls(room, points, (1, 1, 1), radius) > 0


two_balls = np.where(balls(left), 1, 2 * balls(right))

# %%
elsewhere = {
    "right cell": 2 * balls(right),
    "nothing": 0 * two_balls,
    "one too many": 2 * balls(right) + 4 * balls((10, 6, 50), radius=5),
}


# %%
def frame(shift, radius, rest):
    """Draw the middle plane, truth in grey and prediction in colour."""
    moved = balls((10, 17, 19 - shift), radius=radius)
    labels = np.where(moved, 1, elsewhere[rest])
    grey = 0.45 * (two_balls[10] > 0)
    style = {"fill": 0.3, "zoom": 8, "limits": (0, 1)}
    picture = figures.overlay(grey, labels[10], **style)
    scores = evaluate(labels, two_balls)
    shown = (f"{name} {scores[name]:.2f}" for name in ("IoU", "SEG", "MUCov"))
    return picture, ", ".join(shown)


# %%
explore.explorable(
    frame,
    {
        "shift": [0, 1, 2, 4, 6, 9, 12],
        "radius": [5, 6, 7, 8, 9, 11],
        "rest": list(elsewhere),
    },
    start={"shift": 2, "radius": 8}, units={"shift": "µm", "radius": "µm"},
    labels={"rest": "elsewhere"},
    alt=lambda shift, radius, rest: "Two touching true balls in grey. A "
    f"predicted ball of radius {radius} µm, {shift} µm left of the left one; "
    f"predicted elsewhere: {rest}",
    caption="Truth in grey, predictions in colour, the middle plane of a "
    "volume. The scores are those of the whole volume.",
)

# %% [markdown]
# Three things to try. Shrink the radius from 7 to 6 µm: SEG and MUCov fall off the cliff, IoU only slips. Then lay the ball exactly
# on its cell: without the right cell SEG halves and MUCov stays at 1; with an invented one MUCov falls and SEG stays.
#
# ## Two measures, almost one name
#
# The paper cites Silberman et al. 2014 for MUCov. Their *coverage* is a mean over the *true* cells: how well is each covered by its
# best prediction? The numbers in the paper's table come from the protocol of QCANet (Tokuoka et al. 2020), whose tool takes the mean
# over the *predictions*. The two look in opposite directions. One scene tells them apart: all cells right, and as many invented.

# %%
true_boxes = 1 * box(2) + 2 * box(16)
four_boxes = true_boxes + 3 * box(30) + 4 * box(44)
for name, found in (
    ("two invented", evaluate(four_boxes, true_boxes)),
    ("two missed", evaluate(true_boxes, four_boxes)),
):
    coverage, mucov = found["coverage"], found["MUCov"]
    print(f"{name}: coverage {coverage:.2f}, MUCov {mucov:.2f}")

# %% [markdown]
# They swap places. The paper describes MUCov as a sign of the absence of false positives. That fits the mean over predictions, and
# this book uses the names so: MUCov goes through the predictions, coverage through the true cells.
#
# ### When there is nothing
#
# A mean over nothing is not a number. Ours is 1 when the other side is empty too, and 0 otherwise: an empty prediction of
# an empty plane is right.

# %%
nothing = np.zeros(SHAPE, dtype=int)
cases = {
    "nothing there, nothing predicted": (nothing, nothing),
    "two cells, nothing predicted": (nothing, true_boxes),
    "nothing there, two predicted": (true_boxes, nothing),
}
rows = {name: evaluate(*case) for name, case in cases.items()}
style = {"header": "case", "decimals": 0, "beside": list(rows)}
figures.score_table(rows, names[:3], caption="Empty cases", **style)

# %% [markdown]
# ## Why IoU says little on bright nuclei
#
# In fluorescence, nuclei are bright and the ground is dark. A threshold finds the voxels, without a network and without a click. Take
# three simulated stacks and two methods. The first is a threshold alone: all its voxels are called *one* cell. The second divides them
# by a watershed, which cuts at the necks between cells (see [Instances](instances.ipynb)).


# %%
def mean_scores(modality, method):
    """Mean of the scores of one method over three simulated stacks."""
    stacks = simulate.dataset(modality, 3, seed=0)
    runs = [evaluate(method(s, modality), s.labels) for s in stacks]
    return {n: float(np.mean([run[n] for run in runs])) for n in names[:3]}


# %%
def one_mask(stack, modality):
    signal = baselines.cell_signal(stack.image, stack.spacing, modality)
    return baselines.bright_mask(signal).astype(int)


def watershed(stack, modality):
    return baselines.threshold_watershed(stack.image, stack.spacing, modality)


# %%
methods = {"threshold, one label": one_mask, "threshold, watershed": watershed}
rows = {
    f"{modality}: {name}": mean_scores(modality, method)
    for modality in ("fluorescence", "bright-field")
    for name, method in methods.items()
}

# %%
style = {"decimals": 2, "beside": list(rows)}
caption = "Mean over three simulated stacks"
figures.score_table(rows, names[:3], caption=caption, **style)

# %% [markdown]
# In fluorescence both rows have the same IoU to two digits. One of them found cells, the other found that some voxels are bright, and only SEG
# and MUCov know the difference. In bright field all columns are low. There a threshold already fails at the voxels, so a good IoU has to be earned.

# %% [markdown]
# ## Table 1 of the paper, read again
#
# These are the paper's own numbers on BBBC050, fluorescent nuclei of mouse embryos. The first two methods learn from full masks, the other three from points.
# *Pseudo labels* are the rough masks that S1 yields (see [Peak response](peak_response.ipynb)). $\mathcal{L}_{class}$ alone teaches S2 with these.
# $\mathcal{L}_{FL}$ adds [the boundary loss](boundary_loss.ipynb).

# %%
published = paper.table_1()
columns = ["IoU", "SEG", "MUCov"]
caption = "Table 1 of the paper; the best of each column is bold"
figures.score_table(published, columns, caption=caption, decimals=3)

# %%
figures.show(
    figures.bars(published, highlight=[n for n in published if "BFS" in n]),
    alt="Bars of five methods in three panels: the full BFS-Net is best of "
    "the three trained on points in IoU and in SEG, but in MUCov it stands "
    "below the one without the boundary loss",
    caption="The same as bars. Look at the two blue rows: the lower one, "
    "with the boundary loss, is longer in IoU and SEG and shorter in MUCov.",
)

# %% [markdown]
# **The 86.2 %.** The paper writes that it reaches "86.2% IoU performance" of QCANet. No column holds such a number. It is a ratio of two entries:

# %%
full, best = published["BFS-Net, L_class + L_FL"], published["QCANet"]
for name in columns:
    ratio = full[name] / best[name]
    print(f"{name}: {full[name]:.3f} / {best[name]:.3f} = {ratio:.1%}")

# %% [markdown]
# So the IoU is 0.643, and in the two columns that look at cells the share is lower. IoU is also the column in which a bare threshold did well on our simulated
# stacks.
#
# **MUCov falls when $\mathcal{L}_{FL}$ is added**, from 0.506 to 0.473, while SEG rises. The paper says "the result gets improves further in terms of
# segmentation alignment" and does not mention the fall. What can it mean? Here a small fact helps.
# In one stack with $N_G$ true and $N_P$ predicted cells,
#
# $$N_P \cdot \mathrm{MUCov} \le N_G \cdot \mathrm{SEG}.$$
#
# Each term on the left that is not zero is the $J$ of a prediction and a true cell of which it covers more than half. A true cell has
# at most one such prediction, so no two terms share a true cell, and each appears in the sum on the right. We try to break it with random labels:

# %%
rng = np.random.default_rng(0)
for _ in range(500):
    truth, labels = rng.integers(0, 4, size=(2, 1, 3, 5))
    s = evaluate(labels, truth)
    assert s["n_predicted"] * s["MUCov"] <= s["n_truth"] * s["SEG"] + 1e-9
print("held in 500 random cases")

# %% [markdown]
# Divide: $N_P / N_G \le \mathrm{SEG} / \mathrm{MUCov}$. So **wherever MUCov is larger than SEG in a stack, there are fewer predictions than cells**: some
# are missed or merged. Table 1 holds means over stacks, and from means it follows for at least one stack. In which rows is MUCov larger?

# %%
for name, row in published.items():
    fewer = row["MUCov"] > row["SEG"]
    print(f"{name:26s} MUCov above SEG: {fewer}")

# %% [markdown]
# So without $\mathcal{L}_{FL}$ some cells were missed or merged. Suppose that with it lost cells come back, with outlines poorer than most: each
# raises SEG and lowers MUCov. That would explain the fall, but not that MUCov ends *below* SEG. If every prediction matches a cell of its
# own, MUCov is at least SEG. So somewhere predictions match nothing, or one covers two cells. The table cannot say how many. $N_P$ and
# $N_G$ could, but the paper does not print them. [Fluorescence](fluorescence_experiment.ipynb) tries it on a result of ours and prints the
# number of predictions for some runs.
#
# ## What we saw
#
# - IoU counts voxels, SEG asks for missed cells, MUCov for invented ones. One contingency table gives all three.
# - Splits and merges are invisible to IoU. A threshold can have a good IoU and no cell.
# - In three dimensions, for a ball of 8 voxels radius, one voxel all around costs about a third of $J$.
# - A prediction that covers half of its cell or less scores zero in SEG and MUCov.
# - In one stack, MUCov above SEG means fewer predictions than cells.
# - The paper's 86.2 % is a ratio of two IoUs; the IoU itself is 0.643.
#
# ## To go further
#
# None of the three says *where* an outline is wrong. Distances between surfaces in µm do, and average precision over several thresholds of $J$ replaces
# one cliff by many small steps. Few stacks have few cells: give the spread over stacks, and over seeds, beside each mean.
# And no metric is better than its truth. Two experts who outline the same nuclei will not agree in every voxel.
#
# Replace the rule "more than half of the true cell" by $J > 0.5$: which rows of the table of mistakes change? And for which scenes is
# $N_P \cdot \mathrm{MUCov} = N_G \cdot \mathrm{SEG}$ exactly?
#
# ## Exercises
#
# A check tries your answer on small rows of voxels and draws the first one that goes wrong. `checks.hint("seg", 1)` gives a hint, 2 and
# 3 say more.

# %% [markdown]
# ### Exercise 1: SEG
#
# Write `my_seg(labels, truth)` with NumPy alone. Both are whole-number arrays of one shape (Z, Y, X), 0 is background, and the numbers
# of the cells can be any. Return the mean over the true cells of $J$ with the one prediction that covers more than half of the cell, and
# 0 for a cell that has none. There is at least one true cell.

# %% tags=["exercise", "hide-input"]
def my_seg(labels, truth):
    """Mean over true cells of J with the prediction that covers it."""
    ### BEGIN SOLUTION
    scores = []
    for number in np.unique(truth[truth > 0]):
        cell = truth == number
        counts = np.bincount(labels[cell])
        counts[0] = 0  # background is no partner
        partner = counts.argmax()
        shared = counts[partner]
        together = cell.sum() + (labels == partner).sum() - shared
        scores.append(shared / together if shared > cell.sum() / 2 else 0)
    return np.mean(scores)
    ### END SOLUTION


# %%
checks.seg(my_seg)

# %% [markdown]
# ### Exercise 2: MUCov
#
# Now from the other side: `my_mucov(labels, truth)`. For each *predicted* cell find the true cell with which its $J$ is best. It scores this $J$ if
# it covers more than half of that true cell, otherwise 0. Return the mean over the predicted cells; there is at least one.

# %% tags=["exercise", "hide-input"]
def my_mucov(labels, truth):
    """Mean over predicted cells of the best J with a cell they cover."""
    ### BEGIN SOLUTION
    scores = []
    for number in np.unique(labels[labels > 0]):
        found, best = labels == number, (0.0, False)
        for other in np.unique(truth[found & (truth > 0)]):
            cell = truth == other
            shared = (found & cell).sum()
            iou = shared / (found | cell).sum()
            best = max(best, (iou, shared > cell.sum() / 2))
        scores.append(best[0] * best[1])
    return np.mean(scores)
    ### END SOLUTION


# %%
checks.mucov(my_mucov)

# %% [markdown]
# ### Exercise 3: break IoU
#
# Write `my_blind_iou()`, without arguments. It returns a pair `labels, truth`, arrays of one shape (Z, Y, X) with at most 100 voxels,
# for which IoU is 1 and SEG is 0. One true cell is enough.

# %% tags=["exercise", "hide-input"]
def my_blind_iou():
    """Return labels and truth with IoU 1 and SEG 0."""
    ### BEGIN SOLUTION
    truth = np.ones((1, 4, 4), dtype=int)
    labels = truth.copy()
    labels[:, :, 2:] = 2  # two halves, and neither is more than half
    return labels, truth
    ### END SOLUTION


# %%
checks.blind_iou(my_blind_iou)

# %% [markdown]
# ### Exercise 4: predict, then see
#
# Somebody adds one object to a prediction, on voxels that no other prediction holds, and changes nothing else. Which of IoU, SEG and
# MUCov can *fall*? Give a set of names, such as `{"IoU", "SEG"}`.

# %% tags=["exercise", "hide-input"]
my_can_fall = None  # a set of names
### BEGIN SOLUTION
my_can_fall = {"IoU", "MUCov"}
### END SOLUTION

# %%
checks.can_fall(my_can_fall)

# %% [markdown]
# ### Exercise 5: explain
#
# A colleague makes every predicted cell one voxel thicker. On the same stacks SEG goes from 0.3 to 0.7. "The new network is twice as
# good", she says. Look at the curve under *More than half* again. What would you answer?
#
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# The network is the same, only the size changed. The old cells lay below the cliff: they covered less than half of their cells, so
# fair outlines scored 0. One voxel lifted them over it. A point for naming the cliff, one for asking what coverage or the mean $J$ did,
# or how large the cells were before and after.
#
# </details>
