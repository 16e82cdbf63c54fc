"""Prefect server whose SQLite transactions wait for each other: `prefect server start`, patched.

Prefect begins a transaction that will write as a reader. If another one writes first, SQLite
refuses the write at once: after four such tries an event is lost, and the run of an automation
starts two seconds later. A transaction that begins as a writer waits for its turn instead.
On PostgreSQL the problem does not exist and nothing is changed.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from prefect.server.database.configurations import AioSqliteConfiguration

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_begin = AioSqliteConfiguration.begin_transaction


def begin_as_writer(
    config: AioSqliteConfiguration,
    session: AsyncSession,
    with_for_update: bool = True,  # noqa: ARG001
) -> AbstractAsyncContextManager[AsyncSessionTransaction]:
    """Begin any transaction as Prefect begins those that lock the rows they read."""
    return _begin(config, session, with_for_update=True)


def main() -> None:
    """Run Prefect's command line with such transactions."""
    from prefect.cli import app

    AioSqliteConfiguration.begin_transaction = begin_as_writer  # type: ignore
    app()


if __name__ == "__main__":
    main()
