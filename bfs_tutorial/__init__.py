"""BFS-Net from nothing: instance labels of cells in 3D z-stacks, learnt from one point per cell.

Data: stack, files, normalise, simulate. Method, in the paper's order: centre_maps, unet, losses, training, peaks,
peak_response, pseudo_labels, instances; all of it in one object: pipeline. Beside it: metrics, baselines, figures.
"""

from importlib.metadata import version

__version__ = version("bfs-tutorial")
