"""Writes of Feast into the lake: rows of a feature view, logged features, saved datasets.

A table that Mainspring builds is refused, since its next refresh would undo the write: its rows
come from landed files. Every write is one Delta commit, and no value is cast in silence.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import write_deltalake
from feast import RepoConfig
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingDestination
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.protos.feast.core.FeatureService_pb2 import LoggingConfig as LoggingConfigProto
from feast.protos.feast.core.SavedDataset_pb2 import (
    SavedDatasetStorage as SavedDatasetStorageProto,
)
from feast.saved_dataset import SavedDatasetStorage

from feature_repo.delta import DeltaSource
from infra.storage.delta import (
    delta_errors,
    open_delta_table,
    record_table_digests,
    scan_delta_table,
)
from infra.storage.s3 import delta_options

BUILT_FOLDERS = ("raw", "quarantine", "features")
BUILT_TABLES = ("predictions", "shadows", "monitoring", "requests")


class SavedDatasetDeltaStorage(SavedDatasetStorage):  # type: ignore[misc]
    """A saved dataset in the Delta table `<lake>/<project>/<table>`."""

    _proto_attr_name = "custom_storage"

    def __init__(self, table: str) -> None:
        self.table_in_lake = table

    @staticmethod
    def from_proto(storage_proto: Any) -> SavedDatasetDeltaStorage:  # noqa: ANN401
        """Return the storage that the registry holds."""
        source = DataSourceProto(custom_options=storage_proto.custom_storage)
        return SavedDatasetDeltaStorage(DeltaSource.from_proto(source).table_in_lake)

    def to_proto(self) -> SavedDatasetStorageProto:
        """Return the registry's form."""
        options = self.to_data_source().to_proto().custom_options
        proto: SavedDatasetStorageProto = self._custom_storage_proto(options)
        return proto

    def to_data_source(self) -> DeltaSource:
        """Return the table as a source; a saved row is known when it happened."""
        return DeltaSource(
            name=self.table_in_lake, table=self.table_in_lake, created_timestamp_column=None
        )


class DeltaLoggingDestination(LoggingDestination):  # type: ignore[misc]
    """Logged features in the Delta table `<lake>/<project>/<table>`."""

    _proto_kind = "delta_destination"

    def __init__(self, table: str) -> None:
        self.table_in_lake = table

    @classmethod
    def from_proto(cls, config_proto: Any) -> DeltaLoggingDestination:  # noqa: ANN401
        """Return the destination that the registry holds."""
        return cls(config_proto.custom_destination.config["table"])

    def to_proto(self) -> LoggingConfigProto:
        """Return the registry's form."""
        custom = LoggingConfigProto.CustomDestination(
            kind=self._proto_kind, config={"table": self.table_in_lake}
        )
        return LoggingConfigProto(custom_destination=custom)

    def to_data_source(self) -> DeltaSource:
        """Return the table as a source; a logged row is known when it was logged."""
        return DeltaSource(
            name=self.table_in_lake, table=self.table_in_lake,
            timestamp_field="__log_timestamp", created_timestamp_column=None,
        )  # fmt: skip


def append_rows(config: RepoConfig, table: str, rows: pl.DataFrame) -> None:
    """Append rows to a table, which is created if it does not exist, in one commit.

    Raises ValueError if Mainspring builds the table, or a value does not fit its column.
    """
    _write(config, table, rows, mode="append")


def save_rows(config: RepoConfig, table: str, rows: pl.DataFrame, *, overwrite: bool) -> None:
    """Write a table in one commit; an existing one is replaced only with `overwrite`.

    Raises SavedDatasetLocationAlreadyExists if it exists otherwise.
    """
    address = _locate(config, table)
    if not overwrite and open_delta_table(address) is not None:
        raise SavedDatasetLocationAlreadyExists(location=address)
    _write(config, table, rows, mode="overwrite")


def require_writable(config: RepoConfig, table: str) -> None:
    """Raise ValueError if Mainspring builds the table, or it is pinned to a version."""
    if table.split("/")[0] in BUILT_FOLDERS or table in BUILT_TABLES:
        raise ValueError(
            f"{table} is built by Mainspring, so rows cannot be written or pushed to it: the next "
            "refresh would undo them. Land them as a file, or give the view a table of its own"
        )
    if f"{config.project}/{table}" in config.offline_store.pinned:
        raise ValueError(f"{table} is only read here: MAINSPRING_PINNED holds it at a version")


def require_fit(config: RepoConfig, table: str, rows: pl.DataFrame) -> None:
    """Raise ValueError if `append_rows` would refuse the rows."""
    require_writable(config, table)
    fit_to_table(_locate(config, table), rows)


def fit_to_table(address: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in the columns and types of the table at an address, if it exists.

    Raises ValueError if a value would change; it names table, column and both types.
    """
    table = open_delta_table(address)
    if table is None:
        return rows
    schema = scan_delta_table(address, table).collect_schema()
    missing = sorted(schema.keys() ^ set(rows.columns))
    if missing:
        raise ValueError(f"{address}: rows and table differ in column {', '.join(missing)}")
    return rows.select(_fit(address, rows[name], kind) for name, kind in schema.items())


def _fit(address: str, column: pl.Series, kind: pl.DataType) -> pl.Series:
    if isinstance(kind, pl.Datetime) and isinstance(column.dtype, pl.Datetime):
        zoned = column if column.dtype.time_zone else column.dt.replace_time_zone("UTC")
        return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(kind.time_zone).cast(kind)
    try:
        fitted = column.cast(kind)
    except pl.exceptions.PolarsError:
        fitted = column.clear()
    is_whole = kind.is_integer() and column.dtype.is_float()
    if len(fitted) < len(column) or (is_whole and not fitted.cast(column.dtype).equals(column)):
        raise ValueError(
            f"{address}: column {column.name} is {column.dtype}, but the table has {kind}, and a "
            "value would change. Write the table's type"
        )
    return fitted


def _write(config: RepoConfig, table: str, rows: pl.DataFrame, mode: Any) -> None:  # noqa: ANN401
    require_writable(config, table)
    address = _locate(config, table)
    fitted = fit_to_table(address, rows) if mode == "append" else rows
    with delta_errors(address):
        write_deltalake(
            address,
            fitted.to_arrow(compat_level=pl.CompatLevel.oldest()),
            mode=mode,
            schema_mode="overwrite" if mode == "overwrite" else None,
            storage_options=delta_options(address),
        )
    record_table_digests(address)


def _locate(config: RepoConfig, table: str) -> str:
    return f"{config.offline_store.lake}/{config.project}/{table}"


def read_logs(data: Any) -> pl.DataFrame:  # noqa: ANN401
    """Return logged rows: an Arrow table, or the path of Parquet files."""
    return pl.DataFrame(data) if isinstance(data, pa.Table) else pl.read_parquet(data)
