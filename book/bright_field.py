# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Bright field: seeing what is transparent
#
# > **In this chapter**
# >
# > - **A living cell hardly absorbs light.** It delays it, and a camera cannot see a delay.
# > - **Defocus turns the delay into contrast.** Above the cell its core is bright, below it is dark: a cue for depth.
# > - **A cell is seen in every plane**, least of all where it is. A bright-field z-stack is no volume of cells.
# > - **Light comes from many directions** at once. They add as intensities, and rings wash out.
# > - **Wave optics in four steps** gives stacks whose truth is known. It is not a real microscope, and we say where it ends.
#
# The paper outlines cells in stacks of bright-field images. What is there to be seen in such a stack?
#
# This chapter is §1 of the paper and the simulator behind its Fig. 1. No GPU is needed and
# nothing is trained.

# %%
import textwrap

import numpy as np
from scipy import fft, ndimage

import data_download
from bfs_tutorial import checks, explore, figures, simulate
from bfs_tutorial.errors import InputError
from bfs_tutorial.simulate.bright_field import (
    BrightFieldOptics,
    ball,
    check_sampling,
    frequencies,
    intensity,
    phase_screens,
    propagator,
    pupil,
    source_points,
    through_sample,
)

# %% [markdown]
# ## A stack
#
# A motor moves the objective in steps of 2 µm, and the camera takes a picture at each. Here are four of sixteen such
# pictures. The outlines are the truth: where each plane really cuts a cell.

# %%
stack = simulate.bright_field(1)
shape, spacing = stack.image.shape, stack.spacing  # (Z, Y, X), (z, y, x) µm
figures.show(
    figures.slices(stack.image, spacing, [1, 5, 9, 14], labels=stack.labels),
    alt="Four planes of one stack: discs that are dark with a bright rim in "
    "the first, faint and grainy in the middle, bright with a dark rim in the "
    "last. Outlines surround some of them in each plane",
    caption="One simulated bright-field stack. Not every disc has an outline, "
    "and the outlined ones are often the faintest.",
)

# %% [markdown]
# Something is odd. Most discs have no outline: the cell is in another plane, and we see it all the same. How strongly? From here on
# **contrast** is one number: the standard deviation of all grey values of a picture, over their mean. An even grey has 0. The more of
# a picture cells fill, the larger it is, so compare like with like. (The paper speaks of *focus cues* and gives no number for them. This
# one is ours.)


# %%
def contrast(image):
    """Standard deviation over mean of each picture: (..., Y, X) -> (...)."""
    return image.std(axis=(-2, -1)) / image.mean(axis=(-2, -1))


# %%
values = contrast(stack.image)
print(f"contrast: {values.min():.1%} to {values.max():.1%}")
print(f"lowest at z = {values.argmin() * spacing[0]:.0f} µm")
height = stack.centres[:, 0].mean() * spacing[0]
print(f"mean height of the cells: z = {height:.0f} µm")

# %% [markdown]
# Contrast is lowest about where the cells are. To understand this we need one cell, and a bit of wave optics.
#
# ## A delay cannot be seen
#
# Light travels more slowly in a cell than in water, by about one percent. Over the width of a cell this adds up:

# %%
optics = BrightFieldOptics()
step, radius, index = 0.5, 8.0, 0.012  # µm, µm, above the medium
y, x = (np.indices((128, 128)) - 64) * step  # µm
thickness = 2 * np.sqrt(np.maximum(radius**2 - y**2 - x**2, 0))
thickness = ndimage.gaussian_filter(thickness, 1.0)  # a soft rim

# %%
delay = index * thickness  # µm, (Y, X)
waves = delay.max() / optics.wavelength
print(f"the light comes {delay.max():.2f} µm late; "
      f"a wave of {optics.wavelength} µm: {waves:.2f} of it")

