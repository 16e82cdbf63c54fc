"""Failed runs of a span, counted by use case and flow from Prefect's API."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from datetime import datetime

import httpx

from infra.deployments import FLOWS

FailedRuns = Counter[tuple[str, str]]
_PAGE, _MOST_PAGES = 200, 5  # runs of one request, as many as the API gives
_TIMEOUT = 3.0  # seconds; a scrape waits for it


def count_failed_runs(use_cases: Collection[str], since: datetime) -> FailedRuns:
    """Return the failed and crashed runs that ended after `since`, by use case and flow.

    Prefect's client is not used: its import takes seconds and memory that a server need not spend.

    Args:
        use_cases: names of the use cases.
        since: start of the span.

    Raises:
        httpx.HTTPError: the server does not respond, or refuses the request.
    """
    counted: FailedRuns = Counter()
    query = {
        "flow_runs": {
            "state": {"type": {"any_": ["FAILED", "CRASHED"]}},
            "tags": {"all_": ["mainspring"]},
            "end_time": {"after_": since.isoformat()},
        },
        "limit": _PAGE,
    }
    address = f"{os.environ['PREFECT_API_URL'].rstrip('/')}/flow_runs/filter"
    with httpx.Client(auth=_read_login(), headers=_read_key(), timeout=_TIMEOUT) as client:
        for page in range(_MOST_PAGES):
            response = client.post(address, json={**query, "offset": page * _PAGE})
            runs = response.raise_for_status().json()
            for run in runs:
                tags = set(run["tags"])
                for use_case in tags.intersection(use_cases):
                    counted.update((use_case, flow) for flow in tags.intersection(FLOWS))
            if len(runs) < _PAGE:
                break
    return counted


def has_prefect_address() -> bool:
    """Return whether this process knows a Prefect server."""
    return bool(os.environ.get("PREFECT_API_URL"))


def _read_login() -> tuple[str, str] | None:
    user, colon, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    return (user, password) if colon else None


def _read_key() -> dict[str, str]:
    key = os.environ.get("PREFECT_API_KEY", "")
    return {"Authorization": f"Bearer {key}"} if key else {}
