"""Removal of the older versions of a Delta table, with their data files and log."""

from __future__ import annotations

from deltalake import DeltaTable

from infra.storage.delta import replace_table_digests
from infra.storage.errors import storage_errors
from infra.storage.s3 import delta_options
from tasks.storage.lake import NEW_TABLE_PROPERTIES, Lake

_RETENTION = "delta.logRetentionDuration"


def purge_older_versions(lake: Lake, table: str) -> None:
    """Remove all versions of a table but the newest one, for good.

    The newest version keeps the names of appended batches, so no file is appended twice. After a
    kill the same call completes.
    """
    uri = lake.uri(table)
    with storage_errors(uri):
        _set_retention(uri, "interval 0 seconds")
        _open(uri).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        newest = _open(uri)
        newest.create_checkpoint()
        newest.cleanup_metadata()
        _set_retention(uri, NEW_TABLE_PROPERTIES[_RETENTION])
    replace_table_digests(uri)


def _open(uri: str) -> DeltaTable:
    return DeltaTable(uri, storage_options=delta_options(uri))


def _set_retention(uri: str, span: str) -> None:
    _open(uri).alter.set_table_properties({_RETENTION: span})
