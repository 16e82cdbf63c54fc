"""Verification of the state of a use case: lake, landed files, model versions and databases.

Everything is read and compared with what was recorded when it was written. What is damaged is named
with what it can be made from. Feature tables and checkpoints of the Delta log are made again here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from shutil import rmtree

import polars as pl

from configs.errors import Damaged, MainspringError
from configs.paths import sqlite_path
from configs.schema.use_case import UseCase
from configs.settings import settings
from infra.storage.delta import find_damage, list_data_files, open_delta_table, record_table_digests
from infra.storage.digests import DIGESTS_FOLDER, LOG_FOLDER, remove_checkpoint, remove_digest
from infra.storage.errors import find_way_out
from infra.storage.s3 import is_s3
from tasks.features.refresh import rebuild_view
from tasks.ledger.log import open_ledger
from tasks.ledger.projections import list_usable_versions
from tasks.models.registry import open_model
from tasks.storage import files
from tasks.storage.database import check_database
from tasks.storage.file_records import read_file_records
from tasks.storage.lake import Lake, open_lake

_REMEDIES = {  # by the first part of a table's name
    "raw": "restore the file from a backup, or move raw/{name}, quarantine/{name}, files and "
    "features away and run ingest, which reads the landed files again",
    "quarantine": "restore the file from a backup, or move the table away",
    "features": "run ingest, which builds the table from raw rows",
    "files": "restore the file from a backup, or move the table away and run ingest: rows that the "
    "raw tables have are not taken again",
    "predictions": "restore the file from a backup, or score its window again",
    "shadows": "restore the file from a backup, or score its window again",
    "contributions": "restore the file from a backup, or score its window again",
    "monitoring": "restore the file from a backup, or monitor its windows again",
}


@dataclass(frozen=True)
class StateDamage:
    """A damaged file of the state: what is wrong with it, and what replaces it."""

    file: str
    problem: str
    remedy: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.file} is damaged: {self.problem}; {self.remedy}"


def verify_state(use_case: UseCase, as_of: datetime) -> list[StateDamage]:
    """Compare all of the state with what was recorded; repair what can be made again.

    Raises nothing for a damage. Feature tables are built again up to `as_of`, if not further.
    """
    return [
        *_verify_databases(),
        *_verify_lake(use_case, as_of),
        *_verify_landed_files(use_case),
        *_verify_versions(use_case),
    ]


def _verify_lake(use_case: UseCase, as_of: datetime) -> Iterator[StateDamage]:
    lake = open_lake(use_case.name)
    for table in _list_tables(lake):
        kind, _, name = table.partition("/")
        remedy = _REMEDIES.get(kind, "restore the file from a backup").format(name=name)
        damaged = find_damage(lake.uri(table))
        damages = [StateDamage(f"{lake.uri(table)}/{f}", p, remedy) for f, p in damaged.items()]
        if damages:
            yield from _repair(use_case, lake, table, damages, as_of)
        else:
            record_table_digests(lake.uri(table))  # of files that an older version wrote


def _list_tables(lake: Lake) -> list[str]:
    """Return all tables below the root of the lake, also those of former views."""
    paths = (file.path.partition(f"/{LOG_FOLDER}/") for file in files.list_files(lake.root))
    return sorted({table for table, log, _ in paths if log})


def _repair(
    use_case: UseCase, lake: Lake, table: str, damages: list[StateDamage], as_of: datetime
) -> list[StateDamage]:
    """Repair the checkpoints of a table, and all of a feature table; return what was done."""
    uri, kind = lake.uri(table), table.partition("/")[0]
    if is_s3(uri):
        return damages
    folder = Path(uri)
    names = [str(Path(each.file).relative_to(folder)) for each in damages]
    view = table.removeprefix("features/")
    if kind == "features" and view in use_case.features.views:
        try:
            _rebuild(use_case, view, folder, names, as_of)
        except MainspringError as error:  # of the raw rows
            return [replace(each, remedy=f"{each.remedy}; now: {error}") for each in damages]
        remedy = "the table was built again from raw rows"
        return [replace(each, remedy=remedy, repaired=True) for each in damages]
    return [_repair_beside(folder, name, each) for name, each in zip(names, damages, strict=True)]


def _repair_beside(folder: Path, name: str, damage: StateDamage) -> StateDamage:
    """Remove a damaged checkpoint or digest, which other files replace."""
    if name.startswith(DIGESTS_FOLDER):
        (folder / name).unlink()
        remedy = "it was removed; the next verify records it again, if its file can be read"
        return replace(damage, remedy=remedy, repaired=True)
    if remove_checkpoint(folder, name):
        remedy = "the commits replace this checkpoint; it was removed"
        return replace(damage, remedy=remedy, repaired=True)
    return damage


def _rebuild(
    use_case: UseCase, view: str, folder: Path, damaged: list[str], as_of: datetime
) -> None:
    """Build a feature table again, in a new commit; without a readable log, as a new table.

    Damaged files that no newest row is in are removed: they are files of older versions.
    """
    damaged = [name for name in damaged if not remove_checkpoint(folder, name)]
    if not _can_open(folder):
        rmtree(folder)
        damaged = []
    if not folder.exists() or _list_needed(folder) & set(damaged):
        rebuild_view(use_case, view, as_of)
    for name in set(damaged) - _list_needed(folder):
        (folder / name).unlink(missing_ok=True)
        remove_digest(folder, name)


def _can_open(folder: Path) -> bool:
    try:
        return open_delta_table(str(folder)) is not None
    except Damaged:
        return False


def _list_needed(folder: Path) -> set[str]:
    """Return the data files of a table's newest version."""
    table = open_delta_table(str(folder))
    return set(list_data_files(table)) if table else set()


