"""data_download: a file is right or absent, a failure is one clear line, nothing is written out of place."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
import tifffile
from skimage.measure import label, regionprops

import data_download
from bfs_tutorial.errors import InputError
from data_download import __main__ as command
from data_download import archives, download, registry
from data_download.registry import DataSet, RemoteFile

ROOT = Path(__file__).parents[1]
CONTENT = {"a.bin": bytes(range(256)) * 40, "b.bin": b"second file" * 300}
ALL_FILES = [file for data_set in registry.REGISTRY.values() for file in data_set.files]
EMBRYOS = ("mouse_embryo_fluorescence", "mouse_embryo_bright_field")


class Server:
    """A web server on this machine: `answers` maps a path to a function that answers one request."""

    def __init__(self):
        self.answers, self.requests, self.gate = {}, [], threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                outer.answers.get(self.path, refuse(404))(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self):
        self.gate.set()
        self.http.shutdown()
        self.http.server_close()


def send(body, announced=None):
    """Answer with this body; `announced` is the length that the header claims, 0 for no header."""

    def answer(handler):
        handler.send_response(200)
        if announced != 0:
            handler.send_header("Content-Length", str(len(body) if announced is None else announced))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def refuse(status):
    return lambda handler: handler.send_error(status)


def stall(server, body):
    """Answer with the first half of the body and then hold the line until the server stops."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        server.gate.wait(20)

    return answer


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """Keep every test in its own data folder, off the user's settings and without pooch's pauses."""
    monkeypatch.setenv("BFS_TUTORIAL_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BFS_TUTORIAL_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))


def remote(path, content, url, **options):
    return RemoteFile(path, url, len(content), hashlib.sha256(content).hexdigest(), **options)


def register(monkeypatch, name, files):
    data_set = DataSet(name, "A test", tuple(files), "CC0", "Nobody (2000)", "Two files.")
    monkeypatch.setitem(registry.REGISTRY, name, data_set)
    return data_set


@pytest.fixture
def tiny(monkeypatch, server):
    """A data set of two small files, served rightly until a test changes an answer."""
    server.answers = {f"/{path}": send(content) for path, content in CONTENT.items()}
    return register(monkeypatch, "tiny", [remote(p, c, f"{server.url}/{p}") for p, c in CONTENT.items()])


def files_in(folder):
    """Every file below a folder, hidden and temporary ones too."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def one_line(error):
    """The message of an InputError, shown to be a single line."""
    message = str(error.value)
    assert message and "\n" not in message
    return message


# --- registry


def test_registry_names_are_the_promised_ones():
    assert list(registry.REGISTRY) == [*EMBRYOS, "bbbc050"]
    assert all(name == data_set.name for name, data_set in registry.REGISTRY.items())


@pytest.mark.parametrize("file", ALL_FILES, ids=lambda file: file.url)
def test_registry_files_are_pinned(file):
    assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    assert file.bytes > 0
    assert not Path(file.path).is_absolute() and ".." not in Path(file.path).parts
    pinned = re.match(r"https://raw\.githubusercontent\.com/funalab/[\w-]+/[0-9a-f]{40}/", file.url)
    assert pinned or file.url.startswith("https://data.broadinstitute.org/bbbc/BBBC050/")


def test_registry_has_no_file_twice():
    for key in ("url", "sha256"):
        assert len({getattr(file, key) for file in ALL_FILES}) == len(ALL_FILES)


@pytest.mark.parametrize("name", registry.REGISTRY)
def test_registry_says_the_terms(name):
    data_set, text = registry.REGISTRY[name], registry.describe(name)
    assert data_set.licence and data_set.note and "http" in data_set.citation + data_set.licence
    assert data_set.licence in text and data_set.citation in text
    assert ("do not redistribute" in text) == (name == "mouse_embryo_bright_field")


def test_unknown_name_lists_the_names():
    for call in (data_download.fetch, data_download.load, data_download.is_available, data_download.describe):
        with pytest.raises(InputError) as error:
            call("bbbc051")
        assert all(name in one_line(error) for name in ("bbbc051", *registry.REGISTRY))


# --- downloads that succeed


def test_fetch_downloads_once_and_shows_the_terms_once(tiny, server, tmp_path, capsys):
    folder = data_download.fetch("tiny")
    assert folder == tmp_path / "data" / "tiny"
    assert {path: (folder / path).read_bytes() for path in files_in(folder)} == CONTENT
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count(registry.describe("tiny")) == 1 and "a.bin: 100%" in shown.err
    assert data_download.fetch("tiny") == folder
    assert capsys.readouterr() == ("", "") and server.requests == ["/a.bin", "/b.bin"]


def test_fetch_can_be_silent(tiny, capfd):
    data_download.fetch("tiny", progress=False)
    assert capfd.readouterr() == ("", "")


def test_fetch_goes_where_it_is_told(tiny, tmp_path, monkeypatch):
    assert data_download.fetch("tiny", to=tmp_path / "here") == tmp_path / "here" / "tiny"
    assert not (tmp_path / "data").exists()
    monkeypatch.delenv("BFS_TUTORIAL_DATA")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    assert data_download.fetch("tiny") == tmp_path / "cache" / "bfs-tutorial" / "tiny"


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_files_are_readable_by_others(tiny):
    assert all((data_download.fetch("tiny") / path).stat().st_mode & 0o444 == 0o444 for path in CONTENT)


def test_a_broken_download_is_tried_again(tiny, server):
    good = server.answers["/a.bin"]
    bad = [send(b"x" * 10, announced=999), refuse(503), good]
    server.answers["/a.bin"] = lambda handler: bad.pop(0)(handler)
    assert files_in(data_download.fetch("tiny")) == ["a.bin", "b.bin"]
    assert server.requests.count("/a.bin") == 3


def test_a_bad_kept_file_is_replaced(tiny):
    folder = data_download.fetch("tiny")
    (folder / "a.bin").write_bytes(b"damaged")
    assert not data_download.is_available("tiny")
    data_download.fetch("tiny")
    assert (folder / "a.bin").read_bytes() == CONTENT["a.bin"] and data_download.is_available("tiny")


def test_a_later_call_goes_on_where_the_first_one_stopped(tiny, server):
    good, server.answers["/b.bin"] = server.answers["/b.bin"], refuse(500)
    with pytest.raises(InputError):
        data_download.fetch("tiny")
    server.answers["/b.bin"] = good
    data_download.fetch("tiny")
    assert server.requests.count("/a.bin") == 1


# --- downloads that fail


@pytest.mark.parametrize("announced", [None, 0, len(CONTENT["a.bin"])])
def test_truncated_file(tiny, server, announced, tmp_path):
    server.answers["/a.bin"] = send(CONTENT["a.bin"][:1000], announced)
    with pytest.raises(InputError, match="truncated") as error:
        data_download.fetch("tiny")
    assert f"{server.url}/a.bin" in one_line(error) and "try again" in one_line(error)
    if announced != len(CONTENT["a.bin"]):  # a short body that does not betray itself
        assert "expected 10240 bytes, got 1000" in one_line(error)
    assert files_in(tmp_path) == []


def test_wrong_hash(tiny, server, tmp_path):
    wrong = CONTENT["a.bin"][::-1]
    server.answers["/a.bin"] = send(wrong)
    with pytest.raises(InputError, match="wrong content") as error:
        data_download.fetch("tiny")
    assert f"expected SHA-256 {tiny.files[0].sha256}" in one_line(error)
    assert f"got {hashlib.sha256(wrong).hexdigest()}" in one_line(error) and "try again" in one_line(error)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_server_that_refuses(tiny, server, status, tmp_path):
    server.answers["/a.bin"] = refuse(status)
    with pytest.raises(InputError, match=f"{server.url}/a.bin: the server answered {status}") as error:
        data_download.fetch("tiny")
    assert "BFS_TUTORIAL_MIRROR" in one_line(error) and files_in(tmp_path) == []


def test_server_that_falls_silent(tiny, server, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    monkeypatch.setattr(download, "RETRIES", 0)
    server.answers["/a.bin"] = stall(server, CONTENT["a.bin"])
    start = time.monotonic()
    with pytest.raises(InputError, match="no answer from the host") as error:
        data_download.fetch("tiny")
    assert time.monotonic() - start < 3
    assert f"{server.url}/a.bin" in one_line(error) and files_in(tmp_path) == []


def test_host_out_of_reach(monkeypatch, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.bin"  # nobody listens there
    register(monkeypatch, "tiny", [remote("a.bin", CONTENT["a.bin"], url)])
    with pytest.raises(InputError, match="no answer from the host") as error:
        data_download.fetch("tiny")
    assert url in one_line(error) and "BFS_TUTORIAL_MIRROR" in one_line(error) and files_in(tmp_path) == []


@pytest.mark.parametrize("blocked", ["data", "data/tiny"])
def test_a_file_where_the_folder_should_be(tiny, tmp_path, blocked):
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("in the way")
    with pytest.raises(InputError, match="cannot keep tiny here") as error:
        data_download.fetch("tiny")
    assert str(tmp_path / "data" / "tiny") in one_line(error) and "--to" in one_line(error)
    assert files_in(tmp_path) == [blocked]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.EACCES, "cannot keep tiny"), (errno.EROFS, "cannot keep tiny"), (errno.ENOSPC, "disk is full")],
)
def test_folder_that_cannot_be_written(tiny, tmp_path, monkeypatch, number, expected):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr("pooch.utils.tempfile.NamedTemporaryFile", fail)
    with pytest.raises(InputError, match=expected) as error:
        data_download.fetch("tiny")
    assert "BFS_TUTORIAL_DATA" in one_line(error) and files_in(tmp_path) == []


@contextmanager
def ordinary_user():
    """Root may write everywhere, so be nobody for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="folder modes are POSIX's")