# %% [markdown]
# A third of a wave is much for a physicist and nothing for a camera. Write the light as complex numbers, $u = e^{i\varphi}$
# with $\varphi = 2\pi\,\Delta n\, t / \lambda$ for a step $\Delta n$ of the refractive index, a thickness $t$ and a wavelength
# $\lambda$. The camera sees $|u|^2$, and that is 1 whatever $\varphi$ is:

# %%
phase = 2 * np.pi * delay / optics.wavelength
u = np.exp(1j * phase)
print(f"phase:      0 to {phase.max():.1f} radians")
print(f"brightness: {(np.abs(u)**2).min():.3f} to {(np.abs(u)**2).max():.3f}")

# %% [markdown]
# > **Same thing, other names.** A thing that only delays is a *phase object*. Its delay, $\Delta n\, t$, is the *optical path
# > difference*. A stack taken by moving the focus is a *z-stack* or *through-focus series*.
#
# ## Out of focus, it can
#
# Let the same wave travel a little further. A **Fourier transform** splits a wave into plane waves, one for each direction: its
# *spectrum*. A steeper direction has a larger frequency $f$, in cycles per µm. Each plane wave runs along its own slope and so gains its own
# phase over a distance $d$. The factor is `propagator`:
#
# $$H_d = e^{2\pi i\, d\, \left(\sqrt{(n/\lambda)^2 - f^2}\; -\; n/\lambda\right)}$$
#
# with $n$ the index of the medium. So: transform, multiply by $H_d$, transform back. A negative distance goes back, to planes below the cell.


# %%
def travelled(distance):
    """Brightness of the wave u after a distance in µm, (Y, X)."""
    fy, fx = frequencies(u.shape, (step, step))  # cycles per µm
    free = propagator(fy, fx, distance, optics)
    return np.abs(fft.ifft2(fft.fft2(u) * free)) ** 2


# %%
for z in (-10, -5, 0, 5, 10):
    image = travelled(z)
    core = image[56:73, 56:73].mean()  # the innermost 8 µm
    print(f"{z:3d} µm: contrast {contrast(image):.1%}, core {core:.2f}")

# %%
heights = {"10 µm below": -10, "5 µm below": -5, "in focus": 0,
           "5 µm above": 5, "10 µm above": 10}
volumes = {name: travelled(z)[None] for name, z in heights.items()}

# %%
limits = dict.fromkeys(volumes, (0.6, 1.4))
figures.show(
    figures.panels(volumes, (1, step, step), 0, limits=limits, columns=5),
    alt="Five pictures of one disc: a dark disc in a bright ring, the same "
    "but narrower, an even grey with nothing in it, a bright disc in a "
    "narrow dark ring, the same but wider",
    caption="One cell, one plane wave, all drawn with the same grey values. "
    "In focus there is nothing to see.",
)

# %% [markdown]
# The sign flips. Above the cell (towards the objective) its core is brighter than 1, the light around, and has a dark ring. Below it is
# the other way round.
# The reason is simple: a cell is thicker in the middle, so it is a weak **lens**. Light that has passed it leans towards the middle, and gathers there above the cell.
# Below, the objective sees where these leaning rays seem to come from: traced back in straight lines they part, and leave the middle dark.
#
# For small distances $d$ this can be written down (Teague 1983, the *transport of intensity*):
#
# $$I(d) \approx 1 - \frac{d\,\lambda}{2\pi n}\, \nabla^2 \varphi$$
#
# What is brighter and what darker changes sign with $d$, grows with it, and follows the
# curvature of the delay. In which range does that hold?

# %%
curvature = ndimage.laplace(phase) / step**2  # radians per µm²
factor = optics.wavelength / (2 * np.pi * optics.medium_index)
for z in (2, 5, 10, 20):
    rule = 1 - z * factor * curvature
    alike = np.corrcoef(rule.ravel(), travelled(z).ravel())[0, 1]
    print(f"{z:2d} µm: correlation with the rule {alike:.2f}")

