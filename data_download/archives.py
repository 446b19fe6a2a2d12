"""Unpack zip archives from elsewhere without letting them write where they should not."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from pathlib import Path, PureWindowsPath

from bfs_tutorial.errors import InputError


def refuse_unsafe(member: zipfile.ZipInfo, archive: Path) -> None:
    """Raise InputError when a member could be written outside of the folder it is unpacked in.

    Windows rules are the stricter ones: they know both slashes and drive letters, so they serve everywhere.
    """
    path = PureWindowsPath(member.filename)
    if path.drive or path.root or ".." in path.parts:
        raise InputError(f"{archive}: refused, its member {member.filename!r} leads out of its folder")
    if stat.S_ISLNK(member.external_attr >> 16):  # the upper half holds the Unix mode
        raise InputError(f"{archive}: refused, its member {member.filename!r} is a link")


def unpack(archive: Path, top: str) -> Path:
    """Unpack the folder `top` of a zip archive beside the archive, whole or not at all, and return its path.

    Members outside of `top` (such as __MACOSX/) are left out. A folder that is there already stays as it is.
    Raises InputError, before anything is written, when a member is a link or has an absolute path or `..`,
    when there is no `top`, and when the archive cannot be read.
    """
    target = archive.parent / top
    if target.is_dir():
        return target
    try:
        with zipfile.ZipFile(archive) as source:
            for member in source.infolist():
                refuse_unsafe(member, archive)
            wanted = [member for member in source.infolist() if member.filename.startswith(f"{top}/")]
            if not wanted:
                raise InputError(f"{archive}: expected a folder {top}/ in it, found none")
            with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=archive.parent) as temporary:
                source.extractall(temporary, wanted)
                Path(temporary, top).rename(target)
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive}: not a readable zip ({error}); delete it and download again") from error
    return target
