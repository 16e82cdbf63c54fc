"""Writing the files of a new use case: all of them, or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from configs.errors import BadConfig
from configs.settings import settings
from infra import fault_injection
from infra.storage.atomic import remove_unfinished_writes, write_atomically


def require_free_names(root: Path, name: str) -> None:
    """Raise BadConfig if a file of a use case of this name already exists.

    Args:
        root: the project's root.
        name: the use case.
    """
    existing = [
        path
        for path in (
            f"configs/{name}.yaml", f"feature_repo/{name}/__init__.py",
            f"feature_repo/{name}/transforms.py", f"feature_repo/{name}/views.py",
            f"feature_repo/{name}.py", f"expectations/{name}.py",
            f"tests/use_cases/test_{name}.py", f"tests/use_cases/{name}",
        )
        if (root / path).exists()
    ]  # fmt: skip
    if existing:
        raise BadConfig(
            f"{', '.join(existing)} already exists and is never overwritten. Choose another name, "
            "or remove it"
        )


@contextmanager
def write_use_case(root: Path, name: str, files: Mapping[str, bytes]) -> Iterator[None]:
    """Write the files of a use case, and remove them again if the block that follows fails.

    A process that is killed leaves a note, from which `remove_unfinished` knows the files.
    FileExistsError if a file exists.

    Args:
        root: the project's root.
        name: the use case.
        files: contents by path below the root.
    """
    if existing := [path for path in files if (root / path).exists()]:
        raise FileExistsError(", ".join(existing))
    note = _note(name)
    write_atomically(note, json.dumps({path: _digest(data) for path, data in files.items()}))
    try:
        for path, content in files.items():
            with fault_injection.effect(f"write {path}"):
                write_atomically(root / path, content)
        yield
    except BaseException:
        remove_unfinished(root, name)
        raise
    note.unlink()


def remove_unfinished(root: Path, name: str) -> None:
    """Remove what an interrupted `write_use_case` left, except files that were changed since.

    Args:
        root: the project's root.
        name: the use case.
    """
    note = _note(name)
    if not note.exists():
        return
    for path, digest in json.loads(note.read_bytes()).items():
        target = root / path
        remove_unfinished_writes(target)
        if target.exists() and _digest(target.read_bytes()) == digest:
            target.unlink()
        if target.parent.name == name:
            with suppress(OSError):  # does not exist, or is not empty
                target.parent.rmdir()
    note.unlink()


def _note(name: str) -> Path:
    return settings().state / "new" / f"{name}.json"


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
