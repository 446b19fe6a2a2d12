"""The paper's protocol on BBBC050, end to end: zip archives in its layout, a mirror on this machine, Table 1.

The set itself is 130 MB, so the archives are made here: from the two real embryo volumes where they are at hand,
from simulated ones otherwise.
"""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from bfs_tutorial import experiments, records, simulate
from bfs_tutorial.cli import main
from bfs_tutorial.stack import ZStack
from bfs_tutorial.training import Schedule
from data_download import registry


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def volumes(root) -> list[ZStack]:
    """Two embryos: real ones if the folder beside the repository has them."""
    folder = root.parent / "shared" / "data" / "mouse_embryo_fluorescence"
    if not folder.is_dir():
        return [simulate.fluorescence(seed, (20, 64, 64), (1.75, 0.8, 0.8), (4, 6), number=4) for seed in (0, 1)]
    read = [(tifffile.imread(folder / f"{n}_cell_{kind}.tif") for kind in ("raw", "nsn")) for n in (8, 16)]
    return [ZStack(image, (1.75, 0.8, 0.8), labels=ndimage.label(mask)[0]) for image, mask in read]


def archive(stacks: list[ZStack], kind: str) -> bytes:
    """Images.zip or GroundTruth.zip as BBBC050 lays them out: two training stacks, one test stack."""
    buffer = io.BytesIO()
    names = [("train", "Emb01_t001", 0), ("train", "Emb02_t050", 1), ("test", "Emb01_t001", 1)]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for split, name, which in names:
            image = kind == "Images"
            array = stacks[which].image if image else stacks[which].labels
            tiff = io.BytesIO()
            tifffile.imwrite(tiff, array.astype(np.uint16), photometric="minisblack")
            folder = "Images" if image else "GroundTruth_QCANet"
            file.writestr(f"{kind}/{split}/{folder}/{name}.tif", tiff.getvalue())
    return buffer.getvalue()


@pytest.fixture
def mirror(root, tmp_path, monkeypatch):
    """A server on this machine with the two archives; the registry expects their checksums."""
    folder = tmp_path / "mirror" / "bbbc050"
    folder.mkdir(parents=True)
    files, stacks = [], volumes(root)
    for real in registry.BBBC050.files:
        content = archive(stacks, real.unpacks_to)
        (folder / real.path).write_bytes(content)
        files.append(replace(real, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    monkeypatch.setitem(registry.REGISTRY, "bbbc050", replace(registry.BBBC050, files=tuple(files)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("BFS_TUTORIAL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield
    server.shutdown()


def small(steps: int, **changes) -> dict:
    schedule = Schedule(steps=steps, crop=(8, 32, 32), **changes)
    return {"channels": (4, 8), "pools": ((1, 2, 2),), "s1": schedule, "s2": schedule}


def test_from_the_archives_to_the_table(mirror, tmp_path, monkeypatch, capsys):
    data = replace(experiments.DATA["bbbc050"], settings=small(40))
    monkeypatch.setitem(experiments.DATA, "bbbc050", data)
    command = ["table1", "--data", "bbbc050", "--rows", "ball", "full", "supervised", "--seeds", "1"]
    assert main([*command, "--results", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "bbbc050, 1 test stack a seed" in shown and "Same U-Net, fully supervised" in shown
    found = records.load("bbbc050", tmp_path / "out")
    assert found["full"][0]["training_stacks"] == [["Emb01_t001", "Emb02_t050"]]
    assert list(found["full"][0]["stacks"]) == ["Emb01_t001"]


def test_the_papers_hyper_parameters_run_in_mixed_precision(mirror, tmp_path, monkeypatch):
    own = experiments.paper_settings(1)
    two_steps = {name: replace(schedule, steps=2) for name, schedule in own.items()}
    monkeypatch.setattr(experiments, "paper_settings", lambda stacks: two_steps)
    command = ["table1", "--data", "bbbc050", "--rows", "supervised", "--seeds", "1", "--stacks", "1", "--paper"]
    assert main([*command, "--results", str(tmp_path / "out")]) == 0
    (record,) = records.load("bbbc050", tmp_path / "out")["supervised"]
    settings = record["settings"][0]["s2"]
    assert record["paper_settings"] and settings["mixed_precision"] and settings["crop"] == [16, 128, 128]
    assert (settings["learning_rate"], settings["batch"]) == (5e-5, 1)
