# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Segmentation: why a second network
#
# > **In this chapter**
# >
# > - **One pass instead of one for every cell.** S2 answers for all cells of a stack at once.
# > - **A network averages.** Random errors of its labels cancel. Errors that all labels share it learns like anything else.
# > - **λ is a balance.** A little of the boundary loss corrects the labels' size, too much of it removes the mask.
# > - **A volume is an alarm.** Whether a mask has collapsed can be seen without any truth.
# > - **The threshold counts as much as the loss**, and the obvious way to set it repeats the labels' error.
#
# S1 has found the cells, and each has a pseudo label. What is left for a second network to do?
#
# This chapter is §3.3 of the paper, its Eq. 3. It uses the two small networks that come with the package and takes less
# than a minute on two cores. What training at full length gives is read from records.

# %%
import copy
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bfs_tutorial import explore, figures, records, simulate, training, unet
from bfs_tutorial.centre_maps import nearest_centre
from bfs_tutorial.losses import (
    class_loss,
    edge_weight,
    segmentation_loss,
    weighted_gradient,
)
from bfs_tutorial.normalise import edge_image
from bfs_tutorial.peak_response import peak_windows
from bfs_tutorial.pipeline import BFSNet

# %% [markdown]
# ## Better than its teacher
#
# S1 and S2 were trained on clicks in twelve simulated stacks; S2's labels were S1's peak responses. Here is a stack that neither has seen. We ask for
# S2's mask, and, from S1 and the true clicks, for the pseudo labels that S2 would have been taught here.

# %%
model = BFSNet.pretrained("fluorescence")
stack = simulate.fluorescence((6000, 0))
truth, spacing = stack.labels > 0, stack.spacing
found = model.predict(stack)
pseudo = model.pseudo_labels(stack)  # one back-propagation for each click


# %%
def iou(guess, mask=truth):
    """IoU of two masks."""
    return float((guess & mask).sum() / max((guess | mask).sum(), 1))


assert iou(found.mask > 0.5) > iou(pseudo > 0) + 0.1
print(f"pseudo labels: IoU {iou(pseudo > 0):.1f}")
print(f"S2's mask:     IoU {iou(found.mask > 0.5):.1f}")

# %%
shown = {"truth": stack.labels, "pseudo labels": pseudo, "S2": found.labels}
figures.show(
    figures.comparison(
        model.prepare(stack), shown, spacing, 8, reference="truth",
        fill=0.25, limits=(-1, 4),
    ),
    alt="One plane four times: bright cells; their true outlines; pseudo "
    "labels, ragged blobs larger than the cells; S2's instances, which lie "
    "on the white true outlines almost everywhere",
    caption="What S2 learns from, and what it makes of it. White: the truth.",
)

# %% [markdown]
# The pupil is better than the teacher. Nobody showed it a true outline. Where does that come from? There are two sources, and a third reason that has nothing to do with accuracy. The third
# first: **cost**. A response needs a forward and a backward pass (about three forward passes) in a window around each peak. S2 needs one forward pass for
# all.

# %%
peaks = np.rint(stack.centres).astype(int)
windows = peak_windows(peaks, truth.shape, model.s1.reach, model.s1.stride)
seen = sum(np.prod([s.stop - s.start for s in w]) for w in windows)
print(f"{len(peaks)} cells; responses are {3 * seen / truth.size:.0f} times as much "
      "work as a pass of S2")  # fmt: skip

# %% [markdown]
# And the work of S2 does not grow with the number of cells. For the paper that was the reason to have an S2 at all.
#
# ## What averages out and what does not
#
# Take one voxel, 1 µm outside of a cell. Three labels of cells just like this one say *background*, one says *cell*. Cross entropy is least when the network
# answers 0.25: **the share of the labels**. Below one half, so the voxel is background, and one wrong label did no harm.
#
# Now for all distances from the border. A label's own border lies somewhere near the true one. Let that error be random, 2 µm in either direction; or
# let it be random and on average 1.5 µm too far out. The network's best answer is the share of labels that reach so far:

