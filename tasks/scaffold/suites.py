"""Data quality rules of a new use case, profiled from its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, floor, log10

import polars as pl

from tasks.scaffold.plan import ScaffoldPlan, TablePlan

_TIMES_THE_SAMPLE = 10


@dataclass(frozen=True)
class ColumnRules:
    """The rules of one column: whether it must have a value, and its bounds."""

    name: str
    required: bool
    bounds: tuple[float, float] | None


@dataclass(frozen=True)
class SuiteRules:
    """The rules of one table; `known` is its known-time column, "" for a table without times."""

    table: str
    known: str
    sample_rows: int
    max_rows: int
    columns: tuple[ColumnRules, ...]

    @property
    def rules(self) -> Iterator[str]:
        """The functions of expectations.rules that the suite calls."""
        yield "lands" if self.known else "some_rows"
        if any(column.required for column in self.columns):
            yield "not_null"
        if any(column.bounds for column in self.columns):
            yield "between"


def profile_suites(plan: ScaffoldPlan) -> list[SuiteRules]:
    """Return the rules of each table."""
    return [_profile_suite(table) for table in plan.tables.values()]


def _profile_suite(table: TablePlan) -> SuiteRules:
    sample = table.sample
    return SuiteRules(
        table=table.name,
        known="" if table.known_from else table.known,
        sample_rows=sample.rows.height,
        max_rows=int(_round_outward(sample.largest_file_rows * _TIMES_THE_SAMPLE, ceil)),
        columns=tuple(_profile_column(table, column) for column in sample.columns),
    )


def _profile_column(table: TablePlan, column: str) -> ColumnRules:
    values, kind = table.sample.rows[column], table.sample.columns[column]
    is_input = any(each.column == column and each.kind != "time" for each in table.inputs)
    bounds = None
    if kind in ("integer", "number") and column not in table.keys:
        bounds = _choose_bounds(values.drop_nulls(), whole=kind == "integer")
    return ColumnRules(column, is_input and not values.null_count(), bounds)


def _choose_bounds(values: pl.Series, *, whole: bool) -> tuple[float, float] | None:
    """Return the sample's range, widened by its width; below 0 only if the sample is."""
    finite = values.filter(values.cast(pl.Float64).is_finite())
    if finite.is_empty():
        return None
    low, high = float(finite.min()), float(finite.max())  # type: ignore[arg-type]
    width = (high - low) or abs(high) or 1.0
    least = 0.0 if low >= 0 else _round_outward(low - width, floor)
    most = _round_outward(high + width, ceil)
    return _shorten(least, whole=whole), _shorten(most, whole=whole)


def _shorten(bound: float, *, whole: bool) -> float:
    return int(bound) if whole or bound == int(bound) else float(f"{bound:g}")


def _round_outward(number: float, way: Callable[[float], int]) -> float:
    """Return a number with two digits, rounded away from the sample by `way`."""
    if number == 0:
        return 0
    unit = 10.0 ** (floor(log10(abs(number))) - 1)
    rounded = way(number / unit) * unit
    return round(rounded) if unit >= 1 else round(rounded, 12)
