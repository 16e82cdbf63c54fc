"""`prefect server start`, with transactions that wait for each other on SQLite.

Prefect begins a transaction that is going to write as a reader. Where another one writes before it
does, SQLite refuses it at once and nothing waits: after four such tries an event is lost, and the
run that an automation asks for comes two seconds later. Begun as a writer, it waits for its turn.
On PostgreSQL nothing of this happens, and nothing is changed.
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
    """Begin any transaction as Prefect begins those that lock what they read."""
    return _begin(config, session, with_for_update=True)


def main() -> None:
    """Prefect's command line, on such transactions."""
    from prefect.cli import app

    AioSqliteConfiguration.begin_transaction = begin_as_writer  # type: ignore
    app()


if __name__ == "__main__":
    main()
