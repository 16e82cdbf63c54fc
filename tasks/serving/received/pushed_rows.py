"""Rows that callers send for landed tables: checked, written to disk, landed as Parquet files.

Rows with an id are taken once: the first landed file that has the id owns it, whatever worker
wrote it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any

import msgspec
import polars as pl

from configs.clock import as_utc
from configs.schema.base import ColumnType
from configs.schema.data import Table
from configs.schema.landed import EPOCH_UNITS, Column
from configs.schema.request_table import name_pushed_folder
from configs.schema.serving import PushedRows
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.serving.request_log import spool_folder
from tasks.serving.row_schema import BadRequest, check_time, to_bad_request
from tasks.serving.spooled.landed_requests import write_landed_file
from tasks.serving.spooled.spool import NEWLINE, Spool, SpoolPlan, read_whole_lines
from tasks.storage import files

_KEPT_IDS = timedelta(days=30)
_PYTHON: Mapping[ColumnType, Any] = {
    "text": str, "number": float, "boolean": bool,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "time": Annotated[datetime, msgspec.Meta(tz=True)],
}  # fmt: skip
_POLARS: Mapping[ColumnType, Any] = {
    "text": pl.String, "integer": pl.Int64, "number": pl.Float64, "boolean": pl.Boolean,
    "time": pl.Datetime("us", "UTC"),
}  # fmt: skip


class PushedRowsLog:
    """Writes rows of the YAML's tables to disk before their caller gets a response."""

    def __init__(self, use_case: UseCase, plan: PushedRows, on_error: Callable[[], None]) -> None:
        self._decoders = {
            name: msgspec.json.Decoder(_build_body(use_case.tables[name])) for name in plan.names
        }
        self._times = {name: _list_times(use_case.tables[name]) for name in plan.names}
        self._spools = {
            name: Spool(
                SpoolPlan(
                    spool_folder(use_case, f"rows/{name}"),
                    partial(land_pushed_rows, use_case, name),
                    plan.batch_seconds,
                    on_error,
                    plan.batch_rows,
                )
            )
            for name in plan.names
        }

    def write(self, table: str, body: bytes, key: str, moment: datetime, most_rows: int) -> int:
        """Write rows; return their number once they are on disk.

        Args:
            table: name of the table.
            body: JSON of the rows.
            key: id of the request by its header; "" for that of the body.
            moment: when it came.
            most_rows: of one request.

        Raises:
            BadRequest: the table takes no rows, or a row is not valid.
            OSError: the disk is full.
        """
        if table not in self._spools:
            names = ", ".join(self._spools)
            raise BadRequest(f"table {table!r:.60} not found; tables: {names}", status=404)
        try:
            content: Any = self._decoders[table].decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as invalid:
            raise to_bad_request(invalid) from invalid
        rows = content.rows
        if not rows:
            raise BadRequest("send at least one row", "$.rows")
        if len(rows) > most_rows:
            raise BadRequest(f"{len(rows)} rows are more than {most_rows}", "$.rows", 413)
        self._check_times(table, rows)
        line = {"id": key or content.id, "moment": moment, "rows": rows}
        lines = msgspec.json.encode(line) + NEWLINE
        self._spools[table].append(lines, rows=len(rows), synced=True)
        return len(rows)

    def _check_times(self, table: str, rows: Sequence[msgspec.Struct]) -> None:
        """Raise BadRequest for a time that no table can hold."""
        for attribute, name in self._times[table]:
            for place, row in enumerate(rows):
                check_time(getattr(row, attribute), f"$.rows[{place}].{name}")

    def close(self) -> None:
        """Land everything that is written."""
        for spool in self._spools.values():
            spool.close()


def land_pushed_rows(use_case: UseCase, name: str, path: Path) -> None:
    """Move a spool file of rows that no process writes any more into the landing folder.

    After a kill in between, the same content lands under the same name again.
    """
    lines = [msgspec.json.decode(line) for line in read_whole_lines(path)]
    own = _claim_ids(spool_folder(use_case, "rows") / "ids.db", path.stem, lines)
    rows = [row for line in own for row in line["rows"]]
    if rows:
        frame = _build_frame(use_case.tables[name], rows)
        folder = f"{use_case.name}/{name_pushed_folder(name)}"
        write_landed_file(f"{folder}/{path.stem}.parquet", frame)
    path.unlink()


def list_landed_batches(use_case: UseCase) -> set[str]:
    """Return the landed files of pushed rows, below the landing folder of the use case."""
    plan, folder = use_case.serving and use_case.serving.tables, settings().landing
    return {
        f"{name}/{file.path}"
        for name in (plan.names if plan else ())
        for file in files.list_files(f"{folder}/{use_case.name}/{name_pushed_folder(name)}")
    }


def _build_body(table: Table) -> type[msgspec.Struct]:
    """Return the type of a body: keys and times of a row are required, the rest may be null."""
    required = {*table.key, table.event_time, table.known_time}
    fields: list[Any] = [
        (f"f{place}", _PYTHON[column.type])
        if name in required
        else (f"f{place}", _PYTHON[column.type] | None, None)
        for place, (name, column) in enumerate(table.columns.items())
    ]
    names = {f"f{place}": name for place, name in enumerate(table.columns)}
    row = msgspec.defstruct(
        "Row", fields, rename=names, kw_only=True, forbid_unknown_fields=True, gc=False
    )
    body: list[Any] = [
        ("rows", GenericAlias(list, (row,))),
        ("id", Annotated[str, msgspec.Meta(max_length=200)], ""),
    ]
    return msgspec.defstruct("Body", body, forbid_unknown_fields=True)


def _list_times(table: Table) -> list[tuple[str, str]]:
    """Return attribute and name of each column of times."""
    return [
        (f"f{place}", name)
        for place, (name, column) in enumerate(table.columns.items())
        if column.type == "time"
    ]


def _claim_ids(database: Path, owner: str, lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines without an id, and the first one of each id that this file owns.

    Args:
        database: the owners of ids.
        owner: name of the file.
        lines: lines of the file, in their order.
    """
    named = {line["id"]: line for line in reversed(lines) if line["id"]}
    if not named:
        return list(lines)
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.execute("create table if not exists ids (id primary key, owner, moment)")
        values = [(each, owner, line["moment"]) for each, line in named.items()]
        connection.executemany("insert or ignore into ids values (?, ?, ?)", values)
        newest = datetime.fromisoformat(max(line["moment"] for line in lines))
        connection.execute("delete from ids where moment < ?", [(newest - _KEPT_IDS).isoformat()])
        marks = ", ".join("?" * len(named))
        owned = connection.execute(
            f"select id from ids where owner = ? and id in ({marks})",
            [owner, *named],
        )
        owned_ids = {each for (each,) in owned}
    return [
        line
        for line in lines
        if not line["id"] or (line["id"] in owned_ids and named[line["id"]] is line)
    ]


def _build_frame(table: Table, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as columns by the names and in the forms that the table's files have."""
    columns = {
        column.source or name: _build_column([row[name] for row in rows], column)
        for name, column in table.columns.items()
    }
    return pl.DataFrame(columns)


def _build_column(values: Sequence[Any], column: Column) -> pl.Series:
    if column.type != "time":
        return pl.Series(values=values, dtype=_POLARS[column.type])
    times = [None if each is None else as_utc(datetime.fromisoformat(each)) for each in values]
    series = pl.Series(values=times, dtype=_POLARS["time"])
    unit = EPOCH_UNITS.get(column.format or "")
    return series if unit is None else series.dt.epoch(unit)
