"""Names: a public name means one thing in tasks/, and a test helper is defined once."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from configs.settings import ROOT
from tests.support.source_code import parse_module, public_names, source_modules

VAGUE = {
    "found", "said", "told", "given", "asked", "there", "its", "mine", "same", "wish", "harm",
    "crown", "carry", "aside", "of",
}  # fmt: skip
"""A name says what it holds: result, message, rows, expected, existing, …"""
RECORDED = {"asked", "of"}  # fields of the ledger, of a replay's plan and of the YAML
PROGRAMS = ("baseline", "benchmarks")  # run by `python -m`, not helpers of tests


def repeated(definitions: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the names that several files define, with the files."""
    files = defaultdict(list)
    for name, file in definitions:
        files[name].append(file)
    return {name: sorted(where) for name, where in files.items() if len(where) > 1}


def task_definitions() -> Iterator[tuple[str, str]]:
    """Yield the public names of tasks/ without Prefect's wrappers of the same-named function."""
    for path in sorted((ROOT / "tasks").rglob("*.py")):
        if path.parent.name == "versions":  # revisions, which alembic reads by these names
            continue
        names = public_names(path)
        if path.name == "prefect_tasks.py":
            names -= imported_originals(path)
        yield from ((name, str(path.relative_to(ROOT))) for name in names)


def imported_originals(path: Path) -> set[str]:
    """Return the names that a module of wrappers takes from the modules that it imports."""
    return {
        node.attr for node in ast.walk(parse_module(path)) if isinstance(node, ast.Attribute)
    } | {
        alias.name
        for node in ast.walk(parse_module(path))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def helper_definitions() -> Iterator[tuple[str, str]]:
    """Yield the functions and classes of tests/ that are neither tests nor fixtures."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.relative_to(ROOT / "tests").parts[0] in PROGRAMS:
            continue
        for node in parse_module(path).body:
            helper = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if helper and not node.name.startswith("test_") and not is_fixture(node):
                yield node.name, str(path.relative_to(ROOT))


def is_fixture(node: ast.FunctionDef | ast.ClassDef) -> bool:
    return any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_public_names_of_tasks_mean_one_thing() -> None:
    assert repeated(task_definitions()) == {}


def vague_names(path: Path) -> Iterator[str]:
    """Yield the vague names of variables and parameters; fields of classes are recorded names."""
    tree = parse_module(path)
    fields = {
        id(node.target)
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.AnnAssign)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.arg):
            continue
        name = node.id if isinstance(node, ast.Name) else node.arg
        if name in VAGUE and not (id(node) in fields and name in RECORDED):
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {name}"


def test_variables_and_parameters_say_what_they_hold() -> None:
    assert [name for path in source_modules().values() for name in vague_names(path)] == []


def test_helpers_of_tests_are_defined_once() -> None:
    assert repeated(helper_definitions()) == {}


def test_tests_import_no_test_file() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(parse_module(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
                assert ".test_" not in f"{node.module}.", path
