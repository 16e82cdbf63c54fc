"""Columns of the feature tables that the champion reads, and whether a rebuild keeps their values.

A changed view is rebuilt in history only if the champion cannot notice it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from polars import selectors as cs

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.features.raw_tables import CREATED, EVENT


@dataclass(frozen=True)
class ChampionColumns:
    """The columns of one feature table that a champion reads, with the keys of the view."""

    version: int
    keys: tuple[str, ...]
    features: tuple[str, ...]


FindChampionColumns = Callable[[UseCase], Mapping[str, ChampionColumns]]
"""Returns what the champion reads of each feature table, by view; features open no model."""


def require_same_values(
    use_case: UseCase, view: str, columns: ChampionColumns, old: pl.DataFrame, new: pl.DataFrame
) -> None:
    """Raise BadConfig if the champion would read other values from `new` rows than from `old`.

    Args:
        use_case: the use case of the view.
        view: the view whose definition changed.
        columns: what the champion reads of it.
        old: rows of the feature table.
        new: rows of the same span by the new definition.
    """
    lost = [name for name in columns.features if name not in new.columns]
    if lost:
        change = f"the new definition does not return {', '.join(lost)}"
    else:
        count = _count_changed(old, new, (*columns.keys, *columns.features, EVENT, CREATED))
        change = f"{count} of {old.height} rows would change" if count else ""
    if change:
        raise BadConfig(
            f"features/{view}: the definition of {view}() changed, and champion version "
            f"{columns.version} reads {', '.join(columns.features)} from it: {change}. Restore "
            f"{view}() and give the new definition a view and a feature service of its own, "
            "until another version is champion (docs/your-own.md, Change a view). Or let the "
            f"champion read the new values: mainspring rebuild {use_case.name} {view} --reason …"
        )


def _count_changed(old: pl.DataFrame, new: pl.DataFrame, names: Sequence[str]) -> int:
    """Count the rows that only one of two frames has.

    Numbers are rounded: sums in another order differ in their last digits.
    """
    numbers = cs.numeric().cast(pl.Float64).round(9).round_sig_figs(6)
    before, after = (
        rows.select(name for name in names if name in rows.columns).with_columns(numbers)
        for rows in (old, new)
    )
    if before.schema != after.schema:
        return max(before.height, after.height)
    lost = before.join(after, on=before.columns, how="anti", nulls_equal=True)
    added = after.join(before, on=before.columns, how="anti", nulls_equal=True)
    return max(lost.height, added.height)