# %%
rng = np.random.default_rng(0)
errors = rng.normal(0.0, 2.0, 50_000)  # µm; > 0: the label is too large
away = np.arange(-6, 6.01, 0.1)  # µm from the true border
random = np.mean(errors > away[:, None], axis=1)
biased = np.mean(errors + 1.5 > away[:, None], axis=1)
for name, answer in {"random": random, "biased": biased}.items():
    border = away[np.abs(answer - 0.5).argmin()]
    print(f"{name}: the answer falls below 0.5 at {abs(border):.1f} µm")

# %%
figures.show(
    figures.curves(
        {"errors are random": (away, random),
         "errors have a bias": (away, biased)},
        x_label="µm from the true border", y_label="best answer of S2",
    ),
    alt="Two S-shaped curves that fall from 1 to 0; the first crosses one "
    "half at the true border, the second one and a half µm outside of it",
    caption="The mask ends where the answer is one half.",
)  # fmt: skip

# %% [markdown]
# With random errors the mask ends on the true border, although no single label does. With a **bias** it ends off by exactly the bias, and more labels
# do not help. The paper says that S2 "refines" the labels; this is as far as averaging can refine them.
#
# > **Same thing, other names.** Labels with errors are *noisy labels*; those with a random part only are *unbiased*. That networks learn the clean part first is
# > the reason for much of *self-training* and of *teacher and student*.
#
# Which kind of error do our pseudo labels have? Compare volumes, cell by cell.

# %%
true = np.bincount(stack.labels.ravel())[1:]
nearest = nearest_centre(truth.shape, stack.centres, spacing)[1]
pairs = {"pseudo labels": pseudo > 0, "S2": found.mask > 0.5}
volumes = {  # of each cell, divided by the true volume
    name: np.bincount(nearest[mask], minlength=len(true)) / true
    for name, mask in pairs.items()
}

# %%
figures.show(
    figures.bars(
        {name: {"volume, of the true cell": v} for name, v in volumes.items()},
        limits=(0, 1.1 * max(v.max() for v in volumes.values())), highlight=["S2"],
    ),
    alt="Two bars with a dot for each cell: pseudo labels are on average "
    "larger than their cells, with dots far apart; S2 is near one, with dots "
    "close together",
    caption="Bars: mean; dots: single cells.",
)  # fmt: skip

# %%
spread = {name: np.log(v).std() for name, v in volumes.items()}
bias = {name: abs(np.log(v).mean()) for name, v in volumes.items()}
print("S2's volumes are closer together:", spread["S2"] < spread["pseudo labels"])
print("and less biased:", bias["S2"] < bias["pseudo labels"])

# %% [markdown]
# Both kinds. The scatter shrank, as averaging promises. The bias shrank too, and averaging cannot have done that. This is the second source: the **boundary loss**, which looks at
# the image.
#
# ## Two terms in a balance
#
# $$
# \mathcal{L}_{S2} = \mathcal{L}_{class} + \lambda\,\mathcal{L}_{BF} \tag{3}
# $$
#
# (in fluorescence $\mathcal{L}_{FL}$). The first term holds the mask to the labels, the second pulls its outline to edges of the image. Before the symbols mean anything, put five masks into
# both. The boundary loss comes in two forms: the *mean* over voxels, as Eq. 4 and 5 suggest, and the *ratio*, the mean weight along the mask's own outline (see the chapter on the boundary loss).

# %%
counts = torch.from_numpy(edge_image(stack.image, "fluorescence"))
weight = edge_weight(counts, spacing, 1.0, "gradient", scale="local")
taught = torch.from_numpy((pseudo > 0).astype(np.float32))


