"""Reports server of Mainspring: the files below `reports`, read-only, behind the guard."""

from __future__ import annotations

import argparse
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from configs.settings import settings
from infra.servers.credentials import read_token
from infra.servers.guard import Guard, allowed_hosts

HEALTH = ("/health",)


def main() -> None:
    """Serve the reports of the settings until the process is stopped."""
    import uvicorn

    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(create_app(), host=options.host, port=options.port, log_level="warning")


def create_app() -> Guard:
    """Return the application behind the guard.

    Starlette's static files allow GET and HEAD alone, lead to no file outside of the folder, also
    not by a symbolic link, and answer a folder by its index.html.
    """
    folder = Path(settings().reports)
    folder.mkdir(parents=True, exist_ok=True)
    routes = [
        Route(HEALTH[0], _report_health),
        Mount("/", StaticFiles(directory=folder, html=True)),
    ]
    app = Starlette(routes=routes)
    return Guard(app, token=read_token(), hosts=allowed_hosts(), health=HEALTH)


def _report_health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


if __name__ == "__main__":
    main()
