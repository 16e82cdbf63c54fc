"""Digests of the files of a Delta table, kept beside its commits in the folder `_mainspring`.

A data file, a commit or a checkpoint is written once and never changed. So each has one digest
file, `<name>.sha256`, in the form that `sha256sum --check` reads. Digests are kept in folders only:
an object store checks the content of its objects by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import file_digest
from pathlib import Path

from configs.errors import Damaged
from infra.storage.atomic import write_atomically

DIGESTS_FOLDER = "_mainspring"
LOG_FOLDER = "_delta_log"
_SUFFIX = ".sha256"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint.*\.parquet")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)\n")
_intact: set[tuple[str, int, int, int]] = set()
"""Files that this process has compared: path, inode, size and time of modification."""


def record_digests(folder: Path, data_files: Iterable[str]) -> None:
    """Write the missing digests of a table: of its data files, its commits and checkpoints.

    A process that was killed between its commit and the digests left some out.
    """
    recorded = _list_names(folder / DIGESTS_FOLDER)
    log = (f"{LOG_FOLDER}/{name}" for name in _list_log(folder))
    for name in [*data_files, *log]:
        path = folder / name
        if f"{path.name}{_SUFFIX}" not in recorded and path.exists():
            line = f"{compute_digest(path)}  {name}\n"
            write_atomically(folder / DIGESTS_FOLDER / f"{path.name}{_SUFFIX}", line)


def compute_digest(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def has_digest(folder: Path, name: str) -> bool:
    """Return whether a file of a table has a digest."""
    return (folder / DIGESTS_FOLDER / f"{Path(name).name}{_SUFFIX}").exists()


def check_digest(folder: Path, name: str) -> None:
    """Raise Damaged if a file of a table differs from its recorded digest.

    A file without a digest passes: an older version of Mainspring wrote it. Each file is read once
    in a process, and again when it changes.
    """
    path, digest = folder / name, folder / DIGESTS_FOLDER / f"{Path(name).name}{_SUFFIX}"
    seen = path.stat()
    key = (str(path), seen.st_ino, seen.st_size, seen.st_mtime_ns)
    if key in _intact or not digest.exists():
        return
    if digest.read_bytes() != f"{compute_digest(path)}  {name}\n".encode():
        raise Damaged(
            f"{path} is damaged: it differs from its digest in {digest}; "
            "run `mainspring verify`, which says how to replace it"
        )
    _intact.add(key)


def check_log(folder: Path, version: int | None) -> None:
    """Raise Damaged if a commit or checkpoint that leads to a version is damaged or missing."""
    # digests first: a commit of this moment has its log file before its digest
    last = max(_recorded_commits(folder), default=-1) if version is None else version
    commits, checkpoints = _list_versions(folder, _COMMIT), _list_versions(folder, _CHECKPOINT)
    newest = max([*commits, *checkpoints], default=-1)
    if last > newest:
        raise Damaged(_describe_lost_commit(folder, last))
    until = newest if version is None else version
    start = max((number for number in checkpoints if number <= until), default=-1)
    if start in checkpoints:
        for name in checkpoints[start]:
            check_digest(folder, f"{LOG_FOLDER}/{name}")
    for number in range(start + 1, until + 1):
        if number not in commits:
            raise Damaged(_describe_lost_commit(folder, number))
        check_digest(folder, f"{LOG_FOLDER}/{commits[number][0]}")


def check_commits(folder: Path, versions: Iterable[int]) -> None:
    """Raise Damaged if one of these commits is damaged; those that are gone are passed over."""
    commits = _list_versions(folder, _COMMIT)
    for number in versions:
        for name in commits.get(number, []):
            check_digest(folder, f"{LOG_FOLDER}/{name}")


def find_damaged_files(folder: Path, needed: Iterable[str]) -> dict[str, str]:
    """Return the files of a table that are damaged, and what is wrong with each.

    A data file that is missing counts only if it is `needed`: a vacuum removes the others.
    """
    wanted, damaged = set(needed), {}
    for digest in sorted((folder / DIGESTS_FOLDER).glob(f"*{_SUFFIX}")):
        match = _LINE.fullmatch(digest.read_bytes().decode(errors="replace"))
        name = match[2] if match else ""
        if match is None or Path(name).name != digest.name.removesuffix(_SUFFIX):
            damaged[f"{DIGESTS_FOLDER}/{digest.name}"] = "it is no digest of the file of its name"
        elif not (folder / name).exists():
            if name in wanted or name.startswith(LOG_FOLDER):
                damaged[name] = "it is missing"
        elif compute_digest(folder / name) != match[1]:
            damaged[name] = "it differs from its digest"
    missing = (name for name in wanted if not (folder / name).exists())
    return damaged | dict.fromkeys(missing, "it is missing")


def remove_checkpoint(folder: Path, name: str) -> bool:
    """Remove a damaged checkpoint; return whether all commits exist that replace it.

    For a log that cannot be read though each file is sound, the hint `_last_checkpoint` is removed.
    """
    if name == LOG_FOLDER:
        hint = folder / LOG_FOLDER / "_last_checkpoint"
        existed = hint.exists()
        hint.unlink(missing_ok=True)
        return existed
    match = _CHECKPOINT.fullmatch(Path(name).name)
    commits = _list_versions(folder, _COMMIT)
    if match is None or not all(number in commits for number in range(int(match[1]) + 1)):
        return False
    for path in (name, f"{LOG_FOLDER}/_last_checkpoint"):
        (folder / path).unlink(missing_ok=True)
    remove_digest(folder, name)
    return True


def remove_digest(folder: Path, name: str) -> None:
    """Remove the digest of a file that was removed."""
    (folder / DIGESTS_FOLDER / f"{Path(name).name}{_SUFFIX}").unlink(missing_ok=True)


def drop_lost_digests(folder: Path) -> None:
    """Remove the digests of files that do not exist."""
    for digest in (folder / DIGESTS_FOLDER).glob(f"*{_SUFFIX}"):
        match = _LINE.fullmatch(digest.read_bytes().decode(errors="replace"))
        if match and not (folder / match[2]).exists():
            digest.unlink()


def _describe_lost_commit(folder: Path, number: int) -> str:
    return (
        f"{folder / LOG_FOLDER / f'{number:020}.json'} is missing: version {number} of the table "
        "cannot be read; restore it from a backup, or run `mainspring verify`"
    )


def _recorded_commits(folder: Path) -> Iterator[int]:
    """Yield the versions whose commit has a digest."""
    for name in _list_names(folder / DIGESTS_FOLDER):
        match = _COMMIT.fullmatch(name.removesuffix(_SUFFIX))
        if match:
            yield int(match[1])


def _list_versions(folder: Path, pattern: re.Pattern[str]) -> dict[int, list[str]]:
    """Return the names of a kind of log file, by version."""
    versions: dict[int, list[str]] = {}
    for name in sorted(_list_names(folder / LOG_FOLDER)):
        match = pattern.fullmatch(name)
        if match:
            versions.setdefault(int(match[1]), []).append(name)
    return versions


def _list_log(folder: Path) -> list[str]:
    """Return the names of all commits and checkpoints."""
    kinds = (_list_versions(folder, pattern) for pattern in (_COMMIT, _CHECKPOINT))
    return [name for kind in kinds for names in kind.values() for name in names]


def _list_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
