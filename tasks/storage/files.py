"""Files at an address: a local path, or an object under s3://.

Landed files, samples and reports are read and written here, so that no other module needs to know
whether an address is local.
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from glob import glob
from hashlib import sha256
from pathlib import Path, PurePosixPath

from pyarrow import fs

from configs.settings import settings
from infra.storage.atomic import write_atomically
from infra.storage.errors import storage_errors
from infra.storage.s3 import is_s3, open_file_system

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class StoredFile:
    """A file below an address: its path from there, its size in bytes, and the time of its last
    change in seconds since 1970 (UTC).
    """

    path: str
    size: int
    modified: float


def to_absolute(address: str | Path) -> str:
    """Return the address in a form that does not depend on the working folder."""
    return str(address) if is_s3(str(address)) else str(Path(address).resolve())


def read_file(address: str) -> bytes:
    """Return the content of a file; FileNotFoundError if there is none."""
    with storage_errors(address):
        system, path = _open_file_system(address)
        with system.open_input_file(path) as stream:
            content: bytes = stream.readall()
    return content


def read_end(address: str, count: int) -> bytes:
    """Return at most `count` bytes from the end of a file."""
    with storage_errors(address):
        system, path = _open_file_system(address)
        with system.open_input_file(path) as stream:
            size = stream.size()
            stream.seek(max(0, size - count))
            content: bytes = stream.read(count)
    return content


def hash_file(address: str, size: int) -> str:
    """Return the sha256 of the first `size` bytes of a file, read in pieces."""
    digest, left = sha256(), size
    with storage_errors(address):
        system, path = _open_file_system(address)
        with system.open_input_stream(path, compression=None) as stream:
            while left > 0 and (piece := stream.read(min(left, _PIECE_BYTES))):
                digest.update(piece)
                left -= len(piece)
    return digest.hexdigest()


def write_file(address: str, content: bytes) -> None:
    """Write a file in one step, and the folders above it.

    CannotWrite if the disk is full or read-only.
    """
    with storage_errors(address):
        system, path = _open_file_system(address)
        if not is_s3(address):
            write_atomically(Path(path), content)
            return
        kind, _ = mimetypes.guess_type(path)  # without it a browser saves a page, not shows it
        metadata = {"Content-Type": kind} if kind else {}
        # the name must not decide: pyarrow would compress a .gz once more
        with system.open_output_stream(path, compression=None, metadata=metadata) as stream:
            stream.write(content)


def file_exists(address: str) -> bool:
    """Return whether there is a file at the address."""
    with storage_errors(address):
        system, path = _open_file_system(address)
        return bool(system.get_file_info(path).type == fs.FileType.File)


def upload_folder(folder: Path, address: str, pattern: str = "*") -> None:
    """Copy the files below a local folder that match a pattern to the same paths at an address."""
    for path in sorted(folder.rglob(pattern)):
        if path.is_file():
            write_file(f"{address}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def remove_folder(address: str) -> None:
    """Remove a folder and its content, if it exists."""
    with storage_errors(address):
        system, path = _open_file_system(address)
        if system.get_file_info(path).type == fs.FileType.Directory:
            system.delete_dir(path)


def remove_file(address: str) -> None:
    """Remove a file, if it exists."""
    with storage_errors(address):
        system, path = _open_file_system(address)
        if system.get_file_info(path).type == fs.FileType.File:
            system.delete_file(path)


def list_files(address: str) -> list[StoredFile]:
    """List the files at any depth below an address; none if it does not exist."""
    with storage_errors(address):
        system, root = _open_file_system(address)
        try:  # not with allow_not_found: that takes a missing bucket for an empty one
            entries = system.get_file_info(fs.FileSelector(root, recursive=True))
        except FileNotFoundError:
            return []
    return [
        StoredFile(info.path.removeprefix(f"{root}/"), info.size, info.mtime.timestamp())
        for info in entries
        if info.type == fs.FileType.File
    ]


def match_files(pattern: str) -> list[str]:
    """Return the addresses that match a pattern with * and ?, sorted; * matches within a folder."""
    if not is_s3(pattern):
        return sorted(glob(pattern))  # noqa: PTH207 - the pattern may be absolute
    whole = PurePosixPath(pattern.removeprefix("s3:/"))
    fixed = next(up for up in whole.parents if not any(sign in str(up) for sign in "*?["))
    paths = [f"{fixed}/{file.path}" for file in list_files(f"s3:/{fixed}")]
    return sorted(f"s3:/{path}" for path in paths if PurePosixPath(path).match(str(whole)))


def link_to(address: str) -> str:
    """Return the link to a report: below MAINSPRING_REPORTS_URL if set, else its own address."""
    places = settings()
    if places.reports_url and address.startswith(f"{places.reports}/"):
        return places.reports_url.rstrip("/") + address.removeprefix(places.reports)
    return address if is_s3(address) else Path(to_absolute(address)).as_uri()


def _open_file_system(address: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of an address, and the path on it."""
    if is_s3(address):
        return open_file_system(), address.removeprefix("s3://")
    return fs.LocalFileSystem(), to_absolute(address)
