"""No file under flows/ or tasks/ knows a column or a name of any use case that ships."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.schema.loading import load_use_case, use_case_names
from configs.schema.use_case import UseCase
from configs.settings import ROOT

DEFAULTS = {"spine", "labels", "prediction_time", "label_known_time"}
OWN = {
    "age",
    "engine",
    "landed",
    "model",
    "observed",
    "origin",
    "plan",
    "schedules",
    "type",
    "weekday",
    "year",
}
"""Words that a use case shares with Mainspring's own tables, fields and figures."""


def names(use_case: UseCase) -> set[str]:
    """Its name, and those of its tables, columns, views, service, inputs and label."""
    columns = {column for table in use_case.tables.values() for column in table.columns}
    features, label = use_case.features, use_case.label
    named = {*use_case.tables, *features.views, *features.inputs, features.service, label.column}
    return {use_case.name} | columns | named


def code_words(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module that are values, with their lines; docstrings are for people."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        if isinstance(node, ast.keyword) and node.arg:
            yield node.lineno, node.arg
        if isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, part) for part in (node.module or "").split("."))
        if isinstance(node, ast.Import):
            yield from ((node.lineno, p) for name in node.names for p in name.name.split("."))


def find_words(path: Path, secret: set[str]) -> list[str]:
    return [f"{path.name}:{line} {word!r}" for line, word in code_words(path) if word in secret]


@pytest.mark.parametrize("name", use_case_names())
def test_no_flow_and_no_task_knows_it(name):
    secret = names(load_use_case(name)) - DEFAULTS - OWN
    paths = [p for folder in ("flows", "tasks") for p in sorted((ROOT / folder).rglob("*.py"))]
    assert len(paths) > 50
    assert [hit for path in paths for hit in find_words(path, secret)] == []


def test_one_that_did_would_be_found(tmp_path):
    lines = ('"""tailnum"""', 'x = "tailnum"', "rows = rows.filter(tailnum=x)")
    (tmp_path / "a.py").write_text("\n".join(lines))
    assert find_words(tmp_path / "a.py", {"tailnum"}) == ["a.py:2 'tailnum'", "a.py:3 'tailnum'"]


def test_no_task_knows_which_store_of_feasts_it_is() -> None:
    stores = ("asof", "delta", "delta_writes", "feast_types", "point_in_time", "retrieval_job")
    ours = {f"feature_repo.{name}" for name in stores}
    for path in sorted((ROOT / "tasks").rglob("*.py")):
        tree = ast.parse(path.read_text())
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert not modules & ours, path
