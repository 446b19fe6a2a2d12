"""Public data sets for the tutorial: downloaded on demand, checked byte for byte, read as z-stacks.

`python -m data_download list` shows what there is; in Python, `load(name)` returns the stacks.
"""

from data_download.download import fetch, is_available
from data_download.loaders import iterate, load, load_stored_result
from data_download.registry import REGISTRY, describe

__all__ = ["REGISTRY", "describe", "fetch", "is_available", "iterate", "load", "load_stored_result"]
