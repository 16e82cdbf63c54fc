"""The files of a new use case, written all or not at all."""

from __future__ import annotations

from pathlib import Path

from configs.errors import BadConfig
from tasks.scaffold.configuration import configuration
from tasks.scaffold.module import transforms, views
from tasks.scaffold.plan import Plan
from tasks.scaffold.spans import spans_of
from tasks.scaffold.suites import suites
from tasks.scaffold.trial import samples, trial


def files_of(plan: Plan) -> dict[str, bytes]:
    """Every file of a use case, by its path below the project's root."""
    name, spans = plan.name, spans_of(plan)
    title = f'"""The use case {name}: its features, its spine and its label."""\n'
    texts = {
        f"configs/{name}.yaml": configuration(plan, spans),
        f"feature_repo/{name}/__init__.py": title,
        f"feature_repo/{name}/transforms.py": transforms(plan),
        f"feature_repo/{name}/views.py": views(plan),
        f"expectations/{name}.py": suites(plan),
        f"tests/use_cases/test_{name}.py": trial(plan, spans),
    }
    kept = {f"tests/use_cases/{name}/{file}": rows for file, rows in samples(plan).items()}
    return {path: text.encode() for path, text in texts.items()} | kept


def require_free(root: Path, name: str) -> None:
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


def write(root: Path, files: dict[str, bytes]) -> None:
    """Write files below a folder; FileExistsError rather than overwriting one."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as new:
            new.write(content)
