"""Links of the pages: to entries, to runs in Prefect, and to versions in MLflow."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import quote

from configs.settings import settings
from tasks.ledger.log import Entry

_RUN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class LinkedText:
    """A text, and the address that it leads to; empty without one."""

    text: str
    link: str = ""


def link_entry(entry: Entry) -> str:
    """Return the link to a ledger entry on the page of its model."""
    return f"#entry-{entry.seq}"


def link_run(run: str) -> str:
    """Return the link to a flow run in Prefect; empty if the text has no run's id."""
    match = _RUN.search(run)
    return f"{prefect_address()}/runs/flow-run/{match[0]}" if match else ""


def link_version(model: str, version: int) -> str:
    """Return the link to a version in MLflow."""
    return f"{settings().mlflow_url}/#/models/{quote(model)}/versions/{version}"


def link_deployments() -> str:
    """Return the link to the deployments in Prefect."""
    return f"{prefect_address()}/deployments"


def prefect_address() -> str:
    """Return the address of Prefect's UI: PREFECT_UI_URL, or that of the API, or the local one."""
    api = os.environ.get("PREFECT_API_URL", "").rstrip("/").removesuffix("/api")
    return os.environ.get("PREFECT_UI_URL", "").rstrip("/") or api or settings().prefect_url
