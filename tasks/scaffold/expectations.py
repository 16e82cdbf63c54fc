"""The expectations module of a new use case, profiled from its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, floor, log10

import polars as pl

from tasks.scaffold.plan import ScaffoldPlan, TablePlan
from tasks.scaffold.source_text import call, doc, quoted

_TIMES_THE_SAMPLE = 10
_MODULE = '''"""Suites of {name}: ranges that nothing in the sample comes near to leaving.

Made from the sample: the bounds lie as far out as the sample is wide. Where you know what cannot
be, say that in their place.
"""

from __future__ import annotations

from datetime import datetime

from great_expectations.expectations import Expectation

{rules}


{suites}
'''

_SUITE = """def {name}(as_of: datetime) -> list[Expectation]:{noqa}
{doc}
    return [
{rules}
    ]"""


def write_suites(plan: ScaffoldPlan) -> str:
    """expectations/<name>.py."""
    rules = {table.name: list(_rules(table)) for table in plan.tables.values()}
    used = {rule.lstrip("*").partition("(")[0] for each in rules.values() for rule in each}
    written = [_suite(plan.tables[name], each) for name, each in rules.items()]
    return _MODULE.format(
        name=plan.name,
        rules=call("from expectations.rules import ", sorted(used), ""),
        suites="\n\n\n".join(written),
    )


def _suite(table: TablePlan, rules: list[str]) -> str:
    said = f"The rows of {table.name}, as {table.sample.rows.height} of them were in the sample."
    return _SUITE.format(
        name=table.name,
        noqa=""
        if table.known_from is None
        else "  # noqa: ARG001 - a suite is asked as of a moment",
        doc=doc(said),
        rules="\n".join(f"        {rule}," for rule in rules),
    )


def _rules(table: TablePlan) -> Iterator[str]:
    sample = table.sample
    most = _round(sample.most * _TIMES_THE_SAMPLE, ceil)
    if table.known_from is None:
        yield f"*lands({quoted(table.known)}, {most:_}, as_of)"
    else:
        yield f"some_rows({most:_})"
    taken = {each.column for each in table.inputs if each.kind != "time"}
    for column, kind in sample.columns.items():
        values = sample.rows[column]
        if column in taken and not values.null_count():
            yield f"there({quoted(column)})"
        if kind in ("integer", "number") and column not in table.keys:
            yield from _between(column, values.drop_nulls(), whole=kind == "integer")


def _between(column: str, values: pl.Series, *, whole: bool) -> Iterator[str]:
    """Bounds one width of the sample beyond it; what is never below 0 stays so."""
    if values.is_empty():
        return
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    width = (high - low) or abs(high) or 1.0
    least = 0.0 if low >= 0 else _round(low - width, floor)
    most = _round(high + width, ceil)
    bounds = [f"{int(x)}" if whole or x == int(x) else f"{x:g}" for x in (least, most)]
    yield f"between({quoted(column)}, {', '.join(bounds)})"


def _round(number: float, way: Callable[[float], int]) -> float | int:
    """Two digits of a number, away from the sample."""
    if number == 0:
        return 0
    unit = 10.0 ** (floor(log10(abs(number))) - 1)
    rounded = way(number / unit) * unit
    return round(rounded) if unit >= 1 else round(rounded, 12)
