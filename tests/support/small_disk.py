"""A small disk of its own for a test (a tmpfs), that can be filled up or made read-only.

Root is not held up by permission bits, so that read-only is a mount on top. Where mounting is not
allowed, tests are skipped.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_PAGE = 4096


@dataclass(frozen=True)
class Disk:
    """A mounted folder."""

    path: Path

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "ballast").open("ab", buffering=0) as ballast:
            for size in (1 << 20, _PAGE):
                try:
                    while ballast.write(bytes(size)):
                        pass
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise

    def close(self) -> None:
        """Make it read-only, for who opens a file from now on."""
        _mount("--bind", str(self.path), str(self.path))
        _mount("-o", "remount,bind,ro", str(self.path))

    def mend(self) -> None:
        """Let it be written again."""
        ballast = self.path / "ballast"
        if ballast.exists():
            ballast.unlink()
        else:
            _umount(self.path)


@contextmanager
def mounted(path: Path, megabytes: int) -> Iterator[Disk]:
    """A new empty disk at a folder, until the end of the block."""
    path.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as refused:
        pytest.skip(f"no disk can be mounted here: {refused}")
    try:
        yield Disk(path)
    finally:
        _umount(path)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def _umount(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=True, capture_output=True)