def _verify_databases() -> Iterator[StateDamage]:
    """Check the SQLite files of the settings that exist."""
    places = settings()
    addresses = (places.ledger_url, places.mlflow_uri, places.feast_registry)
    paths = [*(sqlite_path(address) for address in addresses), Path(places.feast_online)]
    for file in paths:
        if file is not None and file.is_file():
            problem = check_database(file.resolve())
            if problem:
                yield StateDamage(str(file), problem, find_way_out(str(file)))


def _verify_landed_files(use_case: UseCase) -> Iterator[StateDamage]:
    """Compare landed files that are still there, of the size and time on record."""
    landing = f"{settings().landing}/{use_case.name}"
    present = {(f.path, f.size, f.modified) for f in files.list_files(landing)}
    try:
        records = read_file_records(use_case)
    except MainspringError:
        return  # the table `files` is among the damages of the lake
    columns = records.select("path", "size", "modified", "fingerprint").unique()
    were_read = pl.col("fingerprint").str.contains("^[0-9a-f]{64}$")
    for path, size, modified, fingerprint in columns.filter(were_read).iter_rows():
        address = f"{landing}/{path}"
        is_there = (path, size, modified) in present
        if is_there and files.hash_file(address, size) != fingerprint:
            yield StateDamage(
                address, "its content is not what was ingested",
                "restore it from its source; the rows in the lake are those of before",
            )  # fmt: skip


def _verify_versions(use_case: UseCase) -> Iterator[StateDamage]:
    """Open every version that the ledger names, which compares its files and predictions.

    Versions that were refused, and those that `mainspring recover` gave up, are not opened.
    """
    try:
        entries = open_ledger().entries(use_case.name)
    except MainspringError:
        return  # the ledger is among the damaged databases
    for version in list_usable_versions(entries):
        try:
            open_model(use_case.name, version)
        except MainspringError as error:
            yield StateDamage(
                f"{use_case.name} version {version}", str(error),
                "restore its files from a backup, or train another version",
            )  # fmt: skip
