"""Files at an address: a path of this machine, or one under s3://.

Landed files, samples and reports are read and written here, so that nobody else asks which of the
two an address is.
"""

from __future__ import annotations

import mimetypes
from glob import glob
from pathlib import Path, PurePosixPath

from pyarrow import fs

from configs.settings import settings
from infra.storage.errors import disk_errors, s3_errors
from infra.storage.s3 import is_s3, open_file_system


def to_absolute(address: str | Path) -> str:
    """The address, the same from every folder."""
    return str(address) if is_s3(str(address)) else str(Path(address).resolve())


def read_file(address: str) -> bytes:
    """The content of a file; FileNotFoundError without one."""
    with s3_errors(address):
        system, path = _opened(address)
        with system.open_input_file(path) as stream:
            content: bytes = stream.readall()
    return content


def write_file(address: str, content: bytes) -> None:
    """Make `content` the file at an address, with the folders above it; CannotWrite if the disk
    takes no more.
    """
    with s3_errors(address), disk_errors(address):
        system, path = _opened(address)
        if not is_s3(address):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        kind, _ = mimetypes.guess_type(path)  # so that a browser shows a page instead of saving it
        with system.open_output_stream(path, metadata={"Content-Type": kind} if kind else {}) as to:
            to.write(content)


def file_exists(address: str) -> bool:
    """Whether there is a file."""
    with s3_errors(address):
        system, path = _opened(address)
        return bool(system.get_file_info(path).type == fs.FileType.File)


def upload_folder(folder: Path, address: str, pattern: str = "*") -> None:
    """Write the files below a folder that match a pattern to the same places below an address."""
    for path in sorted(folder.rglob(pattern)):
        if path.is_file():
            write_file(f"{address}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def remove_folder(address: str) -> None:
    """Remove a folder and all below it, if it is there."""
    with s3_errors(address):
        system, path = _opened(address)
        if system.get_file_info(path).type == fs.FileType.Directory:
            system.delete_dir(path)


def list_files(address: str) -> list[tuple[str, fs.FileInfo]]:
    """The files at any depth below an address, by their path from there; none where nothing is."""
    with s3_errors(address):
        system, root = _opened(address)
        try:  # not with allow_not_found, to which a missing bucket is an empty one
            found = system.get_file_info(fs.FileSelector(root, recursive=True))
        except FileNotFoundError:
            return []
    return [
        (info.path.removeprefix(f"{root}/"), info)
        for info in found
        if info.type == fs.FileType.File
    ]


def match_files(pattern: str) -> list[str]:
    """The addresses that fit a pattern with * and ?, in order. A * stands for no folder."""
    if not is_s3(pattern):
        return sorted(glob(pattern))  # noqa: PTH207 - the pattern may be absolute
    whole = PurePosixPath(pattern.removeprefix("s3:/"))
    fixed = next(up for up in whole.parents if not any(sign in str(up) for sign in "*?["))
    found = [f"{fixed}/{path}" for path, _ in list_files(f"s3:/{fixed}")]
    return sorted(f"s3:/{path}" for path in found if PurePosixPath(path).match(str(whole)))


def link_to(address: str) -> str:
    """Where people open a report: below MAINSPRING_REPORTS_URL if that is set, else where it is."""
    places = settings()
    if places.reports_url and address.startswith(f"{places.reports}/"):
        return places.reports_url.rstrip("/") + address.removeprefix(places.reports)
    return address if is_s3(address) else Path(to_absolute(address)).as_uri()


def _opened(address: str) -> tuple[fs.FileSystem, str]:
    """The file system of an address, and the path on it."""
    if is_s3(address):
        return open_file_system(), address.removeprefix("s3://")
    return fs.LocalFileSystem(), to_absolute(address)