# %% [markdown]
# Good for a few micrometres, poor for twenty. Rings are beyond it, so a simulator needs the waves.
#
# ## Light from many directions
#
# One plane wave is a laser, and its rings go on for ever. A lamp behind a condenser lights the cell from a whole cone of
# directions, up to the **numerical aperture** NA (the sine of the largest angle, times the index). Different directions do not
# interfere: the camera adds their brightness. So we draw some directions, and average. `source_points` gives them, `pupil` gives
# what the objective lets through.

# %% tags=["hide-input"]
@figures.style()
def apertures(counts):
    """Draw the directions of the lamp inside the objective's pupil."""
    figure = figures.Figure(figsize=(6.6, 2.4), layout="constrained")
    turn = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    for axes, count in zip(figure.subplots(1, 3), counts, strict=True):
        lamp = BrightFieldOptics(angles=count)
        sine = source_points((256, 256), (step, step), lamp) * lamp.wavelength
        axes.fill(*lamp.objective_na * np.array([turn.real, turn.imag]), "#e8e8e8")
        axes.plot(*lamp.condenser_na * np.array([turn.real, turn.imag]), lw=1)
        axes.scatter(sine[:, 1], sine[:, 0], s=9, color="#c03a2b", zorder=3)
        axes.set(title=f"{count} directions", aspect="equal",
                 xlabel="NA along x", xticks=[-0.3, 0, 0.3], yticks=[])
    return figure


# %%
figures.show(
    apertures((2, 8, 48)),
    alt="Three grey discs, the pupil, with a circle inside, the condenser. "
    "In the circle lie 2, 8 and 48 dots, spread evenly like sunflower seeds",
    caption="Grey: what the objective passes (NA 0.3). Circle: what the "
    "condenser lights (NA 0.25). Dots: the directions that are computed.",
)

# %% [markdown]
# Now put a ball of 8 µm radius, a **bead**, into 20 layers of 1 µm. Heights $z$ count from the middle of the lowest layer, so the bead's
# centre lies at 9.5 µm. Look at it with each of the three lamps, and once with a single direction straight from below. `intensity`
# sends all the waves through; how, we shall see soon.

# %%
layer = 1.0  # µm
sampling, bead_z = (layer, step, step), 9.5 * layer  # µm
z = np.arange(20) * layer - bead_z
offsets = np.stack(np.meshgrid(z, y[:, 0], x[0], indexing="ij"), axis=-1)
bead = index * ball(offsets, radius, edge=1.0)  # (L, Y, X)

# %%
lamps = {"one direction": {"angles": 2, "condenser_na": 0}}
lamps |= {f"{n} directions": {"angles": n} for n in (2, 8, 48)}
planes = bead_z + np.array([-15.0, 0.0, 15.0])  # µm
volumes = {
    name: intensity(bead, sampling, BrightFieldOptics(**lamp), planes)
    for name, lamp in lamps.items()
}
for name, volume in volumes.items():
    below, focus, above = 100 * contrast(volume)
    print(f"{name:13s}: contrast {below:.1f}, {focus:.1f}, {above:.1f} %")

# %%
limits = dict.fromkeys(volumes, (0.8, 1.2))
figures.show(
    figures.panels(volumes, (15, step, step), 2, limits=limits),
    alt="Four pictures of a bead 15 µm above focus: many rings; two shifted "
    "copies that overlap; eight faint copies; a soft bright disc with one "
    "dark ring",
    caption="The bead from 15 µm above. Each direction casts its own shifted "
    "picture. Two or eight can be counted, 48 melt into one.",
)

