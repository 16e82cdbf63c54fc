"""Prefect server of Mainspring: `prefect server start` with three changes.

1. The guard (infra/servers/guard.py) checks every request, and Prefect itself checks the token too.
2. SQLite transactions wait for each other. Prefect begins a transaction that will write as a
   reader. If another one writes first, SQLite refuses the write at once: after four such tries an
   event is lost, and the run of an automation starts two seconds later. A transaction that begins
   as a writer waits for its turn instead. On PostgreSQL nothing is changed.
3. Runs that no process executes are ended (infra/servers/abandoned_runs.py).
"""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from threading import Thread
from typing import TYPE_CHECKING, Any

from infra.servers.credentials import auth_string, read_token
from infra.servers.guard import Guard, allowed_hosts

if TYPE_CHECKING:
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
    from starlette.types import ASGIApp

HEALTH = ("/api/health", "/api/ready")


def main() -> None:
    """Run Prefect's command line with these changes."""
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = auth_string()  # read when Prefect is imported
    os.environ.setdefault("PREFECT_SERVER_UI_API_URL", "/api")  # by whatever name it is called
    from prefect.cli import app

    _begin_as_writer()
    _sign_in_once()
    _serve_guarded()
    app()


def _begin_as_writer() -> None:
    """Begin any transaction as Prefect begins those that lock the rows they read."""
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_as_writer(
        config: AioSqliteConfiguration,
        session: AsyncSession,
        with_for_update: bool = True,  # noqa: ARG001
    ) -> AbstractAsyncContextManager[AsyncSessionTransaction]:
        return begin(config, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_as_writer  # type: ignore


def _sign_in_once() -> None:
    """Let the UI ask for no password: its browser has signed in at the guard."""
    from prefect.server.schemas.ui import UISettings

    create = UISettings.__init__

    def create_without_login(self: UISettings, **values: object) -> None:
        create(self, **{**values, "auth": None})

    UISettings.__init__ = create_without_login  # type: ignore


def _serve_guarded() -> None:
    """Put the guard in front of the application that Prefect serves.

    The server's own calls of its application do not pass it.
    """
    import uvicorn

    run = uvicorn.run

    def run_guarded(app: ASGIApp, **options: Any) -> None:  # noqa: ANN401
        guard = Guard(
            app, token=read_token(), hosts=allowed_hosts(), health=HEALTH, checks_token=True
        )
        _watch_runs(options["host"], options["port"])
        run(guard, **options)

    uvicorn.run = run_guarded  # type: ignore


def _watch_runs(host: str, port: int) -> None:
    """Start the thread that ends abandoned runs, as a client of this server."""
    from prefect.client.orchestration import SyncPrefectClient

    from infra.servers.abandoned_runs import watch_for_ever

    name = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    client = SyncPrefectClient(f"http://{name}:{port}/api", auth_string=auth_string())
    Thread(target=watch_for_ever, args=(client,), name="abandoned runs", daemon=True).start()


if __name__ == "__main__":
    main()