def terms(mask):
    """Both terms of Eq. 3 for a mask of probabilities."""
    mask = torch.as_tensor(mask, dtype=torch.float32).clamp(0.01, 0.99)
    parts = {"L_class": class_loss(torch.logit(mask), taught)}
    for how in ("mean", "ratio"):
        loss = weighted_gradient(mask, weight, spacing, 1.0, how)
        parts[f"boundary, {how}"] = loss * (100 if how == "mean" else 1)
    return {name: float(value) for name, value in parts.items()}


# %%
masks = {"pseudo labels": pseudo > 0, "truth": truth, "S2": found.mask,
         "nothing": 0 * found.mask, "everything": 0 * found.mask + 1}  # fmt: skip
rows = {name: terms(mask) for name, mask in masks.items()}
caption = "Terms of the loss for five masks (the mean is multiplied by 100)"
figures.score_table(
    rows, caption=caption, header="mask", decimals=2, lower=list(rows["truth"])
)

# %%
assert rows["truth"]["boundary, ratio"] < rows["pseudo labels"]["boundary, ratio"]
low = min(rows, key=lambda name: rows[name]["boundary, mean"])
print("lowest mean:", low)

# %% [markdown]
# Read the columns. $\mathcal{L}_{class}$ likes the pseudo labels best, of course. Both boundary terms like the truth better than the pseudo labels, so both pull the
# right way. But the mean likes *no outline at all* even better. Nothing and everything are free. The ratio gives no such gift: a mask without an
# outline costs about the average weight of the stack.
#
# > **Checkpoint.** At this point we have: S2 is cheap, it averages, it cannot remove a bias by averaging, and a second term that sees the image can.
# > Left is the question how much of it.
#
# ## Turn λ
#
# Training S2 takes minutes, so we do less, and say so. S2's last layer makes one number out of eight: nine weights. We keep all other
# layers as they are and learn these nine anew on one piece of the stack, from a flat mask, for each λ. That is Eq. 3 with few things to choose. Three forms: the *mean*; the *ratio*; and the ratio with a **warm-up**, in which
# λ grows from 0 over the first half of the steps.


# %%
def features(network):
    """What the last layer sees: (1, 8, Z, Y, X) of a piece of the stack."""
    kept = []
    hook = network.head.register_forward_pre_hook(
        lambda _, inputs: kept.append(inputs[0].detach()[:1]))  # fmt: skip
    unet.predict(network, model.prepare(stack))
    hook.remove()
    return kept[0][:, :, :16][(..., *piece[1:])].contiguous()


piece = np.s_[:, 32:80, 32:80]
x = features(model.s2)


# %%
def last_layer(strength, how, warm_up=0, steps=60, keep=(10, 30, 60)):
    """Learn nine weights with Eq. 3; return the masks after some steps."""
    layer = torch.nn.Conv3d(8, 1, 1)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(layer.bias, -2.0)  # 12 % foreground
    optimiser = torch.optim.Adam(layer.parameters(), 0.1)
    labels, edges = taught[piece][None, None], weight[piece][None, None]
    masks = {}
    for step in range(1, steps + 1):
        grown = strength * min(1, step / warm_up if warm_up else 1)
        optimiser.zero_grad()
        segmentation_loss(
            layer(x), labels, edges, spacing, grown, reduction=how
        ).backward()
        optimiser.step()
        if step in keep:
            masks[step] = torch.sigmoid(layer(x))[0, 0].detach().numpy()
    return masks


# %%
lambdas = [0.0, 0.3, 1.0, 3.0, 10.0, 30.0]
forms = {"mean": ("mean", 0), "ratio": ("ratio", 0),
         "ratio, warm-up": ("ratio", 30)}  # fmt: skip
learnt = {
    (form, strength): last_layer(strength, *how)
    for form, how in forms.items() for strength in lambdas
}  # fmt: skip
pieces = {"image": model.prepare(stack)[piece], "truth": truth[piece]}


# %% tags=["hide-input"]
def tones(plane):
    """Values of 0 to 1 in 12 shades of grey, which store small."""
    return (np.round(plane * 11) * (255 / 11)).astype(np.uint8)


