"""Feast's offline store on polars: historical features by ASOF join from Delta tables.

Feast's own local stores lose rows or are quadratic per key. This store joins on both times (event
and created, see point_in_time.py), even if Feast does not request it, unless its configuration says
otherwise. It returns exactly the rows of the entity frame, in their order. feature_store.yaml names
it by module path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pandas as pd
import polars as pl
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView, RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.repo_config import FeastConfigBaseModel
from feast.utils import compute_non_entity_date_range
from pydantic import Field

from configs.settings import settings
from feature_repo import delta_writes
from feature_repo.delta import EVENT, DeltaSource
from feature_repo.point_in_time import FeatureTable, join, latest
from feature_repo.retrieval_job import AsofRetrievalJob


class AsofOfflineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]
    """Section `offline_store` of feature_store.yaml."""

    type: Literal["feature_repo.asof.AsofOfflineStore"] = "feature_repo.asof.AsofOfflineStore"
    lake: str
    """Folder or s3:// address of the tables, one folder for each project."""
    pinned_lake: str = Field(default_factory=lambda: settings().pinned_lake)
    """The lake that pinned tables are read from."""
    pinned: dict[str, int] = Field(default_factory=lambda: settings().pinned)
    """Fixed versions of tables, by <project>/<table>."""
    window_days: int = 366
    """Days of entity rows that are joined at a time; memory grows with it."""
    window_rows: int = 500_000
    """Entity rows that are joined at a time; memory grows with it."""
    always_by_created: bool = True
    """Whether a row counts only once it was created, also if Feast does not request it."""


class AsofOfflineStore(OfflineStore):  # type: ignore[misc]
    """Point-in-time joins of DeltaSource tables with polars."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: Any,  # noqa: ANN401
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **dates: Any,  # noqa: ANN401
    ) -> AsofRetrievalJob:
        """Return the entity rows with the values of all features known at their time (UTC).

        Without an entity frame, return a row for each key and event of the views from `start_date`
        to `end_date`. Tables are read when the job is collected. Raises TypeError if the entity
        frame is not a pandas frame, or a view's source is not a DeltaSource.
        """
        if entity_df is not None and not isinstance(entity_df, pd.DataFrame):
            raise TypeError(f"entity_df must be a pandas frame, not {type(entity_df).__name__}")
        for view in feature_views:
            _require_delta(view.batch_source)
        by_created = filter_by_created_timestamp or config.offline_store.always_by_created
        entities, time = (None, EVENT) if entity_df is None else _read_entities(entity_df)
        window = timedelta(days=config.offline_store.window_days)

        def collect() -> pl.DataFrame:
            tables = [
                _table(config, v, feature_refs, full_feature_names, by_created)
                for v in feature_views
            ]
            rows = entities
            if rows is None:
                rows = _list_events(tables, *span)
            return join(rows, time, tables, window, config.offline_store.window_rows)

        keys: list[str] = []
        span = compute_non_entity_date_range(feature_views, **dates)
        if entities is not None:
            keys = [column for column in entities.columns if column != time]
            span = (entities[time].min(), entities[time].max())
        return AsofRetrievalJob(
            collect,
            config=config,
            full_feature_names=full_feature_names,
            on_demand=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            metadata=RetrievalMetadata(feature_refs, keys, *span),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DeltaSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> AsofRetrievalJob:
        """Return each key's newest row in [start_date, end_date] that was known by its end.

        `materialize` publishes these rows.
        """
        times = (timestamp_field, created_timestamp_column)
        table = _bare(config, data_source, join_key_columns, feature_name_columns, times)
        return _pull(table, lambda: latest(table, _utc(start_date), _utc(end_date)))

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DeltaSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> AsofRetrievalJob:
        """Return all rows in [start_date, end_date] that were known by its end.

        Rows of a view without entities are in order of time: Feast publishes the last one.
        """
        times = (timestamp_field, created_timestamp_column)
        table = _bare(config, data_source, join_key_columns, feature_name_columns, times)
        start = None if start_date is None else _utc(start_date)
        end = None if end_date is None else _utc(end_date)
        order = [] if table.keys else table.times
        return _pull(table, lambda: _sort(table.known(start, end), order))

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append rows to the table of a feature view, in one commit of the lake."""
        source = _require_delta(feature_view.batch_source)
        original = {new: old for old, new in source.field_mapping.items()}  # Feast has mapped them
        rows = pl.DataFrame(table).rename(original, strict=False)
        delta_writes.append_rows(config, source.table_in_lake, rows)
        if progress:
            progress(rows.height)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: Any,  # noqa: ANN401
        source: Any,  # noqa: ANN401, ARG004
        logging_config: Any,  # noqa: ANN401
        registry: Any,  # noqa: ANN401, ARG004
    ) -> None:
        """Append logged features to the table of their destination, in one commit of the lake."""
        destination = logging_config.destination
        if not isinstance(destination, delta_writes.DeltaLoggingDestination):
            raise TypeError(
                f"the destination is {type(destination).__name__}; this store logs features in the "
                "lake only: use feature_repo.delta_writes.DeltaLoggingDestination(table=…)"
            )
        rows = delta_writes.read_logs(data)
        delta_writes.append_rows(config, destination.table_in_lake, rows)


