"""Entries below a folder whose content comes from outside, without opening any of them.

Links are not followed out of the folder; pipes, sockets and devices are named, since opening one
may never return.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from infra.storage.errors import storage_errors
from infra.storage.s3 import is_s3, s3_client
from tasks.storage.files import to_absolute

FOLDER = "a folder; only the files in it are read"
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class FolderEntry:
    """A file below a folder, or an entry that is no file to read (`problem` says why).

    `size` is in bytes, `modified` in seconds since 1970 (UTC). `changed` is the time of the last
    change of content, name or permissions in nanoseconds; programs cannot set it. On S3 it is a
    number made of the object's ETag, since `modified` has whole seconds there.
    """

    path: str
    size: int = 0
    modified: float = 0.0
    changed: int = 0
    problem: str = ""


def walk_folder(address: str) -> list[FolderEntry]:
    """Return the entries at any depth below an address, by path; none if it does not exist.

    A folder is no entry unless its name has the ending of a file, or it cannot be read.
    """
    if is_s3(address):
        return sorted(_list_objects(address), key=lambda entry: entry.path)
    root = Path(to_absolute(address))
    if not root.is_dir():
        return []
    return sorted(_walk(root, root), key=lambda entry: entry.path)


def _list_objects(address: str) -> Iterator[FolderEntry]:
    bucket, _, folder = address.removeprefix("s3://").strip("/").partition("/")
    prefix = f"{folder}/" if folder else ""
    with storage_errors(address):
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        objects = [each for page in pages for each in page.get("Contents", [])]
    for each in objects:
        if not each["Key"].endswith("/"):  # a marker of a folder
            name = each["Key"].removeprefix(prefix)
            changed = int.from_bytes(sha256(each["ETag"].encode()).digest()[:7])
            yield FolderEntry(name, each["Size"], each["LastModified"].timestamp(), changed)


def _walk(root: Path, start: Path) -> Iterator[FolderEntry]:
    folders = [start]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            yield FolderEntry(_show(root, folder), problem=f"not readable: {error.strerror}")
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
                if Path(entry.path).suffix:
                    yield FolderEntry(_show(root, Path(entry.path)), problem=FOLDER)
            else:
                yield _describe(root, Path(entry.path))


def _describe(root: Path, path: Path) -> FolderEntry:
    name = _show(root, path)
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            return FolderEntry(name, problem="a link that leads out of the folder; not followed")
        status = path.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        reason = getattr(error, "strerror", None) or "a link to itself"
        return FolderEntry(name, problem=f"not readable: {reason}")
    if stat.S_ISDIR(status.st_mode):
        return FolderEntry(name, problem="a link to a folder; not followed")
    problem = _KINDS.get(stat.S_IFMT(status.st_mode), "")
    if not problem and not os.access(path, os.R_OK):
        problem = "not readable: access is denied"
    if name != str(path.relative_to(root)):
        problem = "its name is not UTF-8; rename it"
    return FolderEntry(name, status.st_size, status.st_mtime, status.st_ctime_ns, problem)


def _show(root: Path, path: Path) -> str:
    r"""Return the path below the root; bytes that are not UTF-8 as \xff."""
    return os.fsencode(path.relative_to(root)).decode(errors="backslashreplace")