# %% [markdown]
# In focus little is left, but slanted light leaves more than straight light. It enters at one side of the pupil, and there the pupil cuts off
# more of what the rim bends aside.
#
# Many directions together are **partially coherent** light. Most rings are gone, the bright core and the dark ring stay. Too few directions give ghosts, which
# a network would gladly learn. That is why the book's stacks use 48, and not because the physics says 48.
#
# > **Checkpoint.** At this point we have: a delay that focus hides and defocus shows, with a sign that tells above from below, and a lamp
# > that is a sum over directions. What is left is the light's way through many cells, and the camera.
#
# ## Through a sample, in four steps
#
# A cell is not a flat screen; light bends inside it and goes on to the next. Cut the sample into thin layers. Each direction of the lamp is a frequency $s$, in cycles per µm. For each of them:
#
# $$
# \begin{aligned}
# \text{1. light it:} \quad & u_0 = e^{2\pi i\, s \cdot x} \cr
# \text{2. cross every layer:} \quad & u_{l+1} = \mathcal{F}^{-1}\big[ H_t\; \mathcal{F}[\, u_l\, e^{2\pi i\, \Delta n_l t / \lambda} ] \big] \cr
# \text{3. refocus on plane } z\text{:} \quad & v_z = \mathcal{F}^{-1}\big[ A\, H_{z - z_L}\, \mathcal{F}[u_L] \big] \cr
# \text{4. add up:} \quad & I(z) = \text{mean of } |v_z|^2 \text{ over all } s
# \end{aligned}
# $$
#
# $\mathcal{F}$ is the Fourier transform, $H_d$ the propagator over a distance $d$, $t$ the thickness of a layer, and $A$ the pupil, 1 inside and 0 outside. After step 2 the
# wave stands in the last layer. $z_L$ is the height of the middle of that layer: 19 µm, for 20 layers of 1 µm. To show the plane $z$,
# the wave has to travel $z - z_L$ from there, up or, if that is negative, back down. Here are the four steps for the plane 15 µm above
# the bead, and the same from the package:

# %%
grid, small = bead.shape[1:], BrightFieldOptics(angles=8)
fy, fx = frequencies(grid, (step, step))
screens = phase_screens(bead, layer, small)  # exp(2πi Δn t / λ), (L, Y, X)
spread = propagator(fy, fx, layer, small)
z_last = (len(bead) - 1) * layer  # z_L
refocus = propagator(fy, fx, planes[2] - z_last, small)
print(f"z = {planes[2]} µm, z_L = {z_last:.0f} µm")

# %%
image = np.zeros(grid)
for sy, sx in source_points(grid, (step, step), small):
    u0 = np.exp(2j * np.pi * step * (sy * np.indices(grid)[0]
                                     + sx * np.indices(grid)[1]))  # 1
    spectrum = through_sample(u0, screens, spread)  # 2
    v = fft.ifft2(spectrum * pupil(fy, fx, small) * refocus)  # 3
    image += np.abs(v) ** 2 / small.angles  # 4
np.testing.assert_allclose(image, volumes["8 directions"][2], atol=1e-3)
print("the same image")

# %% [markdown]
# This is the **multislice** or *beam propagation* method. The obvious alternatives are cheaper. One is linear: assume that a cell changes
# the light so little that contrast is proportional to its index (*weak object*, or first *Born* approximation). Is it? Make the bead
# denser and look 15 µm above it. If contrast were proportional, every row would say 1:

# %%
fewer = BrightFieldOptics(angles=16)
factors = np.array([0.25, 1.0, 2.0, 3.0])
seen = [intensity(f * bead, sampling, fewer, planes[2:]) for f in factors]
share = np.concatenate([contrast(image) for image in seen]) / factors
for factor, part in zip(factors, share / share[0], strict=True):
    print(f"Δn = {factor * index:.3f}: {part:.1f} of proportional")

# %% [markdown]
# Linear is fine for thin and faint cells and fails for dense ones; at the index of our bead it still holds. Multislice has no such limit, as long as light does not turn back: reflections
# are not in it.
#
# ### How fine must the grid be?
#
# The lamp and the objective together make fringes as fine as $\lambda / (\mathrm{NA}_{obj} + \mathrm{NA}_{cond})$, and a fringe needs two
# samples. A coarser grid does not blur, it *invents*: fringes come back as wider ones that no one can tell from real. So the code refuses. (*Oversampling* is the number of computed samples per camera pixel.)

