"""A ledger that was written before its evidence was typed, with every kind of entry.

`flights` has a year's worth of entries; `oldest` has entries that lack the fields added later.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import create_engine, text

from configs.settings import ROOT

OLD_LEDGER = ROOT / "tests" / "unit" / "ledger" / "fixtures" / "old_ledger.sql"
_ROWS = "select model, seq, what, key, version, evidence, actor, at, recorded from ledger"
_TABLE = """create table ledger (
    id serial primary key, model varchar(64) not null, seq integer not null,
    what varchar(32) not null, key text not null, version integer, evidence json not null,
    actor text not null, at timestamptz not null, recorded timestamptz not null,
    unique (model, seq), unique (model, key))"""


def write_old_ledger(path: Path) -> str:
    """Write the old ledger as a SQLite file, and return its address."""
    with sqlite3.connect(path) as database:
        database.executescript(OLD_LEDGER.read_text())
    database.close()
    return f"sqlite:///{path}"


def copy_to_postgres(path: Path, url: str) -> None:
    """Copy the old ledger into PostgreSQL, into a table as the old code made it."""
    with sqlite3.connect(path) as database:
        rows = database.execute(_ROWS).fetchall()
    names = ("model", "seq", "what", "key", "version", "evidence", "actor", "at", "recorded")
    marks = ", ".join(f":{name}" for name in names)
    statement = text(f"insert into ledger ({', '.join(names)}) values ({marks})")
    with create_engine(url).begin() as connection:
        connection.execute(text(_TABLE))
        utc = [dict(zip(names, row, strict=True)) for row in rows]
        for row in utc:
            row |= {"at": f"{row['at']}+00", "recorded": f"{row['recorded']}+00"}
        connection.execute(statement, utc)
