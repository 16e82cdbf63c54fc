"""Atomic writes: a file or folder appears complete, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".new"


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file in one step, in place of an older one; make the folders above it."""
    with replace_atomically(path) as unfinished:
        if isinstance(content, str):
            unfinished.write_text(content)
        else:
            unfinished.write_bytes(content)


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; move the file or folder that was written there to `path`.

    A folder moves only if `path` does not exist or is an empty folder: OSError otherwise. If the
    block fails, what it wrote is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, because landing folders are read while files are written. With the process id,
    # because two processes may write the same file at once.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    _remove(unfinished)
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        _remove(unfinished)
        raise


def remove_unfinished_writes(path: Path) -> None:
    """Remove what killed processes left of their writes of a file or folder."""
    for unfinished in path.parent.glob(f".{path.name}.*{_SUFFIX}"):
        _remove(unfinished)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
