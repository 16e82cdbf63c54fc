"""Feast data source on a Delta table of the lake, in a folder or on S3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import polars as pl
from feast import RepoConfig, ValueType
from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto

from feature_repo.feast_types import find_value_type
from infra.storage.delta import open_delta_table, scan_delta_table

EVENT = "event_timestamp"
CREATED = "created_timestamp"


class DeltaSource(DataSource):  # type: ignore[misc]
    """The Delta table `<lake>/<project>/<table>` in the lake of the offline store.

    The registry holds no address, so a lake that moves needs no new `apply`. The created timestamp
    says when a row was known; without one, a row counts as known when it happened. Times without a
    zone are UTC.
    """

    def __init__(
        self,
        *,
        name: str,
        table: str,
        timestamp_field: str = EVENT,
        created_timestamp_column: str | None = CREATED,
        **others: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(
            name=name,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column or "",
            **others,
        )
        self.table_in_lake = table

    def scan(self, config: RepoConfig) -> pl.LazyFrame:
        """Return the table's rows, lazily, at its pinned or newest version; times are UTC.

        Raises FileNotFoundError if the table does not exist.
        """
        name, store = f"{config.project}/{self.table_in_lake}", config.offline_store
        version = store.pinned.get(name)
        address = f"{store.lake if version is None else store.pinned_lake}/{name}"
        table = open_delta_table(address, version)
        if table is None:
            raise FileNotFoundError(f"{address}: Delta table not found; refresh the features first")
        rows = scan_delta_table(address, table)
        naive = (n for n, kind in rows.collect_schema().items() if kind == pl.Datetime("us", None))
        return rows.with_columns(pl.col(name).dt.replace_time_zone("UTC") for name in naive)

    def scan_mapped(self, config: RepoConfig) -> pl.LazyFrame:
        """Return the rows with the names of the features, by `field_mapping`."""
        return self.scan(config).rename(self.field_mapping, strict=False)

    def __eq__(self, other: object) -> bool:
        return (
            bool(super().__eq__(other))
            and getattr(other, "table_in_lake", None) == self.table_in_lake
        )

    def __hash__(self) -> int:
        return hash((self.name, self.table_in_lake))

    @staticmethod
    def from_proto(data_source: Any) -> DeltaSource:  # noqa: ANN401
        """Return the source that the registry stores."""
        return DeltaSource(
            name=data_source.name,
            table=json.loads(data_source.custom_options.configuration)["table"],
            timestamp_field=data_source.timestamp_field,
            created_timestamp_column=data_source.created_timestamp_column,
            field_mapping=dict(data_source.field_mapping),
            description=data_source.description,
            tags=dict(data_source.tags),
            owner=data_source.owner,
        )

    def _to_proto_impl(self) -> Any:  # noqa: ANN401
        options = DataSourceProto.CustomSourceOptions(
            configuration=json.dumps({"table": self.table_in_lake}).encode()
        )
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=f"{__name__}.DeltaSource",
            custom_options=options,
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created_timestamp_column,
            field_mapping=self.field_mapping,
            description=self.description,
            tags=self.tags,
            owner=self.owner,
        )

    def validate(self, config: RepoConfig) -> None:
        """Accept every table, since it may be written later."""

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[tuple[str, str]]:
        """Return column names and names of Feast types; raise TypeError for an unknown type."""
        schema = self.scan(config).collect_schema()
        return [(name, find_value_type(name, kind).name) for name, kind in schema.items()]

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        """Return the mapping from the names of `get_table_column_names_and_types`."""
        return lambda name: ValueType[name]

    def get_table_query_string(self) -> str:
        """Return the table's path below the lake."""
        return self.table_in_lake

    def source_type(self) -> Any:  # noqa: ANN401
        """Return the protobuf type of a custom source."""
        return DataSourceProto.CUSTOM_SOURCE
