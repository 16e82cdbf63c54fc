"""Data quality rules of a new use case, profiled from its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, floor, log10

import polars as pl

from configs.schema.base import ColumnType
from tasks.scaffold.plan import ScaffoldPlan, TablePlan

_TIMES_THE_SAMPLE = 10
_FEWEST_MOST_ROWS = 1_000_000
_TREND = 0.7  # rank correlation with time
_TREND_ROWS = 30  # fewer rows show no trend
_CALENDAR_WORDS: dict[str, tuple[int, int]] = {
    "month": (1, 12), "weekday": (0, 7), "dow": (0, 7), "day": (0, 366), "hour": (0, 24),
    "minute": (0, 60), "second": (0, 60), "quarter": (1, 4), "week": (0, 53),
}  # fmt: skip
"""Values of a calendar, in any usual way to count: a sample that ends in May has no month 12."""


@dataclass(frozen=True)
class ColumnRules:
    """The rules of one column: its bounds, if it has any."""

    name: str
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
        if any(column.bounds for column in self.columns):
            yield "between"


def profile_suites(plan: ScaffoldPlan) -> list[SuiteRules]:
    """Return the rules of each table."""
    return [_profile_suite(table) for table in plan.tables.values()]


def _profile_suite(table: TablePlan) -> SuiteRules:
    sample = table.sample
    most = max(sample.largest_file_rows * _TIMES_THE_SAMPLE, _FEWEST_MOST_ROWS)
    return SuiteRules(
        table=table.name,
        known="" if table.known_from else table.known,
        sample_rows=sample.rows.height,
        max_rows=int(_round_outward(most, ceil)),
        columns=tuple(_profile_column(table, column) for column in sample.columns),
    )


def _profile_column(table: TablePlan, column: str) -> ColumnRules:
    values, kind = table.sample.rows[column], table.sample.columns[column]
    bounds = None
    if kind in ("integer", "number") and column not in table.keys:
        known = values.drop_nulls()
        if not _follows_time(table, column):
            bounds = _choose_bounds(column, known.filter(known.cast(pl.Float64).is_finite()), kind)
    return ColumnRules(column, bounds)


def _follows_time(table: TablePlan, column: str) -> bool:
    """Return whether values grow or fall with time, like a year or a running number."""
    if table.known_from:
        return False
    known = table.sample.rows.select(table.known, column).drop_nulls()
    ranks = known.select(pl.corr(table.known, column, method="spearman")).item()
    enough = known.height >= _TREND_ROWS and ranks is not None
    return enough and abs(ranks) > _TREND and column not in _CALENDAR_WORDS


def _choose_bounds(column: str, values: pl.Series, kind: ColumnType) -> tuple[float, float] | None:
    """Return bounds that later months meet too: those of a calendar or a flag, or a wide range.

    A narrow range would keep back good rows. A wide one still finds a wrong unit.
    """
    if values.is_empty():
        return None
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    if kind == "integer" and {low, high} <= {0.0, 1.0}:
        return 0, 1
    words = column.lower().split("_")
    for word, (least, most) in _CALENDAR_WORDS.items():
        if word in words and least <= low and high <= most:
            return least, most
    limit = int(_round_outward(max(abs(low), abs(high), 1.0) * _TIMES_THE_SAMPLE, ceil))
    return (0 if kind == "integer" and 0 <= low <= 1 else -limit), limit


def _round_outward(number: float, way: Callable[[float], int]) -> float:
    """Return a number with two digits, rounded away from the sample by `way`."""
    if number == 0:
        return 0
    unit = 10.0 ** (floor(log10(abs(number))) - 1)
    rounded = way(number / unit) * unit
    return round(rounded) if unit >= 1 else round(rounded, 12)
