"""MLflow server of Mainspring: `mlflow server` behind the guard (infra/servers/guard.py)."""

from __future__ import annotations

import os
from typing import Any

from infra.servers.credentials import read_token
from infra.servers.guard import Guard, allowed_hosts

HEALTH = ("/health",)


def main() -> None:
    """Run MLflow's command line; its server process imports `create_app`."""
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = "*"  # the guard checks them, for every path
    from mlflow import server
    from mlflow.cli import cli

    build = server._build_uvicorn_command

    def build_guarded(*options: Any) -> list[str]:  # noqa: ANN401
        command: list[str] = build(*options)
        return [*command[:-1], "--factory", "infra.servers.mlflow:create_app"]

    server._build_uvicorn_command = build_guarded
    cli()


def create_app() -> Guard:
    """Return MLflow's application behind the guard."""
    from mlflow.server.fastapi_app import app

    return Guard(app, token=read_token(), hosts=allowed_hosts(), health=HEALTH)


if __name__ == "__main__":
    main()
