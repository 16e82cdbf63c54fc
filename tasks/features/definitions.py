"""Digest of a view's definition: its code with what it calls, and the raw columns that it names.

The code is read, not run: the function and every function, class and constant of the same package
that it reaches by name. Comments, docstrings, annotations and formatting do not count, and neither
do other libraries. A name that is only built at run time (`getattr`) is not followed.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.storage.lake import open_lake

_IGNORED = {"ctx", "annotation", "returns", "type_comment", "type_params", "kind"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def digest_view(use_case: UseCase, view: str) -> str:
    """Return the digest of a view's definition; empty if the module has no source file."""
    module = use_case.features.module
    if _read_module(module) is None:
        return ""
    code = _Code((module.partition(".")[0], "feature_repo"))
    code.reach(module, view)
    columns = {
        name: {
            "key": table.key,
            "times": (table.event_time, table.known_time),
            "columns": {n: column.type for n, column in table.columns.items() if n in code.words},
        }
        for name, table in use_case.tables.items()
        if name in code.words
    }
    content = json.dumps([code.definitions, columns], sort_keys=True, default=str)
    return sha256(content.encode()).hexdigest()


def is_outdated(note: Mapping[str, Any], definition: str) -> bool:
    """Return whether a feature table's note has the digest of another definition.

    A table that was built before notes had digests counts as built by the present definition.
    """
    return bool(definition) and note.get("definition", "") not in ("", definition)


def require_current_definitions(use_case: UseCase) -> None:
    """Raise BadConfig if a feature table was built by another definition of its view.

    A pinned table is a past state and is not checked.
    """
    lake = open_lake(use_case.name)
    for view in use_case.features.views:
        table = f"features/{view}"
        if table not in lake.pinned and is_outdated(lake.note(table), digest_view(use_case, view)):
            raise BadConfig(
                f"{lake.uri(table)} was built by another definition of {view}(): run "
                f"`mainspring run ingest {use_case.name}`, which rebuilds it in history"
            )


@dataclass
class _Code:
    """The definitions that were reached in our packages, by `module.name`, and their words."""

    packages: tuple[str, ...]
    definitions: dict[str, list[Any]] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)

    def reach(self, module: str, name: str) -> None:
        """Add a module's definition of a name, and all that it reaches."""
        place = f"{module}.{name}"
        statements = self._read_own(module)
        if place in self.definitions or name not in statements:
            return
        described = self.definitions[place] = []
        for node in statements[name]:
            if isinstance(node, ast.ImportFrom | ast.Import):
                described += self._follow_import(module, name, node)
            else:
                described.append(_describe(node))
                self._follow_names(module, node)

    def _follow_import(
        self, module: str, name: str, node: ast.ImportFrom | ast.Import
    ) -> Iterator[str]:
        """Reach what an import binds to a name; return its full names."""
        for alias in node.names:
            if name != (alias.asname or alias.name.partition(".")[0]):
                continue
            if isinstance(node, ast.ImportFrom):
                source = _resolve(module, node)
                if alias.name in self._read_own(source):
                    self.reach(source, alias.name)
                else:  # a module of a package
                    self._reach_all(f"{source}.{alias.name}")
                yield f"{source}.{alias.name}"
            else:
                self._reach_all(alias.name)
                yield alias.name

    def _follow_names(self, module: str, node: ast.AST) -> None:
        for part in _walk(node):
            if isinstance(part, ast.Name):
                self.reach(module, part.id)
            elif isinstance(part, ast.Attribute):
                self.words.add(part.attr)
            elif isinstance(part, ast.keyword) and part.arg:
                self.words.add(part.arg)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                self.words.add(part.value)

    def _reach_all(self, module: str) -> None:
        for name in self._read_own(module):
            self.reach(module, name)

    def _read_own(self, module: str) -> dict[str, list[ast.stmt]]:
        """Return the statements of a module of ours; empty for another library."""
        is_own = module.partition(".")[0] in self.packages
        return (_read_module(module) if is_own else None) or {}


def _resolve(module: str, node: ast.ImportFrom) -> str:
    relative = "." * node.level + (node.module or "")
    return resolve_name(relative, module.rpartition(".")[0]) if node.level else relative


def _read_module(module: str) -> dict[str, list[ast.stmt]] | None:
    """Return the statements of a module that bind each of its names; None without a source file."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):  # a module made in memory has no spec
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return _parse(Path(spec.origin).read_bytes())


@cache
def _parse(source: bytes) -> dict[str, list[ast.stmt]]:
    names: dict[str, list[ast.stmt]] = {}
    for statement in _list_statements(ast.parse(source)):
        for name in _list_bound_names(statement):
            names.setdefault(name, []).append(statement)
    return names


def _list_statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Return the statements outside functions and classes, also those in `if` and `try`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, _DEFINITIONS):
            yield from _list_statements(child)


def _list_bound_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _DEFINITIONS):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = ast.walk(ast.Tuple([*getattr(statement, "targets", [])]))
        single = [getattr(statement, "target", None)]
        yield from (node.id for node in (*targets, *single) if isinstance(node, ast.Name))


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Return a node and all nodes below it, without annotations and docstrings."""
    yield node
    for child in _list_children(node).values():
        for each in child if isinstance(child, list) else [child]:
            if isinstance(each, ast.AST):
                yield from _walk(each)


def _describe(node: Any) -> Any:  # noqa: ANN401
    """Return a node as lists that every Python version writes alike."""
    if isinstance(node, list):
        return [_describe(each) for each in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    return [type(node).__name__, {n: _describe(v) for n, v in _list_children(node).items()}]


def _list_children(node: ast.AST) -> dict[str, Any]:
    """Return the fields of a node that say what it does; empty ones are left out."""
    fields = {n: v for n, v in ast.iter_fields(node) if n not in _IGNORED and v not in (None, [])}
    if isinstance(fields.get("body"), list):
        fields["body"] = [each for each in fields["body"] if not _is_text(each)]
    return fields


def _is_text(node: ast.AST) -> bool:
    """Return whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