grey = tones(np.clip((pieces["image"][8] + 1) / 6, 0, 1))
white = explore.outlines(pieces["truth"][8].astype(int), width=0.4)


def balance(form, strength, step):
    """Draw the mask that nine weights make, and say how large it is."""
    mask = learnt[form, strength][step]
    line = explore.outlines((mask[8] > 0.5).astype(int), "#ff9e3d", 0.5)
    score = iou(mask > 0.5, pieces["truth"])
    volume = (mask > 0.5).sum() / taught[piece].sum().item()
    panels = [
        explore.Panel({"image": grey, "true": white, "mask": line}, "outline", 300),
        explore.Panel({"mask": tones(mask[8]), "true": white}, "probability", 300),
    ]
    text = f"IoU {score:.2f}, volume × {volume:.2f} of the pseudo labels"
    return explore.Frame(panels, text)


# %% tags=["nbval-ignore-output"]
explore.explorable(
    balance,
    {"form": list(forms), "strength": lambdas, "step": [10, 30, 60]},
    labels={"strength": "λ", "form": "boundary loss"},
    start={"strength": 0.0, "step": 60},
    alt=lambda form, strength, step: "A piece of the stack with the true "
    "outlines and the mask that S2's last layer makes with "
    f"λ = {strength:g} and the {form} after {step} steps",
    caption="White: the truth. Orange: where the probability passes one half. "
    "All layers but the last are fixed.",
)  # fmt: skip

# %%
rows, ends = {}, []
for form in forms:
    rows[form] = {}
    for strength in lambdas:
        mask = learnt[form, strength][60] > 0.5
        volume = mask.sum() / taught[piece].sum().item()
        score = rows[form][f"λ = {strength:g}"] = iou(mask, pieces["truth"])
        ends.append((volume, score, form))
caption = "IoU with the truth after 60 steps of the last layer"
figures.score_table(rows, caption=caption, header="", decimals=2)

# %%
for form, row in rows.items():
    better = [name for name in row if row[name] > row["λ = 0"] + 0.02]
    lost = [name for name in row if row[name] < 0.1]
    print(f"{form}: better than λ = 0 for {better}, mask lost for {lost}")

# %% [markdown]
# The mean behaves as its column in the table of five masks says: a useful range, and beyond it nothing at all. The ratio does not reward an empty mask, and yet it loses its
# mask too, and earlier. Its reason is another one. At the start the mask is flat and has no outline; the ratio is then decided by next to nothing, and the fastest way to lower it is a tiny outline on some strong edge. It does not ask how much is left.
#
# That is what the warm-up is for: the mask should be there before it is corrected. With it the ratio keeps its mask for a while, and comes nearest to the truth of all; a large λ still removes it. Do not take the values for a law: on another piece of this stack we saw
# the plain ratio keep its mask at every λ that is offered here, and end ahead of the mean. Such a loss is **unstable**, and that is worse to work with than one that is always a little off.
#
# ## An alarm that needs no truth
#
# The IoU above needs the truth; a user has none. The other number below the pictures does not need it: the volume of the mask, divided by that of the pseudo labels. All
# the runs of the explorable in one picture:

# %% tags=["hide-input"]
with figures.style():
    figure = figures.Figure(figsize=(5.6, 3.0), layout="constrained")
    axes = figure.subplots()
    for form, colour, mark in zip(forms, figures.LINES, "os^", strict=False):
        dots = np.array([end[:2] for end in ends if end[2] == form])
        axes.plot(dots[:, 0], dots[:, 1], mark, color=colour, label=form)
    axes.set(xlabel="volume, of the pseudo labels", ylabel="IoU with the truth",
             xlim=(-0.03, 1.15), ylim=(-0.03, 1))
    axes.grid()
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
figures.show(
    figure,
    alt="IoU against relative volume, one mark for each run: marks with a "
    "small volume have a low IoU, marks around three quarters the highest",
    caption="Each mark is one λ. A mask that has lost most of its volume is "
    "always a bad one.",
)

