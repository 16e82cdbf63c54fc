"""Cache of joined rows: features of a whole period, so that a replay joins them only once.

A row's features depend on its entity keys, its prediction time and the feature tables. While these
are pinned, a cached row equals a joined one. `MAINSPRING_JOINED` names the folder, which has one
Parquet file for each use case and feature service.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.atomic import replace_atomically

_ROW_GROUP_ROWS = 8192  # in order of time: a day reads one or two row groups


def read_joined_rows(use_case: UseCase, spine: pl.DataFrame) -> pl.DataFrame | None:
    """Return the spine with its features, in its order; None unless every row is cached."""
    path = _path(use_case)
    if path is None or spine.is_empty() or not path.exists():
        return None
    time, rows = use_case.spine.time, pl.scan_parquet(path)
    keys = [name for name in rows.collect_schema() if name in spine.columns]
    first, last = pl.lit(spine[time].min()), pl.lit(spine[time].max())
    inside = rows.filter(pl.col(time).is_between(first, last)).collect()
    joined = spine.join(
        inside.with_columns(__cached=pl.lit(True)),
        on=keys, how="left", nulls_equal=True, maintain_order="left",
    )  # fmt: skip
    return None if joined["__cached"].null_count() else joined.drop("__cached")


def save_joined_rows(use_case: UseCase, keys: pl.DataFrame, features: pl.DataFrame) -> None:
    """Write joined rows to the cache, in place of its file.

    Args:
        keys: entity keys and prediction time of each row.
        features: the features of these rows, in their order.
    """
    path = _path(use_case)
    assert path is not None
    once = keys.hstack(features).unique(keys.columns, maintain_order=True)
    ordered = once.sort(use_case.spine.time, maintain_order=True)
    with replace_atomically(path) as unfinished:
        ordered.write_parquet(unfinished, row_group_size=_ROW_GROUP_ROWS)


def _path(use_case: UseCase) -> Path | None:
    folder = settings().joined
    return Path(folder, use_case.name, f"{use_case.features.service}.parquet") if folder else None
