"""The project's own source code: files, modules, definitions, and which module imports which."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from configs.settings import ROOT

FOLDERS = ("flows", "tasks", "configs", "infra", "feature_repo", "expectations")


@cache
def source_modules() -> dict[str, Path]:
    """Return the modules of the project by their full name."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {module_name(path): path for path in paths}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@cache
def parse_module(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def module_imports() -> dict[str, set[str]]:
    """Return which modules of the project each one imports, also inside of functions."""
    modules = source_modules()
    imports = {}
    for name, path in modules.items():
        imports[name] = {m for m in _imported_by(path) if m in modules} - {name}
    return imports


def _imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(parse_module(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in source_modules() else node.module
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def public_names(path: Path) -> set[str]:
    """Return the names without a leading underscore that a module defines at its top level."""
    names: set[str] = set()
    for node in parse_module(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of one cycle of a graph in order, or nothing if there is none."""
    done: set[str] = set()

    def visit(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return trail[trail.index(node) :]
        if node in done:
            return []
        for follower in sorted(graph.get(node, ())):
            if cycle := visit(follower, [*trail, node]):
                return cycle
        done.add(node)
        return []

    return next((cycle for node in sorted(graph) if (cycle := visit(node, []))), [])


def longest_chain(graph: dict[str, set[str]]) -> list[str]:
    """Return the longest path of a graph without cycles."""

    @cache
    def chain_from(node: str) -> tuple[str, ...]:
        chains = [chain_from(follower) for follower in sorted(graph.get(node, ()))]
        return (node, *max(chains, key=len, default=()))

    return list(max(map(chain_from, sorted(graph)), key=len, default=()))