# %%
lost = [score for volume, score, _ in ends if volume < 0.4]
kept = [score for volume, score, _ in ends if volume > 0.6]
print("below 0.4 of the volume, no good mask:", max(lost) < 0.5)
print("above 0.6, no bad one:", min(kept) > 0.7)

# %% [markdown]
# The alarm catches a collapse, and only that. It does not find the best λ: labels may be too large, as ours are, and then the best mask is smaller than they are.
#
# ## Full trainings
#
# Nine weights are no network. What did whole trainings give? On test stacks of Table 1, with labels, seeds and steps the same in all rows:

# %%
names = {
    "pseudo": "pseudo labels, no S2", "class": "λ = 0",
    "full-printed": "as printed, λ = 1", "full-mean": "scaled, mean, λ = 10",
    "full": "scaled, our best form",
}  # fmt: skip
where = {"fluorescence": "simulated-fluorescence",
         "bright field": "simulated-bright-field"}  # fmt: skip
tables = {name: records.load(data) for name, data in where.items()}
scores = {
    title: {
        f"{name}, IoU": records.per_stack(t[row], "IoU").mean(axis=1)
        for name, t in tables.items()
    }
    for row, title in names.items()
}
figures.show(
    figures.bars(scores, highlight=[names["full"]]),
    alt="Bars of IoU in two microscopes: in fluorescence the boundary loss as "
    "printed is level with λ = 0 and the scaled forms are well above; in "
    "bright field all rows with S2 are closer together",
    caption="Mean over seeds, and each seed as a dot.",
)

# %%
for name, t in tables.items():
    gain = {row: records.paired_difference(t, row, "class", "IoU")
            for row in ("full-printed", "full")}  # fmt: skip
    for row, (mean, low, high) in gain.items():
        print(f"{name}, {names[row]}: {mean:+.2f} ({low:+.2f} to {high:+.2f})")

# %% [markdown]
# The difference to λ = 0, with its 95 % interval over seeds and stacks. As printed, the boundary loss changes little: its weight is almost constant (see
# its chapter). With a scale it helps a lot in fluorescence, and less in bright field, where the edge of a cell is a weaker cue. (There our best form *is* the scaled mean.)
#
# And λ itself, S2 trained anew for each value, scored on validation stacks that Table 1 does not contain. *Volume* is that of the mask, divided by the true one:

# %%
runs = records.load_ablation("lambda", where["fluorescence"])
rows = {}
for i, strength in enumerate(records.curve(runs)[0]):
    rows[f"λ = {strength:g}"] = {
        metric: float(records.curve(runs, metric)[1][:, i].mean())
        for metric in ("IoU", "SEG")
    } | {"volume": float(np.mean([r["points"][i]["volume"] for r in runs]))}
caption = "Whole trainings in fluorescence, ratio form without warm-up"
figures.score_table(rows, caption=caption, header="", decimals=2)

# %%
volumes = [row["volume"] for row in rows.values()]
print("the larger λ, the smaller the mask:", (np.diff(volumes) < 0).all())
print("at the largest λ next to nothing is left:", volumes[-1] < 0.1)

# %% [markdown]
# Here it is again, in whole trainings: the plain ratio, without a warm-up, loses its mask as λ grows, and the *volume* tells of it. Beside the table, what Table 1 used in fluorescence was λ = 1, on more stacks: close to the cliff. Its
# scatter between seeds is partly this.

# %% [markdown]
# ## The loop
#
# Training itself has no secrets, but four habits. **First, crops.** A stack does not fit into a batch, and most of it is empty. So each step draws small
# pieces, two out of three of them around a voxel of the labels.