# %%
print("one sample per camera pixel:")
try:
    check_sampling((1.0, 1.0), optics)
except InputError as refusal:
    print(textwrap.fill(str(refusal), 72))
check_sampling((0.5, 0.5), optics)
print("two samples per pixel: accepted")

# %% [markdown]
# ## The camera
#
# Light arrives in photons. A pixel that collects $N$ of them errs by about $\sqrt{N}$:

# %%
noise, off = 1 / np.sqrt(optics.photons), np.hypot(y, x)  # off axis, µm
print(f"noise of a pixel: {noise:.1%}")
_, in_focus, above = volumes["48 directions"]
for name, plane in {"in focus": in_focus, "15 µm above": above}.items():
    core = abs(plane[off < 4].mean() - 1)
    rim = abs(plane[abs(off - radius) < 1] - 1).mean()
    print(f"{name}: core {core:.1%}, rim {rim:.1%} off the light around")

# %% [markdown]
# In focus the core of the bead differs from the light around by less than the noise of one pixel. Only its rim stands out, a thin line.
# [The boundary loss](boundary_loss.ipynb) uses it. A real cell is a bit kinder: it has a texture and granules, which give
# faint grains. Put all of it together, a single cell of 8 µm radius, and draw the contrast over focus. Noise and an uneven lamp have a contrast of
# their own. So one curve has a cell that delays nothing:

# %%
cell = {"shape": (24, 64, 64), "radii": (8, 8), "number": 1}
nothing = BrightFieldOptics(cell_index=(0, 0), granule_index=0)
series = {}
for name, seed, lens in (("cell 1", 1, None), ("cell 3", 3, None),
                         ("cell 4", 4, None), ("no cell", 1, nothing)):
    one = simulate.bright_field(seed, optics=lens, **cell)
    focus = (np.arange(24) - one.centres[0, 0]) * spacing[0]  # µm
    curve = 100 * contrast(one.image)
    series[name] = focus, curve
    print(f"{name}: {curve.min():.1f} to {curve.max():.1f} %")
lowest = [f[c.argmin()] for f, c in list(series.values())[:3]]
print(f"cells: lowest within {np.abs(lowest).max():.0f} µm of the centre")

# %%
figures.show(
    figures.curves(
        series, x_label="focus above the cell's centre, µm",
        y_label="contrast, %",
    ),
    alt="Three curves like a V with flat arms: contrast near 3 percent far "
    "from focus, about half of it close to zero, hardly above a fourth, flat "
    "curve",
    caption="Contrast of three single cells, and of the lamp and the noise "
    "alone. The axis does not start at 0.",
)

# %% [markdown]
# Each cell is lowest near its centre. And there most of what is left is not the cell: without any cell the number is nearly as large.

# %% [markdown]
# ## The same cells in fluorescence
#
# In fluorescence the cells themselves shine, and out of focus they only blur. The same seed draws the same cells for both microscopes, so we
# can look at both from the side:

# %%
glow = simulate.fluorescence(1)
np.testing.assert_array_equal(glow.labels, stack.labels)


def side(volume):
    """Turn (Z, Y, X) into (Y, Z, X), high planes first: a view from aside."""
    return np.swapaxes(volume[::-1], 0, 1)


# %%
row = int(np.bincount(np.nonzero(stack.labels)[1]).argmax())  # a full y
volumes = {"bright field": side(stack.image), "fluorescence": side(glow.image)}
figures.show(
    figures.panels(
        volumes, (1, 2, 1), row, labels=side(stack.labels), columns=1
    ),
    alt="Two views from the side with outlines of cells. Above, columns that "
    "turn from bright to dark run through the whole height; below, bright "
    "blobs sit inside the outlines",
    caption="From the side; the light comes from below. In bright field every "
    "cell is a column, dark below and bright above.",
)