def _table(
    config: RepoConfig, view: FeatureView, refs: Sequence[str], full_names: bool, by_created: bool
) -> FeatureTable:
    """Return a feature view's table with the requested features."""
    view_name = view.projection.name_to_use()
    features = [ref.split(":", 1)[1] for ref in refs if ref.split(":", 1)[0] == view_name]
    source = view.batch_source
    keys = [key for key in view.join_keys if key != DUMMY_ENTITY_ID]
    return FeatureTable(
        rows=source.scan_mapped(config),
        keys={key: view.projection.join_key_map.get(key, key) for key in keys},
        features={name: f"{view_name}__{name}" if full_names else name for name in features},
        event=source.timestamp_field,
        created=source.created_timestamp_column or None,
        ttl=view.ttl or None,
        by_created=by_created,
        name=source.table_in_lake,
    )


def _bare(
    config: RepoConfig,
    source: DeltaSource,
    keys: Sequence[str],
    features: Sequence[str],
    times: tuple[str, str | None],
) -> FeatureTable:
    """Return a source's table without entity rows to join.

    Args:
        config: the store's configuration.
        source: the table.
        keys: columns of the keys, as the caller names them.
        features: columns of the features.
        times: columns of event and created time; the second may be None.
    """
    rows = _require_delta(source).scan(config)
    names = {*keys, *features, *filter(None, times)}
    if not names <= set(rows.collect_schema()):
        rows = rows.rename(source.field_mapping, strict=False)
    table = FeatureTable(
        rows=rows,
        keys={key: key for key in keys},
        features={name: name for name in features},
        event=times[0],
        created=times[1] or None,
        by_created=config.offline_store.always_by_created,
        name=source.table_in_lake,
    )
    table.require_columns()
    return table


def _sort(rows: pl.LazyFrame, order: Sequence[str]) -> pl.LazyFrame:
    return rows.sort(order, maintain_order=True) if order else rows


def _pull(table: FeatureTable, read: Callable[[], pl.LazyFrame]) -> AsofRetrievalJob:
    """Return the rows that `read` returns, with keys, features and times.

    A view without entities has one key, which Feast knows under a name of its own.
    """
    names = list(dict.fromkeys([*table.keys, *table.features, *table.times]))
    dummy = [] if table.keys else [pl.lit(DUMMY_ENTITY_VAL).alias(DUMMY_ENTITY_ID)]
    return AsofRetrievalJob(lambda: read().select(*names, *dummy).collect())


def _list_events(tables: Sequence[FeatureTable], start: datetime, end: datetime) -> pl.DataFrame:
    """Return each key and event of the tables from `start` to `end`, as entity rows."""
    events = [
        table.known(start, None)
        .filter(pl.col(table.event) <= end)
        .select(
            *(pl.col(key).alias(name) for key, name in table.keys.items()),
            pl.col(table.event).cast(pl.Datetime("us", "UTC")).alias(EVENT),
        )
        for table in tables
    ]
    rows = pl.concat(events, how="diagonal_relaxed").unique(maintain_order=True)
    return rows.sort(EVENT, maintain_order=True).collect()


def _require_delta(source: Any) -> DeltaSource:  # noqa: ANN401
    if not isinstance(source, DeltaSource):
        raise TypeError(
            f"source {getattr(source, 'name', source)!r} is a {type(source).__name__}; this store "
            "reads tables of the lake only: declare feature_repo.delta.DeltaSource(name, table)"
        )
    return source


def _read_entities(entity_df: pd.DataFrame) -> tuple[pl.DataFrame, str]:
    """Return the entity rows with their time in UTC, and the column of the time.

    A time without a zone is read as UTC; a text is parsed.
    """
    time = infer_event_timestamp_from_entity_df(dict(entity_df.dtypes))
    if not pd.api.types.is_datetime64_any_dtype(entity_df[time]) and (
        entity_df[time].dtype == object or pd.api.types.is_string_dtype(entity_df[time])
    ):
        entity_df = entity_df.assign(**{time: pd.to_datetime(entity_df[time], utc=True)})
    entities = pl.from_pandas(entity_df)
    column = entities[time]
    if not isinstance(column.dtype, pl.Datetime):
        raise TypeError(f"entity_df: column {time} is {column.dtype}, not a time")
    if column.dtype.time_zone is None:
        column = column.dt.replace_time_zone("UTC")
    return entities.with_columns(column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")), time


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