# %%
image = model.prepare(stack)
example = {"image": image, "target": taught.numpy(), "weight": weight.numpy()}
plan = replace(model.settings.s2, batch=4)
cpu = torch.device("cpu")
batch = training.draw_batch(
    [example], (16, 48, 48), plan, np.random.default_rng(1), cpu
)
print({name: tuple(part.shape) for name, part in batch.items()})

# %%
drawn = {f"crop {i + 1}": batch["image"][i, 0].numpy() for i in range(4)}
labels = {f"labels {i + 1}": batch["target"][i, 0].numpy() for i in range(4)}
figures.show(
    figures.panels(
        drawn | labels, spacing, 8, kinds="image",
        limits=dict.fromkeys(drawn, (-1, 4)) | dict.fromkeys(labels, (0, 1)),
    ),
    alt="Four small crops with cells in different places and orientations, "
    "darker and brighter, and below each its pseudo labels in white",
    caption="One batch: crops of one stack, flipped, swapped, exposed anew.",
)

# %% [markdown]
# **Second, flips, but never in z.** A cell may lie left or right, so y and x are flipped and swapped at random. Along z a microscope is not symmetric: in bright field a cell is
# dark on one side of focus and bright on the other. A network that saw both orders would have to give that up.

# %%
planes = np.arange(4)[:, None, None] + np.zeros((4, 6, 6))
turned = [training.augment({"z": planes}, np.random.default_rng(i))["z"]
          for i in range(50)]  # fmt: skip
print("z never changed:", all((t == planes).all() for t in turned))

# %% [markdown]
# **Third, a seed for each step.** What step 17 draws depends on the seed and on 17, not on what came before. **Fourth, checkpoints**, which
# follow from the third: a run that was stopped goes on with the very crops that it would have seen. A tiny network, six steps, stopped after three:


# %%
def run(steps, file=None):
    """Train a tiny S2 for some steps; return its weights as one row."""
    net = unet.build(0, channels=(2, 4), pools=((1, 2, 2),), prior=0.12)
    short = training.Schedule(6, crop=(4, 8, 8), save_every=3)
    stop = StopIteration("stopped")

    def loss(logits, batch, done):
        if round(done * 6) == steps:
            raise stop
        return class_loss(logits, batch["target"])

    try:
        training.train(net, [example], loss, short, checkpoint=file,
                       progress=False)  # fmt: skip
    except StopIteration:
        return None
    return torch.cat([p.detach().flatten() for p in net.parameters()])


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "s2.pt"
    run(3, file)  # stopped in the middle
    print("the same weights:", torch.equal(run(None, file), run(None)))

# %% [markdown]
# ## Another microscope
#
# S2 was trained with one microscope. Give it stacks of four others, drawn at random. Each channel of each layer was scaled by a mean and a variance measured in training (**BatchNorm**). On
# another microscope these do not fit. They can be measured again on the new stack itself, which needs no label: `adapt_batch_norm`. How much of the new statistics should be taken?

# %%
shares = {"as trained": 0.0, "half": 0.5, "all new": 1.0}
others = {f"microscope {i + 1}": simulate.fluorescence((6000, i), randomise=True)
          for i in range(4)}  # fmt: skip
others = {"its own": stack} | others
rows = {}
for name, other in others.items():
    seen, mask = model.prepare(other), other.labels > 0
    rows[name] = {}
    for column, share in shares.items():
        s2 = unet.adapt_batch_norm(copy.deepcopy(model.s2), [seen], share)
        rows[name][column] = iou(unet.predict(s2, seen) > 0.5, mask)
caption = "IoU of S2's mask by share of new BatchNorm statistics"
turned = {c: {n: r[c] for n, r in rows.items()} for c in shares}
figures.score_table(turned, caption=caption, header="statistics", decimals=2)

# %%
gains = np.array([r["all new"] - r["as trained"] for r in rows.values()])
print("on its own microscope it changes less than 0.02:", abs(gains[0]) < 0.02)
print("on others it gains most of the time:", (gains[1:] > 0.02).sum() >= 3)
print("but it can also lose a little:", gains[1:].min() < 0)