def test_read_only_folder(tiny):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to other users
        folder = Path(name, "tiny")
        folder.mkdir(mode=0o555)
        Path(name).chmod(0o755)
        with ordinary_user(), pytest.raises(InputError, match="cannot keep tiny here") as error:
            data_download.fetch("tiny", to=name)
        assert str(folder) in one_line(error) and "--to" in one_line(error)
        assert os.listdir(folder) == []


# --- mirror


def make_mirror(folder, content=CONTENT):
    (folder / "tiny").mkdir(parents=True)
    for path, data in content.items():
        (folder / "tiny" / path).write_bytes(data)
    return folder


def test_mirror_folder_replaces_the_network(tiny, server, tmp_path, monkeypatch):
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(make_mirror(tmp_path / "mirror")))
    assert files_in(data_download.fetch("tiny")) == sorted(CONTENT) and server.requests == []


def test_mirror_url_replaces_the_home(tiny, server, monkeypatch):
    server.answers = {f"/lab/tiny/{path}": send(content) for path, content in CONTENT.items()}
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", f"{server.url}/lab/")
    assert files_in(data_download.fetch("tiny")) == sorted(CONTENT)
    assert server.requests == ["/lab/tiny/a.bin", "/lab/tiny/b.bin"]


def test_a_data_folder_serves_as_a_mirror(tiny, server, tmp_path, monkeypatch):
    data_download.fetch("tiny", to=tmp_path / "first")
    server.requests.clear()
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(tmp_path / "first"))
    assert files_in(data_download.fetch("tiny", to=tmp_path / "second")) == sorted(CONTENT)
    assert server.requests == []


