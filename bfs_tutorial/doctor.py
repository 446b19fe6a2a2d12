"""What `bfs-tutorial doctor` says: versions, device, memory, and what is missing for which purpose."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from packaging.requirements import Requirement

PACKAGE = "bfs-tutorial"
PURPOSES = {
    "book": "to render the book",
    "lab": "to run its chapters",
    "test": "to run the tests",
    "scale": "for large stacks",
    "fiji": "to read clicks in Fiji's ROI files",
}


def report() -> tuple[str, bool]:
    """Return what there is to say about this computer, and whether all that is needed is there."""
    requirements = [Requirement(text) for text in metadata.requires(PACKAGE) or ()]
    needed = {item.name: state(item) for item in requirements if belongs(item)}
    torch_line, torch_works = device()
    usable = torch_works and all(fine for _, fine in needed.values())
    lines = [
        f"{PACKAGE} {metadata.version(PACKAGE)}, Python {platform.python_version()}, {platform.platform()}",
        *(f"  {name:<14} {text}" for name, (text, _) in needed.items()),
        f"device: {torch_line}",
        f"memory: {memory()}",
        *(f"{purpose}: {optional(requirements, extra)}" for extra, purpose in PURPOSES.items()),
        f"to read TIFFs compressed with LZW or JPEG: {state(Requirement('imagecodecs'))[0]}",
        "usable" if usable else f"not usable yet: pip install --upgrade {PACKAGE}",
    ]
    return "\n".join(lines), usable


def belongs(requirement: Requirement, extra: str = "") -> bool:
    """Tell whether a requirement applies here, for an extra alone if one is named."""
    always = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return always if not extra else not always and requirement.marker.evaluate({"extra": extra})


def state(requirement: Requirement) -> tuple[str, bool]:
    """Return the installed version, or what is wrong with it, and whether it will do."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return "missing", False
    if requirement.specifier.contains(version, prereleases=True):
        return version, True
    return f"{version}, expected {requirement.specifier}", False


def optional(requirements: list[Requirement], extra: str) -> str:
    """Return "complete", or what is missing and the command that installs it."""
    states = {item.name: state(item) for item in requirements if belongs(item, extra)}
    wrong = [f"{name} {text}" for name, (text, fine) in states.items() if not fine]
    return f"{', '.join(wrong)}: pip install '{PACKAGE}[{extra}]'" if wrong else "complete"


def device() -> tuple[str, bool]:
    """Return the GPU or the processor that PyTorch would take, and whether PyTorch works."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"PyTorch cannot be imported ({error})", False
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return f"GPU {properties.name}, {properties.total_memory / 2**30:.1f} GiB", True
    return f"CPU, {os.cpu_count()} cores, {torch.get_num_threads()} threads; PyTorch sees no GPU", True


def memory() -> str:
    """Return the size of the main memory, where the system tells."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # not a POSIX system
        return "unknown"
    return f"{size / 2**30:.1f} GiB"
