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
# BFS-Net {cite}`dehghani2022bfsnet` learns where cells are from one point per cell.
# This page is a stand-in: it draws the target that its first network learns,
#
# $$p(x) = e^{-k D(x) / d_m} \quad\text{where } D(x) \le d_m,$$ (eq-stand-in)
#
# with $D(x)$ the distance to the nearest point.

# %%
import numpy as np

points = np.array([[40.0, 40.0], [60.0, 85.0]])  # (N, 2)
y, x = np.mgrid[:100, :128]
distance = np.hypot(y - points[:, 0, None, None], x - points[:, 1, None, None]).min(axis=0)  # (Y, X)

# %% [markdown]
# ## One map for all points
#
# Equation {eq}`eq-stand-in` gives every pixel the likelihood that a centre is there.

# %%
import matplotlib.pyplot as plt

from bfs_tutorial import figures

figure, axes = plt.subplots(figsize=(5, 3.5))
axes.imshow(np.where(distance <= 30, np.exp(-3 * distance / 30), 0))
figures.show(
    figure,
    alt="Two bright round spots on a dark ground, one per point",
    caption="Each point gives one spot; the maps are joined by the nearest point.",
)