def test_mirror_that_lacks_a_file_is_not_passed_over(tiny, server, tmp_path, monkeypatch):
    mirror = make_mirror(tmp_path / "mirror", {"a.bin": CONTENT["a.bin"]})
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(mirror))
    with pytest.raises(InputError, match="BFS_TUTORIAL_MIRROR has no readable file") as error:
        data_download.fetch("tiny")
    assert str(mirror / "tiny" / "b.bin") in one_line(error) and tiny.files[1].url in one_line(error)
    assert server.requests == [] and files_in(tmp_path / "data") == ["tiny/a.bin"]


def test_mirror_that_is_not_there(tiny, server, tmp_path, monkeypatch):
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(tmp_path / "nowhere"))
    assert not data_download.is_available("tiny")
    with pytest.raises(InputError, match="nowhere"):
        data_download.fetch("tiny")
    assert server.requests == []


def test_kept_files_need_no_mirror(tiny, tmp_path, monkeypatch):
    folder = data_download.fetch("tiny")
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(tmp_path / "nowhere"))
    assert data_download.is_available("tiny") and data_download.fetch("tiny") == folder


def test_mirror_with_wrong_bytes(tiny, tmp_path, monkeypatch):
    wrong = CONTENT | {"a.bin": CONTENT["a.bin"][::-1]}
    mirror = make_mirror(tmp_path / "mirror", wrong)
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(mirror))
    assert not data_download.is_available("tiny")
    with pytest.raises(InputError, match="wrong content"):
        data_download.fetch("tiny")
    assert files_in(tmp_path / "data") == [] and len(files_in(mirror)) == 2


def test_is_available_uses_no_network(tiny, server, tmp_path, monkeypatch):
    def fail(*_):
        raise AssertionError("is_available used the network")

    data_download.fetch("tiny", to=tmp_path / "kept")
    monkeypatch.setattr(socket.socket, "connect", fail)
    assert not data_download.is_available("tiny")
    assert data_download.is_available("tiny", to=tmp_path / "kept")
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", server.url)
    assert not data_download.is_available("tiny")
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(tmp_path / "kept"))
    assert data_download.is_available("tiny")


