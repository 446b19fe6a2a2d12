"""Bring the files of a data set to this machine, from their public home or a mirror, and prove them right.

Environment variables:
BFS_TUTORIAL_DATA    folder that keeps the data sets, each in a folder of its name (default: the user's cache)
BFS_TUTORIAL_MIRROR  folder or http(s) URL laid out in the same way, used instead of the public homes
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from bfs_tutorial.errors import InputError
from data_download.archives import unpack
from data_download.registry import DataSet, RemoteFile, describe, find

RETRIES = 2  # further attempts after a broken download
TIMEOUT = 30.0  # seconds without a single byte
CHUNK = 2**16  # bytes written at a time
ELSEWHERE = "choose another folder with --to (in Python: to=...) or BFS_TUTORIAL_DATA"


def data_folder(name: str, to: str | Path | None = None) -> Path:
    """Return the folder that keeps a data set: below `to`, BFS_TUTORIAL_DATA or the user's cache folder."""
    base = to or os.environ.get("BFS_TUTORIAL_DATA") or pooch.os_cache("bfs-tutorial")
    return Path(base).expanduser().absolute() / name


def is_url(source: str) -> bool:
    """Say whether a source is read over http(s), and not from a folder."""
    return source.startswith(("http://", "https://"))


def source_of(data_set: DataSet, file: RemoteFile) -> str:
    """Return the URL or path that a file comes from: the mirror, if one is set, else its public home."""
    mirror = os.environ.get("BFS_TUTORIAL_MIRROR", "").strip()
    if is_url(mirror):
        return f"{mirror.rstrip('/')}/{data_set.name}/{file.path}"
    if mirror:
        return str(Path(mirror).expanduser() / data_set.name / file.path)
    return file.url


def is_right(path: Path, file: RemoteFile) -> bool:
    """Say whether the file at this path has the right content."""
    return os.access(path, os.R_OK) and path.is_file() and pooch.file_hash(str(path)) == file.sha256


def is_available(name: str, to: str | Path | None = None) -> bool:
    """Say, without a network, whether `fetch` needs none: the right files are here or in a mirror folder."""
    data_set, folder = find(name), data_folder(name, to)
    for file in data_set.files:
        source = source_of(data_set, file)
        if not is_right(folder / file.path, file) and (is_url(source) or not is_right(Path(source), file)):
            return False
    return True


def check_content(path: Path, file: RemoteFile, source: str) -> None:
    """Raise InputError, saying what was expected and what came, unless the size and the SHA-256 are right."""
    size, advice = path.stat().st_size, "the bad copy was removed; try again"
    if file.exact and size < file.bytes:
        raise InputError(f"{source}: truncated, expected {file.bytes} bytes, got {size}; {advice}")
    found = pooch.file_hash(str(path))
    if found != file.sha256:
        raise InputError(f"{source}: wrong content, expected SHA-256 {file.sha256}, got {found}; {advice}")


@dataclass(frozen=True)
class Transfer:
    """Bring one file to a temporary path and check it there; pooch calls this once for each attempt."""

    file: RemoteFile
    progress: bool

    def __call__(self, source: str, temporary: str, _: pooch.Pooch) -> None:
        """Download or copy `source` to `temporary`. Raises InputError when the content is wrong."""
        file = self.file
        with tqdm(
            desc=file.path, total=file.bytes, unit="B", unit_scale=True, ncols=79, disable=not self.progress
        ) as bar:
            if is_url(source):
                download = pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUT)
                download(source, temporary, None)
            else:
                shutil.copyfile(source, temporary)
                bar.update(file.bytes)
        check_content(Path(temporary), file, source)
        os.chmod(temporary, 0o644)  # pooch lets its owner alone read it; a class may share the folder


def reason(error: requests.RequestException) -> str:
    """Say in a few words why a download failed."""
    status = getattr(error.response, "status_code", None)
    if status is not None:
        return f"the server answered {status}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "truncated, the download broke off"
    return f"no answer from the host ({type(error).__name__})"


def fetch_file(data_set: DataSet, file: RemoteFile, folder: Path, progress: bool) -> None:
    """Bring one file into the folder of its data set; nothing but the right content is ever given its name.

    Raises InputError when the source lacks the file, is out of reach, or gives wrong content every time.
    """
    source = source_of(data_set, file)
    if not is_url(source) and not os.access(source, os.R_OK):
        raise InputError(
            f"BFS_TUTORIAL_MIRROR has no readable file {source}: expected a copy of {file.url} there; "
            "put it there, or unset BFS_TUTORIAL_MIRROR to download from the public home"
        )
    store = pooch.Pooch(
        path=folder, base_url="", registry={file.path: f"sha256:{file.sha256}"}, urls={file.path: source},
        retry_if_failed=RETRIES if is_url(source) else 0,
    )
    try:
        store.fetch(file.path, downloader=Transfer(file, progress))
    except requests.RequestException as error:
        raise InputError(
            f"{source}: {reason(error)}; check the network and try again, or set BFS_TUTORIAL_MIRROR to a "
            f"folder or http(s) URL that holds {data_set.name}/{file.path}"
        ) from error


def fetch(name: str, to: str | Path | None = None, progress: bool = True) -> Path:
    """Download a data set, or find it where an earlier call kept it, and return its folder.

    Files that are right are left alone, so a call after an interruption goes on with the next file.
    Archives are unpacked beside themselves. `progress`: show on stderr a bar for each file that is missing
    and, once they are here, the licence and the citation; `describe` gives these two at any time.
    Raises InputError: unknown name, mirror without the file, host out of reach, truncated or wrong file,
    folder that cannot be written, full disk.
    """
    data_set, folder = find(name), data_folder(name, to)
    pooch.get_logger().setLevel(logging.WARNING)  # the progress bar says the same
    try:
        missing = [file for file in data_set.files if not is_right(folder / file.path, file)]
        for file in missing:
            fetch_file(data_set, file, folder, progress)
        for file in data_set.files:
            if file.unpacks_to:
                unpack(folder / file.path, file.unpacks_to)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            size = f"{name} takes {data_set.bytes / 1e6:.0f} MB, and more once unpacked"
            raise InputError(f"{folder}: the disk is full, {size}; free some space or {ELSEWHERE}") from error
        raise InputError(f"{folder}: cannot keep {name} here ({error}); {ELSEWHERE}") from error
    if missing and progress:
        print(describe(name), file=sys.stderr)
    return folder
