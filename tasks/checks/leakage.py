"""Leak check: whether a feature module uses information before it was known.

Views, spine and label each state when their rows were known, and each may be wrong. A wrong time
lets a feature use the future. So each function runs twice: over the days around a moment with every
raw row, and over the days before it with only the rows known by then. The rows before the moment
must be equal in both runs, since nothing that became known later can have changed them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from configs.schema.data import Table
from configs.schema.use_case import UseCase
from tasks.features.raw_tables import EARLIEST, LATEST

_CREATED = "created_timestamp"
_RECENT = timedelta(days=2)
_LONGEST = timedelta(days=92)  # longest span before a moment, where rows become known that late
RawRows = Mapping[str, pl.LazyFrame]
FeatureFunction = Callable[[RawRows, datetime, datetime], pl.LazyFrame]


@dataclass(frozen=True)
class Leak:
    """Rows of a function that change when raw rows known after `moment` are removed.

    `time` is the column that states when they are known; `tables` are those whose later rows they
    need; `rows` counts them.
    """

    function: str
    time: str
    moment: datetime
    rows: int
    tables: tuple[str, ...]


def find_leaks(
    use_case: UseCase, functions: Mapping[str, FeatureFunction], raw: RawRows
) -> Iterator[Leak]:
    """Find the leaks of the spine, the label and the views, each function's first one only."""
    spans = list(dict.fromkeys(_find_spans(use_case, raw)))
    for name, function in functions.items():
        leaks = (_find_leak(use_case, name, function, raw, *span) for span in spans)
        first = next((leak for leak in leaks if leak is not None), None)
        if first is not None:
            yield first


def find_known_time(use_case: UseCase, function: str) -> str:
    """Return the column in which the rows of a function state when they are known."""
    times = {
        use_case.spine.function: use_case.spine.time,
        use_case.label.function: use_case.label.known_time,
    }
    return times.get(function, _CREATED)


def _find_spans(use_case: UseCase, raw: RawRows) -> Iterator[tuple[datetime, datetime]]:
    """Find a span [start, moment) for each table.

    Some of its newest rows became known at `moment`, about events after `start`.
    """
    for name, table in use_case.tables.items():
        times = _read_newest_times(raw[name], table)
        if not times.is_empty():
            moment = times["known"][times.height // 2]
            first_event = times.filter(pl.col("known") >= moment)["event"].min()
            assert isinstance(first_event, datetime)
            yield max(min(first_event, moment - _RECENT), moment - _LONGEST), moment


def _read_newest_times(rows: pl.LazyFrame, table: Table) -> pl.DataFrame:
    """Return the times `known` and `event` of a table's last days, in their order."""
    known = pl.col("known")
    event = pl.col(table.event_time).clip(EARLIEST, LATEST)
    both = rows.select(known=pl.col(table.known_time).clip(EARLIEST, LATEST), event=event)
    return both.filter(known >= known.max() - _RECENT).sort("known").collect()


def _find_leak(
    use_case: UseCase,
    name: str,
    function: FeatureFunction,
    raw: RawRows,
    start: datetime,
    moment: datetime,
) -> Leak | None:
    time = find_known_time(use_case, name)
    whole = _collect_before(function(raw, start, moment + _RECENT), time, moment)

    def count_changes(hidden: Mapping[str, Table]) -> int:
        visible = {
            table: rows.filter(pl.col(hidden[table].known_time) < moment)
            if table in hidden
            else rows
            for table, rows in raw.items()
        }
        restricted = _collect_before(function(visible, start, moment), time, moment)
        # a label that is corrected later replaces an earlier one; what is left must be in both
        lost = 0 if name == use_case.label.function else _count_missing(restricted, whole)
        return max(_count_missing(whole, restricted), lost)

    rows = count_changes(use_case.tables)
    if not rows:
        return None
    tables = [each for each, table in use_case.tables.items() if count_changes({each: table})]
    return Leak(name, time, moment, rows, tuple(tables))


def _collect_before(rows: pl.LazyFrame, time: str, moment: datetime) -> pl.DataFrame:
    """Return the rows that state they were known before a moment.

    Numbers are rounded: sums in another order differ in their last digits.
    """
    floats = pl.selectors.float().round(9).round_sig_figs(6)
    return rows.filter(pl.col(time) < moment).with_columns(floats).collect()


def _count_missing(rows: pl.DataFrame, others: pl.DataFrame) -> int:
    """Count the rows that are not among the others."""
    return rows.join(others, on=rows.columns, how="anti", nulls_equal=True).height