# %%
inside = stack.labels > 0
images = {"bright field": stack.image, "fluorescence": glow.image}
for name, image in images.items():
    ratio = image[inside].mean() / image[~inside].mean()
    print(f"{name}: inside / outside = {ratio:.2f}")

# %% [markdown]
# On average, inside and outside differ in fluorescence and not in bright field. A threshold on brightness has little to hold on
# to there; [Supervision](supervision.ipynb) measures how little. The paper calls bright field *projective*: what one plane shows comes from all of them.
#
# Move the focus through both. With the outlines off, try to say in which plane a cell lies; then turn them on.

# %%
window = np.s_[:, 8:120, 8:120]
truth = stack.labels[window]


def greys(image):
    """Turn a stack into 64 shades of uint8, from its 0.2 to 99.8 %."""
    low, high = np.percentile(image, [0.2, 99.8])
    shades = np.rint(np.clip((image - low) / (high - low), 0, 1) * 63)
    return (shades * 4).astype(np.uint8)


seen = {"bright field": greys(stack.image[window]),
        "fluorescence": greys(np.sqrt(glow.image[window] - 80))}


# %%
def focus(z, outlines):
    """Show one plane of both stacks."""
    k = round(z / spacing[0])
    lines = explore.outlines(truth[k] * (outlines == "on"), "#ffd400", 1)
    panels = [
        explore.Panel({"image": image[k], "truth": lines}, name, 310)
        for name, image in seen.items()
    ]
    cut = len(np.unique(truth[k])) - 1
    return explore.Frame(panels, f"this plane cuts {cut} cells")


# %%
explore.explorable(
    focus,
    {"z": list(range(0, 32, 2)), "outlines": ["off", "on"]},
    start={"z": 18}, units={"z": "µm"}, labels={"z": "focus z"},
    alt=lambda z, outlines: f"Plane at {z} µm of the same cells in bright "
    f"field, left, and fluorescence, right; true outlines {outlines}",
    caption="Sixteen planes of one stack. A disc that turns from dark to "
    "bright has just been passed.",
)

# %% [markdown]
# ## The cue for depth
#
# If the core of a cell is dark below it and bright above it, then the turn tells where the cell is, and a network can use it. Does this
# hold in a crowd, where cells lie above each other? Compare each cell's core 8 µm above and 8 µm below its centre:

# %%
flat = stack.image / ndimage.gaussian_filter(stack.image, (0, 20, 20))


def turns_bright(centre):
    """Is the core of a cell brighter 8 µm above than below? Or None."""
    z, y, x = centre
    yy, xx = np.ogrid[: shape[1], : shape[2]]
    near = np.hypot(yy - y, xx - x) < 3  # (Y, X), µm
    high, low = round(z + 4), round(z - 4)  # 4 planes are 8 µm
    if low < 0 or high >= shape[0]:
        return None
    return flat[high, near].mean() > flat[low, near].mean()


# %%
answers = [turns_bright(centre) for centre in stack.centres]
total, yes = sum(a is not None for a in answers), sum(map(bool, answers))
print(f"{len(answers)} cells, {total} of them with planes 8 µm away")
print(f"brighter above than below: {yes} of {total}")

# %% [markdown]
# Three of the stack's 13 cells lie too near its ends to be asked. For nine of the other ten the turn holds, even in this crowd; coins would give
# five. So the sign says above or below. And how far? The bead's core grows stronger with distance, as a print below shows. A denser cell's core is
# stronger too, so it takes more than one plane to tell. Play with it: move the focus, then open the condenser. The right
# picture is a cut from the side; the white line shows the plane of the left one.

# %%
away = np.arange(-24, 25, 1.0)  # µm from the centre of the bead
sharpness = (0, 0.08, 0.16, 0.25)