# --- archives


def make_zip(members):
    """The bytes of a zip archive; a member is a name or a ZipInfo."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in members:
            archive.writestr(member, content)
    return buffer.getvalue()


def symbolic_link(name):
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, (0o120777 << 16)
    return member


@pytest.mark.parametrize(
    "member",
    ["../evil", "top/../../evil", "/evil", "C:/evil", "C:evil", "top\\..\\..\\evil", "\\\\host\\evil", "..",
     symbolic_link("top/evil")],
    ids=str,
)
def test_unsafe_archives_are_refused_before_anything_is_written(tmp_path, member):
    archive = tmp_path / "inner" / "x.zip"
    archive.parent.mkdir()
    archive.write_bytes(make_zip([("top/good", b"good"), (member, b"/etc/passwd")]))
    with pytest.raises(InputError, match="refused"):
        archives.unpack(archive, "top")
    assert files_in(tmp_path) == ["inner/x.zip"] and os.listdir(archive.parent) == ["x.zip"]


def test_unpack_is_whole_and_leaves_the_rest_out(tmp_path):
    archive = tmp_path / "x.zip"
    others = [("__MACOSX/top/a", b"3"), ("topical", b"4")]
    archive.write_bytes(make_zip([("top/a", b"1"), ("top/sub/b..c", b"2"), *others]))
    assert archives.unpack(archive, "top") == tmp_path / "top"
    assert files_in(tmp_path) == ["top/a", "top/sub/b..c", "x.zip"]


def test_unpack_twice_changes_nothing(tmp_path):
    archive = tmp_path / "x.zip"
    archive.write_bytes(make_zip([("top/a", b"1")]))
    archives.unpack(archive, "top")
    before = (tmp_path / "top" / "a").stat().st_mtime_ns
    archive.unlink()  # not even read again
    assert archives.unpack(archive, "top") == tmp_path / "top"
    assert (tmp_path / "top" / "a").stat().st_mtime_ns == before


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
def test_interrupted_unpacking_leaves_nothing(tmp_path, monkeypatch, failure):
    def half(archive, folder, members):
        archive.extract(members[0], folder)
        raise failure

    archive = tmp_path / "x.zip"
    archive.write_bytes(make_zip([("top/a", b"1"), ("top/b", b"2")]))
    monkeypatch.setattr(zipfile.ZipFile, "extractall", half)
    with pytest.raises((KeyboardInterrupt, OSError)):
        archives.unpack(archive, "top")
    assert os.listdir(tmp_path) == ["x.zip"]


@pytest.mark.parametrize("content", [b"", b"not a zip", make_zip([("other/a", b"1")])])
def test_archive_of_another_kind(tmp_path, content):
    archive = tmp_path / "x.zip"
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.zip"):
        archives.unpack(archive, "top")
    assert os.listdir(tmp_path) == ["x.zip"]


def test_a_damaged_member_leaves_nothing(tmp_path):
    archive = tmp_path / "x.zip"
    damaged = make_zip([("top/a", b"payload")]).replace(b"payload", b"pAyload")  # its CRC no longer fits
    archive.write_bytes(damaged)
    with pytest.raises(InputError, match="not a readable zip"):
        archives.unpack(archive, "top")
    assert os.listdir(tmp_path) == ["x.zip"]


# --- loaders


def use_mirror(shared, monkeypatch):
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(shared / "data"))


@pytest.mark.parametrize("name", EMBRYOS)
def test_real_files_have_the_registered_sizes(name, shared, monkeypatch):
    use_mirror(shared, monkeypatch)
    assert data_download.is_available(name)
    folder = data_download.fetch(name, progress=False)
    for file in registry.REGISTRY[name].files:
        assert file.exact and (folder / file.path).stat().st_size == file.bytes


def test_mouse_embryo_fluorescence(shared, monkeypatch):
    use_mirror(shared, monkeypatch)
    stacks = data_download.load("mouse_embryo_fluorescence", progress=False)
    assert [stack.name for stack in stacks] == ["8-cell", "16-cell"]
    for stack, cells in zip(stacks, (8, 16), strict=True):
        assert stack.image.shape == stack.labels.shape == (51, 120, 122)
        assert stack.image.dtype == np.float32 and stack.spacing == (1.75, 0.8, 0.8)
        assert np.array_equal(np.unique(stack.labels), np.arange(cells + 1))
        assert stack.centres.shape == (cells, 3)
        # row i lies in label i + 1, and is the centroid of one component of the centre-ball image
        inside = stack.labels[tuple(np.rint(stack.centres).astype(int).T)]
        assert np.array_equal(inside, np.arange(1, cells + 1))
        balls = tifffile.imread(shared / "data" / "mouse_embryo_fluorescence" / f"{cells}_cell_ndn.tif") > 0
        expected = [region.centroid for region in regionprops(label(balls))]
        assert np.allclose(sorted(stack.centres.tolist()), sorted(map(list, expected)))


def test_stored_result(shared, monkeypatch):
    use_mirror(shared, monkeypatch)
    stored = data_download.load_stored_result(progress=False)
    truth = data_download.load("mouse_embryo_fluorescence", progress=False)[1].labels
    assert stored.dtype == np.int32 and stored.shape == truth.shape
    assert np.array_equal(np.unique(stored), np.arange(17))
    iou = np.count_nonzero((stored > 0) & (truth > 0)) / np.count_nonzero((stored > 0) | (truth > 0))
    assert iou == pytest.approx(0.7386, abs=5e-5)  # the value measured with QCANet's own evaluation tool


def test_mouse_embryo_bright_field(shared, monkeypatch):
    use_mirror(shared, monkeypatch)
    stacks = data_download.load("mouse_embryo_bright_field", progress=False)
    assert [stack.name for stack in stacks] == ["t318", "t319", "t320"]
    for stack, cells in zip(stacks, (15, 13, 14), strict=True):
        assert stack.image.shape == stack.labels.shape == (51, 148, 148) and stack.spacing == (1.75, 0.8, 0.8)
        assert stack.labels.dtype == np.int32 and stack.labels.max() == cells
        assert np.allclose(stack.centres, [region.centroid for region in regionprops(stack.labels)])


@pytest.fixture
def small_bbbc050(monkeypatch, tmp_path):
    """A mirror of two tiny archives laid out as BBBC050, and the label volumes in them."""

    def tiff(array):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, array, photometric="minisblack")
        return buffer.getvalue()

    rng = np.random.default_rng(0)
    labels = np.zeros((4, 12, 14), np.uint16)
    labels[1:3, 1:4, 2:7], labels[0:2, 8:11, 9:12] = 1, 7  # numbers need not be consecutive
    images, truth = [("Images/.DS_Store", b"")], [("__MACOSX/._GroundTruth", b"")]
    for name in ("train/Emb01_t001", "train/Emb01_t050", "train/Emb02_t001", "test/Emb01_t001"):
        split, stem = name.split("/")
        image = rng.integers(0, 999, labels.shape, np.uint16)
        images.append((f"Images/{split}/Images/{stem}.tif", tiff(image)))
        truth.append((f"GroundTruth/{split}/GroundTruth_QCANet/{stem}.tif", tiff(labels)))
    mirror = tmp_path / "mirror" / "bbbc050"
    mirror.mkdir(parents=True)
    files = []
    for real, content in zip(registry.BBBC050.files, map(make_zip, (images, truth)), strict=True):
        (mirror / real.path).write_bytes(content)
        files.append(remote(real.path, content, real.url, exact=False, unpacks_to=real.unpacks_to))
    register(monkeypatch, "bbbc050", files)
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(mirror.parent))
    return labels


def test_bbbc050(small_bbbc050):
    train, test = (data_download.load("bbbc050", split=split, progress=False) for split in ("train", "test"))
    assert [stack.name for stack in train] == ["Emb01_t001", "Emb01_t050", "Emb02_t001"]
    assert [stack.spacing for stack in train + test] == [(1.75, 0.8, 0.8)] * 3 + [(2.0, 0.8, 0.8)]
    for stack in train + test:
        assert np.array_equal(stack.labels, small_bbbc050)
        assert stack.centres.tolist() == [[1.5, 2.0, 4.0], [0.5, 9.0, 10.0]]
    assert not np.array_equal(train[0].image, test[0].image)  # the same file name in either split


def test_bbbc050_limit_and_default_split(small_bbbc050):
    names = [stack.name for stack in data_download.load("bbbc050", limit=2, progress=False)]
    assert names == ["Emb01_t001", "Emb01_t050"]


def test_bbbc050_is_read_lazily(small_bbbc050):
    stacks = data_download.iterate("bbbc050", progress=False)
    assert next(stacks).name == "Emb01_t001"
    folder = download.data_folder("bbbc050")
    (folder / "GroundTruth" / "train" / "GroundTruth_QCANet" / "Emb01_t050.tif").unlink()
    with pytest.raises(InputError, match=r"Emb01_t050\.tif: missing"):
        next(stacks)


def test_bbbc050_without_stacks_is_an_error(small_bbbc050):
    folder = data_download.fetch("bbbc050", progress=False)
    for path in (folder / "Images" / "test" / "Images").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="found none"):
        data_download.load("bbbc050", split="test", progress=False)


@pytest.mark.parametrize(("name", "split"), [("bbbc050", "validation"), (EMBRYOS[0], "train")])
def test_unknown_split_is_refused_before_any_download(name, split, tmp_path):
    with pytest.raises(InputError, match=split):
        data_download.load(name, split=split)
    assert files_in(tmp_path) == []


# --- command line


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "data_download", *arguments], cwd=ROOT, env=os.environ | environment,
        capture_output=True, text=True, timeout=60,
    )


def test_command_list(capsys):
    assert command.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *registry.REGISTRY]
    assert "MIT" in lines[1] and "none stated" in lines[2] and "CC BY 3.0" in lines[3]
    assert all(re.search(r"\d MB +no ", line) for line in lines[1:])


def test_command_downloads_to_a_folder(tiny, tmp_path, capsys):
    assert command.main(["tiny", "--to", str(tmp_path / "x")]) == 0
    assert capsys.readouterr().out == f"tiny: {tmp_path / 'x' / 'tiny'}\n"
    assert files_in(tmp_path / "x") == ["tiny/a.bin", "tiny/b.bin"]
    assert command.main(["list", "--to", str(tmp_path / "x")]) == 0
    assert re.search(r"tiny .* yes ", capsys.readouterr().out)


def test_command_all_goes_on_after_a_failure(tiny, tmp_path, monkeypatch, capsys):
    for name in (*EMBRYOS, "bbbc050"):
        monkeypatch.delitem(registry.REGISTRY, name)
    register(monkeypatch, "another", [remote("c.bin", b"c", "http://127.0.0.1:9/c.bin")])
    register(monkeypatch, "tiny", registry.REGISTRY.pop("tiny").files)  # now the one that fails comes first
    monkeypatch.setenv("BFS_TUTORIAL_MIRROR", str(make_mirror(tmp_path / "mirror")))
    assert command.main(["all"]) == 2
    shown = capsys.readouterr()
    assert shown.out.startswith("tiny: ") and shown.err.count("error: ") == 1 and "c.bin" in shown.err


def test_command_errors_are_one_line_and_exit_code_2(tmp_path):
    for result in (run("nonsense"), run(EMBRYOS[0], BFS_TUTORIAL_MIRROR=str(tmp_path / "nowhere"))):
        assert result.returncode == 2 and result.stdout == ""
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


def test_command_help_has_an_example():
    result = run("--help")
    assert result.returncode == 0
    assert "python -m data_download mouse_embryo_fluorescence" in result.stdout
    assert "BFS_TUTORIAL_MIRROR" in result.stdout and "BFS_TUTORIAL_DATA" in result.stdout


def test_command_needs_no_torch():
    code = "import sys; from data_download.__main__ import main; main(['list']); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    modules = result.stdout.splitlines()[-1].split()
    assert "tifffile" in modules and "torch" not in modules, result.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_leaves_no_half_file_and_exits_130(server, tmp_path):
    """Interrupt the real command while the first file of a real data set is half there."""
    file = registry.REGISTRY[EMBRYOS[0]].files[0]
    asked, answer = threading.Event(), stall(server, b"x" * file.bytes)

    def half(handler):
        asked.set()
        answer(handler)

    server.answers[f"/{EMBRYOS[0]}/{file.path}"] = half
    process = subprocess.Popen(
        [sys.executable, "-m", "data_download", EMBRYOS[0], "--to", str(tmp_path / "x")], cwd=ROOT,
        env=os.environ | {"BFS_TUTORIAL_MIRROR": server.url}, stderr=subprocess.PIPE, text=True,
    )
    try:
        assert asked.wait(30)
        patience = time.monotonic() + 30
        while not any(path.stat().st_size for path in (tmp_path / "x").rglob("*") if path.is_file()):
            assert time.monotonic() < patience, "no byte was written"
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in shown and "Traceback" not in shown
    assert files_in(tmp_path) == []
