"""The leak check: does a feature module use anything before it was known?

A view says of each row since when it was known, the spine when it predicts, the label when it
came. All of them may be wrong, and a wrong one is a feature that knows the future. So nobody is
believed: each function runs twice, once over the days around a moment with every raw row in sight,
and once over the days before it with only those rows that were known by then. What it says of the
time before the moment must be the same, for nothing that came later can have had a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from configs.schema.data import Table
from configs.schema.use_case import UseCase

_CREATED = "created_timestamp"
_RECENT = timedelta(days=2)
_LONGEST = timedelta(days=92)  # looked at before a moment, where rows become known that late
RawRows = Mapping[str, pl.LazyFrame]
FeatureFunction = Callable[[RawRows, datetime, datetime], pl.LazyFrame]


@dataclass(frozen=True)
class Leak:
    """Rows of a function that changed when what was known after `moment` was taken away.

    `time` is the column that says since when they are known, `tables` whose later rows they need.
    """

    function: str
    time: str
    moment: datetime
    rows: int
    tables: tuple[str, ...]


def find_leaks(
    use_case: UseCase, functions: Mapping[str, FeatureFunction], raw: RawRows
) -> Iterator[Leak]:
    """The leaks of the spine, the label and the views, each function's first one only."""
    spans = list(dict.fromkeys(_spans(use_case, raw)))
    for name, function in functions.items():
        found = (_leak(use_case, name, function, raw, *span) for span in spans)
        first = next((leak for leak in found if leak is not None), None)
        if first is not None:
            yield first


def known_times(use_case: UseCase, function: str) -> str:
    """The column by which the rows of a function say since when they are known."""
    times = {
        use_case.spine.function: use_case.spine.time,
        use_case.label.function: use_case.label.known_time,
    }
    return times.get(function, _CREATED)


def _spans(use_case: UseCase, raw: RawRows) -> Iterator[tuple[datetime, datetime]]:
    """For each table a span [start, moment): some of its newest rows became known at `moment`,
    and what they tell of happened after `start`.
    """
    for name, table in use_case.tables.items():
        times = _newest_times(raw[name], table)
        if not times.is_empty():
            moment = times["known"][times.height // 2]
            told = times.filter(pl.col("known") >= moment)["event"].min()
            assert isinstance(told, datetime)
            yield max(min(told, moment - _RECENT), moment - _LONGEST), moment


def _newest_times(rows: pl.LazyFrame, table: Table) -> pl.DataFrame:
    """The times `known` and `event` of a table's last days, in their order."""
    known = pl.col("known")
    both = rows.select(known=pl.col(table.known_time), event=pl.col(table.event_time))
    return both.filter(known >= known.max() - _RECENT).sort("known").collect()


def _leak(
    use_case: UseCase,
    name: str,
    function: FeatureFunction,
    raw: RawRows,
    start: datetime,
    moment: datetime,
) -> Leak | None:
    time = known_times(use_case, name)
    whole = _before(function(raw, start, moment + _RECENT), time, moment)

    def changed(hidden: Mapping[str, Table]) -> int:
        seen = {
            table: rows.filter(pl.col(hidden[table].known_time) < moment)
            if table in hidden
            else rows
            for table, rows in raw.items()
        }
        then = _before(function(seen, start, moment), time, moment)
        # a label that is corrected later is taken back now; what stands must have stood then
        lost = 0 if name == use_case.label.function else _missing(then, whole)
        return max(_missing(whole, then), lost)

    rows = changed(use_case.tables)
    if not rows:
        return None
    guilty = [table for table, of in use_case.tables.items() if changed({table: of})]
    return Leak(name, time, moment, rows, tuple(guilty))


def _before(rows: pl.LazyFrame, time: str, moment: datetime) -> pl.DataFrame:
    """The rows that say they were known before a moment, with numbers that sums in another order
    do not change.
    """
    floats = pl.selectors.float().round(9).round_sig_figs(6)
    return rows.filter(pl.col(time) < moment).with_columns(floats).collect()


def _missing(rows: pl.DataFrame, among: pl.DataFrame) -> int:
    """How many of the rows are not among the others."""
    return rows.join(among, on=rows.columns, how="anti", nulls_equal=True).height