def bead_stack(na):
    """The bead in 49 planes, and as 64 shades of brightness 0.75 to 1.25."""
    lamp = BrightFieldOptics(condenser_na=na, angles=24)
    image = intensity(bead, sampling, lamp, bead_z + away)
    shades = np.clip((image[:, 24:104, 24:104] - 0.75) * 2, 0, 1)
    return image, (np.rint(shades * 63) * 4).astype(np.uint8)


through = {na: bead_stack(na) for na in sharpness}
for d in (5, 10, 15, 20):
    cores = [through[0.25][0][24 + s * d, off < 4].mean() for s in (-1, 1)]
    print(f"{d:2d} µm: core {cores[0]:.2f} below, {cores[1]:.2f} above")
rows, columns = np.indices((98, 80))
circle = np.hypot(rows - 48.5, columns - 39.5) < 16  # the bead from the side


# %%
def bead_frame(focus, condenser):
    """Show the bead at one focus, and from the side."""
    image, volume = through[condenser]
    k = int(focus - away[0])
    # from the side: planes of 1 µm doubled to samples of 0.5 µm, high on top
    view = np.repeat(volume[::-1, 40], 2, axis=0)
    view[view.shape[0] - 2 * k - 2] = 255  # a white line at the focus
    ring = explore.outlines(circle, "#2f80c2", 0.8)
    right = explore.Panel({"side": view, "bead": ring}, "from the side", 250)
    left = explore.Panel({"plane": volume[k]}, "the plane", 290)
    core = image[k, off < 4].mean()
    text = f"core {core:.2f} × the light around, contrast "
    return explore.Frame([left, right], text + f"{contrast(image[k]):.1%}")


# %%
explore.explorable(
    bead_frame,
    {"focus": list(range(-20, 21, 4)), "condenser": list(sharpness)},
    start={"focus": 12, "condenser": 0.08}, units={"focus": "µm"},
    labels={"focus": "focus above bead", "condenser": "condenser NA"},
    alt=lambda focus, condenser: f"A bead seen {focus} µm above its centre "
    f"with condenser NA {condenser}, and from the side with its true circle",
    caption="A bead of 8 µm radius, blue. Open the condenser: rings "
    "vanish, and so does contrast.",
)

# %% [markdown]
# A wide condenser gives fewer rings and less contrast; a narrow one gives contrast and rings. Microscopists close it
# to see living cells at all. For a network each setting is another kind of image.
#
# ## What the simulator leaves out
#
# It is better to know this before trusting a score.
#
# - **Only delay.** Nothing absorbs, nothing reflects, and one wavelength stands for a lamp's many.
# - **Round cells in suspension** with one nucleus each. Real cells spread, stretch and divide.
# - **A perfect objective**: no aberration, no dust, no tilt of the sample. The light is only a little uneven.
# - **Water everywhere else.** In tissue and embryos every voxel has its own index, and nothing lies alone.
#
# How far is that from reality? A public repository (FL2-Net) holds bright-field stacks of a mouse embryo. It states no licence, so this
# book shows none of their pixels. If you have downloaded them, the cell prints how the contrast of one embryo runs over the planes, at three times.

# %% tags=["nbval-ignore-output"]
try:
    name = "mouse_embryo_bright_field"
    for embryo in data_download.load(name, progress=False):
        values = contrast(embryo.image)
        where = values.argmin() / (len(values) - 1)
        print(f"{embryo.name}: {values.min():.1%} to {values.max():.1%}, "
              f"lowest at {where:.0%} of the height")
except InputError:
    print("not downloaded: python -m data_download mouse_embryo_bright_field")

