"""The files of a new use case, written all or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from configs.errors import BadConfig
from configs.settings import settings
from infra import fault_injection
from tasks.scaffold.expectations import write_suites
from tasks.scaffold.feature_module import write_transforms, write_views
from tasks.scaffold.plan import ScaffoldPlan
from tasks.scaffold.test_file import sample_rows_of, write_test_file
from tasks.scaffold.time_spans import choose_time_spans
from tasks.scaffold.yaml_file import write_yaml


def render_files(plan: ScaffoldPlan) -> dict[str, bytes]:
    """Every file of a use case, by its path below the project's root."""
    name, spans = plan.name, choose_time_spans(plan)
    title = f'"""The use case {name}: its features, its spine and its label."""\n'
    texts = {
        f"configs/{name}.yaml": write_yaml(plan, spans),
        f"feature_repo/{name}/__init__.py": title,
        f"feature_repo/{name}/transforms.py": write_transforms(plan),
        f"feature_repo/{name}/views.py": write_views(plan),
        f"expectations/{name}.py": write_suites(plan),
        f"tests/use_cases/test_{name}.py": write_test_file(plan, spans),
    }
    kept = {f"tests/use_cases/{name}/{file}": rows for file, rows in sample_rows_of(plan).items()}
    return {path: text.encode() for path, text in texts.items()} | kept


def require_free_names(root: Path, name: str) -> None:
    """BadConfig if a file of a use case of this name is there already."""
    taken = [
        path
        for path in (
            f"configs/{name}.yaml", f"feature_repo/{name}/__init__.py",
            f"feature_repo/{name}/transforms.py", f"feature_repo/{name}/views.py",
            f"expectations/{name}.py", f"tests/use_cases/test_{name}.py",
            f"tests/use_cases/{name}",
        )
        if (root / path).exists()
    ]  # fmt: skip
    if taken:
        raise BadConfig(
            f"{', '.join(taken)}: there already, and never overwritten; take another name, or "
            "remove what is there"
        )


@contextmanager
def write_use_case(root: Path, name: str, files: Mapping[str, bytes]) -> Iterator[None]:
    """Write the files of a use case below a folder; they are taken back unless the block that
    follows ends well. A process that is killed leaves a note, by which `take_back` finds them.

    FileExistsError rather than overwriting one.
    """
    if there := [path for path in files if (root / path).exists()]:
        raise FileExistsError(", ".join(there))
    note = _note(name)
    _put(note, json.dumps({path: _digest(content) for path, content in files.items()}).encode())
    try:
        for path, content in files.items():
            with fault_injection.effect(f"write {path}"):
                _put(root / path, content)
        yield
    except BaseException:
        remove_unfinished(root, name)
        raise
    note.unlink()


def remove_unfinished(root: Path, name: str) -> None:
    """Remove what an unfinished `written` left, but nothing that was changed since."""
    note = _note(name)
    if not note.exists():
        return
    for path, digest in json.loads(note.read_bytes()).items():
        target = root / path
        _unfinished(target).unlink(missing_ok=True)
        if target.exists() and _digest(target.read_bytes()) == digest:
            target.unlink()
        if target.parent.name == name:
            with suppress(OSError):  # not there, or not empty
                target.parent.rmdir()
    note.unlink()


def _put(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _unfinished(target).write_bytes(content)
    _unfinished(target).replace(target)


def _unfinished(target: Path) -> Path:
    return target.with_name(f".{target.name}.new")


def _note(name: str) -> Path:
    return settings().state / "new" / f"{name}.json"


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