# %% [markdown]
# It repairs part of the damage, and where nothing was damaged it may do a little harm. A stack with few or very many cells has other statistics *because* of its cells, and those are wiped out too. We take it for real
# fluorescence, and not for bright field, whose brightness is that of the lamp and is divided away beforehand.
#
# ## Where to cut
#
# Last, the threshold. S2 gives a probability; the mask is what lies above one half. Why one half?

# %%
clear = simulate.bright_field((6000, 0))
other = BFSNet.pretrained("bright-field")
answers = {"fluorescence": found.mask,
           "bright field": other.predict(clear).mask}  # fmt: skip
cuts = np.arange(0.1, 0.91, 0.05)
curves = {
    name: (cuts, [iou(mask > cut) for cut in cuts])
    for name, mask in answers.items()
}  # the same cells, so the same truth
sizes = {name: np.array([(mask > cut).sum() for cut in cuts]) / truth.sum()
         for name, mask in answers.items()}  # fmt: skip
figures.show(
    figures.curves(curves, x_label="threshold", y_label="IoU"),
    alt="IoU against the threshold, two curves with a broad top that fall to "
    "both ends; the one of fluorescence lies above that of bright field",
    caption="One stack, two microscopes, the same cells.",
)

# %%
for name, (_, values) in curves.items():
    lost = max(values) - values[8]  # the middle of cuts is one half
    swing = max(values) - min(values)
    print(f"{name}: one half loses {lost:.2f} of the best, "
          f"the worst threshold {swing:.1f}")  # fmt: skip

# %% [markdown]
# The wrong threshold costs as much as the wrong loss. One half is a good choice here, and so it is our default. Could one calibrate it without truth? An obvious recipe: choose the threshold at which
# S2's mask is as large as the pseudo labels are.

# %%
wanted = (pseudo > 0).sum() / truth.sum()
matched = int(np.abs(sizes["fluorescence"] - wanted).argmin())
drop = curves["fluorescence"][1][8] - curves["fluorescence"][1][matched]
print("the recipe asks for a threshold below 0.3:", cuts[matched] < 0.3)
print(f"and loses {drop:.1f} IoU against one half")

# %% [markdown]
# It repeats the labels' bias, which the boundary loss has just removed. The recipe is right only for labels that are right in volume. A few outlines drawn by hand would be worth more than any such trick: they are the only thing that can tell a bias.

# %% [markdown]
# ## What we saw
#
# - S2 is one pass, whatever the number of cells, and better than the labels that it was taught.
# - Random errors of labels average out. A bias stays, unless something else than labels speaks: the image, through the boundary loss.
# - λ weighs the two. Too much of it empties the mask, in the mean form by design, in the ratio form because a flat mask has no outline to weigh.
# - The volume of the mask, against that of the labels, tells of a collapse without truth.
# - New BatchNorm statistics repair part of what another microscope breaks.
# - One half is a fair threshold. Matching the volume of biased labels is not.
#
# ## To go further
#
# λ, σ and threshold are ablated with whole trainings on validation stacks by `python -m bfs_tutorial ablation`. S2's masks could serve as labels for another S2 (self-training); by the argument above, that would average once
# more and keep what bias is left.
#
# ## Exercises
#
# 1. Let the random errors of the labels be *skewed*: `rng.exponential(2, 5000) - 2`, whose mean is 0. Where does the mask end now, and why not at 0?
# 2. Put a mask into `terms` that is the truth, grown by one voxel. Which λ makes Eq. 3 prefer it to the pseudo labels?
# 3. Give `last_layer` another piece of the stack, or a start other than zero. Which forms keep their mask?
# 4. Set `boundary_weight` to a value at which the alarm sounds, in a training of your own on two small stacks.
# 5. Adapt to a stack without a single cell, `number=1` and a tiny radius. What does S2 see?
