"""Feast's offline store on polars: historical features by ASOF join from Delta tables.

Feast's own local stores lose rows or are quadratic per key. This store always joins on both times
(event and created, see point_in_time.py), even if Feast does not request it. It returns exactly
the rows of the entity frame, in their order. feature_store.yaml names it by module path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pandas as pd
import polars as pl
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView, RepoConfig
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.repo_config import FeastConfigBaseModel
from pydantic import Field

from configs.settings import settings
from feature_repo.delta import DeltaSource
from feature_repo.point_in_time import FeatureTable, join, latest


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


class AsofRetrievalJob(RetrievalJob):  # type: ignore[misc]
    """Lazy result of a retrieval; `to_arrow` and `to_df` read the tables."""

    def __init__(
        self,
        collect: Callable[[], pl.DataFrame],
        *,
        full_feature_names: bool = False,
        on_demand: Sequence[OnDemandFeatureView] = (),
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._collect = collect
        self._full_feature_names = full_feature_names
        self._on_demand = list(on_demand)
        self._metadata = metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002
        return self._collect().to_arrow()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:  # noqa: ARG002
        return self._collect().to_pandas()

    @property
    def full_feature_names(self) -> bool:
        """Return whether feature names include their view's name."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Return the views that Feast computes on the result."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Return the requested features and keys."""
        return self._metadata


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
        **_always_by_created: Any,  # noqa: ANN401
    ) -> AsofRetrievalJob:
        """Return the entity rows with the values of all features known at their time (UTC).

        Tables are read when the job is collected. Raises TypeError if the entity frame is not a
        pandas frame.
        """
        if not isinstance(entity_df, pd.DataFrame):
            raise TypeError(f"entity_df must be a pandas frame, not {type(entity_df).__name__}")
        time = infer_event_timestamp_from_entity_df(dict(entity_df.dtypes))
        entities = pl.from_pandas(entity_df)
        entities = entities.with_columns(_as_utc(entities, time))
        window = timedelta(days=config.offline_store.window_days)

        def collect() -> pl.DataFrame:
            tables = [_table(config, v, feature_refs, full_feature_names) for v in feature_views]
            return join(entities, time, tables, window, config.offline_store.window_rows)

        return AsofRetrievalJob(
            collect,
            full_feature_names=full_feature_names,
            on_demand=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            metadata=RetrievalMetadata(feature_refs, [c for c in entities.columns if c != time]),
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
        names = [*join_key_columns, *feature_name_columns, timestamp_field]
        names += [created_timestamp_column] if created_timestamp_column else []
        table = _bare(config, data_source, join_key_columns)
        rows = latest(table, _utc(start_date), _utc(end_date)).select(names)
        return AsofRetrievalJob(rows.collect)

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
        """Return all rows in [start_date, end_date] that were known by its end."""
        names = [*join_key_columns, *feature_name_columns, timestamp_field]
        names += [created_timestamp_column] if created_timestamp_column else []
        start = None if start_date is None else _utc(start_date)
        end = datetime.max.replace(tzinfo=UTC) if end_date is None else _utc(end_date)
        rows = _bare(config, data_source, join_key_columns).known(start, end).select(names)
        return AsofRetrievalJob(rows.collect)


def _table(
    config: RepoConfig, view: FeatureView, refs: Sequence[str], full_names: bool
) -> FeatureTable:
    """Return a feature view's table with the requested features."""
    view_name = view.projection.name_to_use()
    features = [ref.split(":", 1)[1] for ref in refs if ref.split(":", 1)[0] == view_name]
    source = view.batch_source
    return FeatureTable(
        rows=source.scan(config).rename(source.field_mapping),
        keys={key: view.projection.join_key_map.get(key, key) for key in view.join_keys},
        features={name: f"{view_name}__{name}" if full_names else name for name in features},
        event=source.timestamp_field,
        created=source.created_timestamp_column,
        ttl=view.ttl or None,
    )


def _bare(config: RepoConfig, source: DeltaSource, keys: Sequence[str]) -> FeatureTable:
    """Return a source's table without entity rows to join."""
    return FeatureTable(
        rows=source.scan(config),
        keys={key: key for key in keys},
        features={},
        event=source.timestamp_field,
        created=source.created_timestamp_column,
    )


def _as_utc(entities: pl.DataFrame, time: str) -> pl.Series:
    """Return the entity rows' time as microseconds in UTC; a naive time is read as UTC."""
    column = entities[time]
    if column.dtype == pl.Datetime and column.dtype.time_zone is None:  # type: ignore[attr-defined]
        column = column.dt.replace_time_zone("UTC")
    return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
