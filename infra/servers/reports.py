"""Files of the reports below `reports`, read-only, behind the guard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from configs.settings import settings
from infra.servers.credentials import read_token
from infra.servers.guard import Guard, allowed_hosts
from infra.storage.s3 import is_s3

HEALTH = ("/health",)


def guard_reports(routes: Sequence[BaseRoute] = ()) -> Guard:
    """Return the application behind the guard, with more routes before the files.

    Starlette's static files allow GET and HEAD alone, lead to no file outside of the folder, also
    not by a symbolic link, and answer a folder by its index.html. Of reports on S3 it has no files,
    because the server of S3 has them.
    """
    paths: list[BaseRoute] = [Route(HEALTH[0], _report_health), *routes]
    if not is_s3(settings().reports):
        folder = Path(settings().reports)
        folder.mkdir(parents=True, exist_ok=True)
        paths.append(Mount("/", StaticFiles(directory=folder, html=True)))
    app = Starlette(routes=paths)
    return Guard(app, token=read_token(), hosts=allowed_hosts(), health=HEALTH)


def _report_health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")
