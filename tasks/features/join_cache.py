"""Rows that were joined before: the features of a whole period, so that a replay joins them once.

What a row's features are depends on its entity keys, its prediction time and the feature tables
alone, so of pinned tables a row that was joined once is the same whenever, and by whomever, it is
asked for. `MAINSPRING_JOINED` names the folder: one file a use case and feature service.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.atomic import replace_atomically

_ROWS = 8192  # of a row group, in order of time: a day reads one or two


def find_joined(use_case: UseCase, spine: pl.DataFrame) -> pl.DataFrame | None:
    """The spine with its features, its rows in its order; None unless every row was joined before.

    What is not in the file is no error: it is joined as ever.
    """
    path = _path(use_case)
    if path is None or spine.is_empty() or not path.exists():
        return None
    time, rows = use_case.spine.time, pl.scan_parquet(path)
    keys = [name for name in rows.collect_schema() if name in spine.columns]
    first, last = pl.lit(spine[time].min()), pl.lit(spine[time].max())
    inside = rows.filter(pl.col(time).is_between(first, last)).collect()
    found = spine.join(
        inside.with_columns(_kept=pl.lit(True)),
        on=keys, how="left", nulls_equal=True, maintain_order="left",
    )  # fmt: skip
    return None if found["_kept"].null_count() else found.drop("_kept")


def keep_joined(use_case: UseCase, keys: pl.DataFrame, features: pl.DataFrame) -> None:
    """Keep rows that were joined: `keys` holds the entity keys and the prediction time of each."""
    path = _path(use_case)
    assert path is not None
    once = keys.hstack(features).unique(keys.columns, maintain_order=True)
    ordered = once.sort(use_case.spine.time, maintain_order=True)
    with replace_atomically(path) as unfinished:
        ordered.write_parquet(unfinished, row_group_size=_ROWS)


def _path(use_case: UseCase) -> Path | None:
    folder = settings().joined
    return Path(folder, use_case.name, f"{use_case.features.service}.parquet") if folder else None
