"""Publication of features to the online store, and how stale they are there."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import redirect_stdout
from datetime import datetime
from io import StringIO
from typing import TYPE_CHECKING

import polars as pl

from configs.schema.use_case import UseCase
from tasks.features.feast_store import feast_errors, open_feast_store, register_features
from tasks.features.raw_tables import EARLIEST
from tasks.storage.lake import open_lake

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


@feast_errors()
def publish_features(
    use_case: UseCase, as_of: datetime, names: Collection[str] | None = None
) -> None:
    """Publish the newest rows known by `as_of`, and not expired then, to the online store.

    Skips views that were published with a later `as_of`, because an online store has no history.
    Skips views whose table does not exist yet.

    Args:
        use_case: the use case.
        as_of: end of the knowledge.
        names: the views to publish; None for all.
    """
    register_features(use_case)
    store = open_feast_store(use_case)
    lake = open_lake(use_case.name)
    for view in _read_views(store, use_case):
        if names is not None and view.name not in names:
            continue
        published = view.most_recent_end_time
        table = _find_lake_table(view)
        exists = table is None or lake.exists(table)
        if exists and (published is None or published <= as_of):
            start = as_of - view.ttl if view.ttl else EARLIEST
            with redirect_stdout(StringIO()):  # Feast prints its progress
                store.materialize(start, as_of, feature_views=[view.name])


@feast_errors()
def clear_online_store(use_case: UseCase) -> None:
    """Remove all published rows of a use case; the next publication fills the store again."""
    store = open_feast_store(use_case)
    if store.list_feature_views():
        services = store.list_feature_services()
        objects = [*services, *store.list_feature_views()]
        store.apply([], objects_to_delete=objects, partial=False)
        register_features(use_case)


@feast_errors()
def measure_staleness(use_case: UseCase, as_of: datetime) -> pl.DataFrame:
    """Return the age of each view online at `as_of`, which Feast does not check.

    One row a view: `view`, `newest` (the newest published event; null if none), `age`, `ttl`
    (null: never expires) and `stale`.
    """
    views = _read_views(open_feast_store(use_case), use_case)
    newest = [_newest_published(use_case, view) for view in views]
    return pl.DataFrame(
        {
            "view": [view.name for view in views],
            "newest": pl.Series(newest, dtype=pl.Datetime("us", "UTC")),
            "ttl": pl.Series([view.ttl or None for view in views], dtype=pl.Duration("us")),
        }
    ).with_columns(
        age=as_of - pl.col("newest"),
        stale=pl.col("newest").is_null()
        | (as_of - pl.col("newest") > pl.col("ttl")).fill_null(False),
    )


def _newest_published(use_case: UseCase, view: FeatureView) -> datetime | None:
    """Return the newest event of a view's published rows; None if it was never published.

    Of a source outside the lake, return the time of the last publication.
    """
    published: datetime | None = view.most_recent_end_time
    table, source = _find_lake_table(view), view.batch_source
    if published is None or table is None:
        return published
    rows = open_lake(use_case.name).scan(table)
    event, created = pl.col(source.timestamp_field), pl.col(source.created_timestamp_column)
    newest: datetime | None = (
        rows.filter(event <= published, created <= published).select(event.max()).collect().item()
    )
    return newest


def _find_lake_table(view: FeatureView) -> str | None:
    """Return the view's table in the lake; None if its source is elsewhere."""
    return getattr(view.batch_source, "table_in_lake", None)


def _read_views(store: FeatureStore, use_case: UseCase) -> list[FeatureView]:
    return [store.get_feature_view(name) for name in use_case.features.views]