# %% [markdown]
# Such a number proves little: it counts the outline of the embryo as well. The nuclei in an embryo lie inside other cells, and their rings are mixed with those
# of everything around. What works on the simulated stacks need not work there, and the book tests it where it can.
#
# ## What we saw
#
# - A cell delays light. In focus the camera sees a thin rim and little else: most of the contrast there is noise and lamp.
# - Defocus shows the delay: bright above, dark below. The sign and strength of the core are the cue for depth.
# - A lamp is a sum over directions. It removes rings, and few directions would leave ghosts.
# - Four steps, light, cross, refocus, add, give stacks with a known truth. A grid that is too coarse is refused.
# - Every cell is a column. Finding cells in such a stack is not thresholding.
#
# ## To go further
#
# Since the rule with $\nabla^2 \varphi$ links images to delays, it can be turned round: from a few planes the delay can be computed. That
# is quantitative phase imaging, and a learnt method does well to compare itself with it. `waveorder` has a linear model of the same
# microscope and its inverse. And nothing forbids taking a bright-field and a fluorescence stack of the same cells: then
# one can teach the other.
#
# Two things to try in this notebook: set the condenser's NA above the objective's, and see what contrast does when the direct light is lost; and
# make `photons` a hundred times smaller.
#
# ## Exercises
#
# `checks.hint("travel", 1)` gives the first of three hints to an exercise.

# %% [markdown]
# ### Exercise 1: let light travel
#
# Write `my_travel(u, distance, step, wavelength, index)`. All arguments may be given by name. `u` is a complex wave (Y, X) on samples `step` µm apart, `distance` and `wavelength`
# are in µm, `index` is that of the medium, $n$. Return the complex wave after that distance: transform, multiply each frequency by
#
# $$H = e^{2\pi i\, d\, \left(\sqrt{(n/\lambda)^2 - f_y^2 - f_x^2}\; -\; n/\lambda\right)},$$
#
# and transform back. Frequencies $f$ are in cycles per µm. Where the root would be of a negative number, $H$ is 0. NumPy is enough.

# %% tags=["exercise", "hide-input"]
def my_travel(u, distance, step, wavelength, index):
    """Return the wave u (Y, X) after a distance in µm."""
    ### BEGIN SOLUTION
    fy = np.fft.fftfreq(u.shape[0], step)[:, None]
    fx = np.fft.fftfreq(u.shape[1], step)[None, :]
    k = index / wavelength
    axial = k**2 - fy**2 - fx**2
    turn = 2 * np.pi * distance * (np.sqrt(np.maximum(axial, 0)) - k)
    free = np.where(axial > 0, np.exp(1j * turn), 0)
    return np.fft.ifft2(np.fft.fft2(u) * free)
    ### END SOLUTION


# %%
checks.travel(my_travel)

# %% [markdown]
# ### Exercise 2: a bubble
#
# A bubble has a *lower* index than the medium around it. What is its core 8 µm above it: `"bright"`, `"dark"`, or `"even"`, like the light
# around? Decide first, then run the check, which computes the image.

# %% tags=["exercise", "hide-input"]
my_bubble = None  # "bright", "dark" or "even"
### BEGIN SOLUTION
my_bubble = "dark"
### END SOLUTION

# %%
checks.bubble(my_bubble)

# %% [markdown]
# ### Exercise 3: how much light?
#
# The core of a cell is 1 % brighter than the light around. How many photons must a pixel collect for the noise of that pixel to be 1 %
# too?

# %% tags=["exercise", "hide-input"]
my_photons_wanted = None  # a number
### BEGIN SOLUTION
my_photons_wanted = 10_000
### END SOLUTION

# %%
checks.photons_wanted(my_photons_wanted)

# %% [markdown]
# ### Exercise 4: explain
#
# You may take only *three* planes of a stack of round cells, and must find the depth of every cell. Look at *The cue for depth* again. Where
# would you take them, and why not all three right at the cells?
#
# <details class="bfs-solution"><summary>Answer, and how to mark it</summary>
#
# One well below the cells, one well above, one between. The sign of the core, dark or bright, tells on which side of a plane a cell
# lies, and the difference of the outer two tells how far. In the plane at the cells contrast is lowest. A point for using the sign, one for saying
# that the focal plane shows least.
#
# </details>
