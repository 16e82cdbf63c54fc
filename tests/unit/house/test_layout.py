"""Layout: where modules lie, how large files and packages are, and that each module has a test."""

from pathlib import Path

import pytest

from configs.settings import ROOT
from tests.support.source_code import source_modules

MAX_MODULES = 16  # of a package, `__init__` included
MAX_LINES = 300


def packages() -> list[Path]:
    folders = {path.parent for path in source_modules().values()}
    return sorted(folder for folder in folders if (folder / "__init__.py").exists())


def test_tasks_holds_packages_only() -> None:
    assert [path.name for path in (ROOT / "tasks").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("package", packages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_package_has_at_most_16_modules(package: Path) -> None:
    assert len([*package.glob("*.py")]) <= MAX_MODULES
