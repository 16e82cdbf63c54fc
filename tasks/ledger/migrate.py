"""Schema version of the ledger's table, and its migration to the newest revision."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from configs.errors import Terminal

HEAD_REVISION = "row_digests"
BASELINE_REVISION = "baseline"
VERSION_TABLE = "ledger_version"  # its own name: one database may hold MLflow's tables too
_FOLDER = Path(__file__).parent / "migrations"


def migrate_ledger(connection: Connection) -> None:
    """Bring the ledger's table to the newest revision; the caller holds the database lock.

    A table without a revision is older than revisions and counts as the baseline. That is also what
    a process leaves that was killed between the table and its revision. Terminal if the revision is
    unknown, because newer code made it.
    """
    revision = read_revision(connection)
    if revision == HEAD_REVISION:
        return
    # imported here: every flow opens the ledger, and almost none has to migrate it
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
    try:
        if revision is None and inspect(connection).has_table("ledger"):
            command.stamp(config, BASELINE_REVISION)
        command.upgrade(config, "head")
    except CommandError as failed:
        raise Terminal(
            f"the ledger has the schema revision {revision!r}, which this version does not know: "
            f"upgrade mainspring ({failed})"
        ) from failed


def read_revision(connection: Connection) -> str | None:
    """Return the revision of the ledger's table; None if none is recorded."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    query = text(f"select version_num from {VERSION_TABLE}")
    revision: str | None = connection.execute(query).scalar()
    return revision
