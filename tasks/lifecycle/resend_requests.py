"""Reconcile: the requests of the ledger that no flow run works on.

Events and runs may be lost; the ledger's entries are not, so overdue requests are found from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from configs.clock import as_utc
from tasks.ledger.evidence import RollbackAsked, read_evidence
from tasks.ledger.log import Entry
from tasks.orchestration.flow_runs import FlowRun

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(days=1)


def find_overdue(requests: Sequence[Entry], runs: Sequence[FlowRun], now: datetime) -> list[Entry]:
    """Return the requests without a run for a while; the pause doubles with each failed run."""
    return [entry for entry in requests if _is_overdue([r for r in runs if _is_for(r, entry)], now)]


def _is_overdue(runs: Sequence[FlowRun], now: datetime) -> bool:
    if not runs:
        return True
    ends = [run.ended for run in runs if run.ended is not None]
    pause = min(FIRST_PAUSE * 2 ** min(len(runs) - 1, 16), LONGEST_PAUSE)
    return len(ends) == len(runs) and now - max(ends) >= pause


def answering_flow(entry: Entry) -> str:
    """Return the flow whose runs answer a request."""
    return {"alert_raised": "retrain", "rollback_asked": "rollback"}.get(entry.what, "promote")


def _is_for(run: FlowRun, entry: Entry) -> bool:
    """Return whether a run of the answering flow is about the request.

    A version has several steps, which differ in their moments. A suspended run waits for an
    approval, so it works on every request of the version but the approval.
    """
    parameters = run.parameters
    if entry.what == "alert_raised":
        return parameters.get("alert") == entry.key
    if entry.what == "rollback_asked":
        return parameters.get("promotion") == read_evidence(entry, RollbackAsked).promotion
    if parameters.get("version") != entry.version:
        return False
    if entry.what in ("approved", "rejected"):
        return not run.suspended
    return entry.what != "step_asked" or _parse_moment(parameters.get("as_of")) == entry.at


def _parse_moment(value: object) -> datetime | None:
    return None if value is None else as_utc(datetime.fromisoformat(str(value)))
