"""Versions of the lake's tables that a training read, with the digests of their commits."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from configs.errors import MainspringError
from infra.storage.delta import open_delta_table
from tasks.storage import files
from tasks.storage.lake import open_lake


def describe_data_versions(use_case: str, versions: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return each table with its version, the time and sha256 of its commit, and its files.

    A version that the lake no longer has keeps its number, and `note` says why the rest is missing.

    Args:
        use_case: name of the use case.
        versions: version of each table, as a model card has them.
    """
    return {table: _describe(use_case, table, versions[table]) for table in sorted(versions)}


def _describe(use_case: str, table: str, version: int) -> dict[str, Any]:
    address = open_lake(use_case).uri(table)
    try:
        opened = open_delta_table(address, version)
        commit = files.read_file(f"{address}/_delta_log/{version:020}.json")
    except (MainspringError, OSError) as error:
        opened, note = None, str(error)
    else:
        note = "" if opened else f"{table} is not in the lake"
    if opened is None:
        return {"version": version, "commit_sha256": None, "note": note}
    latest = opened.history(1)[0]
    return {
        "version": version,
        "commit_sha256": sha256(commit).hexdigest(),
        "committed_ms": latest.get("timestamp"),
        "data_files": len(opened.file_uris()),
        "note": "",
    }
